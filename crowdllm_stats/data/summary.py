"""A few lines on what a data set holds."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats.data.scale import Scale


def summary(
    responses: pd.DataFrame,
    participants: pd.DataFrame,
    problems: pd.DataFrame,
    scale: Scale,
    exclusions: dict[str, int],
) -> str:
    """Counts, answers per problem and participant, scale, profiles and exclusions."""
    lines = [
        f"{_count(problems, 'problem')}, {_count(participants, 'participant')}, {_count(responses, 'response')}",
        _per(responses),
    ]
    if "repeat" in responses and responses["repeat"].max() > 0:
        lines.append(
            f"repeated answers kept, up to {int(responses['repeat'].max()) + 1} of one participant to one problem"
        )
    lines.append(f"scale: {_cut(str(scale))} ({_answers(responses['response'], scale)})")
    lines += [f"profile {name}: {_values(participants[name])}" for name in participants.columns[1:]]
    if problems.shape[1] > 1:
        lines.append(f"problem columns: {', '.join(map(str, problems.columns[1:]))}")
    for table in (problems, participants):
        name = table.columns[0]
        idle = len(table) - responses[name].nunique()
        if idle:
            lines.append(f"{idle} {name}{'s' if idle > 1 else ''} without a response")
    if exclusions:
        lines.append("left out: " + ", ".join(f"{count} {reason}" for reason, count in exclusions.items()))
    return "\n".join(["CrowdData", *(f"  {line}" for line in lines)])


def _count(table: pd.DataFrame, name: str) -> str:
    return f"{len(table):,} {name}{'' if len(table) == 1 else 's'}"


def _per(responses: pd.DataFrame) -> str:
    problem, person = (responses[name].value_counts() for name in ("problem", "participant"))
    return f"{_span(problem)} responses per problem (median {problem.median():g}), {_span(person)} per participant"


def _span(counts: pd.Series) -> str:
    return f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"


def _answers(answers: pd.Series, scale: Scale) -> str:
    if scale.numeric:
        return f"answers from {answers.min():g} to {answers.max():g}, mean {answers.mean():.3g}"
    if scale.kind == "approval":
        return f"{answers.map(len).mean():.3g} options per ballot; {_top(answers.explode())}"
    return _top(answers)


def _values(column: pd.Series) -> str:
    missing = int(column.isna().sum())
    note = f", missing ({missing})" if missing else ""
    if pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() > 6:
        return f"{column.min():g} to {column.max():g}, mean {column.mean():.3g}{note}"
    return _top(column) + note


def _top(column: pd.Series, limit: int = 5) -> str:
    counts = column.value_counts()
    shown = [f"{_cut(str(value)) or 'not stated'} ({count})" for value, count in counts.head(limit).items()]
    return ", ".join(shown) + (f" and {len(counts) - limit} more" if len(counts) > limit else "")


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def per_problem(responses: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Every problem's number of answers, and their mean where answers are numbers.

    Returns:
        Columns ``answers`` and, on a numeric scale, ``mean``; indexed by problem.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human
        >>> per_problem(human.responses, human.scale).loc["q01"].to_dict()
        {'answers': 8.0, 'mean': 2.5}
    """
    grouped = responses.groupby("problem", sort=False)["response"]
    found = grouped.size().to_frame("answers")
    return found.assign(mean=grouped.mean()) if scale.numeric else found

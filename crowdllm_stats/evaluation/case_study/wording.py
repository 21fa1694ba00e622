"""A case study in Markdown: what was compared, and the tables with their standard errors."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats.evaluation.case_study.rows import BY_OBJECTIVE, RIDGE, RIDGE_SCALED
from crowdllm_stats.evaluation.case_study.study import FLOOR, GLAD_SPLITS, PERFECT, CaseStudy
from crowdllm_stats.evaluation.scores import FEW

#: Metrics of the published tables, in their order, named as in :class:`crowdllm_stats.evaluation.scores.Scores`.
METRICS = (
    *(f"mae{kind}" for kind in ("", " median", " majority", " dawid-skene", " glad")),
    *(f"rmse{kind}" for kind in ("", " median", " majority", " dawid-skene", " glad")),
    "cs",
    "wd",
)

_ROWS = {
    "popquorn:offensiveness": {
        "random": "1.27 1.61 1.57 1.73 1.89 1.44 1.86 2.05 2.17 2.31 0.56 1.31",
        "LLM zero-shot": "0.86 1.03 1.23 1.06 1.23 1.08 1.32 1.53 1.38 1.52 0.39 1.13",
        "LLM multi-persona": "0.65 0.64 0.67 0.69 0.68 0.86 1.00 1.16 1.15 1.16 0.69 0.78",
        "LLM self-consistency": "0.99 1.26 1.48 1.22 1.49 1.16 1.48 1.68 1.52 1.69 0.34 1.24",
        "VAE": "0.71 0.81 0.60 0.96 0.92 0.94 1.15 1.24 1.37 1.54 0.76 0.79",
        "CrowdLLM": "0.45 0.48 0.43 1.00 0.53 0.59 0.82 1.10 1.53 1.23 0.85 0.51",
    },
    "popquorn:qa_difficulty": {
        "random": "1.21 1.41 1.52 1.98 1.81 1.43 1.73 2.02 2.38 2.26 0.49 1.29",
        "LLM zero-shot": "0.71 0.81 1.04 1.02 1.05 0.90 1.04 1.24 1.28 1.26 0.33 1.06",
        "LLM multi-persona": "0.73 0.82 1.00 1.06 1.02 1.02 1.16 1.38 1.46 1.41 0.48 0.93",
        "LLM self-consistency": "0.68 0.79 1.02 0.98 1.03 0.87 1.02 1.22 1.23 1.25 0.36 1.01",
        "VAE": "0.76 0.90 0.71 1.41 1.11 0.98 1.20 1.14 1.85 1.53 0.68 0.88",
        "CrowdLLM": "0.65 0.74 0.63 1.49 0.89 0.83 1.06 1.18 2.08 1.43 0.71 0.74",
    },
    "amazon-2023:All_Beauty": {
        "random": "1.19 1.30 0.59 0.14",
        "LLM zero-shot": "1.04 1.19 0.13 0.15",
        "LLM multi-persona": "0.87 0.97 0.24 0.09",
        "LLM self-consistency": "1.03 1.16 0.13 0.14",
        "VAE": "0.88 1.02 0.28 0.06",
        "CrowdLLM": "0.21 0.26 0.93 0.04",
    },
    "amazon-2023:Musical_Instruments": {
        "random": "1.28 1.39 0.58 0.15",
        "LLM zero-shot": "0.52 0.65 0.27 0.16",
        "LLM multi-persona": "0.47 0.58 0.37 0.14",
        "LLM self-consistency": "0.46 0.57 0.29 0.16",
        "VAE": "0.47 0.61 0.63 0.07",
        "CrowdLLM": "0.22 0.27 0.92 0.05",
    },
}

#: Metrics of the published tables of product ratings.
RATING_METRICS = ("mae", "rmse", "cs", "wd of probabilities")


def published(data: str) -> pd.DataFrame:
    """The published rows of a data set (Gemma3-12B backbone): ``row`` and a column per metric; empty without any.

    Args:
        data: the data set's name.

    Source: CrowdLLM, Tables 1 to 4.

    Example:
        >>> published("popquorn:offensiveness").set_index("row").loc["CrowdLLM", ["mae", "wd"]].tolist()
        [0.45, 0.51]
    """
    rows = [[name, *map(float, values.split())] for name, values in _ROWS.get(data, {}).items()]
    metrics = RATING_METRICS if data.startswith("amazon-2023:") else METRICS
    return pd.DataFrame(rows, columns=["row", *metrics])


AGGREGATES = ("", " median", " majority", " dawid-skene", " glad")
TITLES = {"": "mean", " median": "median", " majority": "majority", " dawid-skene": "Dawid-Skene", " glad": "GLAD"}

#: What the columns of the main tables are called.
MAIN = {"mae": "MAE", "rmse": "RMSE", "cs": "CS", "wd": "WD", "wd of probabilities": "WD of probabilities"}


#: The answer to whether CrowdLLM beats another row, by the verdict.
_YES = {"better": "yes", "worse": "no, ridge is better", "no different": "no difference is shown"}


def best_ridge(study: CaseStudy, metric: str) -> str:
    """The form of ridge, of those with CrowdLLM's features, that scored better on a metric: a choice in its favour.

    Args:
        study: the case study.
        metric: "mae", "rmse", "wd" (less is better) or "cs" (more is better).

    Returns:
        The row's name.
    """
    forms = [name for name in (RIDGE, RIDGE_SCALED) if (study.scores["row"] == name).any()]
    return min(forms, key=lambda name: study.value(name, metric) * (-1.0 if metric == "cs" else 1.0))


def comparison(study: CaseStudy, metric: str, row: str | None = None, against: str | None = None) -> pd.Series:
    """The paired difference of a CrowdLLM row less another.

    Args:
        study: the case study.
        metric: one of the compared metrics.
        row: the CrowdLLM row, that of the study's objective by default.
        against: the other row, the better form of ridge by default.
    """
    ours, other = row or BY_OBJECTIVE[study.objective], against or best_ridge(study, metric)
    table = study.differences
    return table[(table["row"] == ours) & (table["against"] == other) & (table["metric"] == metric)].iloc[0]


def verdict(difference: pd.Series) -> str:
    """ "better", "worse" or "no different", by whether the interval excludes 0; below 0 is better but for "cs".

    Args:
        difference: with ``metric``, ``lower`` and ``upper``, as :func:`comparison` gives it.

    Example:
        >>> verdict(pd.Series({"metric": "wd", "lower": -0.03, "upper": -0.01}))
        'better'
        >>> verdict(pd.Series({"metric": "cs", "lower": -0.03, "upper": -0.01}))
        'worse'
    """
    sign = -1.0 if difference["metric"] == "cs" else 1.0
    low, high = sorted((sign * difference["lower"], sign * difference["upper"]))
    return "better" if high < 0.0 else "worse" if low > 0.0 else "no different"


def in_words(difference: pd.Series) -> str:
    """A paired difference with its interval and p-value as text.

    Args:
        difference: with ``difference``, ``lower``, ``upper`` and ``p_value``.

    Example:
        >>> in_words(pd.Series({"difference": -0.012, "lower": -0.017, "upper": -0.007, "p_value": 0.0005}))
        '-0.0120 [-0.0170, -0.0070], p = 0.0005'
    """
    return (
        f"{difference['difference']:+.4f} [{difference['lower']:+.4f}, {difference['upper']:+.4f}], "
        f"p = {difference['p_value']:.2g}"
    )


def main_table(study: CaseStudy) -> pd.DataFrame:
    """MAE, RMSE, CS and WD of every row, exact and sampled, each with its standard error, and the published rows.

    Returns:
        One row per predictor, all cells text; "MAE published" and so on in the protocol of the published table alone,
        empty where the paper has no such row.
    """
    scored = {metric: title for metric, title in MAIN.items() if (study.scores["metric"] == metric).any()}
    table = _wide(study, tuple(scored), ("exact", "sampled"))
    beside = published(study.data)
    # Of product ratings the paper holds out whole products.
    if study.protocol == ("paper" if "mae glad" in beside else "new-problems") and not beside.empty:
        names = {name: _ours(name) for name in beside["row"]}
        for metric, title in ((metric, title) for metric, title in scored.items() if metric in beside):
            shown = {names[name]: f"{value:.2f}" for name, value in zip(beside["row"], beside[metric], strict=True)}
            table[f"{title} published"] = [shown.get(row, "") for row in table["row"]]
    return table


def aggregates_table(study: CaseStudy, metric: str) -> pd.DataFrame:
    """MAE or RMSE of the five aggregates of a sampled crowd, with the published numbers.

    Args:
        study: in the protocol "paper".
        metric: "mae" or "rmse".
    """
    table = _wide(study, tuple(f"{metric}{kind}" for kind in AGGREGATES), ("sampled",))
    table.columns = pd.Index(["row", *TITLES.values()])
    beside = published(study.data)
    if beside.empty:
        return table
    words = {
        _ours(one["row"]): " / ".join(f"{one[f'{metric}{kind}']:.2f}" for kind in AGGREGATES)
        for one in beside.to_dict("records")
    }
    table["published"] = [words.get(row, "") for row in table["row"]]
    return table


def beats_ridge(study: CaseStudy) -> str:
    """One sentence: whether CrowdLLM beats the better form of ridge, in the distribution and in the mean.

    Paired by problem, with a 0.95 interval; with fewer than 30 problems, where the interval would be too short, the
    number of problems on which CrowdLLM is better.

    Args:
        study: the case study.
    """
    answers = []
    for metric, what in (("wd", "In the distribution of answers (WD"), ("mae", "in the mean answer (MAE")):
        found = comparison(study, metric)
        few = found["n_problems"] < FEW
        said = "better on {n_better} of {n_problems} problems, too few for an interval" if few else _YES[verdict(found)]
        ends = "" if few else f", difference {found['difference']:+.3g} [{found['lower']:+.3g}, {found['upper']:+.3g}]"
        answers.append(f"{what}{ends}) {said.format(**found)}")
    return f"Does {BY_OBJECTIVE[study.objective]}, beat ridge? {'; '.join(answers)}."


def markdown(study: CaseStudy) -> str:
    """The whole study as Markdown, without heading line."""
    ours = BY_OBJECTIVE[study.objective]
    lines = [_setting(study), "", beats_ridge(study), "", *_left_out(study), markdown_table(main_table(study)), ""]
    lines += [
        f'"exact" scores the predicted distribution itself, "sampled" as many drawn answers as the problem has raters; '
        f'in brackets the standard error over problems. "{PERFECT}" is what a perfect population would get under '
        f'sampling; "{FLOOR}" how far people are from people.',
        "",
        f"## {ours} less others",
        "",
        "Paired by problem, bootstrap over problems; below 0 CrowdLLM is better in MAE, RMSE and WD, above 0 in CS."
        + _few(study),
        "",
        markdown_table(_differences_table(study)),
        "",
        "## Spread",
        "",
        "The variance among a problem's raters (n - 1) regressed on the predicted variance: a right prediction has "
        "slope 1 and intercept 0.",
        "",
        markdown_table(_spread_table(study)),
        "",
    ]
    if (study.scores["metric"] == "mae glad").any():
        lines += ["## Aggregates", ""]
        lines += [
            "Each crowd aggregated by itself: digital less human, sampled. Dawid-Skene and GLAD meet virtual workers "
            f"in the place of the real ones, answer for answer; GLAD on the first {GLAD_SPLITS} split(s) alone.",
            "",
        ]
        for metric in ("mae", "rmse"):
            lines += [f"{metric.upper()}:", "", markdown_table(aggregates_table(study, metric)), ""]
    return "\n".join(lines)


def _setting(study: CaseStudy) -> str:
    counts, last = study.counts, study.scores.iloc[0]
    scored = f"{int(last['n_problems'])} different problems were scored"
    alone = f"; {counts['unanswered']} problem(s) without any answer were not scored" if counts["unanswered"] else ""
    return (
        f"{study.data}: {counts['answers']} answers of {counts['people']} people to {counts['problems']} problems. "
        f"Backbone {study.backbone}, embedding {study.embedding}, protocol {study.protocol}, splits "
        f"{', '.join(map(str, study.seeds))}; {scored}{alone}."
    )


def _few(study: CaseStudy) -> str:
    count = int(study.differences["n_problems"].min())
    return f" Of {count} problems alone: the intervals are too short, the p-values too small." if count < FEW else ""


def _left_out(study: CaseStudy) -> list[str]:
    lines = [f"- {note}" for note in study.notes]
    lines += [f"- No row {name!r}: {why}." for name, why in study.left_out.items()]
    return [*lines, ""] if lines else []


def _differences_table(study: CaseStudy) -> pd.DataFrame:
    table = study.differences.copy()
    table["p"] = [f"{value:.2g}" for value in table["p_value"]]
    for column in ("difference", "lower", "upper"):
        table[column] = [f"{value:+.4f}" for value in table[column]]
    return table[["row", "against", "metric", "difference", "lower", "upper", "p"]]


def _spread_table(study: CaseStudy) -> pd.DataFrame:
    table = study.spread.copy().astype(object)
    for column in ("slope", "lower", "upper", "intercept", "human_variance", "predicted_variance"):
        table[column] = [_number(value) for value in table[column]]
    return table


def _wide(study: CaseStudy, metrics: tuple[str, ...], ways: tuple[str, ...]) -> pd.DataFrame:
    cells = {
        (one["row"], one["how"], one["metric"]): f"{one['value']:.3f} ({one['standard_error']:.3f})"
        for one in study.scores.to_dict("records")
    }
    names = list(dict.fromkeys(study.scores["row"]))
    table = pd.DataFrame({"row": names})
    for how in ways:
        for metric in metrics:
            title = f"{MAIN.get(metric, metric)} {how}"
            table[title] = [cells.get((name, how, metric), "-") for name in names]
    return table


def _ours(name: str) -> str:
    """Our row that a published one stands beside."""
    return BY_OBJECTIVE["paper"] if name == "CrowdLLM" else name


def _number(value: object) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.3f}"

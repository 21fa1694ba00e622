"""Every interval method on the same two tables, side by side."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.checks import Alternative, check_count
from crowdllm_stats._base.messages import Message
from crowdllm_stats._base.shown import several
from crowdllm_stats.inference.intervals import HUMAN_ONLY, METHODS, IntervalTable, compare_intervals
from crowdllm_stats.inference.intervals.interval_result import draw_bars
from crowdllm_stats.survey.by_shape import by_shape
from crowdllm_stats.survey.first_look import Survey, open_survey
from crowdllm_stats.survey.interval_words import between, question
from crowdllm_stats.survey.intervals import AUTO_ALONE, Pooled, check_interval, of_two_values, overall_row, pool
from crowdllm_stats.survey.pairing import Batch
from crowdllm_stats.survey.per_problem import Wanted
from crowdllm_stats.survey.result import Row, SurveyResult
from crowdllm_stats.survey.tables import step_of

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.survey.tables import Answers

#: Methods with twins that take people who answered several problems.
PAIRED_POOLED = ("ppi", "ppi++", "ppi-small", "ppi++-small")

OTHERS = Message(
    "The bounded methods and Theorem 5 do not allow for people who answered several problems; first=N shows them.",
    "The bounded methods and Theorem 5 do not allow for people who answered several problems; --problem shows them.",
)

#: Columns of the rows, the most important first.
COLUMNS = ("problem", "method", "estimate", "lower", "upper", "half_width", "effective_n", "lam")

#: Problems that are drawn at most.
DRAWN = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison(SurveyResult):
    """Every method's interval: one row per problem and method; ``chosen`` is True for what "auto" uses.

    Rows of the mean over all problems have ``n_problems``, how many these are.
    """

    def panels(self) -> dict[str, list[Row]]:
        """Problem -> its rows, one per method; the one problem "all" where the mean over all was asked for.

        Example:
            >>> from crowdllm_stats import compare_from, load_example
            >>> example = load_example()
            >>> found = compare_from(example.human, example.digital, first=2)
            >>> {problem: len(rows) for problem, rows in found.panels().items()}
            {'q01': 12, 'q02': 12}
        """
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["problem"], []).append(row)
        return found

    def plot(self) -> Any:
        """The first six problems, one panel each with one bar per method; a star marks what "auto" uses.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        from matplotlib.figure import Figure

        shown = list(self.panels().items())[:DRAWN]
        figure = Figure(figsize=(7.0, 0.6 + 3.2 * len(shown)), layout="constrained")
        for axis, (problem, rows) in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
            labels = [f"{row['method']} *" if row["chosen"] else row["method"] for row in rows]
            estimate, lower, upper = (
                np.array([row[name] for row in rows], dtype=float) for name in ("estimate", "lower", "upper")
            )
            draw_bars(estimate, lower, upper, labels, "", axis)
            axis.set_title(f"{problem}: level {rows[0]['level']:g}", fontsize=10, parse_math=False)
        return figure


def compare_from(
    human: Answers,
    digital: Answers,
    *,
    scale: Scale | str | None = None,
    match: Sequence[str] = (),
    unpaired: bool = False,
    as_given: bool = False,
    first: int | None = None,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    seed: int | None = None,
) -> Comparison:
    """Every interval method on the same answers: for the first problems, or for the mean over all of them.

    To pick the narrowest one afterwards breaks its level; ``chosen`` marks what "auto" uses, which never looks at
    widths (:func:`crowdllm_stats.compare_intervals`). The mean over all problems takes people as independent units, as
    :func:`crowdllm_stats.interval_from` does, by the methods that allow for people who answered several problems. The
    command ``crowdllm-stats compare`` is this function.

    Args:
        human: answers of people, as :func:`crowdllm_stats.interval_from` takes them.
        digital: answers of the digital population to the same problems, likewise.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        match: profile columns to build twins from; empty pairs by the participants' names.
        unpaired: whether nobody is meant to have a twin: the intervals then rest on human answers alone.
        as_given: whether the tables are in the right order, though they look exchanged.
        first: how many problems to show, each by itself; None for the mean over all of them.
        level: confidence level in (0, 1).
        alternative: "two-sided"; "larger" gives a lower end only, "smaller" an upper end only.
        seed: shuffles the order in which "betting" and "set-betting" take the answers.

    Returns:
        Comparison. Its rows have the columns of :class:`crowdllm_stats.Interval`, in units of the answers, and
        ``chosen``; its notes say which methods do not apply and why.

    Raises:
        ValueError: on bad input, as :func:`crowdllm_stats.interval_from`, or if no method applies to any problem.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = compare_from(example.human, example.digital)
        >>> found.to_frame()[["method", "chosen"]].values.tolist()[-2:]
        [['ppi-small', False], ['ppi++-small', True]]
    """
    check_interval("auto", level, alternative, None)
    if first is not None:
        check_count("first", first)
    survey = open_survey(human, digital, scale=scale, match=match, as_given=as_given, unpaired=unpaired)
    if not unpaired:
        survey.refuse_strangers()
    pairing, law = survey.pairing, survey.law
    wanted = Wanted("auto", level, alternative, survey.human.scale.bounds, None, None, seed)
    options = {"level": level, "alternative": alternative, "seed": seed, "check_law": False}
    if first is not None or len(pairing.problems) == 1:
        rows, reasons, remarks = _each(survey, options, len(pairing.problems) if first is None else first)
        used: Collection[str] = {row["problem"] for row in rows}
    else:
        pooled, reasons = pool(pairing), {}
        rows, remarks = _all(pooled, dataclasses.replace(wanted, twins=not law.differs))
        used = set(pooled.problems)
    law.mark([row for row in rows if row["method"] not in HUMAN_ONLY])
    notices = [*survey.looks(paired=not unpaired), *law.notices(AUTO_ALONE), *pairing.notices()]
    notes = [*survey.coding, *pairing.notes(), *remarks]
    two = survey.human.scale.bounds if of_two_values(survey.human) else None
    counts = survey.counts(used)
    return Comparison(
        rows, None, reasons, notes, counts, pairing.why, notices, (), _answer(rows, wanted, two), survey.basis(counts),
        COLUMNS,
    )  # fmt: skip


def _answer(rows: Sequence[Row], wanted: Wanted, two: tuple[float, float] | None) -> str:
    """What "auto" says, and how far the methods differ."""
    chosen = [row for row in rows if row["chosen"]]
    first = chosen[0]
    if len(chosen) > 1:
        which = f"In {len(chosen)} questions auto uses {' and '.join(sorted({row['method'] for row in chosen}))}"
    else:
        whose = "Over all questions" if "n_problems" in first else question(first)
        which = f"{whose}: people answer {between(first, wanted, two)} by {first['method']}, which auto uses"
    widths = [row["half_width"] for row in rows if math.isfinite(row["half_width"])]
    others = len({row["method"] for row in rows})
    return (
        f"{which}; the half-widths of {several(others, 'method')} go from {min(widths):.2g} to {max(widths):.2g}, and "
        "to choose the shortest afterwards breaks the level."
    )


def _rows(table: IntervalTable, problems: Sequence[str], alone: bool) -> list[Row]:
    """One row per problem and method; with ``alone``, auto takes the method for human answers alone."""
    names = table.intervals
    chosen = table.chosen
    if alone:
        chosen = next(name for name in ("binomial", "classical-small", "classical") if name in names)
    frames = {name: answer.to_frame().to_dict("records") for name, answer in names.items()}
    return [
        {"problem": problem, **frames[name][place], "chosen": name == chosen}
        for place, problem in enumerate(problems)
        for name in names
    ]


def _all(pooled: Pooled, wanted: Wanted) -> tuple[list[Row], list[str]]:
    """The mean over all problems, by the methods that allow for people who answered several problems.

    Each row, and what "auto" uses, is the row over all problems of :func:`crowdllm_stats.interval_from`.
    """
    names = ["classical", *(() if wanted.bounds is None else ("classical-small",))]
    names += () if pooled.crowd is None else PAIRED_POOLED
    found = {name: overall_row(pooled, dataclasses.replace(wanted, method=name)) for name in ("auto", *names)}
    chosen, why = found.pop("auto")
    if chosen is None:
        raise ValueError(why)
    more = {"n_problems": len(pooled.problems)}
    rows = [row | more | {"chosen": row["method"] == chosen["method"]} for row, _ in found.values() if row is not None]
    left = [f"not applicable: {name} ({reason})" for name, (row, reason) in found.items() if row is None]
    return rows, [Message.filled("all: {} {}", pooled.why, OTHERS), *left]


def _each(survey: Survey, options: dict[str, Any], first: int) -> tuple[list[Row], dict[str, str], list[str]]:
    """The first problems, each with all methods that two tables are enough for."""
    pairing, bounds, (step, _) = survey.pairing, survey.human.scale.bounds, step_of(survey.human, survey.digital)
    names = [name for name, method in METHODS.items() if not method.folds]

    def calculate(block: Batch) -> tuple[list[Row], IntervalTable]:
        table = compare_intervals(
            block.human, block.twin, block.crowd, bounds=bounds, step=step, methods=names, **options
        )
        return _rows(table, block.problems, survey.law.differs), table

    chosen = np.arange(len(pairing.problems)) < first
    paired = chosen & pairing.fully_paired
    blocks = [
        *pairing.blocks(paired=True, filled=True, chosen=paired),
        *pairing.blocks(paired=False, chosen=chosen & ~paired),
    ]
    found = by_shape(blocks, calculate, pairing.problems, others={}, nothing="{}")
    tables = {problem: table for block, table in found.answers for problem in block.problems}
    in_order = [tables[problem] for problem in pairing.problems if problem in tables]
    return found.rows, found.reasons, _not_applicable(in_order)


def _not_applicable(tables: Sequence[IntervalTable]) -> list[str]:
    """Every reason why a method does not apply, once."""
    sentences = (Message.filled("not applicable: {} ({})", *one) for table in tables for one in table.skipped.items())
    return list(dict.fromkeys(sentences))

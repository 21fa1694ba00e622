"""How far the digital answers' distribution is from the humans', for every problem of two tables and over all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_count, check_level
from crowdllm_stats._base.shown import percent
from crowdllm_stats.inference.diversity import (
    LEAST,
    SOME,
    DistributionError,
    distribution_error,
    plot_distance,
    share_with_few_levels,
)
from crowdllm_stats.survey.by_shape import Stack, by_shape, rows_of, stacked
from crowdllm_stats.survey.first_look import Survey, open_survey
from crowdllm_stats.survey.interval_words import question
from crowdllm_stats.survey.result import Row, SurveyResult
from crowdllm_stats.survey.tables import two_scales

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.survey.tables import Answers


#: Columns of the rows, the most important first.
COLUMNS = (
    "problem", "total", "location", "spread", "rest", "sd_ratio", "cost_of_uniformity", "shape", "energy", "n_human",
    "n_digital",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Distributions(SurveyResult):
    """Distances of distributions and their parts."""

    def plot(self) -> Any:
        """Bars of the parts of the distance; over several questions, of their means.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        return plot_distance(self.rows[0] if self.overall is None else self.overall)


def distribution_from(
    human: Answers,
    digital: Answers,
    *,
    scale: Scale | str | None = None,
    as_given: bool = False,
    level: float = 0.95,
    n_boot: int = 0,
    seed: int | None = None,
) -> Distributions:
    """Is the digital population too uniform, and what does it cost? The distance of the two sides' answers, in parts.

    ``total = location + spread + rest`` is the squared Wasserstein-2 distance of the answers of one problem
    (:func:`crowdllm_stats.distribution_error`); the rest is shape and the part that comes from few answers. A ratio of
    standard deviations below 1 says that the digital answers are too uniform, ``cost_of_uniformity`` what that adds to
    the squared distance. Who is whose twin plays no part here. The command ``crowdllm-stats distribution`` is this
    function.

    Args:
        human: answers of people, as :func:`crowdllm_stats.interval_from` takes them.
        digital: answers of the digital population to the same problems, likewise.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        as_given: whether the tables are in the right order, though they look exchanged.
        level: confidence level of the bounds, in (0, 1).
        n_boot: bootstrap samples for the bounds of each problem; 0 for none.
        seed: of the bootstrap.

    Returns:
        Distributions. Its rows have the columns of :func:`crowdllm_stats.distribution_error` in squared units of the
        answers, ``n_human`` and ``n_digital``, and with a bootstrap the bounds. ``overall`` is the mean over problems,
        its interval stands in ``overall_ends``.

    Raises:
        ValueError: on bad input, or if no problem has three human and three digital answers.

    Source: theory/README.md, "Beyond the paper".

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = distribution_from(example.human, example.digital)
        >>> {name: round(found.overall[name], 2) for name in ("total", "location", "spread")}
        {'total': 0.65, 'location': 0.06, 'spread': 0.01}
    """
    check_level(level)
    check_count("n_boot", n_boot, least=0)
    survey = open_survey(human, digital, scale=scale, as_given=as_given)
    cases, others = _cases(survey)
    few = bool(np.mean([share_with_few_levels(*sides) for sides in cases.values()]) > SOME) if cases else False

    def calculate(stack: Stack) -> tuple[list[Row], DistributionError]:
        found = distribution_error(*stack.arrays, level=level, n_boot=n_boot, seed=seed, few_levels=few)
        return _rows(found, stack), found

    nothing = f"no problem has {LEAST} human and {LEAST} digital answers, the least that show a spread"
    found = by_shape(stacked(cases), calculate, list(cases), others=others, nothing=nothing)
    rows = found.rows
    survey.law.mark(rows)
    single = len(rows) == 1
    if single:
        whole = distribution_error(*cases[rows[0]["problem"]], level=level, n_boot=n_boot, seed=seed)
    else:
        whole = _joined([part for _, part in found.answers]).average(level)
    mean, ends = (None, []) if single else _summary(whole, level)
    counts = {"problems": len(rows), "excluded": len(found.reasons)}
    notes = [*survey.coding, *_repeated(survey)]
    notices = [
        *two_scales(survey.human, survey.digital),
        *survey.law.notices("The distribution here is that of both together."),
    ]
    answer = _in_words(whole, rows)
    human, digital = (sum(row[name] for row in rows) for name in ("n_human", "n_digital"))
    basis = f"Rests on {human} human and {digital} digital answers."
    return Distributions(rows, mean, found.reasons, notes, counts, whole.why, notices, ends, answer, basis, COLUMNS)


def _cases(survey: Survey) -> tuple[dict[str, tuple[FloatArray, FloatArray]], dict[str, str]]:
    """Both sides' answers of every problem with enough of them, and problem -> why of the others."""
    sides = []
    for name, data in (("human", survey.human), ("digital", survey.digital)):
        if not data.scale.numeric:
            raise ValueError(f"answers must be numbers here, but the {name} scale is {data.scale}")
        grouped = data.responses.groupby("problem", sort=False)["response"]
        sides.append({str(problem): answers.to_numpy(dtype=float) for problem, answers in grouped})
    cases: dict[str, tuple[FloatArray, FloatArray]] = {}
    others: dict[str, str] = {}
    problems = list(sides[0])
    for problem in sorted(problems, key=int) if all(name.isdecimal() for name in problems) else problems:
        both = sides[0][problem], sides[1].get(problem, np.empty(0))
        named = zip(both, ("human", "digital"), strict=True)
        short = [f"{len(side)} {name}" for side, name in named if len(side) < LEAST]
        if short:
            others[problem] = f"fewer than {LEAST} answers: {' and '.join(short)}"
        else:
            cases[problem] = both
    return cases, others


def _repeated(survey: Survey) -> list[str]:
    """A remark on repeated answers of either side."""
    notes = []
    for name, data in (("human", survey.human), ("digital", survey.digital)):
        repeated = int(data.responses.duplicated(["problem", "participant"]).sum())
        if repeated:
            notes.append(f"{repeated} repeated answers of the same {name} people count like answers of others")
    return notes


def _rows(found: DistributionError, stack: Stack) -> list[Row]:
    rows = rows_of(found, stack.problems)
    if found.lower is not None and found.upper is not None:
        for name in found.lower:
            for row, low, high in zip(rows, found.lower[name], found.upper[name], strict=True):
                row |= {f"{name}_lower": float(low), f"{name}_upper": float(high)}
    sizes = {name: array.shape[1] for name, array in zip(("n_human", "n_digital"), stack.arrays, strict=True)}
    return [{**row, **sizes} for row in rows]


def _joined(parts: Sequence[DistributionError]) -> DistributionError:
    """The results of all shapes as one, its numbers of answers those of a typical problem."""
    values: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in parts[0].columns
        if getattr(parts[0], name) is not None
    }
    sizes = [len(part.total) for part in parts]
    n, m = (
        int(np.median(np.repeat([getattr(part, name) for part in parts], sizes))) for name in ("n_human", "n_digital")
    )
    why = parts[0].why.replace(
        f"{parts[0].n_human} human and {parts[0].n_digital} digital", f"About {n} human and {m} digital"
    )
    return dataclasses.replace(parts[0], **values, n_human=n, n_digital=m, why=why, flags={}, lower=None, upper=None)


def _summary(whole: DistributionError, level: float) -> tuple[Row, list[Row]]:
    mean: Row = {"problem": "mean", **{name: getattr(whole, name) for name in whole.columns}, "note": "over problems"}
    ends = (("lower", whole.lower), ("upper", whole.upper))
    return mean, [{"problem": name, **(values or {}), "note": f"level {level:g}"} for name, values in ends]


def _in_words(whole: DistributionError, rows: Sequence[Row]) -> str:
    where = f"Over {len(rows)} questions" if len(rows) > 1 else question(rows[0])
    text = (
        f"{where}: the digital answers have a standard deviation of {whole.digital_sd:.3g}, the human ones of "
        f"{whole.human_sd:.3g} (ratio {whole.sd_ratio:.2f}"
    )
    if whole.lower is None or whole.upper is None:
        return f"{text})."
    low, high = whole.lower["sd_ratio"], whole.upper["sd_ratio"]
    text += f", {percent(whole.level)} interval {low:.2f} to {high:.2f}): "
    if high < 1.0:
        return f"{text}too uniform, at a cost of {whole.cost_of_uniformity:.3g} squared units."
    return f"{text}{'too spread out.' if low > 1.0 else 'no evidence that they are too uniform.'}"

"""Theorem 2: the squared risk of a digital crowd's mean, split into its parts, as published and exact."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count, check_level
from crowdllm_stats._base.messages import Message
from crowdllm_stats._base.result import Result, unbatch
from crowdllm_stats.inference.proposition1_llm_risk import LLMRisk as LLMRisk
from crowdllm_stats.inference.proposition1_llm_risk import llm_risk as llm_risk
from crowdllm_stats.inference.risk_average import RiskAverage, average_over_problems

COMPONENTS = ("L", "L1", "L2", "L3", "L4", "L5", "alignment", "exact", "published")


@dataclasses.dataclass(frozen=True, eq=False)
class RiskDecomposition(Result):
    """The parts of ``L = E(human mean - digital mean)^2``; a part the data cannot give is None (``why`` says why).

    ``exact = L1 - (1 - 2/N) L2 + L3 + L4 - L5 + 2 alignment`` and ``published = L1 + L2 + L3 + L4 - L5``.
    Both sums depend on the answers alone (the noise variances cancel in them), so they are given even where single
    parts are not. ``lower`` and ``upper`` map a part's name to its bootstrap bound, or are None without a bootstrap.
    """

    columns: ClassVar[tuple[str, ...]] = COMPONENTS

    L: Any
    L1: Any
    L2: Any
    L3: Any
    L4: Any
    L5: Any
    alignment: Any
    exact: Any
    published: Any
    n_person: int
    n_human_replicates: int
    n_digital_replicates: int
    level: float
    lower: dict[str, Any] | None
    upper: dict[str, Any] | None

    def components(self) -> dict[str, Any]:
        """Name -> value (None where not identifiable), in the order of the published formula."""
        return {name: getattr(self, name) for name in COMPONENTS}

    def average(self, level: float | None = None) -> RiskAverage:
        """Mean of every identifiable part over the problems, with Student t intervals (``level``: this result's own).

        Raises:
            ValueError: with fewer than two problems.
        """
        return average_over_problems(self.components(), self.level if level is None else level)

    def plot(self) -> Any:
        """Waterfall of the parts, the published sum beside the exact one; over several problems, of their means.

        Returns:
            The matplotlib figure.

        Raises:
            ValueError: if a part is not identifiable, so that there is no sum to draw.
        """
        from crowdllm_stats.inference.theorem2_risk import plot_decomposition

        values = self.components()
        absent = [name for name, value in values.items() if value is None]
        if absent:
            raise ValueError(f"cannot draw the sum: {', '.join(absent)} not identifiable. {self.why}")
        return plot_decomposition({name: float(np.mean(value)) for name, value in values.items()}, self.n_person)


def risk_decomposition(
    human: ArrayLike,
    digital: ArrayLike,
    *,
    human_noise_var: ArrayLike | None = None,
    digital_noise_var: ArrayLike | None = None,
    axis_replicate: int | None = -2,
    axis_person: int = -1,
    level: float = 0.95,
    n_boot: int = 0,
    seed: int | np.random.Generator | None = None,
) -> RiskDecomposition:
    """Split the risk of the digital crowd's mean into its parts, each estimated without bias.

    With ``y_i = ybar_i + e_i`` person i's answer and ``yt_i`` the twin's (``E yt_i = ytbar_i``), bars over N people:
    ``L1 = E mean_i (ybar - y_i)^2``, ``L2 = mean_i Var e_i``, ``L3 = mean_i (ybar_i - ytbar_i)^2``,
    ``L4 = mean_i Var yt_i``, ``L5 = E mean_i (yt - yt_i)^2``,
    alignment ``X = Cov_i(ybar_i, ytbar_i) - Var_i(ybar_i)``. Exact:
    ``L = L1 - (1 - 2/N) L2 + L3 + L4 - L5 + 2 X``. Published: ``L1 + L2 + L3 + L4 - L5``, which exceeds it by
    ``2 (1 - 1/N) L2 - 2 X``. The estimates obey the exact identity themselves, to rounding: averages run over all
    pairs of a human and a digital replicate, and the noise correction is the same in every part.

    Args:
        human: answers of N people, with axes for replicates (the same person, the same problem, asked again) and
            people; any further axes are problems. A one-dimensional array is N people who answered once.
        digital: the twins' answers, person i's twin at the same place; the number of replicates may differ.
        human_noise_var: known ``Var e_i``, of a shape that broadcasts to ``(..., N)``; used instead of the
            replicates, and needed for L2, L3 and X where everybody answered once.
        digital_noise_var: the same for the twins (L3 and L4).
        axis_replicate: the replicate axis of both arrays; None if there is none (everybody answered once).
        axis_person: the person axis of both arrays.
        level: confidence level of the bootstrap and of :meth:`RiskDecomposition.average`.
        n_boot: bootstrap samples of people (pairs stay together); 0 for none.
        seed: seed of the bootstrap.

    Returns:
        RiskDecomposition, in squared units of the answers; scalars for one problem, else arrays of the batch shape.
        Bounds (``n_boot`` > 0) treat the people as a sample: they are for the parts' mean over crowds of N people
        drawn alike. Resampling repeats people, which inflates the N-dependent parts, so only the spread about the
        resamples' mean is used, widened by ``sqrt(N / (N - 1))`` and by Student's t over the normal quantile;
        non-negative quantities are bounded below at 0. Measured at level 0.95, normal answers and two replicates
        (1,000 data sets a setting): 0.84 to 0.93 for every part but L at N = 10, 0.90 to 0.93 at N = 30, 0.93 to 0.95
        at N = 100; L itself 0.92 or more throughout, near 1 where the crowd's gap is small. Skewed noise costs more (L4
        with exponential noise: 0.87 at N = 40).

    Raises:
        ValueError: for fewer than two people, unequal numbers of people or problems, negative noise variances,
            or values that are not finite numbers.

    Source: CrowdLLM, Theorem 2 (``published``); the exact form adds the cross term and mends the sign of L2.

    Example:
        >>> risk = risk_decomposition([[1.0, 4.0, 2.0], [2.0, 3.0, 2.0]], [[2.0, 2.0, 3.0], [2.0, 4.0, 3.0]])
        >>> abs(risk.L - risk.exact) < 1e-12
        True
    """
    level = check_level(level)
    n_boot = check_count("n_boot", n_boot, least=0)
    y = _arrange("human", human, axis_replicate, axis_person)
    t = _arrange("digital", digital, axis_replicate, axis_person)
    _check_pairs(y, t)
    noise = _noise("human_noise_var", human_noise_var, y), _noise("digital_noise_var", digital_noise_var, t)
    people = y.shape[-1]
    terms = _terms(y, t, noise, np.full((1, people), 1.0 / people))
    point = {name: None if value is None else value[..., 0] for name, value in terms.items()}
    lower, upper = _bootstrap(y, t, noise, point, level, n_boot, seed) if n_boot else (None, None)
    flags = {}
    for name in ("L2", "L3", "L4"):
        value = point[name]
        if value is not None and np.any(value < 0):
            flags[f"{name} is estimated below zero: noise outweighs it here"] = value < 0
    shaped: dict[str, Any] = {name: None if value is None else unbatch(value) for name, value in point.items()}
    return RiskDecomposition(
        why=_why(y, t, human_noise_var is not None, digital_noise_var is not None, noise, bool(n_boot)),
        flags=flags,
        **shaped,
        n_person=people,
        n_human_replicates=y.shape[-2],
        n_digital_replicates=t.shape[-2],
        level=level,
        lower=lower,
        upper=upper,
    )


def _arrange(name: str, values: ArrayLike, axis_replicate: int | None, axis_person: int) -> FloatArray:
    """Answers as (..., replicate, person)."""
    array = check_array(name, values, least_ndim=1)
    try:
        if array.ndim == 1 or axis_replicate is None:
            array = np.moveaxis(array, axis_person, -1)[..., None, :]
        else:
            array = np.moveaxis(array, (axis_replicate, axis_person), (-2, -1))
    except ValueError as error:
        raise ValueError(
            f"axis_replicate {axis_replicate!r} and axis_person {axis_person!r} do not fit {name} "
            f"of shape {array.shape}: {error}"
        ) from None
    if array.shape[-1] < 2:
        raise ValueError(
            f"{name} holds {array.shape[-1]} person (shape {np.shape(values)}, axis_person {axis_person}); "
            "the decomposition needs at least 2 people"
        )
    return array


def _check_pairs(y: FloatArray, t: FloatArray) -> None:
    if y.shape[-1] != t.shape[-1]:
        raise ValueError(
            f"human has {y.shape[-1]} people but digital {t.shape[-1]}: twin i must stand at person i's place"
        )
    if y.shape[:-2] != t.shape[:-2]:
        raise ValueError(
            f"human has problems of shape {y.shape[:-2]} but digital {t.shape[:-2]}: give both the same problems"
        )


def _noise(name: str, known: ArrayLike | None, answers: FloatArray) -> FloatArray | None:
    """Each person's noise variance: known, else from replicates (ddof 1), else None."""
    shape = answers.shape[:-2] + answers.shape[-1:]
    if known is None:
        return answers.var(axis=-2, ddof=1) if answers.shape[-2] > 1 else None
    array = check_array(name, known, nonnegative=True)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {array.shape}, which does not broadcast to {shape} (problems, people)"
        ) from None


def _terms(
    y: FloatArray, t: FloatArray, noise: tuple[FloatArray | None, FloatArray | None], weights: FloatArray
) -> dict[str, FloatArray | None]:
    """All parts for every row of ``weights`` (B, N), which sum to 1 over people; values (..., B).

    Averages over all pairs of replicates are written with means and variances over replicates, so that no array
    over pairs is built. Answers are centred first: second moments of large numbers lose digits.
    """
    people, w = weights.shape[-1], weights.T
    centre_y, centre_t = y.mean(axis=(-2, -1), keepdims=True), t.mean(axis=(-2, -1), keepdims=True)
    gap = (centre_y - centre_t)[..., 0]
    y, t = y - centre_y, t - centre_t
    mean_y, mean_t = y @ w, t @ w  # of each replicate
    person_y, person_t = y.mean(axis=-2), t.mean(axis=-2)
    crowd_y, crowd_t = person_y @ w, person_t @ w
    risk = mean_y.var(axis=-2) + mean_t.var(axis=-2) + (gap + crowd_y - crowd_t) ** 2
    spread_y = (y * y).mean(axis=-2) @ w - (mean_y * mean_y).mean(axis=-2)
    spread_t = (t * t).mean(axis=-2) @ w - (mean_t * mean_t).mean(axis=-2)
    apart = ((gap + person_y - person_t) ** 2 + y.var(axis=-2) + t.var(axis=-2)) @ w  # E mean_i (y_i - yt_i)^2
    together = (person_y * person_t) @ w - crowd_y * crowd_t
    l2, l4 = (None if each is None else each @ w for each in noise)
    l3 = None if l2 is None or l4 is None else apart - l2 - l4
    alignment = None if l2 is None else together - spread_y + (1 - 1 / people) * l2
    if l2 is not None and l4 is not None and l3 is not None and alignment is not None:
        exact = spread_y - (1 - 2 / people) * l2 + l3 + l4 - spread_t + 2 * alignment
        published = spread_y + l2 + l3 + l4 - spread_t
    else:  # L2 and L4 cancel in both sums
        exact = apart - spread_y - spread_t + 2 * together
        published = spread_y + apart - spread_t
    values = (risk, spread_y, l2, l3, l4, spread_t, alignment, exact, published)
    return dict(zip(COMPONENTS, values, strict=True))


def _bootstrap(
    y: FloatArray,
    t: FloatArray,
    noise: tuple[FloatArray | None, FloatArray | None],
    point: dict[str, FloatArray | None],
    level: float,
    n_boot: int,
    seed: int | np.random.Generator | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bounds from resampled people: the spread about the resamples' own mean, put around the estimate."""
    from scipy.stats import norm
    from scipy.stats import t as student

    people = y.shape[-1]
    weights = np.random.default_rng(seed).multinomial(people, np.full(people, 1.0 / people), size=n_boot) / people
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    widen = np.sqrt(people / (people - 1)) * student.ppf(tails[1], people - 1) / norm.ppf(tails[1])
    lower: dict[str, Any] = {}
    upper: dict[str, Any] = {}
    for name, draws in _terms(y, t, noise, weights).items():
        estimate = point[name]
        if draws is None or estimate is None:
            continue
        low, high = widen * np.quantile(draws - draws.mean(axis=-1, keepdims=True), tails, axis=-1)
        floor = -np.inf if name in ("alignment", "published") else 0.0
        lower[name] = unbatch(np.maximum(estimate + low, floor))
        upper[name] = unbatch(np.maximum(estimate + high, floor))
    return lower, upper


def _why(
    y: FloatArray,
    t: FloatArray,
    known_human: bool,
    known_digital: bool,
    noise: tuple[FloatArray | None, FloatArray | None],
    booted: bool,
) -> str:
    """Which assumption each number needs, and whether the data at hand can meet it."""
    parts = [
        f"N = {y.shape[-1]} pairs, {y.shape[-2]} human and {t.shape[-2]} digital answer(s) per person.",
        "L, L1, L5, exact and published need the answers alone and a generator not trained on these very answers;"
        " exact equals L by identity, published is the paper's sum.",
    ]
    sides = (
        ("Human", "human_noise_var", "L2, L3 and alignment", known_human, noise[0]),
        ("Digital", "digital_noise_var", "L3 and L4", known_digital, noise[1]),
    )
    for side, argument, names, known, variance in sides:
        if variance is None:
            unknown = (
                f"{names} are not identifiable: every answer on the {side.lower()} side was given once, so a person's"
                " noise cannot be distinguished from the person; ask again on the same problem"
            )
            parts.append(Message(f"{unknown}, or give {argument}.", f"{unknown}."))
        elif known:
            parts.append(f"{side} noise is taken from {argument} ({names} are as right as it is).")
        else:
            parts.append(f"{side} noise is estimated from repeated answers ({names}: repeats must be independent).")
    if noise[0] is not None:
        parts.append("Alignment also needs noises that are independent across people.")
    if booted:
        parts.append("The bounds treat the people as a random sample; they are approximate below some 100 people.")
    return Message.joined(parts)


def plot_decomposition(values: dict[str, float], n_person: int) -> Any:
    """Draw both sums as waterfalls.

    Args:
        values: name -> value of every part of the decomposition.
        n_person: number of people N.

    Returns:
        The matplotlib figure.

    Example:
        >>> parts = dict(zip(("L", "L1", "L2", "L3", "L4", "L5", "alignment"), (1.0,) * 7))
        >>> len(plot_decomposition({**parts, "exact": 1.0, "published": 3.0}, 4).axes)
        2
    """
    from matplotlib.figure import Figure

    shrink = 1 - 2 / n_person
    published = [("L1", values["L1"]), ("+ L2", values["L2"]), ("+ L3", values["L3"]), ("+ L4", values["L4"]),
                 ("- L5", -values["L5"])]  # fmt: skip
    exact = [("L1", values["L1"]), ("- (1-2/N) L2", -shrink * values["L2"]), ("+ L3", values["L3"]),
             ("+ L4", values["L4"]), ("- L5", -values["L5"]), ("+ 2 X", 2 * values["alignment"])]  # fmt: skip
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, title, steps, total in (
        (axes[0], "as published", published, values["published"]),
        (axes[1], "exact", exact, values["exact"]),
    ):
        _waterfall(axis, steps, total)
        axis.axhline(values["L"], color="black", linewidth=1.0, linestyle="--", label=f"risk L = {values['L']:.3g}")
        axis.set_title(f"{title}: sum {total:.3g}")
        axis.legend(frameon=False)
    axes[0].set_ylabel("squared answer units")
    return figure


def _waterfall(axis: Any, steps: list[tuple[str, float]], total: float) -> None:
    level = 0.0
    for place, (_, step) in enumerate(steps):
        axis.bar(place, step, bottom=level, color="#4C72B0" if step >= 0 else "#DD8452", width=0.7)
        level += step
    axis.bar(len(steps), total, color="#555555", width=0.7)
    axis.axhline(0.0, color="grey", linewidth=0.6)
    axis.set_xticks(range(len(steps) + 1), [name for name, _ in steps] + ["sum"], rotation=45, ha="right")

"""Performance measures of a method over the replicates of one cell, each with its Monte Carlo standard error.

Source: Morris, White and Crowther 2019, Using simulation studies to evaluate statistical methods, Statistics in
Medicine 38, table 6; contrasts between measures that are not means go by their influence on single replicates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray, check_choice, check_level

Outcomes = Mapping[str, FloatArray]


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """One measure of one method in one cell.

    Attributes:
        value: the measure; NaN where no replicate counts.
        mcse: its Monte Carlo standard error; NaN where it is not defined (an infinite value, one replicate).
        influence: what each replicate adds to ``value - true value``, mean 0, shape (replicates,).
        n: replicates that count.
        successes: of a proportion, how many; None for other measures.
    """

    value: float
    mcse: float
    influence: FloatArray
    n: int
    successes: int | None = None

    def interval(self, level: float = 0.95, proportion: str = "wilson") -> MonteCarloInterval:
        """Interval for the measure's true value: Wilson or Clopper-Pearson for a proportion, else normal.

        Args:
            level: confidence.
            proportion: "wilson" or "clopper-pearson".

        Example:
            >>> found = measure(MeasureSpec("hit", "mean", "hit"), {"hit": np.array([1.0, 0.0, 1.0, 1.0])}, ("hit",))
            >>> limits = found.interval()
            >>> round(limits.lower, 3), round(limits.upper, 3)
            (0.301, 0.954)
        """
        miss = 1.0 - check_level(level)
        check_choice("proportion", proportion, ("wilson", "clopper-pearson"))
        if self.n == 0:
            return MonteCarloInterval(np.nan, np.nan)
        if self.successes is not None:
            from statsmodels.stats.proportion import proportion_confint

            kind = "wilson" if proportion == "wilson" else "beta"
            lower, upper = proportion_confint(self.successes, self.n, alpha=miss, method=kind)
            return MonteCarloInterval(float(lower), float(upper))
        reach = -ndtri(0.5 * miss) * self.mcse
        return MonteCarloInterval(float(self.value - reach), float(self.value + reach))


@dataclasses.dataclass(frozen=True)
class MonteCarloInterval:
    """Where the measure would lie with endless replicates."""

    lower: float
    upper: float


def measure(
    spec: MeasureSpec, outcomes: Outcomes, proportions: tuple[str, ...] = (), reference: Outcomes | None = None
) -> Measured:
    """One measure from the outcomes of the replicates that did not fail.

    Args:
        spec: which one.
        outcomes: outcome -> numbers of shape (replicates,).
        proportions: the outcomes that are 0 or 1.
        reference: for "width_ratio" the outcomes of the reference method on the same replicates.

    Raises:
        ValueError: if "width_ratio" has no reference.

    Example:
        >>> made = {"estimate": np.array([1.0, 2.0, 6.0]), "truth": np.array([2.0, 2.0, 2.0])}
        >>> found = measure(MeasureSpec("bias", "bias"), made)
        >>> round(found.value, 4), round(found.mcse, 4)  # errors -1, 0, 4: sqrt(14 / (3 * 2))
        (1.0, 1.5275)
    """
    if spec.kind == "mean":
        values = outcomes[str(spec.outcome)]
        return _proportion(values) if spec.outcome in proportions else _mean(values)
    if spec.kind == "share":
        return _share(outcomes[str(spec.outcome)], outcomes[str(spec.among)])
    if spec.kind == "ratio":
        return _ratio(outcomes[str(spec.outcome)], outcomes[str(spec.among)])
    if spec.kind == "width_ratio":
        if reference is None:
            raise ValueError("width_ratio needs the outcomes of a reference method")
        return _ratio(outcomes["upper"] - outcomes["lower"], reference["upper"] - reference["lower"])
    return _KINDS[spec.kind](outcomes)


def contrast(one: Measured, other: Measured) -> Measured:
    """``one - other`` on common random numbers: the influences are subtracted replicate by replicate.

    For measures that are means this is the mean of the paired differences and their standard error.

    Raises:
        ValueError: if the two are not over the same replicates.

    Example:
        >>> spec = MeasureSpec("loss", "mean", "loss")
        >>> a, b = (measure(spec, {"loss": np.array(v)}) for v in ([1.0, 3.0, 5.0], [1.0, 2.0, 3.0]))
        >>> found = contrast(a, b)
        >>> round(found.value, 4), round(found.mcse, 4)
        (1.0, 0.5774)
    """
    if one.influence.shape != other.influence.shape:
        raise ValueError(
            f"a contrast needs the same replicates on both sides; got {one.influence.size} and {other.influence.size}"
        )
    influence = one.influence - other.influence
    return Measured(one.value - other.value, _standard_error(influence), influence, influence.size)


def _standard_error(influence: FloatArray) -> float:
    n = influence.size
    if n < 2 or not np.all(np.isfinite(influence)):
        return float("nan")
    return float(np.std(influence, ddof=1) / np.sqrt(n))


def _mean(values: FloatArray) -> Measured:
    n = values.size
    if n == 0 or np.isnan(values).any():
        return _nothing(n)
    value = float(values.mean()) if np.all(np.isfinite(values)) else float(values[~np.isfinite(values)][0])
    if not np.isfinite(value):
        return Measured(value, float("nan"), np.full(n, np.nan), n)
    influence = values - value
    return Measured(value, _standard_error(influence), influence, n)


def _proportion(values: FloatArray) -> Measured:
    n = values.size
    if n == 0:
        return _nothing(0)
    successes = int(np.count_nonzero(values))
    value = successes / n
    return Measured(value, float(np.sqrt(value * (1.0 - value) / n)), (values != 0.0) - value, n, successes)


def _share(values: FloatArray, among: FloatArray) -> Measured:
    counted = among != 0.0
    n = int(np.count_nonzero(counted))
    if n == 0:
        return _nothing(among.size)
    successes = int(np.count_nonzero(counted & (values != 0.0)))
    value = successes / n
    influence = counted * ((values != 0.0) - value) * (among.size / n)
    return Measured(value, float(np.sqrt(value * (1.0 - value) / n)), influence, n, successes)


def _nothing(size: int) -> Measured:
    return Measured(float("nan"), float("nan"), np.full(size, np.nan), 0)


def _ratio(above: FloatArray, below: FloatArray) -> Measured:
    n = above.size
    if n == 0 or not np.all(np.isfinite(above)) or not np.all(np.isfinite(below)) or not below.mean() > 0.0:
        return _nothing(n)
    value = float(above.mean() / below.mean())
    influence = (above - value * below) / below.mean()
    return Measured(value, _standard_error(influence), influence, n)


def _errors(outcomes: Outcomes) -> FloatArray:
    return outcomes["estimate"] - outcomes["truth"]


def _empirical_se(outcomes: Outcomes) -> Measured:
    estimates = outcomes["estimate"]
    n = estimates.size
    if n < 2:
        return _nothing(n)
    centred = estimates - estimates.mean()
    value = float(np.sqrt(np.sum(centred**2) / (n - 1)))
    influence = _over(centred**2 - value**2, 2.0 * value)
    return Measured(value, value / float(np.sqrt(2.0 * (n - 1))), influence, n)


def _model_se(outcomes: Outcomes) -> Measured:
    squares = outcomes["standard_error"] ** 2
    n = squares.size
    if n < 2 or np.isnan(squares).any():
        return _nothing(n)
    value = float(np.sqrt(squares.mean()))
    error = float(np.sqrt(_over(squares.var(ddof=1), 4.0 * n * value**2)))
    return Measured(value, error, _over(squares - value**2, 2.0 * value), n)


def _relative_error_model_se(outcomes: Outcomes) -> Measured:
    model, empirical = _model_se(outcomes), _empirical_se(outcomes)
    n = outcomes["estimate"].size
    if model.n < 2 or not model.value > 0.0 or not empirical.value > 0.0:
        return _nothing(n)
    ratio = model.value / empirical.value
    squares = outcomes["standard_error"] ** 2
    relative = squares.var(ddof=1) / (4.0 * n * model.value**4) + 1.0 / (2.0 * (n - 1))
    influence = 100.0 * (model.influence - ratio * empirical.influence) / empirical.value
    return Measured(100.0 * (ratio - 1.0), float(100.0 * ratio * np.sqrt(relative)), influence, n)


def _rmse(outcomes: Outcomes) -> Measured:
    squared = _mean(_errors(outcomes) ** 2)
    value = float(np.sqrt(squared.value))
    return Measured(value, float(_over(squared.mcse, 2.0 * value)), _over(squared.influence, 2.0 * value), squared.n)


def _over(above: FloatArray | float, below: float) -> FloatArray:
    """``above / below``, and 0 where nothing varies (both are 0)."""
    return np.asarray(above) / below if below != 0.0 else np.zeros(np.shape(above))


def _coverage(outcomes: Outcomes) -> Measured:
    return _proportion(
        ((outcomes["lower"] <= outcomes["truth"]) & (outcomes["truth"] <= outcomes["upper"])).astype(np.float64)
    )


def _bias_eliminated(outcomes: Outcomes) -> Measured:
    if outcomes["estimate"].size == 0:
        return _nothing(0)
    centre = np.full(outcomes["estimate"].size, outcomes["estimate"].mean())
    return _coverage({**outcomes, "truth": centre})


def _power(outcomes: Outcomes) -> Measured:
    return _proportion(
        ((outcomes["null"] < outcomes["lower"]) | (outcomes["null"] > outcomes["upper"])).astype(np.float64)
    )


_KINDS: dict[str, Callable[[Outcomes], Measured]] = {
    "bias": lambda outcomes: _mean(_errors(outcomes)),
    "empirical_se": _empirical_se,
    "model_se": _model_se,
    "relative_error_model_se": _relative_error_model_se,
    "mse": lambda outcomes: _mean(_errors(outcomes) ** 2),
    "rmse": _rmse,
    "mae": lambda outcomes: _mean(np.abs(_errors(outcomes))),
    "coverage": _coverage,
    "too_low": lambda outcomes: _proportion((outcomes["upper"] < outcomes["truth"]).astype(np.float64)),
    "too_high": lambda outcomes: _proportion((outcomes["lower"] > outcomes["truth"]).astype(np.float64)),
    "bias_eliminated_coverage": _bias_eliminated,
    "width": lambda outcomes: _mean(outcomes["upper"] - outcomes["lower"]),
    "power": _power,
}


@dataclasses.dataclass(frozen=True)
class MeasureSpec:
    """One measure of a study.

    Attributes:
        name: its name in results.
        kind: a key of :data:`MEASURES`, "mean" of an outcome, "share" of ``outcome`` among ``among``, or "ratio" of the
            means of ``outcome`` and ``among``.
        outcome: for "mean", "share" and "ratio".
        among: for "share": the outcome (0 or 1) that says which replicates count; for "ratio": below the line.
        nominal: the value it should have, if there is one (drawn as a line).
    """

    name: str
    kind: str
    outcome: str | None = None
    among: str | None = None
    nominal: float | None = None


#: Measure -> the outcomes it is made of, and what it is.
MEASURES: dict[str, tuple[tuple[str, ...], str]] = {
    "bias": (("estimate", "truth"), "mean error of the estimate"),
    "empirical_se": (("estimate",), "standard deviation of the estimates"),
    "model_se": (("standard_error",), "root mean square of the standard errors that the method gives"),
    "relative_error_model_se": (("estimate", "standard_error"), "model_se over empirical_se less 1, in percent"),
    "mse": (("estimate", "truth"), "mean squared error"),
    "rmse": (("estimate", "truth"), "root mean squared error"),
    "mae": (("estimate", "truth"), "mean absolute error"),
    "coverage": (("lower", "upper", "truth"), "share of intervals that contain the truth"),
    "too_low": (("upper", "truth"), "share of intervals that lie wholly below the truth"),
    "too_high": (("lower", "truth"), "share of intervals that lie wholly above the truth"),
    "bias_eliminated_coverage": (
        ("lower", "upper", "estimate"),
        "share of intervals that contain the mean of the estimates",
    ),
    "width": (("lower", "upper"), "mean width of the intervals"),
    "width_ratio": (("lower", "upper"), "mean width over that of the reference method"),
    "power": (("lower", "upper", "null"), "share of intervals that leave the null value out"),
}


def read_measures(listed: Any, outcomes: Sequence[str], level: float | None) -> tuple[MeasureSpec, ...]:
    """The measures of a study file: names, or tables for shares.

    Args:
        listed: list of names (of :data:`MEASURES`, or of an outcome, for its mean) and of tables
            ``{name, share, among}`` or ``{name, ratio, over}``.
        outcomes: what the simulator gives.
        level: nominal confidence level, where the study has one.

    Raises:
        ValueError: on an unknown measure, or one whose outcomes the simulator does not give.

    Example:
        >>> [spec.kind for spec in read_measures(["coverage", "loss"], ["lower", "upper", "truth", "loss"], 0.95)]
        ['coverage', 'mean']
    """
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"measures must be a list with at least one measure; got {listed!r}")
    specs = tuple(_read(entry, outcomes, level) for entry in listed)
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"measures lists {', '.join(map(repr, twice))} twice; give every measure a name of its own")
    return specs


def _read(entry: Any, outcomes: Sequence[str], level: float | None) -> MeasureSpec:
    if isinstance(entry, Mapping):
        above, below = ("ratio", "over") if "ratio" in entry else ("share", "among")
        if set(entry) != {"name", above, below}:
            raise ValueError(
                f"measures: a table needs exactly name, share and among, or name, ratio and over; got {dict(entry)!r}"
            )
        for part in (above, below):
            if entry[part] not in outcomes:
                raise ValueError(f"measures: {entry[part]!r} is not an outcome; known: {', '.join(outcomes)}")
        if not isinstance(entry["name"], str):
            raise ValueError(f"measures: name must be a text; got {entry['name']!r}")
        return MeasureSpec(entry["name"], above, entry[above], entry[below])
    if not isinstance(entry, str):
        raise ValueError(f"measures must list names and tables; got {entry!r}")
    if entry in MEASURES:
        missing = [name for name in MEASURES[entry][0] if name not in outcomes]
        if missing:
            raise ValueError(f"measure {entry!r} needs {', '.join(missing)}, which this simulator does not give")
        nominal = {"coverage": level, "bias_eliminated_coverage": level, "bias": 0.0}.get(entry)
        return MeasureSpec(entry, entry, nominal=nominal)
    if entry in outcomes:
        return MeasureSpec(entry, "mean", entry)
    raise ValueError(f"unknown measure {entry!r}; known: {', '.join([*MEASURES, *outcomes])}")

"""Which measures there are, what each needs, and how a study file names them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


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
                raise ValueError(f"measures: {entry[part]!r} is no outcome; known: {', '.join(outcomes)}")
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

"""Checks of what across_problems is given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array

#: Problems whose answers differ, over all problems: one alone would say nothing to itself when it is left out.
LEAST_POSITIVE = 2


def counts(name: str, values: ArrayLike, problems: int) -> FloatArray:
    """Whole numbers of at least 1, (T,), from one number or (T,)."""
    whole = check_array(name, values)
    if whole.ndim > 1 or (whole.ndim == 1 and whole.shape != (problems,)):
        raise ValueError(f"{name} must be one number or have shape ({problems},) as human_mean; got {whole.shape}")
    if np.any(whole < 1.0) or np.any(whole != np.floor(whole)):
        raise ValueError(f"{name} must hold whole numbers of at least 1; smallest value is {float(whole.min()):g}")
    return np.broadcast_to(whole, (problems,)).astype(np.float64)


def variances(values: ArrayLike, mean: FloatArray, count: FloatArray, ends: tuple[float, float] | None) -> FloatArray:
    """The sample variances, 0 where there is one answer only (they get no weight)."""
    several = count > 1.0
    try:
        raw = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raw = np.asarray(check_array("human_var", values))
    if raw.shape != mean.shape:
        raise ValueError(f"human_var must have shape {mean.shape} as human_mean; got {raw.shape}")
    var = check_array("human_var", np.where(several, raw, 0.0), least_ndim=1, nonnegative=True)
    degrees = float(np.sum(count - 1.0))
    if degrees < 10.0:
        raise ValueError(
            f"n_human leaves {degrees:g} degrees of freedom for the variance of single answers, summed over problems; "
            "at least 10 are needed: give more problems with two answers or more"
        )
    positive = int(np.sum(several & (var > 0.0)))
    at_ends = ends is not None and bool(np.all(np.isin(mean[several], ends)))
    least = LEAST_POSITIVE if ends is None else 1
    if positive < least and not at_ends:
        raise ValueError(
            f"human_var is zero in all but {positive} problem(s) with two answers or more; at least {least} "
            "must show some spread of single answers: pass their sample variance (ddof 1) and more problems"
        )
    if ends is not None:
        most = (mean - ends[0]) * (ends[1] - mean) * count / np.maximum(count - 1.0, 1.0)
        wrong = several & (var > most * (1.0 + 1e-6) + 1e-9 * (ends[1] - ends[0]) ** 2)
        if np.any(wrong):
            row = int(np.argmax(wrong))
            raise ValueError(
                f"human_var of problem {row} is {var[row]:g}, more than answers with mean {mean[row]:g} inside the "
                f"bounds can have ({most[row]:g}); check human_var (a variance, ddof 1) and the bounds"
            )
    return var


def features(name: str, values: ArrayLike, problems: int) -> FloatArray:
    """Regression columns (T, p) from (T,) or (T, p)."""
    table = check_array(name, values, least_ndim=1)
    if table.ndim > 2 or len(table) != problems:
        raise ValueError(
            f"{name} must have shape ({problems},) or ({problems}, p) to match human_mean; got {table.shape}"
        )
    return table.reshape(problems, -1)


def grid_step(step: float | None, ends: tuple[float, float], totals: FloatArray) -> float | None:
    """The scale's step: as given, or 1 where bounds and all sums of answers are whole numbers."""
    if step is not None:
        value = float(check_array("step", step))
        if not 0.0 < value <= ends[1] - ends[0]:
            raise ValueError(
                f"step must be positive and no more than the scale's length {ends[1] - ends[0]:g}; got {value:g}"
            )
        return value
    whole = (
        float(ends[0]).is_integer()
        and float(ends[1]).is_integer()
        and bool(np.all(np.abs(totals - np.round(totals)) < 1e-6))
    )
    return 1.0 if whole else None


def known_variances(values: ArrayLike, mean: FloatArray, refused: Mapping[str, object]) -> FloatArray:
    """The known variances of the human means; nothing of ``refused`` may be given beside them."""
    for name, other in refused.items():
        if other is not None:
            raise ValueError(f"sampling_var cannot be combined with {name}; leave {name} out (None)")
    sampling = check_array("sampling_var", values, least_ndim=1)
    if sampling.shape != mean.shape:
        raise ValueError(f"sampling_var must have shape {mean.shape} as human_mean; got {sampling.shape}")
    if not np.all(sampling > 0.0):
        raise ValueError(f"sampling_var must be positive; smallest value is {float(sampling.min()):g}")
    return sampling

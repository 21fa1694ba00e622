"""How far the LLM's mean answer is from the humans': kappa, estimated over problems in two ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count, check_level
from crowdllm_stats._base.result import Result


@dataclasses.dataclass(frozen=True, eq=False)
class BackboneQuality(Result):
    """kappa such that ``|y_ref - y**| <= kappa`` with probability ``level`` for a new problem.

    ``kappa`` is uncorrected: guaranteed for the gap as observed, noise included; infinite with too few problems.
    ``kappa_corrected`` takes the noise off, without a finite-sample guarantee; None where the noise cannot be
    estimated, or where there is noise and fewer than 4 problems. ``corrected_lower`` and ``corrected_upper`` are its
    bootstrap interval over problems, if asked for. ``bias`` is the mean of (human - LLM), ``gap_sd`` the noise-free
    spread of that gap, ``noise_sd`` the noise's.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "kappa",
        "kappa_corrected",
        "corrected_lower",
        "corrected_upper",
        "bias",
        "gap_sd",
        "noise_sd",
    )

    kappa: float
    kappa_corrected: float | None
    corrected_lower: float | None
    corrected_upper: float | None
    bias: float
    gap_sd: float | None
    noise_sd: float | None
    level: float
    n_problems: int
    least_problems: int


def backbone_quality(
    human: ArrayLike | Sequence[ArrayLike],
    reference_answers: ArrayLike | Sequence[ArrayLike],
    *,
    level: float = 0.9,
    n_boot: int = 0,
    seed: int | np.random.Generator | None = None,
) -> BackboneQuality:
    """Estimate kappa from problems that have human answers.

    Uncorrected: with gaps ``g_t = |mean human_t - mean reference_t|`` of P problems, the
    ``ceil((P + 1) level)``-th smallest. For a problem exchangeable with these, its observed gap is at most this with
    probability at least ``level`` (split-conformal; any noise, any n). The noise-free gap then is too with
    probability at least ``2 level - 1`` if the noise is as often positive as negative, and in practice more often.
    Corrected: the signed gaps ``d_t`` have mean m and noise-free standard deviation tau beside the noise
    ``v_t = s_human^2/n_t + s_reference^2/K_t``. Each is drawn to m so that their spread is tau, and the quantile at
    ``level`` is taken over the posterior of tau, which small gaps leave wide: see
    :func:`crowdllm_stats.inference.kappa.noise_free_quantile`. ``gap_sd`` is the plain estimate
    ``tau^2 = var(d) - mean(v_t)`` (not below 0).

    Args:
        human: answers of people, shape (problems, n), or a sequence of one-dimensional arrays of any lengths.
        reference_answers: answers of the LLM, likewise. A problem with one answer: taken as the known expectation.
        level: probability ``1 - alpha`` of the assumption.
        n_boot: bootstrap samples of problems for the corrected kappa's interval (percentiles at 0.95); 0 for none.
        seed: seed of the bootstrap.

    Returns:
        BackboneQuality, in units of the answers.

    Raises:
        ValueError: for fewer than two problems, unequal numbers of problems, an empty problem, or values that are
            not finite numbers.

    Source: CrowdLLM, assumption before Theorem 3 (quality of the LLM backbone), read over problems.

    Example:
        >>> people = [[1.0, 2.0], [3.0, 4.0], [2.0, 2.0], [5.0, 3.0]]
        >>> quality = backbone_quality(people, [[1.0], [3.0], [3.0], [2.0]], level=0.8)
        >>> quality.kappa  # the 4th smallest of 0.5, 0.5, 1, 2
        2.0
    """
    level = check_level(level)
    n_boot = check_count("n_boot", n_boot, least=0)
    human_mean, human_noise = _summary("human", human, known_if_single=False)
    mean, noise = _summary("reference_answers", reference_answers, known_if_single=True)
    if human_mean.size != mean.size:
        raise ValueError(
            f"human has {human_mean.size} problems but reference_answers {mean.size}: give both the same problems"
        )
    problems = mean.size
    if problems < 2:
        raise ValueError(f"human has {problems} problem; kappa is estimated over problems, and needs at least 2")
    gap = human_mean - mean
    rank = int(np.ceil((problems + 1) * level - 1e-9))
    kappa = float(np.sort(np.abs(gap))[rank - 1]) if rank <= problems else float("inf")
    corrected = lower = upper = spread = noise_sd = None
    known, told = human_noise is not None and noise is not None, False
    if human_noise is not None and noise is not None:
        total = human_noise + noise
        spread = float(np.sqrt(max(0.0, float(gap.var(ddof=1)) - float(total.mean()))))
        noise_sd = float(np.sqrt(total.mean()))
        told = problems >= LEAST_PROBLEMS or not total.any()
        if told:
            corrected = float(noise_free_quantile(gap[None, :], total[None, :], level)[0])
        if told and n_boot:
            draws = np.random.default_rng(seed).integers(problems, size=(n_boot, problems))
            values = noise_free_quantile(gap[draws], total[draws], level)
            lower, upper = (float(end) for end in np.quantile(values, [0.025, 0.975]))
    least = int(np.ceil(level / (1 - level) - 1e-9))
    flags = {}
    if rank > problems:
        flags[f"too few problems: level {level:g} needs at least {least}"] = True
    if spread == 0.0:
        flags["the gaps spread no more than their noise"] = True
    return BackboneQuality(
        why=_why(problems, least, level, known, told),
        flags=flags,
        kappa=kappa,
        kappa_corrected=corrected,
        corrected_lower=lower,
        corrected_upper=upper,
        bias=float(gap.mean()),
        gap_sd=spread,
        noise_sd=noise_sd,
        level=level,
        n_problems=problems,
        least_problems=least,
    )


def _summary(
    name: str, values: ArrayLike | Sequence[ArrayLike], known_if_single: bool
) -> tuple[FloatArray, FloatArray | None]:
    """Each problem's mean and the variance of that mean (None where it cannot be estimated)."""
    flat, sizes = _flatten(name, values)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    mean = np.add.reduceat(flat, starts) / sizes
    if not known_if_single and np.any(sizes < 2):
        return mean, None
    squares = np.add.reduceat((flat - np.repeat(mean, sizes)) ** 2, starts)
    return mean, squares / (np.maximum(sizes - 1, 1) * sizes)


def _flatten(name: str, values: ArrayLike | Sequence[ArrayLike]) -> tuple[FloatArray, Any]:
    """All answers in one line, and how many each problem has."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        array = check_array(name, values, least_ndim=2)
        if array.ndim != 2:
            raise ValueError(f"{name} must have shape (problems, answers); got {array.shape}")
        return array.ravel(), np.full(array.shape[0], array.shape[1])
    try:
        rows = [np.atleast_1d(np.asarray(row, dtype=np.float64)) for row in values]  # type: ignore[union-attr]  # a scalar fails below
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be an array (problems, answers) or a sequence of one-dimensional arrays"
        ) from None
    sizes = np.array([row.size for row in rows], dtype=np.int64)
    if not rows or np.any(sizes == 0):
        place = f"problem {int(np.flatnonzero(sizes == 0)[0])} has no answers" if rows else "it is empty"
        raise ValueError(f"{name}: {place}; leave such problems out of both arguments")
    if any(row.ndim != 1 for row in rows):
        raise ValueError(f"{name} must hold one one-dimensional array per problem")
    return check_array(name, np.concatenate(rows)), sizes


def _why(problems: int, least: int, level: float, known: bool, told: bool) -> str:
    parts = [
        f"kappa over {problems} problems, taken as exchangeable with the new one (same kind of problem, same numbers"
        f" of answers). Uncorrected: guaranteed at {level:g} for the gap between the human mean and the mean reference"
        f" as observed, and at {max(0.0, 2 * level - 1):g} for the noise-free gap if noise has median zero."
    ]
    if problems < least:
        parts.append(f"With {problems} problems it is unlimited: level {level:g} needs at least {least}.")
    if told:
        parts.append(
            "Corrected: needs independent answers within a problem and gaps of roughly one spread whatever their noise;"
            " in simulations at its level or above, most where the gaps are small beside their noise"
            " (reports/inference/kappa.md), but no finite-sample guarantee; a single reference answer counts as the"
            " exact expectation. Its bootstrap interval holds its sampling spread, not that excess."
        )
    elif known:
        parts.append(f"Corrected: not identifiable from {problems} problems, at least {LEAST_PROBLEMS} are needed.")
    else:
        parts.append(
            "Corrected: not identifiable, since some problem has a single human answer, whose noise is unknown."
        )
    return " ".join(parts)


#: Fewest problems: the posterior of the spread needs them (flat prior on a standard deviation).
LEAST_PROBLEMS = 4
#: Values of the spread tried: over the whole half-line, then again where the posterior has its mass.
COARSE = 48
FINE = 96
#: Half the range of the second grid, in posterior standard deviations.
REACH = 6.0
#: A problem whose few answers agree still has noise: at least this share of the mean noise of all.
LEAST_NOISE = 0.1
#: Numbers handled at a time.
CELLS = 4_000_000


def noise_free_quantile(gap: FloatArray, noise: FloatArray, level: float) -> FloatArray:
    """The ``level`` quantile of the noise-free ``|D|`` of a new problem, for each row of problems.

    Model: ``gap_t = D_t + e_t``, ``D_t`` of mean m and standard deviation tau, ``Var e_t = noise_t``. Given tau, m
    is the weighted mean of the gaps and each gap is drawn to it, ``m + k_t f_t (gap_t - m)``, ``k_t^2 = tau^2 /
    (tau^2 + noise_t)``, which leaves their spread at tau; ``f_t^2 = 1 + (1 - k_t^2) Var(m) / tau^2`` puts back the
    doubt about m that drawing takes off. tau has its posterior under a flat prior and normal gaps (m integrated
    out, so that of restricted likelihood). Noise below a tenth of the row's mean noise counts as that. The quantile
    is that of all drawn gaps, each weighed by the posterior, at ``level (P + 1) / P``: without noise it is the
    ``ceil((P + 1) level)``-th smallest gap, whatever their law.

    Args:
        gap: shape (rows, P), P at least 4 where there is noise.
        noise: variance of each gap about its noise-free value, same shape.
        level: probability in (0, 1).

    Returns:
        Shape (rows,), in units of the gaps; the largest drawn gap where P is too small for the level.

    Raises:
        ValueError: on fewer than 4 problems with noise.

    Source: the flat prior on the standard deviation of random effects: Gelman 2006, Bayesian Analysis 1.

    Example:
        >>> noise_free_quantile(np.array([[3.0, 1.0, 2.0, 5.0]]), np.zeros((1, 4)), 0.6)
        array([3.])
    """
    if gap.shape[-1] < LEAST_PROBLEMS and noise.any():
        raise ValueError(
            f"gap has {gap.shape[-1]} problems per row; at least {LEAST_PROBLEMS} are needed to show their spread"
        )
    noise = np.maximum(noise, LEAST_NOISE * noise.mean(axis=1, keepdims=True))
    step = max(1, CELLS // (FINE * gap.shape[1]))
    rows = [_quantile(gap[at : at + step], noise[at : at + step], level) for at in range(0, len(gap), step)]
    return np.concatenate(rows)


def _quantile(gap: FloatArray, noise: FloatArray, level: float) -> FloatArray:
    size = np.maximum(gap.var(axis=1, ddof=1), noise.mean(axis=1))
    scale = np.sqrt(np.where(size > 0.0, size, 1.0))[:, None]
    place = np.broadcast_to((np.arange(COARSE) + 0.5) / COARSE, (len(gap), COARSE))
    weight = _posterior(place, scale, gap, noise)
    middle = np.sum(weight * place, axis=1)
    reach = REACH * np.sqrt(np.sum(weight * (place - middle[:, None]) ** 2, axis=1) + 1.0 / (12.0 * COARSE**2))
    low, high = np.maximum(middle - reach, 0.0)[:, None], np.minimum(middle + reach, 1.0)[:, None]
    place = low + (high - low) * (np.arange(FINE) + 0.5) / FINE
    weight = _posterior(place, scale, gap, noise)
    spread, total, centre, mean_var = _pieces(place, scale, gap, noise)
    kept = spread**2 / total
    drawn = np.sqrt(kept * (1.0 + (1.0 - kept) * mean_var / spread**2)) * (gap[:, None, :] - centre)
    sizes = np.abs(centre + drawn).reshape(len(gap), -1)
    shares = np.repeat(weight, gap.shape[1], axis=1) / gap.shape[1]
    order = np.argsort(sizes, axis=1)
    reached = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    wanted = min(level * (gap.shape[1] + 1.0) / gap.shape[1], 1.0) - 1e-9
    last = np.argmax(reached >= wanted, axis=1)[:, None]
    return np.asarray(np.take_along_axis(sizes, np.take_along_axis(order, last, axis=1), axis=1)[:, 0])


def _pieces(
    place: FloatArray, scale: FloatArray, gap: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """tau, ``tau^2 + noise``, m and its variance; shapes (rows, grid, 1 or P). tau is ``scale place/(1 - place)``."""
    spread = (scale * place / (1.0 - place))[:, :, None]
    total = spread**2 + noise[:, None, :]
    precision = np.sum(1.0 / total, axis=2, keepdims=True)
    centre = np.sum(gap[:, None, :] / total, axis=2, keepdims=True) / precision
    return spread, total, centre, 1.0 / precision


def _posterior(place: FloatArray, scale: FloatArray, gap: FloatArray, noise: FloatArray) -> FloatArray:
    """Posterior weights of the grid of tau, shape (rows, grid), summing to 1 a row."""
    _, total, centre, mean_var = _pieces(place, scale, gap, noise)
    squares = np.sum((gap[:, None, :] - centre) ** 2 / total, axis=2)
    log = 0.5 * (np.log(mean_var[:, :, 0]) - np.log(total).sum(axis=2) - squares) - 2.0 * np.log1p(-place)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))

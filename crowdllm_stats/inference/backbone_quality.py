"""How far the LLM's mean answer is from the humans': kappa, estimated over problems in two ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count, check_level
from crowdllm_stats._base.result import Result
from crowdllm_stats.inference.noise_free_gaps import LEAST_PROBLEMS, noise_free_quantile


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
    :func:`crowdllm_stats.inference.noise_free_gaps.noise_free_quantile`. ``gap_sd`` is the plain estimate
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
        raise ValueError(f"{name} must hold one one-dimensional array a problem")
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
            "Corrected: not identifiable, since some problem has a single human answer, whose noise cannot be told."
        )
    return " ".join(parts)

"""Intervals for answers of two values: exact from counts, by effective counts under weights, and with twins.

They are counted as shares of the upper value, so that every coding of the two values gives the same interval; when
answers are of two values is said in ``scale``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.binomial_limits import exact_ends, smooth_ends
from crowdllm_stats.inference.intervals.ends import MOVED, all_equal, feasible_range, one_sided, outside
from crowdllm_stats.inference.intervals.ppi import PAIRING, weight_flags
from crowdllm_stats.inference.intervals.sample import Core, Sample
from crowdllm_stats.inference.intervals.scale import declared, neighbours

#: People without any relation to their twins who are added to the sample before its slope is taken, at least.
SCEPTICS = 4.0
#: Deviations of twins below this share of their size, and covariances below this share of their largest, are rounding.
_ROUNDING = 1e-12


def exact(sample: Sample) -> Core:
    """The exact interval for a share: it holds its level for every population of two values, at every n.

    Two-sided Blaker's interval, which lies within Clopper and Pearson's; one-sided Clopper and Pearson's limit, the
    best there is. In a finite population the counts are hypergeometric. For weights and clusters no exact interval
    exists.

    Source: Blaker 2000, Canadian Journal of Statistics 28, 783-798; Clopper and Pearson 1934, Biometrika 26.
    """
    return binomial(sample)


def binomial(sample: Sample) -> Core:
    """The exact interval for a share; with weights or clusters that of Korn and Graubard, by effective counts.

    People who count alike and stand alone: the interval of :func:`exact`. Otherwise Clopper and Pearson's limits for
    ``n_eff p`` of ``n_eff``, ``n_eff = p (1-p) / V (t_{n-1}/t_{u-1})^2``, at most ``1 / sum w^2`` of the weights w that
    sum to 1, with V the variance of the mean and u the effective number of independent people; u itself where all
    answers are equal. Its level was simulated: ``reports/inference/proportion.md``.

    Source: as :func:`exact`; Korn and Graubard 1998, Survey Methodology 24, 193-201.
    """
    low, span = _scale(sample)
    lower, upper, _ = _human_ends(sample)
    why = (
        "Exact for a random sample of answers of two values: the share keeps its level whatever it is (two-sided "
        "Blaker's interval, one-sided Clopper and Pearson's limit)."
        if sample.plain
        else "Clopper and Pearson's limits for the effective number of answers (Korn and Graubard): needs a random "
        "sample of answers of two values, with the weights and clusters as given."
    ) + _taken_for_two(sample)
    ends = one_sided(sample, low + span * lower, low + span * upper, feasible_range(sample))
    return Core(sample.human_mean, *ends, sample.human_variance, None, why, all_equal(sample))


def ppi_plus_binomial(sample: Sample) -> Core:
    """PPI++ for answers of two values: the binomial interval for the effective count that the twins make of n.

    With shares y of the upper value and twins f on the same scale, the slope ``b`` of y on f is taken after adding
    ``a = max(4, z^2)`` people half of whom say yes and whose twins carry no information: ``c = n cov(y, f)/(n + a)``,
    ``v = p' (1 - p')``, ``p' = (x + a/2)/(n + a)``. Then ``lambda = c / (var(f) (1 + n/N))`` in [0, 1],
    ``p = ybar + lambda (mean(crowd) - fbar)`` and ``n_eff = n v / (v - 2 lambda c + lambda^2 var(f) + lambda^2
    var(crowd) n/N + e)``, ``e = (v - c^2/var(f)) (mean(crowd) - fbar)^2 / (var(f) (1 + n/N)^2)`` the price of the
    slope. The ends are Clopper and Pearson's for ``n_eff p`` of ``n_eff``, moved inwards by what the exact interval for
    x of n gains on theirs, times ``sqrt(n/n_eff)``. With lambda 0 it is the interval of 'binomial'; as n grows it is
    that of PPI++. Its level was enumerated for n from 8 to 50, with biased and useless twins: 0.95 is at least 0.946,
    0.99 at least 0.989, 0.9 at least 0.892 and 0.8 at least 0.766 (``reports/inference/proportion.md``).
    """
    twins, crowd = sample.pair
    low, span = _scale(sample)
    lam, raw, share, people, ratio = _assisted(sample, twins, crowd)
    exact_lower, exact_upper, alone = _human_ends(sample)
    count = alone / ratio
    wanted = low + span * share
    least, most = feasible_range(sample)
    estimate = np.clip(wanted, least, most)
    inside = (estimate - low) / span
    own = smooth_ends((sample.human_mean - low) / span * alone, alone, sample.tail)
    ends = smooth_ends(inside * count, count, sample.tail)
    gain = np.sqrt(ratio)
    lower = np.where(lam > 0.0, ends[0] + gain * (exact_lower - own[0]), exact_lower)
    upper = np.where(lam > 0.0, ends[1] + gain * (exact_upper - own[1]), exact_upper)
    lower = np.clip(low + span * np.minimum(lower, inside), least, most)
    upper = np.clip(low + span * np.maximum(upper, inside), least, most)
    lower, upper = one_sided(sample, lower, upper, (least, most))
    why = (
        f"PPI++ for answers of two values: the binomial interval for the effective number of answers. {PAIRING} "
        "Its level was enumerated over all tables of 8 to 50 humans and their twins: 0.95 is at least 0.946, 0.8 at "
        "least 0.766 (reports/inference/proportion.md)."
    ) + _taken_for_two(sample)
    flags = {**all_equal(sample), **weight_flags(people, raw), MOVED: outside(sample, wanted)}
    return Core(estimate, lower, upper, sample.human_variance * ratio, lam, why, flags)


def _scale(sample: Sample) -> tuple[float, float]:
    low, high = sample.ends
    return low, high - low


def _human_ends(sample: Sample) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ends of the human answers' share, and the number of answers from an unlimited population that they are worth."""
    low, span = _scale(sample)
    if sample.plain:
        count = np.asarray(np.count_nonzero(sample.human != low, axis=-1), dtype=float)
        lower, upper = exact_ends(count, sample.n, sample.population_size, sample.level, sample.alternative)
        left = np.broadcast_to(sample.remaining, count.shape)
        return lower, upper, sample.n / np.maximum(left, 1e-9)
    share = (sample.human_mean - low) / span
    variance = sample.human_variance / span**2
    same = np.all(sample.human == sample.human[..., :1], axis=-1) | (variance <= 0.0)
    scarce = (stdtrit(sample.n - 1.0, sample.tail) / stdtrit(sample.units - 1.0, sample.tail)) ** 2
    worth = share * (1.0 - share) / np.where(same, 1.0, variance) * scarce
    alone = np.where(same, sample.units, np.minimum(worth, 1.0 / np.sum(sample.w**2, axis=-1)))
    return *smooth_ends(share * alone, alone, sample.tail), alone


def _assisted(
    sample: Sample, twins: FloatArray, crowd: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Lambda, lambda before clipping, the share, the twins' deviations, and ``n / n_eff``; see ppi_plus_binomial."""
    low, span = _scale(sample)
    n, kappa = sample.units, sample.crowd_shrinkage
    sceptics = max(SCEPTICS, float(ndtri(sample.tail)) ** 2)
    y = (sample.human - low) / span
    shifted = (twins - twins[..., :1]) / span  # equal twins give exact zeros, whatever their size
    centre = sample.mean(shifted)
    deviation = shifted - centre[..., None]
    squares = sample.mean(deviation**2)
    flat = squares <= (_ROUNDING * np.abs(twins).max(axis=-1) / span) ** 2
    safe = np.where(flat, 1.0, squares)
    share = sample.mean(y)
    covariance = sample.mean(deviation * y)
    unrelated = flat | (np.abs(covariance) <= _ROUNDING * np.sqrt(squares))  # else rounding decides whether lambda is 0
    joint = np.where(unrelated, 0.0, n / (n + sceptics) * covariance)
    prior = (n * share + sceptics / 2.0) / (n + sceptics)
    spread = prior * (1.0 - prior)
    raw = kappa * joint / safe
    lam = np.clip(raw, 0.0, 1.0)
    crowd_mean, crowd_var = sample.crowd_moments
    gap = (crowd_mean - twins[..., 0]) / span - centre
    price = (spread - joint**2 / safe) * kappa**2 * gap**2 / safe
    size = crowd.shape[-1]
    noise = np.where(lam > 0.0, sample.crowd_ratio, 0.0) * crowd_var / span**2 * size / (size - 1)
    left = spread - 2.0 * lam * joint + lam**2 * (squares + noise) + price
    ratio = np.where(lam > 0.0, left / spread, 1.0)
    return lam, raw, share + lam * gap, deviation, ratio


def _taken_for_two(sample: Sample) -> str:
    """What was assumed where nobody declared two values."""
    if sample.bounds is None or declared(sample) or neighbours(sample.bounds):
        return ""
    low, high = sample.bounds
    return (
        f" Answers are taken to be of two values, for none lies between {low:g} and {high:g}; if one could, give "
        "step=, the distance of neighbouring answers."
    )

"""The paper's prediction-powered set (Theorem 4), built from four kinds of confidence sets for a mean."""

from __future__ import annotations

from typing import Literal

import numpy as np

from crowdllm_stats._base.checks import Alternative, FloatArray, check_inside
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats.inference.intervals.confidence_sets import (
    bernstein_half,
    betting_set,
    clt_half,
    hoeffding_half,
    serfling,
)
from crowdllm_stats.inference.intervals.ends import all_equal, one_sided
from crowdllm_stats.inference.intervals.sample import Core, Sample

SetName = Literal["set-clt", "set-hoeffding", "set-bernstein", "set-betting"]

#: Shares of the error probability that are tried for the humans' set, the rest goes to the crowd's.
SHARES = np.concatenate([np.linspace(0.02, 0.98, 49), [0.99, 0.995, 0.999]])

WORDS: dict[SetName, str] = {
    "set-clt": "Student's t for both parts: approximate, as the central limit theorem is.",
    "set-hoeffding": "Hoeffding's inequality: valid at every n for answers within the bounds, and wide.",
    "set-bernstein": "Empirical Bernstein: valid at every n for answers within the bounds; short only for large n.",
    "set-betting": "Betting: valid at every n for answers within the bounds, taken in an order chosen without them.",
}


def prediction_powered_set(sample: Sample, method: SetName) -> Core:
    """``{theta: t1 + t2 = 0, t1 in B1_gamma, t2 in B2_{alpha - gamma}}`` for a pair of sets of one kind.

    B1 covers ``E[f - y]`` (n labelled pairs, values within +-range), B2 covers ``theta - E f`` (N digital answers);
    theta's set is ``[mean f - mean (f - y)] -+ (h1 + h2)`` within the bounds, a union bound. gamma minimises the
    expected width for the given n, N and kind under a standard deviation of a quarter of the range for both parts,
    before any answer is seen (the theorem is for a fixed gamma). With ``census=True`` B2 is a point and takes no error
    probability.

    Source: the paper's Theorem 4 (numbered 4.5 in its HTML), from Angelopoulos et al. 2023, theorem 1.
    """
    twins, crowd = sample.pair
    low, high = sample.ends
    check_inside("digital_labeled", twins, sample.ends)
    check_inside("digital_unlabeled", crowd, sample.ends)
    if sample.population_size is not None and not sample.census and method in ("set-bernstein", "set-betting"):
        needed = "the twins of the whole population as the crowd; otherwise use 'set-hoeffding' or 'set-clt'"
        raise BadInput(
            Message(
                f"method {method!r} with population_size needs census=True: {needed}",
                f"method {method!r} with --population-size needs {needed}",
            )
        )
    difference = twins - sample.human
    miss = 1.0 - sample.level
    share = 1.0 if sample.census else _best_share(sample, method, miss)
    if method == "set-betting":
        lower, upper = _betting_ends(sample, difference, crowd, miss, share)
    else:
        half = _first_half(sample, method, difference.var(axis=-1, ddof=1), share * miss)
        if not sample.census:
            half = half + _second_half(sample, method, crowd.var(axis=-1, ddof=1), (1.0 - share) * miss)
        centre = crowd.mean(axis=-1) - difference.mean(axis=-1)
        lower, upper = one_sided(
            sample, np.clip(centre - half, low, high), np.clip(centre + half, low, high), (low, high)
        )
    estimate = np.clip(crowd.mean(axis=-1) - difference.mean(axis=-1), lower, upper)
    why = (
        f"Theorem 4 with gamma = {share * miss:.4g} fixed by n and N alone. {WORDS[method]} Needs twins from a "
        "generator that never saw these humans, and a random sample."
    )
    return Core(estimate, lower, upper, None, np.ones(estimate.shape), why, all_equal(sample))


def _sides(sample: Sample) -> int:
    return 2 if sample.alternative == "two-sided" else 1


def _range(sample: Sample) -> float:
    return sample.ends[1] - sample.ends[0]


def _first_half(sample: Sample, method: SetName, variance: FloatArray, miss: float) -> FloatArray:
    """Half-width of the humans' set, for differences within +-range (a span of twice the range)."""
    span, n, sides = 2.0 * _range(sample), sample.n, _sides(sample)
    if method == "set-clt":
        return clt_half(variance * sample.remaining, n, miss, sides)
    factor = serfling(n, sample.population_size)
    if method == "set-hoeffding":
        return hoeffding_half(span, n, miss, sides, factor)
    return bernstein_half(variance, span, n, miss, sides, factor, sample.population_size is not None)


def _second_half(sample: Sample, method: SetName, variance: FloatArray, miss: float) -> FloatArray:
    """Half-width of the crowd's set."""
    span, size, sides = _range(sample), sample.n_digital, _sides(sample)
    factor = size * sample.crowd_factor
    if method == "set-clt":
        return clt_half(variance * factor, size, miss, sides)
    if method == "set-hoeffding":
        return hoeffding_half(span, size, miss, sides, factor)
    return bernstein_half(variance, span, size, miss, sides, np.array(1.0), False)


def _best_share(sample: Sample, method: SetName, miss: float) -> float:
    """The share of the error probability for the humans' set that minimises the width expected before the data."""
    kind: SetName = "set-clt" if method == "set-betting" else method
    guess = np.array((0.25 * _range(sample)) ** 2)
    widths = [
        float(
            np.mean(
                _first_half(sample, kind, guess, share * miss) + _second_half(sample, kind, guess, (1 - share) * miss)
            )
        )
        for share in SHARES
    ]
    return float(SHARES[int(np.argmin(widths))])


def _betting_ends(
    sample: Sample, difference: FloatArray, crowd: FloatArray, miss: float, share: float
) -> tuple[FloatArray, FloatArray]:
    """Ends of theta = E f - E (f - y) from betting sets for both; a seed shuffles the order of the bets."""
    low, high = sample.ends
    if sample.seed is not None:
        rng = np.random.default_rng(sample.seed)
        difference = difference[..., rng.permutation(sample.n)]  # one order for all problems: none depends on another
        crowd = crowd[..., rng.permutation(sample.n_digital)]
    turned: dict[Alternative, Alternative] = {"larger": "smaller", "smaller": "larger"}
    opposite = turned.get(sample.alternative, "two-sided")
    first = betting_set(difference, low - high, high - low, share * miss, opposite, sample.population_size)
    if sample.census:
        mean = crowd.mean(axis=-1)
        second = (mean, mean)
    else:
        second = betting_set(crowd, low, high, (1.0 - share) * miss, sample.alternative)
    lower = np.clip(second[0] - first[1], low, high)
    upper = np.clip(second[1] - first[0], low, high)
    return one_sided(sample, lower, upper, (low, high))

"""The paper's CrowdLLM interval (Theorem 5), as published."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from crowdllm_stats.inference.intervals.ends import all_equal, symmetric_ends
from crowdllm_stats.inference.intervals.sample import Core, Sample


def crowdllm(sample: Sample) -> Core:
    """Theorem 5 as published: ``|theta - yt| <= eps0 + z sqrt(eta/N + s_delta^2/N + s_r^2/n)``.

    ``yt`` the crowd's mean, ``r_i = y_i - yt_i``, ``eps0^2 = mean r_i^2``, all variances with ddof 0. With
    ``beliefs`` given, ``s_delta^2`` is their variance and ``eta`` that of the reference; from answers alone,
    ``Var(yt_i)`` holds both.

    Source: the paper's Theorem 5 (4.6 in its HTML); what it needs and how it fails: theory/README.md, Theorem 5.
    """
    twins, _ = sample.pair
    center, crowd_var = sample.crowd_moments
    if sample.beliefs is not None:
        crowd_var = sample.beliefs.var(axis=-1) + sample.eta
    elif np.any(sample.eta > 0.0):
        raise ValueError(
            "eta without beliefs would be counted twice: the variance of the digital answers already holds it; "
            "give beliefs (the answers less the reference), or leave eta out"
        )
    residual = sample.human - twins
    tolerance = np.sqrt((residual**2).mean(axis=-1))
    variance = residual.var(axis=-1) / sample.n * sample.remaining + crowd_var * sample.crowd_factor
    lower, upper = symmetric_ends(sample, center, tolerance + ndtri(sample.tail) * np.sqrt(variance))
    why = (
        "Theorem 5 as published, eps0 at equality. Always contains the plain PPI interval, and does not shrink with n "
        "(eps0 is at least the residual standard deviation), so where PPI is valid its coverage tends to 1; "
        "with few answers less: 0.66 on yes-no answers at n = 5, 0.815 on real people. Needs "
        "residuals from humans the generator never saw: with training residuals it can miss every time."
    )
    return Core(center, lower, upper, None, np.ones(center.shape), why, all_equal(sample))

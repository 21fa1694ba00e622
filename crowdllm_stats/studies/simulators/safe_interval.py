"""Problems with a known gap and belief: where the crowd is no worse than the bare LLM, and where it is promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.theorem3_safe_interval import safe_interval
from crowdllm_stats.studies.engine.parameters import Parameter
from crowdllm_stats.studies.engine.simulator import Job, Simulator, uniforms

#: P(|Delta| <= kappa) under the normal law.
PROMISED = 0.95


class SafeIntervalSimulator(Simulator):
    """A replicate is a problem: ``Delta`` from its law, belief mean ``mu = skill Delta + miss g``, g standard normal.

    Twins' beliefs have mean mu and standard deviation ``diversity``. The risks are worked out from their meaning, not
    with the calculator under test: ``L = (Delta - mu)^2 + twin_noise^2/N (+ diversity^2/N where beliefs are random)``,
    ``L' = Delta^2 + eta``, both without the humans' noise, which they share.

    Methods are the regions: "published" (Theorem 3), "exact" (``L <= L'`` solved for mu), "uniform" (radius
    ``sqrt(c)`` about Delta, safe for every Delta). Outcomes: inside, outside, no_worse (``L <= L'``), empty (no belief
    mean is safe), radius (half the region's width, 0 where empty), excess (``L - L'``), broken (inside and worse).
    """

    parameters = {
        "N": Parameter("twins", "whole", 20, least=2),
        "diversity": Parameter("standard deviation of the twins' beliefs", default=1.0, least=0),
        "kappa": Parameter("bound on |Delta|", default=0.5, least=1e-9),
        "eta": Parameter("variance of one answer of the LLM", default=0.1, least=0),
        "twin_noise": Parameter("standard deviation of the twins' noise", default=0.0, least=0),
        "law": Parameter("of Delta within kappa", "choice", "normal", choices=("normal", "uniform", "at-kappa")),
        "skill": Parameter("share of the gap that the belief mean closes", default=1.0),
        "miss": Parameter("standard deviation of the belief mean about skill * Delta", default=0.3, least=0),
        "random_beliefs": Parameter("beliefs drawn anew each time (else fixed)", "flag", False),
    }
    methods = ("published", "exact", "uniform")
    outcomes = ("inside", "outside", "no_worse", "broken", "empty", "radius", "excess")
    proportions = ("inside", "outside", "no_worse", "broken", "empty")
    block = 5000

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Draw the problems, ask the calculator for the regions, and compare with the risks."""
        cell: Mapping[str, Any] = jobs[0].cell
        draws = uniforms(jobs, "problems", 2)
        delta = _gap(cell, draws[:, 0])
        mu = cell["skill"] * delta + cell["miss"] * ndtri(draws[:, 1])
        sd, size, eta, noise = (cell[name] for name in ("diversity", "N", "eta", "twin_noise"))
        wobble = sd**2 / size if cell["random_beliefs"] else 0.0
        crowd = (delta - mu) ** 2 + noise**2 / size + wobble
        llm = delta**2 + eta
        region = safe_interval(
            mu, mu**2 + sd**2, delta, cell["kappa"], size, eta=eta, digital_noise_var=noise**2, belief_mean_var=wobble
        )
        radius = {
            "published": region.published.half_width,
            "exact": region.exact.half_width,
            "uniform": region.uniform_radius,
        }
        inside = {
            "published": region.inside_published,
            "exact": region.inside_exact,
            "uniform": np.abs(mu - delta) <= region.uniform_radius,
        }
        good = crowd <= llm
        columns = []
        for method in methods:
            held, reach = np.asarray(inside[method]), np.asarray(radius[method])
            columns.append((held, ~held, good, held & ~good, reach < 0.0, np.maximum(reach, 0.0), crowd - llm))
        return {
            name: np.stack([column[place].astype(np.float64) for column in columns], axis=1)
            for place, name in enumerate(self.outcomes)
        }


def _gap(cell: Mapping[str, Any], draws: FloatArray) -> FloatArray:
    """Delta: normal with P(|Delta| <= kappa) = 0.95; uniform on [-kappa, kappa]; or at one of the two ends."""
    kappa = float(cell["kappa"])
    if cell["law"] == "normal":
        return np.asarray(kappa / ndtri(0.5 * (1.0 + PROMISED)) * ndtri(draws))
    if cell["law"] == "uniform":
        return kappa * (2.0 * draws - 1.0)
    return np.where(draws < 0.5, -kappa, kappa)


SAFE_INTERVAL = SafeIntervalSimulator()

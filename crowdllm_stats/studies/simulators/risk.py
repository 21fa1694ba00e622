"""Crowds with a known risk: the published and the exact decomposition against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.proposition1_llm_risk import llm_risk
from crowdllm_stats.inference.theorem2_risk import risk_decomposition
from crowdllm_stats.studies.engine.parameters import Parameter
from crowdllm_stats.studies.engine.simulator import Job, Simulator, uniforms


class RiskSimulator(Simulator):
    """A replicate is a crowd of N fresh people, each asked twice, and their twins.

    A person's own mean is skewed (exponential, mean 0, variance 1); the twin's is ``gap + slope own + scatter g``. Both
    answer with normal noise. The LLM answers ``k`` times about ``gap`` with variance eta.

    Methods and the truth each is after: "exact", "published" (Theorem 2) and "direct" (the squared difference of the
    two means of the first answers) estimate
    ``L = gap^2 + ((1 - slope)^2 + scatter^2 + human_noise^2 + twin_noise^2)/N``; "llm-exact" and "llm-published"
    (Proposition 1) ``L' = gap^2 + (1 + human_noise^2)/N + eta``.
    """

    parameters = {
        "N": Parameter("people, each with a twin", "whole", least=2),
        "slope": Parameter("of the twin's mean on its human's", default=0.6),
        "scatter": Parameter("standard deviation of the twin's mean about that line", default=0.4, least=0),
        "human_noise": Parameter("standard deviation of a person's answers", default=0.7, least=0),
        "twin_noise": Parameter("standard deviation of a twin's answers", default=0.5, least=0),
        "gap": Parameter("what the LLM is off", default=0.2),
        "eta": Parameter("variance of one answer of the LLM", default=0.1, least=0),
        "k": Parameter("answers of the LLM that are given", "whole", 5, least=2),
    }
    methods = ("exact", "published", "direct", "llm-exact", "llm-published")
    outcomes = ("estimate", "truth")
    block = 2000

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Draw crowds, decompose, and put the known risk beside."""
        cell: Mapping[str, Any] = jobs[0].cell
        people, slope, gap, eta, k = (cell[name] for name in ("N", "slope", "gap", "eta", "k"))
        human_noise, twin_noise, scatter = cell["human_noise"], cell["twin_noise"], cell["scatter"]
        shape = (len(jobs), 1, people)
        own = -np.log(uniforms(jobs, "own", people)).reshape(shape) - 1.0
        normals = ndtri(uniforms(jobs, "normals", 5 * people + k))
        twin = gap + slope * own + scatter * normals[:, :people].reshape(shape)
        noise = normals[:, people : 5 * people].reshape(len(jobs), 4, people)
        human_answers = own + human_noise * noise[:, :2]
        twin_answers = twin + twin_noise * noise[:, 2:]
        replies = gap + np.sqrt(eta) * normals[:, 5 * people :]
        parts = risk_decomposition(human_answers, twin_answers)
        llm = llm_risk(human_answers, replies, axis_replicate=-2)
        first = human_answers[:, 0].mean(axis=-1) - twin_answers[:, 0].mean(axis=-1)
        estimates = {
            "exact": parts.exact,
            "published": parts.published,
            "direct": first**2,
            "llm-exact": llm.exact,
            "llm-published": llm.published,
        }
        risk = gap**2 + ((1 - slope) ** 2 + scatter**2 + human_noise**2 + twin_noise**2) / people
        llm_truth = gap**2 + (1 + human_noise**2) / people + eta
        truths = {method: llm_truth if method.startswith("llm") else risk for method in self.methods}
        return {
            "estimate": np.stack([np.asarray(estimates[method]) for method in methods], axis=1),
            "truth": np.stack([np.full(len(jobs), truths[method]) for method in methods], axis=1),
        }


RISK = RiskSimulator()

"""Say what may be concluded about real humans from a few human answers and a digital population, and how sure.

Names are loaded when first used, so that importing the package stays light. Where the paper's parts are:

- Eq. 1: ``generator/networks``; Eq. 2: ``generator/blender``
- Eq. 3: ``generator/profiles``; Eq. 4: ``generator/belief``
- Theorem 1: ``inference/theorem1_profiles``; Theorem 2: ``inference/theorem2_risk``
- Proposition 1: ``inference/proposition1_llm_risk``
- Theorem 3: ``inference/theorem3_safe_interval`` and ``inference/theorem3_safe_decision``
- Theorems 4 and 5: ``inference/intervals/theorem4`` and ``inference/intervals/theorem5``
- Figure 9: ``studies/simulators/figure9``; Tables 1 to 4: ``evaluation/case_study``
- Votes (Table 5, Figure 8): ``generator/ballots`` and ``generator/exactly_k``
- Figures 4, 5 and 12 to 26: ``studies/simulators/learning_curve``

Theorem n is proved in ``theory/theoremn/``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crowdllm_stats._base.extras import naming_extras

__version__ = "0.2.0"

_HOME = {
    "CrowdData": "crowdllm_stats.data.crowd",
    "Scale": "crowdllm_stats.data.crowd",
    "continuous": "crowdllm_stats.data.crowd",
    "ordinal": "crowdllm_stats.data.crowd",
    "categorical": "crowdllm_stats.data.crowd",
    "approval": "crowdllm_stats.data.crowd",
    "load_example": "crowdllm_stats.data",
    "interval": "crowdllm_stats.inference.intervals",
    "interval_from": "crowdllm_stats.survey.intervals",
    "compare_intervals": "crowdllm_stats.inference.intervals",
    "Interval": "crowdllm_stats.inference.intervals",
    "risk_decomposition": "crowdllm_stats.inference.theorem2_risk",
    "llm_risk": "crowdllm_stats.inference.theorem2_risk",
    "safe_interval": "crowdllm_stats.inference.theorem3_safe_interval",
    "safe_decision": "crowdllm_stats.inference.theorem3_safe_decision",
    "safe_decision_from": "crowdllm_stats.survey.decisions",
    "backbone_quality": "crowdllm_stats.inference.kappa",
    "across_problems": "crowdllm_stats.inference.fay_herriot.across_problems",
    "across_answers": "crowdllm_stats.inference.fay_herriot.across_answers",
    "across_from": "crowdllm_stats.survey.across",
    "new_questions_from": "crowdllm_stats.survey.new_questions",
    "compare_from": "crowdllm_stats.survey.comparison",
    "risk_from": "crowdllm_stats.survey.risk",
    "distribution_from": "crowdllm_stats.survey.distribution",
    "plan_from": "crowdllm_stats.survey.plan",
    "answering_cost": "crowdllm_stats.inference.answering_cost",
    "conformal_new_problems": "crowdllm_stats.inference.conformal",
    "load_population": "crowdllm_stats.generator.shipped",
    "CrowdLLM": "crowdllm_stats.generator.crowdllm",
    "BallotCrowd": "crowdllm_stats.generator.ballots",
    "SemiImplicit": "crowdllm_stats.semi_implicit",
    "aggregate": "crowdllm_stats.evaluation.aggregation",
    "evaluate": "crowdllm_stats.evaluation",
    "distribution_error": "crowdllm_stats.inference.diversity",
    "profile_bound": "crowdllm_stats.inference.theorem1_profiles",
    "profile_distance": "crowdllm_stats.inference.theorem1_profiles",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crowdllm_stats' has no attribute {name!r}")
    with naming_extras():
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

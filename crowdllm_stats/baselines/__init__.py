"""Baselines of the case studies: what any generator has to beat, one family a file."""

from crowdllm_stats.baselines.base import Baseline, Fitted, predictor
from crowdllm_stats.baselines.llm import MultiPersona, SelfConsistency, ZeroShot
from crowdllm_stats.baselines.mixed_probit import MixedProbit
from crowdllm_stats.baselines.neighbours import NearestNeighbours
from crowdllm_stats.baselines.noise_floor import noise_floor
from crowdllm_stats.baselines.plain import GlobalDistribution, OwnRaters, Random
from crowdllm_stats.baselines.ridge import Ridge
from crowdllm_stats.data.features import Features

__all__ = [
    "Baseline",
    "Features",
    "Fitted",
    "GlobalDistribution",
    "MixedProbit",
    "MultiPersona",
    "NearestNeighbours",
    "OwnRaters",
    "Random",
    "Ridge",
    "SelfConsistency",
    "ZeroShot",
    "noise_floor",
    "predictor",
]

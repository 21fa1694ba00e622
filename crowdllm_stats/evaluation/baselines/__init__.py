"""Baselines of the case studies: what any generator has to beat, one family a file."""

from crowdllm_stats.evaluation.baselines.base import Baseline, FittedBaseline, predictor
from crowdllm_stats.evaluation.baselines.from_features import Logistic, NearestNeighbours, Ridge
from crowdllm_stats.evaluation.baselines.llm import MultiPersona, SelfConsistency, ZeroShot
from crowdllm_stats.evaluation.baselines.mixed_probit import MixedProbit
from crowdllm_stats.evaluation.baselines.plain import (
    GlobalDistribution,
    MedianHistogram,
    OwnRaters,
    Random,
    noise_floor,
)

__all__ = [
    "Baseline",
    "FittedBaseline",
    "GlobalDistribution",
    "Logistic",
    "MedianHistogram",
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

"""Protocols of evaluation: which answers a predictor may learn from, what it is scored on, how two are compared."""

from crowdllm_stats.evaluation.aggregation import aggregate_scores, virtual_crowd
from crowdllm_stats.evaluation.protocols import Evaluation, HeldOut, Predictor, evaluate, held_out
from crowdllm_stats.evaluation.scores import PairedDifference, paired_difference

__all__ = [
    "Evaluation",
    "HeldOut",
    "PairedDifference",
    "Predictor",
    "aggregate_scores",
    "evaluate",
    "held_out",
    "paired_difference",
    "virtual_crowd",
]

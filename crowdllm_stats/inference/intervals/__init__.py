"""Confidence intervals for a population mean from few human answers and many digital ones; one file per family."""

from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM, auto_method, compare_intervals, interval
from crowdllm_stats.inference.intervals.interval_result import Interval, IntervalTable
from crowdllm_stats.inference.intervals.methods import HUMAN_ONLY, METHODS

__all__ = [
    "CROWD_FROM",
    "HUMAN_ONLY",
    "METHODS",
    "Interval",
    "IntervalTable",
    "auto_method",
    "compare_intervals",
    "interval",
]

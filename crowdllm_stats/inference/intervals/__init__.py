"""Confidence intervals for a population mean from few human answers and many digital ones; one file a family."""

from crowdllm_stats.inference.intervals.compare import IntervalTable, compare_intervals
from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM, HUMAN_ONLY, METHODS, auto_method, interval
from crowdllm_stats.inference.intervals.interval_result import Interval

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

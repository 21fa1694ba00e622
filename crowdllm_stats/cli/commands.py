"""All commands by name."""

from __future__ import annotations

from collections.abc import Callable

from crowdllm_stats.cli.command_across import across
from crowdllm_stats.cli.command_compare import compare
from crowdllm_stats.cli.command_demo import demo
from crowdllm_stats.cli.command_distribution import distribution
from crowdllm_stats.cli.command_interval import interval
from crowdllm_stats.cli.command_planner import planner
from crowdllm_stats.cli.command_risk import risk
from crowdllm_stats.cli.command_safe import safe_interval
from crowdllm_stats.cli.output import Report

#: Commands that do without the digital table.
HUMANS_ALONE = ("across", "interval")

#: Commands on a human and a digital table; each returns a Report.
ON_TABLES: dict[str, Callable[..., Report]] = {
    "interval": interval,
    "across": across,
    "safe-interval": safe_interval,
    "risk": risk,
    "compare": compare,
    "distribution": distribution,
    "planner": planner,
}

__all__ = ["HUMANS_ALONE", "ON_TABLES", "demo"]

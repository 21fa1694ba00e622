"""Machine checks of the theory: what the files in ``theory/`` are written against, and what runs them."""

from crowdllm_stats.verify.check import (
    Check,
    Skipped,
    Statement,
    agree,
    counterexample,
    enumeration,
    fields_agree,
    identity,
    mean_of,
    numeric,
    rate_at_least,
    simulation,
)
from crowdllm_stats.verify.load import Theory, find_results, load
from crowdllm_stats.verify.outcome import Outcome, Verification
from crowdllm_stats.verify.run import main, verify

__all__ = [
    "Check",
    "Outcome",
    "Skipped",
    "Statement",
    "Theory",
    "Verification",
    "agree",
    "counterexample",
    "enumeration",
    "fields_agree",
    "find_results",
    "identity",
    "load",
    "main",
    "mean_of",
    "numeric",
    "rate_at_least",
    "simulation",
    "verify",
]

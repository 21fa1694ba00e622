"""Machine checks of the theory: what the files in ``theory/`` are written against, and what runs them."""

from .check import Check, Skipped, Statement, counterexample, identity, simulation
from .load import Theory, find_results, load
from .outcome import Outcome, Verification
from .run import main, verify

__all__ = [
    "Check",
    "Outcome",
    "Skipped",
    "Statement",
    "Theory",
    "Verification",
    "counterexample",
    "find_results",
    "identity",
    "load",
    "main",
    "simulation",
    "verify",
]

"""What a study says in the end: statements with a verdict each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from .claims import Claim

if TYPE_CHECKING:
    from .results import Results

VERDICTS = ("kept", "broken", "undecided")


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """One statement held against the results.

    Attributes:
        statement: in words.
        verdict: one word, for claims of study files one of :data:`VERDICTS`.
        evidence: the numbers behind it, in words.
    """

    statement: str
    verdict: str
    evidence: str


def judge(claim: Claim, results: Results) -> Conclusion:
    """Hold a claim against every cell it speaks of.

    Each cell has an interval for the measure's true value, at 95% for all cells together (Bonferroni). Kept: no
    interval lies wholly beyond the bound. Broken: at least one does. Undecided: the measure is known in no cell.

    Args:
        claim: of the study file.
        results: with the claim's measure and method.
    """
    frame = results.part(claim.measure, claim.method, claim.where)
    known = frame[frame["value"].notna()]
    if known.empty:
        return Conclusion(claim.text, "undecided", "no cell has a value")
    lower, upper = results.simultaneous(known)
    beyond = pd.Series(False, index=known.index)
    slack = pd.Series(float("inf"), index=known.index)
    if claim.at_least is not None:
        beyond |= upper < claim.at_least
        slack = (known["value"] - claim.at_least).clip(upper=slack)
    if claim.at_most is not None:
        beyond |= lower > claim.at_most
        slack = (claim.at_most - known["value"]).clip(upper=slack)
    worst = known.loc[slack.idxmin()]
    place = results.place(worst)
    count = int(beyond.sum())
    verdict = "broken" if count else "kept"
    said = f"beyond the bound in {count} of {len(known)} cells" if count else f"in none of {len(known)} cells beyond it"
    evidence = f"{said}; worst {worst['value']:.4g} (standard error {worst['mcse']:.2g}) at {place}"
    left = len(frame) - len(known)
    return Conclusion(claim.text, verdict, evidence + (f"; {left} cells without a value" if left else ""))


def judge_all(claims: Sequence[Claim], results: Results) -> list[Conclusion]:
    """Every claim in turn, each by :func:`judge`.

    Args:
        claims: of the study file.
        results: with the claims' measures and methods.

    Returns:
        A conclusion a claim, in the order given. Each claim has its own 95%; claims are not corrected for one another.

    Example:
        >>> from pathlib import Path
        >>> from crowdllm_stats.studies.design_file import make_design
        >>> from crowdllm_stats.studies.results import Results
        >>> content = {"title": "Mine", "simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"],
        ...            "measures": ["coverage"], "replicates": 100, "seed": 1,
        ...            "claim": [{"text": "covers 0.9", "measure": "coverage", "method": "classical", "at_least": 0.9}]}
        >>> frame = pd.DataFrame({"n": [5, 10], "method": "classical", "measure": "coverage", "value": [0.72, 0.95],
        ...                       "mcse": [0.045, 0.022], "successes": [72.0, 95.0], "replicates": 100, "failed": 0,
        ...                       "note": ""})
        >>> results = Results(make_design(content, "mine"), frame, pd.DataFrame(), Path("out/mine"))
        >>> for conclusion in judge_all(results.design.claims, results):
        ...     print(conclusion.verdict, "-", conclusion.evidence)
        broken - beyond the bound in 1 of 2 cells; worst 0.72 (standard error 0.045) at n = 5
    """
    return [judge(claim, results) for claim in claims]

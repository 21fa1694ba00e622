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
    """Every claim in turn."""
    return [judge(claim, results) for claim in claims]

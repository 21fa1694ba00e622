"""What a study says in the end: statements, each with its verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from scipy.special import ndtri

from crowdllm_stats.studies.engine.design import Claim

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.results import Results

VERDICTS = ("kept", "broken", "undecided")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One statement held against the results.

    Attributes:
        statement: in words.
        verdict: one word, for claims of study files one of :data:`VERDICTS`.
        evidence: the numbers behind it, in words.
    """

    statement: str
    verdict: str
    evidence: str


def judge(claim: Claim, results: Results) -> Verdict:
    """Hold a claim against every cell it speaks of.

    Each cell has an interval for the measure's true value, at 95% for all cells together (Bonferroni; Student's t over
    replicates, Clopper-Pearson for proportions). Broken: at least one interval lies wholly beyond the bound. Kept:
    every interval lies wholly on the right side of it. Undecided: neither, with the replicates that the cells seen so
    far suggest; or the measure is known in no cell. A claim with ``less`` speaks of :attr:`Results.differences`.

    Args:
        claim: of the study file.
        results: with the claim's measure and method.
    """
    frame = results.compared(claim) if claim.less else results.part(claim.measure, claim.method, claim.where)
    known = frame[frame["value"].notna()]
    if known.empty:
        return Verdict(claim.text, "undecided", "no cell has a value")
    lower, upper = results.simultaneous(known)
    beyond, open_ = pd.Series(False, index=known.index), pd.Series(False, index=known.index)
    slack = pd.Series(float("inf"), index=known.index)
    needed = pd.Series(0.0, index=known.index)
    for bound, sign, far, near in ((claim.at_least, 1.0, upper, lower), (claim.at_most, -1.0, lower, upper)):
        if bound is None:
            continue
        room = sign * (known["value"] - bound)
        beyond |= sign * (far - bound) < 0.0
        unclear = sign * (near - bound) < 0.0
        open_ |= unclear
        slack = room.clip(upper=slack)
        wanted = _replicates_needed(known, room.abs(), (known["value"] - near).abs())
        needed = needed.where(~unclear, wanted.clip(lower=needed))
    verdict = "broken" if beyond.any() else "undecided" if open_.any() else "kept"
    worst = known.loc[slack.idxmin()]
    reach = f", interval {lower[worst.name]:.4g} to {upper[worst.name]:.4g}" if claim.less else ""
    said = {
        "broken": f"beyond the bound in {int(beyond.sum())} of {len(known)} cells",
        "kept": f"on the right side of the bound in all {len(known)} cells",
        "undecided": f"the bound lies inside the interval of {int(open_.sum())} of {len(known)} cells"
        f"{_replicates_words(needed[open_])}",
    }[verdict]
    evidence = f"{said}; worst {worst['value']:.4g} ({_error_words(worst['mcse'])}{reach}) at {results.place(worst)}"
    left = len(frame) - len(known)
    return Verdict(claim.text, verdict, evidence + (f"; {left} cells without a value" if left else ""))


def _replicates_needed(known: pd.DataFrame, room: pd.Series, reach: pd.Series) -> pd.Series:
    """Replicates at which a normal interval of the present spread would end at the bound; infinite on the bound.

    Args:
        known: the cells.
        room: distance of each value from the bound.
        reach: distance to the end of its interval, for values without spread.
    """
    normal = known["mcse"] * float(-ndtri(0.5 * 0.05 / len(known)))
    length = normal.where(normal > 0.0, reach)
    return known["replicates"] * (length / room.where(room > 0.0)).fillna(float("inf")) ** 2


def _replicates_words(needed: pd.Series) -> str:
    """How many replicates would decide the cell that takes most, if the values stay as they are."""
    hardest = float(needed.max()) if len(needed) else 0.0
    if not math.isfinite(hardest):
        return ", and a value on the bound is decided by no number of replicates"
    digits = max(int(math.floor(math.log10(max(hardest, 1.0)))) - 1, 0)
    return f" (about {math.ceil(hardest / 10**digits) * 10**digits:,} replicates would decide them as they stand)"


def _error_words(mcse: float) -> str:
    return "no standard error" if math.isnan(mcse) else f"standard error {mcse:.2g}"


def judge_all(claims: Sequence[Claim], results: Results) -> list[Verdict]:
    """Every claim in turn, each by :func:`judge`.

    Args:
        claims: of the study file.
        results: with the claims' measures and methods.

    Returns:
        A verdict per claim, in the order given. Each claim has its own 95%; claims are not corrected for one another.

    Example:
        >>> from pathlib import Path
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> from crowdllm_stats.studies.engine.results import Results
        >>> content = {"title": "Mine", "simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"],
        ...            "measures": ["coverage"], "replicates": 100, "seed": 1,
        ...            "claim": [{"text": "covers 0.9", "measure": "coverage", "method": "classical", "at_least": 0.9}]}
        >>> frame = pd.DataFrame({"n": [5, 10], "method": "classical", "measure": "coverage", "value": [0.72, 0.95],
        ...                       "mcse": [0.045, 0.022], "successes": [72.0, 95.0], "replicates": 100, "failed": 0,
        ...                       "note": ""})
        >>> results = Results(make_design(content, "mine"), frame, pd.DataFrame(), Path("out/mine"))
        >>> for verdict in judge_all(results.design.claims, results):
        ...     print(verdict.verdict, "-", verdict.evidence)
        broken - beyond the bound in 1 of 2 cells; worst 0.72 (standard error 0.045) at n = 5
    """
    return [judge(claim, results) for claim in claims]

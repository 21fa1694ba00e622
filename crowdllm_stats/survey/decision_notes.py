"""What the decisions over all problems come to, and where kappa and eta come from, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crowdllm_stats._base.words import several
from crowdllm_stats.inference.kappa import BackboneQuality
from crowdllm_stats.survey.result import Row

#: The decisions in plain words, each: than asking the LLM once.
VERDICTS = {"safe": "not worse", "unsafe": "worse", "undetermined": "undecided"}


def how_far(rows: Sequence[Row]) -> str:
    """What "not worse" does not say: how far the crowd is from the humans.

    Example:
        >>> rows = [{"problem": "q1", "crowd_gap": 0.8, "gap_lower": 0.5, "gap_upper": 1.1}]
        >>> print(how_far(rows).split(": ")[-1])
        its mean is off the humans' in 1 of 1 problem, by up to 0.8 (q1).
    """
    off = [row for row in rows if row["gap_lower"] > 0.0 or row["gap_upper"] < 0.0]
    if off:
        worst = max(off, key=lambda row: abs(row["crowd_gap"]))
        found = (
            f"its mean is off the humans' in {len(off)} of {several(len(rows), 'problem')}, "
            f"by up to {abs(worst['crowd_gap']):.2g} ({worst['problem']})."
        )
    else:
        found = f"in none of {several(len(rows), 'problem')} these answers show a gap between their means."
    return f"Not worse means: than asking the LLM once. It does not mean that the crowd is near the humans: {found}"


def not_judged(judged: int, excluded: Mapping[str, str]) -> list[str]:
    """How many problems were not judged and why, for the first line; nothing where all were.

    Example:
        >>> not_judged(1, {"q2": "no reference answer", "q3": "no reference answer"})
        ['2 of 3 problems were not judged (2: no reference answer); what follows is about the other.']
    """
    if not excluded:
        return []
    plain = [reason.split(";")[0].split(":")[0] for reason in excluded.values()]
    reasons = ", ".join(f"{plain.count(reason)}: {reason}" for reason in dict.fromkeys(plain))
    others = "the other" if judged == 1 else f"the other {judged}"
    return [
        f"{len(excluded)} of {judged + len(excluded)} problems were not judged ({reasons}); what follows is about "
        f"{others}."
    ]


def decision_notes(
    rows: Sequence[Row], quality: BackboneQuality | None, kappa: float | None, eta: float | None
) -> list[str]:
    """Sentences about all problems together.

    Args:
        rows: of the problems that were judged.
        quality: where kappa was estimated.
        kappa: that the intervals use, None without intervals.
        eta: as given, None where it is estimated.

    Example:
        >>> row = {"decision": "safe", "adjusted": "undetermined"}
        >>> print(*decision_notes([row], None, 0.5, 0.1))
        Of 1 problem the crowd is not worse than asking the LLM once in 0, worse in 0, undecided in 1 (after \
Benjamini-Hochberg; 1, 0 and 0 with each problem for itself).
    """
    alone, together = (
        [sum(row[name] == decision for row in rows) for decision in VERDICTS] for name in ("decision", "adjusted")
    )
    notes = [
        f"Of {several(len(rows), 'problem')} the crowd is not worse than asking the LLM once in {together[0]}, "
        f"worse in {together[1]}, undecided in {together[2]} (after Benjamini-Hochberg; {alone[0]}, {alone[1]} and "
        f"{alone[2]} with each problem for itself)."
    ]
    if quality is not None:
        notes.append(_about_kappa(quality, kappa))
    elif kappa is None:
        notes.append("kappa cannot be estimated from one problem: no intervals; give kappa.")
    if eta is None:
        notes.append("eta is estimated from the repeated reference answers; the tests count its error.")
    wrong = sum(bool(row.get("inside_published")) and not row["inside_exact"] for row in rows if "inside_exact" in row)
    if wrong:
        notes.append(f"Inside the published interval but outside the exact one: {several(wrong, 'problem')}.")
    return notes


def _about_kappa(quality: BackboneQuality, kappa: float | None) -> str:
    short = quality.n_problems < quality.least_problems
    why = f" (a finite one needs at least {several(quality.least_problems, 'problem')})" if short else ""
    corrected = "unknown" if quality.kappa_corrected is None else f"{quality.kappa_corrected:.3g}"
    used = "-" if kappa is None else f"{kappa:.4g}"
    return (
        f"kappa at probability {quality.level:g} from {several(quality.n_problems, 'problem')}: "
        f"{quality.kappa:.3g} guaranteed{why}, {corrected} with the noise taken off; the intervals use {used}."
    )

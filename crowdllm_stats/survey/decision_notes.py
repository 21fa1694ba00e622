"""What the decisions over all problems come to, and where kappa and eta come from, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from crowdllm_stats.inference.backbone_quality import BackboneQuality
from crowdllm_stats.survey.result import Row
from crowdllm_stats.survey.words import several


def decision_notes(
    rows: Sequence[Row],
    quality: BackboneQuality | None,
    kappa: float | None,
    eta: float | None,
    given: Sequence[int],
) -> list[str]:
    """Sentences about all problems together.

    Args:
        rows: of the problems that were judged.
        quality: where kappa was estimated.
        kappa: that the intervals use, None without intervals.
        eta: as given, None where it is estimated.
        given: the problems' numbers of reference answers.

    Example:
        >>> row = {"decision": "safe", "adjusted": "undetermined"}
        >>> print(*decision_notes([row], None, 0.5, 0.1, [1]))
        Of 1 problem the crowd is safe in 1, unsafe in 0, undetermined in 0; after Benjamini-Hochberg 0 safe, 0 unsafe.
    """
    counts = {name: sum(row["decision"] == name for row in rows) for name in ("safe", "unsafe", "undetermined")}
    adjusted = {name: sum(row["adjusted"] == name for row in rows) for name in ("safe", "unsafe")}
    notes = [
        f"Of {several(len(rows), 'problem')} the crowd is safe in {counts['safe']}, unsafe in {counts['unsafe']}, "
        f"undetermined in {counts['undetermined']}; "
        f"after Benjamini-Hochberg {adjusted['safe']} safe, {adjusted['unsafe']} unsafe."
    ]
    if quality is not None:
        notes.append(_about_kappa(quality, kappa))
    elif kappa is None:
        notes.append("kappa cannot be estimated from one problem: no intervals; give kappa.")
    if eta is None and min(given) == 1:
        single = sum(number == 1 for number in given)
        notes.append(
            f"In {several(single, 'problem')} there is one reference answer, taken as the LLM's exact mean with eta 0; "
            "else give eta."
        )
    if eta is None and max(given) > 1:
        notes.append("eta is estimated from the repeated reference answers, and then counts as known.")
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

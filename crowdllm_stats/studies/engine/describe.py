"""A study in words, in the order aims, data, estimand, methods, performance measures (ADEMP)."""

from __future__ import annotations

import inspect

from crowdllm_stats.studies.engine.compute import plan_of
from crowdllm_stats.studies.engine.design import Design, levels_text
from crowdllm_stats.studies.engine.measures import MEASURES, MeasureSpec

#: Source of the order.
ADEMP = "Morris, White and Crowther 2019"


def describe(design: Design) -> list[tuple[str, str]]:
    """(part, words) pairs, Markdown inside.

    Example:
        >>> from crowdllm_stats.studies.engine.design_file import read_design
        >>> from crowdllm_stats.studies.engine.find import study_file
        >>> [part for part, _ in describe(read_design(study_file("coverage")))][:3]
        ['Aims', 'Data', 'Varied']
    """
    plan = plan_of(design)
    known = design.parameters
    varied = [f"- `{name}` in {levels_text(levels)}: {known[name].meaning}" for name, levels in design.factors.items()]
    full = design.full_cell({})
    held = [
        f"- `{name}` = {levels_text([value])}: {known[name].meaning}"
        for name, value in full.items()
        if name not in design.factors
    ]
    parts = [
        ("Aims", design.aims or "(not said)"),
        ("Data", inspect.cleandoc(type(plan.simulator).__doc__ or "")),
        ("Varied", "\n".join(varied)),
        ("Held", "\n".join(held) or "(nothing)"),
        ("Estimand", design.estimand or "(not said)"),
        ("Methods", ", ".join(design.methods) + (f"; reference {design.reference}" if design.reference else "")),
        ("Measures", "\n".join(f"- `{spec.name}`: {meaning(spec)}" for spec in design.measures)),
        (
            "Size",
            f"{design.n_cells:,} cells x {design.replicates:,} replicates in {len(plan.blocks):,} blocks of "
            f"{design.block:,}; seed {design.seed}",
        ),
    ]
    if design.skips:
        parts.append(("Left out", "\n".join(f"- {skip.text}: {skip.reason}" for skip in design.skips)))
    if design.claims:
        parts.append(("Claims", "\n".join(f"- {claim.text}" for claim in design.claims)))
    return parts


def meaning(spec: MeasureSpec) -> str:
    """What a measure is, in words.

    Args:
        spec: of a study; see :func:`~crowdllm_stats.studies.engine.measures.read_measures`.

    Returns:
        A phrase without a full stop.

    Example:
        >>> meaning(MeasureSpec("coverage", "coverage"))
        'share of intervals that contain the truth'
        >>> meaning(MeasureSpec("loss", "mean", outcome="loss"))
        'mean of loss'
    """
    if spec.kind == "mean":
        return f"mean of {spec.outcome}"
    if spec.kind == "share":
        return f"share with {spec.outcome} among the replicates with {spec.among}"
    if spec.kind == "ratio":
        return f"mean of {spec.outcome} over mean of {spec.among}"
    return MEASURES[spec.kind][1]

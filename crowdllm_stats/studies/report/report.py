"""The results of a study as a folder: README.md to read, tables as Parquet, pictures, and a manifest."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats._base.manifest import described_file, made_by, write_manifest
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.shown import one_line, several, visible
from crowdllm_stats._base.whole_files import whole_folder
from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design import Design, levels_text
from crowdllm_stats.studies.engine.measures import MEASURES, MeasureSpec
from crowdllm_stats.studies.engine.parameters import InputFile
from crowdllm_stats.studies.engine.results import Results, drawn, facets_of, overview, wide
from crowdllm_stats.studies.engine.verdicts import Verdict, judge_all
from crowdllm_stats.studies.report.plots import save_all

#: Most cells of a table in the README; the Parquet file has them all.
TABLE_CELLS = 60


def conclude(results: Results) -> list[Verdict]:
    """The verdicts on the study file's claims, then the simulator's own.

    Args:
        results: of a finished study.
    """
    return [*judge_all(results.design.claims, results), *layout_of(results.design).simulator.conclude(results)]


def write_report(
    results: Results, out: Path, *, file: Path, arguments: Sequence[str], pictures: bool = True
) -> list[Path]:
    """Write README.md, results.parquet, contrasts.parquet, study.json, the pictures and the manifests, or nothing.

    ``study.json`` is what ``crowdllm-stats report`` makes its pages of: the study in words, its verdicts, the overview
    and the numbers of its pictures.

    Args:
        results: what to report.
        out: the folder, made where it does not exist.
        file: the study file, named in the manifest with its hash.
        arguments: the command line after the program's name.
        pictures: whether to draw any.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if pictures are to be drawn and matplotlib is not installed.
    """
    with whole_folder(out) as half:
        drawings = _drawings(results, half) if pictures else {}
        readme, numbers = half / "README.md", half / "results.parquet"
        readme.write_text(_readme(results, drawings, arguments, file), encoding="utf-8")
        _plain_levels(results.frame).to_parquet(numbers, index=False, compression="zstd")
        written = [readme, numbers]
        if len(results.contrasts):
            written.append(half / "contrasts.parquet")
            _plain_levels(results.contrasts).to_parquet(written[-1], index=False, compression="zstd")
        written.append(half / "study.json")
        written[-1].write_text(json_text(_study(results)) + "\n", encoding="utf-8")
        manifests = [
            write_manifest(
                place,
                arguments=arguments,
                inputs=[
                    {**described_file(file), "path": file.name},
                    *({"path": read.path, "sha256": read.sha256} for read in results.design.files),
                ],
                seed=results.design.seed,
                counts={
                    "cells": results.design.n_cells,
                    "replicates": results.design.replicates,
                    "failed": int(results.failures["failed"].sum()),
                    "skipped_pairs": len(results.skipped),
                },
                folder=out,
            )
            for place in (numbers, written[-1])
        ]
    return [out / place.name for place in (*written, *drawings, *manifests)]


def _study(results: Results) -> dict[str, Any]:
    """The study in words, its verdicts, its overview and its pictures as numbers."""
    design = results.design
    drawn_here = [picture for picture in design.pictures if picture.kind in ("lines", "coverage")]
    return {
        "study": design.name,
        "title": design.title,
        "words": [{"part": part, "words": words} for part, words in describe(design)],
        "verdicts": [dataclasses.asdict(verdict) for verdict in conclude(results)],
        "overview": table_rows(overview(results)),
        "measures": [
            {"measure": spec.name, "meaning": meaning(spec), "nominal": spec.nominal} for spec in design.measures
        ],
        "pictures": [
            *(facets_of(results, picture) for picture in drawn_here),
            *layout_of(design).simulator.facets(results),
        ],
        "failed": int(results.failures["failed"].sum()),
        "skipped": len(results.skipped),
    }


def _drawings(results: Results, out: Path) -> dict[Path, str]:
    """The pictures of the study file, then the simulator's own: file -> title."""
    titles = {picture.file: picture.title or picture.file for picture in results.design.pictures}
    drawn_files = {file: titles[file.stem] for file in save_all(results, out)}
    own = layout_of(results.design).simulator.draw(results, out)
    return drawn_files | {file: title for title, file in own.items()}


def _plain_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Lists of numbers for tuples and paths for files, which Parquet does not know."""

    def level(value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, InputFile) else value

    return frame.map(level)


def _readme(results: Results, pictures: Mapping[Path, str], arguments: Sequence[str], file: Path) -> str:
    design = results.design
    found = conclude(results)
    parts = [f"# {one_line(design.title)}", made_by(shlex.join(["crowdllm-stats", *arguments]))]
    if found:
        parts.append(_verdict_line(found))
        table = pd.DataFrame([{"statement": c.statement, "verdict": c.verdict, "evidence": c.evidence} for c in found])
        parts.append(markdown_table(table))
        if design.claims:
            parts.append(
                "Each cell has an interval, 95% for all cells of a claim together. A claim is broken where at least "
                "one of them lies wholly beyond the bound, kept where all lie wholly on its right side, else undecided."
            )
    for place, title in pictures.items():
        parts.append(f"![{title}]({place.name})")
        shown = next((picture for picture in design.pictures if picture.file == place.stem), None)
        if shown is not None and shown.kind in ("lines", "coverage") and design.n_cells > TABLE_CELLS:
            parts.append(f"{shown.measure} in this picture: mean over its panels, in brackets smallest to largest.")
            parts.append(markdown_table(drawn(results, shown)))
    parts += ["## All cells together", "Smallest and largest are over cells; mcse is the Monte Carlo standard error."]
    parts.append(markdown_table(overview(results), 4))
    for spec in design.measures:
        table = wide(results, spec.name)
        if len(table) <= TABLE_CELLS:
            parts += [f"### {spec.name}, in brackets its Monte Carlo standard error", markdown_table(table)]
    parts.append(_failed_words(results))
    parts += [f"## The study ({ADEMP})", *(f"**{part}.** {_paragraph(words)}" for part, words in describe(design))]
    parts.append("`results.parquet` has every cell; `contrasts.parquet`, where there is one, the paired differences.")
    return visible("\n\n".join(parts) + "\n")


def _paragraph(words: str) -> str:
    return f"\n\n{words}" if words.startswith("- ") else words


def _verdict_line(found: Sequence[Verdict]) -> str:
    counts: dict[str, int] = {}
    for verdict in found:
        counts[verdict.verdict] = counts.get(verdict.verdict, 0) + 1
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    broken = [verdict.statement for verdict in found if verdict.verdict == "broken"]
    return f"**{len(found)} statements: {words}.**" + (f" Broken: {one_line('; '.join(broken))}." if broken else "")


def _failed_words(results: Results) -> str:
    failures = results.failures
    if failures.empty:
        return "No replicate failed."
    total = failures.groupby("method", sort=False)["failed"].sum()
    words = ", ".join(f"{method} {count}" for method, count in total.items())
    return f"Failed replicates (a result that is not a number; counted and left out): {words}."


#: Source of the order.
ADEMP = "Morris, White and Crowther 2019"


def describe(design: Design) -> list[tuple[str, str]]:
    """(part, words) pairs, Markdown inside.

    Example:
        >>> from crowdllm_stats.studies.engine.design_file import read_design
        >>> from crowdllm_stats.studies.engine.design_file import study_file
        >>> [part for part, _ in describe(read_design(study_file("coverage")))][:3]
        ['Aims', 'Data', 'Varied']
    """
    plan = layout_of(design)
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
            f"{several(design.n_cells, 'cell')} of {design.replicates:,} replicates each, computed in "
            f"{several(len(plan.blocks), 'block')}; seed {design.seed}",
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

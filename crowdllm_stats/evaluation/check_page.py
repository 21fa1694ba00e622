"""The check of a population as a folder: tables, the picture, a page to read, and the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from crowdllm_stats._base.manifest import described_answers, write_manifest
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.shown import visible
from crowdllm_stats._base.whole_files import whole_folder
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.calibration import MEANING
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.population_check import PopulationCheck

PICTURE = "calibration.png"


def markdown(found: PopulationCheck, picture: str = PICTURE) -> str:
    """The check as Markdown, without heading line.

    Args:
        found: the check.
        picture: name of the picture's file.
    """
    lines = str(found.calibration).split("\n\n", maxsplit=1)[0].splitlines()
    meaning = "; ".join(f"{name}: {words}" for name, words in MEANING.items())
    parts = [
        _listed(lines),
        found.why,
        *found.notes,
        f"![calibration]({picture})",
        f"Between the dashed lines lie all bars of a histogram in {found.calibration.level:.3g} of the draws; grey is "
        "the middle of the draws. p-values are adjusted for all checks of everyone, or for all of the parts.",
        f"What is compared: {meaning}.",
        markdown_table(found.calibration.checks),
    ]
    if found.diversity is not None:
        parts += [_listed(str(found.diversity).splitlines()), markdown_table(found.diversity.to_frame())]
    if found.loo is not None:
        parts.append(f"```\n{found.loo}\n```")
    return "\n\n".join(parts) + "\n"


def _listed(lines: Sequence[str]) -> str:
    """Lines as paragraphs, those set in as a list."""
    return "\n".join(f"- {line.strip()}" if line.startswith("  ") else f"{line}\n" for line in lines)


def write_check(
    found: PopulationCheck, folder: Path, data: CrowdData, references: References, *, arguments: Sequence[str]
) -> list[Path]:
    """Write README.md, a .csv of each table, the picture, and the manifest of the checks: all or none.

    Args:
        found: the check.
        folder: made where it is not there.
        data: the human answers, for the manifest.
        references: likewise.
        arguments: the command line after the program's name.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    tables = {"checks": found.to_frame(), "histograms": found.calibration.histograms}
    if found.diversity is not None:
        tables["diversity"] = found.diversity.to_frame()
    if found.loo is not None:
        tables["loo"] = found.loo.to_frame()
    with whole_folder(folder) as half:
        written = [half / f"{name}.csv" for name in tables]
        for place, table in zip(written, tables.values(), strict=True):
            table.to_csv(place, index=False, lineterminator="\n")
        manifest = write_manifest(
            written[0],
            arguments=arguments,
            inputs=[described_answers(found.name, data.responses), dict(references.source)],
            seed=0,
            counts={"answers": len(data.responses), "checked": len(found.calibration.pit), "folds": found.folds},
            folder=folder,
        )
        found.plot().savefig(half / PICTURE, dpi=110, metadata={"Software": None})
        head = (
            f"# {found.name}: is the population calibrated?\n\nMade by `{shlex.join(['crowdllm-stats', *arguments])}`."
        )
        (half / "README.md").write_text(visible(f"{head}\n\n{markdown(found)}"), encoding="utf-8")
        written += [manifest, half / PICTURE, half / "README.md"]
    return [folder / place.name for place in written]

"""A case study as a folder: tables, pictures, a page to read, and the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from crowdllm_stats._base.manifest import described_answers, write_manifest
from crowdllm_stats._base.shown import visible
from crowdllm_stats._base.whole_files import whole_folder
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.case_study.pictures import write_pictures
from crowdllm_stats.evaluation.case_study.references import References
from crowdllm_stats.evaluation.case_study.study import CaseStudy
from crowdllm_stats.evaluation.case_study.tables import write_tables
from crowdllm_stats.evaluation.case_study.wording import markdown


def write_study(
    study: CaseStudy, folder: Path, data: CrowdData, references: References, *, arguments: Sequence[str]
) -> list[Path]:
    """Write README.md, one .csv a table, study.json, two pictures, and the manifest of the scores: all or none.

    Args:
        study: the case study.
        folder: made where it is not there.
        data: the human answers, for the manifest.
        references: likewise.
        arguments: the command line after the program's name.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    with whole_folder(folder) as half:
        tables = write_tables(study, half)
        manifest = write_manifest(
            tables[0],
            arguments=arguments,
            inputs=[described_answers(study.data, data.responses), dict(references.source)],
            seed=study.seeds[0],
            counts={**study.counts, "splits": len(study.seeds)},
            folder=folder,
        )
        written = [*tables, manifest, *_page(study, half, arguments)]
    return [folder / place.name for place in written]


def write_page(study: CaseStudy, folder: Path, *, arguments: Sequence[str]) -> list[Path]:
    """Write README.md and the two pictures: all or none.

    Args:
        study: the case study.
        folder: made where it is not there.
        arguments: the command line after the program's name.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    with whole_folder(folder) as half:
        written = _page(study, half, arguments)
    return [folder / place.name for place in written]


def _page(study: CaseStudy, folder: Path, arguments: Sequence[str]) -> list[Path]:
    page = folder / "README.md"
    words = (
        f"# {study.data}: CrowdLLM and the baselines\n\nMade by `{shlex.join(['crowdllm-stats', *arguments])}`.\n\n"
        f"{markdown(study)}\n## Pictures\n\nShares of the answers; the thirds are by the problems' human mean:\n\n"
        "![distributions](distributions.png)\n\nMAE of the mean against the number of virtual workers, dashed the "
        "limit of endless ones:\n\n![workers](workers.png)\n"
    )
    page.write_text(visible(words), encoding="utf-8")
    return [page, *write_pictures(study, folder)]

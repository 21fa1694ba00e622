"""A case study as a folder: tables (and how to read them back), pictures, a page to read, and the manifest."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.manifest import described_answers, write_manifest
from crowdllm_stats._base.shown import visible
from crowdllm_stats._base.whole_files import whole_folder, write_whole
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.case_study.rows import BY_OBJECTIVE, RIDGE, VAE
from crowdllm_stats.evaluation.case_study.study import EXAMPLE, PERFECT, CaseStudy
from crowdllm_stats.evaluation.case_study.wording import markdown

TABLES = ("scores", "differences", "spread", "sizes", "shares")
FACTS = "study.json"


def write_tables(study: CaseStudy, folder: Path) -> list[Path]:
    """Write one .csv a table and ``study.json`` with everything else; the folder is made where it is not there.

    Example:
        >>> import tempfile
        >>> empty = pd.DataFrame({"row": ["a"], "mae": [0.5]})
        >>> study = CaseStudy("d", "b", "none", "paper", "paper", (0,), empty, empty, empty, empty, empty)
        >>> place = Path(tempfile.mkdtemp())
        >>> _ = write_tables(study, place)
        >>> read_tables(place).seeds
        (0,)
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TABLES:
        written.append(folder / f"{name}.csv")
        write_whole(written[-1], getattr(study, name).to_csv(index=False, lineterminator="\n"))
    facts = {field.name: getattr(study, field.name) for field in dataclasses.fields(study) if field.name not in TABLES}
    written.append(folder / FACTS)
    write_whole(written[-1], json.dumps(facts, indent=2) + "\n")
    return written


def read_tables(folder: Path) -> CaseStudy:
    """Read what :func:`write_tables` wrote.

    Raises:
        ValueError: on a folder that lacks one of the files, or whose facts are not those of a case study.
    """
    absent = [name for name in (*(f"{one}.csv" for one in TABLES), FACTS) if not (folder / name).is_file()]
    if absent:
        raise ValueError(f"{folder} holds no case study: {', '.join(absent)} missing; make it with `evaluate`")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    known = {field.name for field in dataclasses.fields(CaseStudy)} - set(TABLES)
    if set(facts) != known:
        raise ValueError(f"{folder / FACTS} was written by another version; make the case study again")
    tables = {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=True) for name in TABLES}
    return CaseStudy(**{**facts, "seeds": tuple(facts["seeds"]), "notes": tuple(facts["notes"])}, **tables)


def write_study(
    study: CaseStudy, folder: Path, data: CrowdData, references: References, *, arguments: Sequence[str]
) -> list[Path]:
    """Write README.md, one .csv a table, study.json, two pictures, and the manifest of the scores: all or none.

    Args:
        study: the case study.
        folder: made where it is not there.
        data: the human answers, for the manifest.
        references: likewise.
        arguments: the command line after the program's name; of a script all of it, from "python" on.

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
        arguments: the command line after the program's name; of a script all of it, from "python" on.

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
    typed = arguments if arguments[0] == "python" else ["crowdllm-stats", *arguments]
    words = (
        f"# {study.data}: CrowdLLM and the baselines\n\nMade by `{shlex.join(typed)}`.\n\n"
        f"{markdown(study)}\n## Pictures\n\nShares of the answers; the thirds are by the problems' human mean:\n\n"
        "![distributions](distributions.png)\n\nMAE of the mean against the number of virtual workers, dashed the "
        "limit of endless ones:\n\n![workers](workers.png)\n"
    )
    page.write_text(visible(words), encoding="utf-8")
    return [page, *write_pictures(study, folder)]


#: Rows in the pictures, as far as they were made, with their colours.
COLOURS = {
    "people": "#222222",
    BY_OBJECTIVE["likelihood"]: "#C44E52",
    BY_OBJECTIVE["paper"]: "#DD8452",
    VAE: "#E1B07E",
    RIDGE: "#4C72B0",
    "LLM multi-persona": "#55A868",
    "LLM zero-shot": "#8CC79B",
}


def distributions(study: CaseStudy) -> Any:
    """Shares of the answers by row: over all scored problems, and over thirds of them by their human mean.

    Args:
        study: the case study.

    Returns:
        The matplotlib figure.
    """
    groups = [group for group in dict.fromkeys(study.shares["problems"]) if not group.startswith(EXAMPLE)]
    return _bars(study, {group: "all problems" if group == "all" else f"{group} by human mean" for group in groups})


def examples(study: CaseStudy) -> Any:
    """Shares of the answers by row to single problems, as the paper's Figures 6 and 7 show three products.

    Args:
        study: the case study, run with ``examples``.

    Returns:
        The matplotlib figure.
    """
    groups = [group for group in dict.fromkeys(study.shares["problems"]) if group.startswith(EXAMPLE)]
    return _bars(study, {group: group for group in groups})


def _bars(study: CaseStudy, titles: Mapping[str, str]) -> Any:
    from matplotlib.figure import Figure

    names = [name for name in COLOURS if (study.shares["row"] == name).any()]
    figure = Figure(figsize=(3.1 * len(titles), 3.9), layout="constrained")
    axes = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    width = 0.8 / len(names)
    for axis, (group, title) in zip(axes, titles.items(), strict=True):
        part = study.shares[study.shares["problems"] == group]
        answers = sorted(part["answer"].unique())
        for place, name in enumerate(names):
            shares = part[part["row"] == name].set_index("answer")["share"].loc[answers]
            left = [spot + (place - (len(names) - 1) / 2) * width for spot in range(len(answers))]
            axis.bar(left, shares, width, color=COLOURS[name], label=name)
        axis.set_xticks(range(len(answers)), [f"{answer:g}" for answer in answers])
        axis.set_xlabel("answer")
        axis.set_title(title, fontsize=10)
    axes[0].set_ylabel("share of answers")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def workers(study: CaseStudy) -> Any:
    """MAE of the mean against the number of virtual workers a problem; dashed the limit of endless workers.

    Args:
        study: the case study.

    Returns:
        The matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axis = figure.subplots()
    for name, colour in COLOURS.items():
        part = study.sizes[study.sizes["row"] == name]
        if part.empty:
            continue
        axis.plot(part["workers"], part["mae"], color=colour, marker="o", markersize=3, label=name)
        axis.axhline(study.value(name, "mae"), color=colour, linestyle="--", linewidth=0.8)
    axis.set_xscale("log", base=2)
    sizes = sorted(study.sizes["workers"].unique())
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.set_ylim(bottom=0.0)
    axis.set_xlabel("virtual workers a problem")
    axis.set_ylabel("MAE of the mean answer")
    perfect = study.value(PERFECT, "mae", "sampled")
    axis.axhline(perfect, color="grey", linestyle=":", linewidth=1.0)
    axis.annotate(
        "the true histograms, as many workers as raters", (sizes[-1], perfect), fontsize=8, color="grey", ha="right",
        va="bottom",
    )  # fmt: skip
    axis.legend(frameon=False, fontsize=8)
    return figure


def write_pictures(study: CaseStudy, folder: Path) -> list[Path]:
    """Write distributions.png, workers.png and, where single problems stand in the shares, examples.png.

    Args:
        study: the case study.
        folder: that is there.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    written = []
    drawn = [("distributions", distributions), ("workers", workers)]
    if study.shares["problems"].str.startswith(EXAMPLE).any():
        drawn.append(("examples", examples))
    for name, draw in drawn:
        written.append(folder / f"{name}.png")
        draw(study).savefig(written[-1], dpi=110, metadata={"Software": None})
    return written

"""Pictures of a case study: distributions of ratings, and the error against the number of virtual workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crowdllm_stats.evaluation.case_study.rows import BY_OBJECTIVE, RIDGE, VAE
from crowdllm_stats.evaluation.case_study.study import PERFECT, CaseStudy

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
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(study.shares["problems"]))
    names = [name for name in COLOURS if (study.shares["row"] == name).any()]
    figure = Figure(figsize=(3.1 * len(groups), 3.9), layout="constrained")
    axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    width = 0.8 / len(names)
    for axis, group in zip(axes, groups, strict=True):
        part = study.shares[study.shares["problems"] == group]
        answers = sorted(part["answer"].unique())
        for place, name in enumerate(names):
            shares = part[part["row"] == name].set_index("answer")["share"].loc[answers]
            left = [spot + (place - (len(names) - 1) / 2) * width for spot in range(len(answers))]
            axis.bar(left, shares, width, color=COLOURS[name], label=name)
        axis.set_xticks(range(len(answers)), [f"{answer:g}" for answer in answers])
        axis.set_xlabel("answer")
        axis.set_title("all problems" if group == "all" else f"{group} by human mean", fontsize=10)
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
    """Write distributions.png and workers.png.

    Args:
        study: the case study.
        folder: that is there.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    written = []
    for name, draw in (("distributions", distributions), ("workers", workers)):
        written.append(folder / f"{name}.png")
        draw(study).savefig(written[-1], dpi=110, metadata={"Software": None})
    return written

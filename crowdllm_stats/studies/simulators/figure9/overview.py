"""The report on Figure 9: verdicts of all readings and training lengths that were run, side by side, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.manifest import described_file, made_by, write_manifest
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_folder
from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import runs_by_cell
from crowdllm_stats.studies.simulators.figure9.picture import draw_figure9
from crowdllm_stats.studies.simulators.figure9.verdicts import (
    CONTRADICTED,
    REPRODUCED,
    InsightVerdicts,
    judge,
    panels_of,
)
from crowdllm_stats.studies.simulators.readings import LENGTHS, READINGS, reading

Run = tuple[str, str]

#: What each insight rests on in the paper, and what a reader should hold against it.
MECHANISMS: Mapping[int, str] = {
    1: "The paper's mechanism: with uniform beliefs the errors of responses reinforce one another. Response noise is "
    "independent between responses, so a fit to more of them averages it out whatever the beliefs are; only an error "
    "that all workers share could be reinforced.",
    2: "The paper's mechanism: without diversity nothing but the mean belief is left to learn. What a fit reaches also "
    "depends on what 20 virtual workers average away: the belief's own randomness is added at test, whose share in the "
    "error shrinks with its s, not with the real workers' epsilon.",
    3: "The paper counts 20 virtual workers x 40 questions at test as 800 annotations; read here as W Q, what "
    "training costs.",
    4: "The paper's mechanism: moderate diversity lets few workers cover the population. The margin is against the "
    "same panel's largest cell, so an error that is still falling at W = 40 speaks against it.",
    5: "The paper's mechanism: noise in the responses sets a floor. With independent noise that floor falls with W Q, "
    "so the reference cell of 1,600 responses shows least of it.",
}


def write_overview(
    studies: Sequence[tuple[Design, Store]], out: Path, *, file: Path, command: Sequence[str]
) -> list[Path]:
    """Write README.md, a picture for each reading and length, all fits and all conditions as Parquet, and a manifest.

    Args:
        studies: finished studies of the Figure 9 simulator, each with its blocks; together every reading and length at
            most once.
        out: the folder, made where it does not exist.
        file: the study file.
        command: the command line.

    Returns:
        The files.

    Raises:
        ValueError: if a reading and length stands in two studies.
    """
    from crowdllm_stats.generator.shipped import FOLDER

    tables = _tables(studies)
    verdicts = {run: judge(panels_of(table)) for run, table in tables.items()}
    controls = {run: judge(panels_of(_untrained(table))) for run, table in tables.items()}
    parts = [found.to_frame().assign(reading=run[0], length=run[1]) for run, found in verdicts.items()]
    head = made_by(" ".join(command))
    cost = pd.concat([work_of(store.folder) for _, store in studies], ignore_index=True)
    fits = pd.concat(tables.values(), ignore_index=True)
    with whole_folder(out) as half:
        readme, numbers, conditions, cost_file = (
            half / name for name in ("README.md", "fits.parquet", "conditions.parquet", "time.png")
        )
        written = [draw_run(run, table, half) for run, table in tables.items()]
        fits.to_parquet(numbers, index=False, compression="zstd")
        pd.concat(parts, ignore_index=True).to_parquet(conditions, index=False, compression="zstd")
        _draw_cost(cost, studies[0][0].block).savefig(cost_file, dpi=110, metadata={"Software": None})
        readme.write_text(_readme(tables, verdicts, controls, head, cost), encoding="utf-8")
        manifest = write_manifest(
            numbers,
            arguments=command[1:],
            inputs=[{**described_file(one), "path": one.name} for one in (file, FOLDER / "offensiveness.npz")],
            seed=studies[0][0].seed,
            counts={"fits": len(fits), "failed": int(fits["error"].isna().sum()), "runs": len(tables)},
            folder=out,
        )
    return [out / place.name for place in (readme, numbers, conditions, *written, cost_file, manifest)]


def draw_run(run: Run, table: pd.DataFrame, out: Path) -> Path:
    """Draw the figure of one reading and training length to a file.

    Args:
        run: (reading, length), for instance ("profile", "epochs").
        table: the fits of this run, as ``draw_figure9`` takes them.
        out: the folder, which must exist.

    Returns:
        The file, ``figure9_READING_LENGTH.png``.

    Raises:
        ValueError: on an unknown reading, or if no fit has an error that is a number.

    Source: the paper's Figure 9, its layout.

    Example:
        >>> import itertools, tempfile
        >>> cells = itertools.product([0.1, 0.9], [0.2, 1.0], [5, 40], [10, 40], [1, 2])
        >>> table = pd.DataFrame(cells, columns=["noise", "diversity", "questions", "workers", "replicate"])
        >>> table["error"] = 0.3 + 0.1 * table["noise"] + 0.01 * table["replicate"]
        >>> table = table.assign(error_untrained=0.6, error_reference=0.5)
        >>> draw_run(("profile", "epochs"), table, Path(tempfile.mkdtemp())).name
        'figure9_profile_epochs.png'
    """
    name, length = run
    file = out / f"figure9_{name}_{length}.png"
    title = f"Reading '{name}': {reading(name).meaning}\nTraining length: {length}"
    draw_figure9(table, title).savefig(file, dpi=110, metadata={"Software": None})
    return file


def _tables(studies: Sequence[tuple[Design, Store]]) -> dict[Run, pd.DataFrame]:
    """Fits by reading and length, in the order of the study file."""
    found: dict[Run, pd.DataFrame] = {}
    for design, store in studies:
        table = fitted_errors(design, store)
        for (name, length), part in table.groupby(["reading", "length"], sort=False):
            if (name, length) in found:
                raise ValueError(f"reading {name!r} with length {length!r} stands in two of the studies; give it once")
            found[name, length] = part.reset_index(drop=True)
    return {(name, length): found[name, length] for length in LENGTHS for name in READINGS if (name, length) in found}


def _untrained(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(error=table["error_untrained"])


def _readme(
    tables: Mapping[Run, pd.DataFrame],
    verdicts: Mapping[Run, InsightVerdicts],
    controls: Mapping[Run, InsightVerdicts],
    head: str,
    cost: pd.DataFrame,
) -> str:
    parts = ["# Figure 9: the paper's simulation study again", _first_line(verdicts), head, _about(tables)]
    parts += ["## Verdicts", markdown_table(_grid(verdicts)), _exploration(verdicts)]
    for run, found in verdicts.items():
        name, length = run
        parts.append(f"## Reading '{name}', training length '{length}'")
        parts.append(f"{_begun(reading(name).meaning)}.")
        parts.append(f"![Figure 9, {name}, {length}](figure9_{name}_{length}.png)")
        for one, control in zip(found.insights, controls[run].insights, strict=True):
            words = f"**{one.insight}. {one.text}: {one.verdict}.** {_begun(one.evidence)}."
            words += f" The same statement about the untrained generator: {control.verdict}."
            if one.verdict == CONTRADICTED:
                words += f" {MECHANISMS[one.insight]}"
            parts.append(words)
        if found.stronger is not None:
            stronger = found.stronger
            parts.append(f"Insight 1 in its stronger form, {stronger.text}: {stronger.verdict}; {stronger.worst}.")
        parts += ["Means over the panel's cells and replicates:", markdown_table(_lines(tables[run]))]
    parts.append(
        "Exploration with another ground truth, a population fitted to GPT-4's recorded ratings, by "
        "`benchmarks/figure9_gpt4.py`: `gpt4.md`."
    )
    parts += ["## What is behind it", _choices()]
    parts += ["## Time", _cost_words(cost), "![Time of a fit](time.png)"]
    parts.append(
        "`fits.parquet` has every fit, `conditions.parquet` every condition with its interval, its verdict alone, and "
        "the insight's verdict."
    )
    return "\n\n".join(parts) + "\n"


def _first_line(verdicts: Mapping[Run, InsightVerdicts]) -> str:
    said = [one.verdict for found in verdicts.values() for one in found.insights]
    counts = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))
    return f"**{len(said)} verdicts (five insights, {len(verdicts)} of six runs): {counts}.**"


def _about(tables: Mapping[Run, pd.DataFrame]) -> str:
    table = next(iter(tables.values()))
    failed = sum(int(one["error"].isna().sum()) for one in tables.values())
    missing = [f"{name} with {length}" for length in LENGTHS for name in READINGS if (name, length) not in tables]
    words = (
        f"A CrowdLLM fitted to Offensiveness is the real population; {len(table)} CrowdLLMs a run are fitted to small "
        "samples of it by the paper's objective and asked 40 questions that nobody answered. MAE is against the real "
        f"population's noise-free mean answers. Fits that failed: {failed}."
    )
    return words + (f" Not run: {', '.join(missing)}." if missing else "")


def _grid(verdicts: Mapping[Run, InsightVerdicts]) -> pd.DataFrame:
    """One row an insight, one column a run."""
    first = next(iter(verdicts.values()))
    rows = [{"insight": f"{one.insight}. {one.text}"} for one in first.insights]
    for (name, length), found in verdicts.items():
        for row, one in zip(rows, found.insights, strict=True):
            alone = one.verdict if one.worst is None else one.worst.side
            row[f"{name}, {length}"] = one.verdict + ("" if alone == one.verdict else f" ({alone} before Holm)")
    return pd.DataFrame(rows)


def _exploration(verdicts: Mapping[Run, InsightVerdicts]) -> str:
    counts = {run: [one.verdict for one in found.insights].count(REPRODUCED) for run, found in verdicts.items()}
    most = max(counts.values())
    best = " and ".join(f"'{name}' with {length}" for (name, length), count in counts.items() if count == most)
    alone = {
        run: sum(condition.side == REPRODUCED for one in found.insights for condition in one.conditions)
        for run, found in verdicts.items()
    }
    every = next(iter(verdicts.values())).to_frame().shape[0]
    words = ", ".join(f"{name} with {length} {count}" for (name, length), count in alone.items())
    said = (
        f"most insights are reproduced by {best} ({most} of 5)" if most else "no run reproduces an insight as a whole"
    )
    return f"Exploration, not a test: {said}. Conditions of {every} that hold alone: {words}."


def _lines(table: pd.DataFrame) -> pd.DataFrame:
    """Errors, reference lines and learned spread by panel."""
    grouped = table.groupby(["noise", "diversity"])
    means = grouped[["error", "error_reference", "error_untrained", "spread", "spread_untrained"]].mean()
    by_replicate = table.groupby(["noise", "diversity", "replicate"])["error"].mean()
    means.insert(1, "error_mcse", by_replicate.groupby(["noise", "diversity"]).sem())
    largest = table[(table["workers"] == table["workers"].max()) & (table["questions"] == table["questions"].max())]
    means["spread_largest"] = largest.groupby(["noise", "diversity"])["spread"].mean()
    return means.reset_index().rename(
        columns={
            "diversity": "epsilon", "error": "MAE", "error_mcse": "its MCSE", "error_reference": "MAE of bare y_ref",
            "error_untrained": "MAE untrained", "spread": "learned s", "spread_untrained": "s untrained",
            "spread_largest": "learned s, largest cell",
        }
    )  # fmt: skip


def work_of(folder: Path) -> pd.DataFrame:
    """What the blocks in a folder took: ``prepare_seconds``, ``run_seconds``, ``answers`` and ``steps`` of a fit.

    Raises:
        FileNotFoundError: if it has no ``times.csv``.
    """
    table = pd.read_csv(folder / "times.csv")
    sizes = table["shape"].str.extract(r"(?P<answers>\d+) answers, (?P<steps>\d+) steps").astype(int)
    return pd.concat([table.drop(columns="shape"), sizes], axis=1)


def _draw_cost(cost: pd.DataFrame, fits: int) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axis = figure.subplots()
    for label, part in (("500 steps", cost["steps"] == 500), ("100 epochs", cost["steps"] != 500)):
        rows = cost[part]
        if len(rows):
            axis.plot(rows["answers"], rows["run_seconds"] / fits, "o", markersize=3, alpha=0.4, label=label)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("responses W Q of a fit")
    axis.set_ylabel("seconds of one process a fit")
    axis.set_title(f"{fits} fits side by side; replicates multiply it", fontsize=9)
    axis.legend(frameon=False, fontsize=8)
    axis.grid(alpha=0.25)
    return figure


def _cost_words(cost: pd.DataFrame) -> str:
    work, before = cost["run_seconds"].sum(), cost["prepare_seconds"].sum()
    return (
        f"All runs here: {work:,.0f} s of work and {before:,.0f} s of compiling, summed over processes of one thread "
        "each by the clock (not processor time: other programs on the machine lengthen it). `grid.md` has a whole grid "
        "end to end, its memory, and how it grows with replicates; `speed.md` compares the processor time of a fit "
        "with a plain PyTorch loop's."
    )


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _choices() -> str:
    return """- The design, its seed and its values stand in `simulations/figure9.toml`, the criteria in
  `crowdllm_stats/studies/simulators/figure9/contrasts.py`; both were fixed before any result was looked at.
- A real belief is the fitted encoder's mean plus the kept person effect plus sd times a standard normal draw, in rating
  units; problem effects, which neither text nor reference explains, are left at their typical value, 0.
- "Within a ratio" is one-sided: not more than so much above the reference cell. Means over cells are means of log MAE.
- Each condition has the t interval over replicates of its contrast; the condition farthest from its claimed side
  counts for its insight. A verdict other than inconclusive takes a whole 95% interval on one side of the margin and a
  two-sided p of at most 0.05 after Holm over the five.
- Fits start from one normal about y_ref for everybody (heads at 0, sd that of the answers).
- Replicates share questions, held-out questions and truth over all cells, so contrasts within a replicate are paired.
- Bands in the pictures are 95% t intervals for the cell's mean."""


def fitted_errors(design: Design, store: Store) -> pd.DataFrame:
    """One row per fit: every parameter of the simulator that varies or has no default, ``replicate``, and the outcomes.

    Args:
        design: the study.
        store: its finished blocks.

    Raises:
        ValueError: on blocks of another design.
        FileNotFoundError: if a block is missing.
    """
    store.check_same()
    parts = []
    for cell, runs in runs_by_cell(layout_of(design), store):
        full = design.full_cell(cell.levels)
        varied = {name: full[name] for name in design.parameters if name in design.factors or _unsaid(design, name)}
        for run in runs.values():
            parts.append(pd.DataFrame({**varied, "replicate": run.replicates, **run.outcomes}))
    return pd.concat(parts, ignore_index=True)


def _unsaid(design: Design, name: str) -> bool:
    return design.parameters[name].default is None

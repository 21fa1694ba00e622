"""The report on Figure 9: every condition in every reading, what so many replicates can find, and words an insight."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
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
    UNDECIDED,
    ConditionVerdict,
    InsightVerdicts,
    judge,
    panels_of,
)
from crowdllm_stats.studies.simulators.readings import READINGS, reading

Run = tuple[str, str]

#: The four readings, each with 100 epochs; and the study of each.
STUDIES: Mapping[Run, str] = {(name, "epochs"): f"figure9_{name}" for name in READINGS}

NOT_RUN = "not run yet"

#: What each insight rests on in the paper, and what a reader should hold against it.
MECHANISMS: Mapping[int, str] = {
    1: "The paper's mechanism: with uniform beliefs the errors of responses reinforce one another. Response noise is "
    "independent between responses, so a fit to more of them averages it out whatever the beliefs are; only an error "
    "that all workers share could be reinforced.",
    2: "The paper's mechanism: without diversity nothing but the mean belief is left to learn. What a fit reaches also "
    "depends on what 20 virtual workers average away: the belief's own randomness is added at test, whose share in the "
    "error shrinks with its s (in 'model' with epsilon s), not with the real workers' epsilon; and on how far the "
    "truth lies from y_ref, where every fit starts: in 'uniform' and 'profile' that is at epsilon 0 the distance of "
    "one profile's belief, elsewhere of a mean over profiles.",
    3: "The paper counts 20 virtual workers x 40 questions at test as 800 annotations; read here as W Q, what "
    "training costs.",
    4: "The paper's mechanism: moderate diversity lets few workers cover the population. The margin is against the "
    "same panel's largest cells, so an error that is still falling there speaks against it.",
    5: "The paper's mechanism: noise in the responses sets a floor.",
}


def keep_fits(run: Run, study: tuple[Design, Store], out: Path, *, file: Path, command: Sequence[str]) -> list[Path]:
    """Write all fits of a finished run as ``READING_LENGTH.parquet``, with a manifest.

    Args:
        run: (reading, length).
        study: of this run alone, with its finished blocks.
        out: the folder, made where it does not exist.
        file: the study file.
        command: the command line.

    Returns:
        The table and its manifest.

    Raises:
        FileNotFoundError: if a block is missing.
    """
    from crowdllm_stats.generator.shipped import FOLDER

    design, store = study
    table = fitted_errors(design, store)
    with whole_folder(out) as half:
        numbers = half / fits_file(run)
        table.to_parquet(numbers, index=False, compression="zstd")
        manifest = write_manifest(
            numbers,
            arguments=command[1:],
            inputs=[{**described_file(one), "path": one.name} for one in (file, FOLDER / "offensiveness.npz")],
            seed=design.seed,
            counts={"fits": len(table), "failed": int(table["error"].isna().sum())},
            folder=out,
        )
    return [out / numbers.name, out / manifest.name]


def fits_file(run: Run) -> str:
    """The file of a run's fits.

    Example:
        >>> fits_file(("uniform", "epochs"))
        'uniform_epochs.parquet'
    """
    return f"{run[0]}_{run[1]}.parquet"


def write_overview(out: Path, *, command: Sequence[str], first_stage: pd.DataFrame | None = None) -> list[Path]:
    """Write README.md, a picture of each run and ``verdicts.parquet`` from the fits that :func:`keep_fits` left.

    Args:
        out: the folder; runs whose fits are not in it are said to be "not run yet", with the commands that run them.
        command: the command line.
        first_stage: conditions of the former run with ten replicates, for a table of its own: columns insight,
            verdict, reading, length.

    Returns:
        The files; README.md alone where no run's fits are there.
    """
    tables = {run: pd.read_parquet(out / fits_file(run)) for run in STUDIES if (out / fits_file(run)).is_file()}
    verdicts = {run: judge(panels_of(table)) for run, table in tables.items()}
    parts = [found.to_frame().assign(reading=run[0], length=run[1]) for run, found in verdicts.items()]
    with whole_folder(out) as half:
        written = [half / "README.md", *(draw_run(run, table, half) for run, table in tables.items())]
        if parts:
            written.append(half / "verdicts.parquet")
            pd.concat(parts, ignore_index=True).to_parquet(written[-1], index=False, compression="zstd")
        written[0].write_text(_readme(tables, verdicts, made_by(" ".join(command)), first_stage), encoding="utf-8")
    return [out / place.name for place in written]


def draw_run(run: Run, table: pd.DataFrame, out: Path) -> Path:
    """Draw the figure of one reading and training length to a file.

    Args:
        run: (reading, length), for instance ("profile", "epochs").
        table: the fits of this run, as ``draw_figure9`` takes them.
        out: the folder, which must exist.

    Returns:
        The file, see :func:`picture_file`.

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
        'profile_epochs.png'
    """
    name, length = run
    file = out / picture_file(run)
    title = textwrap.fill(f"Reading '{name}': {reading(name).meaning}. Training length: {length}.", 110)
    draw_figure9(table, title).savefig(file, dpi=110, metadata={"Software": None})
    return file


def picture_file(run: Run) -> str:
    """The file of a run's picture.

    Example:
        >>> picture_file(("uniform", "epochs"))
        'uniform_epochs.png'
    """
    return f"{run[0]}_{run[1]}.png"


def _readme(
    tables: Mapping[Run, pd.DataFrame],
    verdicts: Mapping[Run, InsightVerdicts],
    head: str,
    first_stage: pd.DataFrame | None,
) -> str:
    missing = [run for run in STUDIES if run not in tables]
    parts = ["# Figure 9: the paper's simulation study again", _first_line(verdicts), head]
    if tables:
        parts += _results(tables, verdicts)
    if missing:
        parts.append(f"{_begun(NOT_RUN)}, each 100 replicates of 216 cells: {_how_to_run(missing)}")
    for run, table in tables.items():
        parts.append(f"## Reading '{run[0]}', training length '{run[1]}'")
        parts += [f"{_begun(reading(run[0]).meaning)}.", f"![Figure 9, {run[0]}, {run[1]}]({picture_file(run)})"]
        control = judge(panels_of(table.assign(error=table["error_untrained"])))
        words = ", ".join(f"{one.insight} {one.verdict}" for one in control.insights)
        parts.append(f"The same statements about the untrained generator, a control: {words}.")
        stronger = "; ".join(map(str, verdicts[run].stronger))
        parts.append(f"Insight 1 in its stronger form, the error rises with W: {stronger}.")
        shares = judge(panels_of(table.assign(error=table["error"] / table["error_reference"])))
        parts.append(
            "Insight 2 with each error as a share of bare y_ref's, an exploration, since columns differ in how far the "
            f"truth lies from y_ref: {'; '.join(map(str, shares.insights[1].conditions))}."
        )
        parts += ["Means over the panel's cells and replicates:", markdown_table(_lines(table))]
    if first_stage is not None:
        parts += ["## The first stage, as it was", _FIRST, markdown_table(_former(first_stage))]
    parts += ["## What is behind it", _CHOICES]
    return "\n\n".join(parts) + "\n"


def _results(tables: Mapping[Run, pd.DataFrame], verdicts: Mapping[Run, InsightVerdicts]) -> list[str]:
    """Conditions, insights and the sd of beliefs, of all runs side by side."""
    return [
        _about(tables),
        "## Conditions",
        "A ratio of errors, or a slope of log MAE per doubling of W, with its 95% interval over replicates and one of "
        "four words; then the smallest effect beyond the margin that so many replicates find with probability 0.9.",
        markdown_table(_by_condition(verdicts)),
        "## Insights",
        markdown_table(_by_insight(verdicts)),
        *_mechanisms(verdicts),
        "## How far beliefs lie apart",
        "Realised standard deviation over people of a belief about a held-out question (root mean square over "
        "questions), mean over replicates, by column of the figure:",
        markdown_table(_realised(tables)),
    ]


def _conditions(verdicts: Mapping[Run, InsightVerdicts]) -> list[tuple[Run, ConditionVerdict]]:
    return [(run, one) for run, found in verdicts.items() for insight in found.insights for one in insight.conditions]


def _first_line(verdicts: Mapping[Run, InsightVerdicts]) -> str:
    if not verdicts:
        return f"**None of {len(STUDIES)} readings has been run with 100 replicates yet.**"
    every = [one for _, one in _conditions(verdicts)]
    ratios = [100 * (one.smallest - 1) for one in every if one.ratio]
    slopes = [one.smallest for one in every if not one.ratio]
    said = [one.verdict for one in every]
    counts = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))
    replicates = max((one.replicates for one in every), default=0)
    power = []
    if ratios:
        power.append(
            f"an effect of {np.median(ratios):.1f}% on the error (median condition; {min(ratios):.1f} to "
            f"{max(ratios):.1f}%)"
        )
    if slopes:
        power.append(f"a slope of {max(slopes):.3f} per doubling of workers")
    return (
        f"**{replicates} replicates find {' and '.join(power)} with probability 0.9. Of {len(every)} conditions in "
        f"{len(verdicts)} of {len(STUDIES)} readings: {counts}.**"
    )


def _about(tables: Mapping[Run, pd.DataFrame]) -> str:
    failed = sum(int(one["error"].isna().sum()) for one in tables.values())
    sizes = ", ".join(f"{len(table):,} ({run[0]})" for run, table in tables.items())
    return (
        f"A CrowdLLM fitted to Offensiveness is the real population; CrowdLLMs are fitted to small samples of it by "
        f"the paper's objective and asked 40 questions that nobody answered. Fits: {sizes}; failed: {failed}. MAE is "
        "against the real population's noise-free mean answers."
    )


def _by_condition(verdicts: Mapping[Run, InsightVerdicts]) -> pd.DataFrame:
    """One row a condition, one column a reading."""
    first = next(iter(verdicts.values()))
    rows: list[dict[str, object]] = []
    for place, insight in enumerate(first.insights):
        for number, known in enumerate(insight.conditions):
            sign = "above" if known.above else "below"
            row: dict[str, object] = {"": f"{insight.insight}. {known.text}", "claimed": f"{sign} {known.margin:.3g}"}
            for run in STUDIES:
                row[run[0]] = NOT_RUN
                if run in verdicts and verdicts[run].insights[place].conditions:
                    one = verdicts[run].insights[place].conditions[number]
                    row[run[0]] = f"{one.interval}; {one.finds}"
            rows.append(row)
    return pd.DataFrame(rows)


def _by_insight(verdicts: Mapping[Run, InsightVerdicts]) -> pd.DataFrame:
    """One row an insight, one column a reading."""
    first = next(iter(verdicts.values()))
    rows = [{"insight": f"{one.insight}. {one.text}"} for one in first.insights]
    for run in STUDIES:
        for place, row in enumerate(rows):
            row[run[0]] = verdicts[run].insights[place].verdict if run in verdicts else NOT_RUN
    return pd.DataFrame(rows)


def _mechanisms(verdicts: Mapping[Run, InsightVerdicts]) -> list[str]:
    """What the insights that are contradicted somewhere rest on; and what is undecided."""
    against = sorted({one.insight for found in verdicts.values() for one in found.insights
                      if one.verdict == CONTRADICTED})  # fmt: skip
    words = [f"Insight {number}. {MECHANISMS[number]}" for number in against]
    open_ = [f"{run[0]}, {one.text} ({one.needed:,})" for run, one in _conditions(verdicts)
             if one.verdict == UNDECIDED and one.needed is not None]  # fmt: skip
    if open_:
        words.append(f"Undecided, with the replicates that would decide if the estimate is the truth: "
                     f"{'; '.join(open_)}.")  # fmt: skip
    return words


def _realised(tables: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """Realised sd of beliefs, one row a reading, one column an epsilon."""
    rows = []
    for run, table in tables.items():
        means = table.groupby("diversity")["belief_sd"].mean()
        rows.append({"reading": run[0], **{f"epsilon {level:g}": value for level, value in means.items()}})
    return pd.DataFrame(rows)


def _former(conditions: pd.DataFrame) -> pd.DataFrame:
    """One row an insight, one column a run of the first stage."""
    runs = conditions["reading"] + ", " + conditions["length"]
    once = conditions.assign(run=runs).drop_duplicates(["insight", "run"])
    by_run = once.pivot_table("verdict", "insight", "run", aggfunc="first")[list(dict.fromkeys(once["run"]))]
    return by_run.reset_index().rename_axis(columns=None)


def _how_to_run(runs: Sequence[Run]) -> str:
    every = "; ".join(f"`crowdllm-stats study run {STUDIES[run]}`" for run in runs)
    return f"{every}; then `python benchmarks/figure9_report.py --out reports/figure9`."


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


_FIRST = """Ten replicates with other seeds and criteria, not pooled with the above and not run again:
`first_stage.md` has its report, `conditions.parquet` and `fits.parquet` its numbers. A true insight of 15 to 40% was
found there with probability 0.23 at most."""

_CHOICES = """- The designs, their seeds and values stand in `simulations/figure9_*.toml`, the contrasts in
  `crowdllm_stats/studies/simulators/figure9/contrasts.py`; both were fixed after the first stage
  and before any fit of this one.
- The reference of a panel is its mean log MAE over the cells with W Q >= 800. Means over cells are means of log MAE.
- Reproduced: the whole 95% interval on the claimed side of the margin. Contradicted: the whole interval on the other
  side, at 95% for all conditions of an insight together (Bonferroni). Equal: neither, and both ends of the 90% interval
  within 10% of no difference (a slope's within 0.01 per doubling). Else undecided.
- An insight is reproduced if all its conditions are, contradicted if one is, either after Holm over the five insights;
  equal if all conditions are reproduced or equal and one is equal; else undecided.
- Replicates share questions, held-out questions and truth over all cells, so contrasts within a replicate are paired.
- Fits start as `CrowdLLM`'s do.
- Problem effects, which neither text nor reference explains, are left at their typical value, 0.
- Bands in the pictures are 95% t intervals for the cell's mean.
- `READING_LENGTH.parquet` has every fit, `verdicts.parquet` every condition; `grid.md` has the time and memory of a
  grid, `speed.md` a fit's processor time beside a PyTorch loop's, `gpt4.md` an exploration, another ground truth."""


def _lines(table: pd.DataFrame) -> pd.DataFrame:
    """Errors, reference lines and learned spread by panel."""
    grouped = table.groupby(["noise", "diversity"])
    means = grouped[["error", "error_reference", "error_untrained", "spread", "spread_untrained", "belief_sd"]].mean()
    by_replicate = table.groupby(["noise", "diversity", "replicate"])["error"].mean()
    means.insert(1, "error_mcse", by_replicate.groupby(["noise", "diversity"]).sem())
    largest = table[(table["workers"] == table["workers"].max()) & (table["questions"] == table["questions"].max())]
    means["spread_largest"] = largest.groupby(["noise", "diversity"])["spread"].mean()
    return means.reset_index().rename(
        columns={
            "diversity": "epsilon", "error": "MAE", "error_mcse": "its MCSE", "error_reference": "MAE of bare y_ref",
            "error_untrained": "MAE untrained", "spread": "learned s", "spread_untrained": "s untrained",
            "spread_largest": "learned s, largest cell", "belief_sd": "realised sd of beliefs",
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

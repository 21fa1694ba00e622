"""Before a study runs: how many replicates a wanted standard error takes, and how long the whole will last."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.shown import duration
from crowdllm_stats._base.whole_files import unfinished
from crowdllm_stats.studies.engine.compute import Computed, compute_block, layout_of
from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise


@dataclasses.dataclass(frozen=True, eq=False)
class StudyPlan:
    """What a pilot says about a study.

    Attributes:
        design: the study.
        pilot: replicates of the pilot, in a sample of its cells.
        precision: one row per measure: ``mcse`` the study will have (the largest over methods and pilot cells), and the
            ``replicates`` that the wanted one takes (NaN where none is wanted).
        seconds_low: of the whole study with ``workers``, if every block were as quick as the quicker pilot blocks.
        seconds_high: likewise for the slower ones.
        prepare_seconds: of compiling and the like in the pilot, summed.
        workers: processes.
        n_blocks: of the study.
    """

    design: Design
    pilot: int
    precision: pd.DataFrame
    seconds_low: float
    seconds_high: float
    prepare_seconds: float
    workers: int
    n_blocks: int

    def __str__(self) -> str:
        head = (
            f"{self.design.n_cells} cells x {self.design.replicates} replicates, {len(self.design.methods)} methods, "
            f"{self.n_blocks} blocks"
        )
        times = f"time with {self.workers} workers: {duration(self.seconds_low)} to {duration(self.seconds_high)}"
        if self.prepare_seconds > 0.05:
            times += f", and up to {duration(self.prepare_seconds)} of preparing in each"
        table = self.precision.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-")
        return f"{head}\n{times}\n{table}"


def replicates_for(mcse_now: float, replicates_now: int, wanted: float) -> int:
    """Replicates for a wanted Monte Carlo standard error, which falls as one over their square root.

    Raises:
        ValueError: if ``wanted`` is not positive.

    Example:
        >>> replicates_for(0.01, 500, 0.005)
        2000
    """
    if not wanted > 0.0:
        raise ValueError(f"the wanted standard error must be positive; got {wanted!r}")
    return max(2, math.ceil(replicates_now * (mcse_now / wanted) ** 2 * (1.0 - 1e-12)))


def plan_study(
    design: Design,
    *,
    mcse: float | None = None,
    pilot: int = 100,
    most_cells: int = 12,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> StudyPlan:
    """Run a pilot in this process and say what the study will take.

    Args:
        design: the study.
        mcse: wanted standard error of every measure; None for none.
        pilot: replicates of the pilot.
        most_cells: cells of the pilot, spread evenly over the grid.
        workers: processes that the study will have.
        progress: called with (blocks done, blocks of the pilot).

    Raises:
        ValueError: on counts below 2 or a wanted error that is not positive.
    """
    check_count("pilot", pilot, least=2)
    check_count("workers", workers)
    if mcse is not None:
        replicates_for(1.0, 1, mcse)
    plan = layout_of(design)
    first = {block.members[block.start // block.replicates]: block.number for block in reversed(plan.blocks)}
    spread = np.unique(np.linspace(0, len(first) - 1, min(most_cells, len(first))).round().astype(int))
    chosen = [sorted(first)[place] for place in spread]
    warm = compute_block(design, first[chosen[0]])
    times = []
    for done, number in enumerate(chosen, start=1):
        times.append(compute_block(design, first[number]))
        if progress is not None:
            progress(done, len(chosen))
    low, high = _range(times, plan_blocks=len(plan.blocks), workers=workers)
    precision = _precision(design, min(pilot, design.replicates), chosen, mcse)
    prepare = warm.prepare_seconds + sum(block.prepare_seconds for block in times)
    return StudyPlan(design, pilot, precision, low, high, prepare, workers, len(plan.blocks))


def _range(times: list[Computed], plan_blocks: int, workers: int) -> tuple[float, float]:
    """The mean time of a block, less and more two standard errors and a quarter: cores are shared with others."""
    seconds = np.array([block.run_seconds for block in times])
    error = 2.0 * seconds.std() / math.sqrt(len(seconds)) if len(seconds) > 1 else 0.0
    each = max(seconds.mean() - error, seconds.min()), seconds.mean() + error
    return 0.75 * each[0] * plan_blocks / workers, 1.25 * each[1] * plan_blocks / workers + 3.0


def _precision(design: Design, pilot: int, chosen: list[int], mcse: float | None) -> pd.DataFrame:
    small = dataclasses.replace(design, replicates=pilot, block=min(design.block, pilot))
    plan = layout_of(small)
    with tempfile.TemporaryDirectory() as folder, unfinished(folder):
        store = Store(Path(folder), small)
        wanted = {block.number for block in plan.blocks if {number for number, _ in block.pairs} & set(chosen)}
        with store.writing():
            for number in wanted:
                store.write(number, compute_block(small, number).content)
        results = summarise(small, store, only=wanted)
    rows = []
    for spec in design.measures:
        errors = results.part(spec.name)["mcse"].dropna()
        now = float(errors.max()) if len(errors) else float("nan")
        rows.append(
            {
                "measure": spec.name,
                "mcse": now * math.sqrt(pilot / design.replicates),
                "replicates": float("nan") if mcse is None or math.isnan(now) else replicates_for(now, pilot, mcse),
            }
        )
    return pd.DataFrame(rows)

"""From finished blocks to results: every measure of every method in every cell, failures counted, contrasts paired."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.compute import Layout, layout_of
from crowdllm_stats.studies.engine.design import Design, coordinate
from crowdllm_stats.studies.engine.grid import Cell
from crowdllm_stats.studies.engine.measures import Measured, MeasureSpec, contrast, measure
from crowdllm_stats.studies.engine.results import Results
from crowdllm_stats.studies.engine.store import Store

if TYPE_CHECKING:
    import xarray

#: Measures that are not contrasted: they are contrasts already.
_NO_CONTRAST = ("width_ratio",)


class MethodRuns:
    """The replicates of one method in one cell: which, their outcomes, and which of them failed."""

    def __init__(
        self, replicates: np.ndarray[Any, Any], outcomes: dict[str, FloatArray], optional: Sequence[str] = ()
    ) -> None:
        order = np.argsort(replicates, kind="stable")
        self.replicates = replicates[order]
        self.outcomes = {name: values[order] for name, values in outcomes.items()}
        self.failed = np.zeros(len(order), dtype=bool)
        for name, values in self.outcomes.items():
            if name in optional:
                continue
            self.failed |= np.isnan(values) if name in ("lower", "upper") else ~np.isfinite(values)

    def sound(self, also: np.ndarray[Any, Any] | None = None) -> dict[str, FloatArray]:
        """Outcomes of the replicates that did not fail (nor another method on them)."""
        keep = ~self.failed if also is None else ~(self.failed | also)
        return {name: values[keep] for name, values in self.outcomes.items()}


def summarise(design: Design, store: Store, only: Collection[int] | None = None) -> Results:
    """Measures and contrasts of a finished study.

    A replicate of a method failed where an outcome is not a number, or an outcome other than the ends of the interval
    is infinite; it counts in ``failed`` and in nothing else. A contrast uses the replicates that neither failed.

    Args:
        design: the study.
        store: its blocks.
        only: numbers of the blocks to use, where the study is not finished; cells without any are left out.

    Raises:
        ValueError: on blocks of another design or that cannot be read.
        FileNotFoundError: if a block is missing.
    """
    store.check_same()
    plan = layout_of(design)
    measured: dict[int, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    compared = {method for claim in design.claims if claim.less for method in (claim.method, claim.other({})[1])}
    kept: dict[tuple[int, str], MethodRuns] = {}
    for cell, runs in runs_by_cell(plan, store, only):
        measured[cell.number] = _measure_cell(plan, cell, runs), _contrast_cell(plan, cell, runs)
        kept |= {(cell.number, method): runs[method] for method in compared & runs.keys()}
    rows: list[dict[str, Any]] = []
    contrasts: list[dict[str, Any]] = []
    for cell in plan.grid:
        if cell.number in measured:
            rows += measured[cell.number][0]
            contrasts += measured[cell.number][1]
        elif only is None:  # skipped as a whole
            rows += _measure_cell(plan, cell, {})
    frame = pd.DataFrame(rows)
    frame["successes"] = frame["successes"].astype(float)
    return Results(design, frame, pd.DataFrame(contrasts), store.folder, pd.DataFrame(_between_cells(plan, kept)))


def _between_cells(plan: Layout, kept: Mapping[tuple[int, str], MethodRuns]) -> list[dict[str, Any]]:
    """The rows of :attr:`Results.differences`; a cell is not compared with itself."""
    design, rows = plan.design, []
    numbers = {tuple(cell.levels.values()): cell.number for cell in plan.grid}
    for place, claim in enumerate(design.claims):
        if not claim.less:
            continue
        spec = next(spec for spec in design.measures if spec.name == claim.measure)
        for cell in plan.grid:
            levels, method = claim.other(cell.levels)
            pair = (cell.number, claim.method), (numbers[tuple(levels.values())], method)
            wanted = all(cell.levels[name] in allowed for name, allowed in claim.where.items())
            one, other = kept.get(pair[0]), kept.get(pair[1])
            if not wanted or pair[0] == pair[1] or one is None or other is None:
                continue
            if np.array_equal(one.replicates, other.replicates):  # in an unfinished study they may differ
                found = _paired(plan, spec, one, other)
                rows.append({"claim": place, **cell.levels, "method": claim.method, "measure": spec.name, **found})
    return rows


def _paired(plan: Layout, spec: MeasureSpec, one: MethodRuns, other: MethodRuns) -> dict[str, Any]:
    """A measure of some runs less that of others on the same replicates, as numbers of :attr:`Results.frame`."""
    proportions = tuple(plan.simulator.proportions)
    first, second = one.sound(other.failed), other.sound(one.failed)
    found = contrast(measure(spec, first, proportions), measure(spec, second, proportions))
    limits = found.interval()
    failed = int((one.failed | other.failed).sum())
    numbers = {"value": found.value, "mcse": found.mcse, "lower": limits.lower, "upper": limits.upper}
    return {**numbers, "replicates": found.n, "successes": np.nan, "failed": failed, "note": ""}


def runs_by_cell(
    plan: Layout, store: Store, only: Collection[int] | None = None
) -> Iterator[tuple[Cell, dict[str, MethodRuns]]]:
    """The replicates of every cell that was run, method -> runs; one shape's blocks are in memory at a time."""
    shapes: dict[str, list[int]] = {}
    for block in plan.blocks:
        if only is None or block.number in only:
            shapes.setdefault(block.shape, []).append(block.number)
    names = list(plan.simulator.outcomes)
    for numbers in shapes.values():
        table = store.read(numbers)
        columns = {name: table.column(name).to_numpy() for name in ("cell", "replicate", "method", *names)}
        key = columns["cell"].astype(np.int64) * len(plan.design.methods) + columns["method"]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        found: dict[int, dict[str, MethodRuns]] = {}
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start:stop]
            number, code = divmod(int(key[rows[0]]), len(plan.design.methods))
            outcomes = {name: columns[name][rows] for name in names}
            runs = MethodRuns(columns["replicate"][rows], outcomes, plan.simulator.optional)
            found.setdefault(number, {})[plan.design.methods[code]] = runs
        for number, methods in found.items():
            yield plan.grid[number], methods


def _measure_cell(plan: Layout, cell: Cell, runs: dict[str, MethodRuns]) -> list[dict[str, Any]]:
    design, rows = plan.design, []
    for method in design.methods:
        run = runs.get(method)
        for spec in design.measures:
            row = {**cell.levels, "method": method, "measure": spec.name}
            if run is None:
                empty = dict.fromkeys(("value", "mcse", "lower", "upper", "successes"), np.nan)
                reason = design.skipped(cell.levels, method) or ""
                rows.append({**row, **empty, "replicates": 0, "failed": 0, "note": f"skipped: {reason}"})
                continue
            found = _measured(plan, spec, run, runs)
            limits = found.interval()
            rows.append(
                {
                    **row,
                    "value": found.value,
                    "mcse": found.mcse,
                    "lower": limits.lower,
                    "upper": limits.upper,
                    "successes": np.nan if found.successes is None else found.successes,
                    "replicates": found.n,
                    "failed": int(run.failed.sum()),
                    "note": "",
                }
            )
    return rows


def _measured(plan: Layout, spec: Any, run: MethodRuns, runs: dict[str, MethodRuns]) -> Measured:
    proportions = tuple(plan.simulator.proportions)
    if spec.kind != "width_ratio":
        return measure(spec, run.sound(), proportions)
    reference = runs.get(plan.design.reference or "")
    if reference is None:
        return Measured(np.nan, np.nan, np.empty(0), 0)
    return measure(spec, run.sound(reference.failed), proportions, reference.sound(run.failed))


def _contrast_cell(plan: Layout, cell: Cell, runs: dict[str, MethodRuns]) -> list[dict[str, Any]]:
    design, rows = plan.design, []
    reference = runs.get(design.reference or "")
    if reference is None:
        return []
    proportions = tuple(plan.simulator.proportions)
    for method, run in runs.items():
        if method == design.reference:
            continue
        one, other = run.sound(reference.failed), reference.sound(run.failed)
        for spec in design.measures:
            if spec.kind in _NO_CONTRAST:
                continue
            found = contrast(measure(spec, one, proportions), measure(spec, other, proportions))
            limits = found.interval()
            rows.append(
                {
                    **cell.levels,
                    "method": method,
                    "reference": design.reference,
                    "measure": spec.name,
                    "difference": found.value,
                    "mcse": found.mcse,
                    "lower": limits.lower,
                    "upper": limits.upper,
                    "replicates": found.n,
                }
            )
    return rows


def replicates_xarray(design: Design, store: Store) -> xarray.Dataset:
    """Every outcome of every replicate, over the factors, method and replicate; NaN where skipped.

    Raises:
        ModuleNotFoundError: without xarray (in ``crowdllm-stats[generator]``).
        FileNotFoundError: if a block is missing.
    """
    import xarray

    plan = layout_of(design)
    shape = (*(len(levels) for levels in design.factors.values()), len(design.methods), design.replicates)
    cubes = {name: np.full((len(plan.grid), *shape[-2:]), np.nan) for name in plan.simulator.outcomes}
    for cell, runs in runs_by_cell(plan, store):
        for method, run in runs.items():
            for name, values in run.outcomes.items():
                cubes[name][cell.number, design.methods.index(method), run.replicates] = values
    axes = [*design.factors, "method", "replicate"]
    coordinates: dict[str, Any] = {
        name: [coordinate(level) for level in levels] for name, levels in design.factors.items()
    }
    coordinates |= {"method": list(design.methods), "replicate": np.arange(design.replicates)}
    return xarray.Dataset({name: (axes, cube.reshape(shape)) for name, cube in cubes.items()}, coordinates)

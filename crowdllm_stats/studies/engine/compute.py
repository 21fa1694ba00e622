"""One block, computed from its number alone in whatever process or machine, and the content of its file.

A block's file is Parquet that says what it is for, with a checksum over every byte of it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.sealed import is_whole, seal
from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.grid import (
    Block,
    Cell,
    blocks,
    cells,
    jobs,
    methods_of,
)
from crowdllm_stats.studies.engine.simulator import Simulator


@dataclasses.dataclass(frozen=True)
class Computed:
    """A finished block.

    Attributes:
        number: which one.
        shape: what its cells have in common.
        content: of its file (see :func:`pack`): columns cell, replicate, method (number among the design's) and the
            outcomes.
        prepare_seconds: of compiling and the like.
        run_seconds: of the rest.
    """

    number: int
    shape: str
    content: bytes
    prepare_seconds: float
    run_seconds: float


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a design comes down to; the same in every process."""

    design: Design
    simulator: Simulator
    grid: list[Cell]
    blocks: list[Block]


class _Key:
    """A design that is looked up by its simulator and the text of what its numbers depend on."""

    def __init__(self, design: Design) -> None:
        self.design, self.text = design, f"{design.place} {design.identity_text()}"

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.text == self.text


def layout_of(design: Design) -> Layout:
    """The simulator, cells and blocks of a design; kept for the next call.

    Raises:
        ValueError: if this process has another version of the simulator than the one that read the study.
    """
    return dataclasses.replace(_layout(_Key(design)), design=design)  # its measures and words are no part of the key


@functools.lru_cache(maxsize=4)
def _layout(key: _Key) -> Layout:
    simulator = load_simulator(key.design.place)
    if simulator.results != key.design.results:
        raise ValueError(
            f"simulator {key.design.simulator!r} gives results of version {simulator.results} here, and the study was "
            f"read where it gives version {key.design.results}: install one version of crowdllm-stats on every machine"
        )
    return Layout(key.design, simulator, cells(key.design), blocks(key.design, simulator))


def compute_block(design: Design, number: int) -> Computed:
    """Run one block.

    Raises:
        RuntimeError: if the simulator fails or returns something of another shape, naming block and first cell.
        ModuleNotFoundError: without a package that the simulator needs.
    """
    plan = layout_of(design)
    block = plan.blocks[number]
    work = jobs(design, block, plan.grid)
    begin = time.perf_counter()
    try:
        plan.simulator.prepare(work, block.methods)
        middle = time.perf_counter()
        outcomes = plan.simulator.run(work, block.methods)
    except ModuleNotFoundError:  # the fault is not the block's
        raise
    except Exception as error:  # whatever a simulator raises is named with its block and cell
        first = block.pairs[0]
        raise RuntimeError(
            f"simulator {design.simulator!r} failed in block {number}, which starts at "
            f"{plan.grid[first[0]].text}, replicate {first[1]}: {type(error).__name__}: {error}"
        ) from error
    content = _to_parquet(plan, block, _checked(outcomes, plan, block, len(work)))
    return Computed(number, block.shape, content, middle - begin, time.perf_counter() - middle)


def _checked(outcomes: Mapping[str, Any], plan: Layout, block: Block, length: int) -> dict[str, FloatArray]:
    found = {name: np.asarray(values, dtype=np.float64) for name, values in outcomes.items()}
    wanted = (length, len(block.methods))
    if set(found) != set(plan.simulator.outcomes):
        raise RuntimeError(
            f"simulator {plan.design.simulator!r} gave {', '.join(sorted(found))}; it promised "
            f"{', '.join(plan.simulator.outcomes)}"
        )
    for name, values in found.items():
        if values.shape != wanted:
            raise RuntimeError(
                f"simulator {plan.design.simulator!r} gave {name} of shape {values.shape}; jobs and methods are "
                f"{wanted}"
            )
    return found


def _to_parquet(plan: Layout, block: Block, outcomes: dict[str, FloatArray]) -> bytes:
    import pyarrow as pa

    listed = block.pairs
    pairs = np.array(listed, dtype=np.int32)
    running = {number: set(methods_of(plan.design, plan.grid[number])) for number in np.unique(pairs[:, 0]).tolist()}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("cell", "replicate", "method", *outcomes)}
    for place, method in enumerate(block.methods):
        rows = np.array([method in running[number] for number, _ in listed])
        columns["cell"].append(pairs[rows, 0])
        columns["replicate"].append(pairs[rows, 1])
        code = plan.design.methods.index(method)
        columns["method"].append(np.full(np.count_nonzero(rows), code, dtype=np.int16))
        for name, values in outcomes.items():
            columns[name].append(values[: len(pairs), place][rows])
    names = ("cell", "replicate", "method", *plan.simulator.outcomes)
    table = pa.table({name: np.concatenate(columns[name]) for name in names})
    return pack(table, label_of(plan.design, block))


#: name -> "module:attribute", an instance of :class:`Simulator`; loaded when first used.
SIMULATORS: dict[str, str] = {
    "intervals": "crowdllm_stats.studies.simulators.intervals:INTERVALS",
    "safe-interval": "crowdllm_stats.studies.simulators.safe_interval:SAFE_INTERVAL",
    "risk": "crowdllm_stats.studies.simulators.risk:RISK",
    "figure9": "crowdllm_stats.studies.simulators.figure9.simulator:FIGURE9",
    "figure9-coverage": "crowdllm_stats.studies.simulators.figure9_coverage.coverage_simulator:FIGURE9_COVERAGE",
    "trained": "crowdllm_stats.studies.simulators.trained.simulator:TRAINED",
    "learning-curve": "crowdllm_stats.studies.simulators.learning_curve:LEARNING_CURVE",
}


def load_simulator(place: str) -> Simulator:
    """The simulator at "module:attribute".

    Raises:
        TypeError: if something else stands there, or a simulator with an outcome named like a parameter.

    Example:
        >>> load_simulator(SIMULATORS["intervals"]).methods[0]
        'classical'
    """
    module, attribute = place.split(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, Simulator):
        raise TypeError(f"{place} is a {type(found).__name__}, not a Simulator")
    twice = sorted(set(found.outcomes) & set(found.parameters))
    if twice:
        raise TypeError(f"{place} names {', '.join(map(repr, twice))} as an outcome and as a parameter; rename one")
    return found


_KEY = b"crowdllm-stats"
_REMEDY = "delete this file and resume, the other blocks stay"


def label_of(design: Design, block: Block) -> str:
    """What a block is for: the study, its number, its cells and the replicates that it begins and ends with.

    Example:
        >>> from crowdllm_stats.studies.engine.compute import layout_of
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> content = {"simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"], "seed": 1,
        ...            "measures": ["coverage"], "replicates": 50, "block": 20}
        >>> design = make_design(content, "mine")
        >>> label_of(design, layout_of(design).blocks[1]).partition(", ")[2]
        '"block": 1, "cells": [0], "replicates": [20, 39]}'
    """
    first, last = divmod(block.start, block.replicates), divmod(block.stop - 1, block.replicates)
    return json.dumps(
        {
            "study": hashlib.sha256(design.identity_text().encode()).hexdigest(),
            "block": block.number,
            "cells": list(block.members[first[0] : last[0] + 1]),
            "replicates": [first[1], last[1]],
        }
    )


def pack(table: Any, label: str) -> bytes:
    """A pyarrow table as the content of a block's file, sealed by a checksum (see :func:`seal`).

    Args:
        table: the rows.
        label: of :func:`label_of`.
    """
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_KEY: label}), buffer, compression="zstd")
    return seal(buffer.getvalue())


def unpack(file: Path, label: str) -> bytes:
    """The content of a block's file, after a look whether it is whole and the block wanted.

    Raises:
        ValueError: on a byte that is not what was written, or a block of other cells, replicates or another study.
        FileNotFoundError: if there is no such file.
    """
    import pyarrow.parquet as pq

    try:
        content = file.read_bytes()
    except PermissionError:
        raise ValueError(f"{file} cannot be read: Permission denied; give yourself the right to read it") from None
    if not is_whole(content):
        raise ValueError(f"{file} is damaged, its checksum does not fit: {_REMEDY}")
    found = pq.read_schema(io.BytesIO(content)).metadata[_KEY].decode()
    if found != label:
        raise ValueError(f"{file} holds {_other(json.loads(found), json.loads(label))}: {_REMEDY}")
    return content


def _other(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    if found["study"] != wanted["study"]:
        return "a block of another study"
    return f"block {found['block']} instead of block {wanted['block']}"

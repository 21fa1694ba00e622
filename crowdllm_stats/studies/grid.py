"""The cells of a study, and its jobs cut into blocks of one fixed length."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from .design import Design, levels_text
from .parameters import Value
from .simulator import Job, Simulator


@dataclasses.dataclass(frozen=True)
class Cell:
    """One combination of levels; ``number`` counts all combinations, the first factor slowest."""

    number: int
    levels: Mapping[str, Value]

    @property
    def text(self) -> str:
        """The cell for people.

        Example:
            >>> Cell(0, {"n": 5, "family": "normal"}).text
            'n = 5, family = normal'
        """
        return ", ".join(f"{name} = {levels_text([level])}" for name, level in self.levels.items())


@dataclasses.dataclass(frozen=True)
class Block:
    """Jobs that are run, stored and resumed together.

    Attributes:
        number: place among the study's blocks.
        shape: what its cells have in common.
        pairs: (cell number, replicate) of its jobs, without the copies that fill it up.
        methods: those that apply in at least one of its cells.
    """

    number: int
    shape: str
    pairs: tuple[tuple[int, int], ...]
    methods: tuple[str, ...]


def cells(design: Design) -> list[Cell]:
    """All cells, those that are skipped included."""
    combinations = itertools.product(*design.factors.values())
    return [Cell(number, dict(zip(design.factors, levels, strict=True))) for number, levels in enumerate(combinations)]


def methods_of(design: Design, cell: Cell) -> tuple[str, ...]:
    """The methods that are run in a cell."""
    return tuple(method for method in design.methods if design.skipped(cell.levels, method) is None)


def blocks(design: Design, simulator: Simulator) -> list[Block]:
    """The study's blocks: cells of one shape in their order, all replicates of a cell before the next cell."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells(design):
        if methods_of(design, cell):
            groups.setdefault(simulator.shape(design.full_cell(cell.levels)), []).append(cell)
    made: list[Block] = []
    for shape, members in groups.items():
        running = {cell.number: methods_of(design, cell) for cell in members}
        pairs = [(cell.number, replicate) for cell in members for replicate in range(design.replicates)]
        for start in range(0, len(pairs), design.block):
            part = tuple(pairs[start : start + design.block])
            wanted = {method for number, _ in part for method in running[number]}
            methods = tuple(method for method in design.methods if method in wanted)
            made.append(Block(len(made), shape, part, methods))
    return made


def jobs(design: Design, block: Block, grid: Sequence[Cell]) -> list[Job]:
    """The jobs of a block, filled up to the block's full length with copies of the last."""
    full = {number: design.full_cell(grid[number].levels) for number in {number for number, _ in block.pairs}}
    names = {number: design.cell_name(cell) for number, cell in full.items()}
    made = [Job(full[number], replicate, design.seed, names[number]) for number, replicate in block.pairs]
    return made + [made[-1]] * (design.block - len(made))

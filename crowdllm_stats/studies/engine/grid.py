"""The cells of a study, and its jobs cut into blocks of one fixed length."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from crowdllm_stats.studies.engine.design import Design, levels_text
from crowdllm_stats.studies.engine.parameters import Value
from crowdllm_stats.studies.engine.simulator import Job, Simulator


@dataclasses.dataclass(frozen=True)
class Cell:
    """One combination of levels.

    Attributes:
        number: place among all combinations, the first factor slowest.
        levels: factor -> its level here.
    """

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
    """Jobs that are run, stored and resumed together: a stretch of all (cell, replicate) pairs of one shape.

    Attributes:
        number: place among the study's blocks.
        shape: what its cells have in common.
        members: numbers of all cells of the shape, shared by its blocks.
        replicates: of every cell.
        start: its first pair among those of the shape, all replicates of a cell before the next cell.
        stop: one beyond its last pair.
        methods: those that apply in at least one of its cells.
    """

    number: int
    shape: str
    members: tuple[int, ...]
    replicates: int
    start: int
    stop: int
    methods: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(cell number, replicate) of its jobs, without the copies that fill it up.

        Example:
            >>> Block(0, "all", (4, 7), 3, 2, 5, ("plain",)).pairs
            ((4, 2), (7, 0), (7, 1))
        """
        return tuple(
            (self.members[place // self.replicates], place % self.replicates) for place in range(self.start, self.stop)
        )


def cells(design: Design) -> list[Cell]:
    """All cells, those that are skipped included, by number.

    Example:
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> content = {"simulator": "intervals", "factors": {"n": [5, 10], "correlation": [0.0, 0.8]}, "seed": 1,
        ...            "methods": ["classical"], "measures": ["coverage"], "replicates": 30}
        >>> [cell.text for cell in cells(make_design(content, "mine"))][:2]
        ['n = 5, correlation = 0', 'n = 5, correlation = 0.8']
    """
    combinations = itertools.product(*design.factors.values())
    return [Cell(number, dict(zip(design.factors, levels, strict=True))) for number, levels in enumerate(combinations)]


def methods_of(design: Design, cell: Cell) -> tuple[str, ...]:
    """The methods that are run in a cell: those of the study that none of its ``[[skip]]`` tables takes out there.

    Args:
        design: the study.
        cell: one of :func:`cells`.

    Returns:
        Names in the order of the study's methods; empty where the cell is skipped as a whole.

    Example:
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> content = {"simulator": "intervals", "factors": {"n": [2, 5], "correlation": [0.0, 0.8]}, "seed": 1,
        ...            "methods": ["classical", "ppi++-small"], "measures": ["coverage"], "replicates": 30,
        ...            "skip": [{"method": "ppi++-small", "when": {"n": [2]}, "reason": "needs 3 people"}]}
        >>> design = make_design(content, "mine")
        >>> [methods_of(design, cell) for cell in cells(design)][1:3]
        [('classical',), ('classical', 'ppi++-small')]
    """
    return tuple(method for method in design.methods if design.skipped(cell.levels, method) is None)


def blocks(design: Design, simulator: Simulator) -> list[Block]:
    """The study's blocks: cells of one shape in their order, all replicates of a cell before the next cell.

    Args:
        design: the study; a block has ``design.block`` jobs, the last one of a shape may have fewer.
        simulator: says which cells have one shape.

    Example:
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> from crowdllm_stats.studies.simulators.intervals import INTERVALS
        >>> content = {"simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"], "seed": 1,
        ...            "measures": ["coverage"], "replicates": 50, "block": 20}
        >>> [(block.shape, len(block.pairs)) for block in blocks(make_design(content, "mine"), INTERVALS)][:3]
        [('n=5', 20), ('n=5', 20), ('n=5', 10)]
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells(design):
        if methods_of(design, cell):
            groups.setdefault(simulator.shape(design.full_cell(cell.levels)), []).append(cell)
    made: list[Block] = []
    for shape, members in groups.items():
        running = [methods_of(design, cell) for cell in members]
        numbers = tuple(cell.number for cell in members)
        total = len(members) * design.replicates
        for start in range(0, total, design.block):
            stop = min(start + design.block, total)
            here = running[start // design.replicates : (stop - 1) // design.replicates + 1]
            wanted = set().union(*here)
            methods = tuple(method for method in design.methods if method in wanted)
            made.append(Block(len(made), shape, numbers, design.replicates, start, stop, methods))
    return made


def jobs(design: Design, block: Block, grid: Sequence[Cell]) -> list[Job]:
    """The jobs of a block, filled up to the block's full length with copies of the last.

    Args:
        design: the study.
        block: one of :func:`blocks`.
        grid: all cells, by number.

    Returns:
        ``design.block`` jobs; the copies' outcomes are thrown away.
    """
    pairs = block.pairs
    full = {number: design.full_cell(grid[number].levels) for number in {number for number, _ in pairs}}
    names = {number: design.cell_name(cell) for number, cell in full.items()}
    made = [Job(full[number], replicate, design.seed, names[number]) for number, replicate in pairs]
    return made + [made[-1]] * (design.block - len(made))

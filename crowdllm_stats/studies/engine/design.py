"""A study as data: what is varied, what is simulated, with which methods and measures, how often, from which seed."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from crowdllm_stats.studies.engine.measures import MeasureSpec
from crowdllm_stats.studies.engine.parameters import InputFile, Parameter, Value, cell_text, plain

PictureKind = Literal["lines", "coverage", "zip", "nested-loop", "map"]

#: Most cells of one study, and most rows (cells times replicates times methods).
MOST_CELLS, MOST_ROWS = 1_000_000, 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Skip:
    """Pairs of cells and methods that are not run; without a method the cells are left out for all of them.

    Attributes:
        when: factor -> the levels for which it holds; empty for all cells.
        method: a method, or None for every one.
        reason: shown in the results in place of numbers.
    """

    when: Mapping[str, tuple[Value, ...]]
    method: str | None
    reason: str

    @property
    def text(self) -> str:
        """What it leaves out, without the reason."""
        places = ", ".join(f"{name} in ({levels_text(levels)})" for name, levels in sorted(self.when.items()))
        return f"{self.method or 'all methods'} where {places or 'any'}"

    def covers(self, cell: Mapping[str, Value]) -> bool:
        """Whether the cell is among those it names."""
        return all(cell[name] in levels for name, levels in self.when.items())


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture: its kind, what is drawn, and which part of the results.

    Attributes:
        kind: "lines", "coverage", "zip", "nested-loop" or "map".
        file: name of the PNG without ending.
        measure: what is drawn upwards (for "zip" always intervals).
        x: factor on the horizontal axis.
        y: of a "map": factor on the vertical axis.
        row: factor of the rows of panels, or None.
        column: factor of the columns of panels, or None.
        color: "method" or a factor.
        where: factor (or "method") -> the levels that are drawn; a factor that no axis shows must have one.
        title: above the picture.
        log: horizontal axis on a logarithmic scale.
    """

    kind: PictureKind
    file: str
    measure: str
    x: str | None
    y: str | None
    row: str | None
    column: str | None
    color: str
    where: Mapping[str, tuple[Value, ...]]
    title: str
    log: bool


@dataclasses.dataclass(frozen=True)
class Design:
    """A checked study; :func:`~crowdllm_stats.studies.engine.design_file.read_design` makes it.

    Attributes:
        name: name of the study.
        title: one line for people.
        aims: what the study is to find out.
        simulator: name of the data-generating mechanism.
        place: where the simulator is found, "module:attribute".
        results: version of the simulator's results, which changes when a change of its code changes a number.
        parameters: the simulator's parameters by name.
        factors: factor -> its levels; the cells are all combinations.
        fixed: parameter -> its one value.
        methods: what is compared.
        estimand: in words, what the methods are after.
        measures: what is computed for every cell and method.
        reference: the method that others are contrasted with, or None.
        replicates: replicates of every cell.
        seed: of all random numbers.
        block: jobs of one block.
        skips: pairs that are not run.
        claims: statements that the results are held against.
        pictures: what is drawn.
        quick: replicates and levels of the quick version.
    """

    name: str
    title: str
    aims: str
    simulator: str
    place: str
    results: int
    parameters: Mapping[str, Parameter]
    factors: Mapping[str, tuple[Value, ...]]
    fixed: Mapping[str, Value]
    methods: tuple[str, ...]
    estimand: str
    measures: tuple[MeasureSpec, ...]
    reference: str | None
    replicates: int
    seed: int
    block: int
    skips: tuple[Skip, ...]
    claims: tuple[Claim, ...]
    pictures: tuple[Picture, ...]
    quick: Mapping[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of combinations of the factors' levels, those that are skipped included."""
        return math.prod(len(levels) for levels in self.factors.values())

    def full_cell(self, levels: Mapping[str, Value]) -> dict[str, Value]:
        """The value of every parameter in one cell: defaults, fixed values, then the factors' levels."""
        defaults = {name: known.default for name, known in self.parameters.items() if known.default is not None}
        return {**defaults, **self.fixed, **levels}

    def cell_name(self, cell: Mapping[str, Value]) -> str:
        """The text that seeds a cell."""
        return cell_text(cell, self.parameters)

    def skipped(self, levels: Mapping[str, Value], method: str) -> str | None:
        """The reason why a method is not run in a cell, or None."""
        for skip in self.skips:
            if skip.method in (None, method) and skip.covers(levels):
                return skip.reason
        return None

    def narrowed(self, only: Mapping[str, tuple[Value, ...]]) -> Design:
        """The same study with some levels alone; a cell's random numbers, and so its results, stay as they are.

        Args:
            only: factor -> the levels to keep; they become part of the study's name.

        Raises:
            ValueError: on a factor or a level that the study does not have.
        """
        for name, kept in only.items():
            if name not in self.factors:
                raise ValueError(f"{name!r} is not a factor of {self.name}; factors: {', '.join(self.factors)}")
            stray = [level for level in kept if level not in self.factors[name]]
            if stray or not kept:
                named = levels_text(stray) or "nothing"
                raise ValueError(f"{named} is not a level of {name!r}; levels: {levels_text(self.factors[name])}")
        factors = {
            name: tuple(level for level in levels if level in only.get(name, levels))
            for name, levels in self.factors.items()
        }
        quick = {name: levels for name, levels in self.quick["factors"].items() if name not in only}
        words = (levels_text(factors[name]).replace(", ", "+") for name in only)
        return self._on(
            factors,
            name="-".join([self.name, *(re.sub(r"[^\w.+-]", "_", text) for text in words)]),
            quick={**self.quick, "factors": quick},
        )

    def quickened(self) -> Design:
        """The quick version: fewer replicates, and the levels that the file's ``quick`` table leaves."""
        return self._on(
            {**self.factors, **self.quick["factors"]},
            replicates=self.quick["replicates"],
            quick={"replicates": self.quick["replicates"], "factors": {}},
        )

    def _on(self, factors: dict[str, tuple[Value, ...]], **changes: Any) -> Design:
        """The study on fewer levels: what speaks of the others alone (skips, claims, pictures) is left out."""

        def keep(when: Mapping[str, tuple[Value, ...]]) -> bool:
            return all(name not in factors or bool(set(when[name]) & set(factors[name])) for name in when)

        return dataclasses.replace(
            self,
            factors=factors,
            skips=tuple(skip for skip in self.skips if keep(skip.when)),
            claims=tuple(claim for claim in self.claims if keep(claim.where) and keep(claim.less)),
            pictures=tuple(picture for picture in self.pictures if keep(picture.where)),
            **changes,
        )

    def identity(self) -> dict[str, Any]:
        """What the stored numbers depend on, as plain values: two designs of equal identity share their blocks.

        Files count by their content, the simulator by its name and the version of its results: neither paths nor
        modules are in it, so that both can be moved.
        """
        return {
            "simulator": self.simulator,
            "results": self.results,
            "factors": _plain_levels(self.factors),
            "fixed": {name: plain(value) for name, value in sorted(self.fixed.items())},
            "methods": list(self.methods),
            "replicates": self.replicates,
            "seed": self.seed,
            "block": self.block,
            "skip": [{"when": _plain_levels(skip.when), "method": skip.method} for skip in self.skips],
        }

    @property
    def files(self) -> tuple[InputFile, ...]:
        """The files that it reads, each once."""
        values = [*self.fixed.values(), *(level for levels in self.factors.values() for level in levels)]
        return tuple(dict.fromkeys(value for value in values if isinstance(value, InputFile)))

    def identity_text(self) -> str:
        """:meth:`identity` as one line of JSON."""
        return json.dumps(self.identity(), separators=(",", ":"))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two identities, one short sentence a part.

    Example:
        >>> differences({"seed": 1, "factors": {"n": [5]}}, {"seed": 2, "factors": {"n": [5, 8]}})
        ['factors.n was [5], is [5, 8]', 'seed was 1, is 2']
    """
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += [f"{name}.{line}" for line in differences(before, after)]
        elif before != after:
            found.append(f"{name} was {_short(before)}, is {_short(after)}")
    return found


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _plain_levels(factors: Mapping[str, tuple[Value, ...]]) -> dict[str, list[Any]]:
    return {name: [plain(level) for level in levels] for name, levels in factors.items()}


def coordinate(level: Value) -> float | int | str | bool:
    """A level on an axis of a data cube, which knows numbers and words alone.

    Example:
        >>> coordinate((0.5, 0.5)), coordinate(5)
        ('0.5, 0.5', 5)
    """
    if isinstance(level, tuple):
        return levels_text(level)
    return str(level) if isinstance(level, InputFile) else level


def levels_text(levels: Sequence[Value]) -> str:
    """Levels for people; different levels have different texts.

    Example:
        >>> levels_text((5, 0.5, 1e9, 0.12345678, "normal"))
        '5, 0.5, 1e+09, 0.12345678, normal'
    """
    return ", ".join(_number_text(level) if isinstance(level, float) else str(level) for level in levels)


def _number_text(level: float) -> str:
    short = f"{level:g}"
    return short if float(short) == level else repr(level)


@dataclasses.dataclass(frozen=True)
class Claim:
    """ "The measure of this method is at least (at most) so much in all these cells."

    With ``less`` it speaks of differences: the measure in each cell less that in the cell with the levels (and by the
    method) that ``less`` names, on the same replicates.

    Attributes:
        text: the statement in words.
        measure: name of a measure.
        method: the method it is about.
        at_least: bound from below, or None.
        at_most: bound from above, or None.
        where: factor -> levels; all cells where empty.
        less: factor (or "method") -> the one level to compare with; empty where the measure itself is meant.
    """

    text: str
    measure: str
    method: str
    at_least: float | None
    at_most: float | None
    where: Mapping[str, tuple[Value, ...]]
    less: Mapping[str, tuple[Value, ...]] = dataclasses.field(default_factory=dict)

    def other(self, levels: Mapping[str, Value]) -> tuple[dict[str, Value], str]:
        """Levels and method that a cell is compared with."""
        changed = {name: level for name, (level,) in self.less.items()}
        method = str(changed.pop("method", self.method))
        return {**levels, **changed}, method

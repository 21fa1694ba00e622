"""From a TOML file to a checked :class:`Design`; whatever is wrong is said in one line, before anything runs."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crowdllm_stats.inference.checks import check_count

from .claims import Claim
from .design import MOST_CELLS, MOST_ROWS, Design, Picture, Skip, levels_text
from .grid import cells
from .measure_names import MeasureSpec, read_measures
from .parameters import Parameter, Value
from .registry import SIMULATORS, load_simulator
from .simulator import Simulator

KEYS = {
    "name", "title", "aims", "simulator", "factors", "fixed", "methods", "estimand", "measures", "reference",
    "replicates", "seed", "block", "skip", "claim", "picture", "quick",
}  # fmt: skip
PICTURE_KINDS = ("lines", "coverage", "zip", "nested-loop", "map")
#: Columns of results and blocks, which no factor can be called.
RESERVED = {
    "method", "measure", "value", "mcse", "lower", "upper", "replicates", "successes", "failed", "note", "difference",
    "reference", "cell", "replicate",
}  # fmt: skip


def read_design(file: Path, simulators: Mapping[str, str] | None = None) -> Design:
    """Read and check a study file.

    Args:
        file: TOML; ``simulations/README.md`` lists its keys.
        simulators: name -> "module:attribute", beside those of the package.

    Raises:
        ValueError: naming the file, the key, the value and what is allowed.
        FileNotFoundError: if there is no such file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no study file {file}")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not a TOML file: {error}") from None
    try:
        return make_design(content, file.stem, simulators)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def make_design(content: Mapping[str, Any], name: str, simulators: Mapping[str, str] | None = None) -> Design:
    """Check the content of a study file.

    Args:
        content: as TOML reads it.
        name: of the study, unless the content has one.
        simulators: as for :func:`read_design`.

    Raises:
        ValueError: naming the key, the value and what is allowed.

    Example:
        >>> content = {"simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"],
        ...            "measures": ["coverage"], "replicates": 100, "seed": 1}
        >>> make_design(content, "mine").n_cells
        2
    """
    _only_known(content, KEYS, "the study")
    places = {**SIMULATORS, **(simulators or {})}
    called = _text(content, "simulator")
    if called not in places:
        raise ValueError(f"unknown simulator {called!r}; known: {', '.join(places)}")
    simulator = load_simulator(places[called])
    known = simulator.parameters
    factors = _factors(content, known)
    fixed = _fixed(content, known, factors)
    methods = _methods(content, simulator)
    level = fixed.get("level", known["level"].default if "level" in known else None)
    measures = read_measures(content.get("measures"), simulator.outcomes, level if isinstance(level, float) else None)
    reference = _reference(content, methods, measures)
    replicates = _count(content, "replicates", 2)
    design = Design(
        name=_text(content, "name", name),
        title=_text(content, "title", content.get("name", name)),
        aims=_text(content, "aims", ""),
        simulator=called,
        place=places[called],
        parameters=known,
        factors=factors,
        fixed=fixed,
        methods=methods,
        estimand=_text(content, "estimand", ""),
        measures=measures,
        reference=reference,
        replicates=replicates,
        seed=_count(content, "seed", 0),
        block=_count({"block": content.get("block", simulator.block)}, "block", 1),
        skips=tuple(_skip(entry, factors, known, methods) for entry in _tables(content, "skip")),
        claims=tuple(_claim(entry, factors, known, methods, measures) for entry in _tables(content, "claim")),
        pictures=tuple(_picture(entry, factors, known, methods, measures) for entry in _tables(content, "picture")),
        quick=_quick(content, factors, known, replicates),
    )
    _check_size(design)
    _check_pairs(design, simulator)
    return design


def _only_known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{where} has unknown key {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}")


def _text(content: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = content.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a text; got {value!r}" if key in content else f"{key} is missing")
    return value


def _count(content: Mapping[str, Any], key: str, least: int) -> int:
    if key not in content:
        raise ValueError(f"{key} is missing: a whole number of at least {least}")
    if isinstance(content[key], str | bool):
        raise ValueError(f"{key} must be a whole number of at least {least}, without quotes; got {content[key]!r}")
    return check_count(key, content[key], least)


def _tables(content: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(f"{key} must be written as [[{key}]] tables; got {value!r}")
    return value


def _factors(content: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, tuple[Value, ...]]:
    listed = content.get("factors")
    if not isinstance(listed, dict) or not listed:
        raise ValueError("factors is missing: a table [factors] with at least one factor and its levels")
    found = {name: _levels(name, levels, known, "factor") for name, levels in listed.items()}
    taken = sorted(RESERVED & set(found))
    if taken:
        raise ValueError(f"factor {taken[0]!r} has the name of a column of the results; the simulator must rename it")
    return found


def _levels(name: str, levels: Any, known: Mapping[str, Parameter], what: str) -> tuple[Value, ...]:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; the simulator knows {', '.join(known)}")
    if not isinstance(levels, list):
        raise ValueError(f"{what} {name!r} must be a list of levels, for instance [5, 10]; got {levels!r}")
    if not levels:
        raise ValueError(f"{what} {name!r} has no levels: give at least one, or leave it out")
    read = tuple(known[name].read(f"{what} {name!r}", level) for level in levels)
    if len(set(read)) < len(read):
        raise ValueError(f"{what} {name!r} has a level twice: {levels_text(read)}")
    return read


def _fixed(
    content: Mapping[str, Any], known: Mapping[str, Parameter], factors: Mapping[str, tuple[Value, ...]]
) -> dict[str, Value]:
    listed = content.get("fixed", {})
    if not isinstance(listed, dict):
        raise ValueError(f"fixed must be a table [fixed] of parameters and values; got {listed!r}")
    for name in listed:
        if name not in known:
            raise ValueError(f"unknown parameter {name!r} under fixed; the simulator knows {', '.join(known)}")
        if name in factors:
            raise ValueError(f"{name!r} stands under factors and under fixed; leave one of them out")
    unsaid = [
        name
        for name, parameter in known.items()
        if parameter.default is None and name not in factors and name not in listed
    ]
    if unsaid:
        raise ValueError(f"the simulator needs {', '.join(unsaid)}: put it under [factors] or [fixed]")
    return {name: known[name].read(name, value) for name, value in listed.items()}


def _methods(content: Mapping[str, Any], simulator: Simulator) -> tuple[str, ...]:
    listed = content.get("methods")
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"methods must be a list with at least one of {', '.join(simulator.methods)}; got {listed!r}")
    for name in listed:
        if name not in simulator.methods:
            raise ValueError(f"unknown method {name!r}; the simulator knows {', '.join(simulator.methods)}")
    if len(set(listed)) < len(listed):
        raise ValueError(f"methods lists one twice: {', '.join(listed)}")
    return tuple(listed)


def _reference(content: Mapping[str, Any], methods: tuple[str, ...], measures: tuple[MeasureSpec, ...]) -> str | None:
    reference = content.get("reference")
    if reference is not None and reference not in methods:
        raise ValueError(f"reference {reference!r} is not among the methods {', '.join(methods)}")
    if reference is None and any(spec.kind == "width_ratio" for spec in measures):
        raise ValueError("measure 'width_ratio' needs reference = one of the methods")
    return reference


def _where(
    entry: Any, factors: Mapping[str, tuple[Value, ...]], known: Mapping[str, Parameter], key: str, also: str = ""
) -> dict[str, tuple[Value, ...]]:
    if not isinstance(entry, dict):
        raise ValueError(f"{key} must be a table of factors and levels, for instance {{n = [5]}}; got {entry!r}")
    found: dict[str, tuple[Value, ...]] = {}
    for name, levels in entry.items():
        if name == also:
            found[name] = tuple(levels) if isinstance(levels, list) else (levels,)
            continue
        if name not in factors:
            raise ValueError(f"{key} names {name!r}, which is no factor of this study; factors: {', '.join(factors)}")
        read = _levels(name, levels if isinstance(levels, list) else [levels], known, f"{key}:")
        stray = [level for level in read if level not in factors[name]]
        if stray:
            raise ValueError(
                f"{key}: {levels_text(stray)} is no level of factor {name!r}; levels: {levels_text(factors[name])}"
            )
        found[name] = read
    return found


def _skip(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
) -> Skip:
    _only_known(entry, {"when", "method", "reason"}, "a [[skip]] table")
    method = entry.get("method")
    if method is not None and method not in methods:
        raise ValueError(f"skip names method {method!r}, which is not among {', '.join(methods)}")
    if method is None and not entry.get("when"):
        raise ValueError("a [[skip]] table without method and without when would leave nothing to run")
    return Skip(_where(entry.get("when", {}), factors, known, "skip"), method, _text(entry, "reason"))


def _claim(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
    measures: tuple[MeasureSpec, ...],
) -> Claim:
    _only_known(entry, {"text", "measure", "method", "at_least", "at_most", "where"}, "a [[claim]] table")
    names = [spec.name for spec in measures]
    if entry.get("measure") not in names:
        raise ValueError(f"claim names measure {entry.get('measure')!r}; measures: {', '.join(names)}")
    if entry.get("method") not in methods:
        raise ValueError(f"claim names method {entry.get('method')!r}; methods: {', '.join(methods)}")
    bound = Parameter("bound")
    ends = {key: bound.number(f"claim: {key}", entry[key]) for key in ("at_least", "at_most") if key in entry}
    if not ends:
        raise ValueError(f"claim {entry.get('text')!r} needs at_least, at_most or both")
    return Claim(
        text=_text(entry, "text"),
        measure=entry["measure"],
        method=entry["method"],
        at_least=ends.get("at_least"),
        at_most=ends.get("at_most"),
        where=_where(entry.get("where", {}), factors, known, "claim"),
    )


def _picture(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
    measures: tuple[MeasureSpec, ...],
) -> Picture:
    _only_known(
        entry,
        {"kind", "file", "measure", "x", "y", "row", "column", "color", "where", "title", "log"},
        "a [[picture]] table",
    )
    kind, file = _text(entry, "kind"), _text(entry, "file")
    if kind not in PICTURE_KINDS:
        raise ValueError(f"picture kind must be one of {', '.join(PICTURE_KINDS)}; got {kind!r}")
    if not file or any(letter in file for letter in "/\\.") or not file.isprintable():
        raise ValueError(f"picture file must be a plain name without folder or ending; got {file!r}")
    names = [spec.name for spec in measures]
    measure = _text(entry, "measure", "coverage")
    if measure not in names:
        raise ValueError(f"picture {file!r} draws {measure!r}; measures: {', '.join(names)}")
    for key in ("x", "y", "row", "column", "color"):
        allowed = [*factors, "method"] if key == "color" else [*factors]
        if entry.get(key) is not None and entry[key] not in allowed:
            raise ValueError(f"picture {file!r}: {key} = {entry[key]!r} is none of {', '.join(allowed)}")
    for key in {"lines": ("x",), "coverage": ("x",), "map": ("x", "y")}.get(kind, ()):
        if entry.get(key) is None:
            raise ValueError(f"picture {file!r} of kind {kind!r} needs {key}, a factor")
    where = _where(entry.get("where", {}), factors, known, f"picture {file!r} where", "method")
    for method in where.get("method", ()):
        if method not in methods:
            raise ValueError(f"picture {file!r} where names method {method!r}; methods: {', '.join(methods)}")
    picture = Picture(
        kind=kind,
        file=file,
        measure=measure,
        x=entry.get("x"),
        y=entry.get("y"),
        row=entry.get("row"),
        column=entry.get("column"),
        color=_text(entry, "color", "method"),
        where=where,
        title=_text(entry, "title", ""),
        log=bool(entry.get("log", False)),
    )
    _check_shown(picture, factors, methods)
    return picture


def _check_shown(picture: Picture, factors: Mapping[str, tuple[Value, ...]], methods: tuple[str, ...]) -> None:
    """Every factor is on an axis or held at one level; a nested-loop plot has them all on its axis."""
    if picture.kind == "nested-loop":
        return
    shown = {picture.x, picture.y, picture.row, picture.column}
    shown |= set() if picture.kind == "map" else {picture.color}
    levels = {**factors, "method": methods}
    for name, all_levels in levels.items():
        left = picture.where.get(name, all_levels)
        if name not in shown and len(left) > 1:
            raise ValueError(
                f"picture {picture.file!r} does not show {name!r} ({levels_text(left)}): give it an axis (x, row, "
                f"column, color) or one level under where"
            )


def _quick(
    content: Mapping[str, Any], factors: Mapping[str, tuple[Value, ...]], known: Mapping[str, Parameter], full: int
) -> dict[str, Any]:
    entry = content.get("quick", {})
    if not isinstance(entry, dict):
        raise ValueError(f"quick must be a table [quick]; got {entry!r}")
    _only_known(entry, {"replicates", "factors"}, "[quick]")
    replicates = _count(entry, "replicates", 2) if "replicates" in entry else max(2, full // 20)
    return {
        "replicates": min(replicates, full),
        "factors": _where(entry.get("factors", {}), factors, known, "quick.factors"),
    }


def _check_size(design: Design) -> None:
    if design.n_cells > MOST_CELLS:
        raise ValueError(
            f"the grid has {design.n_cells:,} cells, at most {MOST_CELLS:,} are allowed: "
            f"{' x '.join(f'{len(levels)} {name}' for name, levels in design.factors.items())}"
        )
    rows = design.n_cells * design.replicates * len(design.methods)
    if rows > MOST_ROWS:
        raise ValueError(f"cells x replicates x methods = {rows:,} results, at most {MOST_ROWS:,} are allowed")


def _check_pairs(design: Design, simulator: Simulator) -> None:
    """Every pair that does not apply is skipped, and every skip skips something."""
    used: set[int] = set()
    trouble: dict[tuple[str, str], list[str]] = {}
    refuse: Callable[[Mapping[str, Value], str], str | None] = simulator.refuses
    anything = False
    for cell in cells(design):
        full = design.full_cell(cell.levels)
        runs = False
        for method in design.methods:
            first = next(
                (i for i, s in enumerate(design.skips) if s.method in (None, method) and s.covers(cell.levels)), None
            )
            if first is not None:
                used.add(first)
                continue
            runs = True
            reason = refuse(full, method)
            if reason is not None:
                trouble.setdefault((method, reason), []).append(cell.text)
        anything = anything or runs
        if runs:
            simulator.check(full)
    if trouble:
        (method, reason), places = next(iter(trouble.items()))
        more = f" and {len(places) - 1} more cells" if len(places) > 1 else ""
        others = f" ({len(trouble) - 1} further pairs likewise)" if len(trouble) > 1 else ""
        raise ValueError(
            f"method {method!r} does not apply to {places[0]}{more}: {reason}; "
            f"list it under [[skip]] or take it out of methods{others}"
        )
    if not anything:
        raise ValueError("the [[skip]] tables leave nothing to run")
    for number, skip in enumerate(design.skips):
        if number not in used and math.isfinite(number):
            raise ValueError(
                f"the [[skip]] table {number + 1} ({skip.reason!r}) skips nothing that an earlier one does not; take "
                "it out"
            )

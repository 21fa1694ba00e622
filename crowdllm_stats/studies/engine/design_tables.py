"""The parts of a study file: how each key and table is read, and what is said of one that is wrong.

Neither pydantic nor msgspec: nearly every check holds a key against the simulator or against other keys (factors,
levels, methods, measures), which a schema cannot say; it would save the 50 lines that check shapes and take as many to
turn its errors into one line that names the mend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from crowdllm_stats._base.checks import check_choice, check_count
from crowdllm_stats.studies.engine.design import Claim, Picture, PictureKind, Skip, levels_text
from crowdllm_stats.studies.engine.measures import MeasureSpec
from crowdllm_stats.studies.engine.parameters import Parameter, Value

#: Most bytes of a study's name: ``-quick`` and the levels of ``--only`` are put behind it.
_LONGEST_NAME = 120


def only_known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse keys that are not known.

    Raises:
        ValueError: naming them and what is known.
    """
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{where} has unknown key {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}")


def read_text(content: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A text, or the default where the key is missing.

    Raises:
        ValueError: if it is something else, or missing without a default.
    """
    value = content.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a text; got {value!r}" if key in content else f"{key} is missing")
    return value


def read_name(content: Mapping[str, Any], default: str) -> str:
    """The study's name, which names its folder under ``out/``: a plain one that leads nowhere else.

    Raises:
        ValueError: on a name with a folder in it, one that is hidden or cannot be printed, or one that is too long.
    """
    name = read_text(content, "name", default)
    if not _plain_name(name) or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"name must be a plain name without folders, at most {_LONGEST_NAME} bytes, as it names a folder; "
            f"got {name!r}: write name = 'my_study'"
        )
    return name


def _plain_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not name.startswith(".") and not any(mark in name for mark in "/\\")


def read_count(content: Mapping[str, Any], key: str, least: int) -> int:
    """A whole number.

    Raises:
        ValueError: if it is missing, text, or below ``least``.
    """
    if key not in content:
        raise ValueError(f"{key} is missing: a whole number of at least {least}")
    if isinstance(content[key], str | bool):
        raise ValueError(f"{key} must be a whole number of at least {least}, without quotes; got {content[key]!r}")
    return check_count(key, content[key], least)


def read_tables(content: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """The ``[[key]]`` tables.

    Raises:
        ValueError: if they are written otherwise.
    """
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(f"{key} must be written as [[{key}]] tables; got {value!r}")
    return value


def read_levels(name: str, levels: Any, known: Mapping[str, Parameter], what: str) -> tuple[Value, ...]:
    """The levels of a factor, each read by its parameter.

    Raises:
        ValueError: on an unknown name, no level, a level twice, or one that the parameter refuses.
    """
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
            known_factors = ", ".join(factors)
            raise ValueError(f"{key} names {name!r}, which is not a factor of this study; factors: {known_factors}")
        read = read_levels(name, levels if isinstance(levels, list) else [levels], known, f"{key}:")
        stray = [level for level in read if level not in factors[name]]
        if stray:
            raise ValueError(
                f"{key}: {levels_text(stray)} is not a level of factor {name!r}; levels: {levels_text(factors[name])}"
            )
        found[name] = read
    return found


def read_skips(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
) -> list[Skip]:
    """One ``[[skip]]`` table: a skip for each method it names, or one for all of them.

    Raises:
        ValueError: naming what is unknown or missing.
    """
    only_known(entry, {"when", "method", "reason"}, "a [[skip]] table")
    named = entry.get("method")
    listed = named if isinstance(named, list) else [named]
    for method in listed:
        if method not in methods and named is not None:
            raise ValueError(f"skip names method {method!r}, which is not among {', '.join(methods)}")
    if not listed:
        raise ValueError("a [[skip]] table has an empty list of methods: name some, or leave method out for all")
    if named is None and not entry.get("when"):
        raise ValueError("a [[skip]] table without method and without when would leave nothing to run")
    when, reason = _where(entry.get("when", {}), factors, known, "skip"), read_text(entry, "reason")
    return [Skip(when, method, reason) for method in listed]


def read_claim(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
    measures: tuple[MeasureSpec, ...],
) -> Claim:
    """One ``[[claim]]`` table.

    Raises:
        ValueError: naming what is unknown or missing.
    """
    only_known(entry, {"text", "measure", "method", "at_least", "at_most", "where", "less"}, "a [[claim]] table")
    names = [spec.name for spec in measures]
    if entry.get("measure") not in names:
        raise ValueError(f"claim names measure {entry.get('measure')!r}; measures: {', '.join(names)}")
    if entry.get("method") not in methods:
        raise ValueError(f"claim names method {entry.get('method')!r}; methods: {', '.join(methods)}")
    bound = Parameter("bound")
    ends = {key: bound.number(f"claim: {key}", entry[key]) for key in ("at_least", "at_most") if key in entry}
    if not ends:
        raise ValueError(f"claim {entry.get('text')!r} needs at_least, at_most or both")
    less = _where(entry.get("less", {}), factors, known, "claim: less", "method")
    for name, levels in less.items():
        if len(levels) != 1:
            raise ValueError(f"claim: less needs one level of {name!r} to compare with; got {levels_text(levels)}")
    if less.get("method", methods[:1])[0] not in methods:
        raise ValueError(f"claim: less names method {less['method'][0]!r}; methods: {', '.join(methods)}")
    if less and entry["measure"] in [spec.name for spec in measures if spec.kind == "width_ratio"]:
        raise ValueError("claim: less goes with every measure but width_ratio, which is a comparison already")
    return Claim(
        text=read_text(entry, "text"),
        measure=entry["measure"],
        method=entry["method"],
        at_least=ends.get("at_least"),
        at_most=ends.get("at_most"),
        where=_where(entry.get("where", {}), factors, known, "claim"),
        less=less,
    )


def read_picture(
    entry: Mapping[str, Any],
    factors: Mapping[str, tuple[Value, ...]],
    known: Mapping[str, Parameter],
    methods: tuple[str, ...],
    measures: tuple[MeasureSpec, ...],
) -> Picture:
    """One ``[[picture]]`` table.

    Raises:
        ValueError: naming what is unknown, missing, or not shown on any axis.
    """
    only_known(
        entry,
        {"kind", "file", "measure", "x", "y", "row", "column", "color", "where", "title", "log"},
        "a [[picture]] table",
    )
    kind = check_choice("picture kind", read_text(entry, "kind"), get_args(PictureKind))
    file = read_text(entry, "file")
    if not _plain_name(file) or "." in file:
        raise ValueError(f"picture file must be a plain name without folder or ending; got {file!r}")
    names = [spec.name for spec in measures]
    measure = read_text(entry, "measure", "coverage")
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
        color=read_text(entry, "color", "method"),
        where=where,
        title=read_text(entry, "title", ""),
        log=_flag(entry, "log", f"picture {file!r}"),
    )
    _check_shown(picture, factors, methods)
    return picture


def _flag(entry: Mapping[str, Any], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{where}: {key} must be true or false; got {value!r}")
    return value


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


def read_quick(
    content: Mapping[str, Any], factors: Mapping[str, tuple[Value, ...]], known: Mapping[str, Parameter], full: int
) -> dict[str, Any]:
    """The ``[quick]`` table; by default a twentieth of the replicates.

    Raises:
        ValueError: naming what is unknown.
    """
    entry = content.get("quick", {})
    if not isinstance(entry, dict):
        raise ValueError(f"quick must be a table [quick]; got {entry!r}")
    only_known(entry, {"replicates", "factors"}, "[quick]")
    replicates = read_count(entry, "replicates", 2) if "replicates" in entry else max(2, full // 20)
    return {
        "replicates": min(replicates, full),
        "factors": _where(entry.get("factors", {}), factors, known, "quick.factors"),
    }

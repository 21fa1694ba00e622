"""From a TOML file to a checked :class:`Design`; whatever is wrong is said in one line, before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from crowdllm_stats.studies.engine.compute import SIMULATORS, load_simulator
from crowdllm_stats.studies.engine.design import MOST_CELLS, MOST_ROWS, Design
from crowdllm_stats.studies.engine.design_tables import (
    only_known,
    read_claim,
    read_count,
    read_levels,
    read_name,
    read_picture,
    read_quick,
    read_skips,
    read_tables,
    read_text,
)
from crowdllm_stats.studies.engine.grid import cells
from crowdllm_stats.studies.engine.measures import MeasureSpec, read_measures
from crowdllm_stats.studies.engine.parameters import Parameter, Value
from crowdllm_stats.studies.engine.simulator import Simulator

KEYS = {
    "name", "title", "aims", "simulator", "factors", "fixed", "methods", "estimand", "measures", "reference",
    "replicates", "seed", "block", "skip", "claim", "picture", "quick",
}  # fmt: skip
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
        content = tomllib.loads(file.read_bytes().decode("utf-8"))
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
    only_known(content, KEYS, "the study")
    places = {**SIMULATORS, **(simulators or {})}
    called = read_text(content, "simulator")
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
    replicates = read_count(content, "replicates", 2)
    design = Design(
        name=read_name(content, name),
        title=read_text(content, "title", content.get("name", name)),
        aims=read_text(content, "aims", ""),
        simulator=called,
        place=places[called],
        results=simulator.results,
        parameters=known,
        factors=factors,
        fixed=fixed,
        methods=methods,
        estimand=read_text(content, "estimand", ""),
        measures=measures,
        reference=reference,
        replicates=replicates,
        seed=read_count(content, "seed", 0),
        block=read_count({"block": content.get("block", simulator.block)}, "block", 1),
        skips=tuple(
            skip for entry in read_tables(content, "skip") for skip in read_skips(entry, factors, known, methods)
        ),
        claims=tuple(read_claim(entry, factors, known, methods, measures) for entry in read_tables(content, "claim")),
        pictures=tuple(
            read_picture(entry, factors, known, methods, measures) for entry in read_tables(content, "picture")
        ),
        quick=read_quick(content, factors, known, replicates),
    )
    _check_size(design)
    _check_pairs(design, simulator)
    return design


def _factors(content: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, tuple[Value, ...]]:
    listed = content.get("factors")
    if not isinstance(listed, dict) or not listed:
        raise ValueError("factors is missing: a table [factors] with at least one factor and its levels")
    found = {name: read_levels(name, levels, known, "factor") for name, levels in listed.items()}
    taken = sorted(RESERVED & set(found))
    if taken:
        raise ValueError(f"factor {taken[0]!r} has the name of a column of the results; the simulator must rename it")
    return found


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
        if number not in used:
            raise ValueError(
                f"the [[skip]] table with reason {skip.reason!r}"
                f"{'' if skip.method is None else f' skips nothing for {skip.method!r}'}"
                f"{' skips nothing' if skip.method is None else ''} that an earlier one does not; take it out"
            )


def study_folders() -> list[Path]:
    """The places where studies are looked for, the working folder's ``simulations/`` first; only those that exist.

    Example:
        >>> study_folders()[-1].name
        'simulations'
    """
    package = Path(__file__).resolve().parents[2]
    candidates = (Path.cwd() / "simulations", package / "package_data" / "simulations", package.parent / "simulations")
    return [folder for folder in dict.fromkeys(path.resolve() for path in candidates) if folder.is_dir()]


def find_studies(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """Every study file by name, of two with one name the first found; TOML files without ``simulator`` are none.

    Args:
        folders: where to look; :func:`study_folders` by default.

    Example:
        >>> "coverage" in find_studies()
        True
    """
    found: dict[str, Path] = {}
    for folder in study_folders() if folders is None else folders:
        for file in sorted(folder.glob("*.toml")):
            if _is_study(file):
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def _is_study(file: Path) -> bool:
    try:
        return "simulator" in tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return True  # broken: reading it says what is wrong


def study_title(file: Path) -> str:
    """The title in a study file, without checking the rest.

    Example:
        >>> study_title(study_file("risk"))
        'Risk decompositions, published and exact, against a known risk'
    """
    try:
        content = tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return f"(not readable: {error})"
    return str(content.get("title", file.stem))


def study_file(name: str) -> Path:
    """The file of a study that is named, or given as a path.

    Raises:
        FileNotFoundError: if there is none; the message lists the known names.

    Example:
        >>> study_file("coverage").name
        'coverage.toml'
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"there is no study file {name}")
        return Path(name)
    known = find_studies()
    if name not in known:
        listed = ", ".join(known) or "none"
        raise FileNotFoundError(
            f"unknown study {name!r}; known: {listed}; a file of your own needs its path, NAME.toml"
        )
    return known[name]

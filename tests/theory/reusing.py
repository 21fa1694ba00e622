"""Which steps of a result's checks run which functions of the package, and leaving out those that a change misses."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

from mutation import Mutation

#: A function of the package: its file and its name.
Ran = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Step:
    """A function of the checks with its arguments: what it returned, what of the package it ran, and how long."""

    module: str
    name: str
    values: tuple[Any, ...]
    named: dict[str, Any]
    returned: Any
    ran: Ran
    seconds: float


#: Steps by function and arguments.
Kept = dict[tuple[Any, ...], Step]

PARTS = ("symbolic", "simulated", "picture")


def record(result: str, folder: Path) -> Kept:
    """Make all checks of the result once, unchanged, and keep what each of their steps returned and ran.

    A step is kept where its arguments and what it returns are plain values: the same arguments then lead to the same
    return as long as none of the functions it ran is changed.
    """
    from crowdllm_stats.verify import find_results, load
    from crowdllm_stats.verify.run import SEED

    kept: Kept = {}
    running: list[set[tuple[str, str]]] = [set()]
    package = folder.resolve() / "crowdllm_stats"
    places: dict[Any, tuple[str, str] | None] = {}

    def called(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code not in places:
                places[code] = _place(Path(code.co_filename), code.co_name, package)
            if (place := places[code]) is not None:
                running[-1].add(place)

    def watched(step: FunctionType) -> Callable[..., Any]:
        @functools.wraps(step)
        def run(*values: Any, **named: Any) -> Any:
            running.append(set())
            start = time.perf_counter()
            try:
                returned = step(*values, **named)
            finally:
                ran = running.pop()
                running[-1] |= ran
            if _plain(values) and _plain(list(named.values())) and _plain(returned):
                seconds = time.perf_counter() - start
                done = Step(step.__module__, step.__name__, values, named, returned, frozenset(ran), seconds)
                kept[_key(step, values, named)] = done
            return returned

        return run

    theory = load(find_results()[result])
    for module, name, step in _steps(result):
        setattr(module, name, watched(step))
    sys.settrace(called)  # called for every function's start alone, as it asks for no more
    try:
        theory.symbolic()
        theory.simulated(SEED)
    finally:
        sys.settrace(None)
    return kept


def reuse(result: str, kept: Kept, mutation: Mutation) -> None:
    """Let the result's steps that the change cannot reach return what was kept."""

    def short(step: FunctionType) -> Callable[..., Any]:
        @functools.wraps(step)
        def run(*values: Any, **named: Any) -> Any:
            if _plain(values) and _plain(list(named.values())):
                done = kept.get(_key(step, values, named))
                if done is not None and not _reached(done.ran, mutation):
                    return list(done.returned) if isinstance(done.returned, list) else done.returned
            return step(*values, **named)

        return run

    for module, name, step in _steps(result):
        setattr(module, name, short(step))


def nearest(kept: Kept, mutation: Mutation) -> list[Step]:
    """Steps that make checks and run the changed function, the shortest first.

    Only those whose arguments are whole numbers, texts and the like, as they are written in the file and not computed
    by what is changed: the whole run makes the very same ones.
    """
    chosen = [
        step
        for step in kept.values()
        if _checks(step.returned)
        and _reached(step.ran, mutation)
        and all(map(_written, (*step.values, *step.named.values())))
    ]
    return sorted(chosen, key=lambda step: step.seconds)


def _checks(returned: Any) -> bool:
    listed = returned if isinstance(returned, list) else [returned]
    return bool(listed) and all(type(each).__name__ == "Check" for each in listed)


def _written(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_written, value))
    return value is None or type(value) in (int, str)


def _reached(ran: Ran, mutation: Mutation) -> bool:
    """Whether the changed function ran; a changed constant reaches whoever ran any function of its file."""
    if mutation.function.isupper() or mutation.function.strip("_").isupper():
        return any(file == mutation.file for file, _ in ran)
    return (mutation.file, mutation.function) in ran


def _steps(result: str) -> list[tuple[ModuleType, str, FunctionType]]:
    """The functions of the result's loaded checks, with their module and name."""
    own = f"crowdllm_theory_{result}"
    modules = [module for name, module in sys.modules.items() if name == own or name.startswith(f"{own}_")]
    return [
        (module, name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and name not in PARTS
    ]


def _key(step: FunctionType, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    named_values = ((key, _frozen(value)) for key, value in sorted(named.items()))
    return (step.__module__, step.__name__, *map(_frozen, values), *named_values)


def _frozen(value: Any) -> Any:
    """Lists as tuples, to be looked up; every value with its type, since 1 == 1.0 == True."""
    if isinstance(value, tuple | list):
        return (type(value), *map(_frozen, value))
    return type(value), value


def _place(file: Path, function: str, package: Path) -> tuple[str, str] | None:
    """File and name of a function of the package's calculators; None for all others."""
    if not file.is_relative_to(package) or file.is_relative_to(package / "verify"):
        return None
    return str(file.relative_to(package)), function


def _plain(value: Any) -> bool:
    """Values that nobody changes and that say all about themselves: numbers, texts, exact numbers, checks."""
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    if value is None or isinstance(value, bool | int | float | str | Fraction):
        return True
    kind = type(value)
    return kind.__name__ == "Check" or kind.__module__.startswith("sympy.core.")

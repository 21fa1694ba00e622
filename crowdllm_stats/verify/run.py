"""Run the checks of the results in ``theory/``."""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from crowdllm_stats._base.worker import before_pool, start_worker
from crowdllm_stats.verify.check import Check, Kind, Skipped, Statement
from crowdllm_stats.verify.load import find_results, load, select
from crowdllm_stats.verify.outcome import Outcome, Verification

#: Seed of the simulations.
SEED = 20261122


def verify(
    only: Iterable[str] = (),
    *,
    seed: int = SEED,
    simulate: bool = True,
    folders: Iterable[Path] | None = None,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Verification:
    """Run the checks of the results: symbolic, enumerated, numeric, counterexamples, simulations.

    A check that breaks off with an error counts as one that did not pass. What cannot be made here because a
    package is missing is reported as skipped.

    Args:
        only: names of the results to verify; all by default.
        seed: of the simulations.
        simulate: make the simulations too.
        folders: where to look for results, whose code is run; the package's own by default.
        workers: processes to spread the results over; the outcome does not depend on it.
        progress: called with the name of each result that is done.

    Returns:
        Verification, results in the paper's order.

    Raises:
        ValueError: on an unknown name.
        FileNotFoundError: if no result is found.
        ModuleNotFoundError: if SymPy is not installed.

    Example:
        >>> verify(["theorem1"], simulate=False).passed
        True
    """
    chosen = select(find_results(folders), only)
    require_sympy()
    tasks = [(folder, seed, simulate) for folder in chosen.values()]
    outcomes = []
    for outcome in _outcomes(tasks, min(workers, len(tasks))):
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome.statement.name)
    return Verification(tuple(outcomes), seed if simulate else None)


def require_sympy() -> None:
    """Stop early where SymPy is missing.

    Raises:
        ModuleNotFoundError: naming the extra that brings it.
    """
    if importlib.util.find_spec("sympy") is None:
        raise ModuleNotFoundError("the checks need SymPy: pip install 'crowdllm-stats[theory]'", name="sympy")


def _outcomes(tasks: list[tuple[Path, int, bool]], workers: int) -> Iterator[Outcome]:
    if workers <= 1:
        yield from map(run_folder, tasks)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
    before_pool()
    with ProcessPoolExecutor(workers, mp_context=fresh, initializer=start_worker) as pool:
        yield from pool.map(run_folder, tasks)


def run_folder(task: tuple[Path, int, bool]) -> Outcome:
    """The outcome of one folder: its checks without chance, then the simulations.

    A check that breaks off counts as one that did not pass, with the error as its evidence.

    Args:
        task: folder of the result, seed, and whether to make the simulations; one argument, so that
            processes can share the folders out among them.
    """
    folder, seed, simulate = task
    start = time.perf_counter()
    try:
        theory = load(folder)
    except Exception as error:
        unknown = Statement(folder.name, folder.name, "", "not known", "")
        return Outcome(unknown, (_broken("load", error),), folder, time.perf_counter() - start)
    made = _attempt("symbolic", theory.symbolic)
    if simulate:
        made += _attempt("simulated", lambda: theory.simulated(seed))
    checks = [each for each in made if isinstance(each, Check)]
    checks += _twice(checks)
    skipped = tuple(each for each in made if isinstance(each, Skipped))
    return Outcome(theory.statement, tuple(checks), folder, time.perf_counter() - start, skipped)


def _attempt(name: str, make: Callable[[], Sequence[Check | Skipped]]) -> list[Check | Skipped]:
    try:
        return list(make())
    except Exception as error:
        return [_broken(name, error)]


def _broken(name: str, error: Exception) -> Check:
    kind: Kind = "simulation" if name == "simulated" else "numeric"
    said = f"broke off with {type(error).__name__}: {error}"
    return Check(f"{name}()", kind, "exact", "the checks run to their end", False, True, said)


def _twice(checks: list[Check]) -> list[Check]:
    """A failed check where two have the same name: a reader could not tell which did not pass."""
    names = [check.name for check in checks]
    double = sorted({name for name in names if names.count(name) > 1})
    if not double:
        return []
    return [Check("names", "numeric", "exact", "names are unique", False, True, f"given twice: {', '.join(double)}")]


def main(statement: Statement, symbolic: Callable[[], Sequence[Check | Skipped]]) -> int:
    """Run one file's checks without chance and print one line per check, skipped ones too; for the end of the file.

    Returns:
        0 when all passed, else 1.

    Example:
        >>> check = Check("sum", "numeric", "exact", "1 + 1 = 2", True, True, "difference 0")
        >>> main(Statement("sum", "A sum", "1 + 1 = 2", "holds", "1 + 1 = 2"), lambda: [check])
        sum: holds
          passed      sum: 1 + 1 = 2 [difference 0]
        0
    """
    print(f"{statement.name}: {statement.verdict}")
    made = symbolic()
    for skipped in (each for each in made if isinstance(each, Skipped)):
        print(f"  SKIPPED     {', '.join(skipped.names)} [{skipped.reason}]")
    checks = [each for each in made if isinstance(each, Check)]
    for check in checks:
        word = "passed    " if check.passed else "NOT passed"
        print(f"  {word}  {check.name}: {check.says} [{check.evidence}]")
    return 0 if all(check.passed for check in checks) else 1

"""Run a study: the blocks that are not there yet, in this process or in several, and what they took."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.cluster import check_address, on_cluster
from crowdllm_stats._base.worker import before_pool, start_worker
from crowdllm_stats.studies.engine.compute import Computed, compute_block, layout_of
from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.store import Store

#: One thread of linear algebra a process: the processes share the cores, and sums keep their order.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

#: What an engine does: compute the numbered blocks, in any order.
Engine = Callable[[Design, Iterable[int]], Iterator[Computed]]


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        computed: blocks computed now.
        found: blocks that were there.
        seconds: from beginning to end.
        prepare_seconds: summed over the blocks, of compiling and the like.
        run_seconds: summed over the blocks, of the rest.
    """

    computed: int
    found: int
    seconds: float
    prepare_seconds: float
    run_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.computed} blocks computed, {self.found} found, in {self.seconds:.1f} s "
            f"(work {self.run_seconds:.1f} s, preparing {self.prepare_seconds:.1f} s, summed over processes)"
        )


def run_study(
    design: Design,
    store: Store,
    *,
    engine: Engine | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RunSummary:
    """Compute and store every block that is not there yet.

    Args:
        design: the study.
        store: where its blocks go.
        engine: by default :func:`in_this_process`; see also :func:`processes` and :func:`cluster`.
        resume: insist that the store was begun before.
        progress: called with (finished blocks, all blocks).

    Raises:
        ValueError: if the store is of another design, in use, or holds a block that is damaged or not its own.
        OSError: if a block cannot be written; those before it stay.
        RuntimeError: if the simulator fails or a worker process dies.
    """
    begin = time.perf_counter()
    plan = layout_of(design)
    total = len(plan.blocks)
    if store.complete():  # nothing is written: a folder that can only be read will do
        store.finished()
        if progress is not None:
            progress(total, total)
        return RunSummary(0, total, time.perf_counter() - begin, 0.0, 0.0)
    with store.writing(resume=resume):
        there = store.finished()
        wanted = [block.number for block in plan.blocks if block.number not in there]
        done, prepare, work = len(there), 0.0, 0.0
        if progress is not None:
            progress(done, total)
        for result in (engine or in_this_process)(design, wanted):
            store.write(result.number, result.content)
            store.note_time(result.number, result.shape, result.prepare_seconds, result.run_seconds)
            done, prepare, work = done + 1, prepare + result.prepare_seconds, work + result.run_seconds
            if progress is not None:
                progress(done, total)
        return RunSummary(len(wanted), len(there), time.perf_counter() - begin, prepare, work)


def in_this_process(design: Design, numbers: Iterable[int]) -> Iterator[Computed]:
    """One block after the other, here; for notebooks and tests.

    Args:
        design: the study.
        numbers: of the blocks wanted.

    Raises:
        RuntimeError: if the simulator fails.
    """
    for number in numbers:
        yield compute_block(design, number)


def processes(workers: int) -> Engine:
    """An engine of so many processes on this machine, each with one thread of linear algebra.

    Raises:
        ValueError: on fewer than one.
    """
    check_count("workers", workers)

    def engine(design: Design, numbers: Iterable[int]) -> Iterator[Computed]:
        import multiprocessing
        from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
        from concurrent.futures.process import BrokenProcessPool

        left = iter(list(numbers))
        context = multiprocessing.get_context("spawn")
        before_pool()
        with (
            _environment({**ONE_THREAD, **layout_of(design).simulator.environment}),
            ProcessPoolExecutor(workers, context, start_worker) as pool,
        ):
            waiting: set[Future[Computed]] = set()
            try:
                while True:
                    while len(waiting) < 2 * workers and (number := next(left, None)) is not None:
                        waiting.add(pool.submit(compute_block, design, number))
                    if not waiting:
                        return
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield future.result()
            except BrokenProcessPool:
                raise RuntimeError(
                    "a worker process was ended from outside (out of memory?); all finished blocks are kept: run "
                    "'study resume', with fewer --workers if memory is short"
                ) from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    return engine


def default_workers() -> int:
    """Cores that this process may use, at least 1: on Linux those that ``taskset`` or a container leaves to it.

    Example:
        >>> 1 <= default_workers() <= (os.cpu_count() or 1)
        True
    """
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cluster(scheduler: str, *, timeout: float = 10.0) -> Engine:
    """An engine on a Dask cluster; the bytes of every block are those of the other engines on the same kind of machine.

    A worker that dies loses nothing: its blocks are computed again elsewhere. The workers need this package, and one
    thread each (``dask worker --nthreads 1``; Dask itself sets OMP_NUM_THREADS to 1) for the same bytes as here. On one
    machine :func:`processes` does the same without Dask.

    Args:
        scheduler: address such as "tcp://10.0.0.5:8786".
        timeout: seconds to wait for the scheduler's answer.

    Raises:
        ValueError: on something that is not an address, or where nobody answers.
        ModuleNotFoundError: without Dask (``crowdllm-stats[dask]``).

    Example:
        >>> cluster("10.0.0.5")
        Traceback (most recent call last):
        ...
        ValueError: scheduler must be an address such as tcp://host:8786; got '10.0.0.5' (on one machine: --workers)
    """
    check_address(scheduler)

    def engine(design: Design, numbers: Iterable[int]) -> Iterator[Computed]:
        yield from on_cluster(scheduler, functools.partial(compute_block, design), numbers, timeout=timeout)

    return engine

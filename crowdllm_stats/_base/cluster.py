"""Numbered pieces of work on a Dask cluster: few at a time are on their way, and a worker that dies loses nothing."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TypeVar

Piece = TypeVar("Piece")


def check_address(scheduler: str) -> None:
    """Refuse what is not the address of a scheduler.

    Raises:
        ValueError: on a text without "://".
    """
    if "://" not in scheduler:
        raise ValueError(
            f"scheduler must be an address such as tcp://host:8786; got {scheduler!r} (on one machine: --workers)"
        )


def on_cluster(
    scheduler: str, work: Callable[[int], Piece], numbers: Iterable[int], *, timeout: float = 10.0
) -> Iterator[Piece]:
    """What the work gives for each number, in the order in which it is done.

    What a worker that dies had at work is done again elsewhere. At most four pieces a worker are on their way, so that
    neither the scheduler's memory nor this process's grows with their number.

    Args:
        scheduler: address such as "tcp://10.0.0.5:8786".
        work: a function of one number alone, which the workers import from this package.
        numbers: of the pieces.
        timeout: seconds to wait for the scheduler's answer.

    Raises:
        ValueError: on something that is not an address, or where nobody answers.
        RuntimeError: if one piece ends worker after worker, or the scheduler is gone.
        ModuleNotFoundError: without Dask (``crowdllm-stats[dask]``).
    """
    check_address(scheduler)
    from distributed import Client, KilledWorker, as_completed

    try:
        connected = Client(scheduler, timeout=timeout)
    except OSError as error:
        said = " ".join(str(error).split())[:100]
        raise ValueError(f"no Dask scheduler answers at {scheduler}: {said}") from None
    with connected as client, _quiet("distributed.client"):  # which prints tracebacks of what is told below
        ahead = 4 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        waiting = (client.submit(work, number, pure=False) for number in numbers)
        running = as_completed(itertools.islice(waiting, ahead))
        try:
            for future in running:
                yield future.result()
                future.release()
                running.update(itertools.islice(waiting, 1))
        except KilledWorker as error:
            raise RuntimeError(
                f"a block ended several workers one after the other (out of memory?): {error}; all finished blocks "
                "are kept"
            ) from None
        except CancelledError:
            raise RuntimeError(
                f"the Dask scheduler at {scheduler} is gone; all finished blocks are kept: start one and go on"
            ) from None


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Within it a logger says nothing."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def need_dask(option: str) -> None:
    """Refuse an option that needs Dask where it is not installed.

    Raises:
        ValueError: naming the extra.
    """
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise ValueError(f"{option} needs Dask: pip install 'crowdllm-stats[dask]'")

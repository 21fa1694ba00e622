"""The same blocks on a Dask cluster: on other machines, or on a local cluster of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from crowdllm_stats._base.worker import before_pool

from .compute import Computed, compute_block, plan_of
from .design import Design
from .run import ONE_THREAD, Engine


def cluster(scheduler: str, workers: int = 2, *, timeout: float = 10.0) -> Engine:
    """An engine on a Dask cluster; the bytes of every block are those of the other engines on the same kind of machine.

    A worker that dies loses nothing: its blocks are computed again elsewhere. The workers need this package, and one
    thread each (``dask worker --nthreads 1``; Dask itself sets OMP_NUM_THREADS to 1) for the same bytes as here.

    Args:
        scheduler: address such as "tcp://10.0.0.5:8786", or "local" for a cluster of processes on this machine.
        workers: processes of a local cluster.
        timeout: seconds to wait for the scheduler's answer.

    Raises:
        ValueError: on an address that is none, or where nobody answers.
        ModuleNotFoundError: without Dask (``crowdllm-stats[dask]``).

    Example:
        >>> cluster("10.0.0.5")
        Traceback (most recent call last):
        ...
        ValueError: scheduler must be "local" or an address such as tcp://host:8786; got '10.0.0.5'
    """
    if scheduler != "local" and "://" not in scheduler:
        raise ValueError(f'scheduler must be "local" or an address such as tcp://host:8786; got {scheduler!r}')

    def engine(design: Design, numbers: Iterable[int]) -> Iterator[Computed]:
        from distributed import KilledWorker, as_completed

        left = iter(list(numbers))
        with _connected(scheduler, workers, design, timeout) as client:
            # a few blocks ahead of the workers, so that memory does not grow with the study
            ahead = 4 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
            running = as_completed(
                _submit(client, design, number) for _, number in zip(range(ahead), left, strict=False)
            )
            try:
                for future in running:
                    yield future.result()
                    future.release()
                    for number in left:
                        running.add(_submit(client, design, number))
                        break
            except KilledWorker as error:
                raise RuntimeError(
                    f"a block ended several workers one after the other (out of memory?): {error}; all finished blocks "
                    "are kept"
                ) from None

    return engine


def _submit(client: Any, design: Design, number: int) -> Any:
    return client.submit(compute_block, design, number, pure=False)


@contextmanager
def _connected(scheduler: str, workers: int, design: Design, timeout: float) -> Iterator[Any]:
    """A client of the scheduler, or of a local cluster that ends with it."""
    from distributed import Client, LocalCluster

    if scheduler == "local":
        before_pool()
        environment = {**ONE_THREAD, **plan_of(design).simulator.environment}
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                host="127.0.0.1",
                env=environment,
            ) as made,
            Client(made) as client,
        ):
            yield client
        return
    try:
        outside = Client(scheduler, timeout=timeout)
    except OSError as error:
        raise ValueError(f"no Dask scheduler answers at {scheduler}: {' '.join(str(error).split())[:100]}") from None
    with outside as client:
        yield client

"""Random numbers of many replicates at once, each replicate's own and the same in whatever block it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from crowdllm_stats.inference.checks import FloatArray

from .simulator import Job

#: Philox gives four numbers for each step of its counter.
_STEP = 4


def uniforms(jobs: Sequence[Job], purpose: str, width: int) -> FloatArray:
    """Numbers in (0, 1), a row of ``width`` for each job of one cell.

    Philox keyed by (study seed, cell, purpose), its counter by the replicate: row r can be had without the rows before
    it, and drawing a run of replicates is one call.

    Args:
        jobs: of one cell, replicates in any order.
        purpose: keeps streams for different uses apart.
        width: numbers for each job.

    Returns:
        Shape (jobs, width); numbers have 52 bits and are never 0 or 1.

    Raises:
        ValueError: if the jobs are of several cells.

    Example:
        >>> whole = uniforms([Job({}, r, 1, "a") for r in range(9)], "answers", 6)
        >>> bool((uniforms([Job({}, 7, 1, "a")], "answers", 6) == whole[7]).all())
        True
    """
    first = jobs[0]
    if any((job.seed, job.cell_name) != (first.seed, first.cell_name) for job in jobs):
        raise ValueError("uniforms draws for the jobs of one cell; these are of several")
    replicates = np.array([job.replicate for job in jobs])
    start, stop = int(replicates.min()), int(replicates.max()) + 1
    steps = -(-width // _STEP)
    digest = hashlib.sha256(f"{first.seed}|{first.cell_name}|{purpose}".encode()).digest()
    source = np.random.Philox(key=int.from_bytes(digest[:16], "big"), counter=start * steps)
    raw = source.random_raw((stop - start) * steps * _STEP).reshape(stop - start, steps * _STEP)[:, :width]
    if stop - start != len(jobs) or np.any(np.diff(replicates) != 1):
        raw = raw[replicates - start]
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

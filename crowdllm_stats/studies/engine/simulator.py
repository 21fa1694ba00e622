"""The interface of every simulator: what a study can vary, and the numbers that come out of one block of jobs.

A study is a grid of cells (one value for each factor) times replicates; one (cell, replicate) pair is a :class:`Job`.
The engine cuts the jobs into blocks, gives every block to :meth:`Simulator.run`, and stores what it returns. To add a
simulator: subclass :class:`Simulator`, and name it in ``crowdllm_stats/studies/engine/compute.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base import random
from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.parameters import Parameter, Value, cell_text

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.results import Facets, Results
    from crowdllm_stats.studies.engine.verdicts import Verdict

#: Outcomes that the measures of interval estimates are made of; a simulator may have any others beside or instead.
STANDARD = ("estimate", "standard_error", "lower", "upper", "truth", "null")


@dataclasses.dataclass(frozen=True)
class Job:
    """One (cell, replicate) pair, with the random numbers that belong to it.

    Attributes:
        cell: value of every parameter, factors and fixed ones and defaults alike.
        replicate: 0, 1, 2, ...
        seed: the study's seed.
        cell_name: the cell as text; with ``seed`` and ``replicate`` it is the coordinate of all own random numbers.

    Example:
        >>> one, other = Job({"n": 5}, 0, 1, "n=5"), Job({"n": 8}, 0, 1, "n=8")
        >>> bool(one.own_rng("noise").random() == other.own_rng("noise").random())
        False
        >>> bool(one.shared_rng("questions").random() == other.shared_rng("questions").random())
        True
    """

    cell: Mapping[str, Value]
    replicate: int
    seed: int
    cell_name: str

    def own_rng(self, *purpose: str) -> np.random.Generator:
        """Random numbers from (study seed, cell values, replicate) and what they are for."""
        return random.generator(self.seed, "own", self.cell_name, str(self.replicate), *purpose)

    def shared_rng(self, *purpose: str) -> np.random.Generator:
        """Random numbers from (study seed, replicate) alone: the same in every cell."""
        return random.generator(self.seed, "shared", str(self.replicate), *purpose)


def uniforms(jobs: Sequence[Job], purpose: str, width: int) -> FloatArray:
    """Numbers in (0, 1), a row of ``width`` for each job of one cell: :func:`crowdllm_stats._base.random.uniforms`.

    Args:
        jobs: of one cell, replicates in any order.
        purpose: keeps streams for different uses apart.
        width: numbers for each job.

    Returns:
        Shape (jobs, width).

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
    run = range(int(replicates.min()), int(replicates.max()) + 1)
    rows = random.uniforms(first.seed, first.cell_name, purpose, run, width)
    return np.asarray(rows[replicates - run.start])


class Simulator:
    """One data-generating mechanism with the methods that are tried on it. A subclass sets the three attributes and
    :meth:`run`; an instance holds no state that a result depends on.

    Attributes:
        parameters: everything a study can fix or vary.
        methods: names a study can list under ``methods``.
        outcomes: numbers that come out of every (job, method); those of :data:`STANDARD` have their known meaning and
            make the measures bias, coverage, width and so on possible. A measure of any other outcome is its mean.
        proportions: the outcomes that are 0 or 1; their mean is a share, with a Wilson interval.
        optional: outcomes that a method may not have: NaN there is not a failure, measures of it are left empty.
        block: jobs of one block, unless the study says; a block takes about a second at best.
        results: version of its results, part of a study's identity: to be raised whenever a change of code changes a
            number that comes out, so that older blocks are refused instead of mixed with new ones.
        environment: variables set in worker processes before they import anything, for instance XLA_FLAGS.
    """

    parameters: Mapping[str, Parameter]
    methods: Sequence[str]
    outcomes: Sequence[str]
    proportions: Sequence[str] = ()
    optional: Sequence[str] = ()
    block: int = 500
    results: int = 1
    environment: Mapping[str, str] = {}

    def refuses(self, cell: Mapping[str, Value], method: str) -> str | None:
        """Why a method does not apply in a cell, in a few words; None where it applies."""
        return None

    def check(self, cell: Mapping[str, Value]) -> None:
        """Refuse values that do not go together, before anything runs.

        Raises:
            ValueError: naming the parameters.
        """

    def shape(self, cell: Mapping[str, Value]) -> str:
        """Cells of equal text share blocks, as those of one compiled program do; by default each cell has its own."""
        return cell_text(cell, self.parameters)

    def prepare(self, jobs: Sequence[Job], methods: Sequence[str]) -> None:
        """Work that is timed apart from :meth:`run`, such as compiling; called in the same process, before it.

        May be called several times for one shape, so it should be quick when there is nothing to do.
        """
        return

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Outcome -> array of shape (jobs, methods).

        ``jobs`` always has the block's full length: the last block of a shape is filled up with copies of its last
        job, whose results are thrown away. All have the same :meth:`shape`. ``methods`` are those that apply (no skip)
        in at least one cell of the block. NaN in any outcome says that the method failed on this replicate: the engine
        counts it, by method and cell. What comes out may depend on the jobs alone, never on other blocks.
        """
        raise NotImplementedError

    def draw(self, results: Results, folder: Path) -> Mapping[str, Path]:
        """Pictures of the simulator's own, beyond those of the study file: title -> PNG written to ``folder``."""
        return {}

    def facets(self, results: Results) -> Sequence[Facets]:
        """The simulator's own pictures as numbers, for reports that are drawn elsewhere."""
        return ()

    def conclude(self, results: Results) -> Sequence[Verdict]:
        """Verdicts of the simulator's own, beyond the claims of the study file."""
        return ()

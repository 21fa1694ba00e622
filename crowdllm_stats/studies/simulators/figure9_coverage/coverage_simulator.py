"""Figure 9's fits as a coverage study: what their digital answers let one conclude about a known population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.parameters import Parameter, Value, cell_text
from crowdllm_stats.studies.engine.simulator import Job, Simulator
from crowdllm_stats.studies.simulators.figure9.samples import sizes, steps_wanted, whole
from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9
from crowdllm_stats.studies.simulators.figure9_coverage.judging import INTERVALS, OUTCOMES, SAFE

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.results import Results
    from crowdllm_stats.studies.engine.verdicts import Verdict

#: Methods that ask nobody, and so apply whatever people there are.
KNOWING = ("safe-published", "safe-exact")


class Figure9Coverage(Simulator):
    """Every fit of Figure 9, judged by n people per question; ``simulations/coverage_figure9.toml`` uses it.

    A job is a fit with a way to judge it. Jobs of a block that differ in that way alone share one fit, whose random
    numbers are those that Figure 9's own study gives it: with the same study seed it is the same fit. The crowd's
    profiles belong to the replicate, its beliefs to the fit, the fresh people and their twins to the job.

    Outcomes are shares and means over a replicate's questions: a question alone is no replicate, since those of one
    fit stand and fall together.
    """

    parameters: Mapping[str, Parameter] = {
        **{name: known for name, known in FIGURE9.parameters.items() if name != "virtual"},
        "people": Parameter(
            "who judges: new people at held-out questions, or the fit's own at training questions",
            "choice",
            "fresh",
            choices=("fresh", "in-sample"),
        ),
        "n": Parameter("people per question", "whole", least=2, most=1000),
        "N": Parameter("virtual people per question, the crowd", "whole", 100, least=2, most=100_000),
        "level": Parameter("nominal confidence", default=0.95, least=0.01, most=0.9999),
    }
    methods: Sequence[str] = (*INTERVALS, *SAFE)
    outcomes: Sequence[str] = OUTCOMES
    optional: Sequence[str] = OUTCOMES[1:]
    block = 60
    results = 2
    environment: Mapping[str, str] = FIGURE9.environment

    def refuses(self, cell: Mapping[str, Value], method: str) -> str | None:
        """In-sample people where a question has fewer than n of them on average, and a slope from two people."""
        if method == "ppi++-small" and cell["n"] == 2:
            return "it needs 3 people"
        if cell["people"] == "fresh" or method in KNOWING:
            return None
        pool, held_out = sizes(cell)
        if whole(cell, "workers") * whole(cell, "questions") < whole(cell, "n") * (pool - held_out):
            return "a training question has fewer than n answers on average"
        return None

    def check(self, cell: Mapping[str, Value]) -> None:
        """Refuse what Figure 9 refuses, and fewer training questions than held-out ones.

        Raises:
            ValueError: naming the parameters.
        """
        FIGURE9.check(cell)
        pool, held_out = sizes(cell)
        if 2 * held_out > pool:
            raise ValueError(
                f"held_out {cell['held_out']} leaves fewer training than held-out questions, of which equally many "
                "are judged; give at most 0.5"
            )

    def shape(self, cell: Mapping[str, Value]) -> str:
        """As Figure 9: cells of equally many answers and steps; the answers of a fit are W Q."""
        return FIGURE9.shape(cell)

    def prepare(self, jobs: Sequence[Job], methods: Sequence[str]) -> None:
        """Compile: a few steps, then everything else once."""
        from crowdllm_stats.studies.simulators.fits import PIECE

        cells = [job.cell for job in jobs]
        steps = min(PIECE, steps_wanted(cells[0]))
        ways = frozenset((str(cell["people"]), whole(cell, "n"), whole(cell, "N")) for cell in cells)
        answers = whole(cells[0], "workers") * whole(cells[0], "questions")
        key = (len(_fits_of(jobs)), answers, whole(cells[0], "batch"), steps, ways)
        if key not in _COMPILED:
            self._judge(jobs, methods, steps)
            _COMPILED.add(key)

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Fit, let people judge; every outcome has shape (jobs, methods)."""
        return self._judge(jobs, methods, steps_wanted(jobs[0].cell))

    def draw(self, results: Results, folder: Path) -> Mapping[str, Path]:
        """What the intervals and the safe intervals are worth, in one picture."""
        from crowdllm_stats.studies.simulators.figure9_coverage.coverage_picture import draw_coverage
        from crowdllm_stats.studies.simulators.figure9_coverage.coverage_verdicts import judged_fits

        file = folder / "coverage_figure9.png"
        draw_coverage(judged_fits(results)).savefig(file, dpi=110, metadata={"Software": None})
        return {"Coverage and width over Figure 9's grid; statements about the safe interval": file}

    def conclude(self, results: Results) -> Sequence[Verdict]:
        """Whether every method keeps its level, a run (reading and training length) at a time."""
        from crowdllm_stats.studies.simulators.figure9_coverage.coverage_verdicts import judged_fits, verdicts

        return verdicts(judged_fits(results), float(results.design.full_cell({})["level"]))  # type: ignore[arg-type]

    def _judge(self, jobs: Sequence[Job], methods: Sequence[str], steps: int) -> dict[str, FloatArray]:
        from crowdllm_stats.studies.simulators.figure9_coverage.judging import judge
        from crowdllm_stats.studies.simulators.figure9_coverage.trained_crowd import TrainedCrowd

        told = [figure9_job(job) for job in jobs]
        trained = TrainedCrowd.fit(_fits_of(jobs), steps)
        found = {name: np.full((len(jobs), len(methods)), np.nan) for name in self.outcomes}
        for group in trained.groups(jobs, told):
            for column, method in enumerate(methods):
                said = judge(method, group.asked if method in KNOWING else group.answered)
                for name, values in said.items():
                    found[name][group.rows, column] = values
        return found


#: What this process has compiled already.
_COMPILED: set[tuple[int, int, int, int, frozenset[tuple[str, int, int]]]] = set()


def figure9_job(job: Job) -> Job:
    """The job of Figure 9's study that fits the generator: the same seed and replicate, the cell without judges.

    Example:
        >>> cell = {"workers": 2, "questions": 5, "n": 10, "people": "fresh", "batch": 32}
        >>> figure9_job(Job(cell, 3, 909, "")).cell_name
        'questions=5;workers=2'
    """
    known = FIGURE9.parameters
    cell = {name: value for name, value in job.cell.items() if name in known}
    return Job(cell, job.replicate, job.seed, cell_text(cell, known))


def _fits_of(jobs: Sequence[Job]) -> list[Job]:
    """The different fits behind the jobs, in the order of their first appearance."""
    told = [figure9_job(job) for job in jobs]
    return list({(one.cell_name, one.replicate): one for one in told}.values())


FIGURE9_COVERAGE = Figure9Coverage()

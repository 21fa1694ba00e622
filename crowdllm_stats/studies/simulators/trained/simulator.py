"""Interval methods with a generator fitted in every replicate, its twins being of people it has seen or not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.parameters import Parameter, Value, cell_text
from crowdllm_stats.studies.engine.simulator import STANDARD, Job, Simulator
from crowdllm_stats.studies.simulators.trained.kinds import FAMILIES, HIGHEST, LOWEST, RESIDUALS

if TYPE_CHECKING:
    from crowdllm_stats.studies.simulators.trained.digital import IntervalData

#: Methods that need one twin a person and one crowd; those that need a generator a fold; those that need bounds.
PAIRED = ("crowdllm", "ppi", "ppi++", "ppi-small", "ppi++-small")
FOLDED = ("cross-fitted", "cross-fitted-small")

#: Parameters that blocks may mix: they change numbers, not sizes.
_FREE = ("family", "noise", "level", "effect")


class TrainedSimulator(Simulator):
    """Humans from a real population, twins and crowd from generators fitted to a sample of it by the paper's objective.

    Each of n people answers the same T questions of the shipped population, ``y = y_ref + delta + noise N(0, 1)``, the
    belief with the effects that a person keeps over questions. A generator (Eq. 4, Figure 9's) learns from them, or one
    from each set of folds, or from n others; it answers for their twins and for a crowd of N new profiles. The
    interval of the first question drawn is judged, which is a random one: so replicates are independent, which the
    Monte Carlo errors of coverage need. ``covered`` is the share of all T questions whose interval contains the truth.

    Random numbers: questions are the replicate's, the same in all cells; people, fits and draws belong to the cell and
    the replicate.
    """

    parameters: Mapping[str, Parameter] = {
        "n": Parameter("people whose answers make the interval, each with a twin", "whole", least=2, most=1e4),
        "residuals": Parameter(
            "whom the twins' generator has seen", "choice", choices=RESIDUALS
        ),
        "family": Parameter(
            "answers as they are, or rounded and clipped to 1..5", "choice", "normal", choices=FAMILIES
        ),
        "N": Parameter("further digital answers, the crowd", "whole", 1000, least=2, most=1e5),
        "problems": Parameter("questions, all answered by everybody", "whole", 5, least=1, most=1500),
        "folds": Parameter("folds of people, residuals 'cross-fitted'", "whole", 5, least=2),
        "steps": Parameter("gradient steps of a fit", "whole", 200, least=1),
        "batch": Parameter("most answers of a gradient step", "whole", 32, least=1),
        "noise": Parameter("sd of the response noise sigma_e, rating units", default=0.65, least=0.0),
        "strangers": Parameter("people, n if that is more, that show what residuals of new people are", "whole", 200,
                               least=2, most=1e5),
        "population": Parameter("the real population: shipped", "choice", "offensiveness", choices=("offensiveness",)),
        "level": Parameter("nominal confidence", default=0.95, least=0.01, most=0.9999),
        "effect": Parameter("distance of the null value below the mean, in standard deviations", default=0.5),
    }  # fmt: skip
    methods: Sequence[str] = ("classical", "classical-small", *PAIRED, *FOLDED)
    outcomes: Sequence[str] = (*STANDARD, "covered", "seen_sd", "new_sd", "memory")
    optional: Sequence[str] = ("standard_error",)
    block = 10
    results = 2
    environment: Mapping[str, str] = {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "JAX_PLATFORMS": "cpu",
    }

    def refuses(self, cell: Mapping[str, Value], method: str) -> str | None:
        """Methods for other twins than the cell's, without the ends of the scale, and a slope from two people."""
        from crowdllm_stats.inference.intervals import METHODS

        wanted = METHODS[method]
        if wanted.folds and cell["residuals"] != "cross-fitted":
            return "it needs a generator for each fold"
        if wanted.digital and not wanted.folds and cell["residuals"] == "cross-fitted":
            return "it knows one generator, not one for each fold"
        if wanted.bounds == "needed" and cell["family"] == "normal":
            return "it needs the ends of the scale"
        if _whole(cell, "n") < wanted.least:
            return f"it needs {wanted.least} people"
        return None

    def check(self, cell: Mapping[str, Value]) -> None:
        """Refuse folds of unequal size: their fits run side by side.

        Raises:
            ValueError: if n is not a multiple of the folds, or the folds are more than half of n.
        """
        n, folds = _whole(cell, "n"), _whole(cell, "folds")
        if cell["residuals"] == "cross-fitted" and (n % folds or n < 2 * folds):
            raise ValueError(
                f"residuals 'cross-fitted' needs equal folds of 2 people or more; n is {n} and folds {folds}: "
                "let n be 2, 3, ... times folds"
            )

    def shape(self, cell: Mapping[str, Value]) -> str:
        """Cells of equal sizes share blocks: all but residuals, which count as folded or not, and what has no size."""
        sizes = {name: value for name, value in cell.items() if name not in (*_FREE, "residuals")}
        folded = "a fit a fold" if cell["residuals"] == "cross-fitted" else "one fit"
        return f"{cell_text(sizes, self.parameters)}; {folded}"

    def prepare(self, jobs: Sequence[Job], methods: Sequence[str]) -> None:
        """Read the population and compile, a piece of steps without results."""
        from crowdllm_stats.studies.simulators.fits import PIECE

        key = (len(jobs), self.shape(jobs[0].cell))
        if key not in _COMPILED:
            _simulate(jobs, steps=min(PIECE, _whole(jobs[0].cell, "steps")))
            _COMPILED.add(key)

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Draw, fit, answer, then every method; a method that the job's cell refuses has NaN."""
        found = {name: np.full((len(jobs), len(methods)), np.nan) for name in self.outcomes}
        made = _simulate(jobs, steps=_whole(jobs[0].cell, "steps"))
        for _, group in itertools.groupby(range(len(jobs)), key=lambda place: jobs[place].cell_name):
            places = list(group)
            cell = jobs[places[0]].cell
            allowed = [number for number, method in enumerate(methods) if self.refuses(cell, method) is None]
            part = _intervals([jobs[place] for place in places], [made[place] for place in places],
                              [methods[number] for number in allowed])  # fmt: skip
            for name, values in part.items():
                found[name][np.ix_(places, allowed)] = values
        return found


#: Sizes that this process has compiled already.
_COMPILED: set[tuple[int, str]] = set()


def _simulate(jobs: Sequence[Job], steps: int) -> list[IntervalData]:
    """Humans, twins and crowd of a block's jobs, which are of one shape."""
    from crowdllm_stats.studies.simulators.population import real_population
    from crowdllm_stats.studies.simulators.trained.digital import answer_for, interval_data
    from crowdllm_stats.studies.simulators.trained.survey import draw_survey

    first = jobs[0].cell
    population = real_population(str(first["population"]))
    surveys = [
        draw_survey(
            job,
            population,
            questions=_whole(first, "problems"),
            n=_whole(first, "n"),
            strangers=_whole(first, "strangers"),
            crowd=_whole(first, "N"),
            family=str(job.cell["family"]),
            noise=_number(job.cell, "noise"),
        )
        for job in jobs
    ]
    folds = _whole(first, "folds") if first["residuals"] == "cross-fitted" else None
    digital = answer_for(jobs, surveys, population, folds=folds, batch=_whole(first, "batch"), steps=steps)
    return [
        interval_data(survey, one, str(job.cell["residuals"]))
        for job, survey, one in zip(jobs, surveys, digital, strict=True)
    ]


def _intervals(jobs: Sequence[Job], made: Sequence[IntervalData], methods: Sequence[str]) -> dict[str, FloatArray]:
    """Outcomes of one cell's jobs, each of shape (jobs, methods)."""
    from crowdllm_stats.inference.intervals import METHODS

    cell = jobs[0].cell
    sample = _sample_of(made, cell)
    laws = np.array([_truth(job) for job in jobs])
    mean, sd = laws[..., 0], laws[..., 1]
    shape = (len(jobs), len(methods))
    names = ("estimate", "standard_error", "lower", "upper", "covered")
    found = {name: np.full(shape, np.nan) for name in names}
    for place, method in enumerate(methods):
        core = METHODS[method](sample)
        found["estimate"][:, place] = core.estimate[:, 0]
        found["lower"][:, place] = core.lower[:, 0]
        found["upper"][:, place] = core.upper[:, 0]
        if core.variance is not None:
            found["standard_error"][:, place] = np.sqrt(core.variance[:, 0])
        found["covered"][:, place] = ((core.lower <= mean) & (mean <= core.upper)).mean(axis=1)
    seen, new = (np.array([getattr(one, name) for one in made]) for name in ("seen_sd", "new_sd"))
    same = {
        "truth": mean[:, 0],
        "null": mean[:, 0] - _number(cell, "effect") * sd[:, 0],
        "seen_sd": seen,
        "new_sd": new,
        "memory": seen / new,
    }
    return {**found, **{name: np.tile(values[:, None], (1, len(methods))) for name, values in same.items()}}


def _sample_of(made: Sequence[IntervalData], cell: Mapping[str, Value]) -> Any:
    """The checked input of every interval method: problems and people of the jobs side by side."""
    from crowdllm_stats.inference.intervals.sample import read_sample

    human, twins, crowd = (np.stack([getattr(one, name) for one in made]) for name in ("human", "twins", "crowd"))
    return read_sample(
        human,
        twins,
        crowd,
        level=_number(cell, "level"),
        bounds=(LOWEST, HIGHEST) if cell["family"] == "ordinal" else None,
        folds=made[0].folds,
    )


def _truth(job: Job) -> list[tuple[float, float]]:
    """Mean and sd of everybody's answers to each of a replicate's questions."""
    from crowdllm_stats.studies.simulators.population import real_population
    from crowdllm_stats.studies.simulators.trained.law import answer_laws
    from crowdllm_stats.studies.simulators.trained.survey import draw_questions

    population = real_population(str(job.cell["population"]))
    questions = draw_questions(job, population, _whole(job.cell, "problems"))
    laws = answer_laws(population, questions, str(job.cell["family"]), _number(job.cell, "noise"))
    return [(law.mean, law.sd) for law in laws]


def _whole(cell: Mapping[str, Value], name: str) -> int:
    return int(_number(cell, name))


def _number(cell: Mapping[str, Value], name: str) -> float:
    value: Any = cell[name]
    return float(value)


TRAINED = TrainedSimulator()

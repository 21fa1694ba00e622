"""The fits of a block with everything that is asked of them: twins of those who judge, and the crowd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.figure9.questions import Responses
from crowdllm_stats.studies.simulators.figure9.samples import (
    centre_of,
    learned,
    model_diversity_of,
    number,
    population_of,
    profile_noise_of,
    responses_of,
    whole,
)
from crowdllm_stats.studies.simulators.figure9_coverage.judging import Evidence
from crowdllm_stats.studies.simulators.figure9_coverage.people import (
    Judges,
    crowd_profiles,
    fresh_people,
    judged_questions,
    own_people,
)
from crowdllm_stats.studies.simulators.fits import PAPER, draw_beliefs, fit
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows

#: (text of the cell, replicate): names a fit.
Name = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Group:
    """Jobs that are judged together.

    Attributes:
        rows: places of the jobs in their block, (R,).
        asked: all their questions; ``human`` and ``twins`` may have NaN.
        answered: the questions that n people answered.
    """

    rows: list[int]
    asked: Evidence
    answered: Evidence


@dataclass(frozen=True, eq=False)
class TrainedCrowd:
    """F fits, what they learned from, and where each stands.

    Attributes:
        jobs: of Figure 9's study, one per fit.
        responses: what each fit learned from.
        params: trained weights, a leading axis of F.
        place: number of a fit by its name.
    """

    jobs: Sequence[Job]
    responses: Sequence[Responses]
    params: Params
    place: Mapping[Name, int]

    @classmethod
    def fit(cls, jobs: Sequence[Job], steps: int) -> TrainedCrowd:
        """Fit them side by side.

        Args:
            jobs: of Figure 9's study, of one shape.
            steps: gradient steps.
        """
        got = responses_of(jobs)
        batch = whole(jobs[0].cell, "batch")
        fits = fit([learned(*pair) for pair in zip(jobs, got, strict=True)], batch=batch, steps=steps)
        place = {(job.cell_name, job.replicate): number for number, job in enumerate(jobs)}
        return cls(jobs, got, jax.tree.map(np.asarray, fits.trained), place)

    def groups(self, jobs: Sequence[Job], told: Sequence[Job]) -> Iterator[Group]:
        """What judges of the jobs see: with fresh people all replicates of a cell at once, else a job at a time.

        Args:
            jobs: of the coverage study.
            told: the job of Figure 9's study behind each.
        """
        cells: dict[str, list[int]] = {}
        for row, job in enumerate(jobs):
            name = job.cell_name if job.cell["people"] == "fresh" else f"{job.cell_name}|{job.replicate}"
            cells.setdefault(name, []).append(row)
        crowds: dict[tuple[str, int], FloatArray] = {}
        for rows in cells.values():
            cell = jobs[rows[0]].cell
            people, size, n = str(cell["people"]), whole(cell, "N"), whole(cell, "n")
            if (people, size) not in crowds:
                crowds[people, size] = self._crowd(people, size)
            places = [self.place[told[row].cell_name, told[row].replicate] for row in rows]
            if people == "fresh":
                judges = [fresh_people(jobs[row], told[row], n) for row in rows]
            else:
                judges = [
                    own_people(told[row], self.responses[place], n) for row, place in zip(rows, places, strict=True)
                ]
            rngs = [jobs[row].own_rng("twins") for row in rows]
            twins = self._answers(places, judges, rngs)
            yield _group(rows, judges, twins, crowds[people, size][places], self.population, number(cell, "level"))

    @property
    def population(self) -> RealPopulation:
        """The real one."""
        return population_of(self.jobs[0])

    def _crowd(self, people: str, size: int) -> FloatArray:
        """Digital answers of every fit's crowd, (F, T, N)."""
        problem = [judged_questions(job, people)[0] for job in self.jobs]
        profiles = [
            crowd_profiles(
                self.population, job.seed, job.replicate, people, profile_noise_of(job), len(problem[0]), size
            )
            for job in self.jobs
        ]
        rngs = [job.own_rng("crowd", people, str(size)) for job in self.jobs]
        return digital_answers(
            self.population, self.params, *self._told(range(len(self.jobs))), problem, profiles, rngs
        )

    def _answers(
        self, places: Sequence[int], judges: Sequence[Judges], rngs: Sequence[np.random.Generator]
    ) -> FloatArray:
        """Digital answers of the judges' twins, (R, T, n)."""
        params = jax.tree.map(lambda leaf: leaf[np.asarray(places)], self.params)
        problem, profiles = [one.problem for one in judges], [one.profiles for one in judges]
        return digital_answers(self.population, params, *self._told(places), problem, profiles, rngs)

    def _told(self, places: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        centre = [centre_of(self.jobs[place], self.responses[place]) for place in places]
        return np.array(centre), np.array([model_diversity_of(self.jobs[place]) for place in places])


def _group(
    rows: list[int], judges: Sequence[Judges], twins: FloatArray, crowd: FloatArray, population: RealPopulation,
    level: float,
) -> Group:  # fmt: skip
    whole_pool = Evidence(
        human=np.stack([one.answers for one in judges]),
        twins=twins,
        crowd=crowd,
        reference=population.reference[np.stack([one.problem for one in judges])],
        truth=np.stack([one.truth for one in judges]),
        kappa=np.array([one.kappa for one in judges]),
        level=level,
    )
    if all(one.complete.all() for one in judges):
        return Group(rows, whole_pool, whole_pool)
    keep = judges[0].complete
    answered = Evidence(
        **{name: getattr(whole_pool, name)[:, keep] for name in ("human", "twins", "crowd", "reference", "truth")},
        kappa=whole_pool.kappa,
        level=level,
    )
    return Group(rows, whole_pool, answered)


def digital_answers(
    population: RealPopulation, params: Params, centre: FloatArray, diversity: FloatArray,
    problem: Sequence[Rows], profiles: Sequence[NDArray[np.floating[Any]]], rngs: Sequence[np.random.Generator],
) -> FloatArray:  # fmt: skip
    """``y_ref + one belief draw`` of every person by each of F fits, without further noise; shape (F, T, k).

    Twins and crowd answer by this one rule, so that at one question they follow one law, given the profile.

    Args:
        population: the real one, for questions and references.
        params: weights, a leading axis of F.
        centre: mean y_ref of each fit's training problems, (F,).
        diversity: factor on the belief's own randomness, (F,).
        problem: rows of the T questions, one array per fit.
        profiles: coded, (T, k, P) per fit.
        rngs: of the beliefs, one per fit.
    """
    tests, k = profiles[0].shape[:2]
    every = np.stack([np.repeat(one, k) for one in problem])
    v = np.stack([one.reshape(tests * k, -1) for one in profiles])
    reference = population.reference[every]
    psi = np.stack([rng.standard_normal((tests * k, PAPER.mixing_dim)) for rng in rngs])
    noise = np.stack([rng.standard_normal(tests * k) for rng in rngs])
    delta, _ = draw_beliefs(params, population.given[every], v, reference - centre[:, None], psi, noise, diversity)
    return np.asarray(reference + delta).reshape(len(rngs), tests, k)

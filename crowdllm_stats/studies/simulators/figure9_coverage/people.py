"""People whose answers judge a fit of Figure 9: new ones at held-out questions, or the very people it was fitted to."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.figure9.questions import Responses, training_truth
from crowdllm_stats.studies.simulators.figure9.samples import (
    number,
    population_of,
    profile_noise_of,
    questions_of,
    sizes,
    whole,
)
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.readings import reading

#: "fresh": new people at held-out questions; "in-sample": the fit's own people at questions they answered.
PEOPLE = ("fresh", "in-sample")


@dataclass(frozen=True, eq=False)
class Judges:
    """Human answers to T questions.

    Attributes:
        problem: rows of the questions, (T,).
        truth: the real population's mean answers, (T,).
        kappa: the 0.95 quantile of the gaps ``|truth - y_ref|`` of the whole pool, taken up to the next gap.
        answers: (T, n); NaN where fewer people answered the question.
        profiles: coded, (T, n, P).
    """

    problem: Rows
    truth: FloatArray
    kappa: float
    answers: FloatArray
    profiles: FloatArray

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Questions that n people answered, (T,)."""
        return np.asarray(np.isfinite(self.answers).all(axis=1))


def judged_questions(job: Job, people: str) -> tuple[Rows, FloatArray, float]:
    """Questions, truth and kappa: all held-out questions, or as many training questions, the first by their rows.

    Args:
        job: of Figure 9's study.
        people: one of :data:`PEOPLE`.
    """
    population, asked = population_of(job), questions_of(job)
    pool, held_out = sizes(job.cell)
    draws = whole(job.cell, "truth_draws")
    known = training_truth(population, job.seed, job.replicate, profile_noise_of(job), pool, held_out, draws)
    gaps = np.concatenate(
        [asked.truth - population.reference[asked.test], known - population.reference[asked.training]]
    )
    kappa = float(np.quantile(np.abs(gaps), 0.95, method="higher"))
    if people == "fresh":
        return asked.test, asked.truth, kappa
    return asked.training[: len(asked.test)], known[: len(asked.test)], kappa


def fresh_people(job: Job, told: Job, n: int) -> Judges:
    """n new people for each held-out question, every answer by another person.

    Args:
        job: gives the random numbers.
        told: of Figure 9's study.
        n: people per question.
    """
    population, cell = population_of(told), told.cell
    problem, truth, kappa = judged_questions(told, "fresh")
    rng, size = job.own_rng("fresh people"), len(problem) * n
    profiles = population.profiles(rng.random((size, population.n_uniforms)), profile_noise_of(told))
    every, epsilon = np.repeat(problem, n), number(cell, "diversity")
    meant = reading(str(cell["reading"]))
    delta = meant.beliefs(population, epsilon, every, np.arange(size), profiles, rng)
    answers = population.reference[every] + delta + number(cell, "noise") * rng.standard_normal(size)
    return Judges(problem, truth, kappa, answers.reshape(-1, n), profiles.reshape(len(problem), n, -1))


def own_people(told: Job, got: Responses, n: int) -> Judges:
    """The first n workers, in the order of their numbers, who answered each judged training question.

    Args:
        told: of Figure 9's study.
        got: the responses that the fit learned from.
        n: people per question.
    """
    problem, truth, kappa = judged_questions(told, "in-sample")
    answers = np.full((len(problem), n), np.nan)
    profiles = np.zeros((len(problem), n, got.profiles.shape[1]))
    for place, row in enumerate(problem):
        here = np.flatnonzero(got.problem == row)[:n]
        answers[place, : len(here)] = got.answer[here]
        profiles[place, : len(here)] = got.profiles[got.worker[here]]
    return Judges(problem, truth, kappa, answers, profiles)


@functools.lru_cache(maxsize=128)
def crowd_profiles(
    population: RealPopulation, seed: int, replicate: int, people: str, noise: float, questions: int, size: int
) -> NDArray[np.float32]:
    """Coded profiles of ``size`` virtual people for each question, (questions, size, P), shared by a replicate's cells.

    Args:
        population: whose profile generator makes them.
        seed: of the study.
        replicate: its number.
        people: one of :data:`PEOPLE`: other virtual people for other questions.
        noise: scale of the profile generator's noise.
        questions: how many.
        size: virtual people per question.
    """
    uniforms = generator(seed, "shared", str(replicate), "crowd", people).random(
        (questions * size, population.n_uniforms)
    )
    coded = population.profiles(uniforms, noise).astype(np.float32)
    return coded.reshape(questions, size, coded.shape[1])

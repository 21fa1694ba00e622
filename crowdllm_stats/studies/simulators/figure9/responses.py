"""What the workers of one cell answer: W workers, Q questions each, continuous answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.simulators.figure9.questions import Questions
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.readings import Reading


@dataclass(frozen=True, eq=False)
class Responses:
    """The W Q answers of a cell, worker after worker.

    Attributes:
        problem: rows of problems, (n,).
        worker: 0 to W - 1, (n,).
        profiles: coded profiles of the workers, (W, P).
        answer: ``y = y_ref + delta + sigma_e N(0, 1)``, (n,).
    """

    problem: Rows
    worker: Rows
    profiles: FloatArray
    answer: FloatArray


def ask(
    population: RealPopulation, asked: Questions, reading: Reading, epsilon: float, noise: float, workers: int,
    each: int, rng: np.random.Generator,
) -> Responses:  # fmt: skip
    """Let new workers answer.

    Args:
        population: the real one.
        asked: the replicate's questions; workers get training questions, each worker his own without repeats.
        reading: what epsilon means.
        epsilon: belief diversity.
        noise: sigma_e.
        workers: W.
        each: Q.
        rng: of everything drawn.

    Raises:
        ValueError: if there are fewer training questions than ``each``.
    """
    if each > len(asked.training):
        raise ValueError(f"{each} questions a worker are wanted; the pool has {len(asked.training)} training questions")
    profiles = population.profiles(rng.random((workers, population.n_uniforms)), reading.profile_noise(epsilon))
    orders = rng.permuted(np.tile(asked.training, (workers, 1)), axis=1)
    problem, worker = orders[:, :each].reshape(-1), np.repeat(np.arange(workers), each)
    delta = reading.beliefs(population, epsilon, problem, worker, profiles, rng)
    answer = population.reference[problem] + delta + noise * rng.standard_normal(workers * each)
    return Responses(problem, worker, profiles, answer)

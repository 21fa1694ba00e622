"""The questions of one replicate, the real population's mean answers to them, and what the workers of a cell answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.readings import Reading


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions of a replicate.

    Attributes:
        training: rows of problems that workers may get.
        test: rows of problems held out.
        truth: mean answer of the real population to each question of ``test``, without noise.
        between: variance over people of their mean belief about a question of ``test``, mean over these.
        within: mean variance of a person's own beliefs about it before what they keep, likewise.
    """

    training: Rows
    test: Rows
    truth: FloatArray
    between: float
    within: float


#: Questions that a process keeps: all that a study of a hundred replicates and a few columns asks for again and again.
KEPT = 1024


@functools.lru_cache(maxsize=KEPT)
def questions(
    population: RealPopulation, seed: int, replicate: int, noise: float, size: int, held_out: int, draws: int
) -> Questions:
    """Questions from (seed, replicate) alone: all cells of a replicate have the same, and the same people behind truth.

    ``truth_t = y_ref + (1 / n) sum_i m(x_t, v_i)`` over n people; the kept effects and the noise of single beliefs have
    mean 0 and are integrated out. The people are the same up to ``noise``, with which the population itself changes.

    Args:
        population: the real one.
        seed: of the study.
        replicate: its number.
        noise: scale of the profile generator's noise.
        size: questions of the pool.
        held_out: how many of them are held out.
        draws: n.

    Raises:
        ValueError: if the pool is larger than the population's problems, or nothing is left to train on.
    """
    total = len(population.reference)
    if not 0 < held_out < size <= total:
        raise ValueError(
            f"a pool of {size} questions with {held_out} held out needs 0 < held out < pool <= {total}, the number of "
            f"the population's questions: add pool = {min(size, total)} to the study's fixed values"
        )
    order = generator(seed, "shared", str(replicate), "questions").permutation(total)[:size]
    test, training = np.sort(order[:held_out]), np.sort(order[held_out:])
    uniforms = generator(seed, "shared", str(replicate), "truth").random((draws, population.n_uniforms))
    people = population.profiles(uniforms, noise)
    found = population.moments(test, people)
    truth = population.reference[test] + found.mean
    return Questions(training, test, truth, float(found.between.mean()), float(found.within.mean()))


@functools.lru_cache(maxsize=KEPT)
def training_truth(
    population: RealPopulation, seed: int, replicate: int, noise: float, size: int, held_out: int, draws: int
) -> FloatArray:
    """Mean answers of the real population to the training questions, shape (T,); arguments of :func:`questions`."""
    asked = questions(population, seed, replicate, noise, size, held_out, draws)
    uniforms = generator(seed, "shared", str(replicate), "truth").random((draws, population.n_uniforms))
    people = population.profiles(uniforms, noise)
    return population.reference[asked.training] + population.mean_belief(asked.training, people)


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
    population: RealPopulation, asked: Questions, reading: Reading, epsilon: float, noise: float, profiles: FloatArray,
    each: int, rng: np.random.Generator,
) -> Responses:  # fmt: skip
    """Let new workers answer.

    Args:
        population: the real one.
        asked: the replicate's questions; workers get training questions, each worker their own without repeats.
        reading: what epsilon means.
        epsilon: belief diversity.
        noise: sigma_e.
        profiles: coded profiles of the W workers, (W, P).
        each: Q.
        rng: of what is drawn here, which are questions, beliefs and noise.

    Raises:
        ValueError: if there are fewer training questions than ``each``.
    """
    if each > len(asked.training):
        raise ValueError(
            f"{each} questions per worker are wanted; the pool has {len(asked.training)} training questions"
        )
    workers = len(profiles)
    orders = rng.permuted(np.tile(asked.training, (workers, 1)), axis=1)
    problem, worker = orders[:, :each].reshape(-1), np.repeat(np.arange(workers), each)
    delta = reading.beliefs(population, epsilon, problem, worker, profiles, rng)
    answer = population.reference[problem] + delta + noise * rng.standard_normal(workers * each)
    return Responses(problem, worker, profiles, answer)

"""The digital answers of a replicate: generators fitted to its people, and what they answer for people and crowd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.fits import PAPER, FitSample, draw_beliefs, fit
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.trained.kinds import RESIDUALS, as_answers
from crowdllm_stats.studies.simulators.trained.survey import MadeSurvey


@dataclass(frozen=True, eq=False)
class Digital:
    """What a replicate's K generators answer, each for everybody; K is 1, or the folds.

    Attributes:
        learned: twins of the people to learn from, (K, n, T).
        strangers: twins of the strangers, (K, S, T).
        crowd: answers of the crowd, (K, N, T).
        folds: fold of each person to learn from, whom generator ``folds[i]`` has not seen, (n,); None where the one
            generator has seen all of them.
    """

    learned: FloatArray
    strangers: FloatArray
    crowd: FloatArray
    folds: Rows | None


@dataclass(frozen=True, eq=False)
class IntervalData:
    """What the intervals of a replicate are made of.

    Attributes:
        human: answers of n people, (T, n).
        twins: of these people, (T, n).
        crowd: (T, N); with folds (T, F, N).
        folds: see :class:`Digital`.
        seen_sd: sd of residuals, human answer less twin's, of people that the generator was fitted to.
        new_sd: the same of strangers.
    """

    human: FloatArray
    twins: FloatArray
    crowd: FloatArray
    folds: Rows | None
    seen_sd: float
    new_sd: float


def folds_of(n: int, folds: int) -> Rows:
    """Fold of each of n people, in turn; their order is that of drawing, so it is random already.

    Example:
        >>> folds_of(6, 3).tolist()
        [0, 1, 2, 0, 1, 2]
    """
    return np.asarray(np.arange(n) % folds)


def answer_for(
    jobs: Sequence[Job], surveys: Sequence[MadeSurvey], population: RealPopulation, *, folds: int | None,
    batch: int, steps: int,
) -> list[Digital]:  # fmt: skip
    """Fit the generators of J replicates and let them answer.

    Generator k of a replicate is fitted to all people to learn from, or to those outside fold k, by the paper's
    objective (:func:`crowdllm_stats.studies.simulators.fits.fit`); the k-th generators of all replicates side by side.
    Twins and crowd answer by one rule: a belief draw each for every question with mixing and noise draws of their own,
    ``y_ref + mu(x_t, v, psi) + s(x_t, v, psi) z``, no noise of the blender, rounded and clipped as the humans' answers.

    Args:
        jobs: whose random numbers are used, (J,).
        surveys: their people, of equal sizes.
        population: for coordinates and references of the questions.
        folds: number of folds; None for one generator that learns from all.
        batch: most answers of a gradient step.
        steps: of Adam.
    """
    n = len(surveys[0].learned.answers)
    fold = None if folds is None else folds_of(n, folds)
    parts = []
    for k in range(1 if folds is None else folds):
        chosen = np.arange(n) if fold is None else np.flatnonzero(fold != k)
        samples = [_sample(job, population, one, chosen, k) for job, one in zip(jobs, surveys, strict=True)]
        fits = fit(samples, batch=batch, steps=steps)
        parts.append(_draw(jobs, surveys, population, fits.trained, k))
    found = []
    for place, one in enumerate(surveys):
        answers = as_answers(np.stack([part[place] for part in parts]), one.family)
        learned, strangers, crowd = np.split(answers, [n, n + len(one.strangers.answers)], axis=1)
        found.append(Digital(learned, strangers, crowd, fold))
    return found


def interval_data(survey: MadeSurvey, digital: Digital, residuals: str) -> IntervalData:
    """The humans, twins and crowd that a kind of residuals stands for, and how much the generators remember.

    "in-sample": the people learned from, with twins by the generator that learned from them (Theorem 5's wording).
    "cross-fitted": the same people, each with the twin of the generator that has not seen them. "fresh": the first n
    strangers. Residuals' sds are about each question's and generator's own mean, pooled over questions and generators.

    Args:
        survey: the people.
        digital: their digital answers, with folds for "cross-fitted" and without for the others.
        residuals: one of :data:`RESIDUALS`.

    Raises:
        ValueError: on another kind, or digital answers of the other kind.
    """
    if (check_choice("residuals", residuals, RESIDUALS) == "cross-fitted") != (digital.folds is not None):
        raise ValueError(
            f"residuals {residuals!r} needs digital answers {'with' if digital.folds is None else 'without'} folds"
        )
    n = len(survey.learned.answers)
    human, crowd = survey.learned.answers, digital.crowd[0].T
    if digital.folds is not None:
        twins, crowd = digital.learned[digital.folds, np.arange(n)], digital.crowd.transpose(2, 0, 1)
    elif residuals == "in-sample":
        twins = digital.learned[0]
    else:
        human, twins = survey.strangers.answers[:n], digital.strangers[0, :n]
    seen = [
        survey.learned.answers[of] - digital.learned[k, of]
        for k in range(len(digital.learned))
        for of in [np.arange(n) if digital.folds is None else np.flatnonzero(digital.folds != k)]
    ]
    new = survey.strangers.answers - digital.strangers
    return IntervalData(
        human=human.T,
        twins=twins.T,
        crowd=crowd,
        folds=digital.folds,
        seen_sd=_spread(np.stack(seen)),
        new_sd=_spread(new),
    )


def _spread(residual: FloatArray) -> float:
    """Pooled sd of residuals (K, people, T) about the mean of each generator and question."""
    return float(np.sqrt(residual.var(axis=1, ddof=1).mean()))


def _centre(population: RealPopulation, survey: MadeSurvey) -> float:
    """Mean y_ref of the questions that a fit learns from: all of them."""
    return float(population.reference[survey.questions].mean())


def _sample(job: Job, population: RealPopulation, survey: MadeSurvey, chosen: Rows, k: int) -> FitSample:
    """What generator k learns from: the chosen people's answers."""
    people = survey.learned.those(chosen)
    count = len(survey.questions)
    problem = np.tile(survey.questions, len(chosen))
    reference = population.reference[problem]
    return FitSample(
        x=population.given[problem],
        v=np.repeat(people.profiles, count, axis=0),
        reference=reference,
        centred=reference - _centre(population, survey),
        answer=people.answers.reshape(-1),
        diversity=1.0,
        start=int(job.own_rng("start", str(k)).integers(2**32)),
        order=job.own_rng("batches", str(k)),
        draws=job.own_rng("draws", str(k)),
    )


def _draw(
    jobs: Sequence[Job], surveys: Sequence[MadeSurvey], population: RealPopulation, params: Params, k: int
) -> FloatArray:
    """Continuous answers of the k-th generators for everybody, (J, M, T), M = n + S + N."""
    everybody = [np.concatenate([one.learned.profiles, one.strangers.profiles, one.crowd]) for one in surveys]
    count = len(surveys[0].questions)
    questions = np.stack([np.tile(one.questions, len(everybody[0])) for one in surveys])
    size = questions.shape[1]
    psi = np.empty((len(jobs), size, PAPER.mixing_dim))
    noise = np.empty((len(jobs), size))
    for place, job in enumerate(jobs):
        rng = job.own_rng("digital", str(k))
        psi[place], noise[place] = rng.standard_normal((size, PAPER.mixing_dim)), rng.standard_normal(size)
    reference = population.reference[questions]
    centred = reference - np.array([_centre(population, one) for one in surveys])[:, None]
    v = np.stack([np.repeat(one, count, axis=0) for one in everybody])
    delta, _ = draw_beliefs(params, population.given[questions], v, centred, psi, noise, np.ones(len(jobs)))
    return np.asarray((reference + delta).reshape(len(jobs), -1, count))

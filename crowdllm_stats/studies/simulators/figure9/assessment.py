"""How far fitted generators are from the real population's mean answers to questions that nobody answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.studies.simulators.figure9.questions import Questions
from crowdllm_stats.studies.simulators.fits import Fits, draw_beliefs
from crowdllm_stats.studies.simulators.population import RealPopulation


@dataclass(frozen=True, eq=False)
class Examination:
    """The virtual workers that one fit is examined with.

    Attributes:
        asked: the questions.
        profiles: coded profiles of k virtual workers per held-out question, new ones for each, (T, k, P).
        psi: their mixing draws, (T, k, Q).
        noise: standard normal draws of their one belief, (T, k).
        centre: mean y_ref of the fit's training problems.
        diversity: factor on the belief's own randomness in the blender.
    """

    asked: Questions
    profiles: FloatArray
    psi: FloatArray
    noise: FloatArray
    centre: float
    diversity: float


@dataclass(frozen=True, eq=False)
class Grades:
    """Mean absolute error over the held-out questions, one number per fit.

    Attributes:
        trained: of the fitted generators.
        untrained: of the same generators before the first step, with the same virtual workers and draws.
        reference: of the bare y_ref.
        spread: mean s of the fitted belief over virtual workers and questions.
        spread_untrained: the same before the first step.
        answers: the virtual crowd's mean answers of the fitted generators, (F, T).
    """

    trained: FloatArray
    untrained: FloatArray
    reference: FloatArray
    spread: FloatArray
    spread_untrained: FloatArray
    answers: FloatArray


def examine(population: RealPopulation, fits: Fits, examinations: Sequence[Examination]) -> Grades:
    """Average the answers of k virtual workers per question, blender noise 0, and compare with the truth.

    Args:
        population: the real one.
        fits: F fits.
        examinations: one per fit, all of equal sizes.
    """
    count = len(examinations)
    tests, k = examinations[0].noise.shape
    problems = np.stack([np.repeat(one.asked.test, k) for one in examinations])
    x, v = population.given[problems], np.stack([one.profiles.reshape(tests * k, -1) for one in examinations])
    centred = population.reference[problems] - np.array([one.centre for one in examinations])[:, None]
    psi = np.stack([one.psi.reshape(tests * k, -1) for one in examinations])
    noise = np.stack([one.noise.reshape(-1) for one in examinations])
    diversity = np.array([one.diversity for one in examinations])
    reference = population.reference[np.stack([one.asked.test for one in examinations])]
    truth = np.stack([one.asked.truth for one in examinations])

    def answered(params: Params) -> tuple[FloatArray, FloatArray]:
        delta, sd = draw_beliefs(params, x, v, centred, psi, noise, diversity)
        return reference + delta.reshape(count, tests, k).mean(axis=2), sd.mean(axis=1)

    (answers, spread), (before, spread_before) = answered(fits.trained), answered(fits.untrained)
    return Grades(
        trained=np.abs(answers - truth).mean(axis=1),
        untrained=np.abs(before - truth).mean(axis=1),
        reference=np.abs(reference - truth).mean(axis=1),
        spread=spread,
        spread_untrained=spread_before,
        answers=answers,
    )

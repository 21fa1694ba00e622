"""The law of the answers that a whole population would give to a question: mean and spread, without sampling."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.trained.kinds import FAMILIES, HIGHEST, LOWEST
from crowdllm_stats.studies.simulators.trained.profiles import every_profile

#: Points of the Gauss-Hermite rule; twice as many change a mean by less than 1e-8 (tests/studies).
NODES = 24


@dataclass(frozen=True)
class AnswerLaw:
    """Answers of the population to one question.

    Attributes:
        mean: of the population.
        sd: its standard deviation.
    """

    mean: float
    sd: float


def answer_laws(
    population: RealPopulation, questions: Rows, family: str, noise: float, nodes: int = NODES
) -> tuple[AnswerLaw, ...]:
    """The law of ``y = y_ref + delta + noise N(0, 1)`` over everybody, one for each question.

    With profile v the belief is ``delta = m + a + s exp(e) z`` (:class:`RealPopulation`). Within a component ``(a, e)``
    are jointly normal with means ``mu_a`` and ``mu = kappa mu_a + mu_e``; given e, ``a ~ N(mu_a + beta (e - mu), w)``
    with ``beta = kappa tau_a^2 / tau_E^2``, ``tau_E^2 = kappa^2 tau_a^2 + tau_e^2`` and
    ``w = tau_a^2 tau_e^2 / tau_E^2``, so that

        ``y | v, e ~ N(y_ref + m + mu_a + beta (e - mu), w + s^2 exp(2 e) + noise^2)``.

    Continuous answers have, within a component, mean ``y_ref + E_v m + mu_a`` and variance ``Var_v(m) + tau_a^2 +
    E_v[s^2] exp(2 mu + 2 tau_E^2) + noise^2``. Rounded and clipped ones exceed level k with the probability that y
    exceeds ``k + 1/2``: exact over v, by Gauss-Hermite over e. Moments are averaged over components.

    Args:
        population: the real one.
        questions: rows of problems.
        family: "normal" for answers as they are, "ordinal" for answers rounded and clipped to 1..5.
        noise: sd of the response noise.
        nodes: of the Gauss-Hermite rule.

    Raises:
        ValueError: on another family, and as :func:`every_profile`.

    Example:
        >>> from crowdllm_stats.studies.simulators.population import real_population
        >>> one, = answer_laws(real_population("offensiveness"), np.array([7]), "ordinal", 0.5)
        >>> 1.0 < one.mean < 5.0 and 0.0 < one.sd < 2.0
        True
    """
    check_choice("family", family, FAMILIES)
    return tuple(_laws(population, int(question), noise, nodes)[FAMILIES.index(family)] for question in questions)


@functools.lru_cache(maxsize=4096)
def _laws(population: RealPopulation, question: int, noise: float, nodes: int) -> tuple[AnswerLaw, ...]:
    """One of each family."""
    everybody = every_profile(population)
    shares = everybody.shares
    m, s = population.belief(np.full(len(shares), question), everybody.coded)
    centre = population.reference[question] + m
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    cuts = np.arange(LOWEST, HIGHEST) + 0.5
    above, first, second = np.zeros(len(cuts)), 0.0, np.float64(0.0)
    law = (population.mean_person, population.tau_person, population.mean_spread, population.tau_spread)
    for mean_a, sd_a, mean_r, sd_r in zip(*law, strict=True):
        kept, own = sd_a**2, centre + mean_a
        middle, reach = population.couple * mean_a + mean_r, population.couple**2 * kept + sd_r**2
        wide = (shares @ s**2) * np.exp(2.0 * (middle + reach))
        first += float(shares @ own)
        second += shares @ own**2 + kept + wide + noise**2
        slope = population.couple * kept / reach if reach > 0.0 else 0.0
        left = kept * sd_r**2 / reach if reach > 0.0 else kept
        for place, weight in zip(np.sqrt(reach) * points, weights, strict=True):
            sd = np.sqrt(left + s**2 * np.exp(2.0 * (middle + place)) + noise**2)
            above += weight * (shares @ ndtr((own[:, None] + slope * place - cuts) / sd[:, None]))
    laws = len(population.tau_person)
    above, plain, square = above / laws, first / laws, float(second) / laws
    answered = AnswerLaw(plain, float(np.sqrt(square - plain**2)))
    mean = float(LOWEST + above.sum())
    square = float(LOWEST**2 + (2.0 * cuts) @ above)
    return answered, AnswerLaw(mean, float(np.sqrt(square - mean**2)))

"""A small survey made by a known rule: people, their digital twins, more digital people, and the bare LLM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.assemble import Repeats
from crowdllm_stats.data.crowd import CrowdData, ordinal

#: The survey's statements; people say from 1 (not at all) to 5 (fully) how far they agree.
STATEMENTS = (
    "The library should open on Sundays.",
    "The town centre should be free of cars.",
    "Buses should run all night.",
    "Trees matter more than parking spaces.",
    "The old mill should become a museum.",
    "School meals should be free.",
    "The swimming pool is worth its price.",
    "Street lights should go off at midnight.",
    "The town should buy solar panels.",
    "Dogs should be allowed in the park.",
    "The market should move to Saturday.",
    "The playground needs repair before the road does.",
)

GENDERS = {"Woman": 0.52, "Man": 0.48}
AGES = {"18-34": 0.30, "35-54": 0.35, "55+": 0.35}

#: What a group adds to the inclination to agree.
_GENDER_SHIFT = {"Woman": 0.15, "Man": -0.15}
_AGE_SHIFT = {"18-34": 0.35, "35-54": 0.0, "55+": -0.30}

_SEED = 36
_N_PEOPLE, _N_RATERS, _N_DIGITAL, _N_REFERENCE = 60, 8, 200, 10
_SD_PERSON, _SD_ANSWER = 0.75, 0.65
_SD_PROBLEM = 0.55
_CUTS = np.array([-1.2, -0.4, 0.4, 1.2])
#: The LLM agrees too readily, here more and there less; the crowd's belief takes a part of that back.
_LLM_BIAS, _SD_LLM_BIAS, _BELIEF = 0.7, 0.45, -0.45
_SHARED, _SD_TWIN, _SD_REFERENCE = 0.4, 0.60, 0.35


@dataclass(frozen=True)
class Example:
    """The example's four parts, see :func:`load_example`.

    Attributes:
        human: 8 answers per problem.
        digital: the twins of these answers and 200 unlabelled answers per problem.
        truth: columns ``problem`` and ``mean``, the population's mean answer.
        reference: 10 answers per problem of the LLM without a persona, participant "llm", repeats kept.
    """

    human: CrowdData
    digital: CrowdData
    truth: pd.DataFrame
    reference: CrowdData


def load_example() -> Example:
    """Generate the example: 12 statements, 60 people, 200 further digital people, answers 1, 2, 3, 4, 5.

    Person i with profile v_i (gender, age group) has on problem t the inclination
    ``z_it = m_t + g(v_i) + a_i + e_it``, with ``m_t ~ N(0, 0.55^2)``, ``a_i ~ N(0, 0.75^2)``, ``e_it ~ N(0, 0.65^2)``
    and ``g`` the sum of the group's shifts; the answer is 1 plus the number of the cuts -1.2, -0.4, 0.4, 1.2 below it.
    The bare LLM's inclination is ``m_t + b_t``, ``b_t ~ N(0.7, 0.45^2)``; its single answers add ``N(0, 0.35^2)``.
    The twin's is ``m_t + b_t - 0.45 + g(v_i) + a_i + 0.4 e_it + N(0, 0.60^2)``: the same person, seen through a biased
    LLM whose bias the belief takes back in part. Within a problem, answer and twin correlate at about 0.7. Twins of the
    people and the unlabelled digital people are drawn alike. The 60 people are asked in a random order, 8 a problem.

    A digital answer with a human's problem and participant is that human's twin. The truth is exact:
    ``sum_v w_v (1 + sum_cuts P(z > cut))`` with the population's shares ``w_v``. The numbers never change.

    Returns:
        Example.

    Example:
        >>> example = load_example()
        >>> len(example.human.responses), len(example.digital.responses), len(example.reference.responses)
        (96, 2496, 120)
        >>> example.truth.columns.tolist()
        ['problem', 'mean']
    """
    rng = np.random.default_rng(_SEED)
    n_problems = len(STATEMENTS)
    location = rng.normal(0.0, _SD_PROBLEM, n_problems)
    seen = location + rng.normal(_LLM_BIAS, _SD_LLM_BIAS, n_problems)
    n_all = _N_PEOPLE + _N_DIGITAL
    people = _people(rng, n_all)
    inclination = _shift(people) + rng.normal(0.0, _SD_PERSON, n_all)
    noise = rng.normal(0.0, _SD_ANSWER, (n_problems, n_all))
    own = _answers(location[:, None] + inclination + noise)
    twin_noise = _SHARED * noise + rng.normal(0.0, _SD_TWIN, noise.shape)
    twin = _answers(seen[:, None] + _BELIEF + inclination + twin_noise)
    bare = _answers(seen[:, None] + rng.normal(0.0, _SD_REFERENCE, (n_problems, _N_REFERENCE)))

    problems = pd.DataFrame({"problem": [f"q{number:02}" for number in range(1, n_problems + 1)], "text": STATEMENTS})
    asked = np.zeros((n_problems, n_all), dtype=bool)
    raters = rng.permutation(_N_PEOPLE)
    for problem in range(n_problems):  # in turn, so that everybody is asked at least once
        asked[problem, raters[(problem * _N_RATERS + np.arange(_N_RATERS)) % _N_PEOPLE]] = True
    digital = asked.copy()
    digital[:, _N_PEOPLE:] = True
    humans = people[:_N_PEOPLE]
    llm = pd.DataFrame({"participant": ["llm"]})
    return Example(
        human=_data(own, asked, humans, problems),
        digital=_data(twin, digital, people, problems),
        truth=pd.DataFrame({"problem": problems["problem"], "mean": _population_mean(location)}),
        reference=_data(bare, np.ones(bare.shape, dtype=bool), llm, problems, repeats="keep"),
    )


def _people(rng: np.random.Generator, size: int) -> pd.DataFrame:
    names = [f"p{number:02}" for number in range(1, _N_PEOPLE + 1)]
    names += [f"d{number:03}" for number in range(1, size - _N_PEOPLE + 1)]
    gender = rng.choice(list(GENDERS), size=size, p=list(GENDERS.values()))
    age = rng.choice(list(AGES), size=size, p=list(AGES.values()))
    return pd.DataFrame({"participant": names, "gender": gender, "age_group": age})


def _shift(people: pd.DataFrame) -> FloatArray:
    shift: pd.Series = people["gender"].map(_GENDER_SHIFT) + people["age_group"].map(_AGE_SHIFT)
    return np.asarray(shift.to_numpy(dtype=np.float64))


def _answers(inclination: FloatArray) -> FloatArray:
    return np.searchsorted(_CUTS, inclination).astype(np.float64) + 1.0


def _population_mean(location: FloatArray) -> FloatArray:
    spread = np.hypot(_SD_PERSON, _SD_ANSWER)
    mean = np.zeros_like(location)
    for gender, gender_share in GENDERS.items():
        for age, age_share in AGES.items():
            centre = location + _GENDER_SHIFT[gender] + _AGE_SHIFT[age]
            above = ndtr((centre[:, None] - _CUTS) / spread)
            mean += gender_share * age_share * (1.0 + above.sum(axis=1))
    return mean


def _data(
    answers: FloatArray,
    given: NDArray[np.bool_],
    people: pd.DataFrame,
    problems: pd.DataFrame,
    repeats: Repeats = "refuse",
) -> CrowdData:
    """A table of the given cells; with a single participant, the cells of a row are that participant's repeats."""
    row, column = np.nonzero(given)
    who = people["participant"].to_numpy()
    responses = pd.DataFrame(
        {
            "problem": problems["problem"].to_numpy()[row],
            "participant": who[column] if len(who) > 1 else np.repeat(who, len(row)),
            "response": answers[row, column],
        }
    )
    return CrowdData.from_frame(
        responses, participants=people, problems=problems, scale=ordinal(range(1, 6)), repeats=repeats
    )

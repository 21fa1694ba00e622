"""The real people of a replicate: its questions, the people a generator may learn from, strangers, and a crowd."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows
from crowdllm_stats.studies.simulators.readings import reading
from crowdllm_stats.studies.simulators.trained.kinds import as_answers
from crowdllm_stats.studies.simulators.trained.profiles import every_profile


@dataclass(frozen=True, eq=False)
class MadePeople:
    """Real people and what they answered.

    Attributes:
        profiles: coded, (n, P).
        answers: to the T questions, (n, T).
    """

    profiles: FloatArray
    answers: FloatArray

    def those(self, chosen: Rows) -> MadePeople:
        """Some of them, by their places."""
        return MadePeople(self.profiles[chosen], self.answers[chosen])


@dataclass(frozen=True, eq=False)
class MadeSurvey:
    """One replicate's people.

    Attributes:
        questions: rows of the T problems in the order drawn; the first one's interval is judged.
        learned: the n people that the generator is fitted to.
        strangers: people that no generator sees, at least n.
        crowd: coded profiles of the crowd, (N, P).
        family: of all answers, "normal" or "ordinal".
    """

    questions: Rows
    learned: MadePeople
    strangers: MadePeople
    crowd: FloatArray
    family: str


def draw_questions(job: Job, population: RealPopulation, count: int) -> Rows:
    """The replicate's questions, the same in every cell; fewer are the first ones of more."""
    return np.asarray(job.shared_rng("questions").permutation(len(population.reference))[:count])


def ask_everybody(
    population: RealPopulation, questions: Rows, size: int, family: str, noise: float, rng: np.random.Generator
) -> MadePeople:
    """New people from the population's law of profiles, each answering every question once.

    ``y = y_ref + delta + noise N(0, 1)``, the belief with the effects that a person keeps over questions.

    Args:
        population: the real one.
        questions: rows of problems, (T,).
        size: people.
        family: "normal" or "ordinal", see :func:`crowdllm_stats.studies.simulators.trained.kinds.as_answers`.
        noise: sd of the response noise.
        rng: of everything drawn.
    """
    profiles = every_profile(population).draw(size, rng)
    problem, worker = np.tile(questions, size), np.repeat(np.arange(size), len(questions))
    delta = reading("model").beliefs(population, 1.0, problem, worker, profiles, rng)
    values = population.reference[problem] + delta + noise * rng.standard_normal(len(problem))
    return MadePeople(profiles, as_answers(values, family).reshape(size, len(questions)))


def draw_survey(
    job: Job, population: RealPopulation, *, questions: int, n: int, strangers: int, crowd: int, family: str,
    noise: float,
) -> MadeSurvey:  # fmt: skip
    """Draw a replicate.

    Args:
        job: whose random numbers are used.
        population: the real one.
        questions: T.
        n: people to learn from.
        strangers: people that no generator sees; n if that is more.
        crowd: N.
        family: "normal" or "ordinal".
        noise: sd of the response noise.
    """
    asked = draw_questions(job, population, questions)
    return MadeSurvey(
        questions=asked,
        learned=ask_everybody(population, asked, n, family, noise, job.own_rng("learned")),
        strangers=ask_everybody(population, asked, max(n, strangers), family, noise, job.own_rng("strangers")),
        crowd=every_profile(population).draw(crowd, job.own_rng("crowd")),
        family=family,
    )

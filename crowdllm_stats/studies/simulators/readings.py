"""Four readings of "belief diversity": what its value epsilon does to the real population and to the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_choice

if TYPE_CHECKING:
    from crowdllm_stats.studies.simulators.population import RealPopulation, Rows


@dataclass(frozen=True)
class Reading:
    """One reading.

    Attributes:
        name: "profile", "belief", "model" or "uniform".
        meaning: in words.
    """

    name: str
    meaning: str

    def profile_noise(self, epsilon: float) -> float:
        """Scale of the noise of the profile generator, of real and of virtual workers."""
        return epsilon if self.name in ("profile", "uniform") else 1.0

    def population(self, fitted: RealPopulation) -> RealPopulation:
        """The real population: the fitted one, or in "uniform" that whose profiles alone make beliefs."""
        from crowdllm_stats.studies.simulators.population import profiles_alone

        return profiles_alone(fitted) if self.name == "uniform" else fitted

    def belief_sd(self, population: RealPopulation, epsilon: float, between: float, within: float) -> float:
        """Standard deviation over people of one belief of theirs about a question.

        Args:
            population: of :meth:`population`.
            epsilon: belief diversity.
            between: variance of m over the people whom epsilon leaves.
            within: mean of ``s^2`` over them.
        """
        if self.name == "belief":
            return float(np.sqrt(between + epsilon**2))
        return float(np.sqrt(population.belief_variance(between, within)))

    def model_diversity(self, epsilon: float) -> float:
        """Factor on the generator's own belief randomness in the blender, in training and at test."""
        return epsilon if self.name == "model" else 1.0

    def beliefs(
        self, population: RealPopulation, epsilon: float, problems: Rows, workers: Rows, profiles: FloatArray,
        rng: np.random.Generator,
    ) -> FloatArray:  # fmt: skip
        """The belief behind each of n real answers, shape (n,); see :class:`RealPopulation` for its parts.

        "belief" puts ``m(x_t, v) + epsilon z_i`` in the place of the fitted belief, ``z_i`` kept over all problems.

        Args:
            population: of :meth:`population`.
            epsilon: belief diversity.
            problems: rows of problems, (n,).
            workers: each answer's worker, 0 to W - 1, (n,).
            profiles: coded profiles of the W workers, (W, P).
            rng: of the kept effects, then of the answers' own noise.
        """
        kept = rng.standard_normal((2, len(profiles)))
        mean, sd = population.belief(problems, profiles[workers])
        if self.name == "belief":
            return np.asarray(mean + epsilon * kept[0, workers])
        shift, log_spread = population.kept(len(profiles), kept, rng)
        noise = rng.standard_normal(len(problems))
        return np.asarray(mean + shift[workers] + sd * np.exp(log_spread[workers]) * noise)


#: What sets how long a reading is trained.
LENGTHS = ("epochs", "steps")

READINGS: Mapping[str, Reading] = {
    one.name: one
    for one in (
        Reading("profile", "epsilon scales the noise of the profile generator that makes the real workers"),
        Reading(
            "belief", "a real worker keeps a normal deviation with sd epsilon from the mean belief of their profile"
        ),
        Reading("model", "epsilon scales the generator's own belief randomness; the real population is as fitted"),
        Reading(
            "uniform",
            "a belief is its profile's alone, as far apart as the fitted population's at epsilon 1; epsilon scales the "
            "noise of the profile generator, so that epsilon 0 is a population of one belief",
        ),
    )
}


def reading(name: str) -> Reading:
    """A reading by name.

    Raises:
        ValueError: on another name.

    Example:
        >>> reading("model").profile_noise(0.0), reading("model").model_diversity(0.0)
        (1.0, 0.0)
    """
    return READINGS[check_choice("reading", name, tuple(READINGS))]

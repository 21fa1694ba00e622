"""The real population of Figure 9: a fitted CrowdLLM whose beliefs are known, so that every error can be known too."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.fitted import Fitted
from crowdllm_stats.generator.kept import even_components as kept_components
from crowdllm_stats.generator.networks import NormalBelief, encode, encode_pairs, of_people, of_problems
from crowdllm_stats.generator.profiles.design_law import CallableLaw, MarginLaw, TableLaw
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.profiles.pool_law import PoolLaw
from crowdllm_stats.studies.engine.parameters import InputFile

Rows = NDArray[np.int64]

#: Most coordinates of a problem that fits are given: the principal components of its text's embedding.
COORDINATES = 32

#: Normal components that stand for a semi-implicit law of what people keep.
COMPONENTS = 256

#: People whose mean beliefs tell how far a population's beliefs lie apart.
PEOPLE = 20_000


@dataclass(frozen=True, eq=False)
class BeliefMoments:
    """Beliefs about T problems over a crowd.

    Attributes:
        mean: mean of m over people, (T,).
        between: variance of m over people, (T,).
        within: mean of ``s^2`` over people, (T,).
    """

    mean: FloatArray
    between: FloatArray
    within: FloatArray


@dataclass(frozen=True, eq=False)
class RealPopulation:
    """Everybody's belief about every problem, in rating units.

    A person i with profile v has about problem t, in one answer, the belief

        ``delta = m(x_t, v) + a_i + s(x_t, v) exp(e_i) z``,  z standard normal and new in every answer,

    m and s the fitted encoder's mean and standard deviation, ``a_i`` and ``e_i`` kept over problems:
    ``a_i ~ N(mu_a, tau_a^2)``, ``e_i ~ N(kappa a_i + mu_e, tau_e^2)`` for one of J components, each as likely as the
    others. One component with means 0 is the normal law; for a semi-implicit one they stand at 256 even mixing draws.
    The fitted model is ordinal: its belief shifts the latent rating, whose first and last cut lie half-way between
    their levels; here ``y_ref + delta`` itself, in the same units, is the answer before noise. The effect of a problem
    that neither text nor reference explains is left at its typical value, 0: then a problem's mean belief is a function
    of ``x_t`` and v, as the paper has it.

    Attributes:
        x: problem vectors that the fitted encoder reads, (T, D).
        reference: y_ref, (T,).
        centred: y_ref about its mean over all problems, (T,).
        encoder: the fitted encoder's parameters.
        mean_person: ``mu_a``, (J,).
        tau_person: sd of ``a_i`` within components, (J,).
        couple: kappa.
        mean_spread: ``mu_e``, (J,).
        tau_spread: sd of ``e_i`` given ``a_i`` within components, (J,).
        law: of profiles (Eq. 3).
        coder: codes them.
        centre: where given, (T,), profiles alone make beliefs: m is ``centre_t + stretch (m - centre_t)``, and s is 0.
        stretch: see there.
    """

    x: FloatArray
    reference: FloatArray
    centred: FloatArray
    encoder: dict[str, Any]
    mean_person: FloatArray
    tau_person: FloatArray
    couple: float
    mean_spread: FloatArray
    tau_spread: FloatArray
    law: PoolLaw | TableLaw | MarginLaw
    coder: ProfileEncoder
    centre: FloatArray | None = None
    stretch: float = 1.0

    @classmethod
    def of(cls, model: CrowdLLM) -> RealPopulation:
        """Read a fitted generator.

        Raises:
            ValueError: if it is not one of the likelihood objective with person effects, whose answers are normal given
                what people keep, on a numeric scale; if its profile generator redraws people.
        """
        fitted, told = model.fitted, model.settings
        if not told.keeps or fitted.decision.shape[1] != 1:
            raise ValueError(
                "the population must be a CrowdLLM of the likelihood objective with person effects, mixing 'beliefs' "
                f"or 'none' and a numeric scale; got objective {told.objective!r}, person_effects "
                f"{told.person_effects}, mixing {told.mixing!r}, {fitted.decision.shape[1]} reference column(s)"
            )
        params = model.deciding
        law = kept_components(params, COMPONENTS if told.kept_mixing else 1)
        return cls(
            x=np.asarray(fitted.x, dtype=np.float64),
            reference=np.asarray(fitted.decision[:, 0], dtype=np.float64),
            centred=np.asarray(fitted.decision[:, 0] - fitted.vectors.decision_mean[0], dtype=np.float64),
            encoder=params["encoder"],
            mean_person=np.asarray(law.mean[:, 0]),
            tau_person=np.asarray(law.sd[:, 0]),
            couple=float(np.asarray(params["couple"])[0]),
            mean_spread=np.asarray(law.mean[:, 1]),
            tau_spread=np.asarray(law.sd[:, 1]),
            law=_law_of(fitted),
            coder=fitted.encoder,
        )

    @property
    def given(self) -> FloatArray:
        """Problem coordinates that fits are given, (T, C), C at most 32: of the text, else of the reference."""
        return self.x[:, :COORDINATES]

    @property
    def coordinates(self) -> int:
        """Their number, C."""
        return int(self.given.shape[1])

    @property
    def profile_width(self) -> int:
        """Coordinates of a coded profile."""
        return int(self.coder.width)

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers that a profile takes."""
        return self.law.n_uniforms

    def profiles(self, uniforms: FloatArray, noise: float) -> FloatArray:
        """Coded profiles (Eq. 3), shape (N, P).

        Args:
            uniforms: in (0, 1), shape (N, n_uniforms).
            noise: scale of the profile generator's noise; at 0 everybody has one profile.
        """
        return self.coder.transform(self.law.draw(uniforms, noise))

    def belief(self, problems: Rows, profiles: FloatArray) -> tuple[FloatArray, FloatArray]:
        """m and s of pairs of a problem and a profile, shape (n,) each.

        Args:
            problems: rows of problems, (n,).
            profiles: coded profiles, (n, P).
        """
        # NumPy's arrays, not JAX's: double precision up to the hidden layer.
        x: Any = self.x[problems]
        centred: Any = self.centred[problems][:, None]
        v: Any = profiles
        code = encode_pairs(self.encoder, x, centred, v, None)
        return self._held(problems, code)

    def _held(self, problems: Any, code: NormalBelief) -> tuple[FloatArray, FloatArray]:
        """m and s of what the encoder gave."""
        mean, sd = (np.asarray(one, dtype=np.float64)[:, 0] for one in code)
        if self.centre is None:
            return mean, sd
        centre = self.centre[problems]
        return centre + self.stretch * (mean - centre), np.zeros_like(sd)

    def kept(self, n: int, noise: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """``a_i`` and ``e_i`` of n people, shape (n,) each.

        Args:
            n: people.
            noise: standard normal draws, (2, n).
            rng: of the people's components, where there are several.
        """
        one = rng.integers(len(self.tau_person), size=n) if len(self.tau_person) > 1 else np.zeros(n, dtype=np.int64)
        shift = self.mean_person[one] + self.tau_person[one] * noise[0]
        return shift, self.couple * shift + self.mean_spread[one] + self.tau_spread[one] * noise[1]

    def mean_belief(self, problems: Rows, profiles: FloatArray) -> FloatArray:
        """m of every problem averaged over people, shape (len(problems),); arguments of :meth:`moments`."""
        return self.moments(problems, profiles).mean

    def moments(self, problems: Rows, profiles: FloatArray) -> BeliefMoments:
        """Mean and variance over people of what they believe about every problem.

        Args:
            problems: rows of problems, (T,).
            profiles: coded profiles of N people, (N, P).
        """
        # Rows as strings of bytes, which sort ten times as fast as rows of numbers.
        packed = np.ascontiguousarray(profiles).view(np.dtype((np.void, profiles.itemsize * profiles.shape[1])))[:, 0]
        _, first, counts = np.unique(packed, return_index=True, return_counts=True)
        # Filled up to few sizes with rows that do not count: JAX compiles its operations for every size.
        filled = np.resize(first, 1 << int(len(first) - 1).bit_length())
        found, shares = profiles[filled], np.resize(counts / counts.sum(), len(filled))
        shares[len(first) :] = 0.0
        x: Any = self.x[problems]
        centred: Any = self.centred[problems][:, None]
        v: Any = found
        asked, people = of_problems(self.encoder, x, centred), of_people(self.encoder, v)
        rows = [
            self._held(row, encode(self.encoder, {name: part[place] for name, part in asked.items()}, people, None))
            for place, row in enumerate(problems)
        ]
        means, squares = np.array([mean for mean, _ in rows]), np.array([sd**2 for _, sd in rows])
        mean = means @ shares
        return BeliefMoments(mean, (means - mean[:, None]) ** 2 @ shares, squares @ shares)

    def belief_variance(self, between: Any, within: Any) -> Any:
        """Variance over people of one belief: ``Var m(v) + Var a + E s^2 E exp(2 e)``, the three being independent.

        Args:
            between: variance of m over people.
            within: mean of ``s^2`` over people.
        """
        shift = self.tau_person**2 + self.mean_person**2
        log_mean = self.couple * self.mean_person + self.mean_spread
        log_var = (self.couple * self.tau_person) ** 2 + self.tau_spread**2
        factor = np.exp(2.0 * (log_mean + log_var)).mean()
        return between + shift.mean() - self.mean_person.mean() ** 2 + within * factor


@functools.lru_cache(maxsize=2)
def profiles_alone(population: RealPopulation) -> RealPopulation:
    """The same population where nothing but the profile makes a belief, and beliefs lie as far apart as before.

    Kept and momentary effects are off. How far a person's mean belief lies from the mean over people is multiplied by
    one constant for all people and problems, with which its standard deviation over people (root mean square over
    problems) is that of the given population's whole belief. Mean and deviations are those of 20,000 people of the
    profile generator. A problem's mean belief stays: times the constant, which is 6.2 for the shipped population,
    mean answers would lie 5 rating units outside the scale and 4.2 apart between problems (0.7 before).
    """
    uniforms = generator(0, "profiles alone").random((PEOPLE, population.n_uniforms))
    every = np.arange(len(population.reference))
    found = population.moments(every, population.profiles(uniforms, 1.0))
    whole = population.belief_variance(found.between.mean(), found.within.mean())
    nothing = np.zeros(1)
    return replace(
        population,
        mean_person=nothing,
        tau_person=nothing,
        couple=0.0,
        mean_spread=nothing,
        tau_spread=nothing,
        centre=found.mean,
        stretch=float(np.sqrt(whole / found.between.mean())),
    )


def _law_of(fitted: Fitted) -> PoolLaw | TableLaw | MarginLaw:
    """The law of profiles: of its profile generator, or learned from the profiles of the people it was fitted to.

    Raises:
        ValueError: if the profile generator redraws people, or has a function as law.
    """
    recruiter = fitted.recruiter
    if recruiter is None:
        return PoolLaw.fit(fitted.profiles, None, None)
    if recruiter.qualified is not None or recruiter.rare is not None or isinstance(recruiter.law, CallableLaw):
        raise ValueError(
            "the population's profile generator redraws people, or its law is a function; give it one that does "
            "neither with with_recruiter(ProfileGenerator.from_law(table))"
        )
    return recruiter.law


@functools.lru_cache(maxsize=2)
def real_population(source: str | InputFile) -> RealPopulation:
    """A shipped population by its name, or one from a file that ``CrowdLLM.save`` wrote; kept for the next call.

    Raises:
        ValueError: if the file changed after the study was read, or holds no such population.

    Example:
        >>> real_population("offensiveness").given.shape
        (1500, 32)
    """
    from crowdllm_stats.generator.shipped import load_population

    model = load_population(str(source))
    if isinstance(source, InputFile):
        source.check()
    return RealPopulation.of(model)

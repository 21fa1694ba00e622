"""What a population of any size would answer: distributions, means and spreads, without drawing single answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtri
from scipy.stats import binom, qmc

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats.generator import kept, networks
from crowdllm_stats.generator.belief import Belief
from crowdllm_stats.generator.kept import Mixing
from crowdllm_stats.generator.networks import NormalBelief, Params

#: Problems worked on at once.
BLOCK = 64

#: Nodes of the quadrature over a new problem's effect.
NODES = 9


@dataclass(frozen=True, eq=False)
class Prediction:
    """The population's answers to T problems.

    Attributes:
        problems: ids.
        answers: levels or options, none on a continuous scale.
        probabilities: of every answer, shape (T, A); None on a continuous scale.
        mean: expected answer, shape (T,); None on a scale of words.
        variance: expected variance of the answers within a problem, over people and noise, shape (T,); for problems
            whose effect is not known, averaged over that effect. None on a scale of words.
        belief_mean: ``E delta``, shape (T,), and
        belief_second_moment: ``E delta^2``, shape (T,), for the safe interval; at the median effect where a problem's
            effect is not known. None on a scale of words.
        why: what the numbers rest on.
        by_effect: ordinal scale: the probabilities at the nodes of a quadrature over the problem's effect, shape
            (Q, T, A); one node where all effects are known.
        effect_weights: of the nodes, shape (Q,).
    """

    problems: tuple[str, ...]
    answers: tuple[Any, ...]
    probabilities: FloatArray | None
    mean: FloatArray | None
    variance: FloatArray | None
    belief_mean: FloatArray | None
    belief_second_moment: FloatArray | None
    why: str
    by_effect: FloatArray | None = None
    effect_weights: FloatArray | None = None

    def median_histogram(self, n: int) -> FloatArray:
        """The histogram that a histogram of n people is least far from, in expected Wasserstein-1 distance.

        That distance is ``sum_a |F_a - G_a|``, so each ``F_a`` is the median of the share of n people who answer at
        most a, over the problem's effect and the drawing of the people. It foresees a histogram of few people, which
        lacks rare answers; ``probabilities`` are those of the population.

        Args:
            n: people per problem.

        Returns:
            Shape (T, A).

        Raises:
            ValueError: on another scale than an ordinal one.

        Source: Gneiting 2011, Making and evaluating point forecasts, JASA 106 (a score asks for its own functional).
        """
        if self.by_effect is None or self.effect_weights is None:
            raise ValueError("a median histogram needs an ordinal scale")
        people = check_count("n", n)
        below = np.clip(np.cumsum(self.by_effect, axis=2)[:, :, :-1], 0.0, 1.0)
        law = binom.cdf(np.arange(people + 1)[:, None, None, None], people, below)
        cumulative = np.argmax(np.tensordot(law, self.effect_weights, axes=(1, 0)) >= 0.5, axis=0) / people
        ends = np.zeros((len(cumulative), 1))
        return np.diff(np.concatenate([ends, cumulative, ends + 1.0], axis=1), axis=1)

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: mean, variance, belief moments, and one column per probability."""
        data: dict[str, Any] = {"problem": list(self.problems)}
        for name in ("mean", "variance", "belief_mean", "belief_second_moment"):
            if getattr(self, name) is not None:
                data[name] = getattr(self, name)
        if self.probabilities is not None:
            for column, answer in enumerate(self.answers):
                name = f"p_{answer:g}" if isinstance(answer, float) else f"p_{answer}"
                data[name] = self.probabilities[:, column]
        return pd.DataFrame(data)

    def __str__(self) -> str:
        table = self.to_frame()
        lines = [f"Prediction of {len(table)} problems", *table.head(10).round(3).to_string(index=False).splitlines()]
        if len(table) > 10:
            lines.append(f"... and {len(table) - 10} more (to_frame() has them all)")
        return "\n".join([*lines, self.why])


def beliefs(params: Params, problem: Params, people: People) -> NormalBelief:
    """Every person's belief about every problem given their draws, shape (T, S, K).

    Args:
        params: learned parameters.
        problem: :func:`networks.of_problems`, with ``effect`` (T, K), rows of T problems.
        people: S people.
    """
    wide = {name: rows[:, None] for name, rows in problem.items()}
    person, shift = networks.of_people(params["encoder"], people.v), people.shift + wide["effect"]
    return networks.encode(params["encoder"], wide, person, people.psi, shift, people.spread)


@partial(jax.jit, static_argnums=(0,))
def _block(
    belief: Belief, params: Params, x: jax.Array, centred: jax.Array, reference: jax.Array, effect: jax.Array,
    people: People,
) -> dict[str, jax.Array]:  # fmt: skip
    """Per problem: probabilities (or first two moments) of the answers, and the belief's moments."""
    blender = belief.blender
    problem = {**networks.of_problems(params["encoder"], x, centred), "effect": effect}
    mean, sd = beliefs(params, problem, people)
    given = (params["blender"], reference[:, None], mean, sd, people.noise)
    out = {
        "belief_mean": mean.mean(axis=(1, 2)),
        "belief_second": (mean**2 + sd**2).mean(axis=(1, 2)),
    }
    if blender.answers:
        return {**out, "probabilities": blender.probabilities(*given).mean(axis=1)}
    first, variance = blender.moments(*given)
    return {**out, "first": first.mean(axis=1), "second": (variance + first**2).mean(axis=1)}


def predict(
    belief: Belief, params: Params, problems: tuple[str, ...], x: FloatArray, centred: FloatArray,
    reference: FloatArray, effect: FloatArray, unknown: FloatArray, people: People, why: str,
) -> Prediction:  # fmt: skip
    """Distributions of T problems.

    Args:
        belief: the generator's constants.
        params: learned parameters.
        problems: ids.
        x: problem vectors (T, D).
        centred: centred reference (T, K).
        reference: reference (T, K).
        effect: the problems' effects (T, K), 0 where unknown.
        unknown: sd of the effect where it is not known, shape (T,), 0 where it is.
        people: see :func:`crowdllm_stats.generator.prediction.even_people`.
        why: for the result.
    """
    blender = belief.blender
    levels = np.asarray(blender.answers, dtype=np.float64) if blender.family == "ordinal" else None

    def at(shift: FloatArray) -> dict[str, FloatArray]:
        parts: list[dict[str, FloatArray]] = []
        for start in range(0, len(problems), BLOCK):
            rows = np.arange(start, start + BLOCK) % len(problems)  # padded by wrapping round
            arrays = [jnp.asarray(one[rows], dtype=jnp.float32) for one in (x, centred, reference, effect + shift)]
            part = _block(belief, params, *arrays, people)
            parts.append({name: np.asarray(value, dtype=np.float64) for name, value in part.items()})
        return {name: np.concatenate([part[name] for part in parts])[: len(problems)] for name in parts[0]}

    def spread(found: dict[str, FloatArray]) -> FloatArray:
        if levels is None:
            return np.asarray(found["second"] - found["first"] ** 2)
        shares = found["probabilities"]
        return np.asarray(shares @ levels**2 - (shares @ levels) ** 2)

    found = at(np.zeros_like(effect))
    if blender.family == "categorical":
        return Prediction(problems, blender.answers, found["probabilities"], None, None, None, None, why)
    variance, over, weights = spread(found), [found], np.ones(1)
    if unknown.any():
        nodes, weights = hermegauss(NODES)
        weights = weights / weights.sum()
        over = [at(node * unknown[:, None]) for node in nodes]
        averaged = np.sum([weight * spread(one) for one, weight in zip(over, weights, strict=True)], axis=0)
        variance = np.where(unknown > 0.0, averaged, variance)
    mean = found["first"] if levels is None else found["probabilities"] @ levels
    return Prediction(
        problems, blender.answers, found.get("probabilities"), mean, variance,
        found["belief_mean"], found["belief_second"], why,
        None if levels is None else np.stack([one["probabilities"] for one in over]), weights,
    )  # fmt: skip


#: Mixing and noise draws behind an expected answer, where the belief is not integrated out exactly.
_DRAWS = 64


@partial(jax.jit, static_argnums=(0,))
def _expected(
    belief: Belief, params: Params, x: jax.Array, centred: jax.Array, reference: jax.Array, people: People
) -> jax.Array:
    """Expected answers of S people to T problems at effect 0, shape (T, S)."""
    problem = networks.of_problems(params["encoder"], x, centred)
    problem = {**problem, "effect": jnp.zeros((x.shape[0], belief.blender.belief_dim))}
    mean, sd = beliefs(params, problem, people)
    given = (params["blender"], reference[:, None], mean, sd, people.noise)
    if belief.blender.answers:
        return belief.blender.probabilities(*given) @ jnp.asarray(belief.blender.answers)
    return belief.blender.moments(*given)[0]


def expected_table(
    belief: Belief, params: Params, table: dict[str, FloatArray], v: FloatArray, shift: FloatArray, spread: FloatArray,
    noise: FloatArray,
) -> FloatArray:  # fmt: skip
    """``E[y | x_t, v_i, a_i, e_i]`` at effect 0 of the problem, shape (T, N).

    Args:
        belief: the generator's constants, numeric scale.
        params: learned parameters.
        table: ``x`` (T, D), ``reference`` and ``centred`` (T, 1).
        v: coded profiles, (N, P).
        shift: kept effects on the belief, (N, 1).
        spread: kept effects on the log spread, (N, 1).
        noise: kept mixing draws, (N, Q) with mixing over profiles.
    """
    closed = not belief.mixing and belief.blender.family in ("normal", "censored", "ordinal")
    draws = 1 if closed else _DRAWS
    q = belief.mixing_dim if belief.mixing or belief.profile_noise else 0
    wide, rng = (len(v), q), np.random.default_rng(0)
    total = np.zeros((len(table["x"]), len(v)))
    for _ in range(draws):
        people = People(
            v=jnp.asarray(v, dtype=jnp.float32),
            shift=jnp.asarray(shift, dtype=jnp.float32),
            spread=jnp.asarray(spread, dtype=jnp.float32),
            psi=jnp.asarray(noise if belief.profile_noise else rng.standard_normal(wide), jnp.float32) if q else None,
            noise=jnp.asarray(rng.standard_normal((len(v), 1)), dtype=jnp.float32),
        )
        for start in range(0, len(total), BLOCK):
            rows = np.arange(start, start + BLOCK) % len(total)
            arrays = [jnp.asarray(table[name][rows], dtype=jnp.float32) for name in ("x", "centred", "reference")]
            part = np.asarray(_expected(belief, params, *arrays, people), dtype=np.float64)
            stop = min(start + BLOCK, len(total))
            total[start:stop] += part[: stop - start] / draws
    return total


#: Mixing draws, problems and profiles over which mixing is measured.
_MEASURED, _PROBLEMS, _PROFILES = 512, 16, 16


def mixing_of(belief: Belief, params: Params, x: FloatArray, centred: FloatArray, v: FloatArray) -> Mixing | None:
    """How far mixing makes the law of what people keep, or of their beliefs, leave the normal; None without mixing.

    Args:
        belief: the generator's constants.
        params: learned parameters.
        x: problem vectors (T, D).
        centred: centred reference (T, K).
        v: coded profiles (N, P).
    """
    draws = jnp.asarray(kept.even_draws(_MEASURED, belief.mixing_dim), dtype=jnp.float32)
    if belief.kept_mixing:
        law = kept.components(params["kept"], draws)
        return Mixing.of(law.mean[:, :-1], law.sd[:, :-1])
    if not (belief.mixing or belief.profile_noise):
        return None
    rows, people = ([*range(0, len(one), -(-len(one) // most))] for one, most in ((x, _PROBLEMS), (v, _PROFILES)))
    problem = networks.of_problems(params["encoder"], jnp.asarray(x[rows]), jnp.asarray(centred[rows]))
    person = networks.of_people(params["encoder"], jnp.asarray(v[people]))
    pairs = {name: each[:, None] for name, each in problem.items()}
    psi = jax.scipy.special.ndtri(draws / np.sqrt(12.0) + 0.5)[:, None, None]
    return Mixing.of(*networks.encode(params["encoder"], pairs, person, psi))


class People(NamedTuple):
    """S virtual people, each with one mixing draw and one noise draw.

    Attributes:
        v: coded profiles, (S, P).
        shift: kept effect on the belief, (S, K).
        spread: kept effect on the log spread, (S, 1).
        psi: mixing draws, (S, Q), or None.
        noise: standard normal draws for the belief, (S, K).
    """

    v: jax.Array
    shift: jax.Array
    spread: jax.Array
    psi: jax.Array | None
    noise: jax.Array


def expected_decisions(params: Params, draws: int) -> Params:
    """Parameters under which one draw of a decision is the mean of J draws under the parameters given.

    The mean of J independent ``y_ref + delta_j + sigma e_j`` with ``delta_j ~ N(mu, s^2)`` is one such draw with s and
    sigma divided by the square root of J; what people keep is the same in all J, and stays.

    Args:
        params: learned parameters of a normal or ordinal blender without mixing.
        draws: J.

    Source: CrowdLLM, section 3, "personalized decision-making".
    """
    less = np.float32(0.5 * np.log(draws))
    encoder, blender = dict(params["encoder"]), dict(params["blender"])
    encoder["bias_spread"] = encoder["bias_spread"] - less
    encoder["log_unit"] = encoder.get("log_unit", np.float32(0.0)) - less  # the ends of the log sd move along
    blender["log_sigma"] = blender["log_sigma"] - less
    return {**params, "encoder": encoder, "blender": blender}


def even_people(params: Params, belief: Belief, profiles: FloatArray, size: int, seed: int) -> People:
    """People spread evenly over profiles, effects, mixing and noise by a scrambled Sobol sequence.

    Args:
        params: learned parameters.
        belief: the generator's constants.
        profiles: coded profiles to choose from with equal weights, shape (N, P).
        size: S, rounded up to a power of 2.
        seed: of the scrambling.
    """
    k, q = belief.blender.belief_dim, belief.mixing_dim if belief.mixing or belief.profile_noise else 0
    exponent = int(np.ceil(np.log2(max(size, 2))))
    points = qmc.Sobol(2 + 2 * k + q + belief.kept_uniforms, rng=np.random.default_rng(seed)).random_base2(exponent)
    points = np.clip(points, 1e-6, 1.0 - 1e-6)
    rows = np.minimum((points[:, 0] * len(profiles)).astype(np.int64), len(profiles) - 1)
    normal, uniform = ndtri(points[:, 1 : 2 + 2 * k + q]).astype(np.float32), points[:, 2 + 2 * k + q :]
    shift, spread = belief.kept_effects(params, normal[:, : k + 1], uniform.astype(np.float32))
    return People(
        v=jnp.asarray(profiles[rows], dtype=jnp.float32),
        shift=jnp.asarray(shift),
        spread=jnp.asarray(spread),
        psi=jnp.asarray(normal[:, 1 + 2 * k :]) if q else None,
        noise=jnp.asarray(normal[:, k + 1 : 1 + 2 * k]),
    )

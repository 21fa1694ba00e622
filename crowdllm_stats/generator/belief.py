"""The belief generator's two objectives: the paper's (Eq. 4) and the likelihood of the answers, a NumPyro program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro.infer import Trace_ELBO

from crowdllm_stats.generator import kept, networks
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.networks import NormalBelief, Params
from crowdllm_stats.semi_implicit import SemiImplicit

Objective = Literal["likelihood", "paper"]

#: With mixing draws, at the start and over the answers' standard deviation: size of the components' means, their sd.
MEANS_APART, COMPONENT = 1.5, 0.3


class TrainingData(NamedTuple):
    """Arrays of a training set: T problems, N people, n answers.

    Attributes:
        x: problem vectors, (T, D).
        v: coded profiles, (N, P).
        reference: ``y_ref`` (T, 1), or ``log p_ref`` (T, K).
        centred: the reference about its training mean, same shape.
        problem: row of every answer's problem, (n,).
        person: row of every answer's person, (n,).
        answer: see :meth:`Blender.encode`, (n,).
        weight: what an answer counts, (n,): 1 under the likelihood, ``1 / (N T_i)`` under the paper's objective, and 0
            for answers that are held out.
        share: how often a batch goes into the whole, (); 1 for all answers.
        ridge: precisions of the linear weights, the network's and the linear weights of the log sd, (3,).
        diversity: factor on the belief's own randomness in the blender, (); 1 as published (paper's objective).
        is_problem: which rows of ``x`` are problems, (T,); others only fill up. None for all.
        is_person: which rows of ``v`` are people, (N,), likewise.
    """

    x: jax.Array
    v: jax.Array
    reference: jax.Array
    centred: jax.Array
    problem: jax.Array
    person: jax.Array
    answer: jax.Array
    weight: jax.Array
    share: jax.Array
    ridge: jax.Array
    diversity: jax.Array
    is_problem: jax.Array | None = None
    is_person: jax.Array | None = None

    def take(self, rows: jax.Array, share: Any) -> TrainingData:
        """A batch of the answers."""
        part = {name: getattr(self, name)[rows] for name in ("problem", "person", "answer", "weight")}
        return self._replace(**part, share=share)


class Draws(NamedTuple):
    """Random numbers of one step under the paper's objective.

    Attributes:
        psi: mixing draws, first M + 1 of the encoder, then J of the decisions, (M + 1 + J, n, Q); None without mixing.
        noise: standard normal draws, first of the encoder's belief, then J of the decisions', (1 + J, n, K).
    """

    psi: jax.Array | None
    noise: jax.Array


@dataclass(frozen=True)
class Belief:
    """The belief generator's fixed sizes and constants; its objectives are methods.

    Attributes:
        blender: see :class:`Blender`.
        hidden: width of the hidden layers.
        mixing: M, further mixing draws of an answer's belief; 0 for a belief that is normal given what people keep.
        kept_mixing: M, further mixing draws of what a person keeps, see :func:`kept.law`; 0 for a normal law.
        profile_noise: whether a person has one mixing draw for all problems, the noise of the profile generator.
        mixing_dim: Q, coordinates of a mixing draw.
        draws: J, beliefs averaged for one decision in training (paper's objective).
        loss_weight: lambda of Eq. 4.
        trust: whether a belief may take back a share of the reference decision.
        skip: whether belief and log spread have linear terms beside the hidden layer.
        person_effects: whether people keep a belief, and a spread, over problems (likelihood).
        problem_effects: whether problems have a belief that text and reference do not explain (likelihood).
    """

    blender: Blender
    hidden: int = 64
    mixing: int = 0
    kept_mixing: int = 0
    profile_noise: bool = False
    mixing_dim: int = 8
    draws: int = 10
    loss_weight: float = 1.0
    trust: bool = True
    skip: bool = True
    person_effects: bool = True
    problem_effects: bool = True

    def initial(self, key: jax.Array, n_x: int, n_v: int, n_problems: int, n_people: int, sigma: Any) -> Params:
        """Starting values of everything learned; ``sigma`` in rating units.

        With mixing draws the components' means start spread out and their sd narrow. From means that are all equal
        training never leaves the normal: splitting a normal into narrower normals changes nothing to first order.
        """
        first, second = jax.random.split(key)
        size = {"hidden": self.hidden, "belief_dim": self.blender.belief_dim}
        k = self.blender.belief_dim
        params: Params = {
            "encoder": networks.initial_encoder(first, n_x, n_v, mixing_dim=self.mixing_dim, **size),
            "decoder": networks.initial_decoder(second, n_x, n_v, **size),
            "blender": self.blender.initial(sigma),
            "log_tau_problem": jnp.log(0.5 * sigma),
            "log_tau_person": jnp.log(0.7 * sigma),
            "log_tau_spread": jnp.log(0.3),
            "couple": jnp.zeros((k,)),
            "problem": {"mean": jnp.zeros((n_problems, k)), "log_sd": jnp.full((n_problems, k), jnp.log(0.4 * sigma))},
            "person": {"mean": jnp.zeros((n_people, k)), "log_sd": jnp.full((n_people, k), jnp.log(0.2 * sigma))},
            "spread": {"mean": jnp.zeros((n_people, 1)), "log_sd": jnp.full((n_people, 1), -1.5)},
        }
        params["encoder"]["bias_spread"] = jnp.full((k,), jnp.log(sigma))
        if self.kept_mixing:
            params["kept"] = kept.initial(jax.random.fold_in(key, 3), self.mixing_dim, k)
        if self.profile_noise:
            wide = (n_people, self.mixing_dim)
            params["profile"] = {"mean": jnp.zeros(wide), "log_sd": jnp.full(wide, jnp.log(0.5))}
        if self.mixing or self.profile_noise:
            third = jax.random.fold_in(key, 2)
            heads = jax.random.normal(third, (self.hidden, k)) * MEANS_APART * sigma / jnp.sqrt(self.hidden)
            params["encoder"]["mean"] = heads
            params["encoder"]["bias_spread"] = jnp.full((k,), jnp.log(COMPONENT * sigma))
            params["blender"] = self.blender.initial(COMPONENT * sigma)
        return params

    def encode(
        self, params: Params, data: TrainingData, psi: jax.Array | None, shift: networks.Effect = 0.0,
        log_factor: networks.Effect = 0.0,
    ) -> NormalBelief:  # fmt: skip
        """The belief behind every answer given the mixing draws and effects, shape (..., n, K); Eq. 1."""
        problems = networks.of_problems(params["encoder"], data.x, data.centred)
        people = networks.of_people(params["encoder"], data.v)
        problem = {name: rows[data.problem] for name, rows in problems.items()}
        person = {name: rows[data.person] for name, rows in people.items()}
        return networks.encode(params["encoder"], problem, person, psi, shift, log_factor)

    def psi(self, key: jax.Array, n: int) -> jax.Array | None:
        """Mixing draws, independent for every answer, shape (M + 1, n, Q); None without mixing."""
        return jax.random.normal(key, (self.mixing + 1, n, self.mixing_dim)) if self.mixing else None

    @property
    def kept_uniforms(self) -> int:
        """Uniform numbers behind a virtual person's kept effects."""
        return self.mixing_dim if self.kept_mixing else 0

    def kept_effects(self, params: Params, noise: Any, uniform: Any) -> tuple[Any, Any]:
        """What virtual people keep, see :func:`kept.drawn`; zeros where nobody keeps anything.

        Args:
            params: learned parameters.
            noise: standard normal draws, shape (N, K + 1).
            uniform: uniform draws, shape (N, ``kept_uniforms``).
        """
        if not self.person_effects or "log_tau_person" not in params:
            return noise[:, :-1] * 0.0, noise[:, -1:] * 0.0
        return kept.drawn(params, noise, uniform)

    # -- the likelihood of the answers -----------------------------------------------------------------------------

    def likelihood_model(self, params: Params, data: TrainingData) -> None:
        """``a_i ~ N(0, tau_a^2)``, ``e_i ~ N(kappa a_i, tau_e^2)``, ``b_t ~ N(0, tau_b^2)`` and the answers' marginal.

        ``p(y_it | a, e, b) = E_psi E_delta F(y; y_ref + delta, sigma^2)`` with
        ``delta | psi ~ N(mu(x_t, v_i, psi) + a_i + b_t, (s(x_t, v_i, psi) exp(e_i))^2)``, over M + 1 mixing draws. With
        ``kept_mixing`` the law of ``(a_i, e_i)`` is semi-implicit, see :func:`kept.law`; with ``profile_noise`` a
        person has one ``psi_i ~ N(0, 1)`` for all problems.
        """
        shapes = {name: params[name]["mean"].shape for name in ("person", "problem")}
        shift = log_factor = jnp.zeros(())
        k = self.blender.belief_dim
        if self.person_effects:
            law = kept.law(params, shapes["person"][0], self.kept_mixing, numpyro.prng_key())
            person, extra = kept.effects(params, numpyro.sample("person", law))
            shift, log_factor = person[data.person], extra[data.person]
        if self.problem_effects:
            tau = jnp.exp(params["log_tau_problem"])
            problem = numpyro.sample("problem", dist.Normal(0.0, tau).expand(shapes["problem"]).to_event(2))
            shift = shift + problem[data.problem]
        psi = self.psi(numpyro.prng_key(), data.problem.shape[0])
        if self.profile_noise:
            normal = dist.Normal(jnp.zeros_like(params["profile"]["mean"]), 1.0)
            psi = numpyro.sample("profile", normal.to_event(2))[data.person]
        mean, sd = self.encode(params, data, psi, shift, log_factor)
        noise = jax.random.normal(numpyro.prng_key(), (*mean.shape[:-1], k))
        reference = data.reference[data.problem]
        each = self.blender.log_prob(params["blender"], data.answer, reference, mean, sd, noise)
        if self.mixing:
            each = logsumexp(each, axis=0) - jnp.log(self.mixing + 1)
        numpyro.factor("answers", (each * data.weight).sum() * data.share)
        numpyro.factor("weights", -self.penalty(params, data.ridge))

    def likelihood_guide(self, params: Params, data: TrainingData) -> None:
        """Independent normals for the effects of people and problems."""
        person = {part: jnp.concatenate([params[name][part] for name in ("person", "spread")], axis=1)
                  for part in ("mean", "log_sd")}  # fmt: skip
        sites = {"person": (self.person_effects, person), "problem": (self.problem_effects, params["problem"]),
                 "profile": (self.profile_noise, params.get("profile"))}  # fmt: skip
        for name, (used, law) in sites.items():
            if used:
                numpyro.sample(name, dist.Normal(law["mean"], jnp.exp(law["log_sd"])).to_event(2))

    def penalty(self, params: Params, ridge: jax.Array) -> jax.Array:
        """See :func:`networks.weight_penalty`; also a wide normal prior on ``log_sigma``, for scales of two answers."""
        return 0.5 * params["blender"]["log_sigma"] ** 2 + networks.weight_penalty(params["encoder"], ridge)

    # -- the paper's objective -------------------------------------------------------------------------------------

    def draws_of(self, key: jax.Array, n: int) -> Draws:
        """The random numbers of one step: mixing draws are independent for every answer and decision."""
        k, m, q = self.blender.belief_dim, self.mixing, self.mixing_dim
        # The order in which NumPyro's Trace_ELBO hands out keys to a model (belief, decisions) and guide (psi, belief).
        of_model, of_guide = jax.random.split(key)
        of_guide, of_psi = jax.random.split(of_guide)
        of_belief = jax.random.split(of_guide)[1]
        first, second = jax.random.split(jax.random.split(jax.random.split(of_model)[0])[1])
        believed = jax.random.normal(of_belief, (m + 1, n, k))[:1]
        noise = jnp.concatenate([believed, jax.random.normal(second, (self.draws, n, k))])
        if not m:
            return Draws(None, noise)
        psi = [jax.random.normal(of_psi, (m + 1, n, q)), jax.random.normal(first, (self.draws, n, q))]
        return Draws(jnp.concatenate(psi), noise)

    def paper_loss(self, params: Params, draws: Draws, data: TrainingData) -> jax.Array:
        """Eq. 4 on given draws: minus the surrogate bound, and lambda times the loss of the decisions.

        ``sum_i w_i [log q_M(delta) - log N(delta; 0, 1) - mean_d log N(x_d; D(delta, v)_d, 1) + lambda l(yhat, y)]``
        with delta one draw of the semi-implicit encoder ``q_M``. The log-density of x is averaged over its coordinates.
        """
        first = self.mixing + 1
        weight = data.weight * data.share
        x, v = data.x[data.problem], data.v[data.person]
        code = networks.encode_pairs(params["encoder"], x, data.centred[data.problem], v, draws.psi)
        if self.mixing:
            law: dist.Distribution = SemiImplicit(dist.Normal(code.mean[:first], code.sd[:first]).to_event(1))
            delta = code.mean[0] + code.sd[0] * draws.noise[0]
            code = NormalBelief(code.mean[first:], code.sd[first:])
        else:
            law = dist.Normal(*code).to_event(1)
            delta = code.mean + code.sd * draws.noise[0]
        lost = law.log_prob(delta) - dist.Normal(jnp.zeros_like(delta), 1.0).to_event(1).log_prob(delta)
        if x.shape[1]:
            said = networks.decode(params["decoder"], delta, v)
            lost = lost - dist.Normal(said, 1.0).log_prob(x).mean(axis=1)
        return (weight * (lost + self.loss_weight * self.decision_loss(data, code, draws.noise[1:]))).sum()

    def decision_loss(self, data: TrainingData, believed: NormalBelief, noise: jax.Array) -> jax.Array:
        """``l(yhat, y)`` of every answer, ``yhat`` the mean of J decisions ``y_ref + delta``; shape (n,).

        Squared error of the mean of J blended decisions; on a categorical scale the cross-entropy of their averaged
        distribution (the printed indicator has the wrong sign and no gradient). The blender's own noise, which adds
        the constant ``sigma^2 / J``, and the ends of a bounded scale are left out.
        """
        location = data.reference[data.problem] + (believed.mean + data.diversity * believed.sd * noise)
        if self.blender.family == "categorical":
            mixed = logsumexp(jax.nn.log_softmax(location, axis=-1), axis=0) - jnp.log(self.draws)
            return -jnp.take_along_axis(mixed, data.answer[:, None], axis=-1)[:, 0]
        truth = data.answer
        if self.blender.family == "ordinal":
            truth = jnp.asarray(self.blender.answers)[data.answer]
        return (location[..., 0].mean(axis=0) - truth) ** 2

    # -- what is minimised -----------------------------------------------------------------------------------------

    def loss(self, objective: Objective, params: Params, key: jax.Array, data: TrainingData) -> jax.Array:
        """What is minimised: :meth:`paper_loss`, or minus NumPyro's ``Trace_ELBO`` of the likelihood per answer."""
        params = {**params, "encoder": {**params["encoder"], **self._left_out(params["encoder"])}}
        if objective == "paper":
            return self.paper_loss(params, self.draws_of(key, data.problem.shape[0]), data)
        value = Trace_ELBO().loss(key, {}, self.likelihood_model, self.likelihood_guide, params, data)
        return value / (data.weight.sum() * data.share)

    def _left_out(self, encoder: Params) -> Params:
        """Weights of the encoder that stay at their start, 0."""
        names = (() if self.trust else ("trust",)) + (() if self.skip else networks.LINEAR)
        return {name: jax.lax.stop_gradient(encoder[name]) for name in names}

    def held_out_loss(self, objective: Objective, params: Params, key: jax.Array, data: TrainingData) -> jax.Array:
        """Loss on answers to other problems by the same people: effects of people at their mean, of problems at 0."""
        if objective == "paper":
            return self.loss("paper", params, key, data)
        each = self.typical_log_prob(params, key, data, jnp.zeros(()))
        return -(each * data.weight).sum() / data.weight.sum()

    def typical_log_prob(self, params: Params, key: jax.Array, data: TrainingData, effect: jax.Array) -> jax.Array:
        """``log p`` of every answer, people's effects at their mean and every problem's at ``effect``; shape (n,)."""
        first, second = jax.random.split(key)
        shift, log_factor = effect, jnp.zeros(())
        if self.person_effects:
            at_mean = [params[name]["mean"] for name in ("person", "spread")]
            person, extra = kept.effects(params, jnp.concatenate(at_mean, axis=1))
            shift, log_factor = effect + person[data.person], extra[data.person]
        psi = self.psi(first, data.problem.shape[0])
        if self.profile_noise:
            psi = params["profile"]["mean"][data.person]
        mean, sd = self.encode(params, data, psi, shift, log_factor)
        noise = jax.random.normal(second, mean.shape)
        reference = data.reference[data.problem]
        each = self.blender.log_prob(params["blender"], data.answer, reference, mean, sd, noise)
        return logsumexp(each, axis=0) - jnp.log(self.mixing + 1) if self.mixing else each

"""The blender: a belief and a reference decision become an answer on the scale (Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp, ndtr

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.data.scale import Scale, continuous

Family = Literal["normal", "truncated", "censored", "ordinal", "categorical"]

#: Stands for an open end of the scale, in standard deviations beyond cut and centre; finite, as gradients must be.
_OPEN = 30.0

#: Nodes of the quadrature over a truncated normal.
_NODES = 32


@dataclass(frozen=True)
class Blender:
    """``y ~ F(y_ref + delta, sigma^2)`` for a belief ``delta`` that is normal given its mixing draw.

    ============  =====================================================================================
    normal        ``y = y_ref + delta + sigma e``
    truncated     the same, conditioned on lying inside the scale's ends
    censored      the same, put on the nearest end where it lies outside: ends hold a share of the answers
    ordinal       ``P(y <= a_k) = Phi((c_k - y_ref - delta) / sigma)``, a cumulative link with cuts ``c_k``
    categorical   ``P(y = a) = softmax_a((log p_ref(a) + delta_a) / sigma)``, a belief for every option
    ============  =====================================================================================

    The cuts of an ordinal scale lie in rating units; the first and the last stay half-way between their levels, which
    fixes origin and unit, those between are learned.

    Attributes:
        family: one of "normal", "truncated", "censored", "ordinal", "categorical".
        answers: levels or options of the scale, none on a continuous scale.
        bounds: ends of the scale, if it has them.

    Example:
        >>> from crowdllm_stats import ordinal
        >>> blender = Blender.of_scale(ordinal([1, 2, 3, 4, 5]))
        >>> blender.family, blender.belief_dim
        ('ordinal', 1)
        >>> blender.cuts(blender.initial()).round(2).tolist()
        [1.5, 2.5, 3.5, 4.5]
    """

    family: Family
    answers: tuple[Any, ...] = ()
    bounds: tuple[float, float] | None = None

    @classmethod
    def of_scale(cls, scale: Scale, family: Family | None = None) -> Blender:
        """The family a scale asks for, or the one named.

        Raises:
            ValueError: on a family the scale does not allow, and for ballots.
        """
        if scale.kind == "approval":
            raise ValueError(
                "ballots are not modelled as one answer; fit a BallotCrowd where all hold as many options, or turn "
                "every option into a problem with yes or no"
            )
        if family is not None:
            check_choice("family", family, get_args(Family))
        laws: dict[str, tuple[Family, ...]] = {
            "ordinal": ("ordinal", "normal", "truncated"),
            "categorical": ("categorical",),
            "continuous": ("normal",) if scale.bounds is None else ("truncated", "censored", "normal"),
        }
        allowed = laws[scale.kind]
        chosen = family or allowed[0]
        if chosen not in allowed:
            raise ValueError(f"family {chosen!r} does not fit a {scale.kind} scale; use {' or '.join(allowed)}")
        if chosen == "ordinal":
            return cls(chosen, scale.levels, scale.bounds)
        if chosen == "categorical":
            return cls(chosen, scale.options)
        return cls(chosen, (), scale.bounds)

    @property
    def belief_dim(self) -> int:
        """K, the coordinates of a belief: 1 on numeric scales, one an option otherwise."""
        return len(self.answers) if self.family == "categorical" else 1

    def answer_scale(self, scale: Scale) -> Scale:
        """The scale of drawn answers: the data's; without levels, or ends, where the family has none."""
        if self.family == "normal":
            return continuous()
        return continuous(*self._ends()) if self.family in ("truncated", "censored") else scale

    def initial(self, sigma: float = 1.0) -> dict[str, Any]:
        """Starting values: ``log_sigma``, and ``spacing`` of the cuts (logits of their gaps)."""
        start = {"log_sigma": jnp.log(jnp.asarray(sigma, dtype=jnp.float32))}
        if self.family == "ordinal":
            gaps = np.diff(self._middles())
            start["spacing"] = jnp.asarray(np.log(gaps), dtype=jnp.float32)
        return start

    def _middles(self) -> FloatArray:
        levels = np.asarray(self.answers, dtype=np.float64)
        return np.asarray((levels[1:] + levels[:-1]) / 2)

    def cuts(self, params: Mapping[str, Any]) -> jax.Array:
        """Cuts of an ordinal scale, shape (A - 1,)."""
        middles = self._middles()
        if len(middles) == 1:
            return jnp.asarray(middles)
        share = jnp.cumsum(jax.nn.softmax(params["spacing"]))
        return jnp.concatenate([jnp.asarray(middles[:1]), middles[0] + share * (middles[-1] - middles[0])])

    def encode(self, responses: Any) -> FloatArray:
        """Answers as the likelihood reads them: numbers, or the place of an answer on its scale."""
        if self.family in ("ordinal", "categorical"):
            place = {answer: index for index, answer in enumerate(self.answers)}
            return np.asarray([place[answer] for answer in responses], dtype=np.int32)
        return np.asarray(responses, dtype=np.float32)

    def log_prob(
        self, params: Mapping[str, Any], answer: jax.Array, reference: jax.Array, mean: jax.Array, sd: jax.Array,
        noise: jax.Array,
    ) -> jax.Array:  # fmt: skip
        """``log p(answer | psi)``, the belief ``N(mean, sd^2)`` integrated out where that is closed, else one draw.

        Args:
            params: see :meth:`initial`.
            answer: shape (n,), see :meth:`encode`.
            reference: ``y_ref`` (n, 1), or ``log p_ref`` (n, K) on a categorical scale.
            mean: belief means, shape (..., n, K).
            sd: their standard deviations, same shape.
            noise: standard normal draws of the same shape, used by truncated and categorical.

        Returns:
            Shape (..., n).
        """
        sigma = jnp.exp(params["log_sigma"])
        if self.family == "categorical":
            logits = (reference + mean + sd * noise) / sigma
            chosen = jnp.take_along_axis(logits, jnp.broadcast_to(answer, logits.shape[:-1])[..., None], axis=-1)
            return chosen[..., 0] - logsumexp(logits, axis=-1)
        if self.family == "truncated":
            centre = (reference + mean + sd * noise)[..., 0]
            ends = [(end - centre) / sigma for end in self._ends()]
            return _log_normal(answer, centre, sigma) - _log_between(*ends)
        centre = (reference + mean)[..., 0]
        total = jnp.sqrt(sd[..., 0] ** 2 + sigma**2)
        if self.family == "normal":
            return _log_normal(answer, centre, total)
        if self.family == "censored":
            least, most = self._ends()
            inside = _log_normal(answer, centre, total)
            below, above = log_ndtr((least - centre) / total), log_ndtr((centre - most) / total)
            return jnp.where(answer <= least, below, jnp.where(answer >= most, above, inside))
        cuts = self.cuts(params)
        low = (jnp.concatenate([cuts[:1], cuts])[answer] - centre) / total
        high = (jnp.concatenate([cuts, cuts[-1:]])[answer] - centre) / total
        low, high = (
            jnp.where(answer == 0, jnp.minimum(high, 0.0) - _OPEN, low),
            jnp.where(answer == len(self.answers) - 1, jnp.maximum(low, 0.0) + _OPEN, high),
        )
        return _log_between(low, high)

    def probabilities(
        self, params: Mapping[str, Any], reference: jax.Array, mean: jax.Array, sd: jax.Array, noise: jax.Array
    ) -> jax.Array:
        """Probability of every answer of an ordinal or categorical scale, shape (..., A); arguments as log_prob."""
        sigma = jnp.exp(params["log_sigma"])
        if self.family == "categorical":
            return jax.nn.softmax((reference + mean + sd * noise) / sigma, axis=-1)
        centre = reference + mean
        total = jnp.sqrt(sd**2 + sigma**2)
        below = ndtr((self.cuts(params) - centre) / total)
        ends = jnp.zeros((*below.shape[:-1], 1))
        return jnp.diff(jnp.concatenate([ends, below, ends + 1.0], axis=-1), axis=-1)

    def moments(
        self, params: Mapping[str, Any], reference: jax.Array, mean: jax.Array, sd: jax.Array, noise: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and variance of the answer where it is a number, shape (...,); arguments as log_prob."""
        sigma = jnp.exp(params["log_sigma"])
        if self.family == "normal":
            return (reference + mean)[..., 0], sd[..., 0] ** 2 + sigma**2
        if self.family == "censored":
            total = jnp.sqrt(sd[..., 0] ** 2 + sigma**2)
            return _censored_moments((reference + mean)[..., 0], total, *self._ends())
        centre = (reference + mean + sd * noise)[..., 0]
        return _truncated_moments(centre, sigma, *self._ends())

    def draw(self, params: Mapping[str, Any], reference: jax.Array, belief: jax.Array, uniform: jax.Array) -> jax.Array:
        """Answers given beliefs: numbers, or places on the scale.

        Args:
            params: see :meth:`initial`.
            reference: shape (..., 1), or (..., K) on a categorical scale.
            belief: shape (..., K).
            uniform: uniform draws in (0, 1), shape (...,).
        """
        sigma = jnp.exp(params["log_sigma"])
        if self.family == "categorical":
            share = jnp.cumsum(jax.nn.softmax((reference + belief) / sigma, axis=-1), axis=-1)
            return (uniform[..., None] > share[..., :-1]).sum(axis=-1)
        centre = (reference + belief)[..., 0]
        if self.family == "truncated":
            low, high = ((end - centre) / sigma for end in self._ends())
            side = jnp.where(low + high > 0.0, -1.0, 1.0)  # mirrored, so that small shares stay exact
            first, last = (ndtr(jnp.where(side > 0.0, *pair)) for pair in ((low, -high), (high, -low)))
            share = jnp.clip(first + jnp.where(side > 0.0, uniform, 1.0 - uniform) * (last - first), 1e-37, 1.0 - 1e-7)
            return jnp.clip(centre + side * sigma * jax.scipy.special.ndtri(share), *self._inner_ends())
        value = centre + sigma * jax.scipy.special.ndtri(uniform)
        if self.family in ("normal", "censored"):
            return self.placed(value)
        return (value[..., None] > self.cuts(params)).sum(axis=-1)

    def placed(self, value: jax.Array) -> jax.Array:
        """Numbers as answers of a normal or censored blender."""
        return value if self.family == "normal" else jnp.clip(value, *self._inner_ends())

    def _ends(self) -> tuple[float, float]:
        if self.bounds is None:
            raise ValueError(f"a {self.family} blender needs the ends of the scale; give bounds=(low, high)")
        return self.bounds

    def _inner_ends(self) -> tuple[Any, Any]:
        """The ends as numbers of single precision that lie on the scale."""
        ends = []
        for end, inwards in zip(self._ends(), (np.inf, -np.inf), strict=True):
            single = np.float32(end)
            outside = float(single) < end if inwards > 0 else float(single) > end
            ends.append(np.nextafter(single, np.float32(inwards)) if outside else single)
        return ends[0], ends[1]


def _log_normal(value: jax.Array, mean: jax.Array, sd: jax.Array) -> jax.Array:
    return -0.5 * ((value - mean) / sd) ** 2 - jnp.log(sd) - 0.5 * jnp.log(2 * jnp.pi)


def _censored_moments(centre: jax.Array, sd: jax.Array, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of ``N(centre, sd^2)`` put on the ends where it lies outside [low, high].

    About the end next to the centre, so that nothing cancels: with ``z`` the standardised ends,
    ``E min(max(x, low), high) = low + sd [g(z_low) - g(z_high)]``, ``g(z) = phi(z) - z Phi(-z)``.
    """
    first, last = (low - centre) / sd, (high - centre) / sd
    gain = [jnp.exp(-0.5 * z**2) / jnp.sqrt(2 * jnp.pi) - z * ndtr(-z) for z in (first, last)]
    square = [(z**2 + 1.0) * ndtr(-z) - z * jnp.exp(-0.5 * z**2) / jnp.sqrt(2 * jnp.pi) for z in (first, last)]
    above = sd * (gain[0] - gain[1])
    second = sd**2 * (square[0] - square[1]) - 2.0 * (high - low) * sd * gain[1]
    return low + above, jnp.maximum(second - above**2, 0.0)


def _truncated_moments(centre: jax.Array, sd: jax.Array, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of ``N(centre, sd^2)`` given [low, high], by Gauss-Legendre quadrature about its mode.

    The closed form divides 0 by 0 once the centre lies a dozen standard deviations outside; this does not cancel.
    """
    nodes, weights = (jnp.asarray(one, dtype=jnp.float32) for one in np.polynomial.legendre.leggauss(_NODES))
    mode = jnp.clip(centre, low, high)
    beyond = mode - centre
    reach = sd * jnp.minimum(6.0, 16.0 * sd / jnp.maximum(jnp.abs(beyond), sd))
    first, last = jnp.maximum(low - mode, -reach), jnp.minimum(high - mode, reach)
    step = first[..., None] + (last - first)[..., None] * (nodes + 1.0) / 2
    mass = weights * jnp.exp(-0.5 * (step / sd) * ((step + 2.0 * beyond[..., None]) / sd))
    mass = mass / mass.sum(axis=-1, keepdims=True)
    shift = (mass * step).sum(axis=-1)
    return mode + shift, (mass * (step - shift[..., None]) ** 2).sum(axis=-1)


def _log_between(low: jax.Array, high: jax.Array) -> jax.Array:
    """``log(Phi(high) - Phi(low))`` without cancellation: mirrored where both ends are positive."""
    mirrored = low + high > 0.0
    first, last = jnp.where(mirrored, -high, low), jnp.where(mirrored, -low, high)
    upper, lower = log_ndtr(last), log_ndtr(first)
    return upper + jnp.log1p(-jnp.exp(jnp.minimum(lower - upper, -1e-7)))

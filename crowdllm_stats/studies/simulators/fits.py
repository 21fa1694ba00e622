"""Many small CrowdLLMs fitted side by side: one compiled scan of Adam over the paper's objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator import networks
from crowdllm_stats.generator.belief import Belief
from crowdllm_stats.generator.blender import Blender

LEARNING_RATE, DECAY, DECAY_SQUARE, TINY = 1e-3, 0.9, 0.999, 1e-8

#: Steps of one compiled piece: their random numbers lie in memory at once, drawn piece by piece, so that another number
#: here gives other draws.
PIECE = 100

#: The paper's generator with a semi-implicit encoder: hidden width 64, 5 further mixing draws of 8 dimensions, J = 10.
PAPER = Belief(Blender("normal"), hidden=64, mixing=5, mixing_dim=8, draws=10)


@dataclass(frozen=True, eq=False)
class Sample:
    """The n answers that one fit learns from.

    Attributes:
        row: problem's and person's coordinates side by side and a 1, (n, D + P + 1).
        reference: y_ref, (n,).
        centred: y_ref about its mean over the answered problems, (n,).
        answer: y, (n,).
        diversity: factor on the belief's own randomness in the blender.
        start: seed of the starting values.
        order: random numbers of the batches' order.
        draws: random numbers of the objective.
    """

    row: NDArray[np.float32]
    reference: FloatArray
    centred: FloatArray
    answer: FloatArray
    diversity: float
    start: int
    order: np.random.Generator
    draws: np.random.Generator


@dataclass(frozen=True, eq=False)
class Fits:
    """F fits.

    Attributes:
        untrained: packed starting weights, a leading axis of F.
        trained: packed weights after the last step.
        steps: steps made.
        belief: the generator's constants.
    """

    untrained: Packed
    trained: Packed
    steps: int
    belief: Belief


def steps_of(n: int, batch: int, *, epochs: int | None = None, steps: int | None = None) -> int:
    """Gradient steps: so many epochs of ``ceil(n / batch)`` steps, or the number given.

    Example:
        >>> steps_of(40, 32, epochs=100), steps_of(40, 32, steps=500)
        (200, 500)
    """
    if steps is not None:
        return steps
    if epochs is None:
        raise ValueError("give epochs or steps")
    return epochs * -(-n // batch)


def fit(samples: Sequence[Sample], n_x: int, *, batch: int, steps: int, belief: Belief = PAPER) -> Fits:
    """Fit F generators by Adam (rate 1e-3, constant), each from a fresh start with random numbers of its own.

    Every epoch goes through all answers in a new order; where n is no multiple of the batch, the last batch of an epoch
    is filled up from that order's beginning, as in :class:`crowdllm_stats.generator.training.Trainer`. Weights are
    ``1 / (N T_i)`` times n over the batch, the same for all answers since all workers have equally many questions.

    Args:
        samples: F samples of equal size n.
        n_x: D, coordinates of a problem.
        batch: most answers of a step.
        steps: steps of Adam.
        belief: the generator's constants.

    Raises:
        ValueError: on samples of different sizes.
    """
    sizes = {len(one.answer) for one in samples}
    if len(sizes) != 1:
        raise ValueError(f"samples fitted side by side must have equal size; got {sorted(sizes)}")
    n, width = sizes.pop(), samples[0].row.shape[1]
    size = min(batch, n)
    sigma = np.array([max(float(one.answer.std()), 1e-3) for one in samples], dtype=np.float32)
    seeds = jnp.asarray([one.start for one in samples], dtype=jnp.uint32)
    start = _starts(belief, n_x, width - n_x - 1, seeds, jnp.asarray(sigma))
    zero = jax.tree.map(jnp.zeros_like, start)
    state = (jax.tree.map(jnp.copy, start), zero, jax.tree.map(jnp.copy, zero), jnp.zeros(()))
    diversity = jnp.asarray([one.diversity for one in samples], dtype=jnp.float32)
    advance = _advance(belief)
    for piece in _pieces(samples, belief, size, steps):
        state = advance(state, piece, diversity)
    return Fits(start, state[0], steps, belief)


def draw_beliefs(
    packed: Packed, row: Any, centred: FloatArray, psi: FloatArray, noise: FloatArray, diversity: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """One belief ``mu + diversity s z`` for each of n virtual answers, and the s behind it; shape (F, n) each.

    Args:
        packed: weights with a leading axis of F.
        row: (F, n, D + P + 1), as :class:`Sample`.
        centred: (F, n).
        psi: mixing draws, (F, n, Q).
        noise: z, (F, n).
        diversity: (F,).
    """
    arrays = [jnp.asarray(one, dtype=jnp.float32) for one in (row, centred, psi)]
    mean, log_sd = (np.asarray(one, dtype=np.float64) for one in _encode(packed, *arrays))
    sd = np.exp(log_sd)
    return mean + diversity[:, None] * sd * noise, sd


@partial(jax.jit, static_argnums=(0, 1, 2))
def _starts(belief: Belief, n_x: int, n_v: int, seeds: jax.Array, sigma: jax.Array) -> Packed:
    """Starting weights, a leading axis of F: random hidden layers, heads at 0, sd of the belief that of the answers.

    So the first belief is one normal about y_ref for everybody; ``CrowdLLM`` with mixing draws starts from components
    that lie apart instead, which the paper does not have.
    """

    def one(seed: jax.Array, spread: jax.Array) -> Packed:
        first, second = jax.random.split(jax.random.key(seed))
        size = {"hidden": belief.hidden, "belief_dim": belief.blender.belief_dim}
        encoder = networks.initial_encoder(first, n_x, n_v, mixing_dim=belief.mixing_dim, **size)
        encoder["bias_spread"] = jnp.full((1,), jnp.log(spread))
        return pack({"encoder": encoder, "decoder": networks.initial_decoder(second, n_x, n_v, **size)})

    start: Packed = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), jax.vmap(one)(seeds, sigma))
    return start


@jax.jit
def _encode(packed: Packed, row: jax.Array, centred: jax.Array, psi: jax.Array) -> Any:
    def one(packed: Packed, row: jax.Array, centred: jax.Array, psi: jax.Array) -> Any:
        mean, log_sd = encode(packed, row, centred, psi[None])
        return mean[0], log_sd[0]

    return jax.vmap(one)(packed, row, centred, psi)


@lru_cache(maxsize=4)
def _advance(belief: Belief) -> Any:
    """A compiled piece of steps: state, batches with axes (steps, F, ...), diversity (F,) to state."""
    slope = jax.grad(partial(paper_loss, belief))

    def step(state: Any, batch: Batch, diversity: jax.Array) -> Any:
        params, first, second, count = state
        count = count + 1
        change = jax.vmap(slope)(params, batch, diversity)
        first = jax.tree.map(lambda old, new: DECAY * old + (1 - DECAY) * new, first, change)
        second = jax.tree.map(lambda old, new: DECAY_SQUARE * old + (1 - DECAY_SQUARE) * new**2, second, change)
        one, two = 1 - DECAY**count, 1 - DECAY_SQUARE**count

        def move(value: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            return jnp.asarray(value - LEARNING_RATE * (m / one) / (jnp.sqrt(v / two) + TINY))

        return jax.tree.map(move, params, first, second), first, second, count

    def piece(state: Any, batches: Batch, diversity: jax.Array) -> Any:
        return jax.lax.scan(lambda now, batch: (step(now, batch, diversity), None), state, batches)[0]

    return jax.jit(piece, donate_argnums=0)


def _pieces(samples: Sequence[Sample], belief: Belief, size: int, steps: int) -> Iterator[Batch]:
    """Batches with axes (steps of the piece, F, ...); every fit's numbers come from its own generators in turn."""
    orders = [_orders(one.order, len(one.answer), size, steps) for one in samples]
    weight = np.full((min(PIECE, steps), len(samples), size), 1.0 / size, dtype=np.float32)
    draws, first = belief.mixing + 1 + belief.draws, belief.draws + 1
    for begin in range(0, steps, PIECE):
        rows = [order[begin : begin + PIECE] for order in orders]
        count = len(rows[0])

        def gathered(name: str, rows: list[NDArray[np.int64]] = rows) -> NDArray[np.float32]:
            parts = [getattr(one, name)[place] for one, place in zip(samples, rows, strict=True)]
            return np.stack(parts, axis=1).astype(np.float32)

        def normal(*shape: int, count: int = count) -> NDArray[np.float32]:
            parts = [one.draws.standard_normal((count, *shape), dtype=np.float32) for one in samples]
            return np.stack(parts, axis=1)

        yield Batch(
            row=gathered("row"),
            reference=gathered("reference"),
            centred=gathered("centred"),
            answer=gathered("answer"),
            weight=weight[:count],
            psi=normal(draws, size, belief.mixing_dim),
            noise=normal(first, size),
        )


def _orders(rng: np.random.Generator, n: int, size: int, steps: int) -> NDArray[np.int64]:
    """Rows of every step's batch, (steps, size)."""
    a_round = -(-n // size)
    epochs = rng.permuted(np.tile(np.arange(n), (-(-steps // a_round), 1)), axis=1)
    filled = np.concatenate([epochs, epochs[:, : a_round * size - n]], axis=1)
    return filled.reshape(-1, size)[:steps]


Packed = dict[str, Any]


class Batch(NamedTuple):
    """B answers of one fit with the draws of one step.

    Attributes:
        row: problem's and person's coordinates side by side and a 1, (B, D + P + 1).
        reference: y_ref, (B,).
        centred: y_ref about its training mean, (B,).
        answer: y, (B,).
        weight: what an answer counts, (B,).
        psi: mixing draws, first M + 1 of the encoder, then J of the decision, (M + 1 + J, B, Q).
        noise: standard normal draws, first of the encoder's belief, then J of the decision's, (1 + J, B).
    """

    row: Any
    reference: Any
    centred: Any
    answer: Any
    weight: Any
    psi: Any
    noise: Any


def pack(params: Mapping[str, Any]) -> Packed:
    """Weights of :meth:`Belief.initial` as few matrices; any leading axes.

    Args:
        params: with ``encoder`` and ``decoder``, a belief of one coordinate.
    """
    encoder, decoder = params["encoder"], params["decoder"]
    spread = [encoder[name] for name in ("x_spread", "v_spread")] + [encoder["bias_spread"][..., None, :]]
    mean = [encoder[name] for name in ("x_mean", "v_mean")] + [encoder["bias_mean"][..., None, :]]
    linear = [jnp.concatenate(part, axis=-2) for part in (mean, spread)]
    hidden = [encoder["x_hidden"], encoder["v_hidden"], encoder["bias_hidden"][..., None, :]]
    return {
        "hidden": jnp.concatenate(hidden, axis=-2),
        "linear": jnp.concatenate(linear, axis=-1),
        "psi": encoder["psi_hidden"],
        "heads": jnp.concatenate([encoder["mean"], encoder["spread"]], axis=-1),
        "trust": encoder["trust"],
        "delta": decoder["delta_hidden"],
        "said_hidden": jnp.concatenate([decoder["v_hidden"], decoder["bias_hidden"][..., None, :]], axis=-2),
        "out": decoder["out"],
        "bias_out": decoder["bias_out"],
    }


def encode(packed: Packed, row: Any, centred: Any, psi: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and log sd of the belief, :func:`crowdllm_stats.generator.networks.encode`; shape (S, B) each.

    Args:
        packed: see :func:`pack`.
        row: see :class:`Batch`.
        centred: likewise.
        psi: mixing draws, (S, B, Q).
    """
    draws, size, width = psi.shape
    own, linear = row @ packed["hidden"], row @ packed["linear"]
    hidden = jnp.tanh((psi.reshape(draws * size, width) @ packed["psi"]).reshape(draws, size, -1) + own)
    heads = (hidden.reshape(draws * size, -1) @ packed["heads"]).reshape(draws, size, 2)
    mean = heads[..., 0] + linear[:, 0] + packed["trust"][0] * centred
    return mean, jnp.clip(heads[..., 1] + linear[:, 1], -6.0, 4.0)


def paper_loss(belief: Belief, packed: Packed, batch: Batch, diversity: Any) -> jax.Array:
    """Eq. 4 of one batch, as ``belief.loss("paper", ...)`` has it on the same draws.

    ``sum_i w_i [log q_M(delta) - log N(delta; 0, 1) - mean_d log N(x_d; D(delta, v)_d, 1) + lambda (yhat - y)^2]``,
    ``yhat = mean_j (y_ref + mu_j + diversity s_j z_j)``; the KL term uses the belief as it is.

    Args:
        belief: for M, J and lambda.
        packed: weights.
        batch: answers and draws.
        diversity: factor on the belief's own randomness in the blender.
    """
    first = belief.mixing + 1
    n_x = packed["bias_out"].shape[0]
    mean, log_sd = encode(packed, batch.row, batch.centred, batch.psi)
    sd = jnp.exp(log_sd)
    delta = mean[0] + sd[0] * batch.noise[0]
    each = -0.5 * ((delta - mean[:first]) / sd[:first]) ** 2 - log_sd[:first]
    divergence = logsumexp(each, axis=0) - np.log(first) + 0.5 * delta**2
    hidden = jnp.tanh(delta[:, None] * packed["delta"] + batch.row[:, n_x:] @ packed["said_hidden"])
    said = hidden @ packed["out"] + packed["bias_out"]
    lost = 0.5 * jnp.mean((batch.row[:, :n_x] - said) ** 2, axis=1) + 0.5 * np.log(2 * np.pi)
    decided = batch.reference + (mean[first:] + diversity * sd[first:] * batch.noise[1:]).mean(axis=0)
    missed = belief.loss_weight * (decided - batch.answer) ** 2
    return jnp.sum(batch.weight * (divergence + lost + missed))

"""Many small CrowdLLMs fitted side by side: the generator's own training, with the draws of each fit its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator import networks
from crowdllm_stats.generator.belief import Belief, Draws, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.training import Trainer

#: Steps of one compiled piece: their random numbers lie in memory at once, drawn piece by piece, so that another number
#: here gives other draws.
PIECE = 100

#: The paper's generator with a semi-implicit encoder: hidden width 64, 5 further mixing draws of 8 dimensions, J = 10.
PAPER = Belief(Blender("normal"), hidden=64, mixing=5, mixing_dim=8, draws=10)

#: Of Adam with a constant rate; the steps are the caller's.
TRAINER = Trainer(PAPER.paper_loss, steps=0, learning_rate=1e-3, decay=False, piece=PIECE)


@dataclass(frozen=True, eq=False)
class FitSample:
    """The n answers that one fit learns from.

    Attributes:
        x: problem's coordinates, (n, D).
        v: person's coordinates, (n, P).
        reference: y_ref, (n,).
        centred: y_ref about its mean over the answered problems, (n,).
        answer: y, (n,).
        diversity: factor on the belief's own randomness in the blender.
        start: seed of the starting values.
        order: random numbers of the batches' order.
        draws: random numbers of the objective.
    """

    x: FloatArray
    v: FloatArray
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
        untrained: starting weights, a leading axis of F.
        trained: weights after the last step; NaN where more than half of the steps had no finite loss or gradient.
    """

    untrained: Params
    trained: Params


def fit(samples: Sequence[FitSample], *, batch: int, steps: int) -> Fits:
    """Fit F generators by Adam (rate 1e-3, constant), each from a fresh start with random numbers of its own.

    Every epoch goes through all answers in a new order; where n is not a multiple of the batch, the last batch of an
    epoch is filled up from that order's beginning, as in :class:`crowdllm_stats.generator.training.Trainer`. Weights
    are ``1 / (N T_i)`` times n over the batch, the same for all answers since all workers have equally many questions.

    Args:
        samples: F samples of equal size n.
        batch: most answers of a step.
        steps: steps of Adam.

    Raises:
        ValueError: on samples of different sizes.
    """
    sizes = {len(one.answer) for one in samples}
    if len(sizes) != 1:
        raise ValueError(f"samples fitted side by side must have equal size; got {sorted(sizes)}")
    n, (n_x, n_v) = sizes.pop(), (samples[0].x.shape[1], samples[0].v.shape[1])
    size = min(batch, n)
    sigma = np.array([max(float(one.answer.std()), 1e-3) for one in samples], dtype=np.float32)
    seeds = jnp.asarray([one.start for one in samples], dtype=jnp.uint32)
    start = _starts(n_x, n_v, seeds, jnp.asarray(sigma))
    batches = np.stack([_orders(one.order, n, size, steps) for one in samples], axis=1)
    draws = partial(_draws, samples, size)
    *_, last = TRAINER.pieces(start, _training_data(samples, size), draws, batches, steps)
    failed = jnp.asarray(last.skipped > steps / 2)
    return Fits(start, _nothing_where(failed, TRAINER.parts(start, last.flat)))


def draw_beliefs(
    params: Params, x: Any, v: Any, centred: FloatArray, psi: FloatArray, noise: FloatArray, diversity: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """One belief ``mu + diversity s z`` for each of n virtual answers, and the s behind it; shape (F, n) each.

    Args:
        params: weights with a leading axis of F.
        x: problems' coordinates, (F, n, D).
        v: people's coordinates, (F, n, P).
        centred: y_ref about its mean over the answered problems, (F, n).
        psi: mixing draws, (F, n, Q).
        noise: z, (F, n).
        diversity: (F,).
    """
    arrays = [jnp.asarray(one, dtype=jnp.float32) for one in (x, centred[..., None], v, psi)]
    mean, sd = (np.asarray(one[..., 0], dtype=np.float64) for one in _encoded(params["encoder"], *arrays))
    return mean + diversity[:, None] * sd * noise, sd


_encoded: Callable[..., networks.NormalBelief] = jax.jit(jax.vmap(networks.encode_pairs))


@partial(jax.jit, static_argnums=(0, 1))
def _starts(n_x: int, n_v: int, seeds: jax.Array, sigma: jax.Array) -> Params:
    """Starting weights, a leading axis of F: those of ``CrowdLLM`` for answers of standard deviation ``sigma``."""

    def one(seed: jax.Array, sd: jax.Array) -> Params:
        start = PAPER.initial(jax.random.key(seed), n_x, n_v, 1, 1, sd)
        return {name: start[name] for name in ("encoder", "decoder")}

    start: Params = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), jax.vmap(one)(seeds, sigma))
    return start


@jax.jit
def _nothing_where(failed: jax.Array, params: Params) -> Params:
    found: Params = jax.tree.map(
        lambda leaf: jnp.where(failed.reshape(-1, *[1] * (leaf.ndim - 1)), jnp.nan, leaf), params
    )
    return found


def _training_data(samples: Sequence[FitSample], size: int) -> TrainingData:
    """Arrays with a leading axis of F, a row of x and v for each answer, rounded up to few sizes, so that few programs
    are compiled: the rows beyond the n answers are in no batch."""
    n = len(samples[0].answer)
    rows = np.arange(1 << max(n - 1, 255).bit_length())
    count = len(samples)

    def stacked(name: str) -> NDArray[np.float32]:
        return np.stack([getattr(one, name)[np.minimum(rows, n - 1)] for one in samples]).astype(np.float32)

    return TrainingData(
        x=jnp.asarray(stacked("x")),
        v=jnp.asarray(stacked("v")),
        reference=jnp.asarray(stacked("reference")[..., None]),
        centred=jnp.asarray(stacked("centred")[..., None]),
        problem=jnp.asarray(np.tile(rows.astype(np.int32), (count, 1))),
        person=jnp.asarray(np.tile(rows.astype(np.int32), (count, 1))),
        answer=jnp.asarray(stacked("answer")),
        weight=jnp.full((count, len(rows)), 1.0 / size, dtype=jnp.float32),
        share=jnp.full(count, float(size)),
        ridge=jnp.zeros((count, 3)),
        diversity=jnp.asarray([one.diversity for one in samples], dtype=jnp.float32),
    )


def _draws(samples: Sequence[FitSample], size: int, done: int, count: int) -> Draws:
    """Random numbers of a piece, axes (steps, F, ...); every fit's come from its own generator in turn."""

    def normal(*shape: int) -> NDArray[np.float32]:
        found = np.empty((count, len(samples), *shape), dtype=np.float32)
        for place, one in enumerate(samples):
            for step in found[:, place]:  # drawn where they are needed: stacking them takes as long as drawing
                one.draws.standard_normal(out=step, dtype=np.float32)
        return found

    psi = normal(PAPER.mixing + 1 + PAPER.draws, size, PAPER.mixing_dim)
    return Draws(psi, normal(PAPER.draws + 1, size)[..., None])  # type: ignore[arg-type]


def _orders(rng: np.random.Generator, n: int, size: int, steps: int) -> NDArray[np.int32]:
    """Rows of every step's batch, (steps, size)."""
    a_round = -(-n // size)
    epochs = rng.permuted(np.tile(np.arange(n), (-(-steps // a_round), 1)), axis=1)
    filled = np.concatenate([epochs, epochs[:, : a_round * size - n]], axis=1)
    return filled.reshape(-1, size)[:steps].astype(np.int32)

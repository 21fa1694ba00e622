"""Training: Adam on many fits side by side in one compiled scan, early stopping, steps that failed counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.belief import Belief, Objective, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.padding import rows_that_count
from crowdllm_stats.generator.random import root_key
from crowdllm_stats.generator.settings import BATCH_SIZE, Settings
from crowdllm_stats.generator.training_set import log_density_shift, rating_units, single

#: Of parameters, the random numbers of a step (a key, or what it stands for) and answers.
Loss = Callable[[Params, Any, TrainingData], jax.Array]

#: Steps of one compiled piece; between pieces the held-out loss is looked at.
PIECE = 50


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes:
        params: the parameters kept.
        history: training loss, one number per step.
        held_out: held-out loss after every piece of steps, empty without a held-out part.
        steps: steps made.
        skipped: steps left out since loss or gradient was not finite.
    """

    params: Params
    history: FloatArray
    held_out: FloatArray
    steps: int
    skipped: int

    def in_rating_units(self, blender: Blender, unit: float) -> Trained:
        """What training on answers divided by ``unit`` gave, for the answers themselves."""
        shift = log_density_shift(blender, unit)
        changed = {name: getattr(self, name) + shift for name in ("history", "held_out")}
        return replace(self, params=rating_units(self.params, unit), **changed)


@dataclass(frozen=True)
class Progress:
    """F fits after some pieces of steps.

    Attributes:
        flat: the parameters of every fit as one vector, (F, size).
        losses: training losses of the last piece, (F, its steps).
        skipped: steps left out so far since loss or gradient was not finite, (F,).
        done: steps made.
    """

    flat: jax.Array
    losses: FloatArray
    skipped: NDArray[np.int32]
    done: int


class Trainer:
    """Adam on one objective; one program is compiled for all fits of the same shapes, whatever their steps and rate.

    Args:
        loss: see :data:`Loss`.
        held_out: loss on answers that are held out, of parameters, a key and answers; ``loss`` without it.
        steps: most steps of Adam.
        learning_rate: of Adam.
        decay: whether the learning rate falls to 0 along a cosine.
        batch_size: answers per step, all without it; every epoch goes through all kept answers in a new order.
        piece: steps of one compiled piece.
    """

    def __init__(
        self, loss: Loss, held_out: Loss | None = None, *, steps: int, learning_rate: float, decay: bool = True,
        batch_size: int | None = None, piece: int = PIECE,
    ) -> None:  # fmt: skip
        self.steps, self.batch_size, self.piece = steps, batch_size, piece
        self._rate, self._decay = learning_rate, decay
        self._loss, self._held_out = loss, held_out or loss

    def pieces(
        self, start: Params, data: TrainingData, draws: Callable[[int, int], Any], batches: NDArray[np.int32] | None,
        steps: int,
    ) -> Iterator[Progress]:  # fmt: skip
        """Minimise the losses of F fits side by side.

        Args:
            start: starting values, a leading axis of F.
            data: training sets, a leading axis of F.
            draws: gives the random numbers of some steps, axes (steps, F, ...), of the steps made before and their
                number.
            batches: rows of every step's answers, (steps, F, batch); None for all.
            steps: how many.
        """
        like = _first(start)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(start)]
        flat = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
        states = (flat, _memory(self._decay, flat), np.zeros(len(flat), dtype=np.int32))
        rate = (np.float32(self._rate), np.float32(max(self.steps, 1)))
        for done in range(0, steps, self.piece):
            count = min(self.piece, steps - done)
            rows = None if batches is None else batches[done : done + count]
            given = jax.tree.map(self._filled, (draws(done, count), rows))
            live = np.arange(self.piece) < count
            states, losses = _advance(self._loss, self._decay, rate, states, (*given, live), data, like)
            yield Progress(states[0], np.asarray(losses)[:count].T, np.asarray(states[2]), done + count)

    @staticmethod
    def parts(start: Params, flat: jax.Array) -> Params:
        """The parameters of F fits, of their vectors; ``start`` as in :meth:`pieces`."""
        leaves, tree = jax.tree.flatten(start)
        ends = np.cumsum([leaf[0].size for leaf in map(np.asarray, leaves)])[:-1]
        parts = np.split(np.asarray(flat), ends, axis=1)
        found: Params = jax.tree.unflatten(
            tree, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        )
        return found

    def _filled(self, leaf: Any) -> Any:
        """The numbers of a piece's steps, the last repeated where the piece is not full."""
        lacking = self.piece - leaf.shape[0]
        return np.concatenate([leaf, np.repeat(leaf[-1:], lacking, axis=0)]) if lacking else leaf

    def fit(
        self, initial: Callable[[jax.Array], Params], data: TrainingData, *, seed: int, steps: int | None = None,
        aside: TrainingData | None = None, patience: int = 4, progress: Callable[[int, int], None] | None = None,
    ) -> Trained:  # fmt: skip
        """Minimise the loss of one fit.

        Args:
            initial: starting values from a key.
            data: the training set; answers without weight do not count.
            seed: of starting values, batches and draws.
            steps: fewer steps than the trainer's.
            aside: the same arrays with weight on held-out answers; the best parameters by their loss are kept, and
                training stops after ``patience`` pieces of steps without better ones.
            patience: see ``aside``.
            progress: called with steps done and steps in all.

        Raises:
            ValueError: if more than half of the steps failed, or no held-out loss was finite: no fit.
        """
        root = root_key(seed)
        wanted = self.steps if steps is None else steps
        kept = np.flatnonzero(np.asarray(data.weight))
        batches = None
        if self.batch_size is not None:
            batches = _batches(kept, wanted, self.batch_size, np.random.default_rng([int(seed), 1]))[:, None]
            data = data._replace(share=single(len(kept)))
        first, judging, draws = _streams(root)
        params = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float32)[None], initial(first))

        def now_of(flat: jax.Array) -> Params:
            return _first(self.parts(params, flat))

        best, stale, done, skipped = None, 0, 0, 0
        history: list[FloatArray] = []
        judged: list[float] = []
        many = jax.device_put(jax.tree.map(lambda leaf: np.asarray(leaf)[None], data))
        for now in self.pieces(params, many, lambda done, _: _keys(draws, done, self.piece), batches, wanted):
            done, skipped = now.done, int(now.skipped[0])
            history.append(now.losses[0])
            better = True
            if aside is not None:
                loss = float(_judged(self._held_out, now_of(now.flat), judging, aside))
                judged.append(loss if np.isfinite(loss) else np.inf)
                better = judged[-1] < min(judged[:-1], default=np.inf)
            best, stale = (now.flat, 0) if better else (best, stale + 1)
            if progress is not None:
                progress(done, wanted)
            if stale == patience:
                break
        losses = np.concatenate(history)
        if skipped > done / 2 or best is None or not np.isfinite(losses[-PIECE:]).any():
            raise ValueError(
                f"training failed: {skipped} of {done} steps gave a loss or gradient that is not finite; lower "
                "learning_rate, and look for extreme values in profiles, embedding and answers"
            )
        return Trained(
            params=now_of(best),
            history=losses,
            held_out=np.array(judged),
            steps=done,
            skipped=skipped,
        )

    def judge(self, params: Params, aside: TrainingData, seed: int) -> float:
        """The held-out loss of one fit."""
        return float(_judged(self._held_out, params, _streams(root_key(seed))[1], aside))


def trainer_for(belief: Belief, settings: Settings, n_answers: int) -> Trainer:
    """The trainer of a belief generator; the same one, compiled already, for the same constants.

    Args:
        belief: the generator's constants.
        settings: hyper-parameters.
        n_answers: answers there are; a batch that would hold them all is none.
    """
    size = BATCH_SIZE[settings.objective]
    batch = size if size is not None and size < n_answers else None
    return _trainer(belief, settings.objective, int(settings.steps or 0), float(settings.learning_rate or 0.0), batch)


@lru_cache(maxsize=16)
def _trainer(belief: Belief, objective: Objective, steps: int, learning_rate: float, batch: int | None) -> Trainer:
    return Trainer(
        *_losses(belief, objective),
        steps=steps,
        learning_rate=learning_rate,
        decay=objective == "likelihood",
        batch_size=batch,
    )


@lru_cache(maxsize=16)
def _losses(belief: Belief, objective: Objective) -> tuple[Loss, Loss]:
    """The losses of training and of what is held out: the same functions, compiled already, for the same constants."""

    def loss(params: Params, draws: Any, data: TrainingData) -> jax.Array:
        with rows_that_count(data):
            return belief.loss(objective, params, draws, data)

    return loss, partial(belief.held_out_loss, objective)


def starting_values(belief: Belief, answers: TrainingData, sigma: float) -> Callable[[jax.Array], Params]:
    """Starting values from a key, for the sizes of a training set; ``sigma`` as in :meth:`Belief.initial`.

    All problems start alike, and all people: one program serves any number of them.
    """
    (problems, n_x), (people, n_v) = answers.x.shape, answers.v.shape

    def start(key: jax.Array) -> Params:
        params = dict(_initial(belief, key, n_x, n_v, 1, 1, sigma))
        sizes = {"problem": problems, "person": people, "spread": people, "profile": people}
        for name, rows in sizes.items():
            if name not in params:
                continue
            params[name] = {part: np.repeat(np.asarray(one), rows, axis=0) for part, one in params[name].items()}
        return params

    return start


_initial: Callable[..., Params] = jax.jit(Belief.initial, static_argnums=(0, 2, 3, 4, 5))


def _adam(rate: Any, steps: Any, decay: bool) -> optax.GradientTransformation:
    """Adam at a rate that is constant, or falls to 0 along a cosine."""
    if not decay:
        return optax.adam(rate)
    falling = optax.cosine_decay_schedule(rate, 1.0)
    return optax.adam(lambda count: falling(count / steps))


@partial(jax.jit, static_argnums=0)
def _memory(decay: bool, flat: jax.Array) -> Any:
    """What Adam remembers of every fit at the start."""
    return jax.vmap(_adam(0.0, 1.0, decay).init)(flat)


@partial(jax.jit, static_argnums=(0, 1))
def _advance(loss: Loss, decay: bool, rate: Any, states: Any, given: Any, data: TrainingData, like: Params) -> Any:
    """A piece of steps for every fit. Answers, rate and number of steps are arguments: one program serves them all.

    The parameters of a fit are one vector, of which ``like`` gives the parts' shapes: a step is a few long operations
    then instead of a hundred short ones, in compiling and in running. Steps that are not ``live`` fill up the last
    piece and change nothing, so that pieces of one length serve any number of steps.
    """
    _, parts = ravel_pytree(like)
    adam = _adam(rate[0], rate[1], decay)

    def one(state: Any, draws: Any, batch: Any, live: jax.Array, own: TrainingData) -> Any:
        params, memory, skipped = state
        if batch is not None:
            own = own.take(batch, own.share / batch.shape[0])
        value, slope = jax.value_and_grad(lambda flat: loss(parts(flat), draws, own))(params)
        fine = jnp.isfinite(value) & jnp.isfinite(slope).all()
        take = fine & live
        update, moved = adam.update(slope, memory, params)
        new = (optax.apply_updates(params, update), moved)
        kept = jax.tree.map(lambda now, old: jnp.where(take, now, old), new, (params, memory))
        return (*kept, skipped + (live & ~fine)), value

    def step(states: Any, given: Any) -> Any:
        draws, batch, live = given
        return jax.vmap(one, (0, 0, 0, None, 0))(states, draws, batch, live, data)

    return jax.lax.scan(step, states, given)


@partial(jax.jit, static_argnums=0)
def _judged(loss: Loss, params: Params, key: jax.Array, data: TrainingData) -> jax.Array:
    return loss(params, key, data)


def _first(many: Params) -> Params:
    """The first of F fits' parameters, as NumPy's arrays: JAX would compile a program for each."""
    found: Params = jax.tree.map(lambda rows: np.asarray(rows)[0], many)
    return found


@jax.jit
def _streams(root: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keys of the starting values, the held-out loss and the steps' draws."""
    first, judging, draws = (jax.random.fold_in(root, of) for of in range(3))
    return jax.random.split(first, 1)[0], judging, jax.random.split(draws, 1)[0]


@partial(jax.jit, static_argnums=2)
def _keys(start: jax.Array, done: int, count: int) -> jax.Array:
    return jax.random.split(jax.random.fold_in(start, done + 1), count)[:, None]


def _batches(kept: NDArray[np.int64], steps: int, size: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Rows of every step's batch, shape (steps, size)."""
    a_round = -(-len(kept) // size)
    orders = [np.resize(rng.permutation(kept), a_round * size) for _ in range(-(-steps // a_round))]
    return np.concatenate(orders).reshape(-1, size)[:steps].astype(np.int32)

"""Training: Adam in one compiled scan, restarts side by side, early stopping, steps that failed counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.belief import Answers, Belief, Params
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.random import root_key
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training_set import log_density_shift, rating_units

Loss = Callable[[Params, jax.Array, Answers], jax.Array]

#: Steps of one compiled piece; between pieces the held-out loss is looked at.
PIECE = 50


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes:
        params: the parameters kept.
        history: training loss of the chosen restart, a number a step.
        held_out: held-out loss of the chosen restart after every piece of steps, empty without a held-out part.
        steps: steps made.
        skipped: steps left out over all restarts since loss or gradient was not finite.
        restart: the restart chosen.
        losses: the loss by which restarts were chosen.
    """

    params: Params
    history: FloatArray
    held_out: FloatArray
    steps: int
    skipped: int
    restart: int
    losses: FloatArray

    def in_rating_units(self, blender: Blender, unit: float) -> Trained:
        """What training on answers divided by ``unit`` gave, for the answers themselves."""
        shift = log_density_shift(blender, unit)
        changed = {name: getattr(self, name) + shift for name in ("history", "held_out", "losses")}
        return replace(self, params=rating_units(self.params, unit), **changed)


class Trainer:
    """Adam on one objective; its programs are compiled once and serve every fit of the same shapes.

    Args:
        loss: of parameters, a key and answers.
        held_out: loss on answers that are held out, of the same three.
        steps: most steps of Adam.
        learning_rate: of Adam.
        decay: whether the learning rate falls to 0 along a cosine.
        restarts: starts run side by side; the one with the least held-out (else training) loss is kept.
        batch_size: answers a step, all without it; every epoch goes through all kept answers in a new order.
    """

    def __init__(
        self, loss: Loss, held_out: Loss, *, steps: int, learning_rate: float, decay: bool = True, restarts: int = 1,
        batch_size: int | None = None,
    ) -> None:  # fmt: skip
        self.steps, self.restarts, self.batch_size = steps, restarts, batch_size
        self._optimiser = optax.adam(optax.cosine_decay_schedule(learning_rate, steps) if decay else learning_rate)
        self._loss = loss
        self._piece = jax.jit(self._scan)
        self._judge = jax.jit(jax.vmap(held_out, (0, None, None)))

    def _scan(
        self, states: Any, keys: jax.Array, rows: jax.Array, answers: Answers, like: Params, live: jax.Array
    ) -> Any:
        """A piece of steps for every restart. The answers are an argument: constants would be folded in, slowly.

        The parameters of a restart are one vector, of which ``like`` gives the parts' shapes: a step is a few long
        operations then instead of a hundred short ones, in compiling and in running. Steps that are not ``live`` fill
        up the last piece and change nothing, so that pieces of one length serve any number of steps.
        """
        _, parts = ravel_pytree(like)

        def step(state: Any, given: Any) -> Any:
            params, memory, skipped = state
            key, batch, counts = given
            part = answers
            if self.batch_size is not None:
                part = answers.take(batch, answers.share / batch.shape[0])
            value, slope = jax.value_and_grad(lambda flat: self._loss(parts(flat), key, part))(params)
            fine = jnp.isfinite(value) & jnp.isfinite(slope).all()
            take = fine & counts
            update, moved = self._optimiser.update(slope, memory, params)
            new = (optax.apply_updates(params, update), moved)
            kept = jax.tree.map(lambda now, old: jnp.where(take, now, old), new, (params, memory))
            return (*kept, skipped + (counts & ~fine)), value

        return jax.vmap(lambda state, own: jax.lax.scan(step, state, (own, rows, live)))(states, keys)

    def fit(
        self, initial: Callable[[jax.Array], Params], data: Answers, *, seed: int, steps: int | None = None,
        aside: Answers | None = None, patience: int = 4, progress: Callable[[int, int], None] | None = None,
    ) -> Trained:  # fmt: skip
        """Minimise the loss.

        Args:
            initial: starting values from a key.
            data: the training set; answers without weight do not count.
            seed: of starting values, batches and draws.
            steps: fewer steps than the trainer's.
            aside: the same arrays with weight on held-out answers; the best parameters by their loss are kept, and
                training stops after ``patience`` pieces of 50 steps without better ones.
            patience: see ``aside``.
            progress: called with steps done and steps in all.

        Raises:
            ValueError: if more than half of the steps failed in every restart: no fit.
        """
        root = root_key(seed)
        wanted = self.steps if steps is None else steps
        kept = np.flatnonzero(np.asarray(data.weight))
        batches = _batches(kept, wanted, self.batch_size, np.random.default_rng([int(seed), 1]))
        if self.batch_size is not None:
            data = data._replace(share=jnp.asarray(float(len(kept))))
        starts, draws = (jax.random.split(jax.random.fold_in(root, of), self.restarts) for of in (0, 2))
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float32), jax.vmap(initial)(starts))
        like = jax.tree.map(lambda rows: rows[0], params)
        whole = jax.vmap(ravel_pytree(like)[1])
        flat = jax.vmap(lambda one: ravel_pytree(one)[0])(params)
        states = (flat, jax.vmap(self._optimiser.init)(flat), jnp.zeros(self.restarts, dtype=jnp.int32))
        best, best_loss = flat, np.full(self.restarts, np.inf)
        history, judged, stale, done = [], [], 0, 0
        while done < wanted and stale < patience:
            count = min(PIECE, wanted - done)
            keys = _keys(draws, done, PIECE)
            rows, live = batches[np.minimum(np.arange(done, done + PIECE), wanted - 1)], np.arange(PIECE) < count
            states, values = self._piece(states, keys, rows, data, like, live)
            history.append(np.asarray(values)[:, :count])
            done += count
            if aside is not None:
                now = np.asarray(self._judge(whole(states[0]), jax.random.fold_in(root, 1), aside))
                now = np.where(np.isfinite(now), now, np.inf)
                judged.append(now)
                better = now < best_loss
                best_loss = np.where(better, now, best_loss)
                best = jnp.where(jnp.asarray(better)[:, None], states[0], best)
                stale = 0 if better.any() else stale + 1
            if progress is not None:
                progress(done, wanted)
        losses, skipped = np.concatenate(history, axis=1), np.asarray(states[2])
        if aside is None:
            best = states[0]
            best_loss = _last_losses(losses)
        if bool((skipped > done / 2).all()) or not np.isfinite(best_loss).any():
            raise ValueError(
                f"training failed: {int(skipped.min())} of {done} steps gave a loss or gradient that is not finite; "
                "lower learning_rate, and look for extreme values in profiles, embedding and answers"
            )
        chosen = int(np.argmin(best_loss))
        return Trained(
            params=jax.tree.map(np.asarray, ravel_pytree(like)[1](best[chosen])),
            history=losses[chosen],
            held_out=np.array([row[chosen] for row in judged]),
            steps=done,
            skipped=int(skipped.sum()),
            restart=chosen,
            losses=np.asarray(best_loss),
        )

    def judge(self, params: Params, aside: Answers, seed: int) -> float:
        """The held-out loss of one fit."""
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], params)
        return float(self._judge(one, jax.random.fold_in(root_key(seed), 1), aside)[0])


def trainer_for(belief: Belief, settings: Settings, n_answers: int) -> Trainer:
    """The trainer of a belief generator; the same one, compiled already, for the same constants.

    Args:
        belief: the generator's constants.
        settings: hyper-parameters.
        n_answers: answers there are; a batch that would hold them all is none.
    """
    batch = None if settings.batch_size is None or settings.batch_size >= n_answers else settings.batch_size
    return _trainer(
        belief, settings.objective, int(settings.steps or 0), float(settings.learning_rate or 0.0),
        bool(settings.decay), settings.restarts, batch,
    )  # fmt: skip


@lru_cache(maxsize=16)
def _trainer(
    belief: Belief, objective: str, steps: int, learning_rate: float, decay: bool, restarts: int, batch: int | None
) -> Trainer:
    return Trainer(
        partial(belief.loss, objective),
        partial(belief.held_out_loss, objective),
        steps=steps,
        learning_rate=learning_rate,
        decay=decay,
        restarts=restarts,
        batch_size=batch,
    )


@partial(jax.jit, static_argnums=2)
def _keys(starts: jax.Array, done: int, count: int) -> jax.Array:
    return jax.vmap(lambda start: jax.random.split(jax.random.fold_in(start, done + 1), count))(starts)


def _last_losses(losses: FloatArray) -> FloatArray:
    """Mean of every restart's finite losses in its last piece, shape (R,); infinite where there is none."""
    last = losses[:, -PIECE:]
    fine = np.isfinite(last)
    total = np.where(fine, last, 0.0).sum(axis=1)
    return np.where(fine.any(axis=1), total / np.maximum(fine.sum(axis=1), 1), np.inf)


def _batches(kept: Any, steps: int, batch_size: int | None, rng: np.random.Generator) -> jax.Array:
    """Rows of every step's batch, shape (steps, batch); a column of zeros where every step takes all answers."""
    if batch_size is None:
        return jnp.zeros((steps, 1), dtype=jnp.int32)
    a_round = -(-len(kept) // batch_size)
    orders = [np.resize(rng.permutation(kept), a_round * batch_size) for _ in range(-(-steps // a_round))]
    return jnp.asarray(np.concatenate(orders).reshape(-1, batch_size)[:steps].astype(np.int32))

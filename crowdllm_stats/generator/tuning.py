"""What training problems that are held out decide: penalties, number of steps, spread of new problems' effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from crowdllm_stats.generator.belief import Belief, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.random import root_key
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training import PIECE, Trained, Trainer
from crowdllm_stats.generator.training_set import Prepared, log_density_shift, weighted

#: Least number of training problems of which some can be held out.
LEAST_PROBLEMS = 10


@dataclass(frozen=True, eq=False)
class Tuned:
    """What was found.

    Attributes:
        ridge: the three precisions, see :attr:`Settings.ridges`.
        steps: steps of Adam; None for all.
        sd: standard deviation of a new problem's effect; None where it was not judged.
        table: one row per candidate: precisions, sd, held-out loss.
        held_out: held-out loss every 50 steps of the chosen candidate, where it was looked at.
        skipped: steps left out as not finite.
        trained: the chosen candidate's fit, without the held-out problems; None if nothing was held out.
        apart: rows of the held-out problems.
    """

    ridge: tuple[float, float, float]
    steps: int | None
    sd: float | None
    table: pd.DataFrame
    held_out: NDArray[np.float64]
    skipped: int
    trained: Trained | None
    apart: tuple[int, ...] = ()

    def in_rating_units(self, blender: Blender, unit: float) -> Tuned:
        """What was found on answers divided by ``unit``, for the answers themselves; but ``trained`` as it is."""
        table, shift = self.table.copy(), log_density_shift(blender, unit)
        if len(table):
            table["loss"] += shift
        if self.sd is None:
            return replace(self, table=table, held_out=self.held_out + shift)
        table["sd"] *= unit
        return replace(self, sd=self.sd * unit, table=table, held_out=self.held_out + shift)


def tune(
    belief: Belief, trainer: Trainer, part: Prepared, start: Callable[[jax.Array], Params], settings: Settings,
    unit: float, seed: int, progress: Callable[[int, int], None] | None,
) -> Tuned:  # fmt: skip
    """Hold out a share of the problems and fit every candidate on the others.

    Under the likelihood objective a candidate's loss is minus the held-out answers' log-likelihood an answer, the new
    problems' effects, where the generator has them, integrated out at their likeliest spread.

    Args:
        belief: the generator's constants.
        trainer: of the objective.
        part: the whole training set.
        start: starting values from a key.
        settings: hyper-parameters.
        unit: spread of the answers.
        seed: chooses the held-out problems.
        progress: called with steps done and steps in all.
    """
    empty = np.zeros(0)
    apart = round(settings.held_out * len(part.problems)) if len(part.problems) >= LEAST_PROBLEMS else 0
    if not apart:
        return Tuned(settings.ridges[0], None, None, pd.DataFrame(), empty, 0, None)
    out = np.zeros(len(part.problems), dtype=bool)
    out[np.random.default_rng([int(seed), 2]).permutation(len(out))[:apart]] = True
    left = out[np.asarray(part.answers.problem)]
    likelihood = settings.objective == "likelihood"
    candidates = settings.ridges if likelihood else settings.ridges[:1]
    judged = likelihood and belief.problem_effects and belief.blender.belief_dim == 1
    best: Tuned | None = None
    rows: list[list[Any]] = []
    least, skipped = np.inf, 0
    for number, ridge in enumerate(candidates):

        def report(done: int, wanted: int, before: int = number) -> None:
            if progress is not None:
                progress(before * wanted + done, len(candidates) * wanted)

        aside = weighted(part.answers, left, settings.objective, ridge)
        trained = trainer.fit(
            start,
            weighted(part.answers, ~left, settings.objective, ridge),
            seed=seed,
            aside=None if likelihood else aside,
            progress=report,
        )
        skipped += trained.skipped
        sd = None
        if judged:
            new = problem_sd(belief, trained.params, aside, unit, seed)
            loss, sd = -new.log_likelihood, new.sd
        else:
            loss = trainer.judge(trained.params, aside, seed)
        rows.append([*ridge[:2], sd, loss, trained.steps])
        if loss < least:
            least = loss
            steps = None if likelihood else min(PIECE * (int(np.argmin(trained.held_out)) + 1), trained.steps)
            best = Tuned(ridge, steps, sd, pd.DataFrame(), trained.held_out, 0, trained)
    if best is None:
        raise ValueError("no candidate of ridge gave a finite held-out loss; lower learning_rate")
    table = pd.DataFrame(rows, columns=["ridge", "ridge_network", "sd", "loss", "steps"])
    return replace(best, table=table, skipped=skipped, apart=tuple(np.flatnonzero(out).tolist()))


#: Candidates for the standard deviation, as multiples of the answers' spread.
_CANDIDATES = np.concatenate([[0.0], np.geomspace(0.02, 2.0, 60)])

#: Grid of effects, as multiples of the answers' spread.
_GRID = np.linspace(-5.0, 5.0, 101)


@dataclass(frozen=True)
class NewProblems:
    """What held-out problems say of new ones.

    Attributes:
        sd: standard deviation of a new problem's effect, in rating units.
        log_likelihood: of the held-out answers at that spread, an answer.
    """

    sd: float
    log_likelihood: float


def problem_sd(belief: Belief, params: Params, held_out: TrainingData, unit: float, seed: int) -> NewProblems:
    """Maximum likelihood estimate of ``tau`` in ``b_t ~ N(0, tau^2)`` for problems the fit has not seen.

    ``max_tau sum_t log int prod_i p(y_it | b) N(b; 0, tau^2) db`` over a grid, effects of people at their fitted mean.
    The fit's own ``tau_b`` is too small for new problems, since its weights have bent towards the training problems.

    Args:
        belief: the generator's constants, one belief coordinate.
        params: learned without the held-out problems.
        held_out: all answers, those of the held-out problems with a weight.
        unit: spread of the answers, in rating units.
        seed: of mixing and noise draws.
    """
    grid = _GRID * unit
    table = _typical(belief, params, root_key(seed), held_out, grid.astype(np.float32))
    each = np.asarray(table, dtype=np.float64)
    rows = np.flatnonzero(np.asarray(held_out.weight))
    problems, place = np.unique(np.asarray(held_out.problem)[rows], return_inverse=True)
    totals = np.zeros((len(problems), len(grid)))
    np.add.at(totals, place, each[:, rows].T)
    values = []
    for share in _CANDIDATES:
        tau = share * unit
        weight = -0.5 * (grid / tau) ** 2 if tau > 0 else np.where(grid == 0.0, 0.0, -np.inf)
        weight = weight - logsumexp(weight)
        values.append(float(logsumexp(totals + weight, axis=1).sum()))
    best = int(np.argmax(values))
    return NewProblems(float(_CANDIDATES[best] * unit), values[best] / len(rows))


@partial(jax.jit, static_argnums=0)
def _typical(belief: Belief, params: Params, key: jax.Array, data: TrainingData, effects: jax.Array) -> jax.Array:
    """``log p`` of every answer at each of the problem's effects, shape (effects, n)."""
    return jax.lax.map(lambda effect: belief.typical_log_prob(params, key, data, effect), effects)

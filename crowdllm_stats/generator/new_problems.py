"""How far a new problem's effect may lie from 0, judged on training problems that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from crowdllm_stats.generator.belief import Answers, Belief, Params
from crowdllm_stats.generator.keys import root_key

#: Candidates for the standard deviation, as multiples of the answers' spread.
_CANDIDATES = np.concatenate([[0.0], np.geomspace(0.02, 2.0, 60)])

#: Grid of effects, as multiples of the answers' spread.
_GRID = np.linspace(-5.0, 5.0, 101)


@dataclass(frozen=True)
class NewProblems:
    """What held-out problems say of new ones.

    Attributes:
        spread: standard deviation of a new problem's effect, in rating units.
        log_likelihood: of the held-out answers at that spread, an answer.
    """

    spread: float
    log_likelihood: float


def problem_spread(belief: Belief, params: Params, held_out: Answers, unit: float, seed: int) -> NewProblems:
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
    key = root_key(seed)
    table = jax.lax.map(
        lambda effect: belief.typical_log_prob(params, key, held_out, effect), jnp.asarray(grid, dtype=jnp.float32)
    )
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

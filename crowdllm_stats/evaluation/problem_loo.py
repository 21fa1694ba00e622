"""Leave-one-out by problem: how well a population foresees one more answer, before and after a problem's other answers.

The generator has one set of weights, no posterior of them; what it does not know of a new problem is the problem's
effect, and of that there is a posterior, given the problem's answers. Its draws are what ArviZ's PSIS-LOO needs. For a
problem that the generator was fitted to nothing is left to draw, and virtual people are draws of a population, not of a
posterior: neither gives a LOO.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.arviz_data import arviz_data

if TYPE_CHECKING:
    from crowdllm_stats.generator.crowdllm import CrowdLLM

#: Effects at which the answers' probabilities are computed: standard deviations of a new problem's effect.
_NODES = np.linspace(-4.5, 4.5, 61)

#: Probabilities are in single precision; smaller ones are rounding.
_LEAST = 1e-7

#: Above this Pareto shape PSIS is not to be relied on (Vehtari et al. 2024).
GOOD_K = 0.7


@dataclass(frozen=True, eq=False)
class EffectDraws:
    """Posterior draws of new problems' effects, and the answers' log-likelihood; see :func:`effect_draws`.

    Attributes:
        problems: ids of T new problems.
        effect: draws, shape (S, T).
        answers: ``problem`` and ``participant`` of n answers.
        log_likelihood: ``log p(y | b)`` of each answer at each draw, shape (S, n).
        before: ``log p(y)`` of each answer, the effect integrated out over the law of new problems, shape (n,).
    """

    problems: tuple[str, ...]
    effect: FloatArray
    answers: pd.DataFrame
    log_likelihood: FloatArray
    before: FloatArray


@dataclass(frozen=True, eq=False)
class ProblemLoo:
    """How well answers to new problems were foreseen; see :func:`problem_loo`.

    Attributes:
        per_problem: ``problem``, ``answers``, ``before`` and ``after`` (log probability of an answer, averaged over the
            problem's answers), ``pareto_k`` (the largest).
        before: log probability of an answer to a problem without answers, averaged over answers.
        before_error: its standard error over problems.
        after: the same given the problem's other answers, by PSIS-LOO.
        after_error: its standard error over problems.
        draws: what they rest on.
    """

    per_problem: pd.DataFrame
    before: float
    before_error: float
    after: float
    after_error: float
    draws: EffectDraws

    @property
    def unreliable(self) -> int:
        """Problems with a Pareto shape above :data:`GOOD_K`, whose ``after`` is not to be relied on."""
        return int((self.per_problem["pareto_k"] > GOOD_K).sum())

    def to_frame(self) -> pd.DataFrame:
        """The table ``per_problem``."""
        return self.per_problem.copy()

    def to_arviz(self) -> Any:
        """``posterior["effect"]`` (chain, draw, problem) and ``log_likelihood["response"]`` (chain, draw, answer)."""
        return _for_arviz(self.draws)

    def __str__(self) -> str:
        worst = self.per_problem.nsmallest(5, "before")
        lines = [
            f"Leave-one-out by problem: {len(self.per_problem):,} problems that the population was not fitted to, "
            f"{int(self.per_problem['answers'].sum()):,} answers",
            f"  log probability of an answer, no answer to the problem known  {self.before:.3f} "
            f"(standard error {self.before_error:.3f})",
            f"  the same, the problem's other answers known (PSIS-LOO)        {self.after:.3f} "
            f"(standard error {self.after_error:.3f})",
            f"  problems whose PSIS-LOO is not reliable (Pareto k above {GOOD_K:g}): {self.unreliable}",
            "  foreseen worst:",
            *(f"    {line}" for line in worst.round(3).to_string(index=False).splitlines()),
        ]
        return "\n".join(lines)


def effect_draws(
    model: CrowdLLM, data: CrowdData, *, reference: Reference | None = None, embedding: Features | None = None,
    draws: int = 1000, seed: int = 0,
) -> EffectDraws | None:  # fmt: skip
    """Draw new problems' effects from their posterior, people integrated out over the population.

    ``p(b_t | y_t) ~ N(b_t; 0, sd^2) prod_i p(y_it | x_t, b_t)`` on a grid, with ``p(y | x_t, b_t)`` the population's
    distribution (one more person drawn from it answers), weights as fitted. That the same person answered several
    problems is not used.

    Args:
        model: fitted, on a scale with levels.
        data: answers; those to training problems are left out.
        reference: of the new problems.
        embedding: of the new problems.
        draws: S.
        seed: of the draws.

    Returns:
        EffectDraws; None where nothing is left to draw: no new problem, or a model that gives new problems no effect.

    Raises:
        ValueError: on a scale without levels of numbers, as ``CrowdLLM.predict``.
    """
    from crowdllm_stats.generator.prediction import even_people, predict

    fitted, belief = model.fitted, model.belief(model.blender)
    if belief.blender.family != "ordinal":
        raise ValueError(f"leave-one-out by problem needs answers on numbered levels; the scale is {fitted.scale}")
    known = set(fitted.problems)
    asked = data.responses[~data.responses["problem"].isin(known)].reset_index(drop=True)
    if asked.empty or fitted.new_problem_sd == 0.0:
        return None
    problems = tuple(dict.fromkeys(asked["problem"]))
    place = asked["problem"].map({name: row for row, name in enumerate(problems)}).to_numpy()
    table = model.problem_table(problems, reference, embedding, "typical")
    profiles = data.participants.set_index("participant").loc[asked["participant"].unique()].reset_index(drop=True)
    people = even_people(fitted.params, belief, fitted.encoder.transform(profiles), model.settings.population, seed)
    x, centred, decision = (table[name] for name in ("x", "centred", "reference"))
    answer, nothing, rows = belief.blender.encode(asked["response"]), np.zeros(len(problems)), []
    for node in _NODES:
        effect = np.full_like(table["effect"], node * fitted.new_problem_sd)
        found = predict(belief, fitted.params, problems, x, centred, decision, effect, nothing, people, "")
        assert found.probabilities is not None  # the family is ordinal
        rows.append(np.log(np.maximum(found.probabilities[place, answer], _LEAST)))
    given, prior = np.stack(rows), -0.5 * _NODES**2
    prior = prior - logsumexp(prior)
    node_of = _drawn(given, prior, place, problems, check_count("draws", draws), seed)
    each = given[node_of[:, place], np.arange(len(asked))]
    before = np.asarray(logsumexp(given + prior[:, None], axis=0))
    return EffectDraws(
        problems, _NODES[node_of] * fitted.new_problem_sd, asked[["problem", "participant"]], each, before
    )


def _drawn(
    given: FloatArray, prior: FloatArray, place: NDArray[np.int64], problems: tuple[str, ...], draws: int, seed: int
) -> NDArray[np.int64]:
    """Nodes drawn from each problem's posterior, shape (draws, T): the first up to which it holds a uniform number."""
    posterior = prior[:, None] + np.stack([np.bincount(place, row, len(problems)) for row in given])
    below = np.cumsum(np.exp(posterior - logsumexp(posterior, axis=0)), axis=0)
    uniform = np.stack([generator(seed, "loo", name).random(draws) for name in problems], axis=1)
    nodes = [np.searchsorted(below[:, row], uniform[:, row]) for row in range(len(problems))]
    return np.minimum(np.stack(nodes, axis=1), len(_NODES) - 1)


def problem_loo(parts: Sequence[EffectDraws]) -> ProblemLoo:
    """ArviZ's PSIS-LOO of every answer given the problem's others, averaged by problem.

    Args:
        parts: draws of different problems, for instance from the generators of several folds.

    Raises:
        ValueError: on none, a problem in two parts, different numbers of draws.

    Source: Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation.
    """
    import arviz

    whole = _joined(parts)
    psis: Any = arviz.loo
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of large Pareto shapes, which the result counts
        found = psis(_for_arviz(whole), pointwise=True, var_name="response", reff=1.0)
    each = found.loo_i if hasattr(found, "loo_i") else found.elpd_i  # ArviZ before and since 1.0
    rows = whole.answers.assign(
        before=whole.before, after=np.asarray(each), pareto_k=np.asarray(found.pareto_k), answers=1
    )
    grouped = rows.groupby("problem", sort=False)
    table = grouped.agg(answers=("answers", "sum"), before=("before", "mean"), after=("after", "mean"),
                        pareto_k=("pareto_k", "max")).reset_index()  # fmt: skip
    errors = {}
    for name in ("before", "after"):
        sums = grouped[name].sum() - grouped["answers"].sum() * rows[name].mean()
        errors[name] = float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / len(rows))
    return ProblemLoo(
        table, float(rows["before"].mean()), errors["before"], float(rows["after"].mean()), errors["after"], whole
    )


def _joined(parts: Sequence[EffectDraws]) -> EffectDraws:
    if not parts:
        raise ValueError(
            "parts is empty; leave-one-out by problem needs problems that the population was not fitted to"
        )
    problems = tuple(name for part in parts for name in part.problems)
    sizes = {len(part.effect) for part in parts}
    if len(set(problems)) < len(problems) or len(sizes) > 1:
        raise ValueError("parts must hold different problems and the same number of draws each")
    return EffectDraws(
        problems,
        np.concatenate([part.effect for part in parts], axis=1),
        pd.concat([part.answers for part in parts], ignore_index=True),
        np.concatenate([part.log_likelihood for part in parts], axis=1),
        np.concatenate([part.before for part in parts]),
    )


def _for_arviz(draws: EffectDraws) -> Any:
    along = {name: ("answer", draws.answers[name].to_numpy(dtype=str)) for name in ("participant", "problem")}
    each = (("chain", "draw", "answer"), draws.log_likelihood[None])
    effect = (("chain", "draw", "problem"), draws.effect[None])
    return arviz_data(
        {
            "posterior": ({"effect": effect}, {"problem": list(draws.problems)}),
            "log_likelihood": ({"response": each}, along),
        }
    )

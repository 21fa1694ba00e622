"""What fitting a generator learned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import Scale
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.problems import ProblemVectors
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting learned.

    Attributes:
        params: networks, blender and effects.
        scale: of the answers.
        vectors: codes problems.
        encoder: codes profiles.
        profiles: of the training people, without ids; or generated ones, see ``CrowdLLM.with_recruiter``.
        recruiter: generates the profiles of virtual people; None for one fitted to ``profiles`` when needed.
        problems: ids of the training problems, in the order of ``effect``, ``x`` and ``decision``.
        x: their vectors.
        decision: their reference decisions, (T, 1) or ``log p_ref`` (T, K).
        effect: their fitted effects, (T, K).
        new_problem_sd: standard deviation of a new problem's effect.
        history: training loss, a number a step.
        tuning: one row a candidate of ``ridge``: precisions, standard deviation (`sd`) of new problems, held-out loss.
        held_out: held-out loss every 50 steps, where training was to stop by it.
        steps: steps of Adam behind ``params``.
        skipped: steps left out since loss or gradient was not finite.
        seed: of the fit.
        n_answers: answers learned from.
        n_people: people who gave them.
        people: ids of the training people, in the order of ``person_effect``; none where these were left out.
        person_effect: their fitted effects on the belief, (N, K).
        person_spread: their fitted effects on the log spread, (N, 1).
    """

    params: Params
    scale: Scale
    vectors: ProblemVectors
    encoder: ProfileEncoder
    profiles: pd.DataFrame
    recruiter: ProfileGenerator | None
    problems: tuple[str, ...]
    x: FloatArray
    decision: FloatArray
    effect: FloatArray
    new_problem_sd: float
    history: FloatArray
    tuning: pd.DataFrame
    held_out: FloatArray
    steps: int
    skipped: int
    seed: int
    n_answers: int
    n_people: int
    people: tuple[str, ...]
    person_effect: FloatArray
    person_spread: FloatArray

    def rows(self, problems: Iterable[str]) -> NDArray[np.int64]:
        """Rows of training problems.

        Raises:
            ValueError: on problems that are not among them.
        """
        place = {name: row for row, name in enumerate(self.problems)}
        names = list(problems)
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(
                f"{len(unknown)} problem(s) are not among the training problems, for instance {unknown[0]!r}"
            )
        return np.array([place[name] for name in names], dtype=np.int64)

    def with_problems(self, known: Fitted, problems: Iterable[str]) -> Fitted:
        """The same, with further problems at the median effect of a new one.

        Args:
            known: has their vectors and reference decisions.
            problems: ids that are not among the training problems.

        Raises:
            ValueError: on problems that ``known`` does not have.
        """
        names = tuple(problems)
        rows = known.rows(names)
        return replace(
            self,
            problems=(*self.problems, *names),
            x=np.concatenate([self.x, known.x[rows]]),
            decision=np.concatenate([self.decision, known.decision[rows]]),
            effect=np.concatenate([self.effect, np.zeros((len(names), self.effect.shape[1]))]),
        )

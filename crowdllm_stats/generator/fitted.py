"""What fitting a generator learned, and the problems that people are asked as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.data.crowd import Scale
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.blender import Family
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.problems import Embedded, ProblemVectors, check_reference, decisions, features_of
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator

EFFECTS = ("typical", "fitted")

#: How far a reference decision may be from the stored one, of the reference's range: a file holds single precision.
_ROUNDING = 1e-4

#: How far an embedding's coordinates of a training problem may be from the stored ones, likewise.
_OTHER_TEXT = 1e-2


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
        history: training loss, one number per step.
        tuning: one row per candidate of ``ridge``: precisions, sd of new problems, held-out loss.
        held_out: held-out loss every 50 steps, where training was to stop by it.
        steps: steps of Adam behind ``params``.
        skipped: steps left out since loss or gradient was not finite.
        seed: of the fit.
        n_answers: answers learned from.
        n_people: people who gave them.
        people: ids of the training people, in the order of ``person_effect``; none where these were left out.
        person_effect: their fitted effects on the belief, (N, K).
        person_spread: their fitted effects on the log spread, (N, 1).
        person_noise: their fitted mixing draws, (N, Q) with mixing over profiles, else (N, 0).
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
    person_noise: FloatArray

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


def problem_table(
    fitted: Fitted, family: Family, problems: Iterable[Any], reference: Reference | None,
    embedding: Embedded, effect: str,
) -> dict[str, Any]:  # fmt: skip
    """Arrays of problems: ids, ``x``, ``reference``, ``centred``, ``effect`` (T, K) and ``known`` (T,).

    Args:
        fitted: what the generator learned.
        family: of its blender.
        problems: ids; those of the training set need neither reference nor embedding.
        reference: of the others; where it holds training problems too, their decisions must be those fitted to.
        embedding: of the others; where it holds training problems too, they must be embedded as in the fit.
        effect: "fitted" gives training problems the effect learned from their own answers; "typical" gives every
            problem 0, the median effect of a new problem.

    Raises:
        ValueError: on no problem, repeated ones, unknown ones without reference, another reference of a training
            problem, or another embedding, than the generator was fitted with.
    """
    check_choice("effect", effect, EFFECTS)
    names = _names(problems)
    place = {name: row for row, name in enumerate(fitted.problems)}
    known = np.array([name in place for name in names])
    new = tuple(name for name in names if name not in place)
    if reference is not None:
        check_reference(reference)
    embedding = features_of(embedding, names)
    if new and reference is None:
        raise ValueError(
            f"{len(new)} problem(s) are not among the training problems, for instance {new[0]!r}; give reference= "
            "(and embedding=, if fitted with one) for them"
        )
    k = fitted.decision.shape[1]
    x, own = np.zeros((len(names), fitted.x.shape[1])), np.zeros((len(names), k))
    shift = np.zeros((len(names), k))
    rows = [place[name] for name in names if name in place]
    x[known], own[known] = fitted.x[rows], fitted.decision[rows]
    if effect == "fitted":
        shift[known] = fitted.effect[rows]
    if new and reference is not None:
        x[~known] = fitted.vectors.transform(new, reference, embedding)
        own[~known] = decisions(reference, new, family)
    if reference is not None:
        held = set(reference.problems)
        _refuse_another(fitted, family, tuple(n for n in names if n in place and n in held), reference)
    if embedding is not None and fitted.vectors.components.size:
        held = set(embedding.problems)
        _refuse_another_text(fitted, [name for name in fitted.problems if name in held], embedding)
    return {
        "problems": names,
        "x": x,
        "reference": own,
        "centred": own - fitted.vectors.decision_mean,
        "effect": shift,
        "known": known & (effect == "fitted"),
    }


def _names(problems: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(problems, str):
        raise ValueError(f"problems must be a list of ids; got the text {problems!r}; say [{problems!r}]")
    names = tuple(str(one) for one in problems)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if not names or twice:
        which = f", {twice[0]!r} more than once" if twice else ""
        raise ValueError(f"problems must be at least one id, each once; got {len(names)}{which}")
    return names


def _refuse_another(fitted: Fitted, family: Family, names: tuple[str, ...], reference: Reference) -> None:
    """Effects of training problems stand beside the reference answers that they were fitted with, and no others."""
    if not names:
        return
    fitted.vectors.check_answers(reference)
    stored = fitted.decision[fitted.rows(names)]
    given = decisions(reference, names, family)
    room = _ROUNDING * max(1.0, float(np.abs(stored).max()))
    other = np.flatnonzero((np.abs(given - stored) > room).any(axis=1))
    if other.size:
        first = int(other[0])
        raise ValueError(
            f"reference: {other.size} training problem(s) have another reference answer than the generator was fitted "
            f"with, for instance {names[first]!r} ({_some(given[first])}, not {_some(stored[first])}); give the new "
            "problems' alone, reference.select([...]), or fit again with this reference"
        )


def _refuse_another_text(fitted: Fitted, names: list[str], embedding: Features) -> None:
    """An embedding that gives training problems other numbers is another one, or these ids are other problems."""
    if not names:
        return
    stored = fitted.x[fitted.rows(names), : len(fitted.vectors.components)]
    given = fitted.vectors.embedded(names, embedding)
    other = np.flatnonzero((np.abs(given - stored) > _OTHER_TEXT * max(1.0, float(np.abs(stored).max()))).any(axis=1))
    if other.size:
        raise ValueError(
            f"embedding: {other.size} of {len(names)} training problem(s) have another embedding than the generator "
            f"was fitted with, for instance {names[int(other[0])]!r}; take the same embedder and texts, and ids of "
            "their own for new problems"
        )


def _some(row: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in row)

"""Digital twins of real people and unlabelled digital people beside them, so that nobody helps to judge himself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crowdllm_stats.crowd import CrowdData
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.inference.checks import check_count


@dataclass(frozen=True, eq=False)
class Twins:
    """Cross-fitted digital answers.

    Attributes:
        digital: twins' answers (problem and participant of the human answer), and those of unlabelled people
            ("d000001", ...) to all problems.
        folds: fold of every real person, by id.
        why: what was done.
    """

    digital: CrowdData
    folds: pd.Series
    why: str


def cross_fitted_twins(
    model: CrowdLLM, human: CrowdData, n: int, *, folds: int = 5, seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Twins:  # fmt: skip
    """A twin for every human answer, by a generator that this person's answers had no part in.

    People are dealt into folds. For each fold a generator is fitted to the other folds' answers, with the problem
    vectors, reference decisions and penalties of ``model``; it answers for the fold's people, as people of their
    profiles, and for the fold's share of n further people, whose profiles are drawn with replacement from the profiles
    of all real people. So a twin and a further person of the same fold follow one law, given the profile, and the
    average over twins and over further people aim at the same number: what prediction-powered intervals ask for.

    Args:
        model: fitted to the same problems; its weights are not used.
        human: the human answers.
        n: further people, at least one a fold.
        folds: number of folds.
        seed: of folds, fits and answers.
        progress: called with folds done and folds in all.

    Raises:
        ValueError: on fewer people than folds, problems the model does not know, ids of real people like d000001.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.backbones import RecordedBackbone
        >>> example = load_example()
        >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
        >>> model = CrowdLLM(steps=20, held_out=0.0).fit(example.human, reference)
        >>> made = cross_fitted_twins(model, example.human, 10, folds=2, seed=1)
        >>> len(made.digital.responses) == len(example.human.responses) + 10 * 12
        True
    """
    check_count("folds", folds, 2)
    asked = human.responses[["problem", "participant"]]
    people = human.participants[human.participants["participant"].isin(asked["participant"])].reset_index(drop=True)
    if len(people) < 2 * folds:
        raise ValueError(f"{folds} folds need at least {2 * folds} people; the human table holds {len(people)}")
    if check_count("n", n) < folds:
        raise ValueError(f"n must be at least the number of folds, {folds}; got {n}")
    extra = [f"d{number:06d}" for number in range(1, n + 1)]
    if set(extra) & set(people["participant"]):
        raise ValueError("real people have ids such as d000001, which the digital people would take; rename them")
    problems = list(dict.fromkeys(asked["problem"]))
    rng = np.random.default_rng([seed, 3])
    fold = pd.Series(rng.permutation(len(people)) % folds, index=people["participant"])
    profiles = people.drop(columns="participant").iloc[rng.integers(len(people), size=n)].reset_index(drop=True)
    further = pd.concat([pd.DataFrame({"participant": extra}), profiles], axis=1)
    share = np.arange(n) % folds
    chosen = model.fitted.tuning
    ridge = (
        chosen.loc[chosen["loss"].idxmin(), ["ridge", "ridge_network", "ridge_spread"]].tolist()
        if len(chosen)
        else [one[0] for one in (model.settings.ridge, model.settings.ridge_network, model.settings.ridge_spread)]
    )
    fresh = model.with_settings(
        ridge=(ridge[0],), ridge_network=(ridge[1],), ridge_spread=(ridge[2],), held_out=0.0, steps=model.fitted.steps
    )
    parts = []
    for number in range(folds):
        inside = fold.index[fold == number]
        others = human.select(participants=fold.index[fold != number])
        learned = CrowdLLM(**fresh.settings.to_dict()).fit(others, model.fitted, seed=seed)
        own = people[people["participant"].isin(inside)]
        all_answers = learned.simulate(problems, people=own, seed=seed).responses
        parts.append(all_answers.merge(asked, on=["problem", "participant"], validate="one_to_one"))
        mine = further[share == number]
        parts.append(learned.simulate(problems, people=mine, seed=seed).responses)
        if progress is not None:
            progress(number + 1, folds)
    digital = CrowdData.from_frame(
        pd.concat(parts, ignore_index=True)[["problem", "participant", "response"]],
        participants=pd.concat([people, further], ignore_index=True),
        problems=human.problems[["problem"]],
        scale=human.scale,
    )
    why = (
        f"{folds} folds of people: a twin answers from a generator fitted without his fold, {n} further people are "
        "shared out over the folds' generators with profiles drawn from the real people's."
    )
    return Twins(digital, fold, why)

"""Digital twins of real people and unlabelled digital people beside them, so that no answer helps to judge itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.crowd import CrowdData, continuous
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.prediction import expected_table


@dataclass(frozen=True, eq=False)
class Twins:
    """Cross-fitted digital answers.

    Attributes:
        digital: twins' answers (problem and participant of the human answer), and those of unlabelled people:
            "d000001", ..., or the other people of the table.
        folds: fold of every real person (or problem), by id.
        why: what was done.
    """

    digital: CrowdData
    folds: pd.Series
    why: str


def cross_fitted_twins(
    model: CrowdLLM, human: CrowdData, n: int, *, folds: int = 5, seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Twins:  # fmt: skip
    """A twin for every human answer, by a generator to which this person's answers were not shown.

    People are dealt into folds. For each fold a generator is fitted to the other folds' answers, with the problem
    vectors, reference decisions and penalties (or number of steps) of ``model``, which were chosen on all answers;
    a problem that nobody outside the fold answered has the median effect of a new problem. The generator answers
    for the fold's people, as people of their profiles, and for the fold's share of n further people, whose profiles
    are drawn with replacement from the profiles of all real people. So a twin and a further person of the same fold
    follow one law, given the profile, and the average over twins and over further people aim at the same number:
    what prediction-powered intervals ask for.

    Args:
        model: fitted to the same problems; its weights are not used.
        human: the human answers.
        n: further people, at least one per fold.
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
        raise BadInput(f"must be at least the number of folds, {folds}", argument="n", given=n)
    extra = [f"d{number:06d}" for number in range(1, n + 1)]
    if set(extra) & set(people["participant"]):
        raise ValueError("real people have ids such as d000001, which the digital people would take; rename them")
    problems = list(dict.fromkeys(asked["problem"]))
    rng = np.random.default_rng([seed, 3])
    fold = pd.Series(rng.permutation(len(people)) % folds, index=people["participant"])
    profiles = people.drop(columns="participant").iloc[rng.integers(len(people), size=n)].reset_index(drop=True)
    further = pd.concat([pd.DataFrame({"participant": extra}), profiles], axis=1)
    share = np.arange(n) % folds
    fresh = _same_settings(model)
    parts, unseen = [], 0
    for number in range(folds):
        inside = fold.index[fold == number]
        others = human.select(participants=fold.index[fold != number])
        learned = CrowdLLM(**fresh).fit(others, model.fitted, seed=seed)
        known = set(learned.fitted.problems)
        lacking = [name for name in problems if name not in known]
        learned._fitted = learned.fitted.with_problems(model.fitted, lacking)
        unseen += len(lacking)
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
        f"{folds} folds of people: a twin answers from a generator fitted without their fold, {n} further people are "
        "shared out over the folds' generators with profiles drawn from the real people's."
    )
    if unseen:
        why += f" {unseen} times a problem that nobody outside a fold answered has the median effect of a new problem."
    why += _chosen_before(model)
    return Twins(digital, fold, why)


def twins_by_problem(
    model: CrowdLLM, human: CrowdData, *, folds: int = 5, seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Twins:  # fmt: skip
    """A digital answer of every real person to every problem, by a generator that saw no answer to that problem.

    Problems are dealt into folds. For each fold a generator is fitted to the answers to the other folds' problems, with
    the penalties (or number of steps) of ``model``, which were chosen on all answers; it knows every person's kept
    effects from there. The digital answer is the expected one,
    ``E[y | x_t, v_i, a_i, e_i]`` at the fitted effects of the person and the median effect of the problem. For a
    problem, the answers of those who rated it are twins, those of all others the unlabelled crowd: people of one
    population, so that the interval aims at the mean answer of the people in the table (and, where these are a random
    sample, of their population).

    Args:
        model: fitted to the same problems; its weights are not used.
        human: the human answers, numbers.
        folds: number of folds.
        seed: of folds and fits.
        progress: called with folds done and folds in all.

    Raises:
        ValueError: on fewer problems than two per fold, a scale of words, problems the model does not know, a generator
            without effects of people.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.backbones import RecordedBackbone
        >>> example = load_example()
        >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
        >>> model = CrowdLLM(steps=20, held_out=0.0).fit(example.human, reference)
        >>> made = twins_by_problem(model, example.human, folds=2, seed=1)
        >>> len(made.digital.responses) == 60 * 12
        True
    """
    check_count("folds", folds, 2)
    if not human.scale.numeric:
        raise BadInput(
            f"expected answers need numbers; the scale is {human.scale}",
            python="use twins by people",
            command="use --by people",
        )
    if not model.settings.keeps and (model.settings.objective != "likelihood" or not model.settings.profile_noise):
        raise ValueError("twins by problem need people's effects: objective 'likelihood' with person_effects")
    problems = list(dict.fromkeys(human.responses["problem"]))
    if len(problems) < 2 * folds:
        raise ValueError(f"{folds} folds need at least {2 * folds} problems; the human table holds {len(problems)}")
    fold = pd.Series(np.random.default_rng([seed, 4]).permutation(len(problems)) % folds, index=problems)
    fresh = _same_settings(model)
    parts, unseen = [], 0
    for number in range(folds):
        inside = fold.index[fold == number].tolist()
        learned = CrowdLLM(**fresh).fit(human.select(problems=fold.index[fold != number]), model.fitted, seed=seed)
        expected = expected_answers(learned, inside, model, human.participants)
        unseen += len(human.participants) - len(learned.fitted.people)
        parts.append(expected)
        if progress is not None:
            progress(number + 1, folds)
    bounds = human.scale.bounds
    digital = CrowdData.from_frame(
        pd.concat(parts, ignore_index=True),
        participants=human.participants,
        problems=human.problems[["problem"]],
        scale=continuous() if bounds is None else continuous(*bounds),
    )
    why = (
        f"{folds} folds of problems: digital answers are expected answers of the real people, by a generator fitted "
        "without any answer to the problem; it knows people from their answers to other problems."
    )
    if unseen:
        why += f" {unseen} times a person without answers outside a fold answers as an average person of their profile."
    why += _chosen_before(model)
    return Twins(digital, fold, why)


def expected_answers(learned: CrowdLLM, problems: list[str], known: CrowdLLM, people: pd.DataFrame) -> pd.DataFrame:
    """Expected answers of real people, columns problem, participant, response.

    Args:
        learned: fitted; gives weights and people's effects (0 for people it does not know).
        problems: ids.
        known: fitted generator that knows the problems' vectors and reference decisions.
        people: column ``participant`` and the profile columns.
    """
    fitted, source = learned.fitted, known.fitted
    rows = source.rows(problems)
    place = {name: row for row, name in enumerate(fitted.people)}
    ids = people["participant"].tolist()
    kept = [fitted.person_effect, fitted.person_spread, fitted.person_noise]
    shift, spread, noise = (np.zeros((len(ids), one.shape[1])) for one in kept)
    for row, name in enumerate(ids):
        if name in place:
            shift[row], spread[row], noise[row] = (one[place[name]] for one in kept)
    table = {
        "x": source.x[rows],
        "reference": source.decision[rows],
        "centred": source.decision[rows] - fitted.vectors.decision_mean,
    }
    values = expected_table(
        learned.belief(learned.blender), learned.deciding, table, fitted.encoder.transform(people), shift, spread,
        noise,
    )  # fmt: skip
    return pd.DataFrame(
        {
            "problem": np.repeat(np.asarray(problems, dtype=object), len(ids)),
            "participant": np.tile(np.asarray(ids, dtype=object), len(problems)),
            "response": values.reshape(-1),
        }
    )


def _chosen_before(model: CrowdLLM) -> str:
    """What all answers had a part in."""
    if not len(model.fitted.tuning):
        return ""
    what = "The penalties" if model.settings.objective == "likelihood" else "The number of training steps"
    return f" {what} of all folds' fits are those of the generator given, chosen on all answers."


def _same_settings(model: CrowdLLM) -> dict[str, Any]:
    """The hyper-parameters that ``model`` found, for refits without another search."""
    table = model.fitted.tuning
    names = ("ridge", "ridge_network")
    found = {name: (getattr(model.settings, name)[0],) for name in names}
    if len(table):
        best = table.loc[table["loss"].idxmin()]
        found = {name: (float(best[name]),) for name in names}
    changed = model.with_settings(**found, held_out=0.0, steps=model.fitted.steps)
    return changed.settings.to_dict()

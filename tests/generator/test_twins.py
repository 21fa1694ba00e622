"""Twins: nobody's answers, and no problem's answers, help to make the digital answers that judge them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, CrowdLLM, categorical, load_example, ordinal
from crowdllm_stats.backbones import RecordedBackbone, Reference
from crowdllm_stats.generator.twins import cross_fitted_twins, twins_by_problem

SETTINGS = {"steps": 100, "held_out": 0.0, "ridge": 10.0, "ridge_network": 40.0}


@pytest.fixture(scope="module")
def example():
    return load_example().human


@pytest.fixture(scope="module")
def model(example):
    reference = RecordedBackbone(load_example().reference).reference(example.problems)
    return CrowdLLM(**SETTINGS).fit(example, reference, seed=2)


def changed(data: CrowdData, rows: pd.Series) -> CrowdData:
    """The same answers with those of some rows turned round."""
    table = data.responses.copy()
    table.loc[rows, "response"] = 6.0 - table.loc[rows, "response"]
    return CrowdData.from_frame(table, participants=data.participants, problems=data.problems, scale=data.scale)


def test_twins_by_people_have_the_humans_places_and_no_others(model, example):
    made = cross_fitted_twins(model, example, 14, folds=3, seed=1)
    keys = ["problem", "participant"]
    digital = made.digital.responses
    twins = digital[digital["participant"].isin(example.participants["participant"])]
    assert set(map(tuple, twins[keys].to_numpy())) == set(map(tuple, example.responses[keys].to_numpy()))
    assert digital["participant"].str.startswith("d").sum() == 14 * 12
    assert sorted(made.folds.value_counts()) == [20, 20, 20]


def test_a_persons_own_answers_do_not_move_his_twin(model, example):
    before = cross_fitted_twins(model, example, 6, folds=3, seed=1)
    one = before.folds.index[0]
    after = cross_fitted_twins(model, changed(example, example.responses["participant"] == one), 6, folds=3, seed=1)
    mates = before.folds.index[before.folds == before.folds[one]]

    def of(made, people):
        return made.digital.responses[made.digital.responses["participant"].isin(people)].reset_index(drop=True)

    assert of(before, mates).equals(of(after, mates))


def test_a_problem_of_one_persons_fold_is_answered_like_a_new_one(model, example):
    """Of q05 one answer is left: outside that person's fold nobody answered it."""
    responses = example.responses
    fifth = responses["problem"] == "q05"
    only = responses.loc[fifth, "participant"].iloc[0]
    data = CrowdData.from_frame(
        responses[~fifth | (responses["participant"] == only)], participants=example.participants, scale=example.scale
    )
    made = cross_fitted_twins(model, data, 9, folds=3, seed=1)
    fold = made.folds[only]
    assert "1 times a problem that nobody outside a fold answered" in made.why
    others = data.select(participants=made.folds.index[made.folds != fold])
    learned = CrowdLLM(**{**SETTINGS, "ridge": (10.0,), "ridge_network": (40.0,)}).fit(others, model.fitted, seed=1)
    assert "q05" not in learned.fitted.problems
    wider = learned.fitted.with_problems(model.fitted, ["q05"])
    learned._fitted = wider
    assert (wider.effect[-1] == 0).all()
    twin = learned.simulate(["q05"], people=data.participants[data.participants["participant"] == only], seed=1)
    digital = made.digital.responses
    found = digital[(digital["problem"] == "q05") & (digital["participant"] == only)]
    assert found["response"].tolist() == twin.responses["response"].tolist()
    assert (digital["problem"] == "q05").sum() == 1 + 9
    with pytest.raises(ValueError, match="'q99'"):
        learned.fitted.with_problems(model.fitted, ["q99"])


def test_twins_say_what_was_chosen_on_all_answers(model, example):
    assert "chosen on all answers" not in twins_by_problem(model, example, folds=2).why
    settings = {**SETTINGS, "steps": 50, "held_out": 0.3}
    tuned = CrowdLLM(**settings).fit(example, model.fitted, seed=1)
    assert "The penalties of all folds' fits are those of the generator given" in twins_by_problem(
        tuned, example, folds=2
    ).why  # fmt: skip


def test_a_problems_answers_do_not_move_its_digital_answers(model, example):
    before = twins_by_problem(model, example, folds=3, seed=1)
    one = before.folds.index[0]
    after = twins_by_problem(model, changed(example, example.responses["problem"] == one), folds=3, seed=1)
    mates = before.folds.index[before.folds == before.folds[one]]

    def of(made, problems):
        return made.digital.responses[made.digital.responses["problem"].isin(problems)].reset_index(drop=True)

    assert of(before, mates).equals(of(after, mates))
    assert not of(before, before.folds.index.difference(mates)).equals(of(after, before.folds.index.difference(mates)))


def test_twins_by_problem_tell_people_apart():
    """40 people with beliefs of their own (sd 1) over 20 problems: expected answers must follow the people.

    Correlation over 800 pairs is 0.7 or so; below 0.4 by chance with probability far below 1e-6.
    """
    rng = np.random.default_rng(8)
    own, problem = rng.standard_normal(40), 0.5 * rng.standard_normal(20)
    latent = 3.0 + problem[:, None] + own[None, :] + 0.6 * rng.standard_normal((20, 40))
    answers = np.clip(np.round(latent), 1, 5)
    frame = pd.DataFrame(
        {
            "problem": np.repeat([f"t{row}" for row in range(20)], 40),
            "participant": np.tile([f"p{row}" for row in range(40)], 20),
            "response": answers.reshape(-1),
        }
    )
    data = CrowdData.from_frame(frame, scale=ordinal(range(1, 6)))
    reference = Reference.from_probabilities([f"t{row}" for row in range(20)], range(1, 6), np.full((20, 5), 0.2))
    model = CrowdLLM(**{**SETTINGS, "steps": 300}).fit(data, reference, seed=1)
    made = twins_by_problem(model, data, folds=4, seed=1).digital
    both = data.responses.merge(made.responses, on=["problem", "participant"], suffixes=("", "_twin"))
    within = both[["response", "response_twin"]] - both.groupby("problem")[["response", "response_twin"]].transform(
        "mean"
    )
    assert within.corr().iloc[0, 1] > 0.4
    assert made.responses["response"].between(1, 5).all()


def test_impossible_wishes_are_refused(model, example):
    with pytest.raises(ValueError, match="n must be at least the number of folds, 5; got 3"):
        cross_fitted_twins(model, example, 3)
    with pytest.raises(ValueError, match="40 folds need at least 80 people; the human table holds 60"):
        cross_fitted_twins(model, example, 50, folds=40)
    with pytest.raises(ValueError, match="folds must be a whole number of at least 2"):
        twins_by_problem(model, example, folds=1)
    with pytest.raises(ValueError, match="7 folds need at least 14 problems; the human table holds 12"):
        twins_by_problem(model, example, folds=7)
    alike = CrowdLLM(**{**SETTINGS, "steps": 2}, person_effects=False).fit(example, model.fitted)
    with pytest.raises(ValueError, match="twins by problem need people's effects: objective 'likelihood'"):
        twins_by_problem(alike, example)
    taken = example.responses.replace({"participant": {"p01": "d000001"}})
    with pytest.raises(ValueError, match="d000001"):
        cross_fitted_twins(model, CrowdData.from_frame(taken, scale=example.scale), 5)
    words = example.responses.assign(response=np.where(example.responses["response"] > 3, "yes", "no"))
    with pytest.raises(ValueError, match="expected answers need numbers"):
        twins_by_problem(model, CrowdData.from_frame(words, scale=categorical(["yes", "no"])))

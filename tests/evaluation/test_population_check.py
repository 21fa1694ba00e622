"""The check of a population: folds that share nothing, draws of new problems' effects, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jax")

from crowdllm_stats import CrowdData, CrowdLLM, categorical, load_example
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.evaluation.calibration import calibration
from crowdllm_stats.evaluation.case_study.references import read_references
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.population_check import _folds, _of_known_profiles, check_population
from crowdllm_stats.evaluation.problem_loo import effect_draws
from crowdllm_stats.generator.replicates import replicates


@pytest.fixture(scope="module")
def known():
    """A generator fitted to ten problems of the example, and made answers to the other two."""
    human = load_example().human
    reference = RecordedBackbone(load_example().reference).reference(human.problems)
    train = human.select(problems=[f"q{number:02}" for number in range(1, 11)])
    model = CrowdLLM(steps=60, hidden=6, held_out=0.0, population=256).fit(train, reference, seed=1)
    model._fitted = replace(model.fitted, new_problem_sd=0.8)  # ten problems do not say how much new ones differ
    people = human.participants.head(5)
    table = pd.DataFrame(
        {
            "problem": ["q11"] * 5 + ["q12"] * 5,
            "participant": [*people["participant"]] * 2,
            "response": [5.0] * 5 + [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    return model, CrowdData.from_frame(table, participants=people, scale=human.scale), reference


def test_effects_of_new_problems_are_drawn_given_their_answers(known):
    model, answers, reference = known
    found = effect_draws(model, answers, reference=reference, draws=400)
    assert found.problems == ("q11", "q12")
    assert found.effect.shape == (400, 2)
    assert found.log_likelihood.shape == (400, 10)
    # The five answers to q12 are all there are on the scale: their probabilities add up to 1, at every draw too.
    assert np.exp(found.before[5:]).sum() == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(np.exp(found.log_likelihood[:, 5:]).sum(axis=1), 1.0, atol=1e-4)
    # Everybody answers 5 to q11: its effect is high, and no lower one makes the answer likelier.
    assert found.effect[:, 0].mean() > 0.4
    order = np.argsort(found.effect[:, 0])
    assert (np.diff(found.log_likelihood[order, 0]) >= -1e-5).all()
    assert effect_draws(model, answers.select(problems=["q11"]), reference=reference).problems == ("q11",)


def test_replicates_are_people_of_the_same_profiles_with_other_effects(known):
    model, answers, reference = known
    drawn = replicates(model, answers, 300, reference=reference, seed=4)
    assert drawn.shape == (300, 10)
    assert set(np.unique(drawn)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    np.testing.assert_array_equal(replicates(model, answers, 2, reference=reference, seed=4), drawn[:2])
    # A problem's effect is common to a draw's people: their answers to it go together.
    assert np.corrcoef(drawn[:, 0], drawn[:, 1:5].mean(axis=1))[0, 1] > 0.1
    # One fixed problem's average over draws is the prediction at its effect, here of a training problem.
    table = answers.responses.assign(problem=["q01"] * 5 + ["q02"] * 5)
    of_known = CrowdData.from_frame(table, participants=answers.participants, scale=answers.scale)
    means = replicates(model, of_known, 300, seed=4).mean(axis=0).reshape(2, 5).mean(axis=1)
    profiles = answers.participants.drop(columns="participant")
    predicted = model.predict(["q01", "q02"], people=profiles).mean
    np.testing.assert_allclose(means, predicted, atol=0.15)  # standard error below 0.04


@pytest.mark.slow
def test_a_simulated_survey_is_called_wrong_as_often_as_stated(known):
    """60 surveys against one set of draws, at level 0.9: no alarm, or more than 14, come once in 400 times."""
    model, answers, _ = known
    human = load_example().human.select(problems=[f"q{number:02}" for number in range(1, 11)])
    draws = replicates(model, human, 199, seed=9)
    alarms = 0
    for seed in range(60):
        made = model.simulate(human.problems["problem"], people=human.participants, seed=seed).responses
        asked = human.responses[["problem", "participant"]].merge(made, on=["problem", "participant"])
        survey = CrowdData.from_frame(asked, participants=human.participants, scale=human.scale)
        alarms += not calibration(survey, draws, level=0.9).calibrated
    assert 0 < alarms <= 14


@pytest.mark.parametrize("protocol", ["paper", "new-problems"])
def test_folds_share_nothing_with_what_is_learned(protocol):
    human = load_example().human
    seen = []
    for fold in _folds(human, protocol, 3, seed=2):
        train, test = fold.train, fold.test
        assert not set(train.responses["participant"]) & set(test.responses["participant"])
        if protocol == "new-problems":
            assert not set(train.responses["problem"]) & set(fold.new.responses["problem"])
            assert set(test.responses["problem"]) <= set(fold.new.responses["problem"])
        seen.append(test.responses)
    together = pd.concat(seen)
    assert not together.duplicated(["problem", "participant"]).any()
    if protocol == "paper":
        assert len(together) == len(human.responses)


def test_people_of_unknown_profiles_are_left_out(known):
    model, answers, _ = known
    assert _of_known_profiles(model, answers) is answers
    people = answers.participants.copy()
    people.loc[1, "gender"] = "Agender"
    kept = _of_known_profiles(model, CrowdData(answers.responses, people, answers.problems, answers.scale))
    assert kept.participants["participant"].tolist() == people["participant"].drop(1).tolist()
    assert len(kept.responses) == 8
    people["gender"] = "Agender"
    with pytest.raises(ValueError, match="profile value that nobody has in the other folds"):
        _of_known_profiles(model, CrowdData(answers.responses, people, answers.problems, answers.scale))


def test_what_is_refused():
    human = load_example().human
    references, texts = read_references("example:reference", human), read_texts(human, "none")
    words = CrowdData.from_frame(
        pd.DataFrame({"problem": ["a"], "participant": ["u"], "response": ["bus"]}), scale=categorical(["bus", "rail"])
    )
    for given, options, told in (
        (human, {"folds": 1}, "folds must be a whole number of at least 2; got 1"),
        (human, {"folds": 7}, "7 folds need at least 14 problems with answers; there are 12; give fewer folds"),
        (human, {"protocol": "novel"}, "protocol must be one of 'paper', 'new-problems'"),
        (words, {}, "needs answers that are numbers; the scale is categorical"),
    ):
        with pytest.raises(ValueError, match=told):
            check_population(given, references, texts, **options)

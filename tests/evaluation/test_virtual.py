"""Virtual crowds: the same people and problems, answers from the prediction; aggregates of both crowds compared."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data import popquorn
from crowdllm_stats.data.crowd import CrowdData, categorical, ordinal
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation import aggregate_scores, virtual_crowd
from crowdllm_stats.evaluation.baselines import Random
from crowdllm_stats.evaluation.metrics import score

PROBLEMS = ("b", "a", "c")


def survey(scale=None, seed=0):
    """3 problems with 4, 5 and 7 answers on 3 levels."""
    rng = np.random.default_rng(seed)
    cells = [
        (name, f"w{who}", int(rng.integers(1, 4)))
        for name, n in zip(PROBLEMS, (4, 5, 7), strict=True)
        for who in range(n)
    ]
    frame = pd.DataFrame(cells, columns=["problem", "participant", "response"]).sample(frac=1, random_state=1)
    return CrowdData.from_frame(frame, scale=scale or ordinal([1, 2, 3]))


PREDICTED = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]])


def test_people_problems_and_order_stay_and_answers_are_drawn():
    human = survey()
    digital = virtual_crowd(human, PREDICTED, PROBLEMS, seed=2)
    pd.testing.assert_frame_equal(
        digital.responses[["problem", "participant"]], human.responses[["problem", "participant"]]
    )
    assert set(digital.responses.loc[digital.responses["problem"] == "a", "response"]) == {1.0}
    assert digital == virtual_crowd(human, PREDICTED[[1, 2, 0]], ["a", "c", "b"], seed=2)
    assert digital != virtual_crowd(human, PREDICTED, PROBLEMS, seed=3)


def test_the_draws_are_those_of_the_sampled_score():
    human = survey()
    truth = histograms(human, PROBLEMS)
    sampled = score(truth, PREDICTED, how="sampled", seed=2).per_problem.set_index("problem")
    crowd = aggregate_scores(human, virtual_crowd(human, PREDICTED, PROBLEMS, seed=2), ["mean", "median", "majority"])
    joined = crowd.per_problem.set_index("problem").loc[list(PROBLEMS)]
    for column in ("error_mean", "error_median", "error_majority"):
        np.testing.assert_allclose(joined[column], sampled[column], atol=1e-12)


def test_words_are_drawn_as_words():
    human = survey(categorical([1, 2, 3]))
    digital = virtual_crowd(human, PREDICTED, PROBLEMS, seed=2)
    assert set(digital.responses["response"]) <= {"1", "2", "3"}
    with pytest.raises(ValueError, match="the answers are words"):
        aggregate_scores(human, digital)


def test_the_human_crowd_agrees_with_itself():
    human = survey()
    scores = aggregate_scores(human, human, ["mean", "dawid-skene", "glad"], split=4)
    assert scores.value("mae glad") == scores.value("rmse dawid-skene") == scores.mae == 0.0
    assert set(scores.per_problem["split"]) == {4}


def test_bad_input_is_refused():
    human = survey()
    with pytest.raises(ValueError, match=r"1 answered problem\(s\) have no prediction, for instance 'c'"):
        virtual_crowd(human, PREDICTED[:2], ["b", "a"], seed=0)
    with pytest.raises(ValueError, match=r"predicted has shape \(2, 3\), expected \(3, 3\)"):
        virtual_crowd(human, PREDICTED[:2], PROBLEMS, seed=0)
    with pytest.raises(ValueError, match="the scales differ"):
        aggregate_scores(human, survey(ordinal([1, 2, 3, 4])))
    with pytest.raises(ValueError, match=r"1 problem\(s\) were answered by only one crowd, for instance 'b'"):
        aggregate_scores(human, human.select(problems=["a", "c"]), ["mean"])


def test_dawid_skene_of_random_answers_is_as_published(data_folder):
    """Published: MAE 1.73, RMSE 2.17 for one crowd of random answers; the spread of one such crowd over seeds is 0.04.

    Four joint spreads of two single simulations: false-alarm rate 6e-5 each.
    """
    human = popquorn("offensiveness", folder=data_folder)
    problems = histograms(human).problems
    crowd = virtual_crowd(human, Random().fit(human).predict(problems), problems, seed=0)
    scores = aggregate_scores(human, crowd, ["dawid-skene"])
    assert scores.value("mae dawid-skene") == pytest.approx(1.73, abs=4 * 0.04 * np.sqrt(2))
    assert scores.value("rmse dawid-skene") == pytest.approx(2.17, abs=4 * 0.04 * np.sqrt(2))

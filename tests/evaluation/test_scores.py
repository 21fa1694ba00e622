"""Scores: averages, clustered standard errors, refusal of rows that cannot be averaged."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.evaluation.scores import Scores, pooled


def rows(errors, split=0, start=0):
    errors = np.asarray(errors, dtype=float)
    return pd.DataFrame(
        {"problem": [f"p{start + place}" for place in range(len(errors))], "split": split, "error_mean": errors}
    )


def test_metrics_by_hand():
    scores = Scores(
        rows([0.3, -0.4, 1.2]).assign(error_glad=[1.0, 0.0, -2.0], cosine=0.5, wasserstein=[1, 2, 6]), "exact"
    )
    assert scores.metrics == ("mae", "rmse", "resolution", "mae glad", "rmse glad", "cs", "wd")
    assert scores.mae == pytest.approx(1.9 / 3)
    assert scores.rmse == pytest.approx(np.sqrt((0.09 + 0.16 + 1.44) / 3))
    assert scores.resolution == pytest.approx(2 / 3)
    assert scores.value("rmse glad") == pytest.approx(np.sqrt(5 / 3))
    assert (scores.cs, scores.wd) == (0.5, 3.0)
    assert scores.to_frame()["n_problems"].tolist() == [3] * 7
    assert "rmse glad" in str(scores)


def test_standard_error_of_one_split_is_the_textbook_one():
    errors = np.random.default_rng(0).normal(size=40)
    scores = Scores(rows(errors), "exact")
    assert scores.standard_error("mae") == pytest.approx(np.abs(errors).std(ddof=1) / np.sqrt(40))
    square = (errors**2).std(ddof=1) / np.sqrt(40)
    assert scores.standard_error("rmse") == pytest.approx(square / (2 * scores.rmse))


def test_repeating_a_split_does_not_shrink_the_standard_error():
    errors = np.random.default_rng(1).normal(size=30)
    once = Scores(rows(errors), "exact")
    thrice = pooled([Scores(rows(errors, split), "exact") for split in range(3)])
    assert thrice.standard_error("mae") == pytest.approx(once.standard_error("mae"))
    assert "over 3 splits" in str(thrice)


def test_standard_error_is_the_spread_over_samples_of_problems():
    """200 samples of 25 problems in 2 splits with a shared part; the ratio's own error is 5%, 5 of them allowed."""
    rng = np.random.default_rng(2)
    found, claimed = [], []
    for _ in range(200):
        shared = rng.normal(size=25)
        parts = [Scores(rows(shared + rng.normal(scale=0.5, size=25), split), "exact") for split in (0, 1)]
        scores = pooled(parts)
        found.append(scores.rmse)
        claimed.append(scores.standard_error("rmse"))
    assert np.mean(claimed) == pytest.approx(np.std(found, ddof=1), rel=0.25)


def test_perfect_scores_have_no_error():
    scores = Scores(rows([0.0, 0.0]), "exact")
    assert (scores.rmse, scores.standard_error("rmse")) == (0.0, 0.0)
    assert np.isnan(Scores(rows([0.2]), "exact").standard_error("mae"))


def test_bad_rows_are_refused():
    with pytest.raises(ValueError, match="no problem to score"):
        Scores(rows([]), "exact")
    with pytest.raises(ValueError, match="twice in one split"):
        Scores(pd.concat([rows([0.1]), rows([0.2])]), "exact")
    with pytest.raises(ValueError, match="missing values"):
        Scores(rows([0.1, np.nan]), "exact")
    with pytest.raises(ValueError, match="metric must be one of 'mae', 'rmse', 'resolution'; got 'cs'"):
        Scores(rows([0.1]), "exact").value("cs")
    with pytest.raises(ValueError, match="parts is empty"):
        pooled([])
    with pytest.raises(ValueError, match="scored in different ways"):
        pooled([Scores(rows([0.1]), "exact"), Scores(rows([0.1], 1), "sampled")])

"""Ridge and nearest neighbours: against formulas, on made crowds where features tell, and on the real ratings."""

import numpy as np
import pytest
from crowds import probit_crowd

from crowdllm_stats import CrowdData
from crowdllm_stats.data import Features, popquorn, popquorn_llm_ratings
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation import evaluate, held_out, paired_difference
from crowdllm_stats.evaluation.baselines import (
    GlobalDistribution,
    Logistic,
    MixedProbit,
    NearestNeighbours,
    OwnRaters,
    Random,
    Ridge,
    noise_floor,
    predictor,
)
from crowdllm_stats.evaluation.baselines.from_features import on_simplex
from crowdllm_stats.evaluation.scores import pooled

N_FEATURES = 3


def crowd_with_features(seed=0):
    """150 problems whose effect is the first of three features, but for noise."""
    data, effects = probit_crowd(seed=seed)
    rng = np.random.default_rng(seed + 100)
    table = rng.normal(size=(len(effects), N_FEATURES))
    table[:, 0] = effects + rng.normal(scale=0.2, size=len(effects))
    return data, Features.of(effects.index, table)


def test_projection_is_the_nearest_probability_vector():
    """Against the definition: no probability vector on a fine grid is nearer."""
    points = np.random.default_rng(0).normal(scale=0.8, size=(20, 3))
    found = on_simplex(points)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found.min() >= 0.0
    steps = np.linspace(0, 1, 81)
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-12])
    best = np.linalg.norm(points[:, None] - grid, axis=2).min(axis=1)
    assert np.all(np.linalg.norm(points - found, axis=1) <= best + 1e-12)
    np.testing.assert_allclose(on_simplex([[0.2, 0.3, 0.5]]), [[0.2, 0.3, 0.5]])


def test_ridge_solves_its_normal_equations():
    data, features = crowd_with_features()
    fitted = Ridge().fit(data, features)
    table = histograms(data)
    weights, rows = table.totals, features.rows(table.problems)
    residual = table.shares - fitted.intercept - rows @ fitted.coefficients.T
    np.testing.assert_allclose(weights @ residual, 0.0, atol=1e-8)
    np.testing.assert_allclose(
        (weights[:, None] * rows).T @ residual, fitted.penalty * fitted.coefficients.T, atol=1e-6
    )


def test_ridge_gives_up_on_features_that_say_nothing_and_uses_those_that_do():
    data, features = crowd_with_features()
    telling = Ridge().fit(data, features)
    noise = Features.of(features.problems, np.random.default_rng(5).normal(size=(150, 60)))
    silent = Ridge().fit(data, noise)
    assert np.abs(telling.coefficients[:, 0]).max() > 5 * np.abs(telling.coefficients[:, 1:]).max()
    spread = silent.predict(features.problems).std(axis=0).max()
    assert spread < 0.25 * telling.predict(features.problems).std(axis=0).max()


def test_logistic_regression_solves_its_normal_equations():
    data, features = crowd_with_features()
    fitted = Logistic().fit(data, features)
    table = histograms(data)
    rows = features.rows(table.problems)
    residual = table.counts - table.totals[:, None] * fitted.predict(table.problems)
    np.testing.assert_allclose(residual.sum(axis=0), 0.0, atol=0.1)  # of some thousand answers
    np.testing.assert_allclose(residual.T @ rows, fitted.penalty * fitted.coefficients, atol=0.1)


def test_logistic_regression_gives_up_on_features_that_say_nothing_and_uses_those_that_do():
    """Over three seeds the penalty chosen on noise is about a thousand times that on a telling feature."""
    data, telling = crowd_with_features()
    noise = Features.of(telling.problems, np.random.default_rng(5).normal(size=(150, N_FEATURES)))
    assert Logistic().fit(data, telling).penalty < Logistic().fit(data, noise).penalty / 30


def test_logistic_regression_on_few_different_answers():
    """Two, one, and one that a fold alone holds: what nobody gave has probability 0, and the shares are kept."""
    data, features = crowd_with_features()
    for told, number in ((lambda answer: np.where(answer < 3, 1.0, 4.0), 2), (lambda answer: 3.0, 1)):
        some = CrowdData.from_frame(data.responses.assign(response=told(data.responses["response"])), scale=data.scale)
        fitted = Logistic().fit(some, features)
        table = histograms(some)
        shares = fitted.predict(table.problems)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert ((shares > 0.0).sum(axis=1) == number).all()
        np.testing.assert_allclose(table.totals @ shares, table.counts.sum(axis=0), atol=0.1)
    rare = data.responses.copy()
    rare["response"] = np.where(rare["problem"] == "q000", 4.0, np.minimum(rare["response"], 3.0))
    found = Logistic().fit(CrowdData.from_frame(rare, scale=data.scale), features).predict(["q000"])
    assert np.isfinite(found).all()


def test_neighbours_average_the_nearest_histograms():
    data, features = crowd_with_features()
    fitted = NearestNeighbours(k=4).fit(data, features)
    table = histograms(data)
    distance = np.linalg.norm(features.rows(table.problems) - features.rows(["q017"]), axis=1)
    expected = table.shares[np.argsort(distance)[:4]].mean(axis=0)
    np.testing.assert_allclose(fitted.predict(["q017"])[0], expected)
    np.testing.assert_allclose(NearestNeighbours(k=1).fit(data, features).predict(["q017"])[0],
                               OwnRaters().fit(data).predict(["q017"])[0])  # fmt: skip


@pytest.mark.parametrize("baseline", [Ridge(), Logistic(), NearestNeighbours(k=20)])
def test_telling_features_beat_the_global_distribution_on_new_problems(baseline):
    data, features = crowd_with_features(1)
    with_features = evaluate(predictor(baseline, features), data, seeds=range(3))
    without = evaluate(predictor(GlobalDistribution()), data, seeds=range(3))
    assert paired_difference(with_features.exact, without.exact).upper < 0.0


def test_bad_wishes_are_refused():
    data, features = crowd_with_features()
    for baseline in (Ridge(), Logistic(), NearestNeighbours()):
        with pytest.raises(ValueError, match="learns from features of the problems"):
            baseline.fit(data)
        with pytest.raises(ValueError, match="have no features"):
            baseline.fit(data, Features.of(["q000"], [[1.0]]))
    with pytest.raises(ValueError, match="k is 151 but there are only 150 training problems"):
        NearestNeighbours(k=151).fit(data, features)
    with pytest.raises(ValueError, match="k must be a whole number"):
        NearestNeighbours(k=0).fit(data, features)
    for baseline in (Ridge(), Logistic()):
        with pytest.raises(ValueError, match="all training problems have the same features"):
            baseline.fit(data, Features.of(features.problems, np.ones((150, 2))))
        with pytest.raises(ValueError, match="at least three training problems"):
            baseline.fit(data.select(problems=["q000", "q001"]), features)


#: Measured rows (MAE, CS, WD) of the recovered protocols on the offensiveness ratings, five splits.
REAL = {
    ("new-problems", "random"): (1.209, 0.667, 1.233),
    ("new-problems", "global"): (0.58, 0.85, 0.64),
    ("new-problems", "mixed"): (0.58, 0.85, 0.64),
    ("new-problems", "gpt4"): (0.39, 0.90, 0.46),
    ("new-problems", "floor"): (0.52, 0.76, 0.60),
    ("paper", "own raters"): (0.12, 0.98, 0.14),
    ("paper", "global"): (0.59, 0.85, 0.63),
}


def test_rows_of_the_case_study_on_real_ratings(data_folder):
    """Two splits each. Room: 4 standard errors over problems (6e-5 each) and 0.005 for rounded expectations."""
    data = popquorn("offensiveness", folder=data_folder)
    persona = popquorn_llm_ratings("gpt4", folder=data_folder).select(participants=["person"])
    gpt4 = Features.of_answers(persona)
    makers = {
        "random": predictor(Random()),
        "global": predictor(GlobalDistribution()),
        "own raters": predictor(OwnRaters()),
        "mixed": predictor(MixedProbit()),
        "gpt4": predictor(Ridge(), gpt4),
    }
    for (protocol, name), expected in REAL.items():
        if name == "floor":
            parts = [noise_floor(held_out(data, protocol, seed=s).truth, seed=s, split=s) for s in range(2)]
            found = pooled(parts)
        else:
            found = evaluate(makers[name], data, protocol, seeds=range(2)).exact
        for metric, value in zip(("mae", "cs", "wd"), expected, strict=True):
            room = 4 * found.standard_error(metric) + 0.005
            assert found.value(metric) == pytest.approx(value, abs=room), (protocol, name, metric)

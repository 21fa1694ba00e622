"""The mixed model: derivatives, mode and evidence against direct numbers, estimates against a known crowd."""

import numpy as np
import pandas as pd
import pytest
from crowds import CUTS, probit_crowd
from scipy import integrate, stats

from crowdllm_stats.data.crowd import CrowdData, categorical, ordinal
from crowdllm_stats.evaluation.baselines import GlobalDistribution, MixedProbit, OwnRaters
from crowdllm_stats.evaluation.baselines.mixed_probit import Crossed, laplace, log_chances
from crowdllm_stats.evaluation.metrics import wasserstein_on_scale


def test_log_chances_and_derivatives():
    answer = np.repeat([0, 1, 2, 3], 5)
    place = np.tile([-3.0, -0.4, 0.0, 1.3, 4.0], 4)
    value, slope, curve = log_chances(answer, CUTS, place)
    ends = np.concatenate([[-np.inf], CUTS, [np.inf]])
    direct = np.log(stats.norm.cdf(ends[answer + 1] - place) - stats.norm.cdf(ends[answer] - place))
    np.testing.assert_allclose(value, direct, rtol=1e-9)
    step = 1e-4
    up, down = (log_chances(answer, CUTS, place + sign * step)[0] for sign in (1, -1))
    np.testing.assert_allclose(slope, (up - down) / (2 * step), atol=1e-6)
    np.testing.assert_allclose(curve, -(up - 2 * value + down) / step**2, atol=1e-5)
    assert np.all(curve > 0.0)


def test_far_tails_stay_finite():
    value, slope, curve = log_chances(np.array([3, 0, 1]), CUTS, np.array([-30.0, 30.0, 30.0]))
    assert np.all(np.isfinite([value, slope, curve]))
    assert np.all(value < -300.0)


def test_laplace_of_one_effect_is_near_the_integral():
    """One problem, five answers of five workers without spread: the evidence is a one-dimensional integral."""
    answer = np.array([0, 1, 1, 2, 3])
    data = Crossed(answer, np.arange(5), np.zeros(5, dtype=int), (5, 1))
    tiny, spread = 1e-4, 0.8
    mode = laplace(data, CUTS, (tiny, spread), (np.zeros(5), np.zeros(1)))

    def joint(effect):
        return np.exp(log_chances(answer, CUTS, np.full(5, effect))[0].sum()) * stats.norm.pdf(effect, scale=spread)

    total = integrate.quad(joint, -8, 8)[0]
    assert mode.log_evidence == pytest.approx(np.log(total), abs=0.01)
    mean = integrate.quad(lambda effect: effect * joint(effect), -8, 8)[0] / total
    second = integrate.quad(lambda effect: effect**2 * joint(effect), -8, 8)[0] / total
    assert mode.effects[1][0] == pytest.approx(mean, abs=0.02)
    assert mode.variances[1][0] == pytest.approx(second - mean**2, rel=0.05)


def test_variances_are_the_inverse_of_the_whole_hessian():
    rng = np.random.default_rng(1)
    first, second = rng.integers(5, size=40), rng.integers(3, size=40)
    data = Crossed(rng.integers(4, size=40), first, second, (5, 3))
    mode = laplace(data, CUTS, (0.9, 0.6), (np.zeros(5), np.zeros(3)))
    curve = log_chances(data.answer, CUTS, mode.effects[0][first] + mode.effects[1][second])[2]
    design = np.hstack([np.eye(5)[first], np.eye(3)[second]])
    hessian = design.T @ (curve[:, None] * design) + np.diag([0.9**-2.0] * 5 + [0.6**-2.0] * 3)
    np.testing.assert_allclose(np.concatenate(mode.variances), np.diag(np.linalg.inv(hessian)), rtol=1e-8)
    slope = log_chances(data.answer, CUTS, mode.effects[0][first] + mode.effects[1][second])[1]
    pull = design.T @ slope - np.concatenate([mode.effects[0] / 0.81, mode.effects[1] / 0.36])
    np.testing.assert_allclose(pull, 0.0, atol=1e-5)


@pytest.mark.parametrize("shape", [{}, {"n_problems": 60, "n_workers": 150, "per_problem": 20}])
def test_a_known_crowd_is_recovered(shape):
    """Room is four times the spread of the estimates over simulated crowds of this size (0.08 and less)."""
    data, effects = probit_crowd(**shape)
    fitted = MixedProbit().fit(data)
    assert fitted.problem_sd == pytest.approx(0.9, abs=0.32)
    assert fitted.worker_sd == pytest.approx(0.6, abs=0.28)
    np.testing.assert_allclose(fitted.cuts, CUTS, atol=0.45)
    known = pd.Series(fitted.effects, index=list(fitted.problems)).loc[effects.index]
    assert np.corrcoef(known, effects)[0, 1] > 0.85
    z = (known - effects) / np.sqrt(pd.Series(fitted.variances, index=list(fitted.problems)).loc[effects.index])
    assert 0.75 < (z - z.mean()).std() < 1.25


def test_a_new_problem_gets_the_marginal_law():
    """Its effect is integrated: P(y <= k) = Phi(c_k / sqrt(1 + s_u^2 + s_w^2)), near the global shares."""
    data, _ = probit_crowd()
    fitted = MixedProbit().fit(data)
    spread = np.sqrt(1 + fitted.problem_sd**2 + fitted.worker_sd**2)
    expected = np.diff(np.concatenate([[0.0], stats.norm.cdf(fitted.cuts / spread), [1.0]]))
    np.testing.assert_allclose(fitted.predict(["new", "newer"]), np.tile(expected, (2, 1)))
    np.testing.assert_allclose(expected, GlobalDistribution().fit(data).predict(["new"])[0], atol=0.03)


def test_with_few_raters_the_shrunk_effects_beat_both_the_raters_and_the_crowd():
    """5 answers a problem, a third of the people held out, scored against the true law of every problem."""
    data, effects = probit_crowd(per_problem=5)
    train = data.split_participants(0.33, seed=0).train
    names = [name for name in effects.index if (train.responses["problem"] == name).any()]
    spread = np.sqrt(1.0 + 0.6**2)
    below = stats.norm.cdf((CUTS - effects.loc[names].to_numpy()[:, None]) / spread)
    law = np.diff(np.column_stack([np.zeros(len(names)), below, np.ones(len(names))]), axis=1)
    error = {
        type(baseline).__name__: wasserstein_on_scale(law, baseline.fit(train).predict(names), [1, 2, 3, 4]).mean()
        for baseline in (MixedProbit(), OwnRaters(), GlobalDistribution())
    }
    assert error["MixedProbit"] < 0.8 * min(error["OwnRaters"], error["GlobalDistribution"])


def test_levels_that_nobody_used_get_next_to_no_probability():
    data, _ = probit_crowd(n_problems=40, n_workers=25)
    wide = CrowdData.from_frame(data.responses, scale=ordinal([0, 1, 2, 3, 4, 5]))
    predicted = MixedProbit().fit(wide).predict(["new"])[0]
    assert predicted[0] < 1e-3
    assert predicted[-1] < 1e-3
    assert predicted.sum() == pytest.approx(1.0)


def test_bad_scales_are_refused():
    data, _ = probit_crowd(n_problems=12, n_workers=10)
    words = CrowdData.from_frame(data.responses.astype({"response": int}), scale=categorical([1, 2, 3, 4]))
    with pytest.raises(ValueError, match="MixedProbit needs an ordinal scale"):
        MixedProbit().fit(words)
    same = CrowdData.from_frame(data.responses.assign(response=2), scale=data.scale)
    with pytest.raises(ValueError, match="training answers are 2; no cut point can be estimated"):
        MixedProbit().fit(same)

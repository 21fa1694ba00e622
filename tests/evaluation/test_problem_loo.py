"""Leave-one-out by problem: ArviZ's PSIS-LOO against the same by quadrature, and what has no LOO."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

pytest.importorskip("arviz")

from crowdllm_stats.evaluation.problem_loo import EffectDraws, problem_loo

SD = 0.8


def made(seed, names, each=6, draws=4000):
    """Answers ``N(b_t, 1)`` with ``b_t ~ N(0, 0.8^2)``: the posterior, and leave-one-out, in closed form."""
    rng = np.random.default_rng(seed)
    answers = rng.normal(0.0, SD, (len(names), 1)) + rng.normal(size=(len(names), each))
    weight = 1.0 / (1.0 / SD**2 + each)
    effect = rng.normal(weight * answers.sum(axis=1), np.sqrt(weight), (draws, len(names)))
    others = 1.0 / (1.0 / SD**2 + each - 1)
    exact = norm.logpdf(answers, others * (answers.sum(axis=1, keepdims=True) - answers), np.sqrt(others + 1.0))
    table = pd.DataFrame({"problem": np.repeat(names, each), "participant": [f"w{one}" for one in range(answers.size)]})
    given = norm.logpdf(answers.reshape(-1), np.repeat(effect, each, axis=1))
    return EffectDraws(
        tuple(names), effect, table, given, norm.logpdf(answers.reshape(-1), 0.0, np.hypot(SD, 1.0))
    ), exact


def test_it_is_leave_one_out():
    first, exact_first = made(1, [f"q{one}" for one in range(12)])
    second, exact_second = made(2, [f"r{one}" for one in range(8)])
    found = problem_loo([first, second])
    exact = np.concatenate([exact_first, exact_second])
    assert found.per_problem["problem"].tolist() == [*first.problems, *second.problems]
    # 4,000 draws: the Monte Carlo error of a problem's mean is about 0.01.
    np.testing.assert_allclose(found.per_problem["after"], exact.mean(axis=1), atol=0.05)
    assert found.after == pytest.approx(exact.mean(), abs=0.01)
    assert found.before == pytest.approx(np.concatenate([first.before, second.before]).mean())
    assert found.after > found.before
    assert found.after_error == pytest.approx(exact.mean(axis=1).std(ddof=1) / np.sqrt(20), rel=0.05)
    assert found.unreliable == 0
    assert "20 problems that the population was not fitted to, 120 answers" in str(found)
    assert found.to_frame()["answers"].tolist() == [6] * 20
    held = found.to_arviz()
    assert held["log_likelihood"]["response"].dims == ("chain", "draw", "answer")
    assert held["posterior"]["effect"].sizes["problem"] == 20


def test_what_is_refused():
    part = made(1, ["a", "b", "c"])[0]
    with pytest.raises(ValueError, match="parts is empty"):
        problem_loo([])
    with pytest.raises(ValueError, match="parts must hold different problems"):
        problem_loo([part, part])
    with pytest.raises(ValueError, match="the same number of draws"):
        problem_loo([part, made(2, ["d"], draws=10)[0]])

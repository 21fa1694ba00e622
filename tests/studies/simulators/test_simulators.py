"""The simulators: their laws, and the calculators they call."""

from __future__ import annotations

import numpy as np
import pytest

from crowdllm_stats import interval
from crowdllm_stats.inference.intervals import METHODS
from crowdllm_stats.studies.engine.compute import SIMULATORS, layout_of, load_simulator
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.grid import jobs
from crowdllm_stats.studies.engine.simulator import uniforms
from crowdllm_stats.studies.simulators.intervals import FAMILIES, INTERVALS, draw, family

PROBABILITIES = (0.577, 0.168, 0.122, 0.080, 0.053)


def work(simulator, replicates, methods=None, **cell):
    """The jobs of one cell, and its design."""
    simulated = load_simulator(SIMULATORS[simulator])
    name, *others = cell
    content = {
        "simulator": simulator,
        "factors": {name: [cell[name]]},
        "fixed": {other: cell[other] for other in others},
        "methods": list(methods or simulated.methods),
        "measures": [simulated.outcomes[0]],
        "replicates": replicates,
        "seed": 3,
        "block": replicates,
    }
    plan = layout_of(make_design(content, "made"))
    return jobs(plan.design, plan.blocks[0], plan.grid), plan


@pytest.mark.parametrize("name", FAMILIES)
def test_families_have_the_mean_and_spread_they_state(name):
    """400,000 draws: mean within 5 standard errors (rate 6e-7 each); spread within 2%, 4% for the heavy tail."""
    law = family(name, PROBABILITIES, 0.2)
    answers = law.answers(np.random.default_rng(1).standard_normal(400_000))
    assert answers.mean() == pytest.approx(law.mean, abs=5 * law.sd / np.sqrt(400_000))
    assert answers.std() == pytest.approx(law.sd, rel=0.04 if name == "heavy-tailed" else 0.02)
    if law.bounds is not None:
        assert (answers.min(), answers.max()) == law.bounds
        values, counts = np.unique(answers, return_counts=True)
        chances = PROBABILITIES if name == "ordinal" else (0.8, 0.2)
        assert len(values) == len(chances)
        np.testing.assert_allclose(counts / 400_000, chances, atol=5 * 0.5 / np.sqrt(400_000))


def test_probabilities_must_add_up():
    with pytest.raises(ValueError, match="probabilities must be at least two, none negative, and add up to 1"):
        family("ordinal", (0.5, 0.4), 0.2)
    with pytest.raises(ValueError, match="add up to 1"):
        work("intervals", 2, ["auto"], n=5, family="ordinal", probabilities=[0.5, 0.4])


def test_a_level_of_no_chance_never_comes():
    law = family("ordinal", (0.0, 0.5, 0.5), 0.2)
    assert set(np.unique(law.answers(np.linspace(-8, 8, 1001)))) == {2.0, 3.0}


def test_humans_twins_and_crowd_have_the_stated_moments():
    """4,000 jobs of 6 humans and 5 digital people: moments within 5 standard errors (rate 1e-5 over all)."""
    made, _ = work("intervals", 4000, ["classical"], n=6, N=5, correlation=0.6, bias=0.3, noise=0.5, memory=0.25)
    answers = draw(made)
    human, twins, crowd = (part.ravel() for part in (answers.human, answers.twins, answers.crowd))
    twin_variance = (0.75 * 0.6 + 0.25) ** 2 + 0.75**2 * (1 - 0.36 + 0.5)
    for values, mean, variance in ((human, 0.0, 1.0), (twins, 0.75 * 0.3, twin_variance), (crowd, 0.3, 1.5)):
        assert values.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / values.size))
        assert values.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / values.size))
    covariance = np.mean(human * (twins - twins.mean()))
    assert covariance == pytest.approx(0.75 * 0.6 + 0.25, abs=5 * 1.5 / np.sqrt(human.size))
    assert abs(np.corrcoef(answers.human[:, 0], answers.crowd[:, 0])[0, 1]) < 5 / np.sqrt(4000)


@pytest.mark.parametrize("name", ["normal", "ordinal", "binary"])
def test_the_simulator_gives_the_intervals_of_the_public_door(name):
    bounded = [method for method, one in METHODS.items() if one.bounds == "needed"]
    two = [method for method, one in METHODS.items() if one.two_values]
    refused = {"normal": bounded, "ordinal": two, "binary": ()}[name]
    methods = [method for method in INTERVALS.methods if method not in refused]
    made, plan = work("intervals", 11, methods, n=9, N=40, family=name, level=0.9)
    found = plan.simulator.run(made, methods)
    answers = draw(made)
    bounds = {"normal": None, "ordinal": (1, 5), "binary": (0, 1)}[name]
    for place, method in enumerate(methods):
        theirs = interval(answers.human, answers.twins, answers.crowd, method=method, level=0.9, bounds=bounds)
        np.testing.assert_array_equal(found["lower"][:, place], theirs.lower)
        np.testing.assert_array_equal(found["upper"][:, place], theirs.upper)
        np.testing.assert_array_equal(found["estimate"][:, place], theirs.estimate)
    t = methods.index("classical")
    np.testing.assert_allclose(found["standard_error"][:, t], answers.human.std(axis=1, ddof=1) / 3.0, rtol=1e-12)
    law = family(name, PROBABILITIES, 0.2)
    assert np.all(found["truth"] == law.mean)
    assert np.all(found["null"] == law.mean - 0.5 * law.sd)


def test_methods_that_do_not_apply_say_why():
    cell = {"family": "normal", "known_bounds": True, "n": 2}
    assert INTERVALS.refuses(cell, "set-clt") == "it needs the ends of the scale"
    assert INTERVALS.refuses({**cell, "family": "binary", "known_bounds": False}, "classical-small") is not None
    ordinal = {**cell, "family": "ordinal", "probabilities": PROBABILITIES, "share": 0.2}
    assert INTERVALS.refuses(ordinal, "exact") == "it needs answers of two values"
    assert INTERVALS.refuses({**ordinal, "probabilities": (0.3, 0.7)}, "exact") is None
    assert INTERVALS.refuses(cell, "ppi++-small") == "it needs 3 people"
    assert INTERVALS.refuses(cell, "classical") is None


def test_uniforms_belong_to_cell_purpose_and_replicate():
    made, _ = work("intervals", 30, ["classical"], n=5)
    whole = uniforms(made, "a", 7)
    assert np.all((whole > 0.0) & (whole < 1.0))
    np.testing.assert_array_equal(uniforms(made[12:20], "a", 7), whole[12:20])
    np.testing.assert_array_equal(uniforms([made[4], made[2], made[4]], "a", 7), whole[[4, 2, 4]])
    assert not np.any(uniforms(made, "b", 7) == whole)
    other, _ = work("intervals", 30, ["classical"], n=6)
    assert not np.any(uniforms(other, "a", 7) == whole)
    assert len(np.unique(whole)) == whole.size
    with pytest.raises(ValueError, match="draws for the jobs of one cell"):
        uniforms([made[0], other[0]], "a", 7)


@pytest.mark.parametrize("random_beliefs", [False, True])
def test_excess_risk_is_that_of_a_direct_simulation(random_beliefs):
    """L - L' of 3 problems from 200,000 crowds each: within 5 standard errors, false-alarm rate 2e-6."""
    cell = dict(N=4, diversity=0.8, kappa=0.5, eta=0.2, twin_noise=0.6, random_beliefs=random_beliefs)  # noqa: C408
    made, plan = work("safe-interval", 3, **cell)
    found = plan.simulator.run(made, plan.design.methods)
    draws = uniforms(made, "problems", 2)
    from scipy.special import ndtri

    delta = 0.5 / ndtri(0.975) * ndtri(draws[:, 0])
    mu = delta + 0.3 * ndtri(draws[:, 1])
    rng = np.random.default_rng(4)
    spread = 0.8 * rng.standard_normal((200_000, 4))
    if not random_beliefs:
        spread = 0.8 * np.array([1.0, 1.0, -1.0, -1.0])
    for row in range(3):
        twins = mu[row] + spread + 0.6 * rng.standard_normal((200_000, 4))
        crowd = (delta[row] - twins.mean(axis=1)) ** 2
        llm = (delta[row] - np.sqrt(0.2) * rng.standard_normal(200_000)) ** 2
        excess = crowd - llm
        error = 5 * excess.std() / np.sqrt(200_000)
        assert found["excess"][row, 0] == pytest.approx(excess.mean(), abs=error)
    assert np.all(found["inside"] + found["outside"] == 1.0)
    assert np.all(found["broken"] == found["inside"] * (1.0 - found["no_worse"]))


@pytest.mark.parametrize(("law", "share"), [("normal", 0.95), ("uniform", 1.0), ("at-kappa", 1.0)])
def test_the_gap_lies_within_kappa_as_often_as_stated(law, share):
    """The share of gaps within kappa, read off the exact radius.

    4,000 problems; 0.95 within 4.5 standard errors, false-alarm rate 7e-6.
    """
    made, plan = work("safe-interval", 4000, N=2, law=law, kappa=0.5, eta=0.0, skill=0.0, miss=0.0)
    found = plan.simulator.run(made, ["exact"])
    # mu = 0 and eta = 0: L = L' = Delta^2, so the exact radius is |Delta|
    gap = found["radius"][:, 0]
    assert np.mean(gap <= 0.5 + 1e-12) == pytest.approx(
        share, abs=4.5 * np.sqrt(0.95 * 0.05 / 4000) if share < 1 else 0
    )
    if law == "at-kappa":
        np.testing.assert_allclose(gap, 0.5)


def test_the_exact_risk_is_unbiased_and_the_published_is_not():
    """20,000 crowds: exact, direct and the LLM's exact form within 5 standard errors of the closed form (rate 2e-6)."""
    made, plan = work("risk", 20_000, N=6, slope=0.2)
    found = plan.simulator.run(made, plan.design.methods)
    error = found["estimate"] - found["truth"]
    mean, spread = error.mean(axis=0), error.std(axis=0) / np.sqrt(len(error))
    by_method = dict(zip(plan.design.methods, mean / spread, strict=True))
    assert max(abs(by_method[method]) for method in ("exact", "direct", "llm-exact")) < 5.0
    assert by_method["published"] > 20.0
    assert by_method["llm-published"] > 20.0


def test_an_outcome_named_like_a_parameter_is_refused(monkeypatch):
    from crowdllm_stats.studies.simulators import risk as risk_simulator

    class Odd(type(risk_simulator.RISK)):
        outcomes = ("N", "risk")

    monkeypatch.setattr(risk_simulator, "ODD", Odd(), raising=False)
    with pytest.raises(TypeError, match="names 'N' as an outcome and as a parameter"):
        load_simulator("crowdllm_stats.studies.simulators.risk:ODD")

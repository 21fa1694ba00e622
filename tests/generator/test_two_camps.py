"""A semi-implicit belief takes the shape of two camps that profiles do not explain; a normal one cannot."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis

from crowdllm_stats.data.crowd import CrowdData, continuous
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.kept import even_components

PEOPLE, PROBLEMS, EACH = 150, 7, 5


def two_camps():
    """Answers 2 above or below a level of 1, noise 0.4; and a backbone that says 1."""
    rng = np.random.default_rng(0)
    camp = rng.permutation(np.resize([2.0, -2.0], PEOPLE))
    rows = [
        (f"q{problem}", f"p{who:03}", 1.0 + camp[who] + rng.normal(0.0, 0.4))
        for who in range(PEOPLE)
        for problem in rng.permutation(PROBLEMS)[:EACH]
    ]
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    people = pd.DataFrame(
        {"participant": [f"p{who:03}" for who in range(PEOPLE)], "gender": rng.choice(["Woman", "Man"], PEOPLE)}
    )
    data = CrowdData.from_frame(frame, participants=people, scale=continuous())
    names = [f"q{problem}" for problem in range(PROBLEMS)]
    return data, Reference.from_probabilities(names, [-9.0, 11.0], np.full((PROBLEMS, 2), 0.5))


def middle(**settings):
    """Share of 3,500 answers within 0.8 of the level, where 0.3% of the true answers lie and 30% of the best normal's.

    A share's standard error is below 0.01; the ends below lie ten of them from what fits give.
    """
    data, reference = two_camps()
    given = {"family": "normal", "hidden": 16, "ridge_network": 1.0, "held_out": 0.0, "learning_rate": 0.03}
    model = CrowdLLM(**{**given, "steps": 400, "mixing_dim": 2, **settings}).fit(data, reference, seed=1)
    answers = model.simulate(n=500, seed=2).responses["response"].to_numpy()
    assert answers.std() == pytest.approx(2.04, abs=0.3)
    return np.mean(np.abs(answers - 1.0) < 0.8), model


def test_a_normal_law_puts_people_in_the_middle():
    for effects in (True, False):
        share, model = middle(mixing="none", person_effects=effects)
        assert 0.2 <= share <= 0.4
        assert model.mixing is None
        assert str(model).startswith("CrowdLLM, likelihood objective, normal beliefs")


@pytest.mark.parametrize("effects", [True, False])
def test_semi_implicit_beliefs_leave_the_middle_empty(effects):
    """Camps are kept opinions of people, or, where people keep nothing, the law of an answer's belief."""
    share, model = middle(person_effects=effects, problem_effects=False)
    assert share <= 0.1
    assert model.mixing.share > 0.8
    assert model.mixing.kurtosis < 1.7
    what = "what people keep over problems" if effects else "beliefs"
    assert f"{what}: {100 * model.mixing.share:.0f}% of its variance by mixing" in str(model)


def test_the_noise_of_the_profile_generator_tells_camps_apart():
    """Nobody's answers lie in both camps: a person's mean over problems is kept too."""
    share, model = middle(mixing="profile", problem_effects=False, ridge_network=0.1)
    assert share <= 0.15
    own = model.simulate(n=300, seed=3).responses.groupby("participant")["response"].mean()
    assert np.abs(own - 1.0).quantile(0.2) > 0.8
    expected = model.predict().mean
    assert np.abs(expected - 1.0).max() < 0.5


def test_kept_beliefs_have_mean_nought_and_the_law_that_is_printed():
    """200,000 people: the variance between components within 2%, the mean within 0.02 sd (9 standard errors)."""
    _, model = middle(problem_effects=False)
    belief, params, rng = model.belief(model.blender), model.fitted.params, np.random.default_rng(5)
    noise, uniform = rng.standard_normal((200_000, 2)), rng.random((200_000, belief.kept_uniforms))
    shift, _ = (np.asarray(one)[:, 0] for one in belief.kept_effects(params, noise, uniform))
    assert abs(shift.mean()) < 0.02 * shift.std()
    found = kurtosis(shift, fisher=False)
    assert found == pytest.approx(model.mixing.kurtosis, rel=0.02)
    still, _ = belief.kept_effects(params, 0.0 * noise, uniform)
    assert float(np.var(still) / shift.var()) == pytest.approx(model.mixing.share, rel=0.02)
    even = even_components(params, 4096)
    assert float(even.mean[:, 0].var() + (even.sd[:, 0] ** 2).mean()) == pytest.approx(shift.var(), rel=0.02)

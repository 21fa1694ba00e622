"""A semi-implicit belief takes the shape of two camps that profiles do not explain; a normal one cannot."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData, continuous
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM

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


@pytest.mark.parametrize(("mixing", "least", "most"), [(0, 0.2, 0.4), (6, 0.0, 0.1)])
def test_answers_in_the_middle(mixing, least, most):
    """Within 0.8 of the level lie 0.3% of the true answers, and 30% of those of the best normal.

    3,500 answers: a share's standard error is below 0.01; the ends lie ten of them from what fits give.
    """
    data, reference = two_camps()
    model = CrowdLLM(
        family="normal", mixing=mixing, mixing_dim=2, hidden=16, person_effects=False, problem_effects=False,
        ridge_network=1.0, held_out=0.0, learning_rate=0.03, steps=400,
    )  # fmt: skip
    answers = model.fit(data, reference, seed=1).simulate(n=500, seed=2).responses["response"].to_numpy()
    assert answers.std() == pytest.approx(2.04, abs=0.25)
    assert least <= np.mean(np.abs(answers - 1.0) < 0.8) <= most

"""The histogram that a small crowd's histogram is least far from, by simulated crowds."""

import numpy as np
import pytest

from crowdllm_stats.generator.prediction import Prediction

#: 2 nodes of the effect, 3 problems, 4 answers.
BY_EFFECT = np.array(
    [[[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0], [0.05, 0.05, 0.1, 0.8]],
     [[0.4, 0.3, 0.2, 0.1], [0.0, 0.1, 0.1, 0.8], [0.02, 0.02, 0.02, 0.94]]]
)  # fmt: skip
WEIGHTS = np.array([0.25, 0.75])


def prediction(**changes):
    given = {"by_effect": BY_EFFECT, "effect_weights": WEIGHTS, **changes}
    return Prediction(("a", "b", "c"), (1.0, 2.0, 3.0, 4.0), None, None, None, None, None, "", **given)


@pytest.mark.parametrize("n", [1, 6, 7])
def test_no_other_histogram_is_nearer_to_crowds_of_n(n):
    found = prediction().median_histogram(n)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found >= 0.0).all()
    rng = np.random.default_rng(3)
    for problem in range(3):
        nodes = rng.choice(2, 4000, p=WEIGHTS)
        crowds = np.stack([rng.multinomial(n, BY_EFFECT[node, problem]) / n for node in nodes])

        def distance(made, crowds=crowds):
            return np.abs(np.cumsum(crowds - made, axis=1)[:, :-1]).sum(axis=1)

        others = [*rng.dirichlet(np.ones(4), 20), WEIGHTS @ BY_EFFECT[:, problem], *np.eye(4)]
        for other in others:
            gap = distance(found[problem]) - distance(other)
            # At most 72 one-sided comparisons, each allowed 4 standard errors: a false alarm in 0.3% of seeds.
            assert gap.mean() <= 4.0 * gap.std() / np.sqrt(len(gap)) + 1e-12


def test_endless_crowds_with_known_effects_have_the_populations_histogram():
    one = prediction(by_effect=BY_EFFECT[:1], effect_weights=np.ones(1))
    np.testing.assert_allclose(one.median_histogram(5000), BY_EFFECT[0], atol=2e-3)


def test_other_scales_and_empty_crowds_are_refused():
    with pytest.raises(ValueError, match="a median histogram needs an ordinal scale"):
        prediction(by_effect=None).median_histogram(5)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1; got 0"):
        prediction().median_histogram(0)

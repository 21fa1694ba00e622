"""The error against the number of virtual workers: its ends, its seeding, its refusals."""

import numpy as np
import pytest

from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.metrics import error_by_size, score

NAMES = tuple(f"q{row}" for row in range(50))
TRUTH = Histograms(NAMES, (1.0, 2.0, 4.0), np.random.default_rng(0).multinomial(9, [0.5, 0.2, 0.3], 50).astype(float))
PREDICTED = np.random.default_rng(1).dirichlet(np.ones(3), 50)


def test_one_worker_is_far_off_and_many_come_to_the_exact_score():
    """2,000 workers: a mean's standard error is below 0.03 a problem, so MAE is off by less than 0.03 surely."""
    found = error_by_size(TRUTH, PREDICTED, sizes=[1, 5, 2_000], seed=2).set_index("workers")["mae"]
    assert found[2_000] == pytest.approx(score(TRUTH, PREDICTED).mae, abs=0.03)
    assert found[1] > found[5] > found[2_000]


def test_small_crowds_are_the_beginning_of_large_ones_and_problems_have_their_own_draws():
    both = error_by_size(TRUTH, PREDICTED, sizes=[3, 7], seed=4)
    alone = error_by_size(TRUTH, PREDICTED, sizes=[3], seed=4)
    assert both["mae"][0] == alone["mae"][0]
    order = np.random.default_rng(5).permutation(50)
    turned = error_by_size(TRUTH.select(NAMES[row] for row in order), PREDICTED[order], sizes=[3, 7], seed=4)
    np.testing.assert_allclose(turned["mae"], both["mae"])
    assert error_by_size(TRUTH, PREDICTED, sizes=[3], seed=6)["mae"][0] != alone["mae"][0]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="sizes must be a whole number of at least 1"):
        error_by_size(TRUTH, PREDICTED, sizes=[0])
    with pytest.raises(ValueError, match=r"predicted has shape \(49, 3\)"):
        error_by_size(TRUTH, PREDICTED[1:])

"""Vote counts: by hand, and the Random row of the paper's Table 5 is of that size."""

import numpy as np
import pytest

from crowdllm_stats.evaluation.metrics import vote_scores


def test_by_hand():
    scores = vote_scores([10, 4, 1, 0], [7, 4, 4, 1])
    assert scores.mae == pytest.approx(7 / 4)
    assert scores.rmse == pytest.approx(np.sqrt(19 / 4))
    assert scores.wd == pytest.approx((1 + 3 + 0 + 3) / 4)  # sorted 0 1 4 10 against 1 4 4 7
    assert scores.cs == pytest.approx(90 / np.sqrt(117 * 82))
    assert scores.mae_error == pytest.approx(np.std([3, 0, 3, 1], ddof=1) / 2)
    assert scores.n_projects == 4
    assert "mae" in str(scores)


def test_the_distance_does_not_see_which_project_is_which():
    assert vote_scores([9, 5, 1], [1, 5, 9]).wd == 0.0
    assert vote_scores([9, 5, 1], [1, 5, 9]).mae > 5.0


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        ([1, 2, 3], [1, 2], "must be one count a project"),
        ([[1, 2]], [[1, 2]], "must be one count a project"),
        ([1], [1], "at least two projects"),
        ([0, 0], [1, 2], "holds no vote at all"),
        ([-1, 2], [1, 2], "must not be negative"),
    ],
)
def test_bad_counts_are_refused(truth, predicted, words):
    with pytest.raises(ValueError, match=words):
        vote_scores(truth, predicted)

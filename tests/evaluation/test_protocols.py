"""Protocols: what is trained on, what is scored, that nothing leaks, that splits come from the seed."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData, ordinal
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation import evaluate, held_out

N_PROBLEMS, N_PEOPLE, LEVELS = 30, 20, 4


def survey(seed=0, unanswered=()):
    """30 problems, 20 people, each problem answered by 6 of them, on 4 levels."""
    rng = np.random.default_rng(seed)
    cells = [
        (f"t{problem:02}", f"w{who:02}", int(rng.integers(1, LEVELS + 1)))
        for problem in range(N_PROBLEMS)
        for who in rng.permutation(N_PEOPLE)[:6]
        if f"t{problem:02}" not in unanswered
    ]
    problems = pd.DataFrame({"problem": [f"t{problem:02}" for problem in range(N_PROBLEMS)]})
    frame = pd.DataFrame(cells, columns=["problem", "participant", "response"])
    return CrowdData.from_frame(frame, problems=problems, scale=ordinal(range(1, LEVELS + 1)))


def even(train, problems):
    return np.full((len(problems), LEVELS), 1 / LEVELS)


def test_paper_trains_on_80_percent_of_the_people_and_scores_every_problem_on_all():
    data = survey()
    split = held_out(data, "paper", seed=3)
    assert len(split.train.participants) == 16
    assert split.truth.problems == tuple(data.problems["problem"])
    np.testing.assert_array_equal(split.truth.counts, histograms(data).counts)
    assert 0.6 < len(split.train.responses) / len(data.responses) < 0.95


def test_new_problems_shows_no_answer_of_what_it_scores():
    data = survey()
    split = held_out(data, "new-problems", seed=3)
    assert len(split.truth.problems) == 6
    assert len(split.train.participants) == 16
    assert not set(split.truth.problems) & set(split.train.problems["problem"])
    assert not set(split.truth.problems) & set(split.train.responses["problem"])
    assert split.truth.totals.tolist() == [6.0] * 6


@pytest.mark.parametrize("protocol", ["paper", "new-problems"])
def test_splits_come_from_the_seed(protocol):
    data = survey()
    first, again, other = (held_out(data, protocol, seed=seed) for seed in (1, 1, 2))
    assert first.train == again.train
    assert first.truth.problems == again.truth.problems
    assert first.train != other.train
    assert f"({protocol}, seed 1)" in str(first)


def test_scores_hold_a_row_a_problem_and_split():
    data = survey()
    seen = []

    def watching(train, problems):
        seen.append((train, problems))
        return even(train, problems)

    result = evaluate(watching, data, seeds=[4, 7, 9])
    assert len(seen) == 3
    assert len(result.exact.per_problem) == 18
    assert set(result.sampled.per_problem["split"]) == {4, 7, 9}
    assert (result.exact.how, result.sampled.how) == ("exact", "sampled")
    frame = result.to_frame()
    assert set(frame["how"]) == {"exact", "sampled"}
    assert set(frame["n_splits"]) == {3}
    assert str(result).startswith("Evaluation, protocol new-problems")
    expected = []
    for seed in (4, 7, 9):
        expected.append(np.abs(histograms(data, held_out(data, "new-problems", seed=seed).truth.problems).shares @
                               [1, 2, 3, 4] - 2.5))  # fmt: skip
    assert result.exact.mae == pytest.approx(np.mean(expected))


def test_problems_that_nobody_answered_are_counted():
    data = survey(unanswered=("t05", "t11"))
    split = held_out(data, "paper", seed=0)
    assert (split.unanswered, len(split.truth.problems)) == (2, 28)
    assert "2 without any answer left out" in str(split)
    result = evaluate(even, data, "paper", seeds=[0, 1, 2])
    assert result.unanswered == 6
    assert "6 problem(s) without any answer left out" in str(result)


def test_bad_wishes_are_refused():
    data = survey()
    with pytest.raises(ValueError, match="protocol must be one of 'paper', 'new-problems'; got 'new'"):
        held_out(data, "new", seed=0)
    with pytest.raises(ValueError, match="fraction must lie strictly between 0 and 1"):
        held_out(data, "paper", seed=0, fraction=1.0)
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="at least one whole number and all different"):
            evaluate(even, data, seeds=seeds)
    with pytest.raises(ValueError, match=r"predicted has shape \(5, 4\), expected \(6, 4\)"):
        evaluate(lambda train, problems: even(train, problems[1:]), data)

"""Learning curves: parts of the training answers, scores of small crowds, and studies on files in published formats."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import load_example
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.data.popquorn_ratings import PROFILE
from crowdllm_stats.studies.engine.compute import compute_block
from crowdllm_stats.studies.engine.design_file import make_design, read_design, study_file
from crowdllm_stats.studies.simulators import learning_curve
from crowdllm_stats.studies.simulators.learning_curve import LEARNING_CURVE, crowd_scores, part_of

HUMAN = load_example().human
EXAMPLE = {"data": "example:human", "backbone": "example:reference", "embedding": "tfidf"}


def rows(data):
    return set(map(tuple, data.responses[["problem", "participant"]].to_numpy()))


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ({"ratings": 9}, {"ratings": 40}),
        ({"problems": 4}, {"problems": 7}),
        ({"workers": 5}, {"workers": 30}),
        ({"share": 0.2}, {"share": 0.7}),
        ({"per_problem": 2}, {"per_problem": 5}),
        ({"problems": 7, "workers": 30}, {"workers": 30}),
    ],
)
def test_smaller_parts_lie_inside_larger_ones(small, large):
    few, more = part_of(HUMAN, **small, seed=3), part_of(HUMAN, **large, seed=3)
    assert rows(few) < rows(more) < rows(HUMAN)
    assert rows(part_of(HUMAN, **small, seed=4)) != rows(few)
    for data in (few, more):
        assert set(data.problems["problem"]) == set(data.responses["problem"])
        assert set(data.participants["participant"]) == set(data.responses["participant"])


def test_parts_have_the_sizes_asked_for():
    assert len(part_of(HUMAN, ratings=9).responses) == 9
    assert part_of(HUMAN, problems=4).responses["problem"].nunique() == 4
    assert part_of(HUMAN, workers=5).responses["participant"].nunique() == 5
    assert part_of(HUMAN, share=0.01).responses["participant"].nunique() == 2
    assert part_of(HUMAN, per_problem=3).responses["problem"].value_counts().tolist() == [3] * 12
    assert part_of(HUMAN) == HUMAN


@pytest.mark.parametrize("size", ["ratings", "problems", "workers"])
def test_more_than_there_is_is_refused(size):
    with pytest.raises(ValueError, match=f"{size} is 1000, but only .*lower it"):
        part_of(HUMAN, **{size: 1000})


def test_scores_of_a_crowd_by_hand():
    truth = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 4.0]]))
    shares = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
    draws = np.array([[0.1, 0.6, 0.9, 0.5], [0.9, 0.3, 0.2, 0.7]])  # answers 1, 2, 3, 2 and 3, 2, 1, 3
    found = crowd_scores(truth, shares, 3, 0.1, draws)
    assert found["test_mae"] == pytest.approx((0.0 + 1.0) / 2)
    assert found["test_rmse"] == pytest.approx(np.sqrt(0.5))
    assert found["test_wd"] == pytest.approx((1 / 3 + 1.0) / 2)
    assert (found["resolution"], found["within"], found["reached"]) == (0.5, 0.5, 1.0)
    endless = crowd_scores(truth, shares, 0, 0.3, draws)
    assert endless["test_mae"] == pytest.approx((0.25 + 0.75) / 2)
    assert endless["within"] == endless["reached"] == 0.5


def test_an_endless_crowd_is_the_limit_of_large_ones():
    """4,000 draws: the mean of each of 6 problems is off by 0.9 at most by five standard errors."""
    rng = np.random.default_rng(8)
    truth = Histograms(tuple("abcdef"), (1.0, 2.0, 3.0, 4.0, 5.0), rng.integers(1, 9, (6, 5)).astype(float))
    shares = rng.dirichlet(np.ones(5), 6)
    large = crowd_scores(truth, shares, 4000, 0.3, rng.random((6, 4000)))
    endless = crowd_scores(truth, shares, 0, 0.3, rng.random((6, 2)))
    assert large["test_mae"] == pytest.approx(endless["test_mae"], abs=5 * 2 / np.sqrt(4000))


def table(content):
    whole = {"simulator": "learning-curve", "replicates": 2, "seed": 5, **content}
    block = compute_block(make_design(whole, "made"), 0)
    found = pd.read_parquet(io.BytesIO(block.content))
    return found.assign(method=[content["methods"][code] for code in found["method"]])


def test_cells_of_one_replicate_share_split_and_draws():
    """The larger crowd's first workers are the smaller one's: what 2 reached, 6 reached as well."""
    found = table({
        "factors": {"virtual": [2, 6], "ratings": [20], "protocol": ["paper"]}, "fixed": {**EXAMPLE, "tolerance": 0.2},
        "methods": ["global", "own-raters", "ridge", "llm", "random"], "measures": ["reached"], "block": 4,
    })  # fmt: skip
    wide = found.pivot_table(index=["method", "replicate"], columns="cell", values="reached")
    assert (wide[1] >= wide[0]).all()
    assert (wide[1] > wide[0]).any()
    assert np.isfinite(found.drop(columns="method").to_numpy()).all()


def test_what_cannot_learn_from_so_little_failed():
    found = table({
        "factors": {"ratings": [2]}, "fixed": EXAMPLE, "methods": ["ridge", "global"], "measures": ["test_mae"],
        "block": 2,
    })  # fmt: skip
    lost = found.groupby("method")["test_mae"].apply(lambda values: values.isna().all())
    assert lost.to_dict() == {"global": False, "ridge": True}


def test_methods_that_do_not_apply_are_refused():
    cell = {"protocol": "new-problems", "profiles": "diverse"}
    assert "nobody answered" in LEARNING_CURVE.refuses(cell, "own-raters")
    assert LEARNING_CURVE.refuses({**cell, "protocol": "paper"}, "own-raters") is None
    assert "no profiles" in LEARNING_CURVE.refuses({**cell, "profiles": "fixed"}, "ridge")
    assert LEARNING_CURVE.refuses({**cell, "profiles": "fixed"}, "crowdllm-paper") is None


@pytest.fixture
def questions(tmp_path, monkeypatch):
    """QA Difficulty in the published format, one rating without user, and a file of reference answers."""
    rng = np.random.default_rng(6)
    made = pd.DataFrame([(item, user) for item in range(15) for user in rng.permutation(11)[:6]],
                        columns=["instance_id", "user_id"])  # fmt: skip
    made["difficulty"] = rng.integers(1, 6, len(made)).astype(float)
    made["question"] = made["text"] = [f"What is {item} times {item + 2}?" for item in made["instance_id"]]
    made["groundtruth"] = "a number"
    for place, name in enumerate(PROFILE):
        made[name] = [f"level {user * (place + 2) % 3}" for user in made["user_id"]]
    made["user_id"] = made["user_id"].astype(object)
    made.loc[4, "user_id"] = ""
    folder = tmp_path / "question_answering"
    folder.mkdir()
    made.to_csv(folder / "raw_data.csv", index=False)
    shares = rng.dirichlet(np.ones(5), 15)
    told = pd.DataFrame(shares, columns=[f"p{level}" for level in range(1, 6)]).assign(problem=range(15))
    told.to_csv(tmp_path / "reference.csv", index=False)
    monkeypatch.setenv("CROWDLLM_STATS_DATA", str(tmp_path))
    learning_curve._material.cache_clear()
    yield tmp_path / "reference.csv"
    learning_curve._material.cache_clear()


def qa(questions, methods):
    given = read_design(study_file("virtual_workers_qa"))
    fixed = {**given.fixed, "backbone": str(questions), "embedding": "tfidf", "steps": 20, "steps_paper": 20}
    factors = {"ratings": [9, 0], "protocol": ["paper"], "virtual": [8], "tolerance": [0.4]}
    return table({
        "factors": factors, "fixed": fixed, "methods": methods, "measures": ["reached", "within"], "block": 2,
    })  # fmt: skip


def test_figure_26_runs_on_the_published_format(questions):
    found = qa(questions, ["llm", "global", "random"])
    assert len(found) == 6
    assert (found["within"] <= found["reached"]).all()


@pytest.mark.slow
def test_figure_26_fits_generators_on_the_published_format(questions):
    found = qa(questions, ["crowdllm", "crowdllm-paper"])
    assert np.isfinite(found["test_mae"]).all()
    assert (found["within"] <= found["reached"]).all()

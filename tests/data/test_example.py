"""The example: deterministic, sized as documented, and made as its docstring says."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import load_example
from crowdllm_stats.data import example as module
from crowdllm_stats.data.crowd import CrowdData, ordinal


@pytest.fixture(scope="module")
def example():
    return load_example()


def test_sizes(example):
    for data in (example.human, example.digital, example.reference):
        assert data.scale == ordinal(range(1, 6))
        assert len(data.problems) == 12
    assert example.human.responses.groupby("problem").size().unique().tolist() == [8]
    assert example.digital.responses.groupby("problem").size().unique().tolist() == [208]
    assert example.reference.responses.groupby("problem").size().unique().tolist() == [10]
    assert set(example.reference.responses["participant"]) == {"llm"}
    assert example.reference.responses["repeat"].max() == 9
    assert len(example.human.participants) == 60
    assert example.human.responses["participant"].nunique() == 60
    assert example.truth["mean"].between(1, 5).all()


def test_every_human_answer_has_its_twin(example):
    both = example.human.responses.merge(example.digital.responses, on=["problem", "participant"])
    assert len(both) == 96
    answers = both[["response_x", "response_y"]]
    spread = answers - answers.groupby(both["problem"]).transform("mean")
    assert 0.6 < spread.corr().iloc[0, 1] < 0.8


def test_profiles_of_twins_are_those_of_their_humans(example):
    twins = example.digital.participants.set_index("participant")
    humans = example.human.participants.set_index("participant")
    pd.testing.assert_frame_equal(twins.loc[humans.index], humans)


def test_same_every_time(example):
    again = load_example()
    assert again.human == example.human
    assert again.digital == example.digital
    assert again.reference == example.reference
    pd.testing.assert_frame_equal(again.truth, example.truth)


def test_can_be_written_and_read(example, tmp_path):
    keywords = {"scale": example.human.scale, "profile_columns": ["gender", "age_group"], "problem_columns": ["text"]}
    for name in ("human", "digital"):
        path = tmp_path / f"{name}.csv"
        getattr(example, name).write(path)
        assert CrowdData.read(path, **keywords) == getattr(example, name)


def test_truth_is_the_population_mean():
    # 40,000 people drawn by the documented model: standard error 0.0063 of a mean. A bound of 4 standard errors over
    # 12 independent locations fails by chance in 8 of 10,000 seeds.
    rng = np.random.default_rng(5)
    location = rng.normal(0.0, 0.55, 12)
    people = module._people(rng, 40_000)
    shift = people["gender"].map({"Woman": 0.15, "Man": -0.15}) + people["age_group"].map(
        {"18-34": 0.35, "35-54": 0.0, "55+": -0.3}
    )
    person = shift.to_numpy(dtype=float) + rng.normal(0, 0.75, 40_000)
    own = location[:, None] + person + rng.normal(0, 0.65, (12, 40_000))
    answers = 1 + (own[..., None] > np.array([-1.2, -0.4, 0.4, 1.2])).sum(axis=-1)
    error = answers.std(axis=1) / np.sqrt(40_000)
    assert (np.abs(answers.mean(axis=1) - module._population_mean(location)) < 4 * error).all()


def test_crowd_is_closer_to_the_truth_than_the_bare_llm(example):
    truth = example.truth.set_index("problem")["mean"]
    crowd = example.digital.responses.groupby("problem")["response"].mean()
    bare = example.reference.responses.groupby("problem")["response"].mean()
    assert ((crowd - truth) ** 2).mean() < 0.5 * ((bare - truth) ** 2).mean()

"""The shipped population: whole, small, without texts, real profiles or effects of people; and how one is built."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import load_example, load_population
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.data import popquorn
from crowdllm_stats.data.features import Features
from crowdllm_stats.generator.shipped import (
    COMPONENTS,
    FOLDER,
    POPULATIONS,
    build_population,
    stored_reference,
)


@pytest.fixture(scope="module")
def population():
    return load_population("offensiveness")


def test_file_is_small_and_holds_numbers_and_ids_only():
    path = FOLDER / "offensiveness.npz"
    assert path.stat().st_size <= 2_000_000
    with np.load(path, allow_pickle=False) as file:
        words = {name: file[name] for name in file.files if file[name].dtype.kind in "US"}
    assert set(words) == {"told", "problems", "people", "vectors/reference_answers", "vectors/reference_profiles"}
    assert words["people"].size == 0
    assert all(len(name) <= 4 and name.isdigit() for name in words["problems"].tolist())
    told = json.loads(str(words["told"]))
    assert {column["name"] for column in told["encoder"]["columns"]} == {
        "gender", "race", "age", "occupation", "education",
    }  # fmt: skip


def test_population_is_the_one_the_card_describes(population):
    fitted = population.fitted
    assert (len(fitted.problems), fitted.n_answers, fitted.n_people) == (1500, 13036, 262)
    assert len(fitted.vectors.components) == COMPONENTS
    assert fitted.person_effect.size == 0
    card = (FOLDER / "offensiveness.md").read_text(encoding="utf-8")
    for fact in ("13,036 ratings", "262 people", "1,500 Reddit comments", "must not be used for", "How to rebuild"):
        assert fact in card


def test_no_combination_of_few_real_people_is_in_the_law(population):
    try:
        people = popquorn("offensiveness").participants
    except FileNotFoundError as error:
        pytest.skip(f"needs the data folder: {error}")
    columns = ["gender", "race", "age", "occupation", "education"]
    holders = people[columns].value_counts()
    rare = set(holders.index[holders < 5])
    made = population.fitted.recruiter.sample(3_000, seed=4).table
    assert not rare & set(made[columns].itertuples(index=False, name=None))
    assert not rare & set(population.fitted.profiles[columns].itertuples(index=False, name=None))


def test_stored_reference_is_the_recorded_one(population):
    reference = stored_reference(population.fitted)
    assert reference.log_probabilities.shape == (1500, 1, 5)
    np.testing.assert_allclose(reference.mean[:, 0], population.fitted.decision[:, 0], atol=1e-5)


def test_builds_from_other_data_without_people():
    example = load_example()
    reference = RecordedBackbone(example.reference).reference(example.human.problems)
    rng = np.random.default_rng(5)
    features = Features.of(example.human.problems["problem"], rng.standard_normal((12, 7)))
    doubled = pd.concat([example.human.participants] * 5, ignore_index=True)
    doubled["participant"] = [f"x{row}" for row in range(len(doubled))]
    answers = pd.concat(
        [
            example.human.responses.assign(participant=example.human.responses["participant"] + f"-{copy}")
            for copy in range(5)
        ]
    )
    people = pd.concat(
        [
            example.human.participants.assign(participant=example.human.participants["participant"] + f"-{copy}")
            for copy in range(5)
        ]
    )
    data = type(example.human).from_frame(
        answers.reset_index(drop=True), participants=people, problems=example.human.problems, scale=example.human.scale
    )
    made = build_population(data, reference, features, seed=3, draws=500)
    assert made.fitted.people == ()
    assert len(made.fitted.profiles) == 1024
    assert made.simulate(["q03"], 11, seed=2).responses["response"].between(1, 5).all()


def test_unknown_names_and_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no population 'politeness'; there is offensiveness"):
        load_population("politeness")
    with pytest.raises(FileNotFoundError, match="no generator at"):
        load_population(tmp_path / "absent.npz")
    (tmp_path / "cut.npz").write_bytes((FOLDER / "offensiveness.npz").read_bytes()[:5000])
    with pytest.raises(ValueError, match="not a whole generator file"):
        load_population(tmp_path / "cut.npz")
    assert POPULATIONS == ("offensiveness",)

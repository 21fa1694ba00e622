"""RecordedBackbone: shares of recorded answers, profiles matched to personas, missing cells counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.backbones import Reference
from crowdllm_stats.backbones.recorded import RecordedBackbone
from crowdllm_stats.data import popquorn, popquorn_llm_ratings
from crowdllm_stats.data.crowd import CrowdData, approval, categorical, continuous, ordinal

#: persona -> (gender, race, answers to problems a, b, c; None: refused).
PERSONAS = {
    "person": ("", "", (1, 2, 4)),
    "male": ("Man", "", (2, 2, None)),
    "white": ("", "White", (3, 2, 1)),
    "white_female": ("Woman", "White", (4, None, 4)),
    "black_male": ("Man", "Black", (4, 1, 3)),
}
THREE = pd.DataFrame({"problem": ["a", "b", "c"]})


def made(personas=PERSONAS, **changes):
    rows = [
        (problem, name, answer)
        for name, (_, _, answers) in personas.items()
        for problem, answer in zip("abc", answers, strict=True)
        if answer is not None
    ]
    table = pd.DataFrame(
        [(name, *said[:2]) for name, said in personas.items()], columns=["participant", "gender", "race"]
    )
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    return CrowdData.from_frame(
        frame, **{"participants": table, "problems": THREE, "scale": ordinal([1, 2, 3, 4]), **changes}
    )


def people(*pairs):
    return pd.DataFrame([(f"p{n}", *pair) for n, pair in enumerate(pairs)], columns=["participant", "gender", "race"])


def test_without_profiles_the_shares_are_over_all_personas():
    reference = RecordedBackbone(made(), model="gpt4").reference(pd.DataFrame({"problem": ["c", "a"]}))
    assert reference.problems == ("c", "a")
    assert reference.answers == (1.0, 2.0, 3.0, 4.0)
    assert reference.probabilities[:, 0] == pytest.approx(np.array([[1, 0, 1, 2], [0.8, 0.8, 0.8, 1.6]]) / 4)
    assert reference.n_samples.tolist() == [[4.0], [5.0]]
    assert reference.admissible_mass is None
    assert reference.source == {"backbone": "recorded answers", "model": "gpt4", "personas": "all", "missing_cells": 0,
                                "excluded": {}}  # fmt: skip


def test_one_persona_and_its_missing_cell():
    data = made()
    with pytest.raises(ValueError, match=r'1 of 3 cell\(s\) have no recorded answer.*\'c\'.*missing="pool"'):
        RecordedBackbone(data, persona="male").reference(THREE)
    reference = RecordedBackbone(data, persona="male", missing="pool").reference(THREE)
    assert reference.mean[:, 0] == pytest.approx([2.0, 2.0, 3.0])
    assert reference.n_samples[:, 0].tolist() == [1.0, 1.0, 4.0]
    assert reference.source["missing_cells"] == 1
    assert reference.source["personas"] == "male"


def test_the_fitting_persona_that_says_most_wins():
    profiles = people(
        ("Man", "Black"),  # black_male
        ("Woman", "White"),  # white_female
        ("Man", "White"),  # male and white say equally much
        ("Woman", "Asian"),  # person
        ("Man", "Asian"),  # male
        ("", "White"),  # white: the profile does not say a gender
        ("Non-binary", None),  # person
    )
    reference = RecordedBackbone(made()).reference(pd.DataFrame({"problem": ["a"]}), profiles)
    assert reference.profiles == tuple(f"p{n}" for n in range(7))
    assert reference.mean[0] == pytest.approx([4, 4, 2.5, 1, 2, 3, 1])
    assert reference.n_samples[0].tolist() == [1, 1, 2, 1, 1, 1, 1]
    assert reference.source["tied_profiles"] == 1
    assert reference.source["unmatched_profiles"] == 0
    assert reference.source["on"] == ["gender", "race"]


def test_missing_cells_of_profiles_are_refused_or_pooled_and_counted():
    profiles = people(("Woman", "White"), ("Man", "Asian"))
    with pytest.raises(ValueError, match=r"2 of 6 cell\(s\).*'b' by the persona of profile 'p0'"):
        RecordedBackbone(made()).reference(THREE, profiles)
    reference = RecordedBackbone(made(), missing="pool").reference(THREE, profiles)
    assert reference.mean == pytest.approx(np.array([[4, 2], [7 / 4, 2], [4, 3]]))
    assert reference.n_samples.tolist() == [[1, 1], [4, 1], [1, 4]]
    assert reference.source["missing_cells"] == 2


def test_profiles_that_no_persona_fits():
    data = made({name: said for name, said in PERSONAS.items() if name != "person"})
    profiles = people(("Woman", "Asian"), ("Man", "Black"), ("", ""))
    with pytest.raises(ValueError, match=r"2 profile\(s\) fit no persona, for instance 'p0'"):
        RecordedBackbone(data).reference(THREE, profiles)
    reference = RecordedBackbone(data, missing="pool").reference(THREE, profiles)
    assert reference.source["unmatched_profiles"] == 2
    assert reference.source["missing_cells"] == 0
    assert reference.mean[0] == pytest.approx([13 / 4, 4, 13 / 4])


def test_matching_on_some_columns_only():
    reference = RecordedBackbone(made(), on=["gender"]).reference(
        pd.DataFrame({"problem": ["a"]}), people(("Man", "x"), ("Woman", "y"), ("z", ""))[["participant", "gender"]]
    )
    assert reference.mean[0] == pytest.approx([3.0, 4.0, 2.0])  # male and black_male; white_female; person and white
    assert reference.source["tied_profiles"] == 2


def test_numbers_as_profile_columns():
    frame = pd.DataFrame({"problem": [1, 1, 1], "participant": ["young", "old", "any"], "response": [1, 3, 2]})
    table = pd.DataFrame({"participant": ["young", "old", "any"], "age": [20.0, 60.0, np.nan]})
    backbone = RecordedBackbone(CrowdData.from_frame(frame, participants=table, scale=ordinal([1, 2, 3])))
    asked = pd.DataFrame({"participant": ["x", "y", "z", "w"], "age": [60, 20, 41, 20]})
    assert backbone.reference(pd.DataFrame({"problem": [1]}), asked).mean[0].tolist() == [3.0, 1.0, 2.0, 1.0]


def test_words_and_repeats():
    frame = pd.DataFrame({"problem": [7] * 5, "participant": ["x"] * 5, "response": ["no", "yes", "no", "no", "no"]})
    data = CrowdData.from_frame(frame, scale=categorical(["yes", "no", "none"]), repeats="keep")
    reference = RecordedBackbone(data).reference(pd.DataFrame({"problem": [7]}))
    assert reference.answers == ("yes", "no", "none")
    assert reference.probabilities[0, 0] == pytest.approx([0.2, 0.8, 0.0])
    assert reference.n_samples.tolist() == [[5.0]]
    with pytest.raises(ValueError, match="no profile columns"):
        RecordedBackbone(data).reference(pd.DataFrame({"problem": [7]}), pd.DataFrame({"participant": ["p"]}))


def test_it_survives_saving(tmp_path):
    reference = RecordedBackbone(made(), missing="pool").reference(THREE, people(("Man", "Black"), ("Woman", "White")))
    reference.save(tmp_path / "r.npz")
    again = Reference.load(tmp_path / "r.npz")
    assert np.array_equal(again.log_probabilities, reference.log_probabilities)
    assert again.source == dict(reference.source)


def test_answers_off_the_scale_are_refused():
    data = made()
    off = dataclasses.replace(data, scale=ordinal([1, 2, 3]))
    with pytest.raises(ValueError, match=r"4 recorded answer\(s\) are off the scale 1.0, 2.0, 3.0, for instance 4.0"):
        RecordedBackbone(off)
    with pytest.raises(ValueError, match="off the scale"):
        RecordedBackbone(data, answers=[1, 2])
    free = made(scale=continuous(0, 10))
    with pytest.raises(ValueError, match=r"continuous 0 to 10.*scale=ordinal"):
        RecordedBackbone(free)
    assert RecordedBackbone(free, answers=[1, 2, 3, 4]).reference(THREE).mean[0, 0] == pytest.approx(2.8)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RecordedBackbone(made(), missing="drop"), "missing must be one of 'refuse', 'pool'; got 'drop'"),
        (lambda: RecordedBackbone(made(), persona="nobody"), "'nobody' is not a participant.*person, male"),
        (lambda: RecordedBackbone(made(), on=["age"]), "'age' is not a profile column"),
        (lambda: RecordedBackbone(made(), answers=[1, 1]), "two different"),
        (lambda: RecordedBackbone(made()).reference(pd.DataFrame({"problem": ["z"]})), "not in the table of answers"),
        (lambda: RecordedBackbone(made()).reference(pd.DataFrame({"id": ["a"]})), "no column 'problem'.*id"),
        (lambda: RecordedBackbone(made()).reference(THREE[:0]), "no rows"),
        (lambda: RecordedBackbone(made()).reference(["a"]), "pandas DataFrame"),
        (lambda: RecordedBackbone(made()).reference(pd.DataFrame({"problem": ["a", "a"]})), "stand there twice"),
        (lambda: RecordedBackbone(made()).reference(pd.DataFrame({"problem": ["a", None]})), "empty in data row 2"),
        (
            lambda: RecordedBackbone(made()).reference(THREE, pd.DataFrame({"participant": ["x"], "gender": ["Man"]})),
            "no column 'race'",
        ),
        (lambda: RecordedBackbone(made(), persona="male").reference(THREE, people(("Man", ""))), "both given"),
    ],
)
def test_bad_requests_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_problem_that_nobody_answered_is_refused_even_when_pooling():
    data = made({name: (*said[:2], (said[2][0], None, said[2][2])) for name, said in PERSONAS.items()})
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no recorded answer at all, for instance 'b'"):
        RecordedBackbone(data, missing="pool").reference(THREE)


def test_ballots_are_refused():
    frame = pd.DataFrame({"problem": [1], "participant": ["x"], "response": [("a", "b")]})
    with pytest.raises(ValueError, match="ballots"):
        RecordedBackbone(CrowdData.from_frame(frame, scale=approval(["a", "b", "c"])))


def test_gpt4_personas_for_the_real_raters(data_folder):
    data = popquorn_llm_ratings("gpt4", personas=12)
    humans = popquorn("offensiveness")
    wide = data.responses.pivot_table(index="problem", columns="participant", values="response")
    plain = RecordedBackbone(data).reference(data.problems)
    assert plain.mean[:, 0] == pytest.approx(wide.loc[list(plain.problems)].mean(axis=1).to_numpy())
    assert int(plain.n_samples.sum()) == 17_998
    raters = humans.participants.iloc[:23]
    with pytest.raises(ValueError, match="no recorded answer"):
        RecordedBackbone(data).reference(data.problems, humans.participants)
    matched = RecordedBackbone(data, missing="pool").reference(data.problems, humans.participants)
    assert matched.log_probabilities.shape == (1500, 262, 5)
    assert matched.source["unmatched_profiles"] == 0  # "person" fits everyone
    assert matched.source["tied_profiles"] == 0  # all six combinations are there
    assert set(np.unique(matched.n_samples)) <= {1.0, 11.0}
    short = {"White": "white", "Black or African American": "black", "Asian": "asian"}
    for column, (gender, race) in enumerate(zip(raters["gender"], raters["race"], strict=True)):
        sex, colour = {"Man": "male", "Woman": "female"}.get(gender), short.get(race)
        name = f"{colour}_{sex}" if sex and colour else sex or (f"{colour}_person" if colour else "person")
        told = wide[name].loc[list(matched.problems)].to_numpy()
        said = ~np.isnan(told)
        assert matched.mean[said, column] == pytest.approx(told[said])

"""Participation: draws by ids, probabilities as given, rates learned from a mask, every refusal."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crowdllm_stats import CrowdData, continuous
from crowdllm_stats.generator.participation import Participation, fit_answer_rates

PEOPLE = [f"p{place}" for place in range(90)]
TOPICS = [f"q{place}" for place in range(40)]


def crowd(mask):
    rows, columns = np.nonzero(mask)
    frame = pd.DataFrame({"problem": np.array(TOPICS)[columns], "participant": np.array(PEOPLE)[rows], "response": 1.0})
    return CrowdData.from_frame(
        frame, participants=pd.DataFrame({"participant": PEOPLE}), problems=pd.DataFrame({"problem": TOPICS})
    )


def answered(intercept, people_sd, problems_sd, seed):
    rng = np.random.default_rng(seed)
    people, problems = rng.normal(0, people_sd, len(PEOPLE)), rng.normal(0, problems_sd, len(TOPICS))
    return people, rng.random((len(PEOPLE), len(TOPICS))) < expit(intercept + people[:, None] + problems)


def test_draws_depend_on_the_two_ids_and_the_seed_alone():
    half = Participation.given(0.5)
    whole = half.mask(PEOPLE, TOPICS, 3)
    order = np.random.default_rng(0).permutation(len(PEOPLE))
    shuffled = half.mask([PEOPLE[place] for place in order], TOPICS[::-1], 3)
    np.testing.assert_array_equal(shuffled, whole[order][:, ::-1])
    np.testing.assert_array_equal(half.mask(PEOPLE[70:75], TOPICS[30:33], 3), whole[70:75, 30:33])
    assert (half.mask(PEOPLE, TOPICS, 4) != whole).any()
    assert (whole[:, 0] != whole[:, 1]).any()


def test_blocks_of_rows_join_without_a_seam():
    """3,000 people times 700 problems is two blocks; shares with 5 standard errors of room (6e-7)."""
    ids, topics = range(3000), range(700)
    whole = Participation.given(0.3).mask(ids, topics, 1)
    np.testing.assert_array_equal(Participation.given(0.3).mask(range(1490, 1510), topics, 1), whole[1490:1510])
    every_fourth = pd.DataFrame({"participant": range(3000), "p": np.arange(3000) % 4 == 0})
    took_part = Participation.given(every_fourth.astype({"p": float})).mask(ids, topics, 1)
    np.testing.assert_array_equal(took_part, np.repeat((np.arange(3000) % 4 == 0)[:, None], 700, axis=1))
    assert whole.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / whole.size))
    assert whole.mean(axis=0).std() == pytest.approx(np.sqrt(0.21 / 3000), rel=5 / np.sqrt(2 * 700))


def test_given_probabilities_are_met_pair_by_pair():
    array = np.array([[0.0, 1.0, 0.2], [0.7, 0.0, 1.0]])
    given = Participation.given(array, participants=["a", "b"], problems=["x", "y", "z"])
    np.testing.assert_array_equal(given.probabilities(["b", "a"], ["z", "x"]), [[1.0, 0.7], [0.2, 0.0]])
    drawn = np.mean([given.mask(["a", "b"], ["x", "y", "z"], seed) for seed in range(800)], axis=0)
    room = 5 * np.sqrt(array * (1 - array) / 800)  # 6e-7 a pair; exact where the probability is 0 or 1
    assert (np.abs(drawn - array) <= room).all()


def test_a_table_may_name_pairs_problems_or_people():
    pairs = pd.DataFrame({
        "participant": ["a", "a", "b", "b"], "problem": [1, 2, 1, 2], "p": [0.1, 0.2, 0.3, 0.4]
    })  # fmt: skip
    np.testing.assert_allclose(Participation.given(pairs).probabilities(["b", "a"], ["1", "2"]),
                               [[0.3, 0.4], [0.1, 0.2]])  # fmt: skip
    people = Participation.given(pd.DataFrame({"participant": ["a", "b"], "p": [0.5, 0.25]}))
    np.testing.assert_allclose(people.probabilities(["b", "a"], [7, 8, 9]), [[0.25] * 3, [0.5] * 3])


def test_rates_are_learned_and_shrunk():
    """Over seeds the sd's estimate is 0.94 with sd 0.09, at least 0.68: 4 of them (6e-5). Ranks at least 0.86."""
    people, mask = answered(-1.0, 1.0, 0.5, seed=2)
    learned = Participation.from_data(crowd(mask))
    rates = learned.rates
    assert rates.people_sd == pytest.approx(0.94, abs=0.36)
    assert np.corrcoef(rates.people, people)[0, 1] > 0.8
    raw = mask.mean(axis=1)
    shown = learned.probabilities(PEOPLE, TOPICS).mean(axis=1)
    assert shown.mean() == pytest.approx(raw.mean(), abs=1e-3)
    assert 0 < np.polyfit(raw, shown, 1)[0] < 1  # drawn towards the others
    idle = int(np.argmin(raw))
    assert shown[idle] > raw[idle]


def test_the_spread_of_people_is_found_with_few_problems_too():
    """True sd 1; over seeds the estimate has mean 0.89 and sd 0.04, so 4 of them of room (6e-5)."""
    rng = np.random.default_rng(1)
    chance = expit(-1.0 + rng.normal(0, 1.0, 400)[:, None] + rng.normal(0, 0.5, 12))
    assert fit_answer_rates(rng.random((400, 12)) < chance).people_sd == pytest.approx(0.89, abs=0.16)


def test_effects_vanish_where_rates_differ_by_chance_only():
    """Estimated sd under none: of 300 seeds the largest was 0.218 and the 99% quantile 0.206, so 0.3 is never met."""
    rates = fit_answer_rates(answered(-1.0, 0.0, 0.0, seed=4)[1])
    assert rates.people_sd < 0.3
    assert rates.problems_sd < 0.3


def test_new_people_are_as_varied_as_the_old():
    _, mask = answered(-0.5, 1.5, 0.0, seed=5)
    learned = Participation.from_data(crowd(mask))
    new = [f"v{place}" for place in range(4000)]
    drawn = learned.probabilities(new, TOPICS, seed=1)
    old = learned.probabilities(PEOPLE, TOPICS)
    # Each new person is one of 90, picked evenly: mean and spread with 5 standard errors of room (6e-7).
    assert drawn.mean() == pytest.approx(old.mean(), abs=5 * old.mean(axis=1).std() / np.sqrt(4000))
    assert drawn.mean(axis=1).std() == pytest.approx(old.mean(axis=1).std(), rel=0.1)
    np.testing.assert_array_equal(learned.probabilities(new[7:9], TOPICS, seed=1), drawn[7:9])
    assert (learned.probabilities(new, TOPICS, seed=2) != drawn).any()
    whole = learned.mask(new, TOPICS, 1)
    np.testing.assert_array_equal(learned.mask(new[100:103], TOPICS, 1), whole[100:103])


def test_a_complete_design_stays_complete():
    full = Participation.from_data(crowd(np.ones((90, 40), dtype=bool)))
    assert full.mask([*PEOPLE, "new"], TOPICS, 1).all()
    assert Participation.everybody().mask(PEOPLE, TOPICS, 1).all()
    assert str(Participation.everybody()) == "Participation\n  Everybody answers every problem."


def test_json_round_trip():
    _, mask = answered(-1.0, 1.0, 0.5, seed=6)
    array = np.array([[0.5, 0.25]])
    for made in (Participation.everybody(), Participation.from_data(crowd(mask)),
                 Participation.from_data(crowd(np.ones((90, 40), dtype=bool))),
                 Participation.given(array, participants=["p1"], problems=["q1", "q2"])):  # fmt: skip
        again = Participation.from_dict(json.loads(json.dumps(made.to_dict())))
        np.testing.assert_array_equal(
            again.probabilities(["p1"], ["q1", "q2"]), made.probabilities(["p1"], ["q1", "q2"])
        )
        assert again.why == made.why
    with pytest.raises(ValueError, match="not a whole participation"):
        Participation.from_dict({"table": [[1.0]]})
    told = Participation.given(array, participants=["p1"], problems=["q1", "q2"]).to_dict()
    with pytest.raises(ValueError, match=r"shape \(1, 2\) do not fit 1 participants and 1 problems"):
        Participation.from_dict({**told, "problems": ["q1"]})


@pytest.mark.parametrize(
    ("given", "names", "says"),
    [
        (1.05, {}, r"1 of 1 do not, for instance 1\.05"),
        (-0.1, {}, "must lie between 0 and 1"),
        (np.nan, {}, "must lie between 0 and 1"),
        (0.0, {}, "nobody takes part"),
        ([[0.5, 0.5]], {}, "both axes named"),
        ([0.5, 0.5], {"participants": ["a", "b"], "problems": ["x"]}, "both axes named"),
        ([[0.5, 0.5]], {"participants": ["a", "b"], "problems": ["x"]}, r"shape \(1, 2\) for 2 participants and 1"),
        ([[0.5, 0.5]], {"participants": ["a"], "problems": ["x", "x"]}, "problems must be different ids"),
        ("often", {}, "rectangular array of numbers"),
        (pd.DataFrame({"p": [0.5]}), {}, "needs the column 'p' and"),
        (pd.DataFrame({"problem": ["x"], "p": [0.5]}), {"problems": ["x"]}, "a table names its own"),
        (pd.DataFrame({"problem": ["x", "x"], "p": [0.5, 0.5]}), {}, "several rows for"),
        (pd.DataFrame({"problem": ["x"], "p": [None]}), {}, "1 missing value"),
        (pd.DataFrame({"problem": ["x", "y"], "participant": ["a", "b"], "p": [0.5, 0.5]}), {}, "lacks 2 of 4 pairs"),
    ],
)
def test_given_refuses(given, names, says):
    with pytest.raises(ValueError, match=says):
        Participation.given(given, **names)


def test_mask_refuses():
    known = Participation.given(pd.DataFrame({"problem": ["x", "y"], "p": [0.5, 1e-9]}))
    with pytest.raises(ValueError, match="problems: 1 have no probability, for instance 'z'"):
        known.mask(["a"], ["x", "z"], 1)
    with pytest.raises(ValueError, match=r"nobody takes part: none of 3 participants in any of 1 problems, 3e-09"):
        known.mask(["a", "b", "c"], ["y"], 1)
    with pytest.raises(ValueError, match="participants must be different ids"):
        known.mask(["a", "a"], ["x"], 1)
    with pytest.raises(ValueError, match="participants must be different ids, at least one"):
        known.mask([], ["x"], 1)
    with pytest.raises(ValueError, match="seed must be"):
        known.mask(["a"], ["x"], -1)
    people, topics = pd.DataFrame({"participant": ["a"]}), pd.DataFrame({"problem": ["x"]})
    empty = CrowdData(pd.DataFrame(columns=["problem", "participant", "response"]), people, topics, continuous())
    with pytest.raises(ValueError, match="the data hold no answer, so nobody would take part"):
        Participation.from_data(empty)
    with pytest.raises(ValueError, match="nobody answered anything"):
        fit_answer_rates(np.zeros((3, 2), dtype=bool))

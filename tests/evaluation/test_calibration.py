"""Calibration on made surveys with known laws: how often it raises a false alarm, and what it finds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chi2, kstest

from crowdllm_stats import CrowdData, categorical, ordinal
from crowdllm_stats.evaluation.calibration import BINS, UNITS, calibration
from crowdllm_stats.evaluation.drawn import EVERYONE

LEVELS = ordinal([1, 2, 3, 4, 5])


def survey(rng, draws, *, people=30, problems=16, each=10, shift=0.0, wide=1.0, person=0.7, of_group=0.0):
    """Answers ``round(3 + a_i + b_t + noise)`` and draws of a population that is off in what is named.

    The answers have effects of people (sd 0.7) and problems (0.5) and noise (0.7); the population is shifted, wider by
    a factor, has people's effects of another sd, and answers higher in the group "right".
    """
    who = np.repeat(np.arange(people), each)
    asked = np.concatenate([rng.permutation(problems)[:each] for _ in range(people)])
    group = np.where(np.arange(people) % 2, "left", "right")

    def answers(shift, wide, person, of_group):
        own = rng.normal(0.0, person, people)[who] + rng.normal(0.0, 0.5, problems)[asked]
        value = 3.0 + shift + of_group * (group[who] == "right") + wide * (own + rng.normal(0.0, 0.7, len(who)))
        return np.clip(np.round(value), 1.0, 5.0)

    table = pd.DataFrame(
        {
            "problem": [f"q{one}" for one in asked],
            "participant": [f"w{one}" for one in who],
            "response": answers(0.0, 1.0, 0.7, 0.0),
            "group": group[who],
        }
    )
    made = np.stack([answers(shift, wide, person, of_group) for _ in range(draws)])
    return CrowdData.from_frame(table, scale=LEVELS), made


def naive_p_value(found):
    """Chi-square test of the PIT histogram as if answers were independent."""
    counts = np.histogram(found.pit, BINS, (0.0, 1.0))[0]
    expected = len(found.pit) / BINS
    return chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1)


def test_a_right_population_is_flagged_as_often_as_stated():
    """120 checks at level 0.9; a right implementation fails one of the two bounds less than once in 10,000 times."""
    rng = np.random.default_rng(5)
    found = [calibration(*survey(rng, 59), level=0.9, seed=number) for number in range(120)]
    most = binom.ppf(1.0 - 5e-5, 120, 0.1)
    assert sum(not one.calibrated for one in found) <= most
    assert sum((one.flagged["part"] != EVERYONE).any() for one in found) <= most
    # The test is not idle: p-values of a right population reach down as far as uniform ones.
    assert sum(one.p_value <= 0.5 for one in found) >= binom.ppf(5e-5, 120, 0.4)
    # A test for independent answers raises false alarms several times as often as its 10%.
    assert np.mean([naive_p_value(one) <= 0.1 for one in found]) > 0.25
    # Randomised, the PIT of any one answer is uniform.
    assert kstest([one.pit[0] for one in found], "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("off", "check", "words"),
    [
        ({"shift": 0.8}, "location", "people answer 0."),
        ({"wide": 1.5}, "spread", "the population's answers spread too much"),
        ({"wide": 0.6}, "spread", "the population's answers spread too little"),
        ({"person": 0.1}, "people", "people differ more than in the population"),
        ({"person": 1.5}, "people", "people differ less than in the population"),
    ],
)
def test_what_is_off_is_named(off, check, words):
    """Seeded, so the outcome is the same every time: every fault is found in all of five surveys."""
    for seed in range(5):
        found = calibration(*survey(np.random.default_rng(seed), 99, people=60, **off))
        assert not found.calibrated
        assert check in set(found.flagged.loc[found.flagged["part"] == EVERYONE, "check"])
        assert f"{EVERYONE}: {words}" in str(found)
        assert "Not calibrated: p = 0.0" in str(found)


def test_the_group_that_is_off_is_named_and_no_other():
    found = calibration(*survey(np.random.default_rng(3), 199, people=80, of_group=1.0))
    rows = found.flagged[found.flagged["part"] != EVERYONE]
    assert rows[rows["check"] == "location"]["part"].tolist() == ["group: right"]
    assert "group: right: people answer 0." in str(found)
    assert "lower than the population" in str(found)


def test_numbers_by_hand():
    """Four people, two problems, 19 draws in which everybody answers 1, 2, ... 19 once."""
    table = pd.DataFrame(
        {"problem": list("aabb"), "participant": list("uvwx"), "response": [20.0, 0.0, 3.5, 10.5], "g": list("mmnn")}
    )
    draws = np.stack([np.roll(np.arange(1.0, 20.0), 4 * column) for column in range(4)], axis=1)
    found = calibration(CrowdData.from_frame(table, profile_columns=["g"]), draws, least_people=2)
    # Ranks 20, 1, 4 and 11 of 20: each answer's PIT lies in its own twentieth.
    assert np.ceil(20 * found.pit).tolist() == [20.0, 1.0, 4.0, 11.0]
    rows = found.checks.set_index(["part", "check"])
    assert rows.loc[(EVERYONE, "location"), "observed"] == pytest.approx(34.0 / 4)
    assert rows.loc[(EVERYONE, "location"), "expected"] == pytest.approx(10.0)
    assert rows.loc[("g: m", "location"), "observed"] == pytest.approx(10.0)
    assert rows.loc[(EVERYONE, "shape"), "observed"] == pytest.approx(0.6)  # four of ten bins hold a quarter each
    usual = (190.0 + np.array([20.0, 0.0, 3.5, 10.5])) / 20.0
    off = np.array([20.0, 0.0, 3.5, 10.5]) - usual
    assert rows.loc[(EVERYONE, "spread"), "observed"] == pytest.approx(off.std())
    assert rows.loc[(EVERYONE, "people"), "observed"] == pytest.approx(off.std())  # one answer each
    assert rows.loc[(EVERYONE, "problems"), "observed"] == pytest.approx(np.std([off[:2].mean(), off[2:].mean()]))
    assert set(rows["p_value"] * 20) <= set(range(1, 21))


def test_profiles_of_numbers_are_cut_and_small_parts_are_said():
    data, draws = survey(np.random.default_rng(0), 19)
    people = data.participants.assign(age=np.arange(30.0), town=["Rome"] * 3 + [None] * 27)
    found = calibration(CrowdData(data.responses, people, data.problems, data.scale), draws)
    parts = set(found.checks["part"])
    assert {"age: lowest third", "age: middle third", "age: highest third", "town: not given"} <= parts
    assert found.small == {"town: Rome": 3}
    assert "Left out as too small, with their people: town: Rome (3)" in str(found)


def test_the_result_as_a_frame_a_picture_and_for_arviz(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("arviz")
    data, draws = survey(np.random.default_rng(0), 19)
    found = calibration(data, draws)
    assert found.to_frame().columns.tolist() == [
        "part", "check", "people", "answers", "observed", "expected", "lower", "upper", "p_value",
    ]  # fmt: skip
    shares = found.histograms.groupby("unit")["share"].sum()
    assert shares.to_dict() == pytest.approx(dict.fromkeys(UNITS, 1.0))
    figure = found.plot()
    assert [axis.get_title() for axis in figure.axes[:3]] == [
        "PIT of the answers", "ranks of people's mean answers", "ranks of problems' mean answers",
    ]  # fmt: skip
    figure.savefig(tmp_path / "picture.png")
    held = found.to_arviz()
    response = held["posterior_predictive"]["response"]
    assert response.dims == ("chain", "draw", "answer")
    np.testing.assert_array_equal(response[0], draws)
    np.testing.assert_array_equal(held["observed_data"]["response"], data.responses["response"])
    assert held["observed_data"]["participant"].to_numpy().tolist() == data.responses["participant"].tolist()


def test_a_problem_counts_once_per_fold():
    data, draws = survey(np.random.default_rng(0), 19)
    first = data.responses["participant"].isin([f"w{one}" for one in range(15)]).to_numpy()
    plain = calibration(data, draws).checks.set_index(["part", "check"])["observed"]
    split = calibration(data, draws, folds=np.where(first, 1, 2)).checks.set_index(["part", "check"])["observed"]
    off = data.responses["response"] - np.vstack([data.responses["response"], draws]).mean(axis=0)
    means = off.groupby([data.responses["problem"], first]).transform("mean")
    assert split[EVERYONE, "problems"] == pytest.approx(means.std(ddof=0))
    assert plain[EVERYONE, "problems"] != pytest.approx(means.std(ddof=0))
    for name in ("location", "spread", "shape", "people"):
        assert split[EVERYONE, name] == plain[EVERYONE, name]


def test_what_is_refused():
    data, draws = survey(np.random.default_rng(0), 19)
    words = CrowdData.from_frame(
        pd.DataFrame({"problem": ["a", "a"], "participant": ["u", "v"], "response": ["bus", "rail"]}),
        scale=categorical(["bus", "rail"]),
    )
    one = data.select(participants=["w0"])
    for given, made, options, told in (
        (words, draws, {}, r"data must be a CrowdData of numbers, which have ranks; got answers on the scale categ"),
        (draws, draws, {}, "data must be a CrowdData of numbers, which have ranks; got ndarray"),
        (data, draws[:, :-1], {}, r"draws has shape \(19, 299\), expected \(R, 300\)"),
        (data, draws[0], {}, r"draws has shape \(300,\)"),
        (data, draws[:18], {}, "draws holds 18 draws; a test at level 0.95 needs at least 19"),
        (data, np.where(draws == 5.0, np.nan, draws), {}, "draws"),
        (one, draws[:, :10], {}, "data holds the answers of one person; the check needs at least two people"),
        (data, draws, {"folds": [1, 2]}, r"folds has shape \(2,\), expected \(300,\): the fold of each answer"),
        (data, draws, {"level": 95}, "level must lie strictly between 0 and 1; got 95"),
        (data, draws, {"least_people": 0}, "least_people must be a whole number of at least 1"),
        (data, draws, {"seed": -1}, "seed must be a whole number of at least 0"),
    ):
        with pytest.raises(ValueError, match=told):
            calibration(given, made, **options)

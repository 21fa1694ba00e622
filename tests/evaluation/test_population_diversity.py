"""Diversity on made surveys of known variances: by hand, without bias, and what cannot be told is said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from crowdllm_stats import CrowdData, categorical
from crowdllm_stats._base.json_values import json_text
from crowdllm_stats.evaluation.diversity import diversity
from crowdllm_stats.evaluation.drawn import EVERYONE

BETWEEN, WITHIN, TOGETHER, ENERGY = "between people", "within people", "together", "energy distance"


def survey(rng, draws, *, people=24, problems=17, each=7, human=(0.7, 1.0), digital=(0.7, 1.0), **columns):
    """Answers ``a_t + u_i + e_it`` with standard deviations of u and e as named, and draws with others."""
    who = np.repeat(np.arange(people), each)
    asked = np.concatenate([rng.permutation(problems)[:each] for _ in range(people)])
    height = rng.normal(0.0, 2.0, problems)[asked]

    def answers(between, within):
        return height + rng.normal(0.0, between, people)[who] + rng.normal(0.0, within, len(who))

    table = pd.DataFrame({"problem": asked, "participant": [f"w{one:02}" for one in who], "response": answers(*human)})
    for name, values in columns.items():
        table[name] = np.asarray(values, dtype=object)[who]
    data = CrowdData.from_frame(table, profile_columns=list(columns))
    return data, np.stack([answers(*digital) for _ in range(draws)])


def test_a_complete_table_gives_the_textbook_mean_squares():
    rng = np.random.default_rng(0)
    data, draws = survey(rng, 3, people=30, problems=5, each=5, human=(3.0, 0.5))
    found = diversity(data, draws)
    wide = data.responses.pivot_table(index="participant", columns="problem", values="response").to_numpy()
    off = wide - wide.mean(axis=1, keepdims=True) - wide.mean(axis=0) + wide.mean()
    within = (off**2).sum() / (29 * 4)
    between = wide.mean(axis=1).var(ddof=1) - within / 5
    assert found.row(WITHIN)["human"] == pytest.approx(within)
    assert found.row(BETWEEN)["human"] == pytest.approx(between)
    assert found.row(TOGETHER)["human"] == pytest.approx(between + within)
    assert found.row(WITHIN)["people"] == 30
    assert found.row(WITHIN)["answers"] == 150


def test_the_energy_distance_is_the_mean_over_all_pairs():
    data, draws = survey(np.random.default_rng(1), 4, people=7, problems=6, each=3)
    distances, humans, digitals = [], [], []
    for _, rows in data.responses.groupby("problem"):
        y, t = rows["response"].to_numpy(), draws[:, rows.index]
        if len(y) > 1:
            n = len(y)
            human = np.abs(y[:, None] - y).sum() / (n * (n - 1))
            digital = np.mean([np.abs(t[r][:, None] - t[s]).mean() for r in range(4) for s in range(4) if r != s])
            cross = np.abs(y[:, None] - t.ravel()).mean()
            humans.append(human)
            digitals.append(digital)
            distances.append(2.0 * cross - human - digital)
    row = diversity(data, draws).row(ENERGY)
    expected = np.mean(humans), np.mean(digitals), np.mean(distances)
    assert (row["human"], row["digital"], row["estimate"]) == pytest.approx(expected)


def test_variances_are_unbiased_and_intervals_hold():
    """30 surveys: a mean off by 4.5 standard errors, or a count that binom gives once in 10,000, is a false alarm."""
    rng = np.random.default_rng(2)
    true = {BETWEEN: (0.49, 0.16), WITHIN: (1.0, 1.69)}
    found = [diversity(*survey(rng, 9, digital=(0.4, 1.3)), level=0.9) for _ in range(30)]
    for measure, (human, digital) in true.items():
        for side, value in (("human", human), ("digital", digital)):
            # Ratios between people that cannot be told are left out; their variance is what all have less that within.
            numbers = np.array([one.row(WITHIN)[side] for one in found])
            if measure == BETWEEN:
                numbers = np.array([one.row(TOGETHER)[side] for one in found]) - numbers
            assert abs(numbers.mean() - value) < 4.5 * numbers.std(ddof=1) / np.sqrt(len(numbers))
        rows = [one.row(measure) for one in found if (one.table["measure"] == measure).any()]
        inside = sum(row["lower"] <= digital / human <= row["upper"] for row in rows)
        assert inside >= binom.ppf(1e-4, len(rows), 0.9)
        assert len(rows) > 20


def test_a_crowd_of_alike_personas_is_called_too_uniform_between_and_too_varied_within():
    data, draws = survey(np.random.default_rng(3), 19, people=40, human=(1.0, 0.8), digital=(0.0, 1.3))
    found = diversity(data, draws)
    told = found.to_frame().set_index("measure")["verdict"]
    assert told[[BETWEEN, WITHIN, TOGETHER]].tolist() == ["too uniform", "too varied", "no difference is shown"]
    assert "everyone, between people: variance " in str(found)
    other = diversity(data, np.broadcast_to(data.responses["response"].to_numpy() + 1.0, draws.shape))
    assert other.to_frame().set_index("measure")["verdict"][ENERGY] == "apart"


def test_the_group_that_is_off_is_named():
    rng = np.random.default_rng(4)
    group = np.where(np.arange(60) % 2, "left", "right")
    data, draws = survey(rng, 19, people=60, problems=12, each=10, group=group, town=["Rome"] * 4 + ["Oslo"] * 56)
    right = data.participants.set_index("participant")["group"].loc[data.responses["participant"]].eq("right")
    mean = data.responses.groupby("problem")["response"].mean().loc[data.responses["problem"]].to_numpy()
    draws[:, right] = mean[right] + 0.3 * (draws[:, right] - mean[right])
    found = diversity(data, draws)
    told = found.to_frame().set_index(["part", "measure"])["verdict"]
    assert told["group: right", WITHIN] == "too uniform"
    assert told["group: left", WITHIN] == "no difference is shown"
    assert "  group: right, within people: " in str(found)
    assert found.small == {"town: Rome": 4}
    assert "Left out as too small, with their people: town: Rome (4)" in str(found)
    assert json.loads(json_text(found.to_dict()))["small"] == {"town: Rome": 4}


def test_what_cannot_be_told_of_a_group_is_said():
    """People of one group answer problems of their own once each; a level that nobody has is not a group."""
    data, draws = survey(np.random.default_rng(5), 5, people=40, human=(1.5, 1.0))
    names = [f"x{one}" for one in range(11)]
    more = pd.DataFrame({"problem": [f"own {one}" for one in names], "participant": names, "response": 1.0})
    rows = pd.concat([data.responses, more.astype({"problem": str})], ignore_index=True)
    people = pd.DataFrame({"participant": rows["participant"].unique()})
    people["kind"] = pd.Categorical(np.where(people["participant"].str.startswith("x"), "new", "old"),
                                    categories=["new", "old", "nobody"])  # fmt: skip
    found = diversity(
        CrowdData.from_frame(rows, participants=people), np.concatenate([draws, np.ones((5, 11))], axis=1)
    )
    assert found.untold == {"kind: new": "no problem was answered by two people"}
    assert found.alone == 11
    assert "11 answers left out: the only one to its problem." in str(found)
    assert not any("nobody" in part for part in found.table["part"])
    with pytest.raises(ValueError, match="'together' of 'kind: new': no problem was answered by two people"):
        found.row(TOGETHER, "kind: new")


def test_people_alike_throughout_have_no_ratio_between_them():
    found = diversity(*survey(np.random.default_rng(9), 5, human=(0.0, 1.0)))
    assert found.untold == {f"{EVERYONE}, {BETWEEN}": "the people's own variance cannot be told from 0"}
    assert f"Left out: {EVERYONE}, {BETWEEN}: the people's own" in str(found)
    assert not found.table.isna().any(axis=None)


def test_digital_answers_that_are_all_alike_have_a_ratio_of_nothing():
    data, draws = survey(np.random.default_rng(7), 2)
    rows = diversity(data, np.full_like(draws, 3.0)).table.set_index("measure")
    assert (rows.loc[[WITHIN, TOGETHER], ["digital", "estimate", "lower", "upper"]] == 0.0).all(axis=None)


def test_people_and_problems_count_once_per_fold():
    data, draws = survey(np.random.default_rng(8), 5)
    folds = np.arange(len(data.responses)) % 2
    named = data.responses.assign(
        problem=[f"{fold} {one}" for fold, one in zip(folds, data.responses["problem"], strict=True)],
        participant=[f"{fold} {one}" for fold, one in zip(folds, data.responses["participant"], strict=True)],
    )
    split, apart = diversity(data, draws, folds=folds), diversity(CrowdData.from_frame(named), draws)
    values = [one.table.set_index("measure")[["human", "digital", "estimate"]] for one in (split, apart)]
    pd.testing.assert_frame_equal(*values)
    assert split.row(WITHIN)["people"] == 24


def test_the_picture_has_a_line_for_every_part(tmp_path):
    pytest.importorskip("matplotlib")
    data, draws = survey(np.random.default_rng(3), 3, group=np.where(np.arange(24) % 2, "left", "right"))
    figure = diversity(data, draws).plot()
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [EVERYONE, "group: left", "group: right"]
    figure.savefig(tmp_path / "picture.png")


def test_what_is_refused():
    data, draws = survey(np.random.default_rng(0), 3)
    words = CrowdData.from_frame(
        pd.DataFrame({"problem": ["a", "a"], "participant": ["u", "v"], "response": ["bus", "rail"]}),
        scale=categorical(["bus", "rail"]),
    )

    def given(problems, people, answers):
        return CrowdData.from_frame(pd.DataFrame({"problem": problems, "participant": people, "response": answers}))

    once = given([0, 0, 1, 1], list("uvwx"), [1.0, 2.0, 3.0, 5.0])
    alike = given([0, 0, 0, 1, 1, 1], list("uvwuvw"), [2.0, 2.0, 2.0, 4.0, 4.0, 4.0])
    apart = given([0, 1, 2], list("uvw"), [1.0, 2.0, 3.0])
    two = given([0, 0, 1, 1], list("uvuv"), [1.0, 2.0, 3.0, 5.0])
    for answers, made, options, told in (
        (words, draws, {}, "data must be a CrowdData of numbers"),
        (data, draws[:, 1:], {}, r"draws has shape \(3, 167\), expected \(R, 168\)"),
        (data, draws[:1], {}, "draws holds 1 draws; an average over them needs at least 2"),
        (data.select(participants=["w00"]), draws[:, :7], {}, "data holds the answers of one person"),
        (data, draws, {"folds": [1]}, r"folds has shape \(1,\)"),
        (data, draws, {"level": 1.0}, "level must lie strictly between 0 and 1"),
        (data, draws, {"least_people": 0}, "least_people must be a whole number of at least 1"),
        (alike, draws[:, :6], {}, "no diversity to compare with: all human answers to each problem are alike"),
        (apart, draws[:, :3], {}, "no diversity to compare with: no problem was answered by two people"),
        (two, draws[:, :4], {}, "fewer than three people answered problems that others answered"),
        (once, draws[:, :4], {}, "nobody answered two problems that others answered, so between and within people are"),
    ):
        with pytest.raises(ValueError, match=told):
            diversity(answers, made, **options)

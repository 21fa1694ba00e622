"""Pairing by name and by profile, blocks of one shape, and the pooled sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from crowdllm_stats.crowd import CrowdData, categorical
from crowdllm_stats.datasets import load_example
from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.pairing import pair
from crowdllm_stats.pooled import pool


def table(
    rows: list[tuple[object, ...]], columns: str = "problem participant response", **keywords: object
) -> CrowdData:
    return CrowdData.from_frame(pd.DataFrame(rows, columns=columns.split()), repeats="keep", **keywords)  # type: ignore[arg-type]


HUMAN = table([("a", "ann", 1), ("a", "bob", 2), ("b", "ann", 3), ("b", "cid", 5), ("b", "bob", 4), ("c", "cid", 2)])
DIGITAL = table(
    [
        ("a", "ann", 1.5), ("a", "bob", 2.5), ("a", "d1", 7), ("a", "d2", 8),
        ("b", "ann", 3.5), ("b", "cid", 5.5), ("b", "d1", 9), ("b", "d1", 11),
        ("z", "d1", 1),
    ]
)  # fmt: skip

PEOPLE = "problem participant response gender age"
HUMAN_PROFILES = table(
    [
        ("a", "ann", 1, "Woman", 35), ("a", "bob", 2, "Man", 35), ("b", "ann", 3, "Woman", 35),
        ("b", "cid", 5, "Non-binary", 70), ("c", "bob", 4, "Man", 35), ("c", "dan", 4, "Man", 35),
    ],
    PEOPLE,
)  # fmt: skip
PERSONAS = table(
    [
        ("a", "w1", 10, "Woman", 35.0), ("a", "w2", 12, "Woman", 35.0), ("a", "m", 20, "Man", 35.0),
        ("a", "any", 30, "", None),
        ("b", "w1", 40, "Woman", 35.0), ("b", "any", 50, "", None), ("b", "m", 60, "Man", 35.0),
        ("c", "m", 70, "Man", 35.0), ("c", "old", 80, "Woman", 90.0),
    ],
    PEOPLE,
)  # fmt: skip


# By name --------------------------------------------------------------------------------------------------------------
def test_by_name_twins_unlabelled_and_counts() -> None:
    pairing = pair(HUMAN, DIGITAL)
    assert pairing.problems == ("a", "b", "c")
    assert pairing.n_answers.tolist() == [2, 3, 1]
    assert pairing.n_pairs.tolist() == [2, 2, 0]
    assert pairing.n_crowd.tolist() == [2, 1, 0]
    assert pairing.crowd_of(0).tolist() == [7.0, 8.0]
    assert pairing.crowd_of(1).tolist() == [10.0]  # two answers of d1, averaged
    assert pairing.counts["digital_averaged"] == 1
    assert pairing.counts["answers_without_twin"] == 2
    assert pairing.counts["problems_without_digital"] == 1
    assert pairing.counts["digital_problems_unused"] == 1
    assert pairing.fully_paired.tolist() == [True, False, False]
    assert any("2 of 6 human answers have no twin" in note for note in pairing.notes())


def test_by_name_every_digital_answer_is_used_once() -> None:
    example = load_example()
    pairing = pair(example.human, example.digital)
    twins = pairing.counts["pairs"]
    assert twins + int(pairing.n_crowd.sum()) == len(example.digital.responses)
    census = pair(example.human, example.digital, census=True)
    assert int(census.n_crowd.sum()) == len(example.digital.responses)


def test_rows_in_another_order_pair_alike() -> None:
    shuffled = [
        CrowdData.from_frame(
            data.responses[["problem", "participant", "response"]].sample(frac=1, random_state=3), repeats="keep"
        )
        for data in (HUMAN, DIGITAL)
    ]
    one, other = pair(HUMAN, DIGITAL), pair(*shuffled)
    by = ["problem", "participant"]
    pd.testing.assert_frame_equal(
        one.answers.sort_values(by, ignore_index=True), other.answers.sort_values(by, ignore_index=True)
    )


def test_problems_named_by_numbers_are_in_number_order() -> None:
    human = table([("10", "x", 1), ("9", "x", 2), ("0", "x", 3)])
    assert pair(human, human).problems == ("0", "9", "10")


# Blocks ---------------------------------------------------------------------------------------------------------------
def test_blocks_of_pairs_and_of_all_answers() -> None:
    pairing = pair(HUMAN, DIGITAL)
    blocks = {block.problems: block for block in pairing.blocks(paired=True)}
    assert set(blocks) == {("a",), ("b",)}
    b = blocks[("b",)]
    assert b.human.tolist() == [[3.0, 5.0]]
    assert b.twin is not None
    assert b.twin.tolist() == [[3.5, 5.5]]
    assert b.participants.tolist() == [["ann", "cid"]]
    assert b.left_out.tolist() == [1]
    everybody = list(pairing.blocks(paired=False))
    assert sorted(problem for block in everybody for problem in block.problems) == ["a", "b", "c"]
    assert all(block.twin is None and block.crowd is None for block in everybody)


def test_large_groups_come_in_several_blocks_with_the_same_content(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load_example()
    pairing = pair(example.human, example.digital)
    whole = next(pairing.blocks(paired=True))
    monkeypatch.setattr("crowdllm_stats.pairing.BLOCK_CELLS", 1000)
    parts = list(pairing.blocks(paired=True))
    assert [len(part.problems) for part in parts] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([part.crowd for part in parts if part.crowd is not None]), whole.crowd)
    chosen = np.arange(12) == 7
    (one,) = pairing.blocks(paired=True, chosen=chosen)
    assert one.problems == whole.problems[7:8]


# By profile -----------------------------------------------------------------------------------------------------------
def test_by_profile_means_plain_persona_and_the_others_twins() -> None:
    pairing = pair(HUMAN_PROFILES, PERSONAS, match=["gender", "age"])
    answers = pairing.answers.set_index(["problem", "participant"])
    assert answers.loc[("a", "ann"), "twin"] == 11.0  # mean of two women of 35
    assert answers.loc[("a", "bob"), "twin"] == 20.0
    assert answers.loc[("b", "cid"), "twin"] == 50.0  # no such persona: the plain one
    assert bool(answers.loc[("b", "cid"), "plain"])
    assert pairing.counts["people_plain"] == 1
    assert pairing.counts["answers_plain"] == 1
    assert pairing.counts["personas_unused"] == 1
    # a: cid (plain) and dan did not answer; b: bob and dan; c: ann and cid have no twin there, for want of a plain one
    assert sorted(pairing.crowd_of(0)) == [20.0, 30.0]
    assert sorted(pairing.crowd_of(1)) == [60.0, 60.0]
    assert pairing.n_crowd.tolist() == [2, 2, 0]
    assert any("1 of 4 people (1 of 6 answers) got the plain persona" in note for note in pairing.notes())


def test_by_profile_census_holds_everybodys_twin() -> None:
    pairing = pair(HUMAN_PROFILES, PERSONAS, match=["gender", "age"], census=True)
    assert sorted(pairing.crowd_of(0)) == [11.0, 20.0, 20.0, 30.0]


def test_by_profile_one_column_alone() -> None:
    pairing = pair(HUMAN_PROFILES, PERSONAS, match=["gender"])
    assert pairing.answers["twin"].isna().sum() == 0


# Refusals -------------------------------------------------------------------------------------------------------------
def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="no problem in common"):
        pair(HUMAN, table([("y", "ann", 1)]))
    with pytest.raises(ValueError, match="human table has no profile column 'income' .it has: gender, age"):
        pair(HUMAN_PROFILES, PERSONAS, match=["income"])
    with pytest.raises(ValueError, match="no human's gender fits a digital person's .human: Man, .*digital: woman"):
        pair(HUMAN_PROFILES, table([("a", "w", 1, "woman", 35)], PEOPLE), match=["gender"])
    words = CrowdData.from_frame(
        pd.DataFrame({"problem": ["a"], "participant": ["x"], "response": ["yes"]}), scale=categorical(["yes", "no"])
    )
    with pytest.raises(ValueError, match="answers must be numbers"):
        pair(words, HUMAN)
    with pytest.raises(ValueError, match="no problem has two human answers"):
        pool(pair(table([("a", "ann", 1)]), DIGITAL))


# The pooled sample ----------------------------------------------------------------------------------------------------
def test_pooled_mean_and_variance_of_the_crowd_in_the_plain_case() -> None:
    """One problem: human deviations are stretched by sqrt(n/(n-1)), their mean and the crowd stay as they are."""
    human = table([("a", name, value) for name, value in zip("xyz", (1, 2, 6), strict=True)])
    digital = table([("a", name, value) for name, value in zip("xyzpqrs", (1, 3, 5, 2, 4, 4, 7), strict=True)])
    pooled = pool(pair(human, digital))
    assert pooled.crowd is not None
    np.testing.assert_allclose(sorted(pooled.crowd), [2, 4, 4, 7])
    np.testing.assert_allclose(pooled.human, 3 + np.array([-2, -1, 3]) * np.sqrt(1.5))


def test_pooled_without_further_digital_people_rests_on_humans() -> None:
    pooled = pool(pair(HUMAN_PROFILES, PERSONAS, match=["gender"]))
    assert pooled.crowd is None
    assert pooled.twin is None
    assert pooled.human.mean() == pytest.approx(HUMAN_PROFILES.responses["response"].iloc[:6].mean())
    lonely = pool(pair(HUMAN, DIGITAL))
    assert lonely.left_out == ["c"]
    assert lonely.people.tolist() == ["ann", "bob", "ann", "cid", "bob"]


def test_pooled_interval_keeps_its_level() -> None:
    """400 surveys: 9 problems, 4 to 6 of 40 people each, twins, and 60 digital people who skip a third of the problems.

    People and digital people have effects of their own, so that answers of one person go together. One-sided binomial
    limit at a true coverage of 0.95, false alarm 1e-4: 364 of 400.
    """
    rng = np.random.default_rng(20260104)
    problems, people, further, reps = 9, 40, 60, 400
    held = 0
    names = np.array([f"p{number}" for number in range(people + further)])
    for _ in range(reps):
        level_of = rng.normal(size=(problems, 1))
        own = rng.normal(0, 0.8, people + further)
        noise = rng.normal(0, 0.6, (problems, people + further))
        answer = level_of + own + noise
        twin = 0.3 + 0.9 * level_of + 0.8 * (own + noise) + rng.normal(0, 0.5, noise.shape)
        asked = np.zeros(answer.shape, dtype=bool)
        for row in range(problems):
            asked[row, rng.choice(people, 4 + row % 3, replace=False)] = True
        digital = asked.copy()
        digital[:, people:] = rng.random((problems, further)) < 2 / 3
        tables = []
        for values, there in ((answer, asked), (twin, digital)):
            row, column = np.nonzero(there)
            frame = {"problem": row.astype(str), "participant": names[column], "response": values[row, column]}
            tables.append(CrowdData.from_frame(pd.DataFrame(frame)))
        pooled = pool(pair(*tables))
        result = interval(pooled.human, pooled.twin, pooled.crowd, clusters=pooled.people, method="ppi++-small")
        counts = asked.sum(axis=1)
        truth = float((level_of[:, 0] * counts).sum() / counts.sum())
        held += result.lower <= truth <= result.upper
    assert held >= binom.ppf(1e-4, reps, 0.95)
    assert held < reps  # an interval that always holds would be too wide


def test_notes_name_who_lacks_a_twin_and_what_to_do() -> None:
    notes = " ".join(pair(HUMAN, DIGITAL).notes())
    assert "bob on b" in notes
    assert "add their digital answers" in notes
    assert "cid on c" not in notes  # nobody has a twin there, which is no gap in one
    twins = table([("a", "ann", 1), ("a", "bob", 2)])
    assert "problems with twins but no unlabelled digital answers: 1 (a); add answers" in " ".join(
        pair(HUMAN, twins).notes()
    )
    assert "no unlabelled" not in " ".join(pair(HUMAN, twins).notes(unlabelled=False))
    everybody = table([("a", "ann", 1, "w", 1), ("a", "bob", 2, "w", 1)], PEOPLE)
    personas = table([("a", "d", 1, "w", 1)], PEOPLE)
    assert "use twins by name" in " ".join(pair(everybody, personas, match=["gender"]).notes())

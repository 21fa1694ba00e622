"""Pairing by name and by profile, blocks of one shape, and the pooled sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from crowdllm_stats.data import load_example
from crowdllm_stats.data.crowd import CrowdData, categorical
from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.survey.intervals import interval_from, pool
from crowdllm_stats.survey.pairing import pair


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


ODD = ["1", " 1 ", "1.0", "01", "ann", "Ann", "é", "e\u0301", "=1", "'=1", "a b", "\u00a0x", "日本", "-", "7.0", "x\ny"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ODD[:7]), st.sampled_from(ODD), st.integers(1, 5)), min_size=1, max_size=25),
       st.lists(st.tuples(st.sampled_from(ODD[:9]), st.sampled_from(ODD), st.integers(1, 5)), min_size=1, max_size=25),
       st.booleans())  # fmt: skip
def test_pairing_is_that_of_plain_dictionaries(
    human: list[tuple[str, str, int]], digital: list[tuple[str, str, int]], census: bool
) -> None:
    """Odd ids, in any order, with repeats and gaps: twins, crowds and counts as dictionaries of the ids give them."""
    tables = table(human), table(digital)  # type: ignore[arg-type]
    means: list[dict[tuple[str, str], float]] = []
    for data in tables:
        given: dict[tuple[str, str], list[float]] = {}
        for problem, person, answer in data.responses[["problem", "participant", "response"]].itertuples(index=False):
            given.setdefault((problem, person), []).append(answer)
        means.append({key: float(np.mean(answers)) for key, answers in given.items()})
    mine, others = means
    if not {key[0] for key in mine} & {key[0] for key in others}:
        with pytest.raises(ValueError, match="no problem in common"):
            pair(*tables)
        return
    pairing = pair(*tables, census=census)
    found = pairing.answers
    assert sorted(zip(found["problem"], found["participant"], strict=True)) == sorted(mine)
    for problem, person, answer, twin in found[["problem", "participant", "human", "twin"]].itertuples(index=False):
        assert answer == mine[problem, person]
        assert others.get((problem, person)) == (None if np.isnan(twin) else twin)
    for row, problem in enumerate(pairing.problems):
        crowd = [value for key, value in others.items() if key[0] == problem and (census or key not in mine)]
        assert pairing.crowd_of(row).tolist() == crowd
    assert pairing.counts["people"] == len({person for _, person in mine})
    assert pairing.counts["digital_people"] == len({person for _, person in others})
    assert pairing.counts["digital_problems_unused"] == len({key[0] for key in others} - {key[0] for key in mine})


# Blocks ---------------------------------------------------------------------------------------------------------------
def test_blocks_of_pairs_and_of_all_answers() -> None:
    pairing = pair(HUMAN, DIGITAL)
    blocks = {block.problems: block for block in pairing.blocks(paired=True)}
    assert set(blocks) == {("a",), ("b",)}
    b = blocks[("b",)]
    assert b.human.tolist() == [[3.0, 5.0]]
    assert b.twin is not None
    assert b.twin.tolist() == [[3.5, 5.5]]
    assert b.left_out.tolist() == [1]
    everybody = list(pairing.blocks(paired=False))
    assert sorted(problem for block in everybody for problem in block.problems) == ["a", "b", "c"]
    assert all(block.twin is None and block.crowd is None for block in everybody)


def test_large_groups_come_in_several_blocks_with_the_same_content(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load_example()
    pairing = pair(example.human, example.digital)
    whole = next(pairing.blocks(paired=True))
    monkeypatch.setattr("crowdllm_stats.survey.pairing.BLOCK_CELLS", 1000)
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
    one_each = PERSONAS.select(participants=["w1", "m", "any"])
    pooled = pool(pair(HUMAN_PROFILES, one_each, match=["gender"]))
    assert pooled.crowd is None
    assert pooled.twin is None
    assert pooled.human.mean() == pytest.approx(HUMAN_PROFILES.responses["response"].iloc[:6].mean())
    pairing = pair(HUMAN, DIGITAL)
    lonely = pool(pairing)
    assert lonely.left_out == ["c"]
    assert pairing.names[lonely.people].tolist() == ["ann", "bob", "ann", "cid", "bob"]


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
    assert "pair by participant id" in " ".join(pair(everybody, personas, match=["gender"]).notes())


# Everybody answers nearly everything ----------------------------------------------------------------------------------
def _full_survey(answered: float = 1.0, personas: int = 150) -> tuple[CrowdData, CrowdData]:
    """24 people of two genders and three ages, 3 questions (one person skips the first), personas of the same mix."""
    rng = np.random.default_rng(8)
    tables = []
    for count, kept, who in ((24, 1.0, "h"), (personas, answered, "d")):
        gender, age = rng.choice(["w", "m"], count, p=[0.7, 0.3]), rng.choice([20, 40, 60], count)
        mean = 3 + (gender == "w") - 0.5 * (age == 60)
        rows = [
            (item, f"{who}{number}", float(np.clip(np.round(mean[number] + rng.normal()), 1, 5)), gender[number],
             age[number])
            for item in "abc"
            for number in range(count)
            if rng.random() < kept and not (who == "h" and item == "a" and number == 0)
        ]  # fmt: skip
        tables.append(table(rows, PEOPLE, scale="1:5"))
    return tables[0], tables[1]


def test_a_question_that_one_person_skipped_keeps_its_interval() -> None:
    human, digital = _full_survey(personas=6)  # fewer than humans: nobody to stand for the population
    found = interval_from(human, digital, match=["gender"])
    assert found.excluded == {}
    assert [row["n_labeled"] for row in found.rows] == [23, 24, 24]


def test_further_personas_of_the_same_profiles_are_the_crowd() -> None:
    human, digital = _full_survey()
    pairing = pair(human, digital, match=["gender", "age"])
    assert pairing.n_crowd.tolist() == [150] * 3
    means = digital.to_frame().groupby(["problem", "gender", "age"])["response"].mean()
    crowd = digital.to_frame().merge(means.rename("mean").reset_index(), on=["problem", "gender", "age"])
    assert sorted(pairing.crowd_of(0)) == pytest.approx(sorted(crowd.query("problem == 'a'")["mean"]))
    assert "profiles stand for" in pairing.why
    found = interval_from(human, digital, match=["Gender", "AGE"])
    assert {row["method"] for row in found.rows} == {"ppi++-small"}
    assert found.overall is not None
    assert found.overall["n_digital"] == 150


def test_a_list_of_profiles_is_a_design_and_no_crowd() -> None:
    human, _ = _full_survey()
    rows = [("a", f"d{n}", 1.0 + n % 3, "wm"[n % 2], 20) for n in range(60)]  # thirty of each gender
    assert pair(human, table(rows, PEOPLE), match=["gender"]).n_crowd.tolist() == [1, 0, 0]


# Twins that refused ---------------------------------------------------------------------------------------------------
def _named_survey(refused: set[tuple[str, str]]) -> tuple[CrowdData, CrowdData]:
    """Twelve people, two questions, 60 further digital people; some digital answers are not there."""
    rng = np.random.default_rng(12)
    names = [f"p{number}" for number in range(12)]
    human = [(item, who, float(rng.integers(1, 6))) for item in "ab" for who in names]
    digital = [
        (item, who, float(rng.integers(1, 6)))
        for item in "ab"
        for who in [*names, *(f"d{number}" for number in range(60))]
    ]
    return table(human, scale="1:5"), table([row for row in digital if row[:2] not in refused], scale="1:5")


def test_the_crowds_mean_stands_in_for_a_refused_twin() -> None:
    human, digital = _named_survey({("a", "p3"), ("a", "d5")})
    pairing = pair(human, digital)
    assert pairing.fully_paired.tolist() == [True, True]
    assert pairing.n_stand_ins.tolist() == [1, 0]
    assert pairing.filled[3] == pytest.approx(pairing.crowd_of(0).mean())
    (notice,) = pairing.notices()
    assert notice.startswith("1 of 24 twins gave no answer, in 1 problem: ")
    found = interval_from(human, digital)
    assert {row["method"] for row in found.rows} == {"ppi++-small"}
    assert found.notices[1:] == [notice]
    block = next(pairing.blocks(paired=True, filled=True, chosen=np.array([True, False])))
    wanted = interval(block.human[0], block.twin[0], block.crowd[0], bounds=(1, 5))  # type: ignore[index]
    assert (found.rows[0]["lower"], found.rows[0]["upper"]) == (wanted.lower, wanted.upper)
    assert found.rows[0]["n_labeled"] == 12
    assert found.overall is not None
    assert found.overall["method"] == "ppi++-small"


def test_where_the_twins_are_judged_nothing_stands_in() -> None:
    pairing = pair(*_named_survey({("a", "p3")}))
    assert [block.human.shape for block in pairing.blocks(paired=True)] == [(1, 11), (1, 12)]
    assert pairing.counts["twins_refused"] == 1
    assert pairing.counts["answers_without_twin"] == 0


def test_a_person_without_any_digital_answer_is_no_refusal() -> None:
    human, digital = _named_survey({("a", "p3"), ("b", "p3")})
    assert pair(human, digital).fully_paired.tolist() == [False, False]
    assert {row["method"] for row in interval_from(human, digital).rows} == {"classical-small"}


def test_more_than_half_refused_leaves_the_human_answers_alone() -> None:
    human, digital = _named_survey({("a", f"p{number}") for number in range(7)})
    pairing = pair(human, digital)
    assert pairing.fully_paired.tolist() == [False, True]
    assert pairing.notices() == []

"""`across_from`: two tables in, a row for every problem that can be computed, and a reason for every other one."""

import json

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, across_answers, across_from


@pytest.fixture(scope="module")
def frames():
    """14 problems, 4 people on most: q3 has one answer, q5 no digital, "new" no human answer; a year for each."""
    rng = np.random.default_rng(5)
    level = dict(zip("abcd", rng.normal(0, 0.5, 4), strict=True))
    human, digital = [], []
    for number in range(14):
        mean = rng.uniform(2, 4)
        for who in "a" if number == 3 else "abcd":
            answer = float(np.clip(np.round(mean + level[who] + rng.normal()), 1, 5))
            human.append((f"q{number}", who, answer, 2000 + 3 * number % 7))
        if number != 5:
            digital += [(f"q{number}", f"d{who}", mean + rng.normal(0, 0.3)) for who in range(3)]
    digital += [("new", "d0", 3.0)]
    columns = ["problem", "participant", "response"]
    return pd.DataFrame(human, columns=[*columns, "year"]), pd.DataFrame(digital, columns=columns)


def test_rows_are_those_of_the_calculator(frames):
    human, digital = frames
    found = across_from(human, digital, scale="1:5")
    used = human[human["problem"] != "q5"]
    names = list(dict.fromkeys(used["problem"]))
    means = digital.groupby("problem")["response"].mean()[names].to_numpy()
    place = used["problem"].map({name: row for row, name in enumerate(names)})
    expected = across_answers(used["response"], place, used["participant"], means, bounds=(1, 5))
    frame = found.to_frame()
    assert frame.index.tolist() == names
    for name in ("estimate", "lower", "upper", "effective_n", "shared_var", "n_labeled"):
        np.testing.assert_allclose(frame[name].to_numpy(dtype=float), getattr(expected, name))
    assert found.overall is None
    assert found.counts["people"] == 4
    assert found.counts["answers"] == 49


def test_every_problem_left_out_has_its_reason(frames):
    found = across_from(*frames, scale="1:5")
    assert set(found.excluded) == {"q5", "new"}
    assert "new_questions_from" in found.excluded["new"]
    assert "no digital answer" in found.excluded["q5"]
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["problem"] == "q0"


def test_humans_alone_keep_every_problem_with_an_answer(frames):
    found = across_from(frames[0], scale="1:5")
    assert len(found.rows) == 14
    assert found.excluded == {}
    assert "4 people gave 53 answers to 14 problems" in found.notes[0]


def test_files_and_crowd_data_give_the_same_rows(frames, tmp_path):
    human, digital = frames
    human.to_csv(tmp_path / "human.csv", index=False)
    digital.to_csv(tmp_path / "digital.csv", index=False)
    files = across_from(tmp_path / "human.csv", tmp_path / "digital.csv", scale="1:5")
    read = CrowdData.from_frame(human, scale="1:5"), CrowdData.from_frame(digital)
    assert files.rows == across_from(*read).rows == across_from(*frames, scale="1:5").rows


def test_two_words_are_coded_and_that_is_said_first(frames):
    words, digital = (table.assign(response=np.where(table["response"] > 3, "yes", "no")) for table in frames)
    numbers, means = (table.assign(response=1.0 * (table["response"] > 3)) for table in frames)
    found = across_from(words, digital, scale="no,yes")
    assert "coded 0 for 'no' and 1 for 'yes'" in found.notes[0]
    assert found.rows == across_from(numbers, means, scale="0,1").rows


def test_repeated_answers_are_averaged_and_counted(frames):
    human, digital = frames
    twice = pd.concat([human, human.iloc[[0]].assign(response=1.0)])
    found = across_from(twice, digital, scale="1:5")
    assert found.counts["human_averaged"] == 1
    assert any("means of one person's repeated answers" in note for note in found.notes)


def test_covariates_are_columns_of_the_problems(frames):
    human, digital = frames
    plain, with_year = across_from(human, digital), across_from(human, digital, covariates=["year"])
    assert plain.rows[0]["estimate"] != with_year.rows[0]["estimate"]


def test_a_finite_population_is_narrower(frames):
    wide, narrow = across_from(*frames), across_from(*frames, population_size=6)
    one_answer = np.array([row["n_labeled"] == 1 for row in wide.rows])  # the mean of six varies more than the rest
    assert np.all((narrow.to_frame()["half_width"] < wide.to_frame()["half_width"]) | one_answer)


def test_numbered_problems_come_in_order(frames):
    human = frames[0].assign(problem=lambda table: table["problem"].str[1:])
    assert [row["problem"] for row in across_from(human).rows] == [str(number) for number in range(14)]


def test_a_word_scale_and_other_bad_input_is_refused(frames):
    human, digital = frames
    words = human.assign(response=human["response"].map({1: "no", 2: "no", 3: "maybe", 4: "yes", 5: "yes"}))
    with pytest.raises(ValueError, match="answers must be numbers here"):
        across_from(words, scale="no,maybe,yes")
    with pytest.raises(ValueError, match="no problem in common"):
        across_from(human, digital.assign(problem="x" + digital["problem"]))
    with pytest.raises(ValueError, match="covariates must be a list of column names, not the one text 'year'"):
        across_from(human, covariates="year")
    with pytest.raises(ValueError, match="no column 'length' with one value for each problem"):
        across_from(human, covariates=["length"])
    gaps = human.assign(year=human["year"].astype(object).where(human["problem"] != "q2", "unknown"))
    with pytest.raises(ValueError, match="column 'year' has no number for 1 problem, for instance 'q2'"):
        across_from(gaps, covariates=["year"])
    with pytest.raises(ValueError, match="population_size must be a whole number of at least 2"):
        across_from(human, population_size=1)
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        across_from(human, level=1.5)
    with pytest.raises(ValueError, match="all answers are one person's"):
        across_from(human.assign(participant=human["problem"].map(lambda _: "ann")).drop_duplicates("problem"))
    with pytest.raises(ValueError, match="4 problems are too few"):
        across_from(human[human["problem"].isin(["q0", "q1", "q2", "q4"])])


def test_the_first_lines_say_who_is_paired_and_exchanged_tables_are_asked_about(frames):
    human, digital = frames
    found = across_from(human, digital)
    assert any("by participant id" in notice for notice in found.notices)
    with pytest.raises(ValueError, match=r"looks like the digital one.*as_given=True"):
        across_from(human.assign(model="gpt"), digital)
    assert across_from(human.assign(model="gpt"), digital, as_given=True).rows == found.rows

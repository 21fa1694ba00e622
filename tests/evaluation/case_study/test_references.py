"""References from files: probabilities, recorded answers; whatever does not fit is refused or counted."""

import numpy as np
import pandas as pd
import pytest
from survey import LEVELS, survey

from crowdllm_stats.data.crowd import continuous
from crowdllm_stats.evaluation.case_study.asking import Asking
from crowdllm_stats.evaluation.case_study.reference_tables import (
    NewQuestions,
    References,
    of_plain_answers,
    of_probabilities,
)
from crowdllm_stats.evaluation.case_study.references import read_references

_, HUMAN, TABLE = survey()
COLUMNS = [f"p_{level:g}" for level in LEVELS]


def test_rows_are_found_by_id_and_other_problems_are_counted():
    more = pd.concat([TABLE.iloc[::-1], TABLE.iloc[:2].assign(problem=["x1", "x2"])], ignore_index=True)
    found = of_probabilities(more, HUMAN, name="file.csv")
    assert found.whole is found.alone
    assert found.personas is None
    assert found.whole.problems == tuple(HUMAN.problems["problem"])
    np.testing.assert_allclose(found.whole.probabilities[:, 0], TABLE[COLUMNS])
    assert found.notes == ("2 problem(s) of file.csv are not among those asked about; they are not used.",)


def test_other_names_of_columns_and_rounded_rows():
    renamed = TABLE.round(4).rename(
        columns={"problem": "instance_id", **{name: name.replace("_", "") for name in COLUMNS}}
    )
    found = of_probabilities(renamed, HUMAN)
    np.testing.assert_allclose(found.whole.probabilities.sum(axis=2), 1.0)
    np.testing.assert_allclose(found.whole.probabilities[:, 0], TABLE[COLUMNS], atol=2e-4)


def test_profiles_are_personas_and_the_empty_one_is_none():
    turned = TABLE.assign(profile="ann", **{name: TABLE[COLUMNS[-1 - place]] for place, name in enumerate(COLUMNS)})
    found = of_probabilities(pd.concat([TABLE.assign(profile=np.nan), turned, TABLE.assign(profile="bob")]), HUMAN)
    assert found.personas.profiles == ("ann", "bob")
    assert found.alone.profiles == ("",)
    assert found.whole is found.personas
    np.testing.assert_allclose(found.personas.probabilities[:, 0], TABLE[COLUMNS[::-1]])
    np.testing.assert_allclose(found.personas.probabilities[:, 1], TABLE[COLUMNS])


def test_recorded_answers_give_personas_and_the_silent_one_alone(tmp_path):
    problems = HUMAN.problems["problem"].tolist()
    rows = [(name, who, value, gender) for name in problems for who, value, gender in
            (("any", 2, ""), ("her", 3, "Woman"), ("him", 4, "Man"))]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response", "gender"])
    silent = (frame["problem"] == problems[4]) & (frame["participant"] != "him")
    place = tmp_path / "answers.csv"
    frame[~silent].to_csv(place, index=False)
    found = read_references(str(place), HUMAN)
    assert found.personas.profiles == ("any", "her", "him")
    np.testing.assert_array_equal(found.personas.mean[0], [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(found.personas.mean[4], [4.0, 4.0, 4.0])
    assert found.alone.mean[0, 0] == 2.0
    assert found.notes == (
        "1 cell(s) that the LLM did not answer without persona take the answers of all personas.",
        "2 cell(s) that the LLM did not answer as a persona take the answers of all personas.",
        "For 25 of 25 problems one answer of the LLM without persona is recorded, or several that agree: a vote among "
        "draws of it is the same answer, and there 'LLM self-consistency' equals 'LLM zero-shot' to every digit.",
    )
    assert found.source["sha256"]


def test_a_single_recorded_participant_is_the_backbone_alone(tmp_path):
    place = tmp_path / "answers.csv"
    pd.DataFrame({"problem": HUMAN.problems["problem"], "participant": "llm", "response": 3}).to_csv(place, index=False)
    found = read_references(str(place), HUMAN)
    assert found.personas is None
    assert set(found.whole.mean[:, 0]) == {3.0}
    assert "a vote among draws of it is the same answer" in found.notes[0]


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no column p_3; a file of references holds problem and a column p_ANSWER"):
        of_probabilities(TABLE.drop(columns="p_3"), HUMAN)
    with pytest.raises(ValueError, match="no column problem, p_1; a file of references holds problem"):
        of_probabilities(TABLE.drop(columns=["problem", "p_1"]), HUMAN)
    with pytest.raises(ValueError, match=r"2 of 25 row\(s\) are not prob.*, the first of problem 'q03' \(it sums to 2"):
        of_probabilities(TABLE.assign(p_1=TABLE["p_1"].where(~TABLE["problem"].isin(["q03", "q05"]), 2.0)), HUMAN)
    with pytest.raises(ValueError, match=r"1 of 25 row\(s\) .* problem 'q02' \(it holds -0.1\); make every row"):
        of_probabilities(TABLE.assign(p_1=TABLE["p_1"].where(TABLE["problem"] != "q02", -0.1)), HUMAN)
    with pytest.raises(ValueError, match=r"1 of 25 problem\(s\) have no row, for instance 'q03'; give one for each"):
        of_probabilities(TABLE.drop(index=3), HUMAN)
    for value, shown in (("many", "'many'"), ("", "nothing"), (None, "nothing")):
        strange = TABLE.astype({"p_2": object})
        strange.loc[4, "p_2"] = value
        with pytest.raises(ValueError, match=f"'p_2' holds {shown} where .* in 1 of 25 row.* of problem 'q04'"):
            of_probabilities(strange, HUMAN)
    free = NewQuestions(HUMAN.problems, continuous())
    with pytest.raises(
        ValueError, match="counted on a list of answers, and the scale is continuous, no ends; give its"
    ):
        of_plain_answers(pd.DataFrame({"problem": HUMAN.problems["problem"], "response": 2}), free)
    with pytest.raises(ValueError, match="stands there twice under one profile"):
        of_probabilities(pd.concat([TABLE, TABLE.iloc[:1]]), HUMAN)
    with pytest.raises(ValueError, match="neither recorded:MODEL, a .csv or .parquet file"):
        read_references("gpt4", HUMAN)
    with pytest.raises(FileNotFoundError):
        read_references(str(tmp_path / "absent.csv"), HUMAN)
    with pytest.raises(ValueError, match="gave no reference answers"):
        References("x", None, None)


def test_on_a_continuous_scale_any_numbers_are_answers_and_the_mean_stays():
    wide = NewQuestions(HUMAN.problems, continuous(0, 100))
    found = of_probabilities(TABLE.rename(columns={name: f"{name}5" for name in COLUMNS}), wide).whole
    assert found.answers == tuple(10.0 * place for place in range(11))
    np.testing.assert_allclose(found.mean[:, 0], TABLE[COLUMNS] @ [15.0, 25.0, 35.0, 45.0])


def test_plain_answers_between_levels_keep_their_mean_and_are_counted(tmp_path):
    place = tmp_path / "plain.csv"
    problems = HUMAN.problems["problem"].tolist()
    rows = pd.DataFrame({"problem": problems * 2, "response": [2.0] * len(problems) + [3.25] * len(problems)})
    rows.to_csv(place, index=False)
    found = read_references(str(place), HUMAN)
    np.testing.assert_allclose(found.whole.mean[:, 0], 2.625)
    np.testing.assert_allclose(found.whole.probabilities[0, 0], [0.0, 0.5, 0.375, 0.125])
    assert found.notes == ("25 of 50 answers of plain.csv lie between two levels and count in parts for both, so that "
                           "the mean stays.",)  # fmt: skip
    with pytest.raises(ValueError, match=r"1 of 25 problem\(s\) have no row, for instance 'q03'; give one for each"):
        of_plain_answers(rows[rows["problem"] != "q03"], HUMAN)
    with pytest.raises(
        ValueError, match=r"1 of 50 answer\(s\) are missing or off the scale, the first '9.0' to problem"
    ):
        of_plain_answers(rows.assign(response=rows["response"].where(rows.index != 30, 9.0)), HUMAN)
    stored = tmp_path / "reference.npz"
    found.whole.save(stored)
    again = read_references(str(stored), HUMAN)
    np.testing.assert_array_equal(again.alone.probabilities, found.whole.probabilities)
    with pytest.raises(ValueError, match="device says how a model is asked, and the answers of .* are there already"):
        read_references(str(stored), HUMAN, asking=Asking(device="cpu"))


def test_a_server_is_asked_by_the_name_of_its_model():
    texts = NewQuestions(HUMAN.problems.assign(text="tea"), HUMAN.scale)
    address = "http://127.0.0.1:9/v1"
    with pytest.raises(ValueError, match="nothing says which of its models is asked; give server_model="):
        read_references(address, texts)
    with pytest.raises(ValueError, match="dtype is for a model on this machine"):
        read_references(address, texts, asking=Asking(server_model="m", dtype="float16"))


def test_recorded_gpt4_has_twelve_personas(data_folder):
    from crowdllm_stats.data import popquorn

    found = read_references("recorded:gpt4", popquorn("offensiveness", data_folder), folder=data_folder)
    assert found.whole.probabilities.shape == (1500, 12, 5)
    assert found.alone.probabilities.shape == (1500, 1, 5)
    # A persona's one answer is one-hot; where it refused, the shares of the others stand.
    one_hot = np.isclose(found.whole.probabilities.max(axis=2), 1.0)
    assert 0.9 < one_hot.mean() < 1.0

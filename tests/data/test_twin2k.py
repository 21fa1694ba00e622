"""Twin-2K-500: small files in the published format, and the real ones where they are at hand."""

import os

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import interval, interval_from
from crowdllm_stats.data import twin2k_items, twin2k_mega_study
from crowdllm_stats.data.twin2k import PROMPTS

DATA = os.environ.get("CROWDLLM_STATS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="CROWDLLM_STATS_DATA names no folder with the published data sets")

HUMAN = {"TWIN_ID": [1.0, 2.0, 4.0], "agree": [1.0, None, 5.0], "slider": [0.0, 33.5, 80.0]}
TWINS = {"TWIN_ID": [4.0, 1.0, 2.0], "slider": [70.0, None, 40.0], "agree": [4.0, 2.0, 7.0]}
OUTCOMES = {"study_name": ["a", "b", "b"], "DV_variable": ["agree", "slider", "by_hand"],
            "DV_min": [1, 0, 1], "DV_max": [5, 100, 7]}  # fmt: skip


def write(folder, human=HUMAN, twins=TWINS, outcomes=OUTCOMES):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(human).to_csv(folder / "human.csv", index=False)
    pd.DataFrame(twins).to_csv(folder / "llm.csv", index=False)
    pd.DataFrame(outcomes).to_csv(folder / "outcomes.csv", index=False)
    return folder


@pytest.mark.parametrize("layout", ["twin2k_mega_study", "."])
def test_people_and_twins_are_paired_whatever_their_order(tmp_path, layout):
    write(tmp_path / layout)
    study = twin2k_mega_study(tmp_path)
    assert study.questions == ("agree", "slider")
    pairs = study.answers("agree")
    assert pairs.people == ("1", "4")
    np.testing.assert_array_equal(pairs.human, [1, 5])
    np.testing.assert_array_equal(pairs.twin, [2, 4])
    assert study.answers("slider").people == ("2", "4")


def test_answers_beyond_the_named_ends_widen_the_scale_and_say_so(tmp_path):
    scales = twin2k_mega_study(write(tmp_path)).scales
    assert scales["widened"].tolist() == [True, False]
    assert scales.loc["agree", ["low", "high"]].tolist() == [1.0, 7.0]
    assert scales.loc["slider", ["low", "high"]].tolist() == [0.0, 100.0]
    assert scales["study"].tolist() == ["a", "b"]


def test_a_question_becomes_two_tables_on_its_scale(tmp_path):
    study = twin2k_mega_study(write(tmp_path))
    human, digital = study.human_data("slider"), study.digital_data("slider")
    assert human.scale.bounds == (0.0, 100.0)
    assert digital.responses["participant"].tolist() == ["2", "4"]
    assert study.human_data("agree").scale.step == 1.0


def test_items_take_their_ends_from_the_answers(tmp_path):
    folder = write(tmp_path / "twin2k_items")
    pd.DataFrame(TWINS).to_csv(folder / PROMPTS["demographics_only"], index=False)
    study = twin2k_items("demographics_only", tmp_path)
    assert study.scales.loc["slider", ["low", "high"]].tolist() == [0.0, 80.0]
    assert not study.scales["widened"].any()
    with pytest.raises(FileNotFoundError, match="no llm_text_persona"):
        twin2k_items(folder=tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"twins": {**TWINS, "TWIN_ID": [4, 1, 3]}}, r"differ in 2 person\(s\)"),
        ({"twins": {name: column for name, column in TWINS.items() if name != "agree"}}, r"differ in 1 question\(s\)"),
        ({"human": {**HUMAN, "TWIN_ID": [1, 1, 2]}}, "TWIN_ID '1' stands in more than one row"),
        ({"human": {**HUMAN, "TWIN_ID": [1, None, 2]}}, r"1 row\(s\) without a TWIN_ID"),
        ({"human": {"id": [1], "agree": [2]}}, "no column 'TWIN_ID'"),
        ({"human": {**HUMAN, "agree": ["yes", "no", "no"]}}, "column 'agree' holds 'yes', no number"),
        ({"outcomes": {**OUTCOMES, "DV_variable": ["agree", "x", "y"]}}, r"no row for 1 question\(s\).*'slider'"),
        ({"outcomes": {"study_name": ["a"]}}, "outcomes.csv: no column 'DV_variable'"),
    ],
)
def test_other_formats_are_refused(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        twin2k_mega_study(write(tmp_path, **changed))


def test_unknown_names_are_refused(tmp_path):
    study = twin2k_mega_study(write(tmp_path))
    with pytest.raises(ValueError, match="question must be one of"):
        study.answers("none")
    with pytest.raises(ValueError, match="prompt must be one of"):
        twin2k_items("none", tmp_path)
    (tmp_path / "llm.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no llm.csv in .*TianyiPeng"):
        twin2k_mega_study(tmp_path)


@needs_data
def test_the_published_files_have_their_published_sizes():
    study = twin2k_mega_study()
    assert study.human.shape == (1784, 163)
    assert int(study.scales["widened"].sum()) == 11
    assert twin2k_items().human.shape == twin2k_items("demographics_only").digital.shape == (2058, 123)


@needs_data
def test_one_outcome_goes_through_the_door_of_two_tables():
    study = twin2k_mega_study()
    found = interval_from(study.human_data("job1_item1"), study.digital_data("job1_item1")).to_frame()
    assert found["n_labeled"].tolist() == [int(study.human["job1_item1"].notna().sum())]


@needs_data
def test_auto_keeps_its_level_on_real_people_with_their_own_twins():
    """10 people an outcome, 40 draws of 162 outcomes: 0.95 on average over outcomes is asked for 0.945.

    The mean over these outcomes has a standard error of about 0.003 over draws: a false alarm in a thousand at a true
    0.955 (reports/real_twins has 200 draws).
    """
    study, rng = twin2k_mega_study(), np.random.default_rng(7)
    covered = []
    for question in study.questions:
        one = study.answers(question)
        if len(one.people) < 200:
            continue
        order = np.argsort(rng.random((40, len(one.people))), axis=1)
        human, twin = one.human[order], one.twin[order]
        answer = interval(human[:, :10], twin[:, :10], twin[:, 10:], bounds=one.bounds)
        covered.append(np.mean((answer.lower <= one.human.mean()) & (one.human.mean() <= answer.upper)))
    assert len(covered) == 162
    assert np.mean(covered) >= 0.945

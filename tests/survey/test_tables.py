"""Tables as a caller gives them: CrowdData, data frames and files come to the same numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from crowdllm_stats import CrowdData, interval_from, load_example, safe_decision_from
from crowdllm_stats.survey.tables import as_crowd

SCALE = "1:5"


@pytest.fixture
def files(tmp_path):
    """The shipped example as three files, with column names in three spellings."""
    example = load_example()
    places = []
    for name, spell in (("human", str.upper), ("digital", str.title), ("reference", str.upper)):
        frame = getattr(example, name).to_frame()
        place = tmp_path / f"{name}.csv"
        frame.rename(columns={ours: spell(ours) for ours in ("problem", "participant", "response")}).to_csv(
            place, index=False
        )
        places.append(place)
    return places


def test_files_and_frames_give_what_tables_read_before_give(files):
    example = load_example()
    wanted = interval_from(example.human, example.digital, scale=SCALE)
    for human, digital in (files[:2], map(str, files[:2]), map(pd.read_csv, files[:2])):
        found = interval_from(human, digital, scale=SCALE)
        assert found.to_frame().equals(wanted.to_frame())
        assert found.overall == wanted.overall
    judged = safe_decision_from(example.human, example.digital, example.reference, scale=SCALE)
    assert safe_decision_from(*files, scale=SCALE).to_frame().equals(judged.to_frame())


def test_a_human_file_beside_a_digital_frame(files):
    found = interval_from(files[0], pd.read_csv(files[1]), scale=SCALE)
    assert set(found.to_frame()["method"]) == {"ppi++-small"}


def test_repeats_are_kept_as_on_the_command_line(files):
    frame = pd.read_csv(files[0])
    assert "repeat" in as_crowd(pd.concat([frame, frame.head(1)]), "human").responses


def test_columns_that_differ_in_case_alone_are_asked_about(files):
    frame = pd.read_csv(files[0]).assign(Problem="x")
    with pytest.raises(ValueError, match=r"human: .*no column 'problem'; .*'PROBLEM'.*'Problem'"):
        as_crowd(frame, "human")
    named = CrowdData.from_frame(frame, columns={"problem": "PROBLEM"}, problem_columns=[])
    assert named.problems["problem"].tolist()[0] == "q01"


def test_what_is_no_table_is_refused(files, tmp_path):
    example = load_example()
    for given, message in (
        ([4, 5], r"human must be CrowdData, .* got list; arrays of answers go into crowdllm_stats\.interval"),
        (pd.DataFrame({"item": [1]}), r"human: .*no column 'problem'.*CrowdData\.from_frame\(\.\.\.\)"),
        (load_example().human.to_frame().assign(response=9), "human: .*off the scale"),
    ):
        with pytest.raises(ValueError, match=message):
            interval_from(given, example.digital, scale=SCALE)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv: no such file"):
        interval_from(tmp_path / "nowhere.csv", example.digital)
    with pytest.raises(ValueError, match=r"human: \d+ of \d+ answers are off the scale"):
        interval_from(example.human, example.digital, scale="2:4")

"""POPQUORN: small files in the published format, the real file where it is at hand, and clear words where it is not."""

import pandas as pd
import pytest

from crowdllm_stats.data import popquorn
from crowdllm_stats.data.popquorn import TASKS

PROFILE = {"gender": "Woman", "race": "Asian", "age": "54-59", "occupation": "Retired", "education": "Other"}


def write_task(folder, name, **changes):
    """3 ratings of 2 texts by 2 users, in the published format."""
    answer, _, of_problem = TASKS[name]
    columns = {"instance_id": [7, 7, 8], "user_id": [0, 1, 0], **{column: ["a", "a", "b"] for column in of_problem}}
    columns |= {answer: [1.0, 5.0, 3.0], **{column: [value, "x", value] for column, value in PROFILE.items()}}
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns | changes).to_csv(folder / "raw_data.csv", index=False)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("layout", ["popquorn_{name}", "{published}", "dataset/{published}", "."])
def test_published_format(tmp_path, name, layout):
    write_task(tmp_path / layout.format(name=name, published=TASKS[name][1]), name)
    data = popquorn(name, folder=tmp_path)
    assert data.responses["response"].tolist() == [1.0, 5.0, 3.0]
    assert data.responses["problem"].tolist() == ["7", "7", "8"]
    assert data.participants.columns.tolist() == ["participant", *PROFILE]
    assert data.problems.columns.tolist() == ["problem", *TASKS[name][2]]
    assert data.scale.bounds == (1.0, 5.0)


def test_answers_beside_the_rating_are_left_out(tmp_path):
    write_task(tmp_path, "qa_difficulty", answer=["Paris", "Rome", "No answer"])
    assert "answer" not in popquorn("qa_difficulty", folder=tmp_path).to_frame()


def test_environment_names_the_folder(tmp_path, monkeypatch):
    write_task(tmp_path / "popquorn_politeness", "politeness")
    monkeypatch.setenv("CROWDLLM_STATS_DATA", str(tmp_path))
    assert len(popquorn("politeness").responses) == 3


def test_rows_without_user_are_refused_or_counted(tmp_path):
    write_task(tmp_path, "qa_difficulty", user_id=[0, None, 0])
    with pytest.raises(ValueError, match=r"column 'user_id' is empty in 1 of 3 rows .*missing=.drop"):
        popquorn("qa_difficulty", folder=tmp_path)
    assert popquorn("qa_difficulty", folder=tmp_path, missing="drop").exclusions == {"missing participant": 1}


def test_missing_data_are_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("CROWDLLM_STATS_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"pass folder=, or set CROWDLLM_STATS_DATA; the data are at github"):
        popquorn()
    with pytest.raises(FileNotFoundError, match="is not there"):
        popquorn(folder=tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"no popquorn_offensiveness/raw_data.csv or .* in "):
        popquorn(folder=tmp_path)
    with pytest.raises(ValueError, match="name must be one of 'offensiveness', 'qa_difficulty', 'politeness'"):
        popquorn("email")


def test_other_formats_are_refused(tmp_path):
    write_task(tmp_path, "politeness")
    with pytest.raises(ValueError, match="no column 'offensiveness'"):
        popquorn("offensiveness", folder=tmp_path)


def test_real_file(data_folder):
    data = popquorn("offensiveness", folder=data_folder)
    assert (len(data.responses), len(data.problems), len(data.participants)) == (13_036, 1_500, 262)
    counts = data.responses["response"].value_counts()
    assert [counts[answer] for answer in (1, 2, 3, 4, 5)] == [7516, 2190, 1590, 1039, 701]
    assert data.participants["gender"].value_counts().to_dict() == {"Woman": 131, "Man": 124, "Non-binary": 7}

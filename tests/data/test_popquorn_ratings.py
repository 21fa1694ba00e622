"""POPQUORN: small files in the published format, the real file where it is at hand, and clear words where it is not."""

import pandas as pd
import pytest

from crowdllm_stats.data import popquorn, popquorn_llm_ratings
from crowdllm_stats.data.popquorn_ratings import PERSONAS, TASKS

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


#: Files of ratings that LLMs gave.
TWELVE = "offensiveness_gpt4_12personas.csv"
SIX = "offensiveness_9models_6personas.csv"


def test_twelve_personas(tmp_path):
    (tmp_path / TWELVE).write_text(
        "instance_id," + ",".join(PERSONAS) + "\n0,1,,6,0" + ",2" * 8 + "\n1" + ",3" * 12 + "\n"
    )
    data = popquorn_llm_ratings("gpt4", folder=tmp_path)
    assert len(data.responses) == 24 - 3
    assert data.exclusions == {"empty": 1, "out of range": 2}
    assert data.participants["participant"].tolist() == list(PERSONAS)
    assert data.participants.set_index("participant").loc["black_male"].tolist() == ["Man", "Black or African American"]
    assert data.participants.set_index("participant").loc["person"].tolist() == ["", ""]


def test_six_personas_have_the_same_names(tmp_path):
    short = ("base", "male", "female", "white", "black", "asian")
    header = ",".join(f"{model}_{persona}" for model in ("gpt35", "qwen25_7b") for persona in short)
    (tmp_path / SIX).write_text(f"instance_id,{header}\n5,1,1,1,1,1,1,2,3,4,5,1,\n9,1,1,1,1,1,1,,,,,,\n")
    data = popquorn_llm_ratings("qwen25_7b", personas=6, folder=tmp_path)
    assert data.responses["response"].tolist() == [2.0, 3.0, 4.0, 5.0, 1.0]
    assert data.participants["participant"].tolist() == list(PERSONAS)[:6]
    assert data.problems["problem"].tolist() == ["5", "9"]
    assert data.exclusions == {"empty": 7}


def test_refusals(tmp_path, monkeypatch):
    monkeypatch.delenv("CROWDLLM_STATS_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="CROWDLLM_STATS_DATA"):
        popquorn_llm_ratings()
    with pytest.raises(ValueError, match="personas must be 6 or 12"):
        popquorn_llm_ratings(personas=11)
    with pytest.raises(ValueError, match="model must be one of 'gpt4', 'gpt35'"):
        popquorn_llm_ratings("qwen25_7b", personas=12)
    (tmp_path / TWELVE).write_text("instance_id,person\n0,1\n")
    with pytest.raises(ValueError, match="no column 'male'"):
        popquorn_llm_ratings("gpt4", folder=tmp_path)


@pytest.mark.parametrize(
    ("model", "left_out"), [("gpt4", {"empty": 2}), ("gpt35", {"empty": 7_483, "out of range": 27})]
)
def test_real_twelve(data_folder, model, left_out):
    data = popquorn_llm_ratings(model, folder=data_folder)
    assert data.exclusions == left_out
    assert len(data.responses) == 18_000 - sum(left_out.values())
    assert len(data.problems) == 1_500


def test_real_six_out_of_range_and_mean_error(data_folder):
    human = popquorn(folder=data_folder).responses.groupby("problem")["response"].mean()
    off, errors = 0, {}
    for model in (
        "gpt4",
        "gpt35",
        "flan_ul2",
        "flant5_xxl",
        "tulu2_7b",
        "tulu2_13b",
        "llama31_8b",
        "mistral03_7b",
        "qwen25_7b",
    ):
        data = popquorn_llm_ratings(model, personas=6, folder=data_folder)
        off += data.exclusions.get("out of range", 0)
        base = data.select(participants=["person"]).responses.set_index("problem")["response"]
        errors[model] = float((base - human).abs().mean())
    assert off == 28
    assert errors["gpt4"] == pytest.approx(0.722, abs=5e-4)
    assert errors["tulu2_7b"] == pytest.approx(1.947, abs=5e-4)


def test_profiles_speak_the_words_of_the_human_file(data_folder):
    human = popquorn(folder=data_folder).participants
    persona = popquorn_llm_ratings("gpt4", folder=data_folder).participants
    for column in ("gender", "race"):
        assert set(persona[column]) - {""} <= set(human[column])

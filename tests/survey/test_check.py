"""`crowdllm-stats check`: what files hold is found out, and the commands that it prints run as they are."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from command_line import run

from crowdllm_stats.cli import main
from crowdllm_stats.data.shape import Reading
from crowdllm_stats.survey.check import check_files

WORDS = ["Strongly disagree", "Disagree", "Neutral", "Agree", "Strongly agree"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(people: int, questions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 6, (people, questions))


def wide(place, values, *, words=False, **others):
    """A table of a row per person, ids p0, p1, ..."""
    table = pd.DataFrame({"ResponseId": [f"p{person}" for person in range(len(values))], **others})
    for question in range(values.shape[1]):
        column = values[:, question]
        table[f"Q{question + 1}"] = [WORDS[value - 1] for value in column] if words else column
    table.to_csv(place, index=False)


def lines(place, values, first="p", names=("question", "persona", "answer")):
    """A file of JSON lines, one per answer."""
    with place.open("w", encoding="utf-8") as file:
        for person, row in enumerate(values):
            for question, value in enumerate(row, 1):
                one = (f"Q{question}", f"{first}{person}", value if isinstance(value, str) else int(value))
                file.write(json.dumps(dict(zip(names, one, strict=True))) + "\n")


def commands_run(capsys, found):
    for command in found.commands:
        program, *words = shlex.split(command)
        assert program == "crowdllm-stats"
        assert main(words) == 0, (command, capsys.readouterr().err)
    capsys.readouterr()


def test_words_of_a_language_model_that_once_declines_are_a_set_of_labels(folder, capsys):
    human, digital = answers(9, 3, seed=1), np.array(WORDS, dtype=object)[answers(30, 4, seed=2) - 1]
    wide(folder / "wave.csv", human, words=True)
    digital[4, 1] = "As an AI language model, I cannot have opinions."
    lines(folder / "answers.jsonl", digital, names=("problem", "participant", "response"))
    found = check_files(["wave.csv", "answers.jsonl"])
    assert [one.labels for one in found.files] == ["likert5", "likert5"]
    assert found.commands[0] == "crowdllm-stats interval wave.csv answers.jsonl --labels likert5 --scale 1:5"
    commands_run(capsys, found)


def test_words_in_a_wide_table_and_the_lines_of_a_language_model(folder, capsys):
    human, digital = answers(9, 3, seed=1), answers(30, 3, seed=2).astype(object)
    wide(folder / "wave.csv", human, words=True, land=["DE", "AT", "FR"] * 3)
    digital[4, 1] = "As an AI language model, I cannot answer that."
    lines(folder / "answers.jsonl", digital)
    found = check_files(["answers.jsonl", "wave.csv"])
    crowd, people = found.files
    assert (people.kind, people.wide, people.labels, people.digital) == ("CSV", True, "likert5", False)
    assert (crowd.wide, crowd.digital) == (False, True)
    assert crowd.data.exclusions == {"missing response (a language model declined)": 1}
    assert found.pairs[0] == "3 of 3 human questions are in both tables ('Q1', 'Q2', 'Q3')."
    assert found.pairs[1].startswith("9 of 9 people have a digital twin")
    assert found.commands[0] == (
        "crowdllm-stats interval wave.csv answers.jsonl --digital-columns "
        "problem=question,participant=persona,response=answer --labels likert5 --scale 1:5"
    )
    commands_run(capsys, found)
    printed = run(capsys, "check", "wave.csv", "answers.jsonl")
    assert found.commands[2] in printed
    assert "a language model declined" in printed


def test_questions_without_numbers_are_known_from_the_other_file(folder, capsys):
    values = answers(8, 2, seed=3)
    table = pd.DataFrame({"id": [f"p{person}" for person in range(8)], "mood": values[:, 0], "trust": values[:, 1]})
    table.to_csv("people.csv", index=False)
    long = table.melt("id", ["mood", "trust"], "problem", "response").rename(columns={"id": "participant"})
    long.to_csv("synthetic.csv", index=False)
    found = check_files(["people.csv", "synthetic.csv"])
    assert found.commands[0] == "crowdllm-stats interval people.csv synthetic.csv --questions mood,trust --scale 1:5"
    commands_run(capsys, found)


def test_plain_answers_codes_and_people_who_pair_by_profile(folder, capsys):
    human = answers(12, 2, seed=4)
    human[[0, 3, 5], 0] = 99
    land = ["DE", "AT"] * 6
    wide(folder / "wave.csv", human, land=land)
    crowd = [(f"Q{q}", f"bot{p}", 1 + (p + q) % 5, land[p % 2]) for p in range(40) for q in (1, 2)]
    names = ["problem", "participant", "response", "land"]
    pd.DataFrame(crowd, columns=names).to_csv("crowd.csv", index=False)
    plain = [(f"Q{q}", 2 + q % 2 + k % 2) for q in (1, 2) for k in range(4)]
    pd.DataFrame(plain, columns=["question", "answer"]).to_csv("plain.csv", index=False)
    found = check_files(["wave.csv", "crowd.csv", "plain.csv"])
    assert [one.role for one in found.files] == ["answers", "answers", "plain answers"]
    assert "99 look like codes for a missing answer" in str(found)
    assert "--missing=99" in found.commands[0]
    assert found.commands[0].endswith("--match land")
    assert [shlex.split(one)[1] for one in found.commands] == [
        "interval", "distribution", "risk", "safe-interval",
    ]  # fmt: skip
    commands_run(capsys, found)


def test_plain_answers_lead_to_the_safe_interval(folder, capsys):
    wide(folder / "wave.csv", answers(9, 3, seed=5))
    lines(folder / "llm.jsonl", answers(20, 3, seed=6))
    plain = [(f"Q{q}", 1 + (q + k) % 5) for q in (1, 2, 3) for k in range(4)]
    pd.DataFrame(plain, columns=["problem", "response"]).to_csv("plain.csv", index=False)
    found = check_files(["wave.csv", "llm.jsonl", "plain.csv"])
    assert found.commands[-1].endswith("--reference plain.csv")
    commands_run(capsys, found)


def test_nobody_pairs_and_nothing_is_alike(folder, capsys):
    wide(folder / "wave.csv", answers(9, 3, seed=7))
    lines(folder / "llm.jsonl", answers(20, 3, seed=8), first="x")
    found = check_files(["wave.csv", "llm.jsonl"])
    assert found.commands[0].endswith("--unpaired")
    commands_run(capsys, found)
    lines(folder / "gpt.jsonl", answers(20, 3, seed=8), names=("item_text", "persona", "answer"))
    assert "gpt.jsonl" in str(check_files(["wave.csv", "gpt.jsonl"]))
    other = pd.DataFrame({"problem": ["a", "b"], "participant": ["p0", "p0"], "response": [1, 2]})
    other.to_csv("llm.csv", index=False)
    found = check_files(["wave.csv", "llm.csv"])
    assert found.pairs == ("No question is in both tables: 'Q1', 'Q2', ... (3 different) and 'a', 'b'.",)
    assert "Write the questions' ids alike" in found.suspicious[-2]


def test_what_is_suspicious_is_named(folder):
    values = answers(7, 6, seed=9)
    values[:, 4] = 3
    values[2] = 3
    wide(folder / "wave.csv", values)
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04")
    found = check_files(["wave.csv", "broken.xlsx"], Reading(where=["Q1>=1"]))
    assert "wave.csv: Everybody gives the same answer to 'Q5'." in found.suspicious
    assert "wave.csv: 1 of 7 people give the same answer to all their questions." in found.suspicious
    assert "not a whole Excel file" in found.files[1].refused
    assert "--where 'Q1>=1'" in found.commands[0]
    assert found.to_frame()["answers"].tolist() == [42, 0]


def test_options_of_the_check_come_back_in_its_commands(folder, capsys):
    table = {"who": ["a", "b", "b"], "Q1": ["3", "no idea", "4"], "Q2": ["2", "1", "5"], "problem": ["x", "y", "z"]}
    pd.DataFrame(table).drop(columns="problem").assign(n=[1, 2, 3]).to_csv("wave.csv", index=False)
    asked = ["--questions", "Q1,Q2", "--id", "n", "--missing", "no idea"]
    printed = run(capsys, "check", "wave.csv", *asked)
    line = "crowdllm-stats interval wave.csv --questions Q1,Q2 --id n '--missing=no idea' --scale 1:5"
    assert line in printed
    assert main(shlex.split(line)[1:]) == 0


def test_conditions_leave_out_the_twins_of_those_who_do_not_meet_them(folder, capsys):
    wide(folder / "wave.csv", answers(10, 3, seed=10), land=["DE", "AT"] * 5)
    lines(folder / "llm.jsonl", answers(20, 3, seed=11), names=("problem", "participant", "response"))
    told = json.loads(
        run(capsys, "interval", "wave.csv", "llm.jsonl", "--scale", "1:5", "--where", "land=DE", "--json")
    )
    assert (told["counts"]["people"], told["counts"]["digital_people"]) == (5, 15)
    notices = " ".join(told["notices"])
    assert "5 rows of the human table left out: not where land=DE." in notices
    assert "15 rows of the digital table left out: twin of somebody left out of the human table." in notices
    assert "llm.jsonl has no column for land=DE: all its people count" in notices


def test_no_file_and_one_file_twice_are_refused(folder, capsys):
    assert "each once" in run(capsys, "check", "a.csv", "a.csv", code=2)
    assert "no such file" in run(capsys, "check", "a.csv", code=2)


def test_no_command_is_given_where_one_of_two_tables_cannot_be_read(folder):
    wide(folder / "wave.csv", answers(9, 3, seed=7))
    (folder / "people.csv").write_text("id,Q1,Q2\na,4,2\na,5,1\nb,3,3\n", encoding="utf-8")
    found = check_files(["people.csv", "wave.csv"])
    assert found.commands == ()
    assert "id 'a' is on 2 rows" in found.suspicious[0]


def test_keys_within_keys_are_found_and_words_of_another_language_are_asked_about(folder, capsys):
    wide(folder / "wave.csv", answers(9, 3, seed=7))
    rows = [{"persona": {"id": f"p{p}"}, "item": f"Q{q}", "output": {"answer": 1 + (p + q) % 5}}
            for p in range(12) for q in (1, 2, 3)]  # fmt: skip
    (folder / "llm.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = check_files(["wave.csv", "llm.jsonl"])
    assert "problem=item,participant=persona.id,response=output.answer" in found.commands[0]
    commands_run(capsys, found)
    (folder / "german.csv").write_text("id,Q1\na,stimme zu\nb,teils\n", encoding="utf-8")
    assert "--questions" in check_files(["german.csv"]).suspicious[0]


def test_plain_answers_in_words_are_read_by_the_labels_of_the_printed_command(folder, capsys):
    given = answers(20, 3, seed=5)
    words = pd.DataFrame(np.array(WORDS)[given[:12].astype(int) - 1], columns=["Q1", "Q2", "Q3"])
    words.insert(0, "id", [f"p{p}" for p in range(12)])
    words.to_csv("wave.csv", index=False)
    rows = [(f"Q{q + 1}", f"p{p}", WORDS[int(given[p, q]) - 1]) for p in range(20) for q in range(3)]
    pd.DataFrame(rows, columns=["problem", "participant", "response"]).to_csv("llm.csv", index=False)
    plain = [(f"Q{q + 1}", WORDS[(q + k) % 5]) for q in range(3) for k in range(4)]
    pd.DataFrame(plain, columns=["question", "answer"]).to_csv("plain.csv", index=False)
    found = check_files(["wave.csv", "llm.csv", "plain.csv"])
    assert found.commands[-1].endswith("--reference plain.csv")
    commands_run(capsys, found)


def test_whose_answers_a_table_holds_is_told_by_its_name_or_said_to_be_a_guess(folder):
    wide(folder / "humans.csv", answers(20, 3, seed=7))
    wide(folder / "b.csv", answers(9, 3, seed=8))
    wide(folder / "c.csv", answers(12, 3, seed=8))
    found = check_files(["b.csv", "humans.csv"])
    assert found.commands[0].startswith("crowdllm-stats interval humans.csv b.csv ")
    assert not any("is a guess" in line for line in found.suspicious)
    found = check_files(["c.csv", "b.csv"])
    assert found.commands[0].startswith("crowdllm-stats interval b.csv c.csv ")
    assert (
        "That b.csv holds the answers of people, and c.csv those of a digital population, is a guess"
        in (found.suspicious[0])
    )


def long(place, people, values, prefix="p", **columns):
    """A row per answer, and profile columns with a value per person."""
    rows = [
        {"problem": f"Q{question}", "participant": f"{prefix}{person}", "response": int(value)}
        | {name: column[person % len(column)] for name, column in columns.items()}
        for person in range(people)
        for question, value in enumerate(values[person], 1)
    ]
    pd.DataFrame(rows).to_csv(place, index=False)


@pytest.mark.parametrize(
    ("human", "digital", "options", "doubt"),
    [
        (
            {"sex": "mf"},
            {"sex": "MF"},
            ["--unpaired"],
            "no value is in both tables: they differ in upper and lower case",
        ),
        ({"sex": "mf", "age": [20, 40, 60]}, {"sex": "MF", "age": [20, 40, 60]}, ["--match", "age"], "built from sex"),
        ({"land": ["DE", *"abcdefgh"]}, {"land": ["DE", "FR"]}, ["--match", "land"], ""),
        ({"land": [*map(str, range(12)), "DE"]}, {"land": ["DE", "FR"]}, ["--unpaired"], "only 1 of 13 people have"),
        ({"prefix": "P"}, {}, ["--unpaired"], "Ids look like those of the other table: they differ in upper and lower"),
    ],
)
def test_people_who_do_not_pair_get_commands_that_run(folder, capsys, human, digital, options, doubt):
    long(folder / "people.csv", 13, answers(13, 3, seed=11), **{"prefix": "h", **human})
    long(folder / "llm.csv", 40, answers(40, 3, seed=12), **{"prefix": "p", **digital})
    found = check_files(["people.csv", "llm.csv"])
    assert shlex.split(found.commands[0])[-len(options) :] == options
    assert doubt in " ".join(found.suspicious)
    commands_run(capsys, found)


def test_tables_that_look_exchanged_get_commands_that_run(folder, capsys):
    long(folder / "a.csv", 20, answers(20, 3, seed=13))
    long(folder / "survey.csv", 80, answers(80, 3, seed=14))
    found = check_files(["a.csv", "survey.csv"])
    assert "--as-given" in found.commands[0]
    assert "looks like the digital one" in " ".join(found.suspicious)
    commands_run(capsys, found)


def test_questions_without_an_answer_in_common_leave_the_human_answers(folder, capsys):
    wide(folder / "wave.csv", answers(9, 3, seed=7))
    other = pd.DataFrame({"problem": ["a", "b"], "participant": ["p0", "p0"], "response": [1, 2]})
    other.to_csv("llm.csv", index=False)
    found = check_files(["wave.csv", "llm.csv"])
    assert found.commands == ("crowdllm-stats interval wave.csv --scale 1:5",)
    commands_run(capsys, found)


def test_words_of_another_language_are_asked_about_with_their_mend(folder, capsys):
    rng = np.random.default_rng(15)
    words = np.array(["nie", "selten", "oft", "immer"])
    table = {name: words[rng.integers(0, 4, 12)] for name in ("Vertrauen, allgemein", "Freude [Arbeit]")}
    pd.DataFrame({"lfdn": range(12), **table, "Alter": range(20, 32)}).to_csv("umfrage.csv", index=False)
    text = str(check_files(["umfrage.csv"]))
    open_ones = "immer=NUMBER,nie=NUMBER,oft=NUMBER,selten=NUMBER"
    option = f"--questions '\"Vertrauen, allgemein\",Freude [Arbeit]' --labels {open_ones}"
    assert f"if they are questions, say {option}." in text
    refused = run(capsys, "interval", "umfrage.csv", code=2)
    assert "with --questions 'Q*' and what words mean with --labels" in refused
    filled = shlex.split(option.replace(open_ones, "nie=1,selten=2,oft=3,immer=4"))
    assert "people answer between" in run(capsys, "interval", "umfrage.csv", *filled)


def test_rows_that_a_survey_tool_marks_as_unfinished_are_named(folder):
    marks = {"Status": ["IP Address"] * 8 + ["Survey Preview"], "Finished": ["True"] * 7 + ["False"] * 2}
    wide(folder / "wave.csv", answers(9, 3, seed=17), **marks)
    doubts = " ".join(check_files(["wave.csv"]).suspicious)
    assert "In 2 rows, Finished is 'False': leave out with --where 'Finished!=False'." in doubts
    assert "In 1 row, Status is 'Survey Preview': leave out with --where 'Status!=Survey Preview'." in doubts
    done = check_files(["wave.csv"], Reading(where=["Finished=True", "Status!=Survey Preview"]))
    assert "leave out with" not in " ".join(done.suspicious)


def test_numbered_rows_are_not_people_without_a_word(folder):
    rows = [{"id": f"{who}-{q}", "persona": f"p{who}", "question": q, "answer": 3} for who in range(5) for q in "ab"]
    pd.DataFrame(rows).to_csv("llm.csv", index=False)
    wide(folder / "wave.csv", answers(9, 3, seed=18))
    assert not [one for one in check_files(["llm.csv"]).suspicious if "participant of its own" in one]
    pd.DataFrame(rows).rename(columns={"persona": "request.agent_name"}).to_csv("llm.csv", index=False)
    doubts = " ".join(check_files(["llm.csv"]).suspicious)
    assert (
        "participant of its own in 'id': name the column of people as participant ('request.agent_name' would" in doubts
    )


def test_labels_of_a_language_model_may_end_in_a_full_stop(folder, capsys):
    words = np.array([f"{word}." for word in WORDS], dtype=object)[answers(30, 3, seed=19) - 1]
    words[0, 0] = "**Agree**"
    lines(folder / "llm.jsonl", words)
    wide(folder / "wave.csv", answers(9, 3, seed=20), words=True)
    found = check_files(["wave.csv", "llm.jsonl"])
    assert [one.labels for one in found.files] == ["likert5", "likert5"]
    commands_run(capsys, found)


def test_labels_of_a_file_say_the_ends_of_the_scale(folder, capsys):
    steps = {1: "A lot", 2: "Some", 3: "Little", 4: "None"}
    table = pd.DataFrame({"id": range(9), "q1": [1, 2, 3] * 3, "q2": [2, 3, 1] * 3})
    table.to_stata(folder / "wave.dta", write_index=False, value_labels={"q1": steps, "q2": {**steps, 9: "Refused"}})
    found = check_files(["wave.dta"])
    assert found.commands == ("crowdllm-stats interval wave.dta --scale 1:4",)
    commands_run(capsys, found)


def test_lists_in_cells_are_named(folder):
    (folder / "batch.jsonl").write_text('{"id": 1, "choices": [{"content": "4"}]}\n' * 3, encoding="utf-8")
    assert "'choices' hold lists: write one object per answer with the keys problem" in str(
        check_files(["batch.jsonl"])
    )

"""Wide tables, header rows, labels, conditions, missing words and refusals of a language model."""

import json

import openpyxl
import pandas as pd
import pyreadstat
import pytest

from crowdllm_stats.data.crowd import CrowdData

WIDE = {"ResponseId": ["R_1", "R_2", "R_3"], "age": [31, 47, 25], "Q1": [4, 5, 3], "Q2": [2, "", 1]}
CELLS = [("Q1", "R_1", 4), ("Q1", "R_2", 5), ("Q1", "R_3", 3), ("Q2", "R_1", 2), ("Q2", "R_3", 1)]


def answers(data: CrowdData) -> list[tuple[str, str, float]]:
    return list(data.responses[["problem", "participant", "response"]].itertuples(index=False, name=None))


def wide(**changes) -> pd.DataFrame:
    return pd.DataFrame(WIDE | changes).astype(str)


def test_a_wide_table_is_found_out_and_said_and_its_empty_cells_are_counted():
    data = CrowdData.from_frame(wide())
    assert answers(data) == CELLS
    assert data.exclusions == {"no answer in a wide table": 1}
    assert data.notes == ("responses is a wide table: 3 rows (ResponseId), 2 questions (Q1, Q2).",)
    assert data.participants.columns.tolist() == ["participant", "age"]


@pytest.mark.parametrize(
    ("changes", "keywords", "questions"),
    [
        ({"mood": [1, 2, 3]}, {"questions": ["mood", "Q2"]}, ["Q2", "mood"]),
        ({}, {"questions": ["Q*"]}, ["Q1", "Q2"]),
        ({"rt_1": [3, 4, 9], "rt_2": [1, 2, 9]}, {}, ["Q1", "Q2"]),
        ({"Q1_TEXT": ["a", "", ""], "Q1_DO_1": [1, 2, 1], "t_Click 1": [1, 2, 3]}, {}, ["Q1", "Q2"]),
        ({"problem": ["a", "b", "c"]}, {"wide": True, "questions": ["Q1"]}, None),
    ],
)
def test_questions_are_those_named_or_numbered(changes, keywords, questions):
    if questions is None:
        with pytest.raises(ValueError, match="column 'problem' has a name that is needed for the answers; rename it"):
            CrowdData.from_frame(wide(**changes), **keywords)
        return
    assert CrowdData.from_frame(wide(**changes), **keywords).responses["problem"].unique().tolist() == questions


@pytest.mark.parametrize(
    ("changes", "keywords", "message"),
    [
        ({"ResponseId": ["a", "a", "b"]}, {}, "ResponseId 'a' is on 2 rows"),
        ({"ResponseId": ["a", "a", "a"]}, {}, r"which column names the people is not clear \('age' differ"),
        ({"ResponseId": ["a", "b", "Mean"]}, {}, "ResponseId 'Mean' seems to be a row of sums or means"),
        ({"ResponseId": ["a", "a", "b"]}, {"id_column": "ResponseId"}, "ResponseId 'a' is on 2 rows"),
        ({}, {"id_column": "who"}, "id_column 'who': responses has no such column; it has 'ResponseId'"),
        ({}, {"questions": ["X*"]}, r"questions 'X\*': responses has no such column"),
        ({}, {"where": ["country=DE"]}, "where 'country=DE': responses has no column 'country'"),
        ({}, {"where": ["age>50"]}, "none of the 3 rows of responses meets age>50"),
        ({}, {"where": ["age>old"]}, "needs one number"),
        (
            {"day": ["2026-02-03", "", "soon"]},
            {"where": ["day<2026-03-01"]},
            "holds .soon., which is not a date such as",
        ),
        (
            {"day": ["2026-02-03T05:00Z", "", ""]},
            {"where": ["day<2026-03-01 10:00"]},
            "both with a time zone",
        ),
        ({}, {"where": ["__import__('os')"]}, "is not COLUMN=VALUE"),
        ({"Q1": ["", "", ""], "Q2": ["", "", ""]}, {"questions": ["Q*"]}, "all cells of the questions are empty"),
    ],
)
def test_what_cannot_be_told_is_asked(changes, keywords, message):
    with pytest.raises(ValueError, match=message) as error:
        CrowdData.from_frame(wide(**changes), **keywords)
    assert "\n" not in str(error.value)


def test_questions_that_cannot_be_told_are_asked_for():
    table = wide().rename(columns={"Q1": "mood", "Q2": "trust"})
    with pytest.raises(ValueError, match=r"name them with questions=\['Q\*'\]"):
        CrowdData.from_frame(table, wide=True)


def test_sliders_are_questions_and_columns_of_text_are_named():
    people = range(60)
    table = pd.DataFrame({"id": [f"p{one}" for one in people], "Q1": [(7 * one) % 101 for one in people],
                          "Q2": [f"because of {one}" for one in people], "x1": people, "x2": people})  # fmt: skip
    data = CrowdData.from_frame(table.astype(str))
    assert data.problems["problem"].tolist() == ["Q1"]
    assert "Not taken for questions, as they hold neither few numbers nor known labels: 'Q2'." in data.notes[0]


def test_conditions_choose_rows_and_the_others_are_counted():
    data = CrowdData.from_frame(wide(country=["DE", "AT", "FR"]), where=["country=DE|AT", "age>=40"])
    assert answers(data) == [("Q1", "R_2", 5.0)]
    assert data.exclusions == {"not where country=DE|AT and age>=40": 2, "no answer in a wide table": 1}


def test_two_and_three_header_rows(tmp_path):
    qualtrics = [
        ["StartDate", "ResponseId", "Q1", "Q2", "Q2"],
        ["Start Date", "Response ID", "How happy are you?", "How calm?", "How calm?"],
        *[[json.dumps({"ImportId": name}) for name in ("startDate", "_recordId", "QID1", "QID2", "QID2")]],
        ["2024-01-02", "R_1", 4, 2, 2],
        ["2024-01-03", "R_2", 5, None, None],
        ["2024-01-03", "R_3", 3, 1, 1],
    ]
    book = openpyxl.Workbook()
    for row in qualtrics:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    data = CrowdData.read(tmp_path / "a.xlsx")
    assert answers(data) == CELLS
    assert data.problems.to_dict("list") == {"problem": ["Q1", "Q2"], "text": ["How happy are you?", "How calm?"]}
    assert "The first 3 rows are headers" in " ".join(data.notes)
    assert "the same twice" in " ".join(data.notes)


def test_questions_with_their_options_under_them(tmp_path):
    (tmp_path / "a.csv").write_text(
        "Respondent ID,How happy are you?,Rate each item 1,,\n"
        ",Response,Price,Taste,Looks\n1,4,2,3,1\n2,5,1,4,2\n3,3,2,2,3\n",
        encoding="utf-8",
    )
    names = ["How happy are you?", "Rate each item 1: *"]
    data = CrowdData.read(tmp_path / "a.csv", questions=names)
    assert data.problems["problem"].tolist() == [
        "How happy are you?", "Rate each item 1: Price", "Rate each item 1: Taste", "Rate each item 1: Looks",
    ]  # fmt: skip
    assert data.responses["response"].tolist() == [4, 5, 3, 2, 1, 2, 3, 4, 2, 1, 2, 3]


AGREE = ["Strongly agree", " somewhat disagree", "3"]


@pytest.mark.parametrize(
    ("words", "labels", "numbers"),
    [
        (AGREE, "likert5", [5, 2, 3]),
        (["5 - Strongly agree", "Neutral", "Disagree strongly"], "likert5", [5, 3, 1]),
        (["Agree", "Somewhat agree", "Neither agree nor disagree"], "likert7", [6, 5, 4]),
        (["Never", "Often", "never"], "Never=1,Often=3", [1, 3, 1]),
        (["no, never", "yes", "yes"], {"No, never": 0, "Yes": 1}, [0, 1, 1]),
    ],
)
def test_labels_become_numbers(words, labels, numbers):
    data = CrowdData.from_frame(wide(Q1=words, Q2=["", "", ""]), questions=["Q*"], labels=labels)
    assert data.responses["response"].tolist() == numbers
    assert "answers in words are read as" in data.notes[-1]


def test_labels_from_a_file(tmp_path):
    (tmp_path / "labels.tsv").write_text("Label\tValue\nnever\t1\nvery often\t5\n", encoding="utf-8")
    table = wide(Q1=["Never", "Very often", "never"])
    data = CrowdData.from_frame(table, questions=["Q1"], labels=tmp_path / "labels.tsv")
    assert data.responses["response"].tolist() == [1, 5, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("likert5", "'disagree' and 'somewhat disagree' would both be 2.*likert7"),
        ("likert9", "give likert5, likert7, a file with the columns label and value"),
        ("Agree=much", "labels need a number for 'Agree', got 'much'"),
        ("Agree=1,agree=2", "labels have 'agree' twice, with different numbers"),
        ("Agree=4", "answers that are not numbers: 'Somewhat disagree', 'Disagree'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        CrowdData.from_frame(wide(Q1=["Agree", "Somewhat disagree", "Disagree"]), questions=["Q1"], labels=labels)


def test_missing_codes_may_be_words():
    data = CrowdData.from_frame(wide(Q1=["4", "Don't know", "99"]), missing_codes=[99, "don't know"])
    assert answers(data) == [("Q1", "R_1", 4.0), ("Q2", "R_1", 2.0), ("Q2", "R_3", 1.0)]
    assert data.exclusions["missing response (coded 99, don't know)"] == 2


def test_refusals_of_a_language_model_are_counted_and_never_read():
    said = ["As an AI language model, I cannot rate this, but 4 is common.", "I\u2019m sorry, I can't answer.", "4"]
    table = pd.DataFrame({"problem": "q", "participant": ["a", "b", "c"], "response": said})
    data = CrowdData.from_frame(table)
    assert answers(data) == [("q", "c", 4.0)]
    assert data.exclusions == {"missing response (a language model declined)": 2}


def test_columns_of_single_answers_are_not_used_and_said():
    rows = [(f"q{q}", f"p{p}", 3, 100 * q + 7 * p) for q in range(3) for p in range(4)]
    data = CrowdData.from_frame(pd.DataFrame(rows, columns=["problem", "participant", "response", "rt"]))
    assert list(data.participants), list(data.problems) == (["participant"], ["problem"])
    assert data.notes == ("Column 'rt' of responses belongs to single answers and is not used.",)


def test_what_spss_declares_missing_is_empty_and_its_labels_are_said(tmp_path):
    frame = pd.DataFrame(
        {"id": ["a", "b", "c"], "q1": [1.0, 5.0, 99.0], "q2": [2.0, 98.0, 3.0], "land": [1.0, 2.0, 1.0]}
    )
    pyreadstat.write_sav(
        frame, tmp_path / "a.sav", column_labels={"q1": "How happy?"},
        variable_value_labels={"q1": {1.0: "not at all", 5.0: "very"}, "land": {1.0: "Germany", 2.0: "Austria"}},
        missing_ranges={"q1": [99], "q2": [{"lo": 97, "hi": 99}]},
    )  # fmt: skip
    data = CrowdData.read(tmp_path / "a.sav")
    assert answers(data) == [("q1", "a", 1.0), ("q1", "b", 5.0), ("q2", "a", 2.0), ("q2", "c", 3.0)]
    assert data.exclusions == {"no answer in a wide table": 2}
    assert "2 values that" in data.notes[0]
    assert data.notes[0].startswith("Read as empty: ")
    assert "answers mean: 1 = not at all, 5 = very" in data.notes[1]
    assert answers(CrowdData.read(tmp_path / "a.sav", where=["land=Austria"])) == [("q1", "b", 5.0)]


@pytest.mark.parametrize(
    ("first", "labels", "message"),
    [
        (["Strongly disagree", "6", "2"], "likert5", "'6' stands beside labels, and likert5 has the steps 1 to 5"),
        (["Agree", "0", "2"], "likert7", "'0' stands beside labels, and likert7 has the steps 1 to 7"),
        (["7 - Strongly agree", "2", "3"], "likert5", "'7 - Strongly agree' would be 5 by likert5"),
        (["2 days", "5 days", "3"], "2 days=2", "answers that are not numbers: '5 days'"),
    ],
)
def test_labels_of_another_scale_are_refused(first, labels, message):
    with pytest.raises(ValueError, match=message):
        CrowdData.from_frame(wide(Q1=first), questions=["Q1"], labels=labels)


def test_labels_may_hold_numbers_and_stand_beside_numbers_of_other_questions_and_codes():
    data = CrowdData.from_frame(wide(Q1=["2 days", "5 Days", "3"]), questions=["Q1"], labels="2 days=2,5 days=5")
    assert data.responses["response"].tolist() == [2.0, 5.0, 3.0]
    table = wide(Q1=["5 - Strongly agree", "Agree", "9"], Q2=["9", "2", "3"])
    data = CrowdData.from_frame(table, questions=["Q1"], labels="likert5", missing_codes=[9])
    assert data.responses["response"].tolist() == [5.0, 4.0]
    data = CrowdData.from_frame(table.drop(index=2), labels="likert5")
    assert answers(data) == [("Q1", "R_1", 5.0), ("Q1", "R_2", 4.0), ("Q2", "R_1", 9.0), ("Q2", "R_2", 2.0)]


def test_labels_that_contradict_an_spss_file_are_refused_and_all_meanings_are_said(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "c"], "q1": [1.0, 5.0, 4.0], "q2": [2.0, 1.0, 3.0]})
    meanings = {"q1": {1.0: "Strongly agree", 5.0: "Strongly disagree"}, "q2": {1.0: "Strongly disagree"}}
    pyreadstat.write_sav(frame, tmp_path / "a.sav", variable_value_labels=meanings)
    with pytest.raises(ValueError, match="q1: 'Strongly agree' is 1 in this file and would be 5 in the labels"):
        CrowdData.read(tmp_path / "a.sav", labels="likert5")
    note = CrowdData.read(tmp_path / "a.sav").notes[0]
    assert "from q1 on, 1 = Strongly agree, 5 = Strongly disagree; from q2 on, 1 = Strongly disagree." in note


def test_boxes_to_tick_are_no_questions():
    data = CrowdData.from_frame(wide(Q7_1=["1", "", "1"], Q7_2=["", "2", ""]))
    assert answers(data) == CELLS
    assert "look like boxes to tick, of which an empty one is an answer: 'Q7_1', 'Q7_2'" in data.notes[0]
    data = CrowdData.from_frame(wide(Q7_1=["1", "0", "1"], Q7_2=["0", "1", "0"]))
    assert data.responses["problem"].unique().tolist() == ["Q1", "Q2", "Q7_1", "Q7_2"]


def test_somebody_who_is_there_twice_under_another_name_is_said():
    note = CrowdData.from_frame(wide(PROLIFIC_PID=["x", "y", "x"])).notes[0]
    assert "PROLIFIC_PID 'x' is on several rows, which count as several people." in note


def test_values_of_conditions_may_stand_between_quotes_and_misspelt_ones_are_said():
    table = wide(country=["DE", "AT", "DE"])
    data = CrowdData.from_frame(table, where=["country!='DE'"])
    assert answers(data) == [("Q1", "R_2", 5.0)]
    assert answers(CrowdData.from_frame(wide(country=["O'Neil's", "AT", "DE"]), where=["country=O'Neil's"])) == [
        ("Q1", "R_1", 4.0),
        ("Q2", "R_1", 2.0),
    ]
    data = CrowdData.from_frame(table, where=["country!=de"])
    assert answers(data) == CELLS
    assert data.notes[0] == "No row of responses has 'de' in country."


def test_somebody_who_declines_first_is_no_header():
    table = wide(
        ResponseId=["R_1", "R_2", "R_3"], age=["x", "y", "z"], Q1=["Refused", "4", "3"], Q2=["Refused", "2", "5"]
    )
    data = CrowdData.from_frame(table, missing_codes=["refused"])
    assert data.exclusions == {"missing response (coded refused)": 2}
    data = CrowdData.from_frame(table.replace("Refused", "Response"))
    assert data.notes[0] == "The first 2 rows are headers; the questions have texts."


def test_an_option_of_questionnaires_is_no_refusal_of_a_language_model():
    table = wide(Q1=["4", "Prefer not to say", "3"])
    with pytest.raises(ValueError, match="answers that are not numbers: 'Prefer not to say'"):
        CrowdData.from_frame(table)
    data = CrowdData.from_frame(table, missing_codes=["prefer not to say"])
    assert data.exclusions["missing response (coded prefer not to say)"] == 1


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("day<2026-02-03", ["R_1"]),
        ("day<=2026-02-03", ["R_1", "R_2"]),
        ("day>2026-02-03", ["R_3"]),
        ("day>=2026-02-03", ["R_2", "R_3"]),
        ("day=2026-02-03", ["R_2"]),
        ("day!=2026-02-03", ["R_1", "R_3", "R_4"]),
        ("day>'2026-02-03 14:00'", ["R_2", "R_3"]),
        ("day>2026-02-03 14:06", ["R_3"]),
    ],
)
def test_days_and_times_are_put_in_order(condition, kept):
    rows = {"ResponseId": ["R_1", "R_2", "R_3", "R_4"], "Q1": [1, 2, 3, 4], "Q2": [4, 3, 2, 1]}
    day = ["2025-12-31", "2026-02-03 14:05:22", "2026-11-01T00:00", "NA"]
    data = CrowdData.from_frame(pd.DataFrame({**rows, "day": day}), where=[condition])
    assert data.responses["participant"].unique().tolist() == kept
    assert data.exclusions == {f"not where {condition}": 4 - len(kept)}


def test_a_header_row_of_a_survey_tool_is_no_date(tmp_path):
    lines = [
        "StartDate,ResponseId,Q1,Q2",
        "Start Date,Response ID,How much?,How often?",
        '"{""ImportId"":""startDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"',
        "2026-01-31 10:00:00,R_1,4,2",
        "2026-03-01 10:00:00,R_2,5,1",
    ]
    (tmp_path / "wave.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = CrowdData.read(tmp_path / "wave.csv", where=["StartDate<2026-02-01"])
    assert data.responses["participant"].unique().tolist() == ["R_1"]


def test_text_among_numbers_meets_no_condition_and_is_said():
    data = CrowdData.from_frame(wide(country=["17", "60+", "40"]), where=["country>=18"])
    assert data.responses["participant"].unique().tolist() == ["R_3"]
    assert data.notes[0] == "In country of responses, '60+' is not a number and meets no condition on one."


def test_percents_are_numbers_where_all_answers_to_a_question_are():
    data = CrowdData.from_frame(wide(Q1=["50%", "2,5 %", "100%"]), scale="0:100")
    assert [value for name, _, value in answers(data) if name == "Q1"] == [50.0, 2.5, 100.0]
    assert "percents are read as the numbers before the sign ('100%' as 100)" in data.notes[-1]
    with pytest.raises(ValueError, match="'50%' in 'Q1' of 'R_1'; give all answers to a question as percents or none"):
        CrowdData.from_frame(wide(Q1=["50%", "2", "100"]))


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["5 out of 5", "2 out of 5"], "labels='5 out of 5=5,2 out of 5=2'"),
        (["selten", "oft"], "labels='selten=NUMBER,oft=NUMBER'"),
        (["1-2 times", "3-4 times"], "labels='1-2 times=NUMBER,3-4 times=NUMBER'"),
        (["yes, often", "no"], "labels='labels.csv', a file with the columns label and value"),
    ],
)
def test_the_mend_of_answers_in_words_has_these_words(words, option):
    table = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": words})
    with pytest.raises(ValueError, match="answers that are not numbers") as error:
        CrowdData.from_frame(table)
    assert f"say {option}, or declare" in str(error.value)


def test_brackets_in_the_name_of_a_question_are_no_pattern():
    table = wide().rename(columns={"Q1": "Q1 [price]", "Q2": "Q1 [taste]"})
    data = CrowdData.from_frame(table, questions=["Q1 [price]", "Q1 [taste]"])
    assert data.responses["problem"].unique().tolist() == ["Q1 [price]", "Q1 [taste]"]


def test_numbers_that_a_file_labels_as_no_answer_are_read_as_empty(tmp_path):
    table = pd.DataFrame({"id": ["a", "b", "c"], "q1": [9.0, 5.0, 4.0], "q2": [9.0, 10.0, 7.0]})
    labels = {"q1": {5.0: "stimme voll zu", 9.0: "Don't know / refused"}, "q2": {10.0: "fully", 9.0: "mostly"}}
    pyreadstat.write_sav(table, tmp_path / "a.sav", variable_value_labels=labels)
    data = CrowdData.read(tmp_path / "a.sav")
    found = [("q1", "b", 5.0), ("q1", "c", 4.0), ("q2", "a", 9.0), ("q2", "b", 10.0), ("q2", "c", 7.0)]
    assert answers(data) == found
    assert data.notes[0] == ("Read as empty: 1 answer that the file's labels call none (9 = Don't know / refused).")


def test_questions_within_one_key_have_their_own_names(tmp_path):
    rows = [{"participant": {"id": f"p{who}"}, "answers": {"q1": 1 + who, "q2": 3}} for who in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    assert CrowdData.read(tmp_path / "a.json").responses["problem"].unique().tolist() == ["q1", "q2"]
    rows = [{**row, "q1": "other"} for row in rows]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    found = CrowdData.read(tmp_path / "a.json").responses["problem"].unique().tolist()
    assert found == ["answers.q1", "answers.q2"]


def test_columns_of_nothing_but_given_labels_are_questions():
    table = wide().rename(columns={"Q1": "mood", "Q2": "trust"}).assign(mood=["low", "high", ""], trust=["high"] * 3)
    data = CrowdData.from_frame(table, labels="low=1,high=2")
    assert data.responses["problem"].unique().tolist() == ["mood", "trust"]


def test_cells_of_a_wide_table_are_named_by_question_and_person():
    table = wide(Q2=["2", "-", "5"])
    with pytest.raises(ValueError, match="not numbers: '-' in 'Q2' of 'R_2'; correct them, or leave them out") as error:
        CrowdData.from_frame(table)
    assert str(error.value).endswith("missing_codes=['-']")
    assert CrowdData.from_frame(table, missing_codes=["-"]).exclusions["missing response (coded -)"] == 1


def test_blanks_around_the_names_of_columns_do_not_count(tmp_path):
    (tmp_path / "a.csv").write_text(" ResponseId , Q1,Q2 \na,1,2\nb,3,4\n", encoding="utf-8")
    assert CrowdData.read(tmp_path / "a.csv", questions=["Q*"]).problems["problem"].tolist() == ["Q1", "Q2"]

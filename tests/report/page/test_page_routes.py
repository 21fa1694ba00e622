"""What the page shows is what the library says, and what was chosen on it is what is computed."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import time
import zipfile
from html import unescape

import pandas as pd
import pytest
from page_client import DIGITAL, HUMAN, refusals

from crowdllm_stats import interval_from, load_example
from crowdllm_stats.cli.columns import given_columns
from crowdllm_stats.data import layout
from crowdllm_stats.report.page import choices
from crowdllm_stats.report.page.calculator import Calculator, Refused
from crowdllm_stats.report.page.choices import Choices
from crowdllm_stats.survey.plan import plan_from


def frame(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content))


def numbers(text: str, question: str) -> list[float]:
    """The numbers in the first row of a question: estimate, ends, ends of the humans alone, people, digital people."""
    row = re.search(rf'<th scope="row">{question}</th>(.*?)</tr>', text, re.DOTALL)
    assert row is not None, f"no row {question}"
    return [float(value) for value in re.findall(r'data-value="([^"]*)"', row[1])][:7]


def test_the_intervals_are_those_of_the_library(page):
    study = page.keep(human=HUMAN, digital=DIGITAL)
    for query, level in (({}, 0.95), ({"level": "0.9"}, 0.9)):
        found = interval_from(frame(HUMAN), frame(DIGITAL), scale="1,2,3,4,5", level=level).to_frame().loc["milk"]
        alone = interval_from(frame(HUMAN), scale="1,2,3,4,5", level=level).to_frame().loc["milk"]
        text = page.look(study, scale="1,2,3,4,5", **query).text
        assert refusals(text) == []
        assert numbers(text, "milk") == pytest.approx(
            [found.estimate, found.lower, found.upper, alone.lower, alone.upper, 9, 31]
        )


def test_the_example_shows_every_part(page):
    text = page.post("/example").text
    assert refusals(text) == []
    assert "60 of 60 people have a digital twin" in text
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == [
        "What was understood", "What people answer on average", "Is the crowd no worse than the bare language model?",
        "How many people to ask", "Take it with you",
    ]  # fmt: skip
    example = load_example()
    assert plan_from(example.human, example.digital, 0.4).answer in unescape(text)
    assert "<code>crowdllm-stats planner human.csv digital.csv --scale 1:5 --half-width 0.4</code>" in text


def test_human_answers_alone_are_enough(page):
    text = page.send(human=HUMAN).text
    found = interval_from(frame(HUMAN), scale="1:5").to_frame().loc["rice"]
    assert refusals(text) == []
    assert numbers(text, "rice")[:4] == pytest.approx([found.estimate, found.lower, found.upper, 9])
    assert "How many people" not in text


def test_columns_that_are_not_found_are_asked_for_and_then_used(page):
    human = HUMAN.replace(b"problem,participant,response", b"aa,bb,cc")
    answer = page.send(human=human, digital=DIGITAL)
    assert refusals(answer.text) == [
        "Which column is which? Choose below: the question, the person, the answer. Where the table has a row per "
        "person, name the columns that are questions."
    ]
    assert "What people answer" not in answer.text
    chosen = {"human_problem": "aa", "human_participant": "bb", "human_response": "cc"}
    text = page.look(answer, **chosen).text
    assert refusals(text) == []
    assert numbers(text, "tea")[5] == 9
    assert "--human-columns problem=aa,participant=bb,response=cc" in text


def test_what_can_be_found_out_is_chosen_already_and_said(page):
    human = HUMAN.replace(b"problem,participant,response", b"Question,Respondent,Answer") + b"tea,p50,99\ntea,p51,99\n"
    answer = page.send(human=human, digital=DIGITAL, reference=b"item,answer\ntea,3\ntea,4\nmilk,2\nmilk,4\n")
    assert dict(answer.url.params) == {
        "scale": "1:5", "missing": "99",
        "human_problem": "Question", "human_participant": "Respondent", "human_response": "Answer",
    }  # fmt: skip
    assert refusals(answer.text) == []
    assert "The scale 1:5 is guessed from the answers" in answer.text
    assert "99 look like codes for a missing answer and are left out; check that." in answer.text
    assert "2 rows of the" in answer.text or "left out: 2" in answer.text
    assert "Is the crowd no worse than the bare language model?" in answer.text


def test_a_wide_table_in_words_is_read_as_such(page):
    words = {1: "Strongly disagree", 2: "Disagree", 3: "Neither", 4: "Agree", 5: "Strongly agree"}
    text = wide("Q1", "Q2", "Q3").replace(words).to_csv(sep=";")
    digital = DIGITAL.replace(b"tea,", b"Q1,").replace(b"milk,", b"Q2,").replace(b"rice,", b"Q3,")
    answer = page.send(human=("wide.csv", text.encode("utf-16")), digital=digital)
    found = answer.text
    assert refusals(found) == []
    assert answer.url.params["labels"] == "likert5"
    expected = interval_from(frame(HUMAN), frame(DIGITAL), scale="1:5").to_frame().loc["milk"]
    assert numbers(found, "Q2")[:3] == pytest.approx([expected.estimate, expected.lower, expected.upper])


def wide(*questions: str) -> pd.DataFrame:
    """The human answers with a row per person, the three questions by these names."""
    answers = frame(HUMAN).pivot_table(index="participant", columns="problem", values="response").astype(int)
    return answers.rename(columns=dict(zip(("tea", "milk", "rice"), questions, strict=True)))


def test_columns_with_commas_can_be_named(page):
    study = page.keep(human=wide("tea, hot", "milk, cold", "rice").to_csv().encode())
    text = page.look(study, questions='"tea, hot", "milk, cold"', scale="1:5").text
    assert refusals(text) == []
    expected = interval_from(frame(HUMAN), scale="1:5").to_frame().loc["tea"]
    assert numbers(text, "tea, hot")[:3] == pytest.approx([expected.estimate, expected.lower, expected.upper])
    assert "rice" not in text.partition("What people answer on average")[2]
    study = page.keep(human=HUMAN.replace(b"response", b'"answer, 1 to 5"'))
    chosen = page.look(study, human_response="answer, 1 to 5", scale="1:5")
    assert refusals(chosen.text) == []
    words = shlex.split(unescape(re.search(r"<code>(crowdllm-stats interval .*?)</code>", chosen.text)[1]))
    assert given_columns("", words[words.index("--human-columns") + 1]) == {"response": "answer, 1 to 5"}


def workbook(**sheets) -> bytes:
    out = io.BytesIO()
    with pd.ExcelWriter(out, engine="openpyxl") as book:
        for name, table in sheets.items():
            table.to_excel(book, sheet_name=name, index=False)
    return out.getvalue()


def test_a_sheet_can_be_chosen(page):
    book = workbook(Notes=pd.DataFrame({"asked in May": []}), First=frame(HUMAN), Later=frame(HUMAN).iloc[:18])
    answer = page.send(human=("survey.xlsx", book), digital=DIGITAL)
    assert refusals(answer.text) == []
    assert re.findall(r"<option[^>]*>(.*?)</option>", answer.text)[:4] == [
        "the first with a table", "Notes", "First", "Later",
    ]  # fmt: skip
    found = page.client.get(f"{answer.url.path}/sheets", params={"human_sheet": "Later"})
    assert refusals(found.text) == []
    assert (found.url.params["human_sheet"], found.url.params["scale"]) == ("Later", "1:5")
    expected = interval_from(frame(HUMAN).iloc[:18], frame(DIGITAL), scale="1:5").to_frame()
    assert list(expected.index) == ["tea", "milk"]
    row = expected.loc["milk"]
    assert numbers(found.text, "milk")[:3] == pytest.approx([row.estimate, row.lower, row.upper])
    assert "crowdllm-stats interval &#39;survey.xlsx#Later&#39; digital.csv" in found.text
    assert '<input type="hidden" name="human_sheet" value="Later">' in found.text
    gone = page.look(answer, human_sheet="../../etc/passwd")
    assert refusals(gone.text) == ["the file of human answers has no sheet '../../etc/passwd'"]


def test_a_table_in_an_archive_can_be_chosen(page):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("first.csv", HUMAN)
        archive.writestr("later.csv", HUMAN.replace(b"tea", b"wine"))
    answer = page.send(human=("survey.zip", packed.getvalue()))
    assert "holds 2 tables of text" in refusals(answer.text)[0]
    found = page.client.get(f"{answer.url.path}/sheets", params={"human_sheet": "later.csv"})
    assert refusals(found.text) == []
    assert numbers(found.text, "wine")[3] == 9


def test_a_refusal_is_the_librarys_own_line(page):
    human = HUMAN + b"tea,p77,\n"
    answer = page.send(human=human, digital=DIGITAL)
    (line,) = refusals(page.look(answer).text)
    assert "human/human.csv: column 'response'" in line
    assert "row" in line
    assert answer.url.params["drop_missing"] == "on"
    text = answer.text
    assert refusals(text) == []
    assert "left out: 1 " in text


def test_a_choice_that_cannot_be_is_answered_on_the_page(page):
    study = page.keep(human=HUMAN, digital=DIGITAL)
    for choice, said in (
        ({"level": "2"}, "--level must"),
        ({"level": "ninety"}, "--level must be a number; got 'ninety'"),
        ({"scale": "one to five"}, "is not understood"),
        ({"labels": "/etc/passwd"}, "--labels must be likert5, likert7 or a list such as Never=1,Often=3"),
        ({"where": "age>18"}, "age"),
        ({"match": "age"}, "age"),
        ({"half_width": "5", "scale": "1:5"}, "--half-width is half of the scale"),
        ({"reference_participant": "nobody"}, "has no answer in the digital table"),
    ):
        answer = page.look(study, **choice)
        assert answer.status_code == 200
        assert any(said in line for line in refusals(answer.text)), (choice, refusals(answer.text))


def test_the_report_is_that_of_the_command(page):
    study = page.keep(human=HUMAN, digital=DIGITAL)
    found = page.client.get(f"{study}/report.html", params={"scale": "1:5", "level": "0.9"})
    assert found.headers["content-disposition"] == 'attachment; filename="report.html"'
    assert "<title>human.csv with digital.csv</title>" in found.text
    assert "crowdllm-stats interval human.csv digital.csv --scale 1:5 --level 0.9" in found.text
    expected = interval_from(frame(HUMAN), frame(DIGITAL), scale="1:5", level=0.9).to_frame().loc["milk"]
    assert numbers(found.text, "milk")[:3] == pytest.approx([expected.estimate, expected.lower, expected.upper])
    refused = page.client.get(f"{study}/report.html", params={"level": "2"})
    assert refused.status_code == 422
    assert "--level must" in refusals(refused.text)[0]


def test_files_are_forgotten_when_asked_and_when_there_are_many(page):
    first = page.send(human=HUMAN)
    assert len(page.files()) > 1
    page.client.post(f"{first.url.path}/forget")
    assert page.files() == []
    assert page.client.get(str(first.url)).status_code == 404
    places = [
        page.post("/files", files={"human": ("a.csv", HUMAN + b"tea,more%d,3\n" % person)}, follow_redirects=False)
        for person in range(6)
    ]
    assert len(page.files()) == 5
    assert page.client.get(places[0].headers["location"]).status_code == 404


def test_what_takes_too_long_is_given_up_and_the_next_call_is_answered():
    with Calculator(seconds=30) as calculator:
        calculator.call(max, 1, 2)
        calculator._seconds = 0.2
        with pytest.raises(Refused, match=r"stopped after 0.2 seconds; .* --time-limit"):
            calculator.call(time.sleep, 30)
        calculator._seconds = 30
        with pytest.raises(Refused, match="broke down, perhaps for want of memory"):
            calculator.call(os._exit, 1)
        assert calculator.call(max, 1, 2) == 2


def test_the_command_line_says_every_choice():
    chosen = Choices.of({
        "level": "0.9", "scale": "1:5", "missing": "99", "match": "age", "drop_missing": "on", "unpaired": "on",
        "as_given": "on", "digital_response": "my score",
    })  # fmt: skip
    files = {"human": "h.csv", "digital": "d.csv", "reference": "r.csv"}
    assert chosen.arguments("interval", files) == [
        "interval", "h.csv", "d.csv", "--scale", "1:5", "--missing", "99", "--match", "age", "--digital-columns",
        "response=my score", "--level", "0.9", "--drop-missing", "--unpaired", "--as-given",
    ]  # fmt: skip
    assert chosen.arguments("safe-interval", files)[-6:] == [
        "--reference", "r.csv", "--level", "0.9", "--drop-missing", "--as-given",
    ]  # fmt: skip


def test_two_files_of_one_name_stay_two_in_the_command_line(page):
    answer = page.send(human=("survey.csv", HUMAN), digital=("survey.csv", DIGITAL))
    assert "crowdllm-stats interval human/survey.csv digital/survey.csv" in answer.text


def test_without_twins_there_is_no_plan_for_twins(page):
    alone = page.look(page.keep(human=HUMAN, digital=DIGITAL), unpaired="on")
    assert "How many people to ask" not in alone.text
    assert refusals(alone.text) == []
    assert "crowdllm-stats interval human.csv digital.csv --unpaired" in alone.text


def test_the_pages_own_process_loads_no_pandas():
    code = "import sys, crowdllm_stats.report.page.server; print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert choices.OURS == layout.OURS

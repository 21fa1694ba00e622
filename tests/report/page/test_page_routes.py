"""What the page shows is what the library says, and what was chosen on it is what is computed."""

from __future__ import annotations

import io
import os
import re
import time

import pandas as pd
import pytest
from page_client import DIGITAL, HUMAN, refusals

from crowdllm_stats import interval_from
from crowdllm_stats.report.page.calculator import Calculator, Refused
from crowdllm_stats.report.page.choices import Choices


def frame(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content))


def numbers(text: str, question: str) -> list[float]:
    """The numbers in the row of a question, in the table of intervals."""
    row = re.search(rf'<tr><th scope="row">{question}</th>(.*?)</tr>', text)
    assert row is not None, f"no row {question}"
    return [float(cell) for cell in re.findall(r"<td>([^<]*)</td>", row[1])]


@pytest.mark.parametrize(("query", "level"), [("", 0.95), ("&level=0.9", 0.9)])
def test_the_intervals_are_those_of_the_library(page, query, level):
    answer = page.send(human=HUMAN, digital=DIGITAL)
    found = interval_from(frame(HUMAN), frame(DIGITAL), scale="1,2,3,4,5", level=level).to_frame().loc["milk"]
    alone = interval_from(frame(HUMAN), scale="1,2,3,4,5", level=level).to_frame().loc["milk"]
    text = page.client.get(f"{answer.url}?scale=1,2,3,4,5{query}").text
    assert refusals(text) == []
    assert numbers(text, "milk") == pytest.approx(
        [found.estimate, found.lower, found.upper, alone.lower, alone.upper, 9, 31], abs=0.005
    )


def test_the_example_shows_every_part(page):
    text = page.post("/example").text
    assert refusals(text) == []
    assert "60 of 60 people have a digital twin" in text
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == [
        "What was understood", "What people think", "Is the digital population better than the bare LLM?",
        "How many people next time?", "The same at the command line",
    ]  # fmt: skip
    assert "A typical problem needs 40 human answers for a half-width of 0.4" in text


def test_human_answers_alone_are_enough(page):
    text = page.send(human=HUMAN).text
    assert refusals(text) == []
    assert len(numbers(text, "rice")) == 7 - text.count("<td>–</td>") // 4
    assert "How many people" not in text


def test_columns_that_are_not_found_are_asked_for_and_then_used(page):
    human = HUMAN.replace(b"problem,participant,response", b"item,who,score")
    answer = page.send(human=human, digital=DIGITAL)
    assert refusals(answer.text) == ["Which column is which? Choose below: the question, the person, the answer."]
    assert "What people think" not in answer.text
    chosen = {"human_problem": "item", "human_participant": "who", "human_response": "score"}
    text = page.client.get(str(answer.url), params=chosen).text
    assert refusals(text) == []
    assert numbers(text, "tea")[5] == 9
    assert "--human-columns problem=item,participant=who,response=score" in text


def test_a_refusal_is_the_librarys_own_line(page):
    human = HUMAN + b"tea,p77,\n"
    answer = page.send(human=human, digital=DIGITAL)
    (line,) = refusals(answer.text)
    assert "human/human.csv: column 'response'" in line
    assert "row" in line
    text = page.client.get(str(answer.url), params={"drop_missing": "on"}).text
    assert refusals(text) == []
    assert "left out: 1 " in text


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"level": "2"}, "--level must"),
        ({"level": "ninety"}, "--level must be a number; got 'ninety'"),
        ({"scale": "one to five"}, "is not understood"),
        ({"missing": "x"}, "--missing must be numbers joined by commas"),
        ({"match": "age"}, "age"),
        ({"half_width": "5", "scale": "1:5"}, "--half-width is half of the scale"),
        ({"reference_participant": "nobody"}, "has no answer in the digital table"),
    ],
)
def test_a_choice_that_cannot_be_is_answered_on_the_page(page, choice, said):
    answer = page.send(human=HUMAN, digital=DIGITAL)
    text = page.client.get(str(answer.url), params=choice)
    assert text.status_code == 200
    assert any(said in line for line in refusals(text.text)), refusals(text.text)


def test_all_rows_come_as_a_table_that_no_spreadsheet_runs(page):
    human = HUMAN.replace(b"rice,", b"=1+1,")
    answer = page.send(human=human)
    found = page.client.get(f"{answer.url}/intervals.csv")
    assert found.headers["content-disposition"] == 'attachment; filename="intervals.csv"'
    table = pd.read_csv(io.BytesIO(found.content))
    assert table["problem"].tolist() == ["tea", "milk", "'=1+1", "all"]


def test_files_are_forgotten_when_asked_and_when_there_are_many(page):
    first = page.send(human=HUMAN)
    assert len(page.files()) == 1
    page.client.post(f"{first.url}/forget")
    assert page.files() == []
    assert page.client.get(str(first.url)).status_code == 404
    second = page.send(human=HUMAN)
    for person in range(5):
        page.send(human=HUMAN + b"tea,more%d,3\n" % person)
    assert len(page.files()) == 5
    assert page.client.get(str(second.url)).status_code == 404


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
    assert chosen.command("h.csv", "d.csv") == (
        "crowdllm-stats interval h.csv d.csv --scale 1:5 --missing 99 --match age --digital-columns "
        "'response=my score' --drop-missing --unpaired --as-given --level 0.9"
    )

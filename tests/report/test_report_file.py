"""The report as a file: from every command to HTML, whatever stands in the data."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from math import dist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats import interval_from, load_example, risk_from
from crowdllm_stats.cli import main
from crowdllm_stats.report import keep_results, write_report
from crowdllm_stats.report.parts import Table
from crowdllm_stats.report.risk_part import polygon
from crowdllm_stats.report.sources import METHODS, numbered

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


class Read(HTMLParser):
    """Elements, texts by element, and the content of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._open: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self._open = dict(attrs) if tag == "script" else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open is not None:
            attrs, text = self.scripts[-1]
            self.scripts[-1] = attrs, text + data
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def example():
    return load_example()


def kept(folder, example, **changes):
    found = interval_from(example.human, example.digital)
    return keep_results(
        folder, found, **{"command": "interval", "human": example.human, "digital": example.digital} | changes
    )


def test_every_command_on_two_tables_becomes_a_part(kept_folders, whole_report):
    page = Read(whole_report.read_text(encoding="utf-8"))
    text = " ".join(page.words)
    cells = {word.strip() for word in page.words}
    for title, folder in kept_folders.items():
        content = json.loads((folder / "results.json").read_text())
        assert title in text
        first = content["results"][0]
        assert first["method" if content["command"] == "compare" else "problem"] in cells
        for sentence in (content["answer"], content["basis"], content["why"], *content["notices"], *content["notes"]):
            assert " ".join(sentence.rstrip(".").split()) in text
    charts = [json.loads(text) for attrs, text in page.scripts if attrs.get("type") == "application/json"]
    assert len(charts) == 11
    assert all(address.startswith(("data:text/csv", "#")) for address in page.addresses)
    assert whole_report.stat().st_size < 3_000_000


def test_a_folder_that_is_there_is_a_folder_without_the_stroke(tmp_path, capsys):
    (tmp_path / "kept").mkdir()
    assert main(["interval", "example:human", "--scale", "1:5", "--out", str(tmp_path / "kept")]) == 0
    assert sorted(place.name for place in (tmp_path / "kept").iterdir()) == [
        "results.json",
        "results.json.manifest.json",
    ]
    assert main(["interval", "example:human", "--scale", "1:5", "--out", str(tmp_path / "kept")]) == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    assert main(["interval", "example:human", "--scale", "1:5", "--out", str(tmp_path / "other")]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert main(["interval", "example:human", "--scale", "1:5", "--out", str(tmp_path / "new")]) == 2
    assert ".json, or in / for a folder that a report is made of" in capsys.readouterr().err


def test_what_is_kept_says_the_humans_alone_the_settings_and_what_was_read(tmp_path):
    folder = tmp_path / "kept"
    command = [
        "interval",
        "example:human",
        "example:digital",
        "--scale",
        "1:5",
        "--level",
        "0.9",
        "--out",
        f"{folder}/",
    ]
    assert main(command) == 0
    content = json.loads((folder / "results.json").read_text())
    alone, rows = content["humans_alone"], content["results"]
    assert [row["problem"] for row in alone] == [row["problem"] for row in rows]
    assert [row["problem"] for row in content["humans_alone_summary"]] == ["all"]
    assert all(row["level"] == 0.9 and row["method"] == "classical-small" for row in alone)
    assert content["settings"]["level"] == 0.9
    assert content["answers"][0] == pytest.approx(
        {"problem": "q01", "human_answers": 8, "human_mean": 2.5, "digital_answers": 208, "digital_mean": 2.365},
        abs=1e-3,
    )
    manifest = json.loads((folder / "results.json.manifest.json").read_text())
    assert manifest["command"].endswith(f"--out {folder}/")
    assert [source["name"] for source in manifest["inputs"]] == ["example:human", "example:digital"]


def test_nothing_in_the_data_can_run(hostile_report):
    page = Read(hostile_report.read_text(encoding="utf-8"))
    assert not {"img", "iframe", "object", "embed", "link", "form", "svg"} & set(page.tags)
    assert page.handlers == []
    own = [text for attrs, text in page.scripts if "type" not in attrs]
    assert len(own) == 2  # the drawing library and the page's own
    assert all("alert(" not in text or len(text) > 100_000 for text in own)
    charts = [json.loads(text) for attrs, text in page.scripts if attrs.get("type") == "application/json"]
    labels = {row.get("label") for chart in charts for data in every_data(chart) for row in data}
    assert "<script>alert(1)</script>" in labels
    words = "".join(page.words)
    assert "<script>alert(1)</script>" in words
    assert "\u202e" not in words
    assert "\\u202egnp.exe" in words


def every_data(chart):
    """All lists of values in a specification."""
    if isinstance(chart, dict):
        if isinstance(chart.get("values"), list):
            yield chart["values"]
        for value in chart.values():
            yield from every_data(value)
    elif isinstance(chart, list):
        for value in chart:
            yield from every_data(value)


def test_more_questions_than_are_drawn_by_every_method_stand_in_a_table(tmp_path):
    tables = ["example:human", "example:digital", "--scale", "1:5"]
    assert main(["compare", *tables, "--first", "8", "--out", f"{tmp_path}/kept/"]) == 0
    write_report([tmp_path / "kept"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("data-chart=") == 6
    assert "The first 6 of 8 questions are drawn; this table has all." in text
    assert text.count(">q08<") > 1


def test_the_policy_allows_the_own_scripts_alone(whole_report):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', whole_report.read_text(encoding="utf-8"))[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_spreadsheet_runs_nothing_of_the_csv():
    table = Table({"a": "A", "b": "B"}, [{"a": "=1+1", "b": 2.0}, {"a": "@x", "b": -1.0}])
    text = base64.b64decode(table.csv.partition("base64,")[2]).decode()
    assert text == "A,B\r\n'=1+1,2.0\r\n'@x,-1.0\r\n"


def test_long_results_say_how_many_rows_are_shown(tmp_path, example):
    found = interval_from(example.human, example.digital)
    rows = [found.rows[0] | {"problem": f"q{number}"} for number in range(1_234)]
    keep_results(
        tmp_path / "kept", replace(found, rows=rows), command="interval", human=example.human, digital=example.digital
    )
    written = write_report([tmp_path / "kept"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The first 300 of 1235 rows." in text
    assert "The first 60 of 1234 questions are drawn." in text
    assert written.bytes < 3_000_000
    assert "96 human answers and 2496 digital answers to 12 questions." in text


def test_results_that_were_changed_are_refused(tmp_path, example):
    file, _ = kept(tmp_path / "kept", example)
    file.write_text(file.read_text().replace("q01", "q99"))
    with pytest.raises(
        ValueError, match=r"results.json is not what its manifest says was written; run its command again"
    ):
        write_report([tmp_path / "kept"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "is not a folder; a report is made of folders"),
        ([], "holds neither results.json nor study.json nor theory.json; write one with"),
        (["results.json"], "results.json.manifest.json is missing; run the command that wrote this folder again"),
    ],
)
def test_a_folder_that_holds_nothing_says_what_writes_it(made, words, tmp_path, capsys):
    if made is not None:
        (tmp_path / "kept").mkdir()
        for name in made:
            (tmp_path / "kept" / name).write_text("{}")
    assert main(["report", str(tmp_path / "kept"), "--out", str(tmp_path / "report.html")]) == 2
    assert words in capsys.readouterr().err


def test_the_report_is_a_html_file_and_replaces_no_input(tmp_path, capsys):
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "report.txt")]) == 2
    assert "must end in .html" in capsys.readouterr().err


def test_only_what_was_used_is_cited():
    every = [f"{sentence}." for sentence in METHODS.values()]
    texts, references = numbered(every[:1])
    assert len(references) == 1
    assert "Student (1908)" in references[0]
    assert len(numbered(every)[1]) > 5
    assert "[1]" in texts[0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.05, 10.0), min_size=3, max_size=6))
def test_a_polygon_has_the_sides_it_was_asked_for(sides):
    corners = polygon(sides)
    if 2.0 * max(sides) >= sum(sides):
        assert corners is None
        return
    found = [dist(one, other) for one, other in zip(corners, [*corners[1:], corners[0]], strict=True)]
    assert found == pytest.approx(sides, rel=1e-6)


def test_a_closed_figure_2_is_drawn_from_repeated_answers(tmp_path):
    draw = np.random.default_rng(1)
    rows = [
        (f"q{question}", f"p{person}", answer + draw.normal(0.0, 0.5), twin + draw.normal(0.0, 0.3))
        for question in range(3)
        for person in range(12)
        for answer in [draw.normal(3.0, 0.8)]
        for twin in [0.7 * answer + draw.normal(1.2, 0.4)]
        for _ in range(2)
    ]
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response", "twin"])
    frame["repeat"] = frame.groupby(["problem", "participant"]).cumcount()
    human, digital = frame.drop(columns="twin"), frame.drop(columns="response").rename(columns={"twin": "response"})
    found = risk_from(human, digital)
    example = load_example()
    keep_results(tmp_path / "kept", found, command="risk", human=example.human, digital=example.digital)
    write_report([tmp_path / "kept"], tmp_path / "report.html")
    assert "Every side has the length that it has" in (tmp_path / "report.html").read_text(encoding="utf-8")

"""Text of files, names and servers: it neither steers a terminal, nor runs in a spreadsheet, nor breaks a table."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats.backbones.http_json import ServerError
from crowdllm_stats.cli import main
from crowdllm_stats.cli.output import Report, emit
from crowdllm_stats.cli.terminal import visible_streams
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.files import read_table, write_table
from faults.campaign import Campaign
from faults.commands import Done

from .test_studies import STUDY

#: Clears the screen, sets its title, reports the cursor, colours, hides; backspace, bell, carriage return, CSI in one
#: byte, marks that turn the direction of writing.
STEERING = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x1b[6n", "\x1b[31m", "\x1b[8m", "\x08\x08\x08", "\x07", "a\rb", "\x9b31m",
    "\u202egnp.exe", "\u2066x", "\x00", "\x7f", "\x1bP1$q\x1b\\", "\u2028",
)  # fmt: skip

#: All of them in a few texts, for commands that take their time.
TOGETHER = tuple("".join(STEERING[start::4]) for start in range(4))

#: Commands on two tables; each shows the ids of questions.
ON_TABLES = (
    ("interval",),
    ("across",),
    ("safe-interval", "--reference", "r.csv"),
    ("risk",),
    ("compare", "--first", "2"),
    ("distribution",),
    ("planner", "--half-width", "0.5"),
)

#: A text's first letters that make it a formula, and letters to draw ids from.
BEGIN, LETTERS = "=+-@\t\r", "=+-@'\"\t,;|1aé \\\n"


def plain(text: str) -> bool:
    """Whether nothing in a text steers a terminal."""
    return all(letter in "\n\t" or letter.isprintable() for letter in text)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Done:
        code = main(list(words))
        return Done(code, *capsys.readouterr())

    return call


def survey(steering: str) -> None:
    """Tables in which questions, people and columns have such names, and a steering name of a file."""
    draw = random.Random(1)
    people = [f"p{who}" for who in range(7)]
    for name, crowd in (("h.csv", people), ("d.csv", [*people, "d1", "d2", "d3"]), ("r.csv", ["m1", "m2"])):
        rows = [(f"q{item}{steering}", f"{who}{steering}", draw.randint(1, 5)) for item in range(5) for who in crowd]
        frame = pd.DataFrame(rows, columns=["problem", "participant", "response"])
        if name == "r.csv":
            frame = frame[["problem", "response"]]
        frame.to_csv(name, index=False, quoting=csv.QUOTE_ALL)


@pytest.mark.parametrize("words", ON_TABLES, ids=lambda words: words[0])
def test_steering_ids_through_every_command(
    campaign: Campaign, command: Callable[..., Done], words: tuple[str, ...]
) -> None:
    for steering in TOGETHER:
        survey(steering)
        said = command(words[0], "h.csv", "d.csv", "--scale", "1:5", *words[1:])
        right = plain(said.out) and plain(said.err) and (said.code == 0 or said.refused)
        campaign.record(f"{words[0]}: steering letters in ids", "survived" if right else "silent")
        assert right, said
        said = command(words[0], "h.csv", "d.csv", "--scale", "1:5", *words[1:], "--json")
        right = said.out.isascii() and plain(said.out) and (said.refused or isinstance(json.loads(said.out), dict))
        campaign.record(f"{words[0]} --json: steering letters in ids", "survived" if right else "silent")
        assert right, said


@pytest.mark.parametrize("words", [
    *((*words[:1], "{}", "d.csv") for words in ON_TABLES), ("interval", "h.csv", "d.csv", "--problem", "{}"),
    ("interval", "h.csv", "d.csv", "--out", "{}"), ("interval", "h.csv", "d.csv", "--match", "{}"),
    ("interval", "h.csv", "d.csv", "--scale", "{}"), ("compare", "h.csv", "d.csv", "--plot", "{}"), ("{}",),
    ("simulate", "{}", "--out", "a.csv"), ("simulate", "offensiveness", "--problem", "{}", "--out", "a.csv"),
    ("fit", "{}", "--scale", "1:5", "--backbone", "r.csv", "--out", "a.npz"), ("evaluate", "{}", "--backbone", "r.csv"),
    ("fit", "h.csv", "--scale", "1,2,3,4,5", "--backbone", "{}", "--out", "a.npz"), ("theory", "show", "{}"),
    ("theory", "verify", "--only", "{}"), ("study", "show", "{}"), ("study", "run", "{}"),
    ("backbone", "check", "{}", "h.csv", "--template", "offensiveness"),
    ("backbone", "fetch", "{}"), ("interval", "h.csv", "d.csv", "--{}"),
], ids=lambda words: " ".join(words))  # fmt: skip
def test_steering_names_in_messages(campaign: Campaign, command: Callable[..., Done], words: tuple[str, ...]) -> None:
    survey("")
    for steering in TOGETHER:
        name = steering.replace("\x00", "")  # which no name on a command line has
        said = command(*(word.format(name) for word in words))
        right = plain(said.out) and plain(said.err)
        outcome = "refused" if right and said.code in (1, 2) and said.err.count("\n") == 1 else "silent"
        campaign.record("steering letters in the names on a command line, each shown in a message", outcome)
        assert outcome == "refused", said


def test_steering_titles_and_claims_of_studies(campaign: Campaign, command: Callable[..., Done]) -> None:
    for steering in TOGETHER:
        claim = f"kept|{steering}\nby all"
        text = f"title = {json.dumps(f'T{steering}')}\n{STUDY}[[claim]]\ntext = {json.dumps(claim)}\n"
        text += 'measure = "coverage"\nmethod = "ppi"\nat_least = 0.5\n'
        Path("mine.toml").write_text(text.replace("\x7f", "\\u007f"), encoding="utf-8")
        shown = command("study", "show", "mine.toml")
        ran = command("study", "run", "mine.toml", "--quick", "--workers", "0", "--out", "report")
        right = all(plain(said.out) and plain(said.err) for said in (shown, ran))
        campaign.record("steering letters in a study's title and claim", "survived" if right else "silent")
        assert right, (shown, ran)
        if ran.code == 0:
            page = Path("report/README.md").read_text(encoding="utf-8")
            rows = [line for line in page.splitlines() if line.startswith("| kept")]
            right = plain(page) and len(rows) == 1 and _bars(rows[0]) == 4
            campaign.record("a claim with a bar, a line break and steering letters in a report's table",
                            "survived" if right else "silent")  # fmt: skip
            assert right, page


def test_what_a_server_said(campaign: Campaign, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Done]) -> None:
    for steering in STEERING:

        def fail(*_: object, words: str = steering) -> None:
            raise ServerError(f"the server says: {words}")

        monkeypatch.setattr("crowdllm_stats.studies.engine.design_file.find_studies", fail)
        said = command("study", "list")
        right = plain(said.err) and said.out == "" and said.err.count("\n") == 1
        campaign.record("steering letters in a server's message", "survived" if right else "silent")
        assert right, said


def test_reports_with_steering_notes(campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    for steering in STEERING:
        rows = [{"problem": steering, "method": steering, "note": steering, "estimate": 1.0}]
        shown = ("problem", "method", "estimate")
        said = Report("interval", steering, rows, steering, shown, rows, [{"problem": steering, "reason": steering}],
                      [steering], pictures=[steering], notices=[steering])  # fmt: skip
        with visible_streams():
            emit(said, as_json=False, out=None, arguments=[])
        right = plain(capsys.readouterr().out)
        campaign.record("steering letters in every part of a report on the screen", "survived" if right else "silent")
        assert right, steering


def test_formulas_in_spreadsheets(tmp_path: Path, campaign: Campaign) -> None:
    draw, place = random.Random(campaign.seed), tmp_path / "a.csv"
    for _ in range(campaign.tries(400)):
        ids = [draw.choice(BEGIN + "'q") + "".join(draw.choices(LETTERS, k=draw.randint(1, 6))) for _ in range(4)]
        frame = pd.DataFrame({"id": ids, draw.choice(ids): ids, "response": [-1.0, 2.0, -3.5, float("-inf")]})
        write_table(frame, place)
        with place.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        runs = [cell for cell in cells if cell[:1] and cell[0] in BEGIN and not _number(cell)]
        again = read_table(place).astype(str)
        same = again.columns.tolist() == frame.columns.tolist() and again["id"].tolist() == ids
        outcome = "survived" if same and not runs else "silent"
        campaign.record("texts that begin like a formula, written to a .csv and read back", outcome)
        assert outcome == "survived", (ids, runs)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell == cell.strip()


def test_crowds_with_formulas_for_ids(tmp_path: Path, campaign: Campaign) -> None:
    draw, place = random.Random(campaign.seed), tmp_path / "a.csv"
    for _ in range(campaign.tries(60)):
        ids = sorted({draw.choice(BEGIN[:4]) + "".join(draw.choices("=+-@'1aé", k=3)) for _ in range(3)})
        rows = [{"problem": one, "participant": who, "response": 1 + len(who)} for one in ids for who in ids]
        data = CrowdData.from_frame(pd.DataFrame(rows))
        for keep in (False, True):
            data.write(place, keep_formulas=keep)
            same = CrowdData.read(place) == data
            campaign.record("a crowd whose ids begin like formulas, written and read back, also with keep_formulas",
                            "survived" if same else "silent")  # fmt: skip
            assert same, ids


def test_cells_of_markdown_tables(campaign: Campaign) -> None:
    draw = random.Random(campaign.seed)
    letters = "ab|\\\n\r\t`*\x1b\u2028\x85 "
    for _ in range(campaign.tries(500)):
        texts = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(6)]
        frame = pd.DataFrame({"claim": texts, texts[0]: texts, "n": range(6)})
        lines = io.StringIO(markdown_table(frame)).read().splitlines()
        right = len(lines) == 8 and all(_bars(line) == 4 and plain(line) for line in lines)
        campaign.record("bars, line breaks and steering letters in a Markdown table", "survived" if right else "silent")
        assert right, texts


def _bars(line: str) -> int:
    """Bars that end a cell: those without a backslash before them that is none of a pair."""
    count, escaped = 0, False
    for letter in line:
        count += letter == "|" and not escaped
        escaped = letter == "\\" and not escaped
    return count

"""What files, names and servers say does not steer the terminal, whichever command shows it."""

import io
import sys
import time

import pytest
from command_line import run, run_json, survey, write
from rich.table import Table
from rich.text import Text

from crowdllm_stats.cli import terminal
from crowdllm_stats.cli.terminal import Progress, VisibleStream, raw, screen, visible_streams

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m"


def plain(text):
    return not any(letter in text for letter in "\x1b\x07\x9b")


def test_ids_are_shown_escaped(capsys, tmp_path):
    humans, digital = survey(tmp_path, first=f"q{STEERING}")
    text = run(capsys, "interval", humans, digital, "--scale", "1:5")
    assert plain(text)
    assert "q\\u001b[2J" in text


def test_json_keeps_ids_as_they_are(capsys, tmp_path):
    humans, digital = survey(tmp_path, first=f"q{STEERING}")
    problems = [row["problem"] for row in run_json(capsys, "interval", humans, digital, "--scale", "1:5")["results"]]
    assert f"q{STEERING}" in problems


def test_the_picture_of_letters_shows_ids_escaped(capsys, tmp_path):
    humans, digital = survey(tmp_path, first=f"q{STEERING}")
    assert plain(run(capsys, "compare", humans, digital, "--first", "2", "--scale", "1:5"))


@pytest.mark.parametrize("command", ["interval", "compare", "risk"])
def test_file_names_in_messages_are_escaped(capsys, tmp_path, command):
    humans = write(tmp_path / f"h{STEERING}.csv", "problem,participant\nq1,a\n")
    text = run(capsys, command, humans, humans, code=2)
    assert plain(text)
    assert "\\u001b" in text


def test_names_that_are_not_unicode_are_shown(capsys):
    assert "\\udc9b" in run(capsys, "interval", "a\udc9b.csv", "example:digital", code=2)


def test_the_screen_has_colours_of_its_own_alone(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", VisibleStream(shown))
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = screen()
    table = Table()
    table.add_column(Text("id"))
    table.add_row(Text(f"q{STEERING}"), style="bold red")
    console.print(table)
    console.print(STEERING, markup=False, style="yellow")
    text = shown.getvalue()
    assert "\x1b[" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\x9b" not in text
    assert "q\\u001b[2J" in text


def test_an_ascii_terminal_gets_codes():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    VisibleStream(file).write("für")
    file.flush()
    assert file.buffer.getvalue() == b"f\\u00fcr"


def test_streams_are_given_back_and_closed_ones_stay_none(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    out = sys.stdout
    with visible_streams():
        assert raw(sys.stdout) is out
        assert sys.stderr is None
        print("nothing", file=sys.stderr)
    assert sys.stdout is out


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "wanted"), [(io.StringIO, "... fitting: 3 of 12, "), (Screen, "3 of 12")])
def test_what_takes_long_says_how_far_it_is(monkeypatch, stream, wanted):
    """A line in a file, a bar on a terminal."""
    told = stream()
    monkeypatch.setattr("sys.stderr", told)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "LINE_EVERY", 0.01)
    monkeypatch.setattr(terminal, "BAR_AFTER", 0.01)
    with Progress("reading") as say:
        say("fitting")
        say(3, 12)
        for _ in range(1000):
            if wanted in told.getvalue():
                break
            time.sleep(0.01)
    text = told.getvalue()
    assert wanted in text
    assert "fitting" in text
    assert "reading" not in text.rsplit("fitting", 1)[1]


def test_nothing_is_said_while_a_person_is_asked(monkeypatch):
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)
    monkeypatch.setattr(terminal, "LINE_EVERY", 0.02)
    with Progress("asking") as say:
        with say.paused():
            before = told.getvalue()
            time.sleep(0.2)
            assert told.getvalue() == before
        for _ in range(1000):
            if told.getvalue() != before:
                break
            time.sleep(0.01)
    assert told.getvalue().endswith(" s\n")
    assert len(told.getvalue()) > len(before)


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_what_is_done_soon_says_nothing(monkeypatch, stream):
    told = stream()
    monkeypatch.setattr("sys.stderr", told)
    with Progress("reading") as say:
        say(1, 2)
    assert told.getvalue() == ""

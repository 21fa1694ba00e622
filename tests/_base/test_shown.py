"""Text as it may be shown: nothing steers a terminal, and JSON keeps its meaning."""

import json

import pytest

from crowdllm_stats._base.shown import one_line, visible

STEERING = ["\x00", "\x07", "\x08", "\r", "\x1b", "\x7f", "\x9b", "\u200e", "\u2028", "\u202e", "\u2066", "\udc9b"]


@pytest.mark.parametrize("letter", STEERING)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_steers_a_terminal_is_written_as_its_code(letter, encoding):
    text = visible(f"a{letter}[31mb", encoding)
    assert text == f"a\\u{ord(letter):04x}[31mb"
    assert json.loads(f'"{text}"') == f"a{letter}[31mb"


@pytest.mark.parametrize("text", ["a\tb\nc", "für 你好 \U0001f600", "naïve — “so”", "\\u001b"])
def test_other_text_stays(text):
    assert visible(text) == text


def test_what_an_encoding_lacks_becomes_its_code():
    assert visible("ü\U0001f600x", "ascii") == "\\u00fc\\ud83d\\ude00x"
    assert visible("ü\u20ac", "latin-1") == "ü\\u20ac"
    grin = "ü\U0001f600"
    assert json.loads(f'"{visible(grin, "ascii")}"') == grin


def test_one_line_has_no_line_break_of_any_kind():
    assert one_line("a\nb\r\nc\x85d\u2029e\x0bf") == "a b c d e f"

"""The key in whatever way a server writes it, and what is no key."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdllm_stats.backbones.key_censor import KeyCensor

KEY = "sk-Ab+1/x=9_Z'q"


def each(key, how):
    return "".join(how % ord(letter) for letter in key)


WAYS = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "escaped as in JSON": each(KEY, "\\u%04x"),
    "escaped twice": each(KEY, "\\\\u%04X"),
    "JSON": json.dumps(KEY),
    "escaped as in Python": each(KEY, "\\x%02x"),
    "as a URL": urllib.parse.quote(KEY, safe=""),
    "as a URL in a URL": urllib.parse.quote(urllib.parse.quote(KEY, safe=""), safe=""),
    "every letter as in a URL": each(KEY, "%%%02x"),
    "as HTML": each(KEY, "&#%d;"),
    "as HTML, in hexadecimal": each(KEY, "&#x%x;"),
    "as mail": each(KEY, "=%02X"),
    "as a form": urllib.parse.quote_plus(KEY),
    "in hexadecimal": KEY.encode().hex(),
    "over lines": f"{KEY[:6]}\n    {KEY[6:]}",
    "over lines in JSON": json.dumps(f"{KEY[:6]}\n{KEY[6:]}"),
    "as two pieces of a program": f'"{KEY[:6]}" + "{KEY[6:]}"',
    "with an invisible letter": f"{KEY[:6]}\u200b{KEY[6:]}",
    "a URL in JSON": each(KEY, "%%%02x").replace("%", "\\u0025"),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "basic auth": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "basic auth of a longer name": base64.b64encode(f"users:{KEY}\n".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"us:{KEY}?".encode()).decode(),
    "base64 over lines": base64.encodebytes(f"{'u' * 50}:{KEY}".encode()).decode().strip(),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_key_is_taken_out(way):
    shown = KeyCensor(KEY)(f"before ({WAYS[way]}) after")
    assert "***" in shown
    assert shown.startswith("before (")
    assert shown.endswith(") after")
    letters = [letter for letter in shown if letter not in "before () after*\"'"]
    assert letters == []


def test_a_key_may_hold_what_looks_like_an_escape():
    key = "sk-%41=CF&#65;x"
    for place in range(1, len(key)):
        assert KeyCensor(key)(f"before {key[:place]}\\r\\n {key[place:]} after") == "before *** after"


@pytest.mark.parametrize("size", range(4, len(KEY)))
@pytest.mark.parametrize("way", ["as it is", "escaped as in JSON", "every letter as in a URL"])
def test_a_key_that_a_cut_goes_through_is_taken_out(way, size):
    step = len(WAYS[way]) // len(KEY)
    for more in range(step):
        shown = KeyCensor(KEY)(f"bad key: {WAYS[way][: size * step + more]}")
        assert shown == "bad key: ***"


@given(
    st.text(max_size=60), st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=30)
)
def test_no_text_shows_the_key(text, key):
    shown = KeyCensor(key)(f"{text}{key}{text}")
    assert key not in shown or key in "***"


@given(st.text(max_size=80))
def test_other_texts_are_left_alone(text):
    assert KeyCensor("sk-012345")(text) == text


@pytest.mark.parametrize("key", [None, "", "1", "123"])
def test_without_a_key_and_with_a_digit_as_key_nothing_changes(key):
    assert KeyCensor(key)("HTTP 401: 123 1 12") == "HTTP 401: 123 1 12"

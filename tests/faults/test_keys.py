"""Attacks on the key: servers that repeat it in every way, other hosts, redirects, files that others could read."""

from __future__ import annotations

import base64
import codecs
import html
import json
import os
import random
import re
import signal
import stat
import string
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from backbones.stub_server import PROBLEMS, backbone, says, serve

from crowdllm_stats.backbones import http_json
from crowdllm_stats.backbones.http_json import JsonServer, ServerError

VARIABLE = "OPENAI_API_KEY"
PROTOCOL = ["1", "2", "3", "11", "1111", "content", "choices", "message", "role", "stop", "stub-1", "null", "assistant"]
LETTERS = string.ascii_letters + string.digits + "-_"


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(http_json, "pause", lambda stop, seconds: None)


def drawn_key(rng):
    return "sk-" + "".join(rng.choice(LETTERS + rng.choice(["", "+/=", ".~"])) for _ in range(rng.randint(12, 60)))


def each(key, how):
    return "".join(how % ord(letter) for letter in key)


def broken(key, rng):
    place = rng.randrange(1, len(key))
    return f"{key[:place]}{rng.choice([chr(10), chr(13) + chr(10) + ' ', chr(92) + 'n', chr(8203)])}{key[place:]}"


WAYS = {
    "as it is": lambda key, rng: key,
    "in other letters": lambda key, rng: rng.choice([key.upper(), key.lower(), key.swapcase()]),
    "escaped as in JSON": lambda key, rng: each(key, rng.choice(["\\u%04x", "\\u%04X", "\\\\u%04x", "\\x%02x"])),
    "escaped in part": lambda key, rng: "".join(
        rng.choice([letter, f"\\u{ord(letter):04x}", f"%{ord(letter):02X}"]) for letter in key
    ),
    "escaped as in a URL": lambda key, rng: rng.choice([each(key, "%%%02X"), urllib.parse.quote_plus(key, safe="")]),
    "escaped as in HTML": lambda key, rng: each(key, rng.choice(["&#%d;", "&#x%x;", "&amp;#%d;"])),
    "as basic auth": lambda key, rng: base64.b64encode(f"{'u' * rng.randrange(5)}:{key}".encode()).decode(),
    "as base64 over lines": lambda key, rng: base64.encodebytes(f"{'u' * rng.randrange(70)}:{key}".encode()).decode(),
    "in hexadecimal": lambda key, rng: key.encode().hex(),
    "broken over lines": broken,
}


def readings(text):
    """The text as somebody reads it who undoes escapes by the standard library."""
    tight = re.sub(r"[\s\u200b]|\\+[nr]", "", text)
    found = [text, tight]
    for _ in range(3):
        for said in list(found):
            found += [html.unescape(said), urllib.parse.unquote(said)]
            slashes = re.sub(r"\\+", r"\\", said)
            found.append(
                re.sub(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), slashes)
            )
        found = list(dict.fromkeys(found))[:60]
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text) + re.findall(r"[A-Za-z0-9+/_-]{8,}", tight):
        for start in range(4):
            usable = run[start : start + (len(run) - start) // 4 * 4].translate(str.maketrans("-_", "+/"))
            found.append(base64.b64decode(usable).decode("latin-1"))
        if len(run) % 2 == 0 and re.fullmatch("[0-9a-f]+", run):
            found.append(codecs.decode(run, "hex").decode("latin-1"))
    return found


def leaks(text, key):
    """Whether eight characters of the key in a row can be read out of a text."""
    parts = {key[place : place + 8].casefold() for place in range(len(key) - 7)}
    return any(part in said.casefold() for said in readings(text) for part in parts)


def wrapped(said, rng):
    """A body that says it, of any of the kinds that make an error, and its status."""
    before = "x" * rng.choice([0, 5, 280, 299, 1000])
    bodies = [
        json.dumps({"error": {"message": f"{before} {said} is wrong", "code": said}}),
        json.dumps({"detail": [{"msg": said}]}),
        json.dumps([said]),
        json.dumps({said: 1}),
        json.dumps({"choices": [{"message": {"content": [said]}}]}),
        json.dumps({"error": f"{before} {said}"}),
        json.dumps(
            {"choices": [{"logprobs": {"content": [{"top_logprobs": [said]}]}, "message": {"content": [said]}}]}
        ),
        f"<html>{before} {said} </html>",
        f"{before}{said}",
    ]
    return rng.choice([200, 400, 401, 404, 429, 500, 302]), rng.choice(bodies).encode()


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_repeats_the_key(campaign, monkeypatch, way):
    rng = random.Random(f"{campaign.seed} {way}")
    silent = 0
    answer = [0, b""]
    with serve(lambda body, number: (*answer, {"Location": "http://127.0.0.1:9/"})) as stub:
        for _ in range(campaign.tries(150)):
            key = drawn_key(rng)
            monkeypatch.setenv(VARIABLE, key)
            answer[:] = wrapped(WAYS[way](key, rng), rng)
            asked = backbone(stub.url, mode=rng.choice(["samples", "logprobs"]), k=1, retries=0, api_key_env=VARIABLE)
            with pytest.raises((ServerError, ValueError)) as error:
                asked.reference(PROBLEMS.head(1))
            shown = (
                f"{error.value} {error.value!r} {vars(error.value)} {error.value.__context__!r} {vars(asked._server)}"
            )
            leaked = leaks(shown, key)
            silent += leaked
            campaign.record(
                f"A server repeats the key {way} in what becomes a message",
                "silent" if leaked else "refused",
                before="printed where it was escaped as in JSON",
            )
    assert silent == 0


def test_a_key_that_is_an_answer_or_a_word_of_the_protocol(campaign, monkeypatch):
    rng = random.Random(campaign.seed)
    silent = 0
    for _ in range(campaign.tries(40)):
        key = rng.choice(PROTOCOL)
        replies = [rng.choice("123") for _ in range(12)]
        monkeypatch.setenv(VARIABLE, key)
        with serve(lambda body, number, replies=replies: (200, says(replies[number]))) as stub:
            asked = backbone(stub.url, mode="samples", k=12, concurrency=1, api_key_env=VARIABLE)
            found = asked.reference(PROBLEMS.head(1))
        right = found.mean[0, 0] == pytest.approx(sum(map(int, replies)) / 12) and found.n_samples[0, 0] == 12
        silent += not right
        campaign.record(
            "The key is an answer or a word of the protocol: 1, content, choices ...",
            "survived" if right else "silent",
            before="answers 1, 1, 1, 5 gave the mean 5.0",
        )
    assert silent == 0


def test_a_key_that_was_not_named_for_this_server(campaign, monkeypatch):
    monkeypatch.setenv(VARIABLE, "sk-0123456789")
    silent = 0
    with serve(lambda body, number: (200, {})) as stub:
        port = urllib.parse.urlsplit(stub.url).port
        for host in ("127.0.0.1", "localhost", "LOCALHOST"):
            stub.headers.clear()
            JsonServer(f"http://{host}:{port}/v1").post("chat", {}, dict)
            told = "Authorization" in stub.headers[0]
            silent += told
            campaign.record(
                "OPENAI_API_KEY is set, and the base_url is another server's",
                "silent" if told else "survived",
                before="the key was sent to every base_url",
            )
    for host in ("api.openai.com.example.org", "notapi.openai.com", "api-openai.com", "openai.com", "api.openai.com."):
        told = JsonServer(f"https://{host}/v1").api_key_env is not None
        silent += told
        campaign.record("The base_url looks like the provider's and is not", "silent" if told else "survived")
    assert silent == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host(campaign, monkeypatch, status):
    monkeypatch.setenv(VARIABLE, "sk-0123456789")
    silent = 0
    with serve(lambda body, number: (200, {})) as other:
        port = urllib.parse.urlsplit(other.url).port
        for target in (
            other.url,
            f"http://localhost:{port}/",
            f"//127.0.0.1:{port}/x",
            f"http://sk-0123456789@localhost:{port}",
        ):
            with (
                serve(lambda body, number, target=target: (status, {}, {"Location": target})) as stub,
                pytest.raises(ServerError, match="redirects to") as error,
            ):
                JsonServer(stub.url, api_key_env=VARIABLE).post("chat", {}, dict)
            told = bool(other.bodies) or "sk-0123" in str(error.value)
            silent += told
            campaign.record("A server redirects the request with its key", "silent" if told else "refused")
    assert silent == 0


RUN = """
import os, sys
os.umask(0)
sys.path[:0] = sys.argv[3].split(os.pathsep)
from backbones.stub_server import PROBLEMS, backbone
backbone(sys.argv[1], mode="samples", k=20, cache=sys.argv[2], api_key_env="OPENAI_API_KEY").reference(PROBLEMS)
"""


def test_files_that_others_could_read(campaign, monkeypatch, tmp_path):
    """Every file beside the cache, looked at all the while and after a kill, under a umask that forbids nothing."""
    rng = random.Random(campaign.seed)
    key = "sk-0123456789abc"
    monkeypatch.setenv(VARIABLE, key)
    bad = 0

    def give(body, number):
        time.sleep(0.002)
        return 200, says("2")

    with serve(give) as stub:
        for number in range(campaign.tries(6)):
            folder = tmp_path / str(number)
            folder.mkdir()
            command = [sys.executable, "-c", RUN, stub.url, str(folder / "c"), os.pathsep.join(sys.path)]
            asked = len(stub.bodies)
            with subprocess.Popen(command) as run:
                kill_at = asked + rng.randrange(1, 90)
                open_to_others = set()
                while run.poll() is None:
                    open_to_others |= {name for name, mode in modes(folder) if mode & 0o077}
                    if len(stub.bodies) >= kill_at:
                        os.kill(run.pid, signal.SIGKILL)
            open_to_others |= {name for name, mode in modes(folder) if mode & 0o077}
            held = any(key.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())
            bad += bool(open_to_others) or held
            campaign.record(
                "A run is killed; others look for the cache's files, and for the key in them",
                "silent" if open_to_others or held else "survived",
                before="the files were readable by everybody",
            )
    assert bad == 0


def modes(folder: Path):
    """Names and rights of all files and folders below one that are there at the moment."""
    for place in folder.rglob("*"):
        try:
            yield place.name, stat.S_IMODE(place.stat().st_mode)
        except FileNotFoundError:
            continue

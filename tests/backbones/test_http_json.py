"""Talking to a server: retries and their waits, time-outs, refusals, bodies that are not JSON; the key never shown."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import gzip
import json
import socket
import threading
import time

import pytest
from stub_server import serve

from crowdllm_stats.backbones import http_json
from crowdllm_stats.backbones.http_json import JsonServer, ServerError

KEY = "sk-secret-5f1c"
VARIABLE = "CROWDLLM_TEST_KEY"


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which are not waited for."""
    seen = []
    monkeypatch.setattr(http_json, "pause", lambda stop, seconds: seen.append(seconds))
    return seen


def test_the_body_the_path_and_the_key_are_sent(monkeypatch):
    monkeypatch.setenv(VARIABLE, f" {KEY}\n")
    with serve(lambda body, number: (200, {"seen": body})) as stub:
        assert JsonServer(stub.url + "/", api_key_env=VARIABLE).post("chat", {"a": [1, "\u00e9"]}, dict) == {
            "seen": {"a": [1, "\u00e9"]}
        }
        JsonServer(stub.url).post("chat", {}, dict)
    assert stub.paths == ["/v1/chat", "/v1/chat"]
    assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in stub.headers[1]


def test_passing_trouble_is_tried_again_with_growing_waits(waits):
    troubles = [(429, {}), (500, b"oops"), (503, {}), (200, b"{cut off"), (529, {}), (200, {"ok": 1})]
    with serve(lambda body, number: troubles[number]) as stub:
        server = JsonServer(stub.url, retries=5, seed=3)
        assert server.post("chat", {"a": 1}, dict) == {"ok": 1}
    assert server.retried == len(waits) == 5
    for attempt, wait in enumerate(waits):
        assert 0.25 * 2**attempt <= wait <= 0.5 * 2**attempt


def test_waits_depend_on_the_seed_and_the_request_alone(waits):
    with serve(lambda body, number: (500, {})) as stub:
        for seed, body in [(3, {"a": 1}), (3, {"a": 1}), (4, {"a": 1}), (3, {"a": 2})]:
            with pytest.raises(ServerError):
                JsonServer(stub.url, retries=2, seed=seed).post("chat", body, dict)
    first, again, other_seed, other_body = (waits[place : place + 2] for place in (0, 2, 4, 6))
    assert first == again
    assert len({first[0], other_seed[0], other_body[0]}) == 3


def test_own_waits_are_capped(waits):
    with serve(lambda body, number: (500, {})) as stub, pytest.raises(ServerError, match="after 10 attempts"):
        JsonServer(stub.url, retries=9).post("chat", {}, dict)
    assert all(15 <= wait <= 30 for wait in waits[6:])


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7.25, 7.5),
        ("0.2", 0.45, 0.7),
        ("soon", 0.25, 0.5),
        ("nan", 0.25, 0.5),
        ("-3", 0.25, 0.5),
        ("date", 35, 41.5),
    ],
)
def test_retry_after_is_honoured(waits, header, least, most):
    asked = email.utils.formatdate(time.time() + 40, usegmt=True) if header == "date" else header
    troubles = [(429, {}, {"Retry-After": asked}), (200, {})]
    with serve(lambda body, number: troubles[number]) as stub:
        JsonServer(stub.url).post("chat", {}, dict)
    assert least <= waits[0] <= most


def test_a_server_that_asks_to_wait_too_long_is_left(waits):
    with (
        serve(lambda body, number: (429, {"error": {"message": "quota"}}, {"Retry-After": "86400"})) as stub,
        pytest.raises(ServerError, match=r"HTTP 429: quota \(after 1 attempt, and .* wait 86400 seconds\)") as error,
    ):
        JsonServer(stub.url).post("chat", {}, dict)
    assert error.value.status == 429
    assert waits == []


def test_trouble_that_does_not_pass_is_told(waits):
    with (
        serve(lambda body, number: (500, {"error": {"message": "boom", "code": "x1"}})) as stub,
        pytest.raises(ServerError, match=r"HTTP 500: boom \(after 3 attempts\)") as error,
    ):
        JsonServer(stub.url, retries=2).post("chat", {}, dict)
    assert (error.value.status, error.value.code, len(stub.bodies)) == (500, "x1", 3)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, {"error": {"message": "no such field"}}, "HTTP 400.*no such field"),
        (422, {"detail": [{"msg": "extra"}]}, "HTTP 422.*extra"),
        (404, b"<html>not here</html>", "HTTP 404.*not here.*usually ends in /v1"),
        (418, b"", "no reason given"),
        (418, b"[" * 9000, "HTTP 418"),
        (200, [1, 2], "not an object"),
    ],
)
def test_refusals_are_not_tried_again(waits, status, body, message):
    with serve(lambda _, number: (status, body)) as stub, pytest.raises(ServerError, match=message):
        JsonServer(stub.url).post("chat", {}, dict)
    assert len(stub.bodies) == 1
    assert waits == []


def test_what_a_server_says_is_shown_in_one_line_that_steers_no_terminal():
    said = {"error": {"message": "no\n\x1b[2Jgone \u202eback", "code": "a\x07"}}
    with serve(lambda body, number: (400, said)) as stub, pytest.raises(ServerError) as error:
        JsonServer(stub.url).post("chat", {}, dict)
    assert str(error.value).endswith(r"no \u001b[2Jgone \u202eback")
    assert error.value.code == r"a\u0007"


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_or_missing_key_is_told_without_showing_it(monkeypatch, status):
    with serve(lambda body, number: (status, {"error": {"message": f"bad key {KEY}"}})) as stub:
        monkeypatch.setenv(VARIABLE, KEY)
        with pytest.raises(ServerError, match=f"key in the environment variable {VARIABLE} was refused") as error:
            JsonServer(stub.url, api_key_env=VARIABLE).post("chat", {}, dict)
        assert KEY not in str(error.value)
        monkeypatch.delenv(VARIABLE)
        with pytest.raises(ServerError, match=f"{VARIABLE} is not set"):
            JsonServer(stub.url, api_key_env=VARIABLE).post("chat", {}, dict)
        with pytest.raises(ServerError, match="pass api_key_env="):
            JsonServer(stub.url).post("chat", {}, dict)


WRITTEN = {
    "plain": KEY,
    "JSON": json.dumps({"error": {"message": "".join(f"\\u{ord(letter):04x}" for letter in KEY)}}).replace(
        "\\\\", "\\"
    ),
    "URL": KEY.replace("-", "%2D"),
    "basic auth": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "lines": f"{KEY[:5]}\n {KEY[5:]}",
}


@pytest.mark.parametrize("status", [400, 500, 200])
@pytest.mark.parametrize("padding", [0, 290])
@pytest.mark.parametrize("way", WRITTEN)
def test_a_server_that_repeats_the_key_does_not_bring_it_into_messages(monkeypatch, waits, status, padding, way):
    """With 290 letters before it, the key would straddle the place where a long message is cut."""
    monkeypatch.setenv(VARIABLE, KEY)
    with serve(lambda body, number: (status, ("x" * padding + f"! {WRITTEN[way]}").encode())) as stub:
        server = JsonServer(stub.url, api_key_env=VARIABLE, retries=1)
        with pytest.raises(ServerError) as error:
            server.post("chat", {}, dict)
    assert "sk-" not in str(error.value)
    assert "secret" not in str(error.value)
    assert WRITTEN[way].removeprefix('{"error": {"message": "')[:12] not in str(error.value)
    assert KEY not in repr(vars(server))
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


def test_what_is_made_of_an_answer_is_censored_only_where_it_fails(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)

    def fail(answer):
        raise ServerError(f"cannot use {answer}", 200, f"x {KEY}")

    with serve(lambda body, number: (200, {"said": KEY})) as stub:
        server = JsonServer(stub.url, api_key_env=VARIABLE)
        assert server.post("chat", {}, dict) == {"said": KEY}
        with pytest.raises(ServerError, match=r"cannot use \{'said': '\*\*\*'\}") as error:
            server.post("chat", {}, fail)
    assert (error.value.status, error.value.code, error.value.__context__) == (200, "x ***", None)
    assert server.censored(f"gpt {KEY}") == "gpt ***"


@pytest.mark.parametrize(
    ("url", "named", "sent"),
    [
        ("https://api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://API.OpenAI.com:443/v1", None, "OPENAI_API_KEY"),
        ("http://api.openai.com/v1", None, None),
        ("https://openai.com/v1", None, None),
        ("https://api.openai.com.example.org/v1", None, None),
        ("https://evilapi.openai.com/v1", None, None),
        ("https://example.org/api.openai.com", None, None),
        ("http://127.0.0.1:8000/v1", None, None),
        ("http://127.0.0.1:8000/v1", "OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("https://api.openai.com/v1", VARIABLE, VARIABLE),
    ],
)
def test_a_key_goes_to_its_provider_or_where_its_variable_is_named(url, named, sent):
    assert JsonServer(url, api_key_env=named).api_key_env == sent


@pytest.mark.parametrize("key", ["two words", "two\nlines", "\u00e9t\u00e9", "tab\tchr"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(monkeypatch, key):
    monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(ValueError, match=f"{VARIABLE} holds spaces") as error:
        JsonServer("http://127.0.0.1:9/v1", api_key_env=VARIABLE).post("chat", {}, dict)
    assert key.split()[0] not in str(error.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_does_not_take_the_key_along(monkeypatch, status):
    monkeypatch.setenv(VARIABLE, KEY)
    with serve(lambda body, number: (200, {})) as other:
        target = f"{other.url}/chat?token=abc"
        with (
            serve(lambda body, number: (status, {}, {"Location": target})) as stub,
            pytest.raises(ServerError, match=rf"redirects to http://127.0.0.1 \(HTTP {status}\)") as error,
        ):
            JsonServer(stub.url, api_key_env=VARIABLE).post("chat", {}, dict)
        assert "abc" not in str(error.value)
    assert other.bodies == []


def test_nobody_there(waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ServerError, match=r"connection failed .*refused.*is the server running.*after 2 attempts"):
        JsonServer(url, retries=1).post("chat", {}, dict)
    assert len(waits) == 1


def test_a_server_that_does_not_answer_in_time(waits):
    release = threading.Event()

    def late(body, number):
        release.wait(20)
        return 200, {}

    with serve(late) as stub:
        try:
            with pytest.raises(ServerError, match=r"no answer within 0.2 seconds.*after 2 attempts"):
                JsonServer(stub.url, timeout=0.2, retries=1).post("chat", {}, dict)
        finally:
            release.set()


def test_a_server_that_drips_is_cut_off_at_the_time_out(waits):
    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                for _ in range(200):
                    connection.sendall(b" ")
                    time.sleep(0.05)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(ServerError, match="no answer within 0.3 seconds"):
            JsonServer(url, timeout=0.3, retries=0).post("chat", {}, dict)
        thread.join()


@pytest.mark.parametrize(
    "head",
    [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n",
     b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"],
)  # fmt: skip
def test_the_time_out_bounds_the_whole_attempt_wherever_the_server_drips(waits, head):
    ended = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            with contextlib.suppress(OSError):
                connection.sendall(head)
                while not ended.wait(0.02):
                    connection.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        start = time.monotonic()
        with pytest.raises(ServerError, match="no answer within 0.3 seconds|HTTP 500"):
            JsonServer(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3, retries=0).post("chat", {}, dict)
        assert time.monotonic() - start < 3
        ended.set()
        thread.join()


def test_the_time_out_bounds_the_look_up_of_a_name(waits, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20) and [])
    try:
        with pytest.raises(ServerError, match=r"no answer within 0.2 seconds"):
            JsonServer("http://slow.invalid/v1", timeout=0.2, retries=0).post("chat", {}, dict)
    finally:
        ended.set()


def test_a_name_without_address_is_told(waits, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerError, match=r"connection failed \(\[Errno -2\] Name or service not known\)"):
        JsonServer("http://empty.invalid/v1", retries=0).post("chat", {}, dict)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(ServerError, match="the connection failed"):
        JsonServer("http://empty.invalid/v1", retries=0).post("chat", {}, dict)


def test_within_a_running_loop_as_notebooks_have_it():
    async def ask():
        return JsonServer(stub.url).post("chat", {"a": 1}, dict)

    with serve(lambda body, number: (200, body)) as stub:
        assert asyncio.run(ask()) == {"a": 1}


def test_packed_bodies_are_not_unpacked(waits):
    """A few bytes can unpack to more than memory holds; none are asked for."""
    packed = gzip.compress(b'{"a": 1}')
    with (
        serve(lambda body, number: (200, packed, {"Content-Encoding": "gzip"})) as stub,
        pytest.raises(ServerError, match="the answer is not JSON"),
    ):
        JsonServer(stub.url, retries=0).post("chat", {}, dict)
    assert stub.headers[0]["Accept-Encoding"] == "identity"


def test_trouble_without_end_is_told_by_its_beginning(waits):
    with serve(lambda body, number: (400, b"no " * 2**20)) as stub, pytest.raises(ServerError, match="HTTP 400.*no no"):
        JsonServer(stub.url).post("chat", {}, dict)


def test_an_answer_that_breaks_off_is_asked_again(waits):
    troubles = [(200, b'{"a": 1}', {"Content-Length": "50"}), (200, {"a": 2})]
    with serve(lambda body, number: troubles[number]) as stub:
        assert JsonServer(stub.url).post("chat", {}, dict) == {"a": 2}
    assert len(waits) == 1


def test_an_answer_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(http_json, "LARGEST_BODY", 1000)
    with serve(lambda body, number: (200, b"x" * 5000)) as stub, pytest.raises(ServerError, match="more than 1000 b"):
        JsonServer(stub.url).post("chat", {}, dict)


def test_once_stopped_nothing_is_sent_again():
    with serve(lambda body, number: (500, {})) as stub:
        server = JsonServer(stub.url)
        server.stop.set()
        with pytest.raises(ServerError, match="after 1 attempt"):
            server.post("chat", {}, dict)
    assert len(stub.bodies) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://127.0.0.1/v1", "must be an address"),
        ("file:///etc/passwd", "must be an address"),
        ("127.0.0.1:8000", "must be an address"),
        ("http://a b/v1", "must be an address"),
        (None, "must be an address"),
        (f"http://user:{KEY}@127.0.0.1/v1", "no user, password"),
        (f"http://127.0.0.1/v1?key={KEY}", "no user, password, query"),
        (f"ftp://user:{KEY}@127.0.0.1/v1", "must be an address"),
    ],
)
def test_other_addresses_are_refused_without_showing_secrets(url, message):
    with pytest.raises(ValueError, match=message) as error:
        JsonServer(url)
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.5}, "retries"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        JsonServer("http://127.0.0.1/v1", **change)

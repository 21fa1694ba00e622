"""Asking a server: JSON out, JSON in, with time-outs, retries that wait, and errors that say what to do."""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import ipaddress
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from crowdllm_stats.inference.checks import check_count

#: Statuses that may pass: time-out, conflict, too early, too many requests, and the server's own trouble.
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

#: Seconds: the first wait, the longest of our own, and the longest that a server may ask for.
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 0.5, 30.0, 300.0

#: No answer is longer; what is longer comes from something else than a chat server.
LARGEST_BODY = 16 * 2**20


def pause(stop: threading.Event, seconds: float) -> None:
    """Wait, but no longer once ``stop`` is set."""
    stop.wait(seconds)


class ServerError(OSError):
    """A server that cannot be reached, refuses, or keeps failing.

    Attributes:
        status: the HTTP status, None where there was no answer.
        code: the server's own word for it (``error.code`` in the body), "" if there is none.
    """

    def __init__(self, message: str, status: int | None = None, code: str = ""):
        super().__init__(message)
        self.status, self.code = status, code


class JsonServer:
    """Posts JSON to one server.

    A request that meets a lost connection, a time-out, an answer that is no JSON, or one of the statuses 408, 409, 425,
    429, 500, 502, 503, 504, 529 is sent again after ``0.5 * 2**attempt`` seconds (at most 30), times a factor between
    1/2 and 1 drawn from the seed, the request and the attempt; never sooner than the server's Retry-After says.
    Redirects are refused, for they would carry the key elsewhere. Safe for several threads; once ``stop`` is set,
    nothing is sent again.

    Args:
        base_url: "http://..." or "https://...", without user, password or query.
        api_key_env: the environment variable that holds the key, sent as a bearer token if it is set; None: no key.
        timeout: seconds for one attempt as a whole.
        retries: attempts after the first.
        seed: of the waits.

    Raises:
        ValueError: on another kind of address, or numbers out of range.

    Example:
        >>> JsonServer("http://127.0.0.1:8000/v1/", timeout=60).url
        'http://127.0.0.1:8000/v1'
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key_env: str | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        seed: int = 0,
    ):
        self.url = _checked(base_url)
        self.api_key_env = api_key_env
        self.timeout = float(timeout)
        if not 0.0 < self.timeout < np.inf:
            raise ValueError(f"timeout must be a number of seconds above 0; got {timeout!r}")
        self.retries = check_count("retries", retries, least=0)
        self.seed = check_count("seed", seed, least=0)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if _is_loopback(self.url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        self._lock = threading.Lock()
        self.retried = 0
        self.stop = threading.Event()

    def fresh(self) -> JsonServer:
        """The same server with nothing counted and nothing stopped."""
        return JsonServer(
            self.url, api_key_env=self.api_key_env, timeout=self.timeout, retries=self.retries, seed=self.seed
        )

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send ``body`` to ``base_url/path`` and return the JSON object that comes back.

        Raises:
            ServerError: if the server cannot be reached, refuses, or still fails after the retries.
            ValueError: if the key cannot be sent in a header.
        """
        content = json.dumps(body, sort_keys=True).encode("utf-8")
        key = self._key()
        for attempt in range(self.retries + 1):
            try:
                return self._once(path, content, key)
            except _Passing as trouble:
                wait = max(self._wait(content, attempt), trouble.wait)
                if attempt == self.retries or trouble.wait > LONGEST_ASKED or self.stop.is_set():
                    raise self._given_up(trouble, attempt + 1) from None
                with self._lock:
                    self.retried += 1
                pause(self.stop, wait)
        raise AssertionError("unreachable")

    def _once(self, path: str, content: bytes, key: str | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "crowdllm-stats"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url}/{path}", data=content, headers=headers, method="POST")
        deadline = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                raw = _without(self._body(response, deadline), key)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, key, deadline) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            if isinstance(error, ServerError):
                raise
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise _Passing(f"no answer within {self.timeout:g} seconds; raise timeout= if it is slow") from None
            said = str(reason) or type(reason).__name__
            raise _Passing(f"the connection failed ({said}); is the server running at this address?") from None
        try:
            answer = json.loads(raw)
        except ValueError:
            raise _Passing(f"the answer is not JSON: {_short(raw)!r}") from None
        if not isinstance(answer, dict):
            raise ServerError(f"{self.url} answered with JSON that is no object: {_short(raw)!r}")
        return answer

    def _body(self, response: Any, deadline: float) -> bytes:
        """The whole body, by the deadline: a server that drips would otherwise never time out."""
        parts, size = [], 0
        while part := response.read1(65536):
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY:
                raise ServerError(f"{self.url} answered with more than {LARGEST_BODY} bytes; is it a chat server?")
            if time.monotonic() > deadline:
                raise TimeoutError
        told = response.headers.get("Content-Length", "")
        if told.isdigit() and size < int(told):
            raise ConnectionError(f"the answer broke off after {size} of {told} bytes")
        return b"".join(parts)

    def _refused(self, error: urllib.error.HTTPError, key: str | None, deadline: float) -> Exception:
        try:
            raw = _without(self._body(error, deadline), key)
        except (OSError, http.client.HTTPException):
            raw = b""
        (said, code), status = _message(raw), error.code
        if status in PASSING:
            return _Passing(f"HTTP {status}: {said}", status, code, _retry_after(error.headers.get("Retry-After")))
        if status in (401, 403):
            named = self.api_key_env
            hint = "pass api_key_env= with the name of the environment variable that holds the key"
            if named is not None:
                state = f"the key in the environment variable {named} was refused" if key else f"{named} is not set"
                hint = f"{state}; set it to a key of this server"
            return ServerError(f"{self.url} wants another key (HTTP {status}); {hint}", status, code)
        if 300 <= status < 400:
            place = urlsplit(error.headers.get("Location", ""))
            hint = f"{place.scheme}://{place.hostname}" if place.hostname else "another address"
            return ServerError(f"{self.url} redirects to {hint} (HTTP {status}); name that server itself", status, code)
        hint = "; base_url usually ends in /v1" if status in (404, 405) else ""
        return ServerError(f"{self.url} refused the request (HTTP {status}): {said}{hint}", status, code)

    def _given_up(self, trouble: _Passing, attempts: int) -> ServerError:
        asked = f", and the server asks to wait {trouble.wait:.0f} seconds" if trouble.wait > LONGEST_ASKED else ""
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return ServerError(f"{self.url}: {trouble} (after {tries}{asked})", trouble.status, trouble.code)

    def _wait(self, content: bytes, attempt: int) -> float:
        number = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
        jitter = np.random.default_rng([self.seed, number, attempt]).uniform(0.5, 1.0)
        return float(min(FIRST_WAIT * 2.0**attempt, LONGEST_WAIT) * jitter)

    def _key(self) -> str | None:
        key = (os.environ.get(self.api_key_env, "") if self.api_key_env else "").strip()
        if any(not 32 < ord(letter) < 127 for letter in key):
            raise ValueError(
                f"the environment variable {self.api_key_env} holds spaces, line ends or letters that no key has; "
                "set it to the key alone"
            )
        return key or None


class _Passing(Exception):
    """Trouble that may pass; ``wait`` is what Retry-After says, in seconds."""

    def __init__(self, message: str, status: int | None = None, code: str = "", wait: float = 0.0):
        super().__init__(message)
        self.status, self.code, self.wait = status, code, wait


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url) if isinstance(base_url, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or any(letter.isspace() for letter in base_url):
        raise ValueError(f"base_url must be an address such as 'http://127.0.0.1:8000/v1'; got {_shown(base_url)}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "base_url must have no user, password, query or fragment: keys stand in an environment variable, whose "
            "name is api_key_env"
        )
    return base_url.rstrip("/")


def _shown(base_url: Any) -> str:
    """An address for a message, without what may be a secret in it."""
    return repr(base_url) if isinstance(base_url, str) and not set("@?#") & set(base_url) else "something else"


def _is_loopback(url: str) -> bool:
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _retry_after(text: str | None) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date; 0 without one that can be read."""
    if not text:
        return 0.0
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return wait if np.isfinite(wait) and wait > 0.0 else 0.0


def _message(raw: bytes) -> tuple[str, str]:
    """What a body says of an error and its code; the bodies of OpenAI, FastAPI, or plain text."""
    try:
        body = json.loads(raw)
    except ValueError:
        return _short(raw) or "no reason given", ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return _short(str(error).encode()), ""
    said = error.get("message") or error.get("detail") or error
    return _short(str(said).encode()), str(error.get("code") or "")


def _short(raw: bytes) -> str:
    text = " ".join(raw[:2000].decode("utf-8", errors="replace").split())
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _without(raw: bytes, key: str | None) -> bytes:
    """A body that repeats the key would carry it into messages and logs."""
    return raw.replace(key.encode("ascii"), b"***") if key else raw

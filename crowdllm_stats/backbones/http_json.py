"""Asking a server: JSON out, JSON in, with time-outs, retries that wait, and errors that say what to do."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import ipaddress
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.random import text_number
from crowdllm_stats._base.shown import one_line
from crowdllm_stats.backbones.key_censor import KeyCensor

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")

#: Statuses that may pass: time-out, conflict, too early, too many requests, and the server's own trouble.
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

#: Error codes of servers that filter what is asked or said.
FILTERED = ("content_filter", "content_policy_violation")

#: Seconds: the first wait, the longest of our own, and the longest that a server may ask for.
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 0.5, 30.0, 300.0

#: Seconds that an idle connection is kept open; servers close them after five or more.
KEPT_OPEN = 3.0

#: No answer is longer; what is longer comes from something else than a chat server.
LARGEST_BODY = 16 * 2**20

#: Of what a server says of its trouble, so many bytes are read.
LARGEST_TROUBLE = 2**14

#: Characters of an error's message, of which the server's own words are the lesser part.
LONGEST_MESSAGE = 800

#: Variables that are used without being named, each for its provider's own encrypted address alone.
OWN_HOSTS = {"OPENAI_API_KEY": "api.openai.com"}


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
    1/2 and 1 drawn from the seed, the request and the attempt. Where the server says Retry-After, it is that much plus
    such a draw of at most half a second, so that those who were sent away together do not come back together.
    Connections are kept open from one request to the next until :meth:`close`. Redirects are refused, for they would
    carry the key elsewhere. Errors are censored by :class:`KeyCensor`, answers are not. Safe for several threads; once
    ``stop`` is set, nothing is sent again.

    Args:
        base_url: "http://..." or "https://...", without user, password or query.
        api_key_env: the environment variable that holds the key, sent as a bearer token if it is set; None: that of
            ``OPENAI_API_KEY`` if base_url is OpenAI's own (https, api.openai.com or a host below it), else no key.
        timeout: seconds for one attempt as a whole, from the look-up of the name to the last byte.
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
        self.api_key_env = api_key_env or _own_variable(self.url)
        self.timeout = float(timeout)
        if not 0.0 < self.timeout < np.inf:
            raise ValueError(f"timeout must be a number of seconds above 0; got {timeout!r}")
        self.retries = check_count("retries", retries, least=0)
        self.seed = check_count("seed", seed, least=0)
        self._lock = threading.Lock()
        self._idle: tuple[int, list[httpx.AsyncClient]] = os.getpid(), []
        self.retried = 0
        self.stop = threading.Event()

    def fresh(self) -> JsonServer:
        """The same server with nothing counted and nothing stopped."""
        return JsonServer(
            self.url, api_key_env=self.api_key_env, timeout=self.timeout, retries=self.retries, seed=self.seed
        )

    def close(self) -> None:
        """Close the connections; closing twice does no harm, and a later request opens new ones."""
        process, clients = self._idle
        self._idle = os.getpid(), []
        if process == os.getpid():
            for client in clients:
                asyncio.run_coroutine_threadsafe(client.aclose(), _loop(process)).result()

    def __enter__(self) -> JsonServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[dict[str, Any]], Answer]) -> Answer:
        """Send ``body`` to ``base_url/path`` and return what ``read`` makes of the JSON object that comes back.

        Raises:
            ServerError: if the server cannot be reached, refuses, or still fails after the retries, and as ``read``;
                without the key, whatever the server said.
            ValueError: if the key cannot be sent in a header.
        """
        key = self._key()
        try:
            return read(self._tried(path, json.dumps(body, sort_keys=True).encode("utf-8"), key))
        except ServerError as error:
            failure = error
        censor = KeyCensor(key)
        # Raised here, not above: an error raised while another is handled holds on to that one's uncensored text.
        text = one_line(censor(str(failure)[:LARGEST_TROUBLE]))
        shown = text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]} ..."
        code = failure.code if failure.code in FILTERED else one_line(censor(failure.code))
        raise ServerError(shown, failure.status, code)

    def censored(self, text: str) -> str:
        """What a server said, without the key and in one line that steers no terminal."""
        return one_line(KeyCensor(self._key())(text))

    def _tried(self, path: str, content: bytes, key: str | None) -> dict[str, Any]:
        # Not by tenacity: its waits come from the process's random numbers, these from seed, request and attempt.
        for attempt in range(self.retries + 1):
            try:
                return self._once(path, content, key)
            except _Passing as trouble:
                wait = trouble.wait + self._wait(content, 0 if trouble.wait else attempt)
                if attempt == self.retries or trouble.wait > LONGEST_ASKED or self.stop.is_set():
                    raise self._given_up(trouble, attempt + 1) from None
                with self._lock:
                    self.retried += 1
                pause(self.stop, wait)
        raise AssertionError("unreachable")

    def _once(self, path: str, content: bytes, key: str | None) -> dict[str, Any]:
        import httpx

        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "crowdllm-stats",
                   "Accept-Encoding": "identity"}  # fmt: skip
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            asked = asyncio.run_coroutine_threadsafe(self._reply(path, content, headers), _loop(os.getpid()))
            reply, raw = asked.result()
        except TimeoutError:
            raise _Passing(f"no answer within {self.timeout:g} seconds; raise timeout= if it is slow") from None
        except (httpx.TransportError, OSError, ValueError, ImportError) as error:
            if isinstance(error, ServerError):
                raise
            raise _Passing(
                f"the connection failed ({_reason(error)}); is the server running at this address?"
            ) from None
        if not reply.is_success:
            raise self._refused(reply, raw, key)
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            raise _Passing(f"the answer is not JSON: {_short(raw, key)!r}") from None
        if not isinstance(answer, dict):
            raise ServerError(f"{self.url} answered with JSON that is not an object: {_short(raw, key)!r}")
        return answer

    async def _reply(self, path: str, content: bytes, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """A reply and its body; of the server's trouble the beginning.

        The time-out is asyncio's: httpx's own count anew with every piece that arrives, so that a server that drips
        would hold a request open for ever.
        """
        if self._idle[0] != os.getpid():  # connections are not for a forked process
            self._idle = os.getpid(), []
        clients = self._idle[1]
        client = clients.pop() if clients else self._client()
        try:
            async with (
                asyncio.timeout(self.timeout),
                client.stream("POST", f"{self.url}/{path}", content=content, headers=headers) as reply,
            ):
                body = bytearray()
                async for part in reply.aiter_raw():
                    body += part
                    if not reply.is_success and len(body) > LARGEST_TROUBLE:
                        break
                    if len(body) > LARGEST_BODY:
                        raise ServerError(
                            f"{self.url} answered with more than {LARGEST_BODY} bytes; is it a chat server?"
                        )
                return reply, bytes(body)
        finally:
            clients.append(client)

    def _client(self) -> httpx.AsyncClient:
        """One connection: a client with a pool of many looks at all of them at every request."""
        import httpx

        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_OPEN)
        proxies = not _is_loopback(self.url)
        return httpx.AsyncClient(verify=_trusted(), trust_env=proxies, timeout=None, limits=limits)

    def _refused(self, reply: httpx.Response, raw: bytes, key: str | None) -> Exception:
        (said, code), status = _message(raw[:LARGEST_TROUBLE], key), reply.status_code
        if status in PASSING:
            return _Passing(f"HTTP {status}: {said}", status, code, _retry_after(reply.headers.get("Retry-After")))
        if status in (401, 403):
            named = self.api_key_env
            hint = "no key was sent: pass api_key_env= with the name of the environment variable that holds its key"
            if named is not None:
                state = f"the key in the environment variable {named} was refused" if key else f"{named} is not set"
                hint = f"{state}; set it to a key of this server"
            return ServerError(f"{self.url} wants another key (HTTP {status}); {hint}", status, code)
        if 300 <= status < 400:
            place = urlsplit(reply.headers.get("Location", ""))
            hint = f"{place.scheme}://{place.hostname}" if place.hostname else "another address"
            return ServerError(f"{self.url} redirects to {hint} (HTTP {status}); name that server itself", status, code)
        hint = "; base_url usually ends in /v1" if status in (404, 405) else ""
        return ServerError(f"{self.url} refused the request (HTTP {status}): {said}{hint}", status, code)

    def _given_up(self, trouble: _Passing, attempts: int) -> ServerError:
        asked = f", and the server asks to wait {trouble.wait:.0f} seconds" if trouble.wait > LONGEST_ASKED else ""
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return ServerError(f"{self.url}: {trouble} (after {tries}{asked})", trouble.status, trouble.code)

    def _wait(self, content: bytes, attempt: int) -> float:
        jitter = np.random.default_rng([self.seed, text_number(content), attempt]).uniform(0.5, 1.0)
        return float(min(FIRST_WAIT * 2.0**attempt, LONGEST_WAIT) * jitter)

    def _key(self) -> str | None:
        key = (os.environ.get(self.api_key_env, "") if self.api_key_env else "").strip()
        if any(not 32 < ord(letter) < 127 for letter in key):
            raise ValueError(
                f"the environment variable {self.api_key_env} holds spaces, line ends or characters that no key has; "
                "set it to the key alone"
            )
        return key or None


class _Passing(Exception):
    """Trouble that may pass; ``wait`` is what Retry-After says, in seconds."""

    def __init__(self, message: str, status: int | None = None, code: str = "", wait: float = 0.0):
        super().__init__(message)
        self.status, self.code, self.wait = status, code, wait


def _loop(process: int) -> asyncio.AbstractEventLoop:
    """The loop of a process, in a thread of its own: whoever asks may stand in another loop, as notebooks do."""
    with _making:  # or two threads that ask at once would make two, and connections belong to one
        return _loop_of(process)


_making = threading.Lock()


@functools.cache
def _loop_of(process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


@functools.cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: BaseException) -> str:
    """Why a connection failed, from the bottom: the layers above say only that it did, or that a package is missing."""
    while not isinstance(error, ImportError) and (below := error.__cause__ or error.__context__):
        error = below
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__


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


def _own_variable(url: str) -> str | None:
    """The variable whose key belongs to an address, None if no provider that is known here owns it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    owners = (name for name, own in OWN_HOSTS.items() if host == own or host.endswith(f".{own}"))
    return next(owners, None) if parts.scheme == "https" else None


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


def _message(raw: bytes, key: str | None) -> tuple[str, str]:
    """What a body says of an error and its code; the bodies of OpenAI, FastAPI, or plain text."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return _short(raw, key) or "no reason given", ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return _short(str(error), key), ""
    said = error.get("message") or error.get("detail") or error
    return _short(str(said), key), str(error.get("code") or "")


def _short(said: bytes | str, key: str | None) -> str:
    """The beginning of what a server said; censored first, so that no cut goes through a key and spares a part."""
    text = said[:LARGEST_TROUBLE].decode("utf-8", errors="replace") if isinstance(said, bytes) else said
    text = " ".join(KeyCensor(key)(text[:LARGEST_TROUBLE]).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."

"""HTTP whose time-out bounds a whole attempt: name, connection, handshake, head and body together."""

from __future__ import annotations

import functools
import http.client
import io
import queue
import socket
import ssl
import threading
import time
import urllib.request
from typing import Any, cast


def bounded_handlers() -> tuple[urllib.request.BaseHandler, urllib.request.BaseHandler]:
    """Handlers for ``urllib.request.build_opener``: a time-out counts from a request's start to its last byte.

    The standard library's own counts anew with every piece that arrives, so that a server that drips holds a request
    open for ever; and for every address of a name, and not at all while the name is looked up.
    """
    return _HTTPHandler(), _HTTPSHandler()


class _Bounded(http.client.HTTPConnection):
    """One request: its time-out runs from when it is made."""

    def __init__(self, host: str, *, timeout: float, **others: Any):
        super().__init__(host, timeout=timeout, **others)
        self._ends = time.monotonic() + timeout
        self._create_connection = self._connected  # what the library connects with, also for an encrypted connection
        self.response_class = cast(Any, self._response)  # replies, also a proxy's to CONNECT, are read through it

    def _connected(self, address: tuple[str, int], *_: Any) -> socket.socket:
        trouble: OSError = OSError("the name has no address")
        for family, kind, protocol, _name, place in _looked_up(*address, left(self._ends)):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(left(self._ends))
                sock.connect(place)
            except OSError as error:
                sock.close()
                trouble = error
            else:
                return sock
        raise trouble

    def _response(self, sock: socket.socket, *args: Any, **others: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(cast(socket.socket, _Timed(sock, self._ends)), *args, **others)


class _Encrypted(_Bounded, http.client.HTTPSConnection):
    pass


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _Bounded), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    @functools.cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _Encrypted), req, context=self._trusted)


class _Timed:
    """As much of a socket as a response needs: a file to read from, which ends at its time."""

    def __init__(self, sock: socket.socket, ends: float):
        self._sock, self._ends = sock, ends

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._ends))


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, ends: float):
        self._sock, self._ends = sock, ends
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(left(self._ends))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def left(ends: float) -> float:
    """Seconds until a time of ``time.monotonic``.

    Raises:
        TimeoutError: if it is over.

    Example:
        >>> 0.0 < left(time.monotonic() + 5.0) <= 5.0
        True
    """
    seconds = ends - time.monotonic()
    if seconds <= 0.0:
        raise TimeoutError
    return seconds


def _looked_up(host: str, port: int, seconds: float) -> list[Any]:
    """The addresses of a name; a look-up that takes too long goes on in its own thread, and nobody waits for it."""
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer

"""What stands before every page: who may ask, how much may be sent, and what a browser may do with the answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A browser loads from this page alone, runs no script but its file, sends forms nowhere else and shows it in no frame.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class TooMuch(Exception):
    """More was sent than the page takes; all of it was read and thrown away, so that the browser hears the answer."""


class Guard:
    """Lets through what comes from the page itself.

    A request is answered if its Host is one of ours (a name that a foreign page had resolved to this machine is not),
    its path begins with the secret that only the terminal shows, and, where it sends something, the browser says that
    it does so from this page. There is no cookie: browsers send those of one port to every port of the machine.

    Args:
        app: what is guarded; it sees paths without the secret.
        hosts: such as "127.0.0.1:8000".
        secret: first part of every path.
        once: a key that opens the page one time, at /open/KEY; a browser's command line, which other users of the
            machine can read, holds it in the place of the secret.
        most: bytes that one request may send.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], secret: str, once: str, most: int) -> None:
        self._app, self._hosts, self._secret, self._most = app, hosts, secret, most
        self._unused = [once]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        root = f"/{self._secret}"
        await self._app({**scope, "root_path": root}, self._counted(receive), _with_headers(send))

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return PlainTextResponse(f"This page answers to http://{self._hosts[0]} alone.", 421)
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        if first == "open":
            if rest in self._unused:
                self._unused.clear()
                return RedirectResponse(f"/{self._secret}/", 303)
            return PlainTextResponse("This address works once. Open the one that the terminal shows.", 404)
        if not secrets.compare_digest(first.encode(), self._secret.encode()):
            return PlainTextResponse("Open the address that the terminal shows; it holds the key to this page.", 404)
        origin, site = headers.get("origin", f"http://{host}"), headers.get("sec-fetch-site", "same-origin")
        if scope["method"] not in ("GET", "HEAD") and (origin != f"http://{host}" or site != "same-origin"):
            return PlainTextResponse("Only this page itself may send something here.", 403)
        return None

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken <= self._most:
                return message
            while message.get("more_body", False):
                message = await receive()
            raise TooMuch

        return counted


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return with_headers

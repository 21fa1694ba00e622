"""Starting and ending the page."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading

import uvicorn

from crowdllm_stats.report.page.app import make_app
from crowdllm_stats.report.page.calculator import Calculator
from crowdllm_stats.report.page.guard import Guard
from crowdllm_stats.report.page.uploads import Studies, private_folder

_ADDRESS = "127.0.0.1"


def serve(port: int = 0, *, browser: bool = True, megabytes: int = 100, seconds: float = 120.0) -> None:
    """Show the page on this machine until the program is stopped.

    Args:
        port: of 127.0.0.1; 0 takes a free one.
        browser: whether to open it in the browser, where there is one.
        megabytes: that may be sent at once.
        seconds: after which one calculation is given up.

    Raises:
        ValueError: if the port cannot be had.
    """
    with _listening(port) as sock, private_folder() as folder, Calculator(seconds) as calculator:
        host = f"{_ADDRESS}:{sock.getsockname()[1]}"
        secret, once = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        app = make_app(Studies(folder), calculator, megabytes)
        guard = Guard(app, (host, host.replace(_ADDRESS, "localhost")), secret, once, megabytes * 1_000_000)
        config = uvicorn.Config(
            guard, log_level="error", access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=1
        )
        print(f"Open http://{host}/{secret}/\nOnly this machine can. Ctrl-C ends it and deletes the files.", flush=True)
        calculator.start()
        if browser and _has_browser():
            _open_browser(f"http://{host}/open/{once}")
        # Not in the main thread, where uvicorn would take the signals that stop the program.
        server = threading.Thread(target=uvicorn.Server(config).run, kwargs={"sockets": [sock]}, daemon=True)
        server.start()
        server.join()


def _listening(port: int) -> socket.socket:
    sock = socket.socket()
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left can be had again
    try:
        sock.bind((_ADDRESS, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise ValueError(
            f"--port {port} cannot be had ({getattr(error, 'strerror', None) or error}); give another, or leave it out"
        ) from None
    sock.listen()
    return sock


def _has_browser() -> bool:
    """Whether a browser of its own window can be opened."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open_browser(address: str) -> None:
    """Open it from a process that ends at once: a browser that is a child of ours would end with us."""
    subprocess.Popen(
        [sys.executable, "-m", "webbrowser", address], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

"""`crowdllm-stats serve`: the local page, for people who want to look before they write commands."""

from __future__ import annotations

from typing import Annotated

import typer

from crowdllm_stats.cli.stopping import say_when_stopped


def serve(
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65535, help="Listen on this port of 127.0.0.1; 0 takes any."),
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open no browser.")] = False,
    max_mb: Annotated[int, typer.Option(metavar="MB", help="Take at most so many megabytes of files at once.")] = 100,
    time_limit: Annotated[
        int, typer.Option(metavar="SECONDS", help="Give up one calculation after so many seconds.")
    ] = 120,
) -> None:
    """Show a page on this machine: drop two files, see what was understood, get intervals and a report.

    Only this machine can open it, nothing is sent anywhere, and the files are deleted when it ends (Ctrl-C).
    """
    from crowdllm_stats._base.checks import check_count

    check_count("--max-mb", max_mb)
    check_count("--time-limit", time_limit)
    from crowdllm_stats.report.page.server import serve as show

    say_when_stopped("the files that were given to the page are deleted", fine=True)
    show(port, browser=not no_browser, megabytes=max_mb, seconds=time_limit)

"""`crowdllm-stats report`: results that were kept in folders, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats.cli.out_check import check_file


def report(
    given: typer.Context,
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Take what a command with --out FOLDER/ kept here, a study run, or a verification of the theory.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="Write the report to this file.")] = Path(
        "report.html"
    ),
    title: Annotated[str, typer.Option(metavar="TEXT", help="Give the report this title.")] = "Report",
) -> None:
    """Write one HTML file to read and to share: pictures, tables, a methods paragraph, where the numbers come from.

    It opens in any browser without a network, loads nothing from anywhere and nothing in the data can run in it.
    """
    from crowdllm_stats.report import write_report

    check_file("--out", out, (".html",), given.params)
    print(f"Written: {write_report(folders, out, title=title)}")

"""Which reports there are, how long each takes, and making them again: the table is `reports.toml` beside this file.

    python benchmarks/reports.py                       # the table; the same as `make reports`
    python benchmarks/reports.py inference/kappa       # make this one again; the same as `make reports NAME=inference/kappa`

A report names the commit that made it, so nothing is made while anything but reports/ differs from the commit.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("reports.toml")


@dataclass(frozen=True)
class Report:
    """One entry of the table.

    Attributes:
        name: as `make reports NAME=...` takes it.
        command: what makes the report, typed at the project's root; the report names it.
        minutes: how long it takes, about, on two cores with nothing else running.
        files: patterns of the files it writes, relative to reports/.
        needs: what must be there: "data" (CROWDLLM_STATS_DATA), "models" (`crowdllm-stats backbone fetch`), "twins" and so on.
        first: commands that have to run before, in this order.
    """

    name: str
    command: str
    minutes: float
    files: tuple[str, ...]
    needs: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


def known() -> dict[str, Report]:
    """All reports by name."""
    content = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {
        name: Report(
            name,
            one["command"],
            one["minutes"],
            tuple(one["files"]),
            tuple(one.get("needs", ())),
            tuple(one.get("first", ())),
        )
        for name, one in content.items()
    }


def command_line(description: str, folder: str) -> argparse.ArgumentParser:
    """The command line of a script that writes a report: --help, and --out for the folder that it writes to.

    Args:
        description: the script's docstring.
        folder: where the report lies below reports/; without --out it is written to the same place below out/reports/.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path("out", "reports", folder)
    parser.add_argument("--out", type=Path, default=default, help=f"folder to write to (default {default})")
    return parser


def by_study(
    description: str,
    folder: str,
    studies: Sequence[str],
    run: Callable[[Path, Sequence[str]], object],
    page: Callable[[Path], object],
) -> None:
    """The main function of a report over several studies: all of them, those named by --study, or the page alone.

    Args:
        description, folder: as :func:`command_line` takes them.
        studies: names of all studies.
        run: makes the named studies in a folder.
        page: writes the page over what lies in that folder.
    """
    parser = command_line(description, folder)
    parser.add_argument("--report-only", action="store_true", help="write the pages again from tables that are there")
    parser.add_argument("--study", action="append", choices=list(studies), help="only this study; may be repeated")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if not given.report_only:
        run(given.out, given.study or list(studies))
    if given.study is None:
        page(given.out)


def typed() -> str:
    """The command that started this script, as one types it at the project's root."""
    script = Path(sys.argv[0]).resolve()
    inside = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script
    return shlex.join(["python", str(inside), *sys.argv[1:]])


def uncommitted() -> list[str]:
    """What differs from the commit, outside reports/, as `git status` says it."""
    words = ["git", "status", "--porcelain", "--", ".", ":(exclude)reports"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def make(report: Report) -> float:
    """Run a report's commands; the minutes they took.

    Raises:
        SystemExit: if a command fails; the commands after it are not run.
    """
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    start = time.monotonic()
    for command in (*report.first, report.command):
        print(f"$ {command}", flush=True)
        code = subprocess.run(
            shlex.split(command), cwd=ROOT, env=os.environ | {"PATH": folders}, check=False
        ).returncode
        if code:
            raise SystemExit(f"{report.name}: the command failed with exit code {code}")
    return (time.monotonic() - start) / 60


def shown(reports: Sequence[Report]) -> str:
    """The table for people."""
    rows = [(one.name, f"{one.minutes:g}", ", ".join(one.needs), one.command) for one in reports]
    frame = pd.DataFrame(rows, columns=["report", "minutes", "needs", "command"])
    widths = [max(map(len, [name, *frame[name]])) for name in frame.columns[:-1]]
    lines = [[*frame.columns], *frame.to_numpy().tolist()]
    return "\n".join("  ".join([*map(str.ljust, line[:-1], widths), line[-1]]) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="reports to make again; without one the table is shown"
    )
    names = parser.parse_args().names
    reports = known()
    if not names:
        print(shown(list(reports.values())))
        print(
            "\nMake one again: make reports NAME=inference/kappa. Minutes are for two cores with nothing else running."
        )
        return
    unknown = [name for name in names if name not in reports]
    if unknown:
        raise SystemExit(f"there is no report {', '.join(unknown)}; `make reports` lists them")
    if any("data" in reports[name].needs for name in names) and not os.environ.get("CROWDLLM_STATS_DATA"):
        raise SystemExit("real data is needed: set CROWDLLM_STATS_DATA to the folder that holds it")
    changed = uncommitted()
    if changed:
        raise SystemExit("reports are made from a clean commit; commit or remove these first:\n" + "\n".join(changed))
    for name in names:
        print(f"{name}: {make(reports[name]):.1f} minutes (the table says {reports[name].minutes:g})")


if __name__ == "__main__":
    main()

"""Which commit of this package made a report: its own repository's, never that of a folder around it."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

from crowdllm_stats import __version__

#: What a report is made of; changes elsewhere in the repository do not count.
_SOURCES = ("crowdllm_stats", "simulations", "theory", "benchmarks", "tests/faults", "pyproject.toml")


def made_by(command: str) -> str:
    """One line naming the command, and the package's commit (marked where there were changes) or else its version.

    Args:
        command: what a reader types to make the report again.
    """
    return f"Made by `{command}` {_code(Path(__file__).resolve().parents[2])}."


def _code(root: Path) -> str:
    """The code at work, in words: the commit of ``root`` where that is this package's own repository."""
    commit = _git(root, "rev-parse", "--short", "HEAD") if _is_own(root) else ""
    if not commit:
        return f"with crowdllm-stats {__version__}, installed without its history"
    changed = " with uncommitted changes" if _git(root, "status", "--porcelain", "--", *_SOURCES) else ""
    return f"at commit {commit}{changed}"


def _is_own(root: Path) -> bool:
    """Whether the folder is the top of a repository, of this package."""
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != root or not (root / "pyproject.toml").is_file():
        return False
    with (root / "pyproject.toml").open("rb") as file:
        return bool(tomllib.load(file).get("project", {}).get("name") == "crowdllm-stats")


def _git(root: Path, *words: str) -> str:
    """What git says in a folder; empty where it fails or is not installed."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(["git", *words], cwd=root, env=outside, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

"""A manifest beside every written result: versions, seed, command line and the hashes of what went in and came out."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats import __version__
from crowdllm_stats._base.whole_files import MANIFEST, write_whole

if TYPE_CHECKING:
    import pandas as pd

#: Packages that numbers can depend on.
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "pyarrow")

#: The same for the generator; named where they are installed.
OPTIONAL = ("jax", "jaxlib", "numpyro", "optax", "torch", "transformers")


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = place.write_bytes(b"abc")
        >>> sha256(place)[:8]
        'ba7816bf'
    """
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def manifest_path(output: Path) -> Path:
    """``NAME.manifest.json`` beside the output file.

    Example:
        >>> manifest_path(Path("out/widths.csv")).name
        'widths.csv.manifest.json'
    """
    return output.with_name(f"{output.name}{MANIFEST}")


def write_manifest(
    output: Path,
    *,
    arguments: Sequence[str],
    inputs: Sequence[Mapping[str, Any]],
    seed: int | None,
    counts: Mapping[str, int],
    rows: int | None = None,
    folder: Path | None = None,
) -> Path:
    """Write the manifest of one output file.

    Args:
        output: the file that was written.
        arguments: the command line after the program's name.
        inputs: what was read, from :func:`described_file` and :func:`described_answers`.
        seed: seed of the command, None if it drew no random numbers.
        counts: how many answers were used, paired, excluded and so on.
        rows: of the output, where it is a table: readers refuse one that has lost some.
        folder: where output and manifest will stand, if they are moved there.

    Returns:
        The manifest's path.
    """
    content: dict[str, Any] = {
        "program": "crowdllm-stats",
        "version": __version__,
        "command": shlex.join(["crowdllm-stats", *arguments]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "inputs": [dict(source) for source in inputs],
        "output": described_file(output)
        | ({} if folder is None else {"path": str(folder / output.name)})
        | ({} if rows is None else {"rows": rows}),
        "counts": dict(counts),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
    }
    place = manifest_path(output)
    write_whole(place, json.dumps(content, indent=2) + "\n")
    return place


def described_file(path: Path) -> dict[str, Any]:
    """A file as the manifest names it: its path, the SHA-256 of its content, and its size in bytes.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    return {"path": str(path), "sha256": sha256(path), "bytes": path.stat().st_size}


def described_answers(name: str, answers: pd.DataFrame) -> dict[str, Any]:
    """A named data set as the manifest names it: the hash of its answers as CSV, and their number.

    Args:
        name: for instance "popquorn:offensiveness".
        answers: the table of answers; its row and column order count.

    Example:
        >>> import pandas as pd
        >>> described_answers("mine", pd.DataFrame({"response": [4, 5]}))["answers"]
        2
    """
    content = answers.to_csv(index=False, lineterminator="\n").encode("utf-8")
    return {"name": name, "answers_sha256": hashlib.sha256(content).hexdigest(), "answers": len(answers)}


def versions() -> dict[str, str]:
    """Versions of the packages that numbers can depend on; of optional ones where they are installed.

    Example:
        >>> "numpy" in versions()
        True
    """
    there = {name: metadata.version(name) for name in PACKAGES}
    for name in OPTIONAL:
        try:
            there[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return there


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

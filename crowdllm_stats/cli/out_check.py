"""Where a command writes, tried before it works: a place that takes a file, no input, and nothing that is not ours."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crowdllm_stats._base.whole_files import HALF

#: Parameters that name a file to write; all others that name a file name one to read.
_WRITTEN = ("out", "reference_out", "plot")

#: Endings of --plot.
PLOTS = (".png", ".svg", ".pdf")

#: With these words a line of each page begins that a command writes, and that names the command.
MADE_BY = "Made by `"


def check_file(
    option: str, out: Path | None, endings: Sequence[str], params: Mapping[str, Any], otherwise: str = ""
) -> None:
    """Refuse a file that could not be written, or that must not be, before any work is done.

    Args:
        option: that names it, for instance "--out".
        out: the file; None where the option is not given.
        endings: that it may have.
        params: all parameters of the command by name: no other one may name the same file, under any name.
        otherwise: what else the option takes, in words that go on with the sentence on endings.

    Raises:
        ValueError: on an unknown ending, a folder, a place that cannot be written to, a file that another parameter
            names, one of the data folder, or one whose manifest would replace a file that is not a manifest.
        FileNotFoundError: if its folder does not exist.
    """
    from crowdllm_stats._base.manifest import manifest_path

    if out is None:
        return
    if not out.name.lower().endswith(tuple(endings)):
        raise ValueError(f"{option} {out} must end in {_or(endings)}{otherwise}")
    if out.is_dir():
        raise ValueError(f"{option} {out} is a folder; name a file")
    if out.exists() and not out.is_file():
        raise ValueError(f"{option} {out} is a pipe or a device, of which no manifest can be made; name a file")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"{option}: the folder {out.absolute().parent} does not exist")
    manifest = manifest_path(out)
    for name, text in _named(option, params):
        kind = "output" if name in _WRITTEN else "input"
        if same_file(out, text):
            raise ValueError(f"{option} {out}: this is the {kind} file {text}; write to another file")
        if same_file(manifest, text):
            raise ValueError(
                f"{option} {out}: its manifest would replace the {kind} file {text}; write to another file"
            )
    if out.exists() and not is_manifest(manifest) and (folder := _read_from(out, params)):
        raise ValueError(f"{option} {out} is a file of the folder {folder} that is read; write to another file")
    if manifest.exists() and not is_manifest(manifest):
        raise ValueError(
            f"{option} {out}: its manifest would replace {manifest}, which is not a manifest; write to another file"
        )
    if out.is_file() and not os.access(out, os.W_OK):
        raise ValueError(f"{option} {out} is write-protected; write to another file")
    _try(option, out, Path(os.path.realpath(out)).parent)


def check_plot(plot: Path | None, params: Mapping[str, Any]) -> None:
    """Refuse a picture that could not be drawn or written, before any work is done.

    Args:
        plot: the file; None where the option is not given.
        params: all parameters of the command by name.

    Raises:
        ValueError: as :func:`check_file`, and without matplotlib.
        FileNotFoundError: if the file's folder does not exist.
    """
    from importlib.util import find_spec

    check_file("--plot", plot, PLOTS, params)
    if plot is not None and find_spec("matplotlib") is None:
        raise ValueError("--plot needs matplotlib: pip install 'crowdllm-stats[plot]'")


def check_folder(option: str, folder: Path, marks: Sequence[str], params: Mapping[str, Any]) -> None:
    """Refuse a folder for a report that could not be written, or that holds what is not ours, before any work is done.

    Args:
        option: that names it.
        folder: made where it is not there.
        marks: names of files of which one shows that the folder is ours; without one, it must be empty.
        params: all parameters of the command by name: none may name a file in the folder.

    Raises:
        ValueError: on a file, a folder that cannot be made or written to, that holds an input, other files and none of
            the marks, or a README.md that no command made.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{option} {folder} is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = sorted(place.name for place in folder.iterdir() if not place.name.endswith(HALF))
    except OSError as error:
        raise ValueError(f"{option} {folder} cannot be made or read: {error.strerror}; name another folder") from None
    readme = folder / "README.md"
    if readme.exists() and not _has_made(readme):
        raise ValueError(f"{option} {folder} holds a README.md that no command made; name another folder")
    if there and not any(_is_mark(folder / name) for name in marks):
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise ValueError(
            f"{option} {folder} holds other files ({', '.join(there[:3])}{more}); name a new or empty folder, or "
            "one of an earlier report"
        )
    for _, text in _named(option, params):
        if os.path.isfile(text) and os.path.samefile(Path(text).absolute().parent, folder):
            raise ValueError(f"{option} {folder} holds the input file {text}; name another folder")
    _try(option, folder, folder)


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two names mean one file: through links, other spellings of a folder, or upper and lower case that
    the file system does not distinguish; of files that are not there yet, whether they could.

    Example:
        >>> same_file("a/../new.csv", "new.csv"), same_file("new.csv", "other.csv")
        (True, False)
    """
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    if os.path.exists(one) or os.path.exists(other):
        return False
    return os.path.realpath(one).casefold() == os.path.realpath(other).casefold()


def is_manifest(file: Path) -> bool:
    """Whether a file is a manifest that this program wrote."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("program") == "crowdllm-stats"


def _is_mark(file: Path) -> bool:
    return is_manifest(file) if file.name.endswith(".manifest.json") else file.is_file()


def _has_made(readme: Path) -> bool:
    try:
        return any(line.startswith(MADE_BY) for line in readme.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return False


def _named(option: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text among the other parameters, with the parameter's name."""
    own = option.lstrip("-").replace("-", "_")
    for name, value in params.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if name != own and isinstance(text, str | Path) and str(text):
                yield name, str(text)


def _read_from(out: Path, params: Mapping[str, Any]) -> str | None:
    """The folder with data or a model that a file lies in, where a parameter or the environment names one."""
    from crowdllm_stats.data.files import DATA_VARIABLE

    folders = [
        *(params.get(name) for name in ("data", "folder", "backbone", "embedding")),
        os.environ.get(DATA_VARIABLE),
    ]
    inside = out.resolve().parents
    return next((str(one) for one in folders if one and os.path.isdir(one) and Path(one).resolve() in inside), None)


def _try(option: str, out: Path, folder: Path) -> None:
    """Write a byte to the folder, in a file without a name."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"a")
            file.flush()
    except OSError as error:
        raise ValueError(f"{option} {out} cannot be written: {error.strerror}; name another place") from None


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)

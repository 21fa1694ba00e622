"""Find study files by name: the working folder's ``simulations/`` first, then those that come with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path


def study_folders() -> list[Path]:
    """The places where studies are looked for, the working folder's ``simulations/`` first; only those that exist.

    Example:
        >>> study_folders()[-1].name
        'simulations'
    """
    package = Path(__file__).resolve().parents[2]
    candidates = (Path.cwd() / "simulations", package / "package_data" / "simulations", package.parent / "simulations")
    return [folder for folder in dict.fromkeys(path.resolve() for path in candidates) if folder.is_dir()]


def find_studies(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """Every study file by name, of two with one name the first found; TOML files without ``simulator`` are none.

    Args:
        folders: where to look; :func:`study_folders` by default.

    Example:
        >>> "coverage" in find_studies()
        True
    """
    found: dict[str, Path] = {}
    for folder in study_folders() if folders is None else folders:
        for file in sorted(folder.glob("*.toml")):
            if _is_study(file):
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def _is_study(file: Path) -> bool:
    try:
        return "simulator" in tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return True  # broken: reading it says what is wrong


def study_title(file: Path) -> str:
    """The title in a study file, without checking the rest.

    Example:
        >>> study_title(study_file("risk"))
        'Risk decompositions, published and exact, against a known risk'
    """
    try:
        content = tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return f"(not readable: {error})"
    return str(content.get("title", file.stem))


def study_file(name: str) -> Path:
    """The file of a study that is named, or given as a path.

    Raises:
        FileNotFoundError: if there is none; the message lists the known names.

    Example:
        >>> study_file("coverage").name
        'coverage.toml'
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"there is no study file {name}")
        return Path(name)
    known = find_studies()
    if name not in known:
        listed = ", ".join(known) or "none"
        raise FileNotFoundError(
            f"unknown study {name!r}; known: {listed}; a file of your own needs its path, NAME.toml"
        )
    return known[name]

"""Find the results in ``theory/`` and load their checks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from crowdllm_stats.verify.check import Check, Skipped, Statement

#: The paper's results in the paper's order; all others follow by alphabet.
ORDER = ("theorem1", "theorem2", "proposition1", "theorem3", "theorem4", "theorem5", "diversity")

_PARTS = ("STATEMENT", "symbolic", "simulated", "picture")


@dataclass(frozen=True)
class Theory:
    """One result as loaded from its folder.

    Attributes:
        statement: what was published and what is true.
        symbolic: its exact checks, and what stands for those that cannot be made here.
        simulated: its simulations likewise, as a function of the seed.
        picture: draws it on a matplotlib axes.
        folder: where it was found.
    """

    statement: Statement
    symbolic: Callable[[], Sequence[Check | Skipped]]
    simulated: Callable[[int], Sequence[Check | Skipped]]
    picture: Callable[[Any], None]
    folder: Path


def theory_folders() -> list[Path]:
    """The package's own results; never the working folder's, whose ``checks.py`` would be run."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "package_data" / "theory", package.parent / "theory")
    return [folder for folder in candidates if folder.is_dir()]


def find_results(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """The folder of every result: one that has a ``checks.py``; of two with one name, the first found.

    Args:
        folders: where to look; :func:`theory_folders` by default. Code that lies there will be run.

    Returns:
        Folder by name: the paper's results in the paper's order, then all others by alphabet.

    Raises:
        FileNotFoundError: if there is none.

    Example:
        >>> list(find_results())[0]
        'theorem1'
    """
    places = list(theory_folders() if folders is None else folders)
    found: dict[str, Path] = {}
    for place in places:
        for file in sorted(place.glob("*/checks.py")):
            found.setdefault(file.parent.name, file.parent)
    if not found:
        raise FileNotFoundError(f"no NAME/checks.py in {', '.join(map(str, places)) or 'the package'}")
    return {name: found[name] for name in [*(n for n in ORDER if n in found), *sorted(set(found) - set(ORDER))]}


def select(results: dict[str, Path], only: Iterable[str]) -> dict[str, Path]:
    """The named results, in the order of ``results``; all where no name is given.

    Raises:
        ValueError: on an unknown name; the message lists the known ones.
    """
    wanted = list(only)
    unknown = [name for name in wanted if name not in results]
    if unknown:
        raise ValueError(f"unknown result {', '.join(map(repr, unknown))}; known: {', '.join(results)}")
    return {name: folder for name, folder in results.items() if not wanted or name in wanted}


class _Source(SourceFileLoader):
    """Always compiles the source: compiled files do not belong among the results, and could be out of date."""

    def path_stats(self, path: str) -> Any:
        raise OSError("no compiled file is read or written")


def check_files(folder: Path) -> list[Path]:
    """``checks.py`` of one folder, and after it the ``checks_*.py`` that hold more of its checks."""
    return [folder / "checks.py", *sorted(folder.glob("checks_*.py"))]


def load(folder: Path) -> Theory:
    """Run ``checks.py`` of one folder and take its parts; ``checks_*.py`` beside it add checks to ``symbolic`` and
    ``simulated``.

    Raises:
        ValueError: if a part is missing, or the name of the statement is not the folder's.
    """
    files = check_files(folder)
    first, *more = (_run(file, f"crowdllm_theory_{folder.name}{file.stem.removeprefix('checks')}") for file in files)
    missing = [part for part in _PARTS if not hasattr(first, part)]
    if missing:
        raise ValueError(f"{files[0]} does not define {', '.join(missing)}")
    statement: Statement = first.STATEMENT
    if statement.name != folder.name:
        raise ValueError(f"{files[0]}: STATEMENT.name is {statement.name!r}; it must be the folder's, {folder.name!r}")
    symbolic = [module.symbolic for module in (first, *more)]
    simulated = [module.simulated for module in (first, *more) if hasattr(module, "simulated")]
    return Theory(
        statement,
        lambda: [check for part in symbolic for check in part()],
        lambda seed: [check for part in simulated for check in part(seed)],
        first.picture,
        folder,
    )


def _run(file: Path, name: str) -> Any:
    """The file as a module of this name, compiled anew."""
    loader = _Source(name, str(file))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(file)))
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module

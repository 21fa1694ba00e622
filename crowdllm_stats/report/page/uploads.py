"""The files given to the page: in a private folder, under harmless names, gone when the program ends."""

from __future__ import annotations

import dataclasses
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crowdllm_stats._base.manifest import sha256
from crowdllm_stats._base.whole_files import unfinished
from crowdllm_stats.report.page.choices import ROLES

#: Studies that are kept at a time; the oldest makes room.
KEPT = 5

_LONGEST = 80


@dataclasses.dataclass(frozen=True)
class Study:
    """The files of one study.

    Attributes:
        name: of the study, in addresses.
        folder: where its files are.
        files: role -> path inside the folder, such as "human/survey.csv".
        sheets: role -> the sheet or packed table of the file that is read, where one is named.
    """

    name: str
    folder: Path
    files: dict[str, str]
    sheets: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def tables(self) -> dict[str, str]:
        """Role -> what is read: the file, or "human/survey.xlsx#Wave 2" where a sheet is named."""
        return {role: self._with_sheet(role, file) for role, file in self.files.items()}

    @property
    def names(self) -> dict[str, str]:
        """Role -> the table's own name; with the folder that the page chose where two files have the same."""
        own = {role: Path(file).name for role, file in self.files.items()}
        names = list(own.values())
        return {
            role: self._with_sheet(role, name if names.count(name) == 1 else self.files[role])
            for role, name in own.items()
        }

    def _with_sheet(self, role: str, file: str) -> str:
        return f"{file}#{self.sheets[role]}" if role in self.sheets else file


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else may look into; it is removed at the end, also where the program is stopped.

    Example:
        >>> with private_folder() as folder:
        ...     oct(folder.stat().st_mode & 0o777)
        '0o700'
        >>> folder.exists()
        False
    """
    folder = Path(tempfile.mkdtemp(prefix="crowdllm-stats-"))
    with unfinished(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def harmless(name: str) -> str:
    """A file's own name without folders and without whatever a system might take for something else.

    Example:
        >>> harmless("../../etc/passwd"), harmless("C:\\\\data\\\\my survey (1).csv"), harmless("<b>.csv")
        ('passwd', 'my survey (1).csv', '_b_.csv')
        >>> harmless("..")
        'table'
    """
    own = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^\w .()+-]", "_", own).strip(" .")
    return plain[-_LONGEST:].lstrip(" .-") or "table"


class Studies:
    """All studies that are kept.

    Args:
        folder: for their files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, Study] = {}

    def __getitem__(self, name: str) -> Study:
        return self._kept[name]

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def add(self, given: dict[str, tuple[str, BinaryIO]]) -> Study:
        """Keep the files of a new study.

        Args:
            given: role -> the file's name and its content.

        Raises:
            ValueError: if two of the files are the same.
        """

        def write(folder: Path) -> dict[str, str]:
            files = {role: f"{role}/{harmless(given[role][0])}" for role in ROLES if role in given}
            for role, file in files.items():
                (folder / role).mkdir(parents=True)
                with (folder / file).open("xb") as out:
                    shutil.copyfileobj(given[role][1], out, 1 << 20)
            return files

        study = self.made_by(write)
        seen: dict[str, str] = {}
        for role, file in study.files.items():
            other = seen.setdefault(sha256(study.folder / file), role)
            if other != role:
                self.forget(study.name)
                raise ValueError(
                    f"the {other} and the {role} answers are the same file: every answer would be its own twin; choose "
                    "another file for one of them"
                )
        return study

    def made_by(self, write: Callable[[Path], dict[str, str]]) -> Study:
        """A new study of the files that ``write`` puts into a folder; it returns role -> path."""
        name = secrets.token_hex(8)
        folder = self._folder / name
        folder.mkdir()
        self._kept[name] = study = Study(name, folder, write(folder))
        for old in list(self._kept)[:-KEPT]:
            self.forget(old)
        return study

    def forget(self, name: str) -> None:
        """Delete the files of a study."""
        shutil.rmtree(self._kept.pop(name).folder, ignore_errors=True)

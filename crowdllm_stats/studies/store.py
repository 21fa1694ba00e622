"""Finished blocks on disk: each written at once or not at all, and never mixed with those of another design."""

from __future__ import annotations

import csv
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .design import Design, differences

_DESIGN, _TIMES, _LOCK = "design.json", "times.csv", ".lock"


class Store:
    """A folder with ``design.json``, ``blocks/000000.parquet`` and so on, and ``times.csv`` (seconds a block).

    Args:
        folder: where it is, or will be made.
        design: the study whose blocks it holds.
    """

    def __init__(self, folder: Path, design: Design) -> None:
        self.folder = folder
        self.design = design

    def begin(self, *, resume: bool = False) -> None:
        """Make the folder, or check that it holds blocks of this very design; left-over halves are removed.

        Args:
            resume: insist that the folder is there already.

        Raises:
            ValueError: if it holds another design (the message says what changed), or cannot be written to.
            FileNotFoundError: with ``resume``, if there is nothing to resume.
        """
        file = self.folder / _DESIGN
        if resume and not file.is_file():
            raise FileNotFoundError(f"nothing to resume: {self.folder} holds no started study; use 'study run'")
        try:
            (self.folder / "blocks").mkdir(parents=True, exist_ok=True)
            if not file.is_file():
                if any((self.folder / "blocks").glob("*.parquet")):
                    raise ValueError(f"{self.folder} holds blocks but no {_DESIGN}: name another folder with --store")
                text = json.dumps(self.design.identity(), indent=2) + "\n"
                write_whole(file, text.encode("utf-8"))
            self.check_same()
            for half in (self.folder / "blocks").glob("*.half"):
                half.unlink()
        except OSError as error:
            raise ValueError(f"{self.folder} cannot be written to: {error.strerror or error}") from None

    def check_same(self) -> None:
        """Refuse a folder whose blocks are of another design.

        Raises:
            ValueError: with what changed.
        """
        file = self.folder / _DESIGN
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{file} is not readable; name another folder with --store") from None
        changed = differences(old, self.design.identity())
        if changed:
            raise ValueError(
                f"{self.folder} holds blocks of another design: {'; '.join(changed)}; undo the change, or name another "
                "folder with --store"
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts, no other run writes to the folder.

        Raises:
            ValueError: if another run does.
        """
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"another run is writing to {self.folder}; wait for it, or use --store") from None
            yield

    def block_file(self, number: int) -> Path:
        """Where a block is, or will be."""
        return self.folder / "blocks" / f"{number:06d}.parquet"

    def finished(self, total: int) -> set[int]:
        """Numbers of the blocks that are there.

        Raises:
            ValueError: on a file that is no whole block.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        there = {number for number in range(total) if self.block_file(number).is_file()}
        for number in sorted(there):
            try:
                pq.read_metadata(self.block_file(number))
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(number, error) from None
        return there

    def read(self, numbers: Sequence[int]) -> Any:
        """The blocks' rows as one pyarrow table.

        Raises:
            ValueError: on a file that cannot be read.
            FileNotFoundError: if one is not finished.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for number in numbers:
            file = self.block_file(number)
            if not file.is_file():
                raise FileNotFoundError(f"block {number} of {self.folder} is not finished; use 'study resume'")
            try:
                tables.append(pq.read_table(file))
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(number, error) from None
        return pa.concat_tables(tables)

    def _unreadable(self, number: int, error: Exception) -> ValueError:
        reason = " ".join(str(error).split())[:120]
        return ValueError(
            f"{self.block_file(number)} is not readable ({reason}): delete this file and resume, the other blocks stay"
        )

    def write(self, number: int, content: bytes) -> None:
        """Store one finished block.

        Raises:
            OSError: in one line, where the disk is full or the folder not writable; the other blocks stay.
        """
        with self._writing(f"block {number}"):
            write_whole(self.block_file(number), content)

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise OSError(
                f"{what} could not be written to {self.folder}: {reason}; all finished blocks are kept: mend this and "
                "run 'study resume'"
            ) from None

    def note_time(self, number: int, shape: str, prepare: float, run: float) -> None:
        """Add one line to ``times.csv``: how long a block took, the preparing apart."""
        file = self.folder / _TIMES
        new = not file.is_file()
        with self._writing(_TIMES), file.open("a", encoding="utf-8", newline="") as lines:
            out = csv.writer(lines, lineterminator="\n")
            if new:
                out.writerow(["block", "prepare_seconds", "run_seconds", "shape"])
            out.writerow([number, f"{prepare:.6f}", f"{run:.6f}", shape])


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that it is there in full or not at all, even if the power fails.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a"
        >>> write_whole(place, b"abc")
        >>> place.read_bytes()
        b'abc'
    """
    half = file.with_name(f"{file.name}.{os.getpid()}.half")
    try:
        with half.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(half, file)
    except BaseException:  # Ctrl-C too
        half.unlink(missing_ok=True)
        raise

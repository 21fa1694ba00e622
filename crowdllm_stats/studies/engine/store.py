"""Finished blocks on disk: each written at once or not at all, and never mixed with those of another design."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.studies.engine.compute import label_of, layout_of, unpack
from crowdllm_stats.studies.engine.design import Design, differences

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

    @contextmanager
    def writing(self, *, resume: bool = False) -> Iterator[None]:
        """While it lasts this run alone writes to the folder, which is made, or holds blocks of this very design.

        Halves that a killed run left are removed, once no other run can be writing them.

        Args:
            resume: insist that the folder is there already.

        Raises:
            ValueError: if another run writes to it, it holds another design (the message says what changed), or it
                cannot be written to.
            FileNotFoundError: with ``resume``, if there is nothing to resume.
        """
        if resume and not (self.folder / _DESIGN).is_file():
            raise FileNotFoundError(f"nothing to resume: {self.folder} holds no started study; use 'study run'")
        with ExitStack() as stack:
            try:
                (self.folder / "blocks").mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((self.folder / _LOCK).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._begin()
            except BlockingIOError:
                raise ValueError(f"another run is writing to {self.folder}; wait for it, or use --store") from None
            except OSError as error:
                raise ValueError(f"{self.folder} cannot be written to: {error.strerror or error}") from None
            yield

    def _begin(self) -> None:
        """Write down the design, or hold the folder against it, and remove halves."""
        file = self.folder / _DESIGN
        if not file.is_file():
            if any((self.folder / "blocks").glob("*.parquet")):
                raise ValueError(f"{self.folder} holds blocks but no {_DESIGN}: name another folder with --store")
            write_whole(file, json.dumps(self.design.identity(), indent=2) + "\n")
        self.check_same()
        for half in (*self.folder.glob("*.half"), *(self.folder / "blocks").glob("*.half")):
            if half.is_file():  # a folder may be the half of a report that another run is writing
                half.unlink()

    def check_same(self) -> None:
        """Refuse a folder whose blocks are of another design.

        Raises:
            ValueError: with what changed.
        """
        file = self.folder / _DESIGN
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            old = None
        if not isinstance(old, dict):
            raise ValueError(f"{file} is not readable; name another folder with --store")
        if "results" not in old:
            raise ValueError(
                f"{self.folder} was begun by an earlier version of crowdllm-stats, whose blocks have no checksum and "
                "may hold other results; name another folder with --store"
            )
        changed = differences(old, self.design.identity())
        if changed:
            raise ValueError(
                f"{self.folder} holds blocks of another design: {'; '.join(changed)}; undo the change, or name another "
                "folder with --store"
            )

    def block_file(self, number: int) -> Path:
        """Where a block is, or will be."""
        return self.folder / "blocks" / f"{number:06d}.parquet"

    def complete(self) -> bool:
        """Whether a file is there for every block."""
        return (self.folder / _DESIGN).is_file() and len(self._there()) == len(layout_of(self.design).blocks)

    def _there(self) -> list[int]:
        return [block.number for block in layout_of(self.design).blocks if self.block_file(block.number).is_file()]

    def finished(self) -> set[int]:
        """Numbers of the blocks that are there, every byte of them checked.

        Raises:
            ValueError: on blocks of another design, or a file that is damaged or holds another block.
        """
        self.check_same()
        return {number for number in self._there() if self._content(number)}

    def read(self, numbers: Sequence[int]) -> Any:
        """The blocks' rows as one pyarrow table.

        Raises:
            ValueError: on a file that is damaged or holds another block.
            FileNotFoundError: if one is not finished.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(io.BytesIO(self._content(number))) for number in numbers])

    def _content(self, number: int) -> bytes:
        try:
            return unpack(self.block_file(number), label_of(self.design, layout_of(self.design).blocks[number]))
        except FileNotFoundError:
            raise FileNotFoundError(f"block {number} of {self.folder} is not finished; use 'study resume'") from None

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

"""Answers of a backbone kept on disk: nothing is asked twice, and an interrupted run goes on where it stopped."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import math
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

#: Marks a SQLite file as an answer cache ("CLSc").
APPLICATION_ID = 0x434C5363
VERSION = 1

#: Seconds to wait for another process that is writing.
PATIENCE = 60.0

#: SQLite allows at least 999 values in one statement.
_AT_ONCE = 500

#: Not the file's fault: it is locked, on a full or read-only disk, or in a place that cannot be opened.
_SURROUNDINGS = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN",
                 "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_NOMEM")  # fmt: skip


class AnswerCache:
    """Lists of numbers (log-probabilities, draws) under keys that say exactly what was asked.

    A key is a flat dictionary of JSON values: model, revision, dtype, template, prompt, options, order, sampling,
    participant, repeat, and whatever else changes the answer; K repeats are K keys. It is hashed in one canonical form
    (SHA-256 of JSON with sorted names), so the order in which it is written does not matter; ``1`` and ``1.0`` are
    different values. Numbers are kept as the 64-bit floats they are. The first answer under a key stays: a later
    ``put`` under the same key changes nothing.

    One cache may be used by several threads, and one file by several processes, each with its own ``AnswerCache``.
    Answers stored before a crash stay readable; a batch of :meth:`put_many` is stored as a whole or not at all.

    Args:
        path: the SQLite file; made if it is not there, with its folder, for its owner's eyes alone (mode 0600).

    Raises:
        ValueError: on a file that is damaged or something else than an answer cache; it is not touched.
        OSError: if the file cannot be opened or written (a folder, no right, a full disk, locked for a minute).

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "answers.sqlite"
        >>> with AnswerCache(place) as cache:
        ...     cache.put({"model": "m", "prompt": "p", "repeat": 0}, [-0.5, -1.25])
        >>> with AnswerCache(place) as cache:
        ...     cache.get({"repeat": 0, "prompt": "p", "model": "m"}), cache.get({"model": "other"})
        ([-0.5, -1.25], None)
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._questions = self.path.with_name(f"{self.path.name}.asking")
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        with self._plain_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _make_private(self.path)
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            connection.text_factory = bytes  # a damaged text is compared, not decoded
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def get(self, key: Mapping[str, Any]) -> list[float] | None:
        """The numbers stored under a key, None if there are none.

        Raises:
            ValueError: on a key that is not JSON, and on an entry that is damaged.
        """
        return self.get_many([key])[0]

    def get_many(self, keys: Iterable[Mapping[str, Any]]) -> list[list[float] | None]:
        """The numbers stored under each key, in the order asked; None where there are none.

        Raises:
            ValueError: as :meth:`get`.
        """
        return list(self.get_each(keys))

    def get_each(self, keys: Iterable[Mapping[str, Any]]) -> Iterator[list[float] | None]:
        """As :meth:`get_many`, one after the other: however many keys there are, few are in memory.

        Raises:
            ValueError: as :meth:`get`.
        """
        left = iter(keys)
        while part := list(itertools.islice(left, _AT_ONCE)):
            texts = [_canonical(key) for key in part]
            hashes = [_hash(text) for text in texts]
            wanted = list(dict.fromkeys(hashes))
            query = f"SELECT hash, key, numbers, checksum FROM answers WHERE hash IN ({','.join('?' * len(wanted))})"
            with self._open() as connection:
                found = {row[0]: row[1:] for row in connection.execute(query, wanted)}
            for text, code in zip(texts, hashes, strict=True):
                yield self._read(text, found[code]) if code in found else None

    def put(self, key: Mapping[str, Any], values: Sequence[float]) -> None:
        """Store numbers under a key; on return they are on disk. An entry that is there already stays.

        Raises:
            ValueError: on a key that is not JSON, on NaN, and on values that are not numbers.
        """
        self.put_many([(key, values)])

    def put_many(self, items: Iterable[tuple[Mapping[str, Any], Sequence[float]]]) -> None:
        """Store several entries, all of them or none.

        Raises:
            ValueError: as :meth:`put`.
        """
        rows = []
        for key, values in items:
            text, numbers = _canonical(key), _pack(values)
            rows.append((_hash(text), text, numbers, _checksum(text, numbers)))
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", rows)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def asking(self, key: Mapping[str, Any], stop: threading.Event) -> Iterator[bool]:
        """Keep other threads and processes that use this file from asking the same question; see :func:`asking`.

        Raises:
            ValueError: on a key that is not JSON.
            OSError: if the lock cannot be made beside the file.
        """
        with asking(self._questions, _hash(_canonical(key)).hex(), stop) as mine:
            yield mine

    def __len__(self) -> int:
        with self._open() as connection:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
                with suppress(OSError):  # it was never made, or others ask still
                    self._questions.rmdir()
            self._connection = None

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AnswerCache({os.fspath(self.path)!r})"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():
            raise ValueError(
                f"the cache {self.path} was opened in another process; open it anew in this one: AnswerCache(path)"
            )
        with self._lock, self._plain_errors():
            if self._connection is None:
                raise ValueError(f"the cache {self.path} is closed; open it again with AnswerCache(path)")
            yield self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Tables before the mark: whoever makes the file at this moment commits both at once.
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        if tables and mark != APPLICATION_ID:
            raise self._refusal("it is a SQLite file of something else")
        deadline = time.monotonic() + PATIENCE
        while True:  # two processes that make the same file at once: one of them waits
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            connection.execute("ROLLBACK")
            raise self._refusal(f"its format is version {version}, this release reads version {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answers (hash BLOB PRIMARY KEY, key TEXT NOT NULL, numbers BLOB NOT NULL, "
            "checksum BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute("COMMIT")

    def _read(self, text: str, row: tuple[object, object, object]) -> list[float]:
        stored, numbers, checksum = row
        if stored != text.encode("ascii"):
            raise self._refusal("an entry stands under the hash of another key")
        if not isinstance(numbers, bytes) or len(numbers) % 8 or _checksum(text, numbers) != checksum:
            raise self._refusal("an entry's numbers do not match their checksum")
        return list(struct.unpack(f"<{len(numbers) // 8}d", numbers))

    def _refusal(self, reason: str) -> ValueError:
        return ValueError(
            f"{self.path} is not a whole answer cache ({reason}); name another file, or move this one away: "
            "a new one is made and the answers are asked again"
        )

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError:  # of SQLite's own messages, where the damage is in its table of tables
            raise self._refusal("its text is not UTF-8") from None
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(_SURROUNDINGS):
                raise OSError(f"the answer cache {self.path} cannot be used: {error}") from None
            raise self._refusal(" ".join(str(error).split())) from None


def _make_private(path: Path) -> None:
    """An empty file that nobody else may read; SQLite gives the files beside it the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def _canonical(key: Mapping[str, Any]) -> str:
    if not isinstance(key, Mapping) or not key or not all(isinstance(name, str) for name in key):
        raise ValueError(f"key must be a dictionary with text names and at least one entry; got {key!r}")
    try:
        return json.dumps(dict(key), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"key must hold JSON values only (text, numbers, true or false, None, lists): {error}; "
            "turn NumPy numbers into int or float"
        ) from None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _checksum(text: str, numbers: bytes) -> bytes:
    return hashlib.sha256(text.encode("ascii") + b"\0" + numbers).digest()[:16]


def _pack(values: Sequence[float]) -> bytes:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"values must be a list of numbers; got {values!r}") from None
    if any(math.isnan(number) for number in numbers):
        raise ValueError(f"values holds NaN, which is not an answer; got {numbers!r}")
    return struct.pack(f"<{len(numbers)}d", *numbers)


#: Seconds between two looks at whether another is done.
LOOK = 0.02


@contextmanager
def asking(folder: Path, name: str, stop: threading.Event) -> Iterator[bool]:
    """Wait until nobody else asks the question of this name, and keep others from asking it until the block ends.

    The question is locked by a file that is removed afterwards. The lock ends with its process, however that ends; a
    file left by a killed one locks nothing.

    Args:
        folder: of the files, beside the cache; made if it is not there.
        name: of the question, as a file's name.
        stop: once it is set, nobody waits any longer.

    Returns:
        Whether the question may be asked: False once ``stop`` is set.

    Example:
        >>> import tempfile
        >>> with asking(Path(tempfile.mkdtemp()) / "asked", "q1", threading.Event()) as mine:
        ...     mine
        True
    """
    file = folder / name
    held = _locked(file)
    while held is None and not stop.wait(LOOK):
        held = _locked(file)
    try:
        yield held is not None
    finally:
        if held is not None:
            file.unlink(
                missing_ok=True
            )  # while it is locked: who waits for it finds another file, or none, and sees that
            os.close(held)


def _locked(file: Path) -> int | None:
    """The open and locked file, None if another holds it."""
    number = _opened(file)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(number), os.stat(file)):
            return number
    except (BlockingIOError, FileNotFoundError):
        pass  # held, or removed between opening and locking
    except BaseException:
        os.close(number)
        raise
    os.close(number)
    return None


def _opened(file: Path) -> int:
    while True:
        with suppress(FileExistsError):
            os.mkdir(file.parent, 0o700)
        with suppress(FileNotFoundError):  # another has just removed the empty folder
            return os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

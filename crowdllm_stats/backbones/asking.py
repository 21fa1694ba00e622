"""One asker a question: while one thread or process asks it, the others wait and then find its answer in the cache."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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

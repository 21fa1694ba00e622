"""Files and folders that are being made: a program that is stopped at once removes them before it leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_there: list[str] = []


@contextmanager
def unfinished(place: str | os.PathLike[str]) -> Iterator[None]:
    """While it lasts, the file or folder is not finished; on an error, who makes it removes it as ever.

    Example:
        >>> import pathlib, tempfile
        >>> place = pathlib.Path(tempfile.mkdtemp()) / "a.half"
        >>> with unfinished(place):
        ...     _ = place.write_bytes(b"a")
        ...     remove_unfinished()
        >>> place.exists()
        False
    """
    import shutil  # noqa: F401 - here, so that remove_unfinished has it without reading any file

    _there.append(os.fspath(place))
    try:
        yield
    finally:
        _there.remove(os.fspath(place))


def remove_unfinished() -> None:
    """Remove what is not finished, without a word about what cannot be removed."""
    for place in list(_there):
        import shutil

        try:
            os.unlink(place)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)

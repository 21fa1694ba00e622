"""Files that are there in full or not at all: written beside, then moved to their name."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

#: How the name of a file that is being written ends.
HALF = ".half"

#: How the name of a manifest ends.
MANIFEST = ".manifest.json"

_there: list[str] = []


def write_whole(file: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file so that it is there in full or not at all, even if the power fails; text as UTF-8.

    Raises:
        OSError: naming the file and the reason, where it could not be written; a former file of that name stays.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a"
        >>> write_whole(place, b"abc")
        >>> place.read_bytes()
        b'abc'
    """
    with whole_file(file) as out:
        out.write(content.encode("utf-8") if isinstance(content, str) else content)


def write_arrays(file: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write a packed .npz without pickles, in full or not at all.

    Raises:
        OSError: as :func:`write_whole`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> place = Path(tempfile.mkdtemp()) / "a.npz"
        >>> write_arrays(place, {"x": np.arange(3)})
        >>> np.load(place, allow_pickle=False)["x"].tolist()
        [0, 1, 2]
    """
    import numpy as np

    packed = io.BytesIO()  # an archive whose file fails half-way is not closed by every NumPy
    np.savez_compressed(packed, **dict(arrays))
    write_whole(file, packed.getvalue())


@contextmanager
def whole_file(file: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write bytes to, which takes its name when the block ends well and is removed when it does not.

    While it is written, nobody else may read it, and it has a name of its own that ends in ``.half`` and begins with a
    point, so that readers of a folder pass over it. A link is followed, a former file keeps its rights until and after
    it is replaced. A pipe or a device is written to directly.

    Args:
        file: the name it takes; its folder must be there.

    Raises:
        OSError: naming the file and the reason, where it could not be written; a former file of that name stays.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a"
        >>> with whole_file(place) as out:
        ...     _ = out.write(b"abc")
        ...     place.exists()
        False
        >>> place.read_bytes()
        b'abc'
    """
    place = Path(os.path.realpath(file))
    try:
        if place.exists() and not place.is_file():
            with place.open("wb") as out:
                yield out
            return
        with _half(place) as out:
            yield out
    except OSError as error:
        if error.errno is None:  # a refusal in words, of a writer inside the block
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        refusal = type(error)(f"{file} could not be written: {reason}; what was there before stays")
        refusal.errno = error.errno
        raise refusal from None


@contextmanager
def whole_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write files to, which move to ``folder`` together when the block ends well, else none of them.

    Manifests move first, so that a folder of ours is known as such at every moment.

    Args:
        folder: made where it is not there, with those above it; its other files stay.

    Raises:
        OSError: where the folder cannot be made or written to; naming it where there is no room.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> with whole_folder(place) as out:
        ...     _ = (out / "a.txt").write_text("abc")
        ...     (place / "a.txt").exists()
        False
        >>> (place / "a.txt").read_text()
        'abc'
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    half = place / f".{os.urandom(6).hex()}{HALF}"
    with unfinished(half):
        half.mkdir()
        try:
            yield half
            for file in sorted(half.iterdir(), key=lambda file: not file.name.endswith(MANIFEST)):
                with file.open("rb") as written:
                    os.fsync(written.fileno())
                file.replace(place / file.name)
        except OSError as error:
            if error.strerror is None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise  # also what a writer inside the block has said already
            refusal = type(error)(f"{place} could not be written: {error.strerror}; what was there before stays")
            refusal.errno = error.errno
            raise refusal from None
        finally:
            shutil.rmtree(half, ignore_errors=True)


@contextmanager
def _half(place: Path) -> Iterator[BinaryIO]:
    half = place.with_name(f".{place.name[:40]}.{os.urandom(6).hex()}{HALF}")
    with unfinished(half):
        number = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            with open(number, "wb") as out:
                rights = (place if place.exists() else half).stat().st_mode & 0o777
                os.fchmod(number, 0o600)
                yield out
                out.flush()
                os.fchmod(number, rights)
                os.fsync(number)
            half.replace(place)
        except BaseException:  # Ctrl-C too
            half.unlink(missing_ok=True)
            raise


@contextmanager
def unfinished(place: str | os.PathLike[str]) -> Iterator[None]:
    """While it lasts, the file or folder is not finished; on an error, whoever makes it removes it as before.

    Example:
        >>> import pathlib, tempfile
        >>> place = pathlib.Path(tempfile.mkdtemp()) / "a.half"
        >>> with unfinished(place):
        ...     _ = place.write_bytes(b"a")
        ...     remove_unfinished()
        >>> place.exists()
        False
    """
    _there.append(os.fspath(place))
    try:
        yield
    finally:
        _there.remove(os.fspath(place))


def remove_unfinished() -> None:
    """Remove what is not finished, in a program that is stopped at once, without a word on what cannot be removed."""
    for place in list(_there):
        try:
            os.unlink(place)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)

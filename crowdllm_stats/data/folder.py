"""Where published data lie: in a folder the user names, or the one that CROWDLLM_STATS_DATA names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from crowdllm_stats._base.messages import Message

VARIABLE = "CROWDLLM_STATS_DATA"

_GIVE = Message("pass folder=", "give --data FOLDER")


def locate(places: Sequence[str], folder: str | os.PathLike[str] | None, source: str) -> Path:
    """The first of several places, relative to the data folder, that holds a file.

    Args:
        places: relative paths, in the order in which they are tried.
        folder: the data folder; without it, the environment variable CROWDLLM_STATS_DATA names it.
        source: where the data can be had, for the message.

    Raises:
        FileNotFoundError: if no folder is named, the folder is not there, or holds none of the places.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "raw_data.csv").touch()
        >>> locate(["a/raw_data.csv", "raw_data.csv"], root, "example.org").name
        'raw_data.csv'
    """
    if folder is None:
        folder = os.environ.get(VARIABLE, "")
        if not folder:
            raise FileNotFoundError(
                Message.filled("no data folder: {}, or set {}; the data are at {}", _GIVE, VARIABLE, source)
            )
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(Message.filled("data folder {} is not there; {}, or set {}", root, _GIVE, VARIABLE))
    for place in places:
        if (root / place).is_file():
            return root / place
    raise FileNotFoundError(f"no {' or '.join(places)} in {root}; the data are at {source}")

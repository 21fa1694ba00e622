"""Colours of methods and levels, the same in every picture."""

from __future__ import annotations

from typing import Any


def colors() -> tuple[Any, ...]:
    """Eighteen colours that can be told apart.

    Example:
        >>> len(colors())
        18
    """
    from matplotlib import colormaps

    return (*colormaps["tab10"].colors, *colormaps["Dark2"].colors)  # type: ignore[attr-defined]  # listed colour maps

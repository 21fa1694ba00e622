"""How numbers stand in the sentences of notes."""

from __future__ import annotations


def several(count: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> several(1, "problem"), several(2, "problem")
        ('1 problem', '2 problems')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"

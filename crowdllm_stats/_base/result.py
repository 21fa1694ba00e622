"""What every calculator returns: a frozen record that prints itself, and turns into a table or a dictionary."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from crowdllm_stats._base.json_values import json_object


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Base of all result objects.

    A subclass lists in ``columns`` the fields that hold one value per problem (a scalar, or an array of the batch
    shape); these make the rows of :meth:`to_frame`. ``why`` says in words which assumptions the numbers rest on.
    ``flags`` maps a short sentence to a mask of the problems it holds for; they become the column ``note``.
    ``notices`` are sentences that a reader must see before the numbers: they are printed first.
    """

    columns: ClassVar[tuple[str, ...]] = ()
    #: What stands for a missing value in print.
    absent: ClassVar[str] = "not identifiable"

    why: str
    flags: dict[str, Any]
    notices: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def to_frame(self, index: Any = None) -> pd.DataFrame:
        """One row per problem: the fields of ``columns``, then ``note``.

        Args:
            index: labels of the problems, one per row.

        Raises:
            ValueError: if ``index`` has another length than there are problems.
        """
        values = {name: getattr(self, name) for name in self.columns}
        shape = np.broadcast_shapes(*(np.shape(value) for value in values.values() if value is not None))
        rows = int(np.prod(shape))
        data: dict[str, Any] = {}
        for name, value in values.items():
            if value is None:
                data[name] = [None] * rows
            else:
                data[name] = np.broadcast_to(np.asarray(value), shape).reshape(rows)
        data["note"] = self._notes(shape)
        frame = pd.DataFrame(data)
        if index is not None:
            labels = list(index)
            if len(labels) != rows:
                raise ValueError(f"index has {len(labels)} labels for {rows} problems")
            frame.index = pd.Index(labels, name="problem")
        return frame

    def _notes(self, shape: tuple[int, ...]) -> list[str]:
        notes = [""] * int(np.prod(shape))
        for sentence, mask in self.flags.items():
            for row in np.flatnonzero(np.broadcast_to(np.asarray(mask), shape)):
                notes[row] = f"{notes[row]}; {sentence}" if notes[row] else sentence
        return notes

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values, ready for JSON: an unlimited end is None, and named in ``not_finite``.

        Example:
            >>> from crowdllm_stats import interval
            >>> answer = interval([4, 2, 5, 3], method="classical", alternative="larger").to_dict()
            >>> answer["upper"], answer["not_finite"]
            (None, {'upper': 'inf'})
        """
        return json_object({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def _title(self) -> str:
        """What is printed above the numbers."""
        return type(self).__name__

    def _word(self, value: Any) -> str:
        if value is None:
            return self.absent
        if isinstance(value, float | np.floating):
            return f"{value:.4g}"
        return str(value)

    def __str__(self) -> str:
        frame = self.to_frame()
        if len(frame) == 1:
            row = frame.iloc[0]
            width = max(len(name) for name in frame.columns)
            lines = [
                f"{name:<{width}}  {self._word(row[name])}" for name in frame.columns if name != "note" or row[name]
            ]
        else:
            lines = [f"{len(frame)} problems"]
            lines += frame.head(10).to_string(float_format=lambda value: f"{value:.4g}").splitlines()
            if len(frame) > 10:
                lines.append(f"... and {len(frame) - 10} more (to_frame() has them all)")
        return "\n".join(
            [
                *self.notices,
                self._title(),
                *(f"  {line}" for line in lines),
                *textwrap.wrap(self.why, 100, initial_indent="  ", subsequent_indent="  "),
            ]
        )


def unbatch(value: Any) -> Any:
    """A zero-dimensional array as a plain scalar; any other array as it is.

    Example:
        >>> unbatch(np.array(2.0))
        2.0
    """
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array

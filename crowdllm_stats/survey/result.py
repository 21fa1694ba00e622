"""What the functions of two tables return: one row per problem, the problems left out, and what was decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crowdllm_stats._base.json_values import json_object

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

#: Rows that are printed; to_frame() has them all.
SHOWN = 10

#: What stands for the explanation in print.
WHY = ".why says what these numbers rest on."


@dataclasses.dataclass(frozen=True, eq=False)
class SurveyResult:
    """A calculator's answers for the problems of a survey.

    Attributes:
        rows: one per problem, in the order of the human table's problems: ``problem``, the calculator's columns (None
            where one does not apply) and ``note``.
        overall: the row over all problems, ``problem`` being "all", "mean" or "typical"; None where there is none.
        excluded: problem -> why it could not be computed.
        notes: what was decided on the way, a sentence each.
        counts: answers, people, pairs and so on, by name.
        why: what the numbers rest on.
        notices: sentences that a reader must see before the numbers; printed first.
        overall_ends: the lower and the upper ends of ``overall``, a row each, where it has no columns for them.
    """

    rows: Sequence[Row]
    overall: Row | None
    excluded: Mapping[str, str]
    notes: Sequence[str]
    counts: Mapping[str, int]
    why: str
    notices: Sequence[str] = ()
    overall_ends: Sequence[Row] = ()

    @property
    def summary(self) -> list[Row]:
        """The rows over all problems: ``overall`` and its ends."""
        return [*([] if self.overall is None else [self.overall]), *self.overall_ends]

    def to_frame(self) -> pd.DataFrame:
        """One row per problem that was computed, indexed by ``problem``; a value that does not apply is missing.

        The problems left out are in ``excluded``, the mean over all in ``overall``.

        Example:
            >>> row = {"problem": "a", "estimate": 2.5, "note": ""}
            >>> SurveyResult([row], None, {"b": "no answer"}, [], {}, "").to_frame()["estimate"].to_dict()
            {'a': 2.5}
        """
        import pandas as pd

        return pd.DataFrame(list(self.rows)).set_index("problem")

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values, ready for JSON; see :func:`crowdllm_stats._base.json_values.json_object`.

        Example:
            >>> row = {"problem": "a", "lower": 1.0, "upper": float("inf")}
            >>> SurveyResult([row], None, {}, [], {}, "").to_dict()["rows"]
            [{'problem': 'a', 'lower': 1.0, 'upper': None, 'not_finite': {'upper': 'inf'}}]
        """
        return json_object({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def __str__(self) -> str:
        frame = self.to_frame()
        lines = frame.head(SHOWN).to_string(float_format=lambda value: f"{value:.4g}").splitlines()
        if len(frame) > SHOWN:
            lines.append(f"... and {len(frame) - SHOWN} more (to_frame() has them all)")
        for row in self.summary:
            lines.append(f"{row['problem']}: {', '.join(f'{name} {_word(row[name])}' for name in _shown(row))}")
        if self.excluded:
            there = len({row["problem"] for row in self.rows})
            lines.append(f"Excluded: {len(self.excluded)} of {len(self.excluded) + there} problems.")
            reasons = list(self.excluded.values())
            lines += [f"  {reasons.count(reason)} x {reason}" for reason in sorted(set(reasons))]
        lines += [f"- {note}" for note in self.notes]
        lines.append(WHY)
        return "\n".join([*self.notices, type(self).__name__, *(f"  {line}" for line in lines)])


def _shown(row: Row) -> list[str]:
    """The estimate and its ends; all numbers of a row without them."""
    ends: list[str] = [name for name in ("estimate", "lower", "upper") if name in row]
    return ends or [name for name, value in row.items() if isinstance(value, int | float)]


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

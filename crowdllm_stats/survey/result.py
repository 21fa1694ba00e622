"""What the functions of two tables return: one row per problem, the problems left out, and what was decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, Protocol

from crowdllm_stats._base.json_values import json_object
from crowdllm_stats._base.shown import several

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

#: Rows that are printed; to_frame() has them all.
SHOWN = 10

#: Columns that are printed.
MOST_COLUMNS = 7

#: What stands for the rest in print.
MORE = ".notes, .excluded and .why say more, .to_frame() has all columns."


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
        answer: the result as a sentence.
        basis: what it rests on, in one line.
        columns: of the rows, the most important first.
    """

    rows: Sequence[Row]
    overall: Row | None
    excluded: Mapping[str, str]
    notes: Sequence[str]
    counts: Mapping[str, int]
    why: str
    notices: Sequence[str] = ()
    overall_ends: Sequence[Row] = ()
    answer: str = ""
    basis: str = ""
    columns: Sequence[str] = ()

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
        shown = [*self.rows[:SHOWN], *self.summary]
        names = filled(self.columns, shown)[:MOST_COLUMNS]
        cells = [[_word(row.get(name)) for name in names] for row in shown]
        for row, line in zip(self.rows, cells, strict=False):
            line[0] += MARK if row.get("note") else ""
        widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
                 for line in [names, *cells]]  # fmt: skip
        more = len(self.rows) - SHOWN
        if more > 0:
            table.insert(1 + SHOWN, f"... and {more} more")
        return "\n".join([*before_numbers(self), self.answer, *(f"  {line}" for line in table), rests_on(self), MORE])


#: Behind the id of a problem on which there is a remark.
MARK = " *"


class Said(Protocol):
    """What is said around a table: a result's own words, or those of a command."""

    @property
    def answer(self) -> str:
        """The result as a sentence."""

    @property
    def basis(self) -> str:
        """What it rests on."""

    @property
    def notices(self) -> Sequence[str]:
        """What a reader must see before the numbers."""


def before_numbers(said: Said) -> list[str]:
    """The notices that neither the answer nor the line below the table says.

    Example:
        >>> before_numbers(SurveyResult([], None, {}, [], {}, "", ["Twins run backwards.", "q1 is off."],
        ...                             answer="Worse: q1 is off."))
        ['Twins run backwards.']
    """
    return [notice for notice in said.notices if notice not in said.answer and notice not in said.basis]


def rests_on(result: SurveyResult) -> str:
    """The line below the table: what the numbers rest on, what is left out, and what the marks mean."""
    return " ".join(part for part in (result.basis, left_out(result.rows, result.excluded), marked(result)) if part)


def left_out(rows: Sequence[Row], excluded: Sized) -> str:
    """How many problems are left out; empty where none is.

    Example:
        >>> left_out([{"problem": "a"}, {"problem": "a"}], ["b"])
        'Excluded: 1 of 2 problems.'
    """
    there = len({row["problem"] for row in rows})
    return f"Excluded: {len(excluded)} of {several(len(excluded) + there, 'problem')}." if excluded else ""


def marked(result: SurveyResult) -> str:
    """What the marks mean; empty where there is none."""
    return "* see the column note." if any(row.get("note") for row in result.rows) else ""


def filled(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The columns that hold anything.

    Example:
        >>> filled(["problem", "lam", "upper"], [{"problem": "a", "lam": None, "upper": 2.0}])
        ['problem', 'upper']
    """
    return [name for name in columns if any(row.get(name) not in (None, "") for row in rows)]


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)

"""What a report shows of one result: sentences, and figures that each have a table."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from crowdllm_stats._base.shown import one_line

Row = Mapping[str, Any]

#: Most characters of a text from the data in one cell.
LONGEST = 600

#: Numbers below this are zero but for rounding.
ROUNDING = 1e-20

#: A text of fewer characters stays on one line.
SHORT = 16


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows to read, to sort and to load.

    Attributes:
        columns: key of a row -> heading, in order; columns without any value are left out.
        rows: all of them.
        shown: how many rows stand in the page, the first ones.
        loaded: how many rows the CSV has, the first ones.
    """

    columns: Mapping[str, str]
    rows: Sequence[Row]
    shown: int = 300
    loaded: int = 3000

    @property
    def headings(self) -> dict[str, str]:
        """Key -> heading of the columns that hold anything."""
        return {key: label for key, label in self.columns.items() if any(_there(row.get(key)) for row in self.rows)}

    @property
    def numeric(self) -> set[str]:
        """Keys of the columns of numbers."""
        return {key for key in self.headings if not any(isinstance(row.get(key), str | bool) for row in self.rows)}

    @property
    def cells(self) -> list[list[tuple[str, str, str]]]:
        """Of every row in the page, (what is read, what it is sorted by, how it is set) per column."""
        numbers = self.numeric
        places = {key: _decimals([row.get(key) for row in self.rows]) for key in self.headings}
        return [
            [
                (text, _sorted_by(row.get(key)), "number" if key in numbers else "short" if len(text) < SHORT else "")
                for key, digits in places.items()
                for text in [_in_column(row.get(key), digits)]
            ]
            for row in self.rows[: self.shown]
        ]

    @property
    def csv(self) -> str:
        """The rows as a file to load: a ``data:`` address; texts that a spreadsheet would run are quoted."""
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\r\n")
        lines.writerow(self.headings.values())
        for row in self.rows[: self.loaded]:
            lines.writerow([_safe(row.get(key)) for key in self.headings])
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(out.getvalue().encode()).decode()}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One statement: its picture, and the numbers in it.

    Attributes:
        title: in plain words.
        says: the result, in a sentence or two.
        table: the numbers.
        chart: a Vega-Lite specification; None where a table says it better.
        alt: what the picture shows, for those who do not see it.
        reading: how to read the picture.
    """

    title: str
    says: str
    table: Table
    chart: Mapping[str, Any] | None = None
    alt: str = ""
    reading: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """What one folder says.

    Attributes:
        title: in plain words.
        says: the result in a sentence.
        figures: in order.
        methods: sentences for a paper; ``[key]`` names a source.
        basis: what the result rests on, in one line.
        notices: what must be read before the numbers.
        notes: remarks below.
        why: what the numbers rest on.
        excluded: rows with ``problem`` and ``reason``.
    """

    title: str
    says: str
    figures: Sequence[Figure]
    methods: str
    basis: str = ""
    notices: Sequence[str] = ()
    notes: Sequence[str] = ()
    why: str = ""
    excluded: Sequence[Row] = ()


def part_of(content: Mapping[str, Any], title: str, figures: Sequence[Figure], methods: str) -> Part:
    """A part with the sentence, the notices and the reasons that a command kept."""
    return Part(
        title=title,
        says=content["answer"],
        figures=figures,
        methods=methods,
        basis=content["basis"],
        notices=[one for one in content["notices"] if one.rstrip(".") not in content["basis"] + content["answer"]],
        notes=content["notes"],
        why=content["why"],
        excluded=content["excluded"],
    )


#: How a row over all questions is called, by its name in the results.
_WHOLE = {
    "all": "All questions together", "mean": "Mean over the questions", "lower": "lower limit of that mean",
    "upper": "upper limit of that mean", "typical": "A typical question",
}  # fmt: skip


def whole_rows(summary: Sequence[Row]) -> list[Row]:
    """The rows over all questions, called so that none is taken for a question.

    Example:
        >>> whole_rows([{"problem": "all", "estimate": 2.5}])
        [{'problem': 'All questions together', 'estimate': 2.5}]
    """
    return [{**row, "problem": _WHOLE[row["problem"]]} for row in summary]


def text_of(value: Any) -> str:
    """A value as it is read: four digits, yes and no, a dash for what is not there.

    Example:
        >>> text_of(1.23456), text_of(True), text_of(None), text_of(float("inf")), text_of(12000.0)
        ('1.235', 'yes', '–', 'unlimited', '12000')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if math.isinf(value):
            return "unlimited"
        return f"{value:.0f}" if abs(value) >= 1e4 else f"{value + 0.0:.4g}"
    return cut(one_line(str(value)), LONGEST)


def said(value: float) -> str:
    """A number in a sentence: three digits.

    Example:
        >>> said(2.8638), said(203.35), said(40)
        ('2.86', '203', '40')
    """
    return text_of(value) if isinstance(value, int) or math.isinf(value) else f"{value + 0.0:.3g}"


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters.

    Example:
        >>> cut("question", 5)
        'ques…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _decimals(values: Sequence[Any]) -> int:
    """Decimals that show four digits of the largest number of a column, and no more than four; none of whole ones."""
    sizes = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    largest = max(sizes, default=0.0)
    if all(size.is_integer() for size in sizes):
        return 0
    return min(max(3 - math.floor(math.log10(largest)), 0), 4)


def _in_column(value: Any, decimals: int) -> str:
    if (
        isinstance(value, float)
        and math.isfinite(value)
        and (abs(value) < ROUNDING or abs(value) >= 0.5 * 10.0**-decimals)
    ):
        return f"{value + 0.0:.{decimals}f}"
    return text_of(value)


def _there(value: Any) -> bool:
    return value is not None and value != ""


def _sorted_by(value: Any) -> str:
    return repr(float(value)) if isinstance(value, bool | int | float) else ""


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value

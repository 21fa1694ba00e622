"""What a command has to say, and the three ways of saying it: tables, JSON, a file."""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats._base.messages import for_command
from crowdllm_stats._base.shown import cut, one_line, visible
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.cli.terminal import screen
from crowdllm_stats.survey.result import MARK, MOST_COLUMNS, before_numbers, filled, left_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, RenderableType
    from rich.table import Table

#: Endings of --out.
ENDINGS = (".csv", ".parquet", ".json")

#: Rows of a table on the screen; --json and --out have them all.
SHOWN = 20

Row = dict[str, Any]


@dataclasses.dataclass
class Report:
    """One command's result.

    ``answer`` is the result as a sentence, which stands above the table, ``basis`` the line below it. ``results`` has
    one row per problem (the key ``note`` is for remarks), ``summary`` rows over all problems, ``excluded`` rows with
    problem and reason. ``show`` names the columns for the screen, the most important first, ``pictures`` what else is
    drawn there; ``figure`` draws for --plot. ``inputs`` describes what was read, for the manifest. ``notices`` are
    sentences that a reader must see before the numbers: they are printed first. ``keep`` writes what a
    report needs to a folder.
    """

    command: str
    answer: str
    results: list[Row]
    why: str
    show: Sequence[str]
    summary: list[Row] = dataclasses.field(default_factory=list)
    excluded: list[Row] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    seed: int | None = None
    pictures: list[RenderableType] = dataclasses.field(default_factory=list)
    notices: Sequence[str] = ()
    keep: Callable[..., list[Path]] | None = None
    basis: str = ""
    figure: Callable[[], Figure] | None = None


def emit(
    report: Report,
    *,
    as_json: bool,
    out: Path | None,
    arguments: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    keep_formulas: bool = False,
    explain: bool = False,
    plot: Path | None = None,
) -> None:
    """Print the report and, on request, write it with its manifest, and draw it; with ``explain`` print all of it.

    With ``settings``, the options of the command, ``out`` is a folder that gets what a report needs.

    Raises:
        ValueError: if ``out`` has an unknown ending.
        FileNotFoundError: if its folder does not exist.
    """
    report = _for_command(report)
    if out is not None and settings is not None:
        assert report.keep is not None
        written = report.keep(out, settings=settings, arguments=arguments)
    elif out is not None:
        written = [out, _write(report, out, arguments, keep_formulas)]
    if plot is not None and report.figure is not None:
        write_figure(report.figure(), plot)
    if as_json:
        print(json_text(envelope(report)))
        return
    _print(report, explain)
    if out is not None:
        print(f"Written: {written[0]} and {written[1].name}")
        if settings is not None:
            print(f"For a report to read and to share: {shlex.join(['crowdllm-stats', 'report', str(out)])}")
    if plot is not None:
        print(f"Plot: {plot}")


def write_figure(figure: Figure, plot: Path) -> None:
    """Write a picture to a .png, .svg or .pdf file, whole or not at all."""
    from crowdllm_stats._base.whole_files import whole_file

    with whole_file(plot) as file:
        figure.savefig(file, dpi=150, format=plot.suffix.lower().removeprefix("."))


def _for_command(report: Report) -> Report:
    """The report with every sentence as the command line shows it."""
    return dataclasses.replace(
        report,
        excluded=[row | {"reason": for_command(row["reason"])} for row in report.excluded],
        notes=[for_command(note) for note in report.notes],
        notices=[for_command(notice) for notice in report.notices],
        why=for_command(report.why),
        answer=for_command(report.answer),
        basis=for_command(report.basis),
    )


def envelope(report: Report) -> Row:
    """The JSON object: command, version, notices, answer, basis, results, summary, excluded, counts, notes, why.

    Raises:
        ArithmeticError: if a result is not a number; unlimited ones are fine.
    """
    from crowdllm_stats import __version__

    _refuse_nan([*report.results, *report.summary])
    return {
        "command": report.command,
        "version": __version__,
        "notices": list(report.notices),
        "answer": report.answer,
        "basis": report.basis,
        "results": report.results,
        "summary": report.summary,
        "excluded": report.excluded,
        "counts": _whole(report.counts),
        "notes": report.notes,
        "why": report.why,
    }


def _write(report: Report, out: Path, arguments: Sequence[str], keep_formulas: bool) -> Path:
    import pandas as pd

    from crowdllm_stats._base.manifest import write_manifest
    from crowdllm_stats.data.files import write_table

    if out.suffix.lower() == ".json":
        write_whole(out, json_text(envelope(report)) + "\n")
        rows = None
    else:
        table = pd.DataFrame([_flat(row) for row in _all_rows(report)])
        write_table(table, out, keep_formulas=keep_formulas)
        rows = len(table)
    return write_manifest(
        out, arguments=arguments, inputs=report.inputs, seed=report.seed, counts=_whole(report.counts), rows=rows
    )


def _whole(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items()}


def _all_rows(report: Report) -> list[Row]:
    """Results, rows over all problems, and the excluded problems with their reason as note."""
    left_out = [{"problem": row["problem"], "note": f"excluded: {row['reason']}"} for row in report.excluded]
    return [*report.results, *report.summary, *left_out]


def _flat(row: Row) -> Row:
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}


def _refuse_nan(rows: Sequence[Row]) -> None:
    for row in rows:
        for name, value in _flat(row).items():
            if isinstance(value, float) and math.isnan(value):
                raise ArithmeticError(f"{name} of problem {row.get('problem')} is not a number")


#: Most characters of a problem's id in a table; less than a third of a narrow screen.
ID_WIDTH = 30

#: Longest line of a sentence.
LINE = 120

#: Problems named with a note; the rest is a number.
NAMED = 3

#: What stands for the rest where nobody asked for it.
EXPLAIN = "--explain says more."


def _print(report: Report, explain: bool) -> None:
    """The answer, the table and what they rest on; with explain, all columns and everything else there is to say."""
    console = screen(pipe_width=160)  # the usual 80 would cut numbers off

    def say(text: str, style: str = "") -> None:
        """A sentence in lines of a readable length, without blanks at their ends."""
        console.print("\n".join(textwrap.wrap(visible(text), min(console.width - 1, LINE))), style=style, markup=False)

    for notice in before_numbers(report):
        say(notice, "yellow")
    say(report.answer, "bold")
    if report.results:
        names = filled(report.show, [*report.results[:SHOWN], *report.summary])
        _print_tables(report, names if explain else names[:MOST_COLUMNS], console)
    hidden = len(report.results) - SHOWN
    if hidden > 0:
        say(f"... and {hidden} more rows; --json and --out FILE have them all")
    for picture in report.pictures:
        console.print(picture, markup=False)
    marks = f"{MARK.strip()} has a remark." if any(row.get("note") for row in report.results) and not explain else ""
    parts = (report.basis, left_out(report.results, report.excluded), marks, "" if explain else EXPLAIN)
    say(" ".join(part for part in parts if part))
    if not explain:
        return
    for line in remarks(report):
        say(line)
    for reason, problems in _by_text((row["reason"], row["problem"]) for row in report.excluded).items():
        say(f"* excluded, {reason}: {_named(problems)}")
    for note in report.notes:
        say(f"- {note}")
    if report.why:
        say(report.why, "dim")


def remarks(report: Report) -> list[str]:
    """The notes of all rows, a line for each sentence with the problems that it is about.

    Example:
        >>> rows = [{"problem": name, "note": "few answers"} for name in "abcde"]
        >>> remarks(Report("interval", "", rows, "", ("problem",)))
        ['* few answers: a, b, c and 2 more']
    """
    several_methods = len({row.get("problem") for row in report.results}) < len(report.results)
    pairs = [
        (
            sentence,
            f"{row['problem']} ({row['method']})" if several_methods and "method" in row else str(row["problem"]),
        )
        for row in [*report.results, *report.summary]
        for sentence in str(row.get("note") or "").split("; ")
        if sentence
    ]
    return [f"* {sentence}: {_named(problems)}" for sentence, problems in _by_text(pairs).items()]


def _by_text(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Sentence -> problems, in the order of appearance."""
    found: dict[str, list[str]] = {}
    for text, problem in pairs:
        found.setdefault(text, []).append(problem)
    return found


def _named(problems: Sequence[str]) -> str:
    shown = ", ".join(cut(one_line(problem), ID_WIDTH) for problem in problems[:NAMED])
    more = len(problems) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _print_tables(report: Report, names: Sequence[str], console: Console) -> None:
    """The table; where the screen is too narrow, its last columns in a table below it: nothing is cut off or hidden."""
    first, *rest = names
    while rest:
        count = len(rest)
        while count > 1 and _width(report, [first, *rest[:count]], console) > console.width:
            count -= 1
        console.print(table_of(report, [first, *rest[:count]], _id_width(console)))
        rest = rest[count:]
        if rest:
            console.print()


def _width(report: Report, columns: Sequence[str], console: Console) -> int:
    """Width at which every number shows in full."""
    unlimited = console.options.update(max_width=1000)
    return console.measure(table_of(report, columns, _id_width(console)), options=unlimited).maximum


def _id_width(console: Console) -> int:
    return min(ID_WIDTH, max(console.width // 3, 8))


def table_of(report: Report, columns: Sequence[str], id_width: int = ID_WIDTH) -> Table:
    """The first rows of the results, and the rows over all problems, as a table for the screen; long ids are cut.

    Args:
        report: what the command has to say.
        columns: those to show, in this order.
        id_width: most characters of a problem's id.
    """
    from rich.table import Table
    from rich.text import Text

    def cells(row: Row, mark: str = "") -> list[Text]:  # Text, for whatever is in an id is not markup
        words = {name: one_line(word(row.get(name)), sys.stdout.encoding or "utf-8") for name in columns}
        if "problem" in words:
            words["problem"] = cut(words["problem"], id_width) + mark
        return [Text(text) for text in words.values()]

    shown = [*report.results[:SHOWN], *report.summary]
    words = {name for name in columns if any(isinstance(row.get(name), str) for row in shown)}
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        header = Text(name.replace("_", "\n"))
        table.add_column(header, justify="left" if name in words else "right", no_wrap=True, vertical="bottom")
    for row in report.results[:SHOWN]:
        table.add_row(*cells(row, MARK if row.get("note") else ""))
    if report.summary:
        table.add_section()
        for row in report.summary:
            table.add_row(*cells(row), style="bold")
    return table


def word(value: Any) -> str:
    """A value for people: four digits, yes and no, a dash for what is not there.

    Example:
        >>> word(1.23456), word(True), word(None), word(float("inf"))
        ('1.235', 'yes', '-', 'inf')
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value + 0.0:.4g}"  # the sum turns -0 into 0
    return str(value)


def bars(rows: Sequence[Row], label: str, width: int = 60) -> str:
    """One line per row: its label, and a bar from lower to upper with a dot at the estimate, all on one axis.

    Args:
        rows: with the keys estimate, lower, upper and ``label``; rows without an estimate are left out.
        label: the key that names a row.
        width: characters of the axis.

    Returns:
        The lines and the axis; an end that is unlimited, or off the picture, is drawn as an arrow.

    Example:
        >>> print(bars([{"m": "t", "estimate": 2.0, "lower": 1.0, "upper": 3.0}], "m", width=11))
        t |----o----|
          1         3
    """
    drawn = [row for row in rows if row.get("estimate") is not None]
    ends = [row[name] for row in drawn for name in ("estimate", "lower", "upper") if math.isfinite(row[name])]
    low, high = min(ends), max(ends)
    step = (high - low) / (width - 1) or 1.0
    names = max(len(str(row[label])) for row in drawn)
    lines = [f"{row[label]!s:<{names}} {_bar(row, low, step, width)}" for row in drawn]
    left, right = f"{low:.4g}", f"{high:.4g}"
    return "\n".join([*lines, f"{'':<{names}} {left}{right:>{width - len(left)}}"])


def _bar(row: Row, low: float, step: float, width: int) -> str:
    first = round((row["lower"] - low) / step) if math.isfinite(row["lower"]) else -1
    last = round((row["upper"] - low) / step) if math.isfinite(row["upper"]) else width
    cells = [" "] * width
    for place in range(max(first, 0), min(last, width - 1) + 1):
        cells[place] = "-"
    cells[max(first, 0)] = "|" if first >= 0 else "<"
    cells[min(last, width - 1)] = "|" if last < width else ">"
    cells[round((row["estimate"] - low) / step)] = "o"
    return "".join(cells).rstrip()

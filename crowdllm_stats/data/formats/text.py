"""Tables of text that are not plain CSV: other separators, other encodings, decimal commas, columns of one name."""

from __future__ import annotations

import codecs
import csv
import io
import re

import pandas as pd

from crowdllm_stats._base.words import NO_NUMBER
from crowdllm_stats.data.csv_text import with_formulas
from crowdllm_stats.data.formats.opened import Opened, table_of

#: What may stand between values, and how messages call it.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'"}

#: Bytes at the beginning by which a file is told, and lines of them.
HEAD, _LINES = 1 << 20, 50

#: Characters of a value, as Python's csv module sets it where nobody changed it.
MOST_VALUE = 131_072

_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WORDY = re.compile(r"[^\W\d_]")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:[. ]\d{3})+|\d+),(\d+)")
_NUMBER = re.compile(r"[+-]?\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_TICKED = re.compile(r"([1-9]\d?),([1-9]\d?)")

ENCODINGS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}


class NotText(ValueError):
    """Bytes that are no text in an encoding that is known here."""


def encoding_of(content: bytes, *, whole: bool = True) -> str:
    """The encoding of a text: UTF-8 or UTF-16, else Windows-1252 where nothing speaks against it.

    Against it speak bytes that are not a character there, characters beyond ASCII that are not mostly letters, and any
    character beyond ASCII that is valid UTF-8: such a file is UTF-8 and damaged.

    Args:
        content: the text, or its beginning.
        whole: whether it is all of it.

    Raises:
        NotText: where it is none of these.

    Example:
        >>> encoding_of("größe".encode("cp1252")), encoding_of("größe".encode("utf-16"))
        ('cp1252', 'utf-16')
    """
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    zeros = content[:400:2].count(0), content[1:400:2].count(0)
    if max(zeros) > len(content[:400]) // 4 and not min(zeros):
        return "utf-16-be" if zeros[0] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, final=whole)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        near = content[max(0, error.start - 10) : error.end]
        wrong = NotText(f"line {line} is not UTF-8 text (near {near!r}); save the file as UTF-8")
    else:
        return "utf-8-sig"
    if _MULTIBYTE.search(content):
        raise wrong
    try:
        strange = [character for character in content.decode("cp1252") if ord(character) > 127]
    except UnicodeDecodeError:
        raise wrong from None
    if 2 * sum(map(bool, map(_WORDY.match, strange))) < len(strange):
        raise wrong
    return "cp1252"


def delimiter_of(text: str) -> str:
    """What stands between the values: that which parts all first lines into the same number of values, and most.

    Where none does, that which parts the header, the comma first.

    Example:
        >>> delimiter_of("problem;response\\nq1;2,5\\nq2;3\\n"), delimiter_of("problem,response\\nq1,2;5\\n")
        (';', ',')
    """
    lines = io.StringIO(text, newline="")
    sample = "".join(line for _, line in zip(range(_LINES), lines, strict=False))
    found = {mark: _widths(sample, mark) for mark in DELIMITERS}
    even = {mark: widths[0] for mark, widths in found.items() if widths and len(set(widths)) == 1 and widths[0] > 1}
    if even:
        return max(even, key=lambda mark: (even[mark], mark != ","))
    headed = {mark: widths[0] for mark, widths in found.items() if widths and widths[0] > 1}
    return "," if "," in headed or not headed else max(headed, key=lambda mark: headed[mark])


def _widths(sample: str, mark: str) -> list[int]:
    """Values in each of the first rows; none where the sample cannot be read so."""
    try:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark) if row]
    except csv.Error:
        return []
    return [len(row) for row in (rows[:-1] if len(rows) > 2 else rows)]  # the last may be cut within a text


def is_plain(head: bytes) -> bool:
    """Whether a text seems to be plain CSV: UTF-8, commas between values, each column's name once.

    Args:
        head: its beginning.
    """
    try:
        if encoding_of(head, whole=False) != "utf-8-sig":
            return False
    except NotText:
        return True  # what is wrong with it is said where plain files are read
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    if delimiter_of(text) != ",":
        return False
    try:
        names = next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:
        return True
    return len(set(names)) == len(names)


def read_text(content: bytes, source: str, kind: str = "CSV") -> Opened:
    """Read a table of text, whatever separates its values.

    Args:
        content: the file.
        source: how messages name it.
        kind: what it is.

    Raises:
        ValueError: on an encoding that is not known, a zero byte, quotes that do not close, a row with more or fewer
            values than there are columns, a value of more than 131,072 characters.

    Example:
        >>> opened = read_text(b"problem;response\\nq1;2,5\\n", "a.csv")
        >>> opened.frame["response"].tolist(), opened.notes
        (['2.5'], ("a.csv: semicolons between values, decimal commas in 'response'.",))
    """
    try:
        encoding = encoding_of(content)
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"{source}: is not whole UTF-16 text, it may be cut off; save it as UTF-8") from None
    except NotText as error:
        raise ValueError(f"{source}: {error}") from None
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{source}: line {line} holds a zero byte, which is not text")
    mark = delimiter_of(text)
    opened = table_of(_rows(text, mark, source), source, kind)
    frame, changed = with_points(with_formulas(opened.frame), mark)
    found = [] if mark == "," else [f"{DELIMITERS[mark]} between values"]
    found += [] if encoding == "utf-8-sig" else [ENCODINGS.get(encoding, "Windows-1252")]
    whole, parted = without_thousands(frame)
    frame = whole if changed else frame
    # Without decimal commas in the file, 1.500 may be either; where commas part the values it is no thousand.
    points = "points between thousands" if changed else "points that are read as decimal ones (1.500 is 1.5)"
    for what, columns in (("decimal commas", changed), (points, parted if changed or mark == ";" else [])):
        if columns:
            found.append(f"{what} in {', '.join(map(repr, columns[:3]))}{', ...' if len(columns) > 3 else ''}")
    return Opened(frame, kind, opened.notes).noting(f"{source}: {', '.join(found)}." if found else "")


def _rows(text: str, mark: str, source: str) -> list[list[str]]:
    """The rows, all as long as the first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    rows: list[list[str]] = []
    width = 0
    try:
        for row in reader:
            if not any(row):
                continue
            width = width or len(row)
            if len(row) != width:
                raise ValueError(
                    f"{source}: line {reader.line_num} has {len(row)} value(s) where the header has {width} columns; "
                    f"the file may be cut off there, or a text that holds {mark!r} is not quoted"
                )
            if max(map(len, row)) > MOST_VALUE:
                raise ValueError(
                    f"{source}: line {reader.line_num} holds a value of more than {MOST_VALUE:,} characters; leave its "
                    "column out, or double the quotes inside a text"
                )
            rows.append(row)
    except csv.Error as error:
        what = {"unexpected end of data": "opens a quote that is never closed"}.get(str(error), f"is wrong ({error})")
        raise ValueError(
            f"{source}: line {reader.line_num} {what}; double the quotes inside a text, or the file was cut off or "
            "damaged there"
        ) from None
    return rows


def with_points(frame: pd.DataFrame, mark: str) -> tuple[pd.DataFrame, list[str]]:
    """The table with decimal points in place of decimal commas, and the columns that had them.

    A column has them where every value is a whole number or one with a decimal comma, and one is; words for a missing
    number do not count, nor does other text in a few cells where semicolons part the values. "1,234" may be a thousand:
    where all have three digits behind the comma they are left as they are, unless semicolons part the values, as they
    do where the comma is the decimal mark. Likewise "1,3" may be two options of a list: where the second number is
    always the larger one, they are left.

    Example:
        >>> with_points(pd.DataFrame({"a": ["2,5", "3,0"], "b": ["1,234", "2"], "c": ["1,3", "2,3"]}), ",")[1]
        ['a']
    """
    changed = []
    for name in frame.columns:
        values = [value.strip() for value in frame[name].unique() if value.strip().casefold() not in NO_NUMBER]
        with_comma = [found for value in values if (found := _DECIMAL_COMMA.fullmatch(value))]
        others = [value for value in values if not _NUMBER.fullmatch(value) and not _DECIMAL_COMMA.fullmatch(value)]
        few = mark == ";" and len(others) < len(with_comma) and not any(map(_is_number, others))
        if not with_comma or (others and not few):
            continue
        if mark != ";" and (all(len(found[1]) == 3 for found in with_comma) or _all_ticked(with_comma)):
            continue
        new = {found[0]: re.sub(r"[. ]", "", found[0]).replace(",", ".") for found in with_comma}
        texts = frame[name].str.strip()
        frame = frame.assign(**{name: frame[name].where(~texts.isin(new), texts.map(new)).astype("str")})
        changed.append(name)
    return frame, changed


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _all_ticked(values: list[re.Match[str]]) -> bool:
    """Whether several are there and all are two rising numbers, as two ticked options are written."""
    pairs = [_TICKED.fullmatch(value[0]) for value in values]
    return len(pairs) > 1 and all(pair is not None and int(pair[1]) < int(pair[2]) for pair in pairs)


def without_thousands(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table that has decimal commas, without the points that part thousands, and the columns that had them.

    A column has them where every value is a whole number or one parted by points, and one is. Ids are left.

    Example:
        >>> without_thousands(pd.DataFrame({"a": ["1.500", "850"], "b": ["1.5", "2"]}))[1]
        ['a']
    """
    changed = []
    for name in frame.columns:
        values = [value.strip() for value in frame[name].unique() if value.strip().casefold() not in NO_NUMBER]
        parted = [value for value in values if _THOUSANDS.fullmatch(value)]
        whole = sum(bool(_NUMBER.fullmatch(value)) for value in values)
        if (
            not parted
            or len(parted) + whole < len(values)
            or str(name).strip().casefold() in ("problem", "participant")
        ):
            continue
        frame = frame.assign(**{name: frame[name].str.replace(".", "").astype("str")})
        changed.append(name)
    return frame, changed

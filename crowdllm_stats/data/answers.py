"""Answers: read onto their scale, or refused by value and row."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import LARGEST, FloatArray
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import NO_NUMBER, coded, distinct, rows_text, some, word
from crowdllm_stats.data.labels import Numbered, set_of
from crowdllm_stats.data.scale import BALLOT_MARK, Scale

_PERCENT = re.compile(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*%\s*")
#: "5 out of 5", "3 days", "(4) often", but not "1-2 times".
_BEGINS = re.compile(r"\(?(\d+(?:\.\d+)?)(?!\d*\s*[-\u2013]\s*\d|[\d.,]|\s*%)")
_HAS_DIGIT = re.compile(r"\d")
#: Different words beyond which labels are better in a file, and characters of the longest.
_WORDS, _LONG = 12, 40


@dataclass(frozen=True, eq=False)
class GivenAnswers:
    """A column of answers as they were given (numbers, texts, or tuples of texts), and which rows hold none."""

    given: NDArray[Any]
    missing: NDArray[np.bool_]


#: How messages name rows.
Rows: TypeAlias = Callable[[NDArray[np.bool_]], str]


def as_answers(column: pd.Series, scale: Scale, label: str, rows_text: Rows = rows_text) -> GivenAnswers:
    """Read a column of answers onto ``scale``.

    On a numeric scale an answer is a number or its text; empty cells, NaN, None and the words NA, N/A, NaN, null and
    none are missing. On a scale of words, an empty cell is missing, case does not count where no two options differ by
    it alone, and True and False are yes and no. An approval ballot is a tuple or list of options, or one text joined by
    "|"; it comes out in the order of the scale's options. An empty one is missing.

    Args:
        column: the answers.
        scale: what they can be.
        label: how messages name the column.
        rows_text: how they name its rows.

    Raises:
        ValueError: on text in a numeric column, infinities, magnitudes beyond 1e140, answers off the scale, unknown
            options, ballots with too many or repeated options: naming values and rows.

    Example:
        >>> as_answers(pd.Series(["1", "", "5"]), Scale("continuous"), "column 'response'").missing.tolist()
        [False, True, False]
    """
    if scale.numeric:
        return _numbers(column, scale, label, rows_text)
    if scale.kind == "approval":
        return _ballots(column, scale, label, rows_text)
    return _choices(column, scale, label, rows_text)


def _numbers(column: pd.Series, scale: Scale, label: str, rows_text: Rows) -> GivenAnswers:
    if pd.api.types.is_complex_dtype(column.dtype):
        raise ValueError(f"{label} holds complex numbers; answers must be real ones")
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        different = values
    else:
        values, different = _parsed(column, label, rows_text)
    missing = np.isnan(values)
    sound = different[~np.isnan(different)]
    if np.abs(sound).max(initial=0.0) <= LARGEST and np.all(scale.admits(sound)):
        return GivenAnswers(values, missing)
    biggest = np.abs(values[~missing]).max(initial=0.0)
    if biggest > LARGEST:
        wild = ~missing & (np.abs(values) > LARGEST)
        what = "infinite answers" if np.isinf(biggest) else f"answers up to {biggest:.3g}, whose squares overflow,"
        raise ValueError(
            f"{label} holds {int(wild.sum())} {what} in {rows_text(wild)}; correct them, or leave them out as missing"
        )
    off = ~missing & ~scale.admits(values)
    if off.any():
        found = [float(value) for value in pd.unique(values[off])]
        raise ValueError(
            f"{label} holds {int(off.sum())} of {len(values)} answers off the scale ({scale}): {some(found)} "
            f"in {rows_text(off)}; correct the answers or the scale"
        )
    return GivenAnswers(values, missing)


def _parsed(column: pd.Series, label: str, rows_text: Rows) -> tuple[FloatArray, FloatArray]:
    """Numbers from a column of text or of mixed values, parsed once for each different value; and these."""
    try:
        codes, found = distinct(column)
    except TypeError:
        raise _for_ballots(f"{label} holds lists where numbers are expected") from None
    if not (pd.api.types.is_numeric_dtype(found.dtype) or pd.api.types.is_string_dtype(found.dtype)):
        found = found.astype(object)  # times and spans of time are not numbers, whatever their dtype turns them to
    read = np.asarray(pd.to_numeric(found, errors="coerce"))
    if np.iscomplexobj(read):
        raise ValueError(f"{label} holds complex numbers; answers must be real ones")
    parsed = np.append(read.astype(np.float64), np.nan)
    # Older pandas round the last digit there; reading the numbers again by themselves is exact.
    number = ~np.isnan(parsed[:-1])
    parsed[:-1][number] = np.asarray(found[number].astype(np.float64))
    odd = np.flatnonzero(np.isnan(parsed[:-1]))
    text = [place for place in odd.tolist() if not _is_blank(found[place])]
    rows = np.isin(codes, text) if text else np.zeros(1, dtype=bool)
    if rows.any():
        words = [str(found[place]) for place in text]
        raise BadInput(
            f"{label} holds {int(rows.sum())} of {len(codes)} answers that are not numbers: "
            f"{some([found[place] for place in text])} in {rows_text(rows)}",
            **_mends(words, 2 * int(rows.sum()) < len(codes)),
        )
    return parsed[codes], parsed


def _mends(words: Sequence[str], few: bool) -> dict[str, str]:
    """What to do about answers that are no numbers, for both readers; ``few`` among numbers may stand for none."""
    if any(map(_PERCENT.fullmatch, words)):
        every = "give all answers to a question as percents or none"
        return {"python": every, "command": every}
    bare = [word.strip() for word in words]
    if few and len(bare) <= _WORDS and not any("," in word for word in bare):
        option = shlex.quote(f"--missing={','.join(bare)}")
        none = "correct them, or leave them out, where they stand for no answer, with"
        return {"python": f"{none} missing_codes={bare!r}", "command": f"{none} {option}"}
    labels = labels_for(words)
    given = f"labels={labels!r}" if labels else "labels='labels.csv', a file with the columns label and value"
    option = shlex.quote(labels) if labels else "labels.csv, a file with the columns label and value"
    if not labels and all(map(_HAS_DIGIT.search, words)):
        alone = "write the number alone into that column, or the text into another"
        return {"python": f"{alone}; or say {given}", "command": f"{alone}; or code the texts with --labels {option}"}
    return {
        "python": f"correct them, say {given}, or declare the scale with scale=categorical([...]) or approval([...])",
        "command": f"correct them, or code the answers as numbers with --labels {option}",
    }


def labels_for(words: Sequence[str]) -> str:
    """What ``labels`` may be for these answers: a set, or each with its number, to be filled in where it is not plain.

    Empty where they are too many, or too long, to be written out.

    Example:
        >>> labels_for(["Agree", "Strongly agree"]), labels_for(["5 out of 5", "3 out of 5"])
        ('likert5', '5 out of 5=5,3 out of 5=3')
        >>> labels_for(["selten", "oft"])
        'selten=NUMBER,oft=NUMBER'
    """
    if name := set_of(words):
        return name
    texts = [word.strip() for word in words]
    if len(texts) > _WORDS or any(len(text) > _LONG or set(text) & set(",=\r\n") for text in texts):
        return ""
    begins = [_BEGINS.match(text) for text in texts]
    numbers = [found[1] for found in begins if found is not None]
    if len(set(numbers)) < len(texts):
        numbers = ["NUMBER"] * len(texts)
    return ",".join(f"{text}={number}" for text, number in zip(texts, numbers, strict=True))


def without_percent_signs(column: pd.Series, problem: NDArray[np.int64], label: str) -> Numbered:
    """A column with 50 in place of "50%" in every problem whose answers are all percents, and a sentence that says so.

    Args:
        column: the answers.
        problem: the number of each answer's problem.
        label: how messages name the column.

    Example:
        >>> found = without_percent_signs(pd.Series(["50%", "2,5 %", "", "7%", "7"]), np.array([0, 0, 0, 1, 1]), "'a'")
        >>> found.column.tolist(), found.note
        (['50', '2.5', '', '7%', '7'], "'a': percents are read as the numbers before the sign ('50%' as 50).")
    """
    try:
        codes, values = distinct(column)
    except TypeError:  # lists, which are read or refused as ballots
        return Numbered(column, "")
    signs = [_PERCENT.fullmatch(value) if isinstance(value, str) else None for value in values]
    first = next((sign for sign in signs if sign is not None), None)
    if first is None:
        return Numbered(column, "")
    percent = np.array([*(sign is not None for sign in signs), False])[codes]
    blank = np.array([*map(_is_blank, values), True])[codes]
    read = percent & ~np.isin(problem, problem[~percent & ~blank])
    if not read.any():
        return Numbered(column, "")
    numbers = np.array([*("" if sign is None else sign[1].replace(",", ".") for sign in signs), ""], dtype=object)
    return Numbered(
        column.astype(object).where(~read, pd.Series(numbers[codes], index=column.index)),
        f"{label}: percents are read as the numbers before the sign ({first[0].strip()!r} as {first[1]}).",
    )


def _for_ballots(problem: str) -> BadInput:
    return BadInput(problem, python="for ballots say scale=approval(...)", command="the commands need numbers")


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in NO_NUMBER
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _choices(column: pd.Series, scale: Scale, label: str, rows_text: Rows) -> GivenAnswers:
    try:
        codes, found = coded(column)
    except TypeError:
        raise _for_ballots(f"{label} holds lists where one option is expected") from None
    words = [_of_scale(_option(value), scale.options) for value in found]
    unknown = [place for place, text in enumerate(words) if text != "" and text not in scale.options]
    _refuse_unknown([found[place] for place in unknown], np.isin(codes, unknown), scale, label, rows_text)
    values = np.array([*words, ""], dtype=object)[codes]
    return GivenAnswers(values, values == "")


#: Two words for one answer: programs write yes and no as True and False.
_TWINS = {"yes": "true", "no": "false", "true": "yes", "false": "no"}


def _of_scale(text: str, options: Sequence[str]) -> str:
    """The option that a word means: itself, else without regard to case and blanks at the ends; yes and True are one.

    The word stays as it is where that leaves none, or options that differ by case alone.
    """
    if text in options:
        return text
    bare = text.strip().casefold()
    for wanted in (bare, _TWINS.get(bare)):
        meant = [option for option in options if option.casefold() == wanted]
        if len(meant) == 1:
            return meant[0]
    return bare and text


def _option(value: Any) -> str:
    text = word(value)
    return str(value) if text is None else text


def _refuse_unknown(unknown: Sequence[Any], rows: NDArray[np.bool_], scale: Scale, label: str, rows_text: Rows) -> None:
    if rows.any():
        raise ValueError(
            f"{label} holds {int(rows.sum())} of {len(rows)} answers with unknown options: {some(unknown)} "
            f"in {rows_text(rows)}; the options are {', '.join(map(repr, scale.options))}"
        )


def _ballots(column: pd.Series, scale: Scale, label: str, rows_text: Rows) -> GivenAnswers:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, cells = coded(column)
    else:  # lists cannot be hashed, so every row is its own cell
        codes, cells = np.arange(len(column)), column.tolist()
    ballots = [*map(_ballot, cells), ()]
    place = {option: number for number, option in enumerate(scale.options)}
    strange = np.array([any(option not in place for option in ballot) for ballot in ballots], dtype=bool)
    unknown = dict.fromkeys(option for ballot in ballots for option in ballot if option not in place)
    _refuse_unknown(list(unknown), strange[codes], scale, label, rows_text)
    sizes = np.array([len(ballot) for ballot in ballots])
    distinct = np.array([len(set(ballot)) for ballot in ballots])
    for rule, broken in (
        ("name an option twice", (distinct < sizes)[codes]),
        (f"hold more than {scale.k} options", (sizes > (scale.k or 0))[codes]),
    ):
        if broken.any():
            raise ValueError(
                f"{label}: {int(broken.sum())} of {len(codes)} ballots {rule}, in {rows_text(broken)}; "
                f"correct them or the scale ({scale})"
            )
    ordered = (tuple(sorted(ballot, key=place.__getitem__)) for ballot in ballots)
    values = np.fromiter(ordered, dtype=object, count=len(ballots))[codes]
    return GivenAnswers(values, (sizes == 0)[codes])


def _ballot(cell: Any) -> tuple[str, ...]:
    if isinstance(cell, str):
        return tuple(option.strip() for option in cell.split(BALLOT_MARK)) if cell.strip() else ()
    if isinstance(cell, list | tuple | set | frozenset | np.ndarray):
        return tuple(_option(option) for option in cell)
    return () if _is_blank(cell) else (_option(cell),)

"""Labels to numbers: "strongly agree" is 5 of five steps, or whatever the caller says."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import distinct, some

#: "likert5" or "likert7", a file with the columns label and value, "Never=1,Often=3", or a mapping.
Labels: TypeAlias = str | os.PathLike[str] | Mapping[str, float]

_NEUTRAL = ("neither agree nor disagree", "neither disagree nor agree", "neither", "neutral", "undecided")


def _steps(*words: str) -> tuple[str, ...]:
    """The ways of saying a degree of (dis)agreement: before or behind it."""
    what = words[-1]
    return tuple(form for word in words[:-1] for form in (f"{word} {what}", f"{what} {word}"))


_MOST = ("strongly", "completely", "totally", "fully")
_LITTLE = ("somewhat", "slightly")
#: Steps of agreement, from 1 on.
SETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "likert5": (
        _steps(*_MOST, "disagree"),
        ("disagree", "tend to disagree", *_steps(*_LITTLE, "moderately", "rather", "disagree")),
        _NEUTRAL,
        ("agree", "tend to agree", *_steps(*_LITTLE, "moderately", "rather", "agree")),
        _steps(*_MOST, "agree"),
    ),
    "likert7": (
        _steps(*_MOST, "disagree"),
        ("disagree", *_steps("moderately", "mostly", "disagree")),
        ("tend to disagree", *_steps(*_LITTLE, "rather", "disagree")),
        _NEUTRAL,
        ("tend to agree", *_steps(*_LITTLE, "rather", "agree")),
        ("agree", *_steps("moderately", "mostly", "agree")),
        _steps(*_MOST, "agree"),
    ),
}

#: "5 - Strongly agree", "(5) Strongly agree"
_NUMBERED = re.compile(r"^\(?(\d+)\)?\s*[-\u2013\u2014=.:)]*\s+(?=\D)")
#: Signs around a label that mean nothing.
_AROUND = " .!*\"'\u201c\u201d"


def folded(label: str) -> str:
    """A label without regard to case, blanks at its ends and the apostrophe's form.

    Example:
        >>> folded(" 2  Days ")
        '2 days'
    """
    return " ".join(label.replace("\u2019", "'").split()).casefold()


def known_as(label: str, known: Container[str]) -> str | None:
    """What a label is called among those known: itself, else without the number before it or the signs around it.

    None for others. Language models write "Agree." and "**Agree**".

    Example:
        >>> known_as("5 - Strongly agree", {"strongly agree"}), known_as("5 days", {"2 days", "5 days"})
        ('strongly agree', '5 days')
        >>> known_as("**Agree.**", {"agree"}), known_as("3 days", {"2 days"})
        ('agree', None)
    """
    text = folded(label)
    bare = text.strip(_AROUND)
    forms = (text, _NUMBERED.sub("", text, count=1), bare, _NUMBERED.sub("", bare, count=1))
    return next((form for form in forms if form in known), None)


def label_numbers(labels: Labels) -> dict[str, float]:
    """Each label, without regard to case, and its number.

    Args:
        labels: "likert5" or "likert7" (steps of agreement, 1 for the strongest disagreement), the name of a file with
            the columns label and value, a text such as "Never=1,Often=3", or a mapping.

    Raises:
        ValueError: on anything else, a label that is there twice with different numbers, or a value that is none.
        FileNotFoundError: if there is no such file.

    Example:
        >>> label_numbers("Never=1, Often=3")
        {'never': 1.0, 'often': 3.0}
        >>> label_numbers("likert5")["somewhat agree"]
        4.0
    """
    if isinstance(labels, str) and labels in SETS:
        return {word: float(step) for step, words in enumerate(SETS[labels], 1) for word in words}
    if isinstance(labels, Mapping):
        pairs: list[tuple[str, float | str]] = [(str(label), value) for label, value in labels.items()]
    elif isinstance(labels, str) and "=" in labels and not Path(labels).exists():
        pairs = [_pair(part, labels) for part in re.split(r",(?=[^=]*=)", labels)]
    else:
        pairs = _from_file(labels)
    found: dict[str, float] = {}
    for label, value in pairs:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise BadInput(
                f"need a number for {label!r}, got {value!r}; write for instance Never=1,Often=3", argument="labels"
            )
        if found.setdefault(folded(label), number) != number:
            raise BadInput(f"have {label!r} twice, with different numbers; keep one", argument="labels")
    return found


def _pair(part: str, whole: str) -> tuple[str, float | str]:
    label, mark, value = (text.strip() for text in part.rpartition("="))
    if not mark or not label:
        raise BadInput(
            f"{whole!r}: {part.strip()!r} is not LABEL=NUMBER; write for instance Never=1,Often=3", argument="labels"
        )
    return label, value


def _from_file(labels: str | os.PathLike[str]) -> list[tuple[str, float | str]]:
    from crowdllm_stats.data.layout import column_named
    from crowdllm_stats.data.opening import ending_of, open_table

    if not ending_of(os.fspath(labels)):
        raise BadInput(
            f"{os.fspath(labels)!r}: give {', '.join(SETS)}, a file with the columns label and value, or the labels "
            "themselves, for instance Never=1,Often=3",
            argument="labels",
        )
    frame = open_table(labels).frame
    names = [column_named(name, list(frame.columns)) for name in ("label", "value")]
    if None in names:
        raise ValueError(f"{os.fspath(labels)}: needs the columns label and value; it has {some(list(frame.columns))}")
    return list(zip(*(frame[name].map(str) for name in names), strict=True))


class Numbered(NamedTuple):
    """A column with numbers for labels, and a sentence that says which number each label is; empty without labels."""

    column: pd.Series
    note: str


def with_numbers(column: pd.Series, numbers: Mapping[str, float], label: str) -> Numbered:
    """A column of answers with numbers in place of labels; other values stay as they are.

    Args:
        column: the answers.
        numbers: from :func:`label_numbers`.
        label: how messages name the column.

    Raises:
        ValueError: where two different labels of the column have one number, such as "disagree" and "somewhat
            disagree" on five steps.

    Example:
        >>> with_numbers(pd.Series(["Agree", "2", ""]), label_numbers("likert5"), "'response'").note
        "'response': answers in words are read as 'agree' = 4."
    """
    codes, values = distinct(column)
    new: list[object] = []
    seen: dict[float, str] = {}
    for value in values:
        name = known_as(value, numbers) if isinstance(value, str) else None
        number = None if name is None else numbers[name]
        if name is not None and number is not None and (other := seen.setdefault(number, name)) != name:
            mend = "write the labels out, for instance {}, or give likert7 for seven steps of agreement"
            raise BadInput(
                f"{label}: the labels {other!r} and {name!r} would both be {number:g}",
                python=mend.format("labels='Never=1,Often=3'"),
                command=mend.format("--labels 'Never=1,Often=3'"),
            )
        new.append(value if number is None else f"{number:g}")
    words = ", ".join(f"{word!r} = {number:g}" for number, word in sorted(seen.items())[:11])
    note = f"{label}: answers in words are read as {words}{', ...' if len(seen) > 11 else ''}." if seen else ""
    return Numbered(pd.Series(np.array([*new, ""], dtype=object)[codes], index=column.index), note)


def refuse_other_steps(
    column: pd.Series, problem: NDArray[np.int64], labels: Labels, label: str, codes: Sequence[object] = ()
) -> None:
    """Refuse answers in words that are steps of another scale than the set of labels has.

    They are where a whole number from 0 to 10 beyond the set's steps answers the same problem as a label does
    ("Strongly disagree", 2, 3, 4, 5, 6, "Strongly agree"), and where a label brings another number ("7 - Strongly
    agree" on five steps).

    Args:
        column: the answers.
        problem: the number of each answer's problem.
        labels: as callers give them; only sets are looked at.
        label: how messages name the column.
        codes: numbers that stand for a missing answer.

    Raises:
        ValueError: naming the answer and the mend.

    Example:
        >>> refuse_other_steps(pd.Series(["Strongly agree", "6"]), np.array([0, 0]), "likert5", "'response'")
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: 'response': '6' stands beside labels, and likert5 has the steps 1 to 5; ...
    """
    if not isinstance(labels, str) or labels not in SETS:
        return
    numbers, top, wrong = label_numbers(labels), len(SETS[labels]), ""
    at, values = distinct(column)
    texts = [str(value).strip() for value in values]
    names = [known_as(text, numbers) for text in texts]
    labelled = np.append([name is not None for name in names], False)[at]
    if not labelled.any():
        return
    there = set(np.unique(at).tolist())
    for place, (text, name) in enumerate(zip(texts, names, strict=True)):
        own = _NUMBERED.match(text)
        if place not in there:
            continue
        if name is not None and own is not None and float(own[1]) != numbers[name]:
            wrong = f"{text!r} would be {numbers[name]:g} by {labels}"
        elif _beyond(text, top) and float(text) not in codes and np.isin(problem[at == place], problem[labelled]).any():
            wrong = f"{text!r} stands beside labels, and {labels} has the steps 1 to {top}"
    if wrong:
        mend = "write out which number each label is, for instance {}'Strongly disagree=1,Strongly agree=7'"
        raise BadInput(f"{label}: {wrong}", python=mend.format("labels="), command=mend.format("--labels "))


def _beyond(text: str, top: int) -> bool:
    """Whether a text is a whole number from 0 to 10 that is no step from 1 to ``top``."""
    try:
        number = float(text)
    except ValueError:
        return False
    return number in range(11) and not 1 <= number <= top


def refuse_contrary(means: Mapping[Any, str], labels: Labels, label: str) -> None:
    """Refuse labels that give an answer another number than the file does.

    Args:
        means: what each number means, as a file of SPSS or Stata says.
        labels: as callers give them.
        label: how messages name the column.

    Raises:
        ValueError: naming the two numbers and the labels as the file has them.

    Example:
        >>> refuse_contrary({1.0: "Strongly agree", 2.0: "Agree"}, "likert5", "Q1")
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: Q1: 'Strongly agree' is 1 in this file and would be 5 in the labels; ...
    """
    numbers = label_numbers(labels)
    for value, text in means.items():
        name = known_as(text, numbers)
        if name is not None and isinstance(value, int | float) and numbers[name] != value:
            written = ",".join(
                f"{word}={number:g}" for number, word in means.items() if isinstance(number, int | float)
            )
            mend = f"the other table's labels need this file's numbers: {{}}'{written}'"
            raise BadInput(
                f"{label}: {text!r} is {value:g} in this file and would be {numbers[name]:g} in the labels",
                python=mend.format("labels="),
                command=mend.format("--labels "),
            )


def set_of(values: Iterable[str]) -> str:
    """The set of labels that has a number of its own for each of these texts, and theirs where they say one.

    Empty where none has.

    Example:
        >>> set_of(["Agree", "Strongly agree"]), set_of(["Agree", "Somewhat agree"]), set_of(["yes"])
        ('likert5', 'likert7', '')
        >>> set_of(["1 = Strongly disagree", "7 = Strongly agree"])
        'likert7'
    """
    found = list(values)
    for name in SETS:
        numbers = label_numbers(name)
        known = {known_as(value, numbers) for value in found}
        own = [(_NUMBERED.match(value), known_as(value, numbers)) for value in found]
        if any(sign is not None and word is not None and float(sign[1]) != numbers[word] for sign, word in own):
            continue
        if known and None not in known and len({numbers[one] for one in known if one is not None}) == len(known):
            return name
    return ""

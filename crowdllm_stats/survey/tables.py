"""Two tables of answers as a caller gives them, made comparable: read, in the right order, as numbers on a scale."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats._base.shown import several
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.scale import Scale, as_scale, continuous, ordinal
from crowdllm_stats.inference.intervals.scale import neighbours, rating

#: What the functions of two tables take: one row per answer, columns problem, participant, response.
Answers: TypeAlias = CrowdData | pd.DataFrame | str | os.PathLike[str]

#: How answers of two values are usually coded.
CODINGS = ((0.0, 1.0), (1.0, 2.0), (-1.0, 1.0), (0.0, 100.0), (0.0, 10.0))
#: Codes for a missing answer that a scale may run into.
CODES = (7.0, 8.0, 9.0)
#: How the ids and the profile columns of digital people begin.
DIGITAL_ID = re.compile(
    r"^(gpt|llm|persona|claude|gemini|llama|mistral|qwen|deepseek|bot|agent|synthetic|digital)", re.I
)
DIGITAL_COLUMNS = frozenset({"model", "persona", "prompt", "llm", "temperature"})
#: Digital answers per human answer, exchanged, from which exchanged files are asked about.
MANY = 3


def as_crowd(given: Answers, name: str, scale: Scale | str | None = None) -> CrowdData:
    """The answers as CrowdData; several answers of one person to one problem are kept.

    Args:
        given: CrowdData, a data frame, or the path of a file, the last two with the columns
            problem, participant, response (in any case) and any profile columns.
        name: of the argument, for messages.
        scale: what answers can be, as ``CrowdData.read`` takes it; None keeps that of CrowdData, and lets answers of a
            frame or file be any number.

    Raises:
        ValueError: on any other type, a table that cannot be read, or answers off the scale.
        FileNotFoundError: if there is no such file.

    Example:
        >>> frame = pd.DataFrame({"Problem": ["a", "a"], "Participant": ["ann", "bob"], "Response": [4, 5]})
        >>> print(as_crowd(frame, "human", "1:5").scale)
        continuous 1 to 5
    """
    if isinstance(given, CrowdData):
        return given if scale is None else on_scale(given, as_scale(scale), name)
    if not isinstance(given, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            f"{name} must be CrowdData, a pandas DataFrame or the path of a file, "
            f"got {type(given).__name__}; arrays of answers go into crowdllm_stats.interval"
        )
    try:
        if isinstance(given, pd.DataFrame):
            return CrowdData.from_frame(given, scale=scale, repeats="keep")
        return CrowdData.read(given, scale=scale, repeats="keep")
    except ValueError as error:
        reader = "from_frame" if isinstance(given, pd.DataFrame) else "read"
        more = f"(or give CrowdData.{reader}(...), which takes such options)"
        raise BadInput(Message.filled("{}: {} {}", name, said(error), more)) from None


def digital_scale(scale: Scale | str | None) -> Scale | None:
    """What digital answers can be where people choose on a scale: of levels, also expected answers between them.

    Example:
        >>> print(digital_scale("-1,1"))
        continuous -1 to 1
    """
    if scale is None:
        return None
    people = as_scale(scale)
    return continuous(*people.bounds) if people.kind == "ordinal" and people.bounds is not None else people


def on_scale(data: CrowdData, scale: Scale, name: str) -> CrowdData:
    """The same answers on another scale.

    Raises:
        ValueError: if answers are off the scale.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.data.scale import as_scale
        >>> on_scale(load_example().human, as_scale("1:3"), "human")
        Traceback (most recent call last):
        ...
        ValueError: human: 35 of 96 answers are off the scale (continuous 1 to 3)
    """
    answers = data.responses["response"].to_numpy()
    off = ~scale.admits(answers)
    if off.any():
        raise ValueError(f"{name}: {int(off.sum())} of {len(answers)} answers are off the scale ({scale})")
    return dataclasses.replace(data, scale=scale)


def nobody(human: CrowdData) -> CrowdData:
    """A digital table without any answer, for human answers that stand alone.

    Example:
        >>> from crowdllm_stats import load_example
        >>> len(nobody(load_example().human).responses)
        0
    """
    empty = {name: getattr(human, name).iloc[:0] for name in ("responses", "participants")}
    return dataclasses.replace(human, **empty, exclusions={}, notes=())


def set_apart(digital: CrowdData) -> CrowdData:
    """The digital table with ids that no human has, so that nobody is paired.

    Example:
        >>> from crowdllm_stats import load_example
        >>> set_apart(load_example().digital).responses["participant"].iloc[0]
        'digital p02'
    """
    tables = {
        name: table.assign(participant="digital " + table["participant"].astype(str))
        for name, table in (("responses", digital.responses), ("participants", digital.participants))
    }
    return dataclasses.replace(digital, responses=tables["responses"], participants=tables["participants"])


def without_people(digital: CrowdData, outside: Collection[str]) -> CrowdData:
    """The digital table without the twins of people who are left out of the human one; they are counted.

    They would count as further digital people otherwise, and stand for a population that is not asked about.

    Raises:
        ValueError: if no answer is left.

    Example:
        >>> from crowdllm_stats import load_example
        >>> without_people(load_example().digital, ["p02"]).exclusions
        {'twin of somebody left out of the human table': 2}
    """
    gone = digital.responses["participant"].isin(outside)
    if not gone.any():
        return digital
    if gone.all():
        raise ValueError("every digital answer is by the twin of somebody who is left out of the human table")
    return dataclasses.replace(
        digital,
        responses=digital.responses[~gone].reset_index(drop=True),
        exclusions={**digital.exclusions, "twin of somebody left out of the human table": int(gone.sum())},
    )


def refuse_exchanged(human: CrowdData, digital: CrowdData) -> None:
    """Refuse two tables that look as if the human one were the digital one.

    They do where ids or profile columns of the human table alone name models or personas, or where all digital ids are
    human ids too and the human table has several times as many answers per problem.

    Raises:
        ValueError: saying what looks exchanged, and the remedies.
    """
    marks = [names_models(human), names_models(digital)]
    reason = marks[0] if marks[0] and not marks[1] else ""
    if not reason:
        ids = [set(data.responses["participant"]) for data in (human, digital)]
        sizes = [float(data.responses.groupby("problem", observed=True).size().median()) for data in (human, digital)]
        if ids[1] < ids[0] and sizes[0] >= MANY * sizes[1]:
            reason = (
                f"it has {sizes[0]:g} answers per problem, the digital table {sizes[1]:g}, all by people of the human "
                "one"
            )
    if reason:
        raise BadInput(
            f"the human table looks like the digital one: {reason}",
            python="exchange the two, or say as_given=True if they are in the right order",
            command="exchange the two, or say --as-given if they are in the right order",
        )


def names_models(data: CrowdData) -> str:
    """What in a table names models or personas; empty where nothing does.

    Example:
        >>> from crowdllm_stats import load_example
        >>> names_models(load_example().human)
        ''
    """
    ids = pd.unique(data.responses["participant"])
    named = [name for name in ids if DIGITAL_ID.match(str(name))]
    if len(named) > 0.5 * len(ids):
        return f"its ids are such as {two_ids(named)}"
    columns = [column for column in data.participants.columns if str(column).lower() in DIGITAL_COLUMNS]
    return f"it has a column {columns[0]!r}" if columns else ""


def words_as_numbers(human: CrowdData, digital: CrowdData) -> tuple[CrowdData, CrowdData, str]:
    """Both tables with the two words of the human scale as 0 and 1, and a sentence that says so ("" without words).

    The first word declared is 0, the second 1, in both tables. A digital table of numbers stays as it is.

    Args:
        human: answers of people; any scale but one of two words is left alone.
        digital: answers of the digital population.

    Raises:
        ValueError: if the digital answers are words of another scale, or both are of two values coded in two ways.

    Example:
        >>> import pandas as pd
        >>> from crowdllm_stats.data.crowd import CrowdData
        >>> frame = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": ["yes", "no"]})
        >>> data = CrowdData.from_frame(frame, scale="no,yes")
        >>> human, _, words = words_as_numbers(data, data)
        >>> human.responses["response"].tolist(), words
        ([1.0, 0.0], "Answers are coded 0 for 'no' and 1 for 'yes': a mean is the share of 'yes'.")
    """
    options = human.scale.options
    if human.scale.numeric:
        refuse_codings(human, digital)
    if human.scale.kind != "categorical" or len(options) != 2:
        return human, digital, ""
    if not digital.scale.numeric:
        if digital.scale.kind != "categorical" or set(digital.scale.options) != set(options):
            raise ValueError(
                f"the human scale is {human.scale} and the digital one {digital.scale}: both tables need the same words"
            )
        digital = _coded(digital, options)
    first, second = options
    said = f"Answers are coded 0 for {first!r} and 1 for {second!r}: a mean is the share of {second!r}."
    human = _coded(human, options)
    refuse_codings(human, digital)
    return human, digital, said


def _coded(data: CrowdData, options: tuple[str, ...]) -> CrowdData:
    numbers = (data.responses["response"].astype(str) == options[1]).astype(float)
    return dataclasses.replace(data, responses=data.responses.assign(response=numbers), scale=ordinal([0, 1]))


def step_of(human: CrowdData, digital: CrowdData) -> tuple[float | None, str]:
    """Distance of neighbouring answers on the human scale, and a sentence where it rests on the answers ("" otherwise).

    It is that of a scale whose levels are declared. Otherwise the two ends are all the answers there are where no human
    or digital answer to any problem lies between them (on whole ends 3 to 10 apart only if both were given).

    Returns:
        The step, None where it is left to the calculator (no ends, or whole ends 1 apart), and the sentence.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> step_of(example.human, example.digital)
        (1.0, '')
    """
    bounds = human.scale.bounds
    if human.scale.step is not None or bounds is None or neighbours(bounds):
        return human.scale.step, ""
    given = np.unique(np.concatenate([_values(data) for data in (human, digital)]))
    low, high = bounds
    if set(given.tolist()) <= set(bounds) and (len(given) == 2 or not rating(bounds, 3.0)):
        return high - low, (
            f"No answer lies between {low:g} and {high:g}: these are taken to be the only possible answers. If others "
            f'can be given, name them all in the scale, for instance "{low:g},{0.5 * (low + high):g},{high:g}".'
        )
    return 1.0 if rating(bounds) else (high - low) / 10.0, ""


def refuse_codings(human: CrowdData, digital: CrowdData) -> None:
    """Refuse two tables of answers of two values each, coded in two ways, unless a scale is declared for each.

    Args:
        human: answers of people, numbers.
        digital: answers of the digital population.

    Raises:
        ValueError: naming both codings and the remedies.

    Example:
        >>> import pandas as pd
        >>> from crowdllm_stats.data.crowd import CrowdData
        >>> frame = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": [0, 1]})
        >>> data, other = (CrowdData.from_frame(frame.assign(response=frame["response"] * by)) for by in (1, 100))
        >>> refuse_codings(data, other)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: the human answers are 0 and 1, the digital ones 0 and 100; ...
    """
    if not digital.scale.numeric or (human.scale.bounds is not None and digital.scale.bounds is not None):
        return
    codings = [tuple(_values(data).tolist()) for data in (human, digital)]
    if codings[0] != codings[1] and all(coding in CODINGS for coding in codings):
        ours, theirs = (f"{low:g} and {high:g}" for low, high in codings)
        raise BadInput(
            f"the human answers are {ours}, the digital ones {theirs}",
            python="code both alike, or declare a scale for each table if they mean different things",
            command="code both alike, or declare --scale and --digital-scale if they mean different things",
        )


def two_scales(human: CrowdData, digital: CrowdData) -> list[str]:
    """Sentences where the two tables are on different scales, or human answers may hold codes for a missing answer.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> two_scales(example.human, example.digital)
        []
    """
    ours_ends, theirs_ends = human.scale.bounds, digital.scale.bounds
    if ours_ends is not None and theirs_ends is not None and ours_ends != theirs_ends and len(digital.responses):
        (low, high), (least, most) = ours_ends, theirs_ends
        return [
            f"The two tables are on different scales, {low:g} to {high:g} and {least:g} to {most:g}: differences "
            "between their means have no meaning; intervals with twins use them through a slope alone."
        ]
    if (
        (ours_ends, theirs_ends) != (None, None)
        or not len(digital.responses)
        or not (human.scale.numeric and digital.scale.numeric)
    ):
        return []
    ours, theirs = _values(human), _values(digital)
    top = float(theirs[-1])
    beyond = ours[ours > top]
    run = np.arange(top + 1.0, top + 1.0 + len(beyond))
    if not len(beyond) or not set(beyond.tolist()) <= set(CODES) or not np.array_equal(beyond, run):
        return []
    count = int(np.isin(human.responses["response"].to_numpy(dtype=float), beyond).sum())
    words = ",".join(f"{value:g}" for value in beyond)
    return [
        Message.filled(
            "{} ({}) beyond all digital ones ({:g} to {:g}): if they stand for missing answers, say {}; if they are "
            "answers, declare the scale with {}.",
            several(count, "human answer"), words, theirs[0], top,
            Message(f"missing_codes=[{words}]", f"--missing {words}"), Message('scale="LOW:HIGH"', "--scale LOW:HIGH"),
        )
    ]  # fmt: skip


def _values(data: CrowdData) -> FloatArray:
    """The different answers, rising."""
    return np.sort(pd.unique(data.responses["response"].to_numpy(dtype=float)))


def two_ids(ids: Sequence[object]) -> str:
    """The first two ids, for a message.

    Example:
        >>> two_ids(["ann", 7, "bob"])
        "'ann' and '7'"
    """
    return " and ".join(repr(str(name)) for name in list(ids)[:2]) or "none"

"""What must be known of two tables before any number: who is paired with whom, what repeats, what looks exchanged."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.words import several
from crowdllm_stats.data.ids import written_otherwise
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.reversed_twins import backwards
from crowdllm_stats.survey.two_scales import two_scales

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

#: Share of human answers with a twin below which ids are taken to be written in two ways.
LITTLE = 0.1

#: How the ids and the profile columns of digital people begin.
DIGITAL_ID = re.compile(
    r"^(gpt|llm|persona|claude|gemini|llama|mistral|qwen|deepseek|bot|agent|synthetic|digital)", re.I
)
DIGITAL_COLUMNS = frozenset({"model", "persona", "prompt", "llm", "temperature"})
#: Digital answers a human answer, turned round, from which exchanged files are asked about.
MANY = 3


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


def refuse_strangers(pairing: Pairing, digital: CrowdData, *, alone: bool = True) -> None:
    """Refuse two tables of which (almost) nobody is paired.

    Args:
        pairing: of the two tables.
        digital: the digital table.
        alone: whether human answers alone would do.

    Raises:
        ValueError: with two ids of each side and the remedies.
    """
    has_twin = _has_twin(pairing)
    if has_twin.mean() >= LITTLE:
        return
    answers = pairing.answers["participant"]
    lacking = pd.unique(answers[~has_twin])
    others = pd.unique(digital.responses["participant"])
    others = others[~np.isin(others.astype(str), pd.unique(answers).astype(str))]
    people = int(answers[has_twin].nunique())
    who = "no person has" if not people else f"only {people} of {pairing.counts['people']} people have"
    how = "" if not pairing.match else f" by {' and '.join(pairing.match)}"
    reason = written_otherwise(lacking.astype(str), others.astype(str))
    why = f"; {reason}" if reason else ""
    remedy = "give match=[...] to build twins from profiles, or unpaired=True to use the human answers alone"
    if not alone:
        remedy = "or give match=[...] to build twins from profiles"
    raise ValueError(
        f"{who} a digital twin{how}: ids of people such as {_two(lacking)}, ids of digital people such as "
        f"{_two(others)}{why}; write the ids alike in both tables, {remedy}"
    )


def refuse_exchanged(human: CrowdData, digital: CrowdData) -> None:
    """Refuse two tables that look as if the human one were the digital one.

    They do where ids or profile columns of the human table alone name models or personas, or where all digital ids are
    human ids too and the human table has several times as many answers a problem.

    Raises:
        ValueError: saying what looks exchanged, and the remedies.
    """
    marks = [_mark(human), _mark(digital)]
    reason = marks[0] if marks[0] and not marks[1] else ""
    if not reason:
        ids = [set(data.responses["participant"]) for data in (human, digital)]
        sizes = [float(data.responses.groupby("problem", observed=True).size().median()) for data in (human, digital)]
        if ids[1] < ids[0] and sizes[0] >= MANY * sizes[1]:
            reason = (
                f"it has {sizes[0]:g} answers a problem, the digital table {sizes[1]:g}, all by people of the human one"
            )
    if reason:
        raise ValueError(
            f"the human table looks like the digital one: {reason}; exchange the two, or say as_given=True if they are "
            "in the right order"
        )


def _mark(data: CrowdData) -> str:
    """What in a table names models or personas; empty where nothing does."""
    ids = pd.unique(data.responses["participant"])
    named = [name for name in ids if DIGITAL_ID.match(str(name))]
    if len(named) > 0.5 * len(ids):
        return f"its ids are such as {_two(named)}"
    columns = [column for column in data.participants.columns if str(column).lower() in DIGITAL_COLUMNS]
    return f"it has a column {columns[0]!r}" if columns else ""


def first_look(pairing: Pairing, human: CrowdData, digital: CrowdData, *, paired: bool = True) -> list[str]:
    """Sentences for the first lines: who is paired by what, repeated answers, two scales, a scale that runs backwards.

    Args:
        pairing: of the two tables.
        human: the human table.
        digital: the digital table.
        paired: whether the numbers rest on who is paired with whom.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> first_look(pair(example.human, example.digital), example.human, example.digital)
        ['60 of 60 people have a digital twin, by participant id; 200 other digital people.']
    """
    sentences = [_who(pairing, digital, paired), _repeated(pairing), *two_scales(human, digital), backwards(pairing)]
    return [sentence for sentence in sentences if sentence]


def _who(pairing: Pairing, digital: CrowdData, needed: bool) -> str:
    answers = pairing.answers["participant"]
    paired = pd.unique(answers[_has_twin(pairing)]).astype(str)
    people = pairing.counts["people"]
    if pairing.match:
        return f"{len(paired)} of {people} people have a digital twin, by {' and '.join(pairing.match)}."
    others = pairing.counts["digital_people"] - len(paired)
    if not len(paired):
        return f"No person has a digital twin, by participant id; {others} digital people." if others else ""
    text = f"{len(paired)} of {people} people have a digital twin, by participant id; {others} other digital people."
    ids = pd.unique(digital.responses["participant"]).astype(str)
    reason = written_otherwise(sorted(set(answers.astype(str)) - set(paired)), sorted(set(ids) - set(paired)))
    if reason:
        text += f" Some ids without a twin look like ids of the other table: {reason}; write them alike."
    numbers = sorted(int(name) for name in ids if name.isdecimal())
    if needed and len(numbers) == len(ids) and others and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        text += (
            f" Ids are running numbers on both sides: if person {paired[0]} is not digital person {paired[0]}, say "
            "unpaired=True."
        )
    return text


def _repeated(pairing: Pairing) -> str:
    parts = [
        f"{several(pairing.counts[f'{side}_averaged'], f'{side} answer')}"
        for side in ("human", "digital")
        if pairing.counts[f"{side}_averaged"]
    ]
    if not parts:
        return ""
    return (
        f"Rows repeat a problem and participant already answered: {' and '.join(parts)} "
        f"{'is' if parts[0].startswith('1 ') and len(parts) == 1 else 'are'} the mean of several rows."
    )


def _has_twin(pairing: Pairing) -> NDArray[np.bool_]:
    return np.asarray(pairing.answers["twin"].notna() | pairing.answers["stand_in"].notna())


def _two(ids: Sequence[object]) -> str:
    return " and ".join(repr(str(name)) for name in list(ids)[:2]) or "none"

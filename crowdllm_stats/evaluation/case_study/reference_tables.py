"""Reference answers of one backbone, and the two tables they come in: probabilities, and plain answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.levels import even_levels
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.data.scale import Scale

#: Rounding that a file of probabilities may show in the sum of a row.
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class References:
    """Reference answers of one backbone.

    Attributes:
        name: the backbone.
        alone: distributions without a persona (P = 1), for zero-shot and self-consistency; None where there are none.
        personas: distributions of several personas; None where there are none.
        source: what was read, for the manifest.
        notes: what was pooled, left out or cut, in sentences.
        reader: in the place of both, what learns from training answers and then speaks of all problems.

    Raises:
        ValueError: if there is none of the three.
    """

    name: str
    alone: Reference | None
    personas: Reference | None
    source: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reader: Callable[[CrowdData], Reference] | None = None

    def __post_init__(self) -> None:
        if self.alone is None and self.personas is None and self.reader is None:
            raise ValueError(f"backbone {self.name!r} gave no reference answers")

    @property
    def whole(self) -> Reference:
        """Everything the backbone said: the personas' distributions, or the one without persona.

        Raises:
            ValueError: of a ``reader``, which says nothing before it has learned.
        """
        found = self.alone if self.personas is None else self.personas
        if found is None:
            raise ValueError(f"backbone {self.name!r} learns from training answers first; ask told(train)")
        return found

    def told(self, train: CrowdData) -> Reference:
        """What may be known of all problems by whoever learns from these answers."""
        return self.whole if self.reader is None else self.reader(train)


class Questions(Protocol):
    """Problems and the scale of their answers: a CrowdData, or problems that nobody has answered."""

    @property
    def problems(self) -> pd.DataFrame:
        """One row per problem, column ``problem`` and what a prompt shows."""

    @property
    def scale(self) -> Scale:
        """Of the answers."""


@dataclass(frozen=True, eq=False)
class NewQuestions:
    """Problems that nobody has answered yet, with the scale that answers would be on."""

    problems: pd.DataFrame
    scale: Scale


def listed(scale: Scale, name: str) -> tuple[float, ...] | tuple[str, ...]:
    """The answers that a reference counts: levels, options, or levels laid over a continuous scale.

    These are its whole numbers where it has at most 21 of them, else 11 numbers at equal distances.

    Args:
        scale: of the answers.
        name: of the backbone, for messages.

    Raises:
        ValueError: on a scale without ends, and for ballots.

    Example:
        >>> from crowdllm_stats.data.scale import Scale
        >>> listed(Scale.parse("0:100"), "smollm2")[:4], listed(Scale.parse("1:5"), "smollm2")
        ((0.0, 10.0, 20.0, 30.0), (1.0, 2.0, 3.0, 4.0, 5.0))
    """
    if scale.kind in ("ordinal", "categorical"):
        return scale.levels or scale.options
    levels = None if scale.bounds is None else even_levels(*scale.bounds)
    if levels is None:
        raise BadInput(
            f"{name}: reference answers are counted on a list of answers, and the scale is {scale}",
            python="give its ends, for instance continuous(0, 100)",
            command="give its ends, for instance --scale 0:100",
        )
    return levels


def of_probabilities(
    frame: pd.DataFrame, data: Questions, *, name: str = "table", source: Mapping[str, Any] | None = None
) -> References:
    """References from a table of probabilities: a row per problem, or a row per problem and profile.

    Args:
        frame: column ``problem`` (or ``instance_id``), a column ``p_ANSWER`` or ``pANSWER`` for every answer of the
            scale, and ``profile`` where personas were asked (an empty profile is not a persona). Rows may be off a sum
            of 1 by 0.001 for rounding; they are divided by it.
        data: the human answers, or new problems; every problem needs a row. On a continuous scale the file may have any
            numbers of it for answers; those between two of its levels (see :func:`listed`) count in parts for both.
        name: of the backbone.
        source: for the manifest.

    Raises:
        ValueError: on missing columns or problems, what is not a number, negative numbers, sums off 1, a row that is
            there twice.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human.select(problems=["q01"])
        >>> table = pd.DataFrame([["q01", 0.1, 0.2, 0.4, 0.2, 0.1]], columns=["problem", "p1", "p2", "p3", "p4", "p5"])
        >>> of_probabilities(table, human).whole.mean.round(6).tolist()
        [[3.0]]
    """
    answers = data.scale.levels or data.scale.options or _numbers_in(frame.columns) or listed(data.scale, name)
    words = [f"{one:g}" if isinstance(one, float) else one for one in answers]
    key = "problem" if "problem" in frame.columns else "instance_id"
    chosen = [next((c for c in (f"p_{word}", f"p{word}") if c in frame.columns), None) for word in words]
    absent = [f"p_{word}" for word, column in zip(words, chosen, strict=True) if column is None]
    if key not in frame.columns:
        absent.insert(0, "problem")
    if absent:
        raise ValueError(
            f"{name}: no column {', '.join(absent)}; a file of references holds problem and a "
            f"column p_ANSWER for each of {', '.join(words)}, or the columns problem, participant, response"
        )
    ids = frame[key].astype(str).str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    profile = (
        frame["profile"].fillna("").astype(str) if "profile" in frame.columns else pd.Series("", index=frame.index)
    )
    if pd.DataFrame({"problem": ids, "profile": profile}).duplicated().any():
        raise ValueError(f"{name}: a problem stands there twice under one profile; keep one row each")
    raw = _numbers(frame[chosen], ids, name)
    total = raw.sum(axis=1)
    bad = ~(np.isfinite(raw).all(axis=1) & (raw >= 0.0).all(axis=1) & (np.abs(total - 1.0) <= _ROUNDING))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        shown = f"it holds {raw[first].min():g}" if raw[first].min() < 0.0 else f"it sums to {total[first]:.4g}"
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(bad)} row(s) are not probabilities, the first of problem "
            f"{ids.iloc[first]!r} ({shown}); make every row at least 0 and divide it by its sum"
        )
    shares = raw / total[:, None]
    if data.scale.kind == "continuous":
        given, answers = pd.Series(answers), listed(data.scale, name)
        shares = shares @ _weights(given, answers, name, given)
    wanted = data.problems["problem"]
    table = pd.DataFrame(shares, index=pd.MultiIndex.from_arrays([profile, ids]))
    found: dict[str, Reference] = {}
    blocks = []
    names = [one for one in dict.fromkeys(profile) if one]
    for one in dict.fromkeys(profile):
        rows = table.loc[one].reindex(wanted)
        lacking = wanted[rows.isna().any(axis=1).to_numpy()]
        _refuse_lacking(name, lacking, len(wanted), f" under profile {one!r}" if one else "")
        if one:
            blocks.append(rows.to_numpy())
        else:
            found["alone"] = Reference.from_probabilities(wanted, answers, rows.to_numpy())
    if blocks:
        found["personas"] = Reference.from_probabilities(
            wanted, answers, np.stack(blocks, axis=1), profiles=tuple(names)
        )
    notes = tuple(_unused(name, len(set(ids) - set(wanted))))
    return References(name, found.get("alone"), found.get("personas"), dict(source or {}), notes)


def _numbers_in(columns: pd.Index) -> tuple[float, ...]:
    """The numbers that columns such as p_10 stand for, rising."""
    found = (re.fullmatch(r"p_?(-?\d+(?:\.\d+)?)", str(column)) for column in columns)
    return tuple(sorted(float(match[1]) for match in found if match))


def _numbers(table: pd.DataFrame, ids: pd.Series, name: str) -> FloatArray:
    """The columns of probabilities, refusing what is not a number."""
    columns = []
    for column in table.columns:
        words = table[column].astype(object)
        found = pd.to_numeric(words, errors="coerce")
        if found.isna().any():
            first = int(np.flatnonzero(found.isna())[0])
            value = words.iloc[first]
            shown = "nothing" if value is None or value != value or str(value).strip() == "" else repr(value)
            raise ValueError(
                f"{name}: column {column!r} holds {shown} where a probability should stand, in "
                f"{int(found.isna().sum())} of {len(found)} row(s), the first of problem {ids.iloc[first]!r}; correct "
                "the numbers"
            )
        columns.append(found.to_numpy(dtype=np.float64))
    return np.column_stack(columns)


def of_plain_answers(
    frame: pd.DataFrame, data: Questions, *, name: str = "table", source: Mapping[str, Any] | None = None
) -> References:
    """References from plain answers of an LLM, K rows per problem: what ``simulate --reference-out`` writes.

    An answer between two neighbouring levels, such as a mean over personas, counts in parts for both, so that the mean
    stays; the notes count such answers.

    Args:
        frame: columns ``problem`` and ``response``.
        data: the human answers, or new problems; every problem needs a row.
        name: of the backbone.
        source: for the manifest.

    Raises:
        ValueError: on problems without an answer, and answers that are missing or off the scale.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human.select(problems=["q01"])
        >>> table = pd.DataFrame({"problem": ["q01", "q01"], "response": [3, 4.5]})
        >>> of_plain_answers(table, human).whole.probabilities[0, 0].tolist()
        [0.0, 0.0, 0.5, 0.25, 0.25]
    """
    answers = listed(data.scale, name)
    ids = as_ids(frame["problem"], f"{name}: column 'problem'")
    names, wanted = ids.column(), data.problems["problem"]
    weights = _weights(frame["response"], answers, name, names)
    place = pd.Series(range(len(wanted)), index=wanted)
    rows = names.map(place)
    used = rows.notna().to_numpy() & ~ids.missing
    counts = np.zeros((len(wanted), len(answers)))
    np.add.at(counts, rows[used].to_numpy(dtype=np.int64), weights[used])
    total = counts.sum(axis=1)
    _refuse_lacking(name, wanted[total == 0.0], len(wanted))
    between = int(np.count_nonzero(weights[used].max(axis=1) < 1.0))
    notes = [f"{between} of {int(used.sum())} answers of {name} lie between two levels and count in parts for both, so "
             "that the mean stays."] if between else []  # fmt: skip
    notes += _unused(name, len(set(names[~used])))
    reference = Reference.from_probabilities(
        wanted, answers, counts / total[:, None], n_samples=total[:, None], source={"model": name}
    )
    return References(name, reference, None, dict(source or {}), tuple(notes))


def _weights(column: pd.Series, answers: Sequence[Any], name: str, problems: pd.Series) -> FloatArray:
    """How much each given answer counts for each of the answers, shape (n, A): one, or in parts its two neighbours."""
    if isinstance(answers[0], str):
        low = pd.Index(answers).get_indexer(column.astype(str))
        bad, part = low < 0, np.zeros(len(low))
    else:
        levels = np.asarray(answers, dtype=np.float64)
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        bad = ~((values >= levels[0]) & (values <= levels[-1]))
        low = np.minimum(np.searchsorted(levels, np.where(bad, levels[0], values), side="right") - 1, len(levels) - 2)
        part = (values - levels[low]) / (levels[low + 1] - levels[low])
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(bad)} answer(s) are missing or off the scale, the first "
            f"{str(column.iloc[first])!r} to problem {problems.iloc[first]!r}; the answers are {answers[0]} to "
            f"{answers[-1]}: correct them or leave these rows out"
        )
    weights, row = np.zeros((len(low), len(answers))), np.arange(len(low))
    weights[row, low] = 1.0 - part
    weights[row, np.minimum(low + 1, len(answers) - 1)] += part
    return weights


def _refuse_lacking(name: str, lacking: pd.Series, count: int, who: str = "") -> None:
    if len(lacking):
        raise ValueError(
            f"{name}: {len(lacking)} of {count} problem(s) have no row{who}, for instance {lacking.iloc[0]!r}; give "
            "one for each problem"
        )


def _unused(name: str, count: int) -> list[str]:
    return [f"{count} problem(s) of {name} are not among those asked about; they are not used."] if count else []

"""Answers beside draws of a population: one table of both, and the parts of people and problems that are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.crowd import CrowdData

EVERYONE = "everyone"

#: A profile column of numbers with more values than this is cut into thirds.
_MOST_VALUES = 6


@dataclass(frozen=True, eq=False)
class Parts:
    """Which answers belong to each part; see :func:`parts_of`.

    Attributes:
        masks: of the answers, by the part's name.
        small: parts left out as too small, with their people.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    small: Mapping[str, int]


def answers_and_draws(data: CrowdData, draws: ArrayLike, least: int, why: str) -> FloatArray:
    """The answers in the first row, the draws below, shape (R + 1, n).

    Args:
        data: the answers.
        draws: shape (R, n), columns in the order of ``data.responses``.
        least: draws that are needed.
        why: what needs them, for the message.

    Raises:
        ValueError: on a scale without numbers, draws of another shape, fewer draws or people than needed.
    """
    if not isinstance(data, CrowdData) or not data.scale.numeric:
        kind = f"answers on the scale {data.scale}" if isinstance(data, CrowdData) else type(data).__name__
        raise ValueError(f"data must be a CrowdData of numbers, which have ranks; got {kind}")
    made = check_array("draws", draws)
    asked = data.responses
    if made.ndim != 2 or made.shape[1] != len(asked):
        raise ValueError(f"draws has shape {made.shape}, expected (R, {len(asked)}): a column for each answer of data")
    if len(made) < least:
        raise BadInput(f"holds {len(made)} draws; {why} needs at least {least}", argument="draws")
    if asked["participant"].nunique() < 2:
        raise ValueError("data holds the answers of one person; the check needs at least two people")
    return np.concatenate([asked["response"].to_numpy(dtype=np.float64)[None], made])


def numbered(asked: pd.DataFrame, column: str, folds: ArrayLike | None) -> NDArray[np.int64]:
    """Number of each answer's problem or person, another in every fold.

    Args:
        asked: the answers.
        column: "problem" or "participant".
        folds: of each answer, or None.

    Raises:
        ValueError: on folds of another length.
    """
    if folds is None:
        return np.asarray(pd.factorize(asked[column])[0])
    fold = np.asarray(folds)
    if fold.shape != (len(asked),):
        raise ValueError(f"folds has shape {fold.shape}, expected ({len(asked)},): the fold of each answer of data")
    return np.asarray(asked.groupby([column, fold]).ngroup())


def chosen(place: NDArray[np.int64]) -> csr_array:
    """The matrix (places, n) that adds up the answers of each place.

    Example:
        >>> chosen(np.array([0, 1, 0])).toarray().tolist()
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    n = len(place)
    return csr_array((np.ones(n), (place, np.arange(n))), shape=(int(place.max()) + 1, n))


def place_means(rows: FloatArray, place: NDArray[np.int64]) -> FloatArray:
    """Means of the columns of each place, (R, n) -> (R, places).

    Example:
        >>> place_means(np.array([[1.0, 4.0, 3.0]]), np.array([0, 1, 0])).tolist()
        [[2.0, 4.0]]
    """
    return np.asarray((chosen(place) @ rows.T).T / np.bincount(place))


def parts_of(data: CrowdData, least: int, problems: NDArray[np.str_] | None = None) -> Parts:
    """The values of every profile column, and kinds of problems, with at least so many people.

    A column of many numbers is cut into thirds; a value that is missing is "not given". A part that holds all answers
    is left out: it is everyone.

    Args:
        data: the answers.
        least: people that a part must have.
        problems: kind of each answer's problem, or None.
    """
    asked = data.responses
    profiles = data.participants.set_index("participant").loc[asked["participant"]]
    words = {f"{name}: ": _words(profiles[name]) for name in profiles.columns}
    if problems is not None:
        words[""] = problems
    kept: dict[str, NDArray[np.bool_]] = {}
    small: dict[str, int] = {}
    for head, column in words.items():
        for value in sorted(set(column)):
            mask = column == value
            people = asked["participant"][mask].nunique()
            if people < least:
                small[f"{head}{value}"] = int(people)
            elif not mask.all():
                kept[f"{head}{value}"] = mask
    return Parts(kept, small)


def thirds(numbers: FloatArray, names: tuple[str, str, str]) -> NDArray[np.str_]:
    """A name for each number: which third of all it is in.

    Example:
        >>> thirds(np.array([5.0, 1.0, 2.0]), ("low", "middle", "high")).tolist()
        ['high', 'low', 'middle']
    """
    cuts = np.quantile(numbers, [1.0 / 3.0, 2.0 / 3.0])
    return np.asarray(names)[np.searchsorted(cuts, numbers, side="left")]


def _words(column: pd.Series) -> NDArray[np.str_]:
    """A profile column as words; numbers of many values in thirds."""
    given = column.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > _MOST_VALUES:
        numbers = column.to_numpy(dtype=np.float64)
        words = thirds(numbers[given], ("lowest third", "middle third", "highest third"))
        found = np.full(len(column), "not given", dtype=object)
        found[given] = words
        return found.astype(str)
    return np.where(given, column.astype(object).astype(str), "not given").astype(str)

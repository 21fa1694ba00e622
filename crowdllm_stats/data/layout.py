"""Column names: the user's to ours, and ballots to Crowd-Kit's single labels and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import some
from crowdllm_stats.data.scale import BALLOT_MARK, Scale

OURS = ("problem", "participant", "response")


def column_named(name: str, there: Sequence[str]) -> str | None:
    """The column of this name: spelt exactly so, or else the only one that differs in case or outer blanks alone.

    Example:
        >>> column_named("problem", ["Problem", "text"]), column_named("problem", ["Problem", "PROBLEM"])
        ('Problem', None)
    """
    if name in there:
        return name
    alike = [column for column in there if column.strip().casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def with_our_names(
    frame: pd.DataFrame, columns: Mapping[str, str] | None, needed: Sequence[str], label: str
) -> pd.DataFrame:
    """The frame with our column names, found without regard to case; named index levels become columns.

    Args:
        frame: the user's table.
        columns: our names to the user's.
        needed: which of our names must be there.
        label: how messages name the table.

    Raises:
        ValueError: on unknown keys of ``columns``, a column that is not there, or two columns of one name.

    Example:
        >>> frame = pd.DataFrame({"item": [1], "participant": ["ann"], "response": [2]})
        >>> list(with_our_names(frame, {"problem": "item"}, OURS, "responses").columns)
        ['problem', 'participant', 'response']
    """
    theirs = dict(columns or {})
    unknown = sorted(set(theirs) - {*OURS, "repeat"})
    if unknown:
        raise ValueError(
            f"columns= maps our names to yours; {unknown[0]!r} is not one of {', '.join([*OURS, 'repeat'])}"
        )
    named = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(level=named).reset_index(drop=True) if named else frame.reset_index(drop=True)
    frame.columns = pd.Index([str(name) for name in frame.columns])
    there = list(frame.columns)
    mapping = {}
    for ours in needed:
        name = column_named(theirs.get(ours, ours), there)
        if name is None and len(needed) == 1:  # a table of profiles or texts may keep our name
            name = column_named(ours, there)
        if name is None:
            raise _not_there(theirs.get(ours, ours), ours, there, label)
        mapping[name] = ours
    if len(needed) > 1 and theirs.get("repeat") in there:
        mapping[theirs["repeat"]] = "repeat"
    frame = frame.rename(columns=mapping)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"{label}: column {twice[0]!r} is there twice; rename or remove one")
    return frame


def separated_by(there: Sequence[str]) -> str:
    """What seems to separate the values of a file that was read as one column; empty otherwise.

    Example:
        >>> separated_by(["problem;participant;response"]), separated_by(["problem", "response"])
        (';', '')
    """
    return next((mark for mark in (";", "\t") if len(there) == 1 and mark in there[0]), "")


def _not_there(name: str, ours: str, there: list[str], label: str) -> BadInput:
    text = f"{label}: no column {name!r}; the columns there are {some(there, 12)}"
    mark = separated_by(there)
    if mark:
        return BadInput(text, python=f"values seem to be separated by {mark!r}, save the file with commas")
    return BadInput(
        text,
        python=f"say which one it is with columns={{{ours!r}: ...}}",
        command=f"say which one it is with --{ours}-column NAME",
    )


def of_ballots(frame: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Approval ballots as single labels, as Crowd-Kit has them; :func:`to_ballots` is the way back.

    Args:
        frame: columns ``task``, ``worker``, ``label``, the label a tuple of options.
        scale: of kind "approval".

    Returns:
        One row per ballot and option: task "problem|option", label 1 (on the ballot) or 0.

    Example:
        >>> from crowdllm_stats.data.scale import approval
        >>> frame = pd.DataFrame({"task": ["a"], "worker": ["ann"], "label": [("park",)]})
        >>> of_ballots(frame, approval(["park", "school"]))[["task", "label"]].to_dict("list")
        {'task': ['a|park', 'a|school'], 'label': [1, 0]}
    """
    parts = []
    for option in scale.options:
        part = frame.copy()
        part["task"] = frame["task"] + BALLOT_MARK + option
        part["label"] = [int(option in ballot) for ballot in frame["label"]]
        parts.append(part)
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)


def to_ballots(frame: pd.DataFrame) -> pd.DataFrame:
    """Single labels back to ballots (columns problem, participant, response).

    Raises:
        ValueError: on tasks without "|" and labels other than 0 and 1.
    """
    tasks = frame["problem"].astype(str).str.rsplit(BALLOT_MARK, n=1, expand=True)
    if tasks.shape[1] < 2 or tasks[1].isna().any():
        raise ValueError('labels: every task must read "problem|option" for an approval scale')
    label = pd.to_numeric(frame["response"], errors="coerce")
    if not label.isin([0, 1]).all():
        raise ValueError("labels: a label must be 0 or 1 for an approval scale (1: the option is on the ballot)")
    long = pd.DataFrame(
        {"problem": tasks[0], "participant": frame["participant"], "option": tasks[1], "on": label == 1}
    )
    long["ballot"] = long.groupby(["problem", "participant", "option"], sort=False).cumcount()
    groups = long.groupby(["problem", "participant", "ballot"], sort=False)
    rows = [(key[0], key[1], tuple(group.loc[group["on"], "option"])) for key, group in groups]
    return pd.DataFrame(rows, columns=list(OURS))

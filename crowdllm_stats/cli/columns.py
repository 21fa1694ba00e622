"""Which columns of a file hold problem, participant and answer: as options name them, or as they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdllm_stats._base.words import some, split_list
from crowdllm_stats.data.layout import OURS, column_named, separated_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crowdllm_stats.cli.options import Tables


def given_columns(option: str, text: str | None) -> dict[str, str]:
    """Our names to the user's, from a text such as "problem=item,response=score".

    Raises:
        ValueError: naming the option, on anything that is not such a text.

    Example:
        >>> given_columns("--human-columns", "problem=item, response=score")
        {'problem': 'item', 'response': 'score'}
    """
    found: dict[str, str] = {}
    for part in split_list(text or "") or ([] if text is None else [text]):
        ours, mark, theirs = (word.strip() for word in part.partition("="))
        if not mark or not theirs or ours not in OURS or ours in found:
            raise ValueError(
                f"{option} {text!r}: {part.strip()!r} is not one of problem=NAME, participant=NAME, response=NAME, "
                "each at most once, joined by commas; one with a comma in its NAME stands in double quotes"
            )
        found[ours] = theirs
    return found


def named_everywhere(tables: Tables) -> dict[str, str]:
    """Our names to those of --problem-column, --participant-column and --response-column, where they differ."""
    names = (tables.problem_column, tables.participant_column, tables.response_column)
    return {ours: theirs for ours, theirs in zip(OURS, names, strict=True) if ours != theirs}


def columns_of(
    there: Sequence[str],
    name: str,
    option: str,
    wanted: Sequence[Mapping[str, str]],
    needed: Sequence[str] = OURS,
) -> dict[str, str]:
    """Our names to a file's columns, found without regard to case.

    Args:
        there: the file's columns.
        name: of the file, for messages.
        option: that names this file's columns, for messages.
        wanted: names given by the user, the first that says anything of a column is tried before the next; our own
            name comes last.
        needed: our names that the file must have.

    Raises:
        ValueError: if a column is not there, with the columns that are and the option that names one.

    Example:
        >>> columns_of(["Item", "who", "response"], "a.csv", "--human-columns", [{"problem": "item"}], ["problem"])
        {'problem': 'Item'}
    """
    found: dict[str, str] = {}
    for ours in needed:
        tried = [*(names[ours] for names in wanted if ours in names), ours]
        if ours in wanted[0]:  # said of this very file: nothing else will do
            tried = tried[:1]
        place = next((column for word in tried if (column := column_named(word, there)) is not None), None)
        if place is None:
            remedy = _remedy(there, option, ours)
            raise ValueError(f"{name}: no column {tried[0]!r}; the columns there are {some(list(there), 12)}; {remedy}")
        found[ours] = place
    return found


def _remedy(there: Sequence[str], option: str, ours: str) -> str:
    mark = separated_by(there)
    if mark:
        return f"values seem to be separated by {mark!r}, save the file with commas"
    if all(column_named(name, there) is None for name in ("problem", "response")):
        return (
            f"name it with {option} {ours}=NAME; if it has a row per person, name the questions with --questions 'Q*' "
            "and what words mean with --labels Never=1,Often=3; crowdllm-stats check FILE proposes the options"
        )
    return f"say which one it is with {option} {ours}=NAME"

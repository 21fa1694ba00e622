"""Pabulib files (`.pb`) of participatory budgeting: read in full, written as they were.

pabutools has a parser too. It is not used here: its writer drops what is known of voters, it forgets cells that say
"None", it cannot read rows longer than their header, and its licence (GPL) would bind whoever imports it.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats._base.words import some
from crowdllm_stats.data.election import Election

VoteType = Literal["approval", "choose-1", "ordinal", "cumulative", "scoring"]
VOTE_TYPES: tuple[VoteType, ...] = get_args(VoteType)

#: Sections of a file in their order, and the columns that the second and third must have.
_SECTIONS = {"META": ("key", "value"), "PROJECTS": ("project_id", "cost"), "VOTES": ("voter_id", "vote")}

#: Begins the name of a column that the header leaves out.
_UNNAMED = "(unnamed "


@dataclass(frozen=True, eq=False)
class Pabulib:
    """A Pabulib file: every key, column and cell as text, so that :meth:`write` gives the same file.

    Attributes:
        meta: keys and values of META in the file's order, unknown ones included.
        projects: PROJECTS, one row per project, columns as in the file.
        votes: VOTES, one row per voter, columns as in the file; where all rows have more cells than the header, the
            further columns are called "(unnamed 1)" and so on.
        name: of the file, for messages.

    Raises:
        ValueError: see :func:`read_pabulib`.

    Source: Faliszewski et al. 2023, Participatory budgeting: data, tools, and analysis, IJCAI (the .pb format).
    """

    meta: dict[str, str]
    projects: pd.DataFrame
    votes: pd.DataFrame
    name: str = "the file"

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader must see first: columns without a name, before which others may be named wrongly."""
        return tuple(
            f"{self.name}: rows of {section} have {len(table.columns)} cells where the header names "
            f"{len(_named(table))}: "
            "which column lacks its name is not known, so names after it may stand one place too early"
            for section, table in (("PROJECTS", self.projects), ("VOTES", self.votes))
            if len(_named(table)) < len(table.columns)
        )

    @property
    def vote_type(self) -> VoteType:
        """The type of ballots.

        Raises:
            ValueError: on a type that the format does not have.
        """
        said = self.meta.get("vote_type", "")
        for known in VOTE_TYPES:
            if said == known:
                return known
        raise ValueError(f"{self.name}: vote_type {said!r} is not known; use one of {', '.join(VOTE_TYPES)}")

    def election(self) -> Election:
        """Who chose what, with points.

        Points are 1 on an approval ballot, those given on a cumulative or scoring ballot, and on an ordinal ballot of
        at most L projects (``max_length``, else all) L for the first, L - 1 for the second and so on. A project that a
        scoring ballot leaves out has the points ``default_score``, 0 as a rule. A vote for a project with 0 points
        counts as none; negative scores are refused. Other columns of voters and projects that hold numbers alone
        become numbers.

        Raises:
            ValueError: on votes for unknown projects, repeated or wrong numbers of projects (``min_length``,
                ``max_length``), points that are missing, negative or beyond ``max_sum_points``, costs or a budget that
                are not numbers.
        """
        ids = self.projects["project_id"].tolist()
        place = {name: column for column, name in enumerate(ids)}
        longest = self._whole("max_length", len(ids))
        unsaid = self._number("default_score", 0.0) if self.vote_type == "scoring" else 0.0
        table = np.full((len(self.votes), len(ids)), unsaid)
        given = self.votes["points"].tolist() if "points" in self.votes.columns else [""] * len(self.votes)
        for row, (voter, vote, points) in enumerate(
            zip(self.votes["voter_id"], self.votes["vote"], given, strict=True)
        ):
            names = [one.strip() for one in vote.split(",")] if vote.strip() else []
            self._check_vote(voter, names, place, longest)
            table[row, [place[name] for name in names]] = self._points(voter, names, points, longest)
        known = self.votes.drop(columns=[one for one in ("vote", "points") if one in self.votes.columns])
        voters = _with_numbers(known.set_index("voter_id"))
        projects = _with_numbers(self.projects.set_index("project_id").drop(columns="cost"))
        costs = self.projects.set_index("project_id")["cost"].items()
        projects["cost"] = [self._parsed(f"cost of project {name}", cost) for name, cost in costs]
        points_of = pd.DataFrame(table, index=voters.index, columns=projects.index)
        return Election(points_of, projects, voters, self._number("budget", None))

    def _check_vote(self, voter: str, names: list[str], place: dict[str, int], longest: int) -> None:
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(f"{self.name}: voter {voter} voted for unknown project(s) {some(unknown)}")
        if len(set(names)) < len(names):
            raise ValueError(f"{self.name}: voter {voter} named a project twice")
        longest = 1 if self.vote_type == "choose-1" else longest
        least = self._whole("min_length", 0)
        if not least <= len(names) <= longest:
            raise ValueError(
                f"{self.name}: voter {voter} chose {len(names)} project(s) where {least} to {longest} are due "
                "(min_length, max_length); correct the vote or META"
            )

    def _points(self, voter: str, names: list[str], points: str, longest: int) -> list[float]:
        if self.vote_type in ("approval", "choose-1"):
            return [1.0] * len(names)
        if self.vote_type == "ordinal":
            return [float(longest - rank) for rank in range(len(names))]
        words = points.split(",") if points.strip() else []
        if len(words) != len(names):
            raise ValueError(f"{self.name}: voter {voter} has {len(words)} points for {len(names)} projects")
        found = [self._parsed(f"points of voter {voter}", word) for word in words]
        most = self._number("max_sum_points", float("inf")) if self.vote_type == "cumulative" else float("inf")
        if min(found, default=0.0) < 0.0 or sum(found) > most * (1.0 + 1e-9):
            raise ValueError(
                f"{self.name}: voter {voter} gave {points}; points are at least 0 and sum to at most {most:g}"
            )
        return found

    def _number(self, key: str, usual: float | None) -> float:
        if key not in self.meta and usual is not None:
            return usual
        return self._parsed(key, self.meta.get(key, ""))

    def _whole(self, key: str, usual: int) -> int:
        found = self._number(key, usual)
        if found != int(found):
            raise ValueError(f"{self.name}: {key} is {self.meta[key]!r}, not a whole number; correct META")
        return int(found)

    def _parsed(self, what: str, text: str) -> float:
        """A number, a comma in it being a decimal one where it cannot be of thousands."""
        if re.fullmatch(r"-?\d{1,3}(,\d{3})+", text.strip()):
            raise ValueError(f"{self.name}: {what} is {text!r}, thousands or a decimal comma; write it without a comma")
        try:
            found = float(text.strip().replace(",", "."))
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise ValueError(f"{self.name}: {what} is {text!r}, not a number; correct it")
        return found

    def text(self) -> str:
        """The file's content."""
        out = io.StringIO()
        write = csv.writer(out, delimiter=";", lineterminator="\n").writerow
        for section, rows in (
            ("META", [("key", "value"), *self.meta.items()]),
            ("PROJECTS", [_named(self.projects), *self.projects.itertuples(index=False, name=None)]),
            ("VOTES", [_named(self.votes), *self.votes.itertuples(index=False, name=None)]),
        ):
            write((section,))
            for row in rows:
                write(row)
        return out.getvalue()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, UTF-8, in full or not at all."""
        write_whole(Path(path), self.text())

    def __str__(self) -> str:
        lines = [
            *self.notices,
            f"Pabulib {self.vote_type}: {len(self.votes)} voters, {len(self.projects)} projects, budget "
            f"{self.meta.get('budget')}",
            f"  {self.meta.get('description', '')}",
        ]
        return "\n".join(lines)


def read_pabulib(path: str | os.PathLike[str]) -> Pabulib:
    """Read a `.pb` file; unknown keys of META and unknown columns of projects and votes are kept.

    Args:
        path: a UTF-8 file with sections META, PROJECTS and VOTES, cells separated by semicolons.

    Returns:
        Pabulib. A file that was cut off is refused where that can be seen: a section or cells are missing, the last
        line has no end, or there are fewer projects or votes than ``num_projects`` and ``num_votes`` say.

    Raises:
        ValueError: on missing sections or columns, rows of another width, repeated keys or ids, no vote, other numbers
            of rows than META says, text that is not UTF-8.
        FileNotFoundError: if there is no such file.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "small.pb"
        >>> _ = place.write_text("META\\nkey;value\\nnum_votes;1\\nbudget;9\\nvote_type;approval\\nPROJECTS\\n"
        ...                      "project_id;cost\\na;5\\nb;9\\nVOTES\\nvoter_id;vote\\n1;a,b\\n")
        >>> read_pabulib(place).election().counts.to_dict()
        {'a': 1, 'b': 1}
    """
    file = Path(path)
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from None
    found = _sections(file, content)
    meta = dict(zip(found["META"].iloc[:, 0], found["META"].iloc[:, 1], strict=True))
    tables = {"num_projects": ("PROJECTS", "project_id"), "num_votes": ("VOTES", "voter_id")}
    for key, (section, column) in tables.items():
        table = found[section]
        said = meta.get(key, str(len(table)))
        if said != str(len(table)):
            raise ValueError(
                f"{file}: {section} has {len(table)} rows where META says {key} {said}; the file may be cut off"
            )
        twice = table[column][table[column].duplicated()]
        if len(twice):
            raise ValueError(f"{file}: {column} {twice.iloc[0]!r} stands in more than one row of {section}")
        if not len(table):
            raise ValueError(f"{file}: {section} has no row; the file may be cut off")
    if not content.endswith("\n"):
        raise ValueError(
            f"{file}: the last line, of voter {found['VOTES']['voter_id'].iloc[-1]}, has no line break, so the file "
            "may be cut off in that vote; get it again, or add a line break if it is whole"
        )
    return Pabulib(meta, found["PROJECTS"], found["VOTES"], file.name)


def _sections(file: Path, content: str) -> dict[str, pd.DataFrame]:
    rows: dict[str, list[list[str]]] = {}
    current: Callable[[list[str]], None] | None = None
    try:
        lines = list(csv.reader(io.StringIO(content), delimiter=";"))
    except csv.Error as error:
        raise ValueError(f"{file}: {error}; a quote may be open, or the file is not a Pabulib file") from None
    for row in lines:
        head = row[0].strip().upper() if len(row) == 1 else ""
        if head in _SECTIONS and head not in rows:
            current = rows.setdefault(head, []).append
        elif any(cell.strip() for cell in row):
            if current is None:
                raise ValueError(f"{file}: does not begin with META; is it a Pabulib file?")
            current([cell.strip() for cell in row])
    missing = [section for section in _SECTIONS if not rows.get(section)]
    if missing:
        raise ValueError(f"{file}: section {missing[0]} is missing or empty; the file may be cut off")
    return {section: _table(file, section, rows[section]) for section in _SECTIONS}


def _table(file: Path, section: str, rows: list[list[str]]) -> pd.DataFrame:
    header, *body = rows
    lacking = [column for column in _SECTIONS[section] if column not in header]
    if lacking or len(set(header)) < len(header):
        wrong = f"no column {lacking[0]!r}" if lacking else "a column twice"
        raise ValueError(f"{file}: {section} has {wrong} (its header is {';'.join(header)}); correct the header")
    surplus = len(body[0]) - len(header) if body else 0
    if section != "META":  # published files exist whose header lacks a name; then every row is longer
        header = header + [f"{_UNNAMED}{number})" for number in range(1, surplus + 1)]
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise ValueError(
                f"{file}: row {number} of {section} has {len(row)} cells where {len(header)} are due; the file "
                "may be cut off there, or a cell with a semicolon is not quoted"
            )
    keys = [row[0] for row in body]
    if section == "META" and len(set(keys)) < len(keys):
        raise ValueError(f"{file}: META names a key twice: {some([key for key in keys if keys.count(key) > 1])}")
    return pd.DataFrame(body, columns=header, dtype=object)


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    read = {name: pd.to_numeric(table[name], errors="coerce") for name in table.columns}
    return table.assign(**{name: numbers.astype(float) for name, numbers in read.items() if numbers.notna().all()})


def _named(table: pd.DataFrame) -> tuple[str, ...]:
    return tuple(name for name in table.columns if not name.startswith(_UNNAMED))


__all__ = ["Pabulib", "VoteType", "read_pabulib"]

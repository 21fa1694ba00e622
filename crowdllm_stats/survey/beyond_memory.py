"""Human answers beyond memory: a large Parquet file is dealt into files of few problems each, then read one by one.

What is kept meanwhile grows with the numbers of problems and people, not of answers: the problems' rows, and each
person's number and sum of answers, which are all that the mean over problems needs from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import said
from crowdllm_stats._base.words import rows_text, some
from crowdllm_stats.data.answers import as_answers
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.layout import OURS, column_named
from crowdllm_stats.survey.pairing import Batch, one_answer_each
from crowdllm_stats.survey.per_problem import Wanted, block_rows
from crowdllm_stats.survey.result import Row
from crowdllm_stats.survey.twin_tables import Coded, IntArray

if TYPE_CHECKING:
    from crowdllm_stats.data.scale import Scale

#: Rows of a Parquet file from which on it is not read as a whole, and answers that are in memory at a time.
ROWS, AT_ONCE = 20_000_000, 4_000_000
#: Rows that are unpacked at a time, and different answers that are told apart.
BATCH, DISTINCT = 1 << 18, 10_000

#: An answer as it lies on the disk meanwhile.
_STORED = np.dtype([("row", "<i4"), ("person", "<i4"), ("response", "<f8")])


@dataclasses.dataclass(frozen=True, eq=False)
class Dealt:
    """A file's answers by groups of problems.

    Attributes:
        problems: names, in order.
        people: their number.
        files: one per group, the groups in order of the problems.
        different: different answers, rising, at most :data:`DISTINCT` of them.
    """

    problems: tuple[str, ...]
    people: int
    files: Sequence[Path]
    different: FloatArray

    def groups(self) -> Iterator[Coded]:
        """The answers of each group of problems."""
        for file in self.files:
            stored = np.fromfile(file, dtype=_STORED)
            row, person = (stored[name].astype(np.int64) for name in ("row", "person"))
            yield Coded(row, person, stored["response"].copy())


@dataclasses.dataclass(eq=False)
class Found:
    """What the groups add up to.

    Attributes:
        sums: of each person's answers to problems with at least two, as they enter the mean over problems, about it.
        counts: number of each person's answers to these problems.
        used: who answered a problem that was computed.
        total: of these answers, as they were given.
        rows: of the problems, in order.
        excluded: problem -> why it could not be computed.
        whys: method -> answers per problem and what it rests on, of the fewest answers.
        sizes: number of answers of each problem, in order.
        averaged: answers that are means of several.
    """

    sums: FloatArray
    counts: IntArray
    used: NDArray[np.bool_]
    total: float = 0.0
    rows: list[Row] = dataclasses.field(default_factory=list)
    excluded: dict[str, str] = dataclasses.field(default_factory=dict)
    whys: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    sizes: list[int] = dataclasses.field(default_factory=list)
    averaged: int = 0

    def add(self, answers: Coded, problems: Sequence[str], wanted: Wanted) -> None:
        """Compute the problems of one group."""
        answers, averaged = one_answer_each(answers, len(self.sums))
        answers = answers.by_problem(len(problems))
        sizes = np.bincount(answers.row - answers.row[0])
        names = problems[answers.row[0] : answers.row[0] + len(sizes)]
        parts = np.split(answers.response, np.cumsum(sizes)[:-1])
        rows: dict[str, Row] = {}
        for size in np.unique(sizes).tolist():
            same = np.flatnonzero(sizes == size)
            block = Batch(
                problems=tuple(names[place] for place in same.tolist()),
                human=np.stack([parts[place] for place in same]),
                twin=None,
                crowd=None,
                left_out=np.zeros(len(same), dtype=np.int64),
            )
            try:
                made, interval = block_rows(block, wanted, census=False)
            except ValueError as reason:
                self.excluded |= dict.fromkeys(block.problems, said(reason))
                continue
            rows |= {row["problem"]: row | {"half_width_alone": None} for row in made}
            if size < self.whys.get(interval.method, (size + 1, ""))[0]:
                self.whys[interval.method] = size, interval.why
        self.rows += [rows[name] for name in names if name in rows]
        self.used[answers.person[np.repeat([name in rows for name in names], sizes)]] = True
        self.sizes += sizes.tolist()
        self.averaged += averaged
        several = np.repeat(sizes >= 2, sizes)
        means = np.array([part.mean() for part in parts])
        apart = (answers.response - np.repeat(means, sizes)) * np.repeat(
            np.sqrt(sizes / np.maximum(sizes - 1, 1)), sizes
        )
        self.counts += np.bincount(answers.person[several], minlength=len(self.counts))
        self.sums += np.bincount(answers.person[several], weights=apart[several], minlength=len(self.sums))
        self.total += float(answers.response[several].sum())


def is_beyond(human: object) -> bool:
    """Whether human answers are a Parquet file of more rows than are read as a whole."""
    if not isinstance(human, str | Path) or not str(human).lower().endswith(".parquet") or not Path(human).is_file():
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(human).num_rows) > ROWS
    except (pa.ArrowException, OSError):  # to read it as a whole says what is wrong
        return False


def deal(file: Path, scale: Scale, folder: Path) -> Dealt:
    """Write the answers of a Parquet file into a folder, one file per group of problems.

    Args:
        file: with the columns problem, participant and response; others are not read.
        scale: what answers can be, numbers.
        folder: takes 16 bytes per answer.

    Raises:
        ValueError: on a missing column, a missing id or answer, or an answer off the scale.
    """
    columns = _columns(file)
    problem, participant, sizes = _ids(file, columns)
    order = _in_order(problem.names.tolist())
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    group = np.unique(np.cumsum(sizes[order]) // AT_ONCE, return_inverse=True)[1]
    files = [folder / f"{number}.answers" for number in range(int(group[-1]) + 1)]
    different, first = np.empty(0), 0
    for batch in _batches(file, columns):
        label = f"{file}: column {columns[2]!r} from row {first + 1:,} on"
        found = as_answers(batch.column(2).to_pandas(), scale, label)
        if found.missing.any():
            raise ValueError(f"{label} is empty in {rows_text(found.missing)}; fill these rows or leave them out")
        stored = np.empty(batch.num_rows, dtype=_STORED)
        stored["row"], stored["person"] = place[problem.of(batch.column(0))], participant.of(batch.column(1))
        stored["response"] = found.given
        if len(different) < DISTINCT:
            different = np.union1d(different, pd.unique(stored["response"]))[:DISTINCT]
        to = group[stored["row"]]
        for number in np.unique(to):
            with files[number].open("ab") as out:
                stored[to == number].tofile(out)
        first += batch.num_rows
    return Dealt(tuple(str(problem.names[one]) for one in order), len(participant.names), files, different)


def _in_order(names: Sequence[str]) -> IntArray:
    """By number where all ids are numbers, else by first appearance."""
    if all(name.isdecimal() for name in names):
        return np.array(sorted(range(len(names)), key=lambda place: int(names[place])), dtype=np.int64)
    return np.arange(len(names))


@dataclasses.dataclass(frozen=True, eq=False)
class _Known:
    """Different values of a column of ids, and the ids they mean."""

    given: Any
    codes: IntArray
    names: NDArray[Any]

    @staticmethod
    def read(given: Any, label: str) -> _Known:
        ids = as_ids(given.to_pandas(), label)
        if ids.missing.any():
            raise ValueError(f"{label} holds rows without an id; fill them or leave them out")
        return _Known(given, ids.codes, ids.names)

    def of(self, column: Any) -> IntArray:
        """Number of each row's id."""
        return self.codes[_places(column, self.given)]


def _places(column: Any, values: Any) -> IntArray:
    import pyarrow.compute as pc

    return np.asarray(pc.index_in(column, value_set=values).to_numpy(zero_copy_only=False))


def _columns(file: Path) -> list[str]:
    """The file's names of the columns problem, participant and response."""
    import pyarrow.parquet as pq

    there = [str(name) for name in pq.read_schema(file).names]
    found = [column_named(ours, there) for ours in OURS]
    if None in found:
        absent = OURS[found.index(None)]
        raise ValueError(f"{file}: no column {absent!r}; the columns there are {some(there, 12)}; rename one")
    return [name for name in found if name is not None]


def _batches(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, page_checksum_verification=True) as source:
        for batch in source.iter_batches(batch_size=BATCH, columns=list(columns), use_threads=False):
            yield batch.select(list(columns))


def _ids(file: Path, columns: Sequence[str]) -> tuple[_Known, _Known, IntArray]:
    """The different ids of problems and of participants, and the number of rows of each problem."""
    import pyarrow as pa
    import pyarrow.compute as pc

    seen: list[Any] = []
    sizes = np.zeros(0, dtype=np.int64)
    for batch in _batches(file, columns[:2]):
        fresh = [pc.unique(batch.column(side)) for side in range(2)]
        seen = [pc.unique(pa.chunked_array(both)) for both in zip(seen, fresh, strict=True)] if seen else fresh
        codes = _places(batch.column(0), seen[0])
        sizes = np.bincount(codes, minlength=len(seen[0])) + np.pad(sizes, (0, len(seen[0]) - len(sizes)))
    problem, participant = (
        _Known.read(values, f"{file}: column {name!r}") for values, name in zip(seen, columns[:2], strict=True)
    )
    return problem, participant, np.bincount(problem.codes, weights=sizes, minlength=len(problem.names))

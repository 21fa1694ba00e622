"""Answers of any number of digital people: a folder of Parquet files, computed in parts that survive being stopped."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.cluster import on_cluster
from crowdllm_stats._base.sealed import is_whole, seal
from crowdllm_stats._base.whole_files import HALF, write_whole
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator import storage
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.problems import Embedded
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator
from crowdllm_stats.generator.simulation import BLOCK, stream_parquet

#: Blocks of people in a part at most, and answers in it about.
_BLOCKS, _ANSWERS = 8, 8_000_000

#: What the folder holds, beside its parts; readers of Parquet folders pass over names that begin so.
IDENTITY = "_simulation.json"

_KEY = b"crowdllm-stats"


@dataclass(frozen=True)
class Parts:
    """What is in the folder: parts in all, those found there, answers in all."""

    folder: Path
    parts: int
    found: int
    answers: int


@dataclass(frozen=True, eq=False)
class _Simulation:
    """All that a part depends on but its number; sent to the workers."""

    model: CrowdLLM
    recruiter: ProfileGenerator | None
    problems: tuple[str, ...]
    n: int
    size: int
    seed: int
    reference: Reference | None
    embedding: Embedded
    effect: str

    def identity(self) -> dict[str, Any]:
        """What must be equal for parts to belong together."""
        table = self.model.problem_table(self.problems, self.reference, self.embedding, self.effect)
        asked = hashlib.sha256("\0".join(table["problems"]).encode())
        for name in ("x", "centred", "effect", "reference"):
            asked.update(np.ascontiguousarray(table[name], dtype=np.float64).tobytes())
        return {
            "population": storage.digest(self.model.settings, self.model.fitted),
            "problems": len(self.problems),
            "what is asked": asked.hexdigest(),
            "people": self.n,
            "people of a part": self.size,
            "seed": self.seed,
        }


def _part(simulation: _Simulation, label: str, number: int) -> tuple[int, bytes]:
    """A part's number and its file's content."""
    start = number * simulation.size
    crowd = simulation.model.crowd(
        simulation.problems, min(simulation.size, simulation.n - start), simulation.seed, simulation.recruiter, None,
        simulation.reference, simulation.embedding, simulation.effect, start,
    )  # fmt: skip
    out = io.BytesIO()
    told = {_KEY: f"{label} {number}".encode()}
    stream_parquet(out, crowd.blocks, crowd.ids, crowd.problems, crowd.levels, label=told)
    return number, seal(out.getvalue())


def simulate_parts(
    model: CrowdLLM,
    folder: str | os.PathLike[str],
    problems: Iterable[Any] | None,
    n: int,
    *,
    seed: int = 0,
    reference: Reference | None = None,
    embedding: Embedded = None,
    effect: str = "fitted",
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Parts:
    """Write the answers that :meth:`CrowdLLM.simulate` gives to ``part-000000.parquet`` and so on in a folder.

    Everybody answers every problem. A part holds up to 65,536 people. It is written as a whole or not at all, with a
    checksum over all its bytes; parts that are there are checked and kept, so that a run that was stopped or killed
    goes on. Memory does not grow with n. On one kind of machine the files are the same bytes whoever computes them, in
    whatever order. Only this process writes: workers of a cluster send it their parts.

    Args:
        model: a fitted generator.
        folder: made where it is not there.
        problems: ids; all training problems by default.
        n: people.
        seed: of profiles and answers.
        reference, embedding, effect: as :meth:`CrowdLLM.simulate`.
        scheduler: of a Dask cluster that computes the parts; None computes them here, one after the other.
        progress: called with people done and people in all.

    Returns:
        Parts.

    Raises:
        ValueError: if the folder holds parts of another simulation or a damaged one, or another run writes to it; as
            :meth:`CrowdLLM.simulate`.
        OSError: if a part cannot be written; the others stay.

    Example:
        >>> import tempfile
        >>> from crowdllm_stats.generator.shipped import load_population
        >>> place = Path(tempfile.mkdtemp())
        >>> simulate_parts(load_population(), place, ["12", "7"], 3, seed=1).answers
        6
        >>> sorted(file.name for file in place.glob("*.parquet"))
        ['part-000000.parquet']
    """
    check_count("n", n)
    fitted = model.fitted
    names = tuple(fitted.problems if problems is None else map(str, problems))
    size = BLOCK * min(max(_ANSWERS // (BLOCK * max(len(names), 1)), 1), _BLOCKS)
    recruiter = fitted.recruiter
    if recruiter is None and len(fitted.profiles.columns):
        recruiter = ProfileGenerator.from_pool(fitted.profiles)
    simulation = _Simulation(model, recruiter, names, n, size, seed, reference, embedding, effect)
    identity, place, total = simulation.identity(), Path(folder), -(-n // size)
    label = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    answers = people = 0

    def count(number: int, content: bytes) -> None:
        nonlocal answers, people
        answers, people = answers + _rows(content), people + min(size, n - number * size)
        if progress is not None:
            progress(people, n)

    with _writing(place, identity):
        there = sorted(int(file.stem[5:]) for file in place.glob("part-*.parquet"))
        for number in there:
            count(number, _checked(_file(place, number), f"{label} {number}"))
        wanted = [number for number in range(total) if number not in set(there)]
        work = functools.partial(_part, simulation, label)
        for number, content in map(work, wanted) if scheduler is None else on_cluster(scheduler, work, wanted):
            write_whole(_file(place, number), content)
            count(number, content)
    return Parts(place, total, len(there), answers)


def _file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.parquet"


def _rows(content: bytes) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(io.BytesIO(content)).num_rows)


def _checked(file: Path, label: str) -> bytes:
    import pyarrow.parquet as pq

    content = file.read_bytes()
    if not is_whole(content):
        raise ValueError(f"{file} is damaged, its checksum does not fit: delete it and run again, the other parts stay")
    if (pq.read_schema(io.BytesIO(content)).metadata or {}).get(_KEY) != label.encode():
        raise ValueError(f"{file} is a part of another simulation: delete it and run again, the other parts stay")
    return content


@contextmanager
def _writing(folder: Path, identity: dict[str, Any]) -> Iterator[None]:
    """While it lasts this run alone writes to the folder, which holds parts of this very simulation.

    Halves that a killed run left are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another run is writing to {folder}; wait for it, or name another folder") from None
        file = folder / IDENTITY
        if not file.is_file():
            write_whole(file, json.dumps(identity, indent=2) + "\n")
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            old = None
        if not isinstance(old, dict):
            raise ValueError(f"{file} is not readable; name another folder")
        changed = [
            f"{name} {old.get(name)!r}, not {value!r}" for name, value in identity.items() if old.get(name) != value
        ]
        if changed:
            raise ValueError(f"{folder} holds parts of another simulation ({'; '.join(changed)}); name another folder")
        for half in folder.glob(f"*{HALF}"):
            half.unlink()
        yield

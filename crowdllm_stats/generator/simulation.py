"""Drawing single answers of virtual people, in blocks, to memory or streamed to Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.whole_files import whole_file
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.generator import networks
from crowdllm_stats.generator.belief import Belief
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.padding import size_for
from crowdllm_stats.generator.participation import Participation
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator
from crowdllm_stats.generator.random import id_keys, id_numbers

#: People worked on at once; memory grows with this times the number of problems.
BLOCK = 8192

#: Least number of problems that a program is compiled for.
_PROBLEMS = 64

#: The answers of an ordinal or categorical scale.
Levels = FloatArray | NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Drawn:
    """The answers of a block of people.

    Attributes:
        people: rows of the table of people, as a slice.
        answers: places on the scale (int8, int16 beyond 127 answers), or numbers (float32), shape (T, block).
        given: who answers what, same shape; None where everybody answers everything.
    """

    people: slice
    answers: NDArray[Any]
    given: NDArray[np.bool_] | None


@partial(jax.jit, static_argnums=(0,))
def _answers(
    belief: Belief, params: Params, v: jax.Array, keys: jax.Array, problems: dict[str, jax.Array], count: int
) -> jax.Array:
    """Answers of a block of people to the first ``count`` of T problems, shape (T, block); others only fill up.

    Every person has a key of their own, (seed, id), from which their kept effects come; every answer's draws come from
    that key and the problem's number: nothing depends on who else answers what.
    """
    blender, k = belief.blender, belief.blender.belief_dim
    q = belief.mixing_dim if belief.mixing and not belief.profile_noise else 0
    r = belief.mixing_dim if belief.profile_noise else 0
    size = k + 1 + belief.kept_uniforms + r
    own = jax.vmap(lambda one: jax.random.normal(jax.random.fold_in(one, 0), (size,)))(keys)
    shift, spread = belief.kept_effects(params, own[:, : k + 1], jax.scipy.special.ndtr(own[:, k + 1 : size - r]))
    person = networks.of_people(params["encoder"], v)
    closed = blender.family in ("normal", "censored", "ordinal")
    place = _place_type(len(blender.answers))
    problems = {**problems, **networks.of_problems(params["encoder"], problems["x"], problems["centred"])}

    def one_problem(problem: dict[str, jax.Array]) -> jax.Array:
        drawn = jax.vmap(
            lambda one: jax.random.normal(jax.random.fold_in(one, problem["number"]), (q + (1 if closed else k + 1),))
        )(keys)
        row = {name: problem[name][None] for name in ("hidden", "mean", "spread")}
        psi = own[:, size - r :] if r else drawn[:, :q] if q else None
        mean, sd = networks.encode(params["encoder"], row, person, psi, shift + problem["effect"], spread)
        if closed:
            total = jnp.sqrt(sd[:, 0] ** 2 + jnp.exp(2 * params["blender"]["log_sigma"]))
            value = problem["reference"][0] + mean[:, 0] + total * drawn[:, q]
            if blender.family != "ordinal":
                return blender.placed(value)
            return (value[:, None] > blender.cuts(params["blender"])).sum(axis=1).astype(place)
        uniform = jax.scipy.special.ndtr(drawn[:, q + k])
        delta = mean + sd * drawn[:, q : q + k]
        answer = blender.draw(params["blender"], problem["reference"], delta, jnp.clip(uniform, 1e-7, 1.0 - 1e-7))
        return answer.astype(place) if blender.answers else answer

    def and_this(row: jax.Array, found: jax.Array) -> jax.Array:
        answers = one_problem({name: rows[row] for name, rows in problems.items()})
        return jax.lax.dynamic_update_index_in_dim(found, answers, row, axis=0)

    none = jnp.zeros((len(problems["x"]), len(v)), dtype=place if blender.answers else jnp.float32)
    return jax.lax.fori_loop(0, count, and_this, none)


def _place_type(n_answers: int) -> type[np.signedinteger[Any]]:
    return np.int8 if n_answers <= 127 else np.int16


def draw_blocks(
    belief: Belief, params: Params, table: dict[str, Any], ids: list[str], coded: Callable[[slice], FloatArray],
    participation: Participation | None, seed: int,
) -> Iterator[Drawn]:  # fmt: skip
    """Blocks of people one after the other.

    Args:
        belief: the generator's constants.
        params: learned parameters.
        table: see ``CrowdLLM.problem_table``.
        ids: of the people.
        coded: gives the coded profiles of a slice of the people, shape (block, P).
        participation: who answers what; everybody everything without it.
        seed: of all draws.
    """
    problems = {name: np.asarray(table[name], dtype=np.float32) for name in ("x", "centred", "effect", "reference")}
    numbers = id_numbers(f"problem {name}" for name in table["problems"]) >> np.uint64(31)
    problems["number"] = np.maximum(numbers, 1).astype(np.uint32)
    count = len(numbers)
    rows = np.minimum(np.arange(size_for(count, _PROBLEMS)), count - 1)
    problems = {name: each[rows] for name, each in problems.items()}
    width = min(BLOCK, 1 << max(len(ids) - 1, 63).bit_length())  # few widths, so that few programs are compiled

    def started() -> Iterator[tuple[slice, jax.Array]]:
        for start in range(0, len(ids), width):
            some = slice(start, min(start + width, len(ids)))
            size = some.stop - some.start
            v = np.zeros((width, params["encoder"]["v_hidden"].shape[0]), dtype=np.float32)
            v[:size] = coded(some)
            keys = id_keys(seed, [*ids[some], *[""] * (width - size)])
            yield some, _answers(belief, params, v, keys, problems, count)

    for some, answers in _one_ahead(started()):
        given = None
        if participation is not None:
            given = participation.mask(ids[some], table["problems"], seed).T
        yield Drawn(some, np.asarray(answers)[:count, : some.stop - some.start], given)


def _one_ahead(blocks: Iterator[tuple[slice, jax.Array]]) -> Iterator[tuple[slice, jax.Array]]:
    """The same blocks, the next one started before the present one is given out: JAX draws while it is written."""
    present = next(blocks, None)
    while present is not None:
        following = next(blocks, None)
        yield present
        present = following


def long_table(drawn: Drawn, ids: list[str], problems: tuple[str, ...], levels: Levels | None) -> pd.DataFrame:
    """A block as columns problem, participant, response."""
    size = drawn.answers.shape[1]
    answers = drawn.answers if levels is None else levels[drawn.answers.astype(np.int64)]
    frame = pd.DataFrame(
        {
            "problem": np.repeat(np.asarray(problems, dtype=object), size),
            "participant": np.tile(np.asarray(ids[drawn.people], dtype=object), len(problems)),
            "response": answers.reshape(-1),
        }
    )
    return frame if drawn.given is None else frame[drawn.given.reshape(-1)].reset_index(drop=True)


def write_parquet(
    blocks: Iterator[Drawn], ids: list[str], problems: tuple[str, ...], levels: Levels | None,
    path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None,
) -> int:  # fmt: skip
    """Stream blocks to one Parquet file: problem and participant as dictionaries, answers as int8 where they fit.

    The file appears under its name only when it is whole. Blocks come without their least and greatest id, which would
    take most of the time.

    Args:
        blocks: see :func:`draw_blocks`.
        ids: of the people.
        problems: ids.
        levels: answers of an ordinal or categorical scale, None on a continuous one.
        path: where to.
        progress: called with people done and people in all.

    Returns:
        The number of answers written.

    Raises:
        ValueError: on another ending than .parquet, or a folder of that name.
        FileNotFoundError: if the folder does not exist.
        OSError: if it could not be written; a former file stays.
    """
    place = Path(path)
    if place.suffix.lower() != ".parquet" or place.is_dir():
        raise ValueError(f"path: answers are streamed to a file that ends in .parquet; got {place}")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"folder {place.parent} is not there")
    with whole_file(place) as out:
        return stream_parquet(out, blocks, ids, problems, levels, progress=progress)


def stream_parquet(
    out: BinaryIO, blocks: Iterator[Drawn], ids: list[str], problems: tuple[str, ...], levels: Levels | None, *,
    label: Mapping[bytes, bytes] | None = None, progress: Callable[[int, int], None] | None = None,
) -> int:  # fmt: skip
    """The same to an open file.

    Args:
        out: where to.
        blocks, ids, problems, levels, progress: as :func:`write_parquet`.
        label: the file's own metadata.

    Returns:
        The number of answers written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind, column = _arrow_answers(levels)
    schema = pa.schema(
        [
            ("problem", pa.dictionary(pa.int32(), pa.string())),
            ("participant", pa.dictionary(pa.int32(), pa.string())),
            ("response", kind),
        ],
        metadata=label,
    )
    names = pa.array(problems)
    total, coded = 0, ["problem", "participant", *([] if levels is None else ["response"])]
    with pq.ParquetWriter(out, schema, compression="snappy", use_dictionary=coded, write_statistics=False) as writer:
        for drawn in blocks:
            size = drawn.answers.shape[1]
            keep = slice(None) if drawn.given is None else drawn.given.reshape(-1)
            row = np.repeat(np.arange(len(problems), dtype=np.int32), size)[keep]
            who = np.tile(np.arange(size, dtype=np.int32), len(problems))[keep]
            flat = drawn.answers.reshape(-1)[keep]
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(row), names),
                pa.DictionaryArray.from_arrays(pa.array(who), pa.array(ids[drawn.people])),
                column(flat),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(flat) or 1)
            total += len(flat)
            if progress is not None:
                progress(drawn.people.stop, len(ids))
    return total


def _arrow_answers(levels: Levels | None) -> tuple[Any, Callable[[NDArray[Any]], Any]]:
    """The type of the column of answers, and how places on the scale (or numbers) become such a column."""
    import pyarrow as pa

    if levels is None:
        return pa.float32(), lambda given: pa.array(given.astype(np.float32))
    if levels.dtype.kind in "US":
        words = pa.array(levels.tolist())
        kind = pa.dictionary(pa.from_numpy_dtype(_place_type(len(levels))), pa.string())
        return kind, lambda places: pa.DictionaryArray.from_arrays(pa.array(places), words)
    numbers = levels.astype(np.float64)
    if np.all(numbers == np.round(numbers)) and np.all(np.abs(numbers) <= 127):
        return pa.int8(), lambda places: pa.array(numbers.astype(np.int8)[places])
    return pa.float64(), lambda places: pa.array(numbers[places])


#: People recruited when nobody says how many.
USUAL = 100


def recruit(
    people: pd.DataFrame | ProfileGenerator | None, pool: pd.DataFrame, n: int | None, seed: int, start: int = 0
) -> pd.DataFrame:
    """A table of people with column ``participant``.

    Args:
        people: a table, taken as it is (its first n rows); a generator; or None for a generator fitted to the pool.
        pool: profiles of the training people.
        n: people wanted.
        seed: of the profiles.
        start: generated people who are passed over.

    Raises:
        ValueError: on a table without the column or without a row, missing or repeated ids, fewer rows than wanted,
            and on what is neither table nor generator.

    Example:
        >>> pool = pd.DataFrame({"gender": ["Man", "Woman", "Woman"]})
        >>> recruit(None, pool, 2, seed=1)["participant"].tolist()
        ['v000001', 'v000002']
    """
    if isinstance(people, pd.DataFrame):
        return _given(people, n)
    if people is not None and not isinstance(people, ProfileGenerator):
        raise ValueError(
            f"people must be a table with one row per person or a ProfileGenerator; got {type(people).__name__}"
        )
    wanted = USUAL if n is None else check_count("n", n)
    if people is None:
        if not len(pool.columns):
            return pd.DataFrame({"participant": [f"v{start + number:06d}" for number in range(1, wanted + 1)]})
        people = ProfileGenerator.from_pool(pool)
    return people.sample(wanted, seed=seed, start=start).table


def check_people(people: pd.DataFrame) -> None:
    """Refuse what is not a table of people.

    Raises:
        ValueError: on another type, and on a table without a row.
    """
    if not isinstance(people, pd.DataFrame):
        raise ValueError(f"people must be a table with one row per person; got {type(people).__name__}")
    if not len(people):
        raise ValueError("people has no row; give one row per person")


def _given(people: pd.DataFrame, n: int | None) -> pd.DataFrame:
    """The first n rows of a table, ids as text as everywhere (1 and 1.0 are "1")."""
    if "participant" not in people.columns:
        raise ValueError("people needs a column 'participant' with one id per row, beside the profile columns")
    check_people(people)
    ids = as_ids(people["participant"], "people: column 'participant'")
    if ids.missing.any():
        raise ValueError(
            f"people: column 'participant' is empty in {int(ids.missing.sum())} of {len(people)} rows; give every "
            "person an id"
        )
    wanted = len(people) if n is None else check_count("n", n)
    if wanted > len(people) or len(ids.names) < len(people):
        raise ValueError(
            f"people holds {len(ids.names)} different participant(s) in {len(people)} rows; {wanted} are wanted, each "
            "once"
        )
    return people.assign(participant=ids.column().to_numpy()).head(wanted)


__all__ = ["check_people", "recruit"]

"""Who is asked: a table of people as given, or recruited by a profile generator (Eq. 3)."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats._base.checks import check_count
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.generator.profiles import ProfileGenerator

#: People recruited when nobody says how many.
USUAL = 100


def recruit(
    people: pd.DataFrame | ProfileGenerator | None, pool: pd.DataFrame, n: int | None, seed: int
) -> pd.DataFrame:
    """A table of people with column ``participant``.

    Args:
        people: a table, taken as it is (its first n rows); a generator; or None for a generator fitted to the pool.
        pool: profiles of the training people.
        n: people wanted.
        seed: of the profiles.

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
            f"people must be a table with a row a person or a ProfileGenerator; got {type(people).__name__}"
        )
    wanted = USUAL if n is None else check_count("n", n)
    if people is None:
        if not len(pool.columns):
            return pd.DataFrame({"participant": [f"v{number:06d}" for number in range(1, wanted + 1)]})
        people = ProfileGenerator.from_pool(pool)
    return people.sample(wanted, seed=seed).table


def check_people(people: pd.DataFrame) -> None:
    """Refuse what is no table of people.

    Raises:
        ValueError: on another type, and on a table without a row.
    """
    if not isinstance(people, pd.DataFrame):
        raise ValueError(f"people must be a table with a row a person; got {type(people).__name__}")
    if not len(people):
        raise ValueError("people holds nobody; give a row a person")


def _given(people: pd.DataFrame, n: int | None) -> pd.DataFrame:
    """The first n rows of a table, ids as text as everywhere (1 and 1.0 are "1")."""
    if "participant" not in people.columns:
        raise ValueError("people needs a column 'participant' with an id a row, beside the profile columns")
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

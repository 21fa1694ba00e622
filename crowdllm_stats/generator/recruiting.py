"""Who is asked: a table of people as given, or recruited by a profile generator (Eq. 3)."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats.generator.profiles import ProfileGenerator
from crowdllm_stats.inference.checks import check_count

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
        ValueError: on a table without the column, repeated ids, or fewer rows than wanted.

    Example:
        >>> pool = pd.DataFrame({"gender": ["Man", "Woman", "Woman"]})
        >>> recruit(None, pool, 2, seed=1)["participant"].tolist()
        ['v000001', 'v000002']
    """
    if isinstance(people, pd.DataFrame):
        if "participant" not in people.columns:
            raise ValueError("people needs a column 'participant' with an id a row, beside the profile columns")
        wanted = len(people) if n is None else check_count("n", n)
        if wanted > len(people) or people["participant"].duplicated().any():
            raise ValueError(
                f"people holds {people['participant'].nunique()} different participant(s) in {len(people)} rows; "
                f"{wanted} are wanted, each once"
            )
        return people.head(wanted).assign(participant=lambda table: table["participant"].astype(str))
    wanted = USUAL if n is None else check_count("n", n)
    if people is None:
        if not len(pool.columns):
            return pd.DataFrame({"participant": [f"v{number:06d}" for number in range(1, wanted + 1)]})
        people = ProfileGenerator.from_pool(pool)
    return people.sample(wanted, seed=seed).table


__all__ = ["recruit"]

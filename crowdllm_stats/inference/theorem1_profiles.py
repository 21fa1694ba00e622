"""Theorem 1: how close generated profiles come to the target's, as bounds and as measured."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count
from crowdllm_stats._base.result import Result, unbatch

Kind = Literal["exact", "sliced"]

#: Largest sample (of either kind) for which the distance is computed exactly.
EXACT_LIMIT = 2000
_SPLITS = 10


@dataclasses.dataclass(frozen=True, eq=False)
class ProfileBound(Result):
    """Bounds on the Wasserstein-1 distance ``W1(generated, target)`` of profiles, see :func:`profile_bound`.

    Attributes:
        published: as the paper has it.
        sharper: what its proof gives.
    """

    columns: ClassVar[tuple[str, ...]] = ("published", "sharper")

    published: Any
    sharper: Any


def profile_bound(n_discrete: int, dimension: int, smoothing: ArrayLike, epsilon: ArrayLike) -> ProfileBound:
    """Bounds of Theorem 1 for profiles of ``dimension`` coordinates, ``n_discrete`` of them discrete.

    Published: ``(1 + sqrt(2/pi) smoothing dimension) epsilon``. The proof smooths the discrete coordinates only, so
    ``(1 + sqrt(2/pi) smoothing n_discrete) epsilon`` holds too.

    Args:
        n_discrete: number of discrete coordinates, ``|S2|``.
        dimension: number of all coordinates, d.
        smoothing: the free constant called eta in the theorem (not the LLM's eta(t)); positive.
        epsilon: accuracy of the continuous generator, in (0, 1).

    Returns:
        ProfileBound, in units of the profiles; arrays if ``smoothing`` or ``epsilon`` are.

    Raises:
        ValueError: unless ``0 <= n_discrete <= dimension``, ``smoothing > 0`` and ``0 < epsilon < 1``.

    Source: CrowdLLM, Theorem 1 (4.1).

    Example:
        >>> bound = profile_bound(2, 5, 1.0, 0.1)
        >>> round(bound.published, 4), round(bound.sharper, 4)
        (0.4989, 0.2596)
    """
    discrete = check_count("n_discrete", n_discrete, least=0)
    total = check_count("dimension", dimension)
    if discrete > total:
        raise ValueError(f"n_discrete ({discrete}) must not exceed dimension ({total})")
    constant, accuracy = check_array("smoothing", smoothing), check_array("epsilon", epsilon)
    if np.any(constant <= 0):
        raise ValueError(f"smoothing must be positive; smallest value is {float(constant.min()):g}")
    if np.any((accuracy <= 0) | (accuracy >= 1)):
        raise ValueError(f"epsilon must lie strictly between 0 and 1; got {epsilon!r}")
    slope = np.sqrt(2 / np.pi) * constant
    return ProfileBound(
        why="Some generator reaches any epsilon, so neither bound says anything about a trained one: measure that with"
        " profile_distance. Distances between profiles add over coordinates.",
        flags={},
        published=unbatch((1 + slope * total) * accuracy),
        sharper=unbatch((1 + slope * discrete) * accuracy),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class ProfileDistance(Result):
    """Measured W1 between two samples of profiles, beside what sampling alone gives.

    ``distance`` is between the two samples in full; ``lower`` and ``upper`` bound that of the two populations (None
    without a bootstrap): 0 lies inside unless two samples of one population would hardly be so far apart.
    ``noise`` is the mean distance between two random halves of the target, and ``distance_same_size`` that between
    random parts of generated and target as large as such a half: these two compare like with like.
    ``kind`` is "exact", or "sliced" (a different, smaller distance).
    """

    columns: ClassVar[tuple[str, ...]] = ("distance", "lower", "upper", "distance_same_size", "noise", "kind")
    absent: ClassVar[str] = "not asked for"

    distance: float
    lower: float | None
    upper: float | None
    distance_same_size: float
    noise: float
    kind: Kind
    level: float
    n_generated: int
    n_target: int


def profile_distance(
    generated: ArrayLike, target: ArrayLike, *, n_boot: int = 0, seed: int | np.random.Generator | None = None
) -> ProfileDistance:
    """Empirical Wasserstein-1 distance (Euclidean ground distance) between generated and target profiles.

    Exact optimal transport where both samples have at most 2,000 people; beyond, the sliced distance, the mean
    of the one-dimensional W1 over 100 random directions, which is never larger than W1.

    Args:
        generated: profiles as numbers, shape (n, d). Categories one-hot, scales comparable: that choice is the
            caller's, since the distance depends on it.
        target: profiles of the target population, shape (m, d).
        n_boot: bootstrap samples of both, and as many random partitions of all profiles (0 for none), for a 0.95
            interval of the populations' distance. An empirical W1 is too large, by about ``noise`` where the
            populations agree and less where they do not: so the upper end adds the bootstrap's sampling spread, and the
            lower end takes off the larger of that spread and the 0.975 quantile of the distance between random
            partitions, which two samples of one population would have. It is wide towards 0, above all in many
            dimensions.
        seed: seed of splits, directions, bootstrap and partitions.

    Returns:
        ProfileDistance, in units of the profiles.

    Raises:
        ValueError: unless both are two-dimensional with the same d and have at least 2 (target: 4) rows.

    Source: CrowdLLM, Theorem 1 (4.1), measured.

    Example:
        >>> import numpy as np
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> round(profile_distance(square + [3.0, 0.0], square, seed=1).distance, 6)
        3.0
    """
    made, wanted = (check_array(name, values, least_ndim=2) for name, values in
                    (("generated", generated), ("target", target)))  # fmt: skip
    n_boot = check_count("n_boot", n_boot, least=0)
    if made.ndim != 2 or wanted.ndim != 2 or made.shape[1] != wanted.shape[1]:
        raise ValueError(
            f"generated {made.shape} and target {wanted.shape} must be two-dimensional, (people, coordinates), "
            "with the same coordinates"
        )
    if made.shape[0] < 2 or wanted.shape[0] < 4:
        raise ValueError(
            f"generated has {made.shape[0]} and target {wanted.shape[0]} profiles; at least 2 and 4 are needed"
        )
    rng = np.random.default_rng(seed)
    kind: Kind = "exact" if max(made.shape[0], wanted.shape[0]) <= EXACT_LIMIT else "sliced"
    directions = _directions(made.shape[1], rng)
    half = min(made.shape[0], wanted.shape[0] // 2)
    noise, same = [], []
    for _ in range(_SPLITS):
        order = rng.permutation(wanted.shape[0])
        first, second = wanted[order[:half]], wanted[order[half : 2 * half]]
        noise.append(_distance(first, second, kind, directions))
        same.append(_distance(made[rng.permutation(made.shape[0])[:half]], first, kind, directions))
    distance = _distance(made, wanted, kind, directions)
    lower = upper = None
    if n_boot:
        draws = np.array([
            _distance(made[rng.integers(made.shape[0], size=made.shape[0])],
                      wanted[rng.integers(wanted.shape[0], size=wanted.shape[0])], kind, directions)
            for _ in range(n_boot)
        ])  # fmt: skip
        low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
        alike = _quantile_of_partitions(made, wanted, kind, directions, n_boot, rng)
        lower, upper = max(0.0, distance - max(alike, -float(low))), distance + float(high)
    return ProfileDistance(
        why=_why(kind, half),
        flags={},
        distance=distance,
        lower=lower,
        upper=upper,
        distance_same_size=float(np.mean(same)),
        noise=float(np.mean(noise)),
        kind=kind,
        level=0.95,
        n_generated=made.shape[0],
        n_target=wanted.shape[0],
    )


def _quantile_of_partitions(
    made: FloatArray, wanted: FloatArray, kind: Kind, directions: FloatArray, count: int, rng: np.random.Generator
) -> float:
    """The ``ceil(0.975 (count + 1))``-th smallest distance between random partitions of all profiles, or the largest.

    Two samples of one population exceed it with probability at most 0.025 (a permutation test), from 39 partitions on.
    """
    everybody, size = np.concatenate([made, wanted]), made.shape[0]
    distances = []
    for _ in range(count):
        order = rng.permutation(len(everybody))
        distances.append(_distance(everybody[order[:size]], everybody[order[size:]], kind, directions))
    return sorted(distances)[min(int(np.ceil(0.975 * (count + 1))), count) - 1]


def _directions(dimension: int, rng: np.random.Generator) -> FloatArray:
    """100 random unit vectors, as columns."""
    raw = rng.standard_normal((dimension, 100))
    return np.asarray(raw / np.linalg.norm(raw, axis=0))


def _distance(first: FloatArray, second: FloatArray, kind: Kind, directions: FloatArray) -> float:
    try:
        import ot
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "profile_distance needs the package POT: pip install 'crowdllm-stats[generator]'", name="ot"
        ) from None

    if kind == "sliced":
        return float(ot.sliced_wasserstein_distance(first, second, projections=directions, p=1))
    cost = ot.dist(first, second, metric="euclidean")
    return float(ot.emd2([], [], cost, numItermax=2_000_000))


def _why(kind: Kind, half: int) -> str:
    how = (
        "Exact optimal transport with Euclidean distances."
        if kind == "exact"
        else f"Sliced W1 over 100 directions, as a sample exceeds {EXACT_LIMIT}: a lower bound of W1, to be compared"
        " with noise (sliced too) and not with Theorem 1."
    )
    return (
        f"{how} Both samples are random and independent. An empirical distance is never 0, even between samples of one"
        f" population: compare distance_same_size with noise, both at {half} profiles a side. Coding and scaling of"
        " the coordinates are the caller's choice."
    )

"""The checked input of every interval method, with the moments that several of them share."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.checks import (
    ALTERNATIVES,
    LARGEST,
    Alternative,
    FloatArray,
    as_numbers,
    check_array,
    check_bounds,
    check_choice,
    check_inside,
    check_level,
    check_same_batch,
)
from crowdllm_stats._base.messages import BadInput

#: A sentence, and the problems it holds for: mask of batch shape.
Flags = dict[str, NDArray[np.bool_]]

_Kind = TypeVar("_Kind", bound=np.generic)

#: Values of one block of rows that fit the processor's cache.
_BLOCK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Core:
    """What a method computes; the dispatcher wraps it into an :class:`Interval`.

    ``variance`` is None for methods that have none (their effective n follows from widths). ``comparable`` is the same
    variance with ddof 1 for methods whose own has ddof 0, so that the effective n compares like with like.
    """

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    variance: FloatArray | None
    lam: FloatArray | None
    why: str
    flags: Flags
    comparable: FloatArray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """Answers of one batch of problems; shapes ``(..., n)`` human and twins, ``(..., N)`` or ``(..., F, N)`` crowd.

    ``crowd_moments`` are the crowd's mean and (ddof 0) variance over its last axis (zeros without a crowd).
    """

    human: FloatArray
    twins: FloatArray | None
    crowd: FloatArray | None
    crowd_moments: tuple[FloatArray, FloatArray]
    level: float
    alternative: Alternative
    weights: FloatArray | None
    clusters: NDArray[np.generic] | None
    bounds: tuple[float, float] | None
    step: float | None
    folds: NDArray[np.intp] | None
    population_size: FloatArray | None
    census: bool
    beliefs: FloatArray | None
    eta: FloatArray
    seed: int | None
    check_law: bool = True

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the scale, for methods that need them."""
        assert self.bounds is not None  # the method's needs were checked; tells the type checker
        return self.bounds

    @property
    def pair(self) -> tuple[FloatArray, FloatArray]:
        """Twins and crowd, for methods that need them."""
        assert self.twins is not None  # as above
        assert self.crowd is not None
        return self.twins, self.crowd

    @property
    def n(self) -> int:
        """Human answers per problem."""
        return int(self.human.shape[-1])

    @property
    def n_digital(self) -> int:
        """Unlabelled digital answers per problem; 0 without a crowd."""
        return 0 if self.crowd is None else int(self.crowd.shape[-1])

    @property
    def tail(self) -> float:
        """Probability below the upper end: 0.975 two-sided and 0.95 one-sided at level 0.95."""
        return self.level if self.alternative != "two-sided" else 0.5 * (1.0 + self.level)

    @cached_property
    def w(self) -> FloatArray:
        """Weights that sum to one; 1/n each without weights."""
        if self.weights is None:
            return np.full(self.n, 1.0 / self.n)
        total = self.weights.sum(axis=-1, keepdims=True)
        return np.asarray(self.weights / total)

    @cached_property
    def human_mean(self) -> FloatArray:
        """(Weighted) mean of the human answers, shape of the batch."""
        return self.mean(self.human)

    @cached_property
    def human_variance(self) -> FloatArray:
        """Estimated variance of :attr:`human_mean`, finite-population factor included."""
        return self.variance_of_mean(self.w * (self.human - self.human_mean[..., None])) * self.remaining

    @cached_property
    def remaining(self) -> FloatArray:
        """``1 - n/m``: the share of a finite population not yet asked; 1 for an unlimited one."""
        if self.population_size is None:
            return np.array(1.0)
        return np.asarray(1.0 - self.n / self.population_size)

    @cached_property
    def crowd_factor(self) -> FloatArray:
        """What the crowd's variance of one answer is multiplied by: 1/N; 0 for a census; 1/N + 1/m otherwise.

        A finite population's own twins average to another number than an independent crowd, by a variance of 1/m.
        """
        if self.population_size is None:
            return np.array(1.0 / self.n_digital)
        if self.census:
            return np.zeros_like(self.population_size)
        return np.asarray(1.0 / self.n_digital + 1.0 / self.population_size)

    @cached_property
    def crowd_ratio(self) -> FloatArray:
        """The crowd's variance factor over the humans': n/N, or in a finite population infinite once all are asked."""
        people = np.asarray(self.remaining / self.units)
        never = np.full(np.shape(people), np.inf)
        return np.asarray(np.divide(self.crowd_factor, people, out=never, where=people > 0.0))

    @cached_property
    def crowd_shrinkage(self) -> FloatArray:
        """``1 / (1 + crowd_ratio)``: the share of the slope that is worth its price."""
        return np.asarray(1.0 / (1.0 + self.crowd_ratio))

    @cached_property
    def keys(self) -> tuple[NDArray[np.intp], int] | None:
        """Code of every answer's cluster, distinct over problems, and their number; None where all stand alone."""
        if self.clusters is None:
            return None
        flat = _numbered(self.clusters)
        code = np.broadcast_to(flat, self.human.shape).reshape(-1, self.n)
        count = int(flat.max()) + 1
        keys = (np.arange(code.shape[0])[:, None] * count + code).ravel()
        if code.shape[0] * count <= 8 * keys.size:
            alone = not np.any(np.bincount(keys) > 1)
        else:  # counting would take more room than sorting
            alone = not np.any(np.diff(np.sort(code, axis=1), axis=1) == 0)
        return None if alone else (keys, count)

    @cached_property
    def unit_share(self) -> FloatArray:
        """Weight of every independent unit (person or cluster), shape (..., units); absent clusters have 0."""
        return self.per_unit(self.w)

    @cached_property
    def units(self) -> FloatArray:
        """Effective number of independent units, ``1 / sum_g W_g^2`` (Kish): n answers, or G equal clusters."""
        if self.plain:
            return np.full(self.human.shape[:-1], float(self.n))
        return np.asarray(1.0 / (self.unit_share**2).sum(axis=-1))

    @property
    def whole_units(self) -> int:
        """The smallest effective number of independent people over the problems, as a whole number."""
        return int(np.floor(self.units.min() + 1e-9))

    @property
    def plain(self) -> bool:
        """True when every answer counts alike and stands alone."""
        return self.weights is None and self.keys is None

    def mean(self, values: FloatArray) -> FloatArray:
        """Weighted mean over people."""
        if self.weights is None:
            return np.asarray(values.mean(axis=-1))
        return np.asarray((values * self.w).sum(axis=-1))

    def per_unit(self, contributions: FloatArray) -> FloatArray:
        """Sums of the answers' contributions over each independent unit, shape (..., units)."""
        if self.keys is None:
            return contributions
        keys, count = self.keys
        rows = int(np.prod(self.human.shape[:-1]))
        spread = np.broadcast_to(contributions, self.human.shape).ravel()
        sums = np.bincount(keys, weights=spread, minlength=rows * count)
        return np.asarray(sums.reshape(*self.human.shape[:-1], count))

    def sum_of_squares(self, contributions: FloatArray) -> FloatArray:
        """``sum_g (sum_{i in g} c_i)^2`` over independent units g."""
        sums = self.per_unit(contributions)
        return np.asarray(np.einsum("...i,...i->...", sums, sums))

    def variance_of_mean(self, contributions: FloatArray) -> FloatArray:
        """``sum_g (sum_{i in g} c_i)^2 / (1 - W_g)``, c_i the weighted residuals; plain answers: ``s^2/n``.

        Dividing by ``1 - W_g`` makes it unbiased for independent answers of equal variance and equal weights, whatever
        the clusters' sizes (Bell and McCaffrey 2002, their CR2 for a mean); equal clusters give G/(G-1).
        """
        sums = self.per_unit(contributions)
        return np.asarray((sums**2 / (1.0 - self.unit_share)).sum(axis=-1))


def _numbered(labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """Every label's number; whole numbers that are few serve as they are."""
    if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < labels.size:
        return labels.astype(np.int64)
    return np.asarray(np.unique(labels, return_inverse=True)[1].reshape(labels.shape), dtype=np.int64)


def row_moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and (ddof 0) variance over the last axis, two passes over blocks that stay in cache.

    Example:
        >>> row_moments(np.array([[1.0, 3.0]]))
        (array([2.]), array([1.]))
    """
    count = values.shape[-1]
    rows = values.reshape(-1, count)
    mean = np.empty(rows.shape[0])
    variance = np.empty(rows.shape[0])
    share = np.full(count, 1.0 / count)
    size = max(1, _BLOCK // count)
    for start in range(0, rows.shape[0], size):
        block = rows[start : start + size]
        centre = block @ share
        spread = block - centre[:, None]
        mean[start : start + size] = centre
        variance[start : start + size] = np.vecdot(spread, spread) / count
    return mean.reshape(values.shape[:-1]), variance.reshape(values.shape[:-1])


def _checked_moments(crowd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Moments of the crowd; a NaN, infinity or overflow shows in them, so that sound answers are read only once."""
    with np.errstate(over="ignore", invalid="ignore"):
        moments = row_moments(crowd)
        sound = np.all(np.abs(moments[0]) <= LARGEST) and np.all(moments[1] <= LARGEST**2)
    if not sound:
        check_array("digital_unlabeled", crowd)
    return moments


def read_sample(
    human: ArrayLike,
    digital_labeled: ArrayLike | None = None,
    digital_unlabeled: ArrayLike | None = None,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    step: float | None = None,
    folds: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    census: bool = False,
    beliefs: ArrayLike | None = None,
    eta: ArrayLike = 0.0,
    seed: int | None = None,
    check_law: bool = True,
) -> Sample:
    """Check every argument of :func:`crowdllm_stats.interval` and gather them.

    Raises:
        ValueError: on anything that no method can use, naming the argument, its value and the remedy.
    """
    y = check_array("human", human, least_ndim=1)
    f = None if digital_labeled is None else check_array("digital_labeled", digital_labeled, least_ndim=1)
    crowd = None if digital_unlabeled is None else as_numbers("digital_unlabeled", digital_unlabeled, least_ndim=1)
    if f is not None and f.shape != y.shape:
        raise BadInput(
            f"has shape {f.shape} but human has {y.shape}: give one twin's answer for each human answer",
            argument="digital_labeled",
        )
    fold_codes = None
    if folds is not None:
        fold_codes, crowd = _read_folds(folds, crowd, y)
    elif crowd is not None:
        check_same_batch(human=y, digital_unlabeled=crowd)
    if crowd is not None and crowd.shape[-1] < 2:
        raise BadInput(
            "needs at least 2 answers per problem to estimate its variance; got 1", argument="digital_unlabeled"
        )
    scale = None if bounds is None else check_bounds(bounds)
    if scale is not None:
        check_inside("human", y, scale)
    belief = None if beliefs is None else check_array("beliefs", beliefs, least_ndim=1)
    if belief is not None and (crowd is None or belief.shape != crowd.shape):
        wanted = "digital_unlabeled, which is missing" if crowd is None else f"digital_unlabeled, {crowd.shape}"
        raise ValueError(f"beliefs has shape {belief.shape} and must match that of {wanted}")
    size = _read_population(population_size, census, y, crowd, weights, clusters)
    return Sample(
        human=y,
        twins=f,
        crowd=crowd,
        crowd_moments=(np.zeros(()), np.zeros(())) if crowd is None else _checked_moments(crowd),
        level=check_level(level),
        alternative=check_choice("alternative", alternative, ALTERNATIVES),
        weights=_read_weights(weights, y),
        clusters=_read_clusters(clusters, y),
        bounds=scale,
        step=_read_step(step),
        folds=fold_codes,
        population_size=size,
        census=bool(census),
        beliefs=belief,
        eta=check_array("eta", eta, nonnegative=True),
        seed=seed,
        check_law=bool(check_law),
    )


def _read_folds(folds: ArrayLike, crowd: FloatArray | None, y: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    if crowd is None or crowd.ndim < 2:
        raise ValueError("folds needs digital_unlabeled of shape (..., F, N): one row of crowd answers a fold's model")
    count = crowd.shape[-2]
    wanted = (*y.shape[:-1], count, crowd.shape[-1])
    if crowd.shape != wanted:
        raise ValueError(f"digital_unlabeled has shape {crowd.shape}; with folds it must be {wanted}")
    codes = check_array("folds", folds, least_ndim=1)
    if codes.shape[-1] != y.shape[-1]:
        raise ValueError(f"folds has {codes.shape[-1]} entries for {y.shape[-1]} human answers; give one per person")
    whole = codes.astype(np.intp)
    if np.any(whole != codes) or whole.min() < 0 or whole.max() >= count:
        raise ValueError(f"folds must hold whole numbers from 0 to {count - 1} (digital_unlabeled has {count} folds)")
    return _beside("folds", whole, y), crowd


def _beside(name: str, values: NDArray[_Kind], y: FloatArray) -> NDArray[_Kind]:
    """One value for every human answer."""
    try:
        return np.broadcast_to(values, y.shape)
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}, which does not fit human's {y.shape}") from None


def _read_population(
    population_size: ArrayLike | None,
    census: bool,
    y: FloatArray,
    crowd: FloatArray | None,
    weights: ArrayLike | None,
    clusters: ArrayLike | None,
) -> FloatArray | None:
    if population_size is None:
        if census:
            raise ValueError(
                "census=True says the crowd holds the twins of a whole population: give population_size too"
            )
        return None
    if weights is not None or clusters is not None:
        raise ValueError(
            "population_size cannot be combined with weights or clusters: the finite-population formulas are for a "
            "simple random sample; leave one of them out"
        )
    size = check_array("population_size", population_size)
    try:
        size = np.broadcast_to(size, y.shape[:-1])
    except ValueError:
        raise ValueError(
            f"population_size has shape {size.shape}; one number, or one per problem {y.shape[:-1]}"
        ) from None
    if np.any(size != np.floor(size)) or np.any(size < y.shape[-1]):
        raise BadInput(
            f"must be whole and at least the number of human answers {y.shape[-1]}; smallest is {float(size.min()):g}",
            argument="population_size",
        )
    if census and (crowd is None or np.any(size != crowd.shape[-1])):
        count = 0 if crowd is None else crowd.shape[-1]
        raise ValueError(f"census=True needs the twins of all people in digital_unlabeled; it has {count} per problem")
    return np.asarray(size, dtype=np.float64)


def _read_weights(weights: ArrayLike | None, y: FloatArray) -> FloatArray | None:
    if weights is None:
        return None
    w = check_array("weights", weights, least_ndim=1)
    if np.any(w <= 0.0):
        raise ValueError(
            f"weights holds {np.count_nonzero(w <= 0.0)} that are zero or negative; leave people without weight out"
        )
    return _beside("weights", w, y)


def _read_clusters(clusters: ArrayLike | None, y: FloatArray) -> NDArray[np.generic] | None:
    if clusters is None:
        return None
    labels = np.asarray(clusters)
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        raise ValueError("clusters holds NaN: name the cluster (the person) of every human answer")
    if labels.dtype.kind == "O":
        if any(label is None or label != label for label in labels.ravel()):
            raise ValueError("clusters holds missing labels: name the cluster (the person) of every human answer")
        labels = labels.astype(str)
    labels = _beside("clusters", labels, y)
    if np.any(np.all(labels == labels[..., :1], axis=-1)):
        raise ValueError("clusters leaves a problem with a single cluster: at least 2 independent people are needed")
    return labels


def _read_step(step: float | None) -> float | None:
    if step is None:
        return None
    value = float(check_array("step", step))
    if not value > 0.0:
        raise ValueError(f"step is the distance between neighbouring answers and must be positive; got {value:g}")
    return value

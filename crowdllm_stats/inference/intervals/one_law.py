"""Do the labelled twins and the unlabelled crowd look like answers of one digital population?

Every method with twins takes the crowd's mean for the mean that the twins would have over all people. Where twins and
crowd were made in two ways (two prompts, two models, two scales), or the people asked are not a random sample of those
that the crowd stands for, this is false, and no interval shows it. Under one law the labelled twins are a random subset
of all digital answers, so a permutation test of their mean, spread and range needs no assumption but this.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaln, ndtr, stdtr

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.sample import Sample

#: Probability of an alarm where there is no mismatch: one interval, or all problems of a survey together.
ALARM = 0.01

#: Shares of it: the mean decides whether an interval holds its level, spread and range only say that something differs.
SHARES = {"mean": 0.8, "spread": 0.1, "support": 0.1}

#: Answers that are looked at together: few enough to stay in the processor's cache.
BLOCK = 1 << 16

#: How a result names a mismatch; what differs follows in brackets.
FLAG = "twins and crowd of two laws"


@dataclasses.dataclass(frozen=True, eq=False)
class LawCheck:
    """p-values of one law for twins and crowd.

    Attributes:
        chances: "mean", "spread" and "support" -> p-value of each problem, batch shape, each already divided by its
            share of the alarm level and at most 1.
        tested: number of problems that the alarm level is divided by.
    """

    chances: dict[str, FloatArray]
    tested: int

    @property
    def chance(self) -> FloatArray:
        """One p-value per problem, corrected over the three tests but not over problems."""
        return np.asarray(np.minimum.reduce(list(self.chances.values())))

    @property
    def found(self) -> NDArray[np.bool_]:
        """Problems with a mismatch beyond chance, corrected over all problems (Bonferroni)."""
        return np.asarray(self.chance * self.tested <= ALARM)

    @property
    def differs(self) -> bool:
        """Whether any problem shows a mismatch: twins and crowd are made alike for all problems, or for none."""
        return bool(np.any(self.found))

    @property
    def notice(self) -> str:
        """What a reader must know before the numbers; empty where nothing differs."""
        if not self.differs:
            return ""
        count = int(np.sum(self.found))
        where = "" if self.tested == 1 else f" in {count} of {self.tested} problems"
        return (
            f"Labelled twins and crowd differ{where} by more than chance (p {_power_of_ten(self.chance.min())}; false "
            f"alarms: at most {ALARM:.0%}). Were both made alike, and are the people asked a random sample of those "
            "that the crowd stands for? Otherwise intervals with twins miss their level."
        )

    def flags(self) -> dict[str, NDArray[np.bool_]]:
        """Sentence -> mask of the problems it holds for; each problem has one at most."""
        masks = {name: np.asarray(chance * self.tested <= ALARM) for name, chance in self.chances.items()}
        found: dict[str, NDArray[np.bool_]] = {}
        for chosen in itertools.product((True, False), repeat=len(masks)):
            names = [name for name, wanted in zip(masks, chosen, strict=True) if wanted]
            holds = np.logical_and.reduce([mask == wanted for mask, wanted in zip(masks.values(), chosen, strict=True)])
            if names and np.any(holds):
                found[f"{FLAG} ({', '.join(names)})"] = np.asarray(holds)
        return found


def law_of(sample: Sample) -> LawCheck | None:
    """Whether an interval's twins and crowd look like one digital population; None without both, or where nobody asked.

    With folds every digital person counts by one fold's model, and answers are taken off their fold's mean; with
    weights or clusters the means alone are compared.
    """
    everybody = sample.census and sample.n >= sample.n_digital  # nobody is left to compare the twins with
    if not sample.check_law or sample.twins is None or sample.crowd is None or sample.n < 2 or everybody:
        return None
    if sample.folds is None and sample.plain:
        return same_law(sample.twins, sample.crowd, census=sample.census)
    if sample.folds is not None and sample.plain:
        return same_law(*_off_their_fold(sample.twins, sample.crowd, sample.folds))
    return _means_alone(sample, sample.twins, sample.crowd)


def same_law(twins: FloatArray, crowd: FloatArray, *, census: bool = False, tested: int | None = None) -> LawCheck:
    """Permutation tests of one law, for every problem.

    P-values far above the level that raises an alarm are left at a first approximation (:func:`chance_of_sum`).

    Args:
        twins: the labelled twins' answers, shape (..., n).
        crowd: the unlabelled digital answers, shape (..., N).
        census: the crowd holds the labelled twins too.
        tested: number of problems that share the alarm level; by default those of the batch.

    Returns:
        LawCheck, over all problems of the batch.

    Raises:
        ValueError: as NumPy does, where the shapes do not fit.

    Source: the permutation tests are those of the two-sample problem (Lehmann and Romano 2022, section 17.2); the
    test of the range is Rosenbaum 1954, Ann. Math. Stat. 25.

    Example:
        >>> check = same_law(np.array([3.0, 4.0, 2.0, 5.0, 3.0, 4.0, 2.0, 3.0]), np.full(40, 5.0))
        >>> check.differs, list(check.flags())[0]
        (True, 'twins and crowd of two laws (mean, spread, support)')
    """
    rest = _without(twins, crowd) if census else crowd
    problems = int(np.prod(twins.shape[:-1]))
    tested = problems if tested is None else tested
    mine, others = twins.reshape(problems, -1), rest.reshape(problems, -1)
    block = max(BLOCK // (mine.shape[1] + others.shape[1]), 1)
    starts = range(0, problems, block)
    screened = [_first_chances(mine[at : at + block], others[at : at + block]) for at in starts]
    chances = {name: np.concatenate([part[name] for part in screened]) for name in SHARES}
    near = np.flatnonzero(np.minimum(chances["mean"], chances["spread"]) < SCREEN)
    for at in range(0, len(near), block):
        rows = near[at : at + block]
        for name, chance in _chances(mine[rows], others[rows], ALARM / tested).items():
            chances[name][rows] = chance
    return LawCheck({name: chance.reshape(twins.shape[:-1]) for name, chance in chances.items()}, tested)


def _first_chances(twins: FloatArray, rest: FloatArray) -> dict[str, FloatArray]:
    """As :func:`_chances` by the gamma distribution alone, without the continuity correction.

    The moments of the answers and of their squares are taken together. Where that would lose digits, because (nearly)
    all answers or their squares are equal, the p-value is 0: to be made better.
    """
    pool = np.concatenate([twins, rest], axis=1)
    picked, size = twins.shape[1], pool.shape[1]
    centre = pool.mean(axis=1)
    pool -= centre[:, None]
    variance = np.vecdot(pool, pool) / size
    equal = ~(variance > 1e-12 * centre**2)
    pool /= np.sqrt(np.where(equal, 1.0, variance))[:, None]
    square = pool * pool
    third, fourth = np.vecdot(square, pool) / size, np.vecdot(square, square) / size
    apart = pool[:, :picked].sum(axis=1), square[:, :picked].sum(axis=1) - picked
    sixth = np.vecdot(np.multiply(square, square, out=pool), square) / size
    spread = fourth - 1.0  # of the squares, whose mean is 1
    alike = equal | (spread < 1e-6 * fourth)
    scale = np.sqrt(np.where(alike, 1.0, spread))
    raw = {
        "mean": np.where(equal, 0.0, _gamma_chance(apart[0], third, picked, size)),
        "spread": np.where(
            alike, 0.0, _gamma_chance(apart[1] / scale, (sixth - 3.0 * fourth + 2.0) / scale**3, picked, size)
        ),
        "support": _range_chance(twins, rest),
    }
    return {name: np.minimum(chance / SHARES[name], 1.0) for name, chance in raw.items()}


def _chances(twins: FloatArray, rest: FloatArray, level: float) -> dict[str, FloatArray]:
    """p-value of each test, divided by its share and at most 1, of twins (problems, n) and the others (problems, N).

    They are exact only as far as it takes to see which are at most ``level``.
    """
    pool = np.concatenate([twins, rest], axis=1)
    centred = pool - pool.mean(axis=1, keepdims=True)
    longest = np.maximum(centred.max(axis=1), -centred.min(axis=1))[:, None]
    squares = np.square(centred / np.where(longest > 0.0, longest, 1.0))
    picked = twins.shape[1]
    raw = {
        "mean": chance_of_sum(pool, picked, _gap(twins, rest), SHARES["mean"] * SCREEN, SHARES["mean"] * level),
        "spread": chance_of_sum(squares, picked, 0.0, SHARES["spread"] * SCREEN, SHARES["spread"] * level),
        "support": _range_chance(twins, rest),
    }
    return {name: np.minimum(chance / SHARES[name], 1.0) for name, chance in raw.items()}


def _without(twins: FloatArray, crowd: FloatArray) -> FloatArray:
    """The crowd without one answer for each labelled twin, which a census holds too."""
    ordered = np.sort(crowd, axis=-1)
    flat, answers = ordered.reshape(-1, ordered.shape[-1]), np.sort(twins, axis=-1).reshape(-1, twins.shape[-1])
    rest = np.empty((len(flat), flat.shape[1] - answers.shape[1]))
    for row, (pool, mine) in enumerate(zip(flat, answers, strict=True)):
        first = np.minimum(np.searchsorted(pool, mine), len(pool) - 1)
        repeats = np.arange(len(mine)) - np.searchsorted(mine, mine)  # the second of equal twins takes the next place
        keep = np.ones(len(pool), dtype=bool)
        keep[np.minimum(first + repeats, len(pool) - 1)] = False
        spare = np.flatnonzero(keep)
        rest[row] = pool[spare[: rest.shape[1]]]
    return np.asarray(rest.reshape(*crowd.shape[:-1], -1))


def _gap(twins: FloatArray, crowd: FloatArray) -> FloatArray:
    """Distance of neighbouring answers: the smallest one seen; near 0 for continuous answers."""
    between = np.diff(np.sort(twins, axis=-1), axis=-1)
    across = np.abs(crowd - twins[..., :1])
    least = np.minimum(
        np.min(between, axis=-1, where=between > 0.0, initial=np.inf),
        np.min(across, axis=-1, where=across > 0.0, initial=np.inf),
    )
    return np.asarray(np.where(np.isfinite(least), least, 0.0))


def _range_chance(twins: FloatArray, crowd: FloatArray) -> FloatArray:
    """Rosenbaum's test at both ends: the k answers beyond all of the other side, ``C(size, k) / C(n + N, k)``."""
    n, size = twins.shape[-1], crowd.shape[-1]
    ends = [(side.min(axis=-1, keepdims=True), side.max(axis=-1, keepdims=True)) for side in (twins, crowd)]
    least = np.ones(twins.shape[:-1])
    for side, (low, high), count in ((twins, ends[1], n), (crowd, ends[0], size)):
        for beyond in (np.count_nonzero(side > high, axis=-1), np.count_nonzero(side < low, axis=-1)):
            logarithm = gammaln(count + 1) - gammaln(count - beyond + 1)
            logarithm += gammaln(n + size - beyond + 1) - gammaln(n + size + 1)
            least = np.minimum(least, np.exp(logarithm))
    return np.asarray(np.minimum(4.0 * least, 1.0))


def _off_their_fold(twins: FloatArray, crowd: FloatArray, folds: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Twins (..., n) and crowd (..., N), standardised by their fold's mean and spread."""
    mean, spread = crowd.mean(axis=-1), crowd.std(axis=-1)
    safe = np.where(spread > 0.0, spread, 1.0)
    own_mean, own_spread = (np.take_along_axis(part, folds, axis=-1) for part in (mean, safe))
    models, people = crowd.shape[-2:]
    person = np.arange(people)
    every = (crowd - mean[..., None]) / safe[..., None]
    return (twins - own_mean) / own_spread, np.asarray(every[..., person % models, person])


def _means_alone(sample: Sample, twins: FloatArray, answers: FloatArray) -> LawCheck:
    """Student's t for the difference of the means, the effective number of people giving its freedom."""
    crowd = answers.mean(axis=-2) if sample.folds is not None else answers
    centre, other = sample.mean(twins), crowd.mean(axis=-1)
    own = sample.variance_of_mean(sample.w * (twins - centre[..., None]))
    variance = own + crowd.var(axis=-1, ddof=1) / sample.n_digital
    testable = own > 1e-20 * (np.abs(centre) + np.abs(other)) ** 2
    distance = np.abs(centre - other) / np.sqrt(np.where(testable, variance, 1.0))
    chance = np.where(testable, 2.0 * stdtr(np.maximum(sample.units - 1.0, 1.0), -distance), 1.0)
    return LawCheck({"mean": np.asarray(chance)}, int(np.prod(sample.human.shape[:-1])))


def _power_of_ten(chance: float) -> str:
    """A small p-value in words: 0.004, or "below 1e-06".

    Example:
        >>> _power_of_ten(0.00412), _power_of_ten(3e-20)
        ('0.0041', 'below 1e-06')
    """
    return "below 1e-06" if chance < 1e-6 else f"{chance:.2g}"


#: Below this first approximation a single p-value is computed again by the saddlepoint, right far out as well.
SCREEN = 0.1
#: Steps of Newton's method, and the largest change of a log odds in one of them.
STEPS, STRIDE = 40, 4.0
#: Decrement of Newton's method from which the likelihood still gains less than this very decrement.
CLOSE = 0.1
#: The least a tail probability can be of its bound.
LEAST = 1e-3


def chance_of_sum(
    values: FloatArray, picked: int, gap: FloatArray | float = 0.0, screen: float = SCREEN, level: float = 1.0
) -> FloatArray:
    """Two-sided p-value of the sum of the first ``picked`` values, had they been drawn from all without replacement.

    First a gamma distribution with the sum's exact mean, variance and skewness (on its short side the normal one where
    that is larger); where this is below ``screen``, the double saddlepoint approximation instead, which is the
    likelihood-ratio test of a logistic regression of being picked on the value, put right to the second order.

    Args:
        values: shape (..., M), the picked ones first.
        picked: their number n, with 1 <= n < M.
        gap: distance of neighbouring values, for the continuity correction; 0 for none.
        screen: first approximations below it are made better; 0 for none.
        level: the search for the saddlepoint ends early where the p-value will be above it; 1 always ends exactly.

    Returns:
        p-values, batch shape; 1 where all values are equal.

    Source: Mielke and Berry 2007, Permutation Methods (the gamma); Booth and Butler 1990, Biometrika 77, and Skovgaard
    1987, J. Appl. Prob. 24 (the saddlepoint).

    Example:
        >>> pool = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.0])  # 2 P(4 or 5 of 6 ones) = 0.0714
        >>> print(f"{chance_of_sum(pool, 5, gap=1.0):.3f}")
        0.079
    """
    size = values.shape[-1]
    rows = values.reshape(-1, size)
    steps = np.broadcast_to(np.asarray(gap, dtype=float), values.shape[:-1]).ravel()
    centre = rows.mean(axis=1, keepdims=True)
    centred = rows - centre
    longest = np.maximum(centred.max(axis=1), -centred.min(axis=1))
    flat = longest <= 1e-12 * (np.abs(centre[:, 0]) + longest)  # what rounding leaves of equal values is not a spread
    centred /= np.where(flat, 1.0, longest)[:, None]
    square = np.where(flat[:, None], 0.0, centred**2)
    scale = np.sqrt(np.where(flat, 1.0, square.mean(axis=1)))
    third = np.einsum("ij,ij->i", square, centred) / size / scale**3
    deviation = centred[:, :picked].sum(axis=1) / scale
    steps = steps / np.where(flat, 1.0, longest) / scale
    chance = np.where(flat, 1.0, _gamma_chance(deviation, third, picked, size, steps))
    far = np.flatnonzero(chance < screen)
    if len(far):
        standardised = centred[far] / scale[far, None]
        chance[far] = _saddlepoint(standardised, deviation[far], picked, steps[far], level)
    return np.asarray(np.minimum(chance, 1.0).reshape(values.shape[:-1]))


def _gamma_chance(
    deviation: FloatArray, third: FloatArray, picked: int, size: int, steps: FloatArray | float = 0.0
) -> FloatArray:
    """Two-sided p-value of the sum of ``picked`` of ``size`` values of mean 0 and variance 1, ``third`` their skewness.

    By the gamma distribution with the sum's exact mean, variance and skewness; ``steps`` is for the continuity
    correction.
    """
    spread = np.sqrt(picked * (size - picked) / (size - 1.0))
    skew = third * (size - 2 * picked) * np.sqrt(size - 1.0) / (max(size - 2, 1) * np.sqrt(picked * (size - picked)))
    standard = np.sign(deviation) * np.maximum(np.abs(deviation) - 0.5 * steps, 0.0) / spread
    return np.asarray(2.0 * _gamma_tail(np.abs(standard), skew * np.sign(standard)))


def _gamma_tail(distance: FloatArray, skew: FloatArray) -> FloatArray:
    """Upper tail of the standardised gamma with this skewness (negative: mirrored), at least the normal one there."""
    normal = ndtr(-distance)
    near = np.abs(skew) < 1e-4
    safe = np.where(near, 1.0, skew)
    shape = 4.0 / safe**2
    place = np.maximum(shape + 2.0 * distance / safe, 0.0)
    tail = np.where(safe > 0.0, gammaincc(shape, place), np.maximum(gammainc(shape, place), normal))
    return np.asarray(np.where(near, normal, tail))


def _saddlepoint(values: FloatArray, deviation: FloatArray, picked: int, steps: FloatArray, level: float) -> FloatArray:
    """Twice the tail probability beyond the sum, on its own side; values centred, of unit variance."""
    size = values.shape[1]
    towards = values * np.sign(deviation)[:, None]
    base = picked * np.log(picked / (size - picked)) + size * np.log1p(-picked / size)
    # The p-value is at least 2 LEAST exp(base - likelihood).
    ceiling = base + np.log(2.0 * LEAST / level)
    slope, determinant, likelihood, settled = _logistic(towards, np.abs(deviation), picked, ceiling)
    root = np.sqrt(np.maximum(2.0 * (likelihood - base), 1e-12))
    unit = np.where(steps > 0.0, steps, 1.0)
    stretch = np.where(steps > 0.0, -np.expm1(-slope * steps) / unit, slope)
    other = np.maximum(stretch * np.sqrt(determinant / (picked * (1.0 - picked / size))), 1e-12)
    bound = np.exp(-0.5 * root**2)
    tail = ndtr(-root) + bound / np.sqrt(2.0 * np.pi) * (1.0 / other - 1.0 / root)
    return np.asarray(2.0 * np.where(settled, np.clip(tail, LEAST * bound, bound), bound))


def _logistic(
    values: FloatArray, total: FloatArray, picked: int, ceiling: float
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Slope, determinant of the information, likelihood and whether Newton's method settled.

    It also counts as settled as soon as the likelihood will not exceed ``ceiling``.
    An unsettled likelihood is below the largest one, so that what is made of it errs on the cautious side.
    """
    count, size = values.shape
    slope, level = np.zeros(count), np.full(count, np.log(picked / (size - picked)))
    stride, best = np.full(count, STRIDE), np.full(count, -np.inf)
    move = np.zeros((2, count))
    determinant, settled = np.ones(count), np.zeros(count, dtype=bool)
    for _ in range(STEPS):
        rows = np.flatnonzero(~settled)
        if not len(rows):
            break
        x = values[rows]
        linear = level[rows, None] + slope[rows, None] * x
        odds = np.exp(-np.abs(linear))
        likelihood = slope[rows] * total[rows] + level[rows] * picked
        likelihood -= (np.maximum(linear, 0.0) + np.log1p(odds)).sum(axis=1)
        worse = likelihood < best[rows] - 1e-12
        back = rows[worse]  # too long a step: half of it, from where it began
        move[:, back] *= 0.5
        stride[back] *= 0.5
        slope[back] -= move[0, back]
        level[back] -= move[1, back]
        best[rows] = np.maximum(best[rows], likelihood)
        on = rows[~worse]
        share = np.where(linear > 0.0, 1.0, odds)[~worse] / (1.0 + odds[~worse])
        step, area = _newton(x[~worse], share, total[on], picked)
        length = np.abs(step[:2]).sum(axis=0)
        determinant[on] = area
        low = (step[2] < CLOSE) & (likelihood[~worse] + step[2] < ceiling)
        settled[on] = (length < 1e-7) | low
        move[:, on] = np.where(settled[on], 0.0, step[:2] * np.minimum(1.0, stride[on] / np.maximum(length, 1e-300)))
        slope[on] += move[0, on]
        level[on] += move[1, on]
    return slope, determinant, best, settled


def _newton(values: FloatArray, share: FloatArray, total: FloatArray, picked: int) -> tuple[FloatArray, FloatArray]:
    """Newton's step of slope and level with its decrement below, and the determinant of the information."""
    weight = share * (1.0 - share)
    miss = total - np.vecdot(share, values), picked - share.sum(axis=1)
    product = weight * values
    level, cross, square = weight.sum(axis=1), product.sum(axis=1), np.vecdot(product, values)
    area = np.maximum(level * square - cross**2, 1e-300)
    step = np.stack([level * miss[0] - cross * miss[1], square * miss[1] - cross * miss[0]]) / area
    return np.vstack([step, step[0] * miss[0] + step[1] * miss[1]]), area

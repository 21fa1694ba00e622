"""The intervals for few answers: the best lambda, exactness of the regression estimator, weights, clusters, folds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats
from scipy.special import ndtr, stdtrit

from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.inference.intervals.ends import upper_share
from crowdllm_stats.verify import Check, Statement, agree, counterexample, enumeration, identity, numeric, simulation

STATEMENT = Statement(
    name="small_sample",
    title="Intervals for few answers (beyond the paper): lambda, two-phase regression, weights, clusters, folds",
    published="the toolkit's own: 'ppi-small', 'ppi++-small' and 'cross-fitted-small' hold their level for few people",
    verdict="holds under normal answers with a known crowd mean and an unclipped slope; otherwise simulated",
    exact="(estimate - y*)/sqrt(V) is t with n - 2 degrees of freedom, V = s_e^2 ((1 - n/m)/n + gap^2/S_ff); lambda 1 "
    "beats the human answers alone iff the slope of humans on twins exceeds (1 + n/N)/2",
)

Row = list[float]
HUMAN: Row = [2, 5, 4, 1, 3, 5, 2, 4]
TWINS: Row = [3, 5, 3, 1, 1, 4, 2, 5]
CROWD: Row = [3, 4, 2, 5, 4, 3, 3, 4, 2, 3, 4, 5, 1]
WEIGHTS: Row = [1, 2, 0.5, 1, 3, 1, 0.25, 2]
PEOPLE = [0, 0, 1, 2, 2, 2, 3, 4]
FOLDS = [0, 1, 2, 0, 0, 2, 1, 2]
FOLD_CROWDS: list[Row] = [[3, 4, 2, 5, 4], [2, 4, 4, 3, 1], [5, 3, 4, 4, 2]]


# ---------------------------------------------------------------- an independent calculator, in exact numbers


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def _shares(weights: Row | None, n: int) -> list[Fraction]:
    raw = [Fraction(w) for w in (weights or [1.0] * n)]
    return [w / sum(raw) for w in raw]


def _exact(values: Sequence[float | Fraction]) -> list[Fraction]:
    return [Fraction(value) for value in values]


def _average(values: Sequence[float | Fraction]) -> Fraction:
    return sum(_exact(values), Fraction(0)) / len(values)


def _plain_variance(values: Sequence[float | Fraction], ddof: int) -> Fraction:
    exact = _exact(values)
    centre = _average(exact)
    return sum(((v - centre) ** 2 for v in exact), Fraction(0)) / (len(exact) - ddof)


def _sandwich(parts: list[Fraction], share: list[Fraction], people: list[int], correct: bool) -> Fraction:
    """sum_g (sum of a person's parts)^2 / (1 - W_g); without the division where ``correct`` is False."""
    total = Fraction(0)
    for person in sorted(set(people)):
        mine = [i for i, owner in enumerate(people) if owner == person]
        square = sum((parts[i] for i in mine), Fraction(0)) ** 2
        total += square / (1 - sum((share[i] for i in mine), Fraction(0)) if correct else 1)
    return total


def _kish(share: list[Fraction], people: list[int]) -> Fraction:
    """Effective number of people, 1/sum W_g^2."""
    sums = [sum((share[i] for i, owner in enumerate(people) if owner == g), Fraction(0)) for g in sorted(set(people))]
    return 1 / sum((w * w for w in sums), Fraction(0))


def _limit(p: float, variance: float, people: float, tail: float) -> float:
    """Upper limit on a scale from 0 to 1: quantile of the Beta law with the moments of the answers and half a 1."""
    if 1 - p <= 1e-12:
        return 1.0
    total = people + 0.5
    mean = (people * p + 0.5) / total
    second = (people * (variance + p * p) + 0.5) / total
    size = max(mean * (1 - mean) * (total + 1) / (second - mean * mean) - 1, 1.0)
    return max(p, float(stats.beta.ppf(tail, mean * size, (1 - mean) * size)))


def _half_answer(
    case: _Case, centre: float, variance: float, leverage: float, widen: float = 1.0
) -> tuple[float, float]:
    """Ends on a bounded scale; the lower one is the upper one of the mirrored scale."""
    low, high = case.bounds
    if leverage <= 0:
        return centre, centre
    span, people = high - low, 1 / leverage
    p = (centre - low) / span
    one = widen * variance * people * (1 - 1 / float(case.kish)) / span**2
    tail = case.level if case.alternative != "two-sided" else (1 + case.level) / 2
    return high - span * _limit(1 - p, one, people, tail), low + span * _limit(p, one, people, tail)


def _ends(ends: tuple[float, float], least: float, most: float, alternative: str) -> tuple[float, float]:
    lower, upper = min(max(ends[0], least), most), min(max(ends[1], least), most)
    return (least if alternative == "smaller" else lower), (most if alternative == "larger" else upper)


def _t(level: float, alternative: str, freedom: float) -> float:
    return float(stats.t.ppf(level if alternative != "two-sided" else (1 + level) / 2, freedom))


def _z(level: float, alternative: str) -> float:
    return float(stats.norm.ppf(level if alternative != "two-sided" else (1 + level) / 2))


class _Case:
    """One set of arguments, with the exact pieces that several methods share."""

    def __init__(self, human: Row, twins: Row | None = None, crowd: Row | None = None, **options: Any) -> None:
        self.human, self.twins, self.crowd, self.options = human, twins, crowd, options
        self.n = len(human)
        self.level = options.get("level", 0.95)
        self.alternative = options.get("alternative", "two-sided")
        self.bounds: Any = options.get("bounds")
        self.people = options.get("clusters") or list(range(self.n))
        self.share = _shares(options.get("weights"), self.n)
        m, census = options.get("population_size"), options.get("census", False)
        self.left = 1 - Fraction(self.n, m) if m else Fraction(1)
        self.size = len(crowd) if crowd else 0
        self.per_crowd = Fraction(0)
        if crowd and not census:
            self.per_crowd = Fraction(1, self.size) + (Fraction(1, m) if m else 0)
        self.kish = _kish(self.share, self.people)
        self.plain = "weights" not in options and "clusters" not in options

    def run(self, method: str) -> Any:
        """The library's answer."""
        return interval(self.human, self.twins, self.crowd, method=method, **self.options)

    def kappa(self) -> Fraction:
        """1/(1 + c n_eff/(1 - n/m)): n/N for an unlimited population; 0 where all were asked."""
        return 1 / (1 + self.per_crowd * self.kish / self.left) if self.left else Fraction(0)

    def feasible(self) -> tuple[float, float]:
        """What the answers leave possible: the scale, or of a finite population the part not yet asked."""
        if self.bounds is None:
            return -math.inf, math.inf
        seen = float((1 - self.left) * sum(_exact(self.human)) / self.n)
        return float(self.left) * self.bounds[0] + seen, float(self.left) * self.bounds[1] + seen

    def widened(self, t: float) -> float:
        """What fewer degrees of freedom than people less 1 do to the variance."""
        return (t / _t(self.level, self.alternative, float(self.kish) - 1)) ** 2


def _classical(case: _Case, small: bool) -> tuple[float, float, float, float]:
    """Estimate, lower, upper, variance of 'classical' and 'classical-small'."""
    y = _exact(case.human)
    centre = _dot(case.share, y)
    parts = [w * (v - centre) for w, v in zip(case.share, y, strict=True)]
    variance = float(_sandwich(parts, case.share, case.people, True) * case.left)
    least, most = case.feasible()
    if not small:
        half = _t(case.level, case.alternative, float(case.kish - 1)) * math.sqrt(variance)
        ends = _ends((float(centre) - half, float(centre) + half), -math.inf, math.inf, case.alternative)
        return float(centre), ends[0], ends[1], variance
    leverage = float(case.left / case.kish)
    ends = _half_answer(case, float(centre), variance, leverage)
    return float(centre), *_ends(ends, least, most, case.alternative), variance


def _power(case: _Case, tuned: bool) -> tuple[float, float, float, float, float]:
    """Estimate, lower, upper, variance as the human mean's (ddof 1) and lambda of 'ppi' and 'ppi++'."""
    y, f, crowd = _exact(case.human), _exact(case.twins or []), _exact(case.crowd or [])
    lam = Fraction(1)
    if tuned:
        ybar, fbar = _dot(case.share, y), _dot(case.share, f)
        covariance = _dot(case.share, [(a - ybar) * (b - fbar) for a, b in zip(y, f, strict=True)])
        if case.plain:
            pooled = _plain_variance([*(case.twins or []), *(case.crowd or [])], 1)
        else:  # weighted twins stand for n of the n + N answers
            n, size, mean = case.n, case.size, _average(crowd)
            within = n * _dot(case.share, [(b - fbar) ** 2 for b in f]) + size * _plain_variance(case.crowd or [], 0)
            pooled = (within + Fraction(n * size, n + size) * (fbar - mean) ** 2) / (n + size - 1)
        lam = min(max(case.kappa() * covariance / pooled, Fraction(0)), Fraction(1)) if pooled else Fraction(0)
    rectifier = [a - lam * b for a, b in zip(y, f, strict=True)]
    centre = _dot(case.share, rectifier)
    parts = [w * (r - centre) for w, r in zip(case.share, rectifier, strict=True)]
    human = _sandwich(parts, case.share, case.people, False) * case.left
    variance = float(human + lam**2 * _plain_variance(case.crowd or [], 0) * case.per_crowd)
    estimate = float(centre + lam * sum(crowd) / len(crowd))
    half = _z(case.level, case.alternative) * math.sqrt(variance)
    ends = _ends((estimate - half, estimate + half), -math.inf, math.inf, case.alternative)
    free = _sandwich(parts, case.share, case.people, True) * case.left
    free += lam**2 * _plain_variance(case.crowd or [], 1) * case.per_crowd
    return estimate, *ends, float(free), float(lam)


def _two_part(case: _Case, human: float, crowd: float, fitted: int) -> float:
    share = human / (human + crowd) if human + crowd > 0 else 1.0
    freedom = 1 / (share / (float(case.kish) - fitted) + (1 - share) / (case.size - 1))
    return _t(case.level, case.alternative, freedom)


def _ppi_small(case: _Case) -> tuple[float, float, float, float]:
    y, f, crowd = _exact(case.human), _exact(case.twins or []), _exact(case.crowd or [])
    residual = [a - b for a, b in zip(y, f, strict=True)]
    centre = _dot(case.share, residual)
    parts = [w * (r - centre) for w, r in zip(case.share, residual, strict=True)]
    human = float(_sandwich(parts, case.share, case.people, True) * case.left)
    other = float(_plain_variance(case.crowd or [], 1) * case.per_crowd)
    t = _two_part(case, human, other, 1)
    half = t * math.sqrt(human + other)
    least, most = case.feasible()
    estimate = min(max(float(centre + sum(crowd) / len(crowd)), least), most)
    ends = (estimate - half, estimate + half)
    if case.bounds is not None:
        leverage = float(case.left / case.kish)
        ends = _half_answer(case, estimate, human + other, leverage, case.widened(t))
    return estimate, *_ends(ends, least, most, case.alternative), human + other


def _regression(case: _Case, x: list[Fraction], target: Fraction, crowd_variance: Fraction) -> tuple[float, ...]:
    """Estimate, lower, upper, variance and slope of the two-phase regression of y on x, used at ``target``."""
    y = _exact(case.human)
    ybar, xbar = _dot(case.share, y), _dot(case.share, x)
    d = [v - xbar for v in x]
    squares = _dot(case.share, [v * v for v in d])
    flat = squares == 0
    raw = Fraction(0) if flat else _dot(case.share, [a * (b - ybar) for a, b in zip(d, y, strict=True)]) / squares
    slope = min(max(case.kappa() * raw, Fraction(0)), Fraction(1))
    gap = Fraction(0) if flat else target - xbar
    centre = ybar + slope * gap
    gap *= case.kappa()
    lift = [w * (1 + (v * gap / squares if not flat else 0)) for w, v in zip(case.share, d, strict=True)]
    error = [b - ybar - slope * v for b, v in zip(y, d, strict=True)]
    used = 1 if flat else 2
    if case.plain:
        s2 = sum((e * e for e in error), Fraction(0)) / (case.n - used)
        leverage = case.left / case.n + (gap**2 / (case.n * squares) if not flat else 0)
        human = float(leverage * s2)
    else:
        leverage = _sandwich(lift, case.share, case.people, False)
        parts = [c * e for c, e in zip(lift, error, strict=True)]
        human = float((case.kish - 1) / (case.kish - used) * _sandwich(parts, case.share, case.people, True))
    other = float(slope**2 * crowd_variance * case.per_crowd)
    estimate = float(centre)
    least, most = case.feasible()
    if case.bounds is None:
        half = _two_part(case, human, other, used) * math.sqrt(human + other)
        return (
            estimate,
            *_ends((estimate - half, estimate + half), least, most, case.alternative),
            human + other,
            float(slope),
        )
    estimate = min(max(estimate, least), most)
    t = _t(case.level, case.alternative, min(float(case.kish) - used, case.size - 1))
    ends = _half_answer(case, estimate, human + other, float(leverage), case.widened(t))
    return estimate, *_ends(ends, least, most, case.alternative), human + other, float(slope)


def _plus_small(case: _Case) -> tuple[float, ...]:
    crowd = case.crowd or []
    return _regression(case, _exact(case.twins or []), _average(crowd), _plain_variance(crowd, 1))


def _folded(case: _Case, rows: list[Row], folds: list[int], small: bool) -> tuple[float, ...]:
    """The two cross-fitted intervals; ``rows`` holds one crowd a fold's model."""
    f = _exact(case.twins or [])
    means = [_average(row) for row in rows]
    share = [sum((w for w, k in zip(case.share, folds, strict=True) if k == fold), Fraction(0)) for fold in range(3)]
    average = [sum((s * Fraction(row[j]) for s, row in zip(share, rows, strict=True)), Fraction(0)) for j in range(5)]
    m = case.options.get("population_size")
    case.size, case.per_crowd = 5, Fraction(1, 5) + (Fraction(1, m) if m else 0)
    centre = _average(average)
    spread = sum(((v - centre) ** 2 for v in average), Fraction(0))
    if small:
        x = [v - means[k] for v, k in zip(f, folds, strict=True)]
        return _regression(case, x, Fraction(0), spread / 4)
    residual = [a - b for a, b in zip(_exact(case.human), f, strict=True)]
    mean = _dot(case.share, residual)
    parts = [w * (r - mean) for w, r in zip(case.share, residual, strict=True)]
    variance = float(_sandwich(parts, case.share, case.people, False) * case.left + spread / 5 * case.per_crowd)
    half = _z(case.level, case.alternative) * math.sqrt(variance)
    estimate = float(centre + mean)
    free = float(_sandwich(parts, case.share, case.people, True) * case.left + spread / 4 * case.per_crowd)
    return estimate, *_ends((estimate - half, estimate + half), -math.inf, math.inf, case.alternative), free


def _numbers(case: _Case, method: str, want: tuple[float, ...]) -> list[tuple[float, float]]:
    """Estimate, finite ends, effective n (through the variance), and lambda where there is one."""
    got = case.run(method)
    pairs = [(float(got.estimate), want[0])]
    pairs += [(float(a), b) for a, b in zip((got.lower, got.upper), want[1:3], strict=True) if math.isfinite(b)]
    width = (got.upper - got.lower) / 2
    if case.alternative != "two-sided":
        width = want[0] - want[1] if case.alternative == "larger" else want[2] - want[0]
    pairs.append((float(got.half_width), float(width)))
    human = _classical(case, False)[3]
    if human > 0 and want[3] > 0:
        m = case.options.get("population_size")
        people = 1 / m if m else 0.0  # 1/n_eff - 1/m is to 1/n - 1/m as the variances are
        pairs.append((float(got.effective_n), 1 / (want[3] / human * (1 / case.n - people) + people)))
    if len(want) > 4:
        pairs.append((float(got.lam), float(want[4])))
    return pairs


NARROW: Row = [3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3]
LONG: Row = [1.0] * 52 + [2.0] * 5 + [1.0, 2.0, 1.0]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"level": 0.8, "alternative": "larger"},
    {"level": 0.9, "alternative": "smaller"},
    {"weights": WEIGHTS},
    {"clusters": PEOPLE, "level": 0.9},
    {"weights": WEIGHTS, "clusters": PEOPLE, "level": 0.7},
    {"population_size": 19, "level": 0.85},
    {"population_size": 13, "census": True},
]
SCALES: list[dict[str, Any]] = [{}, {"bounds": (1, 5)}, {"bounds": (0, 60)}, {"bounds": (0.5, 9), "step": 0.25}]


def _cases() -> list[_Case]:
    """Combinations of options and scales; spread, narrow, unanimous and long samples."""
    cases = [_Case(HUMAN, TWINS, CROWD, **option, **scale) for option in OPTIONS for scale in SCALES]
    low: Row = [1, 1, 1, 1, 1, 1, 1, 1]
    cases += [
        _Case(NARROW, [*TWINS, 2, 4, 3, 3], CROWD, bounds=(1, 5)),
        _Case(NARROW, NARROW[::-1], [3.0] * 12 + [4.0], bounds=(1, 5), level=0.9),
        _Case(LONG, LONG[20:] + LONG[:20], [1.0] * 30 + [2.0, 1.0, 3.0], bounds=(1, 5)),
        _Case(low, TWINS, CROWD, bounds=(1, 5)),
        _Case([0.0, 0.0, 2.0, 2.0], [0.5, 0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 0.5], bounds=(0, 2), level=0.6),
        _Case([1, 1, 2, 1, 1, 1, 1, 3], TWINS, CROWD, bounds=(1, 5), population_size=11, level=0.999),
        _Case([5, 5, 4, 5, 5, 5, 5, 3], TWINS, CROWD, bounds=(1, 5), population_size=11, level=0.999),
        _Case([5.0] * 8, [4.0] * 8, CROWD, bounds=(1, 5)),
        _Case(HUMAN, [4.0] * 8, CROWD, bounds=(1, 5), level=0.5),
        _Case(HUMAN, TWINS, CROWD, bounds=(1, 5), level=0.05),
        _Case(HUMAN, [4.0] * 8, CROWD),
        _Case(HUMAN, [4.0] * 8, [4.0] * 5),
        _Case([0.0] * 28 + [1.0], [0.0] * 27 + [1.0, 1.0], [0.0] * 40 + [1.0], bounds=(0, 1)),
        _Case([0.5] * 7 + [0.52], [0.5] * 6 + [0.4, 0.6], [0.5] * 9 + [0.7], bounds=(0, 1)),
        _Case([3.0] * 7 + [4.0], [3.0] * 6 + [4.0, 5.0], [3.0] * 9 + [4.0], bounds=(0, 12)),
        _Case([3.0] * 7 + [4.0], [3.0] * 6 + [4.0, 5.0], [3.0] * 9 + [4.0], bounds=(2, 11)),
        _Case([3.0] * 7 + [4.0], [3.0] * 6 + [4.0, 5.0], [3.0] * 9 + [4.0], bounds=(1, 12)),  # 11 long: a tenth counts
        _Case([3.0] * 7 + [4.0], [3.0] * 6 + [4.0, 5.0], [3.0] * 9 + [4.0], bounds=(-4, 8)),
        _Case([3.0] * 7 + [3.2], [3.0] * 6 + [4.0, 3.5], [3.0] * 9 + [4.0], bounds=(3, 4)),
        _Case(HUMAN, [v / 4 for v in HUMAN], [v / 4 for v in CROWD]),
        _Case(HUMAN, TWINS[::-1], CROWD),
        _Case([0.1, 0.4, 2.0, 0.3], [0.5, 0.4, 1.1, 0.6], [0.2, 0.7, 0.4, 1.2, 0.9], bounds=(0, 2)),
        _Case([4.6, 4.9, 5, 4.7, 5, 5], [2, 3, 4, 2, 4, 5], [5, 5, 4.5, 5], bounds=(1, 5)),
        _Case([2.0, 2.2, 1.9, 2.4, 2.1], [0, 2, -1, 3, 1], [1, 0, 2, 1.5]),
    ]
    return cases


def _calculators() -> list[Check]:
    """Every method against the exact calculator above."""
    names = ("classical", "classical-small", "ppi", "ppi++", "ppi-small", "ppi++-small")
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for case in _cases():
        pairs["classical"] += _numbers(case, "classical", _classical(case, False))
        if case.bounds is not None:
            pairs["classical-small"] += _numbers(case, "classical-small", _classical(case, True))
        pairs["ppi"] += _numbers(case, "ppi", _power(case, False))
        pairs["ppi++"] += _numbers(case, "ppi++", _power(case, True))
        pairs["ppi-small"] += _numbers(case, "ppi-small", _ppi_small(case))
        pairs["ppi++-small"] += _numbers(case, "ppi++-small", _plus_small(case))
    checks = [
        agree(name, values, f"{name}: estimate, ends, effective n and lambda equal exact numbers")
        for name, values in pairs.items()
    ]
    folded: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    options: list[dict[str, Any]] = [
        {},
        {"level": 0.8, "alternative": "larger"},
        {"weights": WEIGHTS},
        {"clusters": PEOPLE},
        {"bounds": (1, 5)},
        {"population_size": 20, "level": 0.9},
    ]
    for option in options:
        for small in (False, True):
            case = _Case(HUMAN, TWINS, None, **option)
            want = _folded(case, FOLD_CROWDS, FOLDS, small)
            got = interval(
                HUMAN,
                TWINS,
                FOLD_CROWDS,
                method="cross-fitted-small" if small else "cross-fitted",
                folds=FOLDS,
                **option,
            )
            folded[small] += [(float(got.estimate), want[0]), (float(got.lower), want[1])]
            folded[small] += [(float(got.upper), want[2])] if math.isfinite(want[2]) else []
    checks.append(agree("cross-fitted", folded[False], "cross-fitted: estimate and ends equal exact numbers"))
    checks.append(
        agree("cross-fitted-small", folded[True], "cross-fitted-small: estimate and ends equal exact numbers")
    )
    checks += [_batch(), _by_width()]
    return checks


def _by_width() -> Check:
    """Effective n of a set, which has no variance: from its width, as if it were Student's t."""
    answer = interval(HUMAN, TWINS, CROWD, method="set-clt", bounds=(1, 5), level=0.6)
    own = (float(answer.half_width) / _t(0.6, "two-sided", 7)) ** 2
    human = _classical(_Case(HUMAN), False)[3]
    says = "effective n of a set: n s^2/n over (half-width/t_{n-1})^2"
    return agree("effective n by width", [(float(answer.effective_n), 8 * human / own)], says)


def _batch() -> Check:
    """Two problems at once give what each gives alone, for every method here."""
    y, f, crowd = np.array([HUMAN, HUMAN[::-1]]), np.array([TWINS, TWINS]), np.array([CROWD, CROWD[::-1]]) * 0.5 + 1.0
    pairs: list[tuple[float, float]] = []
    for method in ("classical", "classical-small", "ppi", "ppi++", "ppi-small", "ppi++-small"):
        if method == "classical-small":
            continue  # it needs bounds; the others are compared without them too
        both = interval(y, f, crowd, method=method, bounds=(1, 5))
        joined = interval(y, f, crowd, method=method, weights=WEIGHTS, clusters=PEOPLE)
        for row in (0, 1):
            one = interval(y[row], f[row], crowd[row], method=method, bounds=(1, 5))
            pairs += [(both.lower[row], one.lower), (both.upper[row], one.upper)]
            pairs += [] if one.lam is None else [(both.lam[row], one.lam)]
            one = interval(y[row], f[row], crowd[row], method=method, weights=WEIGHTS, clusters=PEOPLE)
            pairs += [(joined.lower[row], one.lower), (joined.upper[row], one.upper)]
    return agree("batch", [(float(a), float(b)) for a, b in pairs], "a batch equals its problems one by one")


# ---------------------------------------------------------------- the statements


def _lambda() -> list[Check]:
    lam, sy, sf, cov, n, size, m = sp.symbols("lambda s_y2 s_f2 s_yf n N m", positive=True)
    r, s = sp.symbols("r s", positive=True)
    human = (sy - 2 * lam * cov + lam**2 * sf) / n
    variance = human + lam**2 * sf / size
    best = cov / ((1 + n / size) * sf)
    left, per = sp.symbols("left per", positive=True)
    finite = human * left + lam**2 * sf * per
    finite_best = cov / ((1 + n * per / left) * sf)
    one = variance.subs({lam: 1, sy: s**2, sf: s**2, cov: r * s**2}, simultaneous=True)
    return [
        identity("lambda", sp.diff(variance, lam).subs(lam, best), sp.Integer(0), "lambda* = s_yf/((1 + n/N) s_f^2)"),
        identity(
            "a minimum", sp.diff(variance, lam, 2), 2 * sf / n + 2 * sf / size, "the second derivative is positive"
        ),
        identity(
            "least variance",
            variance.subs(lam, best),
            sy / n * (1 - cov**2 / (sy * sf) / (1 + n / size)),
            "at lambda*: s_y^2/n (1 - r^2/(1 + n/N))",
        ),
        identity(
            "lambda, finite population",
            sp.diff(finite, lam).subs(lam, finite_best),
            sp.Integer(0),
            "humans' part times (1 - n/m), crowd's factor c: the ratio n/N becomes n c/(1 - n/m)",
        ),
        identity(
            "lambda 1",
            one,
            2 * (1 - r) * s**2 / n + s**2 / size,
            "lambda 1, equal spread s: Var = 2 (1 - r) s^2/n + s^2/N",
        ),
        identity(
            "lambda 1 against the humans alone",
            variance.subs(lam, 1) - sy / n,
            2 * sf / n * ((1 + n / size) / 2 - cov / sf),
            "lambda 1 is better iff the slope s_yf/s_f^2 > (1 + n/N)/2; equal spreads: r > (1 + n/N)/2",
        ),
        *_finite_population(),
        *_half_correlation(),
    ]


def _finite_population() -> list[Check]:
    """Errors written out person by person: m people of whom n are asked, N others in the crowd."""
    ve, vf, c, lam = sp.symbols("v_e v_f c_ef lambda", real=True)
    checks = []
    for n, size, m in ((2, 3, 5), (3, 7, 4), (4, 2, 9)):
        own, other, mixed = sp.Integer(0), sp.Integer(0), sp.Integer(0)
        for person in range(m):
            a = (sp.Rational(1, n) if person < n else sp.Integer(0)) - sp.Rational(1, m)  # weight of e
            b = -sp.Rational(1, m)  # weight of f, times lambda
            own, other, mixed = own + a**2 * ve, other + b**2 * vf, mixed + a * b * c
        other += size * sp.Rational(1, size) ** 2 * vf
        checks.append(
            identity(
                f"finite population, n = {n}, N = {size}, m = {m}",
                own + lam**2 * other + 2 * lam * mixed,
                ve / n * (1 - sp.Rational(n, m)) + lam**2 * vf * (sp.Rational(1, size) + sp.Rational(1, m)),
                "Var = s_e^2/n (1 - n/m) + lambda^2 s_f^2 (1/N + 1/m), e = y - lambda f: the mixed terms cancel",
            )
        )
    return checks


def _half_correlation() -> list[Check]:
    """Twins that differ less than humans: lambda 1 helps below a correlation of 1/2."""
    human = Fraction(4)
    with_twins = 4 + 1 - 2 * Fraction(1, 2) * 2 * 1
    y: Row = [4, 4, 5, 9, 2, 5, 1, 4]
    f: Row = [5, 5, 4, 5, 5, 5, 4, 4]
    crowd: Row = [4, 5] * 40
    yv, fv = _plain_variance(y, 0), _plain_variance(f, 0)
    cov = (yv + fv - _plain_variance([a - b for a, b in zip(y, f, strict=True)], 0)) / 2
    square = cov * cov / (yv * fv)
    answer, alone = interval(y, f, crowd, method="ppi-small"), interval(y, method="classical")
    return [
        counterexample(
            "correlation one half",
            with_twins >= human,
            "at a correlation of 1/2 or less lambda 1 cannot beat the humans alone, whatever the spreads",
            f"s_y = 2, s_f = 1, r = 1/2: Var(y - f) = {with_twins} < s_y^2 = {human} (N large); it needs s_f >= s_y",
        ),
        counterexample(
            "correlation below one half, an example",
            not (square < Fraction(1, 4) and float(answer.half_width) < float(alone.half_width)),
            "the same for the interval 'ppi-small' against Student's t, on eight answers",
            f"r = {math.sqrt(square):.3f}, half-widths {answer.half_width:.3f} < {alone.half_width:.3f}",
        ),
    ]


def _exactness() -> list[Check]:
    """Weights c_i of the answers in the regression estimate, and the matrix M that makes the residuals."""
    target, gap_m = sp.symbols("F m", positive=True)
    checks = []
    for n in (3, 4, 5):
        third = sp.Symbol("f3", real=True) if n == 3 else sp.Integer(3)
        f = [sp.Integer(0), sp.Integer(1), third, sp.Rational(7, 2), sp.Integer(-2)][:n]
        fbar = sum(f) / sp.Integer(n)
        d = [v - fbar for v in f]
        squares = sum(v**2 for v in d)
        c = [sp.Rational(1, n) + v * (target - fbar) / squares for v in d]
        hat = sp.Matrix(n, n, lambda i, j, n=n, d=d, s=squares: sp.Rational(1, n) + d[i] * d[j] / s)
        rest = (sp.eye(n) - hat) * sp.Matrix(c)
        leverage = sp.Rational(1, n) + (target - fbar) ** 2 / squares
        finite = sum((v - 1 / gap_m) ** 2 for v in c) + (gap_m - n) / gap_m**2
        checks += [
            identity(f"weights sum to 1, n = {n}", sum(c), sp.Integer(1), "sum c_i = 1"),
            identity(
                f"unbiased, n = {n}",
                sum(a * b for a, b in zip(c, f, strict=True)),
                target,
                "sum c_i f_i = F: so E(estimate | f) = a + b F wherever E(y | f) = a + b f",
            ),
            identity(f"variance, n = {n}", sum(v**2 for v in c), leverage, "sum c_i^2 = 1/n + gap^2/S_ff"),
            identity(
                f"independent of s_e^2, n = {n}",
                sum(sp.cancel(v) ** 2 for v in rest),
                sp.Integer(0),
                "M c = 0: for normal answers the estimate is independent of the residuals",
            ),
            identity(f"degrees of freedom, n = {n}", sp.trace(sp.eye(n) - hat), sp.Integer(n - 2), "trace M = n - 2"),
            identity(
                f"finite population, n = {n}",
                finite,
                leverage - 1 / gap_m,
                "census of m: sum (c_i - 1/m)^2 + (m - n)/m^2 = (1/n)(1 - n/m) + gap^2/S_ff",
            ),
        ]
    return [*checks, *_known_only_from_a_crowd()]


def _known_only_from_a_crowd() -> list[Check]:
    """The slope shrunk by kappa where F is the mean of N twins, and what normal twins gain."""
    b, se, sf, n, size = sp.symbols("b s_e2 s_f2 n N", positive=True)
    kappa, k, own, crowd = sp.symbols("kappa k A c", positive=True)
    lifted, inverse, fbar, target = sp.symbols("G H fbar F", positive=True)
    rho, sy, x = sp.symbols("r s_y2 x", positive=True)
    share = 1 / (1 + n / size)
    price = (1 - k) ** 2 * own + k**2 * crowd
    # E of V, given E gap^2/S = G, E 1/S = H, E S = (n - 1) s_f^2, E gap^2 = s_f^2 (1/n + 1/N)
    gap2, bent = sf * (1 / n + 1 / size), (1 - kappa) ** 2 / (n - 2)
    stated = (
        (se + bent * (b**2 * (n - 1) * sf + se)) / n
        + kappa**2 * lifted * (se + bent * se)
        + kappa**2 * bent * b**2 * gap2
        + kappa**2 * (b**2 + se * inverse) * sf / size
    )
    true = se * (1 / n + kappa**2 * lifted) + b**2 * sf * ((1 - kappa) ** 2 / n + kappa**2 / size)
    over = (
        bent * se * (1 / n + kappa**2 * lifted)
        + bent * b**2 * (sf / n + kappa**2 * gap2)
        + kappa**2 * se * inverse * sf / size
    )
    normal = sy * (1 - rho**2) / n * (1 + share / (n - 3)) + rho**2 * sy / (n + size)
    chi = []
    for freedom in (4, 6, 9):  # E 1/chi^2_k = 1/(k - 2)
        half = sp.Rational(freedom, 2)
        density = x ** (half - 1) * sp.exp(-x / 2) / (2**half * sp.gamma(half))
        chi.append(
            identity(
                f"inverse of S_ff, n = {freedom + 1}",
                sp.integrate(density / x, (x, 0, sp.oo)),
                sp.Rational(1, freedom - 2),
                "normal twins: S_ff/s_f^2 is chi^2 with n - 1, so E s_f^2/S_ff = 1/(n - 3)",
            )
        )
    return [
        identity(
            "pooled twins",
            fbar + share * (target - fbar),
            (n * fbar + size * target) / (n + size),
            "kappa = 1/(1 + n/N): the line is read off at the mean of all n + N twins",
        ),
        identity(
            "price of the twins",
            (1 - share) ** 2 / n + share**2 / size,
            1 / (n + size),
            "(1 - kappa)^2/n + kappa^2/N = 1/(n + N)",
        ),
        identity(
            "kappa",
            sp.diff(price, k).subs(k, own / (own + crowd)),
            sp.Integer(0),
            "(1 - k)^2 A + k^2 c is least at A/(A + c): kappa with A = (1 - n/m)/n and the crowd's factor c",
        ),
        identity(
            "bias of the variance", stated, true + over, "E V - E(estimate - y*)^2 = three terms >= 0: never too small"
        ),
        *chi,
        identity(
            "kappa and gap",
            share**2 * (1 / n + 1 / size) / (n - 3),
            share / (n * (n - 3)),
            "normal twins: E kappa^2 gap^2/S_ff = kappa/(n (n - 3))",
        ),
        identity(
            "normal twins, gain",
            normal - sy / n,
            sy / n * share / (n - 3) * (1 - rho**2 * (n - 2)),
            "the regression beats the humans alone iff r^2 > 1/(n - 2), whatever N",
        ),
        identity(
            "unrelated twins",
            normal.subs(rho, 0) - sy / n,
            sy / n * share / (n - 3),
            "unrelated twins cost s_y^2 kappa/(n (n - 3))",
        ),
    ]


def _shape() -> list[Check]:
    """The half answer at the end of a scale, the degrees of freedom, unanimity, and the normal quantile."""
    w, a, b = sp.symbols("w a b", positive=True)
    values: list[tuple[float, float]] = []
    for n, miss in ((4, Fraction(1, 20)), (9, Fraction(1, 40)), (30, Fraction(1, 100))):
        reach = 1 - float(miss) ** (1 / n)
        values.append(((1 - reach) ** n, float(miss)))
    note = interval([1] * 5, bounds=(1, 5), method="classical-small").why
    reach = 4 * (1 - 0.025 ** (1 / 5))
    exact = [
        (2 * float(stats.t.cdf(stats.norm.ppf(0.975) * math.sqrt((n - 1) / n), n - 1)) - 1, want)
        for n, want in ((5, 0.8455), (8, 0.8906), (10, 0.9041), (50, 0.9419))
    ]
    return [
        *_half(),
        *_levels(),
        identity(
            "degrees of freedom",
            (w / a + (1 - w) / b) - (w**2 / a + (1 - w) ** 2 / b),
            w * (1 - w) * (1 / a + 1 / b),
            "1/df exceeds Welch's by w (1 - w)(1/(n - 1) + 1/(N - 1)): a larger quantile than Welch's",
        ),
        agree("unanimity", values, "people of mean share q all give the low end with chance at most (1 - q)^n"),
        numeric(
            "unanimity note",
            f"up to {reach:.2f} from them" in note,
            "R (1 - (1 - tail)^(1/n)) is what five equal answers leave open",
            f"{reach:.2f} on a scale of 1 to 5",
        ),
        agree(
            "normal quantile, ddof 0",
            exact,
            "z with ddof 0 covers exactly 2 F_{n-1}(z sqrt((n-1)/n)) - 1: 0.846, 0.891, 0.904, 0.942 for 5, 8, 10, 50",
            1e-4,
        ),
        *_two_part_coverage(),
    ]


def _half() -> list[Check]:
    """The moments behind the ends on a bounded scale, and the two cases in which their law is exact."""
    x, y, c, ones, n = sp.symbols("x y c ones n", positive=True)
    total, mean = 2 + c, (x + y + c) / (2 + c)
    # weights D ~ Dirichlet(1, 1, c): Var(D'v) = (sum a_i v_i^2/A - (sum a_i v_i/A)^2)/(A + 1)
    dirichlet = ((x**2 + y**2 + c) / total - mean**2) / (total + 1)
    p, v = (x + y) / 2, (x**2 + y**2) / 2 - ((x + y) / 2) ** 2
    stated = (2 * (v + (p - mean) ** 2) + c * (1 - mean) ** 2) / (total * (total + 1))
    share, centre = ones / n, (ones + c) / (n + c)
    spread = (n * (share * (1 - share) + (share - centre) ** 2) + c * (1 - centre) ** 2) / ((n + c) * (n + c + 1))
    pairs: list[tuple[float, float]] = []
    for seen, people in ((0, 4), (1, 7), (3, 9), (12, 12)):
        answer = interval([0] * (people - seen) + [1] * seen, bounds=(0, 1), method="classical-small", level=0.9)
        upper = float(stats.beta.ppf(0.95, seen + 0.5, people - seen)) if seen < people else 1.0
        lower = float(stats.beta.ppf(0.05, seen, people - seen + 0.5)) if seen else 0.0
        pairs += [(float(answer.lower), lower), (float(answer.upper), upper)]
        equal = interval([5.0] * people, bounds=(1, 5), method="classical-small")
        pairs += [(float(equal.lower), 5 - 4 * float(stats.beta.ppf(0.975, 0.5, people))), (float(equal.upper), 5.0)]
    few = [(1.0, 0.0, 9.0, 0.9), (0.5, 0.25, 0.3, 0.8), (0.2, 0.1, 0.6, 0.95), (0.7, 0.04, 12.5, 0.6)]
    limits = [float(upper_share(*map(np.array, row[:3]), row[3])) for row in few]
    return [
        agree(
            "limit of a share",
            list(zip(limits, [_limit(*row) for row in few], strict=True)),
            "the limit again, for a mean at the end and for less than one person too",
        ),
        identity(
            "Bayesian bootstrap",
            dirichlet,
            stated,
            "two answers and c more at 1, weights Dirichlet(1, 1, c): the variance that the ends use",
        ),
        identity(
            "answers 0 and 1",
            spread,
            centre * (1 - centre) / (n + c + 1),
            "x ones of n: the moments are those of Beta(x + c, n - x), which the limit then is a quantile of",
        ),
        agree(
            "half an answer",
            pairs,
            "0/1 answers: quantiles of Beta(x + 1/2, n - x) and Beta(x, n - x + 1/2); all at one end: Beta(1/2, n)",
        ),
    ]


#: Margins of the kind that real questions have: (probabilities of the points from the lowest on, n, level).
MARGINS: list[tuple[str, list[float], int, float]] = [
    ("three points, 76/18/6%", [0.76, 0.18, 0.06], 10, 0.95),
    ("three points, 76/18/6%", [0.76, 0.18, 0.06], 20, 0.95),
    ("five points, skewed", [0.577, 0.168, 0.122, 0.08, 0.053], 5, 0.95),
    ("five points, skewed", [0.577, 0.168, 0.122, 0.08, 0.053], 10, 0.95),
    ("five points, skewed", [0.577, 0.168, 0.122, 0.08, 0.053], 5, 0.99),
    ("five points, two ends", [0.4, 0.07, 0.06, 0.07, 0.4], 10, 0.95),
    ("seven points, top two", [0.02, 0.02, 0.03, 0.05, 0.1, 0.28, 0.5], 5, 0.95),
    ("eleven points, 70% zeros", [0.7, *[0.03] * 10], 5, 0.95),
    ("eleven points, 70% zeros", [0.7, *[0.03] * 10], 5, 0.8),
]


def _levels() -> list[Check]:
    """Coverage of 'classical-small' by enumeration of all samples: at least the level, less 0.015 for its steps."""
    checks = []
    for name, margin, n, level in MARGINS:
        points = len(margin)
        samples = np.array(list(itertools.combinations_with_replacement(range(points), n)), dtype=float)
        counts = np.stack([(samples == point).sum(axis=1) for point in range(points)], axis=1)
        ways = math.factorial(n) / np.prod([[math.factorial(c) for c in row] for row in counts], axis=1)
        weight = ways * np.prod(np.array(margin) ** counts, axis=1)
        answer = interval(samples, bounds=(0, points - 1), step=1.0, method="classical-small", level=level)
        truth = float(np.arange(points) @ np.array(margin))
        rate = float(weight @ ((answer.lower <= truth) & (truth <= answer.upper)))
        says = f"{name}, n = {n}, level {level}: 'classical-small' covers at least the level less 0.015 (enumerated)"
        checks.append(enumeration(f"{name}, n = {n}, {level}", rate >= level - 0.015, says, f"{rate:.4f}"))
    return checks


def _quadrature(n: int, size: int, share: float, level: float = 0.95, power: int = 1) -> float:
    """Coverage of a t interval for two independent estimated variances, by quadrature over both chi^2 laws."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    nodes, weights = (nodes + 1) / 2, weights / 2
    human = share * stats.chi2.ppf(nodes, n - 1)[:, None] / (n - 1)
    crowd = (1 - share) * stats.chi2.ppf(nodes, size - 1)[None, :] / (size - 1)
    part = human / (human + crowd)
    freedom = 1 / (part**power / (n - 1) + (1 - part) ** power / (size - 1))
    covered = 2 * ndtr(stdtrit(freedom, (1 + level) / 2) * np.sqrt(human + crowd)) - 1
    return float(weights @ covered @ weights)


def _two_part_coverage() -> list[Check]:
    shares = np.linspace(0.0, 1.0, 21)
    lowest = {n: min(_quadrature(n, 20 * n, float(w)) for w in shares) for n in (4, 5, 8)}
    welch = min(_quadrature(5, 100, float(w), power=2) for w in shares)
    return [
        numeric(
            "ppi-small on normal answers",
            min(lowest[5], lowest[8]) >= 0.95 - 1e-5 and 0.949 < lowest[4] < 0.95,
            "normal residuals and crowd, N = 20 n: coverage at least 0.95 at every share for n >= 5 (quadrature)",
            f"lowest: n = 4 {lowest[4]:.4f}, n = 5 {lowest[5]:.5f}, n = 8 {lowest[8]:.5f}",
        ),
        numeric(
            "Welch is too daring",
            0.941 < welch < 0.942,
            "Welch's rule (squared shares) covers as little as 0.9417 at n = 5",
            f"{welch:.4f}",
        ),
    ]


def _designs() -> list[Check]:
    """Weights and clusters: unbiased variance, linearisation."""
    v = sp.Symbol("sigma2", positive=True)
    checks = []
    for sizes in ((1, 2), (2, 3, 1), (4, 1, 2, 2)):
        n = sum(sizes)
        total = sp.Integer(0)
        for g in sizes:
            # Var(sum of the cluster's y_i - ybar) = sigma^2 (g - g^2/n)
            inside = g * (1 - sp.Rational(g, n)) ** 2 + (n - g) * sp.Rational(g, n) ** 2
            total += v * inside / n**2 / (1 - sp.Rational(g, n))
        checks.append(
            identity(
                f"clusters of {', '.join(map(str, sizes))}",
                total,
                v / n,
                "E sum_g (sum_i c_i)^2/(1 - W_g) = sigma^2/n for independent answers, whatever the clusters' sizes",
            )
        )
    weights = [sp.Rational(1, 2), sp.Rational(1, 3), sp.Rational(1, 6)]
    q = sum(w**2 for w in weights)
    expected = sum(w**2 * (1 - 2 * w + q) / (1 - w) for w in weights)
    checks.append(
        numeric(
            "unequal weights",
            q - expected == sp.Rational(7, 180),
            "with weights 1/2, 1/3, 1/6 its mean is not sigma^2 sum w_i^2: linearisation, for large samples",
            f"{expected} sigma^2 for {q} sigma^2",
        )
    )
    # dW-derivatives of the weighted regression estimate, against the contributions of the calculator
    w = sp.symbols("w1:5", positive=True)
    y, f, target = (2, 5, 4, 1), (3, 5, 3, 1), sp.Rational(7, 2)
    total = sum(w)
    share = [a / total for a in w]
    ybar = sum(a * b for a, b in zip(share, y, strict=True))
    fbar = sum(a * b for a, b in zip(share, f, strict=True))
    sxy = sum(a * (b - ybar) * (c - fbar) for a, b, c in zip(share, y, f, strict=True))
    sxx = sum(a * (c - fbar) ** 2 for a, c in zip(share, f, strict=True))
    slope = sxy / sxx
    estimate = ybar + slope * (target - fbar)
    point = dict(zip(w, (sp.Integer(1), sp.Integer(2), sp.Rational(1, 2), sp.Integer(3)), strict=True))
    for i in range(4):
        d = f[i] - fbar
        error = y[i] - ybar - slope * d
        stated = share[i] * error * (1 + d * (target - fbar) / sxx)
        checks.append(
            identity(
                f"linearisation, person {i + 1}",
                (w[i] * sp.diff(estimate, w[i])).subs(point),
                stated.subs(point),
                "w_i d(estimate)/d w_i = w_i (1 + kappa d_i gap/S) e_i at kappa = 1: what the sandwich adds up",
            )
        )
    mean = w[0] * sp.diff(ybar, w[0]) - share[0] * (y[0] - ybar)
    return [*checks, identity("linearisation, Hajek mean", mean, sp.Integer(0), "w_i d ybar/d w_i = w_i (y_i - ybar)")]


def _folds() -> list[Check]:
    """Levels of the folds' models cancel; cross-fitting makes the estimate unbiased."""
    lifted = [[v + shift for v in row] for row, shift in zip(FOLD_CROWDS, (10.0, -4.0, 1.5), strict=True)]
    twins = [f + (10.0, -4.0, 1.5)[k] for f, k in zip(TWINS, FOLDS, strict=True)]
    before = interval(HUMAN, TWINS, FOLD_CROWDS, method="cross-fitted-small", folds=FOLDS)
    after = interval(HUMAN, twins, lifted, method="cross-fitted-small", folds=FOLDS)
    plain = interval(HUMAN, TWINS, FOLD_CROWDS, method="cross-fitted", folds=FOLDS)
    moved = interval(HUMAN, twins, lifted, method="cross-fitted", folds=FOLDS)
    f, level, m, share, l1, l2 = sp.symbols("f l m share l1 l2", real=True)
    between = share * (1 - share) * (l1 - l2) ** 2
    mean = share * l1 + (1 - share) * l2
    return [
        identity(
            "centred twin", (f + level) - (m + level), f - m, "x_i = f_i - mean of its own model: the level cancels"
        ),
        identity(
            "cross-fitted estimate",
            share * (m + l1) + (1 - share) * (m + l2) - (share * (f + l1) + (1 - share) * (f + l2)),
            m - f,
            "crowd mean (folds' shares) minus twins' mean: the levels cancel in the estimate",
        ),
        identity(
            "levels as noise",
            share * (l1 - mean) ** 2 + (1 - share) * (l2 - mean) ** 2,
            between,
            "but the residuals' variance keeps the variance of the levels, share (1 - share)(l1 - l2)^2 for two folds",
        ),
        agree(
            "levels do not matter",
            [
                (float(after.estimate), float(before.estimate)),
                (float(after.lower), float(before.lower)),
                (float(after.upper), float(before.upper)),
                (float(moved.estimate), float(plain.estimate)),
            ],
            "levels 10, -4 and 1.5 added to the three models: 'cross-fitted-small' is the same, and plain's estimate",
        ),
        numeric(
            "levels widen the plain one",
            float(moved.half_width) > float(plain.half_width) + 1.0,
            "the plain cross-fitted interval takes the levels for noise",
            f"half-width {plain.half_width:.3f} becomes {moved.half_width:.3f}",
        ),
        *_unbiased_by_folds(),
    ]


def _learn(seen: list[tuple[int, int]], x: int) -> Fraction:
    """A generator: the mean answer of those of the same profile it has seen, else 1."""
    known = [y for profile, y in seen if profile == x]
    return Fraction(sum(known), len(known)) if known else Fraction(1)


def _unbiased_by_folds() -> list[Check]:
    """Four people, profile 0 or 1 with chance 1/2, answer 1 with chance 1/4 or 3/4: all 256 outcomes."""
    chance: dict[tuple[int, int], Fraction] = {}
    for x, y in itertools.product((0, 1), repeat=2):
        high = Fraction(3, 4) if x else Fraction(1, 4)
        chance[x, y] = Fraction(1, 2) * (high if y else 1 - high)
    folded, naive = Fraction(0), Fraction(0)
    for people in itertools.product(chance, repeat=4):
        weight = math.prod((chance[p] for p in people), start=Fraction(1))
        total = Fraction(0)
        for fold in (0, 1):
            rest = list(people[2 - 2 * fold : 4 - 2 * fold])
            crowd = (_learn(rest, 0) + _learn(rest, 1)) / 2
            own = people[2 * fold : 2 * fold + 2]
            total += crowd / 2 + sum((Fraction(y) - _learn(rest, x) for x, y in own), Fraction(0)) / 4
        folded += weight * total
        everyone = list(people)
        crowd = (_learn(everyone, 0) + _learn(everyone, 1)) / 2
        naive += weight * (crowd + sum((Fraction(y) - _learn(everyone, x) for x, y in people), Fraction(0)) / 4)
    return [
        enumeration(
            "unbiased by folds",
            folded == Fraction(1, 2),
            "two folds, a generator that learns: E(estimate) = y* = 1/2 exactly",
            f"E = {folded} over 256 outcomes",
        ),
        counterexample(
            "trained on all",
            naive == Fraction(1, 2),
            "the same without folds (twins from a generator that saw their humans) is unbiased",
            f"E = {naive}",
        ),
    ]


def _clipping() -> list[Check]:
    """Clipping or a curved regression: no longer unbiased given the twins (exact, three people)."""
    # y = a + 2 f (slope 2 is clipped to 1), no noise: estimate = ybar + 1 (F - fbar), target a + 2 F
    f: Row = [0, 1, 2]
    answer = interval([2 * v for v in f], f, [3.0] * 300, method="ppi++-small")
    curved = interval([v * v / 4 for v in f], f, [0.0, 2.0], method="ppi++-small")
    return [
        agree(
            "clipped slope",
            [(float(answer.estimate), 2 + 1 * (3 - 1)), (float(answer.lam), 1.0)],
            "y = 2 f at f = 0, 1, 2, crowd mean 3: the estimate is 4, the truth 6 (slope 2 clipped to 1)",
        ),
        agree(
            "curved regression",
            [(float(curved.estimate), 5 / 12)],
            "y = f^2/4 at f = 0, 1, 2: at the crowd mean 1 the line says 5/12, while E y over {0, 2} is 1/2",
        ),
    ]


def symbolic() -> list[Check]:
    """The statements, their exact counterexamples, and every calculator against exact numbers."""
    return [
        *_lambda(),
        *_exactness(),
        *_clipping(),
        *_shape(),
        *_designs(),
        *_folds(),
        *_calculators(),
    ]


def _covers(answer: Any, truth: Any) -> tuple[float, float]:
    hits = np.asarray((answer.lower <= truth) & (truth <= answer.upper))
    rate = float(hits.mean())
    return rate, math.sqrt(max(rate * (1 - rate), 1.0 / hits.size) / hits.size)


def simulated(seed: int = 20261122) -> list[Check]:
    """Exact levels where they are proved; levels kept where they are only simulated."""
    rng = np.random.default_rng(seed)
    checks = []
    draws = 40_000
    for n, m in ((3, 5), (4, 9), (6, 7)):  # twins of a skewed law, answers normal given them, a census of the twins
        f = rng.exponential(size=(draws, m)) ** 2
        y = 1.0 + 0.5 * f + 0.002 * rng.standard_normal(f.shape)
        answer = interval(y[:, :n], f[:, :n], f, method="ppi++-small", population_size=m, census=True)
        rate, error = _covers(answer, y.mean(axis=1))
        says = f"'ppi++-small', n = {n} of m = {m}, skewed twins, census: exactly 0.95"
        checks.append(simulation(f"exact level, {n} of {m}", rate, error, 0.95, says))
        lam = np.asarray(answer.lam)
        unclipped = float(((lam > 0.0) & (lam < 1.0)).mean())
        says = "the slope was inside (0, 1) in 99% of the samples or more"
        checks.append(numeric(f"slope unclipped, {n} of {m}", unclipped > 0.99, says, f"{unclipped:.4f}"))
    rate, error = _covers(interval(rng.standard_normal((draws, 8)), method="classical"), 0.0)
    checks.append(simulation("Student's t", rate, error, 0.95, "Student's t, normal answers, n = 8: exactly 0.95"))
    checks += _quantities(rng)
    for method, n, correlation in (("ppi-small", 8, 0.5), ("ppi++-small", 8, 0.5), ("ppi++-small", 10, 0.9)):
        human = rng.standard_normal((12_000, n))
        twins = correlation * human + math.sqrt(1 - correlation**2) * rng.standard_normal(human.shape)
        answer = interval(human, twins, rng.standard_normal((12_000, 20 * n)), method=method)
        rate, error = _covers(answer, 0.0)
        z = (rate - 0.95) / error
        says = f"{method}, n = {n}, N = 20 n, correlation {correlation}: at least 0.95 (clipped slope: simulated only)"
        name = f"{method}, n = {n}"
        checks.append(Check(name, "simulation", "exact", says, z >= -4.0, True, f"{rate:.4f} (se {error:.1g})", z))
    return checks


def _quantities(rng: np.random.Generator) -> list[Check]:
    """Variances of estimates: lambda 1 at r = 1/4, and normal twins with an estimated slope."""
    draws, n, size = 20_000, 6, 24
    human = rng.standard_normal((draws, n))
    twins = 0.25 * human + math.sqrt(1 - 0.0625) * rng.standard_normal(human.shape)
    crowd = rng.standard_normal((draws, size))
    squares = np.asarray(interval(human, twins, crowd, method="ppi").estimate) ** 2
    error = float(squares.std() / math.sqrt(draws))
    says = "lambda 1, r = 1/4, n = 6, N = 24: Var = 2 (1 - r)/n + 1/N = 7/24"
    checks = [simulation("lambda 1 simulated", float(squares.mean()), error, 7 / 24, says)]
    twins = rng.standard_normal((draws, n))
    human = 0.5 * twins + 0.01 * rng.standard_normal(human.shape)
    pooled = (n * twins.mean(axis=1) + size * crowd.mean(axis=1)) / (n + size)
    noise = np.asarray(interval(human, twins, crowd, method="ppi++-small").estimate) - 0.5 * pooled
    squares = noise**2
    error = float(squares.std() / math.sqrt(draws))
    formula = 0.0001 / n * (1 + size / (n + size) / (n - 3))
    says = "normal twins, n = 6, N = 24: Var = s_e^2/n (1 + kappa/(n - 3)) beside b^2 s_f^2/(n + N)"
    checks.append(simulation("estimated slope", float(squares.mean()), error, formula, says))
    twins = rng.standard_normal((draws, n))
    human = 0.2 * twins + rng.standard_normal(twins.shape)
    answer = interval(human, twins, crowd, method="ppi++-small")
    estimate = np.asarray(answer.estimate)
    clipped = float(np.mean((np.asarray(answer.lam) == 0.0) | (np.asarray(answer.lam) == 1.0)))
    error = float(estimate.std() / math.sqrt(draws))
    says = f"normal answers and twins, slope clipped in {clipped:.0%} of the samples: E(estimate) = 0"
    return [*checks, simulation("unbiased though clipped", float(estimate.mean()), error, 0.0, says)]


def picture(ax: Any) -> None:
    """Coverage against n for normal answers, correlation 0.5, N = 20 n; the exact curve of the normal quantile."""
    rng = np.random.default_rng(1)
    sizes = [5, 8, 10, 20, 50]
    for method, colour in (
        ("ppi", "tab:orange"),
        ("ppi++", "tab:red"),
        ("ppi-small", "tab:blue"),
        ("ppi++-small", "tab:green"),
    ):
        rates = []
        for n in sizes:
            human = rng.standard_normal((3000, n))
            twins = 0.5 * human + math.sqrt(0.75) * rng.standard_normal(human.shape)
            answer = interval(human, twins, rng.standard_normal((3000, 20 * n)), method=method)
            rates.append(_covers(answer, 0.0)[0])
        ax.plot(sizes, rates, "o-", color=colour, label=f"{method}, simulated")
    every = np.arange(4, 51)
    z = stats.norm.ppf(0.975)
    ax.plot(
        every,
        2 * stats.t.cdf(z * np.sqrt((every - 1) / every), every - 1) - 1,
        "k:",
        label="z with ddof 0, humans alone, exact",
    )
    ax.axhline(0.95, color="k", linestyle="--", label="nominal")
    ax.set_xlabel("human answers n")
    ax.set_ylabel("coverage")
    ax.set_title("Few answers: normal quantile against the small-sample versions")
    ax.legend(fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

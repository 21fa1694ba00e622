"""Intervals for answers of two values: exact limits, effective counts, and the version with twins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats

from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.inference.intervals.binomial_limits import PopulationDraws, exact_ends, one_sided_limit, smooth_ends
from crowdllm_stats.inference.intervals.scale import neighbours, rating
from crowdllm_stats.verify import Check, Statement, agree, counterexample, enumeration, identity, numeric

STATEMENT = Statement(
    name="proportion",
    title="Intervals for answers of two values (beyond the paper): exact limits, effective counts, twins",
    published="Clopper and Pearson 1934, Blaker 2000, Korn and Graubard 1998; with twins the toolkit's own",
    verdict="holds under a random sample; with twins enumerated, not proved",
    exact="'exact' covers every share with its level at every n, in finite populations too; 'ppi++-binomial' is it at "
    "lambda 0 and PPI++ as n grows",
)

Row = Sequence[float]
LEVELS = (0.3, 0.8, 0.95, 0.99)
HUMAN: Row = [1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1]
TWINS: Row = [1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1]
SOFT: Row = [0.7, 0.2, 0.5, 0.9, 0.1, 0.6, 0.3, 0.2, 0.4, 0.1, 0.8]
CROWD: Row = [1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]
WEIGHTS: Row = [1, 2, 0.5, 1, 3, 1, 0.25, 2, 1, 0.5, 1.5]
PEOPLE = [0, 0, 1, 2, 2, 3, 3, 4, 5, 6, 6]


# ---------------------------------------------------------------- a second calculator


def _acceptable(chance: list[Fraction], x: int) -> Fraction:
    """Blaker's acceptability: the chance of all counts whose smaller tail is not more probable than that of x."""
    n = len(chance) - 1
    tails = [min(sum(chance[: k + 1], Fraction(0)), sum(chance[k:], Fraction(0))) for k in range(n + 1)]
    return sum((chance[k] for k in range(n + 1) if tails[k] <= tails[x]), Fraction(0))


def _upper_tail(chance: list[Fraction], x: int) -> Fraction:
    return sum(chance[x:], Fraction(0))


def _lower_tail(chance: list[Fraction], x: int) -> Fraction:
    return sum(chance[: x + 1], Fraction(0))


def _above(
    measure: Callable[[list[Fraction], int], Fraction], x: int, miss: Fraction
) -> Callable[[list[Fraction]], bool]:
    return lambda chance: measure(chance, x) > miss


def _finite(x: int, n: int, m: int, accepted: Callable[[list[Fraction]], bool]) -> tuple[Fraction, Fraction]:
    """First and last share of a population of m that is accepted; every number of ones in turn."""
    found = []
    for ones in range(x, m - n + x + 1):
        chance = [Fraction(math.comb(ones, k) * math.comb(m - ones, n - k), math.comb(m, n)) for k in range(n + 1)]
        if accepted(chance):
            found.append(Fraction(ones, m))
    return found[0], found[-1]


def _blaker(x: int, n: int, miss: float) -> tuple[float, float]:
    """The hull of the shares that are acceptable: a grid, then halving beside its ends."""
    shares = np.linspace(0.0, 1.0, 6001)
    counts = np.arange(n + 1)[:, None]
    ways = np.array([[math.comb(n, k)] for k in range(n + 1)], dtype=float)

    def good(p: Any) -> Any:
        chance = ways * np.atleast_1d(p) ** counts * (1.0 - np.atleast_1d(p)) ** (n - counts)
        tails = np.minimum(chance.cumsum(axis=0), chance[::-1].cumsum(axis=0)[::-1])
        return (chance * (tails <= tails[x] * (1 + 1e-12))).sum(axis=0) > miss

    inside = np.flatnonzero(good(shares))
    ends = []
    for place, step in ((inside[0], -1), (inside[-1], 1)):
        out, into = shares[place], shares[place]
        if 0 <= place + step <= 6000:
            out = shares[place + step]
            for _ in range(40):
                middle = 0.5 * (out + into)
                out, into = (out, middle) if good(middle)[0] else (middle, into)
        ends.append(float(into))
    return ends[0], ends[1]


def _smooth(x: float, n: float, tail: float) -> tuple[float, float]:
    """Clopper and Pearson's limits by quantiles of the beta law, at counts that need not be whole."""
    lower = 0.0 if x <= 0 else float(stats.beta.ppf(1 - tail, x, n - x + 1))
    upper = 1.0 if x >= n else float(stats.beta.ppf(tail, x + 1, n - x))
    return lower, upper


# ---------------------------------------------------------------- humans alone


def _two_sided() -> list[Check]:
    pairs, finite = [], []
    for n, level in itertools.product((2, 3, 7, 12), LEVELS):
        lower, upper = exact_ends(np.arange(n + 1.0), n, None, level, "two-sided")
        for x in range(n + 1):
            pairs += zip((lower[x], upper[x]), _blaker(x, n, 1 - level), strict=True)
    for (m, n), miss in itertools.product(
        ((4, 2), (5, 3), (9, 4), (20, 7), (13, 13), (30, 5), (10, 2), (40, 2)), (1, 5, 20)
    ):
        level = 1 - miss / 100
        lower, upper = exact_ends(np.arange(n + 1.0), n, np.full(n + 1, float(m)), level, "two-sided")
        for x in range(n + 1):
            wanted = _finite(x, n, m, _above(_acceptable, x, Fraction(miss, 100)))
            finite += zip((lower[x], upper[x]), wanted, strict=True)
    return [
        agree("Blaker's limits", pairs,
              "the limits are the ends of the acceptable shares, found on a grid and by halving", 1e-8),
        agree("Blaker's limits, finite", finite,
              "in a finite population: every number of ones in turn, in exact fractions",
                kind="exact enumeration"),
    ]  # fmt: skip


def _one_sided() -> list[Check]:
    pairs, finite, tails = [], [], []
    for n, level in itertools.product((2, 9), LEVELS):
        counts = np.arange(n + 1.0)
        larger, smaller = (exact_ends(counts, n, None, level, side) for side in ("larger", "smaller"))
        for x in range(n + 1):
            wanted = _smooth(x, n, level)
            pairs += [(larger[0][x], wanted[0]), (smaller[1][x], wanted[1]), (larger[1][x], 1.0), (smaller[0][x], 0.0)]
        limit = one_sided_limit(counts, PopulationDraws(n), 1 - level)
        tails += [(stats.binom.sf(x - 1, n, limit[x]), 1 - level) for x in range(1, n + 1)]
    for m, n in ((5, 3), (20, 7), (13, 13)):
        size = np.full(n + 1, float(m))
        larger, smaller = (exact_ends(np.arange(n + 1.0), n, size, 0.9, side) for side in ("larger", "smaller"))
        for x in range(n + 1):
            up = _finite(x, n, m, _above(_upper_tail, x, Fraction(1, 10)))
            down = _finite(x, n, m, _above(_lower_tail, x, Fraction(1, 10)))
            finite += [(larger[0][x], up[0]), (smaller[1][x], down[1])]
    return [
        agree(
            "Clopper and Pearson's limits",
            pairs,
            "one-sided limits are quantiles of the beta law; the other end is open",
        ),
        agree("tail at the limit", tails, "P(X >= x) at the lower limit is the error probability"),
        agree(
            "one-sided, finite",
            finite,
            "in a finite population: every number of ones in turn, in exact fractions",
            kind="exact enumeration",
        ),
    ]


def _levels() -> list[Check]:
    """Coverage beside every end, where it is lowest; and what a textbook interval does there."""
    least: dict[str, float] = {}
    rises, cases = True, 0
    for n, level, side in itertools.product((2, 5, 10, 31), LEVELS, ("two-sided", "larger", "smaller")):
        lower, upper = exact_ends(np.arange(n + 1.0), n, None, level, side)
        ends = np.concatenate([lower, upper])
        shares = np.concatenate([ends - 1e-9, ends + 1e-9])
        shares = shares[(shares > 0) & (shares < 1)]
        chance = stats.binom.pmf(np.arange(n + 1)[:, None], n, shares)
        covered = (chance * ((lower[:, None] <= shares) & (shares <= upper[:, None]))).sum(axis=0)
        least[side] = min(least.get(side, 1.0), float((covered - level).min()))
        rises &= bool(np.all(np.diff(lower) >= -1e-12) and np.all(np.diff(upper) >= -1e-12))
        cases += len(shares)
    p = Fraction(1, 57)
    wilson = (1 - p) ** 10  # for 1 of 10 and more, Wilson's interval lies above p
    z2 = stats.norm.ppf(0.975) ** 2
    lowest = (0.1 + z2 / 20 - math.sqrt(z2) * math.sqrt(0.009 + z2 / 400)) / (1 + z2 / 10)
    return [
        *(enumeration(f"level, {side}", gap >= -1e-9, f"{side}: coverage beside every end is at least the level",
                f"lowest coverage less level {gap:.1e}, {cases // 3} shares") for side, gap in least.items()),
        numeric("monotone", rises, "one more yes never lowers an end", "n 2, 5, 10, 31; four levels; three kinds"),
        counterexample("Wilson", wilson >= Fraction(95, 100) or lowest <= float(p), "Wilson's interval has level 0.95",
                       f"n = 10, share 1/57: the lower end of 1 of 10 is {lowest:.4f}; covers {float(wilson):.3f}"),
    ]  # fmt: skip


# ---------------------------------------------------------------- which answers are of two values


def _codings() -> list[Check]:
    pairs = []
    for low, high in ((-1.0, 1.0), (0.0, 100.0), (1.0, 2.0), (2.5, 3.0)):
        for side, step in itertools.product(("two-sided", "larger", "smaller"), (None, high - low)):
            one = interval(HUMAN, SOFT, CROWD, bounds=(0, 1), alternative=side, method="ppi++-binomial")
            tables = ([low + (high - low) * value for value in row] for row in (HUMAN, SOFT, CROWD))
            other = interval(*tables, bounds=(low, high), step=step, alternative=side, method="ppi++-binomial")
            pairs += [
                ((end - low) / (high - low), own) for end, own in ((other.lower, one.lower), (other.upper, one.upper))
            ]
    plain = interval(HUMAN, bounds=(0, 1), weights=WEIGHTS, method="binomial")
    other = interval([5 - 3 * y for y in HUMAN], bounds=(2, 5), step=3, weights=WEIGHTS, method="binomial")
    pairs += [((5 - other.upper) / 3, plain.lower), ((5 - other.lower) / 3, plain.upper)]
    inside = [0, 100, 50, 100]
    chosen = [
        interval(values, *digital, bounds=bounds, step=step).method
        for values, digital, bounds, step in (
            ([0, 0, 0], (), (0, 1), None), ([0, 0, 0], (), (0, 100), None), ([-1, -1, 1], (), (-1, 1), None),
            ([1, 1, 1], (), (1, 3), None), ([1, 1, 5], (), (1, 5), None), ([1, 1, 1], (), (1, 5), 4.0),
            ([5, 5, 5], ([5, 5, 5], [1, 5, 5, 5]), (1, 5), None), ([0, 1, 1], ([0.5] * 3, [0.2, 0.4]), (0, 1), None),
            ([0.0, 0.5, 0.5], (), (0, 0.5), None),
        )
    ]  # fmt: skip
    refused = [
        interval(values, *digital, bounds=bounds, step=step).method
        for values, digital, bounds, step in (
            ([1, 1, 1], (), (1, 5), None), ([1, 1, 1], (), (1, 4), None), ([1, 1, 5], (), (1, 5), 1.0),
            (inside, (), (0, 100), None), ([0, 100, 100], ([0, 100, 50], [0, 100]), (0, 100), None),
            ([0, 100, 100], ([0, 100, 0], [0, 99]), (0, 100), None), ([11, 11, 11], (), (1, 11), None),
        )
    ]  # fmt: skip
    scales = [rating(bounds) for bounds in ((0.0, 2.0), (1.0, 11.0), (0.0, 1.0), (0.0, 11.0), (0.5, 3.5), (0.0, 2.5))]
    near = [neighbours(bounds) for bounds in ((3.0, 4.0), (0.5, 1.5), (0.0, 2.0), (0.0, 0.5))]
    return [
        agree("codings", pairs, "every coding of two values, declared or not, gives one interval"),
        numeric(
            "two values", set(chosen) == {"binomial"}, "ends seen or declared are taken for two values", str(chosen)
        ),
        numeric(
            "not two values",
            set(refused) == {"classical-small"},
            "answers between, or room for them, are not",
            str(refused),
        ),
        numeric("ratings", scales == [True, True, False, False, False, False], "whole ends 2 to 10 apart", str(scales)),
        numeric("neighbours", near == [True, False, False, False], "whole ends 1 apart", str(near)),
    ]


# ---------------------------------------------------------------- effective counts and twins


def _moments(share: list[float], people: list[int], values: Row) -> tuple[float, float, float, float]:
    """Weighted mean, its variance over people, their effective number, and that of the weights alone."""
    centre = sum(w * v for w, v in zip(share, values, strict=True))
    variance, squares = 0.0, 0.0
    for person in set(people):
        mine = [i for i, owner in enumerate(people) if owner == person]
        weight = sum(share[i] for i in mine)
        variance += sum(share[i] * (values[i] - centre) for i in mine) ** 2 / (1 - weight)
        squares += weight**2
    return centre, variance, 1 / squares, 1 / sum(w * w for w in share)


def _alone(human: Row, options: dict[str, Any], level: float, side: str) -> tuple[float, tuple[float, float], float]:
    """Share, ends and worth in answers of the human answers."""
    n, tail = len(human), level if side != "two-sided" else (1 + level) / 2
    m = options.get("population_size")
    if "weights" not in options and "clusters" not in options:
        size = None if m is None else np.array([float(m)])
        ends = exact_ends(np.array([float(sum(human))]), n, size, level, side)
        left = 1 - n / m if m else 1.0
        return sum(human) / n, (float(ends[0][0]), float(ends[1][0])), n / left
    raw = options.get("weights") or [1.0] * n
    share = [w / sum(raw) for w in raw]
    centre, variance, units, most = _moments(share, options.get("clusters") or list(range(n)), human)
    if len(set(human)) == 1:
        worth = units
    else:
        scarce = (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, units - 1)) ** 2
        worth = min(centre * (1 - centre) / variance * scarce, most)
    return centre, _smooth(centre * worth, worth, tail), worth


def _with_twins(human: Row, twins: Row, crowd: Row, options: dict[str, Any], level: float, side: str) -> Row:
    """Estimate, lower, upper, lambda and effective n of 'ppi++-binomial', worked out independently."""
    n, size = len(human), len(crowd)
    tail = level if side != "two-sided" else (1 + level) / 2
    m, census = options.get("population_size"), options.get("census", False)
    mean, ends, worth = _alone(human, options, level, side)
    raw = options.get("weights") or [1.0] * n
    share = [w / sum(raw) for w in raw]
    units = _moments(share, options.get("clusters") or list(range(n)), human)[2]
    left = 1 - n / m if m else 1.0
    per_crowd = 0.0 if census else 1 / size + (1 / m if m else 0.0)
    ratio = per_crowd * units / left
    sceptics = max(4.0, float(stats.norm.ppf(tail)) ** 2)
    fbar = sum(w * f for w, f in zip(share, twins, strict=True))
    squares = sum(w * (f - fbar) ** 2 for w, f in zip(share, twins, strict=True))
    joint = sum(w * (f - fbar) * (y - mean) for w, f, y in zip(share, twins, human, strict=True))
    joint *= units / (units + sceptics)
    prior = (units * mean + sceptics / 2) / (units + sceptics)
    spread = prior * (1 - prior)
    lam = min(max(joint / squares / (1 + ratio), 0.0), 1.0) if len(set(twins)) > 1 else 0.0
    crowd_mean = sum(crowd) / size
    noise = sum((f - crowd_mean) ** 2 for f in crowd) / (size - 1) * ratio
    if lam == 0.0:
        return mean, *ends, 0.0, n
    price = (spread - joint**2 / squares) * ((crowd_mean - fbar) / (1 + ratio)) ** 2 / squares
    over = (spread - 2 * lam * joint + lam**2 * (squares + noise) + price) / spread
    least, most = ((n / m) * mean, (n / m) * mean + left) if m else (0.0, 1.0)
    estimate = min(max(mean + lam * (crowd_mean - fbar), least), most)
    count = worth / over
    own, new = _smooth(mean * worth, worth, tail), _smooth(estimate * count, count, tail)
    lower, upper = (new[k] + math.sqrt(over) * (ends[k] - own[k]) for k in (0, 1))
    lower, upper = max(min(lower, estimate), least), min(max(upper, estimate), most)
    people = 0.0 if m is None else 1 / m
    worth_n = 1 / (over * (1 / n - people) + people)
    return estimate, least if side == "smaller" else lower, most if side == "larger" else upper, lam, worth_n


CASES: list[tuple[Row, Row, Row, dict[str, Any], float, str]] = [
    (HUMAN, TWINS, CROWD, {}, 0.95, "two-sided"),
    (HUMAN, SOFT, CROWD, {}, 0.8, "two-sided"),
    (HUMAN, TWINS, CROWD, {}, 0.99, "larger"),
    (HUMAN, SOFT, CROWD, {}, 0.999, "smaller"),
    (HUMAN, [f / 4 for f in SOFT], CROWD, {}, 0.95, "two-sided"),
    (HUMAN, [0.7, 0.2, 0.8, 0.9, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.2], CROWD, {}, 0.95, "two-sided"),
    (HUMAN, HUMAN, CROWD, {}, 0.95, "two-sided"),
    (HUMAN, [1 - f for f in TWINS], CROWD, {}, 0.95, "two-sided"),
    (HUMAN, [0.3] * 11, CROWD, {}, 0.95, "two-sided"),
    ([0.0] * 10 + [1.0], [0.0] * 10 + [1.0], CROWD, {}, 0.95, "two-sided"),
    ([0.0] * 11, TWINS, CROWD, {}, 0.95, "two-sided"),
    ([1.0] * 2 + [0.0] * 9, [1.0] * 6 + [0.0] * 5, [0.0] * 40 + [1.0], {}, 0.95, "two-sided"),
    (HUMAN, TWINS, CROWD[:5], {}, 0.95, "two-sided"),
    (HUMAN, TWINS, CROWD, {"weights": WEIGHTS}, 0.95, "two-sided"),
    (HUMAN, TWINS, CROWD, {"clusters": PEOPLE}, 0.9, "two-sided"),
    (HUMAN, SOFT, CROWD, {"weights": WEIGHTS, "clusters": PEOPLE}, 0.95, "larger"),
    ([0.0] * 11, TWINS, CROWD, {"clusters": PEOPLE}, 0.95, "smaller"),
    (HUMAN, TWINS, CROWD, {"population_size": 30}, 0.95, "two-sided"),
    (HUMAN, TWINS, CROWD, {"population_size": 35, "census": True}, 0.9, "two-sided"),
    (HUMAN, TWINS, CROWD, {"population_size": 35, "census": True}, 0.9, "larger"),
]


def _calculator() -> list[Check]:
    pairs, alone = [], []
    for human, twins, crowd, options, level, side in CASES:
        got = interval(
            human, twins, crowd, method="ppi++-binomial", bounds=(0, 1), level=level, alternative=side, **options
        )
        fields = (got.estimate, got.lower, got.upper, got.lam, got.effective_n)
        pairs += zip(fields, _with_twins(human, twins, crowd, options, level, side), strict=True)
        mine = {name: value for name, value in options.items() if name != "census"}
        one = interval(human, method="binomial", bounds=(0, 1), level=level, alternative=side, **mine)
        mean, ends, _ = _alone(human, mine, level, side)
        m = mine.get("population_size")
        least, most = (len(human) / m * mean, len(human) / m * mean + 1 - len(human) / m) if m else (0.0, 1.0)
        ends = (least if side == "smaller" else ends[0], most if side == "larger" else ends[1])
        alone += zip((one.estimate, one.lower, one.upper, one.effective_n), (mean, *ends, len(human)), strict=True)
    asked = interval(
        [1, 0, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], method="ppi++-binomial", bounds=(0, 1), population_size=4
    )
    # at 0.6 the lower limit of 0.09 people is not yet 0
    counts = [(x, n, tail) for tail in (0.975, 0.6) for n in (1.0, 4.5, 10.0)
              for x in (0.0, 0.09, 0.3, 0.5 * n, n - 0.2, n)]  # fmt: skip
    smooth = [smooth_ends(np.array(x), np.array(n), tail) for x, n, tail in counts]
    return [
        agree("with twins", pairs, "estimate, ends, lambda, effective n against a second calculator"),
        agree("alone", alone, "'binomial' against a second calculator: counts, weights, clusters, finite populations"),
        agree("all asked", [(asked.lower, 0.75), (asked.upper, 0.75)], "a population asked as a whole is known"),
        agree("smooth limits", [(float(end), want) for ends, count in zip(smooth, counts, strict=True)
                                 for end, want in zip(ends, _smooth(*count), strict=True)],
               "Clopper and Pearson's limits for counts that need not be whole"),
    ]  # fmt: skip


def _lambda() -> list[Check]:
    v, c, f, k, n, lam = sp.symbols("v c f k n lambda", positive=True)
    left = v - 2 * lam * c + lam**2 * f * (1 + k)
    best = c / (f * (1 + k))
    return [
        identity("best lambda", sp.diff(left, lam).subs(lam, best), sp.Integer(0), "lambda makes n_eff largest"),
        identity("variance", v / (n * v / left), left / n, "p (1-p)/n_eff is the variance of PPI++ where v = p (1-p)"),
        identity("lambda 0", (n * v / left).subs(lam, 0), n, "without the digital answers n_eff is n"),
    ]  # fmt: skip


def symbolic() -> list[Check]:
    """All exact checks."""
    return [*_two_sided(), *_one_sided(), *_levels(), *_codings(), *_lambda(), *_calculator(), *_enumerated()]


def _enumerated() -> list[Check]:
    """Coverage of 'ppi++-binomial' over all tables of ten humans and twins, biased and useless twins among them."""
    n, size = 10, 2000
    tables = np.array(
        [(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a) for c in range(n + 1 - a - b)]
    )
    cells = np.repeat(np.tile(np.arange(4), len(tables)), tables.ravel()).reshape(len(tables), n)
    least, longest = 1.0, 0.0
    alone = interval((cells <= 1).astype(float), bounds=(0, 1))
    for crowd in (0.1, 0.5):
        digital = np.broadcast_to((np.arange(size) < round(crowd * size)).astype(float), (len(tables), size))
        answer = interval(
            (cells <= 1).astype(float), (cells % 2 == 0).astype(float), digital, bounds=(0, 1), check_law=False
        )
        for share, relation in itertools.product((0.05, 0.3, 0.5), (0.0, 0.5, 1.0)):
            both = share * crowd + relation * (min(share, crowd) - share * crowd)
            chance = stats.multinomial.pmf(tables, n, [both, share - both, crowd - both, 1 - share - crowd + both])
            least = min(least, float(chance @ ((answer.lower <= share) & (share <= answer.upper))))
            if relation == 0.0:
                longest = max(longest, float((chance @ answer.half_width) / (chance @ alone.half_width)))
    return [
        enumeration(
            "level with twins",
            least >= 0.95,
            "ten people, all 286 tables: at least 0.95 in 18 settings",
            f"lowest {least:.4f}",
        ),
        enumeration(
            "useless twins", longest <= 1.03, "useless twins make it at most 3% longer", f"longest {longest:.4f}"
        ),
    ]


def simulated(seed: int = 20261122) -> list[Check]:
    """The same with a crowd of 3 n drawn people: no share of a small crowd is known."""
    rng = np.random.default_rng(seed)
    checks = []
    for share, crowd, relation in ((0.1, 0.3, 0.5), (0.3, 0.3, 0.8), (0.5, 0.2, 0.0)):
        both = share * crowd + relation * (min(share, crowd) - share * crowd)
        cells = rng.choice(4, (20_000, 48), p=[both, share - both, crowd - both, 1 - share - crowd + both])
        human, twins = (cells <= 1).astype(float), (cells % 2 == 0).astype(float)
        answer = interval(human[:, :12], twins[:, :12], twins[:, 12:], bounds=(0, 1), check_law=False)
        rate = float(np.mean((answer.lower <= share) & (share <= answer.upper)))
        error = math.sqrt(rate * (1 - rate) / 20_000)
        z = (rate - 0.95) / error
        says = f"12 people, crowd of 36: at least 0.95 for shares {share}, {crowd}, relation {relation}"
        evidence = f"{rate:.4f} (se {error:.1g}), z = {z:.1f}"
        checks.append(Check(f"small crowd {share}", "simulation", "exact", says, z >= -4.0, True, evidence, z))
    return checks


def picture(ax: Any) -> None:
    """Coverage against the share, ten people."""
    shares = np.linspace(0.001, 0.999, 999)
    counts = np.arange(11.0)
    chance = stats.binom.pmf(counts[:, None], 10, shares)
    curves = {"exact": exact_ends(counts, 10, None, 0.95, "two-sided"),
              "Clopper and Pearson": smooth_ends(counts, np.full(11, 10.0), 0.975)}  # fmt: skip
    for name, (lower, upper) in curves.items():
        ax.plot(shares, (chance * ((lower[:, None] <= shares) & (shares <= upper[:, None]))).sum(axis=0), label=name)
    ax.axhline(0.95, color="black", linewidth=0.8)
    ax.set_xlabel("share of yes")
    ax.set_ylabel("coverage")
    ax.set_title("Ten people, level 0.95: coverage for every share")
    ax.legend(fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

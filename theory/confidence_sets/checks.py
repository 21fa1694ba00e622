"""The confidence sets for one bounded mean that Theorem 4 is built from: constants, proofs' steps, exact coverage."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats

from crowdllm_stats import interval
from crowdllm_stats.inference.intervals.confidence_sets import (
    _candidates,
    _peak,
    _predictable_bets,
    bernstein_half,
    betting_set,
    clt_half,
    hoeffding_half,
    serfling,
)
from crowdllm_stats.verify import (
    Check,
    Statement,
    agree,
    counterexample,
    enumeration,
    identity,
    numeric,
    rate_at_least,
    simulation,
)

STATEMENT = Statement(
    name="confidence_sets",
    title="Confidence sets for a bounded mean (the pieces of Theorem 4)",
    published="Hoeffding 1963, Serfling 1974, Maurer-Pontil 2009, Bardenet-Maillard 2015, Waudby-Smith-Ramdas 2024",
    verdict="holds under values inside the known bounds",
    exact="each set covers with its level at every n for independent (or without-replacement) values inside the known "
    "bounds; Student's t only for normal values",
)


def _hoeffding() -> list[Check]:
    a, b, m, second, s, eps, span, n, v = sp.symbols("a b m second s epsilon R n v", positive=True)
    delta = sp.Symbol("delta", positive=True)
    half = span * sp.sqrt(sp.log(1 / delta) / (2 * n))
    exponent = -s * eps + s**2 * span**2 / (8 * n)
    best = 4 * n * eps / span**2
    return [
        identity(
            "variance below (b-m)(m-a)",
            (b - m) * (m - a) - (second - m**2),
            (a + b) * m - second - a * b,
            "(b - m)(m - a) - Var X = E (b - X)(X - a) >= 0",
        ),
        identity(
            "at most a quarter",
            sp.Rational(1, 4) - v * (1 - v),
            (v - sp.Rational(1, 2)) ** 2,
            "v (1 - v) <= 1/4: a variable of range R has variance at most R^2/4, under every tilting",
        ),
        identity(
            "stationary", sp.diff(exponent, s).subs(s, best), sp.Integer(0), "the exponent is least at s = 4 n e/R^2"
        ),
        identity("exponent", exponent.subs(s, best), -2 * n * eps**2 / span**2, "least exponent -2 n e^2/R^2"),
        identity(
            "inverted",
            sp.exp(-2 * n * half**2 / span**2),
            delta,
            "at e = R sqrt(log(1/delta)/(2 n)) the bound is delta",
        ),
    ]


def _serfling() -> list[Check]:
    k, j, n, m, total, eps, span = sp.symbols("k j n m S epsilon R", positive=True)
    bound = (j - k) / (k * (j + 1))
    step = (j + 1 - k) / (k * (j + 2)) - bound - 1 / (j + 1) ** 2
    sums = 1 / (m - n) ** 2 + bound.subs({k: m - n, j: m - 1}, simultaneous=True)
    one = 1 - (n - 1) / m
    other = (1 - n / m) * (1 + 1 / n)
    rest = 2 * (m - n) * (n * eps / (m - n)) ** 2 / (one.subs(n, m - n) * span**2)
    small = all(
        (size - taken) ** 2 * sum(Fraction(1, (size - i) ** 2) for i in range(1, taken + 1))
        <= taken * (1 - Fraction(taken - 1, size))
        for size in range(2, 40)
        for taken in range(1, size)
    )
    return [
        identity(
            "martingale",
            (total - total / (m - k + 1)) / (m - k),
            total / (m - k + 1),
            "S_k/(m - k) is a martingale: the k-th answer's mean deviation is -S_{k-1}/(m - k + 1)",
        ),
        identity(
            "sum of squares, step",
            step,
            (j + 1 - k) / (k * (j + 1) ** 2 * (j + 2)),
            "sum_{i=k+1}^{j} 1/i^2 <= (j - k)/(k (j + 1)) by induction on j: what is over is >= 0",
        ),
        identity(
            "sum of squares, used",
            (m - n) ** 2 * sums,
            n * one,
            "(m - n)^2 sum_{i=m-n}^{m-1} 1/i^2 <= n (1 - (n - 1)/m)",
        ),
        numeric("sum of squares, small m", small, "the same in exact numbers for m = 2..39, n = 1..m-1", "741 cases"),
        identity(
            "mirror",
            rest,
            2 * n * eps**2 / (other * span**2),
            "the m - n people not asked give the factor (1 - n/m)(1 + 1/n)",
        ),
        identity("switch", other - one, (m - 2 * n) / (m * n), "the second factor is the smaller one from n = m/2 on"),
        agree(
            "factor",
            [
                (float(serfling(taken, size)), float(min(1 - Fraction(taken - 1, size), _mirror(taken, size))))
                for taken, size in ((1, 9), (3, 7), (4, 8), (5, 8), (11, 17), (12, 25), (13, 25), (40, 41), (17, 17))
            ]
            + [(float(serfling(9, None)), 1.0)],
            "the calculator's factor is the smaller of the two, 1 for an unlimited population",
        ),
    ]


def _mirror(n: int, m: int) -> Fraction:
    return (1 - Fraction(n, m)) * (1 + Fraction(1, n))


def _bernstein() -> list[Check]:
    x, u, v, log, n = sp.symbols("x u v L n", positive=True)
    k = sp.Symbol("k", integer=True, nonnegative=True)
    third = sp.Rational(1, 3)
    series = x**2 / 2 * sp.summation((x / 3) ** k, (k, 0, sp.oo)).args[0][0]
    s, eps = u / (1 + third * u), v * u + third * v * u**2 / 2
    factorials = all(math.factorial(q) >= 2 * 3 ** (q - 2) for q in range(2, 40))
    return [
        numeric(
            "factorials",
            factorials and all(q + 1 >= 3 for q in range(2, 40)),
            "q! >= 2 * 3^(q-2) from q = 2 on (each step multiplies by q + 1 >= 3)",
            "q = 2..39",
        ),
        identity(
            "moment generating function",
            series,
            x**2 / (2 * (1 - x / 3)),
            "e^x - 1 - x <= x^2/(2 (1 - x/3)) for 0 <= x < 3: the sum of the bounding series",
        ),
        identity(
            "inversion",
            s * eps - v * s**2 / (2 * (1 - third * s)),
            v * u**2 / 2,
            "with t = v u^2/2: at e = sqrt(2 v t) + t/3 the exponent is exactly -t",
        ),
        identity(
            "seven thirds",
            2 * log / (n - 1) + third * log / (n - 1),
            7 * log / (3 * (n - 1)),
            "sqrt(2 L/n) sqrt(2 L/(n-1)) + L/(3 n) <= 7 L/(3 (n - 1))",
        ),
        identity(
            "cross term",
            (sp.sqrt(2 * log / n) * sp.sqrt(2 * log / (n - 1))) ** 2,
            4 * log**2 / (n * (n - 1)),
            "the cross term is 2 L/sqrt(n (n - 1)) <= 2 L/(n - 1)",
        ),
    ]


def _halves() -> list[Check]:
    """The half-widths of the calculator at generic points, with the constants written out again."""
    hoeffding, maurer, bardenet, clt = [], [], [], []
    one = np.array(1.0)
    for n, span, miss, variance, size in (
        (7, 4.0, 0.05, 0.7, 19),
        (23, 8.0, 0.013, 1.9, 29),
        (160, 1.0, 0.2, 0.03, 1000),
        (41, 100.0, 0.01, 812.0, 55),
    ):
        for sides in (1, 2):
            rho = float(min(1 - Fraction(n - 1, size), _mirror(n, size)))
            for factor in (1.0, rho):
                hoeffding.append(
                    (
                        float(hoeffding_half(span, n, miss, sides, np.array(factor))),
                        span * math.sqrt(factor * (math.log(sides) - math.log(miss)) / 2 / n),
                    )
                )
            log = math.log(2) + math.log(sides) - math.log(miss)
            maurer.append(
                (
                    float(bernstein_half(np.array(variance), span, n, miss, sides, one, False)),
                    math.sqrt(variance) * math.sqrt(2 * log / n) + Fraction(7, 3) * span * log / (n - 1),
                )
            )
            log = math.log(5) + math.log(sides) - math.log(miss)
            biased = variance * float(Fraction(n - 1, n))
            bardenet.append(
                (
                    float(bernstein_half(np.array(variance), span, n, miss, sides, np.array(rho), True)),
                    math.sqrt(biased) * math.sqrt(2 * rho * log / n) + (14 + 9 * math.sqrt(2)) / 6 * span * log / n,
                )
            )
            quantile = float(stats.t.ppf(1 - miss / sides, n - 1))
            clt.append((float(clt_half(np.array(variance), n, miss, sides)), quantile * math.sqrt(variance / n)))
    return [
        agree("Hoeffding half-width", hoeffding, "R sqrt(factor log(sides/miss)/(2 n))"),
        agree("Maurer-Pontil half-width", maurer, "s sqrt(2 L/n) + 7 R L/(3 (n - 1)), L = log(2 sides/miss)"),
        agree(
            "Bardenet-Maillard half-width",
            bardenet,
            "s0 sqrt(2 rho L/n) + (7/3 + 3/sqrt 2) R L/n, L = log(5 sides/miss)",
        ),
        agree("Student half-width", clt, "t_{n-1} s/sqrt(n)"),
    ]


def _covers(name: str, least: float, cases: int, level: float, says: str) -> Check:
    return enumeration(name, least >= level, says, f"lowest of {cases} exact coverages {least:.4f}, level {level}")


def _enumerated() -> list[Check]:
    """Exact coverage for yes/no answers, by the binomial and hypergeometric laws."""
    checks = []
    n, level = 60, 0.8
    hits = np.arange(n + 1)
    variance = hits * (n - hits) / n / (n - 1.0)
    shares = np.arange(1, 50) / 50.0
    one = np.array(1.0)
    for name, half in (
        ("Hoeffding covers", hoeffding_half(1.0, n, 1 - level, 2, one)),
        ("Maurer-Pontil covers", bernstein_half(variance, 1.0, n, 1 - level, 2, one, False)),
    ):
        inside = np.abs(hits / n - shares[:, None]) <= half + 1e-12
        least = float((stats.binom.pmf(hits, n, shares[:, None]) * inside).sum(axis=1).min())
        checks.append(_covers(name, least, 49, level, f"yes/no answers, n = {n}: exact coverage by the binomial law"))
    for size, n in ((40, 10), (40, 33), (200, 180)):
        hits = np.arange(n + 1)
        variance = hits * (n - hits) / n / (n - 1.0)
        successes = np.arange(size + 1)[:, None]
        factor = serfling(n, size)
        pmf = stats.hypergeom.pmf(hits, size, successes, n)
        for name, half in (
            ("Hoeffding-Serfling covers", hoeffding_half(1.0, n, 1 - level, 2, factor)),
            ("Bernstein-Serfling covers", bernstein_half(variance, 1.0, n, 1 - level, 2, factor, True)),
        ):
            inside = np.abs(hits / n - successes / size) <= half + 1e-12
            least = float((pmf * inside).sum(axis=1).min())
            says = f"yes/no answers of {n} of {size} people: exact coverage by the hypergeometric law"
            checks.append(_covers(f"{name}, {n} of {size}", least, size + 1, level, says))
    return checks


def _bets(x: list[float], miss: float) -> list[float]:
    """The bets, each from the answers before it: one made-up answer of 1/2 and one made-up square of 1/4."""
    bets, total, squares = [], 0.5, 0.25
    for t, value in enumerate(x, start=1):
        bets.append(math.sqrt(2 * math.log(2 / miss) / (len(x) * squares / t)))
        total += value
        squares += (value - total / (t + 1)) ** 2
    return bets


def _capitals(x: list[float], bets: list[float], m: float, size: int | None) -> tuple[float, float]:
    """The largest capitals of the bets on a larger and on a smaller mean, one step after another."""
    rich = [1.0, 1.0]
    best = [1.0, 1.0]
    seen = 0.0
    for t, (value, bet) in enumerate(zip(x, bets, strict=True)):
        mean = m if size is None else min(max((size * m - seen) / (size - t), 0.0), 1.0)
        seen += value
        up = bet if mean == 0 else min(bet, 1 / (2 * mean))
        down = bet if mean == 1 else min(bet, 1 / (2 * (1 - mean)))
        rich[0] *= 1 + up * (value - mean)
        rich[1] *= 1 - down * (value - mean)
        best = [max(best[0], rich[0]), max(best[1], rich[1])]
    return best[0], best[1]


def _betting_ends(x: list[float], miss: float, alternative: str, size: int | None) -> tuple[float, float]:
    """Last candidate dropped as too small, first dropped as too large, of the 401 candidates."""
    limit = 2 / miss if alternative == "two-sided" else 1 / miss
    # the candidates: what the answers of n of the people leave possible, in 400 equal steps
    least, spread = (0.0, 1.0) if size is None else (sum(x) / size, 1 - len(x) / size)
    candidates = [least + spread * k / 400 for k in range(401)]
    bets = _bets(x, miss)
    capitals = [_capitals(x, bets, m, size) for m in candidates]
    small = [k for k, (up, _) in enumerate(capitals) if up >= limit and alternative != "smaller"]
    large = [k for k, (_, down) in enumerate(capitals) if down >= limit and alternative != "larger"]
    return candidates[max([0, *small])], candidates[min([400, *large])]


def _betting() -> list[Check]:
    p, lam, m, c, total, size, t = sp.symbols("p lambda m c S N t", positive=True)
    one = sp.Integer(1)
    rng = np.random.default_rng(3)
    pairs: list[tuple[float, float]] = []
    for miss, alternative, n, people in (
        (0.05, "two-sided", 22, None),
        (0.2, "larger", 35, None),
        (0.3, "smaller", 31, None),
        (0.1, "two-sided", 60, 75),
        (0.2, "larger", 50, 64),
        (0.4, "smaller", 40, 46),
        (0.15, "two-sided", 90, 110),
    ):
        x = np.round(rng.beta(2, 9, n), 3)
        lower, upper = betting_set(2.0 + 5.0 * x, 2.0, 7.0, miss, alternative, people)
        want = _betting_ends([float(v) for v in x], miss, alternative, people)
        pairs += [(float(lower), 2 + 5 * want[0]), (float(upper), 2 + 5 * want[1])]
        if people is None:
            asked = interval(2.0 + 5.0 * x, method="betting", bounds=(2, 7), level=1.0 - miss, alternative=alternative)
            pairs += [(asked.lower, 2 + 5 * want[0]), (asked.upper, 2 + 5 * want[1])]
    return [
        identity(
            "fair bet",
            p * (1 + lam * (1 - m)) + (1 - p) * (1 + lam * (0 - m)),
            1 + lam * (p - m),
            "E(1 + l (X - m)) = 1 + l (E X - m): a fair bet at the true mean",
        ),
        identity("never ruined, up", 1 + (c / m) * (0 - m), one - c, "the worst answer 0 leaves 1 - c of the capital"),
        identity(
            "never ruined, down", 1 - (c / (1 - m)) * (1 - m), one - c, "the worst answer 1 leaves 1 - c of the capital"
        ),
        identity(
            "without replacement",
            (size * m - total) / (size - t + 1),
            (size * m - total) / (size - (t - 1)),
            "the mean of the N - (t - 1) people left, if the mean of all is m and those asked sum to S",
        ),
        identity(
            "next mean",
            ((size * m - total) / (size - t + 1) * (size - t + 1) - p) / (size - t),
            (size * m - (total + p)) / (size - t),
            "after an answer p the mean of those left follows by the same rule",
        ),
        agree("betting ends", pairs, "ends of the betting set, with and without replacement", 1e-9),
        _first_bets(),
        _smallest_candidates(),
    ]


def _first_bets() -> Check:
    """Answers 0, 1, 1/2: variances 1/4, then (1/4 + 1/16)/2 = 5/32, then (1/4 + 1/16 + 1/4)/3 = 3/16."""
    miss = 0.1
    got = _predictable_bets(np.array([[0.0, 1.0, 0.5]]), miss)[0]
    variances = (Fraction(1, 4), Fraction(5, 32), Fraction(3, 16))
    want = [math.sqrt(2 * math.log(2 / miss) / float(3 * v)) for v in variances]
    return agree("first bets", list(zip(got, want, strict=True)), "sqrt(2 log(2/miss)/(n s^2)), s^2 worked by hand")


def _smallest_candidates() -> Check:
    """Nearly all answers 0, most people asked: means of those left from 0 on, whatever the candidate says."""
    x, people, miss = [0.0, 0.0, 0.05, 0.0, 0.1, 0.0, 0.0, 0.02, 0.0], 13, 0.2
    rows, size = np.array([x]), np.array([float(people)])
    grid = _candidates(rows, size)
    got = _peak(rows, _predictable_bets(rows, miss), grid, "two-sided", size)[0]
    want = [math.log(max(_capitals(x, _bets(x, miss), float(m), people))) for m in grid[0]]
    return agree("smallest candidates", list(zip(got, want, strict=True)), "log of the largest capital, every mean")


def _monotone() -> Check:
    """K+ falls and K- rises with the candidate, so that the set is an interval and the grid misses no part of it."""
    rng = np.random.default_rng(8)
    holds = True
    for size in (None, 14):
        x = [float(v) for v in np.round(rng.random(12), 2)]
        least, spread = (0.0, 1.0) if size is None else (sum(x) / size, 1 - len(x) / size)
        capitals = [_capitals(x, _bets(x, 0.1), least + spread * k / 50, size) for k in range(51)]
        holds &= all(a[0] >= b[0] - 1e-12 and a[1] <= b[1] + 1e-12 for a, b in itertools.pairwise(capitals))
    return numeric("one interval", holds, "K+ falls and K- rises with the candidate mean", "51 candidates, twice")


def _enumerated_betting() -> list[Check]:
    """Exact coverage of the betting set over all sequences of yes/no answers."""
    n, miss = 11, 0.2
    rows = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    lower, upper = betting_set(rows, 0.0, 1.0, miss, "two-sided")
    hits = rows.sum(axis=1)
    shares = np.arange(1, 40) / 40.0
    weight = shares[:, None] ** hits * (1 - shares[:, None]) ** (n - hits)
    inside = (lower <= shares[:, None] + 1e-12) & (shares[:, None] <= upper + 1e-12)
    least = float((weight * inside).sum(axis=1).min())
    size, taken = 16, 11
    worst = 1.0
    low, high = betting_set(rows, 0.0, 1.0, miss, "two-sided", size)
    for successes in range(size + 1):
        ways = np.array([math.comb(size - taken, successes - int(h)) if successes >= h else 0 for h in hits])
        covered = (low <= successes / size + 1e-12) & (successes / size <= high + 1e-12)
        worst = min(worst, float((ways * covered).sum() / math.comb(size, successes)))
    return [
        _covers("betting covers", least, 39, 1 - miss, f"all 2^{n} sequences of yes/no answers"),
        _covers(
            "betting covers, without replacement", worst, size + 1, 1 - miss, f"all orders of {taken} of {size} people"
        ),
    ]


def _between_candidates() -> Check:
    """A mean between two candidates whose capitals never pass the limit must lie in the set."""
    rng = np.random.default_rng(11)
    mean = 0.5013
    noise = rng.choice([-0.01, 0.01], (8, 6000))
    lower, upper = betting_set(mean + noise, 0.0, 1.0, 0.05, "two-sided")
    inside = float(((lower <= mean) & (mean <= upper)).mean())
    return numeric(
        "sets between two candidates",
        inside >= 0.95,
        "a set shorter than the grid's gap still holds the mean (values 0.5013 +- 0.01, n = 6000)",
        f"{inside:.2f} of 8 samples covered; widths {float((upper - lower).min()):.4f} and up",
    )


def _unanimous() -> Check:
    """Five people, chance 1/10 of answering 1: Student's t is the point 0 where all answer 0."""
    alone = Fraction(9, 10) ** 5
    point = float(clt_half(np.array(0.0), 5, 0.05, 2))
    return counterexample(
        "t, five rare answers",
        point > 0.1 or 1 - alone >= Fraction(95, 100),
        "Student's t covers bounded means with 0.95",
        f"all five answer 0 with chance {alone}, the set is then the point 0 and misses 1/10: coverage below 0.41",
    )


def symbolic() -> list[Check]:
    """The steps of the proofs, the constants of the calculators, exact coverages."""
    return [
        *_hoeffding(),
        *_serfling(),
        *_bernstein(),
        *_halves(),
        *_enumerated(),
        *_betting(),
        _monotone(),
        *_enumerated_betting(),
        _between_candidates(),
        _unanimous(),
    ]


def simulated(seed: int = 20261122) -> list[Check]:
    """Coverage for rare large answers, where Student's t fails, and Student's t for normal ones."""
    rng = np.random.default_rng(seed)
    n, draws, rare = 40, 20_000, 0.04
    x = (rng.random((draws, n)) < rare).astype(float)
    mean, variance = x.mean(axis=1), x.var(axis=1, ddof=1)
    one = np.array(1.0)
    checks = [
        rate_at_least(
            name, np.abs(mean - rare) <= half, 0.95, f"{name}: coverage at least 0.95 for rare answers (4%, n = 40)"
        )
        for name, half in (
            ("Hoeffding", hoeffding_half(1.0, n, 0.05, 2, one)),
            ("Maurer-Pontil", bernstein_half(variance, 1.0, n, 0.05, 2, one, False)),
        )
    ]
    lower, upper = betting_set(x[:2000], 0.0, 1.0, 0.05, "two-sided")
    says = "betting: coverage at least 0.95 for rare answers (4%, n = 40)"
    checks.append(rate_at_least("betting", (lower <= rare) & (rare <= upper), 0.95, says))
    covered = float((np.abs(mean - rare) <= clt_half(variance, n, 0.05, 2)).mean())
    error = math.sqrt(covered * (1 - covered) / draws)
    says = "Student's t covers 0.95 of bounded means at n = 40"
    checks.append(simulation("t, rare answers", covered, error, 0.95, says, about="published", expected=False))
    y = rng.standard_normal((draws, 6))
    covered = float((np.abs(y.mean(axis=1)) <= clt_half(y.var(axis=1, ddof=1), 6, 0.05, 2)).mean())
    error = math.sqrt(covered * (1 - covered) / draws)
    return [*checks, simulation("t, normal answers", covered, error, 0.95, "Student's t is exact for normal values")]


def picture(ax: Any) -> None:
    """Half-width against n, for a standard deviation of a quarter of the range."""
    sizes = np.unique(np.geomspace(5, 2000, 30).astype(int))
    one, variance = np.array(1.0), np.array(1 / 16)
    curves = {
        "Hoeffding": [hoeffding_half(1.0, int(n), 0.05, 2, one) for n in sizes],
        "empirical Bernstein (Maurer-Pontil)": [
            bernstein_half(variance, 1.0, int(n), 0.05, 2, one, False) for n in sizes
        ],
        "Student's t (normal values only)": [clt_half(variance, int(n), 0.05, 2) for n in sizes],
    }
    for name, half in curves.items():
        ax.loglog(sizes, half, label=name)
    rng = np.random.default_rng(0)
    some = [10, 30, 100, 300, 1000]
    widths = []
    for n in some:
        lower, upper = betting_set(
            np.clip(0.5 + 0.25 * rng.standard_normal((20, n)), 0, 1), 0.0, 1.0, 0.05, "two-sided"
        )
        widths.append(float((upper - lower).mean() / 2))
    ax.loglog(some, widths, "o", label="betting, simulated")
    ax.set_xlabel("answers n")
    ax.set_ylabel("half-width, in ranges")
    ax.set_title("Sets of level 0.95 for one bounded mean")
    ax.legend(fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

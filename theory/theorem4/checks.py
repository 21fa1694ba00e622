"""Theorem 4 (4.5 in the HTML): the prediction-powered set, its Minkowski form, and why gamma must be fixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats

from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.inference.intervals.confidence_sets import betting_set
from crowdllm_stats.verify import Check, Statement, agree, counterexample, enumeration, identity, numeric

STATEMENT = Statement(
    name="theorem4",
    title="Theorem 4 (4.5 in the HTML): the prediction-powered confidence set",
    published="B = {theta: t1 + t2 = 0, t1 in B1_gamma(theta), t2 in B2_(alpha-gamma)(theta)} covers y* with 1 - alpha",
    verdict="holds under a gamma fixed before the data and sets valid as used",
    exact="holds for gamma fixed before the data and sets that are valid as used (f not trained on the labelled data); "
    "with gamma chosen on the data nested sets guarantee 1 - 2 alpha and no more",
)

#: The shares of the error probability that the calculator tries, written out independently.
SHARES = [Fraction(k, 50) for k in range(1, 50)] + [Fraction(99, 100), Fraction(199, 200), Fraction(999, 1000)]

HUMAN = [2, 5, 4, 1, 3, 5, 2, 4, 4, 1, 5, 3]
TWINS = [3, 5, 3, 1, 2, 4, 2, 5, 3, 2, 4, 3]
CROWD = [3, 4, 2, 5, 4, 3, 3, 4, 2, 3, 4, 5, 1, 3, 4, 4, 2, 5, 3, 1, 4, 2, 3, 5, 4, 3, 2, 4, 1, 3]


def _moments(values: Sequence[float]) -> tuple[Fraction, Fraction]:
    """Mean and variance with n - 1, exact."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    return mean, sum(((value - mean) ** 2 for value in exact), Fraction(0)) / (len(exact) - 1)


def _factor(n: int, m: int | None) -> float:
    """The smaller of Serfling's factor and its mirror image (see confidence_sets)."""
    if m is None:
        return 1.0
    return float(min(1 - Fraction(n - 1, m), (1 - Fraction(n, m)) * (1 + Fraction(1, n))))


def _halves(
    kind: str, n: int, size: int, span: float, sides: int, m: int | None, census: bool
) -> tuple[Callable[[float, float], float], Callable[[float, float], float]]:
    """Half-width of the humans' and of the crowd's set as functions of (variance of one value, error probability)."""
    independent = 1.0 if m is None else 1.0 + size / m

    def first(variance: float, miss: float) -> float:
        if kind == "set-clt":
            left = 1.0 if m is None else 1.0 - n / m
            return float(stats.t.isf(miss / sides, n - 1)) * math.sqrt(variance * left / n)
        if kind == "set-hoeffding":
            return 2.0 * span * math.sqrt(_factor(n, m) * math.log(sides / miss) / (2 * n))
        if m is None:
            log = math.log(2 * sides / miss)
            return math.sqrt(2 * variance * log / n) + 7 * 2 * span * log / (3 * (n - 1))
        log = math.log(5 * sides / miss)
        kappa = 7 / 3 + 3 / math.sqrt(2)
        return math.sqrt(2 * _factor(n, m) * variance * (n - 1) / n * log / n) + kappa * 2 * span * log / n

    def second(variance: float, miss: float) -> float:
        if census:
            return 0.0
        if kind == "set-clt":
            return float(stats.t.isf(miss / sides, size - 1)) * math.sqrt(variance * independent / size)
        if kind == "set-hoeffding":
            return span * math.sqrt(independent * math.log(sides / miss) / (2 * size))
        log = math.log(2 * sides / miss)
        return math.sqrt(2 * variance * log / size) + 7 * span * log / (3 * (size - 1))

    return first, second


def _share(kind: str, n: int, size: int, span: float, sides: int, m: int | None, census: bool, miss: float) -> float:
    """The humans' share of the error probability: least expected width at a standard deviation of a quarter range."""
    if census:
        return 1.0
    first, second = _halves("set-clt" if kind == "set-betting" else kind, n, size, span, sides, m, census)
    guess = (span / 4.0) ** 2
    return float(min(SHARES, key=lambda s: first(guess, float(s) * miss) + second(guess, float(1 - s) * miss)))


def _reference(kind: str, level: float, alternative: str, m: int | None, census: bool) -> tuple[float, float, float]:
    """gamma, lower and upper end on a scale from 1 to 5, from exact moments."""
    sides, span, miss = (2 if alternative == "two-sided" else 1), 4.0, 1.0 - level
    share = _share(kind, len(HUMAN), len(CROWD), span, sides, m, census, miss)
    differences = [f - y for f, y in zip(TWINS, HUMAN, strict=True)]
    (mean1, var1), (mean2, var2) = _moments(differences), _moments(CROWD)
    first, second = _halves(kind, len(HUMAN), len(CROWD), span, sides, m, census)
    half = first(float(var1), share * miss) + (0.0 if census else second(float(var2), (1 - share) * miss))
    lower, upper = max(float(mean2 - mean1) - half, 1.0), min(float(mean2 - mean1) + half, 5.0)
    if alternative == "larger":
        upper = 5.0
    if alternative == "smaller":
        lower = 1.0
    return share * miss, lower, upper


def _quarter() -> Check:
    """Sizes at which a standard deviation of a tenth more than a quarter of the range would choose another share."""
    chosen: list[bool] = []
    said = []
    for n, size, level in ((100, 80, 0.95), (700, 300, 0.7), (700, 5000, 0.95)):
        miss = 1.0 - level
        y, f, crowd = (np.resize([1.0, 2.0, 4.0, 5.0], length) for length in (n, n, size))
        why = interval(y, f, crowd, method="set-bernstein", level=level, bounds=(1, 5)).why
        share = _share("set-bernstein", n, size, 4.0, 2, None, False, miss)
        chosen.append(f"gamma = {share * miss:.4g} " in why)
        said.append(f"{share:g}")
    return numeric("share of a quarter", all(chosen), "the share rests on a standard deviation of R/4", ", ".join(said))


CASES: list[tuple[str, float, str, int | None, bool]] = [
    (kind, level, alternative, m, census)
    for kind in ("set-clt", "set-hoeffding", "set-bernstein")
    for level, alternative in ((0.5, "two-sided"), (0.8, "larger"), (0.6, "smaller"), (0.95, "two-sided"))
    for m, census in ((None, False), (40, False), (30, True))
    if not (kind == "set-bernstein" and m is not None and not census)
]


def _calculator() -> list[Check]:
    """Gamma and both ends of every kind of set, against numbers derived here."""
    ends: list[tuple[float, float]] = []
    gammas: list[bool] = []
    for kind, level, alternative, m, census in CASES:
        answer = interval(
            HUMAN,
            TWINS,
            CROWD,
            method=kind,
            level=level,
            alternative=alternative,
            bounds=(1, 5),
            population_size=m,
            census=census,
        )
        gamma, lower, upper = _reference(kind, level, alternative, m, census)
        ends += [(float(answer.lower), lower), (float(answer.upper), upper)]
        gammas.append(f"gamma = {gamma:.4g} " in answer.why)
    checks = [
        agree("ends", ends, "the sets' ends equal mean f - mean (f - y) -+ (h1 + h2) within the bounds"),
        numeric("gamma", all(gammas), "gamma is the share of least expected width", f"{len(gammas)} cases"),
    ]
    checks.append(_quarter())
    # Bernstein sets fill the scale at these sizes; a long sample shows their constants
    rng = np.random.default_rng(5)
    y, f, crowd = (np.round(rng.uniform(1, 7, size), 2) for size in (700, 700, 900))
    long: list[tuple[float, float]] = []
    for kind in ("set-clt", "set-hoeffding", "set-bernstein"):
        for m, census in ((None, False), (900, True), (2500, False)):
            if kind == "set-bernstein" and m == 2500:
                continue  # refused: the crowd's set has no finite-population form
            answer = interval(y, f, crowd, method=kind, bounds=(1, 7), population_size=m, census=census)
            first, second = _halves(kind, 700, 900, 6.0, 2, m, census)
            share = _share(kind, 700, 900, 6.0, 2, m, census, 0.05)
            var1, var2 = float((f - y).var(ddof=1)), float(crowd.var(ddof=1))
            half = first(var1, share * 0.05) + (0.0 if census else second(var2, (1 - share) * 0.05))
            long += [(float(answer.half_width), half), (float(answer.estimate), float(crowd.mean() - (f - y).mean()))]
    checks.append(agree("half-widths", long, "h1 + h2 at n = 700, N = 900, for all kinds, sampled and census"))
    two = interval([2, 5], [3, 3], CROWD, method="set-hoeffding", level=0.1, bounds=(1, 5))
    first, second = _halves("set-hoeffding", 2, 30, 4.0, 2, None, False)
    share = _share("set-hoeffding", 2, 30, 4.0, 2, None, False, 0.9)
    low = float(_moments(CROWD)[0]) + 0.5 - first(1.0, share * 0.9) - second(1.0, (1 - share) * 0.9)
    checks.append(agree("two people", [(float(two.lower), max(low, 1.0))], "two answers are enough for a set"))
    return [*checks, _betting()]


def _betting() -> Check:
    """The betting sets enter by the same Minkowski difference."""
    pairs: list[tuple[float, float]] = []
    y, f, crowd = (np.array(values, dtype=float) for values in (HUMAN, TWINS, CROWD))
    opposite = {"larger": "smaller", "smaller": "larger", "two-sided": "two-sided"}
    for level, alternative, m in ((0.4, "two-sided", None), (0.4, "larger", None), (0.3, "smaller", 30)):
        sides, census = (2 if alternative == "two-sided" else 1), m is not None
        share = _share("set-betting", len(HUMAN), len(CROWD), 4.0, sides, m, census, 1 - level)
        first = betting_set(f - y, -4.0, 4.0, share * (1 - level), opposite[alternative], m)
        second = (
            (crowd.mean(), crowd.mean())
            if census
            else betting_set(crowd, 1.0, 5.0, (1 - share) * (1 - level), alternative)
        )
        answer = interval(
            y,
            f,
            crowd,
            method="set-betting",
            level=level,
            alternative=alternative,
            bounds=(1, 5),
            population_size=m,
            census=census,
        )
        lower = 1.0 if alternative == "smaller" else min(max(float(second[0] - first[1]), 1.0), 5.0)
        upper = 5.0 if alternative == "larger" else min(max(float(second[1] - first[0]), 1.0), 5.0)
        pairs += [(float(answer.lower), lower), (float(answer.upper), upper)]
    return agree("betting", pairs, "with B1 = [l1, u1] and C2 = [l2, u2] the set is [l2 - u1, u2 - l1]")


def _twentieths() -> list[Check]:
    """The example of the README: alpha = 3/20, gamma in {1/20, 2/20}, all 400 outcomes enumerated."""
    steps = [Fraction(k, 20) for k in range(1, 21)]
    alpha, choices = Fraction(3, 20), (Fraction(1, 20), Fraction(2, 20))
    weight = Fraction(1, 400)
    fixed = {g: sum((weight for p in steps for q in steps if p > g and q > alpha - g), Fraction(0)) for g in choices}
    narrow = Fraction(0)
    disjoint = Fraction(0)
    for p in steps:
        for q in steps:
            # B1 is [-1, 1] while p > gamma, else {1}; B2 likewise with q and alpha - gamma: 0 is the truth of both
            widths = {g: (2 if p > g else 0) + (2 if q > alpha - g else 0) for g in choices}
            g = min(choices, key=lambda c: (widths[c], c))
            narrow += weight * (p > g and q > alpha - g)
    for p in steps:  # the same margins, with the two misses made disjoint: q = 1 + 1/20 - p
        disjoint += Fraction(1, 20) * (p > choices[0] and Fraction(21, 20) - p > alpha - choices[0])
    return [
        enumeration(
            "fixed gamma",
            all(value == Fraction(342, 400) >= 1 - alpha for value in fixed.values()),
            "independent sets, gamma fixed at 1/20 or at 2/20: coverage (19/20)(18/20) = 342/400 >= 17/20",
            str({str(g): str(v) for g, v in fixed.items()}),
        ),
        enumeration(
            "union bound is sharp",
            disjoint == 1 - alpha,
            "with disjoint misses the coverage is exactly 1 - alpha",
            f"coverage {disjoint}",
        ),
        counterexample(
            "gamma chosen on the data",
            narrow >= 1 - alpha,
            "with gamma chosen to minimise the realised width the set still covers with 1 - alpha",
            f"coverage {narrow} < {1 - alpha}",
        ),
        enumeration(
            "two alpha",
            1 - narrow <= 2 * alpha and 1 - narrow == 1 - Fraction(18, 20) ** 2,
            "whatever chooses gamma, nested sets miss with at most 2 (alpha - 1/20) <= 2 alpha here",
            f"miss {1 - narrow}",
        ),
    ]


def _trained_on_labelled() -> list[Check]:
    """A generator that repeats its training answers and says 1 elsewhere; people answer 0 or 1 with chance 1/2."""
    answer = interval([0, 1] * 6, [0, 1] * 6, [1.0] * 24, method="set-clt", bounds=(0, 1))
    theta = Fraction(1, 2)
    return [
        counterexample(
            "f trained on the labelled",
            float(answer.lower) <= theta <= float(answer.upper),
            "a set B1 built from training residuals has the coverage that the theorem asks of it",
            f"theta = 1/2, B1 = {{0}} while E[f - y] = 1/2, set [{answer.lower}, {answer.upper}]",
        )
    ]


def symbolic() -> list[Check]:
    """The steps of the README, the counterexample and the calculator's numbers."""
    m1, m2, both, alpha, gamma = sp.symbols("m1 m2 both alpha gamma", positive=True)
    theta, f, y = sp.symbols("theta f y", real=True)
    a, b, c, d, s, t = sp.symbols("a b c d s t", real=True)
    mf, md, h1, h2 = sp.symbols("mf md h1 h2", real=True)
    same = interval(HUMAN, TWINS, CROWD, method="set-hoeffding", bounds=(1, 5))
    other = interval(HUMAN[::-1], [1] * 12, [5] * 29 + [1], method="set-hoeffding", bounds=(1, 5))
    return [
        identity(
            "union bound",
            1 - (m1 + m2 - both),
            1 - alpha + (gamma - m1) + (alpha - gamma - m2) + both,
            "P(E1 and E2) = 1 - alpha + (gamma - m1) + (alpha - gamma - m2) + P(both miss), three terms >= 0",
        ),
        identity("sum of the two", (f - y) + (theta - f), theta - y, "(f - y) + (theta - f) = theta - y, mean 0 at y*"),
        identity(
            "Minkowski ends",
            ((1 - s) * c + s * d) - ((1 - s) * b + s * a),
            (1 - s) * (c - b) + s * (d - a),
            "every point of [c - b, d - a] is f - t1 with t1 in [a, b], f in [c, d]",
        ),
        identity(
            "Minkowski inside",
            (d - a) - ((c + t * (d - c)) - (a + s * (b - a))),
            (1 - t) * (d - c) + s * (b - a),
            "no f - t1 lies above d - a: the rest is a sum of terms >= 0 (below c - b by symmetry)",
        ),
        identity(
            "centre",
            ((mf - h2) - (md + h1) + (mf + h2) - (md - h1)) / 2,
            mf - md,
            "the centre is mean f - mean (f - y)",
        ),
        identity(
            "half", ((mf + h2) - (md - h1) - (mf - h2) + (md + h1)) / 2, h1 + h2, "the half-width is the sum h1 + h2"
        ),
        *_twentieths(),
        *_trained_on_labelled(),
        numeric(
            "gamma ignores the answers",
            same.why.split("gamma = ")[1].split()[0] == other.why.split("gamma = ")[1].split()[0],
            "gamma is the same for other answers with the same n and N",
            "gamma = " + same.why.split("gamma = ")[1].split()[0],
        ),
        *_calculator(),
    ]


def _rate(name: str, hits: np.ndarray[Any, Any], least: float, says: str) -> Check:
    """Coverage not below ``least``: one-sided, four standard errors."""
    rate = float(np.mean(hits))
    error = math.sqrt(max(rate * (1 - rate), 1.0 / hits.size) / hits.size)
    z = (rate - least) / error
    return Check(name, "simulation", "exact", says, z >= -4.0, True, f"{rate:.4f} (se {error:.1g}), z = {z:.1f}", z)


def _draw(rng: np.random.Generator, replicates: int, n: int, size: int) -> tuple[Any, Any, Any, float]:
    """Answers 0..4, twins that err on three people in ten; the true mean is 1."""
    answers, chances = np.arange(5), np.array([0.5, 0.25, 0.0, 0.25, 0.0])
    y = rng.choice(answers, (replicates, n), p=chances)
    f = np.where(rng.random(y.shape) < 0.3, 4 - y, y)
    crowd = rng.choice(answers, (replicates, size), p=chances)
    return y, f, np.where(rng.random(crowd.shape) < 0.3, 4 - crowd, crowd), 1.0


def _price(rng: np.random.Generator) -> Check:
    """Student's t sets of normal values, n = 2, N = 20: gamma fixed, and chosen for the least realised width."""
    draws, n, size, miss = 20_000, 2, 20, 0.05
    first, second = rng.standard_normal((draws, n)), rng.standard_normal((draws, size))
    shares = np.array([float(share) for share in SHARES])
    halves = first.std(axis=1, ddof=1)[:, None] / math.sqrt(n) * stats.t.isf(shares * miss / 2, n - 1)
    halves = halves + second.std(axis=1, ddof=1)[:, None] / math.sqrt(size) * stats.t.isf(
        (1 - shares) * miss / 2, size - 1
    )
    error = np.abs(second.mean(axis=1) - first.mean(axis=1))
    fixed = halves[:, int(np.argmin(halves.mean(axis=0)))]
    before, after = float((error <= fixed).mean()), float((error <= halves.min(axis=1)).mean())
    says = "Student's t sets: choosing gamma on the data covers less often than the fixed gamma, here by little"
    return Check("price for t sets", "simulation", "exact", says, after < before, True, f"{before:.4f} to {after:.4f}")


def simulated(seed: int = 20261122) -> list[Check]:
    """Coverage of the calculator's sets at least 1 - alpha, and the price of choosing gamma on the data."""
    rng = np.random.default_rng(seed)
    checks = []
    for kind, n, size, replicates in (
        ("set-hoeffding", 30, 60, 4000),
        ("set-bernstein", 60, 300, 4000),
        ("set-betting", 40, 80, 800),
        ("set-clt", 40, 80, 8000),
    ):
        y, f, crowd, theta = _draw(rng, replicates, n, size)
        answer = interval(y, f, crowd, method=kind, bounds=(0, 4))
        hits = (answer.lower <= theta) & (theta <= answer.upper)
        checks.append(_rate(kind, hits, 0.95, f"coverage of {kind} is at least 0.95 (n = {n}, N = {size})"))
    checks.append(_price(rng))
    alpha, draws = 0.15, 200_000
    p, q = rng.integers(1, 21, draws), rng.integers(1, 21, draws)
    pick_second = p == 2
    hits = (p > np.where(pick_second, 2, 1)) & (q > np.where(pick_second, 1, 2))
    rate = float(hits.mean())
    error = math.sqrt(rate * (1 - rate) / draws)
    checks.append(
        Check(
            "chosen on the data",
            "simulation",
            "published",
            "the set keeps 1 - alpha when gamma is chosen for the least realised width",
            (rate - (1 - alpha)) / error >= -4.0,
            False,
            f"simulated {rate:.4f} (se {error:.1g}), exact 0.81, nominal 0.85",
            (rate - (1 - alpha)) / error,
        )
    )
    return checks


def picture(ax: Any) -> None:
    """Coverage against alpha: fixed gamma, gamma chosen on the data (independent sets), the guarantees."""
    alpha = np.linspace(0.01, 0.4, 60)
    ax.plot(alpha, 1 - alpha, "k--", label="published guarantee, 1 - alpha")
    ax.plot(alpha, (1 - alpha / 2) ** 2, color="tab:green", label="gamma = alpha/2 fixed, independent sets")
    ax.plot(alpha, (1 - alpha) ** 2, color="tab:red", label="gamma chosen on the data, worst choice")
    ax.plot(alpha, 1 - 2 * alpha, color="tab:red", linestyle=":", label="what any choice keeps, 1 - 2 alpha")
    rng = np.random.default_rng(1)
    some = np.array([0.05, 0.15, 0.25, 0.35])
    p, q = rng.random((2, 20_000, 1))
    ax.plot(some, ((p > some) & (q > some)).mean(axis=0), "o", color="tab:red", label="simulated, 20,000 draws")
    ax.set_xlabel("alpha")
    ax.set_ylabel("coverage")
    ax.set_title("Theorem 4: gamma must be fixed before the data")
    ax.legend(fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

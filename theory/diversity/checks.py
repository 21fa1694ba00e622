"""Diversity: no part of the crowd mean's risk for given people, but a part of the answers' distribution."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from crowdllm_stats.inference.diversity import DistributionError
from crowdllm_stats.inference.diversity import distribution_error as calculator
from crowdllm_stats.inference.table_distance import GRID, block_means, order_statistic_weights
from crowdllm_stats.inference.theorem2_risk import risk_decomposition
from crowdllm_stats.verify import Check, Statement, counterexample, identity, numeric, simulation

STATEMENT = Statement(
    name="diversity",
    title="Diversity of the digital population (remarks after Theorem 2 and Theorem 3; HTML: 4.2 and 4.4)",
    published="With L1 to L4 fixed, greater diversity L5 of the digital population reduces the risk L",
    verdict="fails",
    exact="For given people L does not depend on diversity or its alignment; the answers' distribution does: "
    "W2^2 = (m1 - m2)^2 + (s1 - s2)^2 + 2 s1 s2 (1 - r), best digital variance s_v^2 + L2 - etat^2",
)

Numbers = Sequence[Fraction]


# ------------------------------------------------------------------------------------- exact arithmetic, by definition
def _mean(values: Sequence[Any]) -> Any:
    return sum(values, Fraction(0)) / len(values)


def _var(values: Sequence[Any], ddof: int = 0) -> Any:
    centre = _mean(values)
    return sum(((value - centre) ** 2 for value in values), Fraction(0)) / (len(values) - ddof)


def _steps(first: Sequence[Any], second: Sequence[Any]) -> Any:
    """Integral of the product of two step functions with equal steps, on the grid of 1 / (n m)."""
    n, m = len(first), len(second)
    return sum((first[place // m] * second[place // n] for place in range(n * m)), Fraction(0)) / (n * m)


def _squared_w2(y: Numbers, t: Numbers) -> Fraction:
    a, b = sorted(y), sorted(t)
    n, m = len(a), len(b)
    return sum(((a[place // m] - b[place // n]) ** 2 for place in range(n * m)), Fraction(0)) / (n * m)


def _across(y: Numbers, t: Numbers) -> Fraction:
    return sum((abs(a - b) for a in y for b in t), Fraction(0)) / (len(y) * len(t))


def _within(y: Numbers) -> Fraction:
    """Mean distance over pairs of different answers."""
    return _across(y, y) * Fraction(len(y), len(y) - 1)


def _energy(y: Numbers, t: Numbers) -> Fraction:
    return 2 * _across(y, t) - _across(y, y) - _across(t, t)


def _order_means(law: Numbers, draws: int) -> list[Fraction]:
    """Expected order statistics of ``draws`` answers from equally likely values, by listing all draws."""
    total = [Fraction(0)] * draws
    for chosen, ways in _tables(law, [Fraction(1, len(law))] * len(law), draws):
        total = [old + ways * value for old, value in zip(total, chosen, strict=True)]
    return total


def _tables(
    values: Sequence[Fraction], probability: Sequence[Any], draws: int
) -> list[tuple[tuple[Fraction, ...], Any]]:
    """Every sorted table of ``draws`` answers and its probability."""
    places = range(len(values))
    found = []
    for chosen in itertools.combinations_with_replacement(sorted(places, key=lambda place: values[place]), draws):
        ways = math.factorial(draws)
        for count in Counter(chosen).values():
            ways //= math.factorial(count)
        weight: Any = Fraction(ways)
        for place in chosen:
            weight = weight * probability[place]
        found.append((tuple(values[place] for place in chosen), weight))
    return found


def _jackknifed(values: Numbers) -> sympy.Expr:
    """n s - (n - 1) mean of the leave-one-out standard deviations."""
    n = len(values)
    without = [_root(_var([*values[:i], *values[i + 1 :]], 1)) for i in range(n)]
    return n * _root(_var(values, 1)) - sympy.Rational(n - 1, n) * sum(without)


def _root(value: Fraction) -> sympy.Expr:
    return sympy.sqrt(sympy.Rational(value.numerator, value.denominator))


def _exact_parts(y: Numbers, t: Numbers) -> dict[str, Any]:
    """Every number of the calculator from its definition, in exact arithmetic."""
    n, m = len(y), len(t)
    product = _jackknifed(y) * _jackknifed(t)
    law = sorted(y if n >= m else t)
    law = [value - _mean(law) for value in law]
    seen, other = _order_means(law, n), _order_means(law, m)
    scale = 2 * product / sympy.Rational(*_var(law).as_integer_ratio())
    total = _squared_w2(y, t)
    location = (_mean(y) - _mean(t)) ** 2 - _var(y, 1) / n - _var(t, 1) / m
    spread = _sym(_var(y, 1) + _var(t, 1)) - 2 * product
    human = scale * _sym(_var(law) - _steps(seen, law))
    digital = scale * _sym(_steps(seen, law) - _steps(seen, other))
    narrower = _var(t, 1) < _var(y, 1)
    return {
        "total": total,
        "location": location,
        "spread": spread,
        "finite_n_human": human,
        "finite_n_digital": digital,
        "rest": _sym(total - location) - spread,
        "shape": _sym(total - location) - spread - human - digital,
        "energy_total": _energy(y, t),
        "energy": 2 * _across(y, t) - _within(y) - _within(t),
        "human_sd": _root(_var(y, 1)),
        "digital_sd": _root(_var(t, 1)),
        "sd_ratio": _root(_var(t, 1) / _var(y, 1)),
        "cost_of_uniformity": max(float(spread), 0.0) if narrower else 0,
    }


def _sym(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)


def _fractions(text: str) -> list[Fraction]:
    return [Fraction(word) for word in text.split()]


def _floats(values: Numbers) -> list[float]:
    return [float(value) for value in values]


def _equal(name: str, pairs: Sequence[tuple[Any, Any]], says: str) -> Check:
    """Floating-point results against exact numbers, to 1e-11 of the largest."""
    size = max(1.0, *(abs(float(exact)) for _, exact in pairs))
    worst = float(np.max(np.abs([float(got) - float(exact) for got, exact in pairs])))  # NaN stays NaN
    evidence = f"{len(pairs)} numbers, largest difference {worst:.1e}"
    return numeric(name, worst <= 1e-11 * size, says, evidence)


# ----------------------------------------------------------------------------------------------- 1: the crowd's mean
def _expect(expression: sympy.Expr, variances: dict[sympy.Symbol, Any]) -> sympy.Expr:
    """Expectation over independent variables of mean 0, of a polynomial of degree 2 in them."""
    poly = sympy.Poly(sympy.expand(expression), *variances)
    total = sympy.Integer(0)
    for powers, coefficient in poly.terms():
        if sum(powers) == 0:
            total += coefficient
        elif sum(powers) == 2 and max(powers) == 2:
            total += coefficient * list(variances.values())[powers.index(2)]
    return total


def _mean_checks() -> list[Check]:
    ref, stretch = sympy.symbols("y_ref a")
    checks = []
    for n in range(2, 6):
        people, beliefs = sympy.symbols(f"y1:{n + 1}"), sympy.symbols(f"d1:{n + 1}")
        noise = sympy.symbols(f"e1:{n + 1}") + sympy.symbols(f"f1:{n + 1}")
        variances = dict(zip(noise, sympy.symbols(f"s1:{n + 1}") + sympy.symbols(f"r1:{n + 1}"), strict=True))
        mu, gap = sum(beliefs) / n, sum(people) / n - ref
        spoken = sum(noise[:n]) / n - sum(noise[n:]) / n
        risk = _expect((gap - mu + spoken) ** 2, variances)
        exact = (gap - mu) ** 2 + sum(variances.values()) / n**2
        checks.append(identity(f"given people, N = {n}", risk, exact, "L = (Delta - mu)^2 + L2/N + L4/N"))
        moved = {belief: mu + stretch * (belief - mu) for belief in beliefs}
        wider = risk.subs(moved, simultaneous=True)
        says = "L is the same with every belief stretched about their mean by any factor"
        checks.append(identity(f"stretched beliefs, N = {n}", wider, risk, says))
        turned = risk.subs(dict(zip(beliefs, beliefs[1:] + beliefs[:1], strict=True)), simultaneous=True)
        says = "L is the same with the beliefs handed round among the twins (any alignment)"
        checks.append(identity(f"exchanged beliefs, N = {n}", turned, risk, says))
    return checks


def _profile_checks() -> list[Check]:
    centre, s_v, s_b, rho = sympy.symbols("m s_v s_b rho", positive=True)
    checks = []
    for n in range(2, 6):
        own, rest = sympy.symbols(f"u1:{n + 1}"), sympy.symbols(f"w1:{n + 1}")
        variances = dict.fromkeys(own, sympy.Integer(1)) | dict.fromkeys(rest, sympy.Integer(1))
        other = sympy.sqrt(1 - rho**2)
        beliefs = [s_b * (rho * u + other * w) for u, w in zip(own, rest, strict=True)]
        apart = [s_v * u - b for u, b in zip(own, beliefs, strict=True)]
        risk = _expect((centre + sum(apart) / n) ** 2, variances)
        exact = centre**2 + (s_v**2 + s_b**2 - 2 * rho * s_v * s_b) / n
        checks.append(
            identity(f"over profiles, N = {n}", risk, exact, "E (Delta - mu)^2 = gap^2 + Var(ybar - delta)/N")
        )
        common = _expect((centre + sum(s_v * u for u in own) / n - s_b * rest[0]) ** 2, variances)
        says = "one profile shared by all twins: gap^2 + s_v^2/N + s_b^2, which does not fall with N"
        checks.append(identity(f"shared profile, N = {n}", common, centre**2 + s_v**2 / n + s_b**2, says))
    excess = s_v**2 + s_b**2 - 2 * rho * s_v * s_b
    says = "Var(ybar - delta) = (s_b - rho s_v)^2 + (1 - rho^2) s_v^2, least at s_b = rho s_v"
    checks.append(
        identity("best spread for means and twins", excess, (s_b - rho * s_v) ** 2 + (1 - rho**2) * s_v**2, says)
    )
    return checks


def _claim_checks() -> list[Check]:
    """Two crowds with the same L1 to L4; the one of greater diversity has the greater risk."""
    people, even, diverse = [-1.0, 1.0], [0.0, 0.0], [0.0, 2.0]
    zero = [0.0, 0.0]
    one, two = (
        risk_decomposition(people, twins, human_noise_var=zero, digital_noise_var=zero) for twins in (even, diverse)
    )
    fixed = [(getattr(two, name), getattr(one, name)) for name in ("L1", "L2", "L3", "L4")]
    numbers = [(one.L1, 1), (one.L3, 1), (one.L5, 0), (two.L5, 1), (one.L, 0), (two.L, 1)]
    evidence = "people -1 and 1; twins 0 and 0: L = 0; twins 0 and 2: L = 1; L1 = 1, L2 = 0, L3 = 1, L4 = 0 in both"
    return [
        _equal("two crowds", [*fixed, *numbers], "equal L1 to L4, L5 of 0 and 1, L of 0 and 1 (exact)"),
        counterexample("more diversity, less risk", two.L < one.L, "L1 to L4 fixed, greater L5 reduces L", evidence),
        counterexample(
            "the published sum",
            one.published == one.L,
            "L = L1 + L2 + L3 + L4 - L5",
            f"first crowd: the sum is {one.published:g}, L is {one.L:g}",
        ),
    ]


# ------------------------------------------------------------------------------------- 2: the distribution of answers
def _identity_checks() -> list[Check]:
    d, s1, s2, r, stretch = sympy.symbols("d s1 s2 r x", positive=True)
    checks = []
    for n, m in ((2, 2), (2, 3), (3, 4)):
        a, b = sympy.symbols(f"a1:{n + 1}"), sympy.symbols(f"b1:{m + 1}")
        places = range(n * m)
        left = sum((a[p // m] - b[p // n]) ** 2 for p in places) / sympy.Integer(n * m)
        ma, mb = sum(a) / n, sum(b) / m
        va, vb = sum((x - ma) ** 2 for x in a) / n, sum((x - mb) ** 2 for x in b) / m
        cross = sum((a[p // m] - ma) * (b[p // n] - mb) for p in places) / sympy.Integer(n * m)
        says = "int (Q1 - Q2)^2 = (m1 - m2)^2 + s1^2 + s2^2 - 2 int (Q1 - m1)(Q2 - m2)"
        checks.append(
            identity(f"quantile functions, {n} and {m} steps", left, (ma - mb) ** 2 + va + vb - 2 * cross, says)
        )
    whole = d**2 + s1**2 + s2**2 - 2 * r * s1 * s2
    parts = d**2 + (s1 - s2) ** 2 + 2 * s1 * s2 * (1 - r)
    checks.append(identity("location, spread, shape", whole, parts, "the same with r the quantile correlation"))
    best = d**2 + (stretch - r * s1) ** 2 + s1**2 * (1 - r**2)
    says = "in the digital spread x: d^2 + (x - r s1)^2 + s1^2 (1 - r^2), least at x = r s1"
    checks.append(identity("best spread of the answers", whole.subs(s2, stretch), best, says))
    for n in (2, 3, 4):  # law of total variance: answers of a random twin
        beliefs, noise = sympy.symbols(f"d1:{n + 1}"), sympy.symbols(f"r1:{n + 1}")
        mu = sum(beliefs) / n
        second = sum(belief**2 + var for belief, var in zip(beliefs, noise, strict=True)) / n
        spread = sum((belief - mu) ** 2 for belief in beliefs) / n + sum(noise) / n
        says = "variance of one digital answer = s_b^2 + etat^2 (of one human answer = s_v^2 + L2, likewise)"
        checks.append(identity(f"total variance, N = {n}", second - mu**2, spread, says))
    s_v, l2, l4, rho, s_b = sympy.symbols("s_v L2 L4 rho s_b", positive=True)
    twin = d**2 + s_v**2 + s_b**2 - 2 * rho * s_v * s_b + l2 + l4
    says = "twin-wise error = gap^2 + (s_v - s_b)^2 + 2 s_v s_b (1 - rho) + L2 + L4"
    checks.append(
        identity("twin-wise error", twin, d**2 + (s_v - s_b) ** 2 + 2 * s_v * s_b * (1 - rho) + l2 + l4, says)
    )
    fitted = ((s_v - s_b) ** 2).subs(s_b, rho * s_v)
    says = "beliefs fitted by squared error (s_b = rho s_v) lose (1 - rho)^2 s_v^2 of the distribution's spread part"
    checks.append(identity("uniformity of squared error", fitted, (1 - rho) ** 2 * s_v**2, says))
    return checks


def _alignment_checks() -> list[Check]:
    people, twins = _fractions("1 2 4 7"), _fractions("0 3/2 3 5")
    first = distribution_error(_floats(people), _floats(twins))
    pairs, errors = [], []
    for order in itertools.permutations(twins):
        again = distribution_error(_floats(people), _floats(order))
        pairs += [(getattr(again, name), getattr(first, name)) for name in first.columns]
        errors.append(_mean([(y - t) ** 2 for y, t in zip(people, order, strict=True)]))
    bound = [(min(errors), _squared_w2(people, twins)), (first.total, _squared_w2(people, twins))]
    return [
        _equal("pairing plays no part", pairs, "the calculator gives the same for all 24 pairings of people and twins"),
        _equal("twins bound it", bound, "the least twin-wise error over all pairings is W2^2"),
        numeric(
            "alignment matters twin-wise",
            max(errors) > min(errors),
            "the twin-wise error depends on the pairing",
            f"from {min(errors)} to {max(errors)} over the 24 pairings",
        ),
    ]


# ------------------------------------------------------------------------------------------ 3: tables of few answers
LAW_Y = (_fractions("0 1 3"), _fractions("1/2 1/3 1/6"))
LAW_T = (_fractions("1/2 1 4"), _fractions("1/5 7/10 1/10"))


def _over_tables(n: int, m: int, value: Callable[[tuple[Fraction, ...], tuple[Fraction, ...]], Any]) -> Any:
    """Exact expectation over all human tables of n and digital tables of m answers."""
    return sum(weight * other * value(y, t) for y, weight in _tables(*LAW_Y, n) for t, other in _tables(*LAW_T, m))


def _law_steps(law: tuple[list[Fraction], list[Fraction]], steps: int) -> list[Fraction]:
    """The law's quantile function as equally likely steps."""
    return [value for value, share in zip(*law, strict=True) for _ in range(int(share * steps))]


def _expected_order(law: tuple[list[Fraction], list[Fraction]], draws: int) -> list[Fraction]:
    total = [Fraction(0)] * draws
    for table, weight in _tables(*law, draws):
        total = [old + weight * value for old, value in zip(total, table, strict=True)]
    return total


def distribution_error(human: Any, digital: Any, **options: Any) -> DistributionError:
    """The calculator with all parts, also where small tables look like answers with few levels."""
    return calculator(human, digital, few_levels=False, **options)


def _calculated(n: int, m: int) -> tuple[DistributionError, list[float]]:
    """The calculator on all pairs of tables at once, and their probabilities."""
    pairs = [(y, t, w * o) for y, w in _tables(*LAW_Y, n) for t, o in _tables(*LAW_T, m)]
    human, digital = (np.array([_floats(pair[side]) for pair in pairs]) for side in (0, 1))
    return distribution_error(human, digital), [float(pair[2]) for pair in pairs]


def _table_checks() -> list[Check]:
    y, t = _law_steps(LAW_Y, 30), _law_steps(LAW_T, 30)
    w2, squares = _squared_w2(y, t), _mean([v**2 for v in y]) + _mean([v**2 for v in t])
    energy = 2 * _across(y, t) - _across(y, y) - _across(t, t)
    location = (_mean(y) - _mean(t)) ** 2
    checks = []
    for n, m in ((3, 4), (5, 3)):
        got, weight = _calculated(n, m)
        means = {
            name: float(np.dot(weight, getattr(got, name))) for name in ("total", "location", "energy", "energy_total")
        }
        q, r = _expected_order(LAW_Y, n), _expected_order(LAW_T, m)
        expected = squares - 2 * _steps(q, r)
        finite = 2 * (_steps(y, t) - _steps(q, t)) + 2 * (_steps(q, t) - _steps(q, r))
        table = _over_tables(n, m, lambda a, b: _squared_w2(a, b))
        case = f"n = {n}, N = {m}"
        checks += [
            _equal(
                f"expected W2^2 of tables, {case}",
                [(table, expected), (table, w2 + finite), (means["total"], expected)],
                "E W2^2(tables) = E y^2 + E yt^2 - 2 int q_n r_N = W2^2 + human part + digital part",
            ),
            _equal(
                f"expected energy of tables, {case}",
                [(means["energy_total"], energy + _across(y, y) / n + _across(t, t) / m), (means["energy"], energy)],
                "E energy_total = energy + E|y - y'|/n + E|yt - yt'|/N, so the calculator's energy is unbiased",
            ),
            _equal(f"location, {case}", [(means["location"], location)], "location is unbiased for any laws"),
        ]
    return checks + _symbolic_energy() + _kappa_checks()


def _symbolic_energy() -> list[Check]:
    """The finite-table terms of the energy distance with symbolic probabilities, n = 2 and N = 3."""
    p, q, z = sympy.symbols("p q z", positive=True)
    values = [Fraction(0), Fraction(1)]
    human, digital = [1 - p, p], [1 - q, q]
    total = sum(
        w * o * _sym(_energy(y, t)) for y, w in _tables(values, human, 2) for t, o in _tables(values, digital, 3)
    )
    exact = 2 * (p - q) ** 2 + 2 * p * (1 - p) / 2 + 2 * q * (1 - q) / 3
    return [identity("energy of yes-no answers", z * total, z * exact, "E = 2 (p - q)^2 + 2 p (1-p)/n + 2 q (1-q)/N")]


def _kappa_checks() -> list[Check]:
    checks = []
    s1, s2, d, kappa = sympy.symbols("s1 s2 d kappa", positive=True)
    whole = d**2 + s1**2 + s2**2 - 2 * kappa * s1 * s2
    says = "one shape: E W2^2(tables) = d^2 + (s1 - s2)^2 + 2 s1 s2 (1 - kappa)"
    checks.append(identity("laws of one shape", whole, d**2 + (s1 - s2) ** 2 + 2 * s1 * s2 * (1 - kappa), says))
    says = "and the best digital spread for such tables is kappa s1"
    checks.append(
        identity("best spread of tables", whole, d**2 + (s2 - kappa * s1) ** 2 + (1 - kappa**2) * s1**2, says)
    )
    for n in range(2, 9):
        uniform = _mean([12 * (Fraction(k, n + 1) - Fraction(1, 2)) ** 2 for k in range(1, n + 1)])
        waits = [sum((Fraction(1, n - j) for j in range(k)), Fraction(0)) for k in range(1, n + 1)]
        harmonic = waits[-1]
        pairs = [(uniform, Fraction(n - 1, n + 1)), (_mean([w**2 for w in waits]) - 1, 1 - harmonic / n)]
        says = "kappa(n, n) = (n - 1)/(n + 1) for uniform, 1 - H_n/n for exponential answers"
        checks.append(_equal(f"kappa, n = {n}", pairs, says))
    return checks


# ------------------------------------------------------------------------- 4: misfit of location that varies by problem
def _best_energy_spread(variance: Any, misfit: Any, n: Any) -> Any:
    """Digital variance of least expected energy distance: normal answers, misfit normal over problems."""
    return (variance + misfit) * (n - 1) ** 2 / (n**2 + 2 * n - 1)


def _table_energy(variance: Any, misfit: Any, spread: Any, n: Any, m: Any) -> Any:
    root = sympy.sqrt
    return (
        2 * root(2 / sympy.pi) * root(variance + misfit + spread**2)
        - 2 * root(variance / sympy.pi) * (1 - 1 / n)
        - 2 * spread / root(sympy.pi) * (1 - 1 / m)
    )


def _misfit_checks() -> list[Check]:
    v, tau, x = sympy.symbols("v tau2 x", positive=True)
    n, m = sympy.symbols("n N", positive=True)
    slope = sympy.diff(_table_energy(v, tau, x, n, m), x)
    checks = []
    for crowd in (2, 3, 5, 20, 100):
        best = sympy.sqrt(_best_energy_spread(v, tau, sympy.Integer(crowd)))
        says = "the slope of the expected energy distance is 0 at s_G^2 = (s_F^2 + tau2) (N-1)^2 / (N^2 + 2N - 1)"
        checks.append(
            identity(f"best spread in energy, N = {crowd}", slope.subs(m, crowd).subs(x, best), sympy.Integer(0), says)
        )
    curve = sympy.diff(slope, x) * (v + tau + x**2) ** sympy.Rational(3, 2)
    says = "the expected energy distance is convex in the spread, so that this is its least value"
    checks.append(identity("convex", curve, 2 * sympy.sqrt(2 / sympy.pi) * (v + tau), says))
    limit = sympy.limit(_best_energy_spread(v, tau, m), m, sympy.oo)
    checks.append(identity("large crowds", limit, v + tau, "s_G^2 = s_F^2 + tau2 for large N"))
    one = _best_energy_spread(v, tau, sympy.Integer(1))
    checks.append(
        identity("a crowd of one", one, sympy.Integer(0), "one answer should have no spread at all: s_G = 0 at N = 1")
    )
    return checks


# ------------------------------------------------------------------------------------------------- 5: the calculator
TABLES = (
    ("human shorter", _fractions("1 2 7/2 6"), _fractions("0 1/2 3 16/5 5")),
    ("human longer", _fractions("-1 0 1/3 2 5"), _fractions("1 3/2 4")),
    ("equally long, tied", _fractions("1 1 2 5"), _fractions("0 2 2 2")),
    ("digital wider", _fractions("2 5/2 3"), _fractions("-4 0 1 9")),
    ("small numbers", _fractions("1/100 1/50 1/20 1/30"), _fractions("1/40 1/20 1/25")),
)


def _calculator_checks() -> list[Check]:
    checks = []
    for name, y, t in TABLES:
        got, exact = distribution_error(_floats(y), _floats(t)), _exact_parts(y, t)
        pairs = [(getattr(got, field), exact[field]) for field in got.columns]
        checks.append(_equal(f"calculator, {name}", pairs, "every field equals its definition in exact arithmetic"))
    averages = [_average_check(unit) for unit in (1.0, 0.01)]
    long, short = np.array([1.0, 2.0, 4.0, 7.0, 8.0]), np.array([1.0, 2.0, 2.5, 3.0, 5.0, 4.0])
    boots = [_bootstrap_check("5 people", long, short), _bootstrap_check("3 digital people", long, short[3:])]
    boots.append(_bootstrap_check("3 people", long[2:], short))
    boots.append(_bootstrap_check("small numbers", long / 100, short[3:] / 100))
    return [*checks, *averages, *boots, *_degenerate_checks(), *_long_table_checks()]


def _long_table_checks() -> list[Check]:
    """Tables longer than the grid: block means, and the middle of the order statistics that a row stands for."""
    table = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 27.0])
    blocks = [(0 + 0.5) / 1.5, (0.5 + 4) / 1.5, (9 + 8) / 1.5, (8 + 27) / 1.5]
    pairs = list(zip(block_means(table, 4), blocks, strict=True))
    checks = [_equal("calculator, block means", pairs, "means of the quantile function over blocks of 1.5 answers")]
    draws, half = 2 * GRID, Fraction(1, 3)
    weights = order_statistic_weights(draws, 3)
    binomial, below = [], Fraction(0)  # P(at least k of the draws fall in the first third), from the binomial law
    for k in range(draws + 1):
        binomial.append(float(1 - below))
        below += math.comb(draws, k) * half**k * (1 - half) ** (draws - k)
    middle = [(binomial[2 * row + 1] + binomial[2 * row + 2]) / 2 for row in range(GRID)]
    worst = float(np.max(np.abs(weights[:, 0] - middle)))
    says = "1,024 draws: row b is midway between the order statistics 2b + 1 and 2b + 2"
    evidence = f"{len(middle)} rows, largest difference {worst:.1e}"
    checks.append(numeric("calculator, many draws", worst < 1e-3, says, evidence))
    return checks


def _degenerate_checks() -> list[Check]:
    """A side whose answers are all alike: W2^2 is the other's second moment about it, and nothing is owed to few."""
    same, spread = [0.02, 0.02, 0.02], [0.01, 0.02, 0.03, 0.06, 0.08]
    uniform, agreed = distribution_error(spread, same), distribution_error(same, spread)
    var = float(np.var(spread, ddof=1))
    pairs: list[tuple[Any, Any]] = [(uniform.sd_ratio, 0), (uniform.spread, var), (agreed.spread, var)]
    for got in (uniform, agreed):
        pairs += [
            (got.total, 4 * var / 5 + 0.02**2),
            (got.finite_n_human, 0),
            (got.finite_n_digital, 0),
            (got.shape, 0),
        ]
        pairs += [(got.location, 0.02**2 - var / 5)]
    both = distribution_error(same, same)
    pairs += [(uniform.cost_of_uniformity, var), (agreed.cost_of_uniformity, 0), (both.sd_ratio, 1)]
    pairs += [(math.atan(agreed.sd_ratio), math.pi / 2), (both.total, 0)]
    sides = np.array([same, same]), np.array([spread, spread]) * 20
    for human, digital, ratio, cost in (
        (*sides, math.inf, 0),
        (sides[0], sides[0], 1, 0),
        (*sides[::-1], 0, 400 * var),
    ):
        overall = distribution_error(human, digital).average()
        pairs += [(math.atan(overall.sd_ratio), math.atan(ratio)), (overall.cost_of_uniformity, cost)]
    wide = distribution_error(np.array([[1.0, 2, 3], [2, 3, 5]]), np.array([[1.0, 9, 3], [2, 30, 5]])).average()
    pairs += [(wide.cost_of_uniformity, 0), ((wide.lower or {})["cost_of_uniformity"], 0)]
    return [_equal("calculator, all alike", pairs, "a crowd of one mind: total = location + spread + s^2/n")]


def _average_check(unit: float) -> Check:
    human = unit * np.array([[1.0, 2, 6, 3], [0, 4, 8, 5], [2, 2, 3, 7]])
    digital = unit * np.array([[2.0, 2, 3], [1, 5, 3], [4, 4, 6.5]])
    got = distribution_error(human, digital)
    overall = got.average(level=0.9)
    quantile = 2.9199855803537269  # Student t, 2 degrees of freedom, 0.95
    v1, v2 = human.var(axis=1, ddof=1), digital.var(axis=1, ddof=1)
    best, other = math.sqrt(v1.mean()), math.sqrt(v2.mean())
    lower, upper = overall.lower or {}, overall.upper or {}
    pairs: list[tuple[Any, Any]] = [
        (overall.human_sd, best),
        (overall.digital_sd, other),
        (overall.sd_ratio, other / best),
        (overall.cost_of_uniformity, max(best - other, 0) ** 2),
    ]
    for name in ("location", "spread", "shape", "energy"):
        values = getattr(got, name)
        half = quantile * values.std(ddof=1) / math.sqrt(3)
        pairs += [(getattr(overall, name), values.mean())]
        pairs += [(lower[name], values.mean() - half), (upper[name], values.mean() + half)]
    half = quantile * np.std(0.5 * v2 / v2.mean() - 0.5 * v1 / v1.mean(), ddof=1) / math.sqrt(3)
    pairs += [(lower["sd_ratio"], other / best * math.exp(-half))]
    pairs += [(upper["sd_ratio"], other / best * math.exp(half))]
    half = quantile * np.std(0.5 * v1 / best - 0.5 * v2 / other, ddof=1) / math.sqrt(3)
    pairs += [(lower["cost_of_uniformity"], max(best - other - half, 0) ** 2)]
    pairs += [(upper["cost_of_uniformity"], max(best - other + half, 0) ** 2)]
    return _equal(
        f"calculator, average, unit {unit:g}", pairs, "means, pooled spreads and Student t bounds by delta method"
    )


def _bootstrap_check(name: str, y: np.ndarray[Any, Any], t: np.ndarray[Any, Any]) -> Check:
    """The bounds again from the same resamples; the Student t quantiles are those of 2 and 4 degrees of freedom."""
    n, m = len(y), len(t)
    few = min(n, m)
    quantile = {3: 2.9199855803537269, 5: 2.1318467863266495}[few]
    got, rng = distribution_error(y, t, level=0.9, n_boot=25, seed=3), np.random.default_rng(3)
    draws = [distribution_error(y[rng.integers(n, size=n)], t[rng.integers(m, size=m)]) for _ in range(25)]
    widen = math.sqrt(few / (few - 1)) * quantile / 1.6448536269514722
    pairs: list[tuple[Any, Any]] = []
    lower, upper = got.lower or {}, got.upper or {}
    for field in ("location", "spread", "shape", "energy", "cost_of_uniformity", "sd_ratio"):
        values = np.array([getattr(draw, field) for draw in draws])
        point = getattr(got, field)
        if field == "sd_ratio":
            low = [max(draw.digital_sd, got.digital_sd / 30) for draw in draws]
            values = np.log(np.array(low) / [max(draw.human_sd, got.human_sd / 30) for draw in draws])
        ends = widen * np.quantile(values - np.median(values), [0.05, 0.95])
        if field == "sd_ratio":
            ends = point * np.exp(ends)
        elif field == "cost_of_uniformity":
            ends = np.maximum(point + ends, 0.0)
        else:
            ends = point + ends
        pairs += [(lower[field], ends[0]), (upper[field], ends[1])]
    return _equal(f"calculator, bootstrap, {name}", pairs, "centred resamples, widened by sqrt(n/(n-1)) t / z")


def symbolic() -> list[Check]:
    """Every step of the derivation as an identity, counterexamples, and the calculator in exact numbers."""
    return [
        *_mean_checks(),
        *_profile_checks(),
        *_claim_checks(),
        *_identity_checks(),
        *_alignment_checks(),
        *_table_checks(),
        *_misfit_checks(),
        *_calculator_checks(),
    ]


# ---------------------------------------------------------------------------------------------------------- simulated
def _compare(name: str, draws: np.ndarray[Any, Any], formula: float, says: str) -> Check:
    return simulation(name, float(draws.mean()), float(draws.std() / math.sqrt(len(draws))), formula, says)


def _people(rng: np.random.Generator, sets: int, n: int, s_b: float, rho: float) -> tuple[Any, Any, Any]:
    """Human answers, digital answers, and twin-wise squared errors: s_v = 1, L2 = 0.25, L4 = 0.09, gap 0.3."""
    own = rng.normal(size=(sets, n))
    beliefs = s_b * (rho * own + math.sqrt(1 - rho**2) * rng.normal(size=(sets, n)))
    human = own + 0.5 * rng.normal(size=(sets, n))
    digital = 0.3 + beliefs + 0.3 * rng.normal(size=(sets, n))
    return human, digital, np.mean((human - digital) ** 2, axis=1)


def _kappa_uniform(n: int, m: int) -> float:
    first = [Fraction(k, n + 1) - Fraction(1, 2) for k in range(1, n + 1)]
    second = [Fraction(k, m + 1) - Fraction(1, 2) for k in range(1, m + 1)]
    return float(12 * _steps(first, second))


def simulated(seed: int = 20261122) -> list[Check]:
    """Monte Carlo of the mean's risk, of both distances and of the best spread."""
    rng = np.random.default_rng(seed)
    checks = []
    n = 12
    for s_b, rho in ((0.0, 0.0), (0.7, 0.9), (1.3, 0.2)):
        human, digital, twin = _people(rng, 20_000, n, s_b, rho)
        case = f"s_b = {s_b}, rho = {rho}"
        apart = 1 + s_b**2 - 2 * rho * s_b
        gap = (human.mean(axis=1) - digital.mean(axis=1)) ** 2
        says = "risk of the mean over profiles: gap^2 + (Var(ybar - delta) + L2 + L4)/N"
        checks.append(_compare(f"mean, {case}", gap, 0.09 + (apart + 0.34) / n, says))
        says = "twin-wise error: gap^2 + (s_v - s_b)^2 + 2 s_v s_b (1 - rho) + L2 + L4"
        checks.append(_compare(f"twins, {case}", twin, 0.09 + apart + 0.34, says))
    checks += _simulated_given_people(rng) + _simulated_tables(rng) + _simulated_misfit(rng)
    return checks


def _simulated_given_people(rng: np.random.Generator) -> list[Check]:
    """Twins all alike against twins twice as diverse as the people: L1 to L4 are the same."""
    people, noise = rng.normal(size=8), rng.normal(size=(40_000, 2, 8))
    centre, checks, risks = people.mean(), [], []
    for name, means in (("alike", np.full(8, centre)), ("diverse", centre + 2 * (people - centre))):
        gap = (people + 0.7 * noise[:, 0]).mean(axis=1) - (0.2 + means + 0.4 * noise[:, 1]).mean(axis=1)
        says = "L = (Delta - mu)^2 + (L2 + L4)/N"
        checks.append(_compare(f"given people, twins {name}", gap**2, 0.04 + 0.65 / 8, says))
        risks.append(gap**2)
        noise = rng.normal(size=(40_000, 2, 8))
    fall = risks[1] - risks[0]
    error = float(fall.std() / math.sqrt(len(fall)))
    says = "with L1 to L4 the same, the risk of the diverse crowd is less by the difference of L5"
    gain = 4 * float(people.var())
    return [
        *checks,
        simulation("published fall", float(fall.mean()), error, -gain, says, about="published", expected=False),
    ]


def _simulated_tables(rng: np.random.Generator) -> list[Check]:
    checks = []
    for n, m, ratio in ((9, 9, 0.6), (5, 40, 1.0), (12, 7, 1.5)):
        width = math.sqrt(12)
        human, digital = width * rng.random((8000, n)), 0.4 + ratio * width * (rng.random((8000, m)) - 0.5) + width / 2
        got = distribution_error(human, digital)
        case = f"n = {n}, N = {m}, ratio {ratio}"
        exact = 0.16 + (1 - ratio) ** 2 + 2 * ratio * (1 - _kappa_uniform(n, m))
        says = "uniform answers: E total = d^2 + (s1 - s2)^2 + 2 s1 s2 (1 - kappa(n, N))"
        checks.append(_compare(f"tables, {case}", got.total, exact, says))
        checks.append(_compare(f"location, {case}", got.location, 0.16, "the calculator's location is unbiased"))
    for n, m in ((6, 30), (15, 8)):
        human, digital = rng.normal(size=(8000, n)), rng.normal(0.5, 0.6, (8000, m))
        got = distribution_error(human, digital)
        scale = _normal_jackknife(n) * _normal_jackknife(m) * 0.6
        says = "normal answers: E spread = s1^2 + s2^2 - 2 E J1 E J2, J the jackknifed standard deviations"
        checks.append(_compare(f"spread, n = {n}, N = {m}", got.spread, 1.36 - 2 * scale, says))
        tau = math.sqrt(1.36)
        across = tau * math.sqrt(2 / math.pi) * math.exp(-0.125 / tau**2) + 0.5 * math.erf(0.5 / tau / math.sqrt(2))
        energy = 2 * across - 2 * 1.6 / math.sqrt(math.pi)
        checks.append(_compare(f"energy, n = {n}, N = {m}", got.energy, energy, "the calculator's energy is unbiased"))
    return checks


def _normal_jackknife(n: int) -> float:
    def c4(k: int) -> float:
        return math.sqrt(2 / (k - 1)) * math.gamma(k / 2) / math.gamma((k - 1) / 2)

    return n * c4(n) - (n - 1) * c4(n - 1)


def _simulated_misfit(rng: np.random.Generator) -> list[Check]:
    """Normal answers of variance 1, misfit of variance 0.5 over problems, N = 10: at the best spread and beside it."""
    checks = []
    best = math.sqrt(float(_best_energy_spread(1, Fraction(1, 2), 10)))
    for spread in (0.5 * best, best, 1.6 * best):
        human = rng.normal(size=(20_000, 6))
        digital = math.sqrt(0.5) * rng.normal(size=(20_000, 1)) + spread * rng.normal(size=(20_000, 10))
        got = distribution_error(human, digital).energy_total
        exact = float(_table_energy(1, sympy.Rational(1, 2), spread, 6, 10))
        says = f"expected energy distance of the tables (best spread {best:.3f})"
        checks.append(_compare(f"misfit, s_G = {spread:.3f}", got, exact, says))
    return checks


# ------------------------------------------------------------------------------------------------------------ picture
def picture(ax: Any) -> None:
    """What the spread of beliefs does: to the mean, twin by twin, to the distribution, and as published."""
    n, rho = 12, 0.5
    grid = np.linspace(0.0, 2.0, 81)
    apart = 1 + grid**2 - 2 * rho * grid
    given = np.full_like(grid, 0.09 + 0.34 / n)
    twins = 0.09 + apart + 0.34
    human, answers = math.sqrt(1.25), np.sqrt(grid**2 + 0.09)
    distribution = 0.09 + (human - answers) ** 2
    ax.plot(grid, given, color="#4C72B0", label="risk of the mean, given people (exact)")
    ax.plot(grid, distribution, color="#55A868", label="W2^2 of the answers' distribution (exact)")
    ax.plot(grid, twins, color="#8172B2", label="twin-wise error (exact)")
    ax.plot(grid, given[0] - grid**2, "--", color="#C44E52", label="risk of the mean if L5 came off it (published)")
    rng = np.random.default_rng(1)
    for s_b in (0.0, 0.5, 1.0, 1.5, 2.0):
        people, crowd, twin = _people(rng, 400, n, s_b, rho)
        law = distribution_error(people.ravel(), crowd.ravel())
        noise = 0.5 * rng.normal(size=(4000, n)) - 0.3 * rng.normal(size=(4000, n))
        mean = float(np.mean((noise.mean(axis=1) - 0.3) ** 2))  # the people's and the beliefs' means held 0.3 apart
        for value, colour in ((twin.mean(), "#8172B2"), (law.total, "#55A868"), (mean, "#4C72B0")):
            ax.plot(s_b, value, "o", color=colour, markersize=4)
    ax.axvline(math.sqrt(1.25 - 0.09), color="#55A868", linewidth=0.8, linestyle=":")
    ax.axvline(rho, color="#8172B2", linewidth=0.8, linestyle=":")
    ax.set_ylim(-1.5, 4.0)
    ax.set_xlabel("spread of the beliefs s_b (s_v = 1, alignment 0.5, L2 = 0.25, etat^2 = 0.09, gap 0.3)")
    ax.set_ylabel("squared answer units")
    ax.legend(frameon=False, fontsize=7)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

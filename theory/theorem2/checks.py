"""Theorem 2 and Lemma 8.1: the risk decomposition, as published and exact, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational, Symbol

from crowdllm_stats.inference.risk_average import average_over_problems
from crowdllm_stats.inference.theorem2_risk import RiskDecomposition, risk_decomposition
from crowdllm_stats.verify import (
    Check,
    Statement,
    counterexample,
    enumeration,
    fields_agree,
    identity,
    numeric,
    simulation,
)
from crowdllm_stats.verify.algebra import all_answers, average, expectation, ring_mean, same

STATEMENT = Statement(
    name="theorem2",
    title="Theorem 2 (HTML: Theorem 4.2) with Lemma 8.1: risk decomposition of the digital crowd",
    published="L = L1 + L2 + L3 + L4 - L5",
    verdict="fails",
    exact="L = L1 - (1 - 2/N) L2 + L3 + L4 - L5 + 2 X; the published sum is right exactly where X = (1 - 1/N) L2",
)

#: The population of the Monte Carlo check: ybar_i ~ N(0, 1), ytbar_i = SHIFT + SLOPE ybar_i + N(0, OWN^2).
SHIFT, SLOPE, OWN, HUMAN_SD, DIGITAL_SD = 0.2, 0.6, 0.4, 0.7, 0.5

Numbers = dict[str, Fraction]


# ---------------------------------------------------------------------------------------------------- the symbols
class _Crowd:
    """N people and twins with symbolic means and unequal noise variances, in one ring of polynomials."""

    def __init__(self, n: int, *more: str) -> None:
        self.n = n
        names = [f"{letter}{i}" for letter in "abefsr" for i in range(1, n + 1)]
        self.ring, *variables = sympy.ring(names + list(more), sympy.QQ)
        self.more = variables[6 * n :]
        self.means_y, self.means_t, self.noise_y, self.noise_t, self.var_y, self.var_t = (
            variables[i * n : (i + 1) * n] for i in range(6)
        )
        self.variances = dict(zip(self.noise_y + self.noise_t, self.var_y + self.var_t, strict=True))
        self.y = [m + e for m, e in zip(self.means_y, self.noise_y, strict=True)]

    def expect(self, expression: Any) -> Any:
        return expectation(expression, self.variances)

    def parts(self, means_t: Sequence[Any] | None = None) -> dict[str, Any]:
        """L, L1 to L5 and X by their definitions; ``means_t`` may themselves be random."""
        means = self.means_t if means_t is None else means_t
        twins = [m + f for m, f in zip(means, self.noise_t, strict=True)]
        crowd_y, crowd_t = ring_mean(self.y), ring_mean(twins)
        pairs = list(zip(self.means_y, means, strict=True))
        return {
            "L": self.expect((crowd_y - crowd_t) ** 2),
            "L1": self.expect(ring_mean((crowd_y - y) ** 2 for y in self.y)),
            "L2": ring_mean(self.var_y),
            "L3": self.expect(ring_mean((a - b) ** 2 for a, b in pairs)),
            "L4": ring_mean(self.var_t),
            "L5": self.expect(ring_mean((crowd_t - t) ** 2 for t in twins)),
            "X": self.expect(ring_mean((crowd_y - a) * (a - b) for a, b in pairs)),
        }


def _exact(p: Mapping[str, Any], n: Any) -> Any:
    shrink = 1 - 2 / n if isinstance(n, Symbol) else sympy.QQ(n - 2, n)
    return p["L1"] - p["L2"] * shrink + p["L3"] + p["L4"] - p["L5"] + 2 * p["X"]


def _published(p: Mapping[str, Any]) -> Any:
    return p["L1"] + p["L2"] + p["L3"] + p["L4"] - p["L5"]


# ------------------------------------------------------------------------------------------ steps of the derivation
def _steps(n: int) -> list[Check]:
    c = _Crowd(n)
    p, mean = c.parts(), ring_mean
    twins = [m + f for m, f in zip(c.means_t, c.noise_t, strict=True)]
    crowd_y, crowd_t = mean(c.y), mean(twins)
    rows = list(zip(c.y, twins, c.means_y, c.means_t, strict=True))
    first = c.expect(mean((crowd_y - t) ** 2 for t in twins))
    second = c.expect(mean((crowd_y - b) ** 2 for b in c.means_t))
    about_means = c.expect(mean((crowd_y - a) ** 2 for a in c.means_y))
    cross = c.expect(mean((crowd_y - y) * (y - a) for y, _, a, _ in rows))
    crowd_a, crowd_b = mean(c.means_y), mean(c.means_t)
    cov, var = mean(a * b for _, _, a, b in rows) - crowd_a * crowd_b, mean(a**2 for a in c.means_y) - crowd_a**2
    var_t = mean(b**2 for b in c.means_t) - crowd_b**2
    noisy = c.expect(mean(y * t for y, t, _, _ in rows) - crowd_y * crowd_t - mean(y**2 for y in c.y) + crowd_y**2)
    single, shrink, double = sympy.QQ(1, n), sympy.QQ(n - 1, n), sympy.QQ(n - 2, n)
    one = [c.expect((crowd_y - y) ** 2 - (crowd_y - a) ** 2) - s * double
           for (y, _, a, _), s in zip(rows, c.var_y, strict=True)]  # fmt: skip
    wrong = next((residual for residual in one if residual != 0), c.ring.zero)
    published = p["L1"] + p["L2"] + p["L3"] + p["L4"] - p["L5"]
    tag = f"N={n}"
    return [
        same(f"Lemma 8.1, {tag}", (crowd_y - crowd_t) ** 2,
              mean((crowd_y - t) ** 2 for t in twins) - mean((crowd_t - t) ** 2 for t in twins),
              "(ybar - yt)^2 = mean_i (ybar - yt_i)^2 - mean_i (yt - yt_i)^2"),
        same(f"twins' noise, {tag}", first, second + p["L4"],
              "E mean_i (ybar - yt_i)^2 = E mean_i (ybar - ytbar_i)^2 + L4"),
        same(f"step 1, {tag}", second, about_means + p["L3"] + 2 * p["X"],
              "E mean_i (ybar - ytbar_i)^2 = E mean_i (ybar - ybar_i)^2 + L3 + 2 X (the paper drops 2 X)"),
        same(f"step 2, one person, {tag}", wrong, c.ring.zero,
              "E (ybar - y_i)^2 = E (ybar - ybar_i)^2 + (1 - 2/N) eta_i^2 for every i"),
        same(f"step 2, cross term, {tag}", cross, -p["L2"] * shrink,
              "E mean_i (ybar - y_i)(y_i - ybar_i) = -(1 - 1/N) L2 (the paper takes it as 0)"),
        same(f"step 2, {tag}", about_means, p["L1"] - p["L2"] * double,
              "E mean_i (ybar - ybar_i)^2 = L1 - (1 - 2/N) L2"),
        same(f"decomposition, {tag}", p["L"], _exact(p, n), STATEMENT.exact.split(";")[0]),
        same(f"excess of the published sum, {tag}", published - p["L"], 2 * p["L2"] * shrink - 2 * p["X"],
              "published - L = 2 (1 - 1/N) L2 - 2 X"),
        same(f"X, {tag}", p["X"], cov - var, "X = Cov_i(ybar_i, ytbar_i) - Var_i(ybar_i)"),
        same(f"X from noisy answers, {tag}", noisy, p["X"] - p["L2"] * shrink,
              "E [Cov_i(y_i, yt_i) - Var_i(y_i)] = X - (1 - 1/N) L2"),
        same(f"given people, {tag}", p["L"], (crowd_a - crowd_b) ** 2 + (p["L2"] + p["L4"]) * single,
              "L = (Delta - mu)^2 + L2/N + L4/N"),
        same(f"L1, {tag}", p["L1"], var + p["L2"] * shrink, "L1 = Var_i(ybar_i) + (1 - 1/N) L2"),
        same(f"L3, {tag}", p["L3"], var + var_t - 2 * cov + (crowd_a - crowd_b) ** 2,
              "L3 = Var_i(ybar_i) + Var_i(ytbar_i) - 2 Cov_i(ybar_i, ytbar_i) + (Delta - mu)^2"),
        same(f"L5, {tag}", p["L5"], var_t + p["L4"] * shrink, "L5 = Var_i(ytbar_i) + (1 - 1/N) L4"),
    ]  # fmt: skip


def _general_n() -> list[Check]:
    """The same with N a symbol, from the sums that do not depend on the single people."""
    n, va, vb, cov, gap, l2, l4 = sympy.symbols("N Va Vb C g L2 L4")
    p = {"L": gap**2 + l2 / n + l4 / n, "L1": va + (1 - 1 / n) * l2, "L2": l2, "L3": va + vb - 2 * cov + gap**2,
         "L4": l4, "L5": vb + (1 - 1 / n) * l4, "X": cov - va}  # fmt: skip
    excess = _published(p) - p["L"]
    solved = sympy.solve(sympy.Eq(excess, 0), cov)
    return [
        identity("decomposition, every N", p["L"], _exact(p, n), STATEMENT.exact.split(";")[0]),
        identity("excess of the published sum, every N", excess, 2 * (1 - 1 / n) * l2 - 2 * p["X"],
                 "published - L = 2 (1 - 1/N) L2 - 2 X"),
        identity("where the published sum is right", solved[0] - va, (1 - 1 / n) * l2,
                 "published = L exactly where X = (1 - 1/N) L2"),
        identity("where the published sum is right: one root", sympy.Integer(len(solved)), sympy.Integer(1),
                 "and nowhere else"),
    ]  # fmt: skip


def _random_beliefs(n: int) -> list[Check]:
    """Twins' means b_i + g_i Z + w_i: a shared and an own random part (the generator's training)."""
    names = [f"{letter}{i}" for letter in "gwv" for i in range(1, n + 1)]
    c = _Crowd(n, "Z", *names)
    shared, loads, own, own_var = c.more[0], c.more[1 : n + 1], c.more[n + 1 : 2 * n + 1], c.more[2 * n + 1 :]
    c.variances |= {shared: c.ring.one, **dict(zip(own, own_var, strict=True))}
    p = c.parts([b + g * shared + w for b, g, w in zip(c.means_t, loads, own, strict=True)])
    single = sympy.QQ(1, n)
    wobble = ring_mean(loads) ** 2 + ring_mean(own_var) * single
    gap = ring_mean(c.means_y) - ring_mean(c.means_t)
    return [
        same(f"random beliefs: decomposition, N={n}", p["L"], _exact(p, n), "the same identity, averaged over D"),
        same(f"random beliefs: given people, N={n}", p["L"], gap**2 + (p["L2"] + p["L4"]) * single + wobble,
              "L = (Delta - mu)^2 + L2/N + L4/N + Var(belief mean)"),
    ]  # fmt: skip


def _trained_on_these(n: int) -> list[Check]:
    """Twins' means that depend on the very answers y_i: b_i + sum_j g_ij e_j."""
    c = _Crowd(n, *(f"g{i}_{j}" for i in range(n) for j in range(n)))
    means_t = [b + sum(g * e for g, e in zip(c.more[i * n : (i + 1) * n], c.noise_y, strict=True))
               for i, b in enumerate(c.means_t)]  # fmt: skip
    p = c.parts(means_t)
    shared = c.expect(ring_mean(c.noise_y) * ring_mean(means_t))
    return [
        same(f"trained on these answers: decomposition, N={n}", p["L"], _exact(p, n),
              "the identity stands with X by its definition"),
        same(f"trained on these answers: X, N={n}", p["X"], c.parts()["X"] - shared,
              "X = Cov_i - Var_i - Cov(mean_i e_i, yt)"),
    ]  # fmt: skip


def _over_profiles(n: int) -> Check:
    """Independent, identically distributed pairs (ybar_i, delta_i) from T: ybar_i - y_ref - delta_i = m + e_i."""
    c = _Crowd(n, "m", "V")
    mean, variance = c.more
    c.variances = dict.fromkeys(c.noise_y, variance)
    return same(
        f"over profiles, N={n}",
        c.expect(ring_mean(mean + e for e in c.noise_y) ** 2),
        mean**2 + variance * sympy.QQ(1, n),
        "E (Delta - mu)^2 = (E Delta - E mu)^2 + Var_T(ybar_i - delta_i)/N",
    )


# --------------------------------------------------------------------------------- a population in rational numbers
Finite = tuple[Sequence[Fraction], Sequence[Fraction], list[list[Fraction]], list[list[Fraction]]]


def _finite() -> Finite:
    """Three people and twins; skewed three-point human noises, two-point digital ones, all unequal."""
    third = [Fraction(-1), Fraction(-1), Fraction(2)]
    means_y = [Fraction(1, 2), Fraction(3), Fraction(-5, 3)]
    means_t = [Fraction(1), Fraction(7, 4), Fraction(-2)]
    noise_y = [[scale * z for z in third] for scale in (Fraction(1, 2), Fraction(3, 4), Fraction(2, 3))]
    noise_t = [[-scale, scale] for scale in (Fraction(1, 3), Fraction(4, 5), Fraction(3, 2))]
    return means_y, means_t, noise_y, noise_t


def _by_definition(population: Finite) -> Numbers:
    """Every part by its definition: all outcomes of a finite probability space, in exact fractions."""
    means_y, means_t, noise_y, noise_t = population
    people, twins = all_answers(means_y, noise_y), all_answers(means_t, noise_t)
    pairs = list(zip(means_y, means_t, strict=True))
    return {
        "L": average((average(y) - average(t)) ** 2 for y in people for t in twins),
        "L1": average(average((average(y) - one) ** 2 for one in y) for y in people),
        "L2": average(average(e * e for e in each) for each in noise_y),
        "L3": average((a - b) ** 2 for a, b in pairs),
        "L4": average(average(f * f for f in each) for each in noise_t),
        "L5": average(average((average(t) - one) ** 2 for one in t) for t in twins),
        "X": average(average((average(y) - a) * (a - b) for a, b in pairs) for y in people),
    }


def _sum_exact(p: Numbers, n: int) -> Fraction:
    return p["L1"] - (1 - Fraction(2, n)) * p["L2"] + p["L3"] + p["L4"] - p["L5"] + 2 * p["X"]


def _sum_published(p: Numbers) -> Fraction:
    return p["L1"] + p["L2"] + p["L3"] + p["L4"] - p["L5"]


def _targets(p: Numbers, n: int) -> Numbers:
    """What the calculator's fields must be."""
    return {**{k: p[k] for k in ("L", "L1", "L2", "L3", "L4", "L5")}, "alignment": p["X"],
            "exact": _sum_exact(p, n), "published": _sum_published(p)}  # fmt: skip


def _still(means: Sequence[int | Fraction]) -> tuple[list[Fraction], list[list[Fraction]]]:
    """People without noise."""
    return [Fraction(m) for m in means], [[Fraction(0)] for _ in means]


def _counterexamples() -> list[Check]:
    zero_one, none = _still([0, 2])
    twins, quiet = _still([1, 1])
    unaligned = _by_definition((zero_one, twins, none, quiet))
    coin = [[Fraction(-1), Fraction(1)]] * 2
    same, _ = _still([0, 0])
    perfect = _by_definition((same, same, coin, none))
    generic = _by_definition(_finite())
    checks = [
        counterexample(
            "dropped cross term", _sum_published(unaligned) == unaligned["L"], STATEMENT.published,
            f"N = 2, no noise, ybar = (0, 2), ytbar = (1, 1): L = {unaligned['L']}, "
            f"published {_sum_published(unaligned)} (X = {unaligned['X']})",
        ),
        counterexample(
            "wrong sign of L2", _sum_published(perfect) == perfect["L"], STATEMENT.published,
            f"N = 2, all means 0, e_i = +-1, perfect twins: L = {perfect['L']}, published {_sum_published(perfect)}"
            f" (X = {perfect['X']}, L2 = {perfect['L2']})",
        ),
        counterexample(
            "generic crowd", _sum_published(generic) == generic["L"], STATEMENT.published,
            f"three people, all 27 x 8 outcomes: L = {generic['L']}, published {_sum_published(generic)}",
        ),
    ]  # fmt: skip
    flips = list(product((Fraction(-1), Fraction(1)), repeat=2))  # yt_i = y_i = e_i: no gap, no X, L3 = 0
    spread = average(average((average(y) - one) ** 2 for one in y) for y in flips)
    zero = Fraction(0)
    copied = _sum_exact({"L1": spread, "L2": Fraction(1), "L3": zero, "L4": Fraction(1), "L5": spread, "X": zero}, 2)
    checks.append(
        counterexample(
            "twins that repeat the noise", copied == 0,
            "the decomposition needs no independence of the twins' noise from the humans'",
            f"N = 2, yt_i = y_i with e_i = +-1 on both sides: L = 0, the exact sum is {copied}",
        )
    )  # fmt: skip
    checks += [
        enumeration(f"exact sum, {name}", _sum_exact(p, n) == p["L"], STATEMENT.exact.split(";")[0],
                f"L = {p['L']}, sum = {_sum_exact(p, n)}")
        for name, p, n in (("unaligned", unaligned, 2), ("perfect twins", perfect, 2), ("generic crowd", generic, 3))
    ]  # fmt: skip
    matched, _ = _still([0, 1])
    twice, quiet = _still([-1, 2])  # slope 3: Cov_i = 3/4, Var_i = 1/4, X = 1/2 = (1 - 1/2) L2 with eta_i = 1
    lucky = _by_definition((matched, twice, coin, quiet))
    checks.append(
        Check("published sum where X = (1 - 1/N) L2", "numeric", "published",
              "published = L if X = (1 - 1/N) L2", _sum_published(lucky) == lucky["L"], True,
              f"N = 2, ybar = (0, 1), ytbar = (-1, 2), e_i = +-1: L = {lucky['L']} = published")
    )  # fmt: skip
    return checks


# -------------------------------------------------------------------------------------------------- the calculators


def _means(result: RiskDecomposition) -> dict[str, float]:
    return {name: float(np.mean(value)) for name, value in result.components().items() if value is not None}


def _floats(answers: Any) -> np.ndarray:
    return np.array(answers, dtype=np.float64)


def _calculator() -> list[Check]:
    population = _finite()
    means_y, means_t, noise_y, noise_t = population
    exact = _targets(_by_definition(population), 3)
    people, twins = _floats(all_answers(means_y, noise_y)), _floats(all_answers(means_t, noise_t))
    var_y = [float(average(e * e for e in each)) for each in noise_y]
    var_t = [float(average(f * f for f in each)) for each in noise_t]
    whole = risk_decomposition(people, twins, human_noise_var=var_y, digital_noise_var=var_t)
    far = risk_decomposition(people + 1000.0, twins + 1000.0, human_noise_var=var_y, digital_noise_var=var_t)
    turned = risk_decomposition(people.T, twins.T, human_noise_var=var_y, digital_noise_var=var_t,
                                axis_replicate=1, axis_person=0)  # fmt: skip
    # all data sets of two replicates a side: the mean of an unbiased estimate is the quantity itself
    two_y, two_t = _floats(list(product(people, repeat=2))), _floats(list(product(twins, repeat=2)))
    many_y = np.repeat(two_y, len(two_t), axis=0)
    many_t = np.tile(two_t, (len(two_y), 1, 1))
    unbiased = risk_decomposition(many_y, many_t)
    once = risk_decomposition(np.repeat(people, len(twins), axis=0), np.tile(twins, (len(people), 1)),
                              axis_replicate=None)  # fmt: skip
    alone = {name: exact[name] for name in ("L", "L1", "L5", "exact", "published")}
    says = "risk_decomposition returns the exact numbers"
    return [
        fields_agree("calculator: whole probability space", whole.components(), exact, says,
                kind="exact enumeration"),
        fields_agree("calculator: far from 0", far.components(), exact, f"{says} (answers near 1000)"),
        fields_agree("calculator: other axes", turned.components(), exact, f"{says} (axes named)"),
        fields_agree("calculator: unbiased with replicates", _means(unbiased), exact,
                "mean over all 46,656 data sets of 2 + 2 replicates = the quantity",
                kind="exact enumeration"),
        fields_agree("calculator: unbiased without replicates", _means(once), alone,
                "mean over all 216 data sets of one answer each = the quantity",
                kind="exact enumeration"),
        _batch_check(),
        _flag_check(),
        _bootstrap_check(),
        *_average_check(),
    ]  # fmt: skip


def _batch_check() -> Check:
    """Problems on two leading axes give what each gives alone, with and without known noise."""
    rng = np.random.default_rng(2)
    y, t, known = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 6, 5)), rng.uniform(size=(2, 3, 5))
    off = 0.0
    for noise in (None, known):
        whole = risk_decomposition(y, t, human_noise_var=noise, n_boot=20, seed=4)
        for at in product(range(2), range(3)):
            alone = risk_decomposition(
                y[at], t[at], human_noise_var=None if noise is None else noise[at], n_boot=20, seed=4
            )
            for name, value in alone.components().items():
                assert whole.lower is not None
                assert alone.lower is not None
                off = max(off, abs(whole.components()[name][at] - value))
                off = max(off, abs(whole.lower[name][at] - alone.lower[name]))
    return numeric("calculator: a batch of problems", off <= 1e-10, "a batch gives each problem's own numbers",
                f"largest difference {off:.1e}")  # fmt: skip


def _flag_check() -> Check:
    """People all noise, twins at their mean: L3 is estimated below zero; everything equal: it is 0, no flag."""
    zero = np.zeros((2, 2))
    result = risk_decomposition(np.array([[[0.0, 2.0], [2.0, 0.0]], zero]), np.array([zero + 1.0, zero]))
    flags = {name: list(np.asarray(mask)) for name, mask in result.flags.items()}
    ok = len(flags) == 1 and next(iter(flags)).startswith("L3") and next(iter(flags.values())) == [True, False]
    sizes = risk_decomposition(np.zeros((3, 4)), np.zeros((5, 4)))
    ok = ok and (sizes.n_human_replicates, sizes.n_digital_replicates, sizes.n_person) == (3, 5, 4)
    holds = ok and list(result.L3) == [-1.0, 0.0]
    says = "an estimate below zero is flagged, 0 is not; sizes are those given"
    return numeric("calculator: flags", holds, says, f"{flags}")  # fmt: skip


def _average_check() -> list[Check]:
    """Student's t with 2 degrees of freedom has the closed quantile (2p - 1)/sqrt(2 p (1 - p))."""
    values = {"L": np.array([1.0, 2.0, 6.0]), "L2": None}
    mean, spread, p = Rational(3), sympy.sqrt(7), Rational(4, 5)
    reach = (2 * p - 1) / sympy.sqrt(2 * p * (1 - p)) * spread / sympy.sqrt(3)
    result = average_over_problems(values, 0.6)
    pair = risk_decomposition([[1.0, 3.0, 2.0], [0.0, 5.0, 1.0]], [[2.0, 2.0, 3.0], [1.0, 2.0, 0.0]], level=0.6,
                              axis_replicate=None).average()  # fmt: skip
    gaps = [Rational(-1, 3) ** 2, Rational(1) ** 2]
    centre = sum(gaps) / 2
    half = sympy.tan(sympy.pi * (p - Rational(1, 2))) * abs(gaps[0] - gaps[1]) / 2  # 1 degree of freedom: Cauchy
    names = {"mean": result.mean["L"], "lower": result.lower["L"], "upper": result.upper["L"]}
    two = {"mean": pair.mean["L"], "lower": pair.lower["L"], "upper": pair.upper["L"]}
    return [
        fields_agree("average over problems", names, {"mean": mean, "lower": mean - reach, "upper": mean + reach},
                "mean +- t s / sqrt(P), t in closed form (2 degrees of freedom)"),
        fields_agree("average of a decomposition", two,
                {"mean": centre, "lower": centre - half, "upper": centre + half},
                "the decomposition's own level; t in closed form (1 degree of freedom)"),
        numeric("average: what is left out", list(result.mean) == ["L"] and result.n_problems == 3,
                "a part that is not identifiable has no mean", f"means {result.mean}"),
    ]  # fmt: skip


def _bootstrap_check() -> Check:
    """The bootstrap bounds from their definition: people repeated, parts of the repeated crowd, spread widened."""
    from scipy.stats import norm
    from scipy.stats import t as student

    rng = np.random.default_rng(5)
    n, level, times = 4, 0.8, 40
    y, t = rng.normal(size=(2, n)) + np.arange(n), rng.normal(size=(3, n)) + 0.5 * np.arange(n)
    result = risk_decomposition(y, t, level=level, n_boot=times, seed=11)
    counts = np.random.default_rng(11).multinomial(n, np.full(n, 1 / n), size=times)
    draws: dict[str, list[float]] = {}
    for count in counts:
        index = np.repeat(np.arange(n), count)
        for name, value in _plain_parts(y[:, index], t[:, index]).items():
            draws.setdefault(name, []).append(value)
    point = _plain_parts(y, t)
    # t / z of the upper tail, times sqrt(N / (N - 1))
    widen = math.sqrt(n / (n - 1)) * student.ppf(0.5 + level / 2, n - 1) / norm.ppf(0.5 + level / 2)
    computed, expected = {}, {}
    for name, values in draws.items():
        ends = np.quantile(np.array(values) - np.mean(values), [0.5 - level / 2, 0.5 + level / 2]) * widen + point[name]
        floor = -math.inf if name in ("alignment", "published") else 0.0
        for side, bounds, end in (("lower", result.lower, ends[0]), ("upper", result.upper, ends[1])):
            assert bounds is not None
            computed[f"{name} {side}"], expected[f"{name} {side}"] = bounds[name], max(float(end), floor)
    return fields_agree(
        "calculator: bootstrap", computed, expected, "bounds = estimate + widened spread of the resamples"
    )


def _plain_parts(y: np.ndarray, t: np.ndarray) -> dict[str, float]:
    """The estimates written out as plain averages over all pairs of replicates."""
    n = y.shape[1]
    l2, l4 = float(y.var(axis=0, ddof=1).mean()), float(t.var(axis=0, ddof=1).mean())
    pairs = list(product(y, t))
    l1 = float(np.mean([np.var(one) for one in y]))
    l5 = float(np.mean([np.var(one) for one in t]))
    l3 = float(np.mean([np.mean((a - b) ** 2) for a, b in pairs])) - l2 - l4
    cov = float(np.mean([np.mean(a * b) - a.mean() * b.mean() for a, b in pairs]))
    x = cov - l1 + (1 - 1 / n) * l2
    return {"L": float(np.mean([(a.mean() - b.mean()) ** 2 for a, b in pairs])), "L1": l1, "L2": l2, "L3": l3,
            "L4": l4, "L5": l5, "alignment": x, "exact": l1 - (1 - 2 / n) * l2 + l3 + l4 - l5 + 2 * x,
            "published": l1 + l2 + l3 + l4 - l5}  # fmt: skip


def symbolic() -> list[Check]:
    """Every step of the derivation for N = 2..8 and for a symbolic N, the counterexamples, the calculator."""
    checks = [check for n in range(2, 9) for check in _steps(n)]
    checks += _general_n()
    checks += [check for n in (2, 3, 5) for check in _random_beliefs(n)]
    checks += [check for n in (2, 3) for check in _trained_on_these(n)]
    checks += [_over_profiles(n) for n in range(2, 9)]
    return checks + _counterexamples() + _calculator()


# ------------------------------------------------------------------------------------------------------- simulation
def _draw(rng: np.random.Generator, crowds: int, n: int, repeats: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Answers of fresh people and their twins, shape (crowds, repeats, n)."""
    means = rng.normal(size=(crowds, 1, n))
    twins = SHIFT + SLOPE * means + OWN * rng.normal(size=means.shape)
    return (means + HUMAN_SD * rng.normal(size=(crowds, repeats, n)),
            twins + DIGITAL_SD * rng.normal(size=(crowds, repeats, n)))  # fmt: skip


def _population(n: int) -> dict[str, float]:
    """The parts over profiles, in closed form."""
    shrink = 1 - 1 / n
    l2, l4 = HUMAN_SD**2, DIGITAL_SD**2
    spread_t = SLOPE**2 + OWN**2
    apart = (1 - SLOPE) ** 2 + OWN**2
    p = {"L": SHIFT**2 + (apart + l2 + l4) / n, "L1": shrink * (1 + l2), "L2": l2, "L3": SHIFT**2 + apart, "L4": l4,
         "L5": shrink * (spread_t + l4), "alignment": shrink * (SLOPE - 1)}  # fmt: skip
    p["published"] = p["L1"] + l2 + p["L3"] + l4 - p["L5"]
    p["exact"] = p["L1"] - (1 - 2 / n) * l2 + p["L3"] + l4 - p["L5"] + 2 * p["alignment"]
    return p


def simulated(seed: int = 20261122) -> list[Check]:
    """Fresh people each time: the calculator's parts against the closed forms, L against both sums."""
    rng = np.random.default_rng(seed)
    n, crowds = 20, 30_000
    result = risk_decomposition(*_draw(rng, crowds, n, repeats=2))
    formula = _population(n)
    parts = {name: (float(np.mean(v)), float(np.std(v, ddof=1)) / math.sqrt(crowds))
             for name, v in result.components().items()}  # fmt: skip
    checks = [
        simulation(f"{name}, N={n}", *parts[name], formula[name], f"{name} over profiles, closed form")
        for name in ("L1", "L2", "L3", "L4", "L5", "alignment", "published")
    ]
    checks += [
        simulation("L against the exact sum", *parts["L"], formula["exact"], STATEMENT.exact.split(";")[0]),
        simulation("L against the published sum", *parts["L"], formula["published"], STATEMENT.published,
                   about="published", expected=False),
    ]  # fmt: skip
    for few in (2, 5):
        y, t = _draw(rng, crowds, few)
        risk = np.asarray(risk_decomposition(y, t).L)
        checks.append(
            simulation(f"L, N={few}", float(risk.mean()), float(risk.std(ddof=1)) / math.sqrt(crowds),
                       _population(few)["L"], "L = (E Delta - E mu)^2 + (Var_T(ybar_i - delta_i) + L2 + L4)/N")
        )  # fmt: skip
    return checks


def picture(ax: Any) -> None:
    """Risk against the crowd's size: published sum, exact sum, simulated."""
    sizes = np.arange(2, 61)
    ax.plot(sizes, [_population(int(n))["published"] for n in sizes], color="tab:red", label="published sum")
    ax.plot(sizes, [_population(int(n))["exact"] for n in sizes], color="tab:blue", label="exact sum")
    rng = np.random.default_rng(20261122)
    for n in (2, 3, 5, 10, 20, 40, 60):
        y, t = _draw(rng, 4000, n)
        risk = np.asarray(risk_decomposition(y, t).L)
        ax.errorbar(n, risk.mean(), yerr=2 * risk.std(ddof=1) / math.sqrt(risk.size), fmt="o", color="black",
                    markersize=4, label="simulated L (2 se)" if n == 2 else None)  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks([2, 5, 10, 20, 60], ["2", "5", "10", "20", "60"])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    ax.set_xlabel("people N")
    ax.set_ylabel("risk L (squared answer units)")
    ax.set_title("Theorem 2: risk of the crowd's mean")
    ax.legend(frameon=False)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

"""Theorem 3: the safe interval, as published and exact, with the exact region where the published one is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import sympy
from scipy import stats
from sympy import Rational

from crowdllm_stats.inference.proposition1_llm_risk import llm_risk
from crowdllm_stats.inference.theorem2_risk import risk_decomposition
from crowdllm_stats.inference.theorem3_safe_decision import SafeDecision, safe_decision
from crowdllm_stats.inference.theorem3_safe_interval import published_half_width, safe_interval, safety_margin
from crowdllm_stats.verify import Check, Statement, counterexample, fields_agree, identity, numeric, simulation
from crowdllm_stats.verify.algebra import average, expectation, ring_mean, same

STATEMENT = Statement(
    name="theorem3",
    title="Theorem 3 (HTML: Theorem 4.4): the safe interval of the mean belief",
    published="L <= L' wherever |mu - Delta| <= h and |Delta| <= kappa",
    verdict="fails",
    exact="L - L' = mu (mu - 2 Delta) - c, c = eta - eta_ref - etat^2/N - Var(belief mean): L <= L' exactly where "
    "(mu - Delta)^2 <= Delta^2 + c",
)
EXACT = STATEMENT.exact.split(":")[0]


# ---------------------------------------------------------------------------------- the published interval, exactly
def _total(n: int, eps2: Fraction, eta: Fraction) -> Fraction:
    """S = (N - 2) eps2 + N eta."""
    return (n - 2) * eps2 + n * eta


def _needed(radius: Fraction, n: int, k: Fraction) -> Fraction:
    """The S at which h equals ``radius``: radius <= h exactly where this is at most S. No root is taken."""
    if (n - 2) * radius < 2 * k:
        return n * n * radius * radius / 2
    return 2 * ((n - 1) * radius - k) * (radius + k)


def _promised(mu: Fraction, delta: Fraction, n: int, eps2: Fraction, eta: Fraction, k: Fraction) -> bool:
    """Whether mu lies in the published interval, ends included."""
    return _needed(abs(mu - delta), n, k) <= _total(n, eps2, eta)


def _right_at_mean(n: int, eps2: Fraction, eta: Fraction, k: Fraction, mu: Fraction, c: Fraction) -> bool:
    """Region 1: the promise is kept at this mu for every admissible Delta (|Delta| <= k, |mu - Delta| <= h)."""
    m, total = abs(mu), _total(n, eps2, eta)
    if m > k and _needed(m - k, n, k) > total:  # h < m - k: no admissible Delta
        return True
    if m == 0 or m * m + 2 * k * m <= c:
        return c >= 0
    edge = (c + m * m) / (2 * m)
    return edge >= 0 and total <= _needed(edge, n, k)  # h <= edge


# ------------------------------------------------------------------------------------------ steps of the derivation
class _Crowd:
    """N people, twins with random beliefs, the LLM's answers: one ring of polynomials."""

    def __init__(self, n: int, answers: int, *more: str) -> None:
        names = [f"{letter}{i}" for letter in "aesdwvfrg" for i in range(1, n + 1)]
        own = [f"p{i}_{j}" for i in range(n) for j in range(answers)]
        shared = [f"q{j}" for j in range(answers)]
        self.n, self.answers = n, answers
        self.ring, *variables = sympy.ring([*names, *own, *shared, "ref", "eta", "phi", "Z", *more], sympy.QQ)
        groups = [variables[i * n : (i + 1) * n] for i in range(9)]
        self.means, self.noise, var, self.beliefs, wobble, var_d, self.noise_t, self.var_t, loads = groups
        self.own = [variables[9 * n + i * answers : 9 * n + (i + 1) * answers] for i in range(n)]
        rest = variables[9 * n + n * answers :]
        self.shared, (self.ref, self.eta, self.phi, common), self.more = (
            rest[:answers], rest[answers : answers + 4], rest[answers + 4 :])  # fmt: skip
        self.random = [d + g * common + w for d, g, w in zip(self.beliefs, loads, wobble, strict=True)]
        self.independent = [d + w for d, w in zip(self.beliefs, wobble, strict=True)]
        self.var_beliefs, self.loads = var_d, loads
        llm = [self.phi, *self.shared, *(p for each in self.own for p in each)]
        self.variances = {
            **dict(zip(self.noise + wobble + self.noise_t, var + var_d + self.var_t, strict=True)),
            **dict.fromkeys(llm, self.eta), common: self.ring.one,
        }  # fmt: skip
        self.crowd = ring_mean(a + e for a, e in zip(self.means, self.noise, strict=True))
        self.delta = ring_mean(self.means) - self.ref
        self.mu = ring_mean(self.beliefs)

    def expect(self, expression: Any) -> Any:
        return expectation(expression, self.variances)

    def twins(self, beliefs: Sequence[Any], references: Sequence[Any]) -> list[Any]:
        return [r + d + f for r, d, f in zip(references, beliefs, self.noise_t, strict=True)]


def _exact_condition(n: int, answers: int) -> list[Check]:
    """L - L' for the three ways in which a reference enters, random and correlated beliefs, unequal noises."""
    c = _Crowd(n, answers)
    one, tag = sympy.QQ(1, n), f"N={n}, K={answers}"
    wobble = ring_mean(c.loads) ** 2 + ring_mean(c.var_beliefs) * one
    entering = {
        "expected": ([c.ref] * n, c.ring.zero),
        "shared": ([c.ref + ring_mean(c.shared)] * n, c.eta * sympy.QQ(1, answers)),
        "individual": ([c.ref + ring_mean(own) for own in c.own], c.eta * sympy.QQ(1, n * answers)),
    }
    llm = c.expect((c.crowd - c.ref - c.phi) ** 2)
    checks = []
    for way, (references, eta_ref) in entering.items():
        risk = c.expect((c.crowd - ring_mean(c.twins(c.random, references))) ** 2)
        margin = c.eta - eta_ref - ring_mean(c.var_t) * one - wobble
        checks.append(same(f"exact condition, {way}, {tag}", risk - llm, c.mu * (c.mu - 2 * c.delta) - margin, EXACT))
    literal = [c.ref + c.phi] * n  # the appendix: y_ref = Phi(x), the very answer that the LLM alone would give
    risk = c.expect((c.crowd - ring_mean(c.twins(c.random, literal))) ** 2)
    margin = -ring_mean(c.var_t) * one - wobble
    checks.append(
        same(f"exact condition, the LLM's own answer, {tag}", risk - llm, c.mu * (c.mu - 2 * c.delta) - margin,
              "y_ref = Phi(x): c = -etat^2/N - Var(belief mean), as for one shared answer")
    )  # fmt: skip
    spread = c.expect(ring_mean(d**2 for d in c.independent))
    checks.append(
        same(f"independent beliefs, N={n}", ring_mean(c.var_beliefs) * one,
              (spread - ring_mean(d**2 for d in c.beliefs)) * one,
              "Var(belief mean) = (eps2 - mean_i (E delta_i)^2)/N")
    )  # fmt: skip
    return checks


def _proof(n: int) -> list[Check]:
    """Line by line through the published proof (twins share E Phi, beliefs fixed unless said)."""
    c = _Crowd(n, 1)
    one, mean, tag = sympy.QQ(1, n), ring_mean, f"N={n}"
    twins = c.twins(c.beliefs, [c.ref] * n)
    crowd_t = mean(twins)
    risk, llm = c.expect((c.crowd - crowd_t) ** 2), c.expect((c.crowd - c.ref - c.phi) ** 2)
    exact = risk - llm
    l3 = mean((a - c.ref - d) ** 2 for a, d in zip(c.means, c.beliefs, strict=True))
    l3_paper = mean((a - c.ref - c.mu) ** 2 for a in c.means)
    l4, l5 = mean(c.var_t), c.expect(mean((crowd_t - t) ** 2 for t in twins))
    discrepancy = mean((a - c.ref) ** 2 for a in c.means)
    cov = mean(a * d for a, d in zip(c.means, c.beliefs, strict=True)) - mean(c.means) * c.mu
    sd2 = mean(d**2 for d in c.beliefs) - c.mu**2
    paper = 2 * c.mu**2 - 2 * c.mu * c.delta - mean(d**2 for d in c.beliefs) - c.eta
    # independent random beliefs: P their mean, Q their mean square
    p, q = mean(c.independent), mean(d**2 for d in c.independent)
    eps2, wobble = c.expect(q), mean(c.var_beliefs) * one
    drawn = c.expect((c.crowd - mean(c.twins(c.independent, [c.ref] * n))) ** 2) - llm
    paper_random = c.expect(2 * p**2 - 2 * p * c.delta - q) - c.eta
    squares = mean(d**2 for d in c.beliefs)
    double, shrink = sympy.QQ(n - 2, n), sympy.QQ(n - 1, n)
    bound = 2 * c.mu**2 * shrink - 2 * c.mu * c.delta - eps2 * double - c.eta
    return [
        same(f"difference of the published sums, {tag}", l3 + l4 - l5 - discrepancy - c.eta, exact - 2 * cov,
              "published L - published L' = (L - L') - 2 Cov_i(ybar_i, delta_i)"),
        same(f"crowd mean for the twin's mean in L3, {tag}", l3_paper, l3 - sd2 + 2 * cov,
              "mean_i (ybar_i - y_ref - mu)^2 = L3 - Var_i(delta_i) + 2 Cov_i(ybar_i, delta_i)"),
        same(f"L5, {tag}", l5, sd2 + l4 * shrink, "L5 = Var_i(delta_i) + (1 - 1/N) etat^2"),
        same(f"L5 of the proof, {tag}", c.expect(mean((t - c.ref - c.mu) ** 2 for t in twins)), sd2 + l4,
              "about the noise-free crowd mean: Var_i(delta_i) + etat^2, so that etat^2/N is dropped"),
        same(f"the proof's sum, {tag}", paper, l3_paper + l4 - (sd2 + l4) - discrepancy - c.eta,
              "2 P^2 - 2 P Delta - Q - eta is what these two replacements give"),
        same(f"what the proof loses, {tag}", paper, exact - sd2 - l4 * one,
              "the proof's sum = (L - L') - Var_i(delta_i) - etat^2/N"),
        same(f"what the proof loses, random beliefs, {tag}", paper_random,
              drawn - c.expect(q - p**2) - l4 * one, "... = (L - L') - E Var_i(delta_i) - etat^2/N"),
        same(f"E P^2, {tag}", c.expect(p**2), c.mu**2 + (eps2 - squares) * one,
              "E P^2 = mu^2 + eps2/N - sum_i (E delta_i)^2/N^2 (independent beliefs)"),
        same(f"the proof's inequality, {tag}", bound - paper_random, 2 * (squares - c.mu**2) * one,
              "bound - proof's sum = (2/N) (mean_i (E delta_i)^2 - mu^2) >= 0"),
        same(f"what the bound loses, {tag}", drawn - bound, (eps2 - c.mu**2) * double + wobble + l4 * one,
              "L - L' = bound + (1 - 2/N)(eps2 - mu^2) + Var(belief mean) + etat^2/N"),
    ]  # fmt: skip


def _interval_algebra() -> list[Check]:
    """From the bound to the interval: these steps of the paper are right."""
    n, k, delta, mu, eps2, eta, h, root = sympy.symbols("N k Delta mu eps2 eta h rho", positive=True)
    a, b, c = n / (2 * (n - 1)), 1 - 2 / n, (n - 2) / (2 * (n - 1))
    total = (n - 2) * eps2 + n * eta
    bound = 2 * (1 - 1 / n) * mu**2 - 2 * mu * delta - b * eps2 - eta
    inner = a**2 * k**2 + a * (b * eps2 + eta)
    end = delta + (root - c * delta)  # Delta + Delta_U, rho^2 = A^2 Delta^2 + A (B eps2 + eta)
    at_end = {eps2: ((root**2 - a**2 * delta**2) / a - eta) / b}
    d0_squared = (n - 2) ** 2 / n**2 * total / 2
    at = {k: (n - 2) / n * root, eps2: (2 * root**2 - n * eta) / (n - 2)}  # D0 = k, rho = sqrt(S/2)
    h1 = (sympy.sqrt(n**2 * k**2 + 2 * (n - 1) * total) - (n - 2) * k) / (2 * (n - 1))
    inside = sympy.expand(sympy.cancel((n**2 * k**2 + 2 * (n - 1) * total).subs(at)))
    needed = 2 * ((n - 1) * h - k) * (h + k)
    return [
        identity("completing the square", bound, (mu - a * delta) ** 2 / a - a * delta**2 - b * eps2 - eta,
                 "bound = (mu - A Delta)^2/A - A Delta^2 - B eps2 - eta"),
        identity("A + C", a + c, sympy.Integer(1), "A + C = 1: the interval about A Delta is one about Delta"),
        identity("A^2 - C^2", a**2 - c**2, 1 / (n - 1), "A^2 - C^2 = 1/(N - 1)"),
        identity("Delta_0", c**2 * (b * eps2 + eta) / (a * (a**2 - c**2)), d0_squared,
                 "Delta_0^2 = ((N - 2)/N)^2 S/2"),
        identity("stationary point", c**2 * (a**2 * delta**2 + a * (b * eps2 + eta)) - a**4 * delta**2,
                 a**2 * (a**2 - c**2) * (d0_squared - delta**2),
                 "d Delta_U / d Delta < 0 below Delta_0, > 0 above: h1 falls in kappa up to D0"),
        identity("h1", 4 * (n - 1) ** 2 * inner, n**2 * k**2 + 2 * (n - 1) * total, "h1 = Delta_U(kappa)"),
        identity("h1 and h2 agree: root", inside, n**2 * root**2, "N^2 k^2 + 2 (N - 1) S = N^2 S/2 at D0 = k"),
        identity("h1 and h2 agree", (n * root - (n - 2) * at[k]) / (2 * (n - 1)), 2 * root / n,
                 "h1 = h2 = sqrt(2 S)/N at D0 = k"),
        identity("the bound is reached", bound.subs(mu, end).subs(at_end), sympy.Integer(0),
                 "bound = 0 at mu = Delta + Delta_U(Delta): what it loses is the excess risk there"),
        identity("h1 without a root", sympy.expand(needed.subs(h, h1)), total, "S = 2 ((N - 1) h1 - k)(h1 + k)"),
        identity("the two branches meet", needed.subs(h, 2 * k / (n - 2)), n**2 * (2 * k / (n - 2)) ** 2 / 2,
                 "N^2 h^2/2 = 2 ((N - 1) h - k)(h + k) at h = 2 k/(N - 2)"),
        identity("h2 and N", sympy.diff(2 * total / n**2, n), 2 * (eps2 * (4 - n) / n**3 - eta / n**2),
                 "d h2^2 / dN = 2 (eps2 (4 - N)/N^3 - eta/N^2)"),
        identity("N = 2", h1.subs({n: 2, k: 0}) ** 2, eta, "N = 2: h = sqrt(eta), whatever eps2"),
        identity("N = 2, second branch", (2 * total / n**2).subs(n, 2), eta, "N = 2: h2 = sqrt(eta)"),
    ]  # fmt: skip


def _region_algebra() -> list[Check]:
    """Closed forms of the region where the published interval is right after all."""
    n, k, m, c, eta, sd2, eps2 = sympy.symbols("N k m c eta sd2 eps2", positive=True)
    edge, total = (c + m**2) / (2 * m), (n - 2) * (m**2 + sd2) + n * eta
    low, high = n**2 * edge**2 / 2, 2 * ((n - 1) * edge - k) * (edge + k)
    root = sympy.sqrt(eta)
    uniform = (n - 2) * eps2 + n * eta
    return [
        identity("worst gap", m * (m - 2 * (m - edge)), c, "m (m - 2 Delta) = c at Delta = m - (c + m^2)/(2 m)"),
        identity("region 1, h2", (low - total).subs(c, eta),
                 (n * eta + (n - 4) * m**2) ** 2 / (8 * m**2) - (n - 2) * sd2,
                 "c = eta, h = h2: sd^2 <= (N eta + (N - 4) m^2)^2 / (8 (N - 2) m^2)"),
        identity("region 1, h1", (high - total).subs(c, eta),
                 (eta + 2 * k * m - m**2) * ((n - 1) * eta + (n - 3) * m**2 - 2 * k * m) / (2 * m**2) - (n - 2) * sd2,
                 "c = eta, h = h1: sd^2 <= (eta + 2 k m - m^2)((N-1) eta + (N-3) m^2 - 2 k m) / (2 (N-2) m^2)"),
        identity("region 3, h2", n**2 * eta / 2 - uniform, (n - 2) * (n * eta / 2 - eps2),
                 "h2 <= sqrt(eta) exactly where eps2 <= N eta/2"),
        identity("region 3, h1", 2 * ((n - 1) * root - k) * (root + k) - uniform,
                 (n - 2) * (eta + 2 * k * root - 2 * k**2 / (n - 2) - eps2),
                 "h1 <= sqrt(eta) exactly where eps2 <= eta + 2 k sqrt(eta) - 2 k^2/(N - 2)"),
        identity("region 3, small second moment, h2", n**2 * eta / 2 - uniform.subs(eps2, eta), (n - 2) ** 2 * eta / 2,
                 "eps2 <= eta gives h2 <= sqrt(eta)"),
        identity("region 3, small second moment, h1",
                 2 * ((n - 1) * root - k) * (root + k) - uniform.subs(eps2, eta), 2 * k * ((n - 2) * root - k),
                 "eps2 <= eta gives h1 <= sqrt(eta), as 2 k <= (N - 2) sqrt(eta) there"),
        identity("uniform belief", (sympy.sqrt(k**2 + c) - k) ** 2 + 2 * k * (sympy.sqrt(k**2 + c) - k), c,
                 "m^2 + 2 k m = c at m = sqrt(k^2 + c) - k"),
    ]  # fmt: skip


def _over_profiles(n: int) -> Check:
    """Independent people from T: ybar_i = y_ref + t_i, delta_i = d + b (t_i - E t) + own part."""
    c = _Crowd(n, 1, "gap", "slope", "Vy")
    gap, slope, var_y = c.more
    own = [v for v in c.variances if v in c.noise_t]
    c.variances = {**dict.fromkeys(c.noise, var_y), **dict.fromkeys(own, c.var_t[0])}
    level = c.beliefs[0]
    mean_y = ring_mean(gap + e for e in c.noise)
    belief = ring_mean(level + slope * e + w for e, w in zip(c.noise, c.noise_t, strict=True))
    one = sympy.QQ(1, n)
    return same(
        f"over profiles, N={n}", c.expect((mean_y - belief) ** 2 - mean_y**2),
        level * (level - 2 * gap) + (slope**2 * var_y + c.var_t[0]) * one - 2 * slope * var_y * one,
        "averaged over profiles c loses Var(belief mean) and gains 2 Cov(belief mean, y**)",
    )  # fmt: skip


# --------------------------------------------------------------------------------- counterexamples, rational numbers


def _pocket(beliefs: Sequence[Fraction], delta: Fraction) -> tuple[Fraction, Fraction]:
    """L and L' without any noise: people's mean at delta, the LLM at 0."""
    return (delta - average(beliefs)) ** 2, delta**2


def _counterexamples() -> list[Check]:
    half, zero, unit = Fraction(1, 2), Fraction(0), Fraction(1)
    large = [Fraction(3, 2)] * 37 + [-half] * 37 + [unit] * 2 + [zero] * 2 + [half] * 22
    checks = []
    for name, beliefs, delta, k in (
        ("one hundred beliefs", large, Fraction(1, 10), half),
        ("three beliefs", [Fraction(3), zero, zero], Fraction(1, 4), half),
    ):
        n, mu, eps2 = len(beliefs), average(beliefs), average(d * d for d in beliefs)
        risk, llm = _pocket(beliefs, delta)
        inside = _promised(mu, delta, n, eps2, zero, k)
        human, twins = np.full((1, n), float(delta)), np.array([beliefs], dtype=float)
        computed = risk_decomposition(human, twins).L
        alone = llm_risk(human[0], [0.0, 0.0]).exact
        checks += [
            counterexample(name, not inside or risk <= llm, STATEMENT.published,
                           f"N = {n}, mu = {mu}, eps2 = {eps2}, Delta = {delta}, kappa = {k}, eta = 0: "
                           f"inside, L = {risk} > L' = {llm}"),
            fields_agree(f"calculators: {name}", {"L": computed, "L'": alone}, {"L": risk, "L'": llm},
                    "risk_decomposition and llm_risk find the same two risks"),
        ]  # fmt: skip
    flat = [unit] * 3
    inside = _promised(unit, Fraction(1, 4), 3, unit, zero, half)
    same, alone = _pocket(flat, Fraction(1, 4))
    checks.append(
        counterexample("diversity gives no room", inside or same <= alone,
                       "more diversity lets mu deviate more from Delta and still ensures L <= L'",
                       "N = 3, mu = 1, Delta = 1/4, kappa = 1/2: beliefs (1, 1, 1) lie outside the interval,"
                       f" (3, 0, 0) inside; L = {same} for both, L' = {alone}")
    )  # fmt: skip
    coins = list(product((-unit, unit), repeat=2))  # two independent beliefs +-1
    risk = average((zero - average(pair)) ** 2 for pair in coins)
    checks.append(
        counterexample("N = 2, random beliefs", not _promised(zero, zero, 2, unit, zero, half) or risk <= 0,
                       STATEMENT.published,
                       f"N = 2, delta_i = +-1, Delta = mu = 0, eta = 0: inside, L = {risk} > L' = 0")
    )  # fmt: skip
    noisy = average((zero - average(pair)) ** 2 for pair in coins)  # now the twins' own noise
    checks.append(
        counterexample("twins' noise", not _promised(zero, zero, 2, zero, zero, half) or noisy <= 0,
                       STATEMENT.published,
                       f"N = 2, beliefs 0, et_i = +-1, Delta = 0, eta = 0: inside, L = {noisy} > L' = 0")
    )  # fmt: skip
    answers = (-unit, unit)  # Phi, eta = 1; beliefs (1, 1), Delta = 0: the end of the interval, h = 1
    crowd = average((zero - phi - 1) ** 2 for phi in answers)
    llm = average((zero - phi) ** 2 for phi in answers)
    checks.append(
        counterexample("one shared answer", not _promised(unit, zero, 2, unit, unit, half) or crowd <= llm,
                       STATEMENT.published + " (twins share one answer of the LLM)",
                       f"N = 2, beliefs (1, 1), Phi = +-1 shared, Delta = 0: inside, L = {crowd} > L' = {llm}")
    )  # fmt: skip
    return checks


def _grid() -> list[Check]:
    """The settings of theory/README.md in exact fractions, and the calculator on the same ones."""
    tenth = Fraction(1, 10)
    counts: dict[str, int] = {}
    settings, verdicts, highest = [], [], Fraction(-1)
    spreads = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2))
    for n, sd, k, eta, share, step in product(
        (5, 20, 100), spreads, (Fraction(1, 4), Fraction(1, 2), Fraction(1)), (Fraction(0), tenth, Fraction(1, 2)),
        (Fraction(-1), -Fraction(1, 2), Fraction(0), Fraction(1, 2), Fraction(1)), range(-20, 21),
    ):  # fmt: skip
        mu, delta = step * tenth, share * k
        eps2 = mu * mu + sd * sd
        gap, total = _needed(abs(mu - delta), n, k), _total(n, eps2, eta)
        worse = mu * (mu - 2 * delta) > eta
        if gap <= total:
            highest = max(highest, mu * (mu - 2 * delta) - eta - (1 - Fraction(2, n)) * sd * sd)
        for name, member in (("full", sd > Fraction(1, 4)), ("halved", sd < 2)):
            if member and gap <= total:
                counts[name] = counts.get(name, 0) + 1
                counts[f"{name} worse"] = counts.get(f"{name} worse", 0) + worse
                counts[f"{name} end"] = counts.get(f"{name} end", 0) + (gap == total)
        if gap != total and mu * (mu - 2 * delta) != eta:  # ends and ties: rounding decides
            settings.append((float(mu), float(eps2), float(delta), float(k), n, float(eta)))
            verdicts.append((gap <= total, not worse))
    result = safe_interval(*np.array(settings)[:, :5].T, eta=np.array(settings)[:, 5])
    truth = np.array(verdicts)
    agree = bool(np.all(result.inside_published == truth[:, 0]) and np.all(result.inside_exact == truth[:, 1]))
    found = (counts["full"], counts["full worse"], counts["halved"], counts["halved worse"])
    return [
        Check("grid of settings", "counterexample", "published", STATEMENT.published, counts["full worse"] == 0, False,
              f"L > L' in {counts['full worse']:,} of {counts['full']:,} settings inside ({counts['full end']} of them "
              f"on an end), {counts['halved worse']} of {counts['halved']:,} with sd halved"),
        numeric("grid: counts", found == (7307, 3150, 4467, 842),
                "3,150 of 7,307 settings (43%) and 842 of 4,467 (19%)", str(found)),
        numeric("grid: largest excess", highest <= 0, "inside, L - L' is at most (1 - 2/N) sd^2",
                f"largest L - L' - (1 - 2/N) sd^2: {highest}"),
        numeric("grid: calculator", agree, "safe_interval gives every verdict of the fractions",
                f"{len(settings):,} settings, ends and ties left out"),
        _grid_of_exceptions(),
    ]  # fmt: skip


def _grid_of_exceptions() -> Check:
    """N = 2 or sd = 0 (fixed beliefs, etat = 0, twins share E Phi): never worse."""
    tenth, worse, seen = Fraction(1, 10), 0, 0
    for n, sd, k, eta, share, step in product(
        (2, 3, 5, 20, 100), (Fraction(0), Fraction(1, 2), Fraction(2)), (Fraction(1, 4), Fraction(1)),
        (Fraction(0), tenth, Fraction(1, 2)), (Fraction(-1), Fraction(-1, 2), Fraction(0), Fraction(3, 4), Fraction(1)),
        range(-20, 21),
    ):  # fmt: skip
        if n > 2 and sd > 0:
            continue
        mu, delta = step * tenth, share * k
        if _promised(mu, delta, n, mu * mu + sd * sd, eta, k):
            seen, worse = seen + 1, worse + (mu * (mu - 2 * delta) > eta)
    return Check("grid: N = 2 or sd = 0", "numeric", "published", "the published interval is safe where the proof's "
                 "bound is exact", worse == 0, True, f"L > L' in {worse} of {seen:,} settings")  # fmt: skip


# ------------------------------------------------------------------------------------------------------- the regions
def _random_settings(rng: np.random.Generator, count: int) -> list[tuple[int, Fraction, Fraction, Fraction, Fraction]]:
    """N, eps2 (or sd^2), eta, k, c; c = eta for half of them."""
    rows = []
    for _ in range(count):
        n = int(rng.choice([2, 3, 4, 5, 9, 20, 100]))
        eps2, eta, k = (Fraction(int(rng.integers(0, top)), 8) for top in (17, 9, 13))
        lost = Fraction(int(rng.integers(0, 7)), 10) * int(rng.integers(0, 2))
        rows.append((n, eps2, eta, k, eta - lost))
    return rows


def _broken(mu: Any, delta: Any, eps2: Fraction, eta: Fraction, k: Fraction, n: int, c: Fraction) -> bool:
    """Whether the calculator finds a mu and Delta inside the published interval at which L > L'."""
    lost = float(eta - c)  # as the twins' noise: etat^2/N
    result = safe_interval(mu, float(eps2), delta, float(k), n, eta=float(eta), digital_noise_var=lost * n)
    allowed = (np.abs(delta) <= float(k) + 1e-12) & result.inside_published
    return bool(np.any(allowed & (result.excess_risk > 1e-9)))


def _regions() -> list[Check]:
    """Regions 1 to 3 against a search with the calculator, on random rational settings."""
    rng = np.random.default_rng(3)
    shares = np.linspace(-1, 1, 41)
    ones: list[str] = []
    twos: list[str] = []
    threes: list[str] = []
    kept = [0, 0, 0]
    for n, spread, eta, k, c in _random_settings(rng, 800):
        m = Fraction(int(rng.integers(0, 17)), 8)
        eps2 = m * m + spread
        h = _half(n, eps2, eta, k)
        deltas = np.concatenate([shares * float(k), [float(m) - h * (1 - 1e-9)]])
        right = _right_at_mean(n, eps2, eta, k, m, c)
        kept[0] += right
        if right == _broken(float(m), deltas, eps2, eta, k, n, c):
            ones.append(f"N={n} eps2={eps2} eta={eta} k={k} mu={m} c={c}")
        # region 2: every mu with mu^2 <= eps2, at one Delta
        eps2, delta, e = spread, Fraction(int(rng.integers(-8, 9)), 8) * k, math.sqrt(spread)
        h, gap = _half(n, eps2, eta, k), abs(float(delta))
        far = min(h, gap + e)
        right = gap > h + e + 1e-12 or (gap**2 + float(c) >= 0 and far**2 <= gap**2 + float(c) + 1e-9)
        kept[1] += right
        means = np.clip(np.concatenate([float(delta) + shares * h * (1 - 1e-9), [e, -e]]), -e, e)
        if right == _broken(means, float(delta), eps2, eta, k, n, c):
            twos.append(f"N={n} eps2={eps2} eta={eta} k={k} Delta={delta} c={c}")
        # region 3: every such mu and every |Delta| <= k
        largest = min(2 * h * e - e * e, e * e + 2 * float(k) * e) if e <= h else h * h
        right = c >= 0 and min(h * h, largest) <= c + 1e-9
        if c == eta:  # ... which is then h <= sqrt(eta)
            right = right and h**2 <= eta + 1e-9
        kept[2] += right
        grid_delta = np.concatenate([shares * float(k), [-h, h]]).clip(-float(k), float(k))[:, None]
        tops = np.concatenate([shares * e, (grid_delta[:, 0] + h * (1 - 1e-9)).clip(-e, e), [min(h, e) * (1 - 1e-9)]])
        edge = e - h * (1 - 1e-9)  # the smallest admissible Delta at mu = e
        grid_delta = np.append(grid_delta, np.clip(edge, -float(k), float(k)))[:, None]
        if right == _broken(np.append(tops, e)[None, :], grid_delta, eps2, eta, k, n, c):
            threes.append(f"N={n} eps2={eps2} eta={eta} k={k} c={c}")
    names = (
        ("region 1: at this mu, every Delta", ones, "m (m + 2 min(h - m, k)) <= c, or m > h + k"),
        ("region 2: at this Delta, every mu", twos, "min(h, |Delta| + e)^2 <= Delta^2 + c, or |Delta| > h + e"),
        ("region 3: every mu and Delta", threes, "h <= sqrt(c), or e <= h and min(2 h e - e^2, e^2 + 2 k e) <= c"),
    )
    return [
        numeric(name, not wrong, f"the published interval is safe exactly where {says}",
                f"800 random settings, {right} of them safe; {len(wrong)} disagreements {wrong[:2]}")
        for (name, wrong, says), right in zip(names, kept, strict=True)
    ]  # fmt: skip


def _half(n: int, eps2: Fraction, eta: Fraction, k: Fraction) -> float:
    """h, from the smallest of Delta_U over |Delta| <= k: independent of the printed h1 and h2."""
    a, c = n / (2 * (n - 1)), (n - 2) / (2 * (n - 1))
    inner = a * ((1 - 2 / n) * float(eps2) + float(eta))
    slope = math.sqrt(inner / (a * a - c * c)) * c / a  # where Delta_U is stationary
    at = min(float(k), slope)
    return math.sqrt(a * a * at * at + inner) - c * at


# -------------------------------------------------------------------------------------------------- the calculators


def _interval_calculator() -> list[Check]:
    checks = []
    points: list[tuple[int, Any, Any, Any]] = [
        (2, Rational(9, 4), Rational(1, 5), Rational(1, 3)), (3, Rational(5), Rational(1, 4), Rational(1, 8)),
        (3, Rational(5), Rational(1, 4), Rational(2)), (7, Rational(3, 2), Rational(0), Rational(1, 2)),
        (7, Rational(3, 2), Rational(2, 3), Rational(5)), (100, Rational(1), Rational(0), Rational(1, 2)),
        (10, Rational(9, 4), Rational(0), Rational(12, 5)),  # D0 = k, then just to either side
        (10, Rational(9, 4), Rational(0), Rational(5, 2)), (10, Rational(9, 4), Rational(0), Rational(23, 10)),
    ]  # fmt: skip
    for n, eps2, eta, k in points:
        total = (n - 2) * eps2 + n * eta
        h1 = (sympy.sqrt(n**2 * k**2 + 2 * (n - 1) * total) - (n - 2) * k) / (2 * (n - 1))
        h2 = sympy.sqrt(2 * total) / n
        first = Rational(n - 2, n) ** 2 * total / 2 >= k**2
        found = published_half_width(*(np.array(float(v)) for v in (eps2, eta, k, n)))
        checks.append(fields_agree(f"calculator: h at N={n}, eps2={eps2}, k={k}", {"h": found},
                {"h": h1 if first else h2},
                              f"published_half_width = {'h1' if first else 'h2'}"))  # fmt: skip
    eta, noise, wobble = Rational(3, 5), Rational(2, 7), Rational(1, 11)
    ways: list[tuple[str, int | None, Any]] = [
        ("expected", None, Rational(0)), ("shared", 4, eta / 4), ("individual", None, eta / 9),
        ("individual", 3, eta / 27),
    ]  # fmt: skip
    for way, k_answers, eta_ref in ways:
        c = eta - eta_ref - noise / 9 - wobble
        found = safety_margin(np.array(9.0), float(eta), float(noise), float(wobble), way, k_answers)
        checks.append(fields_agree(f"calculator: c, {way}, k={k_answers}", {"c": found}, {"c": c},
                              "safety_margin = eta - eta_ref - etat^2/N - Var(belief mean)"))  # fmt: skip
        checks += _one_interval(way, k_answers, eta, noise, wobble, c)
    return checks + [_no_safe_mean(), _many_problems(), _flag_check()]


def _one_interval(way: str, k_answers: int | None, eta: Any, noise: Any, wobble: Any, c: Any) -> list[Check]:
    """All fields of safe_interval in one generic point, both signs of mu."""
    n, delta, k, eps2 = 9, Rational(-3, 10), Rational(2, 5), Rational(4, 3)
    total = (n - 2) * eps2 + n * eta
    h = (sympy.sqrt(n**2 * k**2 + 2 * (n - 1) * total) - (n - 2) * k) / (2 * (n - 1))
    root, checks = sympy.sqrt(delta**2 + c), []
    for mu in (Rational(-1, 2), Rational(3, 5), Rational(-13, 10)):
        if eps2 < mu**2 + wobble:
            continue
        r = safe_interval(float(mu), float(eps2), float(delta), float(k), n, eta=float(eta), reference=way,
                          digital_noise_var=float(noise), belief_mean_var=float(wobble), k=k_answers)  # fmt: skip
        excess = mu * (mu - 2 * delta) - c
        exact = {"published_lower": delta - h, "published_upper": delta + h, "exact_lower": delta - root,
                 "exact_upper": delta + root, "margin": c, "uniform_radius": sympy.sqrt(c), "excess_risk": excess,
                 "uniform_belief": sympy.sqrt(k**2 + c) - k, "inside_published": int(bool(abs(mu - delta) <= h)),
                 "inside_exact": int(bool(excess <= 0)), "belief_mean": mu, "delta": delta, "kappa": k}  # fmt: skip
        computed = {name: getattr(r, name) for name in exact}
        computed |= {"half published": r.published.half_width, "half exact": r.exact.half_width}
        exact |= {"half published": h, "half exact": root}
        checks.append(fields_agree(f"calculator: safe_interval, {way}, k={k_answers}, mu={mu}", computed, exact,
                              "every field is the exact number"))  # fmt: skip
    return checks


def _no_safe_mean() -> Check:
    r = safe_interval(0.2, 1.0, delta=0.1, kappa=0.5, n_digital=10, digital_noise_var=0.2)  # c = -1/50
    empty = r.exact.half_width is None and r.exact.lower is None and r.exact.upper is None
    ok = empty and r.uniform_radius is None and r.uniform_belief is None and not r.inside_exact
    return numeric("calculator: no safe mean", ok, "Delta^2 + c < 0: no safe belief mean, c < 0: no uniform one",
                 f"margin {r.margin:.3g}, exact {r.exact.half_width}, radius {r.uniform_radius}")  # fmt: skip


def _many_problems() -> Check:
    """A batch: c of 1/2, 0 and -1/50, the empty set's ends, and a tie counts as safe."""
    r = safe_interval([0.5, 0.25, 0.2], [1.0, 1.0, 1.0], delta=[0.25, 0.125, 0.1], kappa=0.5, n_digital=10,
                      eta=[0.5, 0.0, 0.0], digital_noise_var=[0.0, 0.0, 0.2])  # fmt: skip
    values = np.concatenate([r.excess_risk, r.uniform_radius, r.uniform_belief, r.exact.half_width, r.exact.lower,
                             r.exact.upper, r.inside_exact, r.margin])  # fmt: skip
    root = math.sqrt(9 / 16)
    wanted = [-0.5, 0.0, 0.02, math.sqrt(0.5), 0.0, -math.inf, math.sqrt(0.75) - 0.5, 0.0, -math.inf, root, 0.125,
              -math.inf, 0.25 - root, 0.0, math.inf, 0.25 + root, 0.25, -math.inf, 1, 1, 0, 0.5, 0.0,
              -0.02]  # fmt: skip
    pairs = {str(i): v for i, v in enumerate(values)}, {str(i): v for i, v in enumerate(wanted)}
    return fields_agree("calculator: three problems at once", *pairs, "c > 0, c = 0 (a tie is safe), c < 0 (empty)")


def _flag_check() -> Check:
    r = safe_interval([0.1, 0.1, 0.3], 1.0, delta=[0.6, -0.6, 0.5], kappa=0.5, n_digital=10, digital_noise_var=0.1)
    over = next((mask for name, mask in r.flags.items() if name.startswith("|Delta| exceeds")), None)
    none = safe_interval([0.1, 0.2], 1.0, delta=[0.1, 0.05], kappa=0.5, n_digital=10, digital_noise_var=0.1).flags
    empty = next((mask for name, mask in none.items() if name.startswith("no belief mean")), None)
    ok = over is not None and list(over) == [True, True, False] and empty is not None and list(empty) == [False, True]
    point = safe_interval(0.25, 1.0, delta=0.25, kappa=0.5, n_digital=16, digital_noise_var=1.0)  # Delta^2 + c = 0
    ok = ok and not point.flags and point.exact.half_width == 0.0 and point.exact.lower == 0.25 and point.inside_exact
    return numeric("calculator: flags", ok, "|Delta| > kappa and Delta^2 + c < 0 (not their ends) are flagged",
                 f"{over}, {empty}")  # fmt: skip


# ------------------------------------------------------------------------------------------------ the decision rule
def _student(value: Any, freedom: Any) -> sympy.Expr:
    """Student's distribution function from the regularised incomplete beta function, 20 digits."""
    value, freedom = sympy.sympify(value), sympy.sympify(freedom)
    tail = sympy.betainc_regularized(freedom / 2, Rational(1, 2), 0, freedom / (freedom + value**2)) / 2
    return sympy.N(tail if value < 0 else 1 - tail, 20)


def _moments(values: Sequence[Any]) -> tuple[sympy.Rational, sympy.Rational]:
    """Mean, and squared standard error of the mean."""
    count = len(values)
    mean = sum(values, Rational(0)) / count
    return mean, sum((v - mean) ** 2 for v in values) / (count - 1) / count


BELIEFS = (Rational(1, 5), Rational(4, 5), Rational(1, 2), Rational(9, 10))
HUMAN = (Rational(7, 2), Rational(3), Rational(5, 2), Rational(4), Rational(31, 10))
ANSWERS = (Rational(3), Rational(11, 5), Rational(5, 2))


def _decide(beliefs: Any, human: Any, answers: Any, **more: Any) -> SafeDecision:
    return safe_decision([float(b) for b in beliefs], [float(y) for y in human], [float(a) for a in answers], **more)


def _decision_numbers() -> list[Check]:
    """p-values with an exact reference, and every other number in generic points, with mu of both signs."""
    eta, noise, wobble = Rational(3, 5), Rational(2, 7), Rational(1, 11)
    share = {"expected": Rational(1), "shared": Rational(3, 4), "individual": Rational(5, 6)}
    cases: list[tuple[str, int, str, int | None, Any, Any]] = [
        ("exact reference", 1, "shared", 4, Rational(0), ANSWERS[:1]),
        ("exact reference, two numbers", -1, "individual", None, Rational(0), ANSWERS[:2]),
        ("estimated", -1, "individual", None, None, ANSWERS),
        ("estimated, two answers", 1, "shared", 4, None, ANSWERS[:2]),
        ("known variance", 1, "expected", None, Rational(1, 3), ANSWERS[1:]),
    ]
    checks = []
    for (name, sign, way, k, variance, answers), source in product(cases, ("answers", "generator")):
        beliefs = [sign * b for b in BELIEFS]
        mu, given = sum(beliefs) / 4, len(answers)
        (y, first), ref = _moments(HUMAN), sum(answers) / given
        second = _moments(answers)[1] if variance is None else variance / given
        one = second * given if variance is None else eta
        c = share[way] * one - noise / 6 - wobble
        delta, freedom = y - ref, Rational(4)
        if variance is None:
            freedom = (first + second) ** 2 / (first**2 / 4 + second**2 / (given - 1))
        elif variance:  # a known variance counts as infinitely many degrees of freedom
            freedom *= (first + second) ** 2 / first**2
        error = sympy.sqrt(first + second)
        held = source == "answers"
        excess = mu * (mu - 2 * delta) - c + (second if held else 0)
        keywords: dict[str, Any] = {"n_digital": 6, "digital_noise_var": float(noise), "k": k, "beliefs_from": source,
                                    "belief_mean_var": float(wobble), "reference": way}  # fmt: skip
        if variance is not None:
            keywords |= {"eta": float(eta), "reference_noise_var": float(variance)}
        r = _decide(beliefs, HUMAN, answers, level=0.9, **keywords)
        exact = {"delta": delta, "belief_mean": mu, "margin": c, "excess_risk": excess, "eta": one,
                 "threshold": (mu**2 - c) / (2 * mu), "crowd_gap": mu - delta}  # fmt: skip
        if variance == 0:
            safe = _student(excess / (2 * abs(mu) * error), 4)
            exact |= {"p_safe": safe, "p_unsafe": 1 - safe, "p_value": min(safe, 1 - safe),
                      "p_adjusted": min(safe, 1 - safe)}  # fmt: skip
        ends = {"upper": (r.delta_upper, 1), "lower": (r.delta_lower, 1)}
        computed = {key: getattr(r, key) for key in exact} | {
            key: float(_student((sympy.Float(end, 20) - delta) / error, freedom)) for key, (end, _) in ends.items()
        }
        wide = (first, Rational(4)) if held else (first + second, freedom)
        computed |= {f"gap {key}": float(_student((sympy.Float(end, 20) - (mu - delta)) / sympy.sqrt(wide[0]), wide[1]))
                     for key, end in (("upper", r.gap_upper), ("lower", r.gap_lower))}  # fmt: skip
        levels = {"upper": 0.95, "lower": 0.05, "gap upper": 0.95, "gap lower": 0.05}
        checks.append(fields_agree(f"calculator: decision, {name}, beliefs of {source}", computed, exact | levels,
                              "excess without bias; intervals (and p, reference exact) are Student's"))  # fmt: skip
        p, verdict = float(r.p_value), "safe" if r.p_safe <= r.p_unsafe else "unsafe"
        either = [_decide(beliefs, HUMAN, answers, level=1 - p * f, **keywords).decision for f in (1.001, 0.999)]
        checks.append(numeric(f"calculator: verdict, {name}, beliefs of {source}", either == [verdict, "undetermined"],
                            "decided exactly where the smaller p-value is at most 1 - level", str(either)))  # fmt: skip
    return checks


def _averages() -> list[Check]:
    """The p-values with an estimated reference against draws from what the answers say of y* and eta."""
    rng, times = np.random.default_rng(20261127), 400_000
    y, first = (float(v) for v in _moments(HUMAN))
    means = y + math.sqrt(first) * rng.standard_t(4, times)
    ref, second = (float(v) for v in _moments(ANSWERS))
    spread, given, eta = 3 * second, 3, 0.35
    drawn = 2 * spread / rng.chisquare(2, times)
    normal, checks = stats.norm.cdf, []
    for mu, known in product((0.8, -0.7), (False, True)):
        one = np.full(times, eta) if known else drawn
        error = np.sqrt(one / given)
        left, distance = (ref + mu - means) ** 2 - one, np.abs(ref - means) / error
        edge = np.sqrt(np.maximum(left, 0)) / error
        unsafe = 1 - float(np.mean(np.where(left >= 0, normal(edge - distance) + normal(-edge - distance), 0)))
        if known:
            moved = np.sqrt((ref - means) ** 2 - np.minimum(left, 0)) / error
            safe = float(np.mean(normal(edge - moved) + normal(-edge - moved)))
        else:  # the sum of the answers' squared distances to y*: non-central chi-squared where L = L'
            allowed = np.minimum(one, (ref + mu - means) ** 2)
            total = 2 * spread + given * (ref - means) ** 2
            far = given * np.maximum((ref + mu - means) ** 2 - allowed, 0) / allowed
            safe = float(np.mean(stats.ncx2.sf(total / allowed, given, far)))
        safe = float(normal(stats.norm.ppf(safe) + 0.25))
        belief = [mu - 0.1, mu + 0.1]
        r = _decide(belief, HUMAN, ANSWERS, n_digital=2, **({"eta": eta} if known else {}))
        slope = mu * (mu - 2 * (means - ref)) - one
        linear = float(np.mean(normal(slope / (2 * abs(mu) * error))))
        shift = 0.0 if known else 0.5 / math.sqrt(2)
        g = _decide(belief, HUMAN, ANSWERS, n_digital=2, beliefs_from="generator", **({"eta": eta} if known else {}))
        wanted = {"safe": safe, "unsafe": unsafe, "generator safe": normal(stats.norm.ppf(linear) + shift),
                  "generator unsafe": normal(stats.norm.ppf(1 - linear) + shift)}  # fmt: skip
        found = {"safe": r.p_safe, "unsafe": r.p_unsafe, "generator safe": g.p_safe, "generator unsafe": g.p_unsafe}
        worst = max(abs(float(found[key]) - float(wanted[key])) for key in wanted)
        checks.append(Check(f"calculator: estimated reference, mu={mu}, eta {'known' if known else 'estimated'}",
                            "simulation", "exact", "the exact test for given y* and eta, averaged over both",
                            worst <= 0.012, True, f"largest difference {worst:.4f}"))  # fmt: skip
    return checks


def _decision_borders() -> list[Check]:
    """mu = 0, equal answers, and several problems at once."""
    plain = _decide(BELIEFS, HUMAN, ANSWERS[:1], n_digital=4, eta=0).flags
    other = [_decide(BELIEFS, HUMAN, ANSWERS[:1], n_digital=5, eta=0, belief_mean_var=v).flags for v in (0.0, 0.1)]
    flagged = [[name.split(":")[0] for name in flags] for flags in (plain, *other)]
    level = _decide((-1, 1), HUMAN, ANSWERS[:1], n_digital=2, eta=0).flags
    spotted = flagged == [[], ["n_digital is not the number of beliefs"], []] and len(level) == 1
    zero = [_decide((-1, 1), HUMAN, ANSWERS[:1], n_digital=2, eta=eta, digital_noise_var=noise, reference_noise_var=0)
            for eta, noise in ((0.5, 0.0), (0.0, 0.0), (0.0, 0.5))]  # fmt: skip
    found = [(r.decision, r.p_safe, r.p_unsafe, r.threshold) for r in zero]
    wanted = [("safe", 0.0, 1.0, -math.inf)] * 2 + [("unsafe", 1.0, 0.0, math.inf)]
    equal = _decide(BELIEFS, (2, 2, 2), ANSWERS[:1], n_digital=4, eta=0)
    mute = (equal.decision, equal.p_safe, equal.p_unsafe, equal.delta_lower, equal.delta_upper)
    rows = [[0.3, 0.5, 0.2, 0.4], [-0.3, -0.1, -0.2, -0.6], [0.5, -0.5, 0.5, -0.5], [1.5, 1.7, 1.2, 1.1]]
    human = np.array([float(y) for y in HUMAN])
    refs = (2.5, 2.9, 3.0, 2.9)
    many = safe_decision(
        rows, np.tile(human, (4, 1)), [[r] for r in refs], n_digital=4, eta=0.1, level=0.9, reference_noise_var=0
    )
    alone = [safe_decision(row, human, [ref], n_digital=4, eta=0.1, reference_noise_var=0).p_value
             for row, ref in zip(rows, refs, strict=True)]  # fmt: skip
    tested = sorted((alone[i], i) for i in (0, 1, 3))  # the third has mean 0: decided without a test
    adjusted = [0.0] * 4
    smallest = 1.0
    for rank in (3, 2, 1):
        smallest = min(smallest, tested[rank - 1][0] * 3 / rank)
        adjusted[tested[rank - 1][1]] = smallest
    pairs = {str(i): v for i, v in enumerate(many.p_adjusted)}, {str(i): v for i, v in enumerate(adjusted)}
    words = ["undetermined" if p > 0.1 else "safe" if s <= 0.5 else "unsafe"
             for p, s in zip(adjusted, many.p_safe, strict=True)]  # fmt: skip
    return [
        numeric("calculator: mu = 0", found == wanted, "mu = 0: safe exactly where c >= 0, whatever Delta", str(found)),
        numeric("calculator: decision flags", spotted, "another N without belief_mean_var, and mu = 0, are flagged",
              f"{flagged}, {list(level)}"),
        numeric("calculator: equal answers", mute == ("undetermined", 1.0, 1.0, -math.inf, math.inf),
              "no spread, no verdict, no limits for Delta", str(mute)),
        fields_agree("calculator: Benjamini-Hochberg", *pairs, "p times number tested over rank, made monotone"),
        numeric("calculator: adjusted verdicts", list(many.decision_adjusted) == words
              and (many.n_labeled, many.n_answers) == (5, 1), "read off the adjusted p-values; 5 humans, 1 answer",
              f"{words}, p {[f'{p:.3g}' for p in adjusted]}"),
    ]  # fmt: skip


def _decision_guards() -> list[Check]:
    """Numbers at which a guard against 0 must not strike: mean belief 1, standard error of the excess risk 1."""
    mu, c, n = Rational(1), Rational(2, 5), 2
    human, ref = (Rational(5, 2), Rational(7, 2)), Rational(12, 5)  # mean 3, standard error 1/2: 2 |mu| se = 1
    delta = Rational(3) - ref
    excess = mu * (mu - 2 * delta) - c
    safe = _student(excess, 1)
    exact = {"threshold": (1 - c) / 2, "p_safe": safe, "p_unsafe": 1 - safe, "excess_risk": excess}
    checks = []
    for name, beliefs in (("1", (Rational(3, 4), Rational(5, 4))), ("-1", (Rational(-3, 4), Rational(-5, 4)))):
        sign = 1 if name == "1" else -1
        answers = [ref] if sign == 1 else [2 * Rational(3) - ref]  # Delta turns with mu: the same p-values
        r = _decide(beliefs, human, answers, n_digital=n, eta=float(c), reference_noise_var=0)
        wanted = exact | {"threshold": sign * exact["threshold"], "delta": sign * delta}
        computed = {key: getattr(r, key) for key in wanted}
        checks.append(fields_agree(f"calculator: mean belief {name}, standard error 1", computed, wanted,
                              "Student's t on 1 degree of freedom, nothing decided beforehand"))  # fmt: skip
    return checks


def _decision_bounded() -> list[Check]:
    """On a scale: weights from a Dirichlet law, one atom at the scale's end; drawn as gammas here."""
    rng, times = np.random.default_rng(20261128), 400_000
    rows: list[tuple[str, Sequence[int], float, float, float]] = [
        ("few answers", (1, 2, 2, 3, 5), 0.8, 2.2, 1.0), ("nearly all equal", (1, 1, 1, 1, 5), -0.75, 1.25, 1.0),
        ("eight answers", (1, 5, 1, 5, 5, 5, 2, 3), 0.5, 3.0, 0.7),
        ("all equal", (5, 5, 5, 5, 5, 5, 5, 5, 5), 1.0, 4.0, 0.7),
    ]  # fmt: skip
    c, checks = 0.3, []
    for name, human, mu, ref, weight in rows:
        own = rng.standard_exponential((times, len(human)))
        end = rng.gamma(weight, size=times)
        sums, total = own @ np.array(human, dtype=float), own.sum(axis=1) + end
        low, high = (sums + end) / total, (sums + 5 * end) / total
        tie = ref + (mu * mu - c) / (2 * mu)
        below = {"low": float(np.mean(low <= tie)), "high": float(np.mean(high <= tie))}
        safe, unsafe = (below["low"], 1 - below["high"]) if mu > 0 else (1 - below["high"], below["low"])
        r = safe_decision([mu - 0.1, mu + 0.1], human, [ref], n_digital=2, eta=c, bounds=(1, 5), level=0.8,
                          reference_noise_var=0)  # fmt: skip
        wanted = (safe, unsafe, *(float(np.quantile(law, q)) - ref for law, q in ((low, 0.1), (high, 0.9))))
        found = (r.p_safe, r.p_unsafe, r.delta_lower, r.delta_upper)
        worst = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
        checks.append(Check(f"calculator: decision on a scale, {name}", "simulation", "exact",
                            "P(y* beyond the tie) and quantiles of the Dirichlet mean, to 0.02 (saddlepoint)",
                            worst <= 0.02, True, f"largest difference {worst:.4f}"))  # fmt: skip
    left = [_decide((-1, 1), (1, 2, 2, 3), [2], n_digital=2, eta=0, digital_noise_var=v, bounds=(1, 5))
            for v in (0.0, 0.5)]  # fmt: skip
    verdicts = [(r.decision, r.p_safe, r.p_unsafe) for r in left]
    return [
        *checks,
        numeric("calculator: mu = 0 on a scale", verdicts == [("safe", 0.0, 1.0), ("unsafe", 1.0, 0.0)],
              "mu = 0: decided by c alone, on a scale as without", str(verdicts)),
    ]  # fmt: skip


def _decision_reach() -> list[Check]:
    """On a scale the interval of Delta adds the reaches of the humans and of the reference's mean in squares."""
    human, level, checks = (1, 2, 2, 3, 5, 4), 0.8, []
    rows: list[tuple[str, Sequence[int], float | None]] = [
        ("spread answers", (1, 5, 3, 4), None), ("all alike", (2,) * 6, None),
        ("one a step away", (3, 3, 3, 3, 4), None), ("known variance", (2, 3), 0.5),
    ]  # fmt: skip
    for name, answers, known in rows:
        given, ref = len(answers), float(np.mean(answers))
        alone = safe_decision([-1, 1.5], human, [ref], n_digital=2, eta=0.3, bounds=(1, 5), level=level,
                              reference_noise_var=0)  # fmt: skip
        noise = {} if known is None else {"eta": known, "reference_noise_var": known}
        r = safe_decision([-1, 1.5], human, answers, n_digital=2, bounds=(1, 5), level=level, **noise)
        if known is None:  # at least what one answer a step away leaves room for
            one, quantile = (
                max(float(np.var(answers, ddof=1)), 1 / (given - 1)),
                stats.t.ppf((1 + level) / 2, given - 1),
            )
        else:
            one, quantile = known, stats.norm.ppf((1 + level) / 2)
        reach = quantile * math.sqrt(one / given)
        wanted = {"lower": r.delta - math.hypot(alone.delta - alone.delta_lower, reach),
                  "upper": r.delta + math.hypot(alone.delta_upper - alone.delta, reach)}  # fmt: skip
        found = {"lower": r.delta_lower, "upper": r.delta_upper}
        checks.append(fields_agree(f"calculator: Delta on a scale, {name}", found, wanted,
                              "Delta -+ sqrt(reach of the humans^2 + (t sqrt(max(s^2, floor)/R))^2)"))  # fmt: skip
    return checks


def _decision_condition() -> list[Check]:
    """The linear condition on Delta, and how an estimated reference enters."""
    mu, delta, c = sympy.symbols("mu Delta c", real=True)
    h, r, eta, crowd, human, ref = sympy.symbols("h r eta yt y* y_ref", real=True)
    held = (mu - r) * ((mu - r) - 2 * (delta + h - r)) - mu * (mu - 2 * delta)
    edge = (mu**2 - c) / (2 * mu)
    return [
        identity("threshold", mu * (mu - 2 * delta) - c, -2 * mu * (delta - edge),
                 "L - L' = -2 mu (Delta - (mu^2 - c)/(2 mu)): safe iff Delta >= it for mu > 0, <= for mu < 0"),
        identity("excess in standard errors", (mu * (mu - 2 * delta) - c) / (2 * mu), edge - delta,
                 "the excess risk over 2 |mu| se is the t statistic of Delta against the threshold"),
        identity("error of the excess, beliefs that hold the reference", held,
                 -2 * mu * h + 2 * delta * r - r**2 + 2 * r * h,
                 "mu^ = mu - r, Delta^ = Delta + h - r: error -2 mu h + 2 Delta r to first order, bias -Var r"),
        identity("difference of squares", (crowd - human) ** 2 - (ref - human) ** 2 - eta,
                 (crowd - ref) * (crowd - ref - 2 * (human - ref)) - eta,
                 "L - L' = (yt - y*)^2 - (y_ref - y*)^2 - c with mu = yt - y_ref"),
        identity("about Delta", (mu - delta) ** 2 - delta**2 - c, mu * (mu - 2 * delta) - c,
                 "mu (mu - 2 Delta) <= c exactly where (mu - Delta)^2 <= Delta^2 + c"),
    ]  # fmt: skip


def symbolic() -> list[Check]:
    """The exact condition, the published proof line by line, the regions, the counterexamples, the calculators."""
    checks = [check for n, k in ((2, 1), (3, 2), (4, 1), (5, 3), (6, 2)) for check in _exact_condition(n, k)]
    checks += [check for n in range(2, 9) for check in _proof(n)]
    checks += _interval_algebra() + _region_algebra() + _decision_condition()
    checks += [_over_profiles(n) for n in (2, 3, 6)]
    checks += _counterexamples() + _grid() + _regions()
    checks += _interval_calculator() + _decision_numbers() + _decision_borders()
    return checks + _decision_guards() + _decision_reach()


# ------------------------------------------------------------------------------------------------------- simulation
MEANS, SDS, DIGITAL_SDS = np.array([0.0, 1.5, -0.5, 2.0, 0.75]), (0.5, 0.3, 0.9, 0.7, 1.1), (0.2, 0.6, 0.4, 0.9, 0.1)
MEAN_BELIEFS, BELIEF_SDS = np.array([0.9, -0.4, 0.3, 1.6, 0.2]), np.array([0.3, 0.8, 0.1, 0.5, 0.6])
REFERENCE, ETA = 0.55, 0.6


def _draw_excess(rng: np.random.Generator, times: int, way: str, k: int, spread: Any) -> tuple[float, float]:
    """Mean of (ybar - yt)^2 - (ybar - Phi)^2 and its standard error."""
    n = len(MEANS)
    human = (MEANS + np.array(SDS) * rng.normal(size=(times, n))).mean(axis=1)
    sd = math.sqrt(ETA)
    many = {"expected": 0, "shared": k, "individual": n * k}[way]  # answers of the LLM in the crowd's mean
    entering = sd * rng.normal(size=(times, many)).mean(axis=1) if many else np.zeros(times)
    beliefs = (MEAN_BELIEFS + spread * rng.normal(size=(times, n))).mean(axis=1)
    twins = REFERENCE + entering + beliefs + (np.array(DIGITAL_SDS) * rng.normal(size=(times, n))).mean(axis=1)
    llm = REFERENCE + sd * rng.normal(size=times)
    excess = (human - twins) ** 2 - (human - llm) ** 2
    return float(excess.mean()), float(excess.std(ddof=1)) / math.sqrt(times)


def simulated(seed: int = 20261122) -> list[Check]:
    """L - L' drawn directly against the calculator; the rate of wrong decisions at the border."""
    rng = np.random.default_rng(seed)
    n, mu = len(MEANS), float(MEAN_BELIEFS.mean())
    delta, checks = float(MEANS.mean()) - REFERENCE, []
    for way, k, spread in (("expected", None, 0.0), ("expected", None, BELIEF_SDS), ("shared", 2, BELIEF_SDS),
                           ("individual", None, 0.0), ("individual", 3, BELIEF_SDS)):  # fmt: skip
        wobble = float(np.mean(np.square(spread * np.ones(n)))) / n
        second = float(np.mean(MEAN_BELIEFS**2)) + wobble * n
        result = safe_interval(mu, second, delta, 1.0, n, eta=ETA,
                               digital_noise_var=float(np.mean(np.square(DIGITAL_SDS))),
                               belief_mean_var=wobble, reference=way, k=k)  # fmt: skip
        beliefs = "fixed" if np.ndim(spread) == 0 else "random"
        drawn = _draw_excess(rng, 60_000, way, k or 1, spread)
        checks.append(simulation(f"L - L', {way}, k={k}, {beliefs} beliefs", *drawn, result.excess_risk, EXACT))
        if way == "expected":
            proof = 2 * mu**2 - 2 * mu * delta - second - ETA + 2 * wobble
            checks.append(simulation(f"the proof's sum, {beliefs} beliefs", *drawn, proof,
                                     "L - L' = E [2 P^2 - 2 P Delta - Q] - eta", about="published",
                                     expected=False))  # fmt: skip
    return checks + _averages() + _decision_bounded() + _wrong_decisions(rng)


def _wrong_decisions(rng: np.random.Generator) -> list[Check]:
    """At Delta = threshold both verdicts have probability 1 - level each; Student's t is exact for normal answers."""
    times, n, level, c = 20_000, 6, 0.95, 0.3
    checks = []
    for mu in (0.8, -0.5):
        edge = (mu * mu - c) / (2 * mu)
        human = edge + rng.normal(size=(times, n))
        r = safe_decision(np.full((times, 3), mu), human, np.zeros((times, 1)), n_digital=3, eta=c, level=level,
                          reference_noise_var=0)  # fmt: skip
        for verdict in ("safe", "unsafe"):
            rate = float(np.mean(r.decision == verdict))
            checks.append(simulation(f"rate of '{verdict}' at the border, mu={mu}", rate,
                                     math.sqrt(level * (1 - level) / times), 1 - level,
                                     "each verdict has probability 1 - level at the border"))  # fmt: skip
    times, eta = 1_500, 0.25
    for n, given, delta, side in ((20, 10, 2.0, -1), (20, 2, 0.5, -1), (8, 5, 0.0, 1)):
        mu = delta + side * math.sqrt(delta**2 + eta)
        answers = math.sqrt(eta) * rng.normal(size=(times, given))
        beliefs = (mu - answers.mean(axis=1))[:, None] + np.array([-1.0, 1.0])  # answers less the mean reference
        human = delta + rng.normal(size=(times, n))
        r = safe_decision(beliefs, human, answers, n_digital=2, level=level)
        error = math.sqrt(0.06 * 0.94 / times)
        rates = [float(np.mean(r.decision == verdict)) for verdict in ("safe", "unsafe")]
        checks.append(Check(f"ties, estimated reference in the beliefs, n={n}, R={given}, Delta={delta}", "simulation",
                            "exact", "wrong at most 0.06 each way, within 4 standard errors",
                            max(rates) <= 0.06 + 4 * error, True, f"rates {rates[0]:.4f}, {rates[1]:.4f}"))  # fmt: skip
        off = r.excess_risk
        checks.append(simulation(f"excess_risk at the tie, n={n}, R={given}, Delta={delta}", float(off.mean()),
                                 float(off.std(ddof=1)) / math.sqrt(times), 0.0, "no bias: 0 at a tie"))  # fmt: skip
    return checks


def picture(ax: Any) -> None:
    """N = 20, kappa = 1/2, eta = 1/10: where the published promise holds for every admissible Delta."""
    n, k, eta = 20, 0.5, 0.1
    m, sd = np.meshgrid(np.linspace(0, 2.4, 241), np.linspace(0, 2, 201))
    h = published_half_width(m * m + sd * sd, np.array(eta), np.array(k), np.array(float(n)))
    empty = m > h + k
    kept = m * (m + 2 * np.minimum(h - m, k)) <= eta
    ax.contourf(m, sd, np.where(empty, 0.0, np.where(kept, 1.0, 2.0)), levels=[-0.5, 0.5, 1.5, 2.5],
                colors=["0.93", "#9ecae1", "#fcae91"])  # fmt: skip
    line = np.linspace(0.05, 2.4, 1000)
    edge = (eta + line**2) / (2 * line)
    small = (n * eta + (n - 4) * line**2) ** 2 / (8 * (n - 2) * line**2)
    both = (eta + 2 * k * line - line**2) * ((n - 1) * eta + (n - 3) * line**2 - 2 * k * line)
    border = np.where((n - 2) * edge < 2 * k, small, both / (2 * (n - 2) * line**2))
    shown = (line * line + 2 * k * line > eta) & (border >= 0)
    ax.plot(line[shown], np.sqrt(border[shown]), color="tab:blue", label="exact border")
    ax.set_ylim(0, 2)
    rng = np.random.default_rng(20261122)
    for mean, spread in product((0.05, 0.3, 0.6, 1.0, 1.5), (0.15, 0.6, 1.2, 1.8)):
        half = float(published_half_width(*(np.array(v) for v in (mean**2 + spread**2, eta, k, float(n)))))
        if mean > half + k:
            continue
        delta = max(mean - half, -k)  # the worst admissible one
        llm = math.sqrt(eta) * rng.normal(size=4000)
        excess = (delta - mean) ** 2 - (delta - llm) ** 2
        worse = excess.mean() > 0
        ax.plot(mean, spread, "x" if worse else "o", color="tab:red" if worse else "tab:blue", markersize=6)
    ax.plot([], [], "x", color="tab:red", label="simulated: L > L' at the worst Delta")
    ax.plot([], [], "o", color="tab:blue", label="simulated: L <= L'")
    ax.text(0.98, 0.02, "blue: promise kept; red: broken; grey: none made", transform=ax.transAxes, ha="right",
            fontsize="small")  # fmt: skip
    ax.set_xlabel("|mean belief| (answer units)")
    ax.set_ylabel("spread of the beliefs sd")
    ax.set_title("Theorem 3: N = 20, kappa = 1/2, eta = 1/10")
    ax.legend(loc="upper right", fontsize="small")


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

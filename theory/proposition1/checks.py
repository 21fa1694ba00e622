"""Proposition 1: the risk of the bare LLM, as published and exact, for one answer and for the mean of K answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational

from crowdllm_stats.inference.proposition1_llm_risk import llm_risk
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
from crowdllm_stats.verify.algebra import all_answers, average, expectation, ring_mean

STATEMENT = Statement(
    name="proposition1",
    title="Proposition 1 (HTML: Proposition 4.3): risk of the bare LLM",
    published="L' = L1 + L2 + E mean_i (ybar_i - y_ref)^2 + eta(t)",
    verdict="fails",
    exact="L' = Delta^2 + L2/N + eta/K for the mean of K answers (the paper: K = 1); the published sum exceeds it by "
    "2 Var_i(ybar_i) + 2 (1 - 1/N) L2",
)
EXACT = STATEMENT.exact.split(" for ")[0]


# ------------------------------------------------------------------------------------------ steps of the derivation
def _steps(n: int, answers: int) -> list[Check]:
    """N people with unequal noises; the mean of ``answers`` independent answers of the LLM."""
    names = [f"{letter}{i}" for letter in "aes" for i in range(1, n + 1)]
    ring, *variables = sympy.ring([*names, "ref", "eta", *(f"phi{j}" for j in range(answers))], sympy.QQ)
    means, noises, var = (variables[i * n : (i + 1) * n] for i in range(3))
    ref, eta, *phis = variables[3 * n :]
    mean = ring_mean
    variances = dict([*zip(noises, var, strict=True), *((phi, eta) for phi in phis)])

    def expect(expression: Any) -> Any:
        return expectation(expression, variances)

    y = [a + e for a, e in zip(means, noises, strict=True)]
    crowd, gold, one = mean(y), mean(means), sympy.QQ(1, n)
    risk = expect((crowd - ref - mean(phis)) ** 2)
    l1, l2 = expect(mean((crowd - each) ** 2 for each in y)), mean(var)
    discrepancy = mean((a - ref) ** 2 for a in means)
    diversity = mean(a**2 for a in means) - gold**2
    shared = eta * sympy.QQ(1, answers)
    cross = expect(mean((crowd - a) * (a - ref) for a in means))
    about_means = expect(mean((crowd - a) ** 2 for a in means))
    tag = f"N={n}, K={answers}"

    def same(name: str, left: Any, right: Any, says: str) -> Check:
        return identity(f"{name}, {tag}", left.as_expr(), right.as_expr(), says)

    return [
        same("exact", risk, (gold - ref) ** 2 + l2 * one + shared, "L' = Delta^2 + L2/N + eta/K"),
        same("about the mean answer", risk, expect((crowd - ref) ** 2) + shared,
             "E(ybar - Phi)^2 = E(ybar - y_ref)^2 + eta/K"),
        same("no diversity to take off", expect((crowd - ref) ** 2), expect(mean((crowd - ref) ** 2 for _ in y)),
             "E(ybar - y_ref)^2 is its own mean over people: Lemma 8.1 with y_ref for every twin, so L5 = 0"),
        same("step 1", expect((crowd - ref) ** 2), about_means + discrepancy + 2 * cross,
             "E(ybar - y_ref)^2 = E mean_i (ybar - ybar_i)^2 + mean_i (ybar_i - y_ref)^2 + 2 X'"),
        same("cross term", cross, -diversity, "X' = E mean_i (ybar - ybar_i)(ybar_i - y_ref) = -Var_i(ybar_i)"),
        same("step 2", about_means, l1 - l2 * sympy.QQ(n - 2, n), "E mean_i (ybar - ybar_i)^2 = L1 - (1 - 2/N) L2"),
        same("discrepancy", discrepancy, (gold - ref) ** 2 + diversity,
             "mean_i (ybar_i - y_ref)^2 = Delta^2 + Var_i(ybar_i)"),
        same("excess of the published sum", l1 + l2 + discrepancy + shared - risk,
             2 * diversity + 2 * l2 * sympy.QQ(n - 1, n), "published - L' = 2 Var_i(ybar_i) + 2 (1 - 1/N) L2"),
    ]  # fmt: skip


def _general_n() -> list[Check]:
    n, diversity, delta, l2, eta, k = sympy.symbols("N V Delta L2 eta K", positive=True)
    l1 = diversity + (1 - 1 / n) * l2
    exact = delta**2 + l2 / n + eta / k
    published = l1 + l2 + (delta**2 + diversity) + eta / k
    excess = published - exact
    larger = sympy.expand(sympy.cancel(excess.subs(n, n + 1) * (n + 1)))
    return [
        identity("excess of the published sum, every N", excess, 2 * diversity + 2 * (1 - 1 / n) * l2,
                 "published - L' = 2 Var_i(ybar_i) + 2 (1 - 1/N) L2"),
        identity("one person", excess.subs({n: 1, diversity: 0}), sympy.Integer(0),
                 "the published sum is right at N = 1"),
        identity("people alike and without noise", excess.subs({diversity: 0, l2: 0}), sympy.Integer(0),
                 "and where Var_i(ybar_i) = 0 and L2 = 0"),
        Check("nowhere else", "symbolic", "exact", "for N > 1 the excess is positive if Var_i(ybar_i) or L2 is",
              bool(larger.is_positive), True, f"(N + 1) times the excess at N + 1: {larger}, all symbols positive"),
        identity("many answers", sympy.limit(exact, k, sympy.oo), delta**2 + l2 / n,
                 "the mean of many answers has risk Delta^2 + L2/N: that is the paper's L' as it is written"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------- a population in rational numbers


def _people() -> tuple[list[Fraction], list[list[Fraction]]]:
    """Three people with skewed, unequal noises: means, and the equally likely values of each noise."""
    third = (Fraction(-1), Fraction(-1), Fraction(2))
    return ([Fraction(1, 2), Fraction(3), Fraction(-5, 3)],
            [[scale * z for z in third] for scale in (Fraction(1, 2), Fraction(3, 4), Fraction(2, 3))])  # fmt: skip


#: The LLM's equally likely answers.
PHI = (Fraction(0), Fraction(1, 2), Fraction(2))


def _by_definition(
    means: Sequence[Fraction], noise: Sequence[Sequence[Fraction]], phi: Sequence[Fraction], k: int
) -> dict[str, Fraction]:
    """Every part by its definition: all outcomes of a finite probability space, in exact fractions."""
    people = all_answers(means, noise)
    ref = average(phi)
    parts = {
        "risk": average((average(y) - average(given)) ** 2 for y in people for given in product(phi, repeat=k)),
        "L1": average(average((average(y) - one) ** 2 for one in y) for y in people),
        "L2": average(average(e * e for e in each) for each in noise),
        "discrepancy": average((a - ref) ** 2 for a in means),
        "gap_squared": (average(means) - ref) ** 2,
        "eta": average((value - ref) ** 2 for value in phi),
    }
    parts["exact"] = parts["gap_squared"] + parts["L2"] / len(means) + parts["eta"] / k
    parts["published"] = parts["L1"] + parts["L2"] + parts["discrepancy"] + parts["eta"] / k
    return parts


def _counterexamples() -> list[Check]:
    zero = [Fraction(0)]
    coin = [Fraction(-1), Fraction(1)]
    apart = _by_definition([Fraction(-1), Fraction(1)], [zero, zero], zero, 1)
    noisy = _by_definition([Fraction(0), Fraction(0)], [coin, coin], zero, 1)
    generic = _by_definition(*_people(), PHI, 1)
    cases = (
        ("diverse people", apart, "N = 2, ybar = (-1, 1), no noise, Phi = 0"),
        ("noisy people", noisy, "N = 2, ybar = (0, 0), e_i = +-1, Phi = 0"),
        ("generic people", generic, "three people, Phi in {0, 1/2, 2}, all 27 x 3 outcomes"),
    )
    checks = [
        counterexample(name, p["published"] == p["risk"], STATEMENT.published,
                       f"{setting}: L' = {p['risk']}, published {p['published']}")
        for name, p, setting in cases
    ]  # fmt: skip
    checks += [
        enumeration(f"exact sum, {name}", p["exact"] == p["risk"], EXACT, f"L' = {p['risk']}, sum = {p['exact']}")
        for name, p, _ in cases
    ]  # fmt: skip
    three = _by_definition(*_people(), PHI, 3)
    checks.append(
        enumeration("exact sum, mean of three answers", three["exact"] == three["risk"], EXACT,
                f"L' = {three['risk']}, sum = {three['exact']}")
    )  # fmt: skip
    return checks


# -------------------------------------------------------------------------------------------------- the calculator


def _unbiased(given: int, k: int, repeats: int) -> Check:
    """The calculator's mean over all data sets of ``repeats`` human and ``given`` LLM answers."""
    means, noise = _people()
    exact = _by_definition(means, noise, PHI, k)
    people = np.array(all_answers(means, noise), dtype=float)
    answers = np.array(list(product(PHI, repeat=given)), dtype=float)
    human = np.array(list(product(people, repeat=repeats)))
    noise_var = None if repeats > 1 else [float(average(e * e for e in each)) for each in noise]
    result = llm_risk(np.repeat(human, len(answers), axis=0), np.tile(answers, (len(human), 1)), k_averaged=k,
                      human_noise_var=noise_var, axis_replicate=-2)  # fmt: skip
    known = {name: value for name in result.columns if (value := getattr(result, name)) is not None}
    wanted = {name: exact[name] for name in known}
    complete = set(known) == (set(result.columns) if given > 1 else {"exact", "published", "L1", "L2"})
    check = fields_agree(f"calculator: R={given} answers, k_averaged={k}, {repeats} per person",
                    {name: np.mean(value) for name, value in known.items()}, wanted,
                    f"mean over all {len(human) * len(answers):,} data sets = the quantity",
                kind="exact enumeration")  # fmt: skip
    return check if complete else Check(check.name, check.kind, check.about, check.says, False, True, str(set(known)))


def _batch_check() -> Check:
    """Problems on two leading axes give what each gives alone."""
    rng = np.random.default_rng(2)
    y, answers = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 6))
    known = rng.uniform(size=(2, 3, 5))
    off = 0.0
    for human, axis, noise in ((y, -2, None), (y[:, :, 0], None, known)):
        whole = llm_risk(human, answers, k_averaged=2, axis_replicate=axis, human_noise_var=noise)
        for at in product(range(2), range(3)):
            alone = llm_risk(human[at], answers[at], k_averaged=2, axis_replicate=axis,
                             human_noise_var=None if noise is None else noise[at])  # fmt: skip
            off = max(off, *(abs(getattr(whole, name)[at] - getattr(alone, name)) for name in alone.columns))
    return numeric("calculator: a batch of problems", off <= 1e-10, "a batch gives each problem's own numbers",
                f"largest difference {off:.1e}")  # fmt: skip


def _flag_check() -> Check:
    """Two equal people and a noisy LLM around them: Delta^2 is estimated below zero; no noise: it is 0, no flag."""
    result = llm_risk(np.zeros((2, 2)), [[-1.0, 1.0], [0.0, 0.0]], human_noise_var=0.0)
    flags = {name.split()[0]: list(np.asarray(mask)) for name, mask in result.flags.items()}
    holds = flags == {"discrepancy": [True, False], "gap_squared": [True, False]}
    return numeric("calculator: flags", holds, "an estimate below zero is flagged, 0 is not", f"{flags}")  # fmt: skip


def _calculator() -> list[Check]:
    one = llm_risk([[2, 4, 3], [1, 5, 3]], [[2, 3, 4], [0, 0, 3]], k_averaged=2)
    # (ybar - mean answer)^2 + s^2 (1/2 - 1/3), and L1 + mean_i (y_i - mean answer)^2 + the same
    exact = {"exact 1": Rational(0) + Rational(1, 6), "exact 2": Rational(4) + Rational(3, 6),
             "published 1": Rational(2, 3) + Rational(2, 3) + Rational(1, 6),
             "published 2": Rational(8, 3) + Rational(8, 3) + 4 + Rational(3, 6)}  # fmt: skip
    computed = {f"{name} {i + 1}": getattr(one, name)[i] for name in ("exact", "published") for i in range(2)}
    mean = one.average(0.6)  # 1 degree of freedom: Student's t is Cauchy, its quantile tan(pi (p - 1/2))
    half = sympy.tan(sympy.pi * Rational(3, 10)) * abs(exact["exact 1"] - exact["exact 2"]) / 2
    centre = (exact["exact 1"] + exact["exact 2"]) / 2
    wide = llm_risk([[2, 4, 3], [1, 5, 3]], [[2, 3, 4], [0, 0, 3]], k_averaged=2).average()
    broad = sympy.tan(sympy.pi * Rational(95, 200)) * abs(exact["exact 1"] - exact["exact 2"]) / 2
    unknown = one.L2 is None and one.discrepancy is None and one.gap_squared is None
    return [
        numeric("calculator: not identifiable", unknown, "without repeats or a known noise there is no L2",
                f"L2 {one.L2}, gap_squared {one.gap_squared}"),
        fields_agree("calculator: two problems by hand", computed, exact, "llm_risk returns the exact numbers"),
        fields_agree("calculator: average", {"lower": mean.lower["exact"], "upper": mean.upper["exact"]},
                {"lower": centre - half, "upper": centre + half}, "Student's t in closed form (1 degree of freedom)"),
        fields_agree("calculator: average, level left out", {"lower": wide.lower["exact"],
                "upper": wide.upper["exact"]},
                {"lower": centre - broad, "upper": centre + broad}, "the level is 0.95 unless said"),
        _batch_check(),
        _flag_check(),
        _unbiased(1, 1, 1),
        _unbiased(2, 1, 1),
        _unbiased(3, 2, 1),
        _unbiased(2, 5, 2),
        _unbiased(3, 3, 2),
    ]  # fmt: skip


def symbolic() -> list[Check]:
    """Every step for N = 2..8, K = 1..3 and a symbolic N, the counterexamples, the calculator."""
    checks = [check for n in range(2, 9) for check in _steps(n, 1 + n % 3)]
    return checks + _general_n() + _counterexamples() + _calculator()


# ------------------------------------------------------------------------------------------------------- simulation
MEANS, SDS = (0.0, 1.5, -0.5, 2.0, 0.75), (0.5, 0.3, 0.9, 0.7, 1.1)
REFERENCE, ETA = 1.25, 0.6


def _formula(n: int, k: int) -> dict[str, float]:
    """Exact and published risk for the first n people of the simulation."""
    means, l2 = np.array(MEANS[:n]), float(np.mean(np.square(SDS[:n])))
    exact = float((means.mean() - REFERENCE) ** 2 + l2 / n + ETA / k)
    return {"exact": exact, "published": exact + 2 * float(means.var()) + 2 * (1 - 1 / n) * l2}


def _draw(rng: np.random.Generator, times: int, n: int, answers: int) -> tuple[np.ndarray, np.ndarray]:
    human = np.array(MEANS[:n]) + np.array(SDS[:n]) * rng.normal(size=(times, n))
    return human, REFERENCE + math.sqrt(ETA) * rng.normal(size=(times, answers))


def _estimate(values: Any) -> tuple[float, float]:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) / math.sqrt(array.size)


def simulated(seed: int = 20261122) -> list[Check]:
    """L' drawn directly and through the calculator, for one answer and for means of several."""
    rng = np.random.default_rng(seed)
    times, n = 40_000, len(MEANS)
    checks = []
    for k in (1, 3):
        human, answers = _draw(rng, times, n, k)
        direct = _estimate((human.mean(axis=1) - answers.mean(axis=1)) ** 2)
        formula = _formula(n, k)
        checks += [
            simulation(f"L', K={k}", *direct, formula["exact"], EXACT),
            simulation(f"published sum, K={k}", *direct, formula["published"], STATEMENT.published, about="published",
                       expected=False),
        ]  # fmt: skip
    human, answers = _draw(rng, times, n, 4)
    for k in (1, 2):
        result = llm_risk(human, answers, k_averaged=k)
        formula = _formula(n, k)
        checks += [
            simulation(f"calculator's exact, K={k}, from 4 answers", *_estimate(result.exact), formula["exact"], EXACT),
            simulation(f"calculator's published, K={k}, from 4 answers", *_estimate(result.published),
                       formula["published"], "published - L' = 2 Var_i(ybar_i) + 2 (1 - 1/N) L2"),
        ]  # fmt: skip
    return checks


def picture(ax: Any) -> None:
    """Risk of the mean of K answers: published sum, exact, simulated."""
    many, n = np.arange(1, 21), len(MEANS)
    ax.plot(many, [_formula(n, int(k))["published"] for k in many], color="tab:red", label="published sum (eta/K)")
    ax.plot(many, [_formula(n, int(k))["exact"] for k in many], color="tab:blue", label="exact")
    rng = np.random.default_rng(20261122)
    for k in (1, 2, 3, 5, 10, 20):
        human, answers = _draw(rng, 4000, n, k)
        value, error = _estimate((human.mean(axis=1) - answers.mean(axis=1)) ** 2)
        ax.errorbar(k, value, yerr=2 * error, fmt="o", color="black", markersize=4,
                    label="simulated L' (2 se)" if k == 1 else None)  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.set_xticks([1, 5, 10, 15, 20])
    ax.set_xlabel("answers averaged K (the paper: 1)")
    ax.set_ylabel("risk L' (squared answer units)")
    ax.set_title("Proposition 1: risk of the bare LLM, N = 5")
    ax.legend(frameon=False)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

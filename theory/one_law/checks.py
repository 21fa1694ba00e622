"""Labelled twins and crowd of one law: what a difference between them does to PPI, and how it is found."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import sympy

from crowdllm_stats import interval
from crowdllm_stats.inference.intervals.one_law import chance_of_sum, same_law
from crowdllm_stats.verify import Check, Statement, counterexample, enumeration, identity, main, numeric, simulation

STATEMENT = Statement(
    name="one_law",
    title="Labelled twins and crowd of one law (a result of the toolkit; the paper's Theorem 5 needs it unsaid)",
    published="E (mean crowd + mean (y - f)) = y*, for any twins of the labelled people and any crowd",
    verdict="fails",
    exact="E estimate - y* = lambda (E crowd - E twin): 0 for twins and crowd of one law; then the n twins are any n "
    "of the n + N answers, and a permutation test at level a raises a false alarm with probability at most a",
)


# ------------------------------------------------------------------------------------------------------------- the bias
def _bias() -> list[Check]:
    y, f, c, lam = sympy.symbols("y f c lambda", real=True)  # expectations of a human, a labelled twin, a crowd member
    estimate = y + lam * (c - f)
    trap = interval([3, 4, 2, 5, 3, 4, 2, 3, 4, 3], [3, 4, 2, 5, 3, 4, 2, 3, 4, 3], [5.0] * 200, method="ppi")
    kept = interval([3, 4, 2, 5, 3, 4, 2, 3, 4, 3], [3, 4, 2, 5, 3, 4, 2, 3, 4, 3], [5.0] * 200, bounds=(1, 5))
    return [
        identity("bias", estimate - y, lam * (c - f), "E (ybar + lambda (crowd - fbar)) - y* = lambda (E crowd - E f)"),
        identity("one law", (estimate - y).subs(c, f), sympy.Integer(0), "no bias at any lambda where E crowd = E f"),
        counterexample(
            "two laws",
            bool(trap.lower <= 3.3 <= trap.upper),
            "PPI covers the mean of the people whatever the crowd is",
            f"twins equal to their people (mean 3.3), a crowd of 200 fives: [{trap.lower:.2f}, {trap.upper:.2f}]",
        ),
        numeric(
            "found",
            kept.method == "classical-small" and bool(kept.notices) and kept.lower < 3.3 < kept.upper,
            "in that case 'auto' names the difference first and uses the human answers alone",
            f"{kept.method}, [{kept.lower:.2f}, {kept.upper:.2f}]",
        ),
    ]


# ---------------------------------------------------------------------------------------------------------- permutation
def _moments() -> list[Check]:
    """Mean, variance and third moment of the sum of n of M numbers drawn without replacement, over all draws."""
    checks = []
    for size, picked in ((4, 1), (5, 2), (6, 3)):
        x = sympy.symbols(f"x1:{size + 1}")
        mean = sum(x) / sympy.Integer(size)
        sums = [sum(x[i] for i in some) for some in itertools.combinations(range(size), picked)]
        average = sum(sums) / sympy.Integer(len(sums))
        spread = sum((one - picked * mean) ** 2 for one in sums) / sympy.Integer(len(sums))
        exact = sympy.Rational(picked * (size - picked), size * (size - 1)) * sum((one - mean) ** 2 for one in x)
        where = f"n = {picked} of {size}"
        checks += [
            identity(f"mean, {where}", average, picked * mean, "the sum of n of M has mean n xbar"),
            identity(f"variance, {where}", spread, exact, "and variance n (M - n) / (M (M - 1)) sum (x - xbar)^2"),
        ]
    return checks


def _enumerated(pool: np.ndarray[Any, Any], picked: int) -> tuple[Any, Any]:
    """For every choice of the picked ones: the calculator's p-value, and the exact one of twice the smaller tail."""
    size = len(pool)
    draws, sums = [], []
    for some in itertools.combinations(range(size), picked):
        rest = [place for place in range(size) if place not in some]
        draws.append(pool[[*some, *rest]])
        sums.append(float(pool[list(some)].sum()))
    totals = np.array(sums)
    above = np.array([np.mean(totals >= one - 1e-9) for one in totals])
    below = np.array([np.mean(totals <= one + 1e-9) for one in totals])
    exact = np.minimum(2.0 * np.minimum(above, below), 1.0)
    return chance_of_sum(np.array(draws), picked, gap=float(np.min(np.diff(np.unique(pool))))), exact


def _levels() -> list[Check]:
    """The approximation against all choices: near the exact p-value, and false alarms are rare enough."""
    checks = []
    pools = {
        "ratings": np.array([1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5.0]),
        "skewed": np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 5.0]),
        "whole": np.arange(1.0, 13.0),
    }
    for name, pool in pools.items():
        for picked in (3, 5):
            got, exact = _enumerated(pool, picked)
            alarms = max(float(np.mean(got <= level)) / level for level in (0.01, 0.05, 0.1))
            worst = float(np.max(np.abs(got - exact)[exact < 0.2]))
            where = f"{name}, n = {picked}"
            says = "no more alarms at 0.01, 0.05 and 0.1 than that"
            checks.append(
                enumeration(f"level, {where}", alarms <= 1.0, says, f"{len(got)} choices, ratio {alarms:.2f}")
            )
            says = "within 0.06 where the exact p-value is below 0.2"
            checks.append(enumeration(f"p-value, {where}", worst <= 0.06, says, f"largest difference {worst:.3f}"))
    return checks


def _range_level() -> list[Check]:
    """The range: k answers of one side beyond all of the other have chance C(size, k) / C(n + N, k)."""
    size, picked = 9, 4
    hits = dict.fromkeys(range(1, 4), 0)
    choices = list(itertools.combinations(range(size), picked))
    for some in choices:
        rest = max(place for place in range(size) if place not in some)
        beyond = sum(place > rest for place in some)
        for k in hits:
            hits[k] += beyond >= k
    return [
        enumeration(
            f"range, k = {k}",
            hits[k] * math.comb(size, k) == len(choices) * math.comb(picked, k),
            "P(k of the n twins lie above all others) = C(n, k) / C(n + N, k)",
            f"{hits[k]} of {len(choices)} choices",
        )
        for k in hits
    ]


def symbolic() -> list[Check]:
    """The bias, the moments of a permuted sum, and the levels over all choices of small pools."""
    return [*_bias(), *_moments(), *_levels(), *_range_level()]


# ----------------------------------------------------------------------------------------------------------- simulation
def _people(rng: np.random.Generator, rows: int, n: int, size: int) -> tuple[Any, Any, Any]:
    human = rng.normal(size=(rows, n))
    return human, 0.9 * human + math.sqrt(0.19) * rng.normal(size=(rows, n)), rng.normal(size=(rows, size))


def simulated(seed: int = 20261127) -> list[Check]:
    """The bias of the estimate; alarms over a whole survey of one law; and that a real difference is found."""
    rng = np.random.default_rng(seed)
    human, twin, crowd = _people(rng, 20_000, 12, 60)
    found = interval(human, twin, crowd + 0.5, method="ppi")
    error = np.asarray(found.estimate)
    # a survey of 8 questions answered by the same people, each with a digital answer in all questions
    rows = 1_500
    person = rng.normal(size=(rows, 1, 90))
    answers = np.clip(np.round(3.0 + 0.7 * person + 0.7 * rng.normal(size=(rows, 8, 90))), 1.0, 5.0)
    alarm = np.array([same_law(one[:, :15], one[:, 15:]).differs for one in answers])
    rate, slack = float(alarm.mean()), 4.0 * math.sqrt(0.01 * 0.99 / rows)
    shifted = np.array([bool(same_law(one[:, :15], np.minimum(one[:, 15:] + 1, 5)).differs) for one in answers[:300]])
    one_law = "8 questions of the same 15 people: a false alarm in at most 1 of 100 surveys"
    two_laws = "a crowd one step higher is found in over 8 of 10 surveys"
    bias = "E estimate - y* = E crowd - E f at lambda 1"
    return [
        simulation("bias of 0.5", float(error.mean()), float(error.std() / math.sqrt(len(error))), 0.5, bias),
        _seen("alarms, one law", one_law, rate <= 0.01 + slack, f"{rate:.4f} of {rows} surveys"),
        _seen("alarms, two laws", two_laws, shifted.mean() > 0.8, f"{shifted.mean():.3f} of 300 surveys"),
    ]


def _seen(name: str, says: str, holds: bool, evidence: str) -> Check:
    return Check(name, "simulation", "exact", says, bool(holds), True, evidence)


def picture(ax: Any) -> None:
    """Coverage of PPI++ for few answers and of 'auto' over the distance between twins and crowd."""
    rng = np.random.default_rng(1)
    shifts = np.linspace(0.0, 1.5, 7)
    for method in ("ppi++-small", "auto"):
        rates = []
        for shift in shifts:
            human, twin, crowd = _people(rng, 200, 20, 200)
            hits = [interval(h, t, c + shift, method=method) for h, t, c in zip(human, twin, crowd, strict=True)]
            rates.append(np.mean([one.lower <= 0.0 <= one.upper for one in hits]))
        ax.plot(shifts, rates, "o-", label=method)
    ax.axhline(0.95, color="black", lw=0.8)
    ax.set(xlabel="crowd's mean less the labelled twins' law, in sd", ylabel="coverage, n = 20, one question alone",
           title="Twins and crowd of two laws")  # fmt: skip
    ax.legend(fontsize="small")


if __name__ == "__main__":
    raise SystemExit(main(STATEMENT, symbolic))

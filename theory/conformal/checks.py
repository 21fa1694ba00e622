"""Split-conformal intervals for problems without human answers: the exact finite-sample statement and its limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from crowdllm_stats.inference.conformal import _rank, _split, conformal_new_problems
from crowdllm_stats.inference.fay_herriot.dispersion import fit_variance_function
from crowdllm_stats.verify import Check, Statement, counterexample, enumeration, identity, numeric, simulation

STATEMENT = Statement(
    name="conformal",
    title="Intervals for new problems: split conformal (a result of the toolkit; not in the paper)",
    published="(textbook) exchangeable problems: P(new observed mean in the interval) >= level, for any C and any law",
    verdict="holds under exchangeability, for the observed mean",
    exact="P = k/(C + 1), k = ceil((C + 1) level), where scores do not tie, and at least that where they do; "
    "the target is the observed mean of as many raters, not the noise-free one",
)


# ------------------------------------------------------------------------------------------- 1: the rank of one among C
def _coverage_of_ranks(scores: Sequence[int], k: int) -> Fraction:
    """Share of all orders of the scores in which the last is at most the k-th smallest of the others."""
    held = [order[-1] <= sorted(order[:-1])[k - 1] for order in itertools.permutations(scores)]
    return Fraction(sum(held), len(held))


def _rank_checks() -> list[Check]:
    checks = []
    for c in range(1, 6):
        found = [_coverage_of_ranks(range(c + 1), k) for k in range(1, c + 1)]
        wanted = [Fraction(k, c + 1) for k in range(1, c + 1)]
        says = "all (C+1)! orders of distinct scores: P(new score <= k-th smallest of C) = k/(C+1)"
        checks.append(enumeration(f"rank, C = {c}", found == wanted, says, f"k = 1..{c}: {', '.join(map(str, found))}"))
    tied = [0, 0, 1, 1, 1]
    found = [_coverage_of_ranks(tied, k) for k in range(1, 5)]
    says = "with ties the probability is at least k/(C+1)"
    holds = all(share >= Fraction(k, 5) for k, share in enumerate(found, start=1))
    checks.append(enumeration("ties", holds, says, f"scores 0 0 1 1 1: {', '.join(map(str, found))}"))
    return checks


def _order_statistic_checks() -> list[Check]:
    """Given the calibration scores the coverage is their k-th uniform order statistic, Beta(k, C + 1 - k)."""
    u = sympy.symbols("u", positive=True)
    checks = []
    for c, k in ((4, 3), (9, 9), (19, 18)):
        density = u ** (k - 1) * (1 - u) ** (c - k) * sympy.factorial(c)
        density /= sympy.factorial(k - 1) * sympy.factorial(c - k)
        mean = sympy.integrate(sympy.expand(u * density), (u, 0, 1))
        second = sympy.integrate(sympy.expand(u**2 * density), (u, 0, 1))
        case = f"C = {c}, k = {k}"
        checks.append(identity(f"mean of coverage, {case}", mean, sympy.Rational(k, c + 1), "E U_(k) = k/(C+1)"))
        exact = sympy.Rational(k * (c + 1 - k), (c + 1) ** 2 * (c + 2))
        says = "its variance over calibration sets: k (C+1-k) / ((C+1)^2 (C+2))"
        checks.append(identity(f"variance of coverage, {case}", second - mean**2, exact, says))
    return checks


# --------------------------------------------------------------------------------------------- 2: which rank it is
LEVELS = tuple(Fraction(share, 100) for share in (50, 55, 70, 80, 90, 95, 99))


def _choice_checks() -> list[Check]:
    wrong, loose = [], []
    for level in LEVELS:
        for c in range(1, 400):
            k = math.ceil((c + 1) * level)
            if _rank(c, float(level)) != k:
                wrong.append((level, c))
            if not level <= Fraction(k, c + 1) < level + Fraction(1, c + 1):
                loose.append((level, c))
    says = "the calculator's rank is ceil((C + 1) level) in exact arithmetic, for 7 levels and C = 1..399"
    checks = [numeric("rank of the calculator", not wrong, says, f"{len(wrong)} differ {wrong[:2]}")]
    says = "level <= k/(C+1) < level + 1/(C+1): never below the level, at most 1/(C+1) above"
    checks.append(numeric("level reached", not loose, says, f"{len(loose)} exceptions"))
    parts, expected = [], []
    for given, problems, coefficients in (
        (0.95, 26, 2),
        (0.95, 45, 2),
        (0.9, 60, 4),
        (0.5, 14, 2),
        (0.5, 10, 2),
        (0.8, 12, 2),
        (0.8, 15, 3),
        (0.99, 107, 2),
    ):
        exact = Fraction(str(given))
        needed, least = math.ceil(exact / (1 - exact)), coefficients + 5
        fitted, calibration = _split(problems, coefficients, given, 7)
        parts.append((len(calibration), len(fitted), len({*fitted, *calibration})))
        size = min(max(needed, problems // 2), problems - least)
        expected.append((size, problems - size, problems))
    says = "halves, or as many as the level needs: C >= level/(1 - level); fitted ones at least coefficients + 5"
    checks.append(numeric("split", parts == expected, says, f"(C, fitted, all): {parts}"))
    refused = []
    for given, problems in ((0.95, 25), (0.9, 15), (0.99, 105)):
        try:
            _split(problems, 2, given, 0)
        except ValueError:
            refused.append(problems)
    says = "one problem fewer than C needs and the fit needs is refused (19 + 7, 9 + 7, 99 + 7)"
    checks.append(numeric("too few", refused == [25, 15, 105], says, f"refused {refused}"))
    return checks


# ------------------------------------------------------------------------------------ 3: the calculator, exhaustively
def _pool(count: int, seed: int) -> tuple[Any, Any]:
    """Skewed, heteroscedastic, not linear: nothing the interval may count on."""
    rng = np.random.default_rng(seed)
    digital = rng.gamma(2.0, 1.0, count)
    return digital, digital**1.5 + (0.2 + digital) * (rng.exponential(1.0, count) - 1.0)


def _exhaustive(
    level: float, problems: int, seed: int, new: int = 1, bounds: tuple[float, float] | None = None
) -> Check:
    """Every one of the exchangeable problems takes the new one's place once; the fitted ones stay."""
    digital, human = _pool(problems + new, seed)
    if bounds is not None:
        human = np.clip(human / 4.0 + 1.0, 1.0, 4.9) + 0.01 * digital / digital.max()
    fitted, calibration = _split(problems, 2, level, seed)
    free = np.concatenate([calibration, np.arange(problems, problems + new)])
    held = total = 0
    for chosen in itertools.permutations(range(len(free)), new):
        rest = [place for place in range(len(free)) if place not in chosen]
        order = np.arange(problems + new)
        order[free] = free[rest + list(chosen)]
        x, y = digital[order], human[order]
        got = conformal_new_problems(y[:problems], x[:problems], x[problems:], level=level, seed=seed, bounds=bounds)
        held += int(got.lower[0] <= y[problems] <= got.upper[0])
        total += 1
    c = len(calibration)
    wanted = Fraction(math.ceil((c + 1) * Fraction(str(level))), c + 1)
    says = f"the first of {new} new problem(s) is covered in exactly k/(C+1) of all exchanges, level {level:g}"
    name = f"exhaustive, level {level:g}, {new} new{', bounded' if bounds else ''}"
    return enumeration(name, Fraction(held, total) == wanted, says, f"{held} of {total}, wanted {wanted}")


def _line(digital: Any, human: Any, rows: Any) -> Any:
    slope, constant = np.polyfit(digital[rows], human[rows], 1)
    return constant + slope * digital


def _interval_check() -> Check:
    """Estimate and ends again: least squares, residuals by leaving out, their size, the order statistic."""
    digital, human = _pool(46, 3)
    pairs: list[tuple[float, float]] = []
    for level, bounds in ((0.9, None), (0.8, (float(human.min()) - 0.05, float(human.max()) + 0.5))):
        got = conformal_new_problems(human[:40], digital[:40], digital[40:], level=level, seed=11, bounds=bounds)
        fitted, calibration = _split(40, 2, level, 11)
        margin = 0.0 if bounds is None else 0.05 * (bounds[1] - bounds[0])
        ends = (-np.inf, np.inf) if bounds is None else bounds

        center = np.clip(_line(digital, human, fitted), ends[0] + margin, ends[1] - margin)
        left_out = [human[row] - _line(digital, human, fitted[fitted != row])[row] for row in fitted]
        curve = fit_variance_function(center[fitted], np.square(left_out), np.ones(len(fitted)), bounds)
        size = np.sqrt(curve.value(center))
        scores = np.sort(np.abs(human[:40] - center[:40])[calibration] / size[calibration])
        half = float(scores[math.ceil((len(calibration) + 1) * Fraction(str(level))) - 1]) * size[40:]
        lower, upper = np.clip(center[40:] - half, *ends), np.clip(center[40:] + half, *ends)
        for left, right in (
            (got.estimate, center[40:]),
            (got.lower, lower),
            (got.upper, upper),
            (got.half_width, (upper - lower) / 2),
        ):
            pairs += list(zip(left.tolist(), right.tolist(), strict=True))
    worst = max(abs(a - b) for a, b in pairs)
    says = "f by least squares, s from leave-one-out residuals, ends f +- s q cut at the scale's ends"
    return numeric("calculator", worst < 1e-7, says, f"{len(pairs)} numbers, largest difference {worst:.1e}")


def _leverage_check() -> Check:
    """One fitted problem far out on the digital side: its pull on the regression is counted as 0.99 at most."""
    digital, human = _pool(46, 3)
    fitted, calibration = _split(40, 2, 0.9, 11)
    digital[fitted[0]] = 4000.0
    got = conformal_new_problems(human[:40], digital[:40], digital[40:], level=0.9, seed=11)
    center = _line(digital, human, fitted)
    x = digital[fitted] - digital[fitted].mean()
    pull = 1 / len(fitted) + x**2 / np.sum(x**2)
    residual = (human[fitted] - center[fitted]) / (1 - np.minimum(pull, 0.99))
    size = np.sqrt(fit_variance_function(center[fitted], residual**2, np.ones(len(fitted)), None).value(center))
    scores = np.sort(np.abs(human[:40] - center[:40])[calibration] / size[calibration])
    half = float(scores[math.ceil((len(calibration) + 1) * Fraction(9, 10)) - 1]) * size[40:]
    worst = float(np.max(np.abs(got.half_width / half - 1)))
    evidence = f"largest pull {pull.max():.6f}, largest relative difference {worst:.1e}"
    says = "residuals over 1 - min(pull, 0.99)"
    return numeric("calculator, far out", pull.max() > 0.99 and worst < 1e-6, says, evidence)


def _named_problem_check() -> Check:
    """Of all the problems that can be the new one, the one with the largest score is never covered."""
    digital, human = _pool(15, 4)
    fitted, calibration = _split(14, 2, 0.8, 4)
    free = [*calibration.tolist(), 14]
    missed = []
    for place in free:
        order = np.arange(15)
        order[[place, 14]] = order[[14, place]]
        got = conformal_new_problems(human[order][:14], digital[order][:14], digital[order][14:], level=0.8, seed=4)
        if not got.lower[0] <= human[place] <= got.upper[0]:
            missed.append(place)
    evidence = f"of {len(free)} exchangeable problems, number {missed} is never covered as the new one"
    return counterexample("each named problem", not missed, "each named problem is covered at the level", evidence)


# --------------------------------------------------------------------------------------- 4: where it does not hold
def _limit_checks() -> list[Check]:
    # Gap theta - f is +1 or -1, evenly. Noise of mean 0: from +1 by -1 (3 in 4) or by +3 (1 in 4); mirrored from -1.
    score = {Fraction(0): Fraction(3, 4), Fraction(4): Fraction(1, 4)}
    observed = sum(p * q for s, p in score.items() for t, q in score.items() if s <= t)
    noise_free = sum(q for t, q in score.items() if t >= 1)
    mean_noise = Fraction(3, 4) * -1 + Fraction(1, 4) * 3
    level = Fraction(1, 2)
    checks = [
        enumeration("observed mean", mean_noise == 0 and observed >= level,
                "C = 1, k = 1: the observed mean is covered at least at level 1/2",
                f"covered with probability {observed}, noise of mean {mean_noise}"),
        counterexample(
            "noise-free mean", noise_free >= level, "the noise-free mean is covered at the level",
            f"observed gaps 0 (3 in 4) and 4 (1 in 4), true gap 1: covered at {noise_free}, level {level}",
        ),
    ]  # fmt: skip
    u, c, k = sympy.symbols("u", positive=True), 19, 18
    density = u ** (k - 1) * (1 - u) ** (c - k) * sympy.factorial(c) / sympy.factorial(k - 1) / sympy.factorial(c - k)
    covered = sympy.integrate(sympy.expand(u / 2 * density), (u, 0, 1))
    says = "new problems with fewer raters, gaps twice as large, are covered at the level"
    evidence = f"scores uniform on (0, 1), new ones on (0, 2), C = 19, level 0.9: covered with probability {covered}"
    checks.append(counterexample("fewer raters", covered >= sympy.Rational(9, 10), says, evidence))
    return checks


def symbolic() -> list[Check]:
    """The rank argument by listing all orders, the choice of rank, the calculator over all exchanges, limits."""
    return [
        *_rank_checks(),
        *_order_statistic_checks(),
        *_choice_checks(),
        _exhaustive(0.5, 14, 1),
        _exhaustive(0.8, 15, 2),
        _exhaustive(0.9, 40, 3),
        _exhaustive(0.55, 26, 6),
        _exhaustive(0.7, 14, 5, new=2),
        _exhaustive(0.8, 18, 8, bounds=(1.0, 5.0)),
        _interval_check(),
        _leverage_check(),
        _named_problem_check(),
        *_limit_checks(),
    ]


def simulated(seed: int = 20261122) -> list[Check]:
    """Coverage over fresh sets of problems: its mean, its spread over sets, and the noise-free mean's."""
    rng = np.random.default_rng(seed)
    checks = []
    for level, problems in ((0.9, 60), (0.8, 25)):
        needed, new, sets = math.ceil(Fraction(str(level)) / (1 - Fraction(str(level)))), 300, 1000
        c = min(max(needed, problems // 2), problems - 7)
        k = math.ceil((c + 1) * Fraction(str(level)))
        share = np.empty(sets)
        for number in range(sets):
            digital, human = _pool(problems + new, int(rng.integers(2**31)))
            got = conformal_new_problems(
                human[:problems], digital[:problems], digital[problems:], level=level, seed=number
            )
            share[number] = np.mean((got.lower <= human[problems:]) & (human[problems:] <= got.upper))
        says = f"skewed, heteroscedastic problems, C = {c}: coverage k/(C+1) = {k}/{c + 1}"
        error = float(share.std() / math.sqrt(sets))
        checks.append(simulation(f"coverage, level {level:g}", float(share.mean()), error, k / (c + 1), says))
        between = k * (c + 1 - k) / ((c + 1) ** 2 * (c + 2))
        expected = between + (k / (c + 1) - between - (k / (c + 1)) ** 2) / new
        squares = (share - k / (c + 1)) ** 2
        says = "variance of the coverage over sets: Beta(k, C + 1 - k), and that of 300 new problems"
        error = float(squares.std() / math.sqrt(sets))
        checks.append(simulation(f"spread of coverage, level {level:g}", float(squares.mean()), error, expected, says))
    checks.append(_simulated_raters(rng))
    return checks


def _simulated_raters(rng: np.random.Generator) -> Check:
    """Old problems with 8 raters, new ones with 2: normal gaps, exact conditional coverage averaged by hand."""
    c, k, level = 19, 18, 0.9
    old = np.sort(np.abs(rng.normal(size=(40_000, c))) * math.sqrt(0.25 + 1 / 8), axis=1)[:, k - 1]
    new = np.abs(rng.normal(size=40_000)) * math.sqrt(0.25 + 1 / 2)
    held = (new <= old).astype(float)
    says = "a new problem with fewer raters (2 for 8) is covered at the level 0.9"
    error = float(held.std() / math.sqrt(len(held)))
    return simulation(
        "fewer raters simulated", float(held.mean()), error, level, says, about="published", expected=False
    )


def picture(ax: Any) -> None:
    """Coverage against the number of calibration problems: the level, k/(C+1), and the calculator."""
    level, sizes = Fraction(9, 10), np.arange(9, 61)
    exact = [math.ceil((c + 1) * level) / (c + 1) for c in sizes.tolist()]
    ax.step(sizes, exact, where="mid", color="#4C72B0", label="exact: ceil((C+1) level)/(C+1)")
    ax.axhline(float(level), color="#C44E52", linestyle="--", label="level")
    rng = np.random.default_rng(1)
    for problems in (18, 24, 40, 60, 90, 118):
        c = max(9, problems // 2) if problems // 2 <= problems - 7 else problems - 7
        shares = []
        for number in range(150):
            digital, human = _pool(problems + 100, int(rng.integers(2**31)))
            got = conformal_new_problems(
                human[:problems], digital[:problems], digital[problems:], level=0.9, seed=number
            )
            shares.append(np.mean((got.lower <= human[problems:]) & (human[problems:] <= got.upper)))
        error = 2 * np.std(shares) / math.sqrt(len(shares))
        ax.errorbar(c, np.mean(shares), yerr=error, fmt="o", color="#55A868", markersize=4)
    ax.plot([], [], "o", color="#55A868", label="simulated, with 2 standard errors")
    ax.set_xlabel("calibration problems C")
    ax.set_ylabel("probability that the new problem's observed mean is covered")
    ax.legend(frameon=False)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

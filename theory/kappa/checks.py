"""The assumption on the backbone: kappa as an order statistic over problems, its guarantee and its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import comb
from typing import Any

import numpy as np
import sympy
from sympy import Integer, Rational, sqrt

from crowdllm_stats.inference.kappa import BackboneQuality, backbone_quality, noise_free_quantile
from crowdllm_stats.verify import (
    Check,
    Statement,
    agree,
    counterexample,
    enumeration,
    identity,
    main,
    numeric,
)

STATEMENT = Statement(
    name="kappa",
    title="Assumption before Theorem 3 (HTML: before Theorem 4.4): quality of the LLM backbone, kappa_alpha",
    published="for given x some constant kappa has P(|E Phi(x) - y**(x)| <= kappa) >= 1 - alpha",
    verdict="holds under exchangeable problems, for the gap as observed",
    exact="the r-th smallest of P observed gaps, r = ceil((P + 1) level), bounds a new observed gap with probability"
    " at least level (r/(P + 1) without ties), and the noise-free gap with at least 2 level - 1 if the noise has"
    " median 0 given the gap; the version corrected for noise has no finite-sample guarantee",
)

#: (number of problems, level): with and without whole (P + 1) level, and with too few problems.
_SIZES = ((2, 0.6), (3, 0.75), (4, 0.55), (5, 0.9), (6, 0.7), (9, 0.9), (9, 0.7), (19, 0.55), (12, 0.87))


# --------------------------------------------------------------------------------------------------- order statistic
def _rank(problems: int, level: float) -> int:
    """ceil((P + 1) level) in exact numbers."""
    return int(sympy.ceiling((problems + 1) * Rational(str(level))))


def _exchangeable() -> list[Check]:
    """Leave each of P + 1 problems out in turn: exchangeable means that each is as likely to be the new one."""
    checks = []
    for problems, level in _SIZES:
        gaps = [Fraction((7 * k * k + 3 * k + 5) % 101 + k, 8) * (-1) ** k for k in range(problems + 1)]
        rank = _rank(problems, level)
        for word, values in (("distinct", gaps), ("tied", [Fraction(int(gap)) for gap in gaps])):
            held = _left_out(values, level)
            count = min(rank, problems + 1)
            holds = held == count if word == "distinct" else held >= count
            name = f"{word} gaps, P = {problems}, level {level}"
            says = "P(new gap <= kappa) = r/(P + 1) without ties, at least that with ties"
            checks.append(
                enumeration(name, holds and count >= (problems + 1) * level - 1e-9, says, f"{held}/{problems + 1}")
            )
    return checks


def _left_out(values: Sequence[Fraction], level: float) -> int:
    """How many of the values are at most kappa from the others, in absolute value."""
    held = 0
    for place, new in enumerate(values):
        others = [[float(value)] for number, value in enumerate(values) if number != place]
        held += abs(float(new)) <= backbone_quality(others, [[0.0]] * len(others), level=level).kappa
    return held


# ------------------------------------------------------------------------------------------------ the noise-free gap
def _half() -> list[Check]:
    """Noise with median 0 pushes a large gap outward at least half of the time."""
    level, share = sympy.symbols("level q", positive=True)
    excess = sympy.Symbol("a")
    worst = sympy.solve(sympy.Eq(share * excess, 1 - level), excess)[0]
    return [
        identity("2 level - 1", 1 - worst.subs(share, Rational(1, 2)), 2 * level - 1, "1 - (1 - level)/q at q = 1/2"),
        _pushed(),
        enumeration(
            "2 level - 1 is sharp",
            *_population({2: Fraction(1, 5), 0: Fraction(4, 5)}, {2: {-1: Fraction(1, 2), 1: Fraction(1, 2)}}, 1, 4, 5),
        ),
    ]


def _pushed() -> Check:
    """P(|D + e| > k) >= q P(|D| > k), q = min(P(e >= 0), P(e <= 0)), for every gap, k and noise of a grid."""
    made, failed = 0, 0
    weights = (Fraction(1, 7), Fraction(2, 7), Fraction(4, 7))
    for low, middle, high in product((-5, -2, -1), (-1, 0, 2), (0, 1, 3)):
        noise = list(zip((low, middle, high), weights, strict=True))
        share = min(sum(w for e, w in noise if e >= 0), sum(w for e, w in noise if e <= 0))
        for gap, k in product(range(-4, 5), range(4)):
            outward = sum(w for e, w in noise if abs(gap + e) > k)
            made += 1
            failed += abs(gap) > k and outward < share
    says = "P(|D + e| > k) >= q P(|D| > k), q = min(P(e >= 0), P(e <= 0))"
    return enumeration("pushed outward", failed == 0, says, f"{made} exact cases, {failed} against")


def _population(
    gaps: dict[int, Fraction], noises: dict[int, dict[int, Fraction]], k: int, above: int, below: int
) -> tuple[bool, str, str]:
    """Whether k bounds the observed gap with probability 9/10 and the noise-free one with exactly above/below."""
    seen = sum(
        p * w for gap, p in gaps.items() for e, w in noises.get(gap, {0: Fraction(1)}).items() if abs(gap + e) <= k
    )
    true = sum(p for gap, p in gaps.items() if abs(gap) <= k)
    says = "D = 2 (e = -1 or 1) with probability 1/5, else D = 0: k = 1 bounds D + e at 9/10 and D at 4/5"
    return seen == Fraction(9, 10) and true == Fraction(above, below), says, f"observed {seen}, noise-free {true}"


def _chance(problems: int, level: float, share: Fraction, near: float, far: float, true: float) -> Fraction:
    """P(true <= kappa) where each of P observed gaps is ``far`` with probability ``share``, else ``near``."""
    total = Fraction(0)
    for count in range(problems + 1):
        human = [[far]] * count + [[near]] * (problems - count)
        if true <= backbone_quality(human, [[0.0]] * problems, level=level).kappa:
            total += comb(problems, count) * share**count * (1 - share) ** (problems - count)
    return total


def _failures() -> list[Check]:
    """Readings of kappa that are not true."""
    # D = 2 and e = -1 (9/10) or 9 (1/10), mean 0: observed 1 or 11
    skewed = _chance(9, 0.9, Fraction(1, 10), 1.0, 11.0, 2.0)
    formula = 1 - Fraction(9, 10) ** 9
    # D = 2 with probability 18/100, then e = -1 or 1; else D = 0, e = 0. The gaps of 1 and 0 need not be distinguished.
    outer = 1 - Fraction(18, 100) * (1 - _chance(199, 0.9, Fraction(9, 100), 1.0, 3.0, 2.0))
    corrected = _enumerated()
    two = backbone_quality([[1.0, 1.0], [4.0, 4.0]], [[0.0], [0.0]], level=0.9)
    return [
        enumeration("skewed noise, exact", skewed == formula, "1 - (9/10)^9 by the calculator", f"{float(skewed):.4f}"),
        counterexample(
            "noise of mean 0",
            skewed >= Fraction(8, 10),
            "noise of mean 0 suffices for 2 level - 1",
            f"D = 2, e = -1 (9/10) or 9 (1/10), P = 9, level 9/10: covers D with {float(skewed):.3f} < 8/10",
        ),
        counterexample(
            "noise-free at the level",
            outer >= Fraction(9, 10),
            "the uncorrected kappa bounds the noise-free gap at level",
            f"P = 199, level 9/10, D = 2 or 0, e symmetric: covers D with {float(outer):.4f} < 9/10",
        ),
        counterexample(
            "corrected at the level",
            corrected >= Fraction(9, 10),
            "the corrected kappa bounds the noise-free gap at level",
            f"P = 9, level 9/10, D = 2, two answers each of noise -1 (9/10) or 9 (1/10): {float(corrected):.3f} < 9/10",
        ),
        numeric(
            "corrected, few problems",
            two.kappa == float("inf") and two.kappa_corrected == 4.0,
            "with too few problems the corrected kappa is the largest gap: at most P/(P + 1) without noise",
            "P = 2, level 0.9: 2/3",
        ),
    ]


def _enumerated() -> Fraction:
    """D = 2, nine problems of two answers, noise -1 (9/10) or 9 (1/10): how often the corrected kappa is enough."""
    held = Fraction(0)
    chances = (Fraction(81, 100), Fraction(18, 100), Fraction(1, 100))
    kinds = ([1.0, 1.0], [1.0, 11.0], [11.0, 11.0])
    for none in range(10):
        for one in range(10 - none):
            counts = (none, one, 9 - none - one)
            human = [answers for answers, count in zip(kinds, counts, strict=True) for _ in range(count)]
            found = backbone_quality(human, [[0.0]] * 9, level=0.9)
            if found.kappa_corrected is not None and found.kappa_corrected >= 2.0 - 1e-12:
                ways = comb(9, none) * comb(9 - none, one)
                held += ways * math.prod(p**count for p, count in zip(chances, counts, strict=True))
    return held


# -------------------------------------------------------------------------------------------------------- corrected
def _moments() -> list[Check]:
    """The estimate of tau^2 is unbiased before it is cut at 0, and the drawn gaps have spread tau."""
    checks = []
    m, tau2, sigma2, v = sympy.symbols("m tau2 sigma2 v", positive=True)
    for count in range(2, 7):
        noise = sympy.symbols(f"v1:{count + 1}")
        squares = sum(m**2 + tau2 + each for each in noise)
        cross = sum(m**2 + (tau2 + noise[i] if i == j else 0) for i in range(count) for j in range(count))
        spread = (squares - cross / count) / (count - 1)
        says = "E var(d) = tau^2 + mean v_t, for unequal v_t"
        checks.append(identity(f"spread of {count} gaps", spread, tau2 + sum(noise) / Integer(count), says))
        own = (count * (m**2 + sigma2) - (count * m**2 + sigma2)) / (count - 1) / Integer(count)
        checks.append(identity(f"noise of {count} answers", own, sigma2 / count, "E s^2/n = Var(mean)"))
    kept = sqrt(tau2 / (tau2 + v))
    d = sympy.symbols("d1:4")
    centre = sum(d) / Integer(3)
    whole = sum((each - centre) ** 2 for each in d) / 2
    drawn = sum(((whole - v) / whole) * (each - centre) ** 2 for each in d) / 2
    checks.append(identity("one gap", kept**2 * (tau2 + v), tau2, "Var(kept (d - m)) = tau^2"))
    checks.append(identity("all gaps", drawn, whole - v, "equal noise: the drawn gaps have variance tau^2 exactly"))
    return checks


def _exact(human: Sequence[Sequence[int]], reference: Sequence[Sequence[int]], level: float) -> dict[str, Any]:
    """All fields in exact numbers, from the definitions."""
    count = len(human)
    mean_h = [Rational(sum(row), len(row)) for row in human]
    mean_r = [Rational(sum(row), len(row)) for row in reference]
    gaps = [h - r for h, r in zip(mean_h, mean_r, strict=True)]
    noise = [_noise(h) + (_noise(r) if len(r) > 1 else 0) for h, r in zip(human, reference, strict=True)]
    bias = sum(gaps, Integer(0)) / count
    mean_noise = sum(noise, Integer(0)) / count
    tau2 = max(Integer(0), sum((gap - bias) ** 2 for gap in gaps) / Integer(count - 1) - mean_noise)
    rank = _rank(count, level)
    return {
        "kappa": sorted(abs(gap) for gap in gaps)[rank - 1] if rank <= count else float("inf"),
        "kappa_corrected": _by_quadrature([float(d) for d in gaps], [float(v) for v in noise], level),
        "bias": bias,
        "gap_sd": sqrt(tau2),
        "noise_sd": sqrt(mean_noise),
        "least_problems": sympy.ceiling(Rational(str(level)) / (1 - Rational(str(level)))),
    }


def _by_quadrature(gaps: list[float], noise: list[float], level: float) -> float | None:
    """The quantile of the drawn gaps over the posterior of tau, on a fine grid of log tau and by bisection."""
    d, v, count = np.array(gaps), np.array(noise), len(gaps)
    if not v.any():
        return float(np.sort(np.abs(d))[min(_rank(count, level), count) - 1])
    if count < 4:
        return None
    v = np.maximum(v, v.mean() / 10)
    size = math.sqrt(max(float(d.var(ddof=1)), float(v.mean())))
    tau = size * np.exp(np.linspace(-16.0, 16.0, 40_001))
    total = tau[:, None] ** 2 + v
    centre = (d / total).sum(axis=1) / (1.0 / total).sum(axis=1)
    left = ((d - centre[:, None]) ** 2 / total).sum(axis=1)
    log = -0.5 * (np.log(total).sum(axis=1) + np.log((1.0 / total).sum(axis=1)) + left) + np.log(tau)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    kept = tau[:, None] ** 2 / total
    doubt = (1.0 - kept) / ((1.0 / total).sum(axis=1) * tau**2)[:, None]
    drawn = np.abs(centre[:, None] + np.sqrt(kept * (1.0 + doubt)) * (d - centre[:, None]))
    wanted = min(level * (count + 1) / count, 1.0) - 1e-9
    low, high = 0.0, float(drawn.max())
    for _ in range(60):
        middle = 0.5 * (low + high)
        reached = float(weight @ (drawn <= middle).mean(axis=1))
        low, high = (low, middle) if reached >= wanted else (middle, high)
    return high


def _gap_and_noise(human: Sequence[int], reference: Sequence[int]) -> tuple[float, float]:
    noise = _noise(human) + (_noise(reference) if len(reference) > 1 else 0)
    return sum(human) / len(human) - sum(reference) / len(reference), float(noise)


def _noise(values: Sequence[int]) -> Any:
    """s^2/n in exact numbers."""
    count = len(values)
    mean = Rational(sum(values), count)
    return sum((value - mean) ** 2 for value in values) / (Integer(count - 1) * count)


_POINTS: tuple[tuple[list[list[int]], list[list[int]], float], ...] = (
    ([[1, 4, 2], [9, 7], [3, 8, 8, 2], [15, 11, 12], [6, 7]], [[5, 3], [2, 2, 8], [9, 4], [1, 3, 3, 4], [6, 0]], 0.6),
    ([[1, 2], [12, 15, 13], [-9, -7], [30, 31, 35, 33]], [[4], [2, 3], [1, 5, 2], [7]], 0.8),
    ([[1, 9, 4], [2, 12], [9, 0, 3, 5]], [[4, 5], [6], [3, 8]], 0.5),  # less spread than noise
    ([[3, 3], [8, 8, 8], [-1, -1]], [[5], [1, 1], [2]], 0.75),  # no noise at all
    ([[3, 5], [9, 7, 8]], [[5, 4], [1, 2]], 0.9),  # too few problems
    ([[2, 2, 3], [1, 2], [3, 3, 2, 3], [2, 2, 1, 2]], [[2], [1, 2, 2], [2, 2, 2, 1], [2]], 0.75),  # all below 1
    ([[7, 9]] * 2 + [[5, 2, 2]] * 3 + [[20, 28], [-7, 3], [40, 41, 45], [11, 12]], [[6, 1]] * 4 + [[3]] * 5, 0.9),
)


def _points() -> list[Check]:
    checks = []
    for number, (human, reference, level) in enumerate(_POINTS, 1):
        found = backbone_quality(human, reference, level=level)
        for word, want in _exact(human, reference, level).items():
            got = getattr(found, word)
            if want == float("inf"):
                checks.append(numeric(f"{word} {number}", got == want, "unlimited with too few problems", str(got)))
            else:
                limit = 0.01 if word == "kappa_corrected" else 1e-12  # two grids of tau against each other
                checks.append(
                    agree(f"{word} {number}", [(got, want)], f"{word} by its definition", limit, where=f"case {number}")
                )
    single = backbone_quality([[1.0], [2.0, 4.0]], [[1.0], [1.0]], level=0.5)
    nothing = (single.kappa_corrected, single.gap_sd, single.noise_sd) == (None, None, None)
    checks.append(numeric("one answer", nothing, "the noise of one human answer is unknown", "None"))
    return checks + _corrected_levels() + _interval() + _words()


def _corrected_levels() -> list[Check]:
    """The noise-free quantile averaged over 15 levels: the steps of both grids of tau cancel."""
    levels = [0.06 * number for number in range(1, 16)]
    cases = {
        "noise as large as the spread": ([8.0, 11.0, 5.0, 14.0, 9.0, 2.0, 6.0], [9.0, 4.0, 16.0, 12.0, 6.0, 9.0, 7.0]),
        "more noise than spread": ([3.0, 3.2, 2.9, 3.1, 3.05], [4.0, 3.0, 5.0, 4.0, 4.0]),
        "gaps of both signs": ([-20.0, 31.0, 5.0, 14.0, 9.0], [90.0, 40.0, 160.0, 120.0, 10.0]),
    }
    says = "the quantile of the drawn gaps over the posterior of tau"
    return [
        agree(f"corrected quantiles, {name}",
              [(np.mean([noise_free_quantile(np.array([gaps]), np.array([noise]), level)[0] for level in levels]),
                np.mean([_by_quadrature(gaps, noise, level) for level in levels]))], says, 5e-4)
        for name, (gaps, noise) in cases.items()
    ]  # fmt: skip


def _interval() -> list[Check]:
    """The bootstrap interval over problems, made again from the definition in exact numbers."""
    human, reference, level = _POINTS[0]
    resamples = 40
    found = backbone_quality(human, reference, level=level, n_boot=resamples, seed=3)
    draws = np.random.default_rng(3).integers(len(human), size=(resamples, len(human)))
    values = sorted(
        float(_exact([human[t] for t in row], [reference[t] for t in row], level)["kappa_corrected"]) for row in draws
    )
    # the 0.025 and 0.975 quantiles of 40 values lie at places 0.975 and 38.025, counted from 0
    low = values[0] + 0.975 * (values[1] - values[0])
    high = values[38] + 0.025 * (values[39] - values[38])
    says = "0.025 and 0.975 quantiles over resampled problems"
    gap, noise = (np.array(column) for column in zip(*map(_gap_and_noise, human, reference), strict=True))
    own = np.sort([noise_free_quantile(gap[None, row], noise[None, row], level)[0] for row in draws])
    ends = [own[0] + 0.975 * (own[1] - own[0]), own[38] + 0.025 * (own[39] - own[38])]
    return [
        agree("interval places", [(found.corrected_lower, ends[0]), (found.corrected_upper, ends[1])], says),
        agree("interval lower", [(found.corrected_lower, low)], says, 0.02, where=f"{resamples} resamples"),
        agree("interval upper", [(found.corrected_upper, high)], says, 0.02, where=f"{resamples} resamples"),
    ]


def _words() -> list[Check]:
    """The notes on the result are the right ones."""
    few, flat, plain = (backbone_quality(*_POINTS[k][:2], level=_POINTS[k][2]) for k in (4, 2, 0))
    said = ["too few problems: level 0.9 needs at least 9"], ["the gaps spread no more than their noise"], []
    holds = all(list(found.flags) == words for found, words in zip((few, flat, plain), said, strict=True))
    guarantee = "at 0.2 for the noise-free gap" in plain.why and "at 0 for the noise-free gap" in flat.why
    return [
        numeric("notes", holds, "too few problems; no spread beyond the noise; neither", "three cases"),
        numeric("guarantee in words", guarantee, "2 level - 1, not below 0", "levels 0.6 and 0.5"),
    ]


def symbolic() -> list[Check]:
    """Every step of the derivation, and the calculator against exact numbers."""
    return [*_exchangeable(), *_half(), *_failures(), *_moments(), *_points()]


# ------------------------------------------------------------------------------------------------------- simulation
def _normal_problems(
    rng: np.random.Generator, problems: int, repeats: int, level: float
) -> tuple[list[BackboneQuality], Any, Any]:
    """Normal gaps and noise, 4 people and 3 reference answers per problem: results, new noise-free, observed gaps."""
    results, true, seen = [], [], []
    for _ in range(repeats):
        gap = rng.normal(0.4, 1.0, problems + 1)
        human = gap[:, None] + rng.normal(0.0, 1.2, (problems + 1, 4))
        reference = rng.normal(0.0, 0.8, (problems + 1, 3))
        results.append(backbone_quality(human[:-1], reference[:-1], level=level))
        true.append(abs(gap[-1]))
        seen.append(abs(human[-1].mean() - reference[-1].mean()))
    return results, np.array(true), np.array(seen)


def _rate(name: str, held: Any, formula: float, says: str, *, least: bool = False) -> Check:
    """A coverage against its formula, or against a lower bound."""
    estimate = float(np.mean(held))
    error = float(np.sqrt(max(formula * (1 - formula), 1e-4) / len(held)))
    z = (estimate - formula) / error
    holds = z >= -4.0 if least else abs(estimate - formula) <= 4.0 * error
    word = "at least" if least else "formula"
    evidence = f"simulated {estimate:.4f} (se {error:.2g}), {word} {formula:.4f}"
    shown = None if least else z
    return Check(name, "simulation", "exact", says, holds, True, evidence, shown)


def simulated(seed: int = 20261122) -> list[Check]:
    """Coverage of the observed and of the noise-free gap of a new problem."""
    rng = np.random.default_rng(seed)
    results, true, seen = _normal_problems(rng, 11, 4000, 0.8)
    kappa = np.array([result.kappa for result in results])
    many, far, _ = _normal_problems(rng, 120, 2500, 0.8)
    corrected = np.array([result.kappa_corrected for result in many])
    noise = np.where(rng.random((3000, 9)) < 0.1, 9.0, -1.0)
    skewed = [backbone_quality(2.0 + row[:, None], np.zeros((9, 1)), level=0.9).kappa >= 2.0 for row in noise]
    return [
        _rate("observed gap", seen <= kappa, 10 / 12, "P = 11, level 0.8: 10/12 exactly, continuous gaps"),
        _rate("noise-free gap", true <= kappa, 0.6, "at least 2 level - 1 for symmetric noise", least=True),
        _rate("skewed noise", skewed, 1 - 0.9**9, "D = 2, e = -1 or 9 of mean 0: 1 - (9/10)^9, below 2 level - 1"),
        _rate(
            "corrected, many problems",
            far <= corrected,
            0.8,
            "normal gaps, 120 problems: at least the level",
            least=True,
        ),
    ]


def picture(ax: Any) -> None:
    """Coverage of a new problem's gap over the level: observed, noise-free, corrected, and noise that is skewed."""
    levels = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    rng = np.random.default_rng(1)
    seen_rate, true_rate, corrected_rate, skewed_rate = [], [], [], []
    for level in levels:
        results, true, seen = _normal_problems(rng, 19, 400, float(level))
        kappa = np.array([result.kappa for result in results])
        corrected = np.array([result.kappa_corrected for result in results])
        seen_rate.append(np.mean(seen <= kappa))
        true_rate.append(np.mean(true <= kappa))
        corrected_rate.append(np.mean(true <= corrected))
        skewed_rate.append(float(_chance(19, float(level), Fraction(1, 10), 1.0, 11.0, 2.0)))
    ax.plot(levels, levels, color="black", lw=1, label="level")
    ax.plot(levels, 2 * levels - 1, "--", color="tab:blue", label="2 level - 1 (noise-free gap, median-0 noise)")
    ax.plot(levels, seen_rate, "o", color="tab:blue", label="observed gap, simulated")
    ax.plot(levels, true_rate, "^", color="tab:green", label="noise-free gap, simulated")
    ax.plot(levels, corrected_rate, "s", color="tab:orange", label="corrected, noise-free gap, simulated")
    ax.plot(levels, skewed_rate, "x", color="tab:red", label="noise-free gap, skewed noise, exact")
    ax.set(xlabel="level", ylabel="coverage for a new problem", title="kappa over 19 problems", ylim=(-0.05, 1.4))
    ax.legend(fontsize="small", loc="upper left")


if __name__ == "__main__":
    raise SystemExit(main(STATEMENT, symbolic))

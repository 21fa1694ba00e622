"""Theorem 5 (4.6 in the HTML): what the CrowdLLM interval needs, what it gives, and where it fails as printed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats

from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.verify import Check, Statement, agree, counterexample, identity, numeric, simulation

STATEMENT = Statement(
    name="theorem5",
    title="Theorem 5 (4.6 in the HTML): the CrowdLLM interval",
    published="liminf P(|y* - yt| <= eps0 + z sqrt(eta/N + s_delta^2/N + s_r^2/n)) >= 1 - alpha, r_i in training",
    verdict="holds under one more condition: E r + E yt = y*, with r from people that the generator never saw",
    exact="with E r + E yt = y* (fresh people, same population, twins of one law) it holds and its coverage tends to 1 "
    "unless r is constant; from training residuals it can tend to 0; its half-width is at least eps0 >= s_r at every n",
)

HUMAN = [2, 5, 4, 1, 3, 5, 2, 4]
TWINS = [3, 5, 3, 1, 1, 4, 2, 5]
CROWD = [3, 4, 2, 5, 4, 3, 3, 4, 2, 3, 4, 5, 1]
BELIEFS = [0, 1, -1, 2, 1, 0, 1, 1, -1, 0, 1, 2, -3]


def _mean(values: list[Any]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0)) / len(values)


def _variance(values: list[Any]) -> Fraction:
    """With ddof 0, as the theorem has it."""
    centre = _mean(values)
    return _mean([(Fraction(value) - centre) ** 2 for value in values])


def _parts(human: list[int], twins: list[int]) -> tuple[Fraction, Fraction, Fraction]:
    """Mean residual, its variance, and the mean of the squares, exact."""
    residuals = [y - f for y, f in zip(human, twins, strict=True)]
    return _mean(residuals), _variance(residuals), _mean([r * r for r in residuals])


def _derivation() -> list[Check]:
    checks = []
    for n in range(2, 7):
        r = sp.symbols(f"r1:{n + 1}", real=True)
        mean, square = sum(r) / n, sum(x**2 for x in r) / n
        checks.append(
            identity(
                f"eps0, n = {n}",
                square - mean**2,
                sum((r[i] - r[j]) ** 2 for i in range(n) for j in range(i)) / sp.Integer(n) ** 2,
                "mean r^2 - (mean r)^2 = s_r^2 >= 0: so |mean r| <= eps0 and eps0 >= s_r",
            )
        )
    theta, yt, rbar, ybar, fbar, h, eps = sp.symbols("theta yt rbar ybar fbar h eps0", real=True)
    sy, sf, cov, n, size = sp.symbols("s_y2 s_f2 c n N", positive=True)
    residual = sy + sf - 2 * cov
    checks += [
        identity(
            "the proof's step",
            theta - yt - (ybar - fbar),
            theta - ybar,
            "the proof: theta - yt - mean r = theta - ybar (yt over N, mean r over n)",
            about="published",
            expected=False,
        ),
        identity(
            "what is true",
            theta - yt - (ybar - fbar),
            (theta - ybar) + (fbar - yt),
            "theta - yt - mean r = (theta - ybar) + (fbar - yt)",
        ),
        identity(
            "the proof's two variances",
            sy / n,
            residual / n + sf / size,
            "the proof's own step gives the variance s_y^2/n, its limit theorem s_r^2/n + s_f^2/N",
            about="published",
            expected=False,
        ),
        identity(
            "lower end", (yt - eps - h) - (yt + rbar - h), -(eps + rbar), "lower end below PPI's: eps0 + mean r >= 0"
        ),
        identity(
            "upper end", (yt + eps + h) - (yt + rbar + h), eps - rbar, "upper end above PPI's: eps0 - mean r >= 0"
        ),
    ]
    return checks


def _overlap() -> list[Check]:
    """Variance of yt + mean r with the labelled twins among the N, coefficient by coefficient, and apart."""
    vf, vr, c = sp.symbols("v_f v_r c", real=True)
    checks = []
    for n, size in ((2, 3), (3, 3), (2, 7), (5, 8)):
        inside = sp.Integer(0)
        for person in range(size):
            a, b = sp.Rational(1, size), sp.Rational(1, n) if person < n else sp.Integer(0)
            inside += a**2 * vf + b**2 * vr + 2 * a * b * c
        checks.append(
            identity(
                f"labelled among the crowd, n = {n}, N = {size}",
                inside,
                vf / size + vr / n + 2 * c / size,
                "Var(yt + mean r) = s_f^2/N + s_r^2/n + 2 Cov(r, yt)/N",
            )
        )
    # yt ~ N(0, 1), y = 1.5 yt + N(0, 1/4): v_f = 1, v_r = 1/4 + 1/4, c = 1/2
    true = Fraction(1, 250) + Fraction(1, 2) / 200 + 2 * Fraction(1, 2) / 250
    claimed = Fraction(1, 250) + Fraction(1, 2) / 200
    cover = 2 * stats.norm.cdf(stats.norm.ppf(0.975) * math.sqrt(claimed / true)) - 1
    checks.append(
        numeric(
            "plain PPI, overlapping",
            (true, claimed) == (Fraction(21, 2000), Fraction(13, 2000)) and abs(cover - 0.877) < 5e-4,
            "n = 200, N = 250: true variance 21/2000, claimed 13/2000, so coverage 0.877 for 0.95 (0.87 at ddof 0)",
            f"2 Phi(z sqrt(13/21)) - 1 = {cover:.4f}",
        )
    )
    return checks


def _memoriser() -> list[Check]:
    """A generator that repeats its training answers (eps0 = 0) and says 1 for all others; answers are fair coins."""
    z2 = Fraction(38414588, 10_000_000)  # above z^2 = 3.84145882...
    # literally as printed: the n labelled are the first n of the N = 2 n, so yt = (K + n)/(2 n), K ~ Bin(n, 1/2)
    n = 50
    covered = Fraction(0)
    for k in range(n + 1):
        yt = Fraction(k + n, 2 * n)
        if (yt - Fraction(1, 2)) ** 2 <= z2 * yt * (1 - yt) / (2 * n):
            covered += Fraction(math.comb(n, k), 2**n)
    answers = [0, 1, 1, 0, 1, 0]
    apart = interval(answers, answers, [1.0] * 30, method="crowdllm")
    inside = interval([0, 1] * 25, [0, 1] * 25, [0.0, 1.0] * 25 + [1.0] * 50, method="crowdllm")
    return [
        counterexample(
            "training residuals, as printed",
            covered >= Fraction(95, 100),
            "with eps0 = 0 on the training answers (n = 50 of the N = 100) the interval covers y* = 1/2 with 0.95",
            f"exact coverage {float(covered):.1e}",
        ),
        counterexample(
            "training residuals, crowd apart",
            float(apart.lower) <= 0.5 <= float(apart.upper),
            "the same with a crowd of other people: the interval holds y* = 1/2",
            f"the interval is the point [{apart.lower:.4g}, {apart.upper:.4g}] for every n and N",
        ),
        counterexample(
            "training residuals, one sample",
            float(inside.lower) <= 0.5 <= float(inside.upper),
            "25 zeros and 25 ones among 100: the interval holds 1/2",
            f"[{inside.lower:.4f}, {inside.upper:.4f}], exact centre 3/4 and variance 3/1600",
        ),
        agree(
            "one sample, ends",
            [
                (float(inside.lower), 0.75 - stats.norm.ppf(0.975) * math.sqrt(3 / 1600)),
                (float(inside.upper), 0.75 + stats.norm.ppf(0.975) * math.sqrt(3 / 1600)),
            ],
            "its ends are 3/4 -+ z sqrt(3/1600)",
        ),
    ]


def _other_failures() -> list[Check]:
    """Another population; one reference drawn for the labelled and another one for the crowd."""
    # half the people answer 0, half 1; every twin says 0; only people of the first half were asked
    other = interval([0] * 10, [0] * 10, [0] * 40, method="crowdllm")
    # y = 0 always, beliefs 0, Phi in {-1, 0, 1} with chance 1/3: drawn once for the labelled, once for the crowd
    covered = Fraction(0)
    ends = []
    for labelled in (-1, 0, 1):
        for crowd in (-1, 0, 1):
            answer = interval([0] * 6, [labelled] * 6, [crowd] * 30, method="crowdllm")
            covered += Fraction(1, 9) * (float(answer.lower) <= 0 <= float(answer.upper))
            ends.append((float(answer.half_width), abs(labelled)))
    g, v, s = sp.symbols("g v s", positive=True)
    shrunk = s**2 * (v + g**2)
    return [
        counterexample(
            "another population",
            float(other.lower) <= 0.5 <= float(other.upper),
            "labelled people from half of the population only: the interval holds y* = 1/2",
            f"r = 0 for all, the interval is the point [{other.lower}, {other.upper}]",
        ),
        counterexample(
            "two shared references",
            covered >= Fraction(95, 100),
            "one reference answer shared by the labelled's twins, another by the crowd: coverage at least 0.95",
            f"coverage {covered} whatever n and N (the variance of the reference is eta, not eta/N)",
        ),
        agree("two shared references, half-width", ends, "the half-width there is eps0 = |Phi'| alone"),
        identity(
            "overfitted residuals",
            g**2 - shrunk,
            (1 - s**2) * (g**2 - s**2 * v / (1 - s**2)),
            "residuals (y - yt)/(1/s) of variance s^2 v: coverage tends to 0 iff gap^2 > s^2 v/(1 - s^2)",
        ),
        numeric(
            "overfitted residuals, threshold",
            Fraction(1, 25) * Fraction(4, 5) / (1 - Fraction(1, 25)) == Fraction(1, 30),
            "at s = 1/5, v = 4/5 the coverage tends to 0 for every gap above sqrt(1/30) = 0.183",
            "gap^2 > 1/30",
        ),
    ]


def _corrected() -> list[Check]:
    """The corrected statement: E r + E yt = theta suffices."""
    er, vr, theta, ef = sp.symbols("Er v_r theta Ef", real=True)
    limit = interval([3, 4, 5, 3], [1, 2, 3, 1], [1, 2, 3, 2, 1, 3], method="crowdllm")
    return [
        identity(
            "margin",
            (vr + er**2) - (theta - ef).subs(theta, ef + er) ** 2,
            vr,
            "lim eps0^2 - (theta - E yt)^2 = Var r: positive unless r is constant, so the coverage tends to 1",
        ),
        agree(
            "constant residual",
            [
                (
                    float(limit.half_width),
                    2 + stats.norm.ppf(0.975) * math.sqrt(float(_variance([1, 2, 3, 2, 1, 3])) / 6),
                )
            ],
            "r = c for all: half-width |c| + z s_f/sqrt(N), coverage tends to 1 - alpha/2, or 1 - alpha at c = 0",
        ),
        numeric(
            "pairing is not needed for validity",
            _mean([y - f for y, f in zip(HUMAN, TWINS[::-1], strict=True)])
            == _mean([y - f for y, f in zip(HUMAN, TWINS, strict=True)])
            and _parts(HUMAN, TWINS[::-1])[1] > _parts(HUMAN, TWINS)[1],
            "twins shuffled among the people: the same mean r, a larger s_r (the interval is valid, and wider)",
            f"s_r^2 {_parts(HUMAN, TWINS[::-1])[1]} against {_parts(HUMAN, TWINS)[1]}",
        ),
    ]


def _calculator() -> list[Check]:
    """The library's interval against exact moments, in every combination it offers."""
    rbar, vr, square = _parts(HUMAN, TWINS)
    n, size = len(HUMAN), len(CROWD)
    centre, vf, vb, eta = _mean(CROWD), _variance(CROWD), _variance(BELIEFS), Fraction(3, 10)
    pairs: list[tuple[float, float]] = []
    inside: list[bool] = []
    for level, alternative in ((0.95, "two-sided"), (0.9, "larger"), (0.8, "smaller")):
        quantile = float(stats.norm.ppf(level if alternative != "two-sided" else (1 + level) / 2))
        for m, census in ((None, False), (20, False), (13, True)):
            left = 1 - Fraction(n, m) if m else Fraction(1)
            crowd = Fraction(0) if census else Fraction(1, size) + (Fraction(1, m) if m else 0)
            for beliefs in (None, BELIEFS):
                spread = vf if beliefs is None else vb + eta
                half = math.sqrt(square) + quantile * math.sqrt(vr / n * left + spread * crowd)
                answer = interval(
                    HUMAN,
                    TWINS,
                    CROWD,
                    method="crowdllm",
                    level=level,
                    alternative=alternative,
                    population_size=m,
                    census=census,
                    beliefs=beliefs,
                    eta=0.0 if beliefs is None else float(eta),
                )
                want = (float(centre) - half, float(centre) + half)
                pairs += [
                    (float(answer.lower), want[0]) if alternative != "smaller" else (0.0, 0.0),
                    (float(answer.upper), want[1]) if alternative != "larger" else (0.0, 0.0),
                ]
                if beliefs is None:
                    ppi = interval(
                        HUMAN,
                        TWINS,
                        CROWD,
                        method="ppi",
                        level=level,
                        alternative=alternative,
                        population_size=m,
                        census=census,
                    )
                    inside.append(bool(answer.lower <= ppi.lower + 1e-12 and answer.upper >= ppi.upper - 1e-12))
    plain = interval(HUMAN, TWINS, CROWD, method="crowdllm")
    try:
        interval(HUMAN, TWINS, CROWD, method="crowdllm", eta=0.1)
        refused = False
    except ValueError:
        refused = True
    return [
        numeric(
            "eta counted once",
            refused,
            "Var(yt_i) already holds eta: the calculator takes eta with the beliefs only",
            "eta without beliefs is refused",
        ),
        agree("calculator", pairs, "ends yt -+ (eps0 + z sqrt(s_r^2/n + (s_delta^2 + eta)/N)), ddof 0"),
        numeric(
            "contains plain PPI",
            all(inside),
            "the published interval contains the PPI interval",
            f"{len(inside)} cases",
        ),
        numeric(
            "does not shrink",
            float(plain.half_width) >= math.sqrt(vr) * (1 + stats.norm.ppf(0.975) / math.sqrt(n)),
            "half-width >= s_r (1 + z/sqrt n) > s_r at every n",
            f"{plain.half_width:.3f} >= {math.sqrt(vr):.3f}; mean r = {rbar}",
        ),
    ]


def symbolic() -> list[Check]:
    """Derivation, counterexamples in exact numbers, and the calculator."""
    return [
        *_derivation(),
        *_overlap(),
        *_memoriser(),
        *_other_failures(),
        *_corrected(),
        *_calculator(),
    ]


def _normal(rng: np.random.Generator, n: int, size: int, replicates: int) -> tuple[Any, Any, Any]:
    """Humans N(0, 1) (their mean is 0), twins N(0, 1) with correlation 0.6, a crowd of other twins."""
    human = rng.standard_normal((replicates, n))
    twins = 0.6 * human + 0.8 * rng.standard_normal((replicates, n))
    return human, twins, rng.standard_normal((replicates, size))


def _hits(answer: Any) -> tuple[float, float]:
    covered = np.asarray((answer.lower <= 0.0) & (answer.upper >= 0.0))
    rate = float(covered.mean())
    return rate, math.sqrt(max(rate * (1 - rate), 1.0 / covered.size) / covered.size)


def simulated(seed: int = 20261122) -> list[Check]:
    """Coverage and widths where the conditions hold, and what is left of them where they do not."""
    rng = np.random.default_rng(seed)
    checks = []
    human, twins, crowd = _normal(rng, 50, 1000, 4000)
    published = interval(human, twins + 0.5, crowd + 0.5, method="crowdllm")
    rate, error = _hits(published)
    z = (rate - 0.95) / error
    says = "fresh people: coverage at least 0.95 (n = 50, N = 1000, gap 0.5, correlation 0.6)"
    checks.append(Check("coverage", "simulation", "exact", says, z >= -4.0, True, f"{rate:.4f} (se {error:.1g})", z))
    width = 2 * np.asarray(published.half_width)
    limit = 2 * math.sqrt(0.8 + 0.25)
    z = float((width.mean() - limit) / (width.std() / math.sqrt(width.size)))
    says = "its width stays near 2 sqrt(E r^2) = 2.05 or above"
    checks.append(
        Check("width", "simulation", "exact", says, z >= -4.0, True, f"width {width.mean():.3f}, limit {limit:.3f}", z)
    )
    plain = interval(human, twins + 0.5, crowd + 0.5, method="ppi")
    # E of the variance: 0.8 (1 - 1/n)/n + (1 - 1/N)/N
    variance = 0.25 * (2 * np.asarray(plain.half_width) / stats.norm.ppf(0.975)) ** 2
    expected = 0.8 * (1 - 1 / 50) / 50 + (1 - 1 / 1000) / 1000
    error = float(variance.std() / math.sqrt(variance.size))
    says = "PPI's squared standard error has mean s_r^2 (1 - 1/n)/n + s_f^2 (1 - 1/N)/N"
    checks.append(simulation("PPI's variance", float(variance.mean()), error, expected, says))
    among = rng.standard_normal((6000, 250))
    y = 1.5 * among[:, :200] + 0.5 * rng.standard_normal((6000, 200))
    overlapping = interval(y, among[:, :200], among, method="ppi")
    estimate = np.asarray(overlapping.estimate)
    squared = estimate**2
    error = float(squared.std() / math.sqrt(squared.size))
    says = "labelled twins among the crowd: Var(estimate) = 21/2000"
    checks.append(simulation("overlap, variance", float(squared.mean()), error, 21 / 2000, says))
    rate, error = _hits(overlapping)
    says = "labelled twins among the crowd: plain PPI covers 0.95"
    checks.append(simulation("overlap, coverage", rate, error, 0.95, says, about="published", expected=False))
    rate, error = _hits(interval(y, among[:, :200], among, method="crowdllm"))
    z = (rate - 0.95) / error
    says = "labelled twins among the crowd: the published interval still covers (eps0 makes up for it)"
    checks.append(Check("overlap, published", "simulation", "exact", says, z >= -4.0, True, f"{rate:.4f}", z))
    human, twins, crowd = _normal(rng, 50, 1000, 4000)
    for gap in (0.25, 0.3, 0.5):
        fitted = human - (human - twins - gap) / 5
        rate, error = _hits(interval(human, fitted, crowd + gap, method="crowdllm"))
        says = f"training residuals shrunk to a fifth, gap {gap}: coverage 0.95"
        checks.append(
            simulation(f"training residuals, gap {gap}", rate, error, 0.95, says, about="published", expected=False)
        )
    return checks


def picture(ax: Any) -> None:
    """Coverage against the crowd's mean gap: fresh residuals, and training residuals shrunk to a fifth."""
    rng = np.random.default_rng(1)
    human, twins, crowd = _normal(rng, 50, 1000, 800)
    gaps = np.linspace(0.0, 0.6, 13)
    fresh = [_hits(interval(human, twins + g, crowd + g, method="crowdllm"))[0] for g in gaps]
    trained = [_hits(interval(human, human - (human - twins - g) / 5, crowd + g, method="crowdllm"))[0] for g in gaps]
    plain = [_hits(interval(human, twins + g, crowd + g, method="ppi"))[0] for g in gaps]
    ax.axhline(0.95, color="k", linestyle="--", label="published: at least 0.95")
    ax.plot(gaps, fresh, "o-", color="tab:green", label="published interval, people never seen")
    ax.plot(gaps, plain, "s-", color="tab:blue", label="plain PPI, people never seen")
    ax.plot(gaps, trained, "o-", color="tab:red", label="published interval, training residuals (1/5)")
    ax.axvline(math.sqrt(1 / 30), color="tab:red", linestyle=":", label="exact limit of validity, sqrt(1/30)")
    ax.set_xlabel("mean gap between crowd and humans")
    ax.set_ylabel("coverage")
    ax.set_title("Theorem 5, n = 50, N = 1000")
    ax.legend(fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

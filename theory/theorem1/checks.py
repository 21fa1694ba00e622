"""Theorem 1: what the smoothing of discrete profile coordinates costs, and both bounds."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import sympy
from sympy import Integer, Rational, exp, oo, pi, sqrt

from crowdllm_stats.inference.theorem1_profiles import EXACT_LIMIT, profile_bound, profile_distance
from crowdllm_stats.verify import Check, Skipped, Statement, agree, identity, main, mean_of, numeric

STATEMENT = Statement(
    name="theorem1",
    title="Theorem 1 (HTML: Theorem 4.1): a profile generator exists",
    published="for every eps in (0, 1) some G has W1(G#rho, T) < (1 + sqrt(2/pi) eta d) eps",
    verdict="holds",
    exact="some G has W1(G#rho, T) < (1 + sqrt(2/pi) eta |S2|) eps, |S2| <= d the number of discrete coordinates;"
    " as eps is free: some G has W1 < eps. Nothing follows for a trained G",
)

#: E|Z| of a standard normal.
FOLDED = sqrt(2 / pi)


# ------------------------------------------------------------------------------------------------------- derivation
def _normal(z: sympy.Symbol) -> sympy.Expr:
    return exp(-(z**2) / 2) / sqrt(2 * pi)


def _one_coordinate() -> list[Check]:
    """Steps 2 and 3: one atom, then a mixture of atoms."""
    z = sympy.Symbol("z", real=True)
    scale, eta, eps = sympy.symbols("s eta epsilon", positive=True)
    atom = 2 * sympy.integrate(scale * z * _normal(z), (z, 0, oo))
    checks = [identity("one atom", atom, FOLDED * scale, "W1(delta_v, N(v, s^2)) = E|s Z| = sqrt(2/pi) s")]
    for count in range(2, 6):
        weights = list(sympy.symbols(f"p1:{count}"))
        weights.append(1 - sum(weights))
        cost = sum(weight * FOLDED * eta * eps for weight in weights)
        checks.append(
            identity(
                f"{count} atoms", cost, FOLDED * eta * eps, "sum_k p_k sqrt(2/pi) eta eps does not depend on the p_k"
            )
        )
    return checks


def _all_coordinates() -> list[Check]:
    """Steps 4 to 6: coordinates add up, then the triangle inequality."""
    eta, eps = sympy.symbols("eta epsilon", positive=True)
    d, m = sympy.symbols("d m", positive=True)
    total = sum(FOLDED * eta * eps for _ in range(7))
    bound = eps + m * FOLDED * eta * eps
    published = (1 + FOLDED * eta * d) * eps
    free = eps / (1 + FOLDED * eta * d)
    return [
        identity("7 coordinates", total, 7 * FOLDED * eta * eps, "E sum_j |eta eps Z_j| = |S2| sqrt(2/pi) eta eps"),
        identity("triangle", bound, (1 + FOLDED * eta * m) * eps, "eps + |S2| sqrt(2/pi) eta eps is the sharper bound"),
        identity("sharper", published - bound, (d - m) * FOLDED * eta * eps, "published - sharper, never negative"),
        identity("eps is free", published.subs(eps, free), eps, "eps / (1 + sqrt(2/pi) eta d) for eps gives W1 < eps"),
    ]


def _bounded_noise() -> list[Check]:
    """Step 1 needs a bounded target: noise that is cut off, or uniform, costs no more."""
    z = sympy.Symbol("z", real=True)
    a, cut, eta, eps = sympy.symbols("a c eta epsilon", positive=True)
    uniform = 2 * sympy.integrate(z / (2 * a), (z, 0, a))
    inside = 2 * sympy.integrate(z * _normal(z), (z, 0, cut)) / sympy.erf(cut / sqrt(2))
    formula = FOLDED * (1 - exp(-(cut**2) / 2)) / sympy.erf(cut / sqrt(2))
    below = all(bool(formula.subs(cut, Rational(c, 4)) < FOLDED) for c in (1, 3, 5, 8, 13, 21))
    return [
        identity("uniform noise", uniform.subs(a, 2 * FOLDED * eta * eps), FOLDED * eta * eps, "E|U(-a, a)| = a/2"),
        identity("cut noise", inside, formula, "E(|Z| given |Z| <= c) = sqrt(2/pi) (1 - exp(-c^2/2)) / erf(c/sqrt 2)"),
        numeric("cut noise costs less", below, "E(|Z| given |Z| <= c) < E|Z|", "c = 1/4, 3/4, 5/4, 2, 13/4, 21/4"),
    ]


def _euclidean() -> list[Check]:
    """With the Euclidean distance the cost is the mean of a chi variable, never more than with sums."""
    checks = []
    r = sympy.Symbol("r", positive=True)
    for m in range(1, 9):
        density = r ** (m - 1) * exp(-(r**2) / 2) / (Integer(2) ** (Rational(m, 2) - 1) * sympy.gamma(Rational(m, 2)))
        mean = sympy.integrate(r * density, (r, 0, oo))
        chi = sqrt(2) * sympy.gamma(Rational(m + 1, 2)) / sympy.gamma(Rational(m, 2))
        checks.append(identity(f"chi mean {m}", mean, chi, "E||(Z_1..Z_m)|| = sqrt(2) Gamma((m+1)/2) / Gamma(m/2)"))
        holds = sympy.simplify(chi - m * FOLDED) == 0 if m == 1 else bool(chi < m * FOLDED)
        checks.append(
            numeric(f"chi bound {m}", holds, "at most m sqrt(2/pi), equal at m = 1", f"{float(chi):.4f} at m = {m}")
        )
    return checks


def two_atoms(a: Any, s: Any) -> Any:
    """W1 between the two-point distribution on -a, a (1/2 each) and its smoothing by N(0, s^2), in closed form."""
    c = sympy.sympify(a) / s
    tail = sympy.erfc(2 * c / sqrt(2)) / 2
    middle = (sympy.erfc(c / sqrt(2)) - sympy.erfc(2 * c / sqrt(2))) / 2
    density = exp(-(c**2) / 2) / sqrt(2 * pi) - exp(-2 * c**2) / sqrt(2 * pi)
    return FOLDED * s - (2 * s * density - 2 * a * middle + 2 * a * tail)


def _not_attained() -> list[Check]:
    """With two atoms the cost is below sqrt(2/pi) s, and comes near it for little noise."""
    z = sympy.Symbol("z", real=True)
    checks: list[Check] = []
    for a, s in ((Integer(1), Integer(1)), (Rational(3, 2), Rational(2, 3)), (Rational(2, 5), Integer(2))):
        # |  |a + s z| - a |, whose mean is both the cost of the coupling "to the nearer atom" and a dual value
        pieces = [
            (-s * z - 2 * a, -oo, -2 * a / s),
            (s * z + 2 * a, -2 * a / s, -a / s),
            (-s * z, -a / s, Integer(0)),
            (s * z, Integer(0), oo),
        ]
        direct = sum(sympy.integrate(height * _normal(z), (z, low, high)) for height, low, high in pieces)
        closed = two_atoms(a, s)
        gap = abs(sympy.N(direct - closed, 40))
        checks.append(
            numeric(f"two atoms {a}, {s}", gap < 1e-30, "W1 of two smoothed atoms", f"difference {float(gap):.0e}")
        )
        checks.append(
            numeric(
                f"below {a}, {s}", bool(closed < FOLDED * s), "W1 < sqrt(2/pi) s", f"ratio {closed / FOLDED / s:.4f}"
            )
        )
    near = sympy.N(two_atoms(1, Rational(1, 5)) / FOLDED * 5, 30)
    return [*checks, numeric("sharp", 0 < 1 - near < 1e-6, "ratio to sqrt(2/pi) s tends to 1", f"1 - {1 - near:.1e}")]


def _limits() -> list[Check]:
    """What the published proof leaves to the reader, and what the theorem does not say."""
    # x = (B, B) and (B, 1 - B), B a fair coin: equal margins; the four possible pairings of points all cost 1
    first, second = [(0, 0), (1, 1)], [(0, 1), (1, 0)]
    costs = {sum(abs(i - j) for i, j in zip(p, q, strict=True)) for p in first for q in second}
    margins = all(sorted(p[k] for p in first) == sorted(q[k] for q in second) for k in range(2))
    untrained = Rational(1, 2)  # W1 between a fair coin on 0, 1 and a generator that always says 0
    bound = (1 + FOLDED * Rational(1, 10) * 1) * Rational(1, 10)
    return [
        numeric(
            "margins do not suffice",
            margins and costs == {1},
            "equal margins, yet W1 = 1: the step to the joint distribution needs x~_j = x_j + eta eps Z_j, Z_j apart",
            "(B, B) against (B, 1 - B)",
        ),
        numeric(
            "some G, not every G",
            bool(untrained > bound),
            "G = 0 for a fair coin has W1 = 1/2, above the bound at eta = eps = 1/10",
            f"1/2 > {float(bound):.4f}",
        ),
    ]


# ------------------------------------------------------------------------------------------------------ calculators
_POINTS = (
    (2, 5, Rational(3, 10), Rational(1, 7)),
    (0, 3, Rational(7, 4), Rational(2, 9)),
    (4, 4, Rational(1, 3), Rational(11, 13)),
    (7, 11, Rational(5, 2), Rational(1, 100)),
)


def _bounds() -> list[Check]:
    checks = []
    for m, d, eta, eps in _POINTS:
        bound = profile_bound(m, d, float(eta), float(eps))
        where = f"|S2| = {m}, d = {d}, eta = {eta}, eps = {eps}"
        for word, got, count in (("published", bound.published, d), ("sharper", bound.sharper, m)):
            want = (1 + FOLDED * eta * count) * eps
            checks.append(
                agree(
                    f"profile_bound {word} {m} of {d}",
                    [(got, want)],
                    f"(1 + sqrt(2/pi) eta {count}) eps",
                    1e-12,
                    where=where,
                )
            )
    return checks


#: The checks of profile_distance, which needs POT.
DISTANCES = ("profile_distance", "simplex distance", "simplex part", "simplex noise", "sliced line", "sliced shift",
             "kinds", "interval lower", "interval upper", "interval widest", "interval at 0",
             "interval level")  # fmt: skip
MEASURED = ("noise of halves", "noise of four", "parts")
MISSING = "POT is not installed: pip install 'crowdllm-stats[theory]'"


def _distances() -> Sequence[Check | Skipped]:
    """profile_distance on samples small enough for brute force."""
    if importlib.util.find_spec("ot") is None:
        return [Skipped(DISTANCES, "numeric", MISSING)]
    target = [(0, 0), (3, 1), (1, 7), (-2, 4)]
    made = [(1, 2), (5, 5), (-3, 0), (2, -6)]
    best = min(
        sum(sqrt(sum(Integer(a - b) ** 2 for a, b in zip(p, q, strict=True))) for p, q in zip(made, order, strict=True))
        for order in permutations(target)
    ) / Integer(4)
    small = profile_distance(made, target, seed=3)
    corners = 3.0 * np.eye(6)  # all pairs are 3 sqrt(2) apart, and 3 from the middle
    simplex = profile_distance(np.zeros((5, 6)), corners, seed=1)
    half = Integer(EXACT_LIMIT // 2 + 5)
    line = np.arange(EXACT_LIMIT + 1.0)[:, None]
    long = profile_distance(2 * line + 5, line, seed=2)
    tall = profile_distance(line[:2] * 0.0, line, seed=2)
    shift = np.array([3.0, -4.0])
    cloud = np.column_stack([line, line[::-1] ** 0.5])
    moved = profile_distance(cloud[:2] * 0.0 + shift, cloud * 0.0, seed=4)
    unit = np.random.default_rng(4).standard_normal((2, 100))
    mean = float(np.mean(np.abs(shift @ unit) / np.sqrt((unit**2).sum(axis=0))))
    kinds = [result.kind for result in (small, tall, long, moved)]
    return [
        agree("profile_distance", [(small.distance, best)], "W1 by all pairings", 1e-12, where="4 a side"),
        agree(
            "simplex distance",
            [(simplex.distance, Integer(3))],
            "W1 from the middle to the corners",
            1e-12,
            where="6 corners",
        ),
        agree(
            "simplex part", [(simplex.distance_same_size, Integer(3))], "W1 to any corners", 1e-12, where="6 corners"
        ),
        agree("simplex noise", [(simplex.noise, 3 * sqrt(2))], "W1 between corners", 1e-12, where="6 corners"),
        agree("sliced line", [(long.distance, half)], "on a line sliced W1 is W1", 1e-12, where="x to 2x + 5"),
        agree(
            "sliced shift",
            [(moved.distance, mean)],
            "sliced W1 of a shift v is mean |v . u|",
            1e-12,
            where="100 directions u",
        ),
        numeric("kinds", kinds == ["exact", "sliced", "sliced", "sliced"], "sliced beyond the limit", ", ".join(kinds)),
        *_interval(),
    ]


def _interval() -> list[Check]:
    """The interval, made again from the definition; once the partitions are wider than the resamples, once narrower."""
    rng = np.random.default_rng(5)
    target = rng.normal(0.0, 2.0, (9, 1))
    cases = [(rng.normal(4.0, 1.0, (9, 1)), target), (np.array([[10.0], [14.0]]), rng.normal(0.0, 0.1, (200, 1)))]
    found = [profile_distance(made, wanted, n_boot=100, seed=7) for made, wanted in cases]
    again = [_ends_again(made[:, 0], wanted[:, 0], np.random.default_rng(7)) for made, wanted in cases]
    same = profile_distance(target, target, n_boot=40, seed=7)
    says = "distance + the 0.975 quantile of the resamples; - the larger of theirs and the partitions', not below 0"
    where = "9 and 9, 2 and 200 people, 100 resamples"
    lower = [(one.lower, two["lower"]) for one, two in zip(found, again, strict=True)]
    upper = [(one.upper, two["upper"]) for one, two in zip(found, again, strict=True)]
    wider = [two["partitions wider"] for two in again]
    return [
        agree("interval lower", lower, says, 1e-12, where=where),
        agree("interval upper", upper, says, 1e-12, where=where),
        numeric("interval widest", wider == [1.0, 0.0], "each of the two decides a lower end once", f"{wider}"),
        agree("interval at 0", [(same.lower, Integer(0))], "not below 0", 1e-12, where="a sample against itself"),
        agree("interval level", [(same.level, Rational(19, 20))], "its level is 0.95", 1e-12, where="0.95"),
    ]


def _ends_again(made: Any, target: Any, rng: np.random.Generator) -> dict[str, float]:
    """Both ends of the interval from 100 resamples; W1 on a line is the mean gap of sorted values."""
    least = len(made), len(target)

    def gap(first: Any, second: Any) -> float:
        size = int(np.lcm(*least))
        both = (np.repeat(np.sort(one), size // len(one)) for one in (first, second))
        return float(np.mean(np.abs(np.subtract(*both))))

    rng.standard_normal((1, 100))
    for _ in range(10):
        rng.permutation(least[1]), rng.permutation(least[0])
    draws = [gap(made[rng.integers(least[0], size=least[0])], target[rng.integers(least[1], size=least[1])])
             for _ in range(100)]  # fmt: skip
    apart = np.sort(np.array(draws) - np.mean(draws))
    # the 0.025 and 0.975 quantiles of 100 values lie at places 2.475 and 96.525, counted from 0
    low = apart[2] + 0.475 * (apart[3] - apart[2])
    high = apart[96] + 0.525 * (apart[97] - apart[96])
    everybody, parts = np.concatenate([made, target]), []
    for _ in range(100):
        order = rng.permutation(sum(least))
        parts.append(gap(everybody[order[: least[0]]], everybody[order[least[0] :]]))
    alike = sorted(parts)[98]  # ceil(0.975 * 101) = 99
    whole = gap(made, target)
    return {
        "lower": max(0.0, whole - max(alike, -low)),
        "upper": whole + high,
        "partitions wider": float(alike > -low),
    }


def symbolic() -> list[Check | Skipped]:
    """The calculators against exact numbers, and every step of the derivation."""
    return [
        *_bounds(),
        *_distances(),
        *_one_coordinate(),
        *_all_coordinates(),
        *_bounded_noise(),
        *_euclidean(),
        *_not_attained(),
        *_limits(),
    ]


# ------------------------------------------------------------------------------------------------------- simulation
def _profiles(rng: np.random.Generator, people: int) -> Any:
    """Five coordinates, two continuous and three discrete (2, 3 and 4 values), all dependent."""
    group = rng.integers(2, size=people)
    kind = (group + rng.integers(2, size=people)) * 1.0
    step = np.floor(4 * rng.beta(1 + group, 2 - group))
    return np.column_stack([rng.uniform(size=people) + group, rng.beta(2, 3, people) * kind, group, kind, step])


def simulated(seed: int = 20261122) -> list[Check | Skipped]:
    """The smoothing step alone by simulation; that some G reaches eps is not a matter of simulation."""
    rng = np.random.default_rng(seed)
    eta, eps, people = 0.7, 0.3, 100_000
    profiles = _profiles(rng, people)
    smooth = profiles.copy()
    smooth[:, 2:] += eta * eps * rng.standard_normal((people, 3))
    moved = np.abs(smooth - profiles).sum(axis=1)
    straight = np.sqrt(((smooth - profiles) ** 2).sum(axis=1))
    # the sharper bound without its first term, which belongs to the continuous generator
    cost = float(profile_bound(3, 5, eta, eps).sharper) - eps
    chi = eta * eps * float(sqrt(2) * sympy.gamma(2) / sympy.gamma(Rational(3, 2)))
    a, s = 1.0, 0.8
    values = a * rng.choice([-1.0, 1.0], people) + s * rng.standard_normal(people)
    nearer = np.abs(np.abs(values) - a)
    return [
        mean_of(
            "smoothing cost", moved, cost, "E sum_j |x~_j - x_j| = |S2| sqrt(2/pi) eta eps, three of five discrete"
        ),
        mean_of("smoothing cost, Euclidean", straight, chi, "E||x~ - x|| = eta eps E chi_3"),
        mean_of("two atoms", nearer, float(two_atoms(1, Rational(4, 5))), "W1 of two smoothed atoms, in closed form"),
        *_measured(seed),
    ]


def _measured(seed: int) -> Sequence[Check | Skipped]:
    """Two people against eight, four of them at 0 and four at 1: halves are pairs."""
    if importlib.util.find_spec("ot") is None:
        return [Skipped(MEASURED, "simulation", MISSING)]
    target = np.repeat([[0.0], [1.0]], 4, axis=0)
    found = [profile_distance(np.full((2, 1), 4.0), target, seed=(seed + number)) for number in range(250)]
    halves = [(four[:2], four[2:]) for four in permutations([0] * 4 + [1] * 4, 4)]
    noise = sum(Rational(abs(sum(first) - sum(second)), 2) for first, second in halves) / len(halves)
    four = [profile_distance(np.zeros((5, 1)), target[2:6], seed=seed + number).noise for number in range(150)]
    says = f"two disjoint pairs of four 0 and four 1 are {noise} apart in the mean"
    return [
        mean_of("noise of halves", np.array([result.noise for result in found]), float(noise), says),
        mean_of("noise of four", np.array(four), 1 / 3, "two halves of {0, 0, 1, 1} differ with probability 1/3, by 1"),
        mean_of(
            "parts", np.array([result.distance_same_size for result in found]), 3.5, "the same for 4 and such pairs"
        ),
    ]


def picture(ax: Any) -> None:
    """Both bounds, the Euclidean cost and simulated smoothing, over the number of discrete coordinates."""
    eta, eps, d = 1.0, 0.1, 10
    counts = np.arange(0, d + 1)
    rng = np.random.default_rng(1)
    moved = [np.abs(eta * eps * rng.standard_normal((4000, m))).sum(axis=1).mean() if m else 0.0 for m in counts]
    chi = [0.0] + [float(eta * eps * sqrt(2) * sympy.gamma(Rational(int(m) + 1, 2)) / sympy.gamma(Rational(int(m), 2)))
                   for m in counts[1:]]  # fmt: skip
    bounds = [profile_bound(int(m), d, eta, eps) for m in counts]
    ax.plot(counts, [bound.published for bound in bounds], "--", color="tab:red", label="published")
    ax.plot(counts, [bound.sharper for bound in bounds], color="tab:blue", label="sharper, as the proof gives")
    ax.plot(counts, eps + np.array(chi), ":", color="tab:blue", label="Euclidean distance")
    ax.plot(counts, eps + np.array(moved), "o", color="black", label="eps + simulated smoothing cost")
    ax.set(xlabel="discrete coordinates |S2| of d = 10", ylabel="bound on W1", title="Theorem 1, eta = 1, eps = 0.1")
    ax.legend()


if __name__ == "__main__":
    raise SystemExit(main(STATEMENT, symbolic))

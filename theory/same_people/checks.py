"""The same people answer many problems: what their errors share, that means cannot show it, and that people can."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import sympy
from scipy import integrate, special

from crowdllm_stats.inference.fay_herriot.across_answers import across_answers
from crowdllm_stats.inference.fay_herriot.across_problems import across_problems
from crowdllm_stats.inference.fay_herriot.person_errors import (
    DENSE_PEOPLE,
    AnswersOfPeople,
    person_errors,
    sum_half_width,
    widen,
)
from crowdllm_stats.verify import Check, Statement, agree, counterexample, identity, numeric

STATEMENT = Statement(
    name="same_people",
    title="Across problems: the same people answer many of them (a result of the toolkit; not in the paper)",
    published="(textbook) the errors of the problems' means are independent",
    verdict="holds under different people for every problem; else errors are linked, as below",
    exact="Cov(e_s, e_t) = m_st tau^2/(n_s n_t); the same n people: a shift of variance tau^2/n that no number of "
    "problems shows, measured on people with n - 1 degrees of freedom",
)

Z = 1.959963984540054


# ------------------------------------------------------------------------------------------------ 1: what errors share
TAU, S = sympy.symbols("tau s", positive=True)


def _covariance(first: dict[str, Any], second: dict[str, Any]) -> sympy.Expr:
    """Covariance of two linear forms in independent levels a_i (tau^2) and rests e_ti (s^2)."""
    variance = {"a": TAU**2, "e": S**2}
    return sympy.Add(*(first[key] * second[key] * variance[key[0]] for key in first if key in second))


def _error(problem: int, people: list[int]) -> dict[str, Any]:
    share = sympy.Rational(1, len(people))
    return {f"a{i}": share for i in people} | {f"e{problem},{i}": share for i in people}


def _covariance_checks() -> list[Check]:
    says = "Cov(e_s, e_t) = m tau^2/(n_s n_t), m people in common"
    checks = []
    for one, two in (([0, 1, 2], [0, 1, 2]), ([0, 1, 2], [1, 2]), ([0, 1], [2, 3, 4])):
        common = len(set(one) & set(two))
        exact = common * TAU**2 / (len(one) * len(two))
        name = f"covariance, n {len(one)} and {len(two)}, {common} in common"
        checks.append(identity(name, _covariance(_error(1, one), _error(2, two)), exact, says))
    n, m, f, t = sympy.symbols("n m f T", positive=True)
    finite = (1 - f) ** 2 * TAU**2 * (1 / n + 1 / (m - n))
    says = "a population of m: (1 - f)^2 tau^2 (1/n + 1/(m - n)) = tau^2 (1/n - 1/m), f = n/m"
    checks.append(identity("finite population", finite.subs(f, n / m), TAU**2 * (1 / n - 1 / m), says))
    mean_error = sympy.limit(TAU**2 / n + S**2 / (n * t), t, sympy.oo)
    says = "the mean error over T problems has variance tau^2/n + s^2/(nT): tau^2/n is left however many there are"
    checks.append(identity("many problems", mean_error, TAU**2 / n, says))
    return checks


def _shift_checks() -> list[Check]:
    """Residuals of a regression with a constant, the same three people in four problems."""
    x = sympy.Matrix([[1, 2], [1, -1], [1, 5], [1, 3]])
    weight = sympy.diag(2, 1, 3, 1)
    inverse = (x.T * weight * x).inv()
    residual = sympy.eye(4) - x * inverse * x.T * weight
    covariance = TAU**2 / 3 * sympy.ones(4, 4) + S**2 / 3 * sympy.eye(4)
    law = residual * covariance * residual.T
    without = residual * (S**2 / 3 * sympy.eye(4)) * residual.T
    says = "the covariance of the residuals has no tau^2 in it: the common shift cannot be seen in the means"
    checks = [identity("residuals", sum(abs(entry) for entry in sympy.simplify(law - without)), sympy.Integer(0), says)]
    own = sympy.symbols("w")
    row = own * sympy.eye(4)[0, :] + (1 - own) * x[0, :] * inverse * x.T * weight
    left = sympy.expand((row * (TAU**2 / 3 * sympy.ones(4, 4)) * row.T)[0])
    says = "w ybar_t + (1 - w) x_t' beta keeps all of tau^2/n, whatever w is"
    checks.append(identity("shift in the estimate", left, TAU**2 / 3, says))
    return checks


def _coverage_checks() -> list[Check]:
    """Known variances, many problems: what intervals of the independent model cover."""
    between, rest, level, n = 0.25, 0.7, 0.3, 5
    own = between * (rest / n) / (between + rest / n)
    cover = special.ndtr(Z / math.sqrt(1.0 + level / n / own))
    cover = 2.0 * float(cover) - 1.0

    def given(shift: float) -> float:
        off = shift / math.sqrt(own)
        return float(special.ndtr(Z - off) - special.ndtr(-Z - off))

    edge = math.sqrt(level / n)
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if given(middle) > 0.8 else (low, middle)
    poor = 2.0 * float(special.ndtr(-low / edge))
    evidence = f"covered with probability {cover:.3f}; {poor:.0%} of the surveys cover less than 0.8 of their problems"
    says = "intervals for independent errors hold 0.95 when the same 5 people answer all problems"
    return [counterexample("independent errors", cover >= 0.95, says, evidence)]


# -------------------------------------------------------------------------------------------- 2: measured on people
def _designs() -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Problem and person of each answer."""
    return {
        "same people": (np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)),
        "overlapping": (np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 2, 3, 0, 3, 4])),
    }


def _every_sign(size: int) -> np.ndarray[Any, Any]:
    return np.array(list(itertools.product((-1.0, 1.0), repeat=size)))


def _unbiased_checks() -> list[Check]:
    """The calculator's mean over all signs of levels (and rests) against the exact sampling variance."""
    checks = []
    rows, weight = np.array([[1.0, 0.5], [1.0, -1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 0.5])
    for name, (problem, person) in _designs().items():
        x = rows if name == "same people" else rows[:, :1]
        hat = x @ np.linalg.inv((x * weight[:, None]).T @ x) @ (x * weight[:, None]).T
        count = np.bincount(problem)
        spread = np.zeros((3, int(person.max()) + 1))
        spread[problem, person] = 1.0 / count[problem]
        levels = _every_sign(spread.shape[1])
        found = [person_errors(AnswersOfPeople(a[person], problem, person), x, weight) for a in levels]
        exact = np.sum((hat @ spread) ** 2, axis=1)
        says = "levels alone: E k sum_i (x' K q_i)^2 = Var(x' beta) over all signs"
        got = np.mean([each.regression_var for each in found], axis=0)
        checks.append(agree(f"unbiased for levels, {name}", [(got, exact)], says, kind="exact enumeration"))
        load = np.array([hat[0] @ spread @ a for a in levels])
        own = np.array([(spread @ a)[0] for a in levels])
        if x.shape[1] == 1:
            others = (load - hat[0, 0] * own) / (1 - hat[0, 0])
            says = "Cov(own error, regression on the others) = overlap Var(regression), levels alone"
            checks.append(
                agree(
                    f"overlap, {name}",
                    [(found[0].overlap[0] * exact[0], np.mean(own * others))],
                    says,
                    kind="exact enumeration",
                )
            )
    problem, person = _designs()["same people"]
    signs = _every_sign(9)
    found_var = [person_errors(AnswersOfPeople(e, problem, person), rows, weight).regression_var for e in signs]
    hat = rows @ np.linalg.inv((rows * weight[:, None]).T @ rows) @ (rows * weight[:, None]).T
    says = "rests alone, the same people: unbiased too"
    checks.append(
        agree(
            "unbiased for rests",
            [(np.mean(found_var, axis=0), np.sum(hat**2, axis=1) / 3)],
            says,
            kind="exact enumeration",
        )
    )
    return checks


def _degrees_checks() -> list[Check]:
    problem, person = _designs()["same people"]
    answers = AnswersOfPeople(np.arange(9.0), problem, person)
    degrees = person_errors(answers, np.ones((3, 1)), np.ones(3)).degrees
    checks = [agree("degrees, same people", [(degrees, 2.0)], "n - 1 degrees of freedom for n people")]
    problem, person = _designs()["overlapping"]
    count = np.bincount(problem)
    table = np.zeros((3, 5))
    table[problem, person] = 1.0 / count[problem]
    share = np.array([0.5, 0.3, 0.2])
    moves = np.diag(share @ table) - table.T @ np.diag(share) @ table
    square = moves.T @ moves
    exact = np.trace(square) ** 2 / np.trace(square @ square)
    got = person_errors(AnswersOfPeople(np.arange(8.0), problem, person), np.ones((3, 1)), share).degrees
    says = "tr(G'G)^2/tr((G'G)^2), from dense matrices"
    return [*checks, agree("degrees, overlapping", [(got, exact)], says)]


def _share_checks() -> list[Check]:
    """Levels and rests of exact sample variances: the person share is their ratio."""
    base = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
    rest = np.concatenate([base, -base])  # no person stands out, problem by problem
    level = np.array([3.0, -3.0, 1.0, -1.0])
    problem, person = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    found = person_errors(AnswersOfPeople((rest + level).ravel(), problem, person), np.ones((6, 1)), np.ones(6))
    between = float(level @ level) / 3
    pooled = float(np.mean((rest + level).var(axis=1, ddof=1)))
    exact = (between - pooled * 1 / 6) / (pooled - pooled / 6)
    says = "share = (variance of people's means - v/T)/(v - v/T), the same people"
    return [
        agree("person share", [(found.share, exact)], says),
        agree("members", [(found.member, np.ones(6))], "the same people carry all of the others' weight"),
    ]


def _dense(problem: Any, person: Any, value: Any, rows: Any, weight: Any) -> dict[str, Any]:
    """The calculator's fields by dense matrices, from the formulas of its description."""
    count = np.bincount(problem)
    inside = np.zeros((len(count), int(person.max()) + 1))  # who answered what
    inside[problem, person] = 1.0
    given = np.zeros_like(inside)
    given[problem, person] = value
    apart = (given - (given.sum(axis=1) / count)[:, None]) * inside
    pooled = np.sum(apart**2) / np.sum(count - 1)
    inverse = np.linalg.inv(sum(w * np.outer(x, x) for w, x in zip(weight, rows, strict=True)))
    load = (weight / count)[:, None] * rows
    scores, levels = apart.T @ load, inside.T @ load
    table = inside / count[:, None]
    pull = table.T @ weight
    moves = np.diag(pull) - table.T @ np.diag(weight) @ table
    spare = pull @ pull / np.sum(moves**2)
    leverage = np.diag(rows @ inverse @ rows.T)
    own = pooled * np.sum(weight**2 * leverage * (count - 1) / count**2)
    whole = pooled * np.trace(levels @ inverse @ levels.T) / spare
    seen = np.trace(scores @ inverse @ scores.T)
    if len(pull) > DENSE_PEOPLE:  # a formula for people who answer independently stands in
        degrees = np.sum(pull**2) ** 2 / np.sum(pull**4)
    else:
        degrees = np.trace(moves.T @ moves) ** 2 / np.trace(moves.T @ moves @ moves.T @ moves)
    member = np.array([row @ pull - w for row, w in zip(inside, weight, strict=True)]) / (weight.sum() - weight)
    return {
        "raw share": (seen - own) / (whole - own),
        "estimable": whole > 2.0 * own,
        "share": min(max((seen - own) / (whole - own), 0.0), 0.95) if whole > 2.0 * own else 0.0,
        "member": member,
        "regression_var": spare * np.diag(rows @ inverse @ scores.T @ scores @ inverse @ rows.T),
        "overlap": member / count * weight.sum() ** 2 / (pull @ pull),
        "degrees": degrees,
    }


def _dense_checks() -> list[Check]:
    """Unequal weights, people who answer some questions; shares inside, below 0, above 0.95 and not estimable."""
    rng = np.random.default_rng(11)
    problem, person = np.nonzero(rng.random((7, 9)) < 0.7)
    rows, weight = np.column_stack([np.ones(7), rng.normal(size=7)]), rng.uniform(0.5, 2.0, 7)
    level, rest = rng.normal(size=9)[person], rng.normal(size=len(person))
    own = (np.bincount(person, rest) / np.bincount(person))[person]
    alone = np.repeat(np.arange(3), 4)
    many = np.arange(DENSE_PEOPLE + 2) % (DENSE_PEOPLE + 1)
    cases = [(problem, person, value, rows, weight) for value in (level + 0.8 * rest, level, rest - own)]
    cases.append((alone, np.arange(12), rng.normal(size=12), np.ones((3, 1)), np.array([1.0, 2.0, 0.7])))
    cases.append(
        (
            np.repeat([0, 1], [900, len(many) - 900]),
            many,
            rng.normal(size=len(many)),
            np.ones((2, 1)),
            np.array([1.0, 3.0]),
        )
    )
    found = [person_errors(AnswersOfPeople(y, t, i), x, w) for t, i, y, x, w in cases]
    again = [_dense(*case) for case in cases]
    names = ("share", "member", "regression_var", "overlap", "degrees")
    pairs = [(getattr(one, name), two[name]) for one, two in zip(found, again, strict=True) for name in names]
    raw, estimable = [one["raw share"] for one in again], [one["estimable"] for one in again]
    every = estimable == [True, True, True, False, False] and 0.0 < raw[0] < 0.95 < raw[1] and raw[2] < 0.0
    says = "shares inside, cut at both ends, and not estimable: all occur"
    return [
        agree("dense matrices", pairs, "every field again by dense matrices, five designs", 1e-8),
        numeric("kinds of shares", every, says, ", ".join(f"{one:.2f}" for one in raw)),
    ]


# ------------------------------------------------------------------------------------------ 3: the interval's length
def _length_checks() -> list[Check]:
    checks, got, exact = [], [], []
    for own, shared, degrees, level in ((1.0, 0.5, 2.0, 0.95), (0.3, 1.2, 4.0, 0.9), (2.0, 0.1, 9.0, 0.99)):
        half = float(sum_half_width(np.array([own]), np.array([shared]), degrees, level)[0])
        constant = special.gamma((degrees + 1) / 2) / math.sqrt(degrees * math.pi) / special.gamma(degrees / 2)

        def density(t: float, d: float = degrees, c: float = float(constant)) -> float:
            return c * (1 + t * t / d) ** (-(d + 1) / 2)

        def inside(t: float, o: float = own, s: float = shared, h: float = half) -> float:
            sd, off = math.sqrt(o), math.sqrt(s) * t
            return float(special.ndtr((h - off) / sd) - special.ndtr((-h - off) / sd))

        held = integrate.quad(lambda t, d=density, i=inside: d(t) * i(t), -np.inf, np.inf, limit=400)[0]
        got.append(held)
        exact.append(level)
    says = "P(|N(0, V) + sqrt(S) t| <= half-width) = level, by an integral over t"
    checks.append(agree("half-width", [(got, exact)], says, 1e-5))
    edges = [(0.01, 0.0, Z * 0.1), (1e-14, 0.01, 0.1), (1e-14, 9.0, 3.0)]
    t = float(special.stdtrit(4.0, 0.975))
    halves = [float(sum_half_width(np.array([own]), np.array([shared]), 4.0, 0.95)[0]) for own, shared, _ in edges]
    says = "one variance alone: the normal or Student's quantile"
    checks.append(agree("half-width of one", [(halves, [edges[0][2], 0.1 * t, 3.0 * t])], says, 1e-4))
    one = np.ones(1)
    ends = widen(0.2 * one, 0.2 * one - Z, 0.2 * one + 2 * Z, 3.0 * one, 0.5 * one, 5.0, None, 0.95)
    wanted = [float(sum_half_width(v * one, 3.0 * one, 5.0, 0.95)[0]) for v in (0.5, 3.5)]
    says = "each side's length stands for a variance, less what is counted twice"
    checks.append(agree("sides", [([0.2 - ends[0][0], ends[1][0] - 0.2], wanted)], says))
    scaled = widen(3.0 * one, 2.0 * one, 4.5 * one, 0.4 * one, 0.0 * one, 5.0, (1.0, 5.0), 0.95)
    to = [special.logit((value - 1.0) / 4.0) for value in (2.0, 4.5)]
    halves = [float(sum_half_width((side / Z) ** 2 * one, 0.4 * one, 5.0, 0.95)[0]) for side in to]
    wanted = [1.0 + 4.0 * special.expit(-halves[0]), 1.0 + 4.0 * special.expit(halves[1])]
    says = "on a scale the same in logits; the slope at the middle of 1 to 5 is 1"
    checks.append(agree("sides on a scale", [([scaled[0][0], scaled[1][0]], wanted)], says))
    return [*checks, *_side_checks()]


def _side_checks() -> list[Check]:
    """Sides off the middle, short ones, ones that end at the scale's end or beyond it, and nothing shared."""
    cases = [  # estimate, lower, upper, shared, counted
        (2.0, 1.6, 2.7, 0.05, 0.01), (4.4, 4.39, 4.9, 0.02, 0.0), (1.1, 1.02, 1.2, 0.003, 0.001),
        (3.0, 1.0, 5.2, 0.3, 0.1), (5.0, 4.2, 5.0, 0.1, 0.0), (1.0, 1.0, 1.3, 0.1, 0.0), (5.0, 4.2, 5.0, 0.0, 0.0),
        (2.5, 2.0, 3.2, 0.0, 0.0), (3.5, 3.5, 3.6, 0.08, 0.02),
    ]  # fmt: skip
    given = np.array(cases).T
    bounded = widen(*given, 6.0, (1.0, 5.0), 0.9)
    free = widen(*given, 6.0, None, 0.9)
    got = [np.stack(bounded, axis=1), np.stack(free, axis=1)]
    wanted = [[_sides_again(case, bounds) for case in cases] for bounds in ((1.0, 5.0), None)]
    says = "both ends again, one side after the other, on a scale and without"
    return [agree("every side", [(one, np.array(two)) for one, two in zip(got, wanted, strict=True)], says, 1e-9)]


def _sides_again(case: tuple[float, ...], bounds: tuple[float, float] | None) -> list[float]:
    estimate, lower, upper, shared, counted = case
    found, slope, place = [], 1.0, estimate
    if bounds is not None:
        share = min(max((estimate - 1.0) / 4.0, 1e-6), 1.0 - 1e-6)
        slope, place = 4.0 * share * (1.0 - share), math.log(share / (1.0 - share))
    for side, end in ((-1.0, lower), (1.0, upper)):
        if bounds is not None and not 1.0 < end < 5.0:
            found.append(1.0 if end <= 1.0 else 5.0)
            continue
        at = end if bounds is None else math.log((end - 1.0) / (5.0 - end))
        length = max(side * (at - place), 0.0)
        variance = (length / 1.6448536269514722) ** 2
        left = max(variance - counted / slope**2, 0.2 * variance)
        if shared > 0.0:
            length = float(sum_half_width(np.array([left]), np.array([shared / slope**2]), 6.0, 0.9)[0])
        moved = place + side * length
        found.append(moved if bounds is None else 1.0 + 4.0 * float(special.expit(moved)))
    return found


def symbolic() -> list[Check]:
    """Covariance, shift, the people's measure and the interval's length."""
    return [
        *_covariance_checks(),
        *_shift_checks(),
        *_coverage_checks(),
        *_unbiased_checks(),
        *_degrees_checks(),
        *_share_checks(),
        *_dense_checks(),
        *_length_checks(),
    ]


# ---------------------------------------------------------------------------------------------------------- simulated
def simulated(seed: int = 20261127) -> list[Check]:
    """60 problems answered by the same 5 people, whose level makes half of the variance of an answer."""
    rng = np.random.default_rng(seed)
    sets, problems, n = 100, 60, 5
    mine, apart = np.empty(sets), np.empty(sets)
    place = np.repeat(np.arange(problems), n), np.tile(np.arange(n), problems)
    for number in range(sets):
        digital = rng.normal(size=problems)
        truth = 3.0 + 0.8 * digital + 0.5 * rng.normal(size=problems)
        table = truth[:, None] + math.sqrt(0.5) * rng.normal(size=n) + math.sqrt(0.5) * rng.normal(size=(problems, n))
        got = across_answers(table.ravel(), *place, digital)
        means = across_problems(table.mean(axis=1), table.var(axis=1, ddof=1), n, digital)
        mine[number] = np.mean((got.lower <= truth) & (truth <= got.upper))
        apart[number] = np.mean((means.lower <= truth) & (truth <= means.upper))
    checks = []
    for name, share, says, expected in (
        ("level, people told apart", mine, "everything estimated: coverage is not below the level", True),
        ("level, means alone", apart, "means alone, taken as independent: coverage is not below the level", False),
    ):
        se = float(share.std() / math.sqrt(sets))
        z = (float(share.mean()) - 0.95) / se
        evidence = f"coverage {share.mean():.4f} (se {se:.4f}), level 0.95, z = {z:.2f}"
        about = "exact" if expected else "published"
        checks.append(Check(name, "simulation", about, says, z >= -4.0, expected, evidence, z))
    return checks


def picture(ax: Any) -> None:
    """Coverage over the shift's share of the variance of an answer, for independent and for linked errors."""
    shares = np.linspace(0.0, 0.8, 81)
    between = 0.25
    for n, color in ((3, "#C44E52"), (5, "#8172B2"), (20, "#4C72B0")):
        own = between * ((1 - shares) / n) / (between + (1 - shares) / n)
        ax.plot(shares, 2 * special.ndtr(Z / np.sqrt(1 + shares / n / own)) - 1, color=color, label=f"n = {n}")
    ax.axhline(0.95, color="0.5", linewidth=0.8)
    ax.set_xlabel("person share of the variance of one answer")
    ax.set_ylabel("coverage if errors are taken as independent")
    ax.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    from crowdllm_stats.verify import main

    raise SystemExit(main(STATEMENT, symbolic))

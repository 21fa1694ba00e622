"""Theorem 3's decision where the LLM gives nearly always one answer: an answer not given yet has a random weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import sympy

from crowdllm_stats.inference.theorem3_safe_decision import safe_decision
from crowdllm_stats.inference.theorem3_safe_decision.excess_test import LLMEvidence, rare_answer_p_values, share_alike
from crowdllm_stats.inference.theorem3_safe_decision.human_mean import Means, mean_below
from crowdllm_stats.verify import Check, agree, enumeration, identity, numeric


@dataclass(frozen=True)
class _Problem:
    """One problem; y* is one of two values. ``held``: the beliefs hold the error of the mean reference."""

    answers: tuple[float, ...]
    crowd: float
    share: float
    cost: float
    held: bool
    means: tuple[float, float]
    chance: float
    bounds: tuple[float, float] | None

    @property
    def reference(self) -> float:
        return float(np.mean(self.answers))

    def excess(self, answer: Any, y: float, share: float) -> Any:
        """What one answer adds to ``L' - L``, which is the mean of this over the law of the LLM's answers."""
        eta, belief = (answer - self.reference) ** 2, self.crowd - self.reference
        if self.held:
            return (answer - y) ** 2 - (self.crowd - y) ** 2 - self.cost - (1 - share) * eta
        return share * eta - 2 * belief * (answer - y) - belief**2 - self.cost

    def unseen(self) -> np.ndarray[Any, Any]:
        """Where the answer not given yet may lie; the scale reaches as far as the answers given."""
        if self.bounds is None:
            return np.linspace(-25.0, 30.0, 5501)
        return np.linspace(min(self.bounds[0], *self.answers), max(self.bounds[1], *self.answers), 1001)

    def chances(self, y: float, share: float) -> np.ndarray[Any, Any]:
        """``P(L' <= L)`` for every place of the answer not given yet."""
        unseen = self.unseen()
        given = np.broadcast_to(self.excess(np.array(self.answers), y, share), (len(unseen), len(self.answers)))
        values = np.column_stack([given, self.excess(unseen, y, share)])
        return np.asarray(mean_below(values, np.ones_like(values), np.zeros((len(values), 1)))[:, 0])

    def p_values(self) -> tuple[float, float]:
        """Of "safe" and of "unsafe": the answer not given yet lies where it speaks most against the decision."""
        weights = (self.chance, 1 - self.chance)
        pairs = list(zip(self.means, weights, strict=True))
        safe = sum(weight * float(self.chances(y, self.share).max()) for y, weight in pairs)
        if self.bounds is None:
            return safe if self.share > 0 else 1.0, 1.0
        share = 1.0 if self.held else self.share  # what the crowd itself carries of eta is not held against the LLM
        return safe, sum(weight * (1 - float(self.chances(y, share).min())) for y, weight in pairs)

    def computed(self) -> tuple[float, float]:
        """The library's p-values."""
        safe, unsafe = _batch([self], [0])
        return float(safe[0]), float(unsafe[0])


def _batch(problems: Sequence[_Problem], rows: Any, other: Sequence[_Problem] = ()) -> tuple[Any, Any]:
    """The library's p-values of several problems at once; ``other`` has what is said of y* from above."""
    zero = np.zeros(len(problems))
    evidence = LLMEvidence(
        crowd=np.array([one.crowd for one in problems]), reference=np.array([one.reference for one in problems]),
        answers=len(problems[0].answers), var=zero, floor=zero, eta=None, noise_var=None,
        share=np.array([one.share for one in problems]), cost=np.array([one.cost for one in problems]),
        hold_reference=problems[0].held,
    )  # fmt: skip
    low, high = (
        Means(np.array([one.means for one in each]), np.array([(one.chance, 1 - one.chance) for one in each]))
        for each in (problems, other or problems)
    )
    answers = np.array([one.answers for one in problems])
    return rare_answer_p_values(evidence, answers, problems[0].bounds, low, high if other else low, np.asarray(rows))


# ----------------------------------------------------------------------------------------------- the risks of one law
def _risks() -> list[Check]:
    """L' - L is a mean over the law of the LLM's answers: three answers, weights p, q and the rest."""
    p, q, y, crowd, mu, cost, share, ref = sympy.symbols("p q y* yt mu cost share y_ref", real=True)
    answers, weights = sympy.symbols("a1:4", real=True), (p, q, 1 - p - q)

    def mean(value: Any) -> Any:
        return sum(weight * value(answer) for weight, answer in zip(weights, answers, strict=True))

    centre, llm = mean(lambda a: a), mean(lambda a: (a - y) ** 2)
    eta = mean(lambda a: a**2) - centre**2
    return [
        identity("rare answers: beliefs that hold the reference",
                 llm - ((crowd - y) ** 2 + cost + (1 - share) * mean(lambda a: (a - ref) ** 2)),
                 mean(lambda a: (a - y) ** 2 - (1 - share) * (a - ref) ** 2 - (crowd - y) ** 2 - cost),
                 "L' - L is the mean of (a - y*)^2 - (1 - share)(a - y_ref)^2 less (yt - y*)^2 + cost"),
        identity("rare answers: beliefs of a generator",
                 llm - ((centre + mu - y) ** 2 + cost + (1 - share) * eta),
                 mean(lambda a: share * (a - centre) ** 2 - 2 * mu * (a - y) - mu**2 - cost),
                 "L' - L is the mean of share (a - E a)^2 - 2 mu a less mu (mu - 2 y*) + cost"),
        identity("rare answers: eta about another centre", mean(lambda a: (a - ref) ** 2) - eta, (centre - ref) ** 2,
                 "eta about the mean of the answers given is eta to first order"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------- p-values, worked out again
@cache
def _problems() -> tuple[_Problem, ...]:
    """Chosen at random, so that many p-values are neither near 0 nor near 1; some with answers off the scale."""
    rng, found = np.random.default_rng(20261130), []
    for held, share, bounds in product((True, False), (1.0, 0.75, 0.5, 0.0), ((1.0, 5.0), None)):
        for number in range(4):
            usual = float(rng.integers(2, 5))
            answers = [usual] * int(rng.integers(2, 5)) + [float(usual + rng.choice([-1, 1]))]
            if number == 3 and bounds is not None:
                answers[-1] = float(rng.choice([0.25, 5.5]))
            far = float(rng.choice([-1, 1])) * float(rng.uniform(0.3, 1.4))
            y = float(np.mean(answers)) + far
            crowd = y + float(rng.choice([-1, 1])) * abs(far) * float(rng.uniform(0.6, 1.3))
            means, chance = (y, y + float(rng.uniform(-0.3, 0.3))), float(rng.uniform(0.2, 0.8))
            cost = float(rng.choice([0.0, 0.2]))
            found.append(_Problem(tuple(answers), crowd, share, cost, held, means, chance, bounds))
    found.append(_Problem((3.0, 3.0, 3.0, 4.0), 2.95, 0.05, 0.0, False, (3.0, 3.2), 0.5, None))
    return tuple(found)


def _worked_out() -> list[Check]:
    checks = []
    for held, share in (*product((True, False), (1.0, 0.75, 0.5, 0.0)), (False, 0.05)):
        mine = [one for one in _problems() if (one.held, one.share) == (held, share)]
        pairs = [(one.computed(), one.p_values()) for one in mine]
        where = f"beliefs {'of the answers' if held else 'of a generator'}, share {share:g}"
        checks.append(agree(f"calculator: rare answers, {where}", pairs,
                            "P(L' <= L) over the law's weights, the answer not given yet where it is least welcome",
                            1e-5))  # fmt: skip
    settled = [p for one in _problems() for p in one.p_values() if 0.02 < p < 0.98]
    checks.append(numeric("rare answers: what the cases can show", len(settled) >= 40,
                          "at least 40 of the p-values compared are neither near 0 nor near 1",
                          f"{len(settled)} of {2 * len(_problems())}"))  # fmt: skip
    return checks


def _spline(values: Sequence[float]) -> float:
    """``P(sum D_i v_i <= 0)`` for weights that are uniform on the simplex, by Curry and Schoenberg's formula.

    Exact fractions for distinct values; equal ones are moved apart by a ten-millionth.
    """
    v = [Fraction(value).limit_denominator(10**9) + Fraction(i, 10**7) for i, value in enumerate(values)]
    above = Fraction(0)
    for i, one in enumerate(v):
        if one > 0:
            term = one ** (len(v) - 1)
            for j, other in enumerate(v):
                term /= one - other if j != i else 1
            above += term
    return float(1 - above)


def _probabilities() -> Check:
    """The probabilities themselves, whose saddlepoint is an approximation, against an exact formula."""
    worst, count = 0.0, 0
    for one in _problems():
        place = one.unseen()[::500]
        for y in one.means:
            approximate = one.chances(y, one.share)[::500]
            for unseen, found in zip(place, approximate, strict=True):
                values = [float(one.excess(answer, y, one.share)) for answer in (*one.answers, float(unseen))]
                worst, count = max(worst, abs(float(found) - _spline(values))), count + 1
    return numeric("rare answers: probabilities", worst <= 0.02, "P(L' <= L) within 0.02 of the exact volume",
                   f"{count} laws, largest difference {worst:.4f}")  # fmt: skip


def _many() -> list[Check]:
    """More problems than are worked on at a time, some of them left out, with other news of y* from above."""
    checks = []
    for held in (True, False):
        rng = np.random.default_rng(7)
        few = [one for one in _problems() if one.held == held and one.share == 0.75 and one.bounds is not None][:3]
        base = [
            _Problem((3.0, 3.0, 3.0, 4.0), one.crowd, 0.75, one.cost, held, one.means, one.chance, one.bounds)
            for one in few
        ]
        several = [
            _Problem(one.answers, one.crowd + shift, one.share, one.cost, held, one.means, one.chance, one.bounds)
            for one, shift in zip(base * 75, rng.uniform(-0.5, 0.5, 225), strict=True)
        ]
        moved = [
            _Problem(one.answers, one.crowd, one.share, one.cost, held, (one.means[0] + 0.2, one.means[1] - 0.5),
                     0.5, one.bounds) for one in several
        ]  # fmt: skip
        rows = np.array([row for row in range(225) if row % 13 != 5])
        safe, unsafe = _batch(several, rows, moved)
        pairs: list[tuple[Any, Any]] = [(len(safe), len(rows)), (len(unsafe), len(rows))]
        for place in (0, 1, 50, 99, 100, 101, 150, 199, 200, 201, len(rows) - 1):
            alone = np.maximum(several[rows[place]].computed(), moved[rows[place]].computed())
            pairs.append(((safe[place], unsafe[place]), alone))
        checks.append(agree(f"calculator: many problems, beliefs {'of the answers' if held else 'of a generator'}",
                            pairs, "each gets its own p-values, the worse of the two views of y*", 1e-9))  # fmt: skip
    return checks


# --------------------------------------------------------------------------------------------- when it is decided so
def _alike_by_definition(answers: Sequence[float], near: float) -> Fraction:
    """Share of answers within ``near`` of a median; the lower or the upper one, whichever has more."""
    lower = min(one for one in answers if 2 * sum(other <= one for other in answers) >= len(answers))
    upper = max(one for one in answers if 2 * sum(other >= one for other in answers) >= len(answers))
    return max(Fraction(sum(abs(one - middle) <= near for one in answers), len(answers)) for middle in (lower, upper))


def _alike() -> list[Check]:
    checks = []
    for name, bounds, near in (("a scale of 100", (10.0, 110.0), 5.0), ("no scale", None, 0.0)):
        wrong, count = 0, 0
        for given in range(1, 6):
            tables = list(product((20.0, 20.05, 25.0, 25.5, 31.0), repeat=given))
            found = share_alike(np.array(tables), bounds)
            wanted = [float(_alike_by_definition(table, near)) for table in tables]
            wrong, count = wrong + int(np.sum(np.abs(found - wanted) > 1e-12)), count + len(tables)
        checks.append(enumeration(f"calculator: answers alike, {name}", wrong == 0,
                                  "share within a twentieth of the scale of a median",
                                  f"{count} tables, {wrong} differ"))  # fmt: skip
    return checks


def _decides() -> list[Check]:
    """Through the decision itself, humans and answers drawn with Dirichlet weights, one of them for what is unseen."""
    rng, times, cost = np.random.default_rng(20261129), 100_000, 0.1
    rows: list[tuple[str, tuple[int, ...], float, str, dict[str, Any], float]] = [
        ("four of five alike", (3, 3, 3, 3, 4), 3.7, "both", {}, 1.0), ("all alike", (2,) * 12, 3.4, "both", {}, 1.0),
        ("three of five alike", (3, 3, 3, 4, 2), 1.2, "safe", {}, 1.0),
        ("half alike", (3, 3, 4, 2), 1.2, "neither", {}, 1.0),
        ("seven of thirteen alike", (3,) * 7 + (4, 2, 4, 2, 5, 1), 3.7, "safe", {}, 1.0),
        ("seven of nine alike", (3,) * 7 + (4, 1), 3.2, "safe", {}, 1.0),
        ("shared reference", (3, 3, 3, 3, 4), 3.2, "both", {"reference": "shared", "k": 2}, 0.5),
        ("individual references", (3, 3, 3, 3, 4), 3.2, "both", {"reference": "individual"}, 0.5),
        ("beliefs of a generator", (3, 3, 3, 3, 4), 3.2, "both", {"beliefs_from": "generator"}, 1.0),
    ]  # fmt: skip
    human, checks = (1, 2, 2, 3, 4, 3, 2), []
    own, end = rng.standard_exponential((times, len(human))), rng.gamma(1.0, size=times)
    sums, total = own @ np.array(human, dtype=float), own.sum(axis=1) + end
    laws = [(sums + far * end) / total for far in (1.0, 5.0)]
    for name, answers, crowd, wanted, way, share in rows:
        held = "beliefs_from" not in way
        one = _Problem(tuple(map(float, answers)), crowd, share, cost, held, (0.0, 0.0), 1.0, (1.0, 5.0))
        given, missing = rng.standard_exponential((times, len(answers))), rng.standard_exponential(times)
        safe, unsafe = [], []
        for y in laws:
            seen = {
                part: sum(given[:, i] * one.excess(answer, y, part) for i, answer in enumerate(answers))
                for part in (share, 1.0)
            }
            least = np.min([one.excess(answer, y, share) for answer in np.linspace(1.0, 5.0, 41)], axis=0)
            safe.append(float(np.mean(seen[share] + missing * least <= 0)))
            hard = 1.0 if held else share
            unsafe += [float(np.mean(seen[hard] + missing * one.excess(far, y, hard) > 0)) for far in (1.0, 5.0)]
        belief = crowd - one.reference
        r = safe_decision([belief - 0.1, belief + 0.1], human, answers, n_digital=2, bounds=(1, 5),
                          belief_mean_var=cost, **way)  # fmt: skip
        off = {"safe": abs(float(r.p_safe) - max(safe)), "unsafe": abs(float(r.p_unsafe) - max(unsafe))}
        like = [side for side in off if off[side] <= 0.02]
        checks.append(Check(f"calculator: rare answers, {name}", "simulation", "exact",
                            "p of safe where more than half, of unsafe where at least 80% are alike, to 0.02",
                            like == {"both": ["safe", "unsafe"], "safe": ["safe"], "neither": []}[wanted], True,
                            f"differences {off['safe']:.4f}, {off['unsafe']:.4f}"))  # fmt: skip
    return checks


def symbolic() -> list[Check]:
    """The risks of one law, the p-values worked out again, and the share of answers that are alike."""
    return [*_risks(), *_worked_out(), _probabilities(), *_many(), *_alike()]


def simulated(seed: int) -> list[Check]:
    """The decision with these p-values; its draws are the same for every seed."""
    return _decides()

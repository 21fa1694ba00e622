"""How diverse is a digital population beside the people? Between persons, within persons, and by group.

An answer differs from the others to its problem because its person differs from others throughout (a mild judge), and
because this person sees this problem so, this time. A crowd can have the right spread for the wrong reason: personas
that answer alike, each wavering, or people of two kinds who never waver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import diags_array
from scipy.stats import t as student

from crowdllm_stats._base.checks import FloatArray, check_count, check_level
from crowdllm_stats._base.random import generator
from crowdllm_stats._base.shown import several
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.diversity_shown import MEASURES, Measure, picture, sentence, verdict
from crowdllm_stats.evaluation.drawn import EVERYONE, answers_and_draws, chosen, numbered, parts_of, place_means

#: Groups of people that are left out in turn, at most.
GROUPS = 20
#: Numbers below this share of the answers' variance are rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Diversity:
    """The diversity of a population beside that of people; see :func:`diversity`.

    Attributes:
        data: the answers.
        folds: of each answer, or None.
        table: one row per part and measure: ``part``, ``measure``, ``people``, ``answers`` (to problems that two of the
            part answered), ``human``, ``digital``, ``estimate``, ``lower``, ``upper``. For the variances ``estimate``
            is digital over human; for "energy distance" ``human`` and ``digital`` are mean differences of two answers
            to one problem, and ``estimate`` is the distance, in units of the answers.
        level: of each interval by itself.
        draws: number of draws of the population.
        alone: answers that are the only ones to their problem, and tell nothing.
        small: parts left out as too small, with their people.
        untold: parts and measures left out for another reason, with the reason.
    """

    data: CrowdData
    folds: NDArray[np.int64] | None
    table: pd.DataFrame
    level: float
    draws: int
    alone: int
    small: Mapping[str, int]
    untold: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """The table, with the verdicts in a column ``verdict``."""
        return self.table.assign(verdict=[verdict(row) for _, row in self.table.iterrows()])

    def row(self, measure: Measure, part: str = EVERYONE) -> pd.Series:
        """One row of the table.

        Raises:
            ValueError: if there is none, with the reason.
        """
        found = self.table[(self.table["part"] == part) & (self.table["measure"] == measure)]
        if found.empty:
            why = self.untold.get(f"{part}, {measure}") or self.untold.get(part) or "there is no such row"
            raise ValueError(f"{measure!r} of {part!r}: {why}")
        return found.iloc[0]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        from crowdllm_stats._base.json_values import table_rows

        return {
            **{name: getattr(self, name) for name in ("level", "draws", "alone")},
            **{"small": dict(self.small), "untold": dict(self.untold), "table": table_rows(self.to_frame())},
        }

    def plot(self) -> Any:
        """The ratios of the variances between and within people by part; a matplotlib figure."""
        return picture(self.table)

    def __str__(self) -> str:
        everyone = self.table["part"] == EVERYONE
        told = [verdict(row) for _, row in self.table.iterrows()]
        off = self.table[[not one.startswith("no ") for one in told]]
        lines = [
            f"Diversity of the population ({self.draws} draws) beside that of the people",
            *(f"  {sentence(row)}" for _, row in self.table[everyone].iterrows()),
        ]
        if not everyone.all():
            parts = self.table.loc[~everyone, "part"].nunique()
            lines.append(f"{parts} parts looked at, each interval at level {self.level:g} by itself:")
            lines += [f"  {sentence(row)}" for _, row in off[off["part"] != EVERYONE].iterrows()] or [
                "  none stands out"
            ]
        if self.small:
            left = ", ".join(f"{name} ({people})" for name, people in self.small.items())
            lines.append(f"Left out as too small, with their people: {left}")
        lines += [f"Left out: {name}: {why}" for name, why in self.untold.items()]
        if self.alone:
            lines.append(f"{several(self.alone, 'answer')} left out: the only one to its problem.")
        return "\n".join(lines)


def diversity(
    data: CrowdData, draws: ArrayLike, *, folds: ArrayLike | None = None, level: float = 0.95, least_people: int = 10,
    seed: int = 0,
) -> Diversity:  # fmt: skip
    """Compare the diversity of draws of a population with that of the people in whose place they answer.

    Model: ``y_it = a_t + u_i + e_it`` with problem effects ``a_t`` of any kind, persons' effects of variance
    ``between`` and the rest of variance ``within``. With M the projection that takes problem means away, ``C = Z'MZ``
    for the persons' incidence Z and ``r = Z'My``: ``E sum_i r_i^2 / C_ii = between sum_ij C_ij^2 / C_ii + within P``
    (P persons) and ``E |My|^2 = between tr C + within (n - T)``. The two equations are solved for both variances, for
    the answers and for every draw: unbiased whoever answered what, and below 0 by chance where nothing differs.
    ``together`` is their sum, the variance of answers of different people to one problem.

    "energy distance" is ``2 E|y - yt| - E|y - y'| - E|yt - yt'|`` of one human and one digital answer to a problem,
    averaged over problems, y' and yt' of another person and another draw: unbiased for any laws, 0 for equal ones.

    Intervals are for other people like these and the same problems: groups of people (20, or as many as there are) are
    left out in turn; a ratio's interval is Fieller's, which holds however uncertain its denominator is. A ratio is left
    out, and named in ``untold``, where the people's own variance cannot be told from 0.

    Args:
        data: human answers on a scale of numbers.
        draws: answers of as many virtual people to the same problems, shape (R, n), columns in the order of
            ``data.responses``; people keep themselves over a draw's problems.
        folds: of each answer, shape (n,), where the draws come from several generators: persons and problems then count
            once per fold.
        level: of each interval by itself; nothing is adjusted for looking at many parts.
        least_people: that a part must have to be looked at. Parts are the values of each profile column.
        seed: of the groups left out in turn.

    Returns:
        Diversity.

    Raises:
        ValueError: on a scale without numbers, draws or folds of another shape, fewer than two draws or people, human
            answers that are all alike, problems that nobody else answered, people of whom nobody answered two problems.

    Source: the moments are those of Henderson's (1953) method 3 with the problems fixed, with ``r_i^2 / C_ii`` in place
    of a generalised inverse; Fieller (1954); energy distance: Szekely and Rizzo (2013).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> who, own = np.repeat(np.arange(40), 12), rng.normal(size=40)
        >>> asked = np.tile(np.arange(12), 40)
        >>> table = pd.DataFrame({"problem": asked, "participant": who, "response": own[who] + rng.normal(size=480)})
        >>> alike = rng.normal(0.0, 1.4, (99, 480))  # as spread out, but nobody is a person
        >>> found = diversity(CrowdData.from_frame(table), alike)
        >>> [verdict(found.row(measure)) for measure in ("between people", "within people")]
        ['too uniform', 'too varied']
    """
    level, least = check_level(level), check_count("least_people", least_people)
    rows = answers_and_draws(data, draws, 2, "an average over them")
    asked = data.responses
    people = pd.factorize(asked["participant"])[0]
    crowd = _Crowd(rows, numbered(asked, "participant", folds), numbered(asked, "problem", folds), people)
    order = generator(seed, "groups").permutation(people.max() + 1)
    parts = parts_of(data, least)
    found, untold = [], {}
    for name, mask in {EVERYONE: np.ones(len(asked), dtype=bool), **parts.masks}.items():
        part = crowd.some(mask & _answered_twice(crowd.problem, mask))
        why = part.refused()
        if why is not None:
            if name == EVERYONE:
                raise ValueError(f"there is no diversity to compare with: {why}")
            untold[name] = why
            continue
        for measure, numbers in _estimates(part, order, level).items():
            if isinstance(numbers, str):
                untold[f"{name}, {measure}"] = numbers
                continue
            counts = {"people": len(np.unique(part.people)), "answers": part.rows.shape[1]}
            found.append({"part": name, "measure": measure, **counts, **numbers})
    alone = int(np.count_nonzero(~_answered_twice(crowd.problem, np.ones(len(asked), dtype=bool))))
    table = pd.DataFrame(found, columns=_COLUMNS)
    fold = None if folds is None else np.asarray(folds)
    return Diversity(data, fold, table, level, len(rows) - 1, alone, parts.small, untold)


_COLUMNS = ["part", "measure", "people", "answers", "human", "digital", "estimate", "lower", "upper"]


@dataclass(frozen=True, eq=False)
class _Crowd:
    """n answers and R draws in the rows (R + 1, n); numbers of persons and problems (by fold), and of real people."""

    rows: FloatArray
    person: NDArray[np.int64]
    problem: NDArray[np.int64]
    people: NDArray[np.int64]

    def some(self, kept: NDArray[np.bool_]) -> _Crowd:
        """The answers kept, persons and problems numbered again."""
        person, problem = (np.unique(one[kept], return_inverse=True)[1] for one in (self.person, self.problem))
        return _Crowd(self.rows[:, kept], person, problem, self.people[kept])

    def refused(self) -> str | None:
        """Why nothing can be said of it, or None."""
        if not self.problem.size:
            return "no problem was answered by two people"
        if len(np.unique(self.people)) < 3:
            return "fewer than three people answered problems that others answered"
        human = self.rows[0] - place_means(self.rows[:1], self.problem)[0][self.problem]
        if float(np.abs(human).max()) <= _ROUNDING * max(1.0, float(np.abs(self.rows[0]).max())):
            return "all human answers to each problem are alike"
        if _variances(self) is None:
            return "nobody answered two problems that others answered, so between and within people are one"
        return None


def _answered_twice(problem: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which answers are to problems with two answers in a part."""
    return np.asarray(np.bincount(problem[mask], minlength=int(problem.max()) + 1)[problem] >= 2)


def _variances(crowd: _Crowd) -> FloatArray | None:
    """Variances between and within persons of each row, shape (2, R + 1); None where they cannot be told apart."""
    person, problem = chosen(crowd.person), chosen(crowd.problem)
    counts = person @ problem.T
    sizes = np.bincount(crowd.problem)
    shared = (counts / sizes) @ counts.T
    matrix = (diags_array(np.bincount(crowd.person).astype(np.float64)) - shared).tocsr()
    own = matrix.diagonal()
    counted = own > _ROUNDING
    weight = np.divide(1.0, own, out=np.zeros_like(own), where=counted)
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    left = np.array([[weight @ squares, counted.sum()], [own.sum(), len(crowd.problem) - len(sizes)]], dtype=np.float64)
    if abs(np.linalg.det(left)) <= 1e-6 * abs(left[0, 0] * left[1, 1]):
        return None
    centred = crowd.rows - place_means(crowd.rows, crowd.problem)[:, crowd.problem]
    right = np.stack([weight @ (person @ centred.T) ** 2, (centred**2).sum(axis=1)])
    return np.asarray(np.linalg.solve(left, right))


@dataclass(frozen=True, eq=False)
class _Distances:
    """What the energy distance of each problem is made of.

    Attributes:
        cross: mean distance of each human answer from the draws' answers to its problem, shape (n,).
        digital: mean distance of two answers of different draws to each problem, shape (T,).
        pairs: places of two human answers to one problem, shape (2, pairs).
        apart: their distance, shape (pairs,).
    """

    cross: FloatArray
    digital: FloatArray
    pairs: NDArray[np.int64]
    apart: FloatArray

    @classmethod
    def of(cls, crowd: _Crowd) -> _Distances:
        """From the answers to each problem and all draws of them, sorted."""
        human, drawn, order = crowd.rows[0], crowd.rows[1:], np.argsort(crowd.problem, kind="stable")
        cross, digital, pairs = np.empty(len(human)), [], []
        for places in np.split(order, np.cumsum(np.bincount(crowd.problem))[:-1]):
            pool, n = np.sort(drawn[:, places], axis=None), len(places)
            below = np.searchsorted(pool, human[places], side="right")
            total = np.concatenate([[0.0], np.cumsum(pool)])
            sums = human[places] * (2.0 * below - len(pool)) + total[-1] - 2.0 * total[below]
            cross[places] = sums / len(pool)
            inside = _total_distance(np.sort(drawn[:, places], axis=1)).sum()
            digital.append((_total_distance(pool) - inside) / (len(pool) ** 2 - len(drawn) * n**2))
            pairs.append(places[np.stack(np.triu_indices(n, 1))])
        both = np.concatenate(pairs, axis=1)
        return cls(cross, np.array(digital), both, np.abs(human[both[0]] - human[both[1]]))

    def energy(self, problem: NDArray[np.int64], kept: NDArray[np.bool_]) -> tuple[float, float, float]:
        """Mean distance of two people's answers, of two digital ones, and the energy distance, over problems."""
        size, count = len(self.digital), kept[self.pairs].all(axis=0)
        of_pair = problem[self.pairs[0, count]]
        pairs = np.bincount(of_pair, minlength=size)
        good = pairs > 0
        human = np.bincount(of_pair, self.apart[count], size)[good] / pairs[good]
        answers = np.bincount(problem[kept], minlength=size)[good]
        cross = np.bincount(problem[kept], self.cross[kept], size)[good] / answers
        digital = self.digital[good]
        return float(human.mean()), float(digital.mean()), float(np.mean(2.0 * cross - human - digital))


def _total_distance(ordered: FloatArray) -> Any:
    """``sum |a - b|`` over all ordered pairs of sorted values along the last axis."""
    n = ordered.shape[-1]
    return 2.0 * (ordered @ (2.0 * np.arange(n) - n + 1.0))


def _estimates(crowd: _Crowd, order: NDArray[np.int64], level: float) -> dict[Measure, dict[str, float] | str]:
    """Numbers and interval of every measure, or why there are none.

    Args:
        crowd: a part.
        order: a random order of all real people.
        level: of the intervals.
    """
    distances, there = _Distances.of(crowd), np.unique(crowd.people)
    group = np.empty(len(order), dtype=np.int64)
    group[there[np.argsort(order[there])]] = np.arange(len(there)) % GROUPS
    everyone, without = np.ones(len(crowd.people), dtype=bool), []
    numbers = _numbers(crowd, distances, everyone)
    for one in range(min(GROUPS, len(there))):
        without.append(_numbers(crowd, distances, group[crowd.people] != one))
    if numbers is None or any(one is None for one in without):
        return dict.fromkeys(MEASURES, "without some of its people too few problems are left that two people answered")
    left = np.array(without, dtype=np.float64)
    off, reach = left - left.mean(axis=0), float(student.ppf((1.0 + level) / 2.0, len(left) - 1))
    covariance = (len(left) - 1) / len(left) * np.einsum("gma,gmb->mab", off, off)
    found: dict[Measure, dict[str, float] | str] = {}
    for measure, (human, digital, distance), spread in zip(MEASURES, numbers, covariance, strict=True):
        if measure == "energy distance":
            half = reach * float(np.sqrt(spread[2, 2]))
            ends = {"estimate": distance, "lower": distance - half, "upper": distance + half}
        else:
            bounds = _ratio_bounds(human, digital, spread[:2, :2], reach)
            if bounds is None:
                found[measure] = "the people's own variance cannot be told from 0"
                continue
            ends = {"estimate": max(digital, 0.0) / human, "lower": bounds[0], "upper": bounds[1]}
        found[measure] = {"human": human, "digital": digital, **ends}
    return found


def _numbers(
    crowd: _Crowd, distances: _Distances, kept: NDArray[np.bool_]
) -> list[tuple[float, float, float]] | None:  # fmt: skip
    """Of every measure the people's number, the mean draw's, and the distance (0 for variances); None without any."""
    twice = kept & _answered_twice(crowd.problem, kept)
    found = _variances(crowd.some(twice)) if twice.any() else None
    if found is None:
        return None
    both = np.concatenate([found, found.sum(axis=0, keepdims=True)])
    variances = [(float(row[0]), float(row[1:].mean()), 0.0) for row in both]
    return [*variances, distances.energy(crowd.problem, twice)]


def _ratio_bounds(human: float, digital: float, covariance: FloatArray, reach: float) -> tuple[float, float] | None:
    """Fieller's interval of digital over human, None where it has no ends.

    Example:
        >>> [round(float(end), 3) for end in _ratio_bounds(1.0, 0.5, np.diag([0.0, 0.01]), 2.0)]
        [0.3, 0.7]
    """
    square = human**2 - reach**2 * covariance[0, 0]
    if human <= 0.0 or square <= 0.0:
        return None
    middle = human * digital - reach**2 * covariance[0, 1]
    root = float(np.sqrt(max(middle**2 - square * (digital**2 - reach**2 * covariance[1, 1]), 0.0)))
    return max(float(middle - root) / square, 0.0), max(float(middle + root) / square, 0.0)

"""Could these answers be draws of that population? PIT and rank histograms, and tests that hold for clustered answers.

Answers of one person go together, and so do answers to one problem, so tests for independent values, such as a
chi-square test of a PIT histogram, raise false alarms. Here everything is compared with whole draws of the population:
virtual people in the place of the real ones, who answer the same problems. If the population is right, the answers and
the R draws are exchangeable, and the rank of any number computed from them is uniform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from crowdllm_stats._base.checks import FloatArray, check_count, check_level
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.drawn import EVERYONE, answers_and_draws, numbered, parts_of, place_means, thirds

Check = Literal["location", "spread", "shape", "people", "problems"]

#: What is ranked: single answers, people's mean answers, problems' mean answers.
UNITS = ("answers", "people", "problems")

BINS = 10

#: Problems by the population's mean answer, a third each.
THIRDS = ("problems predicted low", "problems predicted middling", "problems predicted high")

#: What a check's column ``observed`` holds.
MEANING: Mapping[Check, str] = {
    "location": "mean answer",
    "spread": "standard deviation of the answers about the population's mean for each",
    "shape": "distance of the PIT histogram from an even one: the share of answers out of place",
    "people": "standard deviation of people's means about the population's",
    "problems": "standard deviation of problems' means about the population's",
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Answers compared with draws of a population; see :func:`calibration`.

    Attributes:
        data: the answers.
        draws: of the population, shape (R, n), columns in the order of ``data.responses``.
        level: 1 less the false-alarm rate.
        checks: one row per part and check: ``part``, ``check``, ``people``, ``answers``, ``observed``, ``expected``
            (mean of the draws), ``lower``, ``upper`` (the middle share ``level`` of the draws), ``p_value``, adjusted
            for all checks of everyone, or for all of the parts.
        histograms: PIT histograms, which are rank histograms in :data:`BINS` bins: ``unit``, ``from``, ``to``,
            ``share``, and ``lower``, ``upper``, between which all bars of a unit lie in a share ``level`` of the draws.
        pit: randomised PIT of each answer among the draws, shape (n,); uniform if the population is right.
        small: parts left out as too small, with their people.
    """

    data: CrowdData
    draws: FloatArray
    level: float
    checks: pd.DataFrame
    histograms: pd.DataFrame
    pit: FloatArray
    small: Mapping[str, int]

    @property
    def p_value(self) -> float:
        """Of the five checks of everyone together: the smallest of their adjusted p-values."""
        return float(self.checks.loc[self.checks["part"] == EVERYONE, "p_value"].min())

    @property
    def calibrated(self) -> bool:
        """Whether the p-value exceeds 1 less the level: whether nothing speaks against the population."""
        return self.p_value > 1.0 - self.level

    @property
    def flagged(self) -> pd.DataFrame:
        """The rows of ``checks`` with an adjusted p-value of at most 1 less the level."""
        return self.checks[self.checks["p_value"] <= 1.0 - self.level].reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """The table ``checks``."""
        return self.checks.copy()

    def to_arviz(self) -> Any:
        """``posterior_predictive["response"]`` (chain, draw, answer) and ``observed_data["response"]`` for ArviZ.

        ``participant`` and ``problem`` are coordinates along ``answer``; whole numbers have a whole type, for plots of
        discrete answers. Bands that ArviZ draws for independent values (``plot_ppc_pit``, ``plot_bpv``) are too narrow,
        since answers go together by person and problem; :meth:`plot` has bands from the draws.
        """
        from crowdllm_stats.generator.arviz_data import arviz_data

        asked = self.data.responses
        along = {name: ("answer", asked[name].to_numpy(dtype=str)) for name in ("participant", "problem")}
        answers: NDArray[Any] = asked["response"].to_numpy(dtype=np.float64)
        draws: NDArray[Any] = self.draws
        if all(np.array_equal(one, np.round(one)) for one in (answers, draws)):
            answers, draws = answers.astype(np.int64), draws.astype(np.int64)
        return arviz_data(
            {
                "posterior_predictive": ({"response": (("chain", "draw", "answer"), draws[None])}, along),
                "observed_data": ({"response": ("answer", answers)}, along),
            }
        )

    def plot(self) -> Any:
        """PIT and rank histograms with their bands, and means and spreads by part; a matplotlib figure."""
        from crowdllm_stats.evaluation.calibration_picture import picture

        return picture(self.checks, self.histograms, self.level)

    def __str__(self) -> str:
        asked = self.data.responses
        rate = f"{100.0 * (1.0 - self.level):.3g} in 100"
        verdict = (
            f"Nothing speaks against the population: p = {self.p_value:.3g}"
            if self.calibrated
            else f"Not calibrated: p = {self.p_value:.3g}"
        )
        lines = [
            f"Calibration of {len(asked):,} answers of {asked['participant'].nunique():,} people to "
            f"{asked['problem'].nunique():,} problems, against {len(self.draws)} draws of the population",
            f"{verdict} (a right population is called not calibrated in at most {rate} checks)",
            *(f"  {line}" for line in self._findings(self.flagged["part"] == EVERYONE)),
        ]
        parts = self.checks["part"] != EVERYONE
        if parts.any():
            found = self._findings(self.flagged["part"] != EVERYONE)
            count = self.checks.loc[parts, "part"].nunique()
            head, end = ("For whom not", ":") if found else ("No part stands out", "")
            looked = f"{count} parts looked at; of a right population any is named in at most {rate} checks"
            lines.append(f"{head} ({looked}){end}")
            lines += [f"  {line}" for line in found]
        if self.small:
            left = ", ".join(f"{name} ({people})" for name, people in self.small.items())
            lines.append(f"Left out as too small, with their people: {left}")
        return "\n".join([*lines, "", self.checks.round(3).to_string(index=False)])

    def _findings(self, kept: pd.Series) -> list[str]:
        return [sentence(row) for _, row in self.flagged[kept].iterrows()]


def sentence(row: pd.Series) -> str:
    """A row of ``Calibration.flagged`` in words.

    Example:
        >>> row = {"part": "age: 18-24", "check": "location", "observed": 2.0, "expected": 2.4, "p_value": 0.004}
        >>> sentence(pd.Series(row))
        'age: 18-24: people answer 0.4 lower than the population, 2 against 2.4 (p = 0.004)'
    """
    observed, expected = row["observed"], row["expected"]
    numbers = f"{observed:.3g} against {expected:.3g} (p = {row['p_value']:.2g})"
    more = observed > expected
    if row["check"] == "location":
        apart = f"{abs(observed - expected):.2g} {'higher' if more else 'lower'}"
        return f"{row['part']}: people answer {apart} than the population, {numbers}"
    if row["check"] == "spread":
        return f"{row['part']}: the population's answers spread too {'little' if more else 'much'}, {numbers}"
    if row["check"] == "shape":
        return f"{row['part']}: answers fall on other levels than the population's, {numbers} out of place"
    return f"{row['part']}: {row['check']} differ {'more' if more else 'less'} than in the population, {numbers}"


def calibration(
    data: CrowdData, draws: ArrayLike, *, folds: ArrayLike | None = None, level: float = 0.95, least_people: int = 10,
    seed: int = 0,
) -> Calibration:  # fmt: skip
    """Test whether answers could be draws of a population.

    With Y_0 the answers and Y_1, ..., Y_R the draws, every check is a number T(Y_r) that treats all R + 1 alike, and
    ``z_r`` its standardised value among them. The p-value is the share of r for which the largest ``|z_r|`` of a family
    of checks is at least ``|z_0|`` of the check: exact whatever the clustering, and adjusted for the whole family
    (Westfall and Young's single step). Families are the five checks of everyone, and all checks of parts. Histograms
    are averages over the randomisation of the PIT, so that the seed has no part in any test.

    Args:
        data: answers that the population was not fitted to, on a scale of numbers.
        draws: answers of as many virtual people with the same profiles to the same problems, shape (R, n), columns in
            the order of ``data.responses``; people keep themselves over a draw's problems, problems over its people.
        folds: of each answer, shape (n,), where the draws come from several generators that saw each other's answers: a
            problem then counts once per fold, since answers that one fold draws are those that another learned from.
        level: 1 less the false-alarm rate of either family.
        least_people: that a part must have to be looked at. Parts are the values of each profile column, and problems
            by the population's mean answer.
        seed: of the randomised PIT.

    Returns:
        Calibration.

    Raises:
        ValueError: on a scale without numbers, draws or folds of another shape, fewer draws than the level needs, fewer
            than two people.

    Source: Dawid (1984) for the PIT, Czado, Gneiting and Held (2009) for its average over the randomisation, Westfall
    and Young (1993) for the adjustment. The exact test for clustered answers is this library's.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> people = np.repeat([f"w{who}" for who in range(20)], 5)
        >>> table = pd.DataFrame({"problem": np.tile(list("abcde"), 20), "participant": people,
        ...                       "response": rng.integers(1, 6, 100)})
        >>> calibration(CrowdData.from_frame(table), rng.integers(1, 6, (99, 100))).calibrated
        True
    """
    level, least = check_level(level), check_count("least_people", least_people)
    fewest = int(np.ceil(round(1.0 / (1.0 - level), 9))) - 1
    rows = answers_and_draws(data, draws, fewest, f"a test at level {level:g}")
    usual = rows.mean(axis=0)
    off = rows - usual
    asked = data.responses
    places = {"people": pd.factorize(asked["participant"])[0], "problems": numbered(asked, "problem", folds)}
    ranges = {"answers": _ranges(rows), **{unit: _ranges(place_means(rows, place)) for unit, place in places.items()}}
    bars = {unit: _histogram(*ranges[unit]) for unit in UNITS}
    everyone = [
        *_moments(EVERYONE, np.ones(len(asked), dtype=bool), usual, off, places["people"]),
        _Numbers(EVERYONE, "shape", places["people"], np.abs(bars["answers"] - 1.0 / BINS).sum(axis=1) / 2.0),
        _Numbers(EVERYONE, "people", places["people"], _between(off, places["people"])),
        _Numbers(EVERYONE, "problems", places["people"], _between(off, places["problems"])),
    ]
    kinds = None
    if asked["problem"].nunique() >= 3 * least:
        kinds = thirds(place_means(usual[None], places["problems"])[0][places["problems"]], THIRDS)
    chosen = parts_of(data, least, kinds)
    parts = [one for name, mask in chosen.masks.items() for one in _moments(name, mask, usual, off, places["people"])]
    checks = pd.concat([_tested(family, level) for family in (everyone, parts) if family], ignore_index=True)
    low, high = (end[0] for end in ranges["answers"])
    pit = low + generator(seed, "pit").random(len(low)) * (high - low)
    return Calibration(data, rows[1:], level, checks, _bands(bars, level), np.asarray(pit), chosen.small)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """One check: its number for the answers and for each draw, shape (R + 1,), and who gave the answers behind it."""

    part: str
    check: Check
    who: NDArray[np.int64]
    found: FloatArray


def _ranges(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of each value's PIT among the R + 1 values of its column: shares below it, and up to it."""
    near = np.round(rows, 9)  # means of equal answers are equal
    low, high = rankdata(near, "min", axis=0) - 1.0, rankdata(near, "max", axis=0)
    return low / len(rows), high / len(rows)


def _between(off: FloatArray, place: NDArray[np.int64]) -> FloatArray:
    """Standard deviation of the places' means, each weighed by its answers, shape (R + 1,)."""
    weight = np.bincount(place) / len(place)
    means = place_means(off, place)
    return np.asarray(np.sqrt(((means - (means @ weight)[:, None]) ** 2) @ weight))


def _moments(
    part: str, mask: NDArray[np.bool_], usual: FloatArray, off: FloatArray, who: NDArray[np.int64]
) -> list[_Numbers]:
    """Mean of a part's answers, and their standard deviation about the population's mean for each."""
    own = off[:, mask]
    return [
        _Numbers(part, "location", who[mask], own.mean(axis=1) + usual[mask].mean()),
        _Numbers(part, "spread", who[mask], own.std(axis=1)),
    ]


def _histogram(low: FloatArray, high: FloatArray) -> FloatArray:
    """Shares of the PIT in even bins, averaged over its randomisation, shape (R + 1, bins)."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    below = [((np.clip(edge, low, high) - low) / (high - low)).mean(axis=1) for edge in edges]
    return np.asarray(np.diff(np.stack(below, axis=1), axis=1))


def _standardised(values: FloatArray) -> FloatArray:
    """``|z|`` of every row among all rows; 0 where all are equal, which tells nothing."""
    sd = values.std(axis=0)
    apart = np.abs(values - values.mean(axis=0))
    told = sd > 1e-9 * np.abs(values).max(axis=0)
    return np.asarray(np.divide(apart, sd, out=np.zeros_like(values), where=told))


def _tested(family: list[_Numbers], level: float) -> pd.DataFrame:
    """The rows of a family of checks, with p-values adjusted for the family."""
    values = np.stack([one.found for one in family], axis=1)
    apart = _standardised(values)
    largest = apart.max(axis=1, keepdims=True)
    ends = np.quantile(values[1:], [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return pd.DataFrame(
        {
            "part": [one.part for one in family],
            "check": [one.check for one in family],
            "people": [len(np.unique(one.who)) for one in family],
            "answers": [len(one.who) for one in family],
            "observed": values[0],
            "expected": values[1:].mean(axis=0),
            "lower": ends[0],
            "upper": ends[1],
            "p_value": (largest >= apart[0] - 1e-9).mean(axis=0),
        }
    )


def _bands(bars: Mapping[str, FloatArray], level: float) -> pd.DataFrame:
    """The histograms, with bands that hold all bars of a unit in a share ``level`` of the draws."""
    edges, parts = np.linspace(0.0, 1.0, BINS + 1), []
    for unit, table in bars.items():
        reach = np.quantile(_standardised(table).max(axis=1), level, method="higher") * table.std(axis=0)
        centre = table.mean(axis=0)
        ends = {"lower": np.maximum(centre - reach, 0.0), "upper": centre + reach}
        parts.append(pd.DataFrame({"unit": unit, "from": edges[:-1], "to": edges[1:], "share": table[0], **ends}))
    return pd.concat(parts, ignore_index=True)

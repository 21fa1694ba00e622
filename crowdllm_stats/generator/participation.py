"""Who answers what: the participation ``phi_it ~ Bernoulli(p_it)`` of section 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from crowdllm_stats._base.checks import FloatArray, as_numbers
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.generator.random import id_numbers, uniforms

#: Pairs of person and problem worked on at a time.
_CELLS = 1 << 20


@dataclass(frozen=True, eq=False)
class Participation:
    """Probability that a person answers a problem, and seeded draws of who does.

    Attributes:
        table: probabilities, shape (N, T); N or T is 1 where the probability is the same for every person or problem.
        participants: ids of the N rows, () if the same for everybody.
        problems: ids of the T columns, () if the same for every problem.
        rates: what was learned from data, instead of a table; None otherwise.
        why: where the probabilities come from.

    Source: CrowdLLM, section 3.1, "Virtual participant recruitment".

    Example:
        >>> Participation.everybody().mask(["v1", "v2", "v3"], ["q1", "q2"], seed=1).all(axis=0).tolist()
        [True, True]
        >>> half = Participation.given(0.5)
        >>> whole = half.mask(["v1", "v2", "v3", "v4"], ["q1", "q2", "q3"], seed=1)
        >>> bool((whole[2:, 1:] == half.mask(["v3", "v4"], ["q2", "q3"], seed=1)).all())
        True
    """

    table: FloatArray
    participants: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    rates: AnswerRates | None = None
    why: str = ""

    @classmethod
    def everybody(cls) -> Participation:
        """Everybody answers every problem."""
        return cls(np.ones((1, 1)), why="Everybody answers every problem.")

    @classmethod
    def given(
        cls,
        probabilities: float | pd.DataFrame | ArrayLike,
        *,
        participants: Iterable[Any] | None = None,
        problems: Iterable[Any] | None = None,
    ) -> Participation:
        """From prior knowledge.

        Args:
            probabilities: one number for all; or a table with column ``p`` and ``participant``, ``problem`` or both;
                or an array of shape (N, T), whose axes ``participants`` and ``problems`` name.
            participants: ids of an array's rows.
            problems: ids of an array's columns.

        Returns:
            Participation.

        Raises:
            ValueError: on probabilities outside [0, 1] or NaN, if nobody can take part, on ids that repeat, on a table
                that lacks a pair of its participants and problems, on an array whose axes are not named.

        Example:
            >>> table = pd.DataFrame({"problem": ["q1", "q2"], "p": [0.0, 1.0]})
            >>> Participation.given(table).mask(["v1", "v2", "v3"], ["q1", "q2"], seed=1).sum(axis=0).tolist()
            [0, 3]
        """
        named = participants is not None or problems is not None
        if isinstance(probabilities, pd.DataFrame):
            if named:
                raise ValueError("participants and problems name the axes of an array; a table names its own, "
                                 "leave them out")  # fmt: skip
            return _of_table(probabilities)
        array = as_numbers("probabilities", probabilities)
        if array.ndim == 0 and not named:
            return _checked(array.reshape(1, 1), (), ())
        if array.ndim != 2 or participants is None or problems is None:
            raise ValueError(
                f"probabilities must be a number, a table or an array (participants, problems) with both axes named by "
                f"participants= and problems=; got shape {array.shape}"
            )
        rows, columns = _ids(participants, "participants"), _ids(problems, "problems")
        if array.shape != (len(rows), len(columns)):
            raise ValueError(f"probabilities has shape {array.shape} for {len(rows)} participants and {len(columns)} "
                             "problems")  # fmt: skip
        return _checked(array, rows, columns)

    @classmethod
    def from_data(cls, data: CrowdData) -> Participation:
        """Learned from who answered what: ``logit p_it = intercept + person_i + problem_t``, both shrunk towards 0.

        Persons and problems are those of the data's tables, with or without answers; repeats count once. Persons and
        problems the data do not know, virtual ones above all, take the effect of one of the data's, drawn by ``seed``
        and their id: so a virtual crowd has as many eager and idle people as the real one.

        Returns:
            Participation.

        Raises:
            ValueError: if the data hold no answer.

        Example:
            >>> from crowdllm_stats import load_example
            >>> print(Participation.from_data(load_example().human).why)
            Learned from 96 answers of 60 people to 12 problems, 13.3% of all pairs.
        """
        if data.responses.empty:
            raise ValueError("the data hold no answer, so nobody would take part; give data with answers")
        people, problems = (tuple(data.participants["participant"]), tuple(data.problems["problem"]))
        answered = np.zeros((len(people), len(problems)), dtype=np.bool_)
        answered[pd.Index(people).get_indexer(data.responses["participant"]),
                 pd.Index(problems).get_indexer(data.responses["problem"])] = True  # fmt: skip
        why = (
            f"Learned from {int(answered.sum())} answers of {len(people)} people to {len(problems)} problems, "
            f"{answered.mean():.1%} of all pairs."
        )
        return cls(np.empty((0, 0)), people, problems, fit_answer_rates(answered), why)

    def probabilities(self, participants: Iterable[Any], problems: Iterable[Any], *, seed: int = 0) -> FloatArray:
        """``p_it``, shape (N, T).

        Args:
            participants: ids, N of them.
            problems: ids, T of them.
            seed: of the effects of people and problems that the data do not know; of no other use.

        Raises:
            ValueError: on ids that repeat, or that given probabilities do not know.
        """
        return self._probabilities(_ids(participants, "participants"), _ids(problems, "problems"), seed)

    def mask(self, participants: Iterable[Any], problems: Iterable[Any], seed: int) -> NDArray[np.bool_]:
        """Who answers what, shape (N, T); a pair's draw depends on the seed and its two ids alone.

        Memory beside the result is bounded: rows are drawn in blocks.

        Args:
            participants: ids, N of them.
            problems: ids, T of them.
            seed: a whole number of at least 0.

        Raises:
            ValueError: as :meth:`probabilities`, and if nobody takes part in any of the problems.
        """
        rows, columns = _ids(participants, "participants"), _ids(problems, "problems")
        people, topics = id_numbers(rows), id_numbers(columns)
        found = np.empty((len(rows), len(columns)), dtype=np.bool_)
        expected, step = 0.0, max(1, _CELLS // len(columns))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            chance = self._probabilities(rows[some], columns, seed)
            drawn = uniforms(seed, "participation", people[some, None], topics[None, :])[..., 0]
            found[some] = drawn < chance
            expected += float(chance.sum())
        if not found.any():
            raise ValueError(
                f"nobody takes part: none of {len(rows)} participants in any of {len(columns)} problems, "
                f"{expected:.3g} answers expected; raise the probabilities or recruit more people"
            )
        return found

    def _probabilities(self, rows: tuple[str, ...], columns: tuple[str, ...], seed: int) -> FloatArray:
        if self.rates is not None:
            return self.rates.probabilities(
                _places(rows, self.participants, seed, "person"), _places(columns, self.problems, seed, "problem")
            )
        people = _known(rows, self.participants, "participants")
        topics = _known(columns, self.problems, "problems")
        return self.table[np.ix_(people, topics)]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        return {
            "table": self.table.tolist(),
            "participants": list(self.participants),
            "problems": list(self.problems),
            "rates": None if self.rates is None else self.rates.to_dict(),
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Participation:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on a dictionary that is not a whole participation.
        """
        try:
            rows, columns, why = tuple(given["participants"]), tuple(given["problems"]), str(given["why"])
            if given["rates"] is not None:
                return cls(np.empty((0, 0)), rows, columns, AnswerRates.from_dict(given["rates"]), why)
            return _checked(np.array(given["table"], dtype=np.float64), rows, columns, why)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a whole participation: {error!r}; write it with to_dict()") from None

    def __str__(self) -> str:
        return f"Participation\n  {self.why}"


def _of_table(table: pd.DataFrame) -> Participation:
    axes = [name for name in ("participant", "problem") if name in table.columns]
    if "p" not in table.columns or not axes:
        raise ValueError("a table of probabilities needs the column 'p' and 'participant', 'problem' or both; got "
                         f"{', '.join(map(repr, table.columns))}")  # fmt: skip
    if table.duplicated(axes).any():
        twice = table.loc[table.duplicated(axes), axes].iloc[0].tolist()
        raise ValueError(f"the table of probabilities has several rows for {twice}; keep one")
    wide = pd.DataFrame({name: table[name].astype(str) if name in axes else "" for name in ("participant", "problem")})
    wide = wide.assign(p=as_numbers("column 'p'", table["p"].to_numpy())).reset_index(drop=True)
    if wide["p"].isna().any():
        raise ValueError(f"column 'p' holds {int(wide['p'].isna().sum())} missing value(s) of {len(wide)}; fill them")
    square = wide.pivot(index="participant", columns="problem", values="p")  # noqa: PD010 (values are unique)
    lacking = int(square.isna().sum().sum())
    if lacking:
        raise ValueError(f"the table of probabilities lacks {lacking} of {square.size} pairs of its participants and "
                         "problems; add them, with p = 0 for those who do not take part")  # fmt: skip
    rows = tuple(square.index) if "participant" in axes else ()
    columns = tuple(square.columns) if "problem" in axes else ()
    return _checked(square.to_numpy(dtype=np.float64), rows, columns)


def _checked(
    table: FloatArray, rows: tuple[str, ...], columns: tuple[str, ...], why: str = "Probabilities as given."
) -> Participation:
    outside = ~((table >= 0.0) & (table <= 1.0))  # NaN lies outside too
    if outside.any():
        first = float(table[outside][0])
        raise ValueError(f"probabilities must lie between 0 and 1: {int(outside.sum())} of {table.size} do not, for "
                         f"instance {first:g}; correct them")  # fmt: skip
    if not table.any():
        raise ValueError("all probabilities are 0, so nobody takes part; give at least one pair a positive one")
    if table.shape != (max(len(rows), 1), max(len(columns), 1)):
        raise ValueError(f"probabilities of shape {table.shape} do not fit {len(rows)} participants and {len(columns)} "
                         "problems")  # fmt: skip
    return Participation(table, rows, columns, None, why)


def _ids(given: Iterable[Any], what: str) -> tuple[str, ...]:
    ids = tuple(str(one) for one in given)
    if not ids or len(set(ids)) < len(ids):
        raise ValueError(
            f"{what} must be different ids, at least one; got {len(ids)}, {len(set(ids))} of them different"
        )
    return ids


def _known(ids: tuple[str, ...], known: tuple[str, ...], what: str) -> NDArray[np.int64]:
    """Places of ids among those the table knows; place 0 for all where the table makes no difference."""
    if not known:
        return np.zeros(len(ids), dtype=np.int64)
    places = pd.Index(known).get_indexer(pd.Index(ids))
    if (places < 0).any():
        strange = ids[int(np.flatnonzero(places < 0)[0])]
        raise ValueError(f"{what}: {int((places < 0).sum())} have no probability, for instance {strange!r}; add them "
                         "to the given probabilities")  # fmt: skip
    return np.asarray(places, dtype=np.int64)


def _places(ids: tuple[str, ...], known: tuple[str, ...], seed: int, what: str) -> NDArray[np.int64]:
    """Places of ids among those of the data; a new id takes a place drawn by seed and id."""
    places = np.asarray(pd.Index(known).get_indexer(pd.Index(ids)), dtype=np.int64)
    new = np.flatnonzero(places < 0)
    if len(new):
        drawn = uniforms(seed, f"participation of a new {what}", id_numbers(ids[one] for one in new), 0)[:, 0]
        places[new] = np.minimum((drawn * len(known)).astype(np.int64), len(known) - 1)
    return places


_MOST_ROUNDS, _PRECISION = 1000, 1e-5
#: Below this an effect's variance counts as none.
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class AnswerRates:
    """``p_it = expit(intercept + people_i + problems_t)``.

    Attributes:
        intercept: the common term; infinite where everybody answered everything.
        people: shape (N,).
        problems: shape (T,).
        people_sd: standard deviation of the people's effects, as estimated.
        problems_sd: that of the problems'.
    """

    intercept: float
    people: FloatArray
    problems: FloatArray
    people_sd: float
    problems_sd: float

    def probabilities(self, people: NDArray[np.int64], problems: NDArray[np.int64]) -> FloatArray:
        """``p_it`` of some places, shape (len(people), len(problems))."""
        return np.asarray(expit(self.intercept + self.people[people][:, None] + self.problems[problems][None, :]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; an infinite intercept becomes None."""
        return {
            "intercept": self.intercept if np.isfinite(self.intercept) else None,
            "people": self.people.tolist(),
            "problems": self.problems.tolist(),
            "people_sd": self.people_sd,
            "problems_sd": self.problems_sd,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> AnswerRates:
        """Read what :meth:`to_dict` gave."""
        people, problems = (np.array(given[name], dtype=np.float64) for name in ("people", "problems"))
        intercept = np.inf if given["intercept"] is None else float(given["intercept"])
        return cls(intercept, people, problems, float(given["people_sd"]), float(given["problems_sd"]))


def fit_answer_rates(answered: NDArray[np.bool_]) -> AnswerRates:
    """Crossed logistic model of a mask, effects ``N(0, sd^2)`` for people and for problems.

    Effects at the mode of their posterior, by Newton steps in turn; their variances by MacKay's fixed point of the
    evidence, ``sd^2 = sum(effect^2) / sum(1 - v / sd^2)`` with ``1 / v = sum_t p(1 - p) + 1 / sd^2``. So a person with
    few problems, or one who answered all or none, is drawn towards the others, and where rates differ by no more than
    chance the effects vanish. With few problems the people's standard deviation comes out somewhat small
    (0.89 for 1 with 12 problems, 0.94 with 40). A mask without a gap has p = 1 throughout.

    Against statsmodels' ``BinomialBayesMixedGLM`` on simulated masks: by variational Bayes it is as accurate (root mean
    square error of p 0.124 beside 0.122 for 60 people and 12 problems) and 60 to 150 times slower; its Laplace fit did
    not converge in most of them.

    Source: MacKay, Bayesian interpolation (1992), for the variances.

    Args:
        answered: shape (N, T), at least one True.

    Raises:
        ValueError: if nobody answered, or the rounds do not settle.

    Example:
        >>> rates = fit_answer_rates(np.array([[True, True, False, True], [True, False, False, False]] * 5))
        >>> bool(rates.people[0] > 0 > rates.people[1])
        True
    """
    if not answered.any():
        raise ValueError("nobody answered anything; participation cannot be learned from that")
    people, problems = np.zeros(answered.shape[0]), np.zeros(answered.shape[1])
    if answered.all():
        return AnswerRates(np.inf, people, problems, 0.0, 0.0)
    share = float(answered.mean())
    intercept = float(np.log(share / (1 - share)))
    variances = np.ones(2)
    for _ in range(_MOST_ROUNDS):
        before = intercept + people[:, None] + problems[None, :]
        for axis, effects in ((1, people), (0, problems)):
            chance = expit(intercept + people[:, None] + problems[None, :])
            curve = chance * (1 - chance)
            intercept += float((answered - chance).sum() / curve.sum())
            chance = expit(intercept + people[:, None] + problems[None, :])
            precision = (chance * (1 - chance)).sum(axis=axis) + 1 / variances[1 - axis]
            effects += ((answered - chance).sum(axis=axis) - effects / variances[1 - axis]) / precision
            free = float(np.sum(1 - 1 / (precision * variances[1 - axis])))
            variances[1 - axis] = max(float(np.sum(effects**2)) / free, _LEAST_VARIANCE)
        if np.abs(intercept + people[:, None] + problems[None, :] - before).max() < _PRECISION:
            return AnswerRates(intercept, people, problems, float(np.sqrt(variances[0])), float(np.sqrt(variances[1])))
    raise ValueError(f"participation did not settle in {_MOST_ROUNDS} rounds; give probabilities with "
                     "Participation.given()")  # fmt: skip

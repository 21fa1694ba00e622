"""Problems inform each other when the same people answer many of them: from single answers with their people."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.checks import FloatArray, check_array, check_bounds, check_inside, check_level
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.inference.fay_herriot.across_problems import AcrossProblems, Direct, combine, refuse_few
from crowdllm_stats.inference.fay_herriot.model import regression_rows
from crowdllm_stats.inference.fay_herriot.person_errors import (
    AnswersOfPeople,
    IntArray,
    PersonErrors,
    person_errors,
    person_factors,
    widen,
)

#: Degrees of freedom that the variance of single answers needs, summed over problems.
LEAST_DEGREES = 10
#: Problems whose answers differ.
LEAST_POSITIVE = 2


@dataclass(frozen=True, eq=False)
class AcrossAnswers(AcrossProblems):
    """One estimate and interval per problem, as :class:`AcrossProblems`, and what the problems' errors share.

    ``n_labeled`` (T,): human answers. ``shared_var`` (T,): variance of the part of an estimate's error that people
    carry from problem to problem; it is on ``shared_degrees`` degrees of freedom. ``person_share``: of the variance of
    one answer, that of the person's level over all problems (intraclass correlation); None where too few people
    answered the same problems to estimate it. ``people``: how many answered.
    ``loadings``: how many further ways in which people differ were found.
    """

    columns: ClassVar[tuple[str, ...]] = (*AcrossProblems.columns, "n_labeled", "shared_var")

    n_labeled: FloatArray
    shared_var: FloatArray
    shared_degrees: float
    person_share: float | None
    people: int
    loadings: int


def across_answers(
    answers: ArrayLike,
    problem: ArrayLike,
    person: ArrayLike,
    digital_mean: ArrayLike | None = None,
    *,
    covariates: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    level: float = 0.95,
    bounds: ArrayLike | None = None,
) -> AcrossAnswers:
    """Every problem's human mean from its own few answers and from all other problems, whoever answered them.

    As :func:`across_problems`, without its assumption that different people answer different problems. In
    ``y_ti = theta_t + a_i + e_ti`` the errors of two means are linked by the people who answered both, m_st of them:
    ``Cov(ebar_s, ebar_t) = m_st tau^2 / (n_s n_t)``, which is tau^2/n where the same n people answer all. The
    regression follows such an error, so neither its residuals nor any number of problems show it. It is measured where
    it can be seen, on people: person i moves the regression by ``x_t' K q_i`` (the person's weighted deviations from
    the problems' means), and ``Var = sum_i (x_t' K q_i)^2 n / (n - 1)`` on n - 1 degrees of freedom, whatever the
    covariance of a person's answers. Then

    - the model is fitted with the rest of the variance, ``s_t^2 (1 - rho G_t)``: rho the person share of the variance
      of an answer (intraclass correlation), G_t the share of the other problems' weight that the problem's own people
      carry (1 where the same people answer everything, 0 where everybody answers one problem);
    - the person part is added to every interval as a Student t on its own degrees of freedom (the law of Behrens and
      Fisher; on a bounded scale in logits, each side by itself);
    - from 22 problems on, further ways in which people differ, such as items worded both ways, become regression
      columns if the people scatter more than in 39 reshuffled tables.

    With different people for every problem the result is that of :func:`across_problems`; with few people and a high
    share rho it comes near Student's t, which it can never beat by much there: the level of n people is known no
    better than n people can.

    Args:
        answers: (A,) single answers of people.
        problem: (A,) the row of each answer's problem in ``digital_mean``, whole numbers from 0; every problem needs an
            answer.
        person: (A,) who gave the answer, any labels; nobody answers a problem twice (average repeats first).
        digital_mean: (T,) mean of the digital answers, or (T, p) features of the digital crowd; None for humans alone.
        covariates: (T,) or (T, k) further regression columns, known for every problem.
        population_size: (T,) or one number: the target is the mean over so many people, of whom those who answered are
            a random sample; None for a large population.
        level: of the intervals.
        bounds: (low, high) of the answer scale.

    Returns:
        AcrossAnswers, in the units of the answers (variances squared).

    Raises:
        ValueError: on arrays that do not match, answers off the scale, a problem without answers, a person who answers
            a problem twice, answers of one person alone, fewer than 10 degrees of freedom for the variance of single
            answers, answers that differ in fewer than two problems, fewer problems than coefficients + 8,
            ``population_size`` below a problem's number of answers.

    Source: Fay and Herriot 1979; cluster-robust variance: Liang and Zeger 1986; limits: Zou and Donner 2008.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> digital, level_of_person = rng.normal(3, 1, 40), rng.normal(0, 0.6, 5)
        >>> table = digital[:, None] + level_of_person + rng.normal(0, 0.8, (40, 5))
        >>> problem, person = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
        >>> result = across_answers(table.ravel(), problem, person, digital)
        >>> round(result.shared_degrees, 6), result.people
        (4.0, 5)
        >>> bool(np.mean(result.shared_var) > 0.02)
        True
    """
    level = check_level(level)
    ends = None if bounds is None else check_bounds(bounds)
    table = _table(answers, problem, person, ends)
    count = table.count
    _check_spread(table)
    columns = _columns(len(count), digital_mean, covariates)
    population = None if population_size is None else _population(population_size, count)
    rows, _ = regression_rows(*columns)
    refuse_few(rows)
    loadings = person_factors(table, rows)
    if loadings.shape[1]:
        columns = (*columns, loadings)
        rows, _ = regression_rows(*columns)
    first = person_errors(table, rows, _first_weight(table, rows))
    net_var = table.var * (1.0 - first.share * first.member)
    direct = Direct(table.mean, net_var, count, columns, ends, population)
    apart = combine(direct, level, ())
    return _joined(apart, table, rows, first, population, ends, loadings.shape[1])


def _joined(
    apart: AcrossProblems,
    table: AnswersOfPeople,
    rows: FloatArray,
    first: PersonErrors,
    population: FloatArray | None,
    ends: tuple[float, float] | None,
    loadings: int,
) -> AcrossAnswers:
    """The result for errors that are independent, with the people's part added."""
    count, level = table.count, apart.level
    seen = np.zeros_like(count) if population is None else count / population
    left = 1.0 - seen
    own = np.where(left > 0.0, (apart.weight - seen) / np.where(left > 0.0, left, 1.0), 1.0)
    own = np.clip(own, 0.0, 1.0)  # on a scale the weights of a mixture may leave this range
    slope = np.ones_like(count)
    if ends is not None:
        slope = (apart.synthetic - ends[0]) * (ends[1] - apart.synthetic) / (ends[1] - ends[0])
    weight = 1.0 / (apart.between_var + apart.within_var / count)
    shape = rows * slope[:, None]
    found = person_errors(table, shape, weight)
    inverse = np.linalg.inv((shape * weight[:, None]).T @ shape)
    middle = inverse @ ((shape * (weight**2 * apart.within_var / count)[:, None]).T @ shape) @ inverse
    counted = (1.0 - own) ** 2 * np.einsum("ti,ij,tj->t", shape, middle, shape)
    spread = np.sqrt(apart.within_var) / slope
    typical = float(weight * slope**2 @ spread) / float(weight @ slope**2)
    linked = found.overlap * spread / typical
    shared = found.regression_var * ((1.0 - own) ** 2 + linked * (2.0 * own - own**2))
    shared, counted = left * shared, left**2 * counted
    lower, upper = widen(apart.estimate, apart.lower, apart.upper, shared, counted, found.degrees, ends, level)
    lower, upper = np.minimum(lower, apart.estimate), np.maximum(upper, apart.estimate)
    within = apart.within_var / (1.0 - first.share * first.member)
    share = 0.0 if population is None else 1.0 / population
    plain = np.maximum(apart.within_var * (1.0 / apart.effective_n - share) - counted, 0.0) + shared
    effective = 1.0 / (plain / within + share)
    people = int(table.person.max()) + 1
    values = {field.name: getattr(apart, field.name) for field in fields(AcrossProblems)}
    return AcrossAnswers(
        **values
        | {
            "lower": lower,
            "upper": upper,
            "half_width": 0.5 * (upper - lower),
            "within_var": within,
            "effective_n": effective,
            "saved": effective - count,
            "why": f"{apart.why} {_why(people, found.degrees, loadings)}",
        },
        n_labeled=count,
        shared_var=shared,
        shared_degrees=found.degrees,
        person_share=first.share if first.estimable else None,
        people=people,
        loadings=loadings,
    )


def _why(people: int, degrees: float, loadings: int) -> str:
    further = f"; {loadings} further way(s) in which people differ stand in the regression" if loadings else ""
    return (
        f"What the answers of the {people} people have in common moves all estimates together, so it is measured on "
        f"people and added to every interval as a Student t on {degrees:.3g} degrees of freedom{further}."
    )


def _table(
    answers: ArrayLike, problem: ArrayLike, person: ArrayLike, ends: tuple[float, float] | None
) -> AnswersOfPeople:
    value = check_array("answers", answers, least_ndim=1)
    if value.ndim != 1:
        raise ValueError(f"answers must have one axis (A,), one entry per answer; got shape {value.shape}")
    if ends is not None:
        check_inside("answers", value, ends)
    place = check_array("problem", problem, least_ndim=1)
    if place.shape != value.shape:
        raise ValueError(f"problem must have shape {value.shape} as answers; got {place.shape}")
    if np.any(place < 0.0) or np.any(place != np.floor(place)):
        raise ValueError("problem must hold whole numbers from 0, the row of each answer's problem in digital_mean")
    who = np.asarray(person)
    if who.shape != value.shape:
        raise ValueError(f"person must have shape {value.shape} as answers; got {who.shape}")
    question: IntArray = place.astype(np.int64)
    _, number = np.unique(who, return_inverse=True)
    _check_once(question, number, who)
    return AnswersOfPeople(value, question, number.astype(np.int64))


def _check_once(question: IntArray, number: IntArray, who: NDArray[np.generic]) -> None:
    people = int(number.max()) + 1
    if people < 2:
        raise ValueError("all answers are one person's; at least 2 people are needed to see how far people differ")
    empty = np.bincount(question) == 0
    if np.any(empty):
        raise ValueError(
            f"problem {int(np.argmax(empty))} has no answer; leave it out of digital_mean, or predict it with "
            "conformal_new_problems"
        )
    pairs, times = np.unique(question * people + number, return_counts=True)
    if np.any(times > 1):
        pair = int(pairs[np.argmax(times > 1)])
        name = who[int(np.argmax((question == pair // people) & (number == pair % people)))]
        raise ValueError(f"person {name} answers problem {pair // people} more than once; average repeated answers")


def _check_spread(table: AnswersOfPeople) -> None:
    degrees = float(np.sum(table.count - 1.0))
    if degrees < LEAST_DEGREES:
        raise ValueError(
            f"answers leave {degrees:g} degrees of freedom for the variance of single answers, summed over problems; "
            f"at least {LEAST_DEGREES} are needed: more problems with two answers or more"
        )
    positive = int(np.sum(table.var > 0.0))
    if positive < LEAST_POSITIVE:
        raise ValueError(
            f"answers are all equal in all but {positive} problem(s); at least {LEAST_POSITIVE} must show some "
            "spread of single answers: use interval(...) for each problem"
        )


def _columns(problems: int, digital_mean: ArrayLike | None, covariates: ArrayLike | None) -> tuple[FloatArray, ...]:
    columns = []
    for name, values in (("digital_mean", digital_mean), ("covariates", covariates)):
        if values is None:
            continue
        given = check_array(name, values, least_ndim=1)
        if given.ndim > 2 or len(given) != problems:
            raise ValueError(
                f"{name} must have shape ({problems},) or ({problems}, p), one row per problem; got {given.shape}"
            )
        columns.append(given.reshape(problems, -1))
    return tuple(columns) or (np.empty((problems, 0)),)


def _population(values: ArrayLike, count: FloatArray) -> FloatArray:
    sizes = check_array("population_size", values)
    if sizes.ndim > 1 or (sizes.ndim == 1 and sizes.shape != count.shape):
        raise ValueError(f"population_size must be one number or have shape {count.shape}; got {sizes.shape}")
    sizes = np.broadcast_to(sizes, count.shape).astype(np.float64)
    if np.any(sizes != np.floor(sizes)) or np.any(sizes < count):
        row = int(np.argmax((sizes != np.floor(sizes)) | (sizes < count)))
        raise BadInput(
            f"must hold whole numbers, at least the number of answers; problem {row} has {sizes[row]:g} people and "
            f"{count[row]:g} answers",
            argument="population_size",
        )
    return sizes


def _first_weight(table: AnswersOfPeople, rows: FloatArray) -> FloatArray:
    """Regression weights (T,) from the moments: the scatter about least squares less the sampling variance."""
    count = table.count
    pooled = float((count - 1.0) @ table.var / np.sum(count - 1.0))
    residual = table.mean - rows @ np.linalg.lstsq(rows, table.mean, rcond=None)[0]
    sampling = pooled / count
    between = max(float(residual @ residual) / (len(count) - rows.shape[1]) - float(sampling.mean()), 0.0)
    weight: FloatArray = 1.0 / (between + sampling)
    return weight

"""What the errors of questions' means have in common when the same people answer many questions, and its intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh
from scipy.special import chdtri, expit, logit, ndtr, ndtri, stdtrit

from crowdllm_stats._base.checks import FloatArray

IntArray = NDArray[np.int64]

#: The person share of the variance is held below this: some of an answer is always its own.
LARGEST_SHARE = 0.95
#: Up to this many people the degrees of freedom are exact; beyond, those of people who answer independently.
DENSE_PEOPLE = 1500
#: People's level can be estimated apart from the rest of their answers if it would move the regression by this factor
#: more. Below, a question's own people carry so little of the regression's weight that the share hardly matters.
ESTIMABLE = 2.0


@dataclass(frozen=True, eq=False)
class AnswersOfPeople:
    """A answers of P people to T questions: ``value`` (A,), ``question`` (A,) in 0..T-1, ``person`` (A,) in 0..P-1.

    Nobody answers a question twice, every question has an answer, and everybody gives one.
    """

    value: FloatArray
    question: IntArray
    person: IntArray

    @property
    def count(self) -> FloatArray:
        """(T,) number of answers to each question."""
        return np.bincount(self.question).astype(np.float64)

    @property
    def mean(self) -> FloatArray:
        """(T,) mean answer to each question."""
        return np.asarray(np.bincount(self.question, self.value) / self.count)

    @property
    def deviation(self) -> FloatArray:
        """(A,) answers less the mean of their question."""
        return self.value - self.mean[self.question]

    @property
    def var(self) -> FloatArray:
        """(T,) sample variance of each question (ddof 1), 0 where there is one answer."""
        squares = np.bincount(self.question, self.deviation**2)
        return np.asarray(squares / np.maximum(self.count - 1.0, 1.0))


@dataclass(frozen=True, eq=False)
class PersonErrors:
    """How people move the means of all questions together.

    Attributes:
        share: of the variance of an answer that is the person's own level (intraclass correlation), in [0, 0.95]; 0
            where it cannot be estimated.
        estimable: whether people answered enough of the same questions to estimate it.
        member: (T,) share of the other questions' weight that a question's own people carry; 1 where the same people
            answer every question, 0 where everybody answers one.
        regression_var: (T,) sampling variance of the regression at each question, from the scatter of people.
        overlap: (T,) covariance of a question's own error with that of the regression on the others, over
            ``regression_var``, if people differ by their level alone.
        degrees: of freedom of ``regression_var``: people less one where they answer the same questions.
    """

    share: float
    estimable: bool
    member: FloatArray
    regression_var: FloatArray
    overlap: FloatArray
    degrees: float


def person_errors(answers: AnswersOfPeople, rows: FloatArray, weight: FloatArray) -> PersonErrors:
    """Estimate what is common to the errors of all questions from how people scatter.

    The regression at question t is off by ``h_t' e = x_t' K sum_s W_s x_s e_s``, ``K = (sum_s W_s x_s x_s')^-1``. The
    error of a mean is ``e_s = sum_i d_is / n_s`` over its people i, so person i moves the regression by ``x_t' K q_i``,
    ``q_i = sum_s W_s x_s d_is / n_s``, whatever the covariance of this person's answers. People are independent:
    ``Var(h_t' e) = k x_t' K (sum_i q_i q_i') K x_t``, the cluster-robust variance with people as clusters. ``d`` are
    deviations from the question's mean, hence too small; ``k`` and the degrees of freedom are exact for a person's
    level with normal law: n / (n - 1) and n - 1 where the same n people answer everything.

    Args:
        answers: A answers of P people to T questions.
        rows: (T, p) regression rows, the constant first.
        weight: (T,) regression weights W.

    Returns:
        PersonErrors.

    Source: cluster-robust variance: Liang and Zeger 1986; degrees of freedom: Satterthwaite 1946.

    Example:
        >>> question, person = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
        >>> answers = AnswersOfPeople(person + 0.1 * question, question, person)
        >>> found = person_errors(answers, np.ones((4, 1)), np.ones(4))
        >>> np.round([found.regression_var[0], found.overlap[0], found.degrees], 3).tolist()
        [0.333, 1.0, 2.0]
    """
    count, people = answers.count, int(answers.person.max()) + 1
    inverse: FloatArray = np.asarray(np.linalg.inv((rows * weight[:, None]).T @ rows), dtype=np.float64)
    load = (weight / count)[:, None] * rows  # what one unit of one answer adds to the regression's score
    scores = _by_person(answers, load[answers.question] * answers.deviation[:, None], people)
    level_scores = _by_person(answers, load[answers.question], people)
    spare, degrees = _of_level(answers, weight / weight.sum(), people)
    level = level_scores[:, 0]  # per person, sum of W_s / n_s: of the constant
    total = float(weight.sum())
    member = (np.bincount(answers.question, level[answers.person]) - weight) / (total - weight)
    leverage = np.einsum("ti,ij,tj->t", rows, inverse, rows)
    pooled = float((count - 1.0) @ answers.var / np.sum(count - 1.0))
    # the trace of K sum q q' if all variance were answers' own, and if all were the person's level
    own = pooled * float(np.sum(weight**2 * leverage * (count - 1.0) / count**2))
    whole = pooled * float(np.sum((level_scores @ inverse) * level_scores)) / spare
    seen = float(np.sum((scores @ inverse) * scores))
    estimable = whole > ESTIMABLE * own
    share = (seen - own) / (whole - own) if estimable else 0.0
    middle = inverse @ (scores.T @ scores) @ inverse
    return PersonErrors(
        share=float(np.clip(share, 0.0, LARGEST_SHARE)),
        estimable=estimable,
        member=member,
        regression_var=spare * np.einsum("ti,ij,tj->t", rows, middle, rows),
        overlap=member / count * total**2 / float(level @ level),
        degrees=degrees,
    )


def _by_person(answers: AnswersOfPeople, values: FloatArray, people: int) -> FloatArray:
    """Sums over each person's answers, (P, p), of values (A, p)."""
    columns = [np.bincount(answers.person, column, minlength=people) for column in values.T]
    return np.stack(columns, axis=1)


def _of_level(answers: AnswersOfPeople, share: FloatArray, people: int) -> tuple[float, float]:
    """How much too small the scatter of people's levels is about the questions' means, and its degrees of freedom.

    With levels a (P,) the scatter is ``|G a|^2``, ``G = diag(g) - Z' diag(share) Z``, ``Z`` (T, P) holding 1/n_t where
    a person answered and ``g = Z' share``; the wanted variance is ``g'g``.
    """
    where = (answers.question, answers.person)
    table = sparse.csr_matrix((1.0 / answers.count[answers.question], where), shape=(len(share), people))
    pull = np.asarray(table.T @ share)
    moves = sparse.diags(pull) - table.T @ sparse.diags(share) @ table
    total = float(moves.multiply(moves).sum())
    if people > DENSE_PEOPLE:
        return float(pull @ pull) / total, float((pull @ pull) ** 2 / np.sum(pull**4))
    square = (moves.T @ moves).toarray()
    return float(pull @ pull) / total, total**2 / float(np.sum(square**2))


#: At most so many ways besides the level.
MOST = 3
#: Questions left for the rest of the regression: with fewer, its doubt about the variance between questions is larger.
SPARE_QUESTIONS = 20
#: Reshuffled tables that a way has to beat, all of them: wrong in about 1 of 40.
SHUFFLES = 39
SHUFFLE_SEED = 20261127
#: A question's standard deviation counts as at least this share of the pooled one.
LEAST_SD = 0.3
#: A person must have answered so many questions more than there can be columns.
SPARE_ANSWERS = 2
#: Sums of squares below this share of all are rounding.
ROUNDING = 1e-9
#: People with so many answers: two are each other's mirror image once their mean is taken off.
LEAST_PEOPLE = 3
#: Ridge for people whose questions have little spread of a column.
RIDGE = 1e-6


def person_factors(answers: AnswersOfPeople, rows: FloatArray) -> FloatArray:
    """Loadings (T, k) of further ways in which people differ, k = 0 to 3; to be used as regression columns.

    Where items are worded both ways, a person who says yes to everything is high on some and low on the others. The
    errors of the questions' means then go up and down together, in a pattern that is not a constant, and many questions
    do not average it out. The pattern is the first right singular vector of the answers less what the regression's
    columns explain of each person, in standard deviations of each question. It is kept if its share of the sum of
    squares is larger than in each of 39 tables in which every question's rests change hands; then the second, and the
    third.

    Args:
        answers: A answers of P people to T questions.
        rows: (T, p) regression rows, the constant first.

    Returns:
        Columns (T, k) in the units of the answers.

    Source: parallel analysis by permutation: Horn 1965; Buja and Eyuboglu 1992.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sign, level = np.tile([1.0, -1.0], 20), rng.normal(size=6)
        >>> values = (sign[:, None] * level + 0.3 * rng.normal(size=(40, 6))).ravel()
        >>> answers = AnswersOfPeople(values, np.repeat(np.arange(40), 6), np.tile(np.arange(6), 40))
        >>> found = person_factors(answers, np.ones((40, 1)))[:, 0]
        >>> bool(abs(np.corrcoef(found, sign)[0, 1]) > 0.9)
        True
    """
    questions = len(rows)
    pooled = float((answers.count - 1.0) @ answers.var / np.sum(answers.count - 1.0))
    sd = np.sqrt(np.maximum(answers.var, LEAST_SD**2 * pooled))
    columns = rows / sd[:, None]
    unit = AnswersOfPeople(answers.deviation / sd[answers.question], answers.question, answers.person)
    unit = _of_busy_people(unit, columns.shape[1] + MOST + SPARE_ANSWERS)
    most = min(MOST, questions - columns.shape[1] - SPARE_QUESTIONS)
    if most < 1 or not len(unit.value):
        return np.empty((questions, 0))
    left = _residual(unit, columns)
    shares, loadings = _strongest(left, questions, most)
    rng = np.random.default_rng(SHUFFLE_SEED)
    largest = np.zeros(len(shares))
    for _ in range(SHUFFLES):
        dealt = np.lexsort((rng.random(len(left.value)), left.question))  # the answers come sorted by question
        other = _residual(AnswersOfPeople(left.value[dealt], left.question, left.person), columns)
        largest = np.maximum(largest, _strongest(other, questions, most)[0])
    found = int(np.sum(np.cumprod(shares > largest)))
    return loadings[:, :found] * sd[:, None]


def _of_busy_people(answers: AnswersOfPeople, least: int) -> AnswersOfPeople:
    """The answers of the people who gave at least so many, sorted by question; nobody's where fewer than three did."""
    number = np.bincount(answers.person)
    busy = number >= least
    kept = busy[answers.person] & (np.count_nonzero(busy) >= LEAST_PEOPLE)
    sums = np.bincount(answers.person, answers.value)
    place = np.argsort(np.argsort(np.where(busy, sums, np.inf), kind="stable"))  # the same whatever people's names are
    value, question, person = answers.value[kept], answers.question[kept], place[answers.person[kept]]
    order = np.lexsort((person, question))
    return AnswersOfPeople(value[order], question[order], person[order])


def _residual(answers: AnswersOfPeople, columns: FloatArray) -> AnswersOfPeople:
    """Every person's answers less that person's own regression on the columns."""
    people, size = int(answers.person.max()) + 1, columns.shape[1]
    x = columns[answers.question]
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    sums = np.stack([np.bincount(answers.person, each, minlength=people) for each in products.T], axis=1)
    scores = (x * answers.value[:, None]).T
    score = np.stack([np.bincount(answers.person, each, minlength=people) for each in scores], axis=1)
    information = sums.reshape(-1, size, size)
    scale = np.trace(information, axis1=1, axis2=2) + 1.0
    information = information + (RIDGE * scale)[:, None, None] * np.eye(size)
    slope = np.linalg.solve(information, score[:, :, None])[:, :, 0]
    return AnswersOfPeople(answers.value - np.sum(x * slope[answers.person], axis=1), answers.question, answers.person)


def _strongest(answers: AnswersOfPeople, questions: int, most: int) -> tuple[FloatArray, FloatArray]:
    """The first singular vectors of the people's rows: shares (k,) and the vectors of questions (T, k).

    A share is that of the sum of squares that the vectors before it leave.
    """
    shape = (int(answers.person.max()) + 1, questions)
    table = sparse.csr_matrix((answers.value, (answers.person, answers.question)), shape=shape)
    products = (table @ table.T if shape[0] <= questions else table.T @ table).toarray()
    most = min(most, len(products))
    size, vectors = eigh(products, subset_by_index=[len(products) - most, len(products) - 1])
    size, vectors = np.maximum(size[::-1], 0.0), vectors[:, ::-1]
    loadings = table.T @ vectors if shape[0] <= questions else vectors
    total = float(np.trace(products))
    remaining = total - np.concatenate([[0.0], np.cumsum(size)[:-1]])
    left = remaining > ROUNDING * total
    shares = np.where(left, size / np.where(left, remaining, 1.0), 0.0)
    length = np.linalg.norm(loadings, axis=0)
    return shares, np.asarray(loadings / np.where(length > 0.0, length, 1.0))


#: Nodes for the shared error's estimated variance.
NODES = 40
#: Halvings of the bracket of the half-width.
HALVINGS = 50
#: Stands for a standard deviation of 0.
TINY = 1e-300
#: Least share of an interval's own variance that is left when the regression's sampling error is taken out of it.
LEAST_LEFT = 0.2
#: Estimates are taken to lie at least this share of the scale inside its ends.
EDGE = 1e-6


def sum_half_width(own_var: FloatArray, shared_var: FloatArray, degrees: float, level: float) -> FloatArray:
    """Half-width q with ``P(|N(0, own_var) + sqrt(shared_var) t_degrees| <= q) = level``, shape of both.

    The law of Behrens and Fisher with one variance known: longer than the normal interval of the summed variances,
    shorter than the sum of both intervals.

    Example:
        >>> half = sum_half_width(np.array([1.0, 1e-12, 1.0]), np.array([0.0, 1.0, 1.0]), 4.0, 0.95)
        >>> np.round(half, 2).tolist()
        [1.96, 2.78, 3.36]
    """
    at, mass = np.polynomial.legendre.leggauss(NODES)
    at, mass = 0.5 * (at + 1.0), 0.5 * mass
    ratio = degrees / chdtri(degrees, 1.0 - at**4)  # most nodes where the chi-squared is near 0
    mass = mass * 4.0 * at**3
    tail = 0.5 + 0.5 * level
    short = np.zeros_like(own_var)
    long = ndtri(tail) * np.sqrt(own_var) + stdtrit(degrees, tail) * np.sqrt(shared_var)
    sd = np.maximum(np.sqrt(own_var[..., None] + shared_var[..., None] * ratio), TINY)
    for _ in range(HALVINGS):
        middle = 0.5 * (short + long)
        held = (2.0 * ndtr(middle[..., None] / sd) - 1.0) @ mass
        short, long = np.where(held < level, middle, short), np.where(held < level, long, middle)
    return np.asarray(0.5 * (short + long))


def widen(
    estimate: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    shared_var: FloatArray,
    counted_var: FloatArray,
    degrees: float,
    bounds: tuple[float, float] | None,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends, (T,) each, once an error of variance ``shared_var`` is let in, side by side.

    Each side's length stands for a variance (as in MOVER, the recovery of variances from limits): that variance, less
    what ``shared_var`` counts again, and the shared one on ``degrees`` degrees of freedom give the new length. On a
    bounded scale lengths are taken in logits, so that ends stay inside.

    Args:
        estimate, lower, upper: (T,) of the intervals for errors that are independent.
        shared_var: (T,) variance of the shared error, in squared units of the answers.
        counted_var: (T,) variance that the intervals hold already and ``shared_var`` too.
        degrees: of freedom of ``shared_var``.
        bounds: ends of the scale, or None.
        level: of the intervals.

    Source: Zou and Donner 2008 (MOVER).

    Example:
        >>> estimate, lower, upper, shared = np.array([[3.0], [1.04], [4.96], [1.0]])
        >>> ends = widen(estimate, lower, upper, shared, 0.0 * shared, 4.0, None, 0.95)
        >>> np.round(np.concatenate(ends), 2).tolist()
        [-0.36, 6.36]
    """
    if bounds is None:
        slope, place, ends = np.ones_like(estimate), estimate, (lower, upper)
    else:
        low, long = bounds[0], bounds[1] - bounds[0]
        inside = np.clip((estimate - low) / long, EDGE, 1.0 - EDGE)
        slope, place = long * inside * (1.0 - inside), logit(inside)
        ends = (logit(np.clip((lower - low) / long, 0.0, 1.0)), logit(np.clip((upper - low) / long, 0.0, 1.0)))
    shared, counted = shared_var / slope**2, counted_var / slope**2
    moved = []
    for side, end in zip((-1.0, 1.0), ends, strict=True):
        length = np.maximum(side * (end - place), 0.0)
        finite = np.isfinite(length)
        variance = (np.where(finite, length, 0.0) / ndtri(0.5 + 0.5 * level)) ** 2
        left = np.maximum(variance - counted, LEAST_LEFT * variance)
        longer = sum_half_width(left, shared, degrees, level)
        moved.append(np.where(finite, place + side * np.where(shared > 0.0, longer, length), side * np.inf))
    if bounds is None:
        return moved[0], moved[1]
    return low + long * expit(moved[0]), low + long * expit(moved[1])

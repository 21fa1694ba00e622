"""Ways in which people differ besides their level: loadings of the questions, some of them with the other sign."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import eigh

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.person_errors import Answers

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


def person_factors(answers: Answers, rows: FloatArray) -> FloatArray:
    """Loadings (T, k) of further ways in which people differ, k = 0 to 3; to be used as regression columns.

    Where items are worded both ways, a person who says yes to everything is high on some and low on the others. The
    errors of the questions' means then go up and down together, in a pattern that is no constant, and many questions
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
        >>> answers = Answers(values, np.repeat(np.arange(40), 6), np.tile(np.arange(6), 40))
        >>> found = person_factors(answers, np.ones((40, 1)))[:, 0]
        >>> bool(abs(np.corrcoef(found, sign)[0, 1]) > 0.9)
        True
    """
    questions = len(rows)
    pooled = float((answers.count - 1.0) @ answers.var / np.sum(answers.count - 1.0))
    sd = np.sqrt(np.maximum(answers.var, LEAST_SD**2 * pooled))
    columns = rows / sd[:, None]
    unit = Answers(answers.deviation / sd[answers.question], answers.question, answers.person)
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
        other = _residual(Answers(left.value[dealt], left.question, left.person), columns)
        largest = np.maximum(largest, _strongest(other, questions, most)[0])
    found = int(np.sum(np.cumprod(shares > largest)))
    return loadings[:, :found] * sd[:, None]


def _of_busy_people(answers: Answers, least: int) -> Answers:
    """The answers of the people who gave at least so many, sorted by question; nobody's where fewer than three did."""
    number = np.bincount(answers.person)
    busy = number >= least
    kept = busy[answers.person] & (np.count_nonzero(busy) >= LEAST_PEOPLE)
    sums = np.bincount(answers.person, answers.value)
    place = np.argsort(np.argsort(np.where(busy, sums, np.inf), kind="stable"))  # the same whatever people's names are
    value, question, person = answers.value[kept], answers.question[kept], place[answers.person[kept]]
    order = np.lexsort((person, question))
    return Answers(value[order], question[order], person[order])


def _residual(answers: Answers, columns: FloatArray) -> Answers:
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
    return Answers(answers.value - np.sum(x * slope[answers.person], axis=1), answers.question, answers.person)


def _strongest(answers: Answers, questions: int, most: int) -> tuple[FloatArray, FloatArray]:
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
    told = remaining > ROUNDING * total
    shares = np.where(told, size / np.where(told, remaining, 1.0), 0.0)
    length = np.linalg.norm(loadings, axis=0)
    return shares, np.asarray(loadings / np.where(length > 0.0, length, 1.0))

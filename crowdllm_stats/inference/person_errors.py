"""What the errors of questions' means have in common when the same people answer many questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crowdllm_stats._base.checks import FloatArray

IntArray = NDArray[np.int64]

#: The person share of the variance is held below this: some of an answer is always its own.
LARGEST_SHARE = 0.95
#: Up to this many people the degrees of freedom are exact; beyond, those of people who answer independently.
DENSE_PEOPLE = 1500
#: People's level can be told from the rest of their answers if it would move the regression by this factor more. Below,
#: a question's own people carry so little of the regression's weight that the share hardly matters.
TELLABLE = 2.0


@dataclass(frozen=True, eq=False)
class Answers:
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
            where it cannot be told.
        told: whether people answered enough of the same questions to tell it.
        member: (T,) share of the other questions' weight that a question's own people carry; 1 where the same people
            answer every question, 0 where everybody answers one.
        regression_var: (T,) sampling variance of the regression at each question, from the scatter of people.
        overlap: (T,) covariance of a question's own error with that of the regression on the others, over
            ``regression_var``, if people differ by their level alone.
        degrees: of freedom of ``regression_var``: people less one where they answer the same questions.
    """

    share: float
    told: bool
    member: FloatArray
    regression_var: FloatArray
    overlap: FloatArray
    degrees: float


def person_errors(answers: Answers, rows: FloatArray, weight: FloatArray) -> PersonErrors:
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
        >>> answers = Answers(person + 0.1 * question, question, person)
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
    told = whole > TELLABLE * own
    share = (seen - own) / (whole - own) if told else 0.0
    middle = inverse @ (scores.T @ scores) @ inverse
    return PersonErrors(
        share=float(np.clip(share, 0.0, LARGEST_SHARE)),
        told=told,
        member=member,
        regression_var=spare * np.einsum("ti,ij,tj->t", rows, middle, rows),
        overlap=member / count * total**2 / float(level @ level),
        degrees=degrees,
    )


def _by_person(answers: Answers, values: FloatArray, people: int) -> FloatArray:
    """Sums over each person's answers, (P, p), of values (A, p)."""
    columns = [np.bincount(answers.person, column, minlength=people) for column in values.T]
    return np.stack(columns, axis=1)


def _of_level(answers: Answers, share: FloatArray, people: int) -> tuple[float, float]:
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

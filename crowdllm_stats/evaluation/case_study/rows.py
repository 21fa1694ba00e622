"""The rows of the table: each learns from training answers and predicts a distribution for every problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.baselines import (
    Baseline,
    GlobalDistribution,
    Logistic,
    MedianHistogram,
    MixedProbit,
    MultiPersona,
    NearestNeighbours,
    OwnRaters,
    Random,
    Ridge,
    SelfConsistency,
    ZeroShot,
)
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.case_study.texts import Texts
from crowdllm_stats.evaluation.protocols import Protocol

if TYPE_CHECKING:
    from crowdllm_stats.generator.crowdllm import CrowdLLM
    from crowdllm_stats.generator.fitted import Fitted

RIDGE = "ridge"
RIDGE_SCALED = "ridge, blocks of equal size"
RIDGE_TEXTS = "ridge on the embedding alone"
RIDGE_LLM = "ridge on the LLM's answers alone"
LOGISTIC = "multinomial logistic regression"
LOGISTIC_TEXTS = "multinomial logistic regression on the embedding alone"
GLOBAL = "global distribution"
VAE = "VAE"
CROWDLLM_PAPER = "CrowdLLM, paper's objective"
CROWDLLM = "CrowdLLM, likelihood"

#: Histograms made for the distance to histograms of few people, see :meth:`Prediction.median_histogram`.
GLOBAL_MEDIAN = "global distribution, median histogram"
CROWDLLM_MEDIAN = "CrowdLLM, likelihood, median histogram"

#: The CrowdLLM row that an objective stands for.
BY_OBJECTIVE = {"likelihood": CROWDLLM, "paper": CROWDLLM_PAPER}

#: Hyper-parameters of the rows that CrowdLLM itself makes; what is not said is its default.
GENERATORS: dict[str, dict[str, Any]] = {
    VAE: {"objective": "paper", "mixing": "none"},
    CROWDLLM_PAPER: {"objective": "paper", "mixing_draws": 5},
    CROWDLLM: {"objective": "likelihood"},
}


@dataclass(frozen=True, eq=False)
class RowPrediction:
    """What a row of the table predicts for T problems.

    Attributes:
        probabilities: of the A answers, shape (T, A).
        variance: of single answers to each problem, shape (T,).
        median: the histogram of least expected distance, shape (T, A), of a row that knows of one.
    """

    probabilities: FloatArray
    variance: FloatArray
    median: FloatArray | None = None


#: A row: (training answers, ids of T problems, seed) -> RowPrediction.
Row = Callable[[CrowdData, Sequence[str], int], RowPrediction]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that can be made, by name, and why others cannot.

    Attributes:
        made: in the order of the table.
        left_out: name to reason.
    """

    made: Mapping[str, Row]
    left_out: Mapping[str, str]


def rows(references: References, texts: Texts, protocol: Protocol, **settings: Any) -> Rows:
    """All rows of a case study.

    Ridge sees what CrowdLLM sees: the embedding and the probabilities of every answer under every persona. It is fitted
    twice: on the columns as they are, and with the two blocks brought to equal size; its penalty is chosen inside the
    training answers, as is that of the logistic regression, which is given the blocks of equal size. Ridge on either
    block alone says what it is worth by itself: on the LLM's answers it is the LLM calibrated to people. The VAE is the
    paper's: CrowdLLM under Eq. 4 without an LLM, every answer being as likely in its reference.

    Args:
        references: of all problems.
        texts: of all problems.
        protocol: "paper" or "new-problems".
        **settings: hyper-parameters of all CrowdLLM rows; not those in which the rows differ.

    Returns:
        Rows.

    Raises:
        ValueError: on a hyper-parameter in which the rows differ.
    """
    fixed = sorted({name for own in GENERATORS.values() for name in own} & set(settings))
    if fixed:
        raise ValueError(f"settings: the rows differ in {' and '.join(fixed)}; it cannot be set for all of them")
    made: dict[str, Row] = {"random": _baseline(Random()), GLOBAL: _baseline(GlobalDistribution()),
                            GLOBAL_MEDIAN: _baseline(MedianHistogram())}  # fmt: skip
    out: dict[str, str] = {}
    if protocol == "paper":
        made["the problem's own raters"] = _baseline(OwnRaters())
    else:
        out["the problem's own raters"] = "nobody answered a held-out problem in training"
    if references.alone is None:
        asked = "no LLM was asked" if references.personas is None else "the backbone was asked as personas alone"
        out["LLM zero-shot"] = out["LLM self-consistency"] = asked
    else:
        made["LLM zero-shot"] = _baseline(ZeroShot(references.alone))
        made["LLM self-consistency"] = _baseline(SelfConsistency(references.alone))
    if references.personas is None:
        asked = "no LLM was asked" if references.alone is None else "the backbone was asked without personas"
        out["LLM multi-persona"] = asked
    else:
        made["LLM multi-persona"] = _baseline(MultiPersona(references.personas))

    told = _once(references.told)

    def blocks(train: CrowdData) -> list[Features]:
        known = texts.features(train.responses["problem"].unique())
        return [*([] if known is None else [known]), Features.of_reference(told(train))]

    def beside(train: CrowdData) -> Features:
        first, *others = blocks(train)
        return first.beside(*others)

    def scaled(train: CrowdData) -> Features:
        learned = train.responses["problem"].unique()
        first, *others = (equal_size(block, learned) for block in blocks(train))
        return first.beside(*others)

    made["kNN (20)"] = _neighbours(beside)
    made[RIDGE] = _baseline(Ridge(), beside)
    if texts.known:
        made[RIDGE_SCALED] = _baseline(Ridge(), scaled)
        made[RIDGE_TEXTS] = _baseline(Ridge(), lambda train: blocks(train)[0])
        made[RIDGE_LLM] = _baseline(Ridge(), lambda train: blocks(train)[1])
        made[LOGISTIC_TEXTS] = _baseline(Logistic(), lambda train: blocks(train)[0])
    else:
        out[RIDGE_SCALED] = out[RIDGE_TEXTS] = out[LOGISTIC_TEXTS] = "there is no embedding"
        out[RIDGE_LLM] = f"there is no embedding: it is {RIDGE!r}"
    made[LOGISTIC] = _baseline(Logistic(), scaled)
    made["mixed probit"] = _baseline(MixedProbit())
    for name, own in GENERATORS.items():
        heard = (lambda train: uniform(told(train))) if name == VAE else told
        made[name] = _generator({**settings, **own}, heard, texts)
    made[CROWDLLM] = fitted = _last_kept(made[CROWDLLM])
    made[CROWDLLM_MEDIAN] = _median(fitted)
    return Rows(made, out)


def _once(told: Callable[[CrowdData], Reference]) -> Callable[[CrowdData], Reference]:
    """The same, asked once for the rows of one split."""
    last: list[tuple[CrowdData, Reference]] = []

    def kept(train: CrowdData) -> Reference:
        if not last or last[0][0] is not train:
            last[:] = [(train, told(train))]
        return last[0][1]

    return kept


def _last_kept(row: Row) -> Row:
    """The same, fitted once for two rows of one split."""
    last: list[tuple[CrowdData, tuple[object, ...], RowPrediction]] = []

    def kept(train: CrowdData, problems: Sequence[str], seed: int) -> RowPrediction:
        asked = (tuple(problems), seed)
        if not last or last[0][0] is not train or last[0][1] != asked:
            last[:] = [(train, asked, row(train, problems, seed))]
        return last[0][2]

    return kept


def _median(row: Row) -> Row:
    def median(train: CrowdData, problems: Sequence[str], seed: int) -> RowPrediction:
        found = row(train, problems, seed).median
        if found is None:
            raise ValueError("the row knows of no median histogram")
        return _with_variance(found, train)

    return median


def uniform(reference: Reference) -> Reference:
    """What knows of the problems nothing but the scale: every answer with the same probability.

    Example:
        >>> told = Reference.from_probabilities(["a", "b"], [1, 2], [[0.9, 0.1], [0.3, 0.7]])
        >>> uniform(told).probabilities[:, 0].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    shape = (len(reference.problems), len(reference.answers))
    return Reference.from_probabilities(reference.problems, reference.answers, np.full(shape, 1.0 / shape[1]))


def equal_size(block: Features, train: Sequence[str]) -> Features:
    """A block of features centred and divided by the root mean square length of its training rows.

    Raises:
        ValueError: if all training problems have the same features.

    Example:
        >>> equal_size(Features.of(["a", "b", "c"], [[0.0], [4.0], [6.0]]), ["a", "b"]).table.tolist()
        [[-1.0], [1.0], [2.0]]
    """
    learned = block.rows(train)
    centred = block.table - learned.mean(axis=0)
    size = float(np.sqrt(((learned - learned.mean(axis=0)) ** 2).sum(axis=1).mean()))
    if size == 0.0:
        raise ValueError("all training problems have the same features; leave this block of features out")
    return Features(block.problems, centred / size, block.n_missing)


def _with_variance(probabilities: FloatArray, train: CrowdData) -> RowPrediction:
    values = np.asarray(train.scale.levels, dtype=np.float64)
    return RowPrediction(probabilities, probabilities @ values**2 - (probabilities @ values) ** 2)


def _baseline(baseline: Baseline, features: Callable[[CrowdData], Features] | None = None) -> Row:
    def row(train: CrowdData, problems: Sequence[str], seed: int) -> RowPrediction:
        given = None if features is None else features(train)
        return _with_variance(baseline.fit(train, given).predict(problems), train)

    return row


def _neighbours(features: Callable[[CrowdData], Features]) -> Row:
    def row(train: CrowdData, problems: Sequence[str], seed: int) -> RowPrediction:
        k = min(20, train.responses["problem"].nunique())
        return _with_variance(NearestNeighbours(k).fit(train, features(train)).predict(problems), train)

    return row


def _generator(settings: dict[str, Any], told: Callable[[CrowdData], Reference], texts: Texts) -> Row:
    def row(train: CrowdData, problems: Sequence[str], seed: int) -> RowPrediction:
        reference, people = told(train), int(train.responses.groupby("problem").size().median())
        model = fit_generator(settings, train, reference, texts, seed)
        return predict_with(model, problems, reference, texts, seed, raters=people)

    return row


def fit_generator(
    settings: Mapping[str, Any], train: CrowdData, reference: Reference | Fitted, texts: Texts, seed: int
) -> CrowdLLM:
    """A generator fitted as the rows of the table are.

    Args:
        settings: hyper-parameters, see :data:`GENERATORS`.
        train: training answers.
        reference: of all problems; see :func:`uniform` for a generator without an LLM. Or what another learned, whose
            problem vectors and coding of profiles are taken over.
        texts: of all problems.
        seed: of the fit.

    Raises:
        ValueError: as :meth:`CrowdLLM.fit`.
    """
    from crowdllm_stats.generator.crowdllm import CrowdLLM

    known = texts.features(train.responses["problem"].unique())
    return CrowdLLM(**settings).fit(train, reference, embedding=known, seed=seed)


def predict_with(
    model: CrowdLLM, problems: Sequence[str], reference: Reference, texts: Texts, seed: int,
    people: pd.DataFrame | None = None, raters: int | None = None,
) -> RowPrediction:  # fmt: skip
    """What a generator of :func:`fit_generator` predicts.

    Args:
        model: the generator.
        problems: ids.
        reference: the one that it was fitted with.
        texts: likewise.
        seed: of the even draws behind the prediction.
        people: profiles of the population, the training people's by default.
        raters: of a problem, for the histogram of least expected distance to theirs.

    Raises:
        ValueError: on a scale without levels or of words.
    """
    known = texts.features(model.fitted.problems)
    found = model.predict(problems, reference=reference, embedding=known, people=people, seed=seed)
    if found.probabilities is None or found.variance is None:
        raise ValueError(f"a case study needs an ordinal scale of numbers, got {model.fitted.scale}")
    # Single precision: the sums are off 1 by rounding.
    shares = found.probabilities / found.probabilities.sum(axis=1, keepdims=True)
    return RowPrediction(shares, found.variance, None if raters is None else found.median_histogram(raters))

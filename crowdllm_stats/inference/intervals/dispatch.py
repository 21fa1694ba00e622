"""The public door of the interval methods: check, choose, compute, wrap."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from crowdllm_stats._base.checks import Alternative, FloatArray
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats._base.result import unbatch
from crowdllm_stats.inference.intervals.interval_result import Interval, IntervalTable
from crowdllm_stats.inference.intervals.methods import HUMAN_ONLY, METHODS, USE_BOUNDS, MethodChoice, MethodName
from crowdllm_stats.inference.intervals.one_law import LawCheck, law_of
from crowdllm_stats.inference.intervals.sample import Core, Sample, read_sample
from crowdllm_stats.inference.intervals.scale import scale_notice, two_valued

#: What to know before using the method for ratings on answers of two values.
TWO_VALUES_BY_NAME = (
    "Method 'ppi++-small' is not made for answers of two values: with biased twins a 95% interval from 8 or 10 people "
    "covers as little as 74% (reports/inference/proportion.md); auto uses 'ppi++-binomial' or 'binomial' there."
)

#: From this many human answers on, 'auto' uses the twins: with fewer, the slope costs more than it brings.
PAIRED_FROM = 8
#: ... and from this many digital answers per human answer: with fewer, the crowd's own error eats the gain.
CROWD_FROM = 3


def auto_method(
    n: int, n_digital: int, paired: bool, bounded: bool, cross_fitted: bool = False, two_valued: bool = False
) -> MethodName:
    """The method that 'auto' stands for: decided by n, N, the scale and the pairing alone, never by realised widths.

    ``two_valued`` is part of the scale: whether answers can only be its two ends.

    Choosing the narrowest of several intervals on the data at hand drops the coverage of a 95% interval to 93% at
    n = 8 (``tests/inference/intervals/test_auto.py`` shows it).

    Example:
        >>> auto_method(n=10, n_digital=200, paired=True, bounded=True)
        'ppi++-small'
        >>> auto_method(n=5, n_digital=100, paired=True, bounded=False)
        'classical'
        >>> auto_method(n=5, n_digital=100, paired=True, bounded=True, two_valued=True)
        'binomial'
    """
    if paired and n >= PAIRED_FROM and n_digital >= CROWD_FROM * n:
        if cross_fitted:
            return "cross-fitted-small"
        return "ppi++-binomial" if two_valued else "ppi++-small"
    if two_valued:
        return "binomial"
    return "classical-small" if bounded else "classical"


def interval(
    human: ArrayLike,
    digital_labeled: ArrayLike | None = None,
    digital_unlabeled: ArrayLike | None = None,
    *,
    method: MethodChoice = "auto",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    step: float | None = None,
    folds: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    census: bool = False,
    beliefs: ArrayLike | None = None,
    eta: ArrayLike = 0.0,
    seed: int | None = None,
    check_law: bool = True,
) -> Interval:
    """A confidence interval for the population mean answer to each problem.

    Args:
        human: human answers, shape (..., n); leading axes are problems.
        digital_labeled: the answer of each human's digital twin, shape (..., n).
        digital_unlabeled: answers of the other digital people, shape (..., N); with ``folds`` (..., F, N).
        method: "auto", or one of "classical" (Student t), "classical-small", "binomial" and "exact" (answers of two
            values, the bounds), "betting" (on the humans alone; needs bounds, holds its level for any answers),
            "crowdllm" (Theorem 5 as published), "ppi", "ppi++", "ppi-small", "ppi++-small", "ppi++-binomial" (answers
            of two values), "cross-fitted", "cross-fitted-small", "set-clt", "set-hoeffding", "set-bernstein",
            "set-betting" (Theorem 4; need bounds).
        level: confidence level in (0, 1).
        alternative: "two-sided"; "larger" gives a lower end only, "smaller" an upper end only.
        weights: survey weights of the humans, shape (n,) or (..., n), any scale.
        clusters: who gave each answer (any labels), shape (n,) or (..., n), when one person gave several.
        bounds: (low, high) of the answer scale; shapes the small-sample methods, needed by "classical-small" and the
            sets.
        step: distance between neighbouring answers of the scale: says whether there are any between the bounds. Without
            it, answers that all lie at the bounds, digital ones too, count as answers of two values (on whole bounds 3
            to 10 apart only if both were given; on 0 to 1 whatever the digital ones are).
        folds: fold (0..F-1) of each human for the cross-fitted methods, shape (n,) or (..., n).
        population_size: m, when the target is the mean of m people of whom the n are a random sample (scalar or batch
            shape).
        census: with ``population_size``: digital_unlabeled holds the twins of all m people, the labelled included.
        beliefs: for "crowdllm": the beliefs behind digital_unlabeled, same shape.
        eta: for "crowdllm" with beliefs: variance of one reference answer.
        seed: shuffles the order in which "betting" and "set-betting" take the answers; None keeps the given order.
        check_law: test whether twins and crowd look like one digital population (their means, spreads and ranges; at
            most 1 false alarm in 100, over all problems of the batch). Where they do not, notices and flags say so, and
            "auto" uses the human answers alone. False where this was tested before, for instance over a whole survey.

    Returns:
        Interval: ends, estimate, and in ``why`` what the interval needs.

    Raises:
        ValueError: on bad input, or where the method cannot use what it was given; the message names the remedy.

    Source: theory/README.md, Theorems 4 and 5 and "Beyond the paper"; each method's own source is in its module.

    Example:
        >>> human, twins = [4, 3, 5, 2, 4, 4, 1, 5], [4, 3, 4, 2, 4, 5, 2, 5]
        >>> crowd = [3, 4, 2, 5, 4, 3, 3, 4, 2, 3, 4, 5, 1, 3, 4, 4] * 2
        >>> answer = interval(human, twins, crowd, bounds=(1, 5))
        >>> print(answer.method, round(answer.lower, 2), round(answer.upper, 2))
        ppi++-small 2.51 3.96
    """
    sample = read_sample(
        human,
        digital_labeled,
        digital_unlabeled,
        level=level,
        alternative=alternative,
        weights=weights,
        clusters=clusters,
        bounds=bounds,
        step=step,
        folds=folds,
        population_size=population_size,
        census=census,
        beliefs=beliefs,
        eta=eta,
        seed=seed,
        check_law=check_law,
    )
    return compute(sample, method)


class IntervalOptions(TypedDict, total=False):
    """The keyword arguments that :func:`interval` and :func:`compare_intervals` share."""

    level: float
    alternative: Alternative
    weights: ArrayLike | None
    clusters: ArrayLike | None
    bounds: ArrayLike | None
    step: float | None
    folds: ArrayLike | None
    population_size: ArrayLike | None
    census: bool
    beliefs: ArrayLike | None
    eta: ArrayLike
    seed: int | None
    check_law: bool


def compare_intervals(
    human: ArrayLike,
    digital_labeled: ArrayLike | None = None,
    digital_unlabeled: ArrayLike | None = None,
    *,
    methods: Sequence[str] | None = None,
    **options: Unpack[IntervalOptions],
) -> IntervalTable:
    """Every interval method that applies, on the same answers; those that do not are listed with the reason.

    Choosing the narrowest of them afterwards breaks the level; the table marks what "auto" would have used.

    Args:
        human: human answers, shape (..., n).
        digital_labeled: twins' answers, shape (..., n).
        digital_unlabeled: other digital answers, shape (..., N).
        methods: names to compute; all of them when None.
        **options: all other arguments of :func:`interval`, from ``level`` to ``check_law``.

    Raises:
        ValueError: on bad input, or if no method applies.

    Example:
        >>> table = compare_intervals([1, 2, 2, 3, 5, 4], bounds=(1, 5))
        >>> list(table.intervals), table.chosen
        (['classical', 'classical-small', 'betting'], 'classical-small')
    """
    sample = read_sample(human, digital_labeled, digital_unlabeled, **options)
    wanted = list(METHODS) if methods is None else list(methods)
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise ValueError(f"methods holds {unknown}; known are {', '.join(map(repr, METHODS))}")
    law = law_of(sample)
    intervals: dict[str, Interval] = {}
    skipped: dict[str, str] = {}
    for name in wanted:
        try:
            intervals[name] = compute(sample, name, law)
        except ValueError as reason:
            skipped[name] = said(reason)
    if not intervals:
        names: dict[str, list[str]] = {}
        for name, why in skipped.items():
            names.setdefault(why, []).append(name)
        reasons = (Message.filled("{}: {}", ", ".join(those), why) for why, those in names.items())
        raise BadInput(Message.filled("no method applies: {}", Message.joined(reasons, "; ")))
    notices = (law.notice,) if law is not None and law.differs else ()
    return IntervalTable(intervals, skipped, resolve(sample, law), notices)


def choose(sample: Sample) -> MethodName:
    """What 'auto' stands for on this sample; over a batch the problem with the fewest effective people decides.

    By numbers and scale alone; :func:`resolve` also asks whether twins and crowd are of one law.

    Returns:
        The method's name, see :func:`auto_method`.
    """
    paired = sample.twins is not None and sample.crowd is not None
    enough = paired and bool(np.all(CROWD_FROM * sample.crowd_ratio <= 1.0 + 1e-9))
    bounded, folded = sample.bounds is not None, sample.folds is not None
    two = bool(np.all(two_valued(sample)))
    return auto_method(sample.whole_units, sample.n_digital, enough, bounded, folded, two)


def resolve(sample: Sample, law: LawCheck | None) -> MethodName:
    """As :func:`choose`, and human answers alone where twins and crowd are of two laws in any problem of the batch.

    Twins and crowd are made alike for all problems or for none, so a mismatch in one problem counts for all. Whether
    they are depends on the digital answers alone, so neither the human answers nor realised widths decide.
    """
    method = choose(sample)
    if method in HUMAN_ONLY or law is None or not law.differs:
        return method
    two = bool(np.all(two_valued(sample)))
    return auto_method(sample.whole_units, 0, False, sample.bounds is not None, two_valued=two)


def compute(sample: Sample, method: str, law: LawCheck | None = None) -> Interval:
    """Run one method on a checked sample and wrap its answer.

    Args:
        sample: from ``read_sample``.
        method: "auto" or a key of :data:`METHODS`.
        law: whether twins and crowd are of one law, where the caller has asked already.

    Raises:
        ValueError: on an unknown method, and where the method refuses the sample.
    """
    asked = method
    if law is None and method not in HUMAN_ONLY:
        law = law_of(sample)
    if method == "auto":
        method = resolve(sample, law)
    if method not in METHODS:
        raise ValueError(f"method must be 'auto' or one of {', '.join(map(repr, METHODS))}; got {method!r}")
    chosen = METHODS[method]
    answer = _wrap(sample, chosen.name, chosen(sample), None if asked in HUMAN_ONLY else law)
    first = ""
    if sample.bounds is None and asked in USE_BOUNDS:
        first = scale_notice(sample.human, sample.n)
    elif asked == "ppi++-small" and bool(np.any(two_valued(sample))):
        first = TWO_VALUES_BY_NAME
    return dataclasses.replace(answer, notices=(first, *answer.notices)) if first else answer


def _wrap(sample: Sample, method: MethodName, core: Core, law: LawCheck | None) -> Interval:
    """The answer; where twins and crowd are of two laws, it says so first, and flags the problems."""
    if sample.alternative == "two-sided":
        half = 0.5 * (core.upper - core.lower)
    elif sample.alternative == "larger":
        half = core.estimate - core.lower
    else:
        half = core.upper - core.estimate
    flags = {sentence: mask for sentence, mask in core.flags.items() if np.any(mask)}
    notices: tuple[str, ...] = ()
    if law is not None and law.differs:
        used = METHODS[method].digital
        what = f"Method {method!r} used them anyway." if used else "So auto uses the human answers alone."
        flags, notices = {**law.flags(), **flags}, (f"{law.notice} {what}",)
    return Interval(
        why=core.why,
        flags=flags,
        notices=notices,
        estimate=unbatch(core.estimate),
        lower=unbatch(core.lower),
        upper=unbatch(core.upper),
        half_width=unbatch(half),
        level=sample.level,
        alternative=sample.alternative,
        method=method,
        n_labeled=sample.n,
        n_digital=sample.n_digital,
        lam=None if core.lam is None else unbatch(core.lam),
        effective_n=unbatch(_effective_n(sample, core, half)),
    )


def _effective_n(sample: Sample, core: Core, half: FloatArray) -> FloatArray:
    """Human answers whose mean alone has the method's variance, ``1/n_eff = V/s^2 + 1/m``; n with nothing to compare.

    For an unlimited population this is ``n`` times the variance of the human mean over the method's.
    """
    human = sample.human_variance
    own = core.variance if core.comparable is None else core.comparable
    if own is None:
        quantile = stdtrit(sample.units - 1.0, sample.tail)  # 0 at a level below rounding
        own = np.divide(half, quantile, out=np.zeros(np.shape(half)), where=quantile > 0.0) ** 2
    known = (own > 0.0) & (human > 0.0)
    ratio = np.divide(own, human, out=np.ones(np.broadcast_shapes(np.shape(own), np.shape(human))), where=known)
    people = 0.0 if sample.population_size is None else 1.0 / sample.population_size
    return np.asarray(1.0 / (ratio * (1.0 / sample.n - people) + people))

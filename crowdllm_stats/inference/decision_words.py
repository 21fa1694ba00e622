"""What a safe / unsafe decision rests on, in sentences: the assumptions, what comes first, and remarks on problems."""

from __future__ import annotations

from typing import Any

import numpy as np

from crowdllm_stats.inference.checks import FloatArray
from crowdllm_stats.inference.dirichlet_mean import FEW
from crowdllm_stats.inference.reference_noise import ReferenceNoise

#: An LLM that gives one answer with at least this share of its answers is nearly constant.
NEARLY_CONSTANT = 0.8


def first_words(
    human: FloatArray, bounded: bool, noise: ReferenceNoise, reference: FloatArray | None = None
) -> tuple[str, ...]:
    """Sentences that a reader must see before the decisions.

    Args:
        human: answers of people, shape (..., n).
        bounded: whether the ends of the scale are known.
        noise: of the reference.
        reference: the answers that noise was estimated from, shape (..., R); None where their error is known.

    Example:
        >>> from crowdllm_stats.inference.reference_noise import reference_noise
        >>> known = reference_noise(np.array([[2.0]]), 0.1, None, None)
        >>> first_words(np.array([[1.5, 2.5, 3.0]]), False, known)
        ()
    """
    told = []
    if not bounded and np.all(human == np.round(human)):
        told.append(
            "The human answers are whole numbers, and the ends of the scale are not known: on skewed ratings up to 0.32"
            " of ties were decided wrongly at 0.05 (few people miss the far answers); give bounds=(low, high)."
        )
    if reference is not None and reference.shape[-1] > 1 and noise.noise_var is None:
        alike = np.mean(reference == np.median(reference, axis=-1, keepdims=True), axis=-1)
        if np.any(alike >= NEARLY_CONSTANT) and not (noise.eta is not None and np.all(noise.eta == 0.0)):
            told.append(
                "The LLM gives nearly always one answer somewhere, and its rare ones decide how far off it is: up to"
                " 0.16 of ties were decided wrongly at 0.05 (reports/inference/limits.md); give many more answers,"
                " or its exact expectation and variance."
            )
    if noise.plugged_in:
        told.append("eta is the variance of these reference answers, so it counts as estimated: leave eta out.")
    return tuple(told)


def remarks(noise: ReferenceNoise, known: Any, needless: Any, other: Any) -> dict[str, Any]:
    """Sentence -> mask of the problems that it holds for.

    Args:
        noise: of the reference.
        known: where the human answers say anything of their spread.
        needless: where the belief mean is 0 and no test is needed.
        other: where the number of beliefs is not that of the crowd.

    Example:
        >>> from crowdllm_stats.inference.reference_noise import reference_noise
        >>> same = reference_noise(np.array([[2.0, 2.0]]), None, None, None)
        >>> list(remarks(same, np.array([True]), np.array([False]), np.array([False])))
        ['all reference answers are equal: the LLM is taken as one that always answers alike']
    """
    flat = (noise.spread == 0.0) if noise.answers > 1 and noise.noise_var is None else np.zeros_like(needless)
    alike = flat & (noise.floor == 0.0) & (noise.eta is None)
    differ = (noise.eta == 0.0) & (noise.spread > 0.0) if noise.eta is not None else np.zeros_like(needless)
    masks = {
        "all human answers are equal: no spread to test with": ~known,
        "belief mean 0: decided by c alone": needless,
        "n_digital is not the number of beliefs: their mean is taken as the crowd's": other,
        "all reference answers are equal: the LLM is taken as one that always answers alike": alike,
        "all reference answers are equal, tested as if one were a step away": flat & (noise.floor > 0.0),
        "the reference answers differ, although eta is 0: the error of their mean is counted": differ
        & (noise.noise_var is None),
    }
    return {sentence: mask for sentence, mask in masks.items() if np.any(mask)}


def in_words(labeled: int, noise: ReferenceNoise, from_answers: bool, enters: str, level: float, bounded: bool) -> str:
    """The assumptions.

    Args:
        labeled: number of human answers.
        noise: of the reference.
        from_answers: whether the beliefs hold the error of the mean reference.
        enters: how the reference enters the crowd, a sentence.
        level: of each test.
        bounded: whether the scale's ends are known.
    """
    people = f"{labeled} human answers of random people whom the beliefs were not fitted to, "
    if not bounded:
        people += "by Student's t, so with means near normal; for ratings give bounds"
    elif labeled < FEW:
        people += "the end of the scale counting as one answer more (Gaffke's limits)"
    else:
        people += "the end of the scale counting as 0.7 of an answer more (after Gaffke)"
    if noise.exact.all() and noise.eta is not None:
        source = "taken as the LLM's exact expectation, with eta as given"
    else:
        source = f"the mean of {noise.answers} independent answer{'' if noise.answers == 1 else 's'}, whose error"
        source += " is counted, and so is that of eta" if noise.eta is None else " is counted; eta is taken as given"
    beliefs = (
        "Beliefs are answers of the crowd less that mean reference, whose error they hold."
        if from_answers
        else "Beliefs are taken as known without these reference answers."
    )
    return (
        f"{people}. The reference is {source}, by normal theory. {beliefs} {enters} Delta is against the population's"
        " mean; the N people mirrored differ from it by order 1/sqrt(N). Safe means no worse than one answer of the"
        f" LLM, not near the humans. Each one-sided test has level {level:g}; the intervals are two-sided at it."
        " The twins' noise and the variance of the belief mean are taken as given."
    )

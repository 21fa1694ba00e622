"""What a safe / unsafe decision rests on, in sentences: the assumptions, what comes first, and remarks on problems."""

from __future__ import annotations

from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import Message
from crowdllm_stats.inference.intervals.scale import BOUNDS
from crowdllm_stats.inference.theorem3_safe_decision.human_mean import FEW
from crowdllm_stats.inference.theorem3_safe_decision.reference_noise import ReferenceNoise


def first_words(human: FloatArray, bounded: bool, noise: ReferenceNoise, nearly_all: Any) -> tuple[str, ...]:
    """Sentences that a reader must see before the decisions.

    Args:
        human: answers of people, shape (..., n).
        bounded: whether the ends of the scale are known.
        noise: of the reference.
        nearly_all: where nearly all answers of the LLM are alike and eta is estimated from them.

    Example:
        >>> from crowdllm_stats.inference.theorem3_safe_decision.reference_noise import reference_noise
        >>> known = reference_noise(np.array([[2.0]]), 0.1, None, None)
        >>> first_words(np.array([[1.5, 2.5, 3.0]]), False, known, np.array([False]))
        ()
    """
    said = []
    if not bounded and np.all(human == np.round(human)):
        said.append(
            Message.filled(
                "The human answers are whole numbers, and the ends of the scale are not known: on skewed ratings up to "
                "0.32 of ties were decided wrongly at 0.05 (few people miss the far answers); give {}.",
                BOUNDS,
            )
        )
    if not bounded and np.any(nearly_all):
        said.append(
            Message.filled(
                "The LLM nearly always gives one answer somewhere, and the ends of the scale are not known: its rare "
                'answers may lie anywhere, so that "unsafe" is never said there; give {}, or {} (0 for an LLM that '
                "always answers alike).",
                BOUNDS,
                Message("eta", "--eta"),
            )
        )
    if noise.plugged_in:
        said.append(
            Message.filled(
                "{0} is the variance of these reference answers, so it counts as estimated: leave {0} out.",
                Message("eta", "--eta"),
            )
        )
    return tuple(said)


def remarks(known: Any, needless: Any, other: Any, nearly_all: Any, noise: ReferenceNoise) -> dict[str, Any]:
    """Sentence -> mask of the problems that it holds for.

    Args:
        known: where the human answers say anything of their spread.
        needless: where the belief mean is 0 and no test is needed.
        other: where the number of beliefs is not that of the crowd.
        nearly_all: where nearly all answers of the LLM are alike and eta is estimated from them.
        noise: of the reference.

    Example:
        >>> from crowdllm_stats.inference.theorem3_safe_decision.reference_noise import reference_noise
        >>> same = reference_noise(np.array([[2.0, 2.0]]), None, None, None)
        >>> no, yes = np.array([False]), np.array([True])
        >>> list(remarks(yes, no, no, yes, same))
        ['nearly all reference answers are alike: those not given yet may be far off, which is counted']
    """
    differ = (noise.eta == 0.0) & (noise.var > 0.0) if noise.eta is not None else np.zeros_like(needless)
    masks = {
        "all human answers are equal: no spread to test with": ~known,
        "belief mean 0: decided by c alone": needless,
        "n_digital is not the number of beliefs: their mean is taken as the crowd's": other,
        "nearly all reference answers are alike: those not given yet may be far off, which is counted": nearly_all,
        "the reference answers differ, although eta is 0: the error of their mean is counted": differ
        & (noise.noise_var is None),
    }
    return {sentence: mask for sentence, mask in masks.items() if np.any(mask)}


def in_words(
    labeled: int, noise: ReferenceNoise, from_answers: bool, enters: str, level: float, bounded: bool, nearly_all: Any
) -> str:
    """The assumptions.

    Args:
        labeled: number of human answers.
        noise: of the reference.
        from_answers: whether the beliefs hold the error of the mean reference.
        enters: how the reference enters the crowd, a sentence.
        level: of each test.
        bounded: whether the scale's ends are known.
        nearly_all: where nearly all answers of the LLM are alike and eta is estimated from them.
    """
    people = f"{labeled} human answers of random people whom the beliefs were not fitted to, "
    if not bounded:
        people += "by Student's t, so with means near normal; for ratings give the ends of the scale"
    elif labeled < FEW:
        people += "the end of the scale counting as one answer more (Gaffke's limits)"
    else:
        people += "the end of the scale counting as 0.7 of an answer more (after Gaffke)"
    if noise.exact.all() and noise.eta is not None:
        source = "taken as the LLM's exact expectation, with eta as given"
    else:
        source = f"the mean of {noise.answers} independent answer{'' if noise.answers == 1 else 's'}, whose error"
        source += " is counted, and so is that of eta" if noise.eta is None else " is counted; eta is taken as given"
    theory = "by normal theory"
    if np.any(nearly_all):
        theory += "; where nearly all of them are alike, by random weights, one of them for an answer not given yet"
    beliefs = (
        "Beliefs are answers of the crowd less that mean reference, whose error they hold."
        if from_answers
        else "Beliefs are taken as known without these reference answers."
    )
    return (
        f"{people}. The reference is {source}, {theory}. {beliefs} {enters} Delta is against the population's"
        " mean; the N people mirrored differ from it by order 1/sqrt(N). Safe means no worse than one answer of the"
        f" LLM, not near the humans. Each one-sided test has level {level:g}; the intervals are two-sided at it."
        " The twins' noise and the variance of the belief mean are taken as given."
    )

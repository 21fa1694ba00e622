"""What answers cost in money and seconds, as a range: those of a language model, and those of people."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count
from crowdllm_stats._base.result import Result


@dataclasses.dataclass(frozen=True, eq=False)
class AnsweringCost(Result):
    """Least and most money (in the currency of the prices) and seconds; see :func:`answering_cost`."""

    columns: ClassVar[tuple[str, ...]] = ("money_lower", "money_upper", "seconds_lower", "seconds_upper")

    money_lower: float
    money_upper: float
    seconds_lower: float
    seconds_upper: float


def answering_cost(
    n_answers: ArrayLike,
    *,
    prompt_tokens: ArrayLike = 0.0,
    reply_tokens: ArrayLike = 0.0,
    prompt_price: ArrayLike = 0.0,
    reply_price: ArrayLike = 0.0,
    answer_price: ArrayLike = 0.0,
    answer_seconds: ArrayLike = 0.0,
    at_once: int = 1,
) -> AnsweringCost:
    """Money and time for n answers: ``n (T_p P_p / 10^6 + T_r P_r / 10^6 + P)`` and ``n s / at_once``.

    T_p and T_r are tokens of an answer's prompt and reply, P_p and P_r prices per million of them, P the price of an
    answer as such (a person's pay), s its seconds. Each may be one number or a pair, the least and the most: the result
    goes from all least to all most, so it holds the truth whenever every pair does. A virtual worker of a fitted
    generator asks no model: its LLM answers once per problem, whatever the size of the crowd.

    Args:
        n_answers: answers asked for.
        prompt_tokens: of one answer.
        reply_tokens: of one answer.
        prompt_price: per million tokens.
        reply_price: per million tokens.
        answer_price: per answer, for people.
        answer_seconds: seconds per answer.
        at_once: answers that are given side by side.

    Returns:
        AnsweringCost.

    Raises:
        ValueError: on something else than a number or a pair in rising order, or below 0; on ``at_once`` below 1.

    Source: CrowdLLM, section 13.5, counts LLM workers; prices are the caller's.

    Example:
        >>> llm = answering_cost(1500, prompt_tokens=(100, 200), prompt_price=2.5, answer_seconds=0.5, at_once=10)
        >>> llm.money_lower, llm.money_upper, llm.seconds_upper
        (0.375, 0.75, 75.0)
    """
    n, t_p, t_r, p_p, p_r, price, seconds = (
        _ends(name, value)
        for name, value in (
            ("n_answers", n_answers), ("prompt_tokens", prompt_tokens), ("reply_tokens", reply_tokens),
            ("prompt_price", prompt_price), ("reply_price", reply_price), ("answer_price", answer_price),
            ("answer_seconds", answer_seconds),
        )
    )  # fmt: skip
    money = n * ((t_p * p_p + t_r * p_r) / 1e6 + price)
    time = n * seconds / check_count("at_once", at_once)
    return AnsweringCost(
        why="From the least to the most of everything given; prices are those given, nothing is looked up.",
        flags={},
        money_lower=float(money[0]),
        money_upper=float(money[1]),
        seconds_lower=float(time[0]),
        seconds_upper=float(time[1]),
    )


def _ends(name: str, value: ArrayLike) -> FloatArray:
    """Least and most, shape (2,)."""
    given = check_array(name, value, nonnegative=True)
    if given.size not in (1, 2) or given.ndim > 1 or np.any(np.diff(given.ravel()) < 0.0):
        raise ValueError(f"{name} must be one number or a pair, the smaller one first; got {value!r}")
    return np.broadcast_to(given, (2,))

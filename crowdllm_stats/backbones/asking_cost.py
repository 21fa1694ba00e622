"""What a run against a server will take before it begins, as a range: answers, tokens, money, seconds."""

from __future__ import annotations

from dataclasses import dataclass

from crowdllm_stats._base.shown import duration
from crowdllm_stats.inference.answering_cost import AnsweringCost, answering_cost

#: Bytes of UTF-8 to a token, most and least: 4 or 5 in English prose, 3 to 5 in Chinese, 2 and fewer in numbers.
BYTES_PER_TOKEN = (6.0, 2.0)

#: Tokens that a server puts around each turn of a prompt, least and most.
TURN_TOKENS = (2.0, 24.0)

#: Seconds from a request to its answer, least and most.
SECONDS = (0.1, 2.0)


@dataclass(frozen=True)
class AskingCost:
    """What is asked, and what it costs at least and at most; see :func:`asking_cost`.

    Attributes:
        stored: answers that are in the cache and are not asked for.
        answers: asked for, least and most.
        tokens: of prompts and replies together, least and most.
        cost: money and seconds.
        at_once: requests side by side.
        priced: whether prices were given; without them the money is 0 and not shown.
    """

    stored: int
    answers: tuple[int, int]
    tokens: tuple[float, float]
    cost: AnsweringCost
    at_once: int
    priced: bool

    def __str__(self) -> str:
        number = " to ".join(f"{count:,}" for count in dict.fromkeys(self.answers))
        money = f"{self.cost.money_lower:,.2f} to {self.cost.money_upper:,.2f} at the prices given, " * self.priced
        return (
            f"Answers to ask for: {number} ({self.stored:,} in the cache); {self.tokens[0]:,.0f} to "
            f"{self.tokens[1]:,.0f} tokens, {money}{duration(self.cost.seconds_lower)} to "
            f"{duration(self.cost.seconds_upper)} ({self.at_once} at once, {SECONDS[0]:g} to {SECONDS[1]:g} s each)"
        )


def asking_cost(
    answers: tuple[int, int],
    prompt_bytes: float,
    *,
    turns: int = 1,
    reply_tokens: tuple[int, int] = (1, 1),
    prices: tuple[float, float] | None = None,
    at_once: int = 1,
    stored: int = 0,
) -> AskingCost:
    """The range of :func:`answering_cost`, where tokens are not counted but bounded by the length of the prompts.

    A prompt of b bytes in t turns has between ``b / 6 + 2 t`` and ``b / 2 + 24 t`` tokens; attempts that fail are not
    in it. The tokens that the server counted stand in the reference's source when the run is over.

    Args:
        answers: asked for, least and most.
        prompt_bytes: of UTF-8 in a prompt, on average.
        turns: of a prompt.
        reply_tokens: least and most.
        prices: of a million tokens of prompts, and of replies.
        at_once: requests side by side.
        stored: answers in the cache.

    Raises:
        ValueError: on prices below 0.

    Example:
        >>> print(asking_cost((100_000, 100_000), 600, turns=2, prices=(0.15, 0.6), at_once=32))
        Answers to ask for: 100,000 (0 in the cache); 10,500,000 to 34,900,000 tokens, 1.62 to 5.28 at the prices
        given, 5 min to 1.7 h (32 at once, 0.1 to 2 s each)
    """
    prompt = [prompt_bytes / each + turns * around for each, around in zip(BYTES_PER_TOKEN, TURN_TOKENS, strict=True)]
    cost = answering_cost(
        answers, prompt_tokens=prompt, reply_tokens=reply_tokens, answer_seconds=SECONDS, at_once=at_once,
        prompt_price=prices[0] if prices else 0.0, reply_price=prices[1] if prices else 0.0,
    )  # fmt: skip
    least, most = (count * (one + other) for count, one, other in zip(answers, prompt, reply_tokens, strict=True))
    return AskingCost(stored, answers, (least, most), cost, at_once, prices is not None)

"""Before a server is asked: what the answers may cost, and whether to go on."""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crowdllm_stats.backbones.asking_cost import AskingCost
    from crowdllm_stats.cli.terminal import Progress

#: From so many answers on a person at a terminal is asked, unless --at-most has said it.
MANY = 1000


class Spending:
    """Prints what is about to be asked and what it costs, and lets it begin or not.

    With ``at_most``, a run begins if all that was allowed so far costs at most that, else it is refused. Without it, a
    person at a terminal is asked from 1,000 answers on; elsewhere the run begins.

    Args:
        at_most: money.
        say: is silent while a person is asked.

    Raises:
        ValueError: on a number below 0.

    Example:
        >>> from crowdllm_stats.backbones.asking_cost import asking_cost
        >>> Spending(0.5)(asking_cost((9000, 9000), 600.0, prices=(2.5, 10.0)))
        Traceback (most recent call last):
        ...
        ValueError: the answers may cost 7.38, and --at-most allows 0.5: allow more, or ask fewer problems
    """

    def __init__(self, at_most: float | None, say: Progress | None = None) -> None:
        if at_most is not None and not at_most >= 0.0:
            raise ValueError(f"--at-most must be a number of at least 0; got {at_most}")
        self.at_most, self._say, self._allowed = at_most, say, 0.0

    def __call__(self, cost: AskingCost) -> None:
        """Let the run begin.

        Raises:
            ValueError: if it may cost too much, nothing is known of the prices, or the person says no.
        """
        with nullcontext() if self._say is None else self._say.paused():
            self._decide(cost)

    def _decide(self, cost: AskingCost) -> None:
        print(cost, file=sys.stderr, flush=True)
        if self.at_most is not None:
            if not cost.priced:
                raise ValueError("--at-most needs the server's prices: give --prices PROMPT,REPLY (0,0 if it is free)")
            self._allowed += cost.cost.money_upper
            if self._allowed > self.at_most:
                raise ValueError(
                    f"the answers may cost {self._allowed:,.2f}, and --at-most allows {self.at_most:g}: allow more, or "
                    "ask fewer problems"
                )
        elif cost.answers[1] >= MANY and sys.stdin.isatty() and sys.stderr.isatty():
            print("Ask them? [y/N] ", end="", file=sys.stderr, flush=True)
            if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
                raise ValueError("nothing was asked; --at-most MONEY says beforehand what the answers may cost")


def prices_of(text: str) -> tuple[float, float]:
    """The two prices of a text such as "0.15,0.6".

    Raises:
        ValueError: naming the option, on anything else.

    Example:
        >>> prices_of("0.15,0.6")
        (0.15, 0.6)
    """
    try:
        prompt, reply = (float(part) for part in text.split(","))
    except ValueError:
        prompt = reply = math.nan
    if not (0.0 <= prompt < math.inf and 0.0 <= reply < math.inf):
        raise ValueError(
            f"--prices must be two numbers of at least 0, for prompts and replies, such as 0.15,0.6; got {text!r}"
        )
    return prompt, reply

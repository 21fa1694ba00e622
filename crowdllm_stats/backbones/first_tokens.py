"""Probabilities of the admissible answers in a list of likely first tokens, and whether one token tells them apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crowdllm_stats.backbones.options import Options


@dataclass(frozen=True)
class TokenMasses:
    """Probabilities of the admissible answers read from the likeliest first tokens.

    Attributes:
        masses: of each answer, A numbers; 0 where no token of the list is the answer.
        unseen: how many answers the list does not hold.
        unseen_bound: the most probability that those can have together: each is below the list's least, all of them
            below what the list leaves over; and what the tokens have that begin an answer without being one ("mod"),
            for the rest of the answer may follow.
    """

    masses: tuple[float, ...]
    unseen: int
    unseen_bound: float


def read_tokens(tokens: Iterable[Mapping[str, Any]], options: Options) -> TokenMasses:
    """Add up the listed probabilities of each answer's tokens: "3" and " 3", "Yes" and "yes".

    Args:
        tokens: the ``top_logprobs`` of the first token: ``token`` and ``logprob`` each.
        options: the admissible answers; each must be recognisable by its first token (see :func:`first_tokens_clash`).

    Raises:
        ValueError: on entries without a token or with a log-probability that is none, and on an empty list.

    Example:
        >>> listed = [("Yes", -0.7), (" yes", -1.6), ("A", -3.0)]
        >>> entries = [{"token": token, "logprob": log} for token, log in listed]
        >>> found = read_tokens(entries, Options.of(["yes", "no"]))
        >>> [round(mass, 3) for mass in found.masses], found.unseen, round(found.unseen_bound, 3)
        ([0.698, 0.0], 1, 0.05)
    """
    place = folded(options)
    masses, seen, total, least, begun = [0.0] * len(options.answers), set(), 0.0, 1.0, 0.0
    for entry in tokens:
        token, log = (entry.get("token"), entry.get("logprob")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(token, str) or isinstance(log, bool) or not isinstance(log, int | float):
            raise ValueError(f"an entry of top_logprobs is no token with a log-probability: {entry!r}")
        if math.isnan(log) or log > 1e-3:
            raise ValueError(f"token {token!r} has the log-probability {log!r}, which must be at most 0")
        probability = math.exp(min(log, 0.0))
        total, least = total + probability, min(least, probability)
        word = token.strip().casefold()
        which = place.get(word)
        if which is None:
            begun += probability * bool(word and any(answer.startswith(word) for answer in place))
        else:
            masses[which] += probability
            seen.add(which)
    if total == 0.0 or total > 1.01:
        raise ValueError(f"the listed probabilities sum to {total:.4g}, which must lie above 0 and within 1")
    unseen = len(masses) - len(seen)
    return TokenMasses(tuple(masses), unseen, begun + min(unseen * least, max(1.0 - total, 0.0)))


def first_tokens_clash(options: Options) -> str | None:
    """Why the first token does not tell the answers apart for certain; None if it does.

    An answer of several words is never one token; and if one answer begins with another ("1" and "10"), the token "1"
    may be the beginning of either.

    Example:
        >>> first_tokens_clash(Options.of([1, 2, 10]))
        "answer '10' begins with answer '1'"
        >>> first_tokens_clash(Options.of([1, 2, 3])) is None
        True
    """
    words = options.texts
    for word in words:
        if len(word.split()) > 1 or (word[0] in "+-" and len(word) > 1) or "." in word:
            return f"answer {word!r} is more than one token"
        for other in words:
            if other != word and word.casefold().startswith(other.casefold()):
                return f"answer {word!r} begins with answer {other!r}"
    return None


def folded(options: Options) -> dict[str, int]:
    """The answers' texts in lower case and their places.

    Raises:
        ValueError: if two differ in case alone.
    """
    place: dict[str, int] = {}
    for index, word in enumerate(options.texts):
        if place.setdefault(word.casefold(), index) != index:
            raise ValueError(
                f"answers {_pair(options.texts, place[word.casefold()], index)} differ in case alone; rename one"
            )
    return place


def _pair(words: Sequence[str], first: int, second: int) -> str:
    return f"{words[first]!r} and {words[second]!r}"

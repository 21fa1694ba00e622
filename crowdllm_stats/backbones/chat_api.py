"""The OpenAI chat-completions format: one request, what its answer says, and the answers among its likely tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crowdllm_stats._base.checks import check_choice, check_count
from crowdllm_stats.backbones.http_json import ServerError
from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.prompts import ChatMessage

PATH = "chat/completions"

LimitName = Literal["max_tokens", "max_completion_tokens"]
LIMIT_NAMES: tuple[LimitName, ...] = get_args(LimitName)

#: What :class:`Request` sets itself.
_OWN = frozenset({"model", "messages", "temperature", "seed", "logprobs", "top_logprobs", "n", "stream", *LIMIT_NAMES})


@dataclass(frozen=True)
class Request:
    """How one model is asked.

    Attributes:
        model: its name on the server.
        max_tokens: the longest reply.
        limit_name: "max_tokens", or "max_completion_tokens" where a server wants the newer name.
        top_logprobs: how many likely tokens are asked for.
        extra: further fields of every request, for instance ``{"top_k": 0}``.

    Raises:
        ValueError: on numbers out of range, and on ``extra`` fields that are set otherwise.

    Example:
        >>> body = Request("m").logprobs((ChatMessage("user", "Rate it."),))
        >>> body["messages"], body["max_tokens"], body["logprobs"], body["top_logprobs"], body["temperature"]
        ([{'role': 'user', 'content': 'Rate it.'}], 1, True, 20, 1.0)
    """

    model: str
    max_tokens: int = 16
    limit_name: LimitName = "max_tokens"
    top_logprobs: int = 20
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise ValueError(f"model must be the model's name on the server; got {self.model!r}")
        check_count("max_tokens", self.max_tokens)
        check_count("top_logprobs", self.top_logprobs, least=2)
        check_choice("limit_name", self.limit_name, LIMIT_NAMES)
        taken = sorted(_OWN & set(self.extra))
        if taken:
            raise ValueError(f"extra sets {taken[0]!r}, which has an argument of its own or cannot be chosen")

    def logprobs(self, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        """The body that asks for the likeliest first tokens, at temperature 1 whatever the server's default is."""
        return {**self._body(messages, 1, 1.0), "logprobs": True, "top_logprobs": self.top_logprobs}

    def sample(self, messages: Sequence[ChatMessage], temperature: float, seed: int | None) -> dict[str, Any]:
        """The body that asks for one reply."""
        body = self._body(messages, self.max_tokens, temperature)
        return body if seed is None else {**body, "seed": seed}

    def _body(self, messages: Sequence[ChatMessage], length: int, temperature: float) -> dict[str, Any]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        own = {"model": self.model, "messages": turns, self.limit_name: length, "temperature": temperature}
        return {"top_p": 1.0, **self.extra, **own}


def is_refusal(answer: Mapping[str, Any]) -> bool:
    """Whether the model, or a filter before it, declined to answer."""
    choice = _choice(answer)
    return choice.get("finish_reason") == "content_filter" or bool(_message(choice).get("refusal"))


def text_of(answer: Mapping[str, Any]) -> str:
    """The reply's text; "" where there is none.

    Raises:
        ServerError: if the answer is not a chat completion.

    Example:
        >>> text_of({"choices": [{"message": {"content": " 3"}}]})
        ' 3'
    """
    content = _message(_choice(answer)).get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ServerError(f"the server's reply is not text but {type(content).__name__}; is this a chat endpoint?")
    return content


def masses_of(answer: Mapping[str, Any], options: Options) -> TokenMasses | None:
    """Probabilities of the answers from the list of likely first tokens, None if the server gives no lists.

    An empty list (the model said nothing at all) leaves every answer unseen.

    Raises:
        ServerError: if the answer is not a chat completion, or its list makes no sense.
    """
    listed = _choice(answer).get("logprobs")
    tokens = listed.get("content") if isinstance(listed, Mapping) else None
    if not isinstance(tokens, list):
        return None
    if not tokens:
        return TokenMasses((0.0,) * len(options.answers), len(options.answers), 1.0)
    top = tokens[0].get("top_logprobs") if isinstance(tokens[0], Mapping) else None
    if not isinstance(top, list) or not top:
        return None
    try:
        return read_tokens(top, options)
    except ValueError as error:
        raise ServerError(f"the server's log-probabilities make no sense: {error}") from None


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return choices[0]
    error = answer.get("error")
    said = error.get("message") if isinstance(error, Mapping) else error
    if said:
        raise ServerError(f"the server answered with an error: {str(said).strip()}")
    raise ServerError(f"the server answered with no choices, but {', '.join(map(repr, answer)) or 'an empty object'}")


def _message(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise ServerError("the server's answer holds no message; is this a chat endpoint?")
    return message


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
            raise ValueError(f"an entry of top_logprobs is not a token with a log-probability: {entry!r}")
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

"""The exact probabilities of answers under a causal language model, with the shared beginning of prompts read once."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from crowdllm_stats._base.checks import FloatArray

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class AnswerTree:
    """A answers, each a sequence of tokens.

    The probability of an answer is that the model's text begins with it and with no longer admissible answer:
    ``log p(a_1, ..., a_n) = sum_j log p(a_j | prompt, a_1..a_(j-1))``, and where "10" is admissible as well as "1", the
    text "10" counts for the longer one: ``p("1") - p("10")``.

    Attributes:
        answers: token sequences, A of them, all different.

    Raises:
        ValueError: on an empty or repeated sequence.

    Example:
        >>> tree = AnswerTree(((5,), (5, 0), (7,)))
        >>> tree.children
        {(): (5, 7), (5,): (0,)}
        >>> tree.deepest
        ((5,),)
    """

    answers: tuple[Tokens, ...]

    def __post_init__(self) -> None:
        if not all(self.answers) or len(set(self.answers)) < len(self.answers):
            raise ValueError(
                f"the tokenizer gives {list(self.answers)!r} for the answers: they must be different and not empty; "
                "choose other answers"
            )

    @property
    def children(self) -> dict[Tokens, tuple[int, ...]]:
        """The tokens that can follow each beginning of an answer."""
        found: dict[Tokens, dict[int, None]] = {}
        for answer in self.answers:
            for place, token in enumerate(answer):
                found.setdefault(answer[:place], {})[token] = None
        return {node: tuple(tokens) for node, tokens in found.items()}

    @property
    def deepest(self) -> tuple[Tokens, ...]:
        """The longest beginnings: reading the model along these sees every other one on the way; () if none."""
        nodes = [node for node in self.children if node]
        return tuple(node for node in nodes if not any(other[: len(node)] == node != other for other in nodes))

    def log_likelihoods(self, edge: Mapping[tuple[Tokens, int], float]) -> FloatArray:
        """Log-probability of each answer, shape (A,), from ``log p(token | prompt, beginning)``."""
        raw = {answer: sum(edge[answer[:j], token] for j, token in enumerate(answer)) for answer in self.answers}
        return np.array([_less(raw[answer], [raw[longer] for longer in self._next(answer)]) for answer in self.answers])

    def _next(self, answer: Tokens) -> list[Tokens]:
        """The shortest answers that go on where this one ends."""
        longer = [other for other in self.answers if other != answer and other[: len(answer)] == answer]
        return [other for other in longer if not any(one != other and other[: len(one)] == one for one in longer)]


def _less(whole: float, parts: Sequence[float]) -> float:
    """``log(exp(whole) - sum exp(parts))``; -inf where rounding leaves nothing."""
    if not parts or np.isneginf(whole):
        return whole
    rest = 1.0 - float(np.sum(np.exp(np.asarray(parts) - whole)))
    return whole + float(np.log(rest)) if rest > 0.0 else -np.inf


#: Largest change of a log-probability that the shared beginning may make before it is given up: in float32, and in
#: numbers of 16 bits, whose rounding alone moves it by up to 0.6.
TOLERANCE, ROUGH_TOLERANCE = 1e-3, 1.0

Done = Callable[[Sequence[int], FloatArray], None]


class Scorer:
    """Log-likelihoods of answers after prompts given as token ids.

    One forward pass a batch. The longest common beginning of a group's prompts, found on the ids (never by tokenising
    pieces, which gives other ids), is read once and its keys and values are reused; the rest is sorted by length and
    padded on the right, which a causal model never looks at. Logits are computed at the places that are read, not at
    every token. In float32 none of this changes a log-probability by more than about 1e-4; whether that holds for the
    model at hand is tried on the first group, and the shared beginning given up if it does not.

    Args:
        model: a causal language model of transformers, in evaluation mode.
        batch_size: prompts at a time.

    Attributes:
        shares: False once the shared beginning was given up.
    """

    def __init__(self, model: Any, batch_size: int = 8) -> None:
        self.model, self.batch_size, self.shares = model, batch_size, True
        self._checked, self._tolerance = False, TOLERANCE if model.dtype == torch.float32 else ROUGH_TOLERANCE
        known = inspect.signature(model.forward).parameters
        self._chooses = "logits_to_keep" in known
        # transformers 5.24 renamed it; a model that brings its own code may keep the older name
        self._past = "cache" if "cache" in known else "past_key_values"

    def score(self, groups: Sequence[Sequence[int]], prompts: Sequence[Tokens], tree: AnswerTree, done: Done) -> None:
        """Score every prompt; ``done(places, values)`` gets each batch's log-likelihoods, shape (batch, A).

        Args:
            groups: places of the prompts that share a beginning; every place stands in one group.
            prompts: token ids.
            tree: the answers.
            done: called batch by batch, so that an interrupted run keeps what it has.

        Raises:
            ValueError: if the model returns logits that are not numbers.
        """
        for group in groups:
            ordered = sorted(group, key=lambda place: len(prompts[place]))
            shared = self._shared([prompts[place] for place in ordered], tree)
            kept = self.read_ahead(prompts[ordered[0]][:shared])
            size = 1 if tree.deepest else self.batch_size
            for places in _chunks(ordered, size):
                rows = [prompts[place] for place in places]
                done(places, self._deep(rows[0], shared, kept, tree) if tree.deepest else self._flat(rows, kept, tree))

    def read_ahead(self, ids: Tokens) -> Any:
        """Keys and values of a beginning, for one row; None for no beginning."""
        if not ids:
            return None
        with torch.inference_mode():
            return _keys_and_values(self._forward(torch.tensor([ids]), None, [len(ids) - 1], keep=True))

    def next_token(self, ids: Tokens, kept: Any, rows: int = 1) -> tuple[torch.Tensor, Any]:
        """Log-probabilities of the token after a prompt, shape (vocabulary,), and its keys and values ``rows`` times.

        Args:
            ids: the whole prompt.
            kept: keys and values of its beginning, from :meth:`read_ahead`, or None.
            rows: how often the keys and values are repeated.
        """
        with torch.inference_mode():
            past = _repeated(kept, 1)
            own = ids[_length(kept) :]
            out = self._forward(torch.tensor([own]), past, [len(own) - 1], keep=True)
            return _log_softmax(out.logits)[0, -1], _repeated(_keys_and_values(out), rows)

    def step(self, tokens: torch.Tensor, past: Any) -> tuple[torch.Tensor, Any]:
        """Log-probabilities after one or more further tokens a row, shape (rows, tokens, vocabulary)."""
        with torch.inference_mode():
            out = self._forward(tokens, past, list(range(tokens.shape[1])), keep=True)
            return _log_softmax(out.logits), _keys_and_values(out)

    def _shared(self, rows: Sequence[Tokens], tree: AnswerTree) -> int:
        """How many tokens all rows begin with, at least one token left to each; 0 where sharing is given up."""
        length = common_beginning(rows)
        if len(rows) < 2 or length == 0 or not self.shares:
            return 0
        if not self._checked:
            with_it = self._flat([rows[0]], self.read_ahead(rows[0][:length]), tree)
            without = self._flat([rows[0]], None, tree)
            self._checked, self.shares = True, np.allclose(with_it, without, rtol=0.0, atol=self._tolerance)
        return length if self.shares else 0

    def _flat(self, rows: Sequence[Tokens], kept: Any, tree: AnswerTree) -> FloatArray:
        """Log-probabilities of the answers' first tokens, shape (rows, first tokens): all there is for one token."""
        shared = _length(kept)
        own = [row[shared:] for row in rows]
        ids = torch.zeros((len(own), max(map(len, own))), dtype=torch.long)
        for place, row in enumerate(own):
            ids[place, : len(row)] = torch.tensor(row)
        ends = [len(row) - 1 for row in own]
        read = sorted(set(ends))
        with torch.inference_mode():
            out = self._forward(ids, _repeated(kept, len(own)), read, keep=kept is not None)
            at = torch.tensor([read.index(end) for end in ends], device=out.logits.device)
            logs = _log_softmax(out.logits[torch.arange(len(own), device=at.device), at])
            return _finite(logs[:, torch.tensor(tree.children[()], device=logs.device)])

    def _deep(self, row: Tokens, shared: int, kept: Any, tree: AnswerTree) -> FloatArray:
        """Log-likelihoods of answers of several tokens after one prompt, shape (1, A)."""
        logs, past = self.next_token(row, kept if shared else None, rows=len(tree.deepest))
        edge: dict[tuple[Tokens, int], float] = {}
        first = list(tree.children[()])
        edge |= {((), token): float(value) for token, value in zip(first, _finite(logs[first]), strict=True)}
        ids = torch.zeros((len(tree.deepest), max(map(len, tree.deepest))), dtype=torch.long)
        for place, node in enumerate(tree.deepest):
            ids[place, : len(node)] = torch.tensor(node)
        after, _ = self.step(ids, past)
        for place, node in enumerate(tree.deepest):
            for depth in range(1, len(node) + 1):
                tokens = list(tree.children[node[:depth]])
                values = _finite(after[place, depth - 1, tokens])
                edge |= {(node[:depth], token): float(value) for token, value in zip(tokens, values, strict=True)}
        return tree.log_likelihoods(edge)[None, :]

    def _forward(self, ids: torch.Tensor, past: Any, read: list[int], *, keep: bool) -> Any:
        """One pass; its logits are those at the places ``read``, in that order."""
        ids = ids.to(self.model.device)
        places = torch.tensor(read)  # on the processor, as the last layer of a model on several devices may be anywhere
        extra = {self._past: past} | ({"logits_to_keep": places} if self._chooses else {})
        out = self.model(input_ids=ids, use_cache=keep, **extra)
        if not self._chooses:
            out.logits = out.logits[:, places]
        return out


def common_beginning(rows: Sequence[Tokens]) -> int:
    """Length of the longest common beginning that leaves every row a token of its own.

    Example:
        >>> common_beginning([(1, 2, 3), (1, 2, 4, 5)]), common_beginning([(1, 2), (1, 2, 3)])
        (2, 1)
    """
    low, high = min(rows), max(rows)
    length = 0
    while length < min(len(low), len(high)) and low[length] == high[length]:
        length += 1
    return min(length, min(map(len, rows)) - 1)


def _chunks(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _keys_and_values(out: Any) -> Any:
    """Of a model's output; ``past_key_values`` before transformers 5.24."""
    return out.cache if hasattr(out, "cache") else out.past_key_values


def _length(kept: Any) -> int:
    return 0 if kept is None else int(kept.get_seq_length())


def _repeated(kept: Any, rows: int) -> Any:
    """A copy for so many rows: a forward pass writes into what it is given."""
    if kept is None:
        return None
    past = copy.deepcopy(kept)
    if rows > 1:
        past.batch_repeat_interleave(rows)
    return past


def _log_softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logits.float(), dim=-1)


def _finite(logs: torch.Tensor) -> FloatArray:
    values = logs.double().cpu().numpy()
    if np.isnan(values).any():
        raise ValueError(
            "the model returned logits that are NaN: its weights are damaged or do not fit this dtype; "
            "try dtype='float32', or another model"
        )
    return np.asarray(values, dtype=np.float64)

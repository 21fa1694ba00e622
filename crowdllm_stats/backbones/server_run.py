"""One run against a server: what the cache holds, what is asked, in how many threads, and what is counted."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import text_number
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.chat_api import PATH, Request, first_tokens_clash, is_refusal, masses_of, text_of
from crowdllm_stats.backbones.http_json import FILTERED, JsonServer, ServerError
from crowdllm_stats.backbones.prompts import Prompts
from crowdllm_stats.backbones.replies import ReplyReader, Silence
from crowdllm_stats.data.reference import kinds_text

#: What a server is asked for.
Mode = Literal["logprobs", "samples"]

#: What a reply without an answer is stored as.
CODES: dict[Silence, float] = {"refusal": -2.0, "several answers": -3.0, "off the scale": -4.0, "chatter": -1.0}
REFUSED = CODES["refusal"]


@dataclass(frozen=True, eq=False)
class ServerAnswers:
    """Distributions of T problems and P profiles over A answers.

    Attributes:
        probabilities: shape (T, P, A); NaN where nothing could be read.
        mass: admissible mass, shape (T, P); None for samples.
        n_samples: answers read, shape (T, P); None for log-probabilities.
        counts: for the reference's source.
        largest_unseen: largest share, over the cells, that answers outside the list of likely tokens may have of the
            answers' mass.
        problems: ids that are left, set by :meth:`without_silent`.
    """

    probabilities: FloatArray
    mass: FloatArray | None
    n_samples: FloatArray | None
    counts: dict[str, Any]
    largest_unseen: float = 0.0
    problems: tuple[str, ...] = ()

    def without_silent(self, problems: Sequence[str], *, drop: bool) -> ServerAnswers:
        """The same without the problems of which some cell has no readable answer.

        Raises:
            ValueError: if there are any and they are not to be dropped, or if none is left.
        """
        silent = np.isnan(self.probabilities[:, :, 0])
        rows = np.asarray(~silent.any(axis=1), dtype=bool)
        names = tuple(name for name, stays in zip(problems, rows, strict=True) if stays)
        if silent.any() and (not drop or not names):
            kinds = kinds_text(self.counts["without_answer"])
            first = problems[int(np.argmin(rows))]
            raise ValueError(
                f"{int(silent.sum())} of {silent.size} cell(s) have no readable answer, for instance problem {first!r} "
                f"({kinds or 'none of the likely first tokens is an answer'}); "
                + ('say missing="drop" to leave such problems out, or ' if names else "")
                + "let the template ask for the answer alone, or allow longer replies with max_tokens="
            )
        return dataclasses.replace(
            self,
            probabilities=self.probabilities[rows],
            mass=None if self.mass is None else self.mass[rows],
            n_samples=None if self.n_samples is None else self.n_samples[rows],
            counts={**self.counts, "dropped_problems": [str(name) for name in problems if name not in set(names)]},
            problems=names,
        )


def from_logprobs(stored: Sequence[Sequence[float]], shape: tuple[int, int], answers: int) -> ServerAnswers:
    """Normalise the masses of the answers; one stored list per cell: A masses, answers unseen, their bound.

    Example:
        >>> found = from_logprobs([[0.3, 0.1, 0.0, 1.0, 0.02]], (1, 1), 3)
        >>> found.probabilities.round(3).tolist(), found.mass.round(3).tolist(), round(found.largest_unseen, 4)
        ([[[0.75, 0.25, 0.0]]], [[0.4]], 0.0476)
    """
    refused = [list(row) == [REFUSED] for row in stored]
    silent = [0.0] * answers + [0.0, 0.0]
    table = np.array([silent if no else list(row) for row, no in zip(stored, refused, strict=True)], dtype=np.float64)
    table = table.reshape(*shape, answers + 2)
    masses, unseen, bound = table[..., :answers], table[..., answers], table[..., answers + 1]
    total = masses.sum(axis=2)
    heard = total > 0.0
    probabilities = np.where(heard[..., None], masses / np.where(heard, total, 1.0)[..., None], np.nan)
    share = bound[heard] / (total + bound)[heard]
    largest = float(share.max(initial=0.0))
    counts = {
        "replies": len(stored),
        "without_answer": {"refusal": sum(refused)},
        "unseen_answers": int(unseen[heard].sum()),
        "largest_unseen_share": largest,
    }
    return ServerAnswers(probabilities, total, None, counts, largest)


def from_samples(stored: Sequence[Sequence[float]], shape: tuple[int, int], answers: int) -> ServerAnswers:
    """Shares of the readable answers; one stored number a draw, the draws of a cell together.

    Example:
        >>> found = from_samples([[0.0], [2.0], [2.0], [CODES["chatter"]], [2.0]], (1, 1), 3)
        >>> found.probabilities.tolist(), found.n_samples.tolist(), found.counts["without_answer"]["chatter"]
        ([[[0.25, 0.0, 0.75]]], [[4.0]], 1)
    """
    draws = np.array([row[0] for row in stored], dtype=np.float64).reshape(*shape, -1)
    tally = (draws[..., None] == np.arange(answers)).sum(axis=2).astype(np.float64)
    read = tally.sum(axis=2)
    probabilities = np.where(read[..., None] > 0, tally / np.maximum(read, 1.0)[..., None], np.nan)
    counts = {
        "k": draws.shape[2],
        "replies": draws.size,
        "without_answer": {kind: int((draws == code).sum()) for kind, code in CODES.items()},
        "unanimous": int(((tally == read[..., None]) & (tally > 1)).any(axis=2).sum()),
    }
    return ServerAnswers(probabilities, None, read, counts)


#: Part of every cache key: another way of reading replies gives other answers.
READING = 2

#: Characters of a model's name that are kept.
LONGEST_NAME = 200

#: HTTP statuses by which a server says that it does not know a field.
_UNKNOWN_FIELD = (400, 422, 501)


class ServerRun:
    """Asks one server every prompt, each once or K times, and keeps every answer in the cache as it comes.

    Args:
        server: where to ask.
        request: how to ask.
        prompts: what to ask, T problems and P profiles.
        cache: of answers; None asks everything.
        k: answers per prompt when sampling.
        temperature: of the samples.
        seed: of the samples; None sends none.
        concurrency: requests at once.
    """

    def __init__(
        self,
        server: JsonServer,
        request: Request,
        prompts: Prompts,
        cache: AnswerCache | None,
        k: int,
        temperature: float,
        seed: int | None,
        concurrency: int,
    ):
        self.server, self.request, self.prompts, self.cache = server, request, prompts, cache
        self.k, self.temperature, self.seed, self.concurrency = k, temperature, seed, concurrency
        self._cells = [(row, column) for row in range(len(prompts.problems)) for column in range(len(prompts.profiles))]
        self._reader = ReplyReader(prompts.options)
        self._first: list[float] | None = None
        self._asked, self._from_cache, self._served = 0, 0, set[str]()
        self._counting = threading.Lock()

    @property
    def counts(self) -> dict[str, Any]:
        """For the reference's source: answers asked and found in the cache, retries, models that answered."""
        return {
            "asked": self._asked,
            "from_cache": self._from_cache,
            "retries": self.server.retried,
            "served_models": sorted(self._served),
        }

    def mode(self, wanted: Literal["auto", Mode]) -> tuple[Mode, str]:
        """The mode to use and why: as asked for, or for "auto" what the cache holds or the first answer brings.

        Raises:
            ServerError: if the server cannot be asked at all.
        """
        if wanted != "auto":
            return wanted, "as asked for"
        clash = first_tokens_clash(self.prompts.options)
        if clash:
            return "samples", clash
        if self.cache is None:
            return self._probed()
        probe = {**self._key("logprobs", self._cells[0], 0), "mode": "probe"}
        with self.cache.asking(probe, self.server.stop):
            for mode in get_args(Mode):
                if any(self.cache.get_many(self._key(mode, cell, 0) for cell in self._cells)):
                    return mode, "the cache holds such answers"
            if self.cache.get(probe):
                return "samples", "the cache says that the server gives no log-probabilities"
            mode, reason = self._probed()
            if mode == "samples":
                self.cache.put(probe, [1.0])
            return mode, reason

    def _probed(self) -> tuple[Mode, str]:
        try:
            self._first = self._ask("logprobs", self._cells[0], 0)
        except ServerError as error:
            if error.status in _UNKNOWN_FIELD:
                return "samples", f"the server refuses logprobs (HTTP {error.status})"
            raise
        if self._first is None:
            return "samples", "the server gives no log-probabilities"
        return "logprobs", "the server gives log-probabilities"

    def answers(self, mode: Mode) -> list[list[float]]:
        """The numbers stored for every cell and repeat, repeats innermost; asked where the cache has none.

        Raises:
            ServerError: as soon as one request fails for good; the message says how many answers there are by then.
        """
        repeats = 1 if mode == "logprobs" else self.k
        jobs = [(cell, repeat) for cell in self._cells for repeat in range(repeats)]
        keys = [self._key(mode, cell, repeat) for cell, repeat in jobs]
        found: dict[int, list[float]] = {}
        if self.cache is not None:
            found = {place: row for place, row in enumerate(self.cache.get_many(keys)) if row is not None}
        if mode == "logprobs" and self._first is not None:
            found[0] = self._first
        self._ask_all(mode, jobs, found)
        self._from_cache = len(jobs) - self._asked
        if self.cache is None:
            return [found[place] for place in range(len(jobs))]
        # Another process may have stored its answer first: what is stored is what a later run will find.
        return [row if row is not None else found[place] for place, row in enumerate(self.cache.get_many(keys))]

    def _ask_all(self, mode: Mode, jobs: list[tuple[tuple[int, int], int]], found: dict[int, list[float]]) -> None:
        with ThreadPoolExecutor(self.concurrency) as pool:
            places = [place for place in range(len(jobs)) if place not in found]
            futures = {pool.submit(self._ask, mode, *jobs[place]): place for place in places}
            try:
                for future in as_completed(futures):
                    numbers = future.result()
                    if numbers is None:
                        raise ServerError(f"{self.server.url} gives no log-probabilities; take mode='samples'")
                    found[futures[future]] = numbers
            except BaseException as error:
                self.server.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                if not isinstance(error, ServerError):
                    raise
                late = [f for f in futures if f.done() and not f.cancelled() and f.exception() is None]
                done = len(jobs) - len(places) + sum(future.result() is not None for future in late)
                if not done:
                    raise
                kept = "are lost: pass cache= to keep them"
                if self.cache is not None:
                    kept = "are in the cache: ask again to go on"
                message = f"{error}; {done} of {len(jobs)} answers {kept}"
                raise ServerError(message, error.status, error.code) from None

    def _ask(self, mode: Mode, cell: tuple[int, int], repeat: int) -> list[float] | None:
        """One answer as numbers, stored; None if log-probabilities were asked for and not given.

        Threads and processes that share the cache ask a question once: who comes second waits, then finds the answer.
        """
        if self.cache is None:
            return self._asked_for(mode, cell, repeat)
        key = self._key(mode, cell, repeat)
        with self.cache.asking(key, self.server.stop) as mine:
            numbers = self.cache.get(key)
            if numbers is None and not mine:
                raise ServerError(f"{self.server.url} is not asked any more: another request failed")
            if numbers is None:
                numbers = self._asked_for(mode, cell, repeat)
                if numbers is not None:
                    self.cache.put(key, numbers)
        return numbers

    def _asked_for(self, mode: Mode, cell: tuple[int, int], repeat: int) -> list[float] | None:
        """One request and its answer as numbers."""
        messages = self.prompts.messages(*cell)
        if mode == "logprobs":
            body = self.request.logprobs(messages)
        else:
            body = self.request.sample(messages, self.temperature, self._seed(cell, repeat))
        try:
            numbers = self.server.post(PATH, body, functools.partial(self._read, mode))
        except ServerError as error:
            if error.code not in FILTERED:
                raise
            numbers = [REFUSED]
        with self._counting:
            self._asked += numbers is not None
        return numbers

    def _read(self, mode: Mode, answer: Mapping[str, Any]) -> list[float] | None:
        if isinstance(answer.get("model"), str):
            self._served.add(self.server.censored(answer["model"][:LONGEST_NAME]))
        if is_refusal(answer):
            return [REFUSED]
        if mode == "samples":
            said = self._reader.read(text_of(answer))
            return [float(said) if isinstance(said, int) else CODES[said]]
        masses = masses_of(answer, self.prompts.options)
        return None if masses is None else [*masses.masses, float(masses.unseen), masses.unseen_bound]

    def _key(self, mode: Mode, cell: tuple[int, int], repeat: int) -> dict[str, Any]:
        """What was asked, exactly; a distribution depends on the prompt alone, a draw on whom and what it is for."""
        row, column = cell
        turns = [[message.role, message.content] for message in self.prompts.messages(row, column)]
        key: dict[str, Any] = {
            "backbone": "server",
            "reading": READING,
            "url": self.server.url,
            "model": self.request.model,
            "template": self.prompts.template.sha256,
            "prompt": json.dumps(turns),
            "options": list(self.prompts.options.texts),
            "extra": json.dumps(dict(self.request.extra), sort_keys=True),
            "mode": mode,
        }
        if mode == "logprobs":
            return {**key, "top_logprobs": self.request.top_logprobs}
        return {
            **key,
            "temperature": self.temperature,
            "max_tokens": self.request.max_tokens,
            "labels": list(self.prompts.options.labels),
            "seed": self.seed,
            "problem": self.prompts.problems[row],
            "participant": self.prompts.profiles[column],
            "repeat": repeat,
        }

    def _seed(self, cell: tuple[int, int], repeat: int) -> int | None:
        if self.seed is None:
            return None
        names = [self.seed, self.prompts.problems[cell[0]], self.prompts.profiles[cell[1]], repeat]
        return text_number(json.dumps(names)) >> 33

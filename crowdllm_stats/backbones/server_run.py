"""One run against a server: what the cache holds, what is asked, in how many threads, and what is counted."""

from __future__ import annotations

import functools
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Literal, get_args

from crowdllm_stats._base.random import text_number
from crowdllm_stats.backbones.asking_cost import AskingCost, asking_cost
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.chat_api import PATH, Request, first_tokens_clash, is_refusal, masses_of, text_of
from crowdllm_stats.backbones.http_json import FILTERED, JsonServer, ServerError
from crowdllm_stats.backbones.prompts import Prompts
from crowdllm_stats.backbones.replies import ReplyReader
from crowdllm_stats.backbones.server_answers import CODES, REFUSED

#: What a server is asked for.
Mode = Literal["logprobs", "samples"]

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
        progress: called with the answers that are there and all answers, from one thread at a time.
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
        progress: Callable[[int, int], None] | None = None,
    ):
        self.server, self.request, self.prompts, self.cache = server, request, prompts, cache
        self.k, self.temperature, self.seed, self.concurrency = k, temperature, seed, concurrency
        self.progress = progress
        self._cells = [(row, column) for row in range(len(prompts.problems)) for column in range(len(prompts.profiles))]
        self._reader = ReplyReader(prompts.options)
        self._first: list[float] | None = None
        self._asked, self._from_cache, self._served = 0, 0, set[str]()
        self._tokens = Counter[str]()
        self._counting = threading.Lock()

    @property
    def counts(self) -> dict[str, Any]:
        """For the reference's source: answers asked and found in the cache, retries, models, counted tokens."""
        return {
            "asked": self._asked,
            "from_cache": self._from_cache,
            "retries": self.server.retried,
            "served_models": sorted(self._served),
            "prompt_tokens": self._tokens["prompt_tokens"],
            "reply_tokens": self._tokens["completion_tokens"],
        }

    def mode(self, wanted: Literal["auto", Mode]) -> tuple[Mode, str]:
        """The mode to use and why: as asked for, or for "auto" what the cache holds or the first answer brings.

        Raises:
            ServerError: if the server cannot be asked at all.
        """
        settled = self._settled(wanted)
        if settled is not None:
            return settled
        if self.cache is None:
            return self._probed()
        with self.cache.asking(self._probe, self.server.stop):
            settled = self._settled(wanted)  # another process may have asked meanwhile
            if settled is not None:
                return settled
            mode, reason = self._probed()
            if mode == "samples":
                self.cache.put(self._probe, [1.0])
            return mode, reason

    @property
    def _probe(self) -> dict[str, Any]:
        return {**self._key("logprobs", self._cells[0], 0), "mode": "probe"}

    def _settled(self, wanted: Literal["auto", Mode]) -> tuple[Mode, str] | None:
        """The mode and why, where that is known without asking the server."""
        if wanted != "auto":
            return wanted, "as asked for"
        clash = first_tokens_clash(self.prompts.options)
        if clash:
            return "samples", clash
        if self.cache is None or not len(self.cache):
            return None
        for mode in get_args(Mode):
            if any(row is not None for row in self.cache.get_each(self._key(mode, cell, 0) for cell in self._cells)):
                return mode, "the cache holds such answers"
        if self.cache.get(self._probe):
            return "samples", "the cache says that the server gives no log-probabilities"
        return None

    def cost(self, wanted: Literal["auto", Mode], prices: tuple[float, float] | None) -> AskingCost:
        """What the answers that are not in the cache take, before anything is asked.

        Args:
            wanted: as :meth:`mode`; where the server would have to be asked, the range holds both modes.
            prices: of a million tokens of prompts, and of replies.
        """
        settled = self._settled(wanted)
        mode = "logprobs" if settled is None else settled[0]
        stored, sizes, different = 0, 0, set[int]()
        for (cell, _), row in zip(self._jobs(mode), self._stored(mode), strict=True):
            if row is not None:
                stored += 1
                continue
            text = "\0".join(message.content for message in self.prompts.messages(*cell)).encode("utf-8", "replace")
            sizes += len(text)
            if mode == "logprobs" and self.cache is not None:  # who has the same prompt has the same distribution
                different.add(text_number(text))
        most = len(self._jobs(mode)) - stored
        least = len(different) or most
        return asking_cost(
            (least, most * (self.k if settled is None else 1)),
            sizes / max(most, 1),
            turns=len(self.prompts.template.messages),
            reply_tokens=(1, 1 if mode == "logprobs" and settled else self.request.max_tokens),
            prices=prices,
            at_once=self.concurrency,
            stored=stored,
        )

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
        jobs = self._jobs(mode)
        found = {place: row for place, row in enumerate(self._stored(mode)) if row is not None}
        if mode == "logprobs" and self._first is not None:
            found[0] = self._first
        self._ask_all(mode, jobs, found)
        self._from_cache = len(jobs) - self._asked
        if self.cache is None:
            return [found[place] for place in range(len(jobs))]
        # Another process may have stored its answer first: what is stored is what a later run will find.
        return [row if row is not None else found[place] for place, row in enumerate(self._stored(mode))]

    def _jobs(self, mode: Mode) -> list[tuple[tuple[int, int], int]]:
        """All cells and repeats, repeats innermost."""
        return [(cell, repeat) for cell in self._cells for repeat in range(1 if mode == "logprobs" else self.k)]

    def _stored(self, mode: Mode) -> Iterator[list[float] | None]:
        """What the cache holds for each of :meth:`_jobs`."""
        if self.cache is None:
            return itertools.repeat(None, len(self._jobs(mode)))
        return self.cache.get_each(self._key(mode, cell, repeat) for cell, repeat in self._jobs(mode))

    def _ask_all(self, mode: Mode, jobs: list[tuple[tuple[int, int], int]], found: dict[int, list[float]]) -> None:
        """Ask for what is not found, ``concurrency`` questions at once; a question is taken up when one is done."""
        left = iter([place for place in range(len(jobs)) if place not in found])
        taking = threading.Lock()

        def take_turns() -> None:
            while not self.server.stop.is_set():
                with taking:
                    place = next(left, None)
                if place is None:
                    return
                numbers = self._ask(mode, *jobs[place])
                if numbers is None:
                    raise ServerError(f"{self.server.url} gives no log-probabilities; take mode='samples'")
                with taking:
                    found[place] = numbers
                    if self.progress is not None:
                        self.progress(len(found), len(jobs))

        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                for future in as_completed([pool.submit(take_turns) for _ in range(self.concurrency)]):
                    future.result()
            except BaseException as error:
                self.server.stop.set()
                pool.shutdown(wait=True)
                if not isinstance(error, ServerError) or not found:
                    raise
                kept = "are lost: pass cache= to keep them"
                if self.cache is not None:
                    kept = "are in the cache: ask again to go on"
                message = f"{error}; {len(found)} of {len(jobs)} answers {kept}"
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
        usage = answer.get("usage")
        if isinstance(usage, Mapping):
            with self._counting:
                self._tokens.update({name: said for name, said in usage.items() if type(said) is int and said >= 0})
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

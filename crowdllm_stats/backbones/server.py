"""A language model behind an OpenAI-compatible server: probabilities where it gives them, sampled answers elsewhere."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_choice, check_count
from crowdllm_stats.backbones.asking_cost import AskingCost
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.chat_api import LimitName, Request, first_tokens_clash
from crowdllm_stats.backbones.http_json import JsonServer
from crowdllm_stats.backbones.prompts import Template, build_prompts
from crowdllm_stats.backbones.replies import ReplyReader
from crowdllm_stats.backbones.server_answers import from_logprobs, from_samples
from crowdllm_stats.backbones.server_run import Mode, ServerRun
from crowdllm_stats.data.reference import Reference

ModeChoice = Literal["auto", Mode]
MODES: tuple[ModeChoice, ...] = get_args(ModeChoice)
Missing = Literal["refuse", "drop"]
MISSING: tuple[Missing, ...] = get_args(Missing)

#: Share of what is not seen in a list of likely tokens from which a warning is given.
LARGE_UNSEEN = 0.05


class ServerBackbone:
    """Asks a model behind an OpenAI-compatible server (OpenAI, vLLM, llama.cpp, Ollama, ``transformers serve``).

    Mode "logprobs" asks once per problem and profile for the likeliest first tokens (``logprobs``, ``top_logprobs``) at
    temperature 1, adds up what each answer's tokens have, and normalises over the answers; ``temperature`` is applied
    to the result. An answer outside the list gets probability 0; what all such answers can have at most is in
    ``source`` (``largest_unseen_share``, of the answers' mass), and a warning says if that is above 5 %.

    Mode "samples" asks ``k`` times and takes the shares of the answers that can be read (see :class:`ReplyReader`);
    ``source`` counts the replies without answer by kind (``without_answer``, of ``replies``; the reference's
    ``notices`` say it too) and the cells in which all read answers are the same (``unanimous``: all of them at
    temperature 0, and where a server does not sample). Each of the K answers has its own
    seed, from ``seed`` and the ids, and its own place in the cache; ask one at a time (``concurrency=1``) of a server
    whose seed is common to all requests. Servers cut the tail when they sample unless asked otherwise: llama.cpp wants
    ``extra={"top_k": 0, "min_p": 0.0}``.

    Mode "auto" goes on with the kind of answer that the cache holds for these prompts; else it takes log-probabilities
    if the first answer brings them and one token tells the answers apart, else samples. ``source["mode_reason"]`` says
    why.

    ``transformers serve`` (5.23) ignores ``logprobs``, ``top_logprobs`` and ``n``, so it is sampled, and it samples
    only if the model's own settings or the request say so: ``extra={"generation_config": '{"do_sample": true, "top_k":
    0}'}``; its seed is common to all requests. Its typed decisions (``/v1/systemone``, also in llama.cpp for decision
    models) give a distribution over a scale's levels in one request, without sampling error and for less than K samples
    cost; but the endpoint words the question itself and scores letters in place of the answers, so it asks something
    else than ``template``, and gives no admissible mass. It is not used here: for exact distributions of a prompt of
    one's own, run the weights with a local backbone or behind a server that gives log-probabilities.

    The key is read from the environment at each request and stands in no attribute, message, cache or manifest.

    With a cache, each answer is stored as it comes, and what is stored is never asked again: not after an error, not
    after a kill, nor by another process with the same cache at the same time. What a killed run had in flight, at most
    ``concurrency`` questions, may be asked a second time; of each question one answer is stored, the first. (If the
    power fails, the answers of the last moments may be lost and are asked again.)

    Args:
        base_url: the server's address, usually ending in "/v1".
        model: the model's name there.
        template: a prompt with turns: a name, a file or a :class:`Template`.
        answers: the admissible answers; default: the template's.
        labels: what each answer means; default: the template's.
        api_key_env: environment variable of the key, sent if it is set. By default ``OPENAI_API_KEY`` is sent to OpenAI
            (https://api.openai.com and hosts below it) and no key to anybody else: name the variable to send its key.
        mode: "auto", "logprobs" or "samples".
        k: answers per problem and profile in mode "samples".
        temperature: of the answers.
        missing: cells without any readable answer: "refuse", or "drop" the problems they belong to (counted).
        cache: an :class:`AnswerCache`, or the file of one; a run that was cut off goes on from there.
        requirements: fills ``{requirements}``.
        context: fills ``{context}``.
        top_logprobs: how many likely tokens to ask for.
        max_tokens: the longest reply in mode "samples".
        limit_name: how the server calls that, "max_tokens" or "max_completion_tokens".
        extra: further fields of every request.
        timeout: seconds for one attempt, from the look-up of the name to the last byte.
        retries: attempts after the first; see :class:`JsonServer`.
        concurrency: requests at once.
        seed: of the sampled answers and of the waits; None sends no seed, for servers that know none.
        prices: of a million tokens of prompts, and of replies, for ``before``.
        before: called with the :class:`AskingCost` of what is not in the cache, before the first request; what it
            raises ends the run.
        progress: called with the number of answers that are there and of all answers.

    Raises:
        ValueError: on arguments out of range; a template without turns, or with the answer's first words (a chat server
            cannot continue them); with mode "logprobs" on answers that one token does not tell apart.

    Example:
        >>> backbone = ServerBackbone("http://127.0.0.1:8000/v1", "smollm2", template="offensiveness")
        >>> backbone
        ServerBackbone('http://127.0.0.1:8000/v1', 'smollm2', mode='auto')
        >>> backbone.reference(pd.DataFrame({"problem": [1], "text": ["Nice try."]})).mean  # doctest: +SKIP
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        template: str | Path | Template,
        answers: Iterable[Any] | None = None,
        labels: Mapping[Any, str] | None = None,
        api_key_env: str | None = None,
        mode: ModeChoice = "auto",
        k: int = 8,
        temperature: float = 1.0,
        missing: Missing = "refuse",
        cache: AnswerCache | str | os.PathLike[str] | None = None,
        requirements: str | None = None,
        context: str | None = None,
        top_logprobs: int = 20,
        max_tokens: int = 16,
        limit_name: LimitName = "max_tokens",
        extra: Mapping[str, Any] | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        concurrency: int = 4,
        seed: int | None = 0,
        prices: tuple[float, float] | None = None,
        before: Callable[[AskingCost], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ):
        self.mode = check_choice("mode", mode, MODES)
        self.missing = check_choice("missing", missing, MISSING)
        self.k, self.concurrency = check_count("k", k), check_count("concurrency", concurrency)
        self.temperature = float(temperature)
        if not 0.0 <= self.temperature < np.inf:
            raise ValueError(f"temperature must be a number of at least 0; got {temperature!r}")
        self.template = _with_turns(template)
        self.options = self.template.options(answers, labels)
        self.request = Request(model, int(max_tokens), limit_name, int(top_logprobs), dict(extra or {}))
        ReplyReader(self.options)
        clash = first_tokens_clash(self.options)
        if mode == "logprobs" and clash:
            raise ValueError(f"mode='logprobs' reads the first token, but {clash}; take mode='samples'")
        self.seed = None if seed is None else check_count("seed", seed, least=0)
        self._cache, self._requirements, self._context = cache, requirements, context
        self._prices, self._before, self._progress = prices, before, progress
        self._server = JsonServer(
            base_url, api_key_env=api_key_env, timeout=timeout, retries=retries, seed=self.seed or 0
        )
        self.url = self._server.url

    def __repr__(self) -> str:
        return f"ServerBackbone({self.url!r}, {self.request.model!r}, mode={self.mode!r})"

    def with_template(self, template: str | Path | Template) -> ServerBackbone:
        """The same backbone with another template, and the same answers.

        Raises:
            ValueError: as the class, on a template without turns.
        """
        other = copy.copy(self)
        other.template = _with_turns(template)
        return other

    def reference(self, problems: pd.DataFrame, profiles: pd.DataFrame | None = None) -> Reference:
        """The model's distribution of answers to every problem, and with profiles for every problem and profile.

        Args:
            problems: a row per problem, column ``problem`` and those the template names, usually ``text``.
            profiles: a row per person, column ``participant`` and ``persona`` or profile columns; needs a template with
                ``{persona}``.

        Returns:
            Reference, with ``admissible_mass`` in mode "logprobs" and ``n_samples`` in mode "samples".

        Raises:
            ServerError: if the server cannot be reached, refuses, keeps failing or gives no log-probabilities though
                they were asked for; what was answered until then stays in the cache.
            ValueError: on tables that do not fit the template; if cells have no readable answer (see ``missing``).

        Warns:
            UserWarning: if answers outside the list of likely tokens may have more than 5 % of the answers' mass.
        """
        prompts = build_prompts(
            self.template,
            problems,
            profiles,
            options=self.options,
            requirements=self._requirements,
            context=self._context,
        )
        opened = AnswerCache(self._cache) if isinstance(self._cache, str | os.PathLike) else nullcontext(self._cache)
        with opened as cache, self._server.fresh() as server:
            run = ServerRun(
                server,
                self.request,
                prompts,
                cache,
                self.k,
                self.temperature,
                self.seed,
                self.concurrency,
                self._progress,
            )
            if self._before is not None and (cost := run.cost(self.mode, self._prices)).answers[1]:
                self._before(cost)
            mode, reason = run.mode(self.mode)
            stored = run.answers(mode)
        shape = (len(prompts.problems), len(prompts.profiles))
        read = from_logprobs if mode == "logprobs" else from_samples
        found = read(stored, shape, len(self.options.answers))
        if found.largest_unseen > LARGE_UNSEEN:
            warnings.warn(
                f"answers outside the {self.request.top_logprobs} likeliest tokens may have up to "
                f"{found.largest_unseen:.0%} of the answers' mass; ask for more top_logprobs, or take mode='samples'",
                stacklevel=2,
            )
        found = found.without_silent(prompts.problems, drop=self.missing == "drop")
        source = {
            "backbone": "server",
            "url": self.url,
            "model": self.request.model,
            "template": self.template.name,
            "template_sha256": self.template.sha256,
            "escaped_control_tokens": prompts.escaped,
            "mode": mode,
            "mode_reason": reason,
            "temperature": self.temperature if mode == "samples" else 1.0,
            **run.counts,
            **found.counts,
        }
        reference = Reference.from_probabilities(
            found.problems,
            self.options.answers,
            found.probabilities,
            profiles=prompts.profiles,
            admissible_mass=found.mass,
            n_samples=found.n_samples,
            source=source,
        )
        return reference if mode == "samples" else reference.at_temperature(self.temperature)


def _with_turns(template: str | Path | Template) -> Template:
    found = template if isinstance(template, Template) else Template.load(template)
    roles = [message.role for message in found.messages]
    if "user" not in roles or "assistant" in roles:
        raise ValueError(
            f"template {found.name!r} "
            + ("begins the answer, which a chat server cannot continue" if "user" in roles else "has no turns")
            + "; take one with the sections [user] and perhaps [system]"
        )
    return found

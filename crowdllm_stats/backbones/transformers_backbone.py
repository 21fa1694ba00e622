"""Reference answers from a local language model: the exact distribution over the admissible answers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from scipy.special import logsumexp

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.random import text_number
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.control_tokens import ControlTokens, Handling
from crowdllm_stats.backbones.loading import LanguageModel, tail
from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.placement import Precision, Quantize, out_of_memory
from crowdllm_stats.backbones.prompts import Prompts, Template, build_prompts
from crowdllm_stats.backbones.sampling import Generated, generate
from crowdllm_stats.backbones.scoring import AnswerTree, Done, Scorer, Tokens
from crowdllm_stats.data.reference import Reference

#: An admissible mass below this is warned of: the model hardly ever gives one of the answers by itself.
LEAST_MASS = 0.01
#: Where no prompt's mass reaches this, not one of a million replies would be an admissible answer.
NO_MASS = 1e-6

#: How far a probability was seen to move with the batch, or from its value in float32.
_MOVES: dict[Precision, float] = {"float32": 0.0, "bfloat16": 0.07, "float16": 0.01}


class TransformersBackbone:
    """A causal language model on this machine, asked for the probability of every admissible answer.

    An answer's probability is that the model's text begins with it (see :class:`AnswerTree`), from one forward pass
    that reads the logits at the prompt's end; nothing is generated, so nothing fails to parse. ``reference`` divides by
    the sum over the admissible answers and reports that sum as ``admissible_mass``. At temperature t the stored
    log-probabilities are divided by t, which for answers of one token is the sampling distribution itself.

    In float32 a result does not depend on batch size, order or cache by more than about 1e-4 in log-probability. In
    bfloat16, two to three times as fast, a probability can move by 0.07: ``source["approximate"]`` then says so. How
    much memory the weights need is worked out from the configuration before they are loaded, and refused with what
    would fit.

    Args:
        model: a folder, a hub id, a fetched model's name such as "smollm2", or that of one of the paper's backbones,
            "gemma3-12b", "deepseek-r1-llama-8b", "llama3-8b-lexi" or "qwen3-8b".
        revision: commit or tag on the hub.
        dtype: "float32" (exact), "bfloat16" or "float16" (approximate, half the memory; float16 is slow without a GPU).
        device: "auto" (a GPU if there is one; several, and then the processor's memory, if one is too small), "cpu",
            "cuda:1", ...
        quantize: "8bit" or "4bit" has bitsandbytes store the weights in so many bits; on a GPU alone.
        template: a template's name, a file, or a :class:`Template`.
        answers: the admissible answers in the order of the scale; those of the template's ``[options]`` by default.
        options: what each answer means, ``{1: "mild", 2: "strong"}``, or :class:`Options`.
        requirements: for the slot ``{requirements}``.
        context: for the slot ``{context}``.
        temperature: of the reference; the template's by default.
        batch_size: prompts at a time; beyond 8 to 16 nothing is gained on a CPU.
        cache: an :class:`AnswerCache` or its file: answers are kept batch by batch, and a run goes on where it stopped.
        control_tokens: "escape" (and count) or "refuse" control tokens in the data.
        trust_remote_code: run code that comes with the model.

    Raises:
        ValueError: on an unknown model, template, dtype or device, a quantised model without a GPU, and answers that
            cannot be scored.
        FileNotFoundError: if a model of the package is not fetched.

    Example:
        >>> backbone = TransformersBackbone("smollm2", template="offensiveness")  # doctest: +SKIP
        >>> backbone.reference(problems).mean  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        dtype: Precision = "float32",
        device: str = "auto",
        quantize: Quantize | None = None,
        template: str | Path | Template = "zero_shot",
        answers: Iterable[Any] | None = None,
        options: Mapping[Any, str] | Options | None = None,
        requirements: str | None = None,
        context: str | None = None,
        temperature: float | None = None,
        batch_size: int = 8,
        cache: AnswerCache | str | os.PathLike[str] | None = None,
        control_tokens: Handling = "escape",
        trust_remote_code: bool = False,
    ) -> None:
        self.template = template if isinstance(template, Template) else Template.load(template)
        if isinstance(options, Options):
            if answers is not None:
                raise ValueError("answers is given twice: options holds them already; leave answers out")
            self.options = options
        else:
            self.options = self.template.options(None if answers is None else list(answers), options)
        self._plain = self.template.messages[0].role == ""
        self.batch_size = check_count("batch_size", batch_size)
        self.temperature = _temperature(self.template.temperature if temperature is None else temperature)
        self.requirements, self.context, self.cache = requirements, context, cache
        self.language_model = LanguageModel(
            os.fspath(model),
            revision=revision,
            dtype=dtype,
            device=device,
            quantize=quantize,
            trust_remote_code=trust_remote_code,
        )
        self._guard = ControlTokens.of_tokenizer(self.language_model.tokenizer, control_tokens)

    def with_options(self, options: Options) -> TransformersBackbone:
        """The same backbone, sharing the loaded model, with other answers, labels or listing order."""
        other = object.__new__(TransformersBackbone)
        other.__dict__.update(self.__dict__)
        other.options = options
        return other

    def with_template(self, template: str | Path | Template) -> TransformersBackbone:
        """The same backbone, sharing the loaded model and the answers, with another template."""
        other = self.with_options(self.options)
        other.template = template if isinstance(template, Template) else Template.load(template)
        other._plain = other.template.messages[0].role == ""
        return other

    def reference(self, problems: pd.DataFrame, profiles: pd.DataFrame | None = None) -> Reference:
        """The distribution of answers to every problem, and with profiles for every problem and profile.

        Args:
            problems: a row per problem, column ``problem`` (its id) and the columns the template's slots name.
            profiles: a row per person, ``participant`` and ``persona`` or the profile columns; the template then needs
                the slot ``{persona}``.

        Returns:
            Reference; ``source`` says what was asked of which model, how many prompts were computed and how many came
            from the cache, how many control tokens were escaped, and how many distributions have little mass.

        Raises:
            ValueError: on prompts that cannot be made or read, a model that returns no numbers, and where memory runs
                out, with the mend.
        """
        prompts = self._prompts(problems, profiles)
        rendered = [self.language_model.render(messages) for messages in prompts]
        personas = len(prompts.profiles)
        unique: dict[str, int] = {}
        for row, text in enumerate(rendered):
            unique.setdefault(text, row % personas)
        values, counts = self._likelihoods(unique)
        place = {text: row for row, text in enumerate(unique)}
        shape = (len(prompts.problems), len(prompts.profiles), len(self.options.answers))
        raw = values[[place[text] for text in rendered]].reshape(shape)
        total = logsumexp(raw, axis=2)
        impossible = np.argwhere(np.isneginf(total))
        if 0 < len(impossible) < total.size:
            raise ValueError(
                f"the model gives every admissible answer to problem {prompts.problems[impossible[0][0]]!r} the "
                "probability 0; choose other answers or another template"
            )
        mass = np.exp(total)
        if mass.max() < NO_MASS:
            raise ValueError(
                f"the admissible answers {', '.join(self.options.texts)} together have a probability of at most "
                f"{mass.max():.1g} in every prompt: the model answers nothing admissible; take an instruct model, or a "
                "template that says which answers there are"
            )
        small = int(np.count_nonzero(mass < LEAST_MASS))
        if small:
            warnings.warn(
                f"the admissible answers together have a probability below {LEAST_MASS:g} in {small} of {mass.size} "
                f"prompts (least {mass.min():.2g}): the model would rarely answer so by itself; look at the template",
                stacklevel=2,
            )
        source = {**self._source(prompts), **counts, "temperature": 1.0, "small_mass": small}
        found = Reference(prompts.problems, self.options.answers, raw - total[:, :, None], mass, prompts.profiles,
                          source=source)  # fmt: skip
        return found if self.temperature == 1.0 else found.at_temperature(self.temperature)

    def generate(
        self,
        problems: pd.DataFrame,
        k: int = 8,
        *,
        temperature: float = 1.0,
        max_new_tokens: int = 4,
        seed: int,
    ) -> Generated:
        """K real answers per problem, as read: the slow cross-check of :meth:`reference`.

        The answers read are not exactly the reference's distribution: texts such as "4.5" begin with an admissible
        answer and are none. With ``max_new_tokens=1`` and answers of one token the two agree.

        Args:
            problems: as for :meth:`reference`.
            k: texts per problem.
            temperature: 0 takes the likeliest token each time, so that all K texts are equal.
            max_new_tokens: most tokens a text.
            seed: with the problem's id decides its texts, whatever else is asked.

        Raises:
            ValueError: as :meth:`reference`, and on a negative temperature.
        """
        prompts = self._prompts(problems, None)
        model = self.language_model
        ids = [model.encode(model.render(messages), plain=self._plain) for messages in prompts]
        scorer, seeds = self._scorer, [_seed(seed, name) for name in prompts.problems]
        with out_of_memory(f"{k} texts were written at a time", 1, model.dtype):
            texts = generate(
                scorer, model.tokenizer, ids, seeds, k=check_count("k", k), temperature=_temperature(temperature),
                max_new_tokens=check_count("max_new_tokens", max_new_tokens),
            )  # fmt: skip
        return Generated.read(prompts.problems, self.options, texts, float(temperature))

    def _prompts(self, problems: pd.DataFrame, profiles: pd.DataFrame | None) -> Prompts:
        return build_prompts(self.template, problems, profiles, options=self.options, requirements=self.requirements,
                             context=self.context, control_tokens=self._guard)  # fmt: skip

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.language_model.network, self.batch_size)

    def _likelihoods(self, prompts: Mapping[str, int]) -> tuple[FloatArray, dict[str, int]]:
        """Log-likelihoods of the answers, shape (prompts, A), from the cache or the model.

        Args:
            prompts: whole prompts, each with a number that prompts of a common beginning share.
        """
        texts, values = list(prompts), np.full((len(prompts), len(self.options.answers)), np.nan)
        keys = [self._key(text) for text in texts]
        with _opened(self.cache) as cache:
            if cache is not None:
                for row, known in enumerate(cache.get_many(keys)):
                    if known is not None:
                        values[row] = known
            asked = np.flatnonzero(np.isnan(values[:, 0]))

            def done(places: Sequence[int], found: FloatArray) -> None:
                rows = asked[list(places)]
                values[rows] = found
                if cache is not None:
                    cache.put_many([(keys[row], values[row].tolist()) for row in rows])

            self._ask([texts[row] for row in asked], [prompts[texts[row]] for row in asked], done)
        return values, {"prompts_computed": len(asked), "prompts_from_cache": len(texts) - len(asked)}

    def _ask(self, texts: Sequence[str], families: Sequence[int], done: Done) -> None:
        """Have the model read prompts, those of one family and one way to tokenise the answers together."""
        model = self.language_model
        ids = [model.encode(text, plain=self._plain) for text in texts]
        by_tail: dict[str, tuple[Tokens, ...]] = {}
        groups: dict[tuple[tuple[Tokens, ...], int], list[int]] = {}
        for row, text in enumerate(texts):
            if tail(text) not in by_tail:
                by_tail[tail(text)] = model.answer_tokens(text, ids[row], self.options.texts, plain=self._plain)
            groups.setdefault((by_tail[tail(text)], families[row]), []).append(row)
        for tokens in dict.fromkeys(key[0] for key in groups):
            together = [rows for key, rows in groups.items() if key[0] == tokens]
            alone = [row for rows in together if len(rows) == 1 for row in rows]
            several = [rows for rows in together if len(rows) > 1]
            scorer, size = self._scorer, self.batch_size
            kept = " (what was read before is kept in the cache)" if self.cache is not None else ""
            with out_of_memory(f"{size} prompts were read at a time{kept}", size, model.dtype):
                scorer.score([*several, *([alone] if alone else [])], ids, AnswerTree(tokens), done)

    def _key(self, prompt: str) -> dict[str, Any]:
        """What decides an answer's probability, and nothing else: equal prompts of two people are one entry."""
        model = self.language_model
        return {
            "model": model.name,
            "revision": model.revision,
            "dtype": model.stored,
            "template": self.template.sha256,
            "prompt": prompt,
            "options": list(self.options.texts),
            "order": list(self.options.order),
            "sampling": "exact",
            "participant": "",
            "repeat": 0,
        }

    def _source(self, prompts: Prompts) -> dict[str, Any]:
        model = self.language_model
        source: dict[str, Any] = {
            "backbone": "transformers",
            "model": model.name,
            "revision": model.revision,
            "dtype": model.stored,
            "device": model.where,
            "template": self.template.name,
            "template_sha256": self.template.sha256,
            "options": self.options.text,
            "control_tokens_escaped": prompts.escaped,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        if model.stored != "float32":
            rounded = "" if model.quantize is None else "; rounded weights make another model of it"
            source["approximate"] = f"{model.stored}: probabilities move by up to {_MOVES[model.dtype]:g}{rounded}"
        if torch.get_float32_matmul_precision() != "highest":
            source["approximate"] = f"float32 products at precision {torch.get_float32_matmul_precision()!r}"
        if model.system_folded:
            source["system_turn"] = "put into the user's: the chat template has none, or its makers advise against one"
        if model.thought_closed:
            source["thought"] = "closed empty: the chat template opens one whatever it is told"
        if not self.shares_beginnings:
            source["shared_beginning"] = "given up: this model's cache changes its answers"
        return source

    @property
    def shares_beginnings(self) -> bool:
        """False once the model's own key-value cache was seen to change its answers, and is therefore not used."""
        scorer = self.__dict__.get("_scorer")
        return scorer is None or scorer.shares


@contextmanager
def _opened(cache: AnswerCache | str | os.PathLike[str] | None) -> Iterator[AnswerCache | None]:
    """The cache: one that was handed over stays open, a file is opened and closed."""
    if cache is None or isinstance(cache, AnswerCache):
        yield cache
    else:
        with AnswerCache(cache) as opened:
            yield opened


def _temperature(value: float) -> float:
    number = float(value)
    if not 0.0 <= number < np.inf:
        raise ValueError(f"temperature must be a number of at least 0; got {value!r}")
    return number


def _seed(seed: int, name: str) -> int:
    """A seed of 63 bits from the run's seed and a problem's id."""
    return text_number(f"{check_count('seed', seed, 0)} {name}") >> 1

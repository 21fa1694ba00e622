"""Answers by real generation: K texts per prompt, the prompt read once, each text parsed or counted as a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.replies import SILENCES, ReplyReader, Silence
from crowdllm_stats.backbones.scoring import Scorer, Tokens, common_beginning
from crowdllm_stats.data.reference import Reference, kinds_text


@dataclass(frozen=True, eq=False)
class Generated:
    """K generated answers per problem.

    Attributes:
        problems: ids, T of them.
        options: the admissible answers.
        texts: what the model wrote, T rows of K.
        places: the place of the answer that is read among the options, -1 where there is none, shape (T, K).
        temperature: it was drawn at.
        silent: how many texts give no answer, by kind (see :class:`ReplyReader`).
    """

    problems: tuple[str, ...]
    options: Options
    texts: tuple[tuple[str, ...], ...]
    places: NDArray[np.int64]
    temperature: float
    silent: Mapping[Silence, int]

    @classmethod
    def read(
        cls, problems: tuple[str, ...], options: Options, texts: Sequence[Sequence[str]], temperature: float
    ) -> Generated:
        """Read the answers in the texts; case matters, as it does for the model's probabilities.

        Example:
            >>> drawn = Generated.read(("a",), Options.of([1, 2, 3]), [["3", " 3.", "4", "2 or 3"]], 1.0)
            >>> drawn.places.tolist(), drawn.failures, drawn.silent["off the scale"]
            ([[2, 2, -1, -1]], 2, 1)
        """
        reader = ReplyReader(options, any_case=False)
        readings = {text: reader.read(text) for text in {text for row in texts for text in row}}
        places = [[said if isinstance(said := readings[text], int) else -1 for text in row] for row in texts]
        kinds = Counter(readings[text] for row in texts for text in row)
        silent = {kind: kinds[kind] for kind in SILENCES}
        table = np.array(places, dtype=np.int64)
        return cls(problems, options, tuple(map(tuple, texts)), table, temperature, silent)

    @property
    def failures(self) -> int:
        """Texts that were no admissible answer."""
        return sum(self.silent.values())

    def reference(self) -> Reference:
        """The shares of the parsed answers.

        Raises:
            ValueError: if a problem has no parsed answer at all.
        """
        counts = np.stack([(self.places == place).sum(axis=1) for place in range(len(self.options.answers))], axis=1)
        total = counts.sum(axis=1)
        if np.any(total == 0):
            name = self.problems[int(np.argmin(total))]
            raise ValueError(
                f"{int(np.count_nonzero(total == 0))} problem(s) have no answer that can be read, for instance "
                f"{name!r} ({kinds_text(self.silent)}): generate more, with other max_new_tokens, or take the "
                "distribution from .reference()"
            )
        return Reference.from_probabilities(
            self.problems,
            self.options.answers,
            counts / total[:, None],
            n_samples=total.astype(np.float64)[:, None],
            source={
                "sampling": "generated",
                "temperature": self.temperature,
                "replies": self.places.size,
                "without_answer": dict(self.silent),
            },
        )

    def __str__(self) -> str:
        return (
            f"{self.places.size} texts of {len(self.problems)} problems, {self.failures} "
            f"({self.failures / self.places.size:.0%}) without admissible answer"
            + (f": {kinds_text(self.silent)}" if self.failures else "")
        )


def generate(
    scorer: Scorer,
    tokenizer: Any,
    prompts: Sequence[Tokens],
    seeds: Sequence[int],
    *,
    k: int,
    temperature: float,
    max_new_tokens: int,
) -> list[list[str]]:
    """K texts after every prompt; the common beginning of all prompts and then each prompt is read once.

    Args:
        scorer: reads the model.
        tokenizer: turns tokens to text; its end token and the model's end a text.
        prompts: token ids.
        seeds: one per prompt; its texts depend on nothing else that is drawn.
        k: texts per prompt.
        temperature: 0 takes the likeliest token.
        max_new_tokens: most tokens a text.
    """
    ends = _ends(scorer.model, tokenizer)
    shared = common_beginning(prompts) if len(prompts) > 1 and scorer.shares else 0
    kept = scorer.read_ahead(prompts[0][:shared]) if shared > 0 else None
    written = []
    for ids, seed in zip(prompts, seeds, strict=True):
        rng = torch.Generator().manual_seed(seed)
        logs, past = scorer.next_token(ids, kept, rows=k if max_new_tokens > 1 else 1)
        logs = logs.expand(k, -1)
        tokens: list[torch.Tensor] = []
        over = torch.zeros(k, dtype=torch.bool)
        for step in range(max_new_tokens):
            drawn = _draw(logs, temperature, rng)
            tokens.append(drawn)
            over |= torch.isin(drawn, ends)
            if step + 1 == max_new_tokens or bool(over.all()):
                break
            after, past = scorer.step(drawn[:, None], past)
            logs = after[:, -1]
        different, which = torch.unique(torch.stack(tokens, dim=1), dim=0, return_inverse=True)
        texts = [_text(tokenizer, row, ends) for row in different]
        written.append([texts[place] for place in which.tolist()])
    return written


def _draw(logs: torch.Tensor, temperature: float, rng: torch.Generator) -> torch.Tensor:
    values = logs.float().cpu()
    if bool(torch.isnan(values).any()):
        raise ValueError("the model returned logits that are NaN: its weights are damaged or do not fit this dtype")
    if temperature == 0.0:
        return values.argmax(dim=-1)
    return torch.multinomial(torch.softmax(values / temperature, dim=-1), 1, generator=rng)[:, 0]


def _ends(model: Any, tokenizer: Any) -> torch.Tensor:
    of_model = getattr(model.generation_config, "eos_token_id", None)
    several = of_model if isinstance(of_model, list) else [of_model]
    return torch.tensor(sorted({one for one in (*several, tokenizer.eos_token_id) if one is not None}))


def _text(tokenizer: Any, row: torch.Tensor, ends: torch.Tensor) -> str:
    stop = torch.nonzero(torch.isin(row, ends))
    kept = row[: int(stop[0])] if len(stop) else row
    return str(tokenizer.decode(kept.tolist(), skip_special_tokens=True))

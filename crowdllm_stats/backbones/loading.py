"""A frozen language model and its tokenizer: loaded once, described exactly, turned to prompts as token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any

import transformers
from jinja2 import TemplateError
from safetensors import safe_open

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.backbones.catalogue import MODELS
from crowdllm_stats.backbones.fetch import find_model, quiet_transformers
from crowdllm_stats.backbones.paper_models import PAPER, HubModel
from crowdllm_stats.backbones.placement import (
    BITS,
    DTYPES,
    Precision,
    Quantize,
    Size,
    check_quantize,
    chosen_device,
    device_map,
    out_of_memory,
    quantization,
    ran_out,
    stored,
)
from crowdllm_stats.backbones.prompts import ChatMessage
from crowdllm_stats.backbones.scoring import Tokens

#: Letters at a prompt's end that decide whether an answer's first token could merge with it.
_TAIL = 64

_THOUGHT, _THOUGHT_ENDS = "<think>", "</think>"


class LanguageModel:
    """A causal language model by hub id, folder or name of a fetched model; weights are loaded when first used.

    Args:
        model: a folder, a name such as "smollm2" (see ``crowdllm-stats backbone fetch``), or a hub id or the name of
            one of the paper's backbones (see ``crowdllm-stats backbone show``), which transformers downloads unless
            HF_HUB_OFFLINE is set.
        revision: commit or tag on the hub.
        dtype: "float32", or "bfloat16" or "float16" (faster, half the memory, approximate).
        device: "auto" (a GPU if there is one; several, and then the processor's memory, if one is too small), "cpu",
            "cuda:1" and so on.
        quantize: "8bit" or "4bit" has bitsandbytes store the weights so, on a GPU.
        trust_remote_code: run code that comes with the model; off by default.

    Raises:
        ValueError: on an unknown dtype, device or quantisation, a quantised model without a GPU, and if there is no
            such model or it cannot be read.
        FileNotFoundError: if a model of the package is not fetched.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None,
        dtype: Precision,
        device: str,
        quantize: Quantize | None,
        trust_remote_code: bool,
    ) -> None:
        self.name, self.dtype = str(model), check_choice("dtype", dtype, tuple(DTYPES))
        self.quantize = None if quantize is None else check_choice("quantize", quantize, tuple(BITS))
        self.asked_device, self.device = device, chosen_device(device)
        folder = Path(model)
        known: HubModel | None = None
        if not folder.is_dir() and self.name in MODELS:
            folder = find_model(self.name).folder
        elif not folder.is_dir() and self.name in PAPER:
            known = PAPER[self.name]
            folder = Path(known.hub_id)
        self._local = folder.is_dir()
        self._from = str(folder) if self._local else self.name if known is None else known.hub_id
        self._loading = {
            "local_files_only": self._local, "revision": revision, "trust_remote_code": trust_remote_code
        }  # fmt: skip
        with quiet_transformers(), plain_errors(f"model {self.name!r} cannot be loaded"):
            self.config = transformers.AutoConfig.from_pretrained(self._from, **self._loading)
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(self._from, **self._loading)
        self._thinks = known is not None and known.thinks
        self._system_folded, self._thought_closed = known is not None and not known.system_turn, False
        check_quantize(self.name, self.quantize, self.config, self.device)

    @cached_property
    def revision(self) -> str:
        """What the weights are: the hub's commit, or the hash of a folder's configuration and weights."""
        commit = getattr(self.config, "_commit_hash", None)
        if not self._local:
            return str(commit)
        digest = hashlib.sha256()
        files = sorted(path for path in Path(self._from).iterdir() if path.suffix in (".json", ".safetensors",
                       ".jinja", ".model") and path.name != "manifest.json")  # fmt: skip
        for path in files:
            with path.open("rb") as raw:
                digest.update(f"{path.name} {hashlib.file_digest(raw, 'sha256').hexdigest()}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    @cached_property
    def network(self) -> Any:
        """The model itself, in evaluation mode on its device.

        Raises:
            ValueError: if the weights cannot be read or do not fit the device's free memory, which is compared with the
            configuration before anything is loaded; the message names what does fit.
        """
        said = f"the weights of {self.name!r} cannot be read"
        with quiet_transformers(), plain_errors(said):
            _check_layers(Path(self._from), self._loading)
            size = Size.of(self.config, trust_remote_code=self._loading["trust_remote_code"])
        where = device_map(self.name, size, self.dtype, self.quantize, self.asked_device, self.device)
        with out_of_memory("the model was loaded", 1, self.dtype), quiet_transformers(), plain_errors(said):
            return read_network(
                transformers.AutoModelForCausalLM,
                self._from,
                self._loading,
                dtype=DTYPES[self.dtype],
                device_map=where,
                **quantization(self.quantize, self.dtype),
            )

    @property
    def where(self) -> str:
        """The device, or the devices over which a loaded model is spread."""
        parts = getattr(self.__dict__.get("network"), "hf_device_map", {}).values()
        return ", ".join(dict.fromkeys(map(str, parts))) or str(self.device)

    @property
    def stored(self) -> str:
        """What the weights are kept in: the type of number, and the quantisation where there is one."""
        return stored(self.dtype, self.quantize)

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """The whole prompt as text, through the model's chat template; plain text as it stands.

        Models that think aloud are asked not to: ``enable_thinking=False`` to templates that know it, and a thought
        that a template opens all the same, or that one of the paper's backbones would begin by itself, is closed empty.
        A chat template that refuses a system turn, and a model whose makers advise against one, get it at the beginning
        of the user's.

        Raises:
            ValueError: if there are turns and the tokenizer has no chat template, or one that is damaged.
        """
        if messages[0].role == "":
            return messages[0].content
        if not self.tokenizer.chat_template:
            raise ValueError(
                f"model {self.name!r} has no chat template: take an instruct model, or a template of plain text "
                "(a file without sections)"
            )
        start = next((message.content for message in messages if message.role == "assistant"), "")
        turns = [{"role": m.role, "content": m.content} for m in messages if m.role != "assistant"]
        with plain_errors(f"the chat template of {self.name!r} refuses the prompt"):
            if not self._system_folded:
                try:
                    return self._chat(turns) + start
                except TemplateError:
                    if turns[0]["role"] != "system":
                        raise
                    self._system_folded = True
            joined = "\n\n".join(turn["content"] for turn in turns)
            return self._chat([{"role": "user", "content": joined}]) + start

    def encode(self, prompt: str, *, plain: bool) -> Tokens:
        """Token ids of a whole prompt, with the tokenizer's own beginning where no chat template has written it.

        Raises:
            ValueError: if the prompt is longer than the model can read; it is not cut.
        """
        ids = tuple(self.tokenizer(prompt, add_special_tokens=plain)["input_ids"])
        longest = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and len(ids) > longest:
            raise ValueError(
                f"a prompt has {len(ids)} tokens and the model reads {longest}: shorten the texts; they are never cut"
            )
        return ids

    def answer_tokens(self, prompt: str, ids: Tokens, answers: Sequence[str], *, plain: bool) -> tuple[Tokens, ...]:
        """The tokens of every answer as it stands after a prompt.

        Raises:
            ValueError: if an answer's characters merge with the prompt's last ones into one token.
        """
        found = []
        for answer in answers:
            whole = tuple(self.tokenizer(prompt + answer, add_special_tokens=plain)["input_ids"])
            if whole[: len(ids)] != ids:
                raise ValueError(
                    f"the answer {answer!r} merges with the end of the prompt, {prompt[-20:]!r}: end the template with "
                    "a line break, or without the last space"
                )
            found.append(whole[len(ids) :])
        return tuple(found)

    @property
    def system_folded(self) -> bool:
        """Whether the system turn was put into the user's."""
        return self._system_folded

    @property
    def thought_closed(self) -> bool:
        """Whether a thought that the chat template opens was closed empty."""
        return self._thought_closed

    def _chat(self, turns: list[dict[str, str]]) -> str:
        text = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        asked = str(text)
        opened = asked.rstrip().endswith(_THOUGHT)
        if not opened and not (self._thinks and not asked.rstrip().endswith(_THOUGHT_ENDS)):
            return asked
        self._thought_closed = True
        begun = asked.rstrip() if opened else f"{asked}{_THOUGHT}"
        return f"{begun}\n\n{_THOUGHT_ENDS}\n\n"  # as Qwen3's template writes where it knows enable_thinking


@contextmanager
def plain_errors(said: str) -> Iterator[None]:
    """One line for whatever is wrong with a model's files.

    Raises:
        ValueError: ``said``, and the reason.

    Example:
        >>> with plain_errors("model 'm' cannot be loaded"):
        ...     raise KeyError("hidden_size")
        Traceback (most recent call last):
        ...
        ValueError: model 'm' cannot be loaded: KeyError: 'hidden_size' (give a folder made by save_pretrained, ...
    """
    try:
        yield
    except Exception as error:  # damage shows in JSON, Jinja, pickles, safetensors, tokenizers, shapes: one message
        if ran_out(error):  # which is not the files' fault
            raise
        reason = shorten(str(error), 240, placeholder=" ...")
        raise ValueError(
            f"{said}: {reason if isinstance(error, ValueError | OSError) else f'{type(error).__name__}: {reason}'} "
            f"(give a folder made by save_pretrained, a hub id, or one of {', '.join((*MODELS, *PAPER))})"
        ) from None


def read_network(kind: Any, folder: str, loading: Mapping[str, Any], **placing: Any) -> Any:
    """A network in evaluation mode, from safetensors alone, for weights in other formats can run code.

    Args:
        kind: one of transformers' classes that choose a network by its configuration.
        folder: of the model, or a hub id.
        loading: for ``from_pretrained`` and for the configuration.
        placing: for ``from_pretrained`` alone: where the weights go and how they are stored.

    Raises:
        ValueError: if weights are missing, which transformers would draw at random, or of other sizes than configured.
    """
    _check_layers(Path(folder), loading)
    try:
        network, report = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, **placing, **loading
        )
    except RuntimeError as error:
        if ran_out(error):
            raise
        # it says which weights do not fit in its log alone
        raise ValueError("its weights do not fit the sizes that its configuration states") from None
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))  # which nothing uses
    if lacking:
        raise ValueError(f"{len(lacking)} of its weights are missing, for instance {lacking[0]}")
    return network.eval()


def _check_layers(folder: Path, loading: Mapping[str, Any]) -> None:
    """Refuse a folder whose configuration states more layers than it has weights: all of them would be made first."""
    weights = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            weights += len(opened.keys())
    if not weights:
        return
    config = transformers.AutoConfig.from_pretrained(str(folder), **loading)
    layers = getattr(config.get_text_config(), "num_hidden_layers", 0)
    if layers > weights:
        raise ValueError(f"its configuration states {layers} layers, and it has {weights} weights")


def tail(prompt: str) -> str:
    """The end of a prompt, which decides how an answer after it is tokenised."""
    return prompt[-_TAIL:]

"""A random Llama and a random encoder of two layers with a made tokenizer (bytes, digits, a few merges), in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from crowdllm_stats._base.manifest import sha256
from crowdllm_stats.backbones.catalogue import MODELS
from crowdllm_stats.backbones.fetch import MANIFEST

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHAT
CORPUS = ["How strong is this text? Reply with one number.", "The thing is strong, the text is the thing.", "very mild"]


def write_tokenizer(folder: Path, chat_template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS * 5,
        trainers.BpeTrainer(
            vocab_size=320, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False
        ),
    )
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    wrapped.add_special_tokens({"additional_special_tokens": special})
    wrapped.chat_template = chat_template
    wrapped.save_pretrained(str(folder))
    return wrapped


def write_model(folder: Path, *, chat_template: str | None = CHAT, damage: bool = False, positions: int = 512) -> Path:
    """The folder with config, weights (seed 7) and tokenizer; ``damage`` puts a NaN into the weights."""
    tokenizer = write_tokenizer(folder, chat_template)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer), hidden_size=48, intermediate_size=80, num_hidden_layers=2,
                num_attention_heads=6, num_key_value_heads=3, max_position_embeddings=positions,
                initializer_range=0.2, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
            )
        )  # fmt: skip
    if damage:
        with torch.no_grad():
            model.model.norm.weight[0] = float("nan")
    model.save_pretrained(str(folder))
    return folder


def write_encoder(folder: Path) -> Path:
    """The folder of a random encoder (seed 5) with the same tokenizer."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        tokenizer = write_tokenizer(folder, None)
        config = BertConfig(
            vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=32, max_position_embeddings=40, initializer_range=0.3,
        )  # fmt: skip
        BertModel(config).save_pretrained(str(folder))
    return folder


def write_cache(cache: Path) -> Path:
    """A cache folder in which the random models stand under the names of the two that can be fetched."""
    for name, write in (("smollm2", write_model), ("minilm", write_encoder)):
        folder = cache / "models" / f"{name}-{MODELS[name].wheel_sha256[:12]}"
        folder.mkdir(parents=True)
        write(folder)
        files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in folder.iterdir()}
        (folder / MANIFEST).write_text(json.dumps({"files": files}), encoding="utf-8")
    return cache

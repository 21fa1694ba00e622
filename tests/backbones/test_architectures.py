"""Random models of the usual architectures: prompts alone, in batches, with shared beginnings and cached, all alike.

Mistral and Gemma3 see no further back than a window in some layers, here 16 tokens of prompts four times as long.
Gemma3 of 4 billion weights and more has a part for pictures, which texts do not use. Qwen3 thinks aloud unless told
not to, and some of its models' templates cannot be told; nor can DeepSeek-R1's. The paper's four backbones are here
under their names, with their architectures and the forms of their chat templates.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
transformers = pytest.importorskip("transformers", reason="needs the hf extra: transformers")

from tiny_model import CHAT, write_tokenizer

from crowdllm_stats.backbones.fetch import quiet_transformers
from crowdllm_stats.backbones.paper_models import PAPER
from crowdllm_stats.backbones.placement import GIB, Size
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

pytestmark = pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")

#: Largest difference of a log-probability in float32.
TIGHT = 1e-4
RATING = Template.parse(
    "[user]\nHow strong is this text, in your view? Reply with one number, please: {options}. Text: {text}\n"
    "[options]\n1 = mild\n2 = strong\n3 = too strong\n",
    "rating",
)
WORDS = ["very mild", "very strong", "mild", "1", "12"]
#: As Qwen3's own template does: an empty thought is written for it where it shall not think.
THINKING = CHAT.replace(
    "<|im_start|>assistant\n{% endif %}",
    "<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}",
)


ALWAYS_THINKING = CHAT.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
#: Gemma's has no system turn: what stands in it begins the user's.
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}<start_of_turn>{{ m['role'] }}\n{{ first if loop.first }}{{ m['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
LLAMA3 = (
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
#: DeepSeek-R1's, with full-width bars; it opens a thought, which its first edition left to the model.
DEEPSEEK = (
    "{% for m in messages %}{% if m['role'] != 'system' %}<\uff5cUser\uff5c>{% endif %}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "<\uff5cAssistant\uff5c><think>\n{% endif %}"
)


def gemma3(**sizes):
    windows = ["sliding_attention"] * 2 + ["full_attention"]
    return transformers.Gemma3TextConfig(sliding_window=16, layer_types=windows, query_pre_attn_scalar=8, **sizes)


def gemma3_with_pictures(**sizes):
    pictures = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "image_size": 28, "patch_size": 14}  # fmt: skip
    return transformers.Gemma3Config(
        text_config=gemma3(**sizes).to_dict(), vision_config=pictures, mm_tokens_per_image=4
    )


def mistral(**sizes):
    return transformers.MistralConfig(sliding_window=16, **sizes)


def qwen3(**sizes):
    return transformers.Qwen3Config(**sizes)


def llama(**sizes):
    return transformers.LlamaConfig(**sizes)


def llama31(**sizes):
    """Positions beyond those that it was trained on first are stretched, here beyond 32."""
    stretched = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                 "original_max_position_embeddings": 32, "rope_theta": 500000.0}  # fmt: skip
    return transformers.LlamaConfig(rope_scaling=stretched, **sizes)


MODELS = {
    "gemma3": (gemma3, CHAT),
    "mistral": (mistral, CHAT),
    "qwen3-thinking": (qwen3, ALWAYS_THINKING),
    "gemma3-12b": (gemma3_with_pictures, GEMMA),
    "deepseek-r1-llama-8b": (llama31, DEEPSEEK),
    "llama3-8b-lexi": (llama, LLAMA3),
    "qwen3-8b": (qwen3, THINKING),
}


@pytest.fixture(scope="module", params=list(MODELS))
def folder(request, tmp_path_factory):
    """A model of three layers in a folder."""
    place, (configured, chat) = tmp_path_factory.mktemp(request.param), MODELS[request.param]
    with quiet_transformers(), torch.random.fork_rng():
        torch.manual_seed(7)
        tokenizer = write_tokenizer(place, chat)
        config = configured(
            vocab_size=len(tokenizer), hidden_size=48, intermediate_size=80, num_hidden_layers=3, head_dim=8,
            num_attention_heads=6, num_key_value_heads=3, max_position_embeddings=512, initializer_range=0.2,
            eos_token_id=tokenizer.eos_token_id, bos_token_id=None, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(str(place))
    return place


def by_hand(backbone, questions):
    """log p(answer | prompt) of answers of one token: one plain forward pass a prompt."""
    model, found = backbone.language_model, []
    for text in questions["text"]:
        prompt = model.render(backbone.template.fill({"text": text, "options": backbone.options.text}))
        ids = model.encode(prompt, plain=False)
        with torch.inference_mode():
            logits = model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        answers = [one[0] for one in model.answer_tokens(prompt, ids, backbone.options.texts, plain=False)]
        found.append(torch.log_softmax(logits.double(), -1)[answers].numpy())
    return np.stack(found)


@pytest.mark.parametrize("answers", [None, WORDS])
def test_alone_in_batches_with_shared_beginnings_and_from_the_cache_alike(folder, questions, tmp_path, answers):
    single = TransformersBackbone(folder, template=RATING, answers=answers, batch_size=1)
    single._scorer.shares = False
    expected = single.reference(questions)
    batched = TransformersBackbone(folder, template=RATING, answers=answers, batch_size=4, cache=tmp_path / "a.sqlite")
    found, cached = batched.reference(questions), batched.reference(questions)
    np.testing.assert_allclose(found.log_probabilities, expected.log_probabilities, atol=TIGHT)
    np.testing.assert_allclose(np.log(found.admissible_mass), np.log(expected.admissible_mass), atol=TIGHT)
    assert np.array_equal(cached.log_probabilities, found.log_probabilities)
    assert cached.source["prompts_computed"] == 0
    assert batched.shares_beginnings
    assert np.ptp(found.log_probabilities, axis=0).max() > 0.1  # the problems do differ
    if answers is None:
        logs = by_hand(single, questions)
        total = np.log(np.exp(logs).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(found.log_probabilities[:, 0], logs - total, atol=TIGHT)


def test_generated_texts_begin_as_the_probabilities_say(folder, questions):
    """At temperature 0 the first token is the likeliest, read by another way through the model."""
    backbone = TransformersBackbone(folder, template=RATING)
    drawn = backbone.generate(questions.head(3), 2, temperature=0.0, max_new_tokens=2, seed=1)
    assert all(first == second for first, second in drawn.texts)
    model = backbone.language_model
    for text, (written, _) in zip(questions["text"], drawn.texts, strict=False):
        ids = model.encode(model.render(RATING.fill({"text": text, "options": backbone.options.text})), plain=False)
        with torch.inference_mode():
            first = int(model.network(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        assert written.startswith(model.tokenizer.decode([first], skip_special_tokens=True))


def test_the_size_from_the_configuration_is_that_of_the_weights(folder):
    network = TransformersBackbone(folder, template=RATING).language_model.network
    assert Size.of(network.config).gib("float32") * GIB == network.get_memory_footprint(return_buffers=False)


def test_a_model_that_thinks_is_asked_after_its_thought(folder, questions):
    backbone = TransformersBackbone(folder, template=RATING)
    prompt = backbone.language_model.render(RATING.fill({"text": "tea", "options": "1"}))
    opens = "thinking" in folder.name or "deepseek" in folder.name
    assert prompt.endswith("<think>\n\n</think>\n\n") == (opens or "qwen3" in folder.name)
    assert ("thought" in backbone.reference(questions.head(1)).source) == opens


ASKED = {
    "gemma3-12b": "<start_of_turn>user\n{0}\n\n{1}<end_of_turn>\n<start_of_turn>model\n",
    "deepseek-r1-llama-8b": "<\uff5cUser\uff5c>{0}\n\n{1}<\uff5cAssistant\uff5c><think>\n\n</think>\n\n",
    "llama3-8b-lexi": "<|start_header_id|>system<|end_header_id|>\n\n{0}<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{1}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "qwen3-8b": "<|im_start|>system\n{0}<|im_end|>\n<|im_start|>user\n{1}<|im_end|>\n<|im_start|>assistant\n"
    "<think>\n\n</think>\n\n",
}


@pytest.mark.parametrize("folder", list(PAPER), indirect=True)
def test_the_papers_backbones_are_asked_by_name(folder, questions, monkeypatch):
    """In the turns of their own templates; the distribution is that of a plain pass through the model."""
    name = folder.name[:-1]  # which pytest ends with a number
    monkeypatch.setitem(PAPER, name, dataclasses.replace(PAPER[name], hub_id=str(folder)))
    backbone = TransformersBackbone(name, template="offensiveness")
    turns = backbone.template.fill({"text": "tea", "options": backbone.options.text})
    expected = ASKED[name].format(*(turn.content for turn in turns))
    model = backbone.language_model
    assert model.render(turns) == expected
    logs, found = by_hand(backbone, questions), backbone.reference(questions)
    total = np.log(np.exp(logs).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.log_probabilities[:, 0], logs - total, atol=TIGHT)
    assert ("system_turn" in found.source) == (name == "deepseek-r1-llama-8b")
    # Earlier chat templates leave the thought to the model.
    model.tokenizer.chat_template = model.tokenizer.chat_template.replace("<think>\n{% endif %}", "{% endif %}")
    assert model.render(turns) == expected

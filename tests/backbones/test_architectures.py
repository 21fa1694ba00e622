"""Random models of the usual architectures: prompts alone, in batches, with shared beginnings and cached, all alike.

Mistral and Gemma3 see no further back than a window in some layers, here 16 tokens of prompts four times as long.
Gemma3 of 4 billion weights and more has a part for pictures, which texts do not use. Qwen3 thinks aloud unless told
not to, and some of its models' templates cannot be told.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
transformers = pytest.importorskip("transformers", reason="needs the hf extra: transformers")

from tiny_model import CHAT, write_tokenizer

from crowdllm_stats.backbones.fetch import quiet_transformers
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
TEMPLATES = {"qwen3": THINKING, "qwen3_thinking": ALWAYS_THINKING}


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


def qwen3_thinking(**sizes):
    return transformers.Qwen3Config(**sizes)


def llama(**sizes):
    return transformers.LlamaConfig(**sizes)


@pytest.fixture(scope="module", params=[gemma3, gemma3_with_pictures, llama, mistral, qwen3, qwen3_thinking])
def folder(request, tmp_path_factory):
    """A model of three layers in a folder."""
    place = tmp_path_factory.mktemp(request.param.__name__)
    with quiet_transformers(), torch.random.fork_rng():
        torch.manual_seed(7)
        tokenizer = write_tokenizer(place, TEMPLATES.get(request.param.__name__, CHAT))
        config = request.param(
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
    thinks = "qwen3" in str(folder)
    assert prompt.endswith("assistant\n<think>\n\n</think>\n\n" if thinks else "assistant\n")
    assert ("thought" in backbone.reference(questions.head(1)).source) == ("thinking" in str(folder))

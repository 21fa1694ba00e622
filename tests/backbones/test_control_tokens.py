"""Control tokens of the usual models in data: found, escaped or refused, and nothing else touched."""

from __future__ import annotations

import pytest

from crowdllm_stats.backbones.control_tokens import ControlTokens

TOKENS = {
    "ChatML, Qwen": "<|im_start|> <|im_end|> <|endoftext|> <|vision_start|> <tool_call> </tool_response> <think>",
    "Llama": "<|begin_of_text|> <|start_header_id|> <|eot_id|> <|python_tag|> <s> </s> [INST] [/INST] <<SYS>> <</SYS>>",
    "Phi": "<|system|> <|user|> <|assistant|> <|end|> <|im_sep|> <|dummy_0|>",
    "Gemma": "<start_of_turn> <end_of_turn> <bos> <eos> <unused12> <start_of_image> <image_soft_token> <|turn> <turn|>",
    "Mistral": "[SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] [IMG] [THINK] [/THINK]",
    "DeepSeek": "<\uff5cUser\uff5c> <\uff5cAssistant\uff5c> <\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "others": "<|START_OF_TURN_TOKEN|> <EOS_TOKEN> [gMASK] <sop> [|user|] <|channel|> <|message|> <unk> <reserved_106>",
    "full width": "\uff1c|im_end|\uff1e \uff1c\uff5cUser\uff5c\uff1e",
}


@pytest.mark.parametrize("model", TOKENS)
def test_the_tokens_of_a_model_are_escaped_one_by_one(model):
    guard = ControlTokens()
    for token in TOKENS[model].split():
        cleaned = guard.clean(f"before {token}after", "problem 1")
        assert (cleaned.text, cleaned.found) == (f"before {token[0]} {token[1:]}after", 1)
        with pytest.raises(ValueError, match="problem 1 holds the control token"):
            ControlTokens(how="refuse").clean(f"before {token}after", "problem 1")


def test_a_token_within_a_token_is_taken_apart_too():
    cleaned = ControlTokens(["<x>"]).clean("<|im_<x>end|> <<x>s>", "problem 1")
    assert cleaned.text == "<|im_< x>end|> << x>s>"
    assert ControlTokens(["<x>"]).clean(cleaned.text, "problem 1").found == 0


@pytest.mark.parametrize(
    "text",
    ["a < b and b > c", "<b>bold</b>", "[1] and [2]", "[sic]", "x|y|z", "<3", "if a<|b| then", "[INSTALL]", "<strong>",
     "||", "<a href='x'>", "[image]", "f(x) = |x|", "<br/>", "[MASKED]", "<end>"],
)  # fmt: skip
def test_other_texts_are_left_alone(text):
    assert ControlTokens().clean(text, "problem 1").text == text

"""ServerBackbone against real servers of the small model: llama.cpp for probabilities, transformers for samples.

What they are held against is computed from the weights by transformers in this process.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from real_servers import gguf_file, llama_server, model_folder, need, transformers_serve
from scipy import stats

from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.fetch import quiet_transformers
from crowdllm_stats.backbones.prompts import Template, build_prompts
from crowdllm_stats.backbones.replies import ReplyReader
from crowdllm_stats.backbones.server import ServerBackbone
from crowdllm_stats.cli import main

pytestmark = pytest.mark.backbone

RATING = Template.load("offensiveness")
YES_NO = Template.parse(
    "[system]\nAnswer Yes or No.\n[user]\n{text}\nIs this comment offensive? Answer Yes or No.\n"
    "[options]\nYes = it is\nNo = it is not\n",
    "yes_no",
)
PROBLEMS = pd.DataFrame(
    {
        "problem": ["thanks", "insult", "bus"],
        "text": [
            "Nice weather today, thank you all for coming.",
            "You are a complete idiot and everybody hates you.",
            "The bus was late again.",
        ],
    }
)


@functools.cache
def model():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(model_folder())
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer, AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)


def first_token_masses(template, problems):
    """Of each answer: the probability of all first tokens that are read as that answer, shape (T, A)."""
    import torch

    tokenizer, network = model()
    prompts = build_prompts(template, problems, options=template.options())
    reader = ReplyReader(prompts.options)
    places = [reader.place(tokenizer.decode([token])) for token in range(len(tokenizer))]
    masses = np.zeros((len(problems), len(prompts.options.answers)))
    for row in range(len(problems)):
        turns = [{"role": turn.role, "content": turn.content} for turn in prompts.messages(row)]
        text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            p = network(ids).logits[0, -1].double().softmax(-1).numpy()
        for token, place in enumerate(places):
            if place is not None:
                masses[row, place] += p[token]
    return masses


def test_log_probabilities_of_llama_cpp_are_those_of_the_weights(tmp_path):
    """llama.cpp computes with the 4-bit weights and rounds activations too: 0.037 was the most on thirty prompts."""
    need("xllamacpp", "torch", "transformers")
    expected = first_token_masses(RATING, PROBLEMS)
    with llama_server(gguf_file(), tmp_path) as url:
        asked = ServerBackbone(
            url, "smollm2", template=RATING, top_logprobs=300, api_key_env=None, concurrency=1, cache=tmp_path / "c"
        )
        reference = asked.reference(PROBLEMS)
    assert reference.source["mode"] == "logprobs"
    assert reference.source["unseen_answers"] == 0
    assert reference.admissible_mass[:, 0] == pytest.approx(expected.sum(axis=1), abs=0.03)
    share = expected / expected.sum(axis=1, keepdims=True)
    assert np.abs(reference.probabilities[:, 0] - share).max() < 0.045
    again = asked.reference(PROBLEMS)  # the server is gone by now
    assert np.array_equal(again.probabilities, reference.probabilities)
    assert (again.source["asked"], again.source["from_cache"]) == (0, 3)


def test_a_run_on_llama_cpp_that_is_killed_goes_on_and_its_cost_was_said(tmp_path, capsys):
    """`backbone ask`, killed with five of twelve answers stored; the range holds the tokens that the server counted."""
    need("xllamacpp")
    texts = [f"{text} It was the {place}th time." for place in range(4, 8) for text in PROBLEMS["text"]]
    pd.DataFrame({"problem": range(len(texts)), "text": texts}).to_csv(tmp_path / "problems.csv")
    cache, out = tmp_path / "answers.sqlite", tmp_path / "reference.npz"
    with llama_server(gguf_file(), tmp_path) as url:
        words = [
            "backbone", "ask", url, str(tmp_path / "problems.csv"), "--template", "offensiveness", "--server-model",
            "smollm2", "--concurrency", "2", "--cache", str(cache), "--out", str(out), "--json",
        ]  # fmt: skip
        with subprocess.Popen([sys.executable, "-m", "crowdllm_stats", *words], stderr=subprocess.PIPE) as run:
            while not cache.is_file():
                time.sleep(0.01)
            with AnswerCache(cache) as stored:
                while len(stored) < 5 and run.poll() is None:
                    time.sleep(0.01)
                run.kill()
                run.communicate()
                kept = len(stored)
        assert kept < len(texts)
        assert main(words) == 0
    told = capsys.readouterr()
    source = json.loads(told.out)["source"]
    assert (source["mode"], source["asked"], source["from_cache"]) == ("logprobs", len(texts) - kept, kept)
    assert f"Answers to ask for: {len(texts) - kept} ({kept} in the cache)" in told.err
    least, most = (
        int(number.replace(",", "")) for number in re.search(r"([\d,]+) to ([\d,]+) tokens", told.err).groups()
    )
    assert least <= source["prompt_tokens"] + source["reply_tokens"] <= most


def test_samples_of_transformers_serve_are_draws_from_the_weights(tmp_path):
    """Exact binomial tests of what is readable and of the yes among it, two problems, 5e-5 each: 2e-4 in all."""
    need("fastapi", "uvicorn", "openai", "torch", "transformers")
    folder, two = model_folder(), PROBLEMS[:2]
    masses = first_token_masses(YES_NO, two)
    sampled = {"generation_config": json.dumps({"do_sample": True, "top_k": 0, "eos_token_id": 2, "pad_token_id": 2})}
    with transformers_serve(folder, tmp_path) as url:
        common = {"template": YES_NO, "max_tokens": 1, "api_key_env": None, "concurrency": 1}
        greedy = ServerBackbone(url, str(folder), k=2, **common).reference(PROBLEMS[:1])
        reference = ServerBackbone(url, str(folder), k=16, extra=sampled, **common).reference(two)
    assert greedy.source["mode_reason"] == "the server gives no log-probabilities"
    assert greedy.source["unanimous"] == 1  # without do_sample this server takes the likeliest token every time
    assert greedy.n_samples.tolist() == [[2.0]]
    assert reference.source["mode"] == "samples"
    read, yes = reference.n_samples[:, 0], (reference.probabilities[:, 0, 0] * reference.n_samples[:, 0]).round()
    assert sum(reference.source["without_answer"].values()) == 32 - read.sum()
    for row, mass in enumerate(masses):
        assert stats.binomtest(int(read[row]), 16, mass.sum()).pvalue > 5e-5
        assert stats.binomtest(int(yes[row]), int(read[row]), mass[0] / mass.sum()).pvalue > 5e-5

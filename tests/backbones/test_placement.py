"""Where a model goes: its size from the configuration, the refusal that names what fits, and memory that runs out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
transformers = pytest.importorskip("transformers", reason="needs the hf extra: transformers")

from tiny_model import write_encoder

from crowdllm_stats._base.messages import said
from crowdllm_stats.backbones import placement
from crowdllm_stats.backbones.embedder import embed
from crowdllm_stats.backbones.fetch import quiet_transformers
from crowdllm_stats.backbones.placement import GIB, Size, chosen_device, device_map
from crowdllm_stats.backbones.scoring import Scorer
from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

GEMMA3_12B = {
    "hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 262208,
}  # fmt: skip
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)

pytestmark = pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")


@pytest.fixture(scope="module")
def gemma():
    """The size of Gemma3-12B without its eyes: 11.77 billion numbers, as its model card states."""
    return Size.of(transformers.Gemma3TextConfig(**GEMMA3_12B))


def free(monkeypatch, **devices):
    """A machine with so many GiB free: ``gpu`` is a list, ``cpu`` one number."""
    found = {**dict(enumerate(devices.get("gpu", []))), "cpu": devices["cpu"]}
    monkeypatch.setattr(placement, "get_max_memory", lambda: {place: int(gib * GIB) for place, gib in found.items()})


def made(folder, **settings):
    return TransformersBackbone(folder, **{"template": "offensiveness", **settings})


def test_the_size_of_a_model_of_12_billion_weights(gemma):
    assert gemma.total == pytest.approx(11.77e9, rel=1e-3)
    assert gemma.gib("float32") == pytest.approx(43.8, abs=0.1)
    assert gemma.gib("bfloat16") == gemma.gib("float16") == gemma.gib("float32") / 2
    embedding = 262208 * 3840  # shared with the last layer, and never quantised
    rest = 2 * embedding / GIB
    assert gemma.gib("bfloat16", "8bit") == pytest.approx(rest + (gemma.total - embedding) / GIB, rel=1e-3)
    assert gemma.gib("bfloat16", "4bit") == pytest.approx(rest + 4.5 / 8 * (gemma.total - embedding) / GIB, rel=1e-3)


def test_the_size_is_that_of_the_loaded_weights(tiny):
    network = made(tiny).language_model.network
    size = Size.of(network.config)
    assert size.gib("float32") * GIB == network.get_memory_footprint(return_buffers=False)
    linear = [one for one in network.modules() if isinstance(one, torch.nn.Linear)]
    assert size.quantizable == sum(one.weight.numel() for one in linear if one is not network.lm_head)


@pytest.mark.parametrize(
    ("machine", "device", "chosen", "python", "command"),
    [
        ({"cpu": 30}, "auto", CPU, "take dtype='bfloat16' (21.9 GiB)", "give --dtype bfloat16 (21.9 GiB)"),
        (
            {"cpu": 4, "gpu": [16]}, "cuda", GPU,
            "take dtype='bfloat16', quantize='8bit' (11.9 GiB) or take dtype='bfloat16', quantize='4bit' (7.5 GiB)",
            "give --dtype bfloat16 --quantize 8bit (11.9 GiB) or give --dtype bfloat16 --quantize 4bit (7.5 GiB)",
        ),
        ({"cpu": 4, "gpu": [6]}, "auto", GPU, "take a smaller model", "with 4bit weights would take 7.5 GiB); take"),
        ({"cpu": 20}, "cpu", CPU, "(bfloat16 would take 21.9 GiB, 4bit weights on a GPU", "would take 7.5 GiB)"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_with_what_fits(
    gemma, monkeypatch, machine, device, chosen, python, command
):
    free(monkeypatch, **machine)
    with pytest.raises(ValueError, match=r"the weights of 'gemma' take 43\.8 GiB in float32") as error:
        device_map("gemma", gemma, "float32", None, device, chosen)
    assert python in str(error.value)
    assert command in said(error.value).command


def test_one_device_where_it_fits_and_several_where_it_must(gemma, monkeypatch):
    free(monkeypatch, cpu=10, gpu=[20, 60])
    assert chosen_device("auto") == torch.device("cuda", 1)
    second = torch.device("cuda", 1)
    assert device_map("gemma", gemma, "float32", None, "auto", second) == {"": second}
    free(monkeypatch, cpu=10, gpu=[20, 30])
    assert device_map("gemma", gemma, "float32", None, "auto", second) == "auto"
    with pytest.raises(ValueError, match="cuda:1 has 30.0 GiB free"):
        device_map("gemma", gemma, "float32", None, "cuda:1", second)
    free(monkeypatch, cpu=10, gpu=[4, 4])  # with the processor's memory enough, which quantised weights cannot use
    with pytest.raises(ValueError, match="take a smaller model"):
        device_map("gemma", gemma, "bfloat16", "8bit", "auto", second)


def test_the_refusal_comes_before_anything_is_loaded(tiny, questions, monkeypatch):
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded")
    )
    free(monkeypatch, cpu=1e-6)
    with pytest.raises(ValueError, match=r"the weights of .* GiB in float32, and cpu has 0\.0 GiB free"):
        made(tiny).reference(questions)


def test_a_model_spread_over_devices_answers_the_same(tiny, questions, monkeypatch, tmp_path):
    """Its layers on two devices, of which one is the disk: accelerate moves what each needs."""
    whole = made(tiny).reference(questions)
    spread = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk", "model.norm": "cpu",
              "model.rotary_emb": "cpu", "lm_head": "cpu"}  # fmt: skip
    load = transformers.AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM,
        "from_pretrained",
        lambda folder, **others: load(folder, **{**others, "device_map": spread, "offload_folder": str(tmp_path)}),
    )
    backbone = made(tiny)
    found = backbone.reference(questions)
    assert len(set(backbone.language_model.network.hf_device_map.values())) == 2
    np.testing.assert_allclose(found.log_probabilities, whole.log_probabilities, atol=1e-4)


def test_memory_that_runs_out_is_said_with_the_mend_and_nothing_is_lost(tiny, questions, monkeypatch, tmp_path):
    cache = tmp_path / "answers.sqlite"
    flat, calls = Scorer._flat, []

    def small(self, rows, kept, tree):
        calls.append(len(rows))
        if len(calls) == 5:  # two try the shared beginning
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return flat(self, rows, kept, tree)

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "_flat", small)
        with pytest.raises(
            ValueError, match="memory ran out while 2 prompts were read at a time .*in the cache"
        ) as error:
            made(tiny, batch_size=2, cache=cache).reference(questions)
    assert "take batch_size=1 or dtype=bfloat16 or a smaller model" in str(error.value)
    assert "take --batch-size 1 or --dtype bfloat16 or a smaller model" in said(error.value).command
    assert made(tiny, batch_size=1, cache=cache).reference(questions).source["prompts_from_cache"] == 4


def test_memory_that_runs_out_while_writing_names_no_batch(tiny, questions, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    backbone = made(tiny)
    monkeypatch.setattr(Scorer, "next_token", full)
    with pytest.raises(ValueError, match="while 3 texts were written at a time; take dtype=bfloat16 or a smaller"):
        backbone.generate(questions, k=3, seed=1)


def test_memory_that_runs_out_while_loading_is_not_the_files_fault(tiny, questions, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", full)
    with pytest.raises(
        ValueError, match="^memory ran out while the model was loaded; take dtype=bfloat16 or a smaller"
    ):
        made(tiny).reference(questions)


def test_an_embedder_that_runs_out_of_memory_says_so(tmp_path, monkeypatch):
    with quiet_transformers():
        folder = write_encoder(tmp_path)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.functional, "normalize", full)
    with pytest.raises(ValueError, match="32 texts were embedded at a time; take batch_size=16 or a smaller model"):
        embed(["tea"], folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"device": "gpu"},
            r"device is not a device of this machine \(.*\); 'auto' is a GPU if there is one.*; got 'gpu'",
        ),
        ({"device": "meta"}, "device is not a device of this machine"),
        ({"device": "cuda:99"}, "device is not a device of this machine"),
        ({"device": "cpu", "quantize": "4bit"}, "quantize='4bit' needs a GPU, and the device is cpu; leave quantize"),
        ({"quantize": "2bit"}, "quantize must be one of '8bit', '4bit'"),
    ],
)
def test_devices_and_quantisations_that_are_refused(tiny, settings, message):
    with pytest.raises(ValueError, match=message):
        made(tiny, **settings)
    if "quantize" not in settings:
        with pytest.raises(ValueError, match=message):
            embed(["tea"], tiny, **settings)


def test_quantisation_without_its_package_says_what_to_install(tiny, monkeypatch):
    monkeypatch.setattr(placement, "find_spec", lambda _: None)
    config = transformers.AutoConfig.from_pretrained(str(tiny))
    with pytest.raises(
        ValueError, match=r"quantize='8bit' needs the package bitsandbytes.*pip install bitsandbytes"
    ) as error:
        placement.check_quantize("gemma", "8bit", config, GPU)
    assert said(error.value).command.startswith("--quantize 8bit needs the package")


def test_the_quantisation_is_what_bitsandbytes_takes():
    assert placement.quantization(None, "float32") == {}
    config = placement.quantization("4bit", "bfloat16")["quantization_config"]
    assert (config.load_in_4bit, config.load_in_8bit, config.bnb_4bit_compute_dtype) == (True, False, torch.bfloat16)


def test_a_model_that_is_quantised_already(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(
        ValueError, match="which is stored quantised by bitsandbytes, needs a GPU, and the device is cpu; take the"
    ):
        made(folder)
    with pytest.raises(ValueError, match=r"is quantised already \(bitsandbytes\); leave quantize out"):
        made(folder, quantize="8bit")

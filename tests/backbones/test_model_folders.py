"""Folders of models that are damaged or bring code along: no code is run, nothing is asked, one line says it."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
from tiny_model import write_encoder, write_model

from crowdllm_stats.backbones.embedder import embed
from crowdllm_stats.backbones.fetch import quiet_transformers
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

RATING = Template.parse("[system]\nYou rate.\n[user]\nHow strong is this text? {text}\n", "rating")
CODE = """
open({place!r}, "w").close()
from transformers import BertConfig, BertModel
class OwnConfig(BertConfig): model_type = "own"
class OwnModel(BertModel): config_class = OwnConfig
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model and an encoder, in two folders."""
    place = tmp_path_factory.mktemp("models")
    with quiet_transformers():
        return {"model": write_model(place / "model"), "encoder": write_encoder(place / "encoder")}


@pytest.fixture
def folders(written, tmp_path):
    """Copies to be damaged."""
    return {name: shutil.copytree(folder, tmp_path / name) for name, folder in written.items()}


def use(folders):
    """What each folder is used for."""
    problems = pd.DataFrame({"problem": ["q"], "text": ["tea"]})
    return {
        "model": lambda: TransformersBackbone(folders["model"], answers=[1, 2, 3], template=RATING).reference(problems),
        "encoder": lambda: embed(["tea"], folders["encoder"]),
    }


def refusal(folders, name, match):
    with pytest.raises(ValueError, match=match) as error:
        use(folders)[name]()
    assert "\n" not in str(error.value)


def change(file, **values):
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, **values}), encoding="utf-8")


@pytest.mark.parametrize("name", ["model", "encoder"])
def test_code_that_lies_in_a_folder_is_neither_run_nor_asked_about(folders, name, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    (folders[name] / "own.py").write_text(CODE.format(place=str(tmp_path / "run")), encoding="utf-8")
    named = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel", "AutoModelForCausalLM": "own.OwnModel"}
    change(folders[name] / "config.json", auto_map=named, model_type="own")
    refusal(folders, name, "cannot be (loaded|read): .* contains custom code")
    assert not (tmp_path / "run").exists()


class _Run:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (self.place, "w")


@pytest.mark.parametrize("name", ["model", "encoder"])
def test_pickled_weights_are_not_opened(folders, name, tmp_path):
    (folders[name] / "model.safetensors").unlink()
    torch.save({"weight": _Run(str(tmp_path / "run"))}, folders[name] / "pytorch_model.bin")
    refusal(folders, name, "cannot be read: .*safetensors")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["model", "encoder"])
def test_weights_that_are_missing_are_not_drawn_at_random(folders, name):
    from safetensors.torch import load_file, save_file

    file = folders[name] / "model.safetensors"
    weights = load_file(file)
    gone = next(key for key in weights if "layer" in key)
    save_file({key: value for key, value in weights.items() if key != gone}, file, metadata={"format": "pt"})
    refusal(folders, name, f"1 of its weights are missing, for instance {gone}")


UNFIT = "its weights do not fit the sizes that its configuration states"


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        *(
            (name, *case)
            for name in ("model", "encoder")
            for case in (
                ("num_hidden_layers", 9, "of its weights are missing"),
                ("num_hidden_layers", 10**9, "states 1000000000 layers"),
                ("vocab_size", 400, UNFIT),
            )
        ),
        ("encoder", "vocab_size", 10**10, f"{UNFIT}|memory ran out"),  # by the version of PyTorch
        ("model", "vocab_size", 10**10, r"the weights of .* take \d+\.\d GiB"),  # never asked of the machine
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(folders, name, key, value, said, capfd):
    change(folders[name] / "config.json", **{key: value})
    refusal(folders, name, said)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["model", "encoder"])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": 3}'),
        ("config.json", b"\xff\xfe"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"[" * 100_000),
        ("tokenizer_config.json", b'{"tokenizer_class": ["a"]}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
    ],
)
def test_damaged_files_of_a_folder_are_refused_in_one_line(folders, name, file, content):
    (folders[name] / file).write_bytes(content)
    refusal(folders, name, "cannot be (loaded|read)")


@pytest.mark.parametrize(
    "template",
    ["{% for m in", "{{ messages.nothing.at.all }}", "{{ 1 / 0 }}", "{{ ''.__class__.__mro__ }}", "{{ 3 + '' }}"],
)
def test_a_damaged_chat_template_is_refused_in_one_line(folders, template):
    (folders["model"] / "chat_template.jinja").write_text(template, encoding="utf-8")
    refusal(folders, "model", "the chat template of .* refuses the prompt: ")


def test_an_encoder_without_its_pooler_is_read(folders):
    from safetensors.torch import load_file, save_file

    before = embed(["tea"], folders["encoder"]).vectors
    file = folders["encoder"] / "model.safetensors"
    kept = {key: value for key, value in load_file(file).items() if not key.startswith("pooler.")}
    save_file(kept, file, metadata={"format": "pt"})
    assert (embed(["tea"], folders["encoder"]).vectors == before).all()

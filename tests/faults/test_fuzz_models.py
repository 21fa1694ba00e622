"""Fuzzing of model files: a fitted generator on file, and the folder of a language model."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest

from crowdllm_stats.generator.shipped import FOLDER
from faults.fuzzing import fuzz, outcome_of
from faults.mutators import damaged
from faults.seeds import exchanged, exchanged_arrays

pytest.importorskip("jax")

WHOLE = (FOLDER / "offensiveness.npz").read_bytes()


@pytest.fixture
def rng(campaign):
    return np.random.default_rng(campaign.seed)


def simulated(content, folder, problem="12"):
    from crowdllm_stats.generator.shipped import load_population

    place = folder / "population.npz"
    place.write_bytes(content)
    return load_population(place).simulate([problem], 30, seed=1).responses["response"].to_numpy()


def on_the_scale(content, folder):
    answers = simulated(content, folder)
    return len(answers) == 30 and bool(np.isin(answers, [1, 2, 3, 4, 5]).all())


def test_populations(campaign, rng, tmp_path):
    before = simulated(WHOLE, tmp_path)
    attack = "A fitted population (.npz) with damaged bytes is loaded and answers"
    same = lambda content, folder: np.array_equal(simulated(content, folder), before)  # noqa: E731 - one expression
    fuzz(campaign, attack, 800, lambda: damaged([WHOLE], rng, 2), same, tmp_path)


def test_populations_with_other_arrays(campaign, rng, tmp_path):
    attack = (
        "A fitted population holds another array, NaN or infinity, or lacks an array: refused, or answers on the scale"
    )
    fuzz(campaign, attack, 500, lambda: exchanged_arrays(WHOLE, rng), on_the_scale, tmp_path)


def test_populations_that_tell_otherwise(campaign, rng, tmp_path):
    with np.load(io.BytesIO(WHOLE)) as file:
        arrays = {name: file[name] for name in file.files}
    told = json.loads(str(arrays["told"]))

    def make():
        out = io.BytesIO()
        np.savez(out, **{**arrays, "told": np.asarray(json.dumps(exchanged(told, rng)))})
        return out.getvalue()

    attack = "A fitted population tells other settings, or lacks some: refused, or answers on the scale"
    fuzz(campaign, attack, 300, make, on_the_scale, tmp_path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    pytest.importorskip("transformers")
    from tiny_model import write_encoder, write_model

    place = tmp_path_factory.mktemp("whole")
    return {"model": write_model(place / "model"), "encoder": write_encoder(place / "encoder")}


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_model_folders(campaign, rng, tmp_path, folders, file):
    import pandas as pd

    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    folder = tmp_path / "model"
    shutil.copytree(folders["model"], folder)
    whole = (folder / file).read_bytes()
    problems = pd.DataFrame({"problem": ["a"], "text": ["The thing is strong."]})
    template = tmp_path / "plain.txt"
    template.write_text("{text}\nRate it, {options}:\n", encoding="utf-8")

    def read(content, place):
        (folder / file).write_bytes(content)
        found = TransformersBackbone(folder, template=template, answers=[1, 2, 3], device="cpu").reference(problems)
        return bool(np.isfinite(found.probabilities).all()) and bool(np.allclose(found.probabilities.sum(axis=-1), 1.0))

    assert outcome_of(read, whole, tmp_path)[0] == "survived"
    attack = f"A language model's folder has a damaged {file}: refused, or a distribution over the answers"
    head = 2000 if file == "model.safetensors" else len(whole)  # the numbers behind the head are the model's own
    fuzz(campaign, attack, 60, lambda: damaged([whole[:head]], rng, 2) + whole[head:], read, tmp_path)

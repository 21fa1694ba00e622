"""Files and folders of models: damaged ones are refused in one line, and code that comes along is not run."""

from __future__ import annotations

import builtins
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crowdllm_stats.backbones.fetch import find_model
from crowdllm_stats.cli import main
from crowdllm_stats.generator.shipped import FOLDER, load_population
from faults.fuzzing import fuzz, outcome_of
from faults.mutators import damaged, flipped
from faults.seeds import exchanged

torch = pytest.importorskip("torch", reason="needs the hf extra: torch")
pytest.importorskip("jax", reason="needs the generator extra: jax")
from tiny_model import write_cache

from crowdllm_stats.backbones.embedder import embed
from crowdllm_stats.backbones.fetch import quiet_transformers

POPULATION = (FOLDER / "offensiveness.npz").read_bytes()
CODE = "open({place!r}, 'w').close()\nfrom transformers import BertModel as Own, BertConfig as OwnConfig\n"


@pytest.fixture
def rng(campaign):
    return np.random.default_rng(campaign.seed)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder with two random models."""
    with quiet_transformers():
        return write_cache(tmp_path_factory.mktemp("cache"))


# A generator's file ---------------------------------------------------------------------------------------------------
def _as_shipped() -> Callable[[bytes, Path], bool]:
    wanted = load_population().predict(["12"]).probabilities

    def target(content: bytes, folder: Path) -> bool:
        (folder / "population.npz").write_bytes(content)
        found = load_population(folder / "population.npz").predict(["12"]).probabilities
        return bool(np.array_equal(found, wanted))

    return target


def _usable(content: bytes, folder: Path) -> bool:
    """What is read predicts probabilities: other values can make another population, but no NaN."""
    (folder / "population.npz").write_bytes(content)
    population = load_population(folder / "population.npz")
    shares = population.predict(population.fitted.problems[:1]).probabilities
    return bool(np.isfinite(shares).all() and np.allclose(shares.sum(axis=-1), 1.0, atol=1e-4))


def _arrays() -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(POPULATION)) as file:
        return {name: file[name] for name in file.files}


def _file(arrays: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def test_damaged_generators(campaign, rng, tmp_path):
    target = _as_shipped()
    fuzz(
        campaign,
        "One bit of a population's file (.npz) is flipped",
        1200,
        lambda: flipped(POPULATION, rng),
        target,
        tmp_path,
    )
    attack = "A population's file has one to four kinds of damage"
    fuzz(campaign, attack, 1200, lambda: damaged([POPULATION], rng), target, tmp_path)


def test_generators_with_other_values(campaign, rng, tmp_path):
    arrays = _arrays()
    told = json.loads(str(arrays["told"]))
    make = lambda: _file({**arrays, "told": np.asarray(json.dumps(exchanged(told, rng)))})  # noqa: E731 - drawn anew
    fuzz(campaign, "What a population's file tells has other values, or lacks some", 300, make, _usable, tmp_path)


def test_numbers_that_are_not_finite(campaign, tmp_path):
    arrays = _arrays()
    attack = "A number in a population's file is NaN or infinite, in each of its arrays"
    wrong = []
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not array.size or name in ("history", "held_out"):
            continue
        for number in (np.nan, np.inf, -np.inf):
            changed = array.copy()
            changed.flat[array.size // 2] = number
            outcome, said = outcome_of(_usable, _file({**arrays, name: changed}), tmp_path)
            outcome = "silent" if outcome == "survived" else outcome
            campaign.record(attack, outcome, before="silent in vectors/*")
            wrong += [f"{name}, {number}: {outcome} {said}"] if outcome != "refused" else []
    assert not wrong, wrong


# Models in folders ----------------------------------------------------------------------------------------------------
def test_models_that_were_fetched(campaign, rng, cache, tmp_path):
    attack = "A file of a fetched model is half zeros, cut, or has one bit flipped"
    own = shutil.copytree(cache, tmp_path / "cache")
    folder = find_model("minilm", cache=own).folder
    files = sorted(path for path in folder.iterdir() if path.name != "manifest.json")
    for number in range(campaign.tries(300)):
        file = files[number % len(files)]
        whole = file.read_bytes()
        ways = (whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2), whole[: int(rng.integers(len(whole)))],
                flipped(whole, rng))  # fmt: skip
        file.write_bytes(ways[number % 3])
        outcome, said = outcome_of(lambda *_: find_model("minilm", cache=own) is None, b"", tmp_path)
        campaign.record(attack, outcome, before="silent (half zeros)")
        file.write_bytes(whole)
        assert outcome == "refused", (file.name, said)
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))

    def read(content: bytes, place: Path) -> bool:
        manifest.write_bytes(content)
        found = find_model("minilm", cache=own)
        return set(found.manifest["files"]) <= set(told["files"])

    make = lambda: json.dumps(exchanged(told, rng)).encode()  # noqa: E731 - drawn anew
    fuzz(campaign, "The manifest of a fetched model holds other values, or is no object", 300, make, read, tmp_path)


def test_folders_with_damage(campaign, rng, cache, tmp_path):
    """A folder without a manifest has no hashes: what cannot be told from another model's is used as it stands."""
    attack = "A file in an embedder's folder is damaged: it is used as another model would be, or refused in one line"
    folder = tmp_path / "encoder"
    shutil.copytree(find_model("minilm", cache=cache).folder, folder)
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    path = folder

    def make() -> bytes:
        nonlocal path
        path = list(whole)[int(rng.integers(len(whole)))]
        return damaged([whole[path]], rng)

    def use(content: bytes, place: Path) -> bool:
        path.write_bytes(content)
        try:
            return bool(np.isfinite(embed(["tea"], folder).vectors).all())
        finally:
            path.write_bytes(whole[path])

    fuzz(campaign, attack, 500, make, use, tmp_path)


def test_code_that_comes_along(campaign, cache, tmp_path, monkeypatch):
    attack = "A folder holds code (auto_map, pickled weights, theory/*/checks.py), and every question is answered y"
    monkeypatch.setattr(builtins, "input", lambda *_: "y")
    mark = tmp_path / "run"
    outcomes = {}
    for name in ("AutoConfig", "AutoModel", "AutoTokenizer", "pickle", "theory"):
        folder = tmp_path / name
        shutil.copytree(find_model("minilm", cache=cache).folder, folder)
        (folder / "own.py").write_text(CODE.format(place=str(mark)), encoding="utf-8")
        if name == "pickle":
            (folder / "model.safetensors").unlink()
            torch.save({"weight": _Run(str(mark))}, folder / "pytorch_model.bin")
        elif name != "theory":
            file = folder / ("tokenizer_config.json" if name == "AutoTokenizer" else "config.json")
            told = json.loads(file.read_text(encoding="utf-8"))
            own = (
                ["own.Own", None] if name == "AutoTokenizer" else "own.OwnConfig" if name == "AutoConfig" else "own.Own"
            )
            told |= {"auto_map": {name: own}} | ({"model_type": "own"} if name == "AutoConfig" else {})
            file.write_text(json.dumps(told), encoding="utf-8")
        outcome, said = outcome_of(_theory if name == "theory" else _embedded, b"", folder)
        outcomes[name] = "lost" if mark.exists() else outcome, said
        campaign.record(attack, outcomes[name][0], before="code run")
        mark.unlink(missing_ok=True)
    assert not {"lost", "silent"} & {outcome for outcome, _ in outcomes.values()}, outcomes


class _Run:
    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self):
        return open, (self.place, "w")


def _embedded(content: bytes, folder: Path) -> bool:
    return bool(np.isfinite(embed(["tea"], folder).vectors).all())


def _theory(content: bytes, folder: Path) -> bool:
    (folder / "theory" / "one_law").mkdir(parents=True)
    (folder / "own.py").rename(folder / "theory" / "one_law" / "checks.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return main(["theory", "list"]) == 0 and main(["theory", "verify", "--only", "one_law", "--no-simulate"]) == 0

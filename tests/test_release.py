"""A release: versions that agree, a citation, a conda recipe with our dependencies, and a wheel that works alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from crowdllm_stats import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
RECIPE = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))


def test_every_file_names_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)[0] == __version__
    assert PROJECT["project"]["version"] == CITATION["version"] == RECIPE["context"]["version"] == __version__


def test_the_citation_has_what_its_format_requires_and_names_the_paper():
    """The Citation File Format 1.2.0 requires cff-version, message, title and authors."""
    assert CITATION["cff-version"] == "1.2.0"
    assert all(CITATION[key] for key in ("message", "title", "authors"))
    (paper,) = CITATION["references"]
    assert paper["title"].startswith("CrowdLLM: ")
    assert paper["type"] == "article"
    assert [one["family-names"] for one in paper["authors"]] == ["Lin", "Tian", "Zheng", "Zhang", "Zeng", "Huang"]


def test_the_conda_recipe_has_our_dependencies():
    def plain(requirements: list[str]) -> set[str]:
        return {entry.replace(" ", "") for entry in requirements}

    wanted = plain(PROJECT["project"]["dependencies"]) | {"python" + PROJECT["project"]["requires-python"]}
    assert plain(RECIPE["requirements"]["run"]) == wanted
    assert plain(PROJECT["build-system"]["requires"]) <= plain(RECIPE["requirements"]["host"])
    (script,) = PROJECT["project"]["scripts"].items()
    assert RECIPE["build"]["python"]["entry_points"] == [" = ".join(script)]


@pytest.mark.slow
def test_the_wheel_alone_runs_the_core_and_names_the_missing_extra(tmp_path):
    """Built from the source archive, installed into an environment with nothing but what the wheel asks for."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path], cwd=ROOT, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", archive]
    subprocess.run([*wheel, "-w", tmp_path], check=True)
    (built,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "alone", with_pip=True)
    programs = tmp_path / "alone" / ("Scripts" if os.name == "nt" else "bin")
    lock = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    pins = tmp_path / "constraints.txt"
    pins.write_text("\n".join(re.findall(r"^\S+==[^\\\n]+", lock, re.MULTILINE)), encoding="utf-8")
    install = [programs / "python", "-m", "pip", "install", "--quiet", "--constraint", pins, built]
    subprocess.run(install, cwd=tmp_path, check=True)

    def run(command: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        words = [programs / "crowdllm-stats", *command.split()]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run("--version").stdout.startswith(f"crowdllm-stats {__version__}")
    answer = run("interval example:human example:digital --scale 1:5 --json")
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["results"]) == 12
    for command in ("safe-interval example:human example:digital --reference example:reference", "study list", "demo"):
        assert run(command).returncode == 0, run(command).stderr
    for command, extra in (
        ("simulate offensiveness --n 5 --out digital.csv", "generator"),
        ("theory list", "theory"),
    ):
        missing = run(command)
        assert missing.returncode == 2
        assert re.fullmatch(rf"error: \w+ is missing: pip install 'crowdllm-stats\[{extra}\]'\n", missing.stderr)

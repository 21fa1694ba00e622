"""The commit in a report is this package's own: not that of a folder around it, nor of the study file's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from crowdllm_stats import __version__
from crowdllm_stats._base.manifest import _code

OWN = '[project]\nname = "crowdllm-stats"\n'


def git(folder: Path, *words: str) -> str:
    me = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *me, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, project: str) -> str:
    """Make a folder with the package in it a repository; its commit."""
    (folder / "crowdllm_stats").mkdir(parents=True)
    (folder / "crowdllm_stats" / "a.py").write_text("a = 1\n", encoding="utf-8")
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "--short", "HEAD")


def test_the_packages_own_repository_is_named_with_its_changes(tmp_path):
    commit = repository(tmp_path, OWN)
    assert _code(tmp_path) == f"at commit {commit}"
    (tmp_path / "reports.md").write_text("not code", encoding="utf-8")
    assert _code(tmp_path) == f"at commit {commit}"
    (tmp_path / "crowdllm_stats" / "a.py").write_text("a = 2\n", encoding="utf-8")
    assert _code(tmp_path) == f"at commit {commit} with uncommitted changes"


INSTALLED = f"with crowdllm-stats {__version__}, installed without its history"


def test_a_repository_around_the_package_or_of_another_project_is_not_named(tmp_path, monkeypatch):
    repository(tmp_path, OWN)
    inside = tmp_path / "lib" / "site-packages"
    inside.mkdir(parents=True)
    (inside / "pyproject.toml").write_text(OWN, encoding="utf-8")
    assert _code(inside) == INSTALLED
    other = tmp_path / "other"
    repository(other, '[project]\nname = "survey-of-ours"\n')
    assert _code(other) == INSTALLED
    alone = tmp_path / "alone"
    alone.mkdir()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))  # as within a hook
    assert _code(alone) == INSTALLED


def test_without_git_the_version_stands_alone(tmp_path, monkeypatch: pytest.MonkeyPatch):
    repository(tmp_path, OWN)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _code(tmp_path) == INSTALLED

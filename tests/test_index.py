"""The files that README, CONTRIBUTING and the package's docstring send a reader to are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crowdllm_stats

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "crowdllm_stats"

#: Made while working, or not there before the first installation.
MADE = ("out/", ".venv")


def paths(text: str) -> set[str]:
    """What stands in single or double backticks and looks like a path without a placeholder."""
    found = {one for one in re.findall(r"`+([^`\s]+)`+", text) if "/" in one and re.fullmatch(r"[a-z0-9_./]+", one)}
    return {one for one in found if not one.startswith(MADE) and "theoremn" not in one}


def there(path: str) -> bool:
    return any((folder / path).exists() or (folder / f"{path}.py").exists() for folder in (ROOT, PACKAGE))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_named_in_a_document_are_there(name):
    named = paths((ROOT / name).read_text(encoding="utf-8"))
    assert [path for path in sorted(named) if not there(path)] == []


def test_files_named_in_the_packages_docstring_are_there():
    named = paths(crowdllm_stats.__doc__)
    assert len(named) >= 8
    assert [path for path in sorted(named) if not there(path)] == []


@pytest.mark.parametrize("page", sorted((ROOT / "theory").rglob("README.md")), ids=lambda page: page.parent.name)
def test_a_theory_page_names_modules_that_are_there(page):
    modules = {file.name for file in PACKAGE.rglob("*.py")} | {"checks.py"}
    named = set(re.findall(r"`([a-z0-9_./]+\.py)`", page.read_text(encoding="utf-8")))
    assert [one for one in sorted(named) if not ((ROOT / one).is_file() if "/" in one else one in modules)] == []

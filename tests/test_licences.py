"""The licences of everything that the lock installs: each is one that this package, under MIT, can stand on."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "test.txt"

#: Licences that ask for their notice to be kept, and MPL, whose condition ends at its own files.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip

#: Other words by which packages say the same.
SAME = {
    "Apache": "Apache-2.0", "Apache 2.0": "Apache-2.0", "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0", "BSD License": "BSD", "ISC License (ISCL)": "ISC", "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip

#: Packages that say it in a file alone.
READ = {"axe-playwright-python": "MIT", "ppi-python": "MIT"}


#: Licences beside the list's that bind one file of a package which only builds the site: an Emacs mode, old parts.
BESIDE = {"docutils": {"GNU General Public License (GPL)", "Public Domain"}}


def locked() -> list[tuple[str, str]]:
    """Names and versions."""
    text = LOCK.read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\]+)", text, re.MULTILINE)))


def licences(name: str) -> set[str]:
    """What a package says of its licence, every part of an expression; empty if it says nothing."""
    told = metadata.metadata(name)
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if "License ::" in line]
    expression = (
        told.get("License-Expression") or " AND ".join(classifiers) or told.get("License") or READ.get(name, "")
    )
    parts = re.split(r" AND | OR ", expression.strip())
    return {SAME.get(part, part) for part in parts if part}


@pytest.mark.parametrize(("name", "version"), locked())
def test_a_locked_package_has_a_licence_of_the_list(name, version):
    try:
        there = metadata.version(name)
    except metadata.PackageNotFoundError:
        pytest.skip("for another system, or only to build with")
    if there != version:
        pytest.skip(f"the version there is {there}, not the lock's")
    found = licences(name) - BESIDE.get(name, set())
    assert found, f"{name} says no licence: read its file and write it down in READ"
    assert found <= ALLOWED, f"{name} is under {', '.join(sorted(found - ALLOWED))}"


def test_a_licence_that_is_not_of_the_list_is_seen(monkeypatch):
    told = {"License-Expression": "MIT AND GPL-3.0-or-later"}
    monkeypatch.setattr(metadata, "metadata", lambda name: Told(told))
    assert licences("made") - ALLOWED == {"GPL-3.0-or-later"}


class Told(dict[str, str]):
    def get_all(self, name: str, default: list[str]) -> list[str]:
        return default

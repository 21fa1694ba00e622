"""Which warnings end a test: those of our own modules; a dependency's are listed at the end of the run."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
#: What a dependency may do: warn of its caller, or of a call that it makes itself.
LIBRARY = """
import warnings

def renamed(category):
    warnings.warn("renamed, call the new name", category, stacklevel=2)

def outdated(category):
    renamed(category)
"""


def module(name: str, source: str = "") -> ModuleType:
    made = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), made.__dict__)
    return made


def caller(name: str, library: ModuleType) -> ModuleType:
    """A module of that name whose ``call`` calls what the library has renamed."""
    made = module(name, "def call(category):\n    library.renamed(category)\n")
    made.library = library
    return made


def own_modules() -> list[str]:
    tests = [
        f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").exists() else path.stem
        for path in (ROOT / "tests").rglob("*.py")
        if path.stem != "__init__"
    ]
    theory = [
        f"crowdllm_theory_{path.parent.name}{path.stem.removeprefix('checks')}"
        for path in (ROOT / "theory").glob("*/checks*.py")
    ]
    library = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "crowdllm_stats").rglob("*.py")
    ]
    return sorted({*tests, *theory, *library, "__main__"})


@pytest.fixture
def library() -> ModuleType:
    return module("somebody_elses.library", LIBRARY)


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning, RuntimeWarning])
def test_a_warning_that_a_call_of_ours_causes_is_an_error(library, category):
    with pytest.raises(category, match="call the new name"):
        library.renamed(category)
    with pytest.raises(category, match="call the new name"):
        caller("crowdllm_stats.inference.made_up", library).call(category)


def test_every_module_of_ours_is_covered(library):
    names = own_modules()
    assert len(names) > 200
    silent = []
    for name in names:
        with warnings.catch_warnings(record=True):
            try:
                caller(name, library).call(DeprecationWarning)
            except DeprecationWarning:
                continue
        silent.append(name)
    assert not silent, "name them under filterwarnings in pyproject.toml"


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning, RuntimeWarning])
@pytest.mark.parametrize("name", ["somebody_elses.caller", "testing.helpers", "surveys", "not_crowdllm_stats"])
def test_a_warning_between_others_is_kept_for_the_end_of_the_run(library, category, name):
    with warnings.catch_warnings(record=True) as seen:
        library.outdated(category)
        caller(name, library).call(category)
    assert [warning.category for warning in seen] == [category] * 2

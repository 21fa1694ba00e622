"""The run of planted errors: what is drawn, which tests are chosen, and what becomes of a change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SOURCE = '''"""A made module."""


def doubled(x: int) -> int:
    return 2 * x


def raised(x: int) -> int:
    return x + 1
'''

TEST = """from crowdllm_stats.room.made import doubled


def test_it():
    assert doubled(3) == 6
"""


@pytest.fixture(scope="module")
def mutants():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(ROOT / "benchmarks")])
        import mutants

        yield mutants


@pytest.fixture
def made(tmp_path):
    """A package of one module, of whose two functions one is tested."""
    for name, text in (
        ("crowdllm_stats/__init__.py", ""),
        ("crowdllm_stats/room/__init__.py", ""),
        ("crowdllm_stats/room/made.py", SOURCE),
        ("tests/room/test_made.py", TEST),
        ("tests/other/test_far.py", ""),
        ("pytest.ini", "[pytest]\nmarkers =\n    slow\n    faults\n    backbone\n"),
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_change_is_killed_by_its_test_or_survives(mutants, made, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    first, *_, last = mutants.every_mutation(made)
    assert (first.marked, last.marked) == ("return [2 -> 3] * x", "return x + [1 -> 2]")
    assert mutants.tests_of(first, made) == ["crowdllm_stats/room/made.py", "tests/room/test_made.py"]
    assert mutants.judge(made, first) == ("killed", "tests/room/test_made.py::test_it")
    assert mutants.judge(made, last) == ("survived", "")
    assert (made / "crowdllm_stats/room/made.py").read_text(encoding="utf-8") == SOURCE


def test_draws_depend_on_the_seed_and_keep_what_stays(mutants, made):
    every = mutants.every_mutation(made)
    drawn = [mutants.sample(every, 2, seed) for seed in range(8)]
    assert all(len(one) == 2 for one in drawn)
    assert len({tuple(map(str, one)) for one in drawn}) > 1
    others = [one for one in every if one not in drawn[0]]
    assert mutants.sample([*drawn[0], *others[1:]], 2, 0) == drawn[0]


def test_the_report_counts_and_lists(mutants, made):
    one, two, three, four = mutants.every_mutation(made)
    verdicts = [
        mutants.Verdict(one, 5, "killed", "tests/room/test_made.py::test_it"),
        mutants.Verdict(two, 5, "killed", "theory/made"),
        mutants.Verdict(three, 9, "survived", ""),
        mutants.Verdict(four, 9, "equivalent", "changes nothing"),
    ]
    text = mutants.report(verdicts, 400, seed=5)
    assert "4 of 400 possible changes of one place in a function, drawn with seed 5" in text
    assert "**2 of 3 (67%; 95% interval 9% to 99%)**" in text
    assert "| room/made.py:9 | `return x [+ -> -] 1` | survived |  |" in text
    assert "| room | 1 | 2 | 1 |" in text


def test_the_reasons_are_for_changes_that_exist(mutants):
    from mutation import equivalent, mutations

    listed = set(equivalent(mutants.LISTED))
    files = {one.partition(":")[0] for one in listed}
    assert not listed - {str(one) for file in files for one in mutations(file, everywhere=True)}

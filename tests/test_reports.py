"""The table of reports: every report is in it, every command can be run, and the scripts answer --help."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reports():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("reports_table", FOLDER / "reports.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(reports):
    return reports.known()


def written():
    """Every file in reports/, relative to it."""
    return sorted(str(path.relative_to(ROOT / "reports")) for path in (ROOT / "reports").rglob("*") if path.is_file())


def test_every_file_belongs_to_one_report(table):
    masks = [mask for one in table.values() for mask in one.files]
    owners = {file: sum(fnmatch(file, mask) for mask in masks) for file in written()}
    assert {file: count for file, count in owners.items() if count != 1} == {}


def test_every_pattern_names_a_file(table):
    files = written()
    masks = [mask for one in table.values() for mask in one.files]
    assert [mask for mask in masks if not any(fnmatch(file, mask) for file in files)] == []


def test_every_command_can_be_run_and_writes_below_reports(table):
    for one in table.values():
        assert 0 < one.minutes < 300
        for command in (*one.first, one.command):
            program, *words = shlex.split(command)
            if program == "python":
                assert (ROOT / words[0]) in SCRIPTS, command
            elif program == "crowdllm-stats":
                assert words[:2] in (["theory", "verify"], ["study", "run"]), command
                assert words[0] == "theory" or (ROOT / "simulations" / f"{words[2]}.toml").is_file(), command
            else:
                assert [program, words[0]] == ["make", "faults"]
        assert "reports" in re.split("[ =/]", one.command)


def bare(command):
    """A command without what changes no number: variables before it, processes, where it writes, its parts."""
    words = [word for word in shlex.split(command) if not re.match("[A-Z_]+=", word) or word.startswith("PART=")]
    skipped = {
        place + step for place, word in enumerate(words) if word in ("--workers", "--out", "--study") for step in (0, 1)
    }
    return [word for place, word in enumerate(words) if place not in skipped]


def test_reports_name_the_tables_commands(table):
    """A report made by an older script may lack --out, which it did not have."""
    said = {}
    for file in (one for one in written() if one.endswith(".md")):
        found = re.search("Made by `(.*?)`", (ROOT / "reports" / file).read_text(encoding="utf-8"))
        if found and not found[1].startswith("crowdllm-stats evaluate"):  # a part of the case study, by itself
            said[file] = found[1]
    assert len(said) > 35
    for file, command in said.items():
        owner = next(one for one in table.values() for mask in one.files if fnmatch(file, mask))
        assert bare(command) == bare(owner.command), file


def test_a_changed_tree_is_refused(reports, monkeypatch):
    monkeypatch.setattr(reports, "uncommitted", lambda: [" M crowdllm_stats/__init__.py"])
    monkeypatch.setattr(reports, "make", lambda report: pytest.fail("was made"))
    monkeypatch.setattr(sys, "argv", ["reports.py", "inference/kappa"])
    with pytest.raises(SystemExit, match="made from a clean commit"):
        reports.main()


def test_an_unknown_name_is_refused(reports, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reports.py", "inference/capa"])
    with pytest.raises(SystemExit, match="there is no report inference/capa"):
        reports.main()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_is_answered_without_running(script, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 0
    assert "usage:" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())

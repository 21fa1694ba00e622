"""The README's console examples, run and compared word for word (its Python examples run as doctests)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crowdllm_stats.cli import main

README = Path(__file__).resolve().parent.parent / "README.md"
EXAMPLES = re.findall(
    r"```console\n\$ crowdllm-stats ([^\n]*)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_console_examples_print_what_the_readme_shows(command, printed, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == printed


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links
    assert missing == []


def test_the_study_of_ones_own_is_the_packaged_one_and_takes_20_lines():
    (shown,) = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert shown == (README.parent / "simulations" / "own_crowd.toml").read_text(encoding="utf-8")
    assert len([line for line in shown.splitlines() if line and not line.startswith("#")]) <= 20

"""The README and the pages of docs/: outputs word for word, shell commands in a folder of small made files.

The README's Python blocks run as doctests; the pages' cells and command-output blocks run when the site is built.
Language models are random ones under the names of those that can be fetched.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from crowdllm_stats.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
PAGES = {page: page.read_text(encoding="utf-8") for page in (README, *sorted((ROOT / "docs").rglob("*.md")))}

#: What `make docs` runs or takes from another file.
BUILT = ("{code-cell} python", "{toctree}", "{eval-rst}") + tuple(
    f"{{{name}}} " for name in ("command-output", "program-output", "include", "literalinclude")
)

#: A page whose blocks need servers and clusters.
LARGE = ROOT / "docs" / "cluster.md"

#: Language and content of every block, page by page.
BLOCKS = {page: re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for page, text in PAGES.items()}

#: Command and what the README shows of it.
EXAMPLES = [
    re.fullmatch(r"\$ crowdllm-stats ([^\n]*)\n(.*)", block, re.DOTALL)
    for kind, block in BLOCKS[README]
    if kind == "console"
]
EXAMPLES = [example.groups() for example in EXAMPLES]

#: Lines of the plain blocks, without their remarks.
LINES = [
    line.partition("  #")[0].strip()
    for page, blocks in BLOCKS.items()
    for kind, block in blocks
    if kind == "" and page != LARGE
    for line in block.splitlines()
    if line.strip()
]
COMMANDS = [line.removeprefix("crowdllm-stats ") for line in LINES if line.startswith("crowdllm-stats ")]

#: Commands within sentences that name their files as the blocks do.
INLINE = [
    command
    for command in dict.fromkeys(re.findall(r"`crowdllm-stats ([^`]*)`", " ".join(PAGES.values()).replace("\n", " ")))
    if "HUMANS" in command
]

#: Whole studies take minutes to hours: of these the command is read and its study found, but not run.
STUDY = "study "

#: What follows from a generator fitted to the tables of the block.
GENERATOR = [command for command in COMMANDS if not command.startswith(STUDY)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_by_these_tests_or_by_the_build(page):
    assert PAGES[page].count("\n```") == 2 * len(BLOCKS[page])
    for kind, _ in BLOCKS[page]:
        known = kind in ("", "console", "python") if page == README else kind == "" or kind.startswith(BUILT)
        assert known or page == LARGE, kind


def test_the_tests_find_what_there_is():
    assert len(EXAMPLES) >= 2
    assert all(line.startswith(("make ", "crowdllm-stats ", "pip install ")) for line in LINES)
    assert GENERATOR[0].startswith("fit HUMANS.csv")
    assert len(INLINE) >= 1


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_console_examples_print_what_the_readme_shows(command, printed, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("command", [command for command, _ in EXAMPLES])
def test_console_examples_run_in_a_pipe(command, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out


def test_the_table_of_real_twins_is_the_reports():
    report = (ROOT / "reports" / "real_twins" / "README.md").read_text(encoding="utf-8")
    names = {"`auto` (this package)": "auto", "Student's t": "classical", "ppi_py, PPI++": "ppi_py PPI++"}
    names["glide, PPI++"] = "glide PPI++"
    for shown, name in names.items():
        (row,) = re.findall(rf"^\| {re.escape(shown)} \|(.*)$", TEXT, re.MULTILINE)
        assert f"| {name} |{row}\n" in report


def test_make_has_the_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [line.removeprefix("make ") for line in LINES if line.startswith("make ")]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_pip_names_extras_that_there_are():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set(re.findall(r"crowdllm-stats\[(\w+)\]", " ".join(PAGES.values())))
    assert named
    assert named <= set(extras)
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGES[ROOT / "docs" / "start.md"], re.MULTILINE))
    assert listed == set(extras) - {"test", "docs"}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith(STUDY)])
def test_studies_of_the_pages_exist(command, capsys):
    """A study's own commands are tested in tests/studies and tests/cli/test_cli_study.py; these would take too long."""
    words = shlex.split(command)
    assert main([*words[:2], "--help"]) == 0
    offered = capsys.readouterr().out
    assert all(word in offered for word in words if word.startswith("--"))
    assert (ROOT / "simulations" / f"{words[2]}.toml").exists()


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """Tables of 24 people and 10 questions, named as in the pages' commands: HUMANS, TEXTS, NEW and DIGITAL.csv."""
    folder = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(3)
    header = "problem,participant,response,gender,age_group"
    taste = rng.normal(size=(120, 10))  # a human shares it with the digital twin
    for name, count in (("HUMANS", 24), ("DIGITAL", 120)):
        answers = 2 + np.arange(10) % 3 + 0.8 * taste[:count] + 0.5 * rng.normal(size=(count, 10))
        rows = [
            f"q{item:02},p{who},{answer:.0f},{'Woman' if who % 2 else 'Man'},{'55+' if who % 3 else '18-34'}"
            for (who, item), answer in np.ndenumerate(np.clip(np.rint(answers), 1, 5))
        ]
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    texts = [f"q{item:02},A text about tea number {item}" for item in range(10)]
    (folder / "TEXTS.csv").write_text("\n".join(["problem,text", *texts]) + "\n", encoding="utf-8")
    (folder / "NEW.csv").write_text("problem,text\nn1,A text about coffee\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", INLINE)
def test_commands_within_sentences_run(command, small_files, capsys, monkeypatch):
    monkeypatch.chdir(small_files)
    words = [{"HUMANS": "HUMANS.csv", "DIGITAL": "DIGITAL.csv"}.get(word, word) for word in shlex.split(command)]
    assert main([*words, "--scale", "1:5"]) == 0
    assert capsys.readouterr().err == ""


def test_from_ones_own_answers_to_the_three_jobs(small_files, capsys, monkeypatch):
    """The commands one after the other, as a reader types them, with random models under the fetched ones' names."""
    pytest.importorskip("torch", reason="needs the hf extra: torch")
    pytest.importorskip("jax", reason="needs the generator extra: jax")
    from tiny_model import write_cache

    from crowdllm_stats.backbones.fetch import VARIABLE, quiet_transformers

    with quiet_transformers():
        write_cache(small_files / "cache")
    monkeypatch.setenv(VARIABLE, str(small_files / "cache"))
    monkeypatch.chdir(small_files)
    told = ""
    for command in GENERATOR:
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
        told += capsys.readouterr().out
    assert "on 2 held-out problems (48 answers): CrowdLLM " in told
    assert "Written: model.npz" in told
    assert "200 answers of 200 digital people in new.csv" in told
    assert "As context the model was given: You take part in a survey." in told
    for title in ("questions people answer between", "no worse than", "the crowd's mean misses"):
        assert title in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", PAGES[page])
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_address_outside_is_listed():
    """`make docs-links` asks whether they answer, where there is a network."""
    listed = (ROOT / "docs" / "addresses.txt").read_text(encoding="utf-8").split()
    documents = [*PAGES, *ROOT.glob("*.md"), ROOT / "CITATION.cff"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in documents)
    found = {address.rstrip("/") for address in re.findall(r"https://[^\s)>\]`\"']+", text)}
    assert sorted(found) == listed


def test_the_study_of_ones_own_is_the_packaged_one_and_takes_20_lines():
    page = PAGES[ROOT / "docs" / "own_study.md"]
    for name in ("own_crowd", "own_survey"):
        assert f"{{literalinclude}} ../simulations/{name}.toml" in page
        lines = (ROOT / "simulations" / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        assert len([line for line in lines if line and not line.startswith("#")]) <= 20

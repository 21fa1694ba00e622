"""`crowdllm-stats study`, end to end: files, exit codes, one line of error, and stopping."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import run as run_command

from crowdllm_stats.cli import main

MINE = """
title = "A study of one's own"
simulator = "intervals"
methods = ["classical", "ppi"]
reference = "classical"
measures = ["coverage", "width", "width_ratio"]
replicates = 60
seed = 1
block = 20
fixed = { N = 30 }
[factors]
n = [5, 12]
correlation = [0.0, 0.8]
[quick]
replicates = 10
factors = { n = [5] }
[[claim]]
text = "PPI covers at least 0.5"
measure = "coverage"
method = "ppi"
at_least = 0.5
[[picture]]
kind = "lines"
file = "width"
measure = "width"
x = "n"
column = "correlation"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "simulations").mkdir()
    (tmp_path / "simulations" / "mine.toml").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Standard output of a command, or standard error where it should fail."""
    return run_command(capsys, "study", *arguments, code=code)


def test_list_and_show(capsys):
    assert "mine: A study of one's own" in run(capsys, "list")
    words = run(capsys, "show", "mine")
    for part in (
        "Aims",
        "Varied",
        "Measures",
        "- `n` in 5, 12: human answers",
        "4 cells of 60 replicates each, computed in 12 blocks",
    ):
        assert part in words
    assert "Blocks:" not in words


def test_run_report_resume_and_show(capsys, folder):
    out = run(capsys, "run", "mine", "--workers", "0", "--out", "report")
    assert "12 blocks computed, 0 found" in out
    assert "KEPT: PPI covers at least 0.5" in out
    names = {path.name for path in (folder / "report").iterdir()}
    assert names == {
        "README.md", "contrasts.parquet", "results.parquet", "results.parquet.manifest.json", "study.json",
        "study.json.manifest.json", "width.png",
    }  # fmt: skip
    table = pd.read_parquet("report/results.parquet")
    assert len(table) == 4 * 2 * 3
    manifest = json.loads(Path("report/results.parquet.manifest.json").read_text(encoding="utf-8"))
    assert manifest["command"] == "crowdllm-stats study run mine --workers 0 --out report"
    out = run(capsys, "resume", "mine", "--workers", "0", "--plot", "width.svg")
    assert "0 blocks computed, 12 found" in out
    assert out.splitlines()[-2:] == ["Pictures: out/mine/width.png", "Plot: width.svg"]
    assert (folder / "width.svg").read_bytes().startswith(b"<?xml")
    assert (folder / "out" / "mine" / "README.md").is_file()
    assert "Blocks: 12 of 12 finished in out/mine" in run(capsys, "show", "mine")
    found = json.loads(run(capsys, "run", "mine", "--workers", "0", "--json"))
    assert found["study"] == "mine"
    assert found["conclusions"][0]["verdict"] == "kept"
    assert len(found["results"]) == 2 * 3
    (folder / "simulations" / "mine.toml").write_text(MINE.replace("seed = 1", "seed = 2"), encoding="utf-8")
    assert "out/mine holds blocks of another design: seed was 1, is 2" in run(capsys, "run", "mine", code=2)


def test_quick_has_its_own_folder(capsys, folder):
    assert "2 blocks computed" in run(capsys, "run", "mine", "--quick", "--workers", "0")
    assert (folder / "out" / "mine-quick" / "design.json").is_file()
    assert not (folder / "out" / "mine").exists()


def test_plan_says_replicates_and_time(capsys):
    words = run(capsys, "plan", "mine", "--mcse", "0.01", "--pilot", "20", "--workers", "1")
    assert re.search(r"time with 1 workers: .* to .*", words)
    assert re.search(r"coverage +0\.\d+ +\d+", words)


BAD = [
    (("run", "nine"), "unknown study 'nine'; known: "),
    (("run", "nine.toml"), "there is no study file nine.toml"),
    (("resume", "mine"), "nothing to resume: out/mine holds no started study"),
    (("run", "mine", "--workers", "-1"), "--workers must be a whole number of at least 0; got -1"),
    (("run", "mine", "--scheduler", "there"), "scheduler must be an address such as tcp://host:8786"),
    (("run", "mine", "--out", "simulations/mine.toml"), "--out simulations/mine.toml is a file; name a folder"),
    (("run", "mine", "--store", "simulations/mine.toml/x"), "cannot be made or read: Not a directory"),
    (("plan", "mine", "--mcse", "-1"), "the wanted standard error must be positive; got -1.0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_what_cannot_be_run_gets_one_line_before_anything_runs(capsys, folder, arguments, message):
    assert message in run(capsys, *arguments, code=2)
    assert not list(folder.glob("**/*.parquet"))


def test_a_bad_file_gets_one_line(capsys, folder):
    (folder / "bad.toml").write_text(MINE.replace("n = [5, 12]", 'n = ["5"]'), encoding="utf-8")
    message = run(capsys, "run", "bad.toml", code=2)
    assert "bad.toml: factor 'n' must be a number, but '5' is text: write it without quotes" in message


def test_a_name_leads_nowhere_but_into_out(capsys, folder):
    (folder / "away.toml").write_text('name = "../../away"\n' + MINE, encoding="utf-8")
    message = run(capsys, "run", "away.toml", code=2)
    assert "away.toml: name must be a plain name without folders, at most 120 bytes" in message
    assert not list(folder.parent.glob("away*"))


def test_a_second_run_is_refused_and_the_first_goes_on(capsys, folder):
    from crowdllm_stats.studies.engine.design_file import read_design
    from crowdllm_stats.studies.engine.store import Store

    store = Store(folder / "out" / "mine", read_design(folder / "simulations" / "mine.toml"))
    with store.writing():
        half = store.block_file(0).with_suffix(".parquet.1.half")
        half.write_bytes(b"as the first run writes it")
        for command in ("run", "resume"):
            message = run(capsys, command, "mine", "--workers", "0", code=2)
            assert "another run is writing to out/mine; wait for it, or use --store" in message
        assert half.is_file()


def test_a_damaged_block_is_one_line_wherever_it_is_read(capsys, folder):
    run(capsys, "run", "mine", "--workers", "0")
    block = folder / "out" / "mine" / "blocks" / "000003.parquet"
    whole = block.read_bytes()
    block.write_bytes(whole[:100] + bytes([whole[100] ^ 4]) + whole[101:])
    for command in ("run", "resume", "show"):
        message = run(capsys, command, "mine", code=2)
        assert "000003.parquet is damaged, its checksum does not fit: delete this file and resume" in message
    block.unlink()
    assert "1 blocks computed, 11 found" in run(capsys, "resume", "mine", "--workers", "0")
    assert block.read_bytes() == whole


def test_the_commit_in_a_report_is_not_that_of_the_folder_around_the_study(capsys, folder):
    me = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "mine")):
        subprocess.run(["git", *me, *words], check=True)
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    run(capsys, "run", "mine", "--workers", "0")
    assert done.stdout.strip() not in Path("out/mine/README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_finished_study_that_can_only_be_read_is_shown(capsys, folder):
    run(capsys, "run", "mine", "--workers", "0")
    for place in (folder / "out" / "mine" / "blocks", folder / "out" / "mine"):
        place.chmod(0o500)
    assert "Blocks: 12 of 12 finished in out/mine" in run(capsys, "show", "mine")
    assert "out/mine cannot be written to: name another folder for the report with --out" in run(
        capsys, "run", "mine", code=2
    )
    assert "0 blocks computed, 12 found" in run(capsys, "run", "mine", "--workers", "0", "--out", "report")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_gets_one_line(capsys, folder):
    (folder / "shut").mkdir(mode=0o500)
    assert "cannot be written to: Permission denied" in run(capsys, "run", "mine", "--store", "shut/x", code=2)


def test_ctrl_c_is_one_line_and_keeps_what_is_finished(folder):
    long = MINE.replace("replicates = 60", "replicates = 50000").replace("fixed = { N = 30 }", "fixed = { N = 2000 }")
    (folder / "long.toml").write_text(long.replace("block = 20", "block = 200"), encoding="utf-8")
    # A shell starts background jobs with Ctrl-C ignored, and Python then leaves it so: heard again here in any case.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heard}; from crowdllm_stats.cli import main; raise SystemExit(main())"]
    run = subprocess.Popen(
        [*command, "study", "run", "long.toml", "--workers", "2"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(folder.glob("out/long/blocks/*.parquet"))) < 2 and run.poll() is None:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # to all processes, as a terminal does
    _, said = run.communicate(timeout=120)
    assert (run.returncode, said) == (1, "error: stopped; finished blocks stay in out/long, 'study resume' goes on\n")
    assert len(list(folder.glob("out/long/blocks/*.parquet"))) >= 2
    assert not list(folder.glob("out/long/blocks/*.half"))


def test_as_a_program_with_two_processes_and_no_bar_in_a_pipe(folder):
    command = [sys.executable, "-c", "from crowdllm_stats.cli import main; raise SystemExit(main())"]
    done = subprocess.run(
        [*command, "study", "run", "mine", "--workers", "2"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "12 blocks computed" in done.stdout
    assert main(["study", "run", "mine", "--workers", "0", "--store", "other"]) == 0
    for file in sorted((folder / "other" / "blocks").iterdir()):
        assert file.read_bytes() == (folder / "out" / "mine" / "blocks" / file.name).read_bytes()

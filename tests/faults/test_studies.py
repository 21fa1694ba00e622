"""Simulation studies: killed, run twice at once, blocks damaged or exchanged, inputs changed, names that lead away."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats._base.sealed import is_whole
from crowdllm_stats.cli import main
from crowdllm_stats.studies.simulators.intervals import INTERVALS
from faults.campaign import Campaign
from faults.commands import Done, run

STUDY = """
simulator = "intervals"
methods = ["classical", "ppi"]
reference = "classical"
measures = ["coverage", "width"]
replicates = 60
seed = 1
block = 20
fixed = { N = 30 }
factors = { n = [5, 12], correlation = [0.0, 0.8] }
"""
#: The same, of 40 blocks that take a tenth of a second each.
LONG = STUDY.replace("replicates = 60", "replicates = 2000").replace("block = 20", "block = 200").replace("30", "20000")

#: What a report has beside numbers that the study's blocks alone decide.
NUMBERS = ("results.parquet", "contrasts.parquet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "long.toml").write_text(LONG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A command of ``study`` in this process: quicker by a second than one in its own."""

    def call(*words: str) -> Done:
        code = main(["study", *words])
        return Done(code, *capsys.readouterr())

    return call


def names_block(done: Done, file: Path) -> bool:
    """Whether a refusal names the file and the remedy."""
    return done.refused and file.name in done.err and "delete this file and resume" in done.err


def blocks_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((folder / "blocks").iterdir())}


def numbers_of(folder: Path) -> list[pd.DataFrame]:
    return [pd.read_parquet(folder / name) for name in NUMBERS]


def same(one: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame]) -> bool:
    return all(left.equals(right) for left, right in zip(one, other, strict=True))


# -- stops -------------------------------------------------------------------------------------------------------------


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, ended with its workers whatever happens."""
    line = [sys.executable, "-m", "crowdllm_stats", "study", *words]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_blocks(process: subprocess.Popen[str], folder: Path, count: int) -> bool:
    """Whether so many blocks were there before the run ended, or a minute was over."""
    for _ in range(30_000):
        if len(list(folder.glob("blocks/*.parquet"))) >= count:
            return process.poll() is None
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return False


def test_killed_and_resumed(campaign: Campaign, here: Path) -> None:
    attack = "A study is killed (SIGKILL) at a random moment and resumed: blocks and numbers as of one that was not"
    rng = random.Random(campaign.seed)
    assert main(["study", "run", "long.toml", "--workers", "0", "--store", "whole"]) == 0
    whole, numbers = blocks_of(here / "whole"), numbers_of(here / "whole")
    kills, tries = 0, campaign.tries(20)
    while kills < tries:
        shutil.rmtree(here / "out", ignore_errors=True)
        here_now = 0
        for target in sorted(rng.sample(range(38), 5)):
            with started("run", "long.toml", "--workers", "1") as process:
                if wait_for_blocks(process, here / "out" / "long", target):
                    time.sleep(rng.uniform(0.0, 0.1))
                    process.kill()
                    here_now += 1
        done = run("study", "resume", "long.toml", "--workers", "0", cwd=here)
        right = blocks_of(here / "out" / "long") == whole and same(numbers_of(here / "out" / "long"), numbers)
        campaign.record(attack, done.outcome(right=right), before="20 of 20 survived", times=here_now)
        kills += here_now
        assert done.code == 0, done.err
        assert right


def test_two_runs_at_once(campaign: Campaign, here: Path) -> None:
    attack = "A second run of a study begins while the first runs: it is refused, the first ends as if alone"
    assert main(["study", "run", "long.toml", "--workers", "0", "--store", "whole"]) == 0
    whole = blocks_of(here / "whole")
    for number in range(campaign.tries(4)):
        shutil.rmtree(here / "out", ignore_errors=True)
        with started("run", "long.toml", "--workers", "1") as first:
            assert wait_for_blocks(first, here / "out" / "long", 1 + number)
            second = run("study", "resume" if number % 2 else "run", "long.toml", "--workers", "0", cwd=here)
            _, said = first.communicate(timeout=120)
        right = (first.returncode, said) == (0, "") and blocks_of(here / "out" / "long") == whole
        refused = second.refused and "another run is writing to out/long; wait for it" in second.err
        campaign.record(attack, "refused" if right and refused else "lost", before="4 of 4 lost")
        assert right
        assert refused, second


# -- damage ------------------------------------------------------------------------------------------------------------


def test_bits_of_blocks(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    attack = "One random bit of a random block is flipped, then the study is run, resumed or shown"
    rng = random.Random(campaign.seed)
    assert command("run", "mine.toml", "--workers", "0").code == 0
    files = sorted((here / "out" / "mine" / "blocks").iterdir())
    for _ in range(campaign.tries(300)):
        file = rng.choice(files)
        whole = file.read_bytes()
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        done = command(rng.choice(["run", "resume", "show"]), "mine.toml")
        file.write_bytes(whole)
        refused = names_block(done, file)
        campaign.record(attack, "refused" if refused else done.outcome(right=False), before="20 of 150 silent")
        assert refused, (file.name, place, bit, done)


def test_every_bit_of_a_block(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    attack = "Every bit of one block is flipped, one after another"
    assert command("run", "mine.toml", "--workers", "0").code == 0
    content = bytearray((here / "out" / "mine" / "blocks" / "000005.parquet").read_bytes())
    for place in range(0, len(content), round(1 / campaign.part)):
        for bit in range(8):
            content[place] ^= 1 << bit
            found = not is_whole(bytes(content))
            content[place] ^= 1 << bit
            campaign.record(attack, "refused" if found else "silent")
            assert found, (place, bit)
    assert is_whole(bytes(content))


def test_bits_of_the_design(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    attack = "One random bit of a store's design.json is flipped, then the study is run"
    rng = random.Random(campaign.seed)
    assert command("run", "mine.toml", "--workers", "0").code == 0
    file, numbers = here / "out" / "mine" / "design.json", numbers_of(here / "out" / "mine")
    whole, blocks = file.read_bytes(), blocks_of(here / "out" / "mine")
    for _ in range(campaign.tries(100)):
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        done = command("run", "mine.toml", "--workers", "0")
        right = same(numbers_of(here / "out" / "mine"), numbers) and blocks_of(here / "out" / "mine") == blocks
        file.write_bytes(whole)
        outcome = done.outcome(right=right)
        campaign.record(attack, outcome)
        assert outcome in ("survived", "refused"), (place, bit, done)
        assert right


def test_blocks_cut_or_overwritten(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    attack = "A block is cut, lengthened, doubled or filled with zeros from a random byte on"
    rng = random.Random(campaign.seed)
    assert command("run", "mine.toml", "--workers", "0").code == 0
    files = sorted((here / "out" / "mine" / "blocks").iterdir())
    for number in range(campaign.tries(80)):
        file = rng.choice(files)
        whole = file.read_bytes()
        place = rng.randrange(len(whole))
        damage = (whole[:place], whole + whole[:place] + b"\1", whole * 2, whole[:place] + bytes(len(whole) - place))
        file.write_bytes(damage[number % 4])
        done = command("run", "mine.toml", "--workers", "0")
        file.write_bytes(whole)
        refused = names_block(done, file)
        campaign.record(attack, "refused" if refused else done.outcome(right=False))
        assert refused, (file.name, place, number % 4, done)


def test_copied_and_swapped_blocks(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    copied = "A block is copied over another of the same study"
    swapped = "Two blocks of a study are swapped"
    foreign = "A block is replaced by the same block of the study with another seed"
    rng = random.Random(campaign.seed)
    (here / "other.toml").write_text(STUDY.replace("seed = 1", "seed = 2"), encoding="utf-8")
    for name in ("mine", "other"):
        assert command("run", f"{name}.toml", "--workers", "0").code == 0
    files = sorted((here / "out" / "mine" / "blocks").iterdir())
    whole = {file: file.read_bytes() for file in files}
    for number in range(campaign.tries(150)):
        one, two = rng.sample(files, 2)
        attack = (copied, swapped, foreign)[number % 3]
        other = here / "out" / "other" / "blocks" / one.name
        one.write_bytes(other.read_bytes() if attack == foreign else whole[two])
        if attack == swapped:
            two.write_bytes(whole[one])
        done = command("run", "mine.toml", "--workers", "0")
        for file in (one, two):
            file.write_bytes(whole[file])
        refused = names_block(done, one) or (attack == swapped and names_block(done, two))
        before = "" if attack == foreign else "all silent"
        campaign.record(attack, "refused" if refused else done.outcome(right=False), before=before)
        assert refused, (attack, one.name, two.name, done)


# -- another study under the same name ---------------------------------------------------------------------------------


def test_a_refitted_population(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    ran = "A population is fitted again under the same file name, then the study is run or resumed"
    moved = "A population's file is moved, then the study is run: its blocks are found"
    fit = ["fit", "example:human", "--backbone", "example:reference", "--setting", "held_out=0"]
    for name, steps in (("mine.npz", "20"), ("new.npz", "30")):
        assert main([*fit, "--setting", f"steps={steps}", "--out", name]) == 0
    study = """
simulator = "figure9"
methods = ["crowdllm"]
measures = ["error"]
replicates = 4
seed = 1
block = 2
factors = { workers = [3] }
[fixed]
population = "mine.npz"
reading = "profile"
length = "steps"
steps = 6
diversity = 1.0
noise = 0.65
questions = 4
pool = 12
virtual = 3
truth_draws = 50
"""
    (here / "own.toml").write_text(study, encoding="utf-8")
    command("list")  # forgets what the fits wrote
    assert command("run", "own.toml", "--workers", "0").code == 0
    numbers, blocks = pd.read_parquet(here / "out" / "own" / "results.parquet"), here / "out" / "own" / "blocks"
    shutil.move("mine.npz", "elsewhere.npz")
    (here / "own.toml").write_text(study.replace("mine.npz", "elsewhere.npz"), encoding="utf-8")
    done = command("run", "own.toml", "--workers", "0")
    found = pd.read_parquet(here / "out" / "own" / "results.parquet")
    right = "0 blocks computed, 2 found" in done.out and found.equals(numbers)
    campaign.record(moved, done.outcome(right=right))
    assert right, done
    shutil.copy("new.npz", "elsewhere.npz")
    for removed in ((), ("000001.parquet",)):
        for name in removed:
            (blocks / name).unlink()
        for verb in ("run", "resume"):
            done = command(verb, "own.toml", "--workers", "0")
            refused = done.refused and 'holds blocks of another design: fixed.population was "sha256:' in done.err
            campaign.record(ran, "refused" if refused else done.outcome(right=False), before="all silent")
            assert refused, done


def test_another_version_of_the_simulator(
    campaign: Campaign, here: Path, command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = "A study of a simulator whose results have changed since is run, resumed or shown"
    assert command("run", "mine.toml", "--workers", "0").code == 0
    monkeypatch.setattr(type(INTERVALS), "results", INTERVALS.results + 1)
    for verb in ("run", "resume", "show"):
        done = command(verb, "mine.toml")
        refused = done.refused and "holds blocks of another design: results was" in done.err
        campaign.record(attack, "refused" if refused else done.outcome(right=False))
        assert refused, done


# -- names and folders -------------------------------------------------------------------------------------------------


PICTURE = """
[[picture]]
kind = "lines"
measure = "width"
x = "n"
color = "correlation"
where = {{ method = ["ppi"] }}
file = "{}"
"""


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_names_that_lead_away(campaign: Campaign, tmp_path: Path, command: Callable[..., Done], monkeypatch) -> None:
    named = "A study's name, or a picture's, leads out of its folder or is no name"
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    away = str(tmp_path / "away").replace("\\", "/")
    names = [
        "../../X",
        "../X",
        "..",
        ".",
        "",
        "/",
        away,
        "a/../../../X",
        "a\\\\..\\\\X",
        "\\u0000",
        "\\n",
        "\\u001b[2J",
        ".git",
    ]
    rng = np.random.default_rng(campaign.seed)
    for name in [*names, *("../" * depth + "X" * length for depth, length in rng.integers(1, 9, (20, 2)))]:
        for text in (f'name = "{name}"\n{STUDY}', STUDY + PICTURE.format(name)):
            (here / "bad.toml").write_text(text, encoding="utf-8")
            before = everything(tmp_path)
            done = command("run", "bad.toml", "--workers", "0")
            left = everything(tmp_path) - before
            right = done.refused and not left
            campaign.record(named, "refused" if right else "lost", before="../../X wrote outside")
            assert right, (name, done, left)


def test_a_store_that_can_only_be_read(campaign: Campaign, here: Path) -> None:
    attack = "A finished study in a folder that can only be read is shown, and run with its report elsewhere"
    assert main(["study", "run", "mine.toml", "--workers", "0"]) == 0
    before = numbers_of(here / "out" / "mine")
    store = here / "out" / "mine"
    for place in (store / "blocks", store):
        place.chmod(0o500)
    program = ["-m", "crowdllm_stats"]
    if os.geteuid() == 0:  # root obeys no permissions until it gives up the right not to
        drop = "import ctypes; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)"  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
        again = "import os, sys; os.execv(sys.executable, [sys.executable, '-m', 'crowdllm_stats', *sys.argv[1:]])"
        program = ["-c", f"{drop}; {again}"]
    for words in (("show", "mine.toml"), ("run", "mine.toml", "--workers", "0", "--out", "report")):
        done = run("study", *words, cwd=here, program=program)
        shown = words[0] == "show" and "12 of 12 finished in out/mine" in done.out
        right = shown or same(numbers_of(here / "report"), before)
        campaign.record(attack, done.outcome(right=right))
        assert right, done
    done = run("study", "run", "mine.toml", "--workers", "0", cwd=here, program=program)
    campaign.record("The same, with no other folder for its report", done.outcome(right=False))
    store.chmod(0o700)
    assert done.refused, done
    assert "name another folder for the report with --out" in done.err


def test_the_commit_of_a_report(campaign: Campaign, here: Path, command: Callable[..., Done]) -> None:
    attack = "A study's file lies in another project's git folder: its commit is not the report's"
    me = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "mine")):
        subprocess.run(["git", *me, *words], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[:7]
    done = command("run", "mine.toml", "--workers", "0")
    right = head not in (here / "out" / "mine" / "README.md").read_text(encoding="utf-8")
    campaign.record(attack, done.outcome(right=right), before="1 of 1 silent")
    assert right

"""Standard streams, pipes, locales, folders and screens of every kind: the exit codes that the help names, one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crowdllm_stats import load_example
from faults.campaign import FAULTS, Campaign
from faults.commands import TRACES

PROGRAM = f"{sys.executable} -m crowdllm_stats"
BOTH = "example:human example:digital"
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

#: Commands that print much, little, JSON, through rich or plainly, with pictures of characters, and write files.
COMMANDS = (
    f"interval {BOTH} --out out.csv", f"interval {BOTH} --json", "across example:human",
    f"compare {BOTH} --problem q01", f"risk {BOTH}", f"distribution {BOTH}", f"planner {BOTH} --half-width 0.2",
    f"safe-interval {BOTH} --reference example:reference", "demo", "--help", "fit --help", "study list",
    "study show coverage", "theory list", "theory show theorem3", "backbone show",
    "simulate offensiveness --n 40 --out out.parquet", "study run pipe.toml --workers 0 --store blocks --out report",
)  # fmt: skip

STUDY = """
title = "A study of pipes"
simulator = "intervals"
methods = ["classical", "ppi"]
measures = ["coverage"]
replicates = 20
seed = 1
fixed = { N = 30 }
[factors]
n = [5, 12]
"""


@dataclass(frozen=True)
class Ended:
    """A line of bash: exit code (None: it hung), what it printed, its standard error."""

    code: int | None
    out: str
    err: str

    @property
    def one_line(self) -> bool:
        return self.err.startswith("error: ") and len(self.err.splitlines()) == 1


def shell(line: str, folder: Path, environment: dict[str, str | None]) -> Ended:
    """A line of bash in which PROGRAM stands for the program; a variable that is None is taken away."""
    settings = {**os.environ, **environment}
    command = ["bash", "-c", f"set -o pipefail; {line.replace('PROGRAM', PROGRAM)}"]
    present = {name: value for name, value in settings.items() if value is not None}
    try:
        done = subprocess.run(command, cwd=folder, env=present, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return Ended(None, "", "")
    return Ended(done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr)))


def fine(ended: Ended) -> str:
    """The outcome where the command must do its work without a word of error."""
    return "survived" if (ended.code, ended.err) == (0, "") else "lost"


def printed(ended: Ended) -> str:
    """The outcome where it must also print."""
    return fine(ended) if ended.out else "silent" if ended.code == 0 else "lost"


def ends(*codes: int, said: bool = True) -> Callable[[Ended], str]:
    """The outcome where it must end with one of these codes, and say why in a line that can be read."""

    def judged(ended: Ended) -> str:
        if ended.code == 0 and 0 not in codes:
            return "silent"
        right = ended.code in codes and (not said or ended.one_line) and not TRACES.search(ended.err)
        return "refused" if right else "lost"

    return judged


#: Attack: how a command is written in bash, the environment, and what must come of it.
STREAMS = {
    "closed standard output": ("PROGRAM {} >&-", {}, ends(2)),
    "a full disk behind standard output": ("PROGRAM {} >/dev/full", {}, ends(1)),
    "standard output opened for reading": ("PROGRAM {} 1</dev/null", {}, ends(1)),
    "a reader that leaves at once": ("PROGRAM {} | true", {}, fine),
    "a reader that leaves early (head -n 1)": ("PROGRAM {} | head -n 1", {}, printed),
    "a FIFO as standard output": ("mkfifo f.$$; cat f.$$ & PROGRAM {} > f.$$", {}, printed),
    "process substitution as standard output": ("PROGRAM {} > >(cat)", {}, printed),
    "closed standard error": ("PROGRAM {} 2>&-", {}, printed),
    "closed standard input": ("PROGRAM {} <&-", {}, printed),
    "an ASCII locale": ("PROGRAM {}", ASCII, printed),
    "no HOME": ("PROGRAM {}", {"HOME": None}, printed),
    "COLUMNS=0": ("PROGRAM {}", {"COLUMNS": "0"}, printed),
    "COLUMNS=1": ("PROGRAM {}", {"COLUMNS": "1"}, printed),
    "COLUMNS=-7": ("PROGRAM {}", {"COLUMNS": "-7"}, printed),
    "COLUMNS=999999999999": ("PROGRAM {}", {"COLUMNS": "999999999999"}, printed),
    "COLUMNS=wide": ("PROGRAM {}", {"COLUMNS": "wide"}, printed),
}  # fmt: skip

#: Commands given a pipe where they read or write a file, and other folders; they stand in bash as they are.
FILES = {
    "process substitution as a table": ("PROGRAM interval <(cat human.csv) digital.csv --scale 1:5", ends(2)),
    "a FIFO that nobody writes to as a table": ("PROGRAM interval human.csv fifo.csv --scale 1:5", ends(2)),
    "a FIFO as an answer of the LLM": (f"PROGRAM safe-interval {BOTH} --reference fifo.csv", ends(2)),
    "a FIFO as a generator": ("PROGRAM simulate fifo.npz --out a.csv", ends(2)),
    "a FIFO as a study": ("PROGRAM study show fifo.toml", ends(2)),
    "a FIFO as --out": (f"PROGRAM interval {BOTH} --out out.csv", ends(2)),
    "a FIFO as --out of a fit": ("PROGRAM fit example:human --backbone example:reference --out fifo.npz", ends(2)),
    "a working folder that was removed": ("mkdir gone; cd gone; rmdir ../gone; PROGRAM study list", ends(2)),
    "a working folder that nobody may write to (a study)": ("cd /proc; PROGRAM study run coverage --quick", ends(2)),
    "a working folder that nobody may write to (--out)": (f"cd /proc; PROGRAM interval {BOTH} --out a.csv", ends(2)),
    "a working folder that nobody may write to (printing)": (f"cd /proc; PROGRAM interval {BOTH}", printed),
    "bad input with standard error closed": ("PROGRAM planner 2>&-", ends(2, said=False)),
    "bad input with a full disk behind standard error": ("PROGRAM planner 2>/dev/full", ends(2, said=False)),
    "bad input with nothing open": ("PROGRAM planner <&- >&- 2>&-", ends(2, said=False)),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pipe.toml").write_text(STUDY, encoding="utf-8")
    example = load_example()
    for name, data in (("human", example.human), ("digital", example.digital)):
        data.responses.to_csv(tmp_path / f"{name}.csv", index=False)
    for name in ("fifo.csv", "fifo.npz", "fifo.toml", "out.csv"):
        os.mkfifo(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("attack", STREAMS)
def test_streams_and_screens(campaign: Campaign, place: Path, attack: str) -> None:
    (place / "out.csv").unlink()
    line, environment, judge = STREAMS[attack]
    first = sorted(STREAMS).index(attack) % 4  # each command meets every fourth attack, each attack a fourth of them
    faults = []
    for command in COMMANDS[first::4][: campaign.tries(len(COMMANDS) // 4)]:
        ended = shell(line.format(command), place, environment)
        outcome = judge(ended)
        campaign.record(attack, outcome)
        if outcome in FAULTS:
            faults.append((command, ended))
    assert not faults


@pytest.mark.parametrize("attack", FILES)
def test_pipes_in_place_of_files_and_other_folders(campaign: Campaign, place: Path, attack: str) -> None:
    line, judge = FILES[attack]
    ended = shell(line, place, {})
    campaign.record(attack, judge(ended))
    assert judge(ended) not in FAULTS, ended

"""Files: writers killed at every moment, disks that are full, outputs named like inputs, tables cut off anywhere."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crowdllm_stats.cli import main
from crowdllm_stats.data.files import read_table, write_table
from faults.campaign import Campaign
from faults.commands import PROGRESS, TRACES, Done

from .test_studies import STUDY

ROOT = Path(__file__).resolve().parents[2]

#: Every command that writes, and what it writes where.
WRITERS = {
    "interval --out .csv": ("interval", "h.csv", "d.csv", "--out", "out.csv"),
    "interval --out .parquet": ("interval", "h.csv", "d.csv", "--out", "out.parquet"),
    "interval --out .json": ("interval", "h.csv", "d.csv", "--out", "out.json"),
    "risk --out .csv": ("risk", "h.csv", "d.csv", "--out", "out.csv"),
    "compare --plot": ("compare", "h.csv", "d.csv", "--first", "1", "--plot", "out.png"),
    "simulate --out .csv.gz": ("simulate", "offensiveness", "--n", "5", "--problem", "1", "--out", "out.csv.gz"),
    "study run": ("study", "run", "mine.toml", "--workers", "0", "--out", "report", "--store", "store"),
    "theory verify --out": ("theory", "verify", "--only", "kappa", "--no-simulate", "--out", "report"),
}  # fmt: skip


def table(seed: int, people: list[str]) -> pd.DataFrame:
    draw = random.Random(seed)
    rows = [(f"q{item}", who, draw.randint(1, 5)) for item in range(4) for who in people]
    return pd.DataFrame(rows, columns=["problem", "participant", "response"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    people = [f"p{who}" for who in range(8)]
    table(1, people).to_csv("h.csv", index=False)
    table(2, [*people, *(f"d{who}" for who in range(6))]).to_csv("d.csv", index=False)
    table(3, ["model"])[["problem", "response"]].to_csv("r.csv", index=False)
    one_block = STUDY.replace("n = [5, 12], correlation = [0.0, 0.8]", "n = [5]").replace("block = 20", "block = 60")
    Path("mine.toml").write_text(one_block, encoding="utf-8")
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A command in this process: quicker than one in its own."""

    def call(*words: str) -> Done:
        code = main(list(words))
        return Done(code, *capsys.readouterr())

    return call


def moments(folder: Path, words: tuple[str, ...], limit: int = 0) -> Iterator[dict[str, Any]]:
    """What became of the folder at each moment, see :mod:`faults.moments`."""
    line = [sys.executable, "-m", "faults.moments", str(folder), str(limit), *words]
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        line, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=900
    )
    return map(json.loads, done.stdout.splitlines())


def good(files: dict[str, str]) -> dict[str, str]:
    """Files but halves, locks, and those that say when they were written."""
    loose = (".half", ".lock", "times.csv", ".manifest.json", "README.md")
    return {
        name: content
        for name, content in files.items()
        if not name.endswith(loose) and not any(part.endswith(".half") for part in Path(name).parts)
    }


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_killed_at_any_moment(here: Path, campaign: Campaign, name: str) -> None:
    *killed, whole = moments(here, WRITERS[name])
    assert whole["code"] == 0, whole["err"]
    assert all(run["code"] == -signal.SIGKILL for run in killed)
    assert killed
    new = good(whole["files"])
    for run in killed:
        right = all(new.get(file) == content for file, content in good(run["files"]).items())
        campaign.record(
            f"{name}: killed before each step of its writing; every file whole or not there",
            "survived" if right else "lost",
        )
        assert right, set(good(run["files"]).items()) - set(new.items())


@pytest.mark.parametrize("name", list(WRITERS)[:6])
def test_a_writer_killed_at_any_moment_keeps_the_former_file(here: Path, campaign: Campaign, name: str) -> None:
    out = WRITERS[name][-1]
    Path(out).write_bytes(b"the former file")
    former = _hash(b"the former file")
    *killed, whole = moments(here, WRITERS[name])
    assert whole["code"] == 0, whole["err"]
    assert killed
    for run in killed:
        right = run["files"][out] in (former, whole["files"][out])
        campaign.record(
            f"{name}: killed before each step of its writing; the former file or the new one, whole",
            "survived" if right else "lost",
            before="10 of 10 lost" if out == "out.csv" else "",
        )
        assert right


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_large_table_killed_while_it_is_written(here: Path, campaign: Campaign, suffix: str) -> None:
    place, draw = here / f"large{suffix}", random.Random(campaign.seed)
    frame = pd.DataFrame({"problem": [f"q{row % 97}" for row in range(60_000)], "response": range(60_000)})
    write_table(frame.iloc[:10], place)
    former = place.read_bytes()
    start = time.monotonic()
    write_table(frame, here / f"whole{suffix}")
    usual, whole = time.monotonic() - start, (here / f"whole{suffix}").read_bytes()
    for _ in range(campaign.tries(10)):
        place.write_bytes(former)
        child = os.fork()
        if child == 0:
            write_table(frame, place)
            os._exit(0)
        time.sleep(draw.uniform(0, usual))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        right = place.read_bytes() == former or len(read_table(place)) == len(frame)
        campaign.record(
            f"a large {suffix} killed at a random instant of its writing; the former table or the new one, whole",
            "survived" if right else "lost",
            before="10 of 10 lost" if suffix == ".csv" else "",
        )
        assert right
    assert len(whole) > len(former)


@pytest.mark.parametrize("name", [*list(WRITERS)[:6], "theory verify --out"])
def test_files_that_may_not_grow(here: Path, campaign: Campaign, name: str) -> None:
    out = WRITERS[name][-1]
    if out != "report":
        Path(out).write_bytes(b"the former file")
    (run,) = moments(here, WRITERS[name], limit=60)
    former = out == "report" or run["files"][out] == _hash(b"the former file")
    said = PROGRESS.sub("", run["err"])
    one_line = said.startswith("error: ") and said.count("\n") == 1 and not TRACES.search(said)
    right = former and one_line and run["code"] in (1, 2) and "could not be written" in said
    campaign.record(
        f"{name}: no room for the file; one line, the former file stays",
        "refused" if right else "lost",
        before="0 bytes left of the former file" if out == "out.csv" else "",
    )
    assert right, run


def test_a_disk_that_fills_up(here: Path, campaign: Campaign, command: Callable[..., Done]) -> None:
    disk = here / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        out = disk / "out.csv"
        for room in range(campaign.tries(12)):
            (disk / "filler").unlink(missing_ok=True)
            out.write_bytes(b"the former file")
            _fill(disk / "filler", 4096 * room)
            said = command("simulate", "offensiveness", "--n", "60", "--out", str(out))
            right = out.read_bytes() == b"the former file" and said.code in (1, 2) and said.err.count("\n") == 1
            campaign.record(
                "simulate --out on a disk with 0 to 44 kB of room; one line, the former file stays",
                "refused" if right else "lost",
            )
            assert right, said
    finally:
        subprocess.run(["umount", disk], check=True)


def _fill(place: Path, but: int) -> None:
    """Fill a disk but for some bytes."""
    room = shutil.disk_usage(place.parent).free - but
    place.write_bytes(b"0" * max(room, 0))


NAMES: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "with ./ before it": lambda name: f"./{name}",
    "absolute": lambda name: str(Path(name).absolute()),
    "through the folder above": lambda name: f"../here/{name}",
    "by a symbolic link": lambda name: _linked(os.symlink, name, f"soft-{name}"),
    "by a hard link": lambda name: _linked(os.link, name, f"hard-{name}"),
    "in capitals, where the file system takes them for the same": str.upper,
}

#: Commands and the inputs that each reads.
READERS: dict[tuple[str, ...], tuple[str, ...]] = {
    **{
        (name, "h.csv", "d.csv"): ("h.csv", "d.csv")
        for name in ("interval", "across", "risk", "compare", "distribution", "planner")
    },
    ("safe-interval", "h.csv", "d.csv", "--reference", "r.csv"): ("h.csv", "d.csv", "r.csv"),
    ("simulate", "offensiveness", "--twins", "h.csv", "--participants", "people.csv"): ("h.csv", "people.csv"),
    ("compare", "h.csv", "d.csv", "--plot"): ("h.png",),
    ("fit", "h.csv", "--scale", "1,2,3,4,5", "--backbone", "r.npz", "--participants", "p.npz"): ("r.npz", "p.npz"),
}


def _linked(make: Callable[[str, str], None], name: str, link: str) -> str:
    Path(link).unlink(missing_ok=True)
    make(name, link)
    return link


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_outputs_named_like_inputs(
    here: Path, campaign: Campaign, command: Callable[..., Done], words: tuple[str, ...]
) -> None:
    for name in ("people.csv", "h.png", "p.npz", "r.npz"):
        shutil.copy("h.csv", name)
    before = {file: Path(file).read_bytes() for file in READERS[words]}
    for kind, other in NAMES.items():
        for file in before:
            if other is str.upper and not Path(file.upper()).exists():
                continue
            option = () if words[-1] == "--plot" else ("--out",)
            given = tuple(file if word == "h.csv" and words[-1] == "--plot" else word for word in words)
            said = command(*given, *option, other(file))
            whole = {name: Path(name).read_bytes() for name in before} == before
            right = whole and said.refused
            campaign.record(
                f"an input named again as output, {kind}",
                "refused" if right else "lost",
                before="1 of 1 lost" if "--participants" in words and kind == "as it is" else "",
            )
            assert right, said


@pytest.mark.parametrize("words", [
    ("study", "run", "mine.toml", "--workers", "0", "--out"),
    ("study", "run", "mine.toml", "--workers", "0", "--store"),
    ("theory", "verify", "--only", "kappa", "--out"),
    ("evaluate", "h.csv", "--scale", "1,2,3,4,5", "--backbone", "r.csv", "--embedding", "none", "--out"),
], ids=lambda words: " ".join([*words[:2], words[-1]]))  # fmt: skip
@pytest.mark.parametrize("others", ["README.md", "notes.txt", "results.parquet", "scores.csv", "theory.json", "a.png"])
def test_reports_into_folders_of_others(
    here: Path, campaign: Campaign, command: Callable[..., Done], words: tuple[str, ...], others: str
) -> None:
    folder = here / "mine"
    folder.mkdir()
    (folder / others).write_text("Mine.\n", encoding="utf-8")
    said = command(*words, str(folder))
    right = said.refused and [(file.name, file.read_text()) for file in folder.iterdir()] == [(others, "Mine.\n")]
    campaign.record("a report into a folder that holds other things", "refused" if right else "lost")
    assert right, said


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_tables_cut_off_anywhere(here: Path, campaign: Campaign, command: Callable[..., Done], suffix: str) -> None:
    place, draw = here / f"answers{suffix}", random.Random(campaign.seed)
    said = command("simulate", "offensiveness", "--n", "9", "--problem", "1", "--problem", "2", "--out", str(place))
    assert said.code == 0, said
    whole = place.read_bytes()
    for size in sorted(draw.sample(range(len(whole)), min(campaign.tries(150), len(whole)))):
        place.write_bytes(whole[:size])
        try:
            outcome = "silent" if len(read_table(place)) != 18 or size < len(whole) - 2 else "survived"
        except ValueError as error:
            outcome = "refused" if "\n" not in str(error) else "lost"
        campaign.record(f"a {suffix} of simulate, cut off at a random byte, its manifest beside it", outcome)
        assert outcome in ("refused", "survived"), size


def _hash(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()

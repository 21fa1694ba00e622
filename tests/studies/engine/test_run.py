"""Running: the same bytes in any order, with any number of workers, after any interruption; and what can go wrong."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_simulator import TOYS, content

from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.studies.engine.compute import compute_block, layout_of
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.run import in_this_process, processes, run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import replicates_xarray, summarise

HERE = Path(__file__).resolve().parents[1]


def design(**changes):
    return make_design(content(**changes), "made", TOYS)


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = sorted((folder / "blocks").iterdir())
    assert all(file.suffix == ".parquet" for file in files)
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("together", [False, True])
def test_same_bytes_in_any_order_after_any_stop_and_with_two_workers(tmp_path, together):
    made = design(fixed={"together": together})
    run_study(made, Store(tmp_path / "a", made))
    expected = bytes_of(tmp_path / "a")
    assert len(expected) == 18

    def backwards(work, numbers):
        return in_this_process(work, reversed(list(numbers)))

    run_study(made, Store(tmp_path / "b", made), engine=backwards)
    assert bytes_of(tmp_path / "b") == expected

    class Stop(Exception):
        pass

    def stops(work, numbers):
        for place, result in enumerate(in_this_process(work, numbers)):
            if place == 5:
                raise Stop
            yield result

    for _ in range(2):
        with pytest.raises(Stop):
            run_study(made, Store(tmp_path / "c", made), engine=stops)
    engine = processes(2) if together else None
    done = run_study(made, Store(tmp_path / "c", made), engine=engine, resume=True)
    assert (done.found, done.computed) == (10, 8)
    assert bytes_of(tmp_path / "c") == expected
    one, other = (summarise(made, Store(tmp_path / name, made)) for name in "ac")
    pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
    pd.testing.assert_frame_equal(one.contrasts, other.contrasts, check_exact=True)


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from toy_simulator import TOYS, content
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.run import processes, run_study
from crowdllm_stats.studies.engine.store import Store

if __name__ == "__main__":
    design = make_design(content(fixed={{"pause": 0.03}}), "made", TOYS)
    run_study(design, Store(Path({folder!r}), design), engine=processes(2))
"""


def gone(group: int) -> bool:
    """Whether no process of the group is left, within 20 seconds."""
    for _ in range(400):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(tmp_path):
    made = design(fixed={"pause": 0.03})
    script, folder = tmp_path / "go.py", tmp_path / "killed"
    script.write_text(SCRIPT.format(here=str(HERE), folder=str(folder)), encoding="utf-8")
    moments = random.Random(3)
    kills = 0
    for finished in (1, 7):
        run = subprocess.Popen([sys.executable, str(script)], start_new_session=True, cwd=tmp_path)
        while len(list(folder.glob("blocks/*.parquet"))) < finished and run.poll() is None:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.03))
        if run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            kills += 1
        run.wait()
        assert gone(run.pid), "worker processes outlived the run"
    assert kills == 2
    left = len(list(folder.glob("blocks/*.parquet")))
    assert 7 <= left < 18
    (folder / "blocks" / "000017.parquet.123.half").write_bytes(b"half")  # as a kill within a write leaves it
    done = run_study(made, Store(folder, made), resume=True)
    assert done.found == left
    run_study(made, Store(tmp_path / "whole", made))
    assert bytes_of(folder) == bytes_of(tmp_path / "whole")


def test_a_changed_design_is_refused_and_the_change_is_named(tmp_path):
    made = design()
    run_study(made, Store(tmp_path, made))
    for changes, words in (
        ({"seed": 6}, "seed was 5, is 6"),
        ({"factors": {"n": [3, 9], "mean": [0.0, 1.0, 2.0]}}, r"factors.n was \[3, 8\], is \[3, 9\]"),
        ({"fixed": {"pause": 0.5}}, "fixed.pause was absent, is 0.5"),
        ({"replicates": 21}, "replicates was 20, is 21"),
        (
            {"skip": [{"method": "shrunken", "when": {"n": [3]}, "reason": "x"}]},
            r"skip was \[\], is \[{\"when\": {\"n\": \[3\]}, \"method\": \"shrunken\"}\]",
        ),
        ({"methods": ["plain"]}, r"methods was \[\"plain\", \"shrunken\"\], is \[\"plain\"\]"),
    ):
        other = design(**changes)
        with pytest.raises(ValueError, match=f"holds blocks of another design: .*{words}"):
            run_study(other, Store(tmp_path, other))
    same = design(measures=["mse"], title="Another title")  # neither changes a stored number
    assert run_study(same, Store(tmp_path, same)).computed == 0


def test_nothing_to_resume_a_used_folder_and_an_unwritable_one(tmp_path):
    made = design()
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        run_study(made, Store(tmp_path / "none", made), resume=True)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be written to: Not a directory"):
        run_study(made, Store(tmp_path / "file" / "store", made))
    store = Store(tmp_path / "used", made)
    with store.writing():
        half = store.block_file(3).with_name("000003.parquet.77.half")
        half.write_bytes(b"as the first run writes it")
        with pytest.raises(ValueError, match="another run is writing to .*; wait for it, or use --store"):
            run_study(made, Store(tmp_path / "used", made))
        assert half.is_file()
    (tmp_path / "used" / "design.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"design.json is not readable"):
        run_study(made, store)


def test_an_unreadable_block_is_one_clear_error_and_can_be_mended(tmp_path):
    made = design()
    store = Store(tmp_path, made)
    run_study(made, store)
    whole = bytes_of(tmp_path)
    victim = store.block_file(4)
    for content_left in (b"", victim.read_bytes()[:-20], b"nonsense" * 40):
        victim.write_bytes(content_left)
        with pytest.raises(ValueError, match=r"000004.parquet is damaged, .*: delete this file and resume"):
            run_study(made, store)
    with pytest.raises(ValueError, match=r"000004.parquet is damaged"):
        summarise(made, store)
    victim.unlink()
    with pytest.raises(FileNotFoundError, match="block 4 of .* is not finished"):
        summarise(made, store)
    assert run_study(made, store, resume=True).computed == 1
    assert bytes_of(tmp_path) == whole


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(tmp_path, monkeypatch):
    made = design()
    store = Store(tmp_path, made)
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match="block 4 could not be written .*: the disk is full; all finished blocks are kept"
    ):
        run_study(made, store)
    assert len(bytes_of(tmp_path)) == 4  # the first of the six was the design; no half is left
    assert run_study(made, store, resume=True).found == 4


def test_ctrl_c_within_a_write_leaves_neither_a_file_nor_a_half(tmp_path, monkeypatch):
    def stopped(number):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "000001.parquet", b"block")
    assert list(tmp_path.iterdir()) == []


def test_failures_are_counted_by_method_and_cell_and_contrasts_stay_paired(tmp_path):
    made = design(
        factors={"n": [3, 8], "fail_every": [0, 3]}, measures=["bias", "coverage", "shared", "positive", "width_ratio"]
    )
    store = Store(tmp_path, made)
    run_study(made, store)
    results = summarise(made, store)
    failures = results.failures
    assert failures[["n", "fail_every", "method", "failed"]].to_numpy().tolist() == [
        [3, 3, "shrunken", 7],
        [8, 3, "shrunken", 7],
    ]
    used = results.part("bias").set_index(["n", "fail_every", "method"])["replicates"]
    assert used[(3, 3, "shrunken")] == 13
    assert used[(3, 3, "plain")] == 20
    cube = replicates_xarray(made, store)
    assert dict(cube.sizes) == {"n": 2, "fail_every": 2, "method": 2, "replicate": 20}
    cell = cube.sel(n=8, fail_every=3)
    both = [replicate for replicate in range(20) if replicate % 3]
    difference = (cell["estimate"].sel({"method": "shrunken"}) - cell["estimate"].sel({"method": "plain"})).to_numpy()[
        both
    ]
    row = results.contrasts.query("n == 8 and fail_every == 3 and measure == 'bias'").iloc[0]
    assert row["replicates"] == 13
    assert row["difference"] == pytest.approx(difference.mean(), rel=1e-12)
    assert row["mcse"] == pytest.approx(difference.std(ddof=1) / np.sqrt(13), rel=1e-12)


def test_what_cells_share_comes_from_seed_and_replicate_alone(tmp_path):
    made = design()
    store = Store(tmp_path, made)
    run_study(made, store)
    cube = replicates_xarray(made, store)
    shared = cube["shared"].transpose("replicate", ...).to_numpy().reshape(20, -1)
    assert np.all(shared == shared[:, :1])
    assert len(np.unique(shared)) == 20
    estimates = (cube["estimate"] - cube["truth"]).sel({"method": "plain"}).to_numpy()
    assert len(np.unique(estimates.round(12))) == estimates.size  # each cell and replicate has its own


def test_a_replicate_has_its_numbers_whatever_else_is_run(tmp_path):
    """The same cell in a smaller study, with other blocks, gives the same numbers."""
    cubes = []
    for name, made in (("a", design()), ("b", design(factors={"n": [8], "mean": [2.0]}, replicates=5, block=3))):
        run_study(made, Store(tmp_path / name, made))
        cubes.append(replicates_xarray(made, Store(tmp_path / name, made)).sel(n=8, mean=2.0))
    np.testing.assert_array_equal(cubes[0]["estimate"].to_numpy()[:, :5], cubes[1]["estimate"].to_numpy())


def test_skipped_pairs_show_as_such(tmp_path):
    skip = [
        {"method": "only-large", "when": {"n": [3]}, "reason": "n is below 5"},
        {"when": {"mean": [2.0]}, "reason": "x"},
    ]
    made = design(methods=["plain", "only-large"], skip=skip)
    store = Store(tmp_path, made)
    run_study(made, store)
    results = summarise(made, store)
    assert len(results.skipped) == 2 + 4
    assert set(results.skipped["note"]) == {"skipped: n is below 5", "skipped: x"}
    assert len(results.part("bias")) == 6
    assert np.isnan(results.to_xarray()["value"].sel({"n": 3, "method": "only-large"}).to_numpy()).all()


def test_a_failing_simulator_is_named_with_its_cell_and_finished_blocks_stay(tmp_path):
    broken = design(simulator="broken")
    store = Store(tmp_path, broken)
    with pytest.raises(
        RuntimeError,
        match=r"simulator 'broken' failed in block 1, which starts at n = 3, mean = 0, replicate 7: ZeroDivisionError",
    ):
        run_study(broken, store)
    assert set(bytes_of(tmp_path)) == {"000000.parquet"}
    with pytest.raises(RuntimeError, match="gave .*; it promised estimate"):
        compute_block(design(simulator="misshapen"), 0)


def test_a_worker_that_dies_is_one_clear_error(tmp_path):
    made = design(fixed={"pause": 0.3})
    children = []

    def shoot(done, total):
        import multiprocessing

        for child in multiprocessing.active_children():
            children.append(child)
            child.kill()

    with pytest.raises(RuntimeError, match="a worker process was ended from outside"):
        run_study(made, Store(tmp_path, made), engine=processes(1), progress=shoot)
    assert children
    assert len(bytes_of(tmp_path)) >= 1


def test_progress_counts_the_blocks_that_were_there(tmp_path):
    made = design()
    seen = []
    run_study(made, Store(tmp_path, made), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 18) for number in range(19)]
    assert len(layout_of(made).blocks) == 18
    seen.clear()
    run_study(made, Store(tmp_path, made), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(18, 18)]
    times = pd.read_csv(tmp_path / "times.csv")
    assert sorted(times["block"]) == list(range(18))
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1; got 0"):
        processes(0)

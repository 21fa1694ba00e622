"""Answers of many people in parts: those of one file, whoever computes them, and a run that was stopped goes on."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats.generator import parts, simulation
from crowdllm_stats.generator.parts import simulate_parts
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator

THREE = ["q07", "q20", "q03"]
N = 150


@pytest.fixture
def small(monkeypatch):
    """Parts of 64 people, three for 150."""
    monkeypatch.setattr(simulation, "BLOCK", 64)
    monkeypatch.setattr(parts, "BLOCK", 64)
    monkeypatch.setattr(parts, "_BLOCKS", 1)


def bytes_of(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.parquet"))}


def test_parts_hold_what_one_file_holds(rated, small, tmp_path):
    told = []
    made = simulate_parts(rated, tmp_path / "a", THREE, N, seed=4, progress=lambda *at: told.append(at))
    assert (made.parts, made.found, made.answers) == (3, 0, 3 * N)
    assert told == [(64, N), (128, N), (N, N)]
    rated.simulate_to(tmp_path / "b.parquet", THREE, N, seed=4)
    one, other = (
        pd.read_parquet(tmp_path / name).astype({"problem": str, "participant": str}) for name in ("a", "b.parquet")
    )
    key = ["participant", "problem"]
    pd.testing.assert_frame_equal(one.sort_values(key, ignore_index=True), other.sort_values(key, ignore_index=True))


def test_people_from_another_place_on_are_the_same_people():
    pool = pd.DataFrame({"gender": ["Woman", "Man"] * 20, "age": [31, 45, 28, 52] * 10})
    recruiter = ProfileGenerator.from_pool(pool, qualified={"age": (30, 60)})
    whole = recruiter.sample(70, seed=3).table
    later = recruiter.sample(50, seed=3, start=20).table
    pd.testing.assert_frame_equal(later, whole.tail(50).reset_index(drop=True))
    with pytest.raises(ValueError, match="start must be a whole number of at least 0"):
        recruiter.sample(5, seed=3, start=-1)


def test_a_run_that_was_stopped_goes_on_with_what_is_missing(rated, small, tmp_path):
    simulate_parts(rated, tmp_path / "whole", THREE, N, seed=4)
    place = tmp_path / "stopped"

    def stop(done, total):
        if done == 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_parts(rated, place, THREE, N, seed=4, progress=stop)
    assert len(bytes_of(place)) == 2
    (place / "part-000000.parquet").unlink()
    (place / ".part-000002.parquet.0123.half").write_bytes(b"PAR1 cut off")
    assert len(pd.read_parquet(place)) == 3 * 64  # readers pass over halves
    made = simulate_parts(rated, place, THREE, N, seed=4)
    assert (made.found, made.answers) == (1, 3 * N)
    assert bytes_of(place) == bytes_of(tmp_path / "whole")
    assert not list(place.glob("*.half"))


def test_parts_that_are_damaged_or_of_another_simulation_are_refused(rated, small, tmp_path):
    simulate_parts(rated, tmp_path / "a", THREE, N, seed=4)
    simulate_parts(rated, tmp_path / "b", THREE, N, seed=5)
    first, second = (tmp_path / "a" / f"part-00000{number}.parquet" for number in (0, 1))
    whole = first.read_bytes()
    for content in (whole[:-1], whole[:1000], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:], b""):
        first.write_bytes(content)
        with pytest.raises(ValueError, match=r"part-000000.parquet is damaged, .*: delete it and run again"):
            simulate_parts(rated, tmp_path / "a", THREE, N, seed=4)
    for other in ((tmp_path / "b" / first.name).read_bytes(), second.read_bytes()):
        first.write_bytes(other)
        with pytest.raises(ValueError, match=r"part-000000.parquet is a part of another simulation: delete it"):
            simulate_parts(rated, tmp_path / "a", THREE, N, seed=4)
    with pytest.raises(ValueError, match=r"holds parts of another simulation \(seed 5, not 4\); name another folder"):
        simulate_parts(rated, tmp_path / "b", THREE, N, seed=4)
    with pytest.raises(ValueError, match=r"\(people 150, not 151\)"):
        simulate_parts(rated, tmp_path / "b", THREE, N + 1, seed=5)
    (tmp_path / "b" / "_simulation.json").write_text("{")
    with pytest.raises(ValueError, match="is not readable; name another folder"):
        simulate_parts(rated, tmp_path / "b", THREE, N, seed=5)


def test_two_runs_do_not_write_to_one_folder(rated, small, tmp_path):
    simulate_parts(rated, tmp_path, THREE, 10, seed=4)
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another run is writing to"):
            simulate_parts(rated, tmp_path, THREE, 10, seed=4)


@pytest.mark.slow
def test_the_bytes_of_a_cluster_are_those_of_one_process_though_a_worker_and_the_command_are_killed(tmp_path):
    """Nine parts of 65,536 people: the command is killed, then goes on, then one of two workers is killed."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: crowdllm-stats[dask]")

    def command(folder, *more):
        words = [
            sys.executable,
            "-m",
            "crowdllm_stats",
            "simulate",
            "offensiveness",
            "--n",
            "560000",
            "--problem",
            "12",
        ]
        return subprocess.Popen([*words, "--out", str(folder), *more], stdout=subprocess.PIPE, text=True)

    def wait(run, folder, count):
        while len(bytes_of(folder)) < count and run.poll() is None:
            time.sleep(0.02)
        assert run.poll() is None

    here, there = tmp_path / "here", tmp_path / "there"
    run = command(here)
    run.communicate(timeout=600)
    assert run.returncode == 0
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as made:
        run = command(there, "--scheduler", made.scheduler_address)
        wait(run, there, 2)
        run.kill()
        run.communicate()
        run = command(there, "--scheduler", made.scheduler_address)
        wait(run, there, 4)
        with distributed.Client(made) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        told, _ = run.communicate(timeout=600)
    assert run.returncode == 0
    assert "560,000 answers of 560,000 digital people" in told
    assert bytes_of(there) == bytes_of(here)

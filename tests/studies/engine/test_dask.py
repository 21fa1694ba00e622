"""The Dask engine on a real local cluster of processes: the same bytes, and a worker that dies loses nothing."""

from __future__ import annotations

import os
import signal

import pytest
from toy_simulator import TOYS, content

from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.run import cluster, run_study
from crowdllm_stats.studies.engine.store import Store

pytest.importorskip("distributed", reason="needs Dask: crowdllm-stats[dask]")


def bytes_of(folder):
    return {file.name: file.read_bytes() for file in sorted((folder / "blocks").iterdir())}


def test_same_bytes_as_here_though_a_worker_is_killed(tmp_path):
    from distributed import Client, LocalCluster

    design = make_design(content(fixed={"pause": 0.05}), "made", TOYS)
    run_study(design, Store(tmp_path / "here", design))
    killed = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as made:

        def kill_one(done, total):
            if done == 3 and not killed:
                with Client(made) as client:
                    victim = next(iter(client.run(os.getpid).values()))
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        store = Store(tmp_path / "dask", design)
        done = run_study(design, store, engine=cluster(made.scheduler_address), progress=kill_one)
    assert killed
    assert done.computed == 18
    assert bytes_of(tmp_path / "dask") == bytes_of(tmp_path / "here")


def test_addresses_that_are_none_or_do_not_answer(tmp_path):
    design = make_design(content(), "made", TOYS)
    with pytest.raises(ValueError, match="scheduler must be an address"):
        cluster("10.0.0.5")
    with pytest.raises(ValueError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        run_study(design, Store(tmp_path, design), engine=cluster("tcp://127.0.0.1:9", timeout=0.5))


def test_a_scheduler_that_goes_leaves_finished_blocks(tmp_path):
    from distributed import LocalCluster

    design = make_design(content(fixed={"pause": 0.05}), "made", TOYS)
    store = Store(tmp_path, design)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as made:

        def end_it(done, total):
            if done == 3:
                made.close()

        with pytest.raises(RuntimeError, match=r"the Dask scheduler at tcp:.* is gone; all finished blocks are kept"):
            run_study(design, store, engine=cluster(made.scheduler_address), progress=end_it)
    kept = len(bytes_of(tmp_path))
    assert 3 <= kept < 18
    assert run_study(design, store, resume=True).found == kept

"""A large simulation and a large study on a Dask cluster of several processes, of which one is killed midway.

    make reports NAME=scale/cluster    # the report; a look at it under out/: python benchmarks/cluster.py --people 300000

The cluster is on this machine (`LocalCluster`, two worker processes of one thread); the commands get its address by
--scheduler, as they would get that of a real one. Small versions of both are held against one process, byte by byte.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from distributed import Client, LocalCluster

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.generator.shipped import load_population
from reports import ROOT, command_line, typed

WORKERS, PROBLEMS = 2, 100

STUDY = """
title = "A million replicates"
aims = "How exact is the exact risk decomposition?"
simulator = "risk"
methods = ["exact", "direct"]
measures = ["bias", "rmse"]
replicates = {replicates}
seed = 20261128
block = 5000
[fixed]
slope = 0.6
[factors]
N = [10]
"""


def peak() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(
    folder: Path, words: list[str], files: Path, kill_at: int | None, cluster: LocalCluster | None
) -> dict[str, object]:
    """One command, and a worker killed once so many files are there; a row of the report's table."""
    where = [] if cluster is None else ["--scheduler", cluster.scheduler_address]
    start, workers = time.perf_counter(), []
    with (folder / "said.txt").open("w") as said, (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "crowdllm_stats", *words, *where], cwd=folder, stdout=said, stderr=errors,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        while kill_at is not None and len(list(files.glob("*.parquet"))) < kill_at:
            time.sleep(0.1)
            if process.poll() is not None:
                raise SystemExit((folder / "errors.txt").read_text())
        if kill_at is not None:
            with Client(cluster) as client:
                pids, peaks = client.run(os.getpid), client.run(peak)
                victim = next(iter(pids))
                os.kill(pids[victim], signal.SIGKILL)
                workers.append(peaks[victim])
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "errors.txt").read_text())
    if cluster is not None:
        with Client(cluster) as client:
            workers += client.run(peak).values()
    return {
        "seconds": seconds,
        "files": len(list(files.glob("*.parquet"))),
        "MB on disk": sum(file.stat().st_size for file in files.glob("*.parquet")) / 1e6,
        "the command's peak MiB": usage.ru_maxrss / 1024,
        "a worker's peak MiB": max(workers, default=float("nan")),
    }


def same(one: Path, other: Path) -> int:
    """Number of files, equal in both folders byte by byte.

    Raises:
        SystemExit: if they are not.
    """
    names = sorted(file.name for file in one.glob("*.parquet"))
    if names != sorted(file.name for file in other.glob("*.parquet")) or not names:
        raise SystemExit(f"{one} and {other} hold other files")
    if any((one / name).read_bytes() != (other / name).read_bytes() for name in names):
        raise SystemExit(f"{one} and {other} differ")
    return len(names)


def main() -> None:
    parser = command_line(__doc__, "scale")
    parser.add_argument("--people", type=int, default=10_000_000)
    parser.add_argument("--replicates", type=int, default=1_000_000)
    given = parser.parse_args()
    asked = [word for name in load_population().fitted.problems[:PROBLEMS] for word in ("--problem", name)]

    def simulate(people: int, name: str) -> list[str]:
        return ["simulate", "offensiveness", *asked, "--n", str(people), "--seed", "1", "--out", name]

    def study(replicates: int, name: str) -> list[str]:
        (folder / f"{name}.toml").write_text(STUDY.format(replicates=replicates))
        return ["study", "run", f"{name}.toml", "--store", name, "--json"]

    rows = {}
    with (
        tempfile.TemporaryDirectory() as place,
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
    ):
        folder = Path(place)
        run(folder, simulate(150_000, "few-here"), folder / "few-here", None, None)
        run(folder, simulate(150_000, "few"), folder / "few", 1, cluster)
        equal = [same(folder / "few-here", folder / "few")]
        run(folder, [*study(100_000, "short-here"), "--workers", "0"], folder / "short-here" / "blocks", None, None)
        run(folder, study(100_000, "short"), folder / "short" / "blocks", 5, cluster)
        equal.append(same(folder / "short-here" / "blocks", folder / "short" / "blocks"))
        blocks = -(-given.replicates // 5000)
        name = f"study, {given.replicates:,} replicates"
        rows[name] = run(folder, study(given.replicates, "long"), folder / "long" / "blocks", blocks // 2, cluster)
        found = json.loads((folder / "said.txt").read_text())["results"]
        parts = -(-given.people // 65_536)
        name = f"simulation, {given.people:,} people by {PROBLEMS} problems"
        rows[name] = run(folder, simulate(given.people, "many"), folder / "many", parts // 2, cluster)
        answers = sum(pq.read_metadata(file).num_rows for file in (folder / "many").glob("*.parquet"))
        halves = len([*folder.rglob("*.half")])
    table = pd.DataFrame([{"what": name, **row} for name, row in rows.items()])
    exact = {row["method"]: row for row in found if row["measure"] == "bias"}["exact"]
    text = f"""# On a cluster of several processes, one killed midway

{made_by(typed())}
{os.cpu_count()} cores shared with other work, load {os.getloadavg()[0]:.1f} at the end. A Dask `LocalCluster` of {WORKERS} worker
processes with one thread each; halfway one of them got SIGKILL, and Dask started another.

{markdown_table(table, 1)}

- Answers written by the simulation: {answers:,} of {given.people * PROBLEMS:,}. Half-written files left in any folder: {halves}.
- The same bytes as one process without Dask, with a worker killed midway too: {equal[0]} of {equal[0]} parts of 150,000 people by
  {PROBLEMS} problems, {equal[1]} of {equal[1]} blocks of a study of 100,000 replicates.
- The study's result: bias of the exact risk decomposition {exact["mean"]:.2g}, Monte Carlo standard error {exact["largest_mcse"]:.2g}.

The command's memory holds one part of 65,536 people (or block) and what Dask sends next, a worker's the part at work, the
compiled program and the packages; neither grows with the number of people or replicates, but for the study's summary at the
end, which reads all blocks.
"""
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "cluster.md", text)
    print(text)


if __name__ == "__main__":
    main()

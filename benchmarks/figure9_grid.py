"""How long a whole grid of Figure 9 takes end to end, how that grows with replicates, and its peak memory.

    make reports NAME=figure9/grid    # the report; a look at it under out/: python benchmarks/figure9_grid.py

Runs `crowdllm-stats study run` on simulations/figure9.toml with reading 'profile' and 100 epochs, as a user would: start
of the processes, compilation, fits, blocks on disk and verdicts included. Wall time and processor time are of the whole
process tree; memory is the largest sum over its processes of what they hold, looked at twice a second.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_file, write_whole
from crowdllm_stats.studies.engine.design_file import read_design, study_file
from crowdllm_stats.studies.simulators.figure9.overview import work_of
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent
ONLY = ["--only", "reading=profile", "--only", "length=epochs"]


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = [root]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def held(root: int) -> int:
    """Bytes that a process tree holds in memory."""
    total = 0
    for process in tree(root):
        try:
            words = (Path("/proc") / str(process) / "statm").read_text().split()
        except OSError:
            continue
        total += int(words[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def one_run(replicates: int, folder: Path) -> dict[str, float]:
    """The study with so many replicates."""
    text = study_file("figure9").read_text(encoding="utf-8")
    file = folder / f"figure9_{replicates}.toml"
    write_whole(file, re.sub(r"^replicates = 10$", f"replicates = {replicates}", text, count=1, flags=re.M))
    store = folder / f"store-{replicates}"
    command = [sys.executable, "-m", "crowdllm_stats", "study", "run", str(file), *ONLY, "--store", str(store)]
    before, begin = os.times(), time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, held(process.pid))
        time.sleep(0.5)
    wall, after = time.perf_counter() - begin, os.times()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    blocks = pd.read_csv(store / "times.csv")
    return {
        "replicates": replicates,
        "fits": 216 * replicates,
        "wall, s": wall,
        "CPU, s": cpu,
        "of it compiling, s": blocks["prepare_seconds"].sum(),
        "peak memory, GiB": most / 2**30,
    }


def picture(runs: pd.DataFrame, cost: pd.DataFrame, side_by_side: int) -> Any:
    """Time against replicates, and of a fit against responses."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(runs["replicates"], runs["wall, s"], "o-", label="by the clock")
    left.plot(runs["replicates"], runs["CPU, s"], "s--", label="processor time")
    left.set_xlabel("replicates (216 fits each)")
    left.set_ylabel("seconds of the whole grid")
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    means = (cost["run_seconds"] / side_by_side).groupby(cost["answers"]).agg(["mean", "min", "max"])
    right.plot(means.index, means["mean"], "o-")
    right.fill_between(means.index, means["min"], means["max"], alpha=0.2, linewidth=0)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("responses W Q of a fit (100 epochs)")
    right.set_ylabel("seconds of one process per fit")
    for axis in (left, right):
        axis.grid(alpha=0.25)
    return figure


def main() -> None:
    """Run the grids, write the report."""
    parser = command_line(__doc__, "figure9")
    parser.add_argument("--replicates", type=int, nargs="+", default=[2, 5, 10])
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = pd.DataFrame([one_run(count, folder) for count in arguments.replicates])
        last = folder / f"store-{arguments.replicates[-1]}"
        cost = work_of(last)
    figure = picture(runs, cost, read_design(study_file("figure9")).block)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with whole_file(arguments.out / "grid_time.png") as file:
        figure.savefig(file, dpi=110, metadata={"Software": None})
    words = [
        "# Time and memory of a whole grid",
        made_by(typed()),
        f"Reading 'profile', 100 epochs, {os.cpu_count()} processes; load of the machine at the start: {load:.1f} (0 "
        "where nothing else runs). Compiling is by the clock, summed over processes.",
        markdown_table(runs, 1),
        "![Time against replicates and responses](grid_time.png)",
    ]
    write_whole(arguments.out / "grid.md", "\n\n".join(words) + "\n")
    print("\n\n".join(words))


if __name__ == "__main__":
    main()

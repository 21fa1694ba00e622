"""How many intervals per second the closed-form methods give at n = 10 people and N = 100 digital answers, on 2 cores.

    make reports NAME=coverage/speed    # the report; a look at it under out/: python benchmarks/coverage_speed.py

An evaluation is one method's interval for one replicate. "methods" is the time from drawn answers to ends of the
intervals, checks of the input included; "end to end" is a whole study: random numbers, answers, methods, blocks on disk
and measures with their standard errors. Rates are over wall time with two processes, median and range of the runs; where
the cores are shared with other work the rate over CPU time (times two) says what two free cores would give.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.intervals.dispatch import choose
from crowdllm_stats.inference.intervals.methods import METHODS
from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.grid import jobs
from crowdllm_stats.studies.engine.run import ONE_THREAD, in_this_process, processes, run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise
from crowdllm_stats.studies.simulators.intervals import INTERVALS, draw, sample_of
from reports import command_line, typed

REPEATS, WORKERS, BLOCK = 5, 2, 4000
CLOSED = [
    name for name in INTERVALS.methods if name == "auto" or (name != "set-betting" and not METHODS[name].two_values)
]


def design(family, replicates):
    methods = [name for name in CLOSED if family == "ordinal" or name == "auto" or METHODS[name].bounds != "needed"]
    return make_design(
        {
            "simulator": "intervals",
            "factors": {"n": [10]},
            "fixed": {"N": 100, "family": family},
            "methods": methods,
            "measures": ["coverage", "width", "bias"],
            "replicates": replicates,
            "seed": 1,
            "block": BLOCK,
        },
        "speed",
    )


def methods_only(task):
    """Wall time of all methods on one block of drawn answers, repeated; begins when both processes have drawn theirs."""
    family, repeats, begin = task
    made = design(family, BLOCK)
    plan = layout_of(made)
    work = jobs(made, plan.blocks[0], plan.grid)
    answers, cell = draw(work), work[0].cell
    every(answers, cell, made.methods)  # first call: imports, caches
    while time.time() < begin:
        time.sleep(0.001)
    start, busy = time.time(), time.process_time()
    for _ in range(repeats):
        every(answers, cell, made.methods)
    return start, time.time(), time.process_time() - busy, repeats * BLOCK * len(made.methods)


def every(answers, cell, methods):
    sample = sample_of(answers, cell)
    for method in methods:
        METHODS[choose(sample) if method == "auto" else method](sample)


def rate_of_methods(family, pool):
    found = list(pool.map(methods_only, [(family, 40, time.time() + 1.0)] * WORKERS))
    wall = max(row[1] for row in found) - min(row[0] for row in found)
    count = sum(row[3] for row in found)
    return count / wall, WORKERS * count / sum(row[2] for row in found)


def rate_end_to_end(family, engine, replicates=100_000):
    made = design(family, replicates)
    with tempfile.TemporaryDirectory() as folder:
        begin, busy = time.perf_counter(), time.process_time()
        run_study(made, Store(Path(folder), made), engine=engine)
        summarise(made, Store(Path(folder), made))
        count = replicates * len(made.methods)
        return count / (time.perf_counter() - begin), WORKERS * count / (time.process_time() - busy)


def words(rates):
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def main():
    out = command_line(__doc__, "coverage").parse_args().out
    os.environ.update(ONE_THREAD)
    rows = []
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        for family in ("normal", "ordinal"):
            list(pool.map(methods_only, [(family, 1, 0.0)] * WORKERS))
            both = [rate_of_methods(family, pool) for _ in range(REPEATS)]
            whole = [rate_end_to_end(family, processes(WORKERS)) for _ in range(3)]
            alone = [rate_end_to_end(family, in_this_process) for _ in range(3)]  # all its CPU time is this process's
            rows.append(
                {
                    "answers": family,
                    "methods": len(design(family, 2).methods),
                    "methods alone, by wall time": words([wall for wall, _ in both]),
                    "methods alone, by CPU time x 2": words([busy for _, busy in both]),
                    "end to end, by wall time": words([wall for wall, _ in whole]),
                    "end to end, by CPU time x 2": words([busy for _, busy in alone]),
                }
            )
    import pandas as pd

    load = os.getloadavg()[0]
    text = "\n\n".join(
        [
            "# Interval evaluations per second, n = 10, N = 100, 2 processes",
            made_by(typed()),
            "Median (smallest to largest) over repeated runs. Methods alone: from drawn answers to the ends of the "
            "intervals, input checks included. End to end: random numbers, answers, methods, blocks on disk, measures "
            f"with standard errors, the start of the processes. Load of the machine's 2 cores at the end: {load:.1f} "
            "(above 2 others were computing too).",
            markdown_table(pd.DataFrame(rows)),
        ]
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "speed.md", text + "\n")
    print(text)


if __name__ == "__main__":
    sys.exit(main())

"""Tables of millions of answers: reading one beside pyarrow, intervals from one, and from one beyond memory.

    make reports NAME=inference/large_csv    # the report; a look at it under out/: python benchmarks/large_csv.py

Every measurement is a process of its own. Takes 2 GB of disk while it runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

QUESTIONS, PAIRS, AT_ONCE = 200, 3, 5000

#: A child process says how long its work took, its imports not counted: seconds, and processor seconds.
TIMED = """
import sys, time
{imports}
start, used = time.perf_counter(), time.process_time()
{work}
print(time.perf_counter() - start, time.process_time() - used)
"""
PYARROW = TIMED.format(imports="from pyarrow import csv", work="table = csv.read_csv(sys.argv[1])")
OURS = TIMED.format(
    imports="import pandas, pyarrow.csv\nfrom crowdllm_stats import CrowdData",
    work="data = CrowdData.read(sys.argv[1], scale='1:5', repeats='keep')",
)
BEYOND = TIMED.format(
    imports="from crowdllm_stats import interval_from",
    work="found = interval_from(sys.argv[1], scale='1:5')\nassert len(found.rows) == 200 and found.overall",
)


class Cost(NamedTuple):
    """What a process took: seconds, processor seconds, and MiB at most."""

    seconds: float
    processor: float
    peak: float


def tables(people, question, person):
    """Answers of everybody to all questions, some people at a time."""
    rng = np.random.default_rng(1)
    questions = pa.array([question.format(number) for number in range(QUESTIONS)])
    for first in range(0, people, AT_ONCE):
        count = min(AT_ONCE, people - first)
        names = pa.array([person.format(number) for number in range(first, first + count)])
        columns = {
            "problem": questions.take(pa.array(np.tile(np.arange(QUESTIONS), count))),
            "participant": names.take(pa.array(np.repeat(np.arange(count), QUESTIONS))),
            "response": pa.array(rng.integers(1, 6, count * QUESTIONS, dtype=np.int8)),
        }
        yield pa.table(columns)


def write(path, people, question, person):
    parts = tables(people, question, person)
    table = next(parts)
    if path.suffix == ".parquet":
        writer = pa.parquet.ParquetWriter(path, table.schema)
    else:
        plain = pa.csv.WriteOptions(quoting_style="none", quoting_header="none")
        writer = pa.csv.CSVWriter(path, table.schema, write_options=plain)
    with writer as out:
        out.write_table(table)
        for table in parts:
            out.write_table(table)


def run(arguments, timed=True):
    """A process's cost; with ``timed`` the seconds that it prints, else those from start to end."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([str(one) for one in arguments], stdout=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{arguments} failed with {os.waitstatus_to_exitcode(status)}")
        said.seek(0)
        own = [float(word) for word in said.read().split()] if timed else [seconds, usage.ru_utime + usage.ru_stime]
    return Cost(own[0], own[1], usage.ru_maxrss / 1024)


def middle(costs):
    return Cost(*(float(np.median(values)) for values in zip(*costs, strict=True)))


def row(what, cost):
    return f"| {what} | {cost.seconds:.1f} | {cost.processor:.1f} | {cost.peak:,.0f} |"


def measured(folder):
    """Rows of the table, and the ratio of each pair of readings by time and by processor time."""
    small, large, digital, huge = (folder / name for name in ("small.csv", "large.csv", "digital.csv", "huge.parquet"))
    write(small, 30_000, "q{:03d}", "p{:05d}")
    pairs = [[run([sys.executable, "-c", code, small]) for code in (PYARROW, OURS)] for _ in range(PAIRS)]
    theirs, ours = (middle(side) for side in zip(*pairs, strict=True))
    ratios = [np.median([mine[kind] / other[kind] for other, mine in pairs]) for kind in (0, 1)]
    lines = [
        row(f"pyarrow reads {small.stat().st_size / 1e6:.0f} MB, 6,000,000 rows", theirs),
        row("`CrowdData.read` reads them", ours),
    ]
    write(large, 29_000, "question-{:03d}", "participant-{:07d}")
    write(digital, 142, "question-{:03d}", "participant-{:07d}")
    command = [sys.executable, "-m", "crowdllm_stats", "interval", large, digital, "--as-given", "--scale", "1:5"]
    lines += [
        row(
            f"`crowdllm-stats interval` on {large.stat().st_size / 1e6:.0f} MB, 5,800,000 answers, by classical",
            run([*command, "--method", "classical", "--json"], timed=False),
        )
    ]
    write(huge, 500_000, "question-{:03d}", "participant-{:07d}")
    lines.append(
        row(
            "`interval_from` on Parquet of 100,000,000 answers by 500,000 people",
            run([sys.executable, "-c", BEYOND, huge]),
        )
    )
    return lines, ratios


def main():
    out = command_line(__doc__, "inference").parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        lines, ratios = measured(Path(folder))
    load = os.getloadavg()[1]
    text = f"""# Tables of millions of answers

{made_by(typed())}

| what | seconds | processor seconds | peak memory, MiB |
|---|---|---|---|
{chr(10).join(lines)}

{QUESTIONS} questions that everybody answered. Reading took {ratios[0]:.1f} times as long as pyarrow alone, which checks nothing, and
{ratios[1]:.1f} times its processor time (median of {PAIRS} pairs in turn; the imports are not counted). The command is measured from
start to end. {os.cpu_count()} cores, on which {load:.0f} processes wanted to run (load over five minutes): where that is more than the
cores, processor seconds say more than seconds. The last line's answers lie in a file for each group of questions meanwhile,
1.6 GB in the folder for temporary files.
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "large_csv.md", text)
    print(text)


if __name__ == "__main__":
    main()

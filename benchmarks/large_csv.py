"""A 200 MB table of human answers through the command line: time and peak memory.

    make reports NAME=inference/large_csv    # the report; a look at it under out/: python benchmarks/large_csv.py

Takes 0.5 GB of disk while it runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

MEGABYTES = 200


def write_answers(path: Path, megabytes: int) -> int:
    """Rows ``problem,participant,response`` until the file has its size; the number of rows."""
    rng = np.random.default_rng(1)
    rows, people, chunk = 0, 0, 200_000
    with path.open("w", encoding="utf-8") as out:
        out.write("problem,participant,response\n")
        while out.tell() < megabytes * 1_000_000:
            who = people + np.arange(chunk) // 200
            problem = np.tile(np.arange(200), chunk // 200)
            answer = rng.integers(1, 6, chunk)
            lines = (
                f"question-{p:03d},participant-{w:07d},{a}\n" for p, w, a in zip(problem, who, answer, strict=True)
            )
            out.writelines(lines)
            rows, people = rows + chunk, people + chunk // 200
    return rows


def main():
    out = command_line(__doc__, "inference").parse_args().out
    command = Path(sys.executable).with_name("crowdllm-stats")
    with tempfile.TemporaryDirectory() as folder:
        humans, digital = Path(folder) / "humans.csv", Path(folder) / "digital.csv"
        rows = write_answers(humans, MEGABYTES)
        write_answers(digital, 1)
        size = humans.stat().st_size / 1e6
        arguments = [
            command,
            "interval",
            humans,
            digital,
            "--as-given",
            "--scale",
            "1:5",
            "--method",
            "classical",
            "--json",
        ]
        start = time.perf_counter()
        with Path(os.devnull).open("w") as nowhere:
            process = subprocess.Popen(arguments, stdout=nowhere)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"the command failed with {os.waitstatus_to_exitcode(status)}")
    text = f"""# A 200 MB table of answers

{made_by(typed())}

`crowdllm-stats interval HUMANS DIGITAL --as-given --scale 1:5 --method classical` on {size:.0f} MB of human answers
({rows:,} rows, 200 problems): {seconds:.1f} s, peak memory {usage.ru_maxrss / 1024:,.0f} MiB of one process.
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "large_csv.md", text)
    print(text)


if __name__ == "__main__":
    main()

"""Speed: PPI++ for 10,000 problems in one call against a loop over ppi_py; import time; peak memory.

    make reports NAME=inference/speed    # the report; a look at it under out/: python benchmarks/ppi_speed.py

Both sides run in one process on the same arrays, five times in turn; the ratio is the loop's time over ours, pair by
pair. The loop is timed on the first 1,000 problems and scaled by ten (its cost is the same for every problem); one full
loop of 10,000 is timed at the end to check that.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent
PROBLEMS, N_LABELED, N_DIGITAL, TIMED, REPEATS = 10_000, 10, 1_000, 1_000, 5


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def loop(human, twins, crowd):
    from ppi_py import ppi_mean_ci

    ends = [ppi_mean_ci(*row, alpha=0.05) for row in zip(human, twins, crowd, strict=True)]
    return np.array([[low.item(), high.item()] for low, high in ends])


def seconds(work, *arguments):
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def import_seconds():
    """Wall seconds of `import crowdllm_stats` (and of NumPy alone), each the median of nine fresh interpreters."""
    medians = []
    for module in ("crowdllm_stats", "numpy"):
        code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
        times = [
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
            for _ in range(9)
        ]
        medians.append(float(np.median(times)))
    return medians


def main():
    out = command_line(__doc__, "inference").parse_args().out
    rng = np.random.default_rng(1)
    human = rng.standard_normal((PROBLEMS, N_LABELED))
    twins = 0.6 * human + 0.8 * rng.standard_normal(human.shape)
    crowd = rng.standard_normal((PROBLEMS, N_DIGITAL))
    before = peak_mib()
    interval(human, twins, crowd, method="ppi++")
    ours_memory = peak_mib() - before
    part = human[:TIMED], twins[:TIMED], crowd[:TIMED]
    loop(*(array[:5] for array in part))  # the peer compiles on first use
    pairs = []
    for _ in range(REPEATS):
        ours, answer = seconds(lambda: interval(human, twins, crowd, method="ppi++"))
        theirs, ends = seconds(loop, *part)
        pairs.append((ours, theirs * PROBLEMS / TIMED))
    full, _ = seconds(loop, human, twins, crowd)
    difference = max(
        np.max(np.abs(answer.lower[:TIMED] - ends[:, 0])), np.max(np.abs(answer.upper[:TIMED] - ends[:, 1]))
    )
    own, numpy_alone = import_seconds()
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    times = sorted(ours for ours, _ in pairs)
    text = f"""# Speed

{made_by(typed())} {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}.

| what | median | smallest | largest |
|---|---|---|---|
| PPI++ for {PROBLEMS:,} problems (n = {N_LABELED}, N = {N_DIGITAL:,}), one call, seconds | {np.median(times):.3f} | {times[0]:.3f} | {times[-1]:.3f} |
| a loop over `ppi_py.ppi_mean_ci`, seconds (from {TIMED:,} problems) | {np.median([t for _, t in pairs]):.2f} | {min(t for _, t in pairs):.2f} | {max(t for _, t in pairs):.2f} |
| ratio, pair by pair | {np.median(ratios):.0f} | {ratios[0]:.0f} | {ratios[-1]:.0f} |

One full loop over all {PROBLEMS:,} problems took {full:.2f} s. Largest difference between the two sides' ends: {difference:.1e}.

The answers themselves take {(human.nbytes + twins.nbytes + crowd.nbytes) / 2**20:.0f} MiB; the call needs {ours_memory:.0f} MiB beyond them.

`import crowdllm_stats` takes {own:.3f} s (NumPy alone {numpy_alone:.3f} s; medians of nine fresh interpreters).
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "speed.md", text)
    print(text)


if __name__ == "__main__":
    sys.exit(main())

"""How long `crowdllm-stats --help` takes, of the program and of every command: medians over ten fresh processes.

    python benchmarks/help_speed.py

The wall time is that of an idle core alone; where others compute beside it, the CPU time says what an idle core would take.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import typer

from crowdllm_stats.cli.shell import build

RUNS = 10

#: Seconds that a help may take on an idle core.
MOST = 0.6


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


def seconds(words: tuple[str, ...]) -> tuple[float, float]:
    """Wall and CPU time of one process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "crowdllm_stats", *words, "--help"], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each command, and one over all."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    worst = 0.0
    for words in commands(typer.main.get_command(build([]))):
        wall, cpu = (statistics.median(values) for values in zip(*(seconds(words) for _ in range(RUNS)), strict=True))
        worst = max(worst, cpu)
        print(f"{' '.join(('crowdllm-stats', *words, '--help')):<45} {wall:.2f} s, of CPU {cpu:.2f} s", flush=True)
    print(f"At most {worst:.2f} s of CPU; wanted: {MOST} s on an idle core.")


if __name__ == "__main__":
    main()

"""How many programs JAX compiles for small jobs of the generator, each in a process of its own without a cache.

    make reports NAME=generator/compilations    # the report; a look at it under out/: python benchmarks/compilations.py

The jobs use the example in the package and few steps of training: nearly all they do is compile. A number of programs
does not depend on the machine; seconds do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import pandas as pd

from crowdllm_stats import CrowdLLM, load_example
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.generator.shipped import load_population
from crowdllm_stats.generator.twins import cross_fitted_twins, twins_by_problem
from reports import command_line, typed


def fitted(**settings: object) -> CrowdLLM:
    """A generator of the example's people, after 20 steps."""
    example = load_example()
    reference = RecordedBackbone(example.reference).reference(example.human.problems)
    return CrowdLLM(steps=20, **settings).fit(example.human, reference)


def shipped() -> None:
    """Predict and simulate with the population in the package."""
    model = load_population("offensiveness")
    problems = model.fitted.problems[:50]
    model.predict(problems)
    model.simulate(problems, 100)


JOBS: dict[str, Callable[[], object]] = {
    "a fit and twins by people from two folds": lambda: cross_fitted_twins(
        fitted(held_out=0.0), load_example().human, 10, folds=2
    ),
    "a fit and twins by people from five folds": lambda: cross_fitted_twins(
        fitted(held_out=0.0), load_example().human, 10, folds=5
    ),
    "a fit and twins by problem from five folds": lambda: twins_by_problem(
        fitted(held_out=0.0), load_example().human, folds=5
    ),
    "a fit that chooses among six penalties": fitted,
    "a fit under the paper's objective": lambda: fitted(objective="paper"),
    "prediction and simulation of the shipped population": shipped,
}


def counted(job: str) -> dict[str, float]:
    """Programs, seconds of compiling and of the processor; to be called once in a process."""
    seconds: list[float] = []

    def listen(event: str, took: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seconds.append(took)

    jax.monitoring.register_event_duration_secs_listener(listen)
    start = time.process_time()
    JOBS[job]()
    return {"programs": len(seconds), "compiling": sum(seconds), "processor": time.process_time() - start}


def main() -> None:
    words = command_line(__doc__, "generator")
    words.add_argument("--only", choices=JOBS, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.only:
        print(json.dumps(counted(asked.only)))
        return
    rows = []
    for job in JOBS:
        command = [sys.executable, __file__, "--only", job]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        rows.append([job, found["programs"], found["compiling"], found["processor"]])
    columns = ["job", "programs compiled", "seconds of compiling", "seconds of the processor in all"]
    text = "\n".join(
        [
            "# Programs compiled",
            "",
            made_by(typed()),
            f"JAX {jax.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end. Each job in a process of its own, "
            "after imports, without a cache of compiled programs; the example in the package, 20 steps of training.",
            "",
            markdown_table(pd.DataFrame(rows, columns=columns), 1),
            "",
            "Fits of about one size share a program, whatever their steps, rate, penalties and weights: training sets are filled up to "
            "few sizes with rows that change nothing.",
        ]
    )
    print(text)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_whole(asked.out / "compilations.md", text + "\n")


if __name__ == "__main__":
    main()

"""A small simulator for the engine's tests; worker processes import it by name."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from crowdllm_stats.studies.engine.parameters import Parameter
from crowdllm_stats.studies.engine.simulator import STANDARD, Simulator


class Toy(Simulator):
    """Mean of n normal answers with a t-like interval; 'shrunken' halves it, and fails where asked to."""

    parameters = {
        "n": Parameter("answers", "whole", least=2),
        "mean": Parameter("of the population", default=1.0),
        "fail_every": Parameter("'shrunken' gives no number on every so manieth replicate", "whole", 0, least=0),
        "pause": Parameter("seconds a block", default=0.0, least=0),
        "source": Parameter("a file whose number is added to the answers", "file", "none", choices=("none",)),
        "together": Parameter("whether all cells share blocks", "flag", False),
    }
    methods = ("plain", "shrunken", "only-large")
    outcomes = (*STANDARD, "shared", "positive")
    proportions = ("positive",)
    block = 7

    def refuses(self, cell, method):
        return "n is below 5" if method == "only-large" and cell["n"] < 5 else None

    def shape(self, cell):
        return "all" if cell["together"] else super().shape(cell)

    def prepare(self, jobs, methods):
        self.added(jobs[0])

    def added(self, job):
        source = job.cell["source"]
        if source == "none":
            return 0.0
        source.check()
        return float(Path(source.path).read_text(encoding="utf-8"))

    def run(self, jobs, methods):
        time.sleep(jobs[0].cell["pause"])
        found = {name: np.zeros((len(jobs), len(methods))) for name in self.outcomes}
        for row, job in enumerate(jobs):
            answers = self.added(job) + job.cell["mean"] + job.own_rng("answers").standard_normal(job.cell["n"])
            error = answers.std(ddof=1) / np.sqrt(len(answers))
            for column, method in enumerate(methods):
                factor = 0.5 if method == "shrunken" else 1.0
                every = job.cell["fail_every"]
                if method == "shrunken" and every and job.replicate % every == 0:
                    factor = np.nan
                centre = factor * answers.mean()
                values = (centre, factor * error, centre - 2 * error, centre + 2 * error, job.cell["mean"], 0.0)
                for name, value in zip(STANDARD, values, strict=True):
                    found[name][row, column] = value
                found["shared"][row, column] = job.shared_rng("level").random()
                found["positive"][row, column] = centre > 0
        return found


class Broken(Toy):
    """Raises on one replicate."""

    def run(self, jobs, methods):
        if any(job.replicate == 9 for job in jobs):
            raise ZeroDivisionError("a made failure")
        return super().run(jobs, methods)


class Misshapen(Toy):
    """Forgets an outcome."""

    def run(self, jobs, methods):
        found = super().run(jobs, methods)
        del found["shared"]
        return found


class Renewed(Toy):
    """As one whose code was changed so that its numbers are others."""

    results = 2


TOY, BROKEN, MISSHAPEN = Toy(), Broken(), Misshapen()
#: The toy at another place, as after a move of its module; and with another version of its results.
MOVED, RENEWED = Toy(), Renewed()
TOYS = {name: f"toy_simulator:{name.upper()}" for name in ("toy", "broken", "misshapen")}


def content(**changes):
    """A study of the toy, with changes; None takes a key away."""
    made = {
        "simulator": "toy",
        "factors": {"n": [3, 8], "mean": [0.0, 1.0, 2.0]},
        "methods": ["plain", "shrunken"],
        "measures": ["bias", "coverage", "width", "empirical_se", "shared", "positive"],
        "reference": "plain",
        "replicates": 20,
        "seed": 5,
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}

"""Every command stopped at drawn moments, by Ctrl-C, a second one, SIGTERM or a closed terminal."""

from __future__ import annotations

import signal
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faults.campaign import FAULTS, Campaign
from faults.interrupting import Stop, stopped

STUDY = """
title = "A study to stop"
simulator = "intervals"
methods = ["classical", "ppi"]
measures = ["coverage"]
replicates = 4000
seed = 1
block = 20
fixed = { N = 300 }
[factors]
n = [5, 12]
correlation = [0.0, 0.8]
"""

BOTH = ("example:human", "example:digital")
LEARNING = ("example:human", "--backbone", "example:reference", "--setting", "steps=60", "--setting", "held_out=0")

#: Words of a command, the seconds after its start in which it is stopped, tries, and what happened formerly.
COMMANDS = {
    "interval": (("interval", *BOTH, "--out", "interval.csv"), 1.5, 100, ""),
    "across": (("across", BOTH[0], "--out", "across.csv"), 1.5, 20, ""),
    "compare": (("compare", *BOTH, "--problem", "q01", "--out", "compare.csv"), 1.5, 20, ""),
    "risk": (("risk", *BOTH), 2, 20, ""),
    "safe-interval": (("safe-interval", *BOTH, "--reference", "example:reference"), 2, 20, ""),
    "distribution": (("distribution", *BOTH), 2, 20, ""),
    "planner": (("planner", *BOTH, "--half-width", "0.2"), 2, 20, ""),
    "demo": (("demo",), 2, 20, ""),
    "fit": (("fit", *LEARNING, "--out", "town.npz"), 8, 100, "8 of 64 crashed, 2 ignored"),
    "simulate": (("simulate", "offensiveness", "--n", "60", "--out", "simulated.csv"), 3, 20, ""),
    "evaluate": (("evaluate", *LEARNING, "--embedding", "none", "--seeds", "3"), 8, 20, ""),
    "study plan": (("study", "plan", "stop.toml", "--pilot", "20", "--workers", "2"), 3, 20, ""),
    "study run": (("study", "run", "stop.toml", "--workers", "2"), 4, 100, ""),
    "study show": (("study", "show", "coverage"), 1, 20, ""),
    "theory verify": (("theory", "verify", "--only", "theorem1", "--only", "theorem2"), 6, 100, ""),
    "theory list": (("theory", "list"), 1, 20, ""),
    "backbone show": (("backbone", "show"), 1, 20, ""),
    "backbone check": (("backbone", "check", "model", "problems.csv", "--template", "offensiveness"), 5, 20, ""),
}

STOPS = (
    Stop(),
    Stop((signal.SIGINT, signal.SIGINT)),
    Stop((signal.SIGTERM,), to_all=False),
    Stop((signal.SIGTERM, signal.SIGINT), to_all=False, pause=0.001),
    Stop((signal.SIGHUP,)),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_model import write_model

    folder = tmp_path_factory.mktemp("stops")
    (folder / "stop.toml").write_text(STUDY, encoding="utf-8")
    texts = [f"The text number {number}." for number in range(40)]
    pd.DataFrame({"problem": [f"q{number}" for number in range(40)], "text": texts}).to_csv(
        folder / "problems.csv", index=False
    )
    write_model(folder / "model")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stop_at_any_moment_is_one_line_and_leaves_nothing(campaign: Campaign, place: Path, name: str) -> None:
    words, span, full, before = COMMANDS[name]
    assert not faults_of(campaign, place, name, words, span, full, before)


def test_a_stop_of_a_study_on_a_cluster_is_one_line_and_leaves_nothing(campaign: Campaign, place: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: crowdllm-stats[dask]")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as made:
        words = ("study", "run", "stop.toml", "--scheduler", made.scheduler_address)
        assert not faults_of(campaign, place, "study run --scheduler", words, 5, 20, "")


def faults_of(
    campaign: Campaign, place: Path, name: str, words: tuple[str, ...], span: float, full: int, before: str
) -> list[Any]:
    """The stops, recorded in the campaign, that did not end as they should: moment, signals and what was left."""
    draws = np.random.default_rng([campaign.seed, zlib.crc32(name.encode())])
    faults = []
    for number in range(campaign.tries(full)):
        moment = float(draws.uniform(0.0, span))
        found = stopped(words, place, moment, STOPS[number % len(STOPS)])
        campaign.record(f"`{name}` stopped at any moment", found.outcome, before=before)
        if found.outcome in FAULTS:
            faults.append((round(moment, 3), STOPS[number % len(STOPS)], found))
    return faults

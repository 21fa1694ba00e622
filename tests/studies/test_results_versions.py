"""A change of code that changes a simulator's numbers must raise the version of its results."""

from __future__ import annotations

import json

import pytest
from results_versions import FILE, TINY, numbers

from crowdllm_stats.studies.engine.compute import SIMULATORS, load_simulator

WRITTEN = json.loads(FILE.read_text(encoding="utf-8"))

#: Fits in single precision differ a little between kinds of machines.
TOLERANCE = {"figure9": 5e-3, "figure9-coverage": 5e-3, "trained": 5e-3, "learning-curve": 5e-3}


#: Its fits are of four kinds, each compiled anew: half a minute.
SLOW = ("learning-curve",)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SIMULATORS])
def test_numbers_are_those_of_the_version(name):
    version = load_simulator(SIMULATORS[name]).results
    renew = "then run `python tests/studies/results_versions.py` and commit the file it writes"
    assert version == WRITTEN[name]["results"], f"{name} has version {version}: {renew}"
    found, wanted = numbers(name), WRITTEN[name]["numbers"]
    same = found.keys() == wanted.keys() and all(
        found[method] == pytest.approx(wanted[method], rel=TOLERANCE.get(name, 1e-4), abs=1e-6) for method in wanted
    )
    assert same, f"{name} gives other numbers than those of version {version}: raise `results` in its class, {renew}"


def test_every_method_of_every_simulator_is_pinned():
    assert TINY.keys() == SIMULATORS.keys() == WRITTEN.keys()
    for name, place in SIMULATORS.items():
        unpinned = set(load_simulator(place).methods) - set(WRITTEN[name]["numbers"])
        assert not unpinned, f"{name}: no cell of its tiny study reaches {', '.join(sorted(unpinned))}"

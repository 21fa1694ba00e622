"""Figure 9's fits are those of the first release, whose own encoder, objective and Adam gave these numbers.

They started from heads of 0, one normal about y_ref for everybody, and had three readings.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crowdllm_stats.generator import networks
from crowdllm_stats.studies.engine.parameters import Value, cell_text
from crowdllm_stats.studies.engine.simulator import Job, Simulator
from crowdllm_stats.studies.simulators import fits as fits_side_by_side
from crowdllm_stats.studies.simulators.figure9 import questions
from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9
from crowdllm_stats.studies.simulators.figure9_coverage import people
from crowdllm_stats.studies.simulators.figure9_coverage.coverage_simulator import FIGURE9_COVERAGE
from crowdllm_stats.studies.simulators.readings import LENGTHS

FILE = Path(__file__).with_name("figure9_frozen.json")
FROZEN = json.loads(FILE.read_text("utf-8"))


def stream(seed: int, *words: str) -> np.random.Generator:
    """Random numbers of the frozen fits: NumPy's own, whatever way the library derives its streams."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def heads_of_zero(n_x: int, n_v: int, seeds: jax.Array, sigma: jax.Array) -> networks.Params:
    def one(seed: jax.Array, sd: jax.Array) -> networks.Params:
        first, second = jax.random.split(jax.random.key(seed))
        encoder = networks.initial_encoder(first, n_x, n_v, mixing_dim=8, hidden=64, belief_dim=1)
        encoder["bias_spread"] = jnp.full((1,), jnp.log(sd))
        return {"encoder": encoder, "decoder": networks.initial_decoder(second, n_x, n_v, hidden=64, belief_dim=1)}

    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), jax.vmap(one)(seeds, sigma))


@pytest.fixture(autouse=True)
def same_start_and_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(job: Job, *purpose: str) -> np.random.Generator:
        return stream(job.seed, job.cell_name, str(job.replicate), *purpose)

    monkeypatch.setattr(Job, "own_rng", own)
    monkeypatch.setattr(fits_side_by_side, "_starts", heads_of_zero)
    for module in (questions, people):
        monkeypatch.setattr(module, "generator", stream)


def jobs(simulator: Simulator, cells: list[dict[str, Value]]) -> list[Job]:
    """Two replicates of each cell of 10 people with 8 questions each."""
    known = simulator.parameters
    usual = {name: one.default for name, one in known.items() if one.default is not None}
    usual |= {"noise": 0.65, "diversity": 0.5, "workers": 10, "questions": 8, "epochs": 40, "steps": 130, "pool": 30,
              "truth_draws": 50}  # fmt: skip
    whole = [{**usual, **cell} for cell in cells]
    return [Job(cell, replicate, 1009, cell_text(cell, known)) for cell in whole for replicate in (0, 1)]


def fits(length: str, batch: int) -> dict[str, list[float]]:
    """Every outcome of the three readings' fits, side by side."""
    found = FIGURE9.run(jobs(FIGURE9, [{"reading": name, "length": length, "batch": batch, "virtual": 5}
                                       for name in ("profile", "belief", "model")]), FIGURE9.methods)  # fmt: skip
    return {name: values[:, 0].tolist() for name, values in found.items()}


def judged() -> dict[str, list[list[float]]]:
    """Every outcome of one cell of the coverage study, with new people and with those of the fit."""
    cells: list[dict[str, Value]] = [
        {"reading": "model", "length": "steps", "people": who, "n": 3, "N": 9} for who in people.PEOPLE
    ]
    found = FIGURE9_COVERAGE.run(jobs(FIGURE9_COVERAGE, cells), FIGURE9_COVERAGE.methods)
    return {name: values.tolist() for name, values in found.items()}


@pytest.mark.parametrize("batch", [16, 64])
@pytest.mark.parametrize("length", LENGTHS)
def test_fits_are_those_of_the_first_release(length: str, batch: int) -> None:
    found, wanted = fits(length, batch), FROZEN[f"{length}, batch {batch}"]
    assert list(found) == [*wanted, "belief_sd"]
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5, err_msg=name)


def test_the_coverage_study_judges_the_same() -> None:
    found, wanted = judged(), FROZEN["coverage"]
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], np.array(values, dtype=float), rtol=1e-5, atol=1e-5, err_msg=name)

"""Training sets filled up to few sizes: the same fits, and few programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats import load_example
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.padding import filled_up, size_for
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training_set import prepare, weighted

ROOT = Path(__file__).resolve().parents[2]

#: Programs that a fit and twins of two folds may compile.
MOST_PROGRAMS = 30


@pytest.mark.parametrize(("count", "least", "size"), [(1, 64, 64), (64, 64, 64), (65, 64, 128), (1024, 64, 1024),
                                                      (1025, 64, 1152), (13036, 512, 13312)])  # fmt: skip
def test_sizes_are_few(count, least, size):
    assert size_for(count, least) == size


def test_little_is_filled_up_where_there_is_much():
    counts = np.arange(5_000, 80_000, 77)
    sizes = np.array([size_for(int(count), 512) for count in counts])
    assert (sizes >= counts).all()
    assert (sizes < counts * (1 + 1 / 8)).all()
    assert len(set(sizes)) <= 4 * 8 + 1


@pytest.fixture(scope="module")
def example():
    """60 people, 12 problems, 96 answers, and the reference."""
    found = load_example()
    return found.human, RecordedBackbone(found.reference).reference(found.human.problems)


@pytest.mark.parametrize("objective", ["likelihood", "paper"])
def test_rows_that_fill_up_have_no_weight_and_stay_without(example, objective):
    answers = prepare(*example, None, Blender.of_scale(example[0].scale), Settings()).answers
    filled = filled_up(answers)
    assert (filled.x.shape[0], filled.v.shape[0], len(filled.problem)) == (64, 64, 512)
    assert (int(filled.is_problem.sum()), int(filled.is_person.sum())) == (12, 60)
    kept = np.arange(96) % 3 > 0
    alone = weighted(answers, kept, objective, (1.0, 2.0, 3.0))
    beside = weighted(filled, np.concatenate([kept, np.ones(416, dtype=bool)]), objective, (1.0, 2.0, 3.0))
    np.testing.assert_array_equal(beside.weight, np.concatenate([alone.weight, np.zeros(416)]))


def test_a_fit_is_the_same_filled_up_or_not(example, monkeypatch):
    """Random numbers are drawn row by row, so that further rows change none of the others."""

    def fitted():
        model = CrowdLLM(family="normal", hidden=4, steps=60, held_out=0.0, ridge=10.0, ridge_network=40.0)
        return model.fit(*example, seed=1).fitted

    padded = fitted()
    monkeypatch.setattr("crowdllm_stats.generator.crowdllm.filled_up", lambda data: data)
    exact = fitted()
    np.testing.assert_allclose(padded.history, exact.history, rtol=1e-4)
    for name in ("effect", "person_effect", "person_spread", "x", "decision"):
        one, other = getattr(padded, name), getattr(exact, name)
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=2e-4)
    for one, other in zip(*(jax.tree.leaves(found.params) for found in (padded, exact)), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


#: Programs asked for are counted, whether compiled now or before: the cache of the tests saves the time alone.
COUNT = """
import sys, jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
sys.path.insert(0, sys.argv[2])
from compilations import counted
print(counted("a fit and twins by people from two folds")["programs"])
"""


def test_a_fit_and_twins_compile_few_programs():
    folders = [jax.config.jax_compilation_cache_dir, str(ROOT / "benchmarks")]
    ran = subprocess.run([sys.executable, "-c", COUNT, *folders], capture_output=True, text=True, check=True)
    assert 5 <= int(ran.stdout.split()[-1]) <= MOST_PROGRAMS

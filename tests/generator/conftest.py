"""Made crowds whose law is known, and generators fitted to them once for all tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

jax = pytest.importorskip("jax")

from crowdllm_stats import CrowdData, categorical, ordinal
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM

PROBLEMS = tuple(f"q{place:02d}" for place in range(26))
PEOPLE = tuple(f"w{place:02d}" for place in range(70))
PROBLEM_SD, PERSON_SD, GROUP_GAP, NOISE_SD = 0.5, 0.6, 0.8, 0.7
SMALL: dict[str, Any] = {"hidden": 6, "steps": 250, "held_out": 0.0, "ridge": 10.0, "ridge_network": 40.0}
RATED = {**SMALL, "held_out": 0.3, "steps": 320, "population": 4096}
PAPER = {**SMALL, "objective": "paper", "mixing_draws": 2, "held_out": 0.3, "steps": 230}


@dataclass(frozen=True)
class Made:
    """Answers ``round(y_ref + b_t + a_i + gap g_i + noise)``, with what made them."""

    data: CrowdData
    reference: Reference
    latent: np.ndarray  # y_ref + b_t, (T,)
    person: np.ndarray  # a_i + gap g_i, (N,)

    def level_probabilities(self):
        """Of the levels 1 to 5 over an endless population, (T, 5)."""
        spread = np.hypot(PERSON_SD, NOISE_SD)
        below = np.zeros((len(PROBLEMS), 6))
        below[:, 5] = 1.0
        for place, cut in enumerate((1.5, 2.5, 3.5, 4.5), 1):
            below[:, place] = np.mean(
                [norm.cdf((cut - self.latent - shift) / spread) for shift in (-GROUP_GAP / 2, GROUP_GAP / 2)], axis=0
            )
        return np.diff(below, axis=1)


def table_of(answers, groups):
    """A full table of answers, shape (T, N), as a long table with the people's group."""
    return pd.DataFrame({
        "problem": np.repeat(PROBLEMS, len(PEOPLE)),
        "participant": np.tile(PEOPLE, len(PROBLEMS)),
        "response": np.asarray(answers).reshape(-1),
        "group": np.tile(groups, len(PROBLEMS)),
    })  # fmt: skip


@pytest.fixture(scope="session")
def latent_answers():
    rng = np.random.default_rng(20)
    shares = rng.dirichlet(np.full(5, 2.0), len(PROBLEMS))
    reference = Reference.from_probabilities(PROBLEMS, [1, 2, 3, 4, 5], shares)
    latent = reference.mean[:, 0] + rng.normal(0, PROBLEM_SD, len(PROBLEMS))
    groups = np.where(np.arange(len(PEOPLE)) % 2 == 0, "left", "right")
    person = rng.normal(0, PERSON_SD, len(PEOPLE)) + np.where(groups == "left", -0.5, 0.5) * GROUP_GAP
    noise = rng.normal(0, NOISE_SD, (len(PROBLEMS), len(PEOPLE)))
    return reference, groups, latent, person, latent[:, None] + person + noise


@pytest.fixture(scope="session")
def made(latent_answers):
    reference, groups, latent, person, value = latent_answers
    rated = 1.0 + (value[..., None] > [1.5, 2.5, 3.5, 4.5]).sum(axis=-1)
    data = CrowdData.from_frame(table_of(rated, groups), scale=ordinal([1, 2, 3, 4, 5]))
    return Made(data, reference, latent, person)


@pytest.fixture(scope="session")
def rated(made):
    """A generator of ordinal answers; 8 problems of 26 held out first, then all used."""
    return CrowdLLM(**RATED).fit(made.data, made.reference, seed=3)


@pytest.fixture(scope="session")
def numbers(latent_answers):
    """Answers without ends."""
    reference, groups, latent, person, value = latent_answers
    return Made(CrowdData.from_frame(table_of(value, groups)), reference, latent, person)


@pytest.fixture(scope="session")
def worded():
    """Answers of three words, a softmax of log reference, a person's and a problem's belief."""
    rng = np.random.default_rng(22)
    options = ("bus", "rail", "walk")
    shares = rng.dirichlet(np.full(3, 3.0), len(PROBLEMS))
    groups = np.where(np.arange(len(PEOPLE)) % 2 == 0, "left", "right")
    logits = np.log(shares)[:, None] + rng.normal(0, 0.4, (len(PROBLEMS), 1, 3)) + rng.normal(0, 0.8, (len(PEOPLE), 3))
    place = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
    data = CrowdData.from_frame(table_of(np.array(options)[place], groups), scale=categorical(options))
    return Made(data, Reference.from_probabilities(PROBLEMS, options, shares), np.zeros(1), np.zeros(1))


@pytest.fixture(scope="session")
def fits(made, numbers, worded, rated):
    """A fitted generator of every family, and one of the paper's objective."""
    return {
        "ordinal": rated,
        "normal": CrowdLLM(**SMALL).fit(numbers.data, numbers.reference, seed=1),
        "truncated": CrowdLLM(**SMALL, family="truncated").fit(made.data, made.reference, seed=1),
        "categorical": CrowdLLM(**SMALL).fit(worded.data, worded.reference, seed=1),
        "paper": CrowdLLM(**PAPER).fit(made.data, made.reference, seed=1),
    }

"""Fitted digital populations that travel with the package: numbers alone, no texts, no real person's profile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.reference import Reference

if TYPE_CHECKING:
    from crowdllm_stats.data.features import Features
    from crowdllm_stats.generator.crowdllm import CrowdLLM
    from crowdllm_stats.generator.fitted import Fitted

FOLDER = Path(__file__).parent / "populations"

#: The populations shipped; a card of the same name, .md, says what each is and what it must not be used for.
POPULATIONS = ("offensiveness",)

#: Principal components of the texts' embedding that a shipped population keeps.
COMPONENTS = 32

#: Combinations of profile levels held by fewer real people than this are not among the shipped profiles.
LEAST_HOLDERS = 5


def load_population(name: str | os.PathLike[str] = "offensiveness") -> CrowdLLM:
    """A shipped population, or one that ``CrowdLLM.save`` wrote.

    Args:
        name: one of :data:`POPULATIONS`, or the path of an .npz file.

    Raises:
        ValueError: on an unknown name, and on a file that is not a whole generator.
        FileNotFoundError: if there is no such file.
        ModuleNotFoundError: without the packages of ``crowdllm-stats[generator]``.

    Example:
        >>> population = load_population("offensiveness")
        >>> population.simulate(["12"], 3, seed=1).responses["response"].between(1, 5).all().item()
        True
    """
    with naming_extras():
        from crowdllm_stats.generator.crowdllm import CrowdLLM

    text = os.fspath(name)
    if text in POPULATIONS:
        return CrowdLLM.load(FOLDER / f"{text}.npz")
    if not text.endswith(".npz"):
        raise ValueError(f"no population {text!r}; there is {', '.join(POPULATIONS)}, or give the path of an .npz file")
    return CrowdLLM.load(text)


def build_population(
    data: CrowdData, reference: Reference, embedding: Features, *, seed: int = 2025, draws: int = 20_000
) -> CrowdLLM:
    """Fit a population that may be passed on.

    The profiles of real people are replaced by a law over generated ones: ``draws`` people of a generator fitted to the
    real profiles, without combinations held by fewer than five real people, counted by combination.

    Args:
        data: human answers.
        reference: reference answers to all problems.
        embedding: the texts' embedding; 32 principal components are kept.
        seed: of the fit and the profiles.
        draws: generated people behind the law.
    """
    from crowdllm_stats.generator.crowdllm import CrowdLLM
    from crowdllm_stats.generator.profiles.profiles import ProfileGenerator

    check_count("draws", draws)
    model = CrowdLLM(components=COMPONENTS).fit(data, reference, embedding=embedding, seed=seed)
    pool = ProfileGenerator.from_pool(model.fitted.profiles, k_anonymity=LEAST_HOLDERS)
    made = pool.sample(draws, seed=seed).table.drop(columns="participant")
    law = made.value_counts(sort=False).rename("weight").reset_index()
    return model.with_recruiter(ProfileGenerator.from_law(law), seed=seed)


def stored_reference(fitted: Fitted) -> Reference:
    """The reference answers that a fitted generator's problem vectors hold, to single precision.

    Example:
        >>> reference = stored_reference(load_population().fitted)
        >>> len(reference.problems), len(reference.answers)
        (1500, 5)
    """
    vectors = fitted.vectors
    shape = (len(fitted.problems), len(vectors.profiles), len(vectors.answers))
    shares = fitted.x[:, len(vectors.components) :] / vectors.reference_scale + vectors.reference_mean
    table = np.maximum(shares.reshape(shape), 0.0)
    answers = [float(answer) for answer in vectors.answers] if fitted.scale.numeric else list(vectors.answers)
    return Reference.from_probabilities(
        fitted.problems,
        answers,
        table / table.sum(axis=2, keepdims=True),
        profiles=vectors.profiles,
        source={"model": "stored in the fitted generator"},
    )

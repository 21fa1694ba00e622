"""Digital answers of fitted generators: twins of the people who judge them, and a crowd of virtual people beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.simulators.figure9.assessment import rows_of
from crowdllm_stats.studies.simulators.fits import PAPER, Packed, draw_beliefs
from crowdllm_stats.studies.simulators.population import RealPopulation, Rows


def digital_answers(
    population: RealPopulation, packed: Packed, centre: FloatArray, diversity: FloatArray,
    problem: Sequence[Rows], profiles: Sequence[NDArray[np.floating[Any]]], rngs: Sequence[np.random.Generator],
) -> FloatArray:  # fmt: skip
    """``y_ref + one belief draw`` of every person by each of F fits, without further noise; shape (F, T, k).

    Twins and crowd answer by this one rule, so that at one question they follow one law, given the profile.

    Args:
        population: the real one, for questions and references.
        packed: weights, a leading axis of F.
        centre: mean y_ref of each fit's training problems, (F,).
        diversity: factor on the belief's own randomness, (F,).
        problem: rows of the T questions, one array a fit.
        profiles: coded, (T, k, P) a fit.
        rngs: of the beliefs, one a fit.
    """
    tests, k = profiles[0].shape[:2]
    every = np.stack([np.repeat(one, k) for one in problem])
    rows = [rows_of(population, own, one.reshape(tests * k, -1)) for own, one in zip(every, profiles, strict=True)]
    reference = population.reference[every]
    psi = np.stack([rng.standard_normal((tests * k, PAPER.mixing_dim)) for rng in rngs])
    noise = np.stack([rng.standard_normal(tests * k) for rng in rngs])
    delta, _ = draw_beliefs(packed, np.stack(rows), reference - centre[:, None], psi, noise, diversity)
    return np.asarray(reference + delta).reshape(len(rngs), tests, k)

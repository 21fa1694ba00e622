"""Simulated answers as an ArviZ object, dimensions and people by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray


def arviz_object(answers: Any, participants: Sequence[str], problems: Sequence[str], loss: FloatArray) -> Any:
    """``posterior_predictive["response"]`` with dimensions chain (1), draw and problem, and ``sample_stats["loss"]``.

    Args:
        answers: numbers or words, shape (T, N).
        participants: ids of the N draws, a coordinate along ``draw``.
        problems: ids of the T problems.
        loss: of training, a number a step.
    """
    import arviz

    found = arviz.from_dict(
        posterior_predictive={"response": answers.T[None]},
        sample_stats={"loss": np.asarray(loss)[None]},
        coords={"problem": list(problems)},
        dims={"response": ["problem"]},
    )
    people = {"participant": ("draw", list(participants))}
    found.posterior_predictive = found.posterior_predictive.assign_coords(people)
    return found

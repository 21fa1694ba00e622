"""Scores of predicted vote counts: one count a project, all projects one comparison (the paper's Table 5)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance

from crowdllm_stats._base.checks import check_array
from crowdllm_stats._base.result import Result


@dataclasses.dataclass(frozen=True, eq=False)
class VoteScores(Result):
    """How near predicted counts come to the real ones, in votes; see :func:`vote_scores`."""

    columns: ClassVar[tuple[str, ...]] = ("mae", "mae_error", "rmse", "cs", "wd")

    mae: float
    mae_error: float
    rmse: float
    cs: float
    wd: float
    n_projects: int


def vote_scores(truth: ArrayLike, predicted: ArrayLike) -> VoteScores:
    """Score predicted counts of votes, one a project.

    ``mae`` and ``rmse`` are over projects, ``cs`` is the cosine between the two vectors of counts, and ``wd`` the
    Wasserstein-1 distance between the two sets of counts, each taken as a sample: it sees whether votes are spread over
    projects alike, not which project got them. ``mae_error`` is the standard error of ``mae`` over projects.

    Args:
        truth: votes of the people, shape (P,), at least two projects.
        predicted: votes of as many digital people, shape (P,).

    Returns:
        VoteScores.

    Raises:
        ValueError: on other shapes, negative counts, no vote at all.

    Source: CrowdLLM, section 5.4 and Table 5, on the reading that random voting reproduces.

    Example:
        >>> scores = vote_scores([10, 4, 1], [7, 4, 4])
        >>> scores.mae, scores.wd
        (2.0, 2.0)
    """
    real = check_array("truth", truth, least_ndim=1, nonnegative=True)
    made = check_array("predicted", predicted, least_ndim=1, nonnegative=True)
    if real.ndim != 1 or real.shape != made.shape or real.size < 2:
        raise ValueError(
            f"truth {real.shape} and predicted {made.shape} must be one count a project, at least two projects"
        )
    lengths = float(np.linalg.norm(real) * np.linalg.norm(made))
    if lengths == 0.0:
        raise ValueError("truth or predicted holds no vote at all; the cosine is not defined")
    error = np.abs(made - real)
    return VoteScores(
        why="All projects in one comparison; the distance ignores which project has which count.",
        flags={},
        mae=float(error.mean()),
        mae_error=float(error.std(ddof=1) / np.sqrt(error.size)),
        rmse=float(np.sqrt(np.mean(error**2))),
        cs=float(real @ made) / lengths,
        wd=float(wasserstein_distance(real, made)),
        n_projects=real.size,
    )

"""Proposition 1: the squared risk of the bare LLM, as published and exact, for one answer or the mean of several."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_count
from crowdllm_stats._base.result import Result, unbatch
from crowdllm_stats.inference.risk_average import RiskAverage, average_over_problems


@dataclasses.dataclass(frozen=True, eq=False)
class LLMRisk(Result):
    """``L' = E(human mean - LLM)^2``, exact and as the paper sums it; None where not identifiable.

    ``gap_squared`` is ``Delta^2``, ``discrepancy`` is ``mean_i (ybar_i - y_ref)^2``, ``eta`` is the variance of ONE
    answer.
    """

    columns: ClassVar[tuple[str, ...]] = ("exact", "published", "L1", "L2", "discrepancy", "gap_squared", "eta")

    exact: Any
    published: Any
    L1: Any
    L2: Any
    discrepancy: Any
    gap_squared: Any
    eta: Any
    k_averaged: int
    n_person: int
    n_answers: int

    def average(self, level: float = 0.95) -> RiskAverage:
        """Mean of every identifiable part over the problems, with Student t intervals.

        Raises:
            ValueError: with fewer than two problems.
        """
        return average_over_problems({name: getattr(self, name) for name in self.columns}, level)


def llm_risk(
    human: ArrayLike,
    reference_answers: ArrayLike,
    *,
    k_averaged: int = 1,
    human_noise_var: ArrayLike | None = None,
    axis_replicate: int | None = None,
) -> LLMRisk:
    """Risk of the LLM that answers alone: once, or (the fair rival of a crowd) as the mean of ``k_averaged`` answers.

    Exact: ``L' = Delta^2 + L2/N + eta/k`` with ``Delta = y** - y_ref``. Published, for k = 1:
    ``L1 + L2 + mean_i (ybar_i - y_ref)^2 + eta``, which exceeds it by ``2 Var_i(ybar_i) + 2 (1 - 1/N) L2``.
    Both are estimated without bias from the R answers given: the sampling error of their mean is taken off, and the
    noise of k answers put in its place.

    Args:
        human: answers of N people, shape (..., N), or (..., R, N) with ``axis_replicate=-2``.
        reference_answers: independent answers of the LLM to the same problems, shape (..., K).
        k_averaged: how many answers the rival averages.
        human_noise_var: known noise variance of each person, broadcastable to (..., N); with replicates it may be
            left out. Needed for L2, ``discrepancy`` and ``gap_squared`` only.
        axis_replicate: axis of repeated answers of the same person; None if everybody answered once.

    Returns:
        LLMRisk, in squared units of the answers.

    Raises:
        ValueError: for fewer than two people, different problems, or values that are not finite numbers.

    Source: CrowdLLM, Proposition 1 (4.3).

    Example:
        >>> round(llm_risk([2.0, 4.0, 3.0], [2.0, 2.5, 3.0]).exact, 4)  # 0.5^2 - 0.25/3 + 0.25
        0.4167
    """
    k = check_count("k_averaged", k_averaged)
    y = check_array("human", human, least_ndim=1 if axis_replicate is None else 2)
    y = y[..., None, :] if axis_replicate is None else np.moveaxis(y, axis_replicate, -2)
    answers = check_array("reference_answers", reference_answers, least_ndim=1)
    people, given = y.shape[-1], answers.shape[-1]
    if people < 2:
        raise ValueError(f"human holds {people} person (shape {np.shape(human)}); at least 2 are needed")
    if y.shape[:-2] != answers.shape[:-1]:
        raise ValueError(
            f"human has problems of shape {y.shape[:-2]} but reference_answers {answers.shape[:-1]}: "
            "give both the same problems"
        )
    noise = _human_noise(human_noise_var, y)
    eta = answers.var(axis=-1, ddof=1) if given > 1 else None
    reference = answers.mean(axis=-1)
    crowds = y.mean(axis=-1)
    gap = crowds.var(axis=-1) + (crowds.mean(axis=-1) - reference) ** 2
    apart = ((y - reference[..., None, None]) ** 2).mean(axis=(-2, -1))
    l1 = y.var(axis=-1).mean(axis=-1)
    change = np.zeros_like(gap) if k == given else None if eta is None else eta * (1 / k - 1 / given)
    both = noise is not None and eta is not None
    parts = {
        "exact": None if change is None else gap + change,
        "published": None if change is None else l1 + apart + change,
        "L1": l1,
        "L2": noise,
        "discrepancy": apart - noise - eta / given if both else None,
        "gap_squared": gap - noise / people - eta / given if both else None,
        "eta": eta,
    }
    flags = {
        f"{name} is estimated below zero: noise outweighs it here": value < 0
        for name, value in parts.items()
        if value is not None and np.any(value < 0)
    }
    named: dict[str, Any] = {name: None if value is None else unbatch(value) for name, value in parts.items()}
    return LLMRisk(
        why=_why(people, given, k, noise is not None, human_noise_var is not None),
        flags=flags,
        **named,
        k_averaged=k,
        n_person=people,
        n_answers=given,
    )


def _human_noise(known: ArrayLike | None, y: FloatArray) -> Any:
    """L2 of each problem, or None."""
    if known is None:
        return y.var(axis=-2, ddof=1).mean(axis=-1) if y.shape[-2] > 1 else None
    array = check_array("human_noise_var", known, nonnegative=True)
    shape = y.shape[:-2] + y.shape[-1:]
    try:
        return np.broadcast_to(array, shape).mean(axis=-1)
    except ValueError:
        raise ValueError(f"human_noise_var has shape {array.shape}, which does not broadcast to {shape}") from None


def _why(people: int, given: int, k: int, has_noise: bool, known: bool) -> str:
    parts = [
        f"Risk of {'one LLM answer' if k == 1 else f'the mean of {k} independent LLM answers'} against the mean of"
        f" {people} people, from {given} answer(s). exact and published need independent answers of the LLM;"
        " published is the paper's sum."
    ]
    if given == 1:
        parts.append(
            "eta, discrepancy and gap_squared are not identifiable from a single LLM answer"
            + ("." if k == 1 else f", and neither is the risk of a mean of {k}; give at least 2 answers.")
        )
    if not has_noise:
        parts.append(
            "L2, discrepancy and gap_squared are not identifiable: everybody answered once;"
            " ask again on the same problem, or give human_noise_var."
        )
    elif known:
        parts.append("Human noise is taken from human_noise_var.")
    return " ".join(parts)

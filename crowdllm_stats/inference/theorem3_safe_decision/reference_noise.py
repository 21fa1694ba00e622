"""The LLM's plain answers: their mean, the variance of one of them, and what of it is known or estimated."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.inference.intervals.sample import Sample
from crowdllm_stats.inference.intervals.scale import unit

#: Relative difference up to which a given eta is the variance of the very answers.
SAME = 1e-9


@dataclasses.dataclass(frozen=True)
class ReferenceNoise:
    """Arrays of the batch's shape; ``eta`` and ``noise_var`` (of one answer) are None where ``var`` estimates them.

    ``floor``: the least spread that a scale of steps leaves room for. ``plugged_in``: eta was given as the variance of
    these very answers, and so counts as estimated.
    """

    mean: FloatArray
    answers: int
    var: FloatArray
    floor: FloatArray
    eta: FloatArray | None
    noise_var: FloatArray | None
    plugged_in: bool

    def flat(self) -> ReferenceNoise:
        """The same with one axis over the problems."""
        arrays: dict[str, Any] = {
            field.name: np.array(getattr(self, field.name), dtype=np.float64).ravel()
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **arrays)

    @property
    def eta_estimate(self) -> FloatArray:
        """eta as given, or its unbiased estimate."""
        return self.var if self.eta is None else self.eta

    @property
    def error_var(self) -> FloatArray:
        """Variance of the mean of the answers, without bias where it is estimated."""
        return (self.var if self.noise_var is None else self.noise_var) / self.answers

    @property
    def exact(self) -> Any:
        """Where the mean reference is free of error."""
        one = np.maximum(self.var, self.floor) if self.noise_var is None else self.noise_var
        return one == 0.0


def reference_noise(
    answers: FloatArray, eta: ArrayLike | None, noise_var: ArrayLike | None, sample: Sample | None
) -> ReferenceNoise:
    """Sort out what is given.

    Args:
        answers: shape (..., R).
        eta: variance of one answer of the LLM, None to estimate it.
        noise_var: known variance of one of ``answers``, None: as eta says.
        sample: the human answers, where the scale is known.

    Raises:
        ValueError: for one answer without eta, or shapes and values that do not fit.

    Example:
        >>> made = reference_noise(np.array([[2.0, 4.0, 3.0]]), None, None, None)
        >>> made.eta_estimate, made.error_var.round(3)
        (array([1.]), array([0.333]))
    """
    batch, given = answers.shape[:-1], answers.shape[-1]
    flat = np.ptp(answers, axis=-1) == 0.0
    spread = np.zeros(batch) if given == 1 else np.where(flat, 0.0, answers.var(axis=-1, ddof=1))
    known = None if eta is None else on_batch("eta", check_array("eta", eta, nonnegative=True), batch)
    own = None
    if noise_var is not None:
        variance = check_array("reference_noise_var", noise_var, nonnegative=True)
        own = on_batch("reference_noise_var", variance, batch)
    plugged_in = known is not None and own is None and bool(np.any(spread > 0.0)) and bool(
        np.all(np.abs(known - spread) <= SAME * spread) or np.all(np.abs(known - answers.var(axis=-1)) <= SAME * spread)
    )  # fmt: skip
    if plugged_in:
        known = None
    if known is None and own is not None:
        raise ValueError("reference_noise_var is given but eta is not: give eta, the variance of one answer of the LLM")
    if known is None and given == 1:
        raise BadInput(
            "one reference answer does not say how much the LLM's answers vary",
            python="give eta, the variance of one answer (eta=0 for an LLM that always answers alike), or at least 2 "
            "reference answers",
            command="give --eta, the variance of one answer (0 for an LLM that always answers alike), or at least 2 "
            "reference answers",
        )
    if known is not None and own is None:
        contradicted = bool(np.any((known == 0.0) & (spread > 0.0)))
        own = None if contradicted else known
    estimated = own is None
    return ReferenceNoise(
        mean=answers.mean(axis=-1),
        answers=given,
        var=spread,
        floor=_floor(answers, sample) if estimated else np.zeros(batch),
        eta=known,
        noise_var=own,
        plugged_in=plugged_in,
    )


def on_batch(name: str, values: FloatArray, batch: tuple[int, ...]) -> FloatArray:
    """Values of every problem.

    Raises:
        ValueError: naming the argument, if they do not broadcast.

    Example:
        >>> on_batch("eta", np.array(0.5), (2,))
        array([0.5, 0.5])
    """
    try:
        return np.broadcast_to(values, batch)
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}, which does not broadcast to the problems {batch}") from None


def _floor(answers: FloatArray, sample: Sample | None) -> FloatArray:
    """The spread of answers of which one is a step away, where all lie on the scale's steps (or are equal)."""
    batch, given = answers.shape[:-1], answers.shape[-1]
    if sample is None or sample.bounds is None:
        return np.zeros(batch)
    step = np.broadcast_to(unit(sample), batch)
    places = (answers - sample.bounds[0]) / step[..., None]
    stepped = np.all(np.abs(places - np.round(places)) < SAME * (1.0 + np.abs(places)), axis=-1)
    stepped |= np.ptp(answers, axis=-1) == 0.0
    return np.where(stepped, step**2 / (given - 1), 0.0)

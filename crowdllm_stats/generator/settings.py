"""The generator's hyper-parameters, checked once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import as_numbers, check_choice, check_count
from crowdllm_stats.data.reference import AGGREGATORS, Aggregator
from crowdllm_stats.generator.blender import FAMILIES

OBJECTIVES = ("likelihood", "paper")


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of ``CrowdLLM``; defaults are the paper's where it has one.

    Attributes:
        objective: "likelihood" (of the answers, Monte Carlo over the belief) or "paper" (Eq. 4).
        family: the blender's, see :class:`Blender`; by the scale without it.
        decision: how K reference answers become one, see :meth:`Reference.decision`.
        k: reference answers drawn, the paper's K; idle with decision "expected".
        mixing: M, further mixing draws of the semi-implicit encoder; 0 is the paper's plain normal VAE.
        mixing_dim: Q, coordinates of a mixing draw.
        draws: J, beliefs averaged for one decision in training under the paper's objective.
        loss_weight: lambda of Eq. 4.
        hidden: width of the hidden layers.
        components: principal components kept of the embedding.
        person_effects: whether people keep a belief over problems (likelihood).
        problem_effects: whether problems have an effect that text and reference do not explain (likelihood).
        ridge: candidates for the precision of the linear weights (likelihood); with several candidates the held-out
            problems decide, by the log-likelihood of their answers.
        ridge_network: candidates for the precision of the network's weights (likelihood).
        ridge_spread: candidates for the precision of the linear weights of the spread (likelihood).
        sigma: the blender's noise under the paper's objective, in rating units; idle on a scale of words.
        learning_rate: of Adam.
        steps: most steps of Adam.
        batch_size: answers a step; all without it.
        decay: whether the learning rate falls to 0 along a cosine.
        restarts: starts run side by side, the best is kept.
        held_out: share of the training problems that is held out first: the candidates of ``ridge``, the spread of new
            problems' effects and, without ``decay``, the number of steps are judged on them; 0 for none of this.
        refit: whether the fit is made again on all training problems with what was found.
        patience: looks (every 50 steps) without a better held-out loss before training stops, without ``decay``.
        population: virtual people behind a prediction.

    Raises:
        ValueError: naming the hyper-parameter, its value and its range.

    Example:
        >>> Settings(objective="paper").learning_rate
        0.001
        >>> Settings(mixing=-1)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: mixing must be a whole number of at least 0; got -1
    """

    objective: str = "likelihood"
    family: str | None = None
    decision: Aggregator = "expected"
    k: int = 8
    mixing: int = 0
    mixing_dim: int = 8
    draws: int = 10
    loss_weight: float = 1.0
    hidden: int = 64
    components: int = 128
    person_effects: bool = True
    problem_effects: bool = True
    ridge: tuple[float, ...] = (10.0, 40.0)
    ridge_network: tuple[float, ...] = (15.0, 40.0, 100.0)
    ridge_spread: tuple[float, ...] = (100.0,)
    sigma: float = 0.0
    learning_rate: float | None = None
    steps: int | None = None
    batch_size: int | None = None
    decay: bool | None = None
    restarts: int = 1
    held_out: float = 0.2
    refit: bool = True
    patience: int = 4
    population: int = 1024

    def __post_init__(self) -> None:
        check_choice("objective", self.objective, OBJECTIVES)
        if self.family is not None:
            check_choice("family", self.family, FAMILIES)
        check_choice("decision", self.decision, AGGREGATORS)
        paper = self.objective == "paper"
        for name, value in (("learning_rate", 1e-3 if paper else 1e-2), ("steps", 3000 if paper else 600),
                            ("decay", not paper)):  # fmt: skip
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if paper and self.batch_size is None:
            object.__setattr__(self, "batch_size", 256)
        for name, least in (("k", 1), ("mixing", 0), ("mixing_dim", 1), ("draws", 1), ("hidden", 1), ("components", 0),
                            ("steps", 1), ("restarts", 1), ("patience", 1), ("population", 2)):  # fmt: skip
            object.__setattr__(self, name, check_count(name, getattr(self, name), least))
        if self.batch_size is not None:
            object.__setattr__(self, "batch_size", check_count("batch_size", self.batch_size))
        for name in ("person_effects", "problem_effects", "decay", "refit"):
            if getattr(self, name) not in (True, False):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
            object.__setattr__(self, name, bool(getattr(self, name)))
        for name in ("ridge", "ridge_network", "ridge_spread"):
            value = getattr(self, name)
            given = as_numbers(name, value)
            object.__setattr__(self, name, tuple(np.atleast_1d(given).ravel().tolist()))
            if not getattr(self, name) or not all(0.0 <= one < 1e12 for one in getattr(self, name)):
                raise ValueError(f"{name} must be numbers of at least 0; got {value!r}")
        for name in ("loss_weight", "sigma", "learning_rate"):
            low = 0.0 if name != "learning_rate" else 1e-12
            object.__setattr__(self, name, _number(name, getattr(self, name), low, 1e12))
        object.__setattr__(self, "held_out", _number("held_out", self.held_out, 0.0, 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)

    @property
    def ridges(self) -> tuple[tuple[float, float, float], ...]:
        """All candidates (linear, network, spread)."""
        return tuple(product(self.ridge, self.ridge_network, self.ridge_spread))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Settings:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on unknown hyper-parameters.
        """
        known = {one.name for one in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ValueError(f"unknown hyper-parameter(s) {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return cls(**given)


def _number(name: str, value: Any, low: float, high: float) -> float:
    number = as_numbers(name, value)
    if number.ndim or not low <= float(number) <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}")
    return float(number)

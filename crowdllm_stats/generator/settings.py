"""The generator's hyper-parameters, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any, get_args

import numpy as np

from crowdllm_stats._base.checks import as_numbers, check_choice, check_count
from crowdllm_stats.generator.belief import Objective
from crowdllm_stats.generator.blender import Family

#: The paper's objective has Adam's rate constant, stops early and takes batches; the likelihood's has it fall to 0
#: along a cosine and takes all answers in a step.
LEARNING_RATE: Mapping[Objective, float] = {"likelihood": 1e-2, "paper": 1e-3}
STEPS: Mapping[Objective, int] = {"likelihood": 600, "paper": 3000}
BATCH_SIZE: Mapping[Objective, int | None] = {"likelihood": None, "paper": 256}

#: Precision of the linear weights of the log sd (likelihood).
RIDGE_LOG_SD = 100.0


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of ``CrowdLLM``; defaults are the paper's where it has one.

    Attributes:
        objective: "likelihood" (of the answers, Monte Carlo over the belief) or "paper" (Eq. 4).
        family: the blender's, see :class:`Blender`; by the scale without it.
        mixing: M, further mixing draws of the semi-implicit encoder; 0 is the paper's plain normal VAE.
        mixing_dim: Q, coordinates of a mixing draw.
        hidden: width of the hidden layers.
        components: principal components kept of the embedding.
        person_effects: whether people keep a belief over problems (likelihood).
        problem_effects: whether problems have an effect that text and reference do not explain (likelihood).
        ridge: candidates for the precision of the linear weights (likelihood); with several candidates the held-out
            problems decide, by the log-likelihood of their answers.
        ridge_network: candidates for the precision of the network's weights (likelihood).
        learning_rate: of Adam.
        steps: most steps of Adam.
        held_out: share of the training problems that is held out first: the candidates of ``ridge``, the sd of new
            problems' effects and, under the paper's objective, the number of steps are judged on them; 0 for none of
            this.
        refit: whether the fit is made again on all training problems with what was found.
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

    objective: Objective = "likelihood"
    family: Family | None = None
    mixing: int = 0
    mixing_dim: int = 8
    hidden: int = 64
    components: int = 128
    person_effects: bool = True
    problem_effects: bool = True
    ridge: tuple[float, ...] = (10.0, 40.0)
    ridge_network: tuple[float, ...] = (15.0, 40.0, 100.0)
    learning_rate: float | None = None
    steps: int | None = None
    held_out: float = 0.2
    refit: bool = True
    population: int = 1024

    def __post_init__(self) -> None:
        check_choice("objective", self.objective, get_args(Objective))
        if self.family is not None:
            check_choice("family", self.family, get_args(Family))
        for name, usual in (("learning_rate", LEARNING_RATE), ("steps", STEPS)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual[self.objective])
        for name, least in (("mixing", 0), ("mixing_dim", 1), ("hidden", 1), ("components", 0), ("steps", 1),
                            ("population", 2)):  # fmt: skip
            object.__setattr__(self, name, check_count(name, getattr(self, name), least))
        for name in ("person_effects", "problem_effects", "refit"):
            if getattr(self, name) not in (True, False):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
            object.__setattr__(self, name, bool(getattr(self, name)))
        for name in ("ridge", "ridge_network"):
            value = getattr(self, name)
            given = as_numbers(name, value)
            object.__setattr__(self, name, tuple(np.atleast_1d(given).ravel().tolist()))
            if not getattr(self, name) or not all(0.0 <= one < 1e12 for one in getattr(self, name)):
                raise ValueError(f"{name} must be numbers of at least 0; got {value!r}")
        for name, low, high in (("learning_rate", 1e-12, 1e12), ("held_out", 0.0, 0.5)):
            object.__setattr__(self, name, _number(name, getattr(self, name), low, high))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)

    @property
    def ridges(self) -> tuple[tuple[float, float, float], ...]:
        """All candidates for the precisions of the linear weights, the network's, and those of the log sd."""
        return tuple(product(self.ridge, self.ridge_network, (RIDGE_LOG_SD,)))

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

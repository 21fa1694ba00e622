"""The generator's hyper-parameters, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np

from crowdllm_stats._base.checks import as_numbers, check_choice, check_count
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.scale import Scale
from crowdllm_stats.generator.belief import Objective
from crowdllm_stats.generator.blender import Blender, Family

#: The paper's objective has Adam's rate constant, stops early and takes batches; the likelihood's has it fall to 0
#: along a cosine and takes all answers in a step.
LEARNING_RATE: Mapping[Objective, float] = {"likelihood": 1e-2, "paper": 1e-3}
STEPS: Mapping[Objective, int] = {"likelihood": 600, "paper": 3000}
BATCH_SIZE: Mapping[Objective, int | None] = {"likelihood": None, "paper": 256}

#: Precision of the linear weights of the log sd (likelihood).
RIDGE_LOG_SD = 100.0

#: Share of answers on the ends of a continuous scale from which on these are modelled as heaps.
AT_ENDS = 0.05

Decision = Literal["drawn", "expected"]

#: What is semi-implicit, see :class:`Settings`.
MixingOf = Literal["beliefs", "profile", "none"]

#: The paper's printed choices, see ``CrowdLLM.paper``.
PAPER: Mapping[str, Any] = {
    "objective": "paper",
    "mixing": "none",
    "draws": 10,
    "loss_weight": 1.0,
    "decision": "expected",
    "trust": False,
    "skip": False,
    "reference_features": False,
    "held_out": 0.0,
}


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of ``CrowdLLM``. The defaults are this library's; ``CrowdLLM.paper`` has the paper's.

    Attributes:
        objective: "likelihood" (of the answers, Monte Carlo over the belief) or "paper" (Eq. 4).
        family: the blender's, see :class:`Blender`; without it by the scale, and on a continuous scale with ends
            "censored" where at least 5% of the answers lie on them.
        mixing: what makes the law of beliefs semi-implicit, so that it may leave the normal. "beliefs": mixing draws of
            its own for what each person keeps over problems (belief and log spread), or for each answer where people
            keep nothing. "profile": the noise of the profile generator, one draw per person for all problems (the
            paper's hierarchy), in the place of kept effects; on three camps, heavy-tailed and normal people further
            from the truth than a normal law (reports/semi_implicit/kept_beliefs.md). "none": the plain normal VAE that
            the paper goes with.
        mixing_draws: M, further mixing draws behind a density that is averaged over them.
        mixing_dim: Q, coordinates of a mixing draw.
        draws: J, beliefs behind a decision: in training (paper) and where decisions are expected ones.
        loss_weight: lambda of Eq. 4, the weight of the decisions' loss (paper).
        decision: what a person answers: "drawn" from one belief, or "expected", the mean over J beliefs, put on
            the scale.
        trust: whether a belief may take back a share of the reference decision.
        skip: whether belief and log spread have linear terms in problem and profile beside the hidden layer.
        reference_features: whether a problem's vector holds the reference's probabilities beside the embedding.
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
        >>> Settings(mixing_draws=0)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: mixing_draws must be a whole number of at least 1; got 0
    """

    objective: Objective = "likelihood"
    family: Family | None = None
    mixing: MixingOf = "beliefs"
    mixing_draws: int = 10
    mixing_dim: int = 8
    draws: int = 10
    loss_weight: float = 1.0
    decision: Decision = "drawn"
    trust: bool = True
    skip: bool = True
    reference_features: bool = True
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
        check_choice("decision", self.decision, get_args(Decision))
        check_choice("mixing", self.mixing, get_args(MixingOf))
        for name, usual in (("learning_rate", LEARNING_RATE), ("steps", STEPS)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual[self.objective])
        for name, least in (("mixing_draws", 1), ("mixing_dim", 1), ("draws", 1), ("hidden", 1), ("components", 0),
                            ("steps", 1), ("population", 2)):  # fmt: skip
            object.__setattr__(self, name, check_count(name, getattr(self, name), least))
        for name in ("trust", "skip", "reference_features", "person_effects", "problem_effects", "refit"):
            if getattr(self, name) not in (True, False):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
            object.__setattr__(self, name, bool(getattr(self, name)))
        for name in ("ridge", "ridge_network"):
            value = getattr(self, name)
            given = as_numbers(name, value)
            object.__setattr__(self, name, tuple(np.atleast_1d(given).ravel().tolist()))
            if not getattr(self, name) or not all(0.0 <= one < 1e12 for one in getattr(self, name)):
                raise ValueError(f"{name} must be numbers of at least 0; got {value!r}")
        for name, low, high in (("learning_rate", 1e-12, 1e12), ("loss_weight", 0.0, 1e12), ("held_out", 0.0, 0.5)):
            object.__setattr__(self, name, _number(name, getattr(self, name), low, high))
        self._check_expected()

    def _check_expected(self) -> None:
        """Refuse expected decisions where the mean of J draws is not one draw with a smaller spread."""
        mixed = self.answer_mixing > 0
        if self.decision == "expected" and (mixed or self.family in ("truncated", "censored", "categorical")):
            what = f"mixing={self.mixing!r} of answers" if mixed else f"family={self.family!r}"
            raise ValueError(
                f"decision 'expected' is the mean of J normal beliefs, which {what} does not have; use "
                "decision='drawn', or leave this out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)

    @property
    def keeps(self) -> bool:
        """Whether people keep effects over problems."""
        return self.objective == "likelihood" and self.person_effects and self.mixing != "profile"

    @property
    def kept_mixing(self) -> int:
        """M of the law of what people keep; 0 for a normal one."""
        return self.mixing_draws if self.mixing == "beliefs" and self.keeps else 0

    @property
    def profile_noise(self) -> bool:
        """Whether a person has one mixing draw for all problems."""
        return self.mixing == "profile"

    @property
    def answer_mixing(self) -> int:
        """M of an answer's belief; 0 where it is normal given what its person keeps."""
        averaged = self.objective == "paper" if self.profile_noise else self.mixing == "beliefs" and not self.keeps
        return self.mixing_draws if averaged else 0

    @property
    def belief_law(self) -> str:
        """The law of beliefs in words."""
        if self.mixing == "none":
            return "normal beliefs"
        of = "profiles" if self.profile_noise else "people" if self.keeps else "answers"
        return f"semi-implicit beliefs (mixing over {of}, {self.mixing_draws} further draws)"

    def chosen_for(self, data: CrowdData) -> Settings:
        """With the family that answers with many at the ends of a continuous scale ask for, unless one was named."""
        bounds = data.scale.bounds
        if self.family is not None or self.decision != "drawn" or data.scale.kind != "continuous" or bounds is None:
            return self
        at_ends = data.responses["response"].isin(bounds).mean()
        return replace(self, family="censored") if at_ends >= AT_ENDS else self

    def blender(self, scale: Scale) -> Blender:
        """The blender for a scale; expected decisions are those of normal answers on a continuous one.

        Raises:
            ValueError: on a family the scale does not allow, ballots, and expected decisions among words.
        """
        if self.decision == "expected" and scale.kind == "categorical":
            raise ValueError(
                f"decision 'expected' is a mean, and the answers are words ({scale}); use decision='drawn'"
            )
        normal = self.decision == "expected" and scale.kind == "continuous"
        return Blender.of_scale(scale, "normal" if normal else self.family)

    @property
    def decisions(self) -> str:
        """What is said of decisions that are not drawn from one belief."""
        return f", decisions expected over {self.draws} beliefs" if self.decision == "expected" else ""

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

"""CrowdLLM: reference answers and learned beliefs joined into a digital population (the paper's five steps)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd

from crowdllm_stats.backbones.reference import Reference
from crowdllm_stats.baselines.features import Features
from crowdllm_stats.crowd import CrowdData, Scale
from crowdllm_stats.generator.belief import Answers, Belief, Params
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.encoding import ProfileEncoder
from crowdllm_stats.generator.people import even_people
from crowdllm_stats.generator.prediction import Prediction, predict
from crowdllm_stats.generator.preparing import Prepared, decisions, prepare, weighted
from crowdllm_stats.generator.problem_vectors import ProblemVectors
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training import Trained, Trainer
from crowdllm_stats.generator.tuning import Tuned, tune
from crowdllm_stats.inference.checks import FloatArray, check_choice

EFFECTS = ("typical", "fitted")


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting learned.

    Attributes:
        params: networks, blender and effects.
        scale: of the answers.
        vectors: codes problems.
        encoder: codes profiles.
        profiles: of the training people, without ids.
        problems: ids of the training problems, in the order of ``effect``, ``x`` and ``decision``.
        x: their vectors.
        decision: their reference decisions, (T, 1) or ``log p_ref`` (T, K).
        effect: their fitted effects, (T, K).
        new_problem_sd: standard deviation of a new problem's effect.
        history: training loss, a number a step.
        tuning: one row a candidate of ``ridge``: precisions, spread of new problems, held-out loss.
        held_out: held-out loss every 50 steps, where training was to stop by it.
        steps: steps of Adam behind ``params``.
        skipped: steps left out since loss or gradient was not finite.
        seed: of the fit.
        n_answers: answers learned from.
    """

    params: Params
    scale: Scale
    vectors: ProblemVectors
    encoder: ProfileEncoder
    profiles: pd.DataFrame
    problems: tuple[str, ...]
    x: FloatArray
    decision: FloatArray
    effect: FloatArray
    new_problem_sd: float
    history: FloatArray
    tuning: pd.DataFrame
    held_out: FloatArray
    steps: int
    skipped: int
    seed: int
    n_answers: int


class CrowdLLM:
    """A generator of digital answers: ``y ~ F(y_ref + delta, sigma^2)`` with ``delta`` from a learned belief network.

    Args:
        **settings: hyper-parameters, see :class:`crowdllm_stats.generator.settings.Settings`.

    Raises:
        ValueError: on unknown or impossible hyper-parameters.

    Source: CrowdLLM, section 3, equations 1 to 4; the likelihood objective is this library's.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.backbones import RecordedBackbone
        >>> example = load_example()
        >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
        >>> model = CrowdLLM(steps=50, held_out=0.0).fit(example.human, reference, seed=1)
        >>> model.predict(["q01", "q02"]).probabilities.shape
        (2, 5)
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings.from_dict(settings)
        self._fitted: Fitted | None = None

    @property
    def fitted(self) -> Fitted:
        """What fitting learned.

        Raises:
            ValueError: before :meth:`fit` or :meth:`load`.
        """
        if self._fitted is None:
            raise ValueError("this CrowdLLM is not fitted; call fit(data, reference) or CrowdLLM.load(path) first")
        return self._fitted

    def fit(
        self, data: CrowdData, reference: Reference, *, embedding: Features | None = None, seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> CrowdLLM:  # fmt: skip
        """Learn beliefs from human answers.

        A share of the training problems is held out first, to find the number of steps and how far a new problem's
        effect may lie from what text and reference say; then all are used.

        Args:
            data: human answers on an ordinal, categorical or continuous scale.
            reference: a backbone's reference answers to all problems that have an answer.
            embedding: the problems' texts as numbers, see :func:`crowdllm_stats.backbones.embedder.embed`.
            seed: of starting values, batches, draws and the held-out problems.
            progress: called with steps done and steps in all.

        Returns:
            Itself, fitted.

        Raises:
            ValueError: on one participant or fewer than two problems, problems without reference or embedding, answers
                on another scale than the reference's, repeats, training that fails.
        """
        blender = Blender.of_scale(data.scale, self.settings.family)
        _check_data(data, reference)
        belief = self.belief(blender)
        part = prepare(data, reference, embedding, blender, self.settings, seed)
        trainer = self._trainer(belief, len(part.answers.problem))
        unit = _unit(part.answers, blender)

        def start(key: jax.Array) -> Params:
            size = (part.vectors.width, part.encoder.width, len(part.problems), len(part.people))
            return belief.initial(key, *size, unit)

        tuned = tune(belief, trainer, part, start, self.settings, unit, seed, progress)
        trained, skipped = tuned.trained, tuned.skipped
        if trained is None or self.settings.refit:
            everything = np.ones(len(part.answers.problem), dtype=bool)
            answers = weighted(part.answers, everything, self.settings.objective, tuned.ridge)
            trained = trainer.fit(start, answers, seed=seed, steps=tuned.steps, progress=progress)
            skipped += trained.skipped
        self._fitted = self._kept(data, part, trained, tuned, skipped, seed)
        return self

    def belief(self, blender: Blender) -> Belief:
        """The belief generator's constants for a blender."""
        names = ("hidden", "mixing", "mixing_dim", "draws", "loss_weight", "person_effects", "problem_effects")
        return Belief(blender, **{name: getattr(self.settings, name) for name in names})

    def _trainer(self, belief: Belief, n_answers: int) -> Trainer:
        told = self.settings
        batch = None if told.batch_size is None or told.batch_size >= n_answers else told.batch_size
        return Trainer(
            partial(belief.loss, told.objective),
            partial(belief.held_out_loss, told.objective),
            steps=int(told.steps or 0),
            learning_rate=float(told.learning_rate or 0.0),
            decay=bool(told.decay),
            restarts=told.restarts,
            batch_size=batch,
        )

    def _kept(self, data: CrowdData, part: Prepared, trained: Trained, tuned: Tuned, skipped: int, seed: int) -> Fitted:
        params = dict(trained.params)
        effects = params.pop("problem")["mean"]
        params.pop("person"), params.pop("spread")
        used = self.settings.objective == "likelihood" and self.settings.problem_effects
        if self.settings.objective == "paper":
            for name in ("log_tau_problem", "log_tau_person", "log_tau_spread", "couple"):
                params.pop(name)
            sigma = np.float32(np.log(max(self.settings.sigma, 1e-6)))
            params["blender"] = {**params["blender"], "log_sigma": sigma}
        else:
            params.pop("decoder")
        spread = tuned.spread
        if spread is None:
            spread = float(np.exp(params["log_tau_problem"])) if used else 0.0
        people = data.participants.set_index("participant").loc[list(part.people)].reset_index(drop=True)
        return Fitted(
            params=params,
            scale=data.scale,
            vectors=part.vectors,
            encoder=part.encoder,
            profiles=people,
            problems=part.problems,
            x=np.asarray(part.answers.x),
            decision=np.asarray(part.answers.reference),
            effect=np.asarray(effects) if used else np.zeros_like(effects),
            new_problem_sd=spread,
            history=trained.history,
            tuning=tuned.table,
            held_out=tuned.held_out,
            steps=trained.steps,
            skipped=skipped,
            seed=seed,
            n_answers=int(part.answers.problem.shape[0]),
        )

    @property
    def blender(self) -> Blender:
        """The fitted blender."""
        return Blender.of_scale(self.fitted.scale, self.settings.family)

    def problem_table(
        self, problems: Iterable[Any], reference: Reference | None, embedding: Features | None, effect: str
    ) -> dict[str, Any]:
        """Arrays of problems: ids, ``x``, ``reference``, ``centred``, ``effect`` (T, K) and ``known`` (T,).

        Args:
            problems: ids; those of the training set need neither reference nor embedding.
            reference: of the others.
            embedding: of the others.
            effect: "fitted" gives training problems the effect learned from their own answers; "typical" gives every
                problem 0, the median effect of a new problem.

        Raises:
            ValueError: on no problem, repeated ones, unknown ones without reference.
        """
        check_choice("effect", effect, EFFECTS)
        fitted = self.fitted
        names = tuple(str(one) for one in problems)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"problems must be at least one id, each once; got {len(names)}")
        place = {name: row for row, name in enumerate(fitted.problems)}
        known = np.array([name in place for name in names])
        new = tuple(name for name in names if name not in place)
        if new and reference is None:
            raise ValueError(
                f"{len(new)} problem(s) are not among the training problems, for instance {new[0]!r}; give reference= "
                "(and embedding=, if fitted with one) for them"
            )
        k = fitted.decision.shape[1]
        x, own = np.zeros((len(names), fitted.x.shape[1])), np.zeros((len(names), k))
        shift = np.zeros((len(names), k))
        rows = [place[name] for name in names if name in place]
        x[known], own[known] = fitted.x[rows], fitted.decision[rows]
        if effect == "fitted":
            shift[known] = fitted.effect[rows]
        if new and reference is not None:
            family = self.blender.family
            x[~known] = fitted.vectors.transform(new, reference, embedding)
            own[~known] = decisions(reference, new, self.settings, family, fitted.seed)
        return {
            "problems": names,
            "x": x,
            "reference": own,
            "centred": own - fitted.vectors.decision_mean,
            "effect": shift,
            "known": known & (effect == "fitted"),
        }

    def predict(
        self, problems: Iterable[Any] | None = None, *, reference: Reference | None = None,
        embedding: Features | None = None, effect: str = "fitted", people: pd.DataFrame | None = None, seed: int = 0,
    ) -> Prediction:  # fmt: skip
        """What an endless population would answer.

        A new problem's effect is set to its median, 0. Since a share of answers, or their mean, rises with that effect,
        these are medians over new problems with this text and reference, the best guess for absolute errors.

        Args:
            problems: ids; all training problems by default.
            reference: reference answers of problems that were not in the training set.
            embedding: their embedding.
            effect: see :meth:`problem_table`.
            people: profiles of the population, a row a person; the training people by default.
            seed: of the even draws behind it.

        Raises:
            ValueError: as :meth:`problem_table`; on profiles the coding does not know; before :meth:`fit`.
        """
        fitted = self.fitted
        table = self.problem_table(fitted.problems if problems is None else problems, reference, embedding, effect)
        belief = self.belief(self.blender)
        profiles = fitted.encoder.transform(fitted.profiles if people is None else people)
        drawn = even_people(fitted.params, belief, profiles, self.settings.population, seed)
        unknown = np.where(table["known"], 0.0, fitted.new_problem_sd)
        why = (
            f"{self.settings.objective} objective, {int(table['known'].sum())} problem(s) with the effect learned from "
            f"their own answers, the others at the median effect; {len(drawn.v)} virtual people a problem."
        )
        return predict(
            belief, fitted.params, table["problems"], table["x"], table["centred"], table["reference"], table["effect"],
            unknown, drawn, why,
        )  # fmt: skip

    def with_settings(self, **changes: Any) -> CrowdLLM:
        """An unfitted generator with some hyper-parameters changed."""
        return CrowdLLM(**replace(self.settings, **changes).to_dict())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as .npz without pickles: numbers, ids, profile tables, no texts."""
        from crowdllm_stats.generator.storage import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CrowdLLM:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: on a file that is cut off or not a generator.
            FileNotFoundError: if there is no such file.
        """
        from crowdllm_stats.generator.storage import load

        return load(path)

    def __str__(self) -> str:
        told = self.settings
        head = f"CrowdLLM, {told.objective} objective, {told.mixing} further mixing draws"
        if self._fitted is None:
            return f"{head}, not fitted"
        own = self._fitted
        return (
            f"{head}\n  scale: {own.scale}\n  fitted to {own.n_answers} answers of {len(own.profiles)} people to "
            f"{len(own.problems)} problems in {own.steps} steps ({own.skipped} skipped as not finite)\n"
            f"  standard deviation of a new problem's effect: {own.new_problem_sd:.3g}"
        )

    __repr__ = __str__


def _unit(answers: Answers, blender: Blender) -> float:
    """Spread of the answers in rating units, at least a thousandth; 1 on a scale of words."""
    if blender.family == "categorical":
        return 1.0
    values = np.asarray(answers.answer, dtype=np.float64)
    if blender.family == "ordinal":
        values = np.asarray(blender.answers)[values.astype(np.int64)]
    return max(float(values.std()), 1e-3)


def _check_data(data: CrowdData, reference: Reference) -> None:
    people, problems = data.responses["participant"].nunique(), data.responses["problem"].nunique()
    if people < 2 or problems < 2:
        raise ValueError(
            f"fitting needs answers of at least two participants to two problems; data holds {people} and {problems}"
        )
    told = tuple(map(str, reference.answers))
    if data.scale.kind == "categorical" and told != tuple(data.scale.options):
        raise ValueError(f"the reference has answers {', '.join(told)}; the data's scale is {data.scale}")
    if data.scale.numeric:
        if any(isinstance(answer, str) for answer in reference.answers):
            raise ValueError(f"the reference's answers are words ({', '.join(told)}); the data's scale is {data.scale}")
        given = np.asarray(reference.answers, dtype=np.float64)
        off = given[~data.scale.admits(given)]
        if off.size:
            raise ValueError(f"reference answer {off[0]:g} is not on the data's scale ({data.scale})")


__all__ = ["CrowdLLM", "Fitted"]

"""CrowdLLM: reference answers and learned beliefs joined into a digital population (the paper's five steps)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator import kept, storage
from crowdllm_stats.generator.arviz_data import arviz_data
from crowdllm_stats.generator.belief import Belief
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.fitted import Fitted, problem_table
from crowdllm_stats.generator.kept import Mixing
from crowdllm_stats.generator.networks import Params
from crowdllm_stats.generator.padding import filled_up
from crowdllm_stats.generator.participation import Participation
from crowdllm_stats.generator.prediction import Prediction, even_people, expected_decisions, mixing_of, predict
from crowdllm_stats.generator.problems import Embedded, features_of
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator
from crowdllm_stats.generator.settings import PAPER, Settings
from crowdllm_stats.generator.simulation import (
    Drawn,
    check_people,
    draw_blocks,
    long_table,
    recruit,
    write_parquet,
)
from crowdllm_stats.generator.training import Trained, starting_values, trainer_for
from crowdllm_stats.generator.training_set import (
    Prepared,
    answers_in,
    blender_in,
    check_data,
    prepare,
    training_unit,
    unit_of,
    weighted,
)
from crowdllm_stats.generator.tuning import Tuned, tune


@dataclass(frozen=True, eq=False)
class Crowd:
    """People about to answer: their table and ids, the problems, the scale's answers, and the blocks to draw."""

    people: pd.DataFrame
    ids: list[str]
    problems: tuple[str, ...]
    levels: Any
    blocks: Iterator[Drawn]


@dataclass(frozen=True, eq=False)
class Apart:
    """A generator fitted without some of its training problems, and which these are."""

    model: CrowdLLM
    problems: tuple[str, ...]


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
        self.settings = self._asked = Settings.from_dict(settings)
        self._fitted: Fitted | None = None
        self._apart: Apart | None = None

    @classmethod
    def paper(cls, **changes: Any) -> CrowdLLM:
        """The paper's printed choices, and nothing that this library adds.

        Eq. 4 with lambda 1 under Adam at the constant rate 0.001; a normal belief without mixing ("we directly go with
        the VAE structure") of the problem's text and the person's profile through one hidden layer; decisions that are
        the mean over J = 10 beliefs. The paper's reference is made before fitting: the mean of K = 8 answers to the
        zero-shot prompt at temperature 0, ``backbone.reference(problems).at_temperature(0).drawn(8, seed=1)``.

        The paper prints no stopping rule: all ``steps`` are made. It leaves their number, width and batches open, which
        are the defaults of :class:`crowdllm_stats.generator.settings.Settings`, and the law of the problem vector: here
        normal about what is decoded, with the number of its coordinates as variance. Words have no mean; for them say
        ``decision="drawn"``. What each choice does is measured in reports/case_study_1/as_printed.md.

        Args:
            **changes: hyper-parameters that are to differ from the paper's.

        Raises:
            ValueError: as the class.

        Source: CrowdLLM, section 3 and section 5.1.2.

        Example:
            >>> CrowdLLM.paper()
            CrowdLLM, paper objective, normal beliefs, decisions expected over 10 beliefs, not fitted
        """
        return cls(**{**PAPER, **changes})

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
        self, data: CrowdData, reference: Reference | Fitted, *, embedding: Embedded = None, seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> CrowdLLM:  # fmt: skip
        """Learn beliefs from human answers.

        A share of the training problems (of 10 or more) is held out first, to find penalties or the number of steps
        and how far a new problem's effect may lie from what text and reference say; then all are used. The likelihood
        is trained in units of about the answers' spread, see :mod:`crowdllm_stats.generator.training_set`.

        Args:
            data: human answers on an ordinal, categorical or continuous scale.
            reference: a backbone's reference answers to all problems that have an answer; or the ``fitted`` of a
                generator fitted before, whose problem vectors and reference decisions are taken over.
            embedding: the problems' texts as numbers: by id, or what
                :func:`crowdllm_stats.backbones.embedder.embed` gives, a row per problem of ``data.problems``.
            seed: of starting values, batches, draws and the held-out problems.
            progress: called with steps done and steps in all.

        Returns:
            Itself, fitted.

        Raises:
            ValueError: on one participant or fewer than two problems, problems without reference or embedding, answers
                on another scale than the reference's, repeats, training that fails, arguments of another type, the
                paper's objective on answers whose standard deviation exceeds 5.
        """
        seed = check_count("seed", seed, least=0)
        check_data(data, reference)
        known = features_of(embedding, data.problems["problem"])
        self.settings = self._asked.chosen_for(data)
        blender = self.settings.blender(data.scale)
        part = prepare(data, reference, known, blender, self.settings)
        unit = training_unit(part.answers, blender, self.settings.objective)
        belief = self.belief(blender_in(blender, unit))
        exact = answers_in(part.answers, blender, unit)
        spread = unit_of(exact, belief.blender)
        inside = replace(part, answers=filled_up(exact))
        trainer = trainer_for(belief, self.settings, len(part.answers.problem))
        start = starting_values(belief, inside.answers, spread)
        tuned = tune(belief, trainer, inside, start, self.settings, spread, seed, progress)
        trained, skipped = tuned.trained, tuned.skipped
        if trained is None or self.settings.refit:
            everything = np.ones(len(inside.answers.problem), dtype=bool)
            answers = weighted(inside.answers, everything, self.settings.objective, tuned.ridge)
            trained = trainer.fit(start, answers, seed=seed, steps=tuned.steps, progress=progress)
            skipped += trained.skipped
        trained, tuned = trained.in_rating_units(blender, unit), tuned.in_rating_units(blender, unit)
        self._fitted, self._apart = self._kept(data, part, trained, tuned, skipped, seed), None
        if tuned.trained is not None:
            other = CrowdLLM(**self.settings.to_dict())
            other._fitted = self._kept(data, part, tuned.trained.in_rating_units(blender, unit), tuned, 0, seed)
            self._apart = Apart(other, tuple(part.problems[row] for row in tuned.apart))
        return self

    @property
    def apart(self) -> Apart | None:
        """The fit that decided by held-out problems, which it has not seen; None without such, and once loaded."""
        return self._apart

    def belief(self, blender: Blender) -> Belief:
        """The belief generator's constants for a blender."""
        names = ("hidden", "kept_mixing", "profile_noise", "mixing_dim", "draws", "loss_weight", "trust", "skip",
                 "problem_effects")  # fmt: skip
        given = {name: getattr(self.settings, name) for name in names}
        return Belief(blender, mixing=self.settings.answer_mixing, person_effects=self.settings.keeps, **given)

    def _kept(self, data: CrowdData, part: Prepared, trained: Trained, tuned: Tuned, skipped: int, seed: int) -> Fitted:
        params = dict(trained.params)
        effects = params.pop("problem")["mean"][: len(part.problems)]
        at_mean = [params.pop(name)["mean"][: len(part.people)] for name in ("person", "spread")]
        person, spread_of = kept.effects(params, np.concatenate(at_mean, axis=1))
        noise = params.pop("profile", {"mean": np.zeros((len(part.people), 0))})["mean"][: len(part.people)]
        used = self.settings.objective == "likelihood" and self.settings.problem_effects
        if self.settings.objective == "paper":
            for name in ("log_tau_problem", "log_tau_person", "log_tau_spread", "couple"):
                params.pop(name)
            # The objective trains decisions without noise; on a scale of words the distribution, at temperature 1.
            sigma = np.float32(0.0 if data.scale.kind == "categorical" else np.log(1e-6))
            params["blender"] = {**params["blender"], "log_sigma": sigma}
        else:
            params.pop("decoder")
        spread = tuned.sd
        if spread is None:
            spread = float(np.exp(params["log_tau_problem"])) if used else 0.0
        people = data.participants.set_index("participant").loc[list(part.people)].reset_index(drop=True)
        return Fitted(
            params=params,
            scale=data.scale,
            vectors=part.vectors,
            encoder=part.encoder,
            profiles=people,
            recruiter=None,
            problems=part.problems,
            x=np.asarray(part.answers.x),
            decision=np.asarray(part.answers.reference),
            effect=np.asarray(effects) if used else np.zeros_like(effects),
            new_problem_sd=spread,
            history=trained.history,
            tuning=tuned.table,
            held_out=tuned.held_out,
            steps=tuned.steps or trained.steps,
            skipped=skipped,
            seed=seed,
            n_answers=int(part.answers.problem.shape[0]),
            n_people=len(part.people),
            people=part.people,
            person_effect=np.asarray(person),
            person_spread=np.asarray(spread_of),
            person_noise=np.asarray(noise),
        )

    @property
    def blender(self) -> Blender:
        """The fitted blender."""
        return self.settings.blender(self.fitted.scale)

    @property
    def deciding(self) -> Params:
        """The parameters behind a decision: those learned, or those of the mean of J draws."""
        if self.settings.decision == "drawn":
            return self.fitted.params
        return expected_decisions(self.fitted.params, self.settings.draws)

    @property
    def mixing(self) -> Mixing | None:
        """How far from normal mixing makes beliefs (what people keep of them, where that is mixed); None without it."""
        fitted, belief = self.fitted, self.belief(self.blender)
        profiles = fitted.encoder.transform(fitted.profiles)
        return mixing_of(belief, fitted.params, fitted.x, fitted.decision - fitted.vectors.decision_mean, profiles)

    def problem_table(
        self, problems: Iterable[Any], reference: Reference | None, embedding: Embedded, effect: str
    ) -> dict[str, Any]:
        """Arrays of problems, see :func:`crowdllm_stats.generator.fitted.problem_table`."""
        return problem_table(self.fitted, self.blender.family, problems, reference, embedding, effect)

    def predict(
        self, problems: Iterable[Any] | None = None, *, reference: Reference | None = None,
        embedding: Embedded = None, effect: str = "fitted", people: pd.DataFrame | None = None, seed: int = 0,
    ) -> Prediction:  # fmt: skip
        """What an endless population would answer.

        A new problem's effect is set to its median, 0. Since a share of answers, or their mean, rises with that effect,
        these are medians over new problems with this text and reference, the best guess for absolute errors.

        Args:
            problems: ids; all training problems by default.
            reference: reference answers of problems that were not in the training set.
            embedding: their embedding.
            effect: "fitted" gives training problems the effect learned from their own answers; "typical" gives every
                problem the median effect of a new one, 0.
            people: profiles of the population, one row per person; the training people by default.
            seed: of the even draws behind it.

        Raises:
            ValueError: on no or repeated problems, new ones without reference, another reference of a training problem
                than it was fitted with; on profiles the coding does not know; before :meth:`fit`.
        """
        fitted, seed = self.fitted, check_count("seed", seed, least=0)
        table = self.problem_table(fitted.problems if problems is None else problems, reference, embedding, effect)
        belief = self.belief(self.blender)
        if people is not None:
            check_people(people)
        profiles = fitted.encoder.transform(fitted.profiles if people is None else people)
        far = [] if people is None else fitted.encoder.far(people, fitted.profiles)
        drawn = even_people(self.deciding, belief, profiles, self.settings.population, seed)
        unknown = np.where(table["known"], 0.0, fitted.new_problem_sd)
        why = (
            f"{self.settings.objective} objective, {int(table['known'].sum())} problem(s) with the effect learned from "
            f"their own answers, the others at the median effect; {len(drawn.v)} virtual people per problem"
            f"{self.settings.decisions}."
        )
        why = " ".join([why, *far])
        return predict(
            belief, self.deciding, table["problems"], table["x"], table["centred"], table["reference"], table["effect"],
            unknown, drawn, why,
        )  # fmt: skip

    def simulate(
        self, problems: Iterable[Any] | None = None, n: int | None = None, *, seed: int = 0,
        people: pd.DataFrame | ProfileGenerator | None = None, participation: Participation | None = None,
        reference: Reference | None = None, embedding: Embedded = None, effect: str = "fitted",
    ) -> CrowdData:  # fmt: skip
        """TrainingData of virtual people: step 1 to 4 of the paper's box.

        People keep their effects over problems. An answer depends on the seed, the person's id and the problem's id
        alone: not on who else is asked, nor in which order.

        Args:
            problems: ids; all training problems by default.
            n: number of people; 100, or everybody in ``people``, by default.
            seed: of profiles and answers.
            people: a profile generator, or a table of profiles with column ``participant``; by default a generator
                fitted to the training people's profiles.
            participation: who answers what; everybody everything by default.
            reference: reference answers of problems that were not in the training set.
            embedding: their embedding.
            effect: see :meth:`predict`.

        Returns:
            CrowdData, the type that human answers have; on a continuous scale where the family draws numbers.

        Raises:
            ValueError: on no or repeated problems, new ones without reference, another reference of a training problem
                than it was fitted with; on profiles the coding does not know; before :meth:`fit`.
        """
        crowd = self.crowd(problems, n, seed, people, participation, reference, embedding, effect)
        frames = [long_table(drawn, crowd.ids, crowd.problems, crowd.levels) for drawn in crowd.blocks]
        rows = pd.concat(frames, ignore_index=True)
        return CrowdData.from_frame(
            rows,
            participants=crowd.people,
            problems=pd.DataFrame({"problem": list(crowd.problems)}),
            scale=self.blender.answer_scale(self.fitted.scale),
        )

    def simulate_to(
        self, path: str | os.PathLike[str], problems: Iterable[Any] | None = None, n: int | None = None, *,
        seed: int = 0, people: pd.DataFrame | ProfileGenerator | None = None,
        participation: Participation | None = None, reference: Reference | None = None,
        embedding: Embedded = None, effect: str = "fitted",
        progress: Callable[[int, int], None] | None = None,
    ) -> int:  # fmt: skip
        """The same answers streamed to a Parquet file, whatever their number; arguments as :meth:`simulate`.

        Returns:
            The number of answers written.
        """
        crowd = self.crowd(problems, n, seed, people, participation, reference, embedding, effect)
        return write_parquet(crowd.blocks, crowd.ids, crowd.problems, crowd.levels, path, progress)

    def crowd(
        self, problems: Iterable[Any] | None, n: int | None, seed: int, people: pd.DataFrame | ProfileGenerator | None,
        participation: Participation | None, reference: Reference | None, embedding: Embedded, effect: str,
        start: int = 0,
    ) -> Crowd:  # fmt: skip
        """The people of :meth:`simulate` and their answers; generated people, those after the first ``start``."""
        fitted, blender, seed = self.fitted, self.blender, check_count("seed", seed, least=0)
        if participation is not None and not isinstance(participation, Participation):
            raise ValueError(
                f"participation must be a Participation, got {type(participation).__name__}; make one with "
                "Participation.given(...) or Participation.from_data(...)"
            )
        table = self.problem_table(fitted.problems if problems is None else problems, reference, embedding, effect)
        profiles = recruit(fitted.recruiter if people is None else people, fitted.profiles, n, seed, start)
        ids = profiles["participant"].tolist()

        if isinstance(people, pd.DataFrame):
            for sentence in fitted.encoder.far(profiles, fitted.profiles):
                warnings.warn(sentence, stacklevel=3)

        def coded(some: slice) -> FloatArray:
            return fitted.encoder.transform(profiles.iloc[some])

        return Crowd(
            people=profiles,
            ids=ids,
            problems=table["problems"],
            levels=np.asarray(blender.answers) if blender.answers else None,
            blocks=draw_blocks(self.belief(blender), self.deciding, table, ids, coded, participation, seed),
        )

    def with_recruiter(self, recruiter: ProfileGenerator, *, n: int = 1024, seed: int = 0) -> CrowdLLM:
        """The same generator with another population, and no profile or effect of a training person in it.

        Args:
            recruiter: generates profiles.
            n: profiles kept for predictions.
            seed: of these.
        """
        profiles = recruiter.sample(n, seed=seed).table.drop(columns="participant")
        self.fitted.encoder.transform(profiles)
        other = CrowdLLM(**self.settings.to_dict())
        nobody = {name: getattr(self.fitted, name)[:0] for name in ("person_effect", "person_spread", "person_noise")}
        other._fitted = replace(self.fitted, profiles=profiles, recruiter=recruiter, people=(), **nobody)
        return other

    def to_arviz(self, problems: Iterable[Any] | None = None, n: int = 100, *, seed: int = 0) -> Any:
        """Simulated answers with named dimensions for ArviZ: ``posterior_predictive["response"]``.

        Dimensions are chain (1), draw (virtual people, whose ids are the coordinate ``participant``) and problem; the
        training loss stands in ``sample_stats``.

        Args:
            problems: ids; all training problems by default.
            n: virtual people.
            seed: of profiles and answers.

        Returns:
            An ``arviz.InferenceData``; with ArviZ 1.0 or newer an ``xarray.DataTree`` of the same groups.
        """
        crowd = self.crowd(problems, n, seed, None, None, None, None, "fitted")
        answers = np.concatenate([drawn.answers for drawn in crowd.blocks], axis=1)
        values = answers if crowd.levels is None else crowd.levels[answers.astype(np.int64)]
        response = (("chain", "draw", "problem"), values.T[None])
        coords = {"problem": list(crowd.problems), "participant": ("draw", crowd.ids)}
        loss = (("chain", "draw"), self.fitted.history[None])
        return arviz_data(
            {
                "posterior_predictive": ({"response": response}, coords),
                "sample_stats": ({"loss": loss}, {}),
            }
        )

    def with_settings(self, **changes: Any) -> CrowdLLM:
        """An unfitted generator with some hyper-parameters changed."""
        return CrowdLLM(**replace(self.settings, **changes).to_dict())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as .npz without pickles: numbers, ids, profile tables, no texts; see :func:`storage.save`."""
        storage.save(self.settings, self.fitted, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CrowdLLM:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: on a file that is cut off or not a generator.
            FileNotFoundError: if there is no such file.
        """
        return storage.load(path, cls._tried)

    @classmethod
    def _tried(cls, settings: Settings, fitted: Fitted) -> CrowdLLM:
        """A model as it was saved, after one prediction."""
        model = cls(**settings.to_dict())
        model._fitted = fitted
        model.predict(fitted.problems[:1])
        return model

    def __str__(self) -> str:
        settings = self.settings
        head = f"CrowdLLM, {settings.objective} objective, {settings.belief_law}{settings.decisions}"
        if self._fitted is None:
            return f"{head}, not fitted"
        own = self._fitted
        return (
            f"{head}\n  scale: {own.scale}\n  fitted to {own.n_answers} answers of {own.n_people} people to "
            f"{len(own.problems)} problems in {own.steps} steps ({own.skipped} skipped as not finite)\n"
            f"{self._mixing_line()}  standard deviation of a new problem's effect: {own.new_problem_sd:.3g}"
        )

    def _mixing_line(self) -> str:
        found = self.mixing
        what = "what people keep over problems" if self.settings.kept_mixing else "beliefs"
        return "" if found is None else f"  {what}: {found}\n"

    __repr__ = __str__


__all__ = ["CrowdLLM", "Fitted"]

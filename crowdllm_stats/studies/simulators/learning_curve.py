"""Learning curves on real human answers: less of the training data, fewer virtual workers, one profile for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.studies.engine.parameters import InputFile, Parameter, Value, cell_text
from crowdllm_stats.studies.engine.simulator import Job, Simulator

if TYPE_CHECKING:
    from crowdllm_stats.data.histograms import Histograms
    from crowdllm_stats.data.reference import Reference
    from crowdllm_stats.evaluation.case_study.reference_tables import References
    from crowdllm_stats.evaluation.case_study.rows import Rows
    from crowdllm_stats.evaluation.case_study.texts import Texts
    from crowdllm_stats.evaluation.protocols import HeldOut
    from crowdllm_stats.generator.crowdllm import CrowdLLM
    from crowdllm_stats.generator.fitted import Fitted

#: Most virtual workers of a problem; every replicate has the uniform numbers of so many.
MOST = 128

#: Parameters that say how a fit is used, not what it learns from.
_READ = ("virtual", "profiles", "tolerance")

#: Generators: whether an LLM's reference answers go in.
_WITH_LLM = {"crowdllm": True, "no-llm": False, "crowdllm-paper": True, "vae-paper": False}

#: Those with the paper's printed choices.
_PRINTED = ("crowdllm-paper", "vae-paper")

#: Method -> row of the case study's table.
_ROWS = {"ridge": "ridge, blocks of equal size", "logistic": "multinomial logistic regression",
         "global": "global distribution", "random": "random"}  # fmt: skip


class LearningCurve(Simulator):
    """Real human answers, of which a generator or a baseline sees a part; virtual workers answer, people are the truth.

    A replicate is a split of a case study's protocol: "paper" holds out a fifth of the people and scores all problems,
    "new-problems" holds out a fifth of the problems too and scores those. The truth of a problem is the histogram of
    all its raters. Of the training answers stay, in this order: some problems, a share or a number of the people, the
    first so many answers of each problem, so many answers in all; how texts and profiles are coded is learned from all
    problems and people, but from no answer. Smaller parts lie inside larger ones, and splits,
    parts, starting values and the draws of virtual workers are the replicate's, the same in all cells.

    Methods: "crowdllm" (likelihood objective; penalties fixed at 40 for every size, nothing held out), "no-llm" (the
    same without an LLM: a pure generative model), "crowdllm-paper" and "vae-paper" (the same pair with the paper's
    printed choices, ``CrowdLLM.paper``, and its reference, 8 answers without persona at temperature 0), "ridge" and
    "logistic" (on the embedding and the LLM's answers), "global" (the training answers' distribution for every
    problem), "own-raters" (the problem's own training raters, and one more whose answer is spread as the global
    distribution; protocol "paper"), "llm" (the LLM alone, the mean over its personas), "random".

    Outcomes over the scored problems: "test_mae", "test_rmse" and "test_wd" of a crowd of ``virtual`` workers;
    "resolution", the share of problems with an error of the mean below 0.5; "within", the share with at most
    ``tolerance``; "reached", the share for which the mean of the first 1, 2, ... or ``virtual`` workers was at some
    point within it, as the paper counts workers needed. A method that cannot learn from what is left failed.
    """

    parameters: Mapping[str, Parameter] = {
        "data": Parameter("human answers: POPQUORN's in the data folder (rows without rater or rating left out), or "
                          "the example's", "choice", "popquorn:offensiveness",
                          choices=("popquorn:offensiveness", "popquorn:qa_difficulty", "example:human")),
        "backbone": Parameter("the LLM's answers: recorded, stored in the shipped population, of a fetched model, or "
                               "a file", "file", "recorded:gpt4",
                               choices=("recorded:gpt4", "shipped", "smollm2", "example:reference")),
        "embedding": Parameter("of the texts: an embedder or a file", "file", "minilm",
                               choices=("minilm", "tfidf", "none")),
        "protocol": Parameter("what is held out", "choice", "new-problems", choices=("paper", "new-problems")),
        "share": Parameter("share of the training workers, 2 workers or more", default=1.0, least=1e-6, most=1.0),
        "problems": Parameter("training problems; 0 for all", "whole", 0, least=0),
        "workers": Parameter("training workers, 2 or more; 0 for all", "whole", 0, least=0),
        "ratings": Parameter("training answers; 0 for all", "whole", 0, least=0),
        "per_problem": Parameter("most training answers of a problem; 0 for all", "whole", 0, least=0),
        "virtual": Parameter("virtual workers for each problem; 0 for endless", "whole", 0, least=0, most=MOST),
        "profiles": Parameter("of virtual workers: the training people's, or one person's for all", "choice",
                              "diverse", choices=("diverse", "fixed")),
        "tolerance": Parameter("distance from the human mean that counts, rating units", default=0.5, least=0.0),
        "steps": Parameter("gradient steps of the likelihood's fits", "whole", 200, least=1),
        "steps_paper": Parameter("gradient steps of the paper's fits, which never stop early", "whole", 1000, least=1),
        "components": Parameter("principal components of the embedding that generators see", "whole", 32, least=0),
    }  # fmt: skip
    methods: Sequence[str] = (*_WITH_LLM, *_ROWS, "own-raters", "llm")
    outcomes: Sequence[str] = ("test_mae", "test_rmse", "test_wd", "resolution", "within", "reached")
    block = 5
    environment: Mapping[str, str] = {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "JAX_PLATFORMS": "cpu",
    }

    def refuses(self, cell: Mapping[str, Value], method: str) -> str | None:
        """Own raters of problems that nobody answered, and one profile where there are none."""
        if method == "own-raters" and cell["protocol"] == "new-problems":
            return "nobody answered a held-out problem in training"
        if cell["profiles"] == "fixed" and method not in _WITH_LLM:
            return "it knows no profiles"
        return None

    def shape(self, cell: Mapping[str, Value]) -> str:
        """Cells that use the same fits share blocks."""
        return cell_text({name: value for name, value in cell.items() if name not in _READ}, self.parameters)

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Split, cut, fit (once for all uses of a fit in this process), answer, score."""
        found = {name: np.full((len(jobs), len(methods)), np.nan) for name in self.outcomes}
        for row, job in enumerate(jobs):
            for column, method in enumerate(methods):
                if self.refuses(job.cell, method) is None:
                    for name, value in _scored(job, method).items():
                        found[name][row, column] = value
        return found


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What a training set is cut from and how; see :attr:`LearningCurve.parameters`."""

    material: tuple[Any, Any, Any]
    protocol: str
    seed: int
    replicate: int
    share: float
    problems: int
    workers: int
    ratings: int
    per_problem: int

    @classmethod
    def of(cls, job: Job) -> Lesson:
        """The lesson of a job."""
        cell: Mapping[str, Any] = job.cell
        parts = {name: cell[name] for name in ("protocol", "share", "problems", "workers", "ratings", "per_problem")}
        material = cell["data"], cell["backbone"], cell["embedding"]
        return cls(material, seed=job.seed, replicate=job.replicate, **parts)

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers of the replicate."""
        return Job({}, self.replicate, self.seed, "").shared_rng(purpose)

    @property
    def fit_seed(self) -> int:
        """Of fits and of the even draws behind predictions."""
        return int(self.rng("fit").integers(2**31))


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """Human answers, and what is known of their problems."""

    human: CrowdData
    references: References
    texts: Texts


def part_of(
    train: CrowdData, *, share: float = 1.0, problems: int = 0, workers: int = 0, ratings: int = 0,
    per_problem: int = 0, seed: int = 0,
) -> CrowdData:  # fmt: skip
    """A random part of human answers; with one seed smaller parts lie inside larger ones.

    Args:
        train: human answers.
        share: share of the people who answered, rounded to 2 people or more.
        problems: problems that stay; 0 for all.
        workers: people that stay, after the problems; 0 for all.
        ratings: answers that stay, after all else; 0 for all.
        per_problem: most answers of a problem, after problems and people; 0 for all.
        seed: of what stays.

    Returns:
        CrowdData with the answers left, and the people and problems of these.

    Raises:
        ValueError: if more is asked for than there is.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human
        >>> few, more = (part_of(human, ratings=count, seed=1).responses for count in (9, 20))
        >>> len(few), len(few.merge(more))
        (9, 9)
    """
    rng = np.random.default_rng(seed)
    rows = train.responses
    orders = {name: rng.permutation(np.unique(rows[name])) for name in ("problem", "participant")}
    rank = rng.permutation(len(rows))
    people = len(orders["participant"])
    wanted = workers or (max(2, round(share * people)) if share < 1.0 else people)
    for name, count, word in (("problem", problems, "problems"), ("participant", wanted, "workers")):
        if count > len(orders[name]):
            raise ValueError(f"{word} is {count}, but only {len(orders[name])} are in training; lower it")
    keep = rows["problem"].isin(orders["problem"][: problems or None]) & rows["participant"].isin(
        orders["participant"][:wanted]
    )
    rows, rank = rows[keep], rank[keep]
    if per_problem:
        first = pd.Series(rank, index=rows.index).groupby(rows["problem"]).rank() <= per_problem
        rows, rank = rows[first], rank[first]
    if ratings > len(rows):
        raise ValueError(f"ratings is {ratings}, but only {len(rows)} are left; lower it")
    if ratings:
        rows = rows[rank <= np.partition(rank, ratings - 1)[ratings - 1]]
    left = dataclasses.replace(train, responses=rows.reset_index(drop=True))
    return left.select(problems=rows["problem"].unique(), participants=rows["participant"].unique())


def _scored(job: Job, method: str) -> dict[str, float]:
    """The outcomes of one method; none where it could not learn."""
    lesson, cell = Lesson.of(job), job.cell
    truth = _split(lesson).truth
    fixed = cell["profiles"] == "fixed"
    shares = _shares(lesson, method, _settings(cell) if method in _WITH_LLM else (), fixed)
    if shares is None:
        return {}
    virtual, tolerance = int(str(cell["virtual"])), float(str(cell["tolerance"]))
    return crowd_scores(truth, shares, virtual, tolerance, lesson.rng("virtual").random((len(truth.problems), MOST)))


def crowd_scores(
    truth: Histograms, shares: FloatArray, virtual: int, tolerance: float, uniforms: FloatArray
) -> dict[str, float]:
    """Scores of a crowd of virtual workers; see :class:`LearningCurve` for what they are.

    Args:
        truth: counts of the human answers to T problems.
        shares: predicted distributions, (T, A).
        virtual: workers drawn for each problem; 0 for the distribution itself.
        tolerance: for "within" and "reached".
        uniforms: numbers in (0, 1), (T, at least ``virtual``); the first workers of a crowd are those of a smaller one.

    Example:
        >>> from crowdllm_stats.data.histograms import Histograms
        >>> truth = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[2.0, 0.0, 2.0], [0.0, 3.0, 0.0]]))
        >>> draws = np.array([[0.2, 0.7, 0.1], [0.5, 0.4, 0.9]])
        >>> found = crowd_scores(truth, np.array([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]), 3, 0.1, draws)
        >>> found["within"], found["reached"]
        (0.5, 1.0)
    """
    from crowdllm_stats.evaluation.metrics import score

    values, goal = truth.numbers, truth.shares @ truth.numbers
    if virtual:
        ends = np.cumsum(shares, axis=1)[:, None, :-1]
        drawn = (uniforms[:, :virtual, None] >= ends).sum(axis=2)
        made = np.stack([(drawn == answer).mean(axis=1) for answer in range(len(values))], axis=1)
        paths = np.cumsum(values[drawn], axis=1) / np.arange(1, virtual + 1)
    else:
        made, paths = shares, (shares @ values)[:, None]
    near = np.abs(paths - goal[:, None]) <= tolerance
    scores = score(truth, made)
    return {
        **{f"test_{name}": scores.value(name) for name in ("mae", "rmse", "wd")},
        "resolution": scores.resolution,
        "within": float(near[:, -1].mean()),
        "reached": float(near.any(axis=1).mean()),
    }


@lru_cache(maxsize=4)
def _material(data: str, backbone: Any, embedding: Any) -> Material:
    from crowdllm_stats.data import load_example, popquorn
    from crowdllm_stats.evaluation.case_study.reference_tables import References
    from crowdllm_stats.evaluation.case_study.references import read_references
    from crowdllm_stats.evaluation.case_study.texts import Texts, read_texts
    from crowdllm_stats.generator.shipped import load_population, stored_reference

    task = data.partition(":")[2]
    human = load_example().human if data == "example:human" else popquorn(task, missing="drop")
    if backbone == "shipped":
        said = References("shipped", stored_reference(load_population().fitted), None)
    else:
        if isinstance(backbone, InputFile):
            backbone.check()
        said = read_references(str(backbone), human)
    texts = read_texts(human, str(embedding))
    known = texts.features(texts.problems)
    return Material(human, said, texts if known is None else Texts("of all texts", texts.problems, texts.texts, known))


@lru_cache(maxsize=16)
def _whole(material: tuple[Any, Any, Any], protocol: Any, seed: int) -> HeldOut:
    from crowdllm_stats.evaluation.protocols import held_out

    return held_out(_material(*material).human, protocol, seed=seed)


@lru_cache(maxsize=64)
def _split(lesson: Lesson) -> HeldOut:
    """The replicate's split, its training answers cut."""
    whole = _whole(lesson.material, lesson.protocol, int(lesson.rng("split").integers(2**31)))
    sizes = {name: getattr(lesson, name) for name in ("share", "problems", "workers", "ratings", "per_problem")}
    train = part_of(whole.train, **sizes, seed=int(lesson.rng("part").integers(2**31)))
    return dataclasses.replace(whole, train=train)


@lru_cache(maxsize=4)
def _rows(material: tuple[Any, Any, Any], protocol: Any) -> Rows:
    from crowdllm_stats.evaluation.case_study.rows import rows

    own = _material(*material)
    return rows(own.references, own.texts, protocol)


def _settings(cell: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple((name, cell[name]) for name in ("steps", "steps_paper", "components"))


@lru_cache(maxsize=240)
def _model(lesson: Lesson, method: str, asked: tuple[tuple[str, Any], ...]) -> CrowdLLM:
    from crowdllm_stats.evaluation.case_study.rows import fit_generator
    from crowdllm_stats.generator.settings import PAPER

    told = dict(asked)
    if method in _PRINTED:
        own = {**PAPER, "steps": told["steps_paper"]}
    else:
        own = {"steps": told["steps"], "ridge": 40.0, "ridge_network": 40.0, "held_out": 0.0}
    settings = {**own, "components": told["components"]}
    texts = _material(*lesson.material).texts
    coding = _coding(lesson.material, method, tuple(settings.items()))
    return fit_generator(settings, _split(lesson).train, coding, texts, lesson.fit_seed)


@lru_cache(maxsize=16)
def _coding(material: tuple[Any, Any, Any], method: str, settings: tuple[tuple[str, Any], ...]) -> Fitted:
    """The problems' vectors and the coding of profiles, of everybody and all problems: what a generator takes over.

    One coding for all sizes, in which no human answer counts: fits of about one size share a compiled program.
    """
    from crowdllm_stats.evaluation.case_study.rows import fit_generator

    own = _material(*material)
    return fit_generator({**dict(settings), "steps": 1}, own.human, _told(material, method), own.texts, 0).fitted


def _told(material: tuple[Any, Any, Any], method: str) -> Reference:
    """The reference answers that a generator is given."""
    said = _material(*material).references
    given = said.whole
    if method in _PRINTED and said.alone is not None:
        given = said.alone.at_temperature(0).drawn(8, seed=1)
    if _WITH_LLM[method]:
        return given
    even = np.full_like(given.log_probabilities, -np.log(len(given.answers)))  # as many columns: the same program
    return dataclasses.replace(given, log_probabilities=even, n_samples=None)


@lru_cache(maxsize=2048)
def _shares(lesson: Lesson, method: str, asked: tuple[tuple[str, Any], ...], fixed: bool) -> FloatArray | None:
    """Predicted distributions of the scored problems, (T, A); None where the method cannot learn from what is left."""
    from crowdllm_stats.evaluation.case_study.rows import predict_with

    split, own = _split(lesson), _material(*lesson.material)
    problems = split.truth.problems
    if method == "own-raters":
        return _own_raters(split.train, problems)
    if method in _WITH_LLM:
        try:
            model = _model(lesson, method, asked)
        except ValueError:
            return None
        people = split.train.participants.sample(1, random_state=lesson.fit_seed) if fixed else None
        reference = _told(lesson.material, method)
        return predict_with(model, problems, reference, own.texts, lesson.fit_seed, people).probabilities
    made = _rows(lesson.material, lesson.protocol).made
    name = _ROWS.get(method, "LLM zero-shot" if own.references.personas is None else "LLM multi-persona")
    try:
        return made[name if name in made else "ridge"](split.train, problems, lesson.fit_seed).probabilities
    except ValueError:
        return None


def _own_raters(train: CrowdData, problems: Sequence[str]) -> FloatArray:
    """Shares of the training answers of each problem, one more being spread as all answers are."""
    from crowdllm_stats.data.histograms import histograms

    known = histograms(train)
    counts = known.counts.sum(axis=0)
    place = {name: row for row, name in enumerate(known.problems)}
    own = np.stack([known.counts[place[name]] if name in place else np.zeros(len(counts)) for name in problems])
    more = own + counts / counts.sum()
    return np.asarray(more / more.sum(axis=1, keepdims=True))


LEARNING_CURVE = LearningCurve()

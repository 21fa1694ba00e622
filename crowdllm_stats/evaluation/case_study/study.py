"""One case study: all rows fitted and scored on the splits of a protocol, compared with ridge; spreads checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_choice, check_count
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation import HeldOut, held_out, paired_difference, virtual_crowd
from crowdllm_stats.evaluation.aggregation import Labels, aggregate
from crowdllm_stats.evaluation.baselines import noise_floor
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.case_study.rows import (
    BY_OBJECTIVE,
    CROWDLLM_MEDIAN,
    GENERATORS,
    GLOBAL,
    GLOBAL_MEDIAN,
    LOGISTIC,
    LOGISTIC_TEXTS,
    RIDGE,
    RIDGE_LLM,
    RIDGE_SCALED,
    RIDGE_TEXTS,
    VAE,
    RowPrediction,
    Rows,
    rows,
)
from crowdllm_stats.evaluation.case_study.spread import human_variances, spread_check
from crowdllm_stats.evaluation.case_study.texts import Texts
from crowdllm_stats.evaluation.metrics import WAYS, error_by_size, score
from crowdllm_stats.evaluation.protocols import Protocol
from crowdllm_stats.evaluation.scores import Scores, Way, pooled

#: Rows that nothing learned makes: what sampling alone leaves, and how far people are from people.
PERFECT, FLOOR = "the true histograms themselves", "half of the raters against the other half"

#: Splits on which GLAD is computed: half a minute a row, against a second for Dawid-Skene.
GLAD_SPLITS = 1

#: Metrics by which rows are compared, as far as they were scored.
COMPARED = ("mae", "wd", "rmse", "cs", "wd of probabilities")

#: Rows that CrowdLLM is compared with, as far as they were made.
AGAINST = (RIDGE, RIDGE_SCALED, RIDGE_TEXTS, RIDGE_LLM, LOGISTIC, LOGISTIC_TEXTS, GLOBAL, GLOBAL_MEDIAN, VAE)

#: Different problems that the check of the spread needs.
LEAST_SCORED = 3

#: Problems by human mean, a third each.
THIRDS = ("lowest third", "middle third", "highest third")

#: Stands before the id of a problem whose shares are shown.
EXAMPLE = "problem "


@dataclass(frozen=True, eq=False)
class CaseStudy:
    """The tables of a case study; see :func:`run_study`.

    Attributes:
        data: name of the human answers.
        backbone: name of the reference answers.
        embedding: "minilm", a folder, "tfidf" or "none".
        protocol: "paper" or "new-problems".
        objective: of the CrowdLLM in ``differences``.
        seeds: of the splits.
        scores: ``row``, ``how``, ``metric``, ``value``, ``standard_error``, ``n_problems``, ``n_splits``.
        differences: CrowdLLM less :data:`AGAINST`: ``row``, ``against``, ``metric``,
            ``difference``, ``lower``, ``upper``, ``p_value``, ``n_problems``.
        spread: ``row`` and the columns of :class:`crowdllm_stats.evaluation.case_study.spread.SpreadCheck`.
        sizes: ``row``, ``workers``, ``mae``: the mean's error against the number of virtual workers.
        shares: ``problems`` (all, a third by human mean, or the id of one after "problem "), ``row``, ``answer``,
            ``share``.
        left_out: rows that could not be made, with the reason.
        notes: what was pooled or left out, in sentences.
        counts: answers, people, problems, problems nobody answered.
    """

    data: str
    backbone: str
    embedding: str
    protocol: Protocol
    objective: str
    seeds: tuple[int, ...]
    scores: pd.DataFrame
    differences: pd.DataFrame
    spread: pd.DataFrame
    sizes: pd.DataFrame
    shares: pd.DataFrame
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """The scores, after columns ``protocol`` and ``backbone``."""
        frame = self.scores.copy()
        frame.insert(0, "protocol", self.protocol)
        frame.insert(1, "backbone", self.backbone)
        return frame

    def value(self, row: str, metric: str, how: Way = "exact") -> float:
        """One score.

        Raises:
            ValueError: if there is none.
        """
        table = self.scores
        found = table[(table["row"] == row) & (table["metric"] == metric) & (table["how"] == how)]["value"]
        if found.empty:
            raise ValueError(f"there is no {how} {metric!r} of row {row!r}")
        return float(found.iloc[0])

    def __str__(self) -> str:
        wide = self.scores[self.scores["metric"].isin(["mae", "rmse", "cs", "wd"])].pivot_table(
            index="row", columns=["how", "metric"], values="value", sort=False
        )
        head = (
            f"Case study: {self.data}, backbone {self.backbone}, embedding {self.embedding}, protocol {self.protocol}"
        )
        return f"{head}, {len(self.seeds)} splits\n{wide.round(3).to_string()}"


@dataclass(frozen=True, eq=False)
class _Split:
    """One split, and what each row predicted."""

    split: HeldOut
    predicted: Mapping[str, RowPrediction]


def run_study(
    data: CrowdData,
    references: References,
    texts: Texts,
    *,
    name: str = "answers",
    protocol: Protocol = "new-problems",
    seeds: Iterable[int] = range(5),
    objective: str = "likelihood",
    only: Sequence[str] | None = None,
    labels: bool = True,
    probabilities: bool = False,
    examples: int = 0,
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> CaseStudy:
    """Fit and score every row on every split.

    Args:
        data: human answers on an ordinal scale, every problem with two or more (the noise floor halves them).
        references: the backbone's, of all problems.
        texts: the embedding's, of all problems.
        name: of the data.
        protocol: see :func:`crowdllm_stats.evaluation.held_out`.
        seeds: one per split; they seed split, fits and draws.
        objective: which CrowdLLM is compared with ridge, "likelihood" or "paper"; the rows hold both.
        only: names of the rows to make, all that can be made by default; the compared CrowdLLM and a ridge among them.
        labels: whether Dawid-Skene and GLAD aggregate the crowds too, in the protocol "paper" alone (Tables 1, 2).
        probabilities: whether the distance between the two sets of probabilities is scored too (Tables 3, 4).
        examples: how many problems of the first split, drawn at random, stand in ``shares`` one by one (Figures 6, 7).
        progress: called with words before each step.
        **settings: hyper-parameters of all CrowdLLM rows, see :class:`crowdllm_stats.generator.settings.Settings`, but
            ``objective``, ``mixing`` and ``mixing_draws``, in which the rows differ.

    Returns:
        CaseStudy.

    Raises:
        ValueError: on a scale without levels, no or repeated seeds, problems with a single answer, a row in
            ``only`` that cannot be made, no CrowdLLM or ridge to compare, a hyper-parameter in which the rows differ,
            fewer than three problems to score, and as the rows.
    """
    check_choice("objective", objective, tuple(BY_OBJECTIVE))
    if data.scale.kind != "ordinal":
        raise ValueError(f"a case study needs an ordinal scale of numbers, got {data.scale}; declare ordinal([...])")
    chosen = tuple(int(seed) for seed in seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds must be at least one whole number and all different; got {list(chosen)}")
    report = progress or (lambda step: None)
    made = _chosen(_fitting(rows(references, texts, protocol, **settings), data), only, BY_OBJECTIVE[objective])
    splits = []
    for split in _held_out(data, protocol, chosen):
        seed, predicted = split.seed, {}
        for row, fit in made.made.items():
            report(f"split {seed}: {row}")
            predicted[row] = fit(split.train, split.truth.problems, seed)
        splits.append(_Split(split, predicted))
    scores = {row: _scored(splits, row, probabilities) for row in made.made}
    labelled = []
    if labels and protocol == "paper":
        labelled = [_labels(data, splits, "dawid-skene", report), _labels(data, splits[:GLAD_SPLITS], "glad", report)]
    report("comparisons")
    return CaseStudy(
        data=name,
        backbone=references.name,
        embedding=texts.model,
        protocol=protocol,
        objective=objective,
        seeds=chosen,
        scores=_score_table({**scores, **_unlearned(splits, probabilities)}, labelled),
        differences=_differences(scores, BY_OBJECTIVE[objective]),
        spread=_spreads(splits, [row for row in (*GENERATORS, RIDGE, RIDGE_SCALED) if row in scores]),
        sizes=_sizes(splits),
        shares=pd.concat([_shares(splits), *_examples(splits[0], examples)], ignore_index=True),
        left_out=dict(made.left_out),
        notes=references.notes,
        counts={
            "answers": len(data.responses),
            "people": int(data.responses["participant"].nunique()),
            "problems": len(data.problems),
            "unanswered": sum(one.split.unanswered for one in splits),
        },
    )


def _held_out(data: CrowdData, protocol: Protocol, seeds: Sequence[int]) -> list[HeldOut]:
    """The splits; refused before anything is fitted where they score too few problems."""
    splits = [held_out(data, protocol, seed=seed) for seed in seeds]
    scored = {name for split in splits for name in split.truth.problems}
    if len(scored) < LEAST_SCORED:
        raise ValueError(
            f"{len(seeds)} split(s) score {len(scored)} different problem(s); a case study needs {LEAST_SCORED}: give "
            "more seeds, or answers to more problems"
        )
    return splits


def _fitting(every: Rows, data: CrowdData) -> Rows:
    """Without the rows of the paper's objective where the answers are too wide for its prior."""
    from crowdllm_stats.generator.training_set import MOST_SD

    spread = float(data.responses["response"].std(ddof=0))
    if spread <= MOST_SD:
        return every
    why = f"its prior of beliefs, N(0, 1), is in rating units, and the answers have standard deviation {spread:.3g}"
    out = {name: why for name, own in GENERATORS.items() if own["objective"] == "paper"}
    return Rows({name: row for name, row in every.made.items() if name not in out}, {**every.left_out, **out})


def _chosen(every: Rows, only: Sequence[str] | None, ours: str) -> Rows:
    if only is None and ours not in every.made:
        raise ValueError(f"row {ours!r} cannot be made: {every.left_out[ours]}")
    if only is None:
        return every
    unknown = [name for name in only if name not in every.made]
    if unknown:
        why = every.left_out.get(unknown[0], f"there are {', '.join(every.made)}")
        raise ValueError(f"row {unknown[0]!r} cannot be made: {why}")
    if ours not in only or RIDGE not in only:
        told = "{} must name {!r} and {!r}, which are compared; got {}"
        raise BadInput(Message.filled(told, Message("only", "--row"), ours, RIDGE, ", ".join(only)))
    out = {name: "not asked for" for name in every.made if name not in only}
    return Rows({name: row for name, row in every.made.items() if name in only}, {**every.left_out, **out})


def _scored(splits: Sequence[_Split], row: str, probabilities: bool) -> dict[str, Scores]:
    made = [(one.split, one.predicted[row].probabilities) for one in splits]
    return {how: pooled([_score(split, shares, how, probabilities) for split, shares in made]) for how in WAYS}


def _score(split: HeldOut, shares: FloatArray, how: Way, probabilities: bool) -> Scores:
    given: dict[str, Any] = {"how": how, "seed": split.seed, "split": split.seed}
    found = score(split.truth, shares, **given)
    if not probabilities:
        return found
    other = score(split.truth, shares, distance="probabilities", **given).per_problem["wasserstein"]
    return Scores(found.per_problem.assign(wasserstein_of_probabilities=other), how)


def _unlearned(splits: Sequence[_Split], probabilities: bool) -> dict[str, dict[str, Scores]]:
    perfect = [_score(one.split, one.split.truth.shares, "sampled", probabilities) for one in splits]
    floor = [noise_floor(one.split.truth, seed=one.split.seed, split=one.split.seed) for one in splits]
    # Both halves of the raters are samples.
    return {PERFECT: {"sampled": pooled(perfect)}, FLOOR: {"sampled": pooled(floor)}}


def _labels(
    data: CrowdData, splits: Sequence[_Split], how: Labels, report: Callable[[str], None]
) -> dict[str, Scores]:  # fmt: skip
    """Errors of Dawid-Skene or GLAD on virtual crowds; the human crowd is aggregated once."""
    human = aggregate(data, how)
    found: dict[str, list[Scores]] = {}
    for one in splits:
        seed, problems = one.split.seed, one.split.truth.problems
        drawn = {row: made.probabilities for row, made in one.predicted.items()}
        for row, shares in {**drawn, PERFECT: one.split.truth.shares}.items():
            digital = virtual_crowd(data, shares, problems, seed=seed)
            report(f"split {seed}: {how} of {row}")
            other = aggregate(digital, how)
            ours, theirs = (
                pd.Series(part.answers, index=list(part.problems)).loc[list(problems)].to_numpy(dtype=np.float64)
                for part in (other, human)
            )
            table = pd.DataFrame({"problem": list(problems), "split": seed, f"error_{how}": ours - theirs})
            found.setdefault(row, []).append(Scores(table, "sampled"))
    return {row: pooled(parts) for row, parts in found.items()}


def _score_table(scores: Mapping[str, Mapping[str, Scores]], labels: Sequence[Mapping[str, Scores]]) -> pd.DataFrame:
    parts = []
    for row, ways in scores.items():
        for how, found in ways.items():
            frame = found.to_frame()
            if how == "sampled":
                frame = pd.concat([frame, *(one[row].to_frame() for one in labels if row in one)], ignore_index=True)
            frame.insert(0, "row", row)
            frame.insert(1, "how", how)
            parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _differences(scores: Mapping[str, Mapping[str, Scores]], ours: str) -> pd.DataFrame:
    parts = []
    for row in dict.fromkeys((ours, *BY_OBJECTIVE.values(), CROWDLLM_MEDIAN)):
        if row not in scores:
            continue
        for against in AGAINST:
            if against not in scores:
                continue
            for metric in (one for one in COMPARED if one in scores[row]["exact"].metrics):
                found = paired_difference(scores[row]["exact"], scores[against]["exact"], metric)
                frame = found.to_frame().drop(columns="note")
                frame.insert(0, "row", row)
                frame.insert(1, "against", against)
                parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _spreads(splits: Sequence[_Split], names: Sequence[str]) -> pd.DataFrame:
    problems = np.concatenate([np.asarray(one.split.truth.problems) for one in splits])
    human = np.concatenate([human_variances(one.split.truth) for one in splits])
    parts = []
    for row in names:
        predicted = np.concatenate([one.predicted[row].variance for one in splits])
        # Rounding can leave a variance of 0 a hair below it.
        found = spread_check(problems, human, np.where(np.abs(predicted) < 1e-9, 0.0, predicted))
        parts.append({"row": row, **found.to_frame().drop(columns="note").iloc[0].to_dict()})
    return pd.DataFrame(parts)


def _sizes(splits: Sequence[_Split]) -> pd.DataFrame:
    parts = []
    for row in splits[0].predicted:
        each = [error_by_size(one.split.truth, one.predicted[row].probabilities, seed=one.split.seed) for one in splits]
        mean = pd.concat(each).groupby("workers", as_index=False)["mae"].mean()
        mean.insert(0, "row", row)
        parts.append(mean)
    return pd.concat(parts, ignore_index=True)


def _shares(splits: Sequence[_Split]) -> pd.DataFrame:
    """Shares of all answers, each problem weighed by its human answers; for all problems and for thirds of them.

    Thirds are left out where some third holds no problem: with fewer than three problems in every split.
    """
    values = splits[0].split.truth.numbers
    totals: dict[tuple[str, str], Any] = {}
    for one in splits:
        truth = one.split.truth
        rank = np.argsort(np.argsort(truth.shares @ values, kind="stable"), kind="stable")
        third = np.minimum(rank * 3 // len(rank), 2)
        for row, shares in {"people": truth.shares, **{k: v.probabilities for k, v in one.predicted.items()}}.items():
            counts = shares * truth.totals[:, None]
            for group, kept in {"all": third >= 0, **{word: third == n for n, word in enumerate(THIRDS)}}.items():
                totals[group, row] = totals.get((group, row), 0.0) + counts[kept].sum(axis=0)
    groups = {group for (group, _), counts in totals.items() if counts.sum() > 0.0}
    shown = groups if groups >= set(THIRDS) else {"all"}
    return pd.DataFrame(
        [
            {"problems": group, "row": row, "answer": float(answer), "share": float(part)}
            for (group, row), counts in totals.items()
            if group in shown
            for answer, part in zip(values, counts / counts.sum(), strict=True)
        ]
    )


def _examples(one: _Split, count: int) -> list[pd.DataFrame]:
    """Shares of the answers to some problems of a split, by people and by row."""
    truth = one.split.truth
    size = min(check_count("examples", count, least=0), len(truth.problems))
    places = generator(one.split.seed, "examples").choice(len(truth.problems), size, replace=False)
    rows = {"people": truth.shares, **{row: made.probabilities for row, made in one.predicted.items()}}
    return [
        pd.DataFrame({"problems": f"{EXAMPLE}{truth.problems[place]}", "row": row, "answer": truth.numbers,
                      "share": shares[place]})
        for place in places for row, shares in rows.items()
    ]  # fmt: skip

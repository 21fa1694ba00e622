"""Case Study II: CrowdLLM and the baselines on two sets of product ratings, on new products and in the protocol `paper`.

    make reports NAME=product_ratings    # the report; a look at it under out/: python benchmarks/product_ratings.py

Needs the data (CROWDLLM_STATS_DATA), the sentence embedder and the small language model (``crowdllm-stats backbone fetch
minilm`` and ``smollm2``, which is asked once, some minutes; its answers are kept in the user's cache). Writes one folder per
study, and README.md over all of them. With ``--report-only`` README.md, pages and pictures are written again from the tables
that are there.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import amazon_reviews
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation.case_study.asking import Asking
from crowdllm_stats.evaluation.case_study.evaluations import Reader, of_evaluations, questions
from crowdllm_stats.evaluation.case_study.reference_tables import NewQuestions, References
from crowdllm_stats.evaluation.case_study.references import read_references
from crowdllm_stats.evaluation.case_study.rows import (
    CROWDLLM,
    CROWDLLM_MEDIAN,
    GLOBAL,
    GLOBAL_MEDIAN,
    LOGISTIC,
    LOGISTIC_TEXTS,
    RIDGE,
    RIDGE_SCALED,
    RIDGE_TEXTS,
)
from crowdllm_stats.evaluation.case_study.spread import human_variances
from crowdllm_stats.evaluation.case_study.study import run_study
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.case_study.wording import comparison, in_words, main_table, published, verdict
from crowdllm_stats.evaluation.case_study.writing import read_tables, write_page, write_study
from reports import by_study, typed

#: Reviewers that a product has at least, and how many of them, the earliest, describe it: fixed before CrowdLLM was fitted.
LEAST, FIRST = 10, 5
SPLITS, OTHERS = range(5), range(5, 15)
#: Characters of a product's text that the language model reads.
READ = 400
#: Products differ by some hundredths of the ratings' variance, so the candidates shrink more than the defaults; the choice is
#: made inside the training products of every split.
SETTINGS = {"ridge": (40.0, 160.0), "ridge_network": (100.0,)}
HERE = Path(__file__).parent
MADE_BY = "made_by.txt"

OURS = (CROWDLLM, CROWDLLM_MEDIAN)


@dataclass(frozen=True)
class Study:
    """A study: the data, the protocol, whether evaluations are read by a reader or by the LLM, and rows (None: all)."""

    data: str
    protocol: str
    reader: bool
    only: tuple[str, ...] | None
    splits: range = SPLITS


#: The rows that depend on who reads the evaluations, and those that are compared on more splits.
OF_BACKBONE = (GLOBAL, RIDGE, RIDGE_SCALED, *OURS)
COMPARED = (GLOBAL, GLOBAL_MEDIAN, RIDGE, RIDGE_SCALED, RIDGE_TEXTS, LOGISTIC, LOGISTIC_TEXTS, *OURS)

STUDIES = {
    "musical_instruments": Study("musical_instruments", "new-problems", True, None),
    "gift_cards": Study("gift_cards", "new-problems", True, None),
    "musical_instruments_other_splits": Study("musical_instruments", "new-problems", True, COMPARED, OTHERS),
    "musical_instruments_paper": Study("musical_instruments", "paper", True, None),
    "gift_cards_paper": Study("gift_cards", "paper", True, None),
    "musical_instruments_smollm2": Study("musical_instruments", "new-problems", False, OF_BACKBONE),
    "gift_cards_smollm2": Study("gift_cards", "new-problems", False, OF_BACKBONE),
}


def ratings_of(name):
    """The ratings, described by the earliest evaluations, and whether products have texts of their own."""
    plain = amazon_reviews(name, least=LEAST)
    return plain.described(FIRST), "text" in plain.data.problems


def asked(name, ratings, own_text):
    """What SmolLM2 says as those who describe a product and, where it has a text of its own, of that text."""
    scale = ratings.data.scale
    review = Asking(template=str(HERE / "stars_review.txt"))
    said = of_evaluations(read_references("smollm2", questions(ratings.describing, scale), asking=review), ratings)
    if not own_text:
        return said
    table = amazon_reviews(name, least=LEAST).data.problems
    table = table.assign(text=table["text"].str.split().str.join(" ").str.slice(0, READ))
    product = Asking(template=str(HERE / "stars_product.txt"))
    alone = read_references("smollm2", NewQuestions(table, scale), asking=product)
    return dataclasses.replace(said, alone=alone.whole.select(ratings.data.problems["problem"]))


def run(out, names):
    """Make the tables of some studies."""
    for name in names:
        study = STUDIES[name]
        ratings, own_text = ratings_of(study.data)
        llm = asked(study.data, ratings, own_text)
        references = llm
        if study.reader:
            read = Reader(ratings).reference
            references = References(
                "evaluations read by regression", llm.alone, llm.personas, llm.source, llm.notes, read
            )
        left = [f"{count} review(s) left out: {why}." for why, count in ratings.data.exclusions.items()]
        start = time.perf_counter()

        def progress(step, begun=start, study=name):
            print(f"{time.perf_counter() - begun:7.0f} s  {study}: {step}", file=sys.stderr, flush=True)

        found = run_study(
            ratings.data, references, read_texts(ratings.data, "minilm"), name=f"amazon:{study.data}",
            protocol=study.protocol, seeds=study.splits, only=study.only, labels=False, probabilities=True,
            examples=3, progress=progress, **SETTINGS,
        )  # fmt: skip
        found = dataclasses.replace(found, notes=(*left, *found.notes))
        write_study(found, out / name, ratings.data, references, arguments=arguments(name, out))
        write_whole(out / name / MADE_BY, made_by(typed()) + "\n")
        print(found, flush=True)


def arguments(name, out):
    """What pages and manifests say was typed."""
    return ["python", "benchmarks/product_ratings.py", "--study", name, "--out", str(out)]


def shown(studies):
    """CrowdLLM against each row that it is to beat, on new products."""
    rows = []
    for name in (
        name for name in ("musical_instruments", "musical_instruments_other_splits", "gift_cards") if name in studies
    ):
        for metric in ("mae", "wd", "wd of probabilities"):
            for ours in OURS:
                for against in (GLOBAL, GLOBAL_MEDIAN, RIDGE_TEXTS, LOGISTIC_TEXTS, RIDGE, RIDGE_SCALED, LOGISTIC):
                    found = comparison(studies[name], metric, ours, against)
                    rows.append({"data": name, "metric": metric.upper(), "row": ours, "less": against,
                                 "difference": in_words(found), "verdict": verdict(found)})  # fmt: skip
    return pd.DataFrame(rows)


def ceiling(name, study):
    """How far products differ, and what could be foreseen at best; all by the ratings that are scored."""
    ratings, _ = ratings_of(name)
    table = histograms(ratings.data)
    mean, n = table.shares @ table.numbers, table.totals
    within = np.average(human_variances(table), weights=n - 1)
    size = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    overall = np.average(mean, weights=n)
    between = ((n * (mean - overall) ** 2).sum() / (len(n) - 1) - within) / size
    halves = np.array([_halves(table, seed) for seed in range(200)])
    rng = np.random.default_rng(0)
    draws = [np.mean(halves[:, rng.integers(len(n), size=len(n))], axis=(0, 1)) for _ in range(500)]
    low, high = np.quantile([one[0] - one[1] for one in draws], [0.025, 0.975])
    half, other = halves.mean(axis=(0, 1))
    return {
        "data": name, "products": len(n), "ratings": int(n.sum()), "sd within a product": f"{np.sqrt(within):.3f}",
        "sd between products": f"{np.sqrt(max(between, 0.0)):.3f}",
        "MAE of whoever knew each product's long-run mean": f"{np.mean(np.sqrt(2 * within / np.pi / n)):.3f}",
        "MAE of the global distribution": f"{study.value(GLOBAL, 'mae'):.3f}",
        "WD: one half of the raters for the other": f"{half:.3f}", "WD: all other products for that half": f"{other:.3f}",
        "difference": f"{half - other:+.3f} [{low:+.3f}, {high:+.3f}]",
    }  # fmt: skip


def _halves(table, seed):
    """Per product the distance from a random half of its raters to the other half, and from all other products' raters."""
    rng, distances = np.random.default_rng(seed), []
    everyone = table.counts.sum(axis=0)
    for counts in table.counts.astype(np.int64):
        first = rng.multivariate_hypergeometric(counts, int(counts.sum()) // 2)
        second = counts - first
        truth = np.cumsum(second / second.sum())
        rest = everyone - counts
        distances.append([np.abs(np.cumsum(one / one.sum()) - truth)[:-1].sum() for one in (first, rest)])
    return distances


def said_by_llm():
    """Whether SmolLM2's answers go along with people's."""
    lines = []
    for name in ("musical_instruments", "gift_cards"):
        ratings, own_text = ratings_of(name)
        said, table = asked(name, ratings, own_text), histograms(ratings.data)
        people = table.shares @ table.numbers
        for what, reference in (
            ("as those who describe the product", said.personas),
            ("of the product's text", said.alone),
        ):
            if reference is not None:
                means = reference.select(table.problems).mean[:, 0]
                r = np.corrcoef(means, people)[0, 1]
                ends = np.tanh(np.arctanh(r) + np.array([-1.96, 1.96]) / np.sqrt(len(people) - 3))
                lines.append({"data": name, "SmolLM2": what, "mean of its answers": f"{means.mean():.2f}",
                              "mean of people's": f"{people.mean():.2f}", "sd between products": f"{means.std():.3f}",
                              "correlation with people's means": f"{r:+.2f} [{ends[0]:+.2f}, {ends[1]:+.2f}]"})  # fmt: skip
    return pd.DataFrame(lines)


def first_lines(table):
    """What was beaten and what was not."""
    lines = []
    for (data, metric, row), part in table.groupby(["data", "metric", "row"], sort=False):
        by = {how: part[part["verdict"] == how]["less"].tolist() for how in ("better", "no different", "worse")}
        words = [f"{how} than {', '.join(by[how])}" for how in ("better", "worse") if by[how]]
        words += [f"no difference is shown from {', '.join(by['no different'])}"] if by["no different"] else []
        lines.append(f"- {data}, {metric}: {row!r} is {'; '.join(words)}." if by["better"] or by["worse"] else
                     f"- {data}, {metric}: {row!r}: {words[0]}.")  # fmt: skip
    return lines


def report(out):
    """README.md over the studies, each study's page and pictures."""
    studies = {name: read_tables(out / name) for name in STUDIES if (out / name).is_dir()}
    absent = [f"Not made, and so not shown: {name}." for name in STUDIES if name not in studies]
    for name, study in studies.items():
        write_page(study, out / name, arguments=arguments(name, out))
    table = shown(studies)
    beside = [published(f"amazon-2023:{name}").assign(data=name) for name in ("All_Beauty", "Musical_Instruments")]
    lines = [
        "# Case Study II: product ratings (Tables 3 and 4, Figures 6 and 7)",
        "",
        *sorted({(out / name / MADE_BY).read_text(encoding="utf-8").strip() for name in studies}),
        *absent,
        "",
        f"Products of two older releases with at least {LEAST} reviewers. The {FIRST} earliest evaluations of every product "
        "describe it: their words are known, their ratings are neither learned from nor scored. The ratings of all others "
        "are foreseen, and their evaluations enter training for training products alone. Gift cards have titles and "
        "descriptions; of the musical instruments the release at hand has none, so there the evaluations are all that is "
        "known. `new-problems`, which is the paper's own way for these tables, holds out a fifth of the products and of the "
        "people; `paper` a fifth of the people alone, and scores products seen in training. Every row but 'random' and the LLM's sees what CrowdLLM sees: the "
        "MiniLM embedding of the product's words, and the ratings that a regression, learned from the training reviews, "
        "reads in the evaluations ('ridge on the LLM's answers alone' sees these ratings alone). Errors are against the histogram of all raters of a product but those who describe it.",
        "",
        "A product's histogram has few raters and lacks rare answers. The histogram that is least far from it, in expected "
        "WD, is not the population's: each cumulative share is a median over what so many raters could answer. It stands "
        "beside as 'median histogram', for CrowdLLM and for all training products together.",
        "",
        "Differences are paired by product, intervals (95%) by bootstrap over products; below 0 CrowdLLM is better. Five splits "
        f"score two thirds of the products, ten others (`other_splits`, seeds {OTHERS[0]} to {OTHERS[-1]}) most of them; these were "
        "added once the five had been looked at. That evaluations are read by words rather than by embeddings was settled on "
        "musical instruments, in looks at splits 0 to 11 and at cross-validated correlations over all products; 10 reviewers and 5 "
        "evaluations were kept after simple regressions with 10, 15 and 20 reviewers and 5 or 10 evaluations had been seen. "
        "Penalties are chosen inside the training products of each split.",
        "",
        *first_lines(table),
        "",
        "## What could be foreseen at best",
        "",
        markdown_table(pd.DataFrame([ceiling(name, studies[name]) for name in ("musical_instruments", "gift_cards")])),
        "",
        "Where one half of a product's raters foresees the other half no better than all other products' raters do, products "
        "hardly differ, and knowing more of a product cannot help much. Nor can it where the global distribution misses the mean of "
        "a product's raters by no more than whoever knew the product's long-run mean would, since the raters are few.",
        "",
        "## What was to be shown",
        "",
        markdown_table(table),
        "",
        "## What the language model says",
        "",
        "SmolLM2 (135 million parameters) was given five made-up reviews, or products, with one rating from 1 to 5 each, and "
        "then asked for the stars of each evaluation that describes a product ('LLM multi-persona'), and of the products that "
        "have texts ('LLM zero-shot' and 'self-consistency', gift cards alone). The studies named `smollm2` fit CrowdLLM to "
        "its answers in the place of what the regression reads; with an interval around 0 it says nothing of which products "
        "are liked.",
        "",
        markdown_table(said_by_llm()),
        "",
        "## Published, on other data",
        "",
        "Amazon Reviews 2023, All Beauty (448 products) and Musical Instruments (629 products), backbone Gemma3-12B; the "
        "distance is that between the two sets of five probabilities. These sets could not be had; `amazon_reviews_2023` "
        "reads them.",
        "",
        markdown_table(pd.concat(beside)[["data", "row", "mae", "rmse", "cs", "wd of probabilities"]]),
        "",
    ]
    for name, study in studies.items():
        lines += [f"## {name}", "", f"[Everything]({name}/README.md): differences, spreads, pictures. Reference answers: "
                  f"{study.backbone}.", "", markdown_table(main_table(study)), ""]  # fmt: skip
        if STUDIES[name].only is None:
            lines += ["Three held-out products of the first split, drawn at random (Figures 6 and 7):", "",
                      f"![three products]({name}/examples.png)", ""]  # fmt: skip
    write_whole(out / "README.md", "\n".join(lines))


if __name__ == "__main__":
    by_study(__doc__, "product_ratings", list(STUDIES), run, report)

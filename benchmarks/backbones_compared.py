"""Nine recorded LLMs as backbones: each bare, calibrated to people, and in CrowdLLM, on problems that nobody had rated.

    make reports NAME=backbones_compared    # the report; a look at it under out/: python benchmarks/backbones_compared.py

POPQUORN's offensiveness ratings, protocol `new-problems`, five splits. Needs the published data (CROWDLLM_STATS_DATA) and
the sentence embedder (``crowdllm-stats backbone fetch minilm``).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import popquorn
from crowdllm_stats.data.popquorn_ratings import MODELS, popquorn_llm_ratings
from crowdllm_stats.evaluation.case_study.references import RECORDED, read_references
from crowdllm_stats.evaluation.case_study.rows import CROWDLLM, RIDGE, RIDGE_LLM, RIDGE_SCALED, RIDGE_TEXTS
from crowdllm_stats.evaluation.case_study.study import run_study
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.case_study.wording import comparison, in_words, verdict
from crowdllm_stats.evaluation.case_study.writing import read_tables, write_tables
from reports import command_line, typed

SEEDS = 5
KEPT = Path("out", "backbones_compared")
MADE_BY = "made_by.txt"
ZERO, PERSONAS = "LLM zero-shot", "LLM multi-persona"

#: Of every LLM, in the words of the report.
ROWS = {
    ZERO: "bare",
    PERSONAS: "bare, its personas as a crowd",
    RIDGE_LLM: "calibrated: ridge on its ratings alone",
    RIDGE: "ridge on its ratings and the text",
    RIDGE_SCALED: "ridge, blocks of equal size",
    CROWDLLM: "CrowdLLM with it",
}
METRICS = ("mae", "rmse", "cs", "wd")

#: Rows without an LLM, from the first study.
GLOBAL = "global distribution"


def answered_by_all(data):
    """The ratings of the comments that every LLM rated as one persona at least: all are judged on the same."""
    rated = [set(popquorn_llm_ratings(model, 6).responses["problem"]) for model in MODELS]
    return data.select(problems=[name for name in data.problems["problem"] if all(name in one for one in rated)])


def studies(data, texts, models):
    """The case study with each LLM, by its name; the rows that need no LLM in the first one alone.

    Those that this command has made at this commit are kept below out/, so that a run goes on where it stopped.
    """
    found, line = {}, made_by(typed())
    for model in models:
        start, place = time.perf_counter(), KEPT / model
        if (place / MADE_BY).is_file() and (place / MADE_BY).read_text(encoding="utf-8") == line:
            found[model] = read_tables(place)
            continue
        only = [*ROWS, *(() if found else (GLOBAL, RIDGE_TEXTS))]
        found[model] = run_study(data, read_references(f"{RECORDED}{model}", data), texts, name="popquorn:offensiveness",
                                 seeds=range(SEEDS), only=only)  # fmt: skip
        write_tables(found[model], place)
        write_whole(place / MADE_BY, line)
        print(f"{model}: {time.perf_counter() - start:.0f} s\n{found[model]}", file=sys.stderr, flush=True)
    return found


def scores(study, names):
    """Exact scores with standard errors as text, a row per name."""
    table = study.scores[study.scores["how"] == "exact"].set_index(["row", "metric"])
    rows = []
    for row, words in names.items():
        cells = {metric.upper(): table.loc[(row, metric)] for metric in METRICS}
        rows.append(
            {"": words} | {name: f"{one['value']:.3f} ({one['standard_error']:.3f})" for name, one in cells.items()}
        )
    return pd.DataFrame(rows)


def table(found):
    """Every LLM's rows under each other, those without an LLM first."""
    first = next(iter(found.values()))
    parts = [scores(first, {GLOBAL: "the training ratings' distribution", RIDGE_TEXTS: RIDGE_TEXTS})]
    parts[0].insert(0, "LLM", "none")
    for model, study in found.items():
        parts.append(scores(study, ROWS))
        parts[-1].insert(0, "LLM", model)
    return pd.concat(parts, ignore_index=True)


def differences(found, against=None):
    """CrowdLLM less ridge on the same features for every LLM: MAE and WD."""
    rows = []
    for model, study in found.items():
        row = {"LLM": model}
        for metric in ("mae", "wd"):
            one = comparison(study, metric, CROWDLLM, against)
            row |= {metric.upper(): in_words(one), f"in {metric.upper()}": verdict(one)}
        rows.append(row)
    return pd.DataFrame(rows)


def head(found):
    """What came out, in a few lines."""
    lines = []
    for metric in ("mae", "wd"):
        verdicts = {name: verdict(comparison(study, metric, CROWDLLM)) for name, study in found.items()}
        count = {
            word: [name for name, one in verdicts.items() if one == word]
            for word in ("better", "no different", "worse")
        }
        said = "; ".join(f"{word} with {len(names)} ({', '.join(names)})" for word, names in count.items() if names)
        lines.append(f"- {metric.upper()} of CrowdLLM against the better ridge on the same features: {said}.")
    for row, what in ((ZERO, "Bare"), (CROWDLLM, "In CrowdLLM")):
        values = pd.Series({name: study.value(row, "wd") for name, study in found.items()}).sort_values()
        order = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        lines.append(f"- {what}, from the best WD to the worst: {order}.")
    bare, ours = ([study.value(row, "wd") for study in found.values()] for row in (ZERO, CROWDLLM))
    lines.append(
        f"- The WDs of these {len(found)} LLMs span {max(bare) - min(bare):.3f} bare and {max(ours) - min(ours):.3f} in CrowdLLM."
    )
    return "\n".join(lines)


def main() -> None:
    """Fit, score, write."""
    parser = command_line(__doc__, "backbones_compared")
    parser.add_argument("--model", action="append", choices=MODELS, help="only this LLM; may be repeated")
    parser.add_argument(
        "--report-only", action="store_true", help="write the page again from the tables that are there"
    )
    given = parser.parse_args()
    everything = popquorn("offensiveness")
    data = answered_by_all(everything)
    left = len(everything.problems) - len(data.problems)
    if given.report_only:
        found = {model: read_tables(KEPT / model) for model in MODELS if (KEPT / model / MADE_BY).is_file()}
    else:
        found = studies(data, read_texts(data, "minilm"), given.model or MODELS)
    absent = [model for model in MODELS if model not in found]
    pooled = pd.DataFrame({"LLM": list(found), "notes": [" ".join(study.notes) for study in found.values()]})
    words = [
        "# Recorded LLMs as backbones",
        *sorted({(KEPT / model / MADE_BY).read_text(encoding="utf-8") for model in found}),
        *([f"**{len(found)} of the nine**; not made yet: {', '.join(absent)}."] if absent else []),
        "The paper compares Gemma3-12B with DeepSeek-R1-Distill-Llama-8B, Llama3-8B-lexi and Qwen3-8B and reports that "
        "Gemma3-12B is best, without the numbers. No model of that size runs here; the ratings that nine other LLMs gave to "
        "POPQUORN's comments stand in for it. What to type where there is a GPU for the four: `crowdllm-stats backbone show`.",
        head(found),
        f"Protocol `new-problems`, {SEEDS} splits: no rating of a held-out comment is seen, by whomever; the truth is all its "
        "raters. Scores are of the predicted distribution itself, means over comments and splits, standard errors in brackets. "
        "Ridge and CrowdLLM see MiniLM's embedding of the text and the LLM's ratings under its personas (twelve of GPT-4 and GPT-3.5, six of the others); ridge in two "
        "forms (columns as they are, and blocks of equal size), of which a comparison takes the one that scored better.",
        markdown_table(table(found)),
        "## CrowdLLM less ridge on the same features",
        "Paired by comment over the splits, 95% intervals by bootstrap over comments; below 0 CrowdLLM is better.",
        markdown_table(differences(found)),
        "## CrowdLLM less the calibrated LLM",
        "The same against ridge on the LLM's ratings alone: what text and profiles add to it.",
        markdown_table(differences(found, RIDGE_LLM)),
        "## What the LLMs did not answer",
        f"{left} of {len(everything.problems):,} comments are left out of everything above, since some LLM rated them as no "
        "persona; LLMs refuse offensive comments first, so these are not a random sample.",
        markdown_table(pooled),
    ]  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "README.md", "\n\n".join(words) + "\n")
    print("\n\n".join(words))


if __name__ == "__main__":
    main()

"""Sample efficiency: the paper's Figures 4, 5 and 12 to 26 on POPQUORN's offensiveness ratings, and what answers cost.

    make reports NAME=sample_efficiency    # the report; a look at it under out/: python benchmarks/sample_efficiency.py

Runs the studies below (`crowdllm-stats study run NAME` runs one alone) in one process, so that a fit that several of them use
is made once; finished blocks are kept under out/sample_efficiency/. Needs the published data (CROWDLLM_STATS_DATA) and
`crowdllm-stats backbone fetch minilm`.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import pandas as pd

from crowdllm_stats import answering_cost
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.studies.engine.design_file import read_design, study_file
from crowdllm_stats.studies.engine.results import wide
from crowdllm_stats.studies.engine.run import run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise
from crowdllm_stats.studies.engine.verdicts import judge_all
from crowdllm_stats.studies.report.plots import save_all
from reports import command_line, typed

SHARE, RESOLUTION, VIRTUAL = "learning_share", "resolution", "virtual_workers"
FAMILIES = ("learning_problems", "learning_workers", "learning_ratings", "learning_per_problem")
STUDIES = (SHARE, RESOLUTION, VIRTUAL, *FAMILIES)
METRICS = {"test_mae": "MAE", "test_rmse": "RMSE", "test_wd": "WD"}

#: Splits of the first look at Figure 4, and claims that this look was about.
FIRST, ASKED = 5, 5

#: Ranges that the costs below are made of: (least, most). Prices are assumptions, to be replaced by the reader's own.
PROMPT_TOKENS, REPLY_TOKENS = (100, 250), (1, 5)
OPEN_MODEL = {"prompt_price": (0.05, 0.3), "reply_price": (0.1, 0.6)}
LARGE_MODEL = {"prompt_price": (2.5, 30.0), "reply_price": (10.0, 60.0)}
CALL_SECONDS, PEOPLE_SECONDS, PAY_AN_HOUR = (0.1, 2.0), (8.0, 20.0), (9.0, 16.0)


def computed(out, names):
    """Results of the studies by name; their pictures and tables of all cells are written to ``out``."""
    found = {}
    for name in names:
        found[name] = results_of(read_design(study_file(name)), name)
        save_all(found[name], out)
        found[name].frame.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    return found


def results_of(design, folder):
    """Results of a study, its blocks kept in a folder below out/."""
    store = Store(Path("out", "sample_efficiency", folder), design)
    summary = run_study(design, store, progress=lambda done, of: print(
        f"{time.process_time():7.0f} CPU s  {folder}: {done} of {of} blocks", file=sys.stderr, flush=True))  # fmt: skip
    print(folder, summary, flush=True)
    return summarise(design, store)


def first_look(design):
    """What the first splits alone said of Figure 4, and that the others were added after it."""
    few = results_of(dataclasses.replace(design, replicates=FIRST), f"{SHARE}_first")
    words = ", ".join(verdicts(few)["verdict"].head(ASKED))
    return (
        f"The first look was at {FIRST} of these {design.replicates} splits; of the same {ASKED} statements it said: {words}. "
        "The further splits were added since it left the first of them undecided; the intervals make no allowance for two looks."
    )


def part(results, measure, **levels):
    """A table of some cells: one column per method, standard errors in brackets."""
    frame = results.frame
    for name, wanted in levels.items():
        frame = frame[frame[name].isin(wanted)]
    table = wide(dataclasses.replace(results, frame=frame), measure)
    return table.drop(columns=[name for name, wanted in levels.items() if len(wanted) == 1])


def verdicts(results):
    """The claims of a study file, each with its verdict."""
    return pd.DataFrame(
        [{"statement": one.statement, "verdict": one.verdict, "evidence": one.evidence}
         for one in judge_all(results.design.claims, results)]
    )  # fmt: skip


def head(found):
    """The answers on Figures 4 and 5 first."""
    figure4, figure5 = verdicts(found[SHARE]), verdicts(found[RESOLUTION])
    lines = ["**Figure 4 (1% of the workers do as well as all of them), margin 0.05 in MAE:**", ""]
    lines += [f"- {row.statement}: **{row.verdict}**; {row.evidence}" for row in figure4.head(ASKED).itertuples()]
    lines += [
        "",
        first_look(found[SHARE].design),
        "",
        "**Figure 5 (diverse profiles resolve more as workers are added, fixed ones do not), margin 0.05:**",
        "",
    ]
    lines += [f"- {row.statement}: **{row.verdict}**; {row.evidence}" for row in figure5.itertuples()]
    return lines


def figure4(results):
    """Tables and pictures on the share of the training workers."""
    lines = ["## Figure 4: share of the training workers", "", markdown_table(verdicts(results)), ""]
    for metric, word in METRICS.items():
        lines += [f"{word} of an endless crowd:", "", markdown_table(part(results, metric, virtual=[0])), ""]
    lines += ["MAE of a crowd of so many virtual workers, CrowdLLM:", ""]
    frame = results.part("test_mae", "crowdllm")
    words = [f"{row.value:.3f} ({row.mcse:.3f})" for row in frame.itertuples()]
    table = frame.assign(words=words, virtual=frame["virtual"].replace(0, "endless")).pivot_table(
        index=["protocol", "share"], columns="virtual", values="words", aggfunc="first", sort=False)  # fmt: skip
    return [*lines, markdown_table(table.reset_index()), "", "![Figure 4](figure4_virtual.png)", "",
            "![share](figure4_share.png)", ""]  # fmt: skip


def figure5(results):
    """Resolution rates."""
    frame = results.part("resolution")
    words = [f"{row.value:.3f} ({row.mcse:.3f})" for row in frame.itertuples()]
    table = frame.assign(words=words).pivot_table(
        index=["method", "protocol", "share", "profiles"],
        columns="virtual",
        values="words",
        aggfunc="first",
        sort=False,
    )
    return [
        "## Figure 5: resolution rate", "",
        "Share of the problems whose crowd's mean is less than 0.5 from that of all raters, by number of virtual workers. With one "
        "profile for all, a virtual worker still has a draw of the belief of their own, and under the likelihood objective "
        "what a person keeps over problems and the noise of an answer.", "",
        markdown_table(table.reset_index()), "", "![Figure 5](figure5_crowdllm.png)", "", "![Figure 5](figure5_paper.png)", "",
    ]  # fmt: skip


def families(found):
    """Figures 12 to 23."""
    lines = ["## Figures 12 to 23: problems, workers, ratings, ratings of each problem", "",
             "Full data are the rows with share 1 of the table above: 1,200 problems and 209 or 210 workers with new problems.", ""]  # fmt: skip
    left_out = [name for name in FAMILIES if name not in found]
    if left_out:
        lines += [
            f"Not run for this report, for lack of time: {', '.join(left_out)} (`crowdllm-stats study run NAME`).",
            "",
        ]
    for name in (name for name in FAMILIES if name in found):
        results = found[name]
        lines += [f"### {results.design.title}", "", markdown_table(verdicts(results)), ""]
        for metric, word in METRICS.items():
            factor = next(factor for factor in results.design.factors if factor != "protocol")
            lines += [
                f"{word}:",
                "",
                markdown_table(part(results, metric)),
                "",
                f"![{word}]({factor}_{metric[5:]}.png)",
                "",
            ]
    return lines


def figures24_25(results):
    """Virtual workers needed."""
    lines = [
        "## Figures 24 and 25: virtual workers until near the human mean", "",
        "The paper counts a problem as done at the first virtual worker with whom the running mean lies within the tolerance "
        "('reached'). A mean that wanders passes the human one by chance: random answers, which know nothing, show how far "
        "this count can be trusted. 'within' asks whether the crowd of that size is near. Published for 9 training answers: "
        "1,337 of 1,500 problems need more than 8 workers at 0.1; the counts below are of 1,500 problems, protocol `paper`.",
        "", markdown_table(verdicts(results)), "",
    ]  # fmt: skip
    frame = results.part("reached", where={"protocol": ("paper",), "virtual": (8,)})
    words = [f"{1500 * (1 - row.value):.0f} ({1500 * row.mcse:.0f})" for row in frame.itertuples()]
    table = frame.assign(words=words, ratings=frame["ratings"].replace(0, "all")).pivot_table(
        index=["ratings", "method"], columns="tolerance", values="words", aggfunc="first", sort=False)  # fmt: skip
    lines += [
        "Problems that need more than 8 virtual workers, by tolerance:",
        "",
        markdown_table(table.reset_index()),
        "",
    ]
    for measure in ("reached", "within"):
        lines += [f"Share {measure}, 8 virtual workers:", "", markdown_table(part(results, measure, virtual=[8])), "",
                  f"![{measure}](figure24_{measure}.png)", ""]  # fmt: skip
    return lines


def cost(seconds):
    """What the digital and the human answers cost, from assumed prices."""
    ask = {"prompt_tokens": PROMPT_TOKENS, "reply_tokens": REPLY_TOKENS, "answer_seconds": CALL_SECONDS, "at_once": 10}
    pay = tuple(wage / 3600 * one for wage, one in zip(PAY_AN_HOUR, PEOPLE_SECONDS, strict=True))
    people = {"answer_price": pay, "answer_seconds": PEOPLE_SECONDS, "at_once": 50}
    rows = []
    for words, found in (
        ("all 13,036 human ratings, 50 people at once", answering_cost(13036, **people)),
        ("about 100 human ratings (1% of the workers)", answering_cost(100, **people)),
        ("9 human ratings", answering_cost(9, **people)),
        ("a crowd of 8 LLM workers for 1,500 problems, open 12B model", answering_cost(12000, **ask, **OPEN_MODEL)),
        ("the same, a large commercial model", answering_cost(12000, **ask, **LARGE_MODEL)),
        (
            "CrowdLLM's reference, 12 personas once per problem, open 12B model",
            answering_cost(18000, **ask, **OPEN_MODEL),
        ),
        ("the same, a large commercial model", answering_cost(18000, **ask, **LARGE_MODEL)),
        ("CrowdLLM's reference, one answer per problem, large model", answering_cost(1500, **ask, **LARGE_MODEL)),
    ):
        rows.append({"what": words, "money": f"{found.money_lower:.2f} to {found.money_upper:.2f}",
                     "minutes": f"{found.seconds_lower / 60:.1f} to {found.seconds_upper / 60:.1f}"})  # fmt: skip
    return [
        "## Cost", "",
        f"By `answering_cost`, in dollars. Assumed, not measured: {PROMPT_TOKENS[0]} to {PROMPT_TOKENS[1]} tokens of a prompt and "
        f"{REPLY_TOKENS[0]} to {REPLY_TOKENS[1]} of a reply; prices per million tokens {OPEN_MODEL} and {LARGE_MODEL}; "
        f"{CALL_SECONDS[0]} to {CALL_SECONDS[1]} seconds a call, 10 at once; people {PEOPLE_SECONDS[0]:g} to "
        f"{PEOPLE_SECONDS[1]:g} seconds an answer at {PAY_AN_HOUR[0]:g} to {PAY_AN_HOUR[1]:g} an hour. Put your own prices in. "
        "Once fitted, CrowdLLM asks no model for a virtual worker: more of them cost no money. "
        f"Measured here: {seconds:.1f} CPU seconds to fit it to all training answers and to predict all new problems, once compiled.",
        "", markdown_table(pd.DataFrame(rows)), "",
    ]  # fmt: skip


def fit_seconds():
    """CPU seconds of one fit to all training answers and its prediction, after a first one that compiles."""
    from crowdllm_stats.data import popquorn
    from crowdllm_stats.evaluation.case_study.references import read_references
    from crowdllm_stats.evaluation.case_study.rows import fit_generator, predict_with
    from crowdllm_stats.evaluation.case_study.texts import read_texts
    from crowdllm_stats.evaluation.protocols import held_out

    human = popquorn("offensiveness")
    told, texts = read_references("recorded:gpt4", human).whole, read_texts(human, "minilm")
    split = held_out(human, "new-problems", seed=0)
    settings = {"steps": 200, "components": 32, "ridge": 40.0, "ridge_network": 40.0, "held_out": 0.0}
    for _ in range(2):
        start = time.process_time()
        model = fit_generator(settings, split.train, told, texts, 1)
        predict_with(model, split.truth.problems, told, texts, 1)
    return time.process_time() - start


def main():
    parser = command_line(__doc__, "sample_efficiency")
    parser.add_argument(
        "--without", action="append", default=[], choices=FAMILIES, help="leave this study out; may be repeated"
    )
    given = parser.parse_args()
    out = given.out
    out.mkdir(parents=True, exist_ok=True)
    found = computed(out, [name for name in STUDIES if name not in given.without])
    failed = sum(int(results.failures["failed"].sum()) for results in found.values())
    lines = [
        "# Sample efficiency: how much data, how many virtual workers, what it costs", "",
        made_by(typed()), "",
        *head(found), "",
        f"{found[SHARE].design.replicates} splits for Figure 4, {found[RESOLUTION].design.replicates} for the others; in brackets standard errors over splits. Intervals are Student's t "
        "over splits, paired, 95% for all cells of a claim together. Splits share raters and problems, so that the "
        "intervals speak of other splits and fits on this data set, not of other data. Margins and claims stand in the study "
        "files and were fixed before the runs; what had been seen are fits to 2, 20 and all workers on one other split, made to "
        "time them. Of Figures 12 to 23 two levels each were run first, as their study files say, and the others added to the same "
        "claims. For time, splits are few; where a claim is undecided, the splits that it would take are said. Truth: the mean and histogram of all raters of a problem. `new-problems`: a fifth "
        "of the problems and of the people held out; `paper`: a fifth of the people, so that raters of the scored problems are "
        "in the training answers.", "",
        "The LLM is GPT-4's recorded ratings (12 personas), not the paper's Gemma3-12B, and its own row, 'llm', needs no human "
        "rating. 'crowdllm' is the likelihood objective with penalties fixed for all sizes, 200 steps, 32 components of the "
        "embedding; 'no-llm' is the same without an LLM, a pure generative model; 'crowdllm-paper' has the "
        "paper's printed choices (1,000 steps). Ridge and logistic regression see the embedding and the LLM's ratings. "
        "The paper's figures show no numbers to put beside these; its text says that 1% of the workers is comparable to all, and "
        "Table 1 has MAE 0.45 and WD 0.51 for CrowdLLM. Of each of its figures the half on Offensiveness is here; the data of the "
        "other half, QA Difficulty, could not be had.", "",
        f"Replicates on which a method could not learn from what was left (counted, left out): {failed}.", "",
        *figure4(found[SHARE]), *figure5(found[RESOLUTION]), *families(found), *figures24_25(found[VIRTUAL]),
        "## Figure 26: QA Difficulty", "",
        "The data could not be had. `crowdllm-stats study run virtual_workers_qa` runs the same study on the published folder "
        "`question_answering`; it is tested on a small file in that format (tests/studies/simulators/test_learning_curve.py).", "",
        *cost(fit_seconds()),
    ]  # fmt: skip
    write_whole(out / "README.md", "\n".join(lines))
    print(f"{time.process_time():.0f} CPU seconds in all")


if __name__ == "__main__":
    main()

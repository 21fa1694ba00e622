"""Case Study I on five other splits: does what was shown hold on splits that nobody had looked at?

    make reports NAME=case_study_1/other_splits    # the report; a look at it under out/: python benchmarks/case_study_other_splits.py

The splits of reports/case_study_1 have seeds 0 to 4, and the generator's defaults were settled while these were looked
at; here the seeds are 5 to 9. New problems, GPT-4's recorded ratings and MiniLM's embedding. Needs the data folder
(CROWDLLM_STATS_DATA) and `crowdllm-stats backbone fetch minilm`.
"""

from __future__ import annotations

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import popquorn
from crowdllm_stats.evaluation.case_study.references import read_references
from crowdllm_stats.evaluation.case_study.rows import CROWDLLM, RIDGE, RIDGE_SCALED
from crowdllm_stats.evaluation.case_study.study import run_study
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.case_study.wording import best_ridge, comparison, in_words
from reports import command_line, typed

SEEDS = range(5, 10)


def main() -> None:
    """Fit, score, write."""
    out = command_line(__doc__, "case_study_1").parse_args().out
    data = popquorn("offensiveness")
    study = run_study(
        data,
        read_references("recorded:gpt4", data),
        read_texts(data, "minilm"),
        name="popquorn:offensiveness",
        seeds=SEEDS,
        only=[RIDGE, RIDGE_SCALED, CROWDLLM],
    )
    lines = [
        f"- {metric.upper()} against {best_ridge(study, metric)!r}: {in_words(comparison(study, metric))}"
        for metric in ("mae", "wd")
    ]
    words = [
        "# Case Study I on other splits",
        made_by(typed()),
        "New problems, GPT-4 and MiniLM, five splits with seeds 5 to 9. The splits of the [case study](README.md), seeds "
        "0 to 4, were looked at while the generator's defaults were settled; these were not.",
        "CrowdLLM (likelihood) less the better ridge with the same features, paired by problem:",
        "\n".join(lines),
        f"```\n{study}\n```",
        "Spread: human variance within a problem regressed on the predicted one (wanted: slope 0.9 to 1.1).",
        f"```\n{study.spread.to_string(index=False)}\n```",
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "other_splits.md", "\n\n".join(words) + "\n")
    print("\n\n".join(words))


if __name__ == "__main__":
    main()

"""Exploration: Figure 9 with another ground truth, a population fitted to GPT-4's recorded ratings.

    make reports NAME=figure9/gpt4    # the report; a look at it under out/: python benchmarks/figure9_gpt4.py

Needs the data folder (CROWDLLM_STATS_DATA). The population is built first where out/offensiveness_gpt4.npz is not there
(benchmarks/build_population.py --reference recorded:gpt4). Everything else is simulations/figure9.toml, 100 epochs. A
stopped run goes on where it was.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd

from crowdllm_stats._base.manifest import described_file, made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_file, write_whole
from crowdllm_stats.studies.engine.design_file import make_design, study_file
from crowdllm_stats.studies.engine.run import default_workers, processes, run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.simulators.figure9.overview import fitted_errors
from crowdllm_stats.studies.simulators.figure9.picture import draw_figure9
from crowdllm_stats.studies.simulators.figure9.verdicts import judge, panels_of
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent
POPULATION = ROOT / "out" / "offensiveness_gpt4.npz"


def fits(store: Path) -> pd.DataFrame:
    """All fits of the study with the other population."""
    content = tomllib.loads(study_file("figure9").read_text(encoding="utf-8"))
    content["fixed"]["population"] = str(POPULATION.relative_to(ROOT))
    content["factors"]["length"] = ["epochs"]
    content["quick"]["factors"].pop("length")
    design = make_design(content, "figure9-gpt4")
    place = Store(store, design)

    def show(done: int, total: int) -> None:
        print(f"\r{done} of {total} blocks", end="", file=sys.stderr, flush=True)

    run_study(design, place, engine=processes(default_workers()), progress=show if sys.stderr.isatty() else None)
    return fitted_errors(design, place)


def better(part: pd.DataFrame) -> str:
    """Cells whose fits' mean error is below that of the bare reference."""
    means = part.groupby(["noise", "diversity", "questions", "workers"])[["error", "error_reference"]].mean()
    return f"{int((means['error'] < means['error_reference']).sum())} of {len(means)}"


def report(gpt4: pd.DataFrame, smollm2: pd.DataFrame) -> str:
    """Verdicts and errors under either ground truth."""
    rows: list[dict[str, object]] = []
    lines: list[dict[str, object]] = []
    for name in gpt4["reading"].unique():
        both = {"SmolLM2": smollm2, "GPT-4": gpt4}
        found = {who: judge(panels_of(table[table["reading"] == name])) for who, table in both.items()}
        for mine, other in zip(found["SmolLM2"].insights, found["GPT-4"].insights, strict=True):
            rows.append(
                {
                    "reading": name,
                    "insight": f"{mine.insight}. {mine.text}",
                    "ground truth SmolLM2": mine.verdict,
                    "ground truth GPT-4": other.verdict,
                    "evidence with GPT-4": other.evidence,
                }
            )
        for who, table in both.items():
            part = table[table["reading"] == name]
            lines.append(
                {
                    "reading": name,
                    "ground truth": who,
                    "MAE": part["error"].mean(),
                    "MAE, W = Q = 40": part[(part["workers"] == 40) & (part["questions"] == 40)]["error"].mean(),
                    "MAE of bare y_ref": part["error_reference"].mean(),
                    "MAE untrained": part["error_untrained"].mean(),
                    "cells better than y_ref": better(part),
                    "failed fits": int(part["error"].isna().sum()),
                }
            )
    same = sum(row["ground truth SmolLM2"] == row["ground truth GPT-4"] for row in rows)
    return "\n\n".join(
        [
            "# Figure 9 with another ground truth",
            f"**Exploration, labelled so: {same} of {len(rows)} verdicts are the same whichever language model the real "
            "population was fitted with.**",
            made_by(typed()),
            "The real population of Figure 9 is a CrowdLLM fitted to Offensiveness; its references come from SmolLM2 "
            "there, and here from GPT-4's ratings as twelve personas, recorded in the data folder. Fits get these "
            f"references likewise. 100 epochs, {len(gpt4):,} fits. Population file: sha256 "
            f"{described_file(POPULATION)['sha256'][:16]}..., made by benchmarks/build_population.py.",
            markdown_table(pd.DataFrame(rows)),
            "Means over all cells and replicates:",
            markdown_table(pd.DataFrame(lines), 3),
            "A fit of the paper's objective has to beat the reference it starts from: compare the errors of the bare "
            "y_ref, and count the cells in which the fits are better.",
            "![GPT-4, profile reading](figure9_gpt4_profile_epochs.png)",
        ]
    )


def main() -> None:
    """Build the population, run the study, write the report."""
    parser = command_line(__doc__, "figure9")
    parser.add_argument("--store", type=Path, default=ROOT / "out" / "figure9-gpt4", help="folder of the blocks")
    parser.add_argument("--figure9", type=Path, default=ROOT / "reports" / "figure9", help="report to compare with")
    arguments = parser.parse_args()
    if not POPULATION.is_file():
        POPULATION.parent.mkdir(exist_ok=True)
        build = [sys.executable, str(ROOT / "benchmarks" / "build_population.py")]
        subprocess.run([*build, "--reference", "recorded:gpt4", "--out", str(POPULATION)], check=True, cwd=ROOT)
    gpt4 = fits(arguments.store)
    known = pd.read_parquet(arguments.figure9 / "fits.parquet")
    words = report(gpt4, known[known["length"] == "epochs"])
    profile = gpt4[gpt4["reading"] == "profile"]
    figure = draw_figure9(profile, "Ground truth fitted with GPT-4's ratings; reading 'profile', 100 epochs")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with whole_file(arguments.out / "figure9_gpt4_profile_epochs.png") as file:
        figure.savefig(file, dpi=110, metadata={"Software": None})
    write_whole(arguments.out / "gpt4.md", words + "\n")
    print(words)


if __name__ == "__main__":
    main()

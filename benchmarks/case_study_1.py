"""Case Study I: CrowdLLM and the baselines on POPQUORN's offensiveness ratings, in both protocols, over five splits.

Needs the published data (CROWDLLM_STATS_DATA) and both small models (``crowdllm-stats backbone fetch minilm``, and
``smollm2``, or the file of its references). Writes reports/case_study_1/, a folder a study and README.md over all.

Run: ``python benchmarks/case_study_1.py`` (about an hour on two busy cores), or
``python benchmarks/case_study_1.py --report-only`` to write README.md and the pictures from tables that are there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from crowdllm_stats.case_study.references import read_references
from crowdllm_stats.case_study.rows import CROWDLLM, RIDGE, RIDGE_SCALED, RIDGE_TEXTS
from crowdllm_stats.case_study.study import run_study
from crowdllm_stats.case_study.tables import write_tables
from crowdllm_stats.case_study.texts import read_texts
from crowdllm_stats.datasets import popquorn
from crowdllm_stats.datasets.folder import locate

ROOT = Path(__file__).parents[1]
OUT = ROOT / "reports" / "case_study_1"
DATA = "popquorn:offensiveness"
SEEDS = range(5)

#: The rows that a second backbone changes and those that they are compared with.
OF_BACKBONE = ("global distribution", "LLM zero-shot", "LLM self-consistency", "kNN (20)", RIDGE, RIDGE_SCALED,
               RIDGE_TEXTS, CROWDLLM)  # fmt: skip

STUDIES = {
    "new_problems_gpt4": {"protocol": "new-problems", "backbone": "recorded:gpt4", "only": None},
    "paper_gpt4": {"protocol": "paper", "backbone": "recorded:gpt4", "only": None},
    "new_problems_smollm2": {"protocol": "new-problems", "backbone": "smollm2", "only": OF_BACKBONE},
}


def run(out: Path, names: list[str], smollm2: str | None) -> None:
    """Make the tables of some studies."""
    human = popquorn("offensiveness")
    texts = read_texts(human, "minilm")
    for name in names:
        told = STUDIES[name]
        backbone = told["backbone"]
        if backbone == "smollm2":
            backbone = smollm2 or str(locate(["popquorn_offensiveness/smollm2_reference.csv"], None, "the data folder"))
        references = read_references(backbone, human, template="offensiveness")
        start = time.perf_counter()

        def progress(step: str, begun: float = start, study: str = name) -> None:
            print(f"{time.perf_counter() - begun:7.0f} s  {study}: {step}", file=sys.stderr, flush=True)

        study = run_study(
            human, references, texts, name=DATA, protocol=told["protocol"], seeds=SEEDS, only=told["only"],
            progress=progress,
        )  # fmt: skip
        write_tables(study, out / name)
        print(study, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Case Study I")
    parser.add_argument("--report-only", action="store_true", help="write README.md from tables that are there")
    parser.add_argument("--study", action="append", choices=list(STUDIES), help="only this study; may be repeated")
    parser.add_argument("--smollm2", help="a file of SmolLM2's references, or its folder")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if not given.report_only:
        run(given.out, given.study or list(STUDIES), given.smollm2)


if __name__ == "__main__":
    main()

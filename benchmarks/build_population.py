"""Rebuild the shipped population "offensiveness" from POPQUORN, SmolLM2 and MiniLM.

    python benchmarks/build_population.py --out offensiveness.npz [--reference FILE.csv | recorded:gpt4]

Needs the data folder (CROWDLLM_STATS_DATA) and both small models (crowdllm-stats backbone fetch ...). The reference
answers take about 3 minutes on 2 cores; --reference reads stored ones in their place: a table (columns instance_id,
p1..p5), or ratings recorded in the data folder. A population fitted to recorded ratings is made for
studies on this machine and is not shipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from crowdllm_stats.backbones.embedder import embed
from crowdllm_stats.data import popquorn
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.case_study.references import read_references
from crowdllm_stats.generator.shipped import build_population


def references(data: CrowdData, stored: str | None) -> Reference:
    if stored is not None:
        return read_references(stored, data).whole
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    return TransformersBackbone("smollm2", template="offensiveness").reference(data.problems)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, default=Path("out/offensiveness.npz"))
    words.add_argument("--reference", default=None)
    asked = words.parse_args()
    data = popquorn("offensiveness")
    vectors = embed(data.problems["text"].tolist(), "minilm").vectors
    model = build_population(
        data, references(data, asked.reference), Features.of(data.problems["problem"], vectors.astype(float))
    )
    model.save(asked.out)
    print(model)
    print(model.fitted.tuning.to_string(index=False))
    print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

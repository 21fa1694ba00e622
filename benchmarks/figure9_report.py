"""The report on Figure 9 from finished runs of its study.

    make reports NAME=figure9    # six studies of 2,160 fits, one per reading and length, then this script

Each folder that it reads holds the blocks of one run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from crowdllm_stats.studies.engine.design_file import read_design, study_file
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.simulators.figure9.overview import write_overview
from reports import command_line


def main() -> None:
    """Read the folders of blocks, write the report."""
    parser = command_line(__doc__, "figure9")
    parser.add_argument("stores", type=Path, nargs="+", help="folders of finished blocks")
    arguments = parser.parse_args()
    file = study_file("figure9")
    whole, studies = read_design(file), []
    for folder in arguments.stores:
        factors = json.loads((folder / "design.json").read_text(encoding="utf-8"))["factors"]
        design = whole.narrowed({name: tuple(factors[name]) for name in ("reading", "length")})
        studies.append((design, Store(folder, design)))
    for path in write_overview(studies, arguments.out, file=file, command=["python", *sys.argv]):
        print(path)


if __name__ == "__main__":
    main()

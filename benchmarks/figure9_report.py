"""The report on Figure 9 from those of its four readings that were run.

    make reports NAME=figure9    # four studies of 21,600 fits, one per reading, then this script

A reading whose blocks are all there, in out/figure9_READING where its study leaves them, gets its fits written to the
report's folder. The report is made from the fits that lie there then, whichever day they were written.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from crowdllm_stats.studies.engine.design_file import read_design, study_file
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.simulators.figure9.overview import STUDIES, keep_fits, write_overview
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Keep the fits of finished readings, write the report."""
    parser = command_line(__doc__, "figure9")
    arguments = parser.parse_args()
    command = typed().split()
    for run, name in STUDIES.items():
        file = study_file(name)
        design = read_design(file)
        store = Store(ROOT / "out" / name, design)
        if store.complete():
            for path in keep_fits(run, (design, store), arguments.out, file=file, command=command):
                print(path)
    former = pd.read_parquet(ROOT / "reports" / "figure9" / "conditions.parquet")
    for path in write_overview(arguments.out, command=command, first_stage=former):
        print(path)


if __name__ == "__main__":
    main()

"""A case study's tables as files, and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd

from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.evaluation.case_study.study import CaseStudy

TABLES = ("scores", "differences", "spread", "sizes", "shares")
FACTS = "study.json"


def write_tables(study: CaseStudy, folder: Path) -> list[Path]:
    """Write one .csv a table and ``study.json`` with everything else; the folder is made where it is not there.

    Example:
        >>> import tempfile
        >>> empty = pd.DataFrame({"row": ["a"], "mae": [0.5]})
        >>> study = CaseStudy("d", "b", "none", "paper", "paper", (0,), empty, empty, empty, empty, empty)
        >>> place = Path(tempfile.mkdtemp())
        >>> _ = write_tables(study, place)
        >>> read_tables(place).seeds
        (0,)
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TABLES:
        written.append(folder / f"{name}.csv")
        write_whole(written[-1], getattr(study, name).to_csv(index=False, lineterminator="\n"))
    facts = {field.name: getattr(study, field.name) for field in dataclasses.fields(study) if field.name not in TABLES}
    written.append(folder / FACTS)
    write_whole(written[-1], json.dumps(facts, indent=2) + "\n")
    return written


def read_tables(folder: Path) -> CaseStudy:
    """Read what :func:`write_tables` wrote.

    Raises:
        ValueError: on a folder that lacks one of the files, or whose facts are not those of a case study.
    """
    absent = [name for name in (*(f"{one}.csv" for one in TABLES), FACTS) if not (folder / name).is_file()]
    if absent:
        raise ValueError(f"{folder} holds no case study: {', '.join(absent)} missing; make it with `evaluate`")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    known = {field.name for field in dataclasses.fields(CaseStudy)} - set(TABLES)
    if set(facts) != known:
        raise ValueError(f"{folder / FACTS} was written by another version; make the case study again")
    tables = {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=True) for name in TABLES}
    return CaseStudy(**{**facts, "seeds": tuple(facts["seeds"]), "notes": tuple(facts["notes"])}, **tables)

"""`crowdllm-stats check`: what is in files, and what to type next."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from crowdllm_stats.cli.options import ShapeOptions


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Look at these files: human answers, digital ones, an LLM's plain answers, in any order.",
        ),
    ],
    shape: ShapeOptions,
) -> None:
    """Say what is in files, what goes together, what it supports, what is suspicious, and what to type next.

    CSV, TSV, Parquet, JSON, JSON lines, Excel, SPSS and Stata are read, also .gz and .zip around text. Nothing is
    computed and nothing written.
    """
    from crowdllm_stats.survey.check import check_files

    reading = dataclasses.replace(shape.reading(human=False), wide=True if shape.wide else None)
    print(check_files(files, reading, shape.codes))

"""One self-contained HTML file of results that were kept in folders."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats._base.shown import one_line
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.report.interval_parts import across_part, compare_part, interval_part
from crowdllm_stats.report.judgement_parts import distribution_part, planner_part, safe_part
from crowdllm_stats.report.keep import STUDY, THEORY, Kept, read_kept
from crowdllm_stats.report.parts import Part, text_of
from crowdllm_stats.report.risk_part import risk_part
from crowdllm_stats.report.sources import numbered
from crowdllm_stats.report.study_parts import study_part, theory_part

#: No report is larger.
MOST_BYTES = 3_000_000

#: Command -> its part.
PARTS: Mapping[str, Callable[[Mapping[str, Any]], Part]] = {
    "interval": interval_part,
    "across": across_part,
    "compare": compare_part,
    "new-questions": across_part,
    "safe-interval": safe_part,
    "risk": risk_part,
    "distribution": distribution_part,
    "planner": planner_part,
}


@dataclasses.dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        file: where it is.
        bytes: its size.
        titles: of its parts.
    """

    file: Path
    bytes: int
    titles: Sequence[str]

    def __str__(self) -> str:
        return f"{self.file}, {self.bytes / 1e6:.1f} MB: {'; '.join(self.titles)}"


def write_report(
    folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], *, title: str = "Report"
) -> WrittenReport:
    """One HTML file of the results kept in folders: it opens without a network, and loads nothing from anywhere.

    Each folder becomes a part: first a sentence with the result, then pictures, each with its table and the numbers as
    CSV; at the end a methods paragraph for a paper with its references, and where the numbers come from. Nothing from
    the data can run in it: texts are escaped, and the page's security policy allows its own scripts alone.

    Args:
        folders: as :func:`~crowdllm_stats.report.keep.keep_results`, ``study run`` and ``theory verify`` write them.
        out: the file, replaced where it is there.
        title: of the report.

    Returns:
        WrittenReport.

    Raises:
        ValueError: without a folder, if results were changed after they were written, or the report would exceed 3 MB.
        FileNotFoundError: if a folder is not there or holds no results.
        ModuleNotFoundError: without Altair, vl-convert and Jinja2 (``crowdllm-stats[report]``).
    """
    if not folders:
        raise ValueError("name at least one folder that --out FOLDER/ wrote")
    kept = [read_kept(folder) for folder in folders]
    parts = _told_apart([_part_of(one, len(kept)) for one in kept], kept)
    content = _page(title, kept, parts).encode()
    if len(content) > MOST_BYTES:
        raise ValueError(
            f"the report would have {len(content) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:g}; give fewer folders"
        )
    place = Path(out)
    write_whole(place, content)
    return WrittenReport(place, len(content), [part.title for part in parts])


def _part_of(kept: Kept, count: int) -> Part:
    """The part of a folder; with many folders, its tables are shorter."""
    command = str(kept.content.get("command"))
    make = {STUDY: study_part, THEORY: theory_part}.get(kept.file) or PARTS.get(command)
    if make is None:
        raise ValueError(f"{kept.folder} holds results of {command!r}, of which there is no report")
    part = make(kept.content)
    figures = [
        dataclasses.replace(
            figure,
            table=dataclasses.replace(
                figure.table, shown=max(figure.table.shown // count, 20), loaded=max(figure.table.loaded // count, 100)
            ),
        )
        for figure in part.figures
    ]
    return dataclasses.replace(part, figures=figures)


def _told_apart(parts: Sequence[Part], kept: Sequence[Kept]) -> list[Part]:
    """The parts, those of one title with the name of the folder that each is of."""
    titles = [part.title for part in parts]
    return [
        part if titles.count(part.title) == 1 else dataclasses.replace(part, title=f"{part.title} ({one.folder.name})")
        for part, one in zip(parts, kept, strict=True)
    ]


def _page(title: str, kept: Sequence[Kept], parts: Sequence[Part]) -> str:
    from crowdllm_stats import __version__

    folder = Path(__file__).parent / "templates"
    style, behaviour = ((folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    drawing = drawing_library() if any(figure.chart for part in parts for figure in part.figures) else ""
    methods, references = numbered([part.methods for part in parts])
    scripts = [script for script in (drawing, behaviour) if script]
    text: str = _pages().get_template("report.html").render(
        title=title,
        version=__version__,
        parts=list(zip(parts, kept, strict=True)),
        methods=methods,
        references=references,
        versions=list(dict.fromkeys(str(one.manifest["version"]) for one in kept)),
        style=style,
        scripts=scripts,
        policy=_policy(scripts, style),
    )  # fmt: skip
    return text


@cache
def _pages() -> Any:
    """The templates; every text in them is escaped."""
    with naming_extras():
        from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("crowdllm_stats.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pages.filters |= {"text": text_of, "whole": lambda value: one_line(str(value))}
    return pages


def _policy(scripts: Sequence[str], style: str) -> str:
    """What the page may do: run these scripts, use this style, show pictures that stand in it; nothing else."""

    def known(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(known(script) for script in scripts)}; style-src {known(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def drawing_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which needs no network and makes no code from texts."""
    with naming_extras():
        from vl_convert import javascript_bundle

    return str(javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")

"""The verification as files: a table to read, JSON, and one picture per result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats._base.shown import visible
from crowdllm_stats._base.whole_files import whole_folder
from crowdllm_stats.verify.load import check_files, load
from crowdllm_stats.verify.outcome import Outcome, Verification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = {
    "result": "result",
    "published": "published claim",
    "verdict": "verdict",
    "exact": "exact statement",
    "evidence": "evidence",
}


def write_report(
    verification: Verification,
    out: Path,
    *,
    arguments: Sequence[str],
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write README.md, theory.json, one NAME.png per result, and the manifest of the JSON: all of them or none.

    Args:
        verification: what to report.
        out: the folder, made where it does not exist.
        arguments: the command line after the program's name, for the manifest.
        progress: called with the name of each result whose picture is done.

    Returns:
        The files that were written.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    from crowdllm_stats._base.manifest import described_file, write_manifest

    require_matplotlib()
    outcomes = verification.outcomes
    with whole_folder(out) as half:
        pictures = []
        for outcome in outcomes:
            pictures.append(_draw(outcome, half))
            if progress is not None:
                progress(outcome.statement.name)
        table, numbers = half / "README.md", half / "theory.json"
        content = {**verification.to_dict(), "sympy": metadata.version("sympy")}
        numbers.write_text(json_text(content) + "\n", encoding="utf-8")
        table.write_text(_readme(verification, arguments), encoding="utf-8")
        manifest = write_manifest(
            numbers,
            arguments=arguments,
            inputs=[
                _described(described_file(file), outcome)
                for outcome in outcomes
                for file in check_files(outcome.folder)
            ],
            seed=verification.seed,
            counts={
                "results": len(outcomes),
                "checks": sum(len(outcome.checks) for outcome in outcomes),
                "not_passed": len(verification.failures),
                "skipped": verification.left_out,
            },
            folder=out,
        )
    written = (table, numbers, *(picture for picture in pictures if picture is not None), manifest)
    return [out / place.name for place in written]


def require_matplotlib() -> None:
    """Stop early where matplotlib is missing.

    Raises:
        ModuleNotFoundError: naming the extra that brings it.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ModuleNotFoundError("the pictures need matplotlib: pip install 'crowdllm-stats[plot]'", name="matplotlib")


def _described(file: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """A file's description under a name that is the same on every machine."""
    return {**file, "path": f"theory/{outcome.statement.name}/{Path(file['path']).name}"}


def _readme(verification: Verification, arguments: Sequence[str]) -> str:
    import shlex

    from crowdllm_stats._base.manifest import made_by
    from crowdllm_stats._base.markdown import markdown_table

    frame = verification.to_frame()[list(_COLUMNS)].rename(columns=_COLUMNS)
    state = "All checks passed." if verification.passed else f"NOT PASSED: {'; '.join(verification.failures)}."
    if verification.left_out:
        state += f" {verification.left_out} checks were SKIPPED; the table says why."
    lines = [
        "# The theory, checked",
        "",
        made_by(shlex.join(["crowdllm-stats", *arguments])),
        "",
        f"{state} Each result has its derivation in `theory/NAME/README.md`, its checks in `theory/NAME/checks*.py`;",
        "`theory.json` lists every check. A published claim that fails is shown to fail by exact numbers. |z| is the",
        "distance between simulation and formula in Monte Carlo standard errors; above 4 a check does not pass.",
        "",
        markdown_table(frame),
        "",
    ]
    for outcome in verification.outcomes:
        name = outcome.statement.name
        lines += [f"## {outcome.statement.title}", "", f"![{name}]({name}.png)", ""]
    return visible("\n".join(lines))


def picture_of(folder: Path) -> Figure:
    """The picture of one result.

    Args:
        folder: that holds its checks.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    load(folder).picture(figure.add_subplot())
    return figure


def _draw(outcome: Outcome, out: Path) -> Path | None:
    """The result's picture; None where its checks could not be loaded."""
    if outcome.statement.verdict == "not known":
        return None
    figure = picture_of(outcome.folder)
    place = out / f"{outcome.statement.name}.png"
    figure.savefig(place, dpi=110, metadata={"Software": None})
    return place

"""`crowdllm-stats study`: list, show, plan, run and resume simulation studies."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.command_group import command_group
from crowdllm_stats.cli.options import AsJson, Plot, Scheduler
from crowdllm_stats.cli.out_check import check_folder, check_plot
from crowdllm_stats.cli.output import write_figure
from crowdllm_stats.cli.stopping import say_when_stopped
from crowdllm_stats.cli.terminal import Progress

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.design import Design
    from crowdllm_stats.studies.engine.results import Results
    from crowdllm_stats.studies.engine.run import Engine
    from crowdllm_stats.studies.engine.verdicts import Verdict

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME-OR-FILE", help="Take this study of `crowdllm-stats study list`, or of a file NAME.toml."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Use fewer replicates and levels, as the study file says.")]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="FACTOR=LEVEL[,LEVEL]", help="Use only these levels of a factor; the option may be repeated."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="K", help="Compute in K processes, by default one per core; 0 computes in this process alone."
    ),
]
Where = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Keep finished blocks in this folder, by default out/NAME."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write the report and its pictures to this folder, by default out/NAME."),
]
#: Files by which a folder is known as that of a study.
_MARKS = ("design.json", "results.parquet.manifest.json")


def study(arguments: Sequence[str]) -> typer.Typer:
    """The command with its five parts; ``arguments`` go into manifests."""
    app = command_group("Run simulation studies, each a TOML file, in blocks that survive being stopped.")
    app.command("list")(list_studies)
    app.command("show")(show)
    app.command("plan")(plan)
    app.command("run")(_runs(arguments, resume=False))
    app.command("resume")(_runs(arguments, resume=True))
    return app


def list_studies() -> None:
    """List the name and title of every study, one per line, by name.

    \f
    Studies are looked for in the working folder's ``simulations/`` first, then among those of the package; of two with
    one name the first found is listed. A file that cannot be read is listed as such.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as shown:
        ...     list_studies()
        >>> "coverage: " in shown.getvalue()
        True
    """
    from crowdllm_stats.studies.engine.design_file import find_studies, study_title

    for name, file in find_studies().items():
        print(f"{name}: {study_title(file)}")


def show(name: Name, quick: Quick = False, only: Only = None, store: Where = None) -> None:
    """Describe a study in words, and print its results where its blocks are finished.

    \f
    Raises:
        FileNotFoundError: if there is no such study; the message lists the known ones.
        ValueError: on a study file with a mistake, an unknown level in ``only``, or blocks of another design.
    """
    from crowdllm_stats.studies.engine.compute import layout_of
    from crowdllm_stats.studies.engine.store import Store
    from crowdllm_stats.studies.engine.summarise import summarise
    from crowdllm_stats.studies.report.report import conclude, describe

    design = _design(name, quick, only)
    place = Store(_store_folder(design, store, quick), design)
    finished = place.finished() if (place.folder / "design.json").is_file() else None
    results = summarise(design, place) if place.complete() else None
    print(design.title)
    for part, words in describe(design):
        print(f"\n{part}: {words}" if "\n" not in words else f"\n{part}:\n{words}")
    if finished is not None:
        print(f"\nBlocks: {len(finished)} of {len(layout_of(design).blocks)} finished in {place.folder}")
    if results is not None:
        print()
        _print_results(results, conclude(results))


def plan(
    name: Name,
    mcse: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Plan for this Monte Carlo standard error of every measure.")
    ] = None,
    pilot: Annotated[int, typer.Option(metavar="R", help="Run R replicates as a pilot.")] = 100,
    quick: Quick = False,
    only: Only = None,
    workers: Workers = None,
) -> None:
    """Estimate how many replicates a wanted standard error takes, and how long the study will last.

    \f
    Raises:
        FileNotFoundError: if there is no such study.
        ValueError: on a study file with a mistake, or an ``mcse`` that is not positive.
    """
    from crowdllm_stats.studies.engine.plan import plan_study
    from crowdllm_stats.studies.engine.run import default_workers

    design = _design(name, quick, only)
    with Progress("pilot") as step:
        found = plan_study(
            design, mcse=mcse, pilot=pilot, workers=default_workers() if workers is None else workers, progress=step
        )
    print(found)


def _runs(arguments: Sequence[str], *, resume: bool) -> Callable[..., None]:
    def run(
        given: typer.Context,
        name: Name,
        quick: Quick = False,
        only: Only = None,
        workers: Workers = None,
        scheduler: Scheduler = None,
        store: Where = None,
        out: Out = None,
        plot: Plot = None,
        as_json: AsJson = False,
    ) -> None:
        from importlib.util import find_spec

        from crowdllm_stats.studies.engine.design_file import study_file
        from crowdllm_stats.studies.engine.run import run_study
        from crowdllm_stats.studies.engine.store import Store
        from crowdllm_stats.studies.engine.summarise import summarise
        from crowdllm_stats.studies.report.report import conclude, write_report

        design = _design(name, quick, only)
        check_plot(plot, given.params)
        if plot is not None and not design.pictures:
            raise ValueError(f"--plot: the study {design.name} has no [[picture]] in its file")
        place = Store(_store_folder(design, store, quick), design)
        if out is None and place.folder.is_dir() and not os.access(place.folder, os.W_OK):
            raise ValueError(f"{place.folder} cannot be written to: name another folder for the report with --out")
        if out is not None:
            _check_drawing(design)
            check_folder("--out", out, _MARKS, given.params)
        begun = (place.folder / "design.json").is_file()
        if out is None if begun else not resume:
            check_folder("--store", place.folder, _MARKS, given.params)
        say_when_stopped(f"finished blocks stay in {place.folder}, 'study resume' goes on")
        with Progress(design.name) as step:
            done = run_study(design, place, engine=_engine(workers, scheduler), resume=resume, progress=step)
        results = summarise(design, place)
        found = conclude(results)
        if as_json:
            print(json_text(_envelope(results, found, str(place.folder))))
        else:
            _print_results(results, found)
            print(f"{done}\nBlocks: {place.folder}")
        if plot is not None:
            from crowdllm_stats.studies.report.plots import draw

            write_figure(draw(design.pictures[0], results), plot)
        target = place.folder if out is None else out
        drawing = out is not None or find_spec("matplotlib") is not None
        written = write_report(results, target, file=study_file(name), arguments=arguments, pictures=drawing)
        if not as_json:
            print(_written_words(written, target, drawing) + ("" if plot is None else f"\nPlot: {plot}"))

    run.__doc__ = (
        "Go on with a study that was stopped; its finished blocks are kept."
        if resume
        else "Run a study; blocks that are already finished are kept."
    )
    return run


def _written_words(written: Sequence[Path], folder: Path, drawing: bool) -> str:
    """Where the report is, and its pictures last."""
    report = f"Report: {written[0]}, one of {len(written)} files in {folder}"
    if not drawing:
        return f"{report}\nNo pictures: pip install 'crowdllm-stats[plot]', then this command again; blocks are kept"
    pictures = [str(file) for file in written if file.suffix == ".png"]
    return f"{report}\nPictures: {', '.join(pictures)}" if pictures else report


def _design(name: str, quick: bool, only: Sequence[str] | None = None) -> Design:
    from crowdllm_stats.studies.engine.design_file import read_design, study_file

    design = read_design(study_file(name))
    if only:
        design = design.narrowed(_levels(design, only))
    return design.quickened() if quick else design


def _levels(design: Design, only: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """What --only names, as the study's own levels."""
    from crowdllm_stats.studies.engine.design import levels_text

    found: dict[str, tuple[Any, ...]] = {}
    for text in only:
        name, equals, listed = text.partition("=")
        if not equals or name in found:
            raise ValueError(f"--only must be FACTOR=LEVEL[,LEVEL], each factor once; got {text!r}")
        known = {levels_text([level]): level for level in design.factors.get(name, ())}
        found[name] = tuple(known.get(level, level) for level in listed.split(","))
    return found


def _store_folder(design: Design, store: Path | None, quick: bool) -> Path:
    return store if store is not None else Path("out") / (f"{design.name}-quick" if quick else design.name)


def _engine(workers: int | None, scheduler: str | None) -> Engine:
    from crowdllm_stats.studies.engine.run import default_workers, in_this_process, processes

    if workers is not None and workers < 0:
        raise ValueError(f"--workers must be a whole number of at least 0; got {workers}")
    if scheduler is not None:
        from crowdllm_stats._base.cluster import need_dask
        from crowdllm_stats.studies.engine.run import cluster

        need_dask("--scheduler")
        return cluster(scheduler)
    return in_this_process if workers == 0 else processes(default_workers() if workers is None else workers)


def _check_drawing(design: Design) -> None:
    """Refuse pictures that could not be drawn, before anything runs."""
    from importlib.util import find_spec

    if design.pictures and find_spec("matplotlib") is None:
        raise ValueError("--out draws pictures and needs matplotlib: pip install 'crowdllm-stats[plot]'")


def _print_results(results: Results, found: Sequence[Verdict]) -> None:
    from crowdllm_stats.studies.engine.results import table_words

    print(table_words(results))
    failed = int(results.failures["failed"].sum())
    if failed:
        print(f"Failed: {failed} results are not numbers; counted by method and cell, left out of the measures.")
    if len(results.skipped):
        print(f"Skipped: {len(results.skipped)} pairs of cell and method, as the study file says.")
    for verdict in found:
        print(f"{verdict.verdict.upper()}: {verdict.statement} - {verdict.evidence}")


def _envelope(results: Results, found: Sequence[Verdict], folder: str) -> dict[str, Any]:
    import dataclasses

    from crowdllm_stats import __version__
    from crowdllm_stats.studies.engine.results import overview

    return {
        "command": "study",
        "version": __version__,
        "study": results.design.name,
        "results": table_rows(overview(results)),
        "conclusions": [dataclasses.asdict(verdict) for verdict in found],
        "failed": int(results.failures["failed"].sum()),
        "skipped": len(results.skipped),
        "blocks": folder,
    }

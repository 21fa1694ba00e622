"""`crowdllm-stats theory`: check the results that the calculators rest on, list them, show one."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats.cli.command_group import command_group
from crowdllm_stats.cli.options import AsJson, Plot, check_seed
from crowdllm_stats.cli.out_check import check_folder, check_plot
from crowdllm_stats.cli.output import write_figure
from crowdllm_stats.cli.terminal import Progress, screen

if TYPE_CHECKING:
    from crowdllm_stats.verify import Verification

#: Columns of the table on the screen, and the share of the width each may take.
_SHOWN = {"result": 12, "published": 22, "verdict": 12, "exact": 26, "evidence": 28}


Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Take results of your own, DIR/NAME/checks.py, in place of the package's; the code in them is run.",
    ),
]


def theory(arguments: Sequence[str]) -> typer.Typer:
    """The command with its three parts; ``arguments`` go into manifests."""
    app = command_group("Show the theorems as published and exact, and check them by machine.")
    app.command("verify")(_verify(arguments))
    app.command("list")(list_results)
    app.command("show")(show)
    return app


def _verify(arguments: Sequence[str]) -> Callable[..., None]:
    def verify(
        given: typer.Context,
        only: Annotated[
            list[str] | None, typer.Option(metavar="NAME", help="Check only this result; the option may be repeated.")
        ] = None,
        seed: Annotated[int, typer.Option(metavar="SEED", help="Set the seed of the Monte Carlo checks.")] = 20261122,
        out: Annotated[
            Path | None, typer.Option(metavar="DIR", help="Also write the table, numbers and pictures to this folder.")
        ] = None,
        simulate: Annotated[
            bool, typer.Option("--simulate/--no-simulate", help="Make the Monte Carlo checks, or leave them out.")
        ] = True,
        folder: Folder = None,
        as_json: AsJson = False,
    ) -> None:
        """Run the checks of every result: exit code 0 when all passed, 1 when one did not."""
        from crowdllm_stats.verify.load import find_results, select
        from crowdllm_stats.verify.report import require_matplotlib, write_report
        from crowdllm_stats.verify.run import verify as run

        check_seed(seed)
        wanted, folders = only or [], _folders(folder)
        if out is not None:
            require_matplotlib()
            check_folder("--out", out, ["theory.json.manifest.json"], given.params)
        names = list(select(find_results(folders), wanted))
        with Progress("checking") as say:
            done = itertools.count(1)
            steps = len(names) * (1 if out is None else 2)

            def step(name: str) -> None:
                say(name, next(done), steps)

            found = run(wanted, seed=seed, simulate=simulate, folders=folders, workers=_workers(), progress=step)
            written = [] if out is None else write_report(found, out, arguments=arguments, progress=step)
        if as_json:
            print(json_text(_envelope(found)))
        else:
            _print(found)
            if written:
                print(f"Written: {len(written)} files in {out}")
        if not found.passed:
            print(f"error: not passed: {'; '.join(found.failures)}", file=sys.stderr)
            raise typer.Exit(1)

    return verify


def list_results(folder: Folder = None) -> None:
    """List the name, title and verdict of every result."""
    from rich.table import Table

    from crowdllm_stats.verify import find_results, load

    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for column in ("result", "title", "verdict"):
        table.add_column(column, no_wrap=column == "result", overflow="fold")
    for name, place in find_results(_folders(folder)).items():
        statement = load(place).statement
        table.add_row(name, _escaped(statement.title), _escaped(statement.verdict))
    screen(pipe_width=100).print(table)


def show(
    given: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Show this result; `crowdllm-stats theory list` lists them all.")
    ],
    folder: Folder = None,
    plot: Plot = None,
) -> None:
    """Print the statement, derivation and limits of one result."""
    from crowdllm_stats.verify.load import find_results, select
    from crowdllm_stats.verify.report import picture_of

    check_plot(plot, given.params)
    (place,) = select(find_results(_folders(folder)), [name]).values()
    if plot is not None:
        write_figure(picture_of(place), plot)
    print((place / "README.md").read_text(encoding="utf-8"), end="")


def _folders(named: Path | None) -> list[Path] | None:
    return None if named is None else [named]


def _workers() -> int:
    return min(2, os.cpu_count() or 1)


def _envelope(found: Verification) -> dict[str, Any]:
    from crowdllm_stats import __version__

    return {"command": "theory verify", "version": __version__, **found.to_dict()}


def _print(found: Verification) -> None:
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False, header_style="bold", show_lines=True)
    for column, share in _SHOWN.items():
        table.add_column(column, ratio=share, overflow="fold", no_wrap=column == "result")
    for row, outcome in zip(found.to_frame().to_dict("records"), found.outcomes, strict=True):
        table.add_row(*(_escaped(str(row[column])) for column in _SHOWN), style="" if outcome.passed else "bold red")
    console = screen(pipe_width=100)
    console.print(table)
    made = sum(len(outcome.checks) for outcome in found.outcomes)
    places = sorted({str(outcome.folder.parent) for outcome in found.outcomes})
    left = f"; {found.left_out} SKIPPED, see the evidence" if found.left_out else ""
    state = "all passed" if found.passed else f"{len(found.failures)} did NOT pass"
    console.print(
        f"{made} checks of {len(found.outcomes)} results from {', '.join(places)}: {state}{left}.", markup=False
    )


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")

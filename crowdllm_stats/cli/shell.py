"""The program itself: commands, exit codes, and one line on stderr for whatever goes wrong."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from crowdllm_stats._base.extras import missing_extra
from crowdllm_stats._base.messages import said
from crowdllm_stats.cli.command_backbone import backbone
from crowdllm_stats.cli.command_check import check
from crowdllm_stats.cli.command_demo import demo
from crowdllm_stats.cli.command_doctor import details, doctor
from crowdllm_stats.cli.command_evaluate import evaluate
from crowdllm_stats.cli.command_fit import fit
from crowdllm_stats.cli.command_group import help_alone
from crowdllm_stats.cli.command_report import report
from crowdllm_stats.cli.command_serve import serve
from crowdllm_stats.cli.command_simulate import simulate
from crowdllm_stats.cli.command_study import study
from crowdllm_stats.cli.command_theory import theory
from crowdllm_stats.cli.option_groups import gathered, group_parameters, with_groups
from crowdllm_stats.cli.options import Tables, check_seed
from crowdllm_stats.cli.out_check import check_file, check_folder, check_plot
from crowdllm_stats.cli.output import ENDINGS, Report, emit
from crowdllm_stats.cli.stopping import say_when_stopped, stopped_line
from crowdllm_stats.cli.streams import why_unwritten
from crowdllm_stats.cli.table_commands import (
    across,
    compare,
    distribution,
    interval,
    new_questions,
    planner,
    risk,
    safe_interval,
)
from crowdllm_stats.cli.terminal import Progress

#: Set to 1 to see the whole traceback of a failure.
DEBUG = "CROWDLLM_STATS_DEBUG"

#: What the help says of them.
EXIT_CODES = (
    "Exit code 0 means success, also where the reader of a pipe leaves early, as the work is done to its end; 2 means "
    "bad input, or a closed standard output, before any work; 1 means any other failure, also being stopped (Ctrl-C, "
    "SIGTERM, SIGHUP) and a standard output that cannot be written."
)

BAD_INPUT = 2
FAILURE = 1

#: What typer makes of Ctrl-C.
_STOPPED = 130


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes one line on stderr and an exit code.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        0 fine, 2 bad input, 1 any other failure.

    Raises:
        Exception: whatever went wrong, where the environment variable CROWDLLM_STATS_DEBUG is 1.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    say_when_stopped()
    try:
        _check_working_folder()
        if sys.stdout is None:
            raise ValueError(
                "standard output is closed: give it a file, a pipe or /dev/null, for the answer goes there"
            )
        code = build(arguments)(args=arguments, prog_name="crowdllm-stats", standalone_mode=False, obj=arguments)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _failed(stopped_line(), FAILURE)
    except SystemExit as left:  # what typer makes of any broken pipe, and of a question of the shell's completion
        if not left.code:
            return 0
        return _explain(left.__context__ if isinstance(left.__context__, Exception) else OSError(str(left)))
    except Exception as error:  # the outermost door: one line instead of a traceback, unless asked for
        if os.environ.get(DEBUG) == "1":
            raise
        return _explain(error)
    if code == _STOPPED:
        return _failed(stopped_line(), FAILURE)
    if unwritten := why_unwritten(sys.stdout):
        return _failed(f"standard output could not be written: {unwritten}", FAILURE)
    return int(code or 0)


def _check_working_folder() -> None:
    try:
        os.getcwd()
    except OSError:
        raise ValueError("the working folder is not there any more; change to another one") from None


def _explain(error: Exception) -> int:
    if hasattr(error, "format_message"):  # what the parser of the command line raises
        text = error.format_message() or "no command given; crowdllm-stats --help lists them"
        return _failed(text, BAD_INPUT)
    if isinstance(error, ValueError | FileNotFoundError):
        return _failed(said(error).command, BAD_INPUT)
    if isinstance(error, ImportError) and (needed := missing_extra(error)):
        return _failed(needed, BAD_INPUT)
    return _failed(f"{type(error).__name__}: {error} ({DEBUG}=1 shows where)", FAILURE)


def _failed(text: str, code: int) -> int:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


def build(arguments: Sequence[str]) -> typer.Typer:
    """The program with all its commands.

    Args:
        arguments: the command line after the program's name, which goes into manifests.

    Example:
        >>> sorted(group.name for group in build([]).registered_groups)
        ['backbone', 'study', 'theory']
    """
    app = typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Say what may be concluded about real people from a few human answers and a digital population.",
        epilog=EXIT_CODES,
    )
    app.callback(invoke_without_command=True)(_start)
    for name, function in ON_TABLES.items():
        app.command(name)(_on_tables(function, arguments, name in HUMANS_ALONE))
    app.command("check")(with_groups(check))
    app.command("demo")(demo)
    app.command("doctor")(doctor)
    app.command("evaluate")(with_groups(evaluate))
    app.command("fit")(with_groups(fit))
    app.command("simulate")(with_groups(simulate))
    app.command("report")(report)
    app.command("serve")(serve)
    app.add_typer(theory(arguments), name="theory")
    app.add_typer(backbone(), name="backbone")
    app.add_typer(study(arguments), name="study")
    return app


def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="With --version, print all that a bug report needs to say.")
    ] = False,
) -> None:
    """Say what may be concluded about real people from a few human answers and a digital population."""
    if version:
        from crowdllm_stats import __version__

        print(f"crowdllm-stats {__version__}")
        if verbose:
            print(details())
        raise typer.Exit
    if verbose:
        raise ValueError("--verbose goes with --version")
    help_alone(context)


def _on_tables(function: Callable[..., Report], arguments: Sequence[str], alone: bool) -> Callable[..., None]:
    """A command with the options of :class:`Tables` before its own; its report is printed and written.

    With ``alone`` it does without the digital table, whose name then is empty.
    """

    def command(**values: Any) -> None:
        tables = gathered(Tables, values)
        params = values.pop("given").params
        out = None if tables.out is None else Path(tables.out)
        kept = tables.out is not None and (tables.out.endswith(("/", os.sep)) or os.path.isdir(tables.out))
        if kept and out is not None:
            from crowdllm_stats.report.keep import MARK

            check_folder("--out", out, [MARK], params)
        else:
            check_file("--out", out, ENDINGS, params, ", or in / for a folder that a report is made of")
        check_plot(tables.plot, params)
        check_seed(values.get("seed"))
        with Progress("reading") as say:
            found = function(tables, say, **values)
        emit(
            found, as_json=tables.json, out=out, arguments=arguments, settings=_settings(params) if kept else None,
            keep_formulas=tables.keep_formulas, explain=tables.explain, plot=tables.plot,
        )  # fmt: skip

    own_hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[parameter.name])
        for parameter in list(inspect.signature(function).parameters.values())[2:]
    ]
    command.__doc__ = function.__doc__
    command.__annotations__ = {}  # the signature says it all, with the words resolved
    given = inspect.Parameter("given", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    shared = group_parameters(Tables, {"digital": ""} if alone else None)
    command.__signature__ = inspect.Signature([given, *shared, *own])  # type: ignore[attr-defined]  # typer reads it
    return command


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options that say how something was computed, as text, number or list."""
    others = ("humans", "digital", "json", "out", "explain", "keep_formulas", "data", "plot")
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in params.items()
        if name not in others and value not in (None, False, "", [], (), name.removesuffix("_column"))
    }


#: Commands that do without the digital table.
HUMANS_ALONE = ("across", "interval")

#: Commands on a human and a digital table; each returns a Report.
ON_TABLES: dict[str, Callable[..., Report]] = {
    "interval": interval,
    "across": across,
    "new-questions": new_questions,
    "safe-interval": safe_interval,
    "risk": risk,
    "compare": compare,
    "distribution": distribution,
    "planner": planner,
}

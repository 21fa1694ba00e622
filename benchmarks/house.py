"""How large the package is and how far one must read to follow a command: files, lines, rooms, arrows, files entered.

    make reports NAME=house    # the report; a look at it under out/: python benchmarks/house.py

"Entered" counts the package's own functions that ran at least once, and the files they stand in, while the job was done in
a process of its own; a file that was only imported does not count.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from inspect import CO_OPTIMIZED
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, FrameType

import grimp
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

PACKAGE = "crowdllm_stats"

#: A file of at most so many lines counts as short.
SHORT = 60


def home() -> Path:
    """The folder of the package that this Python imports."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).resolve().parent


def size() -> dict[str, int]:
    """Files, lines, short files, and names at the top of the package's folder."""
    files = sorted(home().rglob("*.py"))
    lines = [len(file.read_text(encoding="utf-8").splitlines()) for file in files]
    top = [one for one in home().iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file()]
    return {
        "files": len(files),
        "lines": sum(lines),
        f"files of {SHORT} lines or fewer": sum(count <= SHORT for count in lines),
        "names at the top": len(top),
    }


def arrows(graph: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """For each child of a package, the other children that it or anything inside it imports."""
    children = graph.find_children(package)
    owner = {child: child for child in children}
    for child in children:
        owner |= dict.fromkeys(graph.find_descendants(child), child)
    found: dict[str, set[str]] = {child: set() for child in children}
    for module, child in owner.items():
        into = {owner.get(other) for other in graph.find_modules_directly_imported_by(module)}
        found[child] |= {other for other in into if other is not None and other != child}
    return found


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Everything that can be reached along the arrows, the start only if an arrow leads back to it."""
    seen: set[str] = set()
    ahead = [*graph[start]]
    while ahead:
        one = ahead.pop()
        if one not in seen:
            seen.add(one)
            ahead += graph[one]
    return seen


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The groups of names that can all reach each other.

    >>> circles({"a": {"b"}, "b": {"a", "c"}, "c": set()}) == {frozenset("ab")}
    True
    """
    far = {one: reached(graph, one) for one in graph}
    return {frozenset(other for other in far[one] if one in far[other]) for one in graph if one in far[one]}


def plan() -> dict[str, int]:
    """Arrows between rooms, and circles of imports between rooms or between the files and folders of one room."""
    graph = grimp.build_graph(PACKAGE)
    folders = [one for one in graph.modules if graph.find_children(one)]
    return {
        "arrows between rooms": sum(map(len, arrows(graph, PACKAGE).values())),
        "circles of imports": sum(len(circles(arrows(graph, folder))) for folder in folders),
    }


@contextlib.contextmanager
def watched() -> Iterator[set[CodeType]]:
    """Every function of the package that runs inside the block, in any thread of this process."""
    ours = str(home()) + os.sep
    entered: set[CodeType] = set()

    def enter(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_flags & CO_OPTIMIZED and frame.f_code.co_filename.startswith(ours):
            entered.add(frame.f_code)  # the bodies of modules and classes, which imports run, are not optimized

    threading.setprofile(enter)
    sys.setprofile(enter)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def command(*words: str) -> None:
    """Run a command of the package in this process, without its output."""
    from crowdllm_stats.cli import main

    with contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit code {code}")


def tables(folder: Path) -> tuple[str, str]:
    """The example's human and digital answers as two CSV files."""
    from crowdllm_stats import load_example

    example = load_example()
    names = folder / "humans.csv", folder / "digital.csv"
    for name, data in zip(names, (example.human, example.digital), strict=True):
        data.responses.to_csv(name, index=False)
    return str(names[0]), str(names[1])


def interval_command(folder: Path) -> set[CodeType]:
    """`interval` on two CSV files, through the command line."""
    humans, digital = tables(folder)
    with watched() as entered:
        command("interval", humans, digital, "--scale", "1:5")
    return entered


def interval_from_tables(folder: Path) -> set[CodeType]:
    """`interval_from` on the same two CSV files, from Python."""
    humans, digital = tables(folder)
    with watched() as entered:
        from crowdllm_stats import interval_from

        interval_from(humans, digital, scale="1:5")
    return entered


def interval_from_arrays(folder: Path) -> set[CodeType]:
    """`interval` on arrays."""
    with watched() as entered:
        from crowdllm_stats import interval

        interval([4, 2, 5, 3, 4, 1, 5, 2, 4, 3], [4, 3, 5, 3, 3, 2, 5, 2, 4, 2], [3, 4, 2, 5] * 20, bounds=(1, 5))
    return entered


def fit_and_simulate(folder: Path) -> set[CodeType]:
    """`CrowdLLM.fit` on recorded reference answers, then `simulate`, from Python."""
    from crowdllm_stats import load_example

    example = load_example()
    with watched() as entered:
        from crowdllm_stats import CrowdLLM
        from crowdllm_stats.backbones import RecordedBackbone

        reference = RecordedBackbone(example.reference).reference(example.human.problems)
        model = CrowdLLM(steps=20, held_out=0.0).fit(example.human, reference, seed=1)
        model.simulate(["q01", "q02"], 20, seed=1)
    return entered


def fit_and_simulate_commands(folder: Path) -> set[CodeType]:
    """`fit` on recorded reference answers, then `simulate`, through the command line."""
    model = str(folder / "model.npz")
    quick = ("--setting", "steps=20", "--setting", "held_out=0")
    with watched() as entered:
        command("fit", "example:human", "--backbone", "example:reference", *quick, "--out", model)
        command("simulate", model, "--n", "20", "--out", str(folder / "answers.csv"))
    return entered


JOBS: tuple[Callable[[Path], set[CodeType]], ...] = (
    interval_command,
    interval_from_tables,
    interval_from_arrays,
    fit_and_simulate,
    fit_and_simulate_commands,
)


def count(job: Callable[[Path], set[CodeType]]) -> tuple[list[str], int]:
    """The files a job enters, relative to the package, and the number of functions; called in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        entered = job(Path(folder))
    names = {str(Path(code.co_filename).relative_to(home())) for code in entered}
    return sorted(names), len({(code.co_filename, code.co_firstlineno) for code in entered})


def entered_by_jobs() -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """One row per job, and the files of each."""
    rows, files = [], {}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for job, (names, functions) in zip(JOBS, pool.map(count, JOBS), strict=True):
            what = str(job.__doc__).rstrip(".")
            rows.append({"job": what, "files entered": len(names), "functions entered": functions})
            files[what] = names
    return pd.DataFrame(rows), files


def main() -> None:
    out = command_line(__doc__, "").parse_args().out
    whole = pd.DataFrame({"what": [*size(), *plan()], "count": [*size().values(), *plan().values()]})
    jobs, files = entered_by_jobs()
    lists = [f"- {job}: " + ", ".join(f"`{name}`" for name in names) for job, names in files.items()]
    parts = [
        "# The house in numbers",
        made_by(typed()),
        markdown_table(whole),
        "Functions of the package that ran at least once, and the files they stand in; a file that was only imported does not count.",
        markdown_table(jobs),
        "The files:",
        "\n".join(lists),
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "house.md", "\n\n".join(parts) + "\n")
    print("\n\n".join(parts[2:5]))


if __name__ == "__main__":
    main()

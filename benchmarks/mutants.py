"""Small errors planted at random all over the package, one at a time: does a test notice?

    make mutants COUNT=60 SEED=1    # or, with the list of all of them: python benchmarks/mutants.py --count 60 --seed 1

The errors are those of `tests/theory/mutation.py`, made everywhere: an operator, a comparison, a constant or a truth value
changed, a minus, a "not" or a passed-on argument left out. Each is planted in a copy of the commit, where the test files
that belong to the changed file run until the first fails, for at most three minutes of processor time (an error after which
they never end counts as not noticed); of a calculator that a theorem describes, the theorem's checks run after them.
Choosing by hash, a seed takes the same errors of the files that stay as they are.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import ROOT, command_line, typed

sys.path.append(str(ROOT / "tests" / "theory"))  # where errors are made and planted; imported when needed

if TYPE_CHECKING:
    from mutation import Mutation

#: Processor time of one change's tests.
SECONDS = 180

#: Test files that run for one change, at most.
FILES = 12

#: How a picture looks is not tested.
PICTURES = re.compile("plot|picture|draw|_bars|_waterfall")

#: What is imported here and stands in the copy as well.
OURS = ("mutation", "noticing", "reports", "reusing", "test_mutations")

#: Libraries that take long to import.
HEAVY = ("jax", "numpyro", "optax", "ot", "pandas", "pyarrow.parquet", "scipy.stats", "statsmodels.api", "torch")

#: Changes that cannot be noticed, with the reason.
LISTED = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True)
class Verdict:
    """What became of a change: "equivalent" is listed with a reason; ``by`` is that reason, or the test that failed."""

    mutation: Mutation
    line: int
    outcome: Literal["killed", "survived", "equivalent"]
    by: str


def every_mutation(folder: Path) -> list[Mutation]:
    """All changes of all functions, except of those that draw."""
    from mutation import mutations

    home = folder / "crowdllm_stats"
    files = sorted(str(file.relative_to(home)) for file in home.rglob("*.py"))
    found = (one for file in files if not PICTURES.search(file) for one in mutations(file, (), folder, everywhere=True))
    return [one for one in found if not PICTURES.search(one.function)]


def sample(mutations: Iterable[Mutation], count: int, seed: int) -> list[Mutation]:
    """The changes with the smallest hashes: a simple random sample in random order, of which any first part is one."""
    return sorted(mutations, key=lambda one: hashlib.sha256(f"{seed} {one}".encode()).digest())[:count]


def tests_of(mutation: Mutation, folder: Path) -> list[str]:
    """The changed file itself (its examples), then the test files that belong to it, the nearest first."""
    path = Path(mutation.file)
    source = (folder / "crowdllm_stats" / path).read_text(encoding="utf-8")
    public = [one.name for one in ast.parse(source).body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    names = "|".join(name for name in {mutation.function, *public} if not name.startswith("_"))
    parts = {part.removesuffix(".py").removeprefix("command_").rstrip("s") for part in path.parts[1:]}
    dotted = "crowdllm_stats." + ".".join(path.with_suffix("").parts)
    users = {one.stem for one in (folder / "crowdllm_stats").rglob("*.py") if dotted in one.read_text(encoding="utf-8")}
    scores = {}
    for file in sorted((folder / "tests").rglob("test_*.py")):
        text, name = file.read_text(encoding="utf-8"), file.stem.removeprefix("test_")
        inside = file.parent.relative_to(folder / "tests").parts
        near = len(inside) if inside == path.parts[: len(inside)] else 0
        scores[str(file.relative_to(folder))] = (
            8 * (name == path.stem or name in path.parts or name.startswith("cli_") and name[4:] in mutation.function)
            + 2 * any(part in name for part in parts if len(part) > 3)
            + 2 * bool(names and re.search(rf"\b({names})\b", text))
            + 2 * (dotted in text)
            + 3 * (name in users)
            + 2 * near,
            -file.stat().st_size,
        )
    ours = [
        file
        for file in scores
        if scores[file][0] and not file.startswith(("tests/faults", "tests/theory/test_mutations"))
    ]
    return [f"crowdllm_stats/{path}", *sorted(ours, key=scores.__getitem__, reverse=True)[:FILES]]


def run(folder: Path, tests: Sequence[str], *options: str, seconds: int = SECONDS) -> tuple[int, list[str]]:
    """The exit code of pytest and the tests that failed; minus SIGXCPU where the time was up.

    In a fork of this process, which has imported the libraries already.
    """
    command = ["--tb=no", "-rfE", "-m", "not slow and not faults and not backbone", *options, *tests]
    with tempfile.TemporaryFile("w+") as said:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _test(folder, command, said.fileno(), seconds)
        end = time.monotonic() + 10 * seconds
        try:
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
                time.sleep(0.05)
                if time.monotonic() > end:
                    os.killpg(child, signal.SIGXCPU)
        except KeyboardInterrupt:
            os.killpg(child, signal.SIGKILL)
            raise
        said.seek(0)
        failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said.read(), flags=re.MULTILINE)
        return os.waitstatus_to_exitcode(ended[1]), failed


def _test(folder: Path, command: list[str], said: int, seconds: int) -> NoReturn:
    """The forked process: pytest in the copy, with nothing of the package or its tests imported before."""
    code = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(folder)
        for stream in (1, 2):
            os.dup2(said, stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.path[:] = [
            str(folder),
            *(place for place in sys.path if not place.startswith(str(ROOT)) or ".venv" in place),
        ]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("crowdllm_stats", *OURS)]:
            del sys.modules[name]
        code = int(pytest.main(command))
        sys.stdout.flush()
    finally:
        os._exit(code)


def judge(folder: Path, mutation: Mutation) -> tuple[Literal["killed", "survived"], str]:
    """Plant a change, run its tests, and take it back."""
    from noticing import apply, verify_once
    from test_mutations import TARGETS

    tests = tests_of(mutation, folder)
    before = apply(folder, mutation)
    try:
        code, failed = run(folder, tests, "-x")
        late = code == -signal.SIGXCPU
        if code and not late:
            return "killed", failed[0] if failed else "import"
        for result in (name for name, files in TARGETS.items() if mutation.file in files):
            if verify_once(folder, result):
                return "killed", f"theory/{result}"
        return "survived", "no test failed before the time was up" if late else ""
    except subprocess.TimeoutExpired:
        return "survived", "the theory's checks ran for 10 minutes"
    finally:
        (folder / "crowdllm_stats" / mutation.file).write_bytes(before)


def judge_all(folder: Path, planted: Sequence[Mutation]) -> list[Verdict]:
    """One verdict per change; interrupted, of those that were tried.

    A test that fails without a change, too, has not noticed it.
    """
    from mutation import equivalent

    listed = equivalent(LISTED) | equivalent(ROOT / "tests" / "theory" / "equivalent.toml")
    verdicts: list[Verdict] = []
    with contextlib.suppress(KeyboardInterrupt):
        for one in planted:
            source = (folder / "crowdllm_stats" / one.file).read_bytes()
            verdict = Verdict(one, source.count(b"\n", 0, one.start) + 1, "equivalent", listed.get(str(one), ""))
            if not verdict.by:
                outcome, by = judge(folder, one)
                verdict = replace(verdict, outcome=outcome, by=by)
            verdicts.append(verdict)
            print(f"{len(verdicts)}/{len(planted)} {verdict.outcome}: {one} ({verdict.by})", flush=True)
    noticed = sorted({one.by for one in verdicts if one.outcome == "killed" and "::" in one.by})
    wrong = set(run(folder, noticed, seconds=20 * SECONDS)[1] if noticed else ())
    return [
        replace(one, outcome="survived", by=f"{one.by} fails without it, too") if one.by in wrong else one
        for one in verdicts
    ]


def copy_of_commit(folder: Path) -> None:
    """The files of the commit, compiled so that a changed source is never taken for the one before."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    if (cache := ROOT / ".pytest_cache").is_dir():  # what JAX compiled in tests before
        shutil.copytree(cache, folder / ".pytest_cache")
    compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "crowdllm_stats"]
    subprocess.run(compiled, cwd=folder, check=True)


def share(killed: int, count: int) -> str:
    lower, upper = proportion_confint(killed, count, method="beta")
    return f"{killed} of {count} ({killed / count:.0%}; 95% interval {lower:.0%} to {upper:.0%})"


def report(verdicts: Sequence[Verdict], total: int, seed: int) -> str:
    frame = pd.DataFrame(
        {
            "place": f"{one.mutation.file}:{one.line}",
            "change": f"`{one.mutation.marked}`",
            "outcome": one.outcome,
            "by": one.by,
            "room": one.mutation.file.split("/")[0],
        }
        for one in sorted(verdicts, key=lambda one: (one.mutation.file, one.line))
    )
    counts = pd.crosstab(frame["room"], frame["outcome"]).reset_index()
    noticeable = frame[frame["outcome"] != "equivalent"]
    killed = int((noticeable["outcome"] == "killed").sum())
    parts = [
        "# Planted errors that a test notices",
        f"{made_by(typed())} {len(frame)} of {total:,} possible changes of one place in a function, drawn with seed {seed};"
        " functions that draw pictures are left out. For each, the test files that belong to the changed file ran (of the"
        " default tests; then the theory's checks, where a theorem describes the file), not the whole suite.",
        f"Noticed: **{share(killed, len(noticeable))}**; {len(frame) - len(noticeable)} more change nothing that could be"
        " noticed, for the reason given.",
        markdown_table(counts),
        "Not noticed, or equivalent:",
        markdown_table(frame.loc[frame["outcome"] != "killed", ["place", "change", "outcome", "by"]]),
        "Noticed, and the first test to fail:",
        markdown_table(frame.loc[frame["outcome"] == "killed", ["place", "change", "by"]]),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = command_line(__doc__, "")
    parser.add_argument("--count", type=int, default=60, help="changes to draw (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default 1)")
    parser.add_argument("--room", default="", help="only changes of files whose path begins so, for instance generator")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_of_commit(folder)
        for heavy in HEAVY:
            importlib.import_module(heavy)
        possible = [one for one in every_mutation(folder) if one.file.startswith(given.room)]
        verdicts = judge_all(folder, sample(possible, given.count, given.seed))
    text = report(verdicts, len(possible), given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "mutants.md", text)
    print(text.split("\n\n")[2])


if __name__ == "__main__":
    main()

"""Does the verification notice a planted error? Answered for one error after another by forks of one process.

As a program (``python tests/theory/noticing.py RESULT FOLDER``) it is the forking process of :func:`outcomes`.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mutation import ROOT, Mutation
from reusing import Kept, nearest, record, reuse

#: A change that keeps the verification busy for longer counts as noticed: an unchanged copy needs a fifth of it.
#: Processor time, so that other work on the machine makes no change late.
SECONDS = 120


def copy_of_package(folder: Path, root: Path = ROOT) -> Path:
    """The package and the theory, without compiled files, in a folder of their own."""
    for name in ("crowdllm_stats", "theory"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "package_data"))
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment of a process that imports the package from ``folder``.

    The array libraries of POT that nobody uses here are switched off: importing them would take 15 seconds.
    """
    unused = {f"POT_BACKEND_DISABLE_{name}": "1" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")}
    own = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **unused, **own}


def verify_once(folder: Path, result: str, *options: str) -> int:
    """Exit code of ``crowdllm-stats theory verify --only RESULT`` as a process that imports the copy in ``folder``."""
    code = "from crowdllm_stats.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "theory", "verify", "--only", result, *options]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, timeout=600, check=False)
    return done.returncode


def apply(folder: Path, mutation: Mutation) -> bytes:
    """Plant the change in the copy and return the file's content before."""
    place = folder / "crowdllm_stats" / mutation.file
    before = place.read_bytes()
    place.write_bytes(before[: mutation.start] + mutation.changed.encode() + before[mutation.end :])
    return before


def outcomes(result: str, planted: Sequence[Mutation], folder: Path) -> list[str]:
    """What each change leads to: "1" (noticed), "0" (not noticed), "late" (stopped after SECONDS), or another code.

    One process imports the libraries, verifies the unchanged copy and notes which check ran which functions; it then
    forks once for every change. The fork imports the changed copy and makes the checks that run the changed function,
    up to the first that fails. Where none does, it makes all checks of the result, and those alone decide.
    """
    listed = json.dumps([vars(mutation) for mutation in planted])
    command = [sys.executable, __file__, result, str(folder)]
    done = subprocess.run(
        command, input=listed, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{result}: the unchanged copy: {done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    said: list[str] = json.loads(done.stdout.splitlines()[-1])
    return said


def serve(result: str, folder: Path) -> int:
    """The forking process of :func:`outcomes`: changes on standard input, what they lead to on standard output."""
    sys.path[:] = [str(folder), *(place for place in sys.path if place != str(Path(__file__).parent))]
    planted = [Mutation(**fields) for fields in json.loads(sys.stdin.read())]
    sys.dont_write_bytecode = False  # what stays unchanged is compiled once
    code = _run(result)
    sys.dont_write_bytecode = True
    if code != 0:
        return 3
    for mutation in planted:
        place = folder / "crowdllm_stats" / mutation.file
        for compiled in (place.parent / "__pycache__").glob(f"{place.stem}.*.pyc"):
            compiled.unlink()
    package = Path(sys.modules["crowdllm_stats"].__file__ or "").resolve()
    assert package.is_relative_to(folder.resolve()), f"the package came from {package}"
    kept = record(result, folder)
    gc.freeze()  # a fork that collects garbage would copy all of the parent's memory
    if _forked(result, kept, None) != "0":
        return 4
    codes = []
    for mutation in planted:
        before = apply(folder, mutation)
        start = time.monotonic()
        codes.append(_forked(result, kept, mutation))
        if (seconds := time.monotonic() - start) > 3.0:
            print(f"{seconds:.0f} s: {codes[-1]} {mutation}", file=sys.stderr)
        (folder / "crowdllm_stats" / mutation.file).write_bytes(before)
    print()
    print(json.dumps(codes))
    return 0


def _run(result: str) -> int:
    """All checks of the result, through the command."""
    from crowdllm_stats.cli import main

    return main(["theory", "verify", "--only", result])


def _forked(result: str, kept: Kept, mutation: Mutation | None) -> str:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        for name in [name for name in sys.modules if name.startswith(("crowdllm_stats", "crowdllm_theory"))]:
            del sys.modules[name]
        try:
            code = int(mutation is not None and _hurried(result, kept, mutation)) or _run(result)
        except BaseException:
            code = 9
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "late" if code == -signal.SIGXCPU else str(code)


def _hurried(result: str, kept: Kept, mutation: Mutation) -> bool:
    """Whether one of the checks that run the changed function fails; stops at the first.

    The shortest steps of the checks come first, then the simulation. Identities of symbols are not worked out but taken
    as given, and what the change cannot reach is not made again.
    A check that fails here fails in the whole run as well; where none does, the whole run decides.
    """
    from crowdllm_stats import verify
    from crowdllm_stats.verify import Check, algebra
    from crowdllm_stats.verify.run import SEED

    made, real = Check.__init__, verify.identity

    def watched(self: Check, *values: object, **named: object) -> None:
        made(self, *values, **named)  # type: ignore[arg-type]
        if not self.passed:
            os._exit(1)

    def given(
        name: str, left: object, right: object, says: str, *, about: str = "exact", expected: bool = True
    ) -> Check:
        return Check(name, "symbolic", about, says, expected, expected, "not worked out")

    Check.__init__ = watched  # type: ignore[method-assign]
    verify.identity = algebra.identity = given  # type: ignore[assignment]
    try:
        theory = verify.load(verify.find_results()[result])
        for step in nearest(kept, mutation):
            getattr(sys.modules[step.module], step.name)(*step.values, **step.named)
        reuse(result, kept, mutation)
        theory.simulated(SEED)
    except Exception:
        return False  # the whole run tells whether the checks break off
    finally:
        Check.__init__ = made  # type: ignore[method-assign]
        verify.identity = algebra.identity = real
    return False


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1], Path(sys.argv[2])))

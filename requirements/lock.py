"""Renews the lock: `make lock`. Needs uv, and pip for the build of torch that this machine is offered.

base.txt holds what `make demo` installs, test.txt what `make test` and `.ci/run` install. Both are for every system and
for Python 3.11 and newer, but for torch: what its builds with CUDA need (cuda.txt) stays out, so on Linux the lock
takes the build for CPUs, known by its hash, which is for Python 3.11 on x86-64.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
TORCH = re.compile(r"^torch==(?P<version>[\d.]+) \\$", re.MULTILINE)
CPU = re.compile(r"^torch==(?P<version>[\d.]+)\+cpu .*\n +--hash=(?P<hash>sha256:\w+)$", re.MULTILINE)
COMMON = [
    "--universal",
    "--python-version",
    "3.11",
    "--only-binary",
    ":all:",
    "--generate-hashes",
    "--upgrade",
    "--quiet",
]


def main() -> None:
    """Renew both files."""
    test = FOLDER / "test.txt"
    before = CPU.search(test.read_text(encoding="utf-8")) if test.is_file() else None
    project, groups = str(ROOT / "pyproject.toml"), ("--group", f"{ROOT / 'pyproject.toml'}:build")
    _resolve(test, project, "--extra", "test", *groups, "--excludes", str(FOLDER / "cuda.txt"))
    _resolve(FOLDER / "base.txt", project, *groups, "--constraint", str(test))
    _cpu_build_on_linux(test, before)


def _resolve(lock: Path, *arguments: str) -> None:
    command = ["uv", "pip", "compile", *arguments, *COMMON, "--no-annotate", "--output-file", str(lock)]
    subprocess.run([*command, "--custom-compile-command", "make lock"], check=True)


def _cpu_build_on_linux(lock: Path, before: re.Match[str] | None) -> None:
    """On Linux torch's build for CPUs, with its hash as pip finds it here; where pip finds none, the one known."""
    text = lock.read_text(encoding="utf-8")
    torch = TORCH.search(text)
    if torch is None:
        raise SystemExit("the lock does not pin torch")
    version = torch["version"]
    known = before["hash"] if before is not None and before["version"] == version else None
    found = _hash_of_cpu_build(version) or known
    if found is None:
        raise SystemExit(f"pip finds no build of torch {version} for CPUs here, and the lock knew none")
    lines = (
        f"torch=={version}+cpu ; sys_platform == 'linux' \\\n    --hash={found}\n"
        f"torch=={version} ; sys_platform != 'linux' \\"
    )
    lock.write_text(text[: torch.start()] + lines + text[torch.end() :], encoding="utf-8")


def _hash_of_cpu_build(version: str) -> str | None:
    """Hash of the wheel that pip takes for this version, if it is one for CPUs (a version such as 2.13.0+cpu)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        if subprocess.run([*command, f"torch=={version}+cpu"], check=False, capture_output=True).returncode:
            return None
        (wheel,) = Path(folder).iterdir()
        return f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


if __name__ == "__main__":
    main()

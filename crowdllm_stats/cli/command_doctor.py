"""`crowdllm-stats doctor`: what this machine has and lacks, with the line that mends it; what a bug report needs."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from crowdllm_stats._base.extras import EXTRAS
from crowdllm_stats._base.json_values import json_text
from crowdllm_stats.cli.options import AsJson
from crowdllm_stats.cli.terminal import Progress

#: Packages on which what is shown depends, and numbers do not.
SHOWN_TOO = ("typer", "rich", "matplotlib", "altair", "starlette", "distributed")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        what: it is.
        state: what was found, or what is lacking.
        mend: the line that mends it; empty where nothing is lacking.
    """

    what: str
    state: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{'lacks' if self.mend else 'ok':<5}  {self.what}: {self.state}{f': {self.mend}' if self.mend else ''}"


def doctor(as_json: AsJson = False) -> None:
    """Look for the optional packages, models, data, a GPU and a cache that can be written to, and say what to do.

    \f
    Example:
        >>> doctor()
        ok ...
    """
    with Progress("looking"):
        found = [*_extras(), *_models(), _data(), _cache(), _device()]
    if as_json:
        print(json_text({"command": "doctor", "findings": [dataclasses.asdict(one) for one in found]}))
        return
    for one in found:
        print(one)
    lacking = sum(bool(one.mend) for one in found)
    print(
        f"{lacking} of {len(found)} are lacking; the intervals need none of them." if lacking else "Nothing is lacking."
    )


def details() -> str:
    """What a bug report needs: versions, system, extras, folders and device.

    Example:
        >>> print(details())
        Python ...
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from crowdllm_stats._base.manifest import versions

    packages = versions()
    for name in SHOWN_TOO:
        with suppress(PackageNotFoundError):
            packages[name] = version(name)

    with Progress("looking"):
        found = [*_extras(), _data(), _cache(), _device()]
    extras = [one.what.removeprefix("extra ") for one in found if one.what.startswith("extra ") and not one.mend]
    lines = [
        f"Python {platform.python_version()} ({sys.executable}) on {platform.platform()}",
        f"packages: {', '.join(f'{name} {number}' for name, number in packages.items())}",
        f"extras: {', '.join(extras) or 'none'}",
    ]
    return "\n".join([*lines, *(f"{one.what}: {one.state}" for one in found if not one.what.startswith("extra "))])


def _extras() -> Iterator[Finding]:
    for extra in sorted(set(EXTRAS.values())):
        missing = [name for name, brings in EXTRAS.items() if brings == extra and find_spec(name) is None]
        if missing:
            yield Finding(f"extra {extra}", f"{', '.join(missing)} missing", f"pip install 'crowdllm-stats[{extra}]'")
        else:
            yield Finding(f"extra {extra}", "installed")


def _models() -> Iterator[Finding]:
    from crowdllm_stats.backbones.catalogue import MODELS
    from crowdllm_stats.backbones.fetch import find_model

    for name, model in MODELS.items():
        terms = f" --accept-terms {model.terms}" if model.terms else ""
        try:
            yield Finding(f"model {name}", str(find_model(name).folder))
        except (FileNotFoundError, ValueError):
            yield Finding(f"model {name}", "not fetched", f"crowdllm-stats backbone fetch {name}{terms}")


def _data() -> Finding:
    from crowdllm_stats.data.files import DATA_VARIABLE

    folder, mend = os.environ.get(DATA_VARIABLE, ""), f"export {DATA_VARIABLE}=FOLDER"
    if not folder:
        return Finding("data folder", "none is named, so the published data sets are not found", mend)
    return Finding("data folder", folder if Path(folder).is_dir() else f"{folder} is not there",
                   "" if Path(folder).is_dir() else mend)  # fmt: skip


def _cache() -> Finding:
    from crowdllm_stats.backbones.fetch import VARIABLE, cache_folder

    mend = f"export {VARIABLE}=FOLDER, one that can be written to"
    try:
        folder = cache_folder()
        there = next(place for place in (folder, *folder.parents) if place.is_dir())
        with tempfile.TemporaryFile(dir=there):
            return Finding("cache", str(folder))
    except (OSError, ValueError) as error:
        return Finding("cache", f"cannot be written to ({error})", mend)


def _device() -> Finding:
    """The GPU as torch sees it, which is how models compute."""
    card = shutil.which("nvidia-smi") is not None
    if find_spec("torch") is None:
        state = "a GPU, but no torch to use it" if card else "CPU; torch is not installed"
        return Finding("device", state, "pip install 'crowdllm-stats[hf]'" if card else "")
    from importlib.metadata import version

    from crowdllm_stats.backbones.device import gpu_name

    torch, name = f"torch {version('torch')}", gpu_name()
    if card and not name:
        return Finding("device", f"a GPU that {torch} does not see", "install torch's build for CUDA")
    return Finding("device", f"{name or 'CPU'}, {torch}")

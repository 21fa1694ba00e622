"""What the commands around the generator share: human answers, hyper-parameters, missing extras."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crowdllm_stats.crowd import CrowdData

#: Module that is missing: the extra that brings it.
_EXTRAS = {"jax": "generator", "numpyro": "generator", "optax": "generator", "sklearn": "generator",
           "crowdkit": "generator", "torch": "hf", "transformers": "hf", "matplotlib": "plot"}  # fmt: skip


def human_answers(name: str, scale: str | None, folder: Path | None) -> CrowdData:
    """A data set by name, or a file on the scale given."""
    from crowdllm_stats.cli.inputs import named_data
    from crowdllm_stats.crowd import CrowdData, Scale

    if ":" in name and not Path(name).exists():
        if scale is not None:
            raise ValueError(f"--scale is for files; {name} has its own")
        return named_data(name, folder)
    if scale is None:
        raise ValueError(f"--scale is missing: say the levels of the answers in {name}, for instance --scale 1,2,3,4,5")
    return CrowdData.read(name, scale=Scale.parse(scale))


def hyper_parameters(given: list[str]) -> dict[str, Any]:
    """``name=value`` as hyper-parameters: true, false, numbers (several joined by commas), else words."""
    settings: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or not name or not value:
            raise ValueError(f"--setting {text!r} is not NAME=VALUE, for instance steps=300")
        settings[name] = tuple(map(_value, value.split(","))) if "," in value else _value(value)
    return settings


def _value(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


@contextmanager
def needs_extras() -> Iterator[None]:
    """A missing extra as bad input: one line, exit code 2."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise ValueError(f"{error.name} is missing: pip install 'crowdllm-stats[{extra}]'") from None

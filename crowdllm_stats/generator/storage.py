"""A fitted generator as one .npz file: numbers, ids and profile tables; no pickles, no texts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.unpacking import read_arrays
from crowdllm_stats._base.whole_files import write_arrays
from crowdllm_stats.data.crowd import Scale
from crowdllm_stats.generator.fitted import Fitted
from crowdllm_stats.generator.problems import ProblemVectors
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator
from crowdllm_stats.generator.settings import Settings

Model = TypeVar("Model")

FORMAT = "crowdllm-stats generator 2"

_ARRAYS = ("x", "decision", "effect", "history", "held_out", "person_effect", "person_spread",
           "person_noise")  # fmt: skip
#: Parameters of effects, without which people would silently keep none.
_LIKELIHOOD = ("log_tau_problem", "log_tau_person", "log_tau_spread", "couple")
#: Losses may hold those of steps left out; in all other arrays every number is used.
_NOT_FINITE = ("history", "held_out")
#: Counts that decide how much memory a prediction takes, and the most that a file may ask for.
_COUNTS, _MOST = ("mixing_draws", "mixing_dim", "draws", "hidden", "population", "n_profiles"), 1_000_000
_NUMBERS = ("new_problem_sd", "steps", "skipped", "seed", "n_answers", "n_people")


def save(settings: Settings, own: Fitted, path: str | os.PathLike[str]) -> None:
    """Write a fitted generator.

    Raises:
        ValueError: on a name that does not end in .npz.
        FileNotFoundError: if the folder does not exist.
        OSError: if it could not be written; a former file stays.
    """
    write_model(path, FORMAT, *_content(settings, own))


def digest(settings: Settings, own: Fitted) -> str:
    """SHA-256 of what :func:`save` writes, in hexadecimal: equal for generators that give the same answers."""
    described, arrays = _content(settings, own)
    found = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _content(settings: Settings, own: Fitted) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is described in words and numbers, and the arrays."""
    described = {
        "settings": settings.to_dict(),
        "scale": scale_numbers(own.scale),
        "encoder": own.encoder.to_dict(),
        "profiles": own.profiles.to_dict("list"),
        "n_profiles": len(own.profiles),
        "recruiter": None if own.recruiter is None else own.recruiter.to_dict(),
        "tuning": own.tuning.to_dict("list"),
        **{name: getattr(own, name) for name in _NUMBERS},
    }
    arrays: dict[str, Any] = {"problems": np.asarray(own.problems), "people": np.asarray(own.people, dtype=str)}
    arrays |= {name: _small(getattr(own, name)) for name in _ARRAYS}
    arrays |= {f"vectors/{name}": _small(value) for name, value in own.vectors.to_arrays().items()}
    arrays |= {f"params/{name}": np.asarray(value) for name, value in _flat(own.params).items()}
    return described, arrays


def load(path: str | os.PathLike[str], build: Callable[[Settings, Fitted], Model]) -> Model:
    """Read what :func:`save` wrote.

    Args:
        path: of the file.
        build: makes the model and tries it; what it raises says that the file is damaged.

    Raises:
        ValueError: on a file that is cut off, changed or not a generator.
        FileNotFoundError: if there is no such file.
    """

    def built(described: dict[str, Any], given: dict[str, Any]) -> Model:
        _refuse_huge({**described["settings"], "n_profiles": described["n_profiles"]})
        settings = Settings.from_dict(described["settings"])
        profiles = pd.DataFrame(described["profiles"], index=range(described["n_profiles"]))
        numbers: dict[str, Any] = {name: described[name] for name in _NUMBERS}
        tables: dict[str, Any] = {name: np.asarray(given[name], dtype=np.float64) for name in _ARRAYS}
        fitted = Fitted(
            params=_nested({name[7:]: value for name, value in given.items() if name.startswith("params/")}),
            scale=scale_of(described["scale"]),
            vectors=ProblemVectors.from_arrays(
                {name[8:]: value for name, value in given.items() if name.startswith("vectors/")}
            ),
            encoder=ProfileEncoder.from_dict(described["encoder"]),
            profiles=profiles,
            recruiter=None if described["recruiter"] is None else ProfileGenerator.from_dict(described["recruiter"]),
            problems=tuple(given["problems"].tolist()),
            people=tuple(given["people"].tolist()),
            tuning=pd.DataFrame(described["tuning"]),
            **tables,
            **numbers,
        )
        if len(fitted.problems) != len(fitted.x) or len(fitted.x) != len(fitted.effect):
            raise ValueError(f"{len(fitted.problems)} problems but {len(fitted.x)} vectors")
        if not len(fitted.people) == len(fitted.person_effect) == len(fitted.person_spread) == len(fitted.person_noise):
            raise ValueError(f"{len(fitted.people)} people but {len(fitted.person_effect)} effects of people")
        lacking = [name for name in _LIKELIHOOD if name not in fitted.params]
        if lacking and settings.objective == "likelihood":
            raise ValueError(f"params/{lacking[0]} is not there")
        return build(settings, fitted)

    return read_model(path, FORMAT, built)


def write_model(
    path: str | os.PathLike[str], form: str, described: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Write a model as .npz: arrays, and beside them what is not an array, as JSON.

    Args:
        path: of the file.
        form: name of the format, which :func:`read_model` asks for.
        described: what JSON can hold.
        arrays: by name; "told" is taken.

    Raises:
        ValueError: on a name that does not end in .npz.
        FileNotFoundError: if the folder does not exist.
        OSError: if it could not be written; a former file stays.
    """
    place = Path(path)
    if place.suffix.lower() != ".npz":
        raise ValueError(f"a generator is written as .npz; got {place.name!r}")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"folder {place.parent} is not there")
    write_arrays(place, {"told": np.asarray(json.dumps({"format": form, **described})), **arrays})


def read_model(
    path: str | os.PathLike[str], form: str, build: Callable[[dict[str, Any], dict[str, Any]], Model]
) -> Model:
    """Read what :func:`write_model` wrote.

    Args:
        path: of the file.
        form: name of its format.
        build: makes the model of the description and the arrays; what it raises says that the file is damaged.

    Raises:
        ValueError: on a file that is cut off, changed or of another format.
        FileNotFoundError: if there is no such file.
    """
    place = Path(path)
    if not place.is_file():
        raise FileNotFoundError(f"no generator at {place}")
    given = read_arrays(place, "generator file")
    try:
        if "told" not in given:
            raise ValueError(
                f"it holds {', '.join(list(given)[:5]) or 'nothing'}, but not the description of a generator"
            )
        described = json.loads(str(given.pop("told")))
        if described["format"] != form:
            raise ValueError(f"its format is {described['format']!r}, not {form!r}")
        wrong = [name for name, value in given.items() if name not in _NOT_FINITE and not _finite(value)]
        if wrong:
            raise ValueError(f"{wrong[0]} holds numbers that are not finite")
        return build(described, given)
    except Exception as error:  # a changed file fails in the JSON, a shape or the network: one message for all
        raise BadInput(
            f"{place} is not a whole generator file: {' '.join(str(error).split())[:300]}",
            python="write it again with save()",
            command="write it again with fit",
        ) from None


def scale_numbers(scale: Scale) -> dict[str, Any]:
    """A scale as JSON can hold it: its kind, ends, levels, options and k; :func:`scale_of` reads it back.

    Example:
        >>> scale_of(json.loads(json.dumps(scale_numbers(Scale("ordinal", levels=(1.0, 2.0)))))).levels
        (1.0, 2.0)
    """
    return {name: getattr(scale, name) for name in ("kind", "low", "high", "levels", "options", "k")}


def scale_of(described: Mapping[str, Any]) -> Scale:
    """The scale that :func:`scale_numbers` described.

    Raises:
        TypeError: on a field that a scale does not have.
    """
    given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in described.items()}
    return Scale(**given)


def _refuse_huge(described: Mapping[str, Any]) -> None:
    for name in _COUNTS:
        if described.get(name, 0) > _MOST:
            raise ValueError(f"{name} is {described[name]}, at most {_MOST:,} is read from a file")


def _finite(array: Any) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _small(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 and array.size > 8 else array


def _flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        inside = isinstance(value, Mapping)
        found |= _flat(value, f"{before}{name}/") if inside else {f"{before}{name}": value}
    return found


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *folders, last = name.split("/")
        at = tree
        for folder in folders:
            at = at.setdefault(folder, {})
        at[last] = value
    return tree

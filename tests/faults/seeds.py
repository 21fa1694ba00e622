"""Whole inputs, all made up, that the fuzzing damages; and structured ones of which single values are exchanged."""

from __future__ import annotations

import copy
import gzip
import io
import json
import tempfile
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.prompts import template_names
from crowdllm_stats.data.files import write_table
from crowdllm_stats.data.reference import Reference
from faults.targets import ANSWERED, ASKED, WRITTEN

_PLAIN = b'problem,participant,response,note\n007,ann,4,NA\n1.0,"b,ob",5,"two\nlines"\n2,"say ""hi""",-1.5e3,\n'
TABLES = (
    _PLAIN,
    b"\xef\xbb\xbf" + _PLAIN.replace(b"\n", b"\r\n"),
    "problem,participant,response\n\u00fc1,Zo\u00eb,1\n\u4e2d,\U0001f600,2\n".encode(),
    b"problem,participant,response\n" + b"".join(b"q%d,p%d,%d\n" % (i % 3, i, i % 5 + 1) for i in range(12)),
)
#: Human and digital answers to two questions, in one.
PAIR = (
    b"problem,participant,response\n"
    + b"".join(b"q%d,p%d,%d\n" % (i % 2, i // 2, i % 5 + 1) for i in range(14))
    + b"\0\nproblem,participant,response\n"
    + b"".join(b"q%d,p%d,%d\n" % (i % 2, i // 2, (i * 7) % 5 + 1) for i in range(40))
)
PACKED = tuple(gzip.compress(table, mtime=0) for table in TABLES)
SCALES = (b"1:5", b"-1.5:2", b"1,2,3,4,5", b"yes,no", b"0,25,50,100", b"strongly agree, agree, neutral")
TEMPLATES = tuple(
    resources.files("crowdllm_stats.backbones").joinpath("prompts", f"{name}.txt").read_bytes()
    for name in template_names()
)
STUDIES = tuple(
    text
    for text in (
        file.read_bytes() for file in sorted((Path(__file__).resolve().parents[2] / "simulations").glob("*.toml"))
    )
    if len(text) < 3000
)
CHAT = {
    "id": "x",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "3"},
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {
                        "token": "3",
                        "logprob": -0.1,
                        "top_logprobs": [
                            {"token": "3", "logprob": -0.1},
                            {"token": " 4", "logprob": -3.0},
                            {"token": "x", "logprob": -4.0},
                        ],
                    }
                ]
            },
        }
    ],
    "usage": {"total_tokens": 3},
}

#: What stands in a value's place.
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3, 10**30, 2.5, float("nan"), float("inf"), -0.0, "", "x", "../../X", "a\nb", "\x1b[31m", "1:5",
    [], [1], ["x"], [[1]], {}, {"x": 1}, [{}],
)  # fmt: skip


def exchanged(document: Any, rng: np.random.Generator) -> Any:
    """A nested document of which one or two values are left out, renamed or replaced by others."""
    document = copy.deepcopy(document)
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(document))
        if not places:
            break
        *folders, last = places[int(rng.integers(len(places)))]
        at = document
        for step in folders:
            at = at[step]
        value = copy.deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])
        kind = int(rng.integers(4))
        if kind == 0:
            del at[last]
        elif kind == 1 and isinstance(at, dict):
            at[str(value)] = at.pop(last)
        else:
            at[last] = value
    return document


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from _places(item, (*at, key))
    if at:
        yield at


def exchanged_study(rng: np.random.Generator) -> bytes:
    """A study file of which values were exchanged, where TOML can say so."""
    document = exchanged(tomllib.loads(STUDIES[int(rng.integers(len(STUDIES)))].decode("utf-8")), rng)
    return "\n".join(_toml(document)).encode("utf-8")


def _toml(document: dict[str, Any]) -> Iterator[str]:
    """Every top key as one inline value."""
    for key, value in document.items():
        if value is not None:
            yield f"{json.dumps(key)} = {_inline(value)}"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, float) and not isinstance(value, bool):
        return repr(value) if np.isfinite(value) else str(value)
    return '"None"' if value is None else json.dumps(value)


def exchanged_arrays(content: bytes, rng: np.random.Generator) -> bytes:
    """An .npz file of which one array is left out or another."""
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    name = list(arrays)[int(rng.integers(len(arrays)))]
    other = _other(arrays.pop(name), rng)
    out = io.BytesIO()
    np.savez(out, **arrays, **({} if other is None else {name: other}))
    return out.getvalue()


def _other(array: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    kind = int(rng.integers(11))
    if kind < 4:
        wild = (np.nan, np.inf, -np.inf, -1e30)[kind]
        changed = array.astype(np.float64) if array.dtype.kind in "fi" else np.full(array.shape, wild)
        if changed.size:
            changed.flat[int(rng.integers(changed.size))] = wild
        return changed
    return (
        None,
        array.astype(str),
        array[:-1] if array.ndim else array.reshape(1),
        np.zeros(0),
        np.concatenate([array, array]) if array.ndim else np.asarray("{}"),
        array.T if array.ndim > 1 else np.asarray("[]"),
        np.zeros_like(array),
    )[kind - 4]


def parquet_file() -> bytes:
    """A small table, as the package writes it."""
    frame = pd.DataFrame(WRITTEN[1:], columns=WRITTEN[0])
    frame["response"] = frame["response"].astype(int)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "table.parquet"
        write_table(frame, place)
        return place.read_bytes()


def reference_file() -> bytes:
    """Reference answers to three problems."""
    shares = np.random.default_rng(1).dirichlet(np.ones(5), 3)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "reference.npz"
        Reference.from_probabilities(["q1", "q2", "q3"], [1, 2, 3, 4, 5], shares, source={"model": "m"}).save(place)
        return place.read_bytes()


def cache_file() -> bytes:
    """A cache of twenty answers."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "answers.sqlite"
        with AnswerCache(place) as made:
            made.put_many(zip(ASKED, ANSWERED, strict=True))
        return place.read_bytes()

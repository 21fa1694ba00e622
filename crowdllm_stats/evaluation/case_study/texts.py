"""The problems' texts as numbers: embedded once and kept in the user's cache folder, learned, or read from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import sha256
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.unpacking import read_arrays
from crowdllm_stats._base.whole_files import write_arrays
from crowdllm_stats.backbones.catalogue import MODELS
from crowdllm_stats.backbones.embedder import TFIDF, embed
from crowdllm_stats.backbones.fetch import cache_folder, find_model
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.layout import with_our_names
from crowdllm_stats.data.opening import ending_of, open_table
from crowdllm_stats.evaluation.case_study.reference_tables import Questions

NONE = "none"

#: Endings of a file of numbers.

#: Part of the key of a cached embedding; to be raised when :func:`embed` computes something else.
_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts of T problems and what turns them into numbers; see :func:`read_texts`.

    Attributes:
        model: "minilm", a folder, "tfidf", a file of numbers or "none".
        problems: ids.
        texts: one per problem; none for "none" and a file.
        fixed: the embedding, where it does not depend on the training problems.
    """

    model: str
    problems: tuple[str, ...]
    texts: tuple[str, ...]
    fixed: Features | None

    def features(self, train: Sequence[str]) -> Features | None:
        """Features of all problems; None for "none".

        Args:
            train: ids of the training problems: the texts that "tfidf" learns its words from.

        Example:
            >>> texts = Texts("tfidf", ("a", "b", "c"), ("good tea", "bad tea", "good day"), None)
            >>> texts.features(["a", "b", "c"]).table.shape
            (3, 2)
        """
        if self.model != TFIDF:
            return self.fixed
        known = set(train)
        learned = [text for name, text in zip(self.problems, self.texts, strict=True) if name in known]
        made = embed(self.texts, TFIDF, train=learned)
        return Features.of(self.problems, made.vectors.astype(np.float64), source=TFIDF)

    @property
    def known(self) -> bool:
        """Whether there is an embedding."""
        return self.model != NONE


def read_texts(
    data: Questions, model: str, *, column: str = "text", cache: Path | None = None, device: str = "auto"
) -> Texts:
    """Take the texts of the data's problems and embed them, unless that is done already.

    An embedding of a model lies in ``embeddings/KEY.npz`` of the cache folder, KEY being the SHA-256 of the model's
    files and the texts: another text or model is another file. It holds numbers alone.

    Args:
        data: answers whose table of problems has the texts.
        model: "minilm", the folder of another encoder, "tfidf", a .csv or .parquet file of numbers (column ``problem``
            and others: what ``backbone embed`` writes) or "none".
        column: of the texts.
        cache: the cache folder, the user's by default.
        device: where an encoder computes, see :func:`crowdllm_stats.backbones.embedder.embed`.

    Raises:
        ValueError: without such a column, on a problem without text, and as
            :func:`crowdllm_stats.backbones.embedder.embed`.
        FileNotFoundError: if "minilm" is not fetched.

    Example:
        >>> from crowdllm_stats import load_example
        >>> read_texts(load_example().human, "tfidf").features(["q01", "q02", "q03", "q04"]).table.shape
        (12, 3)
    """
    problems = tuple(data.problems["problem"])
    if model == NONE:
        return Texts(model, problems, (), None)
    if ending_of(model):
        return Texts(model, problems, (), _of_file(model, problems))
    if column not in data.problems.columns:
        raise BadInput(
            f"the table of problems has no column {column!r} to embed; it has {', '.join(data.problems.columns)}",
            python=f"add the texts, or choose the embedding {NONE!r}",
            command=f"give the texts with --problems FILE, or --embedding {NONE}",
        )
    lacking = data.problems.loc[
        [not isinstance(one, str) or not one.strip() for one in data.problems[column]], "problem"
    ]
    if len(lacking):
        raise ValueError(
            f"{len(lacking)} of {len(problems)} problem(s) have no text in column {column!r}, for instance "
            f"{lacking.iloc[0]!r}; add the texts, leave these problems out, or choose the embedding {NONE!r}"
        )
    texts = tuple(data.problems[column])
    if model == TFIDF:
        return Texts(model, problems, texts, None)
    vectors = _embedded(texts, model, cache_folder() if cache is None else cache, device)
    known = Features.of(problems, vectors.astype(np.float64), source=embedder_name(model))
    return Texts(model, problems, texts, known)


def embedder_name(model: str | Path) -> str:
    """What a generator keeps of its embedder: the name, of a folder the last part; empty for a file of numbers.

    Example:
        >>> embedder_name("/models/bge-small"), embedder_name("vectors.csv")
        ('bge-small', '')
    """
    return "" if ending_of(str(model)) else Path(model).name


def _of_file(name: str, problems: tuple[str, ...]) -> Features:
    table = with_our_names(open_table(name).frame, None, ("problem",), name)
    numbers = table.drop(columns="problem").apply(pd.to_numeric, errors="coerce")
    words = numbers.columns[numbers.isna().any()]
    if len(words) or not len(numbers.columns):
        what = f"column {words[0]!r} does not: correct or remove it" if len(words) else "there is none"
        raise ValueError(f"{name}: an embedding holds numbers beside the column problem; {what}")
    given = Features.of(as_ids(table["problem"], f"{name}: column 'problem'").column(), numbers)
    lacking = [one for one in problems if one not in set(given.problems)]
    if lacking:
        raise ValueError(
            f"{name}: {len(lacking)} of {len(problems)} problem(s) have no row, for instance {lacking[0]!r}; give one "
            "for each problem"
        )
    return Features.of(problems, given.rows(problems))


def _embedded(texts: tuple[str, ...], model: str, cache: Path, device: str) -> np.ndarray:
    place = cache / "embeddings" / f"{_key(texts, model)}.npz"
    try:
        return np.asarray(read_arrays(place)["vectors"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError):
        place.unlink()  # a file cut off by a crash: made anew
    vectors = embed(texts, model, device=device).vectors
    place.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(place, {"vectors": vectors})
    return vectors


def _key(texts: tuple[str, ...], model: str) -> str:
    fetched = model in MODELS and not Path(model).is_dir()
    folder = find_model(model).folder if fetched else Path(model)
    if not folder.is_dir():
        raise ValueError(
            f"embedding {model!r} is neither 'minilm', 'tfidf', 'none' nor a folder with a model, nor a .csv or "
            ".parquet file of numbers"
        )
    digest = hashlib.sha256(_VERSION.encode())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        digest.update(f"\n{path.relative_to(folder).as_posix()} {sha256(path)}".encode())
    for text in texts:
        digest.update(b"\n" + hashlib.sha256(text.encode("utf-8")).digest())
    return digest.hexdigest()[:32]

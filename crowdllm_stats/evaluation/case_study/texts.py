"""The problems' texts as numbers: embedded once and kept in the user's cache folder, or learned from training texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crowdllm_stats._base.manifest import sha256
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.unpacking import read_arrays
from crowdllm_stats._base.whole_files import write_arrays
from crowdllm_stats.backbones.embedder import TFIDF, embed
from crowdllm_stats.backbones.fetch import MODELS, cache_folder, find_model
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features

NONE = "none"

#: Part of the key of a cached embedding; to be raised when :func:`embed` computes something else.
_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts of T problems and what turns them into numbers; see :func:`read_texts`.

    Attributes:
        model: "minilm", a folder, "tfidf" or "none".
        problems: ids.
        texts: one per problem; none for "none".
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
        return Features.of(self.problems, embed(self.texts, TFIDF, train=learned).vectors.astype(np.float64))


def read_texts(data: CrowdData, model: str, *, column: str = "text", cache: Path | None = None) -> Texts:
    """Take the texts of the data's problems and embed them, unless that is done already.

    An embedding of a model lies in ``embeddings/KEY.npz`` of the cache folder, KEY being the SHA-256 of the model's
    files and the texts: another text or model is another file. It holds numbers alone.

    Args:
        data: answers whose table of problems has the texts.
        model: "minilm", the folder of another encoder, "tfidf" or "none".
        column: of the texts.
        cache: the cache folder, the user's by default.

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
    vectors = _embedded(texts, model, cache_folder() if cache is None else cache)
    return Texts(model, problems, texts, Features.of(problems, vectors.astype(np.float64)))


def _embedded(texts: tuple[str, ...], model: str, cache: Path) -> np.ndarray:
    place = cache / "embeddings" / f"{_key(texts, model)}.npz"
    try:
        return np.asarray(read_arrays(place)["vectors"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError):
        place.unlink()  # a file cut off by a crash: made anew
    vectors = embed(texts, model).vectors
    place.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(place, {"vectors": vectors})
    return vectors


def _key(texts: tuple[str, ...], model: str) -> str:
    fetched = model in MODELS and not Path(model).is_dir()
    folder = find_model(model).folder if fetched else Path(model)
    if not folder.is_dir():
        raise ValueError(f"embedding {model!r} is neither 'minilm', 'tfidf', 'none' nor a folder with a model")
    digest = hashlib.sha256(_VERSION.encode())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        digest.update(f"\n{path.relative_to(folder).as_posix()} {sha256(path)}".encode())
    for text in texts:
        digest.update(b"\n" + hashlib.sha256(text.encode("utf-8")).digest())
    return digest.hexdigest()[:32]

"""Texts as vectors: a sentence embedder without further packages, or TF-IDF where there is no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import check_count

TFIDF = "tfidf"


@dataclass(frozen=True, eq=False)
class Embedding:
    """n texts as vectors of length 1.

    Attributes:
        vectors: shape (n, d), float32.
        model: what made them: a name, a folder, or "tfidf".
        truncated: texts that were longer than the model reads; only their beginning counts.
        source: further facts: revision, tokens read, share of variance kept.
    """

    vectors: NDArray[np.float32]
    model: str
    truncated: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """A row per text, columns ``e0``, ``e1``, ..."""
        return pd.DataFrame(self.vectors, columns=[f"e{place}" for place in range(self.vectors.shape[1])])

    def __str__(self) -> str:
        cut = f", {self.truncated} texts cut" if self.truncated else ""
        return f"Embedding of {len(self.vectors)} texts by {self.model}, {self.vectors.shape[1]} numbers each{cut}"


def embed(
    texts: Sequence[str],
    model: str | Path = "minilm",
    *,
    train: Sequence[str] | None = None,
    dimension: int = 64,
    batch_size: int = 32,
    device: str = "auto",
    seed: int = 0,
) -> Embedding:
    """Embed texts: ``sum_j m_j h_j / sum_j m_j`` over the tokens' last hidden states (m: padding), then L2-normalised.

    Args:
        texts: n texts; equal ones are read once.
        model: "minilm" (see ``crowdllm-stats backbone fetch minilm``), the folder of another encoder, or "tfidf":
            TF-IDF of words and pairs of words, reduced by a truncated singular value decomposition, fitted on
            ``train``.
        train: the texts that "tfidf" learns from, those of the training problems alone; only for "tfidf".
        dimension: of the "tfidf" vectors, at most; fewer where the training texts give fewer.
        batch_size: texts at a time.
        device: "auto" (a GPU if there is one), "cpu", "cuda:1", ...; "tfidf" needs none.
        seed: of the decomposition.

    Returns:
        Embedding. A text that shares no word with the training texts has the zero vector under "tfidf";
        ``source["unknown"]`` counts them.

    Raises:
        ValueError: on texts that are empty, none or a whole table, ``train`` missing for "tfidf" or given for another
            model, an unknown device, a folder that holds no model, a damaged one, weights that are not safetensors, a
            model that needs code of its own, and where memory runs out.
        FileNotFoundError: if "minilm" is not fetched.

    Example:
        >>> found = embed(["good tea", "bad tea"], "tfidf", train=["good tea", "bad tea", "good day"], dimension=2)
        >>> found.vectors.shape
        (2, 2)
    """
    given = _texts("texts", texts)
    if str(model) == TFIDF:
        if train is None:
            raise ValueError("train is missing: 'tfidf' learns its words from the training problems' texts")
        return _tfidf(given, _texts("train", train), check_count("dimension", dimension, 2), seed)
    if train is not None:
        raise ValueError(f"train is only for 'tfidf'; model {str(model)!r} is trained already: leave it out")
    unique = list(dict.fromkeys(given))
    found = _encoder(unique, model, check_count("batch_size", batch_size), device)
    rows = {text: row for row, text in enumerate(unique)}
    place = [rows[text] for text in given]
    cut = int(found.cut[place].sum())
    return Embedding(found.vectors[place], str(model), cut, found.source)


@dataclass(frozen=True, eq=False)
class _Encoded:
    vectors: NDArray[np.float32]
    cut: NDArray[np.bool_]
    source: dict[str, Any]


def _texts(name: str, texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise ValueError(f"{name} must be a list of texts, got one text")
    if isinstance(texts, pd.DataFrame | Mapping):  # whose names would be read in place of what stands below them
        raise ValueError(
            f"{name} must be a list of texts, got a table with the columns {', '.join(map(str, texts))}; give the "
            "column that holds the texts, for instance problems['text']"
        )
    given = list(texts)
    bad = [row for row, text in enumerate(given) if not isinstance(text, str) or not text.strip()]
    if bad or not given:
        raise ValueError(
            f"{name} must hold one text or more, none of them empty or missing; "
            + (f"{len(bad)} are, the first in row {bad[0]}" if bad else "there is none")
        )
    return given


def _encoder(texts: list[str], model: str | Path, batch_size: int, device: str) -> _Encoded:
    from crowdllm_stats.backbones.catalogue import MODELS
    from crowdllm_stats.backbones.fetch import find_model, quiet_transformers
    from crowdllm_stats.backbones.loading import plain_errors
    from crowdllm_stats.backbones.placement import chosen_device, out_of_memory

    folder = find_model(str(model)).folder if str(model) in MODELS and not Path(model).is_dir() else Path(model)
    if not (folder / "config.json").is_file():
        raise ValueError(f"model {str(model)!r} is neither 'minilm', 'tfidf' nor a folder with a model")
    where = chosen_device(device)
    with (
        out_of_memory(f"{batch_size} texts were embedded at a time", batch_size, None),
        quiet_transformers(),
        plain_errors(f"the embedder {str(model)!r} cannot be read"),
    ):
        found = _encoded(texts, folder, batch_size, where)
    if not np.isfinite(found.vectors).all():
        raise ValueError(f"model {str(model)!r} returned numbers that are NaN or infinite: its weights are damaged")
    return found


def _encoded(texts: list[str], folder: Path, batch_size: int, device: Any) -> _Encoded:
    """The vectors of different texts; code that lies in the folder is not run, nor asked about."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from crowdllm_stats.backbones.loading import read_network

    loading = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **loading)
    network = read_network(AutoModel, str(folder), loading, dtype=torch.float32).to(device)
    longest = _longest(folder, network.config)
    whole = [tokenizer(text, verbose=False)["input_ids"] for text in texts]
    ids = [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    values = np.empty((len(ids), network.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        width = max(len(ids[row]) for row in rows)
        tokens = torch.full((len(rows), width), tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : len(ids[row])] = torch.tensor(ids[row])
            mask[place, : len(ids[row])] = 1
        with torch.inference_mode():
            mask = mask.to(device)
            hidden = network(input_ids=tokens.to(device), attention_mask=mask).last_hidden_state
            mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            values[rows] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
    cut = np.array([len(one) < len(all_) for one, all_ in zip(ids, whole, strict=True)])
    return _Encoded(values, cut, {"tokens_read": longest, "pooling": "mean, L2-normalised"})


def _longest(folder: Path, config: Any) -> int:
    """Most tokens a text: what the embedder was trained with, else what its positions allow."""
    settings = folder / "sentence_bert_config.json"
    if settings.is_file():
        return int(json.loads(settings.read_text(encoding="utf-8"))["max_seq_length"])
    return int(config.max_position_embeddings)


def _tfidf(texts: list[str], train: list[str], dimension: int, seed: int) -> Embedding:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    try:
        table = words.fit_transform(train)
    except ValueError as error:
        raise ValueError(f"train: {error}; give texts with words of two characters or more") from None
    if min(table.shape) < 3:
        raise ValueError(
            f"train has {table.shape[0]} text(s) with {table.shape[1]} word(s); 'tfidf' needs three of each"
        )
    size = min(dimension, min(table.shape) - 1)
    reduce = TruncatedSVD(size, random_state=seed).fit(table)
    raw = reduce.transform(words.transform(texts))
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    unknown = int(np.count_nonzero(length <= 1e-12))
    values = np.divide(raw, length, out=np.zeros_like(raw), where=length > 1e-12).astype(np.float32)
    kept = float(reduce.explained_variance_ratio_.sum())
    return Embedding(values, TFIDF, 0, {"variance_kept": kept, "unknown": unknown, "train_texts": len(train)})

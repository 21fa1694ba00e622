"""Problems as vectors x_t for the belief generator: principal components of an embedding beside reference answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.backbones.embedder import Embedding
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.blender import Family

#: The problems' texts as numbers, as callers may give them.
Embedded = Features | Embedding | None

#: Total variance that each block of columns is scaled to, so that neither text nor reference drowns the other.
BLOCK_VARIANCE = 8.0

#: Least probability of an option under the reference, so that its logarithm stays finite.
_LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class ProblemVectors:
    """A fixed coding of problems, learned from the training problems.

    ``x_t = [r (E_t - mean E) C', s (p_t - mean p)]``: the first principal components C of the embedding E, and the
    probabilities p of every answer under every reference profile, unless they are left out; each block scaled to total
    variance 8.

    Attributes:
        embedding_mean: shape (d,); d = 0 without an embedding.
        components: shape (c, d).
        embedding_scale: r.
        reference_mean: shape (P A,); (0,) where the reference's probabilities are left out.
        reference_scale: s.
        decision_mean: mean of the reference decision, shape (1,), or of ``log p_ref``, shape (K,).
        answers: of the reference, as text.
        profiles: of the reference.
        embedder: what made the embedding, and
        backbone: what gave the reference answers, and
        prompt: a hash of how it was asked; empty where it is not known.
    """

    embedding_mean: FloatArray
    components: FloatArray
    embedding_scale: float
    reference_mean: FloatArray
    reference_scale: float
    decision_mean: FloatArray
    answers: tuple[str, ...]
    profiles: tuple[str, ...]
    embedder: str = ""
    backbone: str = ""
    prompt: str = ""

    @classmethod
    def fit(
        cls, problems: Iterable[str], reference: Reference, embedding: Features | None, components: int,
        decisions: FloatArray, reference_features: bool = True,
    ) -> ProblemVectors:  # fmt: skip
        """Learn the coding from training problems.

        Args:
            problems: ids of the training problems.
            reference: holds them all.
            embedding: holds them all, or None.
            components: principal components kept of the embedding (fewer where it has fewer).
            decisions: reference decisions of these problems, shape (T, 1), or ``log p_ref`` (T, K).
            reference_features: whether the vectors hold the reference's probabilities.

        Raises:
            ValueError: on problems without reference or embedding; on neither embedding nor reference features.
        """
        if embedding is None and not reference_features:
            raise ValueError(
                "reference_features=False leaves nothing to tell problems apart by; give embedding=, the problems' "
                "texts as numbers, or set reference_features=True"
            )
        names = list(problems)
        mean, basis, scale = np.zeros(0), np.zeros((0, 0)), 1.0
        if embedding is not None:
            table = embedding.rows(names)
            mean = table.mean(axis=0)
            _, size, rows = np.linalg.svd(table - mean, full_matrices=False)
            kept = min(components, int(np.sum(size > 1e-6 * max(size[0], 1e-12))))
            basis, scale = rows[:kept], _scale((table - mean) @ rows[:kept].T)
        shares = reference.select(names).probabilities.reshape(len(names), -1)
        shares = shares if reference_features else shares[:, :0]
        centre = shares.mean(axis=0)
        return cls(
            embedding_mean=mean,
            components=basis,
            embedding_scale=scale,
            reference_mean=centre,
            reference_scale=_scale(shares - centre),
            decision_mean=decisions.mean(axis=0),
            answers=tuple(str(answer) for answer in reference.answers),
            profiles=reference.profiles,
            embedder="" if embedding is None else embedding.source,
            backbone=str(reference.source.get("model") or ""),
            prompt=str(reference.source.get("prompt") or ""),
        )

    @property
    def width(self) -> int:
        """D, coordinates of a problem vector."""
        return len(self.components) + len(self.reference_mean)

    def check_answers(self, reference: Reference) -> None:
        """Refuse a reference with other answers or profiles than in training.

        Raises:
            ValueError: naming both.
        """
        given = (tuple(str(answer) for answer in reference.answers), reference.profiles)
        if given != (self.answers, self.profiles):
            raise ValueError(
                f"the reference has answers {', '.join(given[0])} under {len(given[1])} profile(s); the generator was "
                f"fitted with {', '.join(self.answers)} under {len(self.profiles)}; ask the same backbone in the same "
                "way"
            )

    def transform(self, problems: Iterable[str], reference: Reference, embedding: Features | None) -> FloatArray:
        """Problem vectors, shape (T, D).

        Raises:
            ValueError: on problems without reference or embedding, another number of embedding columns, other
                answers or profiles of the reference than in training.
        """
        names = list(problems)
        self.check_answers(reference)
        blocks = [self.embedded(names, embedding)] if self.components.size else []
        if self.reference_mean.size:
            shares = reference.select(names).probabilities.reshape(len(names), -1)
            blocks.append(self.reference_scale * (shares - self.reference_mean))
        return np.concatenate(blocks, axis=1)

    def embedded(self, problems: Iterable[str], embedding: Features | None) -> FloatArray:
        """The coordinates that come from the embedding, shape (T, c).

        Raises:
            ValueError: without an embedding, on another embedder or another number of columns than in training.
        """
        if embedding is None:
            raise ValueError("the generator was fitted with an embedding; give embedding= for these problems too")
        if self.embedder and embedding.source and embedding.source != self.embedder:
            raise ValueError(
                f"the embedding was made by {embedding.source!r}; the generator was fitted with that of "
                f"{self.embedder!r}: embed these problems with it"
            )
        table = embedding.rows(problems)
        if table.shape[1] != len(self.embedding_mean):
            raise ValueError(
                f"embedding has {table.shape[1]} columns; the generator was fitted with {len(self.embedding_mean)}: "
                "embed these problems with the embedder of the fit"
            )
        return np.asarray(self.embedding_scale * (table - self.embedding_mean) @ self.components.T)

    def to_arrays(self) -> dict[str, Any]:
        """Everything as arrays, for a file."""
        return {
            "embedding_mean": self.embedding_mean,
            "components": self.components,
            "scales": np.array([self.embedding_scale, self.reference_scale]),
            "reference_mean": self.reference_mean,
            "decision_mean": self.decision_mean,
            "reference_answers": np.asarray(self.answers),
            "reference_profiles": np.asarray(self.profiles),
            "made_by": np.asarray([self.embedder, self.backbone, self.prompt]),
        }

    @classmethod
    def from_arrays(cls, given: Mapping[str, Any]) -> ProblemVectors:
        """Read what :meth:`to_arrays` gave."""
        embedder, backbone, prompt = given["made_by"].tolist() if "made_by" in given else ("", "", "")
        return cls(
            embedding_mean=np.asarray(given["embedding_mean"]),
            components=np.asarray(given["components"]),
            embedding_scale=float(given["scales"][0]),
            reference_mean=np.asarray(given["reference_mean"]),
            reference_scale=float(given["scales"][1]),
            decision_mean=np.asarray(given["decision_mean"]),
            answers=tuple(given["reference_answers"].tolist()),
            profiles=tuple(given["reference_profiles"].tolist()),
            embedder=embedder,
            backbone=backbone,
            prompt=prompt,
        )


def _scale(centred: FloatArray) -> float:
    total = float(np.sum(np.mean(centred**2, axis=0)))
    return float(np.sqrt(BLOCK_VARIANCE / total)) if total > 1e-12 else 1.0


def decisions(reference: Reference, problems: tuple[str, ...], family: Family) -> FloatArray:
    """Reference means averaged over the reference's profiles, (T, 1); ``log p_ref`` (T, K) on a scale of words."""
    chosen = reference.select(problems)
    if family == "categorical":
        shares = np.maximum(chosen.probabilities.mean(axis=1), _LEAST)
        return np.asarray(np.log(shares / shares.sum(axis=1, keepdims=True)))
    return np.asarray(chosen.mean.mean(axis=1, keepdims=True))


def check_reference(reference: Reference | None) -> None:
    """Refuse what is not reference answers.

    Raises:
        ValueError: naming the type and the way to a reference.
    """
    if not isinstance(reference, Reference):
        raise ValueError(
            f"reference must be a Reference, got {type(reference).__name__}; a backbone's reference(problems) gives "
            "one, Reference.from_probabilities(problems, answers, table) makes one of a table"
        )


def features_of(embedding: Embedded, problems: Iterable[str]) -> Features | None:
    """An embedding by problem id: what :func:`crowdllm_stats.backbones.embedder.embed` gives has a row per problem.

    Args:
        embedding: numbers by id; or of as many texts as there are problems, in their order; or None.
        problems: ids.

    Raises:
        ValueError: on another type, and on another number of rows.

    Example:
        >>> made = Embedding(np.zeros((2, 3), dtype=np.float32), "minilm")
        >>> features_of(made, ["q1", "q2"]).problems
        ('q1', 'q2')
    """
    if embedding is None or isinstance(embedding, Features):
        return embedding
    if not isinstance(embedding, Embedding):
        raise ValueError(
            f"embedding must be Features, a row of numbers for each problem id, or what embed(texts) gives; got "
            f"{type(embedding).__name__}; make them with crowdllm_stats.data.Features.of(problems, vectors)"
        )
    names = list(problems)
    if len(embedding.vectors) != len(names):
        raise ValueError(
            f"embedding holds {len(embedding.vectors)} texts and there are {len(names)} problems; embed one text per "
            "problem, in the order of the problems, or say which is which with Features.of(problems, embedding.vectors)"
        )
    return Features.of(names, embedding.vectors.astype(np.float64), source=Path(embedding.model).name)

"""What a backbone says about a problem: a distribution over the admissible answers, and what follows from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from crowdllm_stats._base.checks import FloatArray, check_choice, check_count
from crowdllm_stats._base.random import generator
from crowdllm_stats._base.unpacking import read_arrays
from crowdllm_stats._base.whole_files import write_arrays

Aggregator = Literal["expected", "mean", "majority"]
AGGREGATORS: tuple[Aggregator, ...] = get_args(Aggregator)


class Backbone(Protocol):
    """Where reference answers come from: a model, a server or a table of recorded answers."""

    def reference(self, problems: pd.DataFrame, profiles: pd.DataFrame | None = None) -> Reference:
        """The distribution of answers to every problem, and with profiles for every problem and profile.

        Args:
            problems: one row per problem, column ``problem`` (its id) and what the backbone reads, usually ``text``.
            profiles: one row per person, column ``participant`` (an id) and the profile columns.
        """
        ...


@dataclass(frozen=True, eq=False)
class Reference:
    """Answer distributions of T problems, each seen by P profiles (P = 1 without profiles), over A answers.

    Attributes:
        problems: ids, T of them.
        answers: the admissible answers in the order of the scale, A of them (numbers or words).
        log_probabilities: shape (T, P, A), normalised over the answers; -inf where an answer is impossible.
        admissible_mass: probability the backbone gave to all admissible answers together before normalisation, shape
            (T, P); None where it is not known (samples, recorded answers).
        profiles: ids of the profiles, P of them; ("",) for the backbone without a profile.
        n_samples: answers behind each distribution if it is a table of shares, shape (T, P); None where exact.
        source: what made it: model id, revision, dtype, template hash, temperature, counts of exclusions.

    Raises:
        ValueError: on arrays of other shapes, rows that do not sum to 1, repeated ids.

    Example:
        >>> reference = Reference.from_probabilities(["a", "b"], [1, 2, 3], [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
        >>> reference.mean[:, 0].round(6).tolist()
        [2.3, 1.0]
        >>> reference.at_temperature(0.0).mean[:, 0].tolist()
        [3.0, 1.0]
    """

    problems: tuple[str, ...]
    answers: tuple[float, ...] | tuple[str, ...]
    log_probabilities: FloatArray
    admissible_mass: FloatArray | None = None
    profiles: tuple[str, ...] = ("",)
    n_samples: FloatArray | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.problems), len(self.profiles), len(self.answers))
        table = self.log_probabilities
        if table.shape != shape:
            raise ValueError(f"log_probabilities has shape {table.shape}; problems, profiles and answers say {shape}")
        if len(set(self.problems)) < shape[0] or len(set(self.profiles)) < shape[1]:
            raise ValueError("problems and profiles must be different ids")
        if shape[0] == 0 or shape[2] < 2:
            raise ValueError(f"a reference needs a problem and two admissible answers; got {shape[0]} and {shape[2]}")
        if (
            len(set(self.answers)) < shape[2]
            or not np.isfinite([a for a in self.answers if isinstance(a, float)]).all()
        ):
            raise ValueError(f"answers must be different, and finite where they are numbers; got {self.answers}")
        if np.isnan(table).any() or np.isposinf(table).any():
            raise ValueError("log_probabilities holds NaN or +inf: the backbone returned no probabilities")
        total = np.exp(logsumexp(table, axis=2))
        if not np.allclose(total, 1.0, atol=1e-5):
            where = np.unravel_index(int(np.argmax(np.abs(total - 1.0))), total.shape)
            raise ValueError(
                f"the probabilities of problem {self.problems[where[0]]!r} sum to {total[where]:.6g}, not to 1; "
                "normalise them over the admissible answers"
            )
        for name in ("admissible_mass", "n_samples"):
            value = getattr(self, name)
            if value is not None and value.shape != shape[:2]:
                raise ValueError(f"{name} has shape {value.shape}, expected {shape[:2]}")

    @classmethod
    def from_probabilities(
        cls, problems: Iterable[Any], answers: Iterable[Any], probabilities: Any, **others: Any
    ) -> Reference:
        """Build from probabilities, shape (T, A) or (T, P, A); other fields as keywords.

        Raises:
            ValueError: on negative probabilities, NaN, and as the class.
        """
        table = np.asarray(probabilities, dtype=np.float64)
        if table.ndim == 2:
            table = table[:, None, :]
        if table.ndim != 3 or not np.all(table >= 0.0):
            raise ValueError(
                f"probabilities must be non-negative numbers of shape (problems, answers) or (problems, profiles, "
                f"answers); got shape {np.shape(probabilities)} with smallest value {np.min(table, initial=0.0):g}"
            )
        with np.errstate(divide="ignore"):
            logs = np.log(table)
        names = tuple(str(one) for one in problems)
        return cls(names, _answers(answers), logs, **others)

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences that a reader must see before the numbers: how many replies gave no answer, by kind.

        Example:
            >>> source = {"replies": 8, "without_answer": {"refusal": 2, "chatter": 1, "several answers": 0}}
            >>> Reference.from_probabilities(["a"], [1, 2], [[0.2, 0.8]], source=source).notices
            ('3 of 8 replies gave no admissible answer and are left out (refusal 2, chatter 1).',)
        """
        silent = self.source.get("without_answer", {})
        count = sum(silent.values())
        left_out = f"{count} of {self.source.get('replies')} replies gave no admissible answer and are left out"
        return (f"{left_out} ({kinds_text(silent)}).",) if count else ()

    @property
    def probabilities(self) -> FloatArray:
        """Shape (T, P, A)."""
        return np.asarray(np.exp(self.log_probabilities))

    @property
    def values(self) -> FloatArray:
        """The answers as numbers, shape (A,).

        Raises:
            ValueError: if they are words.
        """
        if any(isinstance(answer, str) for answer in self.answers):
            raise ValueError(f"the answers {self.answers!r} are words; means need a numeric scale")
        return np.asarray(self.answers, dtype=np.float64)

    @property
    def mean(self) -> FloatArray:
        """Expected answer ``sum_a p_a a``, shape (T, P)."""
        return np.asarray(self.probabilities @ self.values)

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of one answer, the ``eta(t)`` of Theorem 3 at this temperature, shape (T, P)."""
        centred = self.values - self.mean[:, :, None]
        return np.asarray(np.sqrt(np.sum(self.probabilities * centred**2, axis=2)))

    def at_temperature(self, temperature: float) -> Reference:
        """The same at another temperature, ``p_a^(1/t)`` normalised; at 0 the likeliest answer, ties shared.

        Args:
            temperature: relative to this reference's own; at least 0.

        Raises:
            ValueError: on a negative or infinite temperature.
        """
        value = float(temperature)
        if not 0.0 <= value < np.inf:
            raise ValueError(f"temperature must be a number of at least 0; got {temperature!r}")
        top = self.log_probabilities.max(axis=2, keepdims=True)
        if value == 0.0:
            with np.errstate(divide="ignore"):
                raw = np.log((self.log_probabilities == top).astype(np.float64))
        else:
            raw = (self.log_probabilities - top) / value
        source = {**self.source, "temperature": value * float(self.source.get("temperature", 1.0))}
        return self._with(raw - logsumexp(raw, axis=2, keepdims=True), source=source)

    def sample(self, k: int, *, seed: int) -> Any:
        """K answers per problem and profile, shape (T, P, K): numbers, or words on a scale of words.

        A problem's draws depend on the seed, its id and the profile's id alone, not on what else is asked.

        Raises:
            ValueError: unless ``k`` is a whole number of at least 1 and ``seed`` one of at least 0.
        """
        draws = check_count("k", k)
        cumulative = np.cumsum(self.probabilities, axis=2)
        cumulative /= cumulative[:, :, -1:]
        index = np.empty((*self.log_probabilities.shape[:2], draws), dtype=np.int64)
        for row, problem in enumerate(self.problems):
            for column, profile in enumerate(self.profiles):
                rng = generator(seed, problem, profile)
                index[row, column] = np.searchsorted(cumulative[row, column], rng.random(draws), side="right")
        return np.asarray(self.answers)[index]

    def drawn(self, k: int, *, seed: int) -> Reference:
        """The shares of K answers drawn per problem and profile: the paper's reference, which has K = 8.

        Example:
            >>> exact = Reference.from_probabilities(["a"], [1, 2, 3], [[0.2, 0.3, 0.5]])
            >>> exact.drawn(8, seed=1).mean.tolist()
            [[2.5]]
            >>> exact.at_temperature(0.0).drawn(8, seed=1).mean.tolist()
            [[3.0]]

        Raises:
            ValueError: as :meth:`sample`.
        """
        answers = self.sample(k, seed=seed)
        shares = np.stack([(answers == answer).mean(axis=2) for answer in self.answers], axis=2)
        with np.errstate(divide="ignore"):
            logs = np.log(shares)
        return self._with(
            logs, n_samples=np.full(shares.shape[:2], float(k)), source={**self.source, "k": k, "seed": seed}
        )

    def decision(self, how: Aggregator = "expected", *, k: int = 8, seed: int = 0) -> FloatArray:
        """The reference answer ``y_ref = h_M(y'_1, ..., y'_K)`` of every problem and profile, shape (T, P).

        Args:
            how: "expected" (the mean over the distribution itself, K without end), "mean" or "majority" of K draws
                (a tied vote takes the lowest answer).
            k: draws, the paper's K.
            seed: of the draws.

        Raises:
            ValueError: on another ``how``; on answers that are words.
        """
        check_choice("how", how, AGGREGATORS)
        if how == "expected":
            return self.mean
        draws = np.asarray(self.sample(k, seed=seed), dtype=np.float64)
        if how == "mean":
            return np.asarray(draws.mean(axis=2))
        votes = (draws[..., None] == self.values).sum(axis=2)
        return np.asarray(self.values[np.argmax(votes, axis=2)])

    def select(self, problems: Iterable[Any]) -> Reference:
        """The reference of some problems, in the order asked.

        Raises:
            ValueError: on problems it does not hold.
        """
        place = {name: row for row, name in enumerate(self.problems)}
        names = tuple(str(one) for one in problems)
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(f"{len(unknown)} problem(s) have no reference, for instance {unknown[0]!r}")
        rows = np.array([place[name] for name in names], dtype=np.int64)
        return self._with(
            self.log_probabilities[rows],
            problems=names,
            admissible_mass=None if self.admissible_mass is None else self.admissible_mass[rows],
            n_samples=None if self.n_samples is None else self.n_samples[rows],
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per problem and profile: ``problem``, ``profile``, ``p_ANSWER`` of every answer, the mass."""
        people = len(self.profiles)
        data: dict[str, Any] = {
            "problem": np.repeat(self.problems, people),
            "profile": list(self.profiles) * len(self.problems),
        }
        flat = self.probabilities.reshape(-1, len(self.answers))
        for column, answer in enumerate(self.answers):
            data[f"p_{answer:g}" if isinstance(answer, float) else f"p_{answer}"] = flat[:, column]
        if self.admissible_mass is not None:
            data["admissible_mass"] = self.admissible_mass.reshape(-1)
        return pd.DataFrame(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as .npz without pickles, for :meth:`load`; in full or not at all."""
        arrays: dict[str, Any] = {
            "problems": np.asarray(self.problems),
            "answers": np.asarray(self.answers),
            "log_probabilities": self.log_probabilities,
            "profiles": np.asarray(self.profiles),
            "source": np.asarray(json.dumps(dict(self.source), sort_keys=True)),
        }
        for name in ("admissible_mass", "n_samples"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        place = Path(path)
        write_arrays(place if place.suffix == ".npz" else f"{place}.npz", arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: on a file that is cut off or not a reference.
            FileNotFoundError: if there is no such file.
        """
        given = read_arrays(Path(path), "reference file (.npz)")
        try:
            return cls(
                tuple(given["problems"].tolist()),
                tuple(given["answers"].tolist()),
                given["log_probabilities"],
                given.get("admissible_mass"),
                tuple(given["profiles"].tolist()),
                given.get("n_samples"),
                json.loads(str(given["source"])),
            )
        except Exception as error:  # a changed file fails in the JSON, a shape or a number: one message for all
            raise ValueError(
                f"{path} is not a whole reference file (.npz): {' '.join(str(error).split())}; write it again with "
                "save()"
            ) from None

    def _with(self, logs: FloatArray, **changes: Any) -> Reference:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Reference(**{**fields, "log_probabilities": logs, **changes})

    def __str__(self) -> str:
        people = "" if self.profiles == ("",) else f" x {len(self.profiles)} profiles"
        lines = [*self.notices]
        lines.append(f"Reference of {len(self.problems)} problems{people}, answers {', '.join(map(str, self.answers))}")
        if self.admissible_mass is not None:
            low, middle = np.min(self.admissible_mass), np.median(self.admissible_mass)
            lines.append(f"  admissible mass: median {middle:.3g}, least {low:.3g}")
        lines += [f"  {name}: {value}" for name, value in self.source.items()]
        return "\n".join(lines)


def _answers(answers: Iterable[Any]) -> tuple[float, ...] | tuple[str, ...]:
    given = list(answers)
    if all(isinstance(one, str) for one in given):
        return tuple(given)
    return tuple(float(one) for one in given)


def kinds_text(silent: Mapping[Any, int]) -> str:
    """How many replies gave no answer, by kind, the kinds that are there.

    Example:
        >>> kinds_text({"refusal": 2, "chatter": 0, "several answers": 1})
        'refusal 2, several answers 1'
    """
    return ", ".join(f"{kind} {count}" for kind, count in silent.items() if count)

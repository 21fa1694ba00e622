"""Digital voters whose ballots hold exactly k options: the paper's equations 1 and 2 where an answer is a set.

A single answer is what :class:`crowdllm_stats.generator.crowdllm.CrowdLLM` models. On a ballot the options play the
part of its problems, and the blender joins what a voter believes of all of them into one set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_choice, check_count
from crowdllm_stats._base.words import some
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.data.scale import Scale, approval
from crowdllm_stats.generator.ballot_training import Arrays, Blend, drawn, inclusion, means, trained
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.generator.random import id_keys, root_key
from crowdllm_stats.generator.simulation import check_people
from crowdllm_stats.generator.storage import read_model, scale_numbers, scale_of, write_model
from crowdllm_stats.generator.training_set import single

#: What does not vary between virtual voters, see :meth:`BallotCrowd.simulate`.
Fixed = Literal["nothing", "blender", "belief and blender"]

#: Share of a reference that is spread evenly over the options, so that none is impossible.
_EVEN = 0.05

FORMAT = "crowdllm-stats ballots 1"

#: Arrays of a fitted population, as a file holds them.
_ARRAYS = ("trust", "option", "weights", "kept_sd", "features", "pooled", "history")


@dataclass(frozen=True, eq=False)
class BallotCrowd:
    """A population of voters who choose k of M options.

    Voter i, with profile ``v_i``, believes of option a, described by ``x_a``,

        ``delta_ia = b_a + x_a' (W v_i + u_i)``,  ``u_i ~ N(0, diag(tau^2))``,

    and votes ``S_i ~ F(theta_i)`` with ``theta_ia = t_1 log p_ref(a) + t_2 [a in i's own reference] + delta_ia``. ``F``
    is :class:`ExactlyK`, the law of independent yes-or-no answers given that k are yes ("exactly k"), or without that
    condition ("independent"). ``W`` says what people of a profile want, ``u_i`` is what a voter keeps beyond that: a
    taste for attributes, so that who wants one bicycle lane wants the other. ``b``, ``W`` and ``u`` have normal priors
    whose standard deviations are learned. Without a reference ``theta = delta``: the purely generative model.

    Make one with :meth:`fit`.

    Attributes:
        scale: the options, and k.
        blend: law of the blender.
        level: added to all options; without effect under "exactly k".
        trust: ``t_1, t_2``; zeros without reference.
        option: ``b``, shape (M,).
        weights: ``W``, shape (Q, P).
        kept_sd: ``tau``, shape (Q,).
        features: ``x``, shape (M, Q).
        encoder: codes profiles; a constant stands before its coordinates.
        pooled: ``log p_ref`` about its mean, shape (M,).
        own: each named voter's own reference about the mean one, shape (M,) each.
        history: loss in each step, minus the evidence bound per ballot.
        n_voters: voters learned from.
        without_own: voters learned from who have no reference of their own where others have.

    Source: CrowdLLM, equations 1 and 2 and section 5.4; the likelihood is this library's.

    Example:
        >>> frame = pd.DataFrame({"problem": "ballot", "participant": ["a", "b", "c"],
        ...                       "response": [("x", "y"), ("x", "z"), ("x", "y")]})
        >>> votes = CrowdData.from_frame(frame, scale=approval(["w", "x", "y", "z"], k=2))
        >>> votes.scale.k
        2
        >>> crowd = BallotCrowd.fit(votes)  # doctest: +SKIP
        >>> people = pd.DataFrame({"participant": ["v1", "v2", "v3", "v4", "v5"]})
        >>> crowd.simulate(people).responses["response"].str.len().tolist()  # doctest: +SKIP
        [2, 2, 2, 2, 2]
    """

    scale: Scale
    blend: Blend
    level: float
    trust: FloatArray
    option: FloatArray
    weights: FloatArray
    kept_sd: FloatArray
    features: FloatArray
    encoder: ProfileEncoder
    pooled: FloatArray
    own: Mapping[str, FloatArray]
    history: FloatArray
    n_voters: int
    without_own: int

    @classmethod
    def fit(
        cls, data: CrowdData, reference: Reference | None = None, options: pd.DataFrame | None = None, *,
        blend: Blend = "exactly k", steps: int = 800, learning_rate: float = 0.03, seed: int = 0,
    ) -> BallotCrowd:  # fmt: skip
        """Learn from ballots by variational inference (NumPyro's ELBO, Adam, independent normals).

        Args:
            data: one ballot per voter, on an approval scale with k options, all of them full.
            reference: what a language model votes: one problem, an answer for every option. With profiles, whose ids
                are those of voters, each voter's own beside the mean over profiles; voters without one keep to that.
            options: attributes of the options (text, numbers), indexed by option; without it beliefs know no attribute.
            blend: "exactly k", or "independent" yes-or-no answers.
            steps: of Adam; the rate falls to 0 along a cosine.
            learning_rate: its first rate.
            seed: of starting values and draws.

        Raises:
            ValueError: on answers that are no ballots, ballots of another size than k, several problems, fewer than
                two voters, a reference or attributes of other options, training that fails.
        """
        check_choice("blend", blend, get_args(Blend))
        chosen = _chosen(data)
        names = data.scale.options
        features = _features(options, names)
        people = data.participants.set_index("participant").loc[list(data.responses["participant"])].reset_index()
        encoder = ProfileEncoder.fit(people)
        pooled, own = _references(reference, names)
        without = _without_own(own, people["participant"].tolist())
        start = cls(
            data.scale, blend, 0.0, np.zeros(2), np.zeros(len(names)), np.zeros((features.shape[1], encoder.width + 1)),
            np.zeros(features.shape[1]), features, encoder, pooled, own, np.zeros(0), len(people),
            without,
        )  # fmt: skip
        arrays = Arrays(
            single(chosen), single(start._voters(people)), single(features), single(start._reference(people)),
            single(np.array([pooled.any(), bool(own)])),
        )  # fmt: skip
        k = data.scale.k or 0
        size = check_count("steps", steps)
        params, history = trained(blend, k, size, arrays, jnp.float32(learning_rate), root_key(seed))
        found = {name: np.asarray(value, dtype=np.float64) for name, value in means(params).items()}
        if not all(np.isfinite(value).all() for value in found.values()):
            raise ValueError(f"training failed: parameters are not finite; lower learning_rate, now {learning_rate:g}")
        return replace(
            start, level=float(found["level"]), trust=found["trust"] * np.asarray(arrays.trusted),
            option=found["option"], weights=found["weights"], kept_sd=found["kept_sd"],
            history=np.asarray(history, dtype=np.float64),
        )  # fmt: skip

    @property
    def k(self) -> int:
        """Options on a ballot."""
        return int(self.scale.k or 0)

    def inclusion(self, people: pd.DataFrame, *, draws: int = 128, seed: int = 0) -> pd.DataFrame:
        """How probably each person's ballot holds each option, over kept tastes; their sum is expected counts.

        Args:
            people: one row per person, column ``participant`` and the profile columns of the fit. Their ids say whose
                own reference they are given.
            draws: kept tastes per person.
            seed: of these.

        Returns:
            One row per person, one column per option.

        Raises:
            ValueError: on people without a row, profiles that the coding does not know.
        """
        centre = self._centre(people)
        taste = jax.random.normal(root_key(seed), (check_count("draws", draws), len(people), len(self.kept_sd)))
        theta = jnp.asarray(centre) + (taste * self.kept_sd) @ self.features.T
        shares = np.asarray(inclusion(self.blend, self.k, theta))
        return pd.DataFrame(shares, index=people["participant"].to_numpy(), columns=list(self.scale.options))

    def simulate(self, people: pd.DataFrame, *, fixed: Fixed = "nothing", seed: int = 0) -> CrowdData:
        """One ballot of each person; it depends on the seed, the person's id and their profile alone.

        Args:
            people: see :meth:`inclusion`.
            fixed: "nothing": belief and blender vary. "blender": beliefs vary, and everybody takes the k options they
                believe best. "belief and blender": everybody holds the population's mean belief and takes the k best:
                one ballot for all.
            seed: of tastes and ballots.

        Returns:
            CrowdData on the approval scale of the fit. Empty ballots, possible where answers are independent, are left
            out and counted.

        Raises:
            ValueError: as :meth:`inclusion`; on another ``fixed``, and where no ballot is left.
        """
        check_choice("fixed", fixed, get_args(Fixed))
        theta = self._centre(people)
        ids = people["participant"].astype(str).tolist()
        keys = jax.vmap(lambda one: jax.random.split(one))(id_keys(seed, ids))
        if fixed == "belief and blender":
            theta = np.broadcast_to(theta.mean(axis=0), theta.shape)
        else:
            taste = jax.vmap(lambda key: jax.random.normal(key, (len(self.kept_sd),)))(keys[:, 0])
            theta = theta + np.asarray(taste) * self.kept_sd @ self.features.T
        if fixed == "nothing":
            chosen = np.asarray(drawn(self.blend, self.k, keys[:, 1], single(theta))) > 0
        else:
            chosen = np.argsort(np.argsort(-theta, axis=1, kind="stable"), axis=1) < self.k
        return self._data(people.assign(participant=ids), chosen)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as .npz without pickles: numbers, options, and ids of voters who have a reference of their own.

        Raises:
            ValueError: on a name that does not end in .npz.
            FileNotFoundError: if the folder does not exist.
            OSError: if it could not be written; a former file stays.
        """
        described = {
            "scale": scale_numbers(self.scale), "encoder": self.encoder.to_dict(),
            **{name: getattr(self, name) for name in ("blend", "level", "n_voters", "without_own")},
        }  # fmt: skip
        own = np.array(list(self.own.values())).reshape(len(self.own), len(self.option))
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_model(path, FORMAT, described, {**arrays, "voters": np.array(list(self.own), dtype=str), "own": own})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BallotCrowd:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: on a file that is cut off, changed or does not hold voters.
            FileNotFoundError: if there is no such file.
        """
        return read_model(path, FORMAT, cls._built)

    @classmethod
    def _built(cls, described: dict[str, Any], given: dict[str, Any]) -> BallotCrowd:
        scale, encoder = scale_of(described["scale"]), ProfileEncoder.from_dict(described["encoder"])
        check_choice("blend", described["blend"], get_args(Blend))
        options, q = len(scale.options), given["features"].shape[1]
        wanted = {
            "trust": (2,), "option": (options,), "weights": (q, encoder.width + 1), "kept_sd": (q,),
            "features": (options, q), "pooled": (options,), "own": (len(given["voters"]), options),
        }  # fmt: skip
        for name, shape in wanted.items():
            if given[name].shape != shape:
                raise ValueError(f"{name} has shape {given[name].shape}, not {shape}")
        return cls(
            scale=scale, encoder=encoder, own=dict(zip(given["voters"].tolist(), given["own"], strict=True)),
            blend=described["blend"], level=float(described["level"]), n_voters=int(described["n_voters"]),
            without_own=int(described["without_own"]), **{name: given[name] for name in _ARRAYS},
        )  # fmt: skip

    def _data(self, people: pd.DataFrame, chosen: Any) -> CrowdData:
        options = np.asarray(self.scale.options, dtype=object)
        frame = pd.DataFrame(
            {"problem": "ballot", "participant": people["participant"], "response": [tuple(options[r]) for r in chosen]}
        )
        full = chosen.any(axis=1)
        if not full.any():
            raise ValueError("no person has an option on their ballot; ask more people, or fit with blend='exactly k'")
        scale = self.scale if self.blend == "exactly k" else approval(self.scale.options)
        data = CrowdData.from_frame(frame[full], participants=people, scale=scale)
        empty = int((~full).sum())
        return replace(data, exclusions={"empty ballots": empty} if empty else {})

    def _centre(self, people: pd.DataFrame) -> FloatArray:
        """``theta`` of people without kept tastes, shape (N, M)."""
        check_people(people)
        if "participant" not in people.columns:
            raise ValueError("people needs a column 'participant' with one id per row, beside the profile columns")
        wanted = self._voters(people) @ self.weights.T @ self.features.T
        return np.asarray(self.level + self._reference(people) @ self.trust + self.option + wanted)

    def _voters(self, people: pd.DataFrame) -> FloatArray:
        return np.concatenate([np.ones((len(people), 1)), self.encoder.transform(people)], axis=1)

    def _reference(self, people: pd.DataFrame) -> FloatArray:
        """Pooled and own reference of people, shape (N, M, 2)."""
        nothing = np.zeros(len(self.scale.options))
        own = np.array([self.own.get(str(name), nothing) for name in people["participant"]])
        return np.stack([np.broadcast_to(self.pooled, own.shape), own], axis=2)

    def __str__(self) -> str:
        lines = [
            f"BallotCrowd: {self.k} of {len(self.scale.options)} options, {self.blend}, "
            f"fitted to {self.n_voters} ballots",
            f"  trust in the pooled reference {self.trust[0]:.2f}, in a voter's own {self.trust[1]:.2f}",
            f"  standard deviation of options beyond it {self.option.std():.2f}, of kept tastes "
            + ", ".join(f"{sd:.2f}" for sd in self.kept_sd),
        ]
        if self.without_own:
            lines.append(f"  {self.without_own} voter(s) have no reference of their own: the pooled one stands alone")
        return "\n".join(lines)


def _chosen(data: CrowdData) -> FloatArray:
    """Ballots as 0 and 1, shape (N, M)."""
    if not isinstance(data, CrowdData) or data.scale.kind != "approval":
        raise ValueError("data must hold ballots: a CrowdData on a scale approval(options, k)")
    k, table = int(data.scale.k or 0), data.responses
    if data.problems.shape[0] != 1 or len(table) < 2 or table["participant"].duplicated().any():
        raise ValueError(
            f"data must hold one ballot each of at least two voters; it holds {len(table)} of "
            f"{table['participant'].nunique()} voter(s) on {data.problems.shape[0]} problem(s)"
        )
    short = table[table["response"].map(len) != k]
    if len(short):
        raise ValueError(
            f"{len(short)} of {len(table)} ballots do not hold exactly {k} options: "
            f"{some(short['participant'].tolist())} chose {some(short['response'].map(len).tolist())}; correct them, "
            "leave them out, or give the scale another k"
        )
    place = {option: column for column, option in enumerate(data.scale.options)}
    chosen = np.zeros((len(table), len(place)))
    for row, ballot in enumerate(table["response"]):
        chosen[row, [place[option] for option in ballot]] = 1.0
    return chosen


def _features(options: pd.DataFrame | None, names: tuple[str, ...]) -> FloatArray:
    """Attributes of options as numbers about their mean, shape (M, Q)."""
    if options is None:
        return np.zeros((len(names), 0))
    table = options.set_axis(options.index.astype(str))
    if sorted(table.index) != sorted(names):
        raise ValueError(
            f"options must have one row for each of the {len(names)} options, indexed by its name; it has "
            f"{len(table)}: {some(list(table.index))}"
        )
    table = table.loc[list(names)]
    coded = ProfileEncoder.fit(table).transform(table)
    return coded - coded.mean(axis=0)


def _references(reference: Reference | None, names: tuple[str, ...]) -> tuple[FloatArray, dict[str, FloatArray]]:
    """``log p_ref`` about its mean, and what each profile's own reference has beyond the mean one, of sum 1."""
    if reference is None:
        return np.zeros(len(names)), {}
    said = tuple(f"{one:g}" if isinstance(one, float) else one for one in reference.answers)
    if len(reference.problems) != 1 or said != names:
        raise ValueError(
            f"reference must speak of one problem and the ballot's {len(names)} options; it has "
            f"{len(reference.problems)} problem(s) and answers {some(list(said))}"
        )
    shares = reference.probabilities[0]
    mean = shares.mean(axis=0)
    logs = np.log((1.0 - _EVEN) * mean + _EVEN / len(names))
    own = (
        {}
        if reference.profiles == ("",)
        else dict(zip(reference.profiles, (shares - mean) / shares.max(), strict=True))
    )
    return logs - logs.mean(), own


def _without_own(own: Mapping[str, FloatArray], voters: list[str]) -> int:
    """How many voters have no reference of their own; 0 where nobody has."""
    without = sum(name not in own for name in voters) if own else 0
    if without == len(voters):
        raise ValueError(
            f"reference has profiles, for instance {next(iter(own))!r}, and none is a voter of data, for instance "
            f"{voters[0]!r}; name them alike, or give a reference without profiles"
        )
    return without


__all__ = ["Blend", "BallotCrowd", "Fixed"]

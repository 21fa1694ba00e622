"""Virtual participant recruitment: the profile generator of Eq. 3, from a pool, from margins or from a designed law."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import check_count
from crowdllm_stats.generator.profiles.columns import ID, Kinds, Qualified, check_rule, qualifies
from crowdllm_stats.generator.profiles.design_law import (
    CallableLaw,
    Discrete,
    MarginLaw,
    TableLaw,
    law_of_margins,
    law_of_table,
)
from crowdllm_stats.generator.profiles.pool_law import PoolLaw, as_emitted, rare_combinations
from crowdllm_stats.generator.profiles.recruits import ProfileFit, Profiles, profile_fit
from crowdllm_stats.generator.random import uniforms

#: People drawn at a time.
CHUNK = 1 << 16
#: Draws by which it is decided beforehand whether enough of them are accepted, and the least share that is enough.
PILOT, LEAST_ACCEPTED = 4000, 0.0025
#: Draws a person has; at the least share a person runs out of them with probability 1e-11.
MOST_DRAWS = 10_000
#: Draws looked at together at least, unless a function makes them.
TOGETHER = 4096

_LAWS: dict[str, Any] = {"pool": PoolLaw, "table": TableLaw, "margins": MarginLaw}

NOT_QUALIFIED, TOO_RARE = "not qualified", "held by too few people of the pool"


@dataclass(frozen=True, eq=False)
class ProfileGenerator:
    """Profiles ``v_i = G_u(S, eps_i; theta)`` of as many people as wanted.

    From a pool it is a chain of regressions (``PoolLaw``). Why not thresholds of
    a Gaussian copula: a copula has one number for the association of two columns and needs an order of their levels,
    which gender or occupation do not have. Why not a kernel about the pool's people: to smooth five columns enough it
    must wash out the strong pairs with the weak. Main effects have a number for each pair of levels, so that

    - margins are kept: intercepts are not penalised, so that each column's shares, averaged over the pool, are the
      pool's; continuous columns go back through the pool's quantiles;
    - pairwise associations are kept as far as they help to predict people left out: without ridge the predicted table
      of a column with each one before it is the pool's; the ridge, chosen pair by pair by cross-validation, draws it
      towards independence, the more the less the pool shows. Higher interactions are left to what pairs imply, which
      is what makes new combinations; where three columns interact, the law depends on their order in the table.

    The noise ``eps_i`` is scaled by ``noise``. Discrete columns are drawn in turn, each given those before it:

    - categorical: the level of largest ``log p + noise * g``, g standard Gumbel, which is level x with probability
      proportional to ``p(x)^(1 / noise)``: the most frequent level at 0, the law at 1, flatter above;
    - ordered: the level at share ``Phi(noise * e)``, e standard normal: the median level at 0, the law at 1, more at
      both ends above;
    - continuous: normal scores ``c + noise * (z - c)``, c their mean given the discrete columns: that mean at 0, the
      law at 1, spread twice as wide about it at 2; values never leave the pool's range.

    So noise 0 makes everybody one and the same person. (After ``qualified`` has refused that person, nobody is left.)

    Attributes:
        law: the law of profiles.
        noise: scale of the noise.
        qualified: rule, or None.
        rare: combinations that are not emitted, a row each; None without ``k_anonymity``.
        why: what the law rests on.

    Raises:
        ValueError: on a negative or infinite noise; on another noise than 1 with a function as law.

    Source: CrowdLLM, section 3.1, Eq. 3; Theorem 1.

    Example:
        >>> pool = pd.DataFrame({"gender": ["Woman", "Man"] * 20, "age": [31, 45, 28, 52] * 10})
        >>> made = ProfileGenerator.from_pool(pool).sample(5, seed=1)
        >>> made.table["participant"].tolist()
        ['v000001', 'v000002', 'v000003', 'v000004', 'v000005']
        >>> more = ProfileGenerator.from_pool(pool).sample(500, seed=1)
        >>> bool((more.table.head(5) == made.table).all(axis=None))
        True
    """

    law: PoolLaw | TableLaw | MarginLaw | CallableLaw
    noise: float = 1.0
    qualified: Qualified | None = None
    rare: pd.DataFrame | None = None
    why: str = ""
    _kinds: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= float(self.noise) < np.inf:
            raise ValueError(f"noise must be a number of at least 0, 1 for the law itself; got {self.noise!r}")
        if isinstance(self.law, CallableLaw) and self.noise != 1:
            raise ValueError(f"noise must be 1 with a function as law, got {self.noise!r}; scale it in the function")

    @classmethod
    def from_pool(
        cls,
        profiles: pd.DataFrame,
        *,
        noise: float = 1.0,
        kinds: Kinds | None = None,
        qualified: Qualified | None = None,
        k_anonymity: int | None = None,
        ridge: float | None = None,
    ) -> ProfileGenerator:
        """Learn from a pool of candidates.

        Args:
            profiles: one row per person; ``participant`` is left aside. A column of whole numbers gives whole numbers.
            noise: scale of the noise.
            kinds: "categorical", "ordered", "continuous" or an ordered column's levels lowest first, by column; see
                :func:`crowdllm_stats.generator.profiles.columns.read_columns` for the others.
            qualified: whom to keep, by redrawing the others: allowed values by column (a pair lowest, highest for a
                continuous one), or a function of the table giving one boolean per row.
            k_anonymity: combinations of all discrete and whole-number columns that 1 to k - 1 people of the pool hold
                are redrawn; combinations that nobody holds are kept. Columns of real numbers are left out of the
                comparison: being smoothed they repeat nobody's value, but with probability 0.
            ridge: strength of shrinking towards independence, positive; None for cross-validation, pair by pair.

        Returns:
            ProfileGenerator.

        Raises:
            ValueError: on missing values, an empty pool, and arguments that do not fit the table.
        """
        law = PoolLaw.fit(profiles, kinds, ridge)
        rare = (
            None
            if k_anonymity is None
            else rare_combinations(profiles, law, check_count("k_anonymity", k_anonymity, least=2))
        )
        why = f"A chain of regressions learned from {len(profiles)} people of a pool"
        strengths = [strength for step in law.steps for strength in step.ridges]
        if strengths:
            how = "by cross-validation, pair by pair" if ridge is None else "as asked"
            why += f" (ridge from {min(strengths):g} to {max(strengths):g}, {how})"
        return cls(law, noise, check_rule(qualified, law.columns), rare, why + ".")

    @classmethod
    def from_margins(
        cls,
        margins: Mapping[str, Mapping[Any, float]],
        *,
        correlation: Mapping[tuple[str, str], float] | None = None,
        noise: float = 1.0,
        kinds: Mapping[str, Discrete] | None = None,
        qualified: Qualified | None = None,
    ) -> ProfileGenerator:
        """From published margins alone; columns are independent unless correlations are given.

        Args:
            margins: share of every level by column, for instance ``{"gender": {"Woman": 0.5, "Man": 0.5}}``.
            correlation: polychoric correlations by pair of columns, levels in the order given; others are 0.
            noise: scale of the noise.
            kinds: "ordered" for columns whose levels are given lowest first; "categorical" otherwise.
            qualified: as :meth:`from_pool`; note that margins are those before anybody is refused.

        Raises:
            ValueError: on shares that do not sum to 1, correlations that cannot hold together, unknown columns.

        Example:
            >>> margins = {"gender": {"Woman": 0.5, "Man": 0.5}, "age": {"18-44": 0.4, "45+": 0.6}}
            >>> print(ProfileGenerator.from_margins(margins).why)
            Published margins alone: the columns are taken as independent, which real profiles are not.
        """
        law = law_of_margins(margins, correlation, kinds)
        why = "Published margins alone: the columns are taken as independent, which real profiles are not."
        if correlation:
            pairs = ", ".join(f"{one}-{two} {value:g}" for (one, two), value in correlation.items())
            why = f"Published margins joined by a Gaussian copula with correlations {pairs}, others 0."
        return cls(law, noise, check_rule(qualified, law.columns), None, why)

    @classmethod
    def from_law(
        cls,
        law: pd.DataFrame | Callable[[np.random.Generator, int], pd.DataFrame],
        *,
        weight: str = "weight",
        noise: float = 1.0,
        kinds: Kinds | None = None,
        qualified: Qualified | None = None,
    ) -> ProfileGenerator:
        """From a designed law of profiles, as the paper's Figure 3 shows one.

        Args:
            law: a table of combinations with weights, emitted as they are; or a function ``(rng, n)`` that returns a
                table of n profiles drawn from ``rng`` alone.
            weight: the table's column of weights.
            noise: scale of the noise; must be 1 with a function.
            kinds: as :meth:`from_pool`; in a table no column can be continuous. In ``qualified``, a column that a
                function gives is continuous only if it is named so here.
            qualified: as :meth:`from_pool`.

        Raises:
            ValueError: on impossible weights, and a ``law`` that is neither.

        Example:
            >>> design = pd.DataFrame({"gender": ["Woman", "Man"], "age": ["45+", "18-44"], "weight": [3, 1]})
            >>> ProfileGenerator.from_law(design, noise=0.0).sample(3, seed=1).table["gender"].tolist()
            ['Woman', 'Woman', 'Woman']
        """
        if isinstance(law, pd.DataFrame):
            table = law_of_table(law, weight, kinds)
            why = f"A designed law of {len(table.rows)} combinations, emitted with the weights given."
            return cls(table, noise, check_rule(qualified, table.columns), None, why)
        if not callable(law):
            raise ValueError(f"law must be a DataFrame with weights or a function (rng, n); got {type(law).__name__}")
        why = "A law given as a function."
        return cls(CallableLaw(law), noise, check_rule(qualified, None), None, why, dict(kinds or {}))

    @property
    def kinds(self) -> dict[str, Any]:
        """What each column is, in the form that ``ProfileEncoder.fit(table, kinds)`` takes; ordered ones as levels."""
        if isinstance(self.law, CallableLaw):
            return dict(self._kinds)
        return {
            column.name: list(column.levels) if column.kind == "ordered" else column.kind for column in self.law.columns
        }

    def sample(self, n: int, *, seed: int, start: int = 0) -> Profiles:
        """The first n people, or n from another place on; person i's profile depends on ``seed`` and i alone.

        Whoever does not qualify, or is too rare, is drawn again, up to 10,000 times. Before that 4,000 trial draws
        must show that at least 0.25% are accepted.

        Args:
            n: people.
            seed: a whole number of at least 0.
            start: people who are passed over.

        Returns:
            Profiles, with the count of draws that were redrawn.

        Raises:
            ValueError: if (almost) nobody qualifies, saying how many of the trial draws did, and why not.
        """
        check_count("n", n)
        check_count("seed", seed, least=0)
        if self.qualified is not None or self.rare is not None:
            self._pilot(seed)
        counts = {NOT_QUALIFIED: 0, TOO_RARE: 0}
        stop = check_count("start", start, least=0) + n
        firsts = range(start, stop, CHUNK)
        parts = [self._accepted(np.arange(first, min(first + CHUNK, stop)), seed, counts) for first in firsts]
        table = pd.concat(parts, ignore_index=True)
        table.insert(0, ID, [f"v{number:06d}" for number in range(start + 1, stop + 1)])
        exclusions = {}
        if self.qualified is not None:
            exclusions[NOT_QUALIFIED] = counts[NOT_QUALIFIED]
        if self.rare is not None:
            exclusions[TOO_RARE] = counts[TOO_RARE]
        scaled = "" if self.noise == 1 else f" Noise scaled by {self.noise:g}."
        return Profiles(table, exclusions, self.why + scaled)

    def distance(
        self,
        target: pd.DataFrame,
        *,
        seed: int,
        n: int = 1000,
        smoothing: float = 1.0,
        epsilon: float = 0.05,
        n_boot: int = 0,
    ) -> ProfileFit:
        """Theorem 1's distance between n generated people and a target population, and its bound.

        Args:
            target: profiles of the target, one row per person, with the generator's columns.
            seed: of the people, splits, directions and bootstrap.
            n: people to generate.
            smoothing: eta of the bound.
            epsilon: accuracy of the bound.
            n_boot: bootstrap samples for an interval, 0 for none.

        Returns:
            ProfileFit; its docstring and ``why`` state the coding.

        Raises:
            ValueError: as :func:`crowdllm_stats.generator.profiles.recruits.profile_fit`.
        """
        made = self.sample(n, seed=seed).table
        return profile_fit(made, target, self._kinds_with(target), smoothing=smoothing, epsilon=epsilon,
                           n_boot=n_boot, seed=seed)  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON. From a pool it holds the pool's combinations and values.

        Raises:
            ValueError: if the law or ``qualified`` is a function.
        """
        for name, value in (("law", getattr(self.law, "function", None)), ("qualified", self.qualified)):
            if callable(value):
                raise ValueError(f"{name} is a function, which cannot be written down; give a table or allowed values")
        assert not isinstance(self.law, CallableLaw)  # refused above
        rare = None
        if self.rare is not None:
            rare = {"columns": list(self.rare.columns), "rows": self.rare.to_numpy(dtype=object).tolist()}
        return {
            "law": self.law.to_dict(),
            "noise": self.noise,
            "qualified": None if self.qualified is None else dict(self.qualified),  # type: ignore[arg-type]  # no function: refused above
            "rare": rare,
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ProfileGenerator:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on a dictionary that is not a whole generator.
        """
        try:
            law, rare, table = _LAWS[given["law"]["kind"]].from_dict(given["law"]), given["rare"], None
            if rare is not None:
                table = as_emitted(law.columns, pd.DataFrame(rare["rows"], columns=rare["columns"]))
            rule = check_rule(given["qualified"], law.columns)
            return cls(law, float(given["noise"]), rule, table, str(given["why"]))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"this is not a whole profile generator: {error!r}; write it with to_dict()") from None

    def _kinds_with(self, target: pd.DataFrame) -> dict[str, Any]:
        """The kinds of those columns that the target has."""
        return {name: kind for name, kind in self.kinds.items() if name in target.columns}

    def _draw(self, rows: NDArray[np.int64], attempts: NDArray[np.int64], seed: int) -> pd.DataFrame:
        """The draw of each row's number and attempt."""
        if isinstance(self.law, CallableLaw):
            return self.law.draw(seed, rows, attempts)
        return self.law.draw(uniforms(seed, "profiles", rows, attempts, width=self.law.n_uniforms), float(self.noise))

    def _judge(self, drawn: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
        """Masks of those who are refused, by reason; nobody is refused for two."""
        continuous = [name for name, kind in self.kinds.items() if isinstance(kind, str) and kind == "continuous"]
        refused = ~qualifies(self.qualified, drawn, continuous)
        rare = np.zeros(len(drawn), dtype=np.bool_)
        if self.rare is not None and len(self.rare):
            found = drawn.merge(self.rare, how="left", on=list(self.rare.columns), indicator=True)
            rare = (found["_merge"] == "both").to_numpy() & ~refused
        return {NOT_QUALIFIED: refused, TOO_RARE: rare}

    def _pilot(self, seed: int) -> None:
        drawn = self._draw(np.arange(PILOT), np.full(PILOT, MOST_DRAWS), seed)
        refused = {reason: int(mask.sum()) for reason, mask in self._judge(drawn).items()}
        kept = PILOT - sum(refused.values())
        if kept < LEAST_ACCEPTED * PILOT:
            reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items() if count)
            raise ValueError(
                f"of {PILOT} trial profiles only {kept} are accepted ({reasons}), fewer than {LEAST_ACCEPTED:.2%}; "
                "loosen qualified or k_anonymity, or use a law under which such people are less rare"
            )

    def _accepted(self, rows: NDArray[np.int64], seed: int, counts: dict[str, int]) -> pd.DataFrame:
        """Accepted profiles of people ``rows``; adds their refused draws to ``counts``.

        Where few are left, several draws of each are looked at together; the first accepted one counts.
        """
        if self.qualified is None and self.rare is None:
            return self._draw(rows, np.zeros(len(rows), dtype=np.int64), seed)
        parts: list[pd.DataFrame] = []
        places: list[NDArray[np.int64]] = []
        pending, attempt = rows, 0
        least = 1 if isinstance(self.law, CallableLaw) else TOGETHER  # a function draws whole blocks anyway
        while len(pending) and attempt < MOST_DRAWS:
            together = min(max(1, least // len(pending)), MOST_DRAWS - attempt)
            attempts = np.tile(np.arange(attempt, attempt + together), len(pending))
            drawn = self._draw(np.repeat(pending, together), attempts, seed)
            masks = {reason: mask.reshape(-1, together) for reason, mask in self._judge(drawn).items()}
            accepted = ~(masks[NOT_QUALIFIED] | masks[TOO_RARE])
            found = accepted.any(axis=1)
            first = np.where(found, accepted.argmax(axis=1), together)
            for reason, mask in masks.items():
                counts[reason] += int((mask & (np.arange(together) < first[:, None])).sum())
            parts.append(drawn.iloc[np.flatnonzero(found) * together + first[found]])
            places.append(pending[found])
            pending, attempt = pending[~found], attempt + together
        if len(pending):
            raise ValueError(f"{len(pending)} person(s) found no accepted profile in {MOST_DRAWS} draws; loosen "
                             "qualified or k_anonymity")  # fmt: skip
        joined = pd.concat(parts, ignore_index=True)
        return joined.iloc[np.argsort(np.concatenate(places))].reset_index(drop=True)

"""A vote on projects with costs: who voted, what they chose, and what may be spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_count
from crowdllm_stats._base.words import some
from crowdllm_stats.data.crowd import CrowdData, approval
from crowdllm_stats.data.reference import Reference

#: The one question of a ballot, as a problem of :class:`CrowdData`.
BALLOT = "ballot"


@dataclass(frozen=True, eq=False)
class Election:
    """Votes of N people, or agents, on M projects.

    Attributes:
        points: points that voters gave, 0 where they gave none, shape (N, M); rows are voters, columns projects.
        projects: one row per project, indexed by its id, with column ``cost`` and whatever else is known.
        voters: one row per voter, indexed as ``points``, with what is known of them.
        budget: what the projects that win may cost together, in the unit of ``cost``.
        exclusions: how many voters were left out, by reason.

    Raises:
        ValueError: if rows or columns do not belong together, on negative points, costs that are not positive.

    Example:
        >>> projects = pd.DataFrame({"cost": [5.0, 10.0]}, index=["park", "bridge"])
        >>> points = pd.DataFrame([[1.0, 0.0], [1.0, 1.0]], index=["ann", "bob"], columns=["park", "bridge"])
        >>> vote = Election(points, projects, pd.DataFrame(index=["ann", "bob"]), budget=12.0)
        >>> vote.counts.to_dict()
        {'park': 2, 'bridge': 1}
    """

    points: pd.DataFrame
    projects: pd.DataFrame
    voters: pd.DataFrame
    budget: float
    exclusions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.points) or len(self.projects) < 2:
            raise ValueError(
                f"an election needs a voter and two projects; this group has {len(self.points)} voter(s) and "
                f"{len(self.projects)} project(s)"
            )
        if not self.points.index.equals(self.voters.index) or not self.points.columns.equals(self.projects.index):
            raise ValueError("points must have a row for every row of voters, and a column for every row of projects")
        values = self.points.to_numpy(dtype=float)
        if not (np.isfinite(values) & (values >= 0.0)).all():
            raise ValueError("points must be numbers of at least 0")
        cost = self.projects["cost"].to_numpy(dtype=float)
        wrong = ~(np.isfinite(cost) & (cost > 0.0))
        if wrong.any() or not 0.0 < self.budget < np.inf:
            costs = f"; project {self.projects.index[wrong][0]} costs {cost[wrong][0]:g}" if wrong.any() else ""
            raise ValueError(f"costs and budget must be positive numbers; the budget is {self.budget:g}{costs}")

    @property
    def counts(self) -> pd.Series:
        """Voters who chose each project, shape (M,)."""
        return (self.points > 0).sum().rename("votes")

    @property
    def sizes(self) -> pd.Series:
        """Projects that each voter chose, shape (N,)."""
        return (self.points > 0).sum(axis=1).rename("projects")

    def of(self, voters: Iterable[Any]) -> Election:
        """The same election among some voters.

        Raises:
            ValueError: if there are none, or one who did not vote.
        """
        names = list(voters)
        unknown = [name for name in names if name not in self.points.index]
        if unknown:
            raise ValueError(f"{len(unknown)} voter(s) are not among those who voted: {some(unknown)}")
        return replace(self, points=self.points.loc[names], voters=self.voters.loc[names])

    def with_size(self, k: int) -> Election:
        """Only voters who chose exactly k projects; the others are left out and counted.

        Raises:
            ValueError: if nobody did.
        """
        kept = self.sizes == check_count("k", k)
        left_out = int((~kept).sum())
        if left_out == len(kept):
            raise ValueError(
                f"no voter chose exactly {k} projects; they chose {self.sizes.min()} to {self.sizes.max()}"
            )
        reason = {f"not exactly {k} projects": left_out} if left_out else {}
        return replace(
            self, points=self.points[kept], voters=self.voters[kept], exclusions={**self.exclusions, **reason}
        )

    def voted(self, data: CrowdData) -> Election:
        """The same projects and budget with the votes of other people, digital ones for instance, one point a project.

        Args:
            data: one ballot of each person, on a scale of these projects.

        Raises:
            ValueError: on another scale, and on several ballots of one person.
        """
        options = [str(one) for one in self.projects.index]
        who = data.responses["participant"]
        if data.scale.kind != "approval" or list(data.scale.options) != options or who.duplicated().any():
            raise ValueError(
                f"data must hold one ballot per person on an approval scale of the election's {len(options)} projects; "
                f"its scale is {data.scale}, with {len(who)} ballots of {who.nunique()} people"
            )
        rows = [[float(option in ballot) for option in options] for ballot in data.responses["response"]]
        names = pd.Index(who, name=self.voters.index.name)
        points = pd.DataFrame(rows, index=names, columns=self.projects.index)
        voters = data.participants.set_index("participant").loc[list(who)].set_axis(names)
        return replace(self, points=points, voters=voters, exclusions=dict(data.exclusions))

    def ballots(self, k: int | None = None) -> CrowdData:
        """The chosen sets as answers to one problem, on an approval scale of all projects; points are left aside.

        Args:
            k: size that every ballot must have; without it, any.

        Returns:
            CrowdData with the voters' columns as profile.

        Raises:
            ValueError: on ballots of another size than ``k``, naming voters; on empty ballots.
        """
        sizes = self.sizes
        wrong = sizes == 0 if k is None else sizes != check_count("k", k)
        if wrong.any():
            due = "at least one is" if k is None else f"{k} are"
            raise ValueError(
                f"{int(wrong.sum())} of {len(sizes)} voters chose another number of projects than due: "
                f"{some(list(sizes.index[wrong]))} chose {some(list(sizes[wrong]))} where {due} due; correct the "
                "ballots, or leave these voters out with with_size(k)"
            )
        options = [str(one) for one in self.projects.index]
        chosen = self.points.to_numpy() > 0
        named = [tuple(option for option, yes in zip(options, row, strict=True) if yes) for row in chosen]
        who = self.points.index.astype(str)
        frame = pd.DataFrame({"problem": BALLOT, "participant": who, "response": named})
        people = self.voters.assign(participant=who).reset_index(drop=True)
        data = CrowdData.from_frame(frame, participants=people, scale=approval(options, k))
        return replace(data, exclusions={**data.exclusions, **self.exclusions})

    def reference(self, *, own: bool = False) -> Reference:
        """What voters, a language model's agents for instance, say as reference answers to the ballot.

        Args:
            own: whether voters are profiles of their own (agents that were told who they are); else the shares of all.

        Raises:
            ValueError: on a voter without a choice.
        """
        chosen = (self.points > 0).to_numpy(dtype=float)
        if not chosen.any(axis=1).all():
            raise ValueError(f"{int((~chosen.any(axis=1)).sum())} voter(s) chose nothing; leave them out")
        options = [str(one) for one in self.projects.index]
        if not own:
            return Reference.from_probabilities([BALLOT], options, [chosen.sum(axis=0) / chosen.sum()])
        shares = chosen / chosen.sum(axis=1, keepdims=True)
        who = tuple(self.points.index.astype(str))
        return Reference.from_probabilities([BALLOT], options, shares[None], profiles=who)

    def __str__(self) -> str:
        sizes = self.sizes
        lines = [
            f"Election: {len(self.points)} voters, {len(self.projects)} projects, budget {self.budget:g}",
            f"  {sizes.min()} to {sizes.max()} projects per voter (mean {sizes.mean():.3g})",
            *(f"  left out: {count} ({reason})" for reason, count in self.exclusions.items()),
        ]
        return "\n".join(lines)


__all__ = ["BALLOT", "Election"]

"""Which projects win under the budget: greedy and the method of equal shares, by pabutools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats.data.election import Election

Rule = Literal["greedy", "equal shares"]


@dataclass(frozen=True)
class Bundle:
    """Projects that win together.

    Attributes:
        projects: their ids, in the order of the ballot.
        cost: of all of them.
        budget: what they may cost.
        rule: by which they won.
    """

    projects: tuple[str, ...]
    cost: float
    budget: float
    rule: Rule

    def __str__(self) -> str:
        return f"{self.rule}: {', '.join(self.projects)} (cost {self.cost:g} of {self.budget:g})"


def elected(election: Election, rule: Rule = "greedy") -> Bundle:
    """The projects that win; a project counts as approved by whoever gave it a point.

    "greedy" goes through the projects by votes and takes each that the rest of the budget still pays. "equal shares"
    gives every voter the same share of the budget, takes projects that their supporters can pay together, the one next
    that asks least of each for what it costs, and spends what remains greedily. Ties go to the smaller project id.

    Args:
        election: votes, costs and budget.
        rule: "greedy" or "equal shares".

    Raises:
        ValueError: on another rule.
        ModuleNotFoundError: without pabutools, which the extra "voting" brings.

    Source: Peters, Pierczynski and Skowron 2021, Proportional participatory budgeting with additive utilities, NeurIPS;
    the functions of pabutools.

    Example:
        >>> import pandas as pd
        >>> projects = pd.DataFrame({"cost": [4.0, 4.0, 9.0]}, index=["park", "lamp", "bridge"])
        >>> votes = pd.DataFrame([[1, 0, 1], [1, 0, 1], [0, 1, 0]], columns=projects.index)
        >>> elected(Election(votes, projects, pd.DataFrame(index=votes.index), 12.0)).projects  # doctest: +SKIP
        ('park', 'lamp')
    """
    check_choice("rule", rule, get_args(Rule))
    with naming_extras():
        from pabutools import election as pb
        from pabutools.fractions import frac
        from pabutools.rules import greedy_utilitarian_welfare, method_of_equal_shares

    costs = election.projects["cost"].to_dict()
    place = {name: pb.Project(str(name), frac(*float(cost).as_integer_ratio())) for name, cost in costs.items()}
    instance = pb.Instance(list(place.values()), budget_limit=frac(*float(election.budget).as_integer_ratio()))
    chosen = election.points > 0
    ballots = [pb.ApprovalBallot([place[name] for name in chosen.columns[row]]) for row in chosen.to_numpy()]
    profile = pb.ApprovalProfile(ballots, instance=instance)
    start: Any = []
    if rule == "equal shares":
        start = method_of_equal_shares(instance, profile, sat_class=pb.Cost_Sat)
    found = greedy_utilitarian_welfare(instance, profile, sat_class=pb.Cost_Sat, initial_budget_allocation=start)
    won = {project.name for project in found}
    winners = {str(name): float(cost) for name, cost in costs.items() if str(name) in won}
    return Bundle(tuple(winners), sum(winners.values()), election.budget, rule)


__all__ = ["Bundle", "Rule", "elected"]

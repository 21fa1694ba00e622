"""Simulators by the name that a study file calls them."""

from __future__ import annotations

from importlib import import_module

from .simulator import Simulator

#: name -> "module:attribute", an instance of :class:`Simulator`; loaded when first used.
SIMULATORS: dict[str, str] = {
    "intervals": "crowdllm_stats.studies.interval_simulator:INTERVALS",
    "safe-interval": "crowdllm_stats.studies.safe_simulator:SAFE_INTERVAL",
    "risk": "crowdllm_stats.studies.risk_simulator:RISK",
    "figure9": "crowdllm_stats.studies.figure9.simulator:FIGURE9",
    "figure9-coverage": "crowdllm_stats.studies.figure9.coverage_simulator:FIGURE9_COVERAGE",
    "trained": "crowdllm_stats.studies.trained.simulator:TRAINED",
}


def load_simulator(place: str) -> Simulator:
    """The simulator at "module:attribute".

    Raises:
        TypeError: if something else stands there, or a simulator with an outcome named like a parameter.

    Example:
        >>> load_simulator(SIMULATORS["intervals"]).methods[0]
        'classical'
    """
    module, attribute = place.split(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, Simulator):
        raise TypeError(f"{place} is a {type(found).__name__}, not a Simulator")
    twice = sorted(set(found.outcomes) & set(found.parameters))
    if twice:
        raise TypeError(f"{place} names {', '.join(map(repr, twice))} as an outcome and as a parameter; rename one")
    return found

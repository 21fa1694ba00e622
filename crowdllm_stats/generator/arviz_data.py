"""What ArviZ reads: groups of named arrays, as InferenceData or, from ArviZ 1.0 on, as an xarray DataTree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: The variables of a group and its coordinates, each as xarray's Dataset takes them.
Group = tuple[Mapping[str, Any], Mapping[str, Any]]


def arviz_data(groups: Mapping[str, Group]) -> Any:
    """Groups in the class that the installed ArviZ works with; chains and draws are counted from 0.

    Args:
        groups: name to variables ``{name: (dimensions, array)}`` and coordinates.

    Returns:
        An ``arviz.InferenceData``; with ArviZ 1.0 or newer, which has none, an ``xarray.DataTree``.

    Example:
        >>> made = arviz_data({"posterior": ({"effect": (("chain", "draw"), np.zeros((1, 4)))}, {})})
        >>> made["posterior"]["effect"].sizes["draw"]
        4
    """
    import arviz
    import xarray

    made: dict[str, Any] = {}
    for name, (variables, coordinates) in groups.items():
        group = xarray.Dataset(dict(variables), dict(coordinates))
        counted = {one: np.arange(group.sizes[one]) for one in ("chain", "draw") if one in group.sizes}
        made[name] = group.assign_coords(counted)
    if arviz.__version__.startswith("0."):
        return arviz.InferenceData(**made)
    return xarray.DataTree.from_dict(made)

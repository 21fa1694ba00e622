"""Options that belong together: a dataclass declares them once, and each command that takes it has them all."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

Group = TypeVar("Group")


def given_options(group: Any) -> list[str]:
    """The options of a group that were given, as the command line calls them.

    Example:
        >>> from crowdllm_stats.cli.model_options import AskOptions
        >>> given_options(AskOptions(device="cpu", batch_size=4))
        ['--device', '--batch-size']
    """
    fields = dataclasses.fields(group)
    return [f"--{one.name.replace('_', '-')}" for one in fields if getattr(group, one.name) != one.default]


def group_parameters(group: type, defaults: Mapping[str, Any] | None = None) -> list[inspect.Parameter]:
    """The options of a group, a dataclass, as the keyword parameters that typer reads.

    Args:
        group: its fields are annotated as typer has it.
        defaults: other defaults than the fields' own.
    """
    hints, others = get_type_hints(group, include_extras=True), defaults or {}
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=others.get(
                field.name, inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            ),
            annotation=hints[field.name],
        )
        for field in sorted(dataclasses.fields(group), key=lambda field: field.kw_only is True)
    ]


def gathered(group: type[Group], values: dict[str, Any]) -> Group:
    """The group of these values, which are taken out of ``values``."""
    return group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})  # type: ignore[arg-type]  # a dataclass


def with_groups(function: Callable[..., None]) -> Callable[..., None]:
    """A command in which the options of a group stand in the place of each parameter that is one."""
    hints = get_type_hints(function, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and dataclasses.is_dataclass(kind)}

    @functools.wraps(function)
    def command(**values: Any) -> None:
        function(**{name: gathered(kind, values) for name, kind in groups.items()}, **values)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        parameters += group_parameters(groups[name]) if name in groups else [own]
    command.__annotations__ = {}  # the signature says it all, with the words resolved
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    return command

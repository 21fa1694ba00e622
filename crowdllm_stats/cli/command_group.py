"""A command with parts, such as ``study run`` and ``study list``; alone it shows its help."""

from __future__ import annotations

import typer


def command_group(text: str) -> typer.Typer:
    """A command without parts yet, ``text`` its help.

    Example:
        >>> command_group("Fetch, show and ask models.").info.help
        'Fetch, show and ask models.'
    """
    return typer.Typer(
        add_completion=False, rich_markup_mode=None, help=text, invoke_without_command=True, callback=help_alone
    )


def help_alone(context: typer.Context) -> None:
    """Print the help where no part was named, and end well."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit

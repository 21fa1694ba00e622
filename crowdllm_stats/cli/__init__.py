"""`crowdllm-stats`: a thin shell over the library, for tables in files."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 fine, 2 bad input, 1 any other failure.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Example:
        >>> main(["--version"])
        crowdllm-stats ...
        0
    """
    from crowdllm_stats.cli.shell import run
    from crowdllm_stats.cli.terminal import visible_streams

    with visible_streams():
        return run(argv)

"""`crowdllm-stats`: a thin shell over the library, for tables in files."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 fine, 2 bad input, 1 any other failure, being stopped too.

    Args:
        argv: the arguments after the program's name. None: those of the process, which is the program's own; its
            signals and standard streams are then taken over too.

    Example:
        >>> main(["--version"])
        crowdllm-stats ...
        0
    """
    if argv is None:
        from crowdllm_stats.cli.stopping import watch_signals
        from crowdllm_stats.cli.streams import fill_closed_streams, settle_streams

        fill_closed_streams()
        watch_signals()
        settle_streams()
    from crowdllm_stats.cli.shell import run
    from crowdllm_stats.cli.terminal import visible_streams

    with visible_streams():
        return run(argv)

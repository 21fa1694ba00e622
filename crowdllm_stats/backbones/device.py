"""The GPU of this machine as torch sees it."""

from __future__ import annotations


def gpu_name() -> str:
    """The name of the first GPU that torch computes on; empty where there is none.

    Raises:
        ModuleNotFoundError: without torch.

    Example:
        >>> isinstance(gpu_name(), str)
        True
    """
    import torch

    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else ""

"""Optional packages that a command misses, as bad input: the extra that brings them, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Module that is missing: the extra that brings it.
EXTRAS = {
    "jax": "generator",
    "numpyro": "generator",
    "optax": "generator",
    "sklearn": "generator",
    "crowdkit": "generator",
    "torch": "hf",
    "transformers": "hf",
    "accelerate": "hf",
    "gguf": "hf",
    "safetensors": "hf",
    "sympy": "theory",
    "matplotlib": "plot",
}


@contextmanager
def needs_extras() -> Iterator[None]:
    """Inside, a missing package of an extra is refused by the extra's name; any other missing module stays as it is.

    Raises:
        ValueError: naming the module and the extra; the command line then leaves with exit code 2.

    Example:
        >>> with needs_extras():
        ...     raise ModuleNotFoundError("No module named 'jax'", name="jax.numpy")
        Traceback (most recent call last):
        ...
        ValueError: jax.numpy is missing: pip install 'crowdllm-stats[generator]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise ValueError(f"{error.name} is missing: pip install 'crowdllm-stats[{extra}]'") from None

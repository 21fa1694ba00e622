"""Optional packages: which extra of crowdllm-stats brings each, and the line that says so where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Module that may be missing: the extra that brings it.
EXTRAS = {
    "jax": "generator",
    "numpyro": "generator",
    "optax": "generator",
    "arviz": "generator",
    "xarray": "generator",
    "ot": "generator",
    "crowdkit": "generator",
    "sklearn": "generator",
    "threadpoolctl": "generator",
    "torch": "hf",
    "transformers": "hf",
    "accelerate": "hf",
    "gguf": "hf",
    "safetensors": "hf",
    "jinja2": "hf",
    "sympy": "theory",
    "distributed": "dask",
    "matplotlib": "plot",
    "altair": "report",
    "vl_convert": "report",
    "starlette": "page",
    "uvicorn": "page",
    "python_multipart": "page",
    "python_calamine": "files",
    "pyreadstat": "files",
    "pabutools": "voting",
}


def missing_extra(error: ImportError) -> str | None:
    """One line that names the extra for a module that is missing; None if no extra brings it.

    Example:
        >>> missing_extra(ModuleNotFoundError("No module named 'jax'", name="jax.numpy"))
        "jax is missing: pip install 'crowdllm-stats[generator]'"
    """
    module = (error.name or "").split(".")[0]
    extra = EXTRAS.get(module)
    return None if extra is None else f"{module} is missing: pip install 'crowdllm-stats[{extra}]'"


@contextmanager
def naming_extras() -> Iterator[None]:
    """Inside, a missing package is named with the extra that brings it.

    Raises:
        ModuleNotFoundError: with the line of :func:`missing_extra`; unchanged if no extra brings the module.

    Example:
        >>> with naming_extras():
        ...     raise ModuleNotFoundError("No module named 'sympy'", name="sympy")
        Traceback (most recent call last):
        ...
        ModuleNotFoundError: sympy is missing: pip install 'crowdllm-stats[theory]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        line = missing_extra(error)
        if line is None:
            raise
        raise ModuleNotFoundError(line, name=error.name) from error

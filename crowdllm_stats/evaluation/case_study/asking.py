"""A language model asked about problems: what is said of its prompt and of the computing, and the backbone it makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats.backbones.catalogue import MODELS
from crowdllm_stats.backbones.fetch import cache_folder
from crowdllm_stats.backbones.paper_models import PAPER
from crowdllm_stats.backbones.prompts import Template

if TYPE_CHECKING:
    from crowdllm_stats.backbones.asking_cost import AskingCost
    from crowdllm_stats.backbones.server import ServerBackbone
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

#: The prompt where none is named, and what a model is given where the prompt asks for it and nobody says anything.
TEMPLATE = "zero_shot"
CONTEXT = "You take part in a survey."
REQUIREMENTS = "Give your own answer to the question."

#: How the address of a server begins.
_ADDRESS = ("http://", "https://")

#: What is only for weights on this machine, and only for a server.
_LOCAL = ("dtype", "device", "batch_size", "quantize")
_SERVER = ("server_model", "api_key_env", "concurrency", "timeout", "prices", "at_most")

#: What listens to a run and has no say in how it is asked.
_LISTENING = ("before", "progress")


@dataclasses.dataclass(frozen=True)
class Asking:
    """How a model is asked; None leaves the choice to the backbone.

    Attributes:
        template: name or file of the prompt, :data:`TEMPLATE` by default.
        context: for ``{context}`` where the problems have no such column, :data:`CONTEXT` by default.
        requirements: for ``{requirements}`` likewise, :data:`REQUIREMENTS` by default.
        options: what each answer means.
        server_model: the model's name on a server.
        api_key_env: environment variable of a server's key.
        dtype: "float32", "bfloat16" or "float16".
        device: "cpu", "cuda" and so on.
        batch_size: prompts at a time.
        quantize: how the weights are quantised.
        cache: file of answers, ``answers.sqlite`` in the user's cache folder by default.
        concurrency: questions that a server is asked at once.
        timeout: seconds that a server has for one attempt.
        prices: of a million tokens of prompts, and of replies, on a server.
        at_most: what the answers of a server may cost at these prices; see ``before``.
        before: called with what a server is about to be asked (see :class:`ServerBackbone`), with ``at_most`` in view.
        progress: called with the answers of a server that are there, and all.
    """

    template: str | None = None
    context: str | None = None
    requirements: str | None = None
    options: Mapping[str, str] | None = None
    server_model: str | None = None
    api_key_env: str | None = None
    dtype: str | None = None
    device: str | None = None
    batch_size: int | None = None
    quantize: str | None = None
    cache: str | Path | None = None
    concurrency: int | None = None
    timeout: float | None = None
    prices: tuple[float, float] | None = None
    at_most: float | None = None
    before: Callable[[AskingCost], None] | None = None
    progress: Callable[[int, int], None] | None = None

    @property
    def slots(self) -> dict[str, str]:
        """What fills ``{context}`` and ``{requirements}``."""
        return {"context": self.context or CONTEXT, "requirements": self.requirements or REQUIREMENTS}

    def refuse(self, names: Sequence[str], why: str) -> None:
        """Refuse what would have no effect.

        Args:
            names: attributes that must not be given.
            why: what follows the name in the message.

        Raises:
            ValueError: naming the first that is given.

        Example:
            >>> Asking(device="cuda").refuse(["device"], "is for a model on this machine")
            Traceback (most recent call last):
            ...
            crowdllm_stats...BadInput: device is for a model on this machine; leave it out
        """
        for name in names:
            if getattr(self, name) is not None:
                named = Message(name, f"--{name.replace('_', '-')}")
                raise BadInput(Message.filled("{} {}; leave it out", named, why))

    def refuse_recorded(self, backbone: str) -> None:
        """Refuse everything for answers that are there already.

        Raises:
            ValueError: naming the first thing given.
        """
        names = [field.name for field in dataclasses.fields(self) if field.name not in _LISTENING]
        self.refuse(names, f"says how a model is asked, and the answers of {backbone} are there already")


def is_server(backbone: str) -> bool:
    """Whether a backbone is named by the address of a server.

    Example:
        >>> is_server("http://127.0.0.1:8000/v1"), is_server("smollm2")
        (True, False)
    """
    return backbone.startswith(_ADDRESS)


def is_model(backbone: str) -> bool:
    """Whether a name can be that of a model: fetched, one of the paper's, a folder, or owner/model on the hub."""
    return backbone in MODELS or backbone in PAPER or Path(backbone).is_dir() or "/" in backbone


def opened(backbone: str, answers: Sequence[Any] | None, asking: Asking) -> TransformersBackbone | ServerBackbone:
    """The backbone that asks a model or a server.

    Args:
        backbone: a model's name, folder or hub id, or a server's address.
        answers: the admissible answers; those of the template's ``[options]`` by default.
        asking: how.

    Raises:
        ValueError: on what has no effect here, a folder as the cache, a server without the model's name, and as the two
            backbones.
        FileNotFoundError: if a model of the package is not fetched.
    """
    prompt, slots = asking.template or TEMPLATE, asking.slots
    cache = cache_folder() / "answers.sqlite" if asking.cache is None else asking.cache
    if Path(cache).is_dir():
        raise BadInput(Message.filled("{} {} is a folder; name a file", Message("cache", "--cache"), cache))
    if is_server(backbone):
        asking.refuse(_LOCAL, "is for a model on this machine, and a server computes as it is set up")
        if asking.server_model is None:
            raise BadInput(
                f"{backbone} is a server's address, and nothing says which of its models is asked",
                python="give server_model=",
                command="name it with --server-model",
            )
        from crowdllm_stats.backbones.server import ServerBackbone

        given = {name: value for name in ("concurrency", "timeout") if (value := getattr(asking, name)) is not None}
        return ServerBackbone(
            backbone, asking.server_model, template=prompt, answers=answers, labels=asking.options,
            api_key_env=asking.api_key_env, cache=cache, context=slots["context"], requirements=slots["requirements"],
            prices=asking.prices, before=asking.before, progress=asking.progress, **given,
        )  # fmt: skip
    asking.refuse(_SERVER, "is for a server, and the backbone is a model on this machine")
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

    said: dict[str, Any] = {name: getattr(asking, name) for name in _LOCAL if getattr(asking, name) is not None}
    return TransformersBackbone(
        backbone, template=prompt, answers=answers, options=asking.options, cache=cache, context=slots["context"],
        requirements=slots["requirements"], **said,
    )  # fmt: skip


def check_texts(template: Template, problems: pd.DataFrame) -> None:
    """Refuse problems without the text that a prompt shows.

    Raises:
        ValueError: naming the columns that are there.
    """
    if {"text", "problem"} & set(template.slots) and "text" not in problems.columns:
        raise BadInput(
            f"the problems have no column 'text' for the model to read (they have {', '.join(problems.columns)})",
            python="add a table of problems with their texts",
            command="give their texts with --problems FILE",
        )

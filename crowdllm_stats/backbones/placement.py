"""Where a model goes: the device, whether its weights fit there, and what helps where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
import transformers
from accelerate.utils import get_max_memory

from crowdllm_stats._base.messages import BadInput, Message

#: float32 is exact; in the others a probability can move with whatever else is in its batch.
Precision = Literal["float32", "bfloat16", "float16"]
DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16
}  # fmt: skip

#: How bitsandbytes stores the weights of linear layers, the last one left as it is.
Quantize = Literal["8bit", "4bit"]
#: Bits per weight; 4-bit weights have a 32-bit scale for every 64 of them.
BITS: dict[Quantize, float] = {"8bit": 8.0, "4bit": 4.5}

#: Share of the free memory that weights may fill; the rest is for the work itself.
FILLED = 0.9

GIB = 2**30

#: Devices that work in the machine's own memory.
_NO_GPU = ("cpu", "mps")


@dataclass(frozen=True)
class Size:
    """How many numbers a model's weights are.

    Attributes:
        total: of all weights, each counted once.
        quantizable: of linear layers but the last, which quantisation stores in fewer bits.

    Example:
        >>> Size(total=2**30, quantizable=2**29).gib("float32"), Size(2**30, 2**29).gib("bfloat16", "8bit")
        (4.0, 1.5)
    """

    total: int
    quantizable: int

    @classmethod
    def of(cls, config: Any, **loading: Any) -> Size:
        """From a configuration alone: the model is laid out on the meta device, which holds no numbers.

        Args:
            config: transformers' configuration of a causal language model.
            loading: for ``from_config``.
        """
        with torch.device("meta"):
            network = transformers.AutoModelForCausalLM.from_config(config, **loading)
            network.tie_weights()  # transformers before 5 leave shared weights apart on this device
        last = network.get_output_embeddings()
        linear = {
            one.weight: one.weight.numel()
            for one in network.modules()
            if isinstance(one, torch.nn.Linear) and one is not last
        }
        return cls(sum(one.numel() for one in network.parameters()), sum(linear.values()))

    def gib(self, dtype: Precision, quantize: Quantize | None = None) -> float:
        """GiB that the weights take."""
        few = 0 if quantize is None else self.quantizable
        bits = (self.total - few) * DTYPES[dtype].itemsize * 8 + (0.0 if quantize is None else few * BITS[quantize])
        return float(bits / 8 / GIB)


def chosen_device(device: str) -> torch.device:
    """The device by name; "auto" is the GPU with most free memory, or the processor where there is none.

    Raises:
        ValueError: on a name that torch does not know, and on a device that this machine lacks.

    Example:
        >>> chosen_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        free = {place: found for place, found in _free().items() if place.type not in _NO_GPU}
        return max(free, key=lambda place: free[place]) if free else torch.device("cpu")
    try:
        found = torch.zeros(1, device=device)
        found.item()  # the meta device holds none
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # PyTorch's, by device and how it was built
        reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
        raise BadInput(
            f"is not a device of this machine ({reason}); 'auto' is a GPU if there is one, 'cpu' always works",
            argument="device",
            given=device,
        ) from None
    return found.device


def _free() -> dict[torch.device, float]:
    """Free GiB of every device that has memory of its own."""
    gpu = getattr(torch.accelerator.current_accelerator(), "type", "cuda")  # accelerate numbers them
    return {
        torch.device(gpu, place) if isinstance(place, int) else torch.device(place): free / GIB
        for place, free in get_max_memory().items()
    }


def device_map(
    name: str, size: Size, dtype: Precision, quantize: Quantize | None, device: str, chosen: torch.device
) -> Any:
    """What transformers takes as ``device_map``: one device if the weights fit, for "auto" several if they must.

    Args:
        name: of the model, for the message.
        size: of its weights.
        dtype: to load them in.
        quantize: how they are stored.
        device: as it was asked for.
        chosen: what :func:`chosen_device` made of it.

    Raises:
        ValueError: if the weights do not fit; the message names the type of number or the quantisation that does.
    """
    free = _free()
    here = free.get(chosen, max(free.values()))  # without memory of its own, a device has the machine's
    # Quantised weights stay on GPUs; others may spill over to the processor's memory.
    gpus = sum(found for place, found in free.items() if place.type not in _NO_GPU)
    spread = device == "auto" and chosen.type not in _NO_GPU
    rooms: dict[Quantize | None, float] = dict.fromkeys((None, *BITS), gpus if spread else here)
    if spread:
        rooms[None] += free.get(torch.device("cpu"), 0.0)
    if size.gib(dtype, quantize) <= FILLED * here:
        return {"": chosen}
    if size.gib(dtype, quantize) <= FILLED * rooms[quantize]:
        return "auto"
    raise _too_large(name, size, dtype, quantize, chosen, here, rooms)


def _too_large(
    name: str,
    size: Size,
    dtype: Precision,
    quantize: Quantize | None,
    chosen: torch.device,
    here: float,
    rooms: Mapping[Quantize | None, float],
) -> BadInput:
    """The refusal, with the ways that fit."""
    need = size.gib(dtype, quantize)
    half: Precision = "bfloat16" if dtype == "float32" else dtype
    ways = [way for way in rooms if (way is None or chosen.type not in _NO_GPU) and size.gib(half, way) < need]
    fits = [way for way in ways if size.gib(half, way) <= FILLED * rooms[way]]
    told = (
        f"the weights of {name!r} take {need:.1f} GiB in {stored(dtype, quantize)}, and {chosen} has {here:.1f} GiB "
        "free, of which the work needs a tenth"
    )
    if fits:
        return BadInput(
            told,
            python="or ".join(f"take {_python(half, way)} ({size.gib(half, way):.1f} GiB) " for way in fits).strip(),
            command="or ".join(f"give {_command(half, way)} ({size.gib(half, way):.1f} GiB) " for way in fits).strip(),
        )
    others = [f"{stored(half, way)} would take {size.gib(half, way):.1f} GiB" for way in ways[-1:]]
    if chosen.type in _NO_GPU:
        others.append(f"4bit weights on a GPU would take {size.gib(half, '4bit'):.1f} GiB")
    least = f" ({', '.join(others)})" if others else ""
    return BadInput(f"{told}{least}; take a smaller model, a device with more memory, or a server that runs the model")


def stored(dtype: Precision, quantize: Quantize | None) -> str:
    """What weights are kept in, in words.

    Example:
        >>> stored("float32", None), stored("bfloat16", "8bit")
        ('float32', 'bfloat16 with 8bit weights')
    """
    return dtype if quantize is None else f"{dtype} with {quantize} weights"


def _python(dtype: Precision, quantize: Quantize | None) -> str:
    return f"dtype={dtype!r}" if quantize is None else f"dtype={dtype!r}, quantize={quantize!r}"


def _command(dtype: Precision, quantize: Quantize | None) -> str:
    return f"--dtype {dtype}" if quantize is None else f"--dtype {dtype} --quantize {quantize}"


def ran_out(error: Exception) -> bool:
    """Whether memory ran out; the processor's allocator says so in a RuntimeError of no other kind.

    Example:
        >>> ran_out(MemoryError()), ran_out(RuntimeError("a size does not fit"))
        (True, False)
    """
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


@contextmanager
def out_of_memory(doing: str, batch_size: int, dtype: Precision | None) -> Iterator[None]:
    """What helps, where memory runs out inside.

    Args:
        doing: what was being done.
        batch_size: texts that are read at a time.
        dtype: of the model; None where it cannot be chosen.

    Raises:
        ValueError: that memory ran out, with the mend.

    Example:
        >>> with out_of_memory("8 prompts were read at a time", 8, "float32"):
        ...     raise MemoryError
        Traceback (most recent call last):
        ...
        crowdllm_stats._base.messages.BadInput: memory ran out while 8 prompts were read at a time; take ...
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        ways = [("batch_size", "--batch-size", str(batch_size // 2))] if batch_size > 1 else []
        ways += [("dtype", "--dtype", "bfloat16")] if dtype == "float32" else []
        rest = "a smaller model, shorter texts or a device with more memory"
        raise BadInput(
            f"memory ran out while {doing}",
            python="take " + " or ".join([*(f"{name}={value}" for name, _, value in ways), rest]),
            command="take " + " or ".join([*(f"{option} {value}" for _, option, value in ways), rest]),
        ) from None


def check_quantize(model: str, quantize: Quantize | None, config: Any, device: torch.device) -> None:
    """Refuse a quantisation that this machine cannot run, asked for or stored in a model.

    Raises:
        ValueError: on bitsandbytes without a GPU or not installed, and on a quantisation of a quantised model.
    """
    own = getattr(config, "quantization_config", None) or {}
    stored = str(own.get("quant_method", "")) if isinstance(own, Mapping) else str(own.quant_method)
    if quantize is not None and own:
        raise BadInput(
            f"model {model!r} is quantised already ({stored})",
            python="leave quantize out",
            command="leave --quantize out",
        )
    if quantize is None and stored != "bitsandbytes":
        return
    asked = Message(f"quantize={quantize!r}", f"--quantize {quantize}")
    what = asked if quantize else f"model {model!r}, which is stored quantised by bitsandbytes,"
    if device.type in _NO_GPU:
        raise BadInput(
            Message.filled("{} needs a GPU, and the device is {}", what, device),
            python="leave quantize out and take dtype='bfloat16'" if quantize else "take the model before quantisation",
            command="leave it out and take --dtype bfloat16" if quantize else "take the model before quantisation",
        )
    if find_spec("bitsandbytes") is None:
        said = "{} needs the package bitsandbytes, which is missing; pip install bitsandbytes"
        raise BadInput(Message.filled(said, what))


def quantization(quantize: Quantize | None, dtype: Precision) -> Mapping[str, Any]:
    """What ``from_pretrained`` takes for a quantisation; nothing without one."""
    if quantize is None:
        return {}
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it says of every layer and batch that it casts
    config = transformers.BitsAndBytesConfig(
        load_in_8bit=quantize == "8bit", load_in_4bit=quantize == "4bit", bnb_4bit_compute_dtype=DTYPES[dtype]
    )
    return {"quantization_config": config}

"""The paper's four backbones by name: where the model hub has them, and what their chat templates need.

They are not fetched by this package: transformers downloads them from the hub when they are first asked, 16 to 24 GB in
bfloat16, for a GPU. See :data:`crowdllm_stats.backbones.fetch.MODELS` for models that a package registry carries.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubModel:
    """A model on the hub, and how it is asked.

    Attributes:
        hub_id: on the model hub.
        billions: of parameters.
        licence: of the weights.
        thinks: whether it writes a thought before its answer; the thought is then closed empty, also where the chat
            template neither opens one nor knows ``enable_thinking``.
        system_turn: whether it is given a system turn; where not, its text begins the user's.

    Example:
        >>> PAPER["qwen3-8b"].hub_id, PAPER["qwen3-8b"].thinks
        ('Qwen/Qwen3-8B', True)
    """

    hub_id: str
    billions: float
    licence: str
    thinks: bool = False
    system_turn: bool = True


#: Section 5.1: Gemma3-12B is the backbone of every table, the others are compared with it.
PAPER: dict[str, HubModel] = {
    "gemma3-12b": HubModel("google/gemma-3-12b-it", 12.2, "Gemma terms of use, to be accepted on the hub"),
    "deepseek-r1-llama-8b": HubModel(
        # Its authors advise against a system turn.
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 8.0, "MIT; of the Llama 3.1 in it Llama 3.1 Community License",
        thinks=True, system_turn=False,
    ),
    "llama3-8b-lexi": HubModel("Orenguteng/Llama-3-8B-Lexi-Uncensored", 8.0, "Llama 3 Community License"),
    "qwen3-8b": HubModel("Qwen/Qwen3-8B", 8.2, "Apache-2.0", thinks=True),
}  # fmt: skip


def described(name: str) -> str:
    """What a model is and the command that scores it on Case Study I, in lines for people.

    Example:
        >>> print(described("qwen3-8b").splitlines()[0])
        qwen3-8b: Qwen/Qwen3-8B on the hub, 8.2 billion parameters (16 GB in bfloat16), Apache-2.0
    """
    model = PAPER[name]
    return (
        f"{name}: {model.hub_id} on the hub, {model.billions:g} billion parameters ({2.0 * model.billions:.0f} GB in "
        f"bfloat16), {model.licence}\n"
        f"  crowdllm-stats evaluate popquorn:offensiveness --backbone {name} --template offensiveness "
        "--embedding minilm --dtype bfloat16"
    )

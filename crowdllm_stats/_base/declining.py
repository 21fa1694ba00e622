"""How a language model says that it does not answer: "As an AI language model, I have no opinions"."""

from __future__ import annotations

import re

_OPINIONS = r"(?:opinions?|beliefs?|feelings?|preferences?|views?|emotions?|experiences?|stance)"
_DO = (
    r"(?:answer|assist|help(?: you)? with|provide|rate|comply|fulfill? your|engage (?:in|with)|express|respond|comment"
    r"|offer|give (?:you )?(?:an?|my|any)|share (?:an?|my|any)|participate in (?:this|such)|evaluate|assess|discuss)"
)
_MODEL = r"(?:ai|language model|llm|assistant|chatbot)\b"

#: It cannot or will not answer, whatever else it names.
DECLINES = re.compile(
    rf"\bi(?:(?:'m|\s+am)\s+(?:unable|not able|not allowed|not permitted|not comfortable|not going)\s+to"
    rf"|\s+(?:can't|cannot|can not|won't|will not)|\s+(?:must\s+|have to\s+)?(?:decline|refuse)\s+to)"
    rf"\s+(?:[a-z]+\s+)?{_DO}\b"
    r"|\bnot comfortable\s+(?:with\s+)?(?:answer|rat|shar|express|giv|provid|discuss|comment)ing\b"
    rf"|\bi\s+(?:do not|don't)\s+have\s+(?:[a-z]+,?\s+){{0,4}}{_OPINIONS}\b"
    rf"|\bi\s+have\s+no\s+(?:[a-z]+\s+){{0,3}}{_OPINIONS}\b"
    rf"|\bi(?:'m| am) (?:just |only )?an? (?:[a-z]+ ){{0,3}}{_MODEL}"
    rf"|\bas an? (?:[a-z]+ ){{0,4}}{_MODEL}[a-z ]{{0,20}},? i (?:do not|don't|cannot|can't|am not|have no)\b"
    r"|\b(?:in|not (?:be )?)appropriate for me to\b|\bnot something i can\b|\bi\s+(?:must|have to|will)\s+refrain\b",
    re.IGNORECASE,
)

#: How a reply that names no answer shows that it was declined.
APOLOGY = re.compile(
    rf"\bsorry\b|\bapologi[sz]e\b|\bas an? (?:[a-z]+ ){{0,4}}{_MODEL}|\bno (?:personal )?opinion\b"
    r"|\b(?:cannot|can't|unable to) (?:answer|rate|assist|help|provide)\b|\bno comment(?=[.!,]|\Z)"
    r"|\bprefer not to\b|\bnot appropriate\b|\bmy guidelines\b",
    re.IGNORECASE,
)

_APOSTROPHE = str.maketrans({"\u2018": "'", "\u2019": "'"})


def declines(text: str) -> bool:
    """Whether a text, in place of an answer, says that there is none.

    Example:
        >>> declines("As an AI language model, I do not have personal opinions."), declines("4")
        (True, False)
    """
    text = text.translate(_APOSTROPHE)
    return bool(DECLINES.search(text) or APOLOGY.search(text))

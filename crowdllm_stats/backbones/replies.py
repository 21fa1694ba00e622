"""Reading what a model said: the admissible answer that a reply gives, or why it gives none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from crowdllm_stats.backbones import reply_words as words
from crowdllm_stats.backbones.first_tokens import folded
from crowdllm_stats.backbones.options import Options

#: Why a reply gives no answer.
Silence = Literal["refusal", "several answers", "off the scale", "chatter"]

SILENCES: tuple[Silence, ...] = ("refusal", "several answers", "off the scale", "chatter")

#: A longer reply, in characters, is chatter: the answer alone was asked for.
LONGEST = 10_000

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_ANY_NUMBER = re.compile(r"[+-]?[0-9][\w.,:%]*")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"',
                         "\u2212": "-"})  # fmt: skip


class ReplyReader:
    """Finds the admissible answer in a reply.

    The answer must be the reply or begin it, with nothing before it but a label or a phrase that announces it
    ("**Rating:** 3", "The answer is no", "I would rate this comment a 3", "On a scale of 1 to 5, it is a 2"), and its
    sentence must be over or go on with a reason: "No, because ..." is "no", while "No doubt ...", "There is no doubt",
    "4 people" and "see policy section 4" give no answer, nor does an item of a list, "1. The comment is ...". A number
    stands alone: not "4.5", "65", "-1", "3%", "2 or 3", "1 to 5". "3/5" and "3 out of 5" are 3 where 5 is the greatest
    of three or more answers, for so ratings are written; "3 = mild" is none where "mild" is what 4 means. What a
    reasoning model thinks, up to ``</think>``, is not part of its reply.

    Nothing is rounded or guessed. A reply without an answer is one of four kinds: a *refusal* ("As an AI, I have no
    opinion", also after an answer: "No, I cannot help with that"), *several answers* ("yes and no", a list of the
    scale), a number *off the scale* ("6", or 3 "on a scale of 1 to 10"), or *chatter*, everything else ("Yes, I'd be
    happy to help!").

    Args:
        options: the admissible answers.
        any_case: whether "YES" is "yes".

    Raises:
        ValueError: if two answers differ in case alone, unless case matters.

    Example:
        >>> reader = ReplyReader(Options.of([1, 2, 3]))
        >>> [reader.place(text) for text in ("2", " **3**.", "2.5", "1 or 2", "see section 2")]
        [1, 2, None, None, None]
        >>> reader.read("As an AI, I have no opinion.")
        'refusal'
    """

    def __init__(self, options: Options, *, any_case: bool = True):
        self._any_case = any_case
        self._place = folded(options) if any_case else {word: place for place, word in enumerate(options.texts)}
        self._labels = tuple(self._fold(label) for label in options.labels)
        labels = "|".join(map(re.escape, sorted(self._labels, key=len, reverse=True))) or r"(?!)"
        self._label = re.compile(rf"{words.TO_LABEL}(?P<label>{labels})(?![^\W_])")
        self._numeric = all(_NUMBER.fullmatch(text) for text in self._place)
        self._of_top: re.Pattern[str] | None = None
        if self._numeric and len(self._place) > 2:
            top = re.escape(max(self._place, key=float))
            self._of_top = re.compile(rf"\s*(?:/|out of)\s*{top}(?![\w/]|[.,]\d)", re.IGNORECASE)
        longest_first = sorted(self._place, key=len, reverse=True)
        answer = f"(?P<answer>{'|'.join(map(re.escape, longest_first))})(?![^\\W_])"
        if self._numeric:
            answer += r"(?![.,:]\d)(?!\s*%)"
        lead = words.LEAD_TO_NUMBER if self._numeric else words.LEAD_TO_WORD
        self._answer = re.compile(answer)
        self._lead = re.compile(f"{words.MARKS}{words.FIELD}{lead}", re.IGNORECASE)
        self._stated = re.compile(f"(?i:{words.MARKS}{words.FIELD}{lead}){answer}")
        self._again = re.compile(f"(?i:{words.MARKS}{words.SECOND}{words.MARKS}{lead}){answer}")
        self._named = re.compile(rf"(?<![\w+-])(?<!\d[.,:]){answer}")

    def place(self, reply: str) -> int | None:
        """The place of the answer that a reply gives, None if it gives none."""
        said = self.read(reply)
        return said if isinstance(said, int) else None

    def read(self, reply: str) -> int | Silence:
        """The place of the answer that a reply gives, or why it gives none."""
        said = self._reply(reply)
        if said is None or len(said) > LONGEST:
            return "chatter"
        match = self._stated.match(said)
        end = self._end(said, match) if match else None
        if match is None or end is None:
            return self._silence(said)
        if any(answer != match["answer"] for answer in self._later(said, end)):
            return "several answers"
        if self._other_scale(said):
            return "off the scale"
        if words.DECLINES.search(said, match.end()):
            return "refusal"
        if said.startswith("?", end) or words.OFFERS.search(said, match.end()):
            return "chatter"
        return self._place[match["answer"]]

    def _reply(self, reply: str) -> str | None:
        """What is said after thinking, folded; None while it still thinks."""
        thought = max((reply.rfind(mark) + len(mark) for mark in ("</think>", "[/THINK]") if mark in reply), default=0)
        said = reply[thought:].translate(_QUOTES).strip()
        return None if said.startswith(("<think>", "[THINK]")) else self._fold(said)

    def _fold(self, text: str) -> str:
        return text.casefold() if self._any_case else text

    def _end(self, said: str, match: re.Match[str]) -> int | None:
        """Where the answer's sentence may end, None if the words after it make another statement of it."""
        after = match.end()
        if self._numeric and (unit := words.UNIT.match(said, after)):
            after = unit.end()
        if self._of_top and (whole := self._of_top.match(said, after)):
            after = whole.end()
        if closed := words.CLOSERS.match(said, after):
            after = closed.end()
        if repeated := re.compile(rf"(?:\s+{re.escape(match['answer'])}(?![^\W_]))+").match(said, after):
            after = repeated.end()
        if words.NO_SINGLE.match(said, after):
            return None
        if any(self._joined(said, after)):
            return after
        if label := self._label.match(said, after):
            if self._labels[self._place[match["answer"]]] == label["label"]:
                return label.end()
            if self._numeric:  # a word may go on in any words, also in those of another label
                return None
        if self._numeric and match.start("answer") == self._bare(said) and words.LIST_ITEM.match(said, after):
            return None
        over = words.END_OF_NUMBER if self._numeric else words.END_OF_WORD
        return after if over.match(said, after) else None

    @staticmethod
    def _bare(said: str) -> int:
        """Where a reply begins that has no word before its answer."""
        return next((place for place, letter in enumerate(said) if letter.isalnum()), 0)

    def _joined(self, said: str, start: int) -> Iterator[str]:
        """The answer that is joined to one that ends here; of a range such as "5 to 5" its ends as one text."""
        if not self._numeric:
            joined = words.WORDS_JOINED.match(said, start)
            if joined and (second := self._answer.match(said, joined.end())):
                yield second["answer"]
        elif joined := words.NUMBERS_JOINED.match(said, start):
            yield joined[0]
        elif (listed := words.LISTED.match(said, start)) and (
            self._answer.match(said, listed.start(1)) or words.END_OF_NUMBER.match(said, listed.end())
        ):
            yield listed[1]

    def _other_scale(self, said: str) -> bool:
        """Whether the reply says that it answers on a scale with other ends."""
        if not self._numeric:
            return False
        ends = {min(map(float, self._place)), max(map(float, self._place))}
        return any({float(one) for one in named.groups()} != ends for named in words.SCALE.finditer(said))

    def _later(self, said: str, start: int) -> Iterator[str]:
        """Answers stated after the first one."""
        yield from self._joined(said, start)
        for mark in words.NEXT.finditer(said, start):
            match = self._again.match(said, mark.end())
            if match and self._end(said, match) is not None:
                yield match["answer"]

    def _silence(self, said: str) -> Silence:
        if words.DECLINES.search(said) or words.APOLOGY.search(said):
            return "refusal"
        if len({match["answer"] for match in self._named.finditer(said)}) > 1:
            return "several answers"
        lead = self._lead.match(said)
        number = _ANY_NUMBER.match(said, lead.end()) if self._numeric and lead else None
        if number and (number[0].rstrip(".,:") not in self._place or words.NO_SINGLE.match(said, number.end())):
            return "off the scale"
        return "chatter"

"""Reading what a model said: the admissible answer that a reply gives, or why it gives none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from crowdllm_stats._base.declining import APOLOGY, DECLINES
from crowdllm_stats.backbones.chat_api import folded
from crowdllm_stats.backbones.options import Options

#: What may stand around an answer without meaning anything: spaces, quotes, Markdown, brackets, tags, a bullet.
MARKS = r"(?:`{3}[a-z]*|[\s*_\"'`(\[{#\u2022]|\$?\\boxed\{|</?[a-z]+>|[-\u2013\u2014](?=\s)){0,20}"

#: What may close around an answer before it is known whether the sentence goes on.
CLOSERS = re.compile(r"(?:[*_\"'`]|</[a-z]+>|\ufe0f|\u20e3){0,12}")

_NOUN = (
    r"(?:answer|response|reply|rating|score|choice|option|verdict|label|judge?ment|vote|number|selection|pick|decision"
    r"|conclusion|result|classification|sentiment|opinion|level|assessment|evaluation|grade|value|stance|position"
    r"|offensiveness|politeness)"
)
_KIND = r"(?:my|the|your|our|final|overall|best|honest|correct|right|short|most|likely|appropriate|suitable|chosen)"
_OF = r"(?:\s+(?:for|to|of|on|about)\s+(?:this|the|that|it)(?:\s+[a-z]+){0,3}?)?"
_LINK = rf"(?:{MARKS}(?:is|would be|:|=|->|\u2192){MARKS}){{1,2}}(?:(?:a|an|the)\s+)?"
_ADVERB = r"(?:\s+(?:probably|likely|definitely|personally|still|just|also|honestly))?"
_VERB = (
    r"(?:say|answer|choose|chose|pick|select|go with|opt for|vote(?: for)?|respond(?: with)?|reply(?: with)?|rate|give"
    r"|score|assign|think|believe|guess|consider|judge|find|put|estimate|classify|label|call)"
)
_THING = (
    r"(?:comment|statement|text|post|message|sentence|remark|review|tweet|joke|content|claim|item|language|tone|email"
    r"|question|answer)"
)
_IT = rf"(?:it|this|that|(?:the|this|that|your)\s+(?:[a-z]+\s+)?{_THING})"
_BE = r"(?:'s|\s+(?:is|was|seems|sounds|looks|appears|would be))"
_FLAVOUR = r"(?:\s+(?:to be|a|an|likely|probably|definitely|clearly|simply|considered|rated|as|at))*"
_SCALE = r"(?:on|using) (?:a|the|this|your) (?:[a-z]+ ){0,2}scale(?: (?:of|from))?(?: \d+ ?(?:to|-|\u2013) ?\d+)?"
_WHERE = r"(?: \([^()]*\))?(?:,? where [^.;:!?\n]{1,150}?)?"

#: Courtesies, then "in my opinion," and "on a scale of 1 to 5,".
_INTRO = (
    r"(?:sure|ok|okay|well|certainly|of course|hmm)[\s,.!:]+"
    r"|(?:in my (?:[a-z]+ )?(?:opinion|view)|personally|honestly|overall|based on [^.,;:!?\n]{1,80})\s*,\s+"
    rf"|{_SCALE}{_WHERE}\s*,\s+"
    r"|here(?:'s| is)\s+|(?:assistant|ai|model|a)\s*:"
)
#: "Rating:", "**Answer:**", "My final answer is"
_LABEL = rf"(?:{_KIND}\s+){{0,3}}(?:(?!no\b|not\b|see\b)[a-z]+\s+)?{_NOUN}{_OF}(?:\s*\([^()]*\))?{_LINK}"
#: "I would say", "I think it is"
_STATE = (
    rf"i(?:\s+would|'d|\s+will|'ll|\s+do|\s+must|\s+have to)?{_ADVERB}\s+{_VERB}(?:\s+{_IT})?(?:\s+that)?(?={MARKS}\S)"
    rf"{_FLAVOUR}\s*:?"
)
#: "It is", "This comment seems"
_COPULA = rf"{_IT}{_BE}{_FLAVOUR}\s*:?"
#: Words that turn "I would rate this ... a 3" into another statement.
_TURNS = (
    r"(?!(?:not|than|less|more|between|from|to|below|above|least|most|under|over|either|never|no|if|nearly|almost)\b)"
)
_RATE = (
    rf"i(?:\s+would|'d|\s+will|'ll)?{_ADVERB}\s+(?:rate|give|score|assign|choose|select|go with|say)\s+"
    rf"(?:{_TURNS}[a-z']+\s+){{0,8}}?(?:a|an|as|at|of|is|it|this)\s+(?:an?\s+)?"
)
_BARE = rf"(?:{_KIND}\s+){{0,2}}(?:option|answer|number|choice|rating|score|level|grade|response)\s+"
_AGREE = rf"i(?:\s+would|'d|\s+do|\s+am|'m)?{_ADVERB}\s+"

#: What may announce an answer; in JSON any name may stand before the first one.
LEAD_TO_NUMBER = rf"(?:(?:{_INTRO}|{_LABEL}|{_RATE}|{_STATE}|{_COPULA}|{_BARE}){MARKS}){{0,3}}"
LEAD_TO_WORD = rf"(?:(?:{_INTRO}|{_LABEL}|{_STATE}|{_COPULA}|{_AGREE}){MARKS}){{0,3}}"
FIELD = rf"(?:[\"'][a-z_ ]{{1,30}}[\"']\s*:{MARKS})?"

#: What may begin a later statement that takes the first one back: "Yes. Or maybe no."
_TURN = r"(?:and|or|but|maybe|perhaps|possibly|actually|wait|also|rather|then|well|so|no wait|otherwise|else)"
SECOND = rf"(?:{_TURN}[\s,]+){{0,3}}"

#: An answer's sentence is over, or goes on with a reason. "No doubt", "no one" and "4 people" go on otherwise.
_STOP = r"\s*\Z|[.](?![^\W_])|[,;:!?)\]}=<\u00bb\u2026\u2014\u3002\uff0c|\\]|\s*\n|\s+[-\u2013\u2014=]\s|\s*[(\[]"
_SIGN = r"|\s*[\u2600-\u27bf\U0001f000-\U0001faff]"
_REASON = (
    r"because|since|as|and|but|or|so|though|although|given|based on|due to|if|i|i'm|i'd|it|it's|its|this|that|that's"
    r"|the|he|she|they|there|my|in my|(?:with|on|about) (?:the|this|that|it)"
    r"|is (?:my|the) (?:answer|rating|choice|score|response)"
)
END_OF_WORD = re.compile(rf"{_STOP}{_SIGN}|\s+(?:{_REASON})(?![\w'-])", re.IGNORECASE)
END_OF_NUMBER = re.compile(rf"{_STOP}{_SIGN}|\s+(?:{_REASON}|on a|for (?:this|the|that))(?![\w'-])", re.IGNORECASE)

#: "4 stars", "3 points"
UNIT = re.compile(r"\s+(?:stars?|points?)\b", re.IGNORECASE)

#: The scale that a reply says it answers on, "a scale of 1 to 10".
SCALE = re.compile(r"\bscale (?:of|from) (\d+) ?(?:to|-|\u2013) ?(\d+)", re.IGNORECASE)

#: "2 and a half", "3 or more", "3/10" are not answers.
NO_SINGLE = re.compile(
    r"(?:\s+(?:stars?|points?))?\s*(?:/|%|out of)"
    r"|\s+(?:and (?:a|one) (?:half|quarter)|or (?:more|less|fewer|higher|lower|above|below|greater)\b)",
    re.IGNORECASE,
)

#: "1. The comment is rude": the first item of a list that may have been cut off.
LIST_ITEM = re.compile(r"[*_]*[.)]{1,2}[*_]*[ \t]+(?=[^\W_])")

#: What may stand between an answer and its label.
TO_LABEL = r"[\s.,:=()*_\"'-]{0,8}"

#: What joins a word to another one, "yes and no", and a number to another one: "1 to 5", "3-4", "2 or 3".
WORDS_JOINED = re.compile(r"\s*(?:/|&|\b(?:and|or|nor)\b)\s*", re.IGNORECASE)
NUMBERS_JOINED = re.compile(
    r"\s*(?:-|\u2013|\u2014|/|&|\.{2,}|\u2026|\b(?:or|and|to|through|vs)\b)\s*([+-]?[0-9]+)", re.IGNORECASE
)

#: The next number of a list.
LISTED = re.compile(r"\s*,?\s*([+-]?[0-9]+(?:[.,:][0-9]+)*)")

#: Where a later statement may begin.
NEXT = re.compile(r"[.,;!?\n()\[\]{}/|&\u2026\u2013\u2014]|\s-\s|\b(?:and|or|but|then|so)\b", re.IGNORECASE)

#: "Yes, I'd be happy to help!" is not an answer.
OFFERS = re.compile(
    r"\b(?:happy|glad|here) to (?:help|assist|answer)\b|\bhow (?:can|may) i (?:help|assist)\b"
    r"|\bplease (?:provide|share|give|clarify|specify)\b"
    r"|\b(?:could|can) you (?:please )?(?:provide|share|clarify|specify)\b",
    re.IGNORECASE,
)

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
        self._label = re.compile(rf"{TO_LABEL}(?P<label>{labels})(?![^\W_])")
        self._numeric = all(_NUMBER.fullmatch(text) for text in self._place)
        self._of_top: re.Pattern[str] | None = None
        if self._numeric and len(self._place) > 2:
            top = re.escape(max(self._place, key=float))
            self._of_top = re.compile(rf"\s*(?:/|out of)\s*{top}(?![\w/]|[.,]\d)", re.IGNORECASE)
        longest_first = sorted(self._place, key=len, reverse=True)
        answer = f"(?P<answer>{'|'.join(map(re.escape, longest_first))})(?![^\\W_])"
        if self._numeric:
            answer += r"(?![.,:]\d)(?!\s*%)"
        lead = LEAD_TO_NUMBER if self._numeric else LEAD_TO_WORD
        self._answer = re.compile(answer)
        self._lead = re.compile(f"{MARKS}{FIELD}{lead}", re.IGNORECASE)
        self._stated = re.compile(f"(?i:{MARKS}{FIELD}{lead}){answer}")
        self._again = re.compile(f"(?i:{MARKS}{SECOND}{MARKS}{lead}){answer}")
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
        if DECLINES.search(said, match.end()):
            return "refusal"
        if said.startswith("?", end) or OFFERS.search(said, match.end()):
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
        if self._numeric and (unit := UNIT.match(said, after)):
            after = unit.end()
        if self._of_top and (whole := self._of_top.match(said, after)):
            after = whole.end()
        if closed := CLOSERS.match(said, after):
            after = closed.end()
        if repeated := re.compile(rf"(?:\s+{re.escape(match['answer'])}(?![^\W_]))+").match(said, after):
            after = repeated.end()
        if NO_SINGLE.match(said, after):
            return None
        if any(self._joined(said, after)):
            return after
        if label := self._label.match(said, after):
            if self._labels[self._place[match["answer"]]] == label["label"]:
                return label.end()
            if self._numeric:  # a word may go on in any words, also in those of another label
                return None
        if self._numeric and match.start("answer") == self._bare(said) and LIST_ITEM.match(said, after):
            return None
        over = END_OF_NUMBER if self._numeric else END_OF_WORD
        return after if over.match(said, after) else None

    @staticmethod
    def _bare(said: str) -> int:
        """Where a reply begins that has no word before its answer."""
        return next((place for place, letter in enumerate(said) if letter.isalnum()), 0)

    def _joined(self, said: str, start: int) -> Iterator[str]:
        """The answer that is joined to one that ends here; of a range such as "5 to 5" its ends as one text."""
        if not self._numeric:
            joined = WORDS_JOINED.match(said, start)
            if joined and (second := self._answer.match(said, joined.end())):
                yield second["answer"]
        elif joined := NUMBERS_JOINED.match(said, start):
            yield joined[0]
        elif (listed := LISTED.match(said, start)) and (
            self._answer.match(said, listed.start(1)) or END_OF_NUMBER.match(said, listed.end())
        ):
            yield listed[1]

    def _other_scale(self, said: str) -> bool:
        """Whether the reply says that it answers on a scale with other ends."""
        if not self._numeric:
            return False
        ends = {min(map(float, self._place)), max(map(float, self._place))}
        return any({float(one) for one in named.groups()} != ends for named in SCALE.finditer(said))

    def _later(self, said: str, start: int) -> Iterator[str]:
        """Answers stated after the first one."""
        yield from self._joined(said, start)
        for mark in NEXT.finditer(said, start):
            match = self._again.match(said, mark.end())
            if match and self._end(said, match) is not None:
                yield match["answer"]

    def _silence(self, said: str) -> Silence:
        if DECLINES.search(said) or APOLOGY.search(said):
            return "refusal"
        if len({match["answer"] for match in self._named.finditer(said)}) > 1:
            return "several answers"
        lead = self._lead.match(said)
        number = _ANY_NUMBER.match(said, lead.end()) if self._numeric and lead else None
        if number and (number[0].rstrip(".,:") not in self._place or NO_SINGLE.match(said, number.end())):
            return "off the scale"
        return "chatter"

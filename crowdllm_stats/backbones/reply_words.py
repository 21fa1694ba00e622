"""The English in which models wrap an answer or decline to give one, as regular expressions over folded text."""

from __future__ import annotations

import re

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

#: "2 and a half", "3 or more", "3/10" are no answers.
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

#: "Yes, I'd be happy to help!" is no answer.
OFFERS = re.compile(
    r"\b(?:happy|glad|here) to (?:help|assist|answer)\b|\bhow (?:can|may) i (?:help|assist)\b"
    r"|\bplease (?:provide|share|give|clarify|specify)\b"
    r"|\b(?:could|can) you (?:please )?(?:provide|share|clarify|specify)\b",
    re.IGNORECASE,
)

#: How a reply that names no answer shows that it was declined.
APOLOGY = re.compile(
    rf"\bsorry\b|\bapologi[sz]e\b|\bas an? (?:[a-z]+ ){{0,4}}{_MODEL}|\bno (?:personal )?opinion\b"
    r"|\b(?:cannot|can't|unable to) (?:answer|rate|assist|help|provide)\b|\bno comment(?=[.!,]|\Z)"
    r"|\bprefer not to\b|\bnot appropriate\b|\bmy guidelines\b",
    re.IGNORECASE,
)

"""What to search for when a question is asked as one asks a person: by rules, of English alone.

A rule takes words away at the beginning or at the end, or tells where another question begins. What stays is a
stretch of the text as it was written, so codes, names, numbers and quoted phrases cannot come out altered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate, product

from vecstore.quoting import QUOTED

MAX_REWRITTEN = 5  # queries of one text; OpenAI does not tell how many it makes
_QUOTED_WORD = '"'  # stands for every word of a quoted phrase: in no phrase of ours, and of substance
_SUBJECTLESS = 2  # words of substance beside a pronoun; with more a question can be searched for alone
_SHORTEST_ENDED = 3  # letters of a word whose final stop is the sentence's: not "Inc." or "No."
_PUNCTUATION = ",.!?;:…-–—()"
_WORD = re.compile(r"\S+")


def _spelt(*patterns: str) -> frozenset[tuple[str, ...]]:
    """The phrases of patterns: `a|b` is either, `a+b` both words, `_` none."""
    phrases: set[tuple[str, ...]] = set()
    for pattern in patterns:
        for choice in product(*(place.split("|") for place in pattern.split())):
            phrases.add(tuple(word for each in choice if each != "_" for word in each.split("+")))
    return frozenset(phrases)


_ASKED = (
    "tell+me|tell+us|explain|explain+to+me|explain+how|show+me|give+me|let+me+know|remind+me|clarify|describe|"
    "look+up|find+out|find+me|help+me|help+me+find|help+me+understand|help+me+with|point+me+to|provide+me+with"
)
_FRAMES = _spelt(  # said before a question, or that it is one
    f"can|could|would|will you _|please|kindly|also|possibly|maybe|perhaps {_ASKED} _|about|more+about|if|whether",
    f"can|could anyone|anybody|someone|somebody _|please {_ASKED} _|about|if|whether",
    f"please|pls|kindly {_ASKED} _|about|more+about|if|whether",
    "would you mind telling+me|explaining|explaining+how|showing+me _|about|if|whether",
    "please|pls|kindly",
    "tell|show|give me|us _|about|more+about|if|whether",
    "let me know _|if|whether",
    "explain to me",
    "explain how",
    "do you _|happen+to|by+any+chance know _|anything+about|if|whether|about",
    "do you have _|any idea _|if|whether|of",
    "do|would you have _|any|some information|info|details on|about|regarding",
    "does anyone|anybody|someone know _|anything+about|if|whether",
    "what can you tell+me about",
    "what do you|we know about",
    "i was|am|have+been _|just wondering _|if|whether",
    "i'm|i've+been _|just wondering _|if|whether",
    "just wondering _|if|whether",
    "i wonder _|if|whether",
    "i would|want|need|wish _|like|love to know|understand|find+out|learn|ask|hear _|about|more+about|if|whether",
    "i'd like|love to know|understand|find+out|learn|ask|hear _|about|more+about|if|whether",
    "i am|was trying to understand|find+out|learn|find _|about|more+about|if|whether",
    "i'm trying to understand|find+out|learn|find _|about|more+about|if|whether",
    "i am|was looking|searching for _|some|any _|information|info|details _|on|about|regarding",
    "i'm looking|searching for _|some|any _|information|info|details _|on|about|regarding",
    "i need|want _|some|any|more information|info|details|help on|about|regarding|with",
    "i have|had a _|quick|small|short question _|about|on|regarding|for+you",
    "i've a _|quick|small|short question _|about|on|regarding|for+you",
    "my question is",
    "sorry|apologies for+the+interruption|for+disturbing+you|to+bother+you|to+disturb+you _|but",
    "excuse me _|but",
    "what|which is|are|was|were|'s",
    "what's|whats",
    "what is the meaning|definition of",
    "what is meant by",
    "how do|can|could|should|would|might i|we|you|one",
    "how does one",
    "how to",
    "where can|could|do|would|might i|we|one find",
    "is|are there _|any",
    "is it possible to",
)
_LOOSE = _spelt(  # these begin titles, too: "Hello World", "Well casing"; so something must tell them apart
    "hi|hello|hey|greetings _|there|all|everyone|everybody|team|folks|guys|again",
    "good morning|afternoon|evening|day _|all|everyone|team",
    "dear all|team|support|sir|madam|assistant",
    "_|i hope you|this are+well|are+doing+well|finds+you+well|helps",
    "how are you _|doing|today",
    "ok|okay|so|well|and|also|but|then|now|finally|next|first|second|secondly|plus|right|sorry|anyway",
    "_|a|another quick|small|short|further|other|next question",
    "question|another+question",
    "thanks|thank+you",
    "explain|describe",
)
_CLOSINGS = _spelt(
    "_|many thanks _|a+lot|so+much|very+much|again|a+million",
    "thank you _|so+much|very+much|again",
    "thx|ty|cheers|regards|best+regards|kind+regards|best+wishes|appreciated|much+appreciated",
    "i|i'd|we|we'd _|would|really appreciate it|that|any+help|your+help",
    "any help|ideas|advice|pointers _|is|are|would+be _|very|much|greatly _|appreciated|welcome",
    "any idea",
    "_|please help _|me|us",
    "_|please let me know",
    "please advise",
    "can|could you _|please help|assist _|me|us _|with+this|with+that|here",
    "do|would you know",
    "if you _|happen+to know|can|don't+mind|please",
    "if possible",
    "i _|would+like+to|want+to|need+to know",
)
_TIGHT = _spelt("please|pls", "_|many thanks in advance", "thank you in advance")  # closings without a stop before
_MEANS = frozenset({("mean",), ("means",), ("stand", "for")})
_LONGEST = max(map(len, _FRAMES | _LOOSE | _CLOSINGS | _TIGHT))
_TALK = _FRAMES | _LOOSE | _CLOSINGS | _TIGHT

_ASKING = frozenset("what how where when why who whom whose which what's how's where's who's when's whats".split())
_AUXILIARIES = frozenset(
    "is are was were am do does did can could would should will shall may might must has have had".split()
)
_ARTICLES = frozenset({"the", "a", "an"})
_PRONOUNS = frozenset("it its they them their theirs he she him his her hers itself themselves".split())
_POINTING = frozenset("this that these those one ones".split())
_PERSONS = frozenset("i you we me us my your our there".split())
_LINKS = frozenset(
    "and or but so if then than as at by for from in into of off on onto out over to under up with without about "
    "not no also too just only any some all again here be been being next first second finally".split()
)
_STARTS = _ASKING | _AUXILIARIES | _ARTICLES | frozenset(phrase[0] for phrase in _FRAMES)
_FUNCTION = (
    (_ASKING | _AUXILIARIES | _ARTICLES | _PRONOUNS | _POINTING | _PERSONS | _LINKS)
    | frozenset("please pls kindly tell explain know thanks thank hi hello hey mean means work works".split())
    | frozenset("i'm i'd i've i'll it's that's there's don't doesn't isn't".split())
)

# What no other language says, and what English does not, of the words that nearly every sentence has.
_ENGLISH = frozenset(
    "the is are were what how where when why which who whose does did can could would should you your please tell "
    "have has this that these those there and for with from about if it thanks thank hello explain know wondering "
    "what's i'm i'd i've my our we they of by how's don't".split()
)
_FOREIGN = frozenset(
    "der die das den dem des ein eine einen einer und ist sind nicht wie für von mit auf im zu zum zur ich wir ihr "
    "bitte hallo danke wo wann warum welche welcher kann können gibt bei nach wird werden haben hat "
    "le la les du de un une et est sont que qui quoi comment où pour dans sur pas je vous nous avec quel quelle "
    "bonjour merci c'est s'il quand pourquoi "
    "el los las es son y qué cómo dónde cuál para por con del se hola gracias cuándo una "
    "il lo gli è che di per dove quale sono della nel ciao grazie quando come perché "
    "os um uma não em onde qual da dos obrigado olá "
    "het een en van ik wat hoe niet voor met op aan zijn naar wanneer waar waarom "
    "og er det hvad hva jeg ikke på af til är och vad hur att jag inte som hvor hvordan "
    "jest nie jak gdzie kiedy się czy na bir ve ne nasıl apa yang dan di untuk".split()
)


def rewrite(query: str) -> list[str]:
    """The queries to search for instead: 1 to MAX_REWRITTEN, each once, none empty, none longer than the text.

    Without greeting, politeness and question frame, and a query for each question that can stand alone. Where
    nothing would be left, or the text is not English, the text without blanks around it. A query that comes out
    is rewritten into itself.
    """
    text = query.strip()
    queries = _queries(text)
    return queries if all(_queries(each) == [each] for each in queries) else [text or query]


def _queries(text: str) -> list[str]:
    words = _Words(text)
    if not words.english(0, len(words)):
        return [text]
    found = list(dict.fromkeys(words.searched(*part) for part in _questions(words)))
    if len(found) > MAX_REWRITTEN:
        rest = ", ".join(each.rstrip("?") for each in found[MAX_REWRITTEN - 1 :])
        found = [*found[: MAX_REWRITTEN - 1], rest]
    return found or [text]


class _Words:
    """A text's words; `plain` are they in lower case without punctuation, or _QUOTED_WORD."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = [found.span() for found in _WORD.finditer(text)]
        quoted = [found.span() for found in QUOTED.finditer(text)]
        self.plain: list[str] = []
        self.open: list[bool] = []  # whether the word's last character is in no quoted phrase
        at = 0
        for start, end in self.spans:
            while at < len(quoted) and quoted[at][1] <= start:
                at += 1
            inside = at < len(quoted) and quoted[at][0] < end
            word = text[start:end].strip(_PUNCTUATION).lower().replace("’", "'")
            self.plain.append(_QUOTED_WORD if inside else word)
            self.open.append(not inside or _outside(end, quoted, at))
        self._shouted = text.isupper()
        self._told = [0, *accumulate(self._of_substance(i) for i in range(len(self.spans)))]

    def __len__(self) -> int:
        return len(self.spans)

    def _of_substance(self, i: int) -> bool:
        """Whether it is worth searching for: no word of grammar or manners, but for IT, WHO and US."""
        plain, written = self.plain[i], self.written(i).strip(_PUNCTUATION)
        if plain not in _FUNCTION:
            return plain == _QUOTED_WORD or any(map(str.isalnum, plain))
        return len(plain) > 1 and written.isupper() and not self._shouted

    def written(self, i: int) -> str:
        return self.text[slice(*self.spans[i])]

    def told(self, first: int, last: int) -> int:
        """How many words of substance there are."""
        return self._told[last] - self._told[first] if first < last else 0

    def english(self, first: int, last: int) -> bool:
        """Whether more of the words that give a language away are English ones, and the letters Latin."""
        words = self.plain[first:last]
        ours, theirs = sum(word in _ENGLISH for word in words), sum(word in _FOREIGN for word in words)
        if ours <= theirs:
            return False
        letters = [c for word in words for c in word if c.isalpha()]
        return 2 * sum(c < "ɐ" for c in letters) > len(letters)  # Latin ends there

    def matched(self, phrases: frozenset[tuple[str, ...]], first: int, last: int) -> int:
        """How many words the longest of these phrases has that is said at `first`."""
        for n in range(min(_LONGEST, last - first), 0, -1):
            if tuple(self.plain[first : first + n]) in phrases:
                return n
        return 0

    def ended(self, phrases: frozenset[tuple[str, ...]], first: int, last: int) -> int:
        """How many words the longest of these phrases has that is said just before `last`."""
        for n in range(min(_LONGEST, last - first), 0, -1):
            if tuple(self.plain[last - n : last]) in phrases:
                return n
        return 0

    def stops(self, i: int) -> bool:
        """Whether a sentence, a clause or a line ends after this word."""
        if i + 1 < len(self) and "\n" in self.text[self.spans[i][1] : self.spans[i + 1][0]]:
            return True
        return self.open[i] and self.written(i)[-1] in _PUNCTUATION

    def asks(self, i: int) -> bool:
        """Whether a question ends with this word."""
        return self.open[i] and self.written(i).rstrip("!").endswith("?")

    def idle(self, first: int, last: int) -> bool:
        """Whether there is nothing but greeting, politeness and frames."""
        while first < last:
            n = self.matched(_TALK, first, last) or (not self.plain[first])
            if not n:
                return False
            first += n
        return True

    def narrowed(self, first: int, last: int) -> tuple[int, int]:
        """The words that are left; at least one of substance, or all of them."""
        if not self.english(first, last):
            return first, last
        begun = first
        while True:
            if (n := self._opening(begun, first, last)) and self.told(first + n, last):
                first += n
            elif (n := self._closing(first, last)) and self.told(first, last - n):
                last -= n
            elif (n := self._meaning(first, last)) and self.told(first + 2, last - n):
                first, last = first + 2, last - n
            else:
                return first, last

    def _opening(self, begun: int, first: int, last: int) -> int:
        if first > begun and (not self.plain[first] or self._is_article(first)):
            return 1
        if n := self.matched(_FRAMES, first, last):
            of_a_pronoun = self.plain[first] in _ASKING and self._is_pronoun(first + n, last)
            return 0 if of_a_pronoun else n
        n = self.matched(_LOOSE, first, last)
        apart = n and first + n < last and (self.stops(first + n - 1) or self.plain[first + n] in _STARTS)
        return n if apart or (n and first + n < last and not self.plain[first + n]) else 0

    def _is_article(self, i: int) -> bool:
        """Not the one of a title: "The Hague"."""
        return self.plain[i] in _ARTICLES and (self._shouted or self.written(i).islower())

    def _is_pronoun(self, i: int, last: int) -> bool:
        return i < last and self.plain[i] in _PRONOUNS | _POINTING | _PERSONS and not self.told(i, i + 1)

    def _closing(self, first: int, last: int) -> int:
        if not self.plain[last - 1]:
            return 1
        if n := self.ended(_TIGHT, first, last):
            return n
        n = self.ended(_CLOSINGS, first, last)
        return n if n and last - n > first and self.stops(last - n - 1) else 0

    def _meaning(self, first: int, last: int) -> int:
        """`what does ... mean`: how many words its end has."""
        asked = self.plain[first : first + 2] in (["what", "does"], ["what", "do"], ["what", "did"])
        return self.ended(_MEANS, first + 2, last) if asked else 0

    def searched(self, first: int, last: int) -> str:
        """What to search for, of these words."""
        kept, end = self.narrowed(first, last)
        text = self.text[self.spans[kept][0] : self.spans[end - 1][1]]
        if not self.english(first, last) or not self.open[end - 1]:
            return text
        word = self.written(end - 1).rstrip(_PUNCTUATION)
        ends_a_sentence = word.isalpha() and word.islower() and len(word) >= _SHORTEST_ENDED
        return (text.rstrip("?!.,;:…") if ends_a_sentence else text.rstrip("?").rstrip(",;")) or text


def _outside(end: int, quoted: list[tuple[int, int]], at: int) -> bool:
    """Whether the character before `end` is in none of the quoted stretches from `at` on."""
    while at < len(quoted) and quoted[at][1] < end:
        at += 1
    return at == len(quoted) or not quoted[at][0] < end <= quoted[at][1]


def _questions(words: _Words) -> list[tuple[int, int]]:
    """The stretches that are searched for one by one: what needs the question before it stays with that."""
    parts: list[tuple[int, int]] = []
    for first, last in _parts(words):
        if words.idle(first, last) and not words.told(first, last):
            continue
        if parts and (not words.told(*parts[-1]) or _follows(words, first, last)):
            parts[-1] = parts[-1][0], last
        else:
            parts.append((first, last))
    return parts


def _parts(words: _Words) -> Iterable[tuple[int, int]]:
    """Where a question ends, and before the `and` of `and how do I`."""
    first = 0
    for i in range(len(words)):
        another = words.plain[i : i + 1] == ["and"] and i > first and _begins_question(words.plain[i + 1 : i + 3])
        if another:
            yield first, i
            first = i
        if words.asks(i):
            yield first, i + 1
            first = i + 1
    if first < len(words):
        yield first, len(words)


def _begins_question(words: list[str]) -> bool:
    return len(words) == 2 and words[0] in _ASKING and words[1] in _AUXILIARIES | {"much", "many", "long", "often"}


def _follows(words: _Words, first: int, last: int) -> bool:
    """Whether it says nothing without what comes before it."""
    joined = words.plain[first] in {"and", "or", "but"}
    begun = first + joined
    starts = begun < last and words.plain[begun] in _STARTS - _ARTICLES
    if not starts and (joined or not words.asks(last - 1)):
        return True  # "And in Oslo?", or a sentence about the question
    if words.plain[begun : begun + 2] in (["what", "about"], ["how", "about"]):
        return True
    first, last = words.narrowed(begun, last)
    told = words.told(first, last)
    for i in range(first, last):
        plain = words.plain[i]
        if plain in _PRONOUNS or (plain in _POINTING and (i == last - 1 or not words.told(first, i))):
            return told <= _SUBJECTLESS or not words.told(first, i)
    return told == 0

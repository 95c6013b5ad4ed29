import random
from concurrent.futures import ThreadPoolExecutor
from string import ascii_lowercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vecstore.index.analyze import MAX_TERM_BYTES, analyze, terms


def words(text):
    return list(terms(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cats CAT cat", ["cat", "cat", "cat"]),
        ("running runs", ["run", "run"]),
        ("The cat and the hat", ["cat", "hat"]),
        ("the company's car", ["compani", "car"]),
        ("don't", ["don't", "don"]),
        ("FY2018", ["fy2018", "fy", "2018"]),
        ("readTimeout", ["readtimeout", "read", "timeout"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("max_num_results", ["max_num_results", "max", "num", "result"]),
        ("pip-compile", ["pip-compile", "pip", "compil"]),
        ("v1.2.3", ["v1.2.3", "1", "2", "3"]),
        ("3.14", ["3.14", "3", "14"]),
        ("Straße", ["straße"]),
        ("ﬁnance", ["financ"]),
        ("Ｆｕｌｌ", ["full"]),
        ("हिन्दी", ["हिन्द"]),  # a vowel sign belongs to its letter
        ("東京都", ["東京", "京都"]),
        ("東", ["東"]),
        ("iPhone東京", ["iphon", "phone", "東京"]),
        ("Ёлка", ["елк"]),
        ("", []),
        ("... !? ---", []),
        ("\0\n\t", []),
    ],
)
def test_text_becomes_terms(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "forms",
    [
        "лодки лодка лодке",
        "किताबें किताब किताबों",
        "الكتاب كتاب",
        "boats boat",
        "βιβλιοθήκες βιβλιοθήκη",
        "புத்தகங்கள் புத்தகம்",
    ],
)
def test_forms_of_a_word_are_one_term_in_each_script(forms):
    assert len(set(words(forms))) == 1


def test_composed_and_decomposed_letters_are_one_term():
    assert words("café") == words("cafe\u0301") == ["café"]


@pytest.mark.parametrize("text", ["Running in FY2018", "the readTimeout of 東京都 and हिन्दी", "ﬁnance ﬁles’s end"])
def test_every_term_tells_where_it_stands(text):
    for token in analyze(text):
        assert 0 <= token.start < token.end <= len(text)
        assert token.term in words(text[token.start : token.end])


def test_a_part_points_to_its_own_letters():
    text = "set readTimeout"
    assert {(token.term, text[token.start : token.end]) for token in analyze(text)} == {
        ("set", "set"),
        ("readtimeout", "readTimeout"),
        ("read", "read"),
        ("timeout", "Timeout"),
    }


_ENDINGS = ("", *"s es ies ed ing ying yings eing ingly ly ational fulness 's ness".split())
_BEGINNINGS = st.one_of(st.text(ascii_lowercase, min_size=1, max_size=3), st.text("aB1_-é東", min_size=1, max_size=3))
_WORDS = st.lists(st.builds(str.__add__, _BEGINNINGS, st.sampled_from(_ENDINGS)), min_size=1, max_size=12)


@given(written=_WORDS, chance=st.randoms(use_true_random=False))
@example(written=["lying", "lie", "eing", "dyings"], chance=random.Random(0))
def test_the_tokens_of_some_terms_are_those_among_all(written, chance):
    text = " ".join(written)
    every = analyze(text)
    for term in {token.term for token in every}:
        assert analyze(text, only={term}) == [token for token in every if token.term == term]
    some = {token.term for token in every if chance.random() < 0.5}
    assert analyze(text, only=some) == [token for token in every if token.term in some]


def test_a_word_that_is_data_is_no_term():
    assert words("a" * (MAX_TERM_BYTES + 1)) == []
    assert words("b" * MAX_TERM_BYTES) == ["b" * MAX_TERM_BYTES]


def test_no_term_holds_white_space():
    odd = "".join(map(chr, range(0x20, 0x3000))) + "\ufdfa \u3000x\ufe49y"
    assert all(term and not any(map(str.isspace, term)) for term in words(odd))


def test_reading_is_in_order():
    starts = [token.start for token in analyze("one twoThree 東京都 four-five")]
    assert starts == sorted(starts)


def test_threads_get_the_same_terms():
    text = "Several threads are stemming running words in parallel. " * 50
    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(terms) for terms in pool.map(words, [text] * 16)}) == 1

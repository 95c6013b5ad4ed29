from concurrent.futures import ThreadPoolExecutor

import pytest

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

import time

import numpy as np
import pytest

from ingestion import tokens


def test_counts_are_those_of_cl100k_base():
    assert tokens.count("hello world") == 2
    assert tokens.count("tiktoken is great!") == 6
    assert tokens.count("") == 0


def test_special_tokens_are_ordinary_text():
    assert tokens.count("<|endoftext|>") > 1


def test_a_token_that_ends_inside_a_character_is_given_its_end():
    ends = tokens.token_ends("a\U0001f9ffb")
    assert ends[-1] == 3
    assert len(ends) == tokens.count("a\U0001f9ffb") > 3
    assert set(ends.tolist()) == {1, 2, 3}


@pytest.mark.parametrize(
    "text", ["plain words, and more.\n\n  Indented", "日本語のテキスト 漢字", "e\u0301 שלום \U0001f600"]
)
def test_ends_never_decrease_and_the_last_one_is_the_texts(text):
    ends = tokens.token_ends(text)
    assert len(ends) == tokens.count(text)
    assert (np.diff(ends) >= 0).all()
    assert ends[-1] == len(text)


@pytest.mark.parametrize("unit", ["a", " ", "\t", "\n", "\U0001f600", "中", "!", "e\u0301"])
def test_a_megabyte_of_one_thing_is_counted_in_linear_time(unit):
    text = unit * (1_000_000 // len(unit.encode())) + "x"
    started = time.perf_counter()
    assert tokens.token_ends(text)[-1] == len(text)
    assert time.perf_counter() - started < 10


def test_long_white_space_before_a_word_does_not_run_out_of_stack():
    assert tokens.count(" " * 1_000_000 + "x") > 0


def test_blocks_end_where_a_token_ends_whatever_surrounds_it():
    text = "Some words, and (others); 12345 more.\n\nNext line " * 50_000
    assert len(text) > tokens.BLOCK_CHARS
    assert tokens.count(text) == len(tokens.token_ends(text)) == len(tokens.encoding().encode_ordinary(text))


def test_the_places_where_tokens_begin_whatever_surrounds_them_are_found():
    text = "one  two three"
    assert tokens.next_sync(text, 0, len(text)) == 3
    assert tokens.last_sync(text, 0, len(text)) == 8
    assert tokens.next_sync(text, 9, len(text)) == -1
    assert tokens.last_sync(text, 8, len(text)) == -1

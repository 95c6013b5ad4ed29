import time

import pytest

from ingestion import AUTO, Document, Span, StaticStrategy, chunk, parse, tokens
from ingestion.cutter import WINDOW_TOKENS

SENTENCE = "The seventh witness said that the bridge had been closed since the spring of that year. "
PARAGRAPH = SENTENCE * 5 + "\n\n"
SMALL = StaticStrategy(100, 20)


def plain(text, *spans):
    return Document(text, "text/plain", spans)


def markdown(text):
    return parse(text.encode(), "notes.md")


def test_auto_is_800_tokens_with_400_overlap():
    assert StaticStrategy(800, 400) == AUTO


@pytest.mark.parametrize(("size", "overlap"), [(99, 0), (4097, 0), (100, 51), (100, -1)])
def test_a_strategy_out_of_bounds_says_so(size, overlap):
    with pytest.raises(ValueError, match="must be"):
        StaticStrategy(size, overlap)


def test_short_text_is_one_chunk_and_no_text_is_none():
    [only] = chunk(plain("Just a line."), AUTO).chunks
    assert (only.text, only.start, only.end, only.windows) == ("Just a line.", 0, 12, (0, 1))
    assert chunk(plain(""), AUTO).chunks == ()


def test_neighbours_share_one_block_and_its_windows():
    chunked = chunk(plain(PARAGRAPH * 60), AUTO)
    assert len(chunked.chunks) > 5
    for before, after in zip(chunked.chunks[:-1], chunked.chunks[1:], strict=True):
        shared = range(after.windows[0], before.windows[1])
        assert shared
        assert chunked.windows[shared[0]].start == after.start
        assert chunked.windows[shared[-1]].end == before.end


def test_windows_fit_a_small_model():
    text = PARAGRAPH * 60
    for window in chunk(plain(text), AUTO).windows:
        assert tokens.count(text[window.start : window.end]) <= WINDOW_TOKENS + 1  # alone, its edges may cost one more


def test_chunks_are_well_filled():
    pieces = chunk(plain(PARAGRAPH * 100), AUTO).chunks
    assert all(piece.tokens > 550 for piece in pieces[:-1])


def test_chunks_end_at_paragraphs_where_one_is_near():
    pieces = chunk(plain(PARAGRAPH * 100), AUTO).chunks
    assert all(piece.text.endswith("\n\n") for piece in pieces)


def test_without_paragraphs_chunks_end_at_sentences():
    pieces = chunk(plain(SENTENCE * 300), AUTO).chunks
    assert all(piece.text.startswith("The seventh") for piece in pieces)


def test_without_sentences_chunks_end_at_words():
    pieces = chunk(plain("lantern " * 3000), AUTO).chunks
    assert all(piece.text.startswith("lantern") for piece in pieces)


@pytest.mark.parametrize("words", range(40, 90, 3))
def test_a_heading_stays_with_what_follows(words):
    heading = "## What the seventh witness said about the bridge that had been closed since spring"
    document = markdown(f"{'lantern ' * words}\n\n{heading}\n\n{SENTENCE * 10}")
    for piece in chunk(document, StaticStrategy(100, 0)).chunks:
        assert not piece.text.rstrip().endswith(heading)


def test_a_chunk_begins_before_a_heading_rather_than_before_a_paragraph():
    text = f"{SENTENCE * 5}\n\n# New\n\nab\n\n{SENTENCE * 10}"
    first, *_ = chunk(markdown(text), StaticStrategy(100, 0)).chunks
    assert first.end == text.index("# New")


def test_functions_are_not_cut_where_their_start_is_near():
    source = "".join(f"def step_{number}(value):\n    return value + {number}\n" for number in range(200))
    pieces = chunk(parse(source.encode(), "steps.py"), StaticStrategy(200, 0)).chunks
    assert all(piece.text.startswith("def step_") for piece in pieces)


def test_the_heading_path_is_the_one_in_force_at_the_start():
    document = markdown(f"# Book\n\n## First\n\n{PARAGRAPH * 3}\n## Second\n\n{PARAGRAPH * 3}")
    paths = [piece.heading_path for piece in chunk(document, StaticStrategy(100, 0)).chunks]
    assert paths[0] == ("Book",)
    assert paths[1] == ("Book", "First")
    assert paths[-1] == ("Book", "Second")


def test_pages_are_the_first_and_the_last_that_are_touched():
    text = PARAGRAPH * 8
    size = len(text) // 8
    pages = [Span("page", size * at, size * (at + 1), str(at + 1), at + 1) for at in range(8)]
    pieces = chunk(plain(text, *pages), StaticStrategy(200, 100)).chunks
    assert pieces[0].pages == (1, -(-pieces[0].end // size))
    assert pieces[-1].pages[1] == 8
    assert chunk(plain(text), AUTO).chunks[0].pages is None


@pytest.mark.parametrize("trailing", ["\n", "\n" * 50, " " * 300])
def test_trailing_white_space_makes_no_chunk_of_its_own(trailing):
    for words in range(40, 110):
        pieces = chunk(plain("lantern " * words + trailing), StaticStrategy(100, 0)).chunks
        assert all(piece.text.strip() for piece in pieces)


def test_an_emoji_of_several_characters_is_not_parted():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for piece in chunk(plain(family * 400), StaticStrategy(100, 0)).chunks:
        assert piece.text[0] == "\U0001f468"


def test_a_letter_keeps_its_marks():
    for piece in chunk(plain("q\u0323\u0307" * 2000), StaticStrategy(100, 0)).chunks:
        assert piece.text[0] == "q"


def test_chunking_is_fast_enough():
    text = PARAGRAPH * 2000
    chunk(plain("warm"), AUTO)
    started = time.thread_time()
    chunk(plain(text), AUTO)
    assert len(text) / 1e6 / (time.thread_time() - started) > 1  # MB a second of CPU; 7 where nothing else runs

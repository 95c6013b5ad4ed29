"""Chunks join back to the text, within their limits, whatever the text."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import AUTO, Document, Span, StaticStrategy, StructureStrategy, chunk, passages, tokens

MAX_BLANK_RUN = 20  # characters of white space on end, in these texts

characters = st.characters(exclude_categories=["Cs"])
odd_pieces = st.sampled_from(
    [
        "The quick brown fox. ",
        "word ",
        "\n\n",
        "\n# Heading\n",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "e\u0301\u0323",
        "שלום עולם ",
        "漢字かな交じり文。",
        "a" * 90,
        "== -- ==",
        "\t\t",
        "3.14159 ",
        "don't've ",
        "<|endoftext|>",
        "!\n",
        "}\r\n",
    ]
)


@st.composite
def texts(draw):
    pieces = draw(st.lists(st.one_of(odd_pieces, st.text(characters, max_size=30)), max_size=40))
    repeats = draw(st.integers(1, 40))
    text = "".join(pieces) * repeats
    return text[: draw(st.integers(0, 12_000))] if draw(st.booleans()) else text


@st.composite
def documents(draw):
    text = draw(texts())
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12, unique=True)))
    spans = [
        Span("heading", start, min(start + 9, end), f"h{start}", draw(st.integers(1, 6)))
        for start, end in pairwise(places)
    ]
    for kind in ("sheet", "symbol"):
        holders = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4, unique=True)))
        spans += [Span(kind, start, end, f"{kind}{start}") for start, end in pairwise(holders)]
    pages = [0, *places[1:-1:2], len(text)]
    for number, (start, end) in enumerate(pairwise(pages), 1):
        spans.append(Span("page", start, end, str(number), number))
    return Document(text, "text/plain", tuple(sorted(spans, key=lambda span: (span.start, -span.end))))


@st.composite
def strategies(draw):
    size = draw(st.sampled_from([100, 101, 128, 200, 333, 800]))
    return StaticStrategy(size, draw(st.sampled_from([0, 1, 2, size // 8, size // 4, size // 2 - 1, size // 2])))


def check(document, strategy):
    text, chunked = document.text, chunk(document, strategy)
    chunks, windows = chunked.chunks, chunked.windows
    if not text:
        assert chunked.chunks == chunked.windows == ()
        return
    assert (chunks[0].start, chunks[-1].end) == (0, len(text))
    assert [piece.index for piece in chunks] == list(range(len(chunks)))
    for piece in chunks:
        assert piece.text == text[piece.start : piece.end]
        assert piece.tokens == tokens.count(piece.text) <= strategy.max_chunk_size_tokens
        first, last = piece.windows
        assert (windows[first].start, windows[last - 1].end) == (piece.start, piece.end)
    for before, after in pairwise(chunks):
        assert before.start < after.start <= before.end < after.end
        assert (after.start < before.end) == (strategy.chunk_overlap_tokens > 0)
    assert (windows[0].start, windows[-1].end) == (0, len(text))
    for before, after in pairwise(windows):
        assert before.start < before.end == after.start < after.end
    if tokens.count(text) <= strategy.max_chunk_size_tokens:
        assert len(chunks) == 1


@settings(max_examples=150, deadline=None)
@given(documents(), strategies())
def test_chunks_cover_any_text_within_their_limit(document, strategy):
    check(document, strategy)


def check_structure(document, target):
    text, strategy = document.text, StructureStrategy(target)
    chunked = chunk(document, strategy)
    chunks, windows = chunked.chunks, chunked.windows
    assert "".join(piece.text for piece in chunks) == text
    headings = sum(tokens.count(text[span.start : span.end]) + 4 for span in document.spans if span.kind == "heading")
    for piece in chunks:
        blanks = tokens.count(piece.text) - tokens.count(piece.text.strip())
        assert piece.tokens <= target + headings + blanks + 1
        first, last = piece.windows
        assert (windows[first].start, windows[last - 1].end) == (piece.start, piece.end)
    if text.strip():
        assert all(piece.text.strip() for piece in chunks)


@settings(max_examples=150, deadline=None)
@given(documents(), st.sampled_from([100, 128, 400]))
def test_whole_sections_cover_any_text(document, target):
    check_structure(document, target)


@settings(max_examples=60, deadline=None)
@given(documents(), strategies())
def test_passages_tile_any_text_in_sections_and_pages(document, strategy):
    windows = chunk(document, strategy).windows
    cited = passages(document, windows)
    assert "".join(document.text[each.start : each.end] for each in cited) == document.text
    for each in cited:
        window = windows[each.window]
        assert window.start <= each.start < each.end <= window.end


@settings(max_examples=60, deadline=None)
@given(documents(), strategies())
def test_the_same_input_gives_the_same_chunks(document, strategy):
    assert chunk(document, strategy) == chunk(document, strategy)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(characters, min_size=1, max_size=20), min_size=1, max_size=400), strategies())
def test_no_chunk_is_only_white_space(words, strategy):
    text = " ".join(" ".join(words).split()) + " " * (MAX_BLANK_RUN - 1)
    pieces = chunk(Document(text, "text/plain"), strategy).chunks
    assert all(piece.text.strip() for piece in pieces) or not text.strip()


@pytest.mark.parametrize("unit", ["a", " ", "\n", "\U0001f600", "中", "e\u0301", "ab ", "\u0301", "\u200d", "x\n"])
@pytest.mark.parametrize("strategy", [AUTO, StaticStrategy(100, 1), StaticStrategy(100, 0)])
def test_long_runs_of_one_thing_are_cut_within_the_limit(unit, strategy):
    document = Document(unit * (40_000 // len(unit)), "text/plain")
    check(document, strategy)
    check_structure(document, 200)

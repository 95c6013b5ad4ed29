"""No text goes unembedded: windows that a model would cut are cut smaller, and chunks keep covering them."""

import pytest

from ingestion import AUTO, Document, Span, StructureStrategy, chunk, parse, passages
from vecstore import EmbeddingError, HashingEmbedder, SentenceTransformerEmbedder
from vecstore.embed import EMBED_AT_ONCE, texts_at_once
from vecstore.indexing import ReadFile, embed, fit_windows
from vecstore.types import File


class Short:
    """Reads so many characters and no more."""

    identity, dimensions = "short", 1

    def __init__(self, chars):
        self.chars = chars

    def fits(self, texts):
        return [len(text) <= self.chars for text in texts]


def read_file(document, strategy=AUTO):
    file = File("file-1", "text.md", 1, "0" * 64, 0)
    return ReadFile(file, {}, strategy, document, chunk(document, strategy))


TEXTS = {
    "words": "the gateway stores its readings for ninety days " * 200,
    "one long word": "x" * 5_000,
    "headings": "".join(f"# Part {i}\n\n{'some words of this part ' * 40}\n\n" for i in range(12)),
}


@pytest.mark.parametrize("chars", [1, 7, 100, 700])
@pytest.mark.parametrize("name", TEXTS)
def test_every_window_fits_and_each_chunk_is_covered_by_its_own(name, chars):
    document = parse(TEXTS[name].encode(), "text.md")
    whole = chunk(document, AUTO)
    file, texts = fit_windows(read_file(document), Short(chars))
    fitted = file.chunked
    assert texts == [document.text[window.start : window.end] for window in fitted.windows]
    assert all(0 < window.end - window.start <= chars for window in fitted.windows)
    assert [window.start for window in fitted.windows[1:]] == [window.end for window in fitted.windows[:-1]]
    for before, after in zip(whole.chunks, fitted.chunks, strict=True):
        own = fitted.windows[slice(*after.windows)]
        assert (own[0].start, own[-1].end) == (after.start, after.end) == (before.start, before.end)


def test_windows_that_fit_are_left_as_they_are():
    document = parse(TEXTS["headings"].encode(), "text.md")
    whole = read_file(document)
    assert fit_windows(whole, Short(100_000))[0] is whole


ROWS = "code,place\n" + "".join(f"TN-{i},Haarlem dock {i}\n" for i in range(400))


def test_rows_are_embedded_with_the_header_of_their_table():
    document = parse(ROWS.encode(), "docks.csv")
    _, texts = fit_windows(read_file(document), Short(100_000))
    assert len(texts) > 2
    assert texts[0].startswith("code,place\nTN-0")
    assert all(text.startswith("code | place\nTN-") for text in texts[1:])


@pytest.mark.parametrize("chars", [10, 25, 60])
def test_a_header_that_leaves_no_room_is_left_out(chars):
    document = parse(ROWS.encode(), "docks.csv")
    file, texts = fit_windows(read_file(document), Short(chars))
    assert all(len(text) <= chars for text in texts)
    assert "".join(text.removeprefix("code | place\n") for text in texts) == document.text
    assert len(file.chunked.windows) == len(texts)


def test_headings_are_embedded_only_with_the_strategy_structure():
    document = parse(TEXTS["headings"].encode(), "text.md")
    for strategy, expected in ((AUTO, False), (StructureStrategy(100), True)):
        _, texts = fit_windows(read_file(document, strategy), Short(100_000))
        assert any(text.startswith("Part 3\n") for text in texts) is expected


def test_passages_tile_the_windows_and_stand_under_one_heading_each():
    document = parse(TEXTS["headings"].encode(), "text.md")
    windows = chunk(document, AUTO).windows
    cited = passages(document, windows)
    assert [each.start for each in cited[1:]] == [each.end for each in cited[:-1]]
    assert [each.window for each in cited] == sorted(each.window for each in cited)
    for each in cited:
        window = windows[each.window]
        assert window.start <= each.start < each.end <= window.end
        text = document.text[each.start : each.end]
        assert text.count("# Part") <= 1
        assert text.count("# Part") == 0 or text.lstrip().startswith("# Part")
    first = next(each for each in cited if "# Part 3\n" in document.text[each.start : each.end])
    assert first.heading_path == ("Part 3",)


def test_a_passage_begins_where_a_page_does_and_headings_stay_with_what_follows():
    text = "one\n# A\n## B\ntwo\nthree\n"
    spans = (
        Span("page", 0, 18, "1", 1),
        Span("heading", 4, 7, "A", 1),
        Span("heading", 8, 12, "B", 2),
        Span("page", 18, 23, "2", 2),
    )
    document = Document(text, "text/plain", spans)
    cited = passages(document, chunk(document, AUTO).windows)
    assert [(text[each.start : each.end], each.page, each.heading_path) for each in cited] == [
        ("one\n", 1, ()),
        ("# A\n## B\ntwo\nt", 1, ("A", "B")),
        ("hree\n", 2, ("A", "B")),
    ]


def test_a_passage_is_on_the_page_where_its_words_are():
    text = "Costs\n   \n  Ten euros a day.\n\n   \n"
    spans = (
        Span("page", 0, 10, "1", 1),
        Span("heading", 0, 5, "Costs", 1),
        Span("page", 10, 30, "2", 2),
        Span("page", 30, 34, "3", 3),
    )
    document = Document(text, "text/plain", spans)
    cited = passages(document, chunk(document, AUTO).windows)
    assert [(text[each.start : each.end].strip(), each.page, each.heading_path) for each in cited] == [
        ("Costs", 1, ("Costs",)),
        ("Ten euros a day.", 2, ("Costs",)),
    ]


class Counting(HashingEmbedder):
    """Wants so many texts at once."""

    def __init__(self, texts_at_once):
        super().__init__()
        self.texts_at_once, self.given = texts_at_once, []

    def embed(self, texts):
        self.given.append(len(texts))
        return super().embed(texts)


def test_an_embedder_gets_as_many_texts_at_once_as_it_wants():
    document = parse("".join(f"word {i} of many {'more ' * 90}\n\n" for i in range(30)).encode(), "text.md")
    n = len(read_file(document).chunked.windows)
    assert n > 10
    few, many = Counting(5), Counting(1000)
    [by_few], [by_many] = (embed([read_file(document)], each) for each in (few, many))
    assert (few.given, many.given) == ([5] * (n // 5) + [n % 5] * (n % 5 > 0), [n])
    assert (by_few.vectors == by_many.vectors).all()


def test_an_embedder_that_wants_no_texts_is_a_sentence():
    document = parse(b"some text", "text.md")
    with pytest.raises(EmbeddingError, match="must be given one text or more at once, not 0"):
        embed([read_file(document)], Counting(0))


def test_a_gpu_gets_many_texts_at_once_and_a_processor_few():
    few, many = (texts_at_once(SentenceTransformerEmbedder("any", device=each)) for each in ("cpu", "cuda"))
    assert few == texts_at_once(HashingEmbedder()) == EMBED_AT_ONCE < many

"""No text goes unembedded: windows that a model would cut are cut smaller, and chunks keep covering them."""

import pytest

from ingestion import AUTO, chunk, parse
from vecstore.indexing import fit_windows


class Short:
    """Reads so many characters and no more."""

    identity, dimensions = "short", 1

    def __init__(self, chars):
        self.chars = chars

    def fits(self, texts):
        return [len(text) <= self.chars for text in texts]


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
    fitted = fit_windows(whole, document.text, Short(chars))
    assert all(0 < window.end - window.start <= chars for window in fitted.windows)
    assert [window.start for window in fitted.windows[1:]] == [window.end for window in fitted.windows[:-1]]
    for before, after in zip(whole.chunks, fitted.chunks, strict=True):
        own = fitted.windows[slice(*after.windows)]
        assert (own[0].start, own[-1].end) == (after.start, after.end) == (before.start, before.end)


def test_windows_that_fit_are_left_as_they_are():
    document = parse(TEXTS["headings"].encode(), "text.md")
    whole = chunk(document, AUTO)
    assert fit_windows(whole, document.text, Short(100_000)) is whole


def test_a_cut_window_keeps_its_page_and_headings():
    document = parse(TEXTS["headings"].encode(), "text.md")
    whole = chunk(document, AUTO)
    fitted = fit_windows(whole, document.text, Short(50))
    paths = {window.heading_path for window in whole.windows}
    assert {window.heading_path for window in fitted.windows} == paths

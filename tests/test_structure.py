"""The strategy `structure`, and what sections a place is said to stand in."""

import pytest

from ingestion import AUTO, Document, Span, StaticStrategy, StructureStrategy, chunk, contexts, parse, passages

SENTENCE = "The seventh witness said that the bridge had been closed since the spring of that year. "  # 17 tokens


def cut(document, target=100):
    return chunk(document, StructureStrategy(target)).chunks


def markdown(text):
    return parse(text.encode(), "notes.md")


@pytest.mark.parametrize("target", [99, 4097])
def test_a_target_out_of_bounds_says_so(target):
    with pytest.raises(ValueError, match=f"target_chunk_size_tokens must be 100 to 4096, not {target}"):
        StructureStrategy(target)


def test_a_text_that_fits_is_one_chunk():
    [only] = cut(markdown("# One\n\nText.\n\n# Two\n\nMore.\n"))
    assert only.windows == (0, 1)


def test_sections_are_chunks_and_nothing_is_shared():
    pieces = cut(markdown("".join(f"# Part {i}\n\n{SENTENCE * 4}\n\n" for i in range(5))))
    assert [piece.heading_path for piece in pieces] == [(f"Part {i}",) for i in range(5)]
    assert all(piece.text.startswith("# Part") for piece in pieces)


def test_small_neighbours_are_packed_but_not_across_a_larger_section():
    small = "".join(f"## Item {i}\n\n{SENTENCE}\n\n" for i in range(6))
    pieces = cut(markdown(f"# First\n\n{small}# Second\n\n{small}"))
    assert len(pieces) == 4
    assert not any("# First" in piece.text and "# Second" in piece.text for piece in pieces)
    assert all(piece.text.lstrip("# ").startswith(("First", "Second", "Item")) for piece in pieces)


def test_a_heading_without_text_goes_with_what_follows():
    pieces = cut(markdown(f"# Book\n\n## First\n\n{SENTENCE * 12}\n\n## Second\n\n{SENTENCE * 12}"))
    assert pieces[0].text.startswith("# Book\n\n## First\n\nThe seventh")
    assert all(SENTENCE in piece.text for piece in pieces)


def test_a_section_without_parts_is_cut_evenly_at_sentences():
    pieces = cut(markdown(f"# One\n\n{SENTENCE * 20}"))
    assert len(pieces) >= 4
    assert all(piece.text.startswith(("# One", "The seventh")) for piece in pieces)
    assert max(piece.tokens for piece in pieces) < 2 * min(piece.tokens for piece in pieces)


def test_functions_are_packed_and_not_cut():
    source = "".join(f"def step_{n}(value):\n    return value + {n}\n\n\n" for n in range(60))
    pieces = cut(parse(source.encode(), "steps.py"), 200)
    assert len(pieces) > 3
    assert all(piece.text.startswith("def step_") and piece.text.rstrip()[-1].isdigit() for piece in pieces)


def test_methods_stay_whole_in_a_class_that_is_too_long():
    methods = "".join(f"    def step_{n}(self):\n        return {n} + {n}\n\n" for n in range(30))
    pieces = cut(parse(f"class Ladder:\n{methods}\n\nclass Rope:\n{methods}".encode(), "ladder.py"), 150)
    assert all(piece.text.lstrip().startswith(("class ", "def ")) for piece in pieces)
    assert pieces[0].heading_path[0].startswith("Ladder")
    assert pieces[-1].heading_path[0].startswith("Rope.step_")


def test_headings_above_are_embedded_with_a_chunk_but_not_in_its_text():
    document = markdown(f"# Book\n\n## First\n\n{SENTENCE * 20}")
    strategy = StructureStrategy(100)
    chunked = chunk(document, strategy)
    above = contexts(document, chunked.windows, strategy)
    assert above[0] == ""
    assert set(above[1:]) == {"Book › First"}
    assert contexts(document, chunked.windows, AUTO) == ("",) * len(chunked.windows)
    assert not any("›" in piece.text for piece in chunked.chunks)


# Sections ---------------------------------------------------------------------------------------


def paths(document):
    found = passages(document, chunk(document, AUTO).windows)
    return [(document.text[each.start : each.end].strip(), each.page, each.heading_path) for each in found]


def test_a_heading_ends_with_the_sheet_or_attachment_that_holds_it():
    text = "Letter\nhello\nAnnex\nprices\nbye\n"
    spans = (
        Span("heading", 0, 6, "Letter", 1),
        Span("part", 13, 26, "annex.docx", 1),
        Span("heading", 13, 18, "Annex", 1),
    )
    assert paths(Document(text, "message/rfc822", spans)) == [
        ("Letter\nhello", None, ("Letter",)),
        ("Annex\nprices", None, ("Letter", "annex.docx", "Annex")),
        ("bye", None, ("Letter",)),
    ]


def test_a_slide_counts_as_a_page_and_ends_its_headings():
    text = "Plan\nwe will\n42 percent\n"
    spans = (Span("slide", 0, 13, "", 1), Span("heading", 0, 4, "Plan", 1), Span("slide", 13, 24, "", 2))
    assert paths(Document(text, "x", spans)) == [("Plan\nwe will", 1, ("Plan",)), ("42 percent", 2, ())]


def test_code_is_cited_by_its_innermost_symbol_and_its_lines():
    source = "import os\n\n\nclass A:\n    x = 1\n\n    def b(self):\n        return os.name\n\n\nprint(A())\n"
    document = parse(source.encode(), "a.py")
    found = passages(document, chunk(document, AUTO).windows)
    assert [(each.heading_path, each.lines) for each in found] == [
        ((), (1, 1)),
        (("A",), (4, 5)),
        (("A.b",), (7, 8)),
        ((), (11, 11)),
    ]


def test_lines_are_those_of_the_file():
    text = "".join(f"line {n} of the file, with some more words in it\n" for n in range(1, 400))
    document = parse(text.encode(), "log.txt")
    lines = text.split("\n")
    for piece in chunk(document, StaticStrategy(200, 50)).chunks:
        first, last = piece.lines
        assert "\n".join(lines[first - 1 : last]) == piece.text.rstrip("\n")


def test_text_that_had_to_be_extracted_has_no_lines():
    document = parse(b"<p>one</p><p>two</p>", "a.html")
    assert chunk(document, AUTO).chunks[0].lines is None


# Tables -----------------------------------------------------------------------------------------

ROWS = "code,place\n" + "".join(f"TN-{i},Haarlem dock {i}\n" for i in range(400))


def test_rows_are_not_cut_and_know_their_header():
    pieces = chunk(parse(ROWS.encode(), "docks.csv"), StaticStrategy(200, 50)).chunks
    assert len(pieces) > 10
    assert all(piece.text.startswith(("code,", "TN-")) and piece.text.endswith("\n") for piece in pieces)
    assert [piece.table_header for piece in pieces] == ["", *["code | place"] * (len(pieces) - 1)]


def test_a_table_is_not_cut_where_it_could_begin_a_chunk():
    table = "| code | place |\n|---|---|\n" + "".join(f"| TN-{i} | dock |\n" for i in range(8))
    document = markdown(f"{SENTENCE * 4}\n\n{table}\n\n{SENTENCE * 8}")
    pieces = chunk(document, StaticStrategy(100, 0)).chunks
    [holder] = [piece for piece in pieces if "TN-0" in piece.text]
    assert "| code |" in holder.text


def test_after_a_table_there_is_no_header():
    document = markdown(f"| a | b |\n|---|---|\n| 1 | 2 |\n\n{SENTENCE * 40}")
    assert {piece.table_header for piece in chunk(document, StaticStrategy(100, 0)).chunks} == {""}


def test_prose_is_cut_after_sentences_rather_than_lines():
    words = (SENTENCE * 60).split()
    hard_wrapped = "\n".join(" ".join(words[i : i + 7]) for i in range(0, len(words), 7))
    pieces = chunk(parse(hard_wrapped.encode(), "a.txt"), StaticStrategy(100, 0)).chunks
    assert all(piece.text.split()[:2] == ["The", "seventh"] for piece in pieces)


def test_headings_alone_are_cut_like_any_text():
    pieces = cut(markdown("".join(f"# Heading number {n}\n\n" for n in range(2000))))
    assert len(pieces) > 50
    assert max(piece.tokens for piece in pieces) <= 160

import io
import zipfile
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse

DOCUMENTS = Path(__file__).parent / "documents"

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
NCX = (
    '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://127.0.0.1/ncx.dtd"><ncx><navMap>'
    '<navPoint><navLabel><text>The first</text></navLabel><content src="a%20b.xhtml"/></navPoint>'
    '<navPoint><navLabel><text>Deep</text></navLabel><content src="c.xhtml#deep"/></navPoint></navMap></ncx>'
)
CHAPTERS = {
    "OPS/a b.xhtml": "<html><head><title/><script src='x.js'/></head><body><a id='x'/><p>One &mdash; begins.</p></body></html>",
    "OPS/c.xhtml": "<html><head><title>My book</title></head><body><h1>Second</h1><p>Two.</p></body></html>",
}


def opf(*references):
    items = "".join(
        f'<item id="i{n}" href="{name[4:]}" media-type="application/xhtml+xml"/>' for n, name in enumerate(CHAPTERS)
    )
    spine = "".join(f'<itemref idref="{reference}"/>' for reference in references)
    return (
        '<?xml version="1.0"?><package xmlns:dc="x"><metadata><dc:title>My book</dc:title><dc:creator>A. Writer'
        f'</dc:creator></metadata><manifest>{items}<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        f"</manifest><spine>{spine}</spine></package>"
    )


def epub(references=("i1", "i0"), **more):
    file = io.BytesIO()
    files = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OPS/book.opf": opf(*references)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files | {"OPS/toc.ncx": NCX} | CHAPTERS | more).items():
            archive.writestr(name, text)
    return file.getvalue()


def encryption(algorithm, name):
    return {
        "META-INF/encryption.xml": f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/><CipherData>'
        f'<CipherReference URI="{name}"/></CipherData></EncryptedData></encryption>'
    }


def test_a_book_of_libreoffice_is_read():
    document = parse((DOCUMENTS / "keepers.epub").read_bytes(), "keepers.epub")
    assert document.text.startswith("Handbook of the Weir Keepers\n\nTarnvell Hydroworks\n\n")
    assert [part[:2] for part in spans(document, "part")] == [("Opening the sluice", 1), ("Counting the eels", 2)]
    assert [table[0] for table in spans(document, "table")] == ["Month | Eels"]


def test_chapters_are_parts_in_the_order_of_the_spine():
    document = parse(epub(), "a.epub")
    assert document.text == "My book\n\nA. Writer\n\nSecond\n\nTwo.\n\nOne — begins.\n"
    assert [part[:2] for part in spans(document, "part")] == [("Second", 1), ("The first", 2)]
    assert [heading[:2] for heading in spans(document, "heading")] == [("My book", 1), ("Second", 1)]


def test_a_chapter_that_the_spine_repeats_is_read_once():
    assert parse(epub(["i1"] * 1000), "a.epub").text.count("Two.") == 1


def test_a_chapter_that_is_missing_is_a_warning():
    assert parse(epub(["i0", "i9"]), "a.epub").warnings == ("left out: a chapter that is not in the book (i9)",)


def test_a_book_without_a_chapter_is_invalid():
    with pytest.raises(InvalidFileError, match=r"'a\.epub' holds no chapter that could be read \(its spine is empty\)"):
        parse(epub([]), "a.epub")


def test_encrypted_chapters_are_called_so():
    with pytest.raises(InvalidFileError, match=r"'a\.epub' is encrypted: its publisher's reader is needed to open it"):
        parse(epub(**encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/c.xhtml")), "a.epub")


def test_obfuscated_fonts_hide_no_text():
    document = parse(epub(**encryption("http://www.idpf.org/2008/embedding", "OPS/c.xhtml")), "a.epub")
    assert "Two." in document.text

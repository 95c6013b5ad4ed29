import gzip
import io
import zipfile

import pytest

from ingestion import SUPPORTED, InvalidFileError, UnsupportedFileError, media_type

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def zip_bytes(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize("extension", [extension for extension in SUPPORTED if extension not in {".pdf", ".docx"}])
def test_among_text_types_the_name_decides(extension):
    assert media_type(b"some text", f"file{extension}") == SUPPORTED[extension]
    assert media_type(b"some text", f"FILE{extension.upper()}") == SUPPORTED[extension]


@pytest.mark.parametrize("name", ["notes.unknown", "Makefile", "README", "a.b.d", ".gitignore"])
def test_text_of_an_unknown_name_is_plain_text(name):
    assert media_type(b"all: build\n", name) == "text/plain"


@pytest.mark.parametrize(
    "data", ["naïve".encode("cp1252"), "日本語の文章".encode("shift_jis"), "Text".encode("utf-16")]
)
def test_text_need_not_be_utf_8(data):
    assert media_type(data, "x.txt") == "text/plain"


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.txt", "a"])
def test_a_pdf_is_one_by_its_bytes(name):
    assert media_type(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", name) == "application/pdf"
    assert media_type(b"\n\n%PDF-1.7\n", name) == "application/pdf"


def test_a_pdf_may_begin_with_something_else():
    assert media_type(b"HTTP/1.1 200 OK\n\n%PDF-1.7\n", "a.pdf") == "application/pdf"
    assert media_type(b"\x00\x01\x02\x03 %PDF-1.7\n", "download") == "application/pdf"


def test_text_that_mentions_the_pdf_mark_is_text():
    assert media_type(b"A file begins with %PDF-1.7 if ...", "a.md") == "text/markdown"


def test_a_word_document_is_one_by_what_is_in_it():
    assert media_type(zip_bytes("[Content_Types].xml", "word/document.xml"), "report.zip") == DOCX


@pytest.mark.parametrize(
    ("data", "name", "noun"),
    [
        (zip_bytes("[Content_Types].xml", "ppt/presentation.xml"), "deck.pptx", "a PowerPoint presentation"),
        (zip_bytes("[Content_Types].xml", "xl/workbook.xml"), "sheet.xlsx", "an Excel workbook"),
        (zip_bytes("mimetype", "META-INF/container.xml"), "book.epub", "an EPUB book"),
        (zip_bytes("mimetype", "content.xml"), "text.odt", "an OpenDocument file"),
        (zip_bytes("a.txt"), "a.docx", "a ZIP archive"),
        (b"PK\x03\x04garbage", "a.zip", "a damaged ZIP archive"),
        (OLE + "WordDocument".encode("utf-16-le"), "old.doc", "a Word 97-2003 document"),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "old.ppt", "a PowerPoint 97-2003 presentation"),
        (OLE, "old.bin", "an OLE container"),
        (b"{\\rtf1\\ansi hello}", "letter.doc", "a Rich Text document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "scan.txt", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "photo.jpg", "a JPEG image"),
        (gzip.compress(b"text"), "a.txt.gz", "a gzip archive"),
        (b"\x7fELF\x02\x01\x01\0", "program", "an ELF program"),
        (bytes(range(256)) * 4, "noise.txt", "a binary file of an unknown type"),
    ],
)
def test_what_cannot_be_read_is_named(data, name, noun):
    with pytest.raises(
        UnsupportedFileError, match=rf"'{name}' looks like {noun}, which cannot be read yet; supported: PDF"
    ) as error:
        media_type(data, name)
    assert error.value.code == "unsupported_file"


@pytest.mark.parametrize("text", [b"BMW makes cars.", b"MZ is a country code", b"ID3 tags, explained", b"RIFF raff"])
def test_text_that_begins_like_a_binary_file_is_text(text):
    assert media_type(text, "notes.txt") == "text/plain"


def test_html_under_another_name_is_html():
    assert media_type(b"\n<!DOCTYPE html><p>x", "page.pdf") == "text/html"
    assert media_type(b"<html><p>x", "page") == "text/html"
    assert media_type(b"<html><p>x", "example.txt") == "text/plain"


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "a.txt", "'a.txt' is empty: it has 0 bytes"),
        (b"just text", "a.pdf", "'a.pdf' is damaged or misnamed: it has text where a pdf file begins"),
        (bytes(range(256)), "a.docx", "'a.docx' is damaged: it does not begin as a docx file does"),
        (b"PK\x03\x04garbage", "a.docx", "'a.docx' is damaged: its ZIP directory cannot be read"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a.docx", "'a.docx' is encrypted: a password is needed"),
    ],
)
def test_a_broken_file_of_a_supported_type_is_invalid(data, name, sentence):
    with pytest.raises(InvalidFileError) as error:
        media_type(data, name)
    assert str(error.value).startswith(sentence)
    assert error.value.code == "invalid_file"

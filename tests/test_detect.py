import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from ingestion import SUPPORTED, InvalidFileError, UnsupportedFileError, media_type
from ingestion.media_types import is_text

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def zip_bytes(*names, mimetype=""):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize("extension", sorted(e for e in SUPPORTED if is_text(SUPPORTED[e]) and e != ".rtf"))
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


OFFICE = "application/vnd.openxmlformats-officedocument."
OPEN_DOCUMENT = "application/vnd.oasis.opendocument."


@pytest.mark.parametrize("name", ["report.docx", "report.zip", "report.txt", "report"])
@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("word/document.xml", DOCX),
        ("ppt/presentation.xml", OFFICE + "presentationml.presentation"),
        ("xl/workbook.xml", OFFICE + "spreadsheetml.sheet"),
        ("xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
    ],
)
def test_an_office_file_is_one_by_what_is_in_it(part, found, name):
    assert media_type(zip_bytes("[Content_Types].xml", part), name) == found


def test_a_folder_called_word_does_not_make_a_word_document():
    assert media_type(zip_bytes("word/list.txt", "xl/list.txt"), "words.zip") == "application/zip"


@pytest.mark.parametrize(
    "kind", [OPEN_DOCUMENT + "text", OPEN_DOCUMENT + "spreadsheet", OPEN_DOCUMENT + "presentation"]
)
def test_an_open_document_says_what_it_is(kind):
    assert media_type(zip_bytes("content.xml", mimetype=kind), "file") == kind
    assert media_type(zip_bytes("content.xml", mimetype=kind + "-template"), "file.zip") == kind


def test_a_book_is_one_by_its_container():
    assert (
        media_type(zip_bytes("META-INF/container.xml", mimetype="application/epub+zip"), "a") == "application/epub+zip"
    )
    assert media_type(zip_bytes("META-INF/container.xml"), "book.zip") == "application/epub+zip"


@pytest.mark.parametrize(
    ("data", "name", "found"),
    [
        (zip_bytes("a.txt"), "a.docx", "application/zip"),
        (OLE + "WordDocument".encode("utf-16-le"), "old.bin", "application/msword"),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "old.ppt", "application/vnd.ms-powerpoint"),
        (OLE + "Workbook".encode("utf-16-le"), "old.xls", "application/vnd.ms-excel"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a.docx", "application/x-ole-encrypted"),
        (b"{\\rtf1\\ansi hello}", "letter.doc", "application/rtf"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "scan.txt", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "photo", "image/jpeg"),
        (gzip.compress(b"text", mtime=0), "a.txt.gz", "application/gzip"),
        (bz2.compress(b"text"), "a.txt", "application/x-bzip2"),
        (lzma.compress(b"text"), "a", "application/x-xz"),
    ],
)
def test_bytes_count_more_than_the_name(data, name, found):
    assert media_type(data, name) == found


@pytest.mark.parametrize(
    ("data", "name", "noun"),
    [
        (zip_bytes("Index/Document.iwa"), "a.pages", "an Apple Pages, Numbers or Keynote document"),
        (zip_bytes("[Content_Types].xml", "visio/document.xml"), "plan.vsdx", "a Visio drawing"),
        (zip_bytes("content.xml", mimetype=OPEN_DOCUMENT + "graphics"), "a.odg", "an OpenDocument file of the type"),
        (b"PK\x03\x04garbage", "a.txt", "a damaged ZIP archive"),
        (OLE, "old.bin", "an OLE container"),
        (b"\x7fELF\x02\x01\x01\0", "program", "an ELF program"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "film.mp4", "an MP4 video or HEIF image"),
        (bytes(range(256)) * 4, "noise.txt", "a binary file of an unknown type"),
    ],
)
def test_what_cannot_be_read_is_named(data, name, noun):
    with pytest.raises(
        UnsupportedFileError, match=rf"'{name}' looks like {noun}.*, which cannot be read; supp"
    ) as error:
        media_type(data, name)
    assert error.value.code == "unsupported_file"


@pytest.mark.parametrize("text", [b"BMW makes cars.", b"MZ is a country code", b"ID3 tags, explained", b"RIFF raff"])
def test_text_that_begins_like_a_binary_file_is_text(text):
    assert media_type(text, "notes.txt") == "text/plain"


def test_html_under_another_name_is_html():
    assert media_type(b"\n<!DOCTYPE html><p>x", "page.pdf") == "text/html"
    assert media_type(b"<html><p>x", "page") == "text/html"
    assert media_type(b"<!-- saved --><table><tr><td>x", "export.xls") == "text/html"
    assert media_type("<html><p>x".encode("utf-16"), "page") == "text/html"
    assert media_type(b"<html><p>x", "example.txt") == "text/plain"


def test_xml_under_another_name_is_xml():
    assert media_type(b"<?xml version='1.0'?><?mso-application progid='Word.Document'?><w:p/>", "old.doc") == "text/xml"
    assert media_type(b"<feed xmlns='http://www.w3.org/2005/Atom'>", "news") == "text/xml"
    assert media_type(b"<?xml version='1.0'?><html xmlns='x'>", "page.xml") == "text/html"


MAIL = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n\r\nhello\r\n"


def test_a_mail_is_one_by_its_fields():
    assert media_type(MAIL, "download") == "message/rfc822"
    assert media_type(MAIL.replace(b"\r\n", b"\r"), "download") == "message/rfc822"
    assert media_type(b"From a@example.org Mon May  5\n" + MAIL, "download") == "message/rfc822"
    assert media_type(MAIL, "notes.txt") == "text/plain"
    assert media_type(b"To: everyone\nSubject: lunch\n\nNoon.", "note") == "text/plain"


def test_json_under_another_name_is_json():
    assert media_type(b'{"a": 1}', "answer") == "application/json"
    assert media_type(b'[{"a": 1}]\n', "answer") == "application/json"
    assert media_type(b"[section]\nkey = 1\n", "settings") == "text/plain"


@pytest.mark.parametrize("name", ["a.ipynb", "a.json", "a"])
def test_a_notebook_is_one_by_its_cells(name):
    assert media_type(b'{"cells": [], "nbformat": 4}', name) == "application/x-ipynb+json"


def test_text_in_place_of_a_sheet_or_document_is_read_as_what_it_is():
    assert media_type(b"name\tage\nAnna\t3\n", "export.xls") == "text/tab-separated-values"
    assert media_type(b"README of 1991\n", "readme.doc") == "text/plain"
    assert media_type(b"no control words", "a.rtf") == "text/plain"


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "a.txt", "'a.txt' is empty: it has 0 bytes"),
        (b"just text", "a.pdf", "'a.pdf' is damaged or misnamed: it has text where a pdf file begins"),
        (bytes(range(256)), "a.docx", "'a.docx' is damaged: it does not begin as a docx file does"),
        (b"PK\x03\x04garbage", "a.docx", "'a.docx' is damaged: its ZIP directory cannot be read"),
        (zip_bytes(), "a.xlsx", "'a.xlsx' is damaged: its ZIP directory is empty"),
    ],
)
def test_a_broken_file_of_a_supported_type_is_invalid(data, name, sentence):
    with pytest.raises(InvalidFileError) as error:
        media_type(data, name)
    assert str(error.value).startswith(sentence)
    assert error.value.code == "invalid_file"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("#!/usr/bin/env python3", "text/x-python"),
        ("#!/usr/bin/python -u", "text/x-python"),
        ("#!/bin/sh", "application/x-sh"),
        ("#!/usr/bin/env -S node --test", "text/javascript"),
        ("#!/usr/bin/awk -f", "text/plain"),
    ],
)
def test_a_script_without_an_extension_is_known_by_its_first_line(line, found):
    assert media_type(f"{line}\nrun 1\n".encode(), "deploy") == found
    assert media_type(f"{line}\nrun 1\n".encode(), "deploy.txt") == "text/plain"

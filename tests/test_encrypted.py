import hashlib
import io
import struct
import tempfile

import msoffcrypto
import openpyxl
import pytest
from msoffcrypto.method.rc4 import DocumentRC4
from ole_files import ole_file

from ingestion import InvalidFileError, UnsupportedFileError, parse

SALT = bytes(range(16))


@pytest.fixture(scope="module")
def workbook():
    book, plain, sealed = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    book.active.append(["Vault", "Code"])
    book.active.append(["Nether Cellar", 7719])
    book.save(plain)
    msoffcrypto.OfficeFile(plain).encrypt("grebe", sealed)
    return sealed.getvalue()


def rc4(password, data):
    return DocumentRC4.decrypt(password, SALT, io.BytesIO(data)).read()


def sealed_doc(text, password):
    """A Word file as Office 97 encrypted it (MS-DOC 2.2.6.2)."""
    pieces = struct.pack("<IIHIH", 0, len(text), 0, 0x600 * 2 | 0x40000000, 0)
    table = bytes(52) + b"\x02" + struct.pack("<I", len(pieces)) + pieces
    stream = bytearray(0x600) + text.encode("cp1252")
    struct.pack_into("<II", stream, 0x1A2, 52, len(table) - 52)
    struct.pack_into("<I", stream, 0x4C, len(text))
    stream = bytearray(rc4(password, bytes(stream)))
    stream[:0x44] = bytes(0x44)
    struct.pack_into("<HH", stream, 0, 0xA5EC, 0xC1)
    struct.pack_into("<HHI", stream, 0x0A, 0x0300, 0xBF, 52)
    verifier = bytes(range(40, 56))
    head = struct.pack("<HH", 1, 1) + SALT + rc4(password, verifier + hashlib.md5(verifier).digest())
    return ole_file({"WordDocument": bytes(stream).ljust(4096, b"\0"), "1Table": head + rc4(password, table)[52:]})


def test_the_right_password_opens_a_workbook(workbook):
    document = parse(workbook, "vault.xlsx", password="grebe")
    assert document.text == "Sheet\n\nVault | Code\nNether Cellar | 7719\n\n"
    assert document.media_type.endswith("spreadsheetml.sheet")


def test_without_a_password_the_sentence_asks_for_one(workbook):
    with pytest.raises(InvalidFileError, match=r"^'vault.xlsx' is encrypted: a password is needed to open it$"):
        parse(workbook, "vault.xlsx")


def test_a_wrong_password_is_told_apart(workbook):
    with pytest.raises(InvalidFileError, match=r"^'vault.xlsx' is encrypted: the password does not open it$"):
        parse(workbook, "vault.xlsx", password="heron")


def test_a_password_of_word_97_opens_it_without_a_temporary_file(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    sealed = sealed_doc("The tide tables are under the third stair.\r", "knot")
    assert parse(sealed, "a.doc", password="knot").text == "The tide tables are under the third stair.\n"
    for password, reason in (("", "a password is needed"), ("rope", "the password does not open it")):
        with pytest.raises(InvalidFileError, match=rf"'a.doc' is encrypted: {reason}"):
            parse(sealed, "a.doc", password=password)


def test_a_way_of_encryption_that_is_not_known_is_a_sentence():
    strange = ole_file({"EncryptionInfo": struct.pack("<HHI", 9, 9, 0), "EncryptedPackage": bytes(64)})
    with pytest.raises(UnsupportedFileError, match=r"'a.docx' is encrypted in a way that cannot be read"):
        parse(strange, "a.docx", password="x")


def test_a_file_cannot_ask_for_endless_hashing():
    described = struct.pack("<HHI", 4, 4, 64) + b'<encryption><keyEncryptor spinCount="4000000000"/></encryption>'
    greedy = ole_file({"EncryptionInfo": described, "EncryptedPackage": bytes(64)})
    with pytest.raises(InvalidFileError, match=r"wants its password hashed 4000000000 times, the limit is 1,000,000"):
        parse(greedy, "a.docx", password="x")

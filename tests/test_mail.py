from email.message import EmailMessage
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse

DOCUMENTS = Path(__file__).parent / "documents"


def mail(body="Hello.", **fields):
    message = EmailMessage()
    for name, value in ({"Subject": "Greeting", "From": "a@example.org"} | fields).items():
        message[name] = value
    message.set_content(body)
    return message


def test_the_subject_is_the_heading_and_the_fields_follow_it():
    document = parse((DOCUMENTS / "breakdown.eml").read_bytes(), "breakdown.eml")
    subject = "Störung an Pumpe KL-7 — what we changed"
    assert document.text.startswith(f"Subject: {subject}\n\nFrom: Marit Quenby <quenby@tarnvell.example>\nTo: Ibbe")
    assert spans(document, "heading")[0] == (subject, 1, f"Subject: {subject}")


def test_of_alternatives_one_is_read():
    document = parse((DOCUMENTS / "breakdown.eml").read_bytes(), "breakdown.eml")
    assert document.text.count("blocked by reed") == 1


def test_attachments_and_attached_mails_are_parts():
    document = parse((DOCUMENTS / "breakdown.eml").read_bytes(), "breakdown.eml")
    parts = spans(document, "part")
    assert [part[:2] for part in parts] == [("Ventilprüfung.csv", 1), ("Siren test SN-22", 2)]
    assert parts[0][2].startswith("Valve;Site")
    assert "silent in Lower Pellworth" in parts[1][2]


def test_a_web_archive_is_its_page():
    document = parse((DOCUMENTS / "visitors.mht").read_bytes(), "visitors.mht")
    assert "book with desk code FL-14." in document.text
    assert document.warnings == ("left out: inline images and other decoration (1)",)


def test_a_page_is_read_where_there_is_no_plain_text():
    message = mail()
    message.set_content("<h1>News</h1><p>Grüße", subtype="html", charset="iso-8859-1")
    document = parse(bytes(message), "a.eml")
    assert "News\n\nGrüße" in document.text


def test_an_attachment_that_cannot_be_read_is_a_warning():
    message = mail()
    message.add_attachment(b"\x7fELF\x02\x01", maintype="application", subtype="octet-stream", filename="../run.bin")
    document = parse(bytes(message), "a.eml")
    assert "Hello." in document.text
    [warning] = document.warnings
    assert warning.startswith("left out: 'run.bin' looks like an ELF program")


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "utf-8"])
def test_the_declared_charset_counts(charset):
    message = mail()
    message.set_content("会議の議事録", charset=charset)
    assert "会議の議事録" in parse(bytes(message), "a.eml").text


def test_an_unknown_charset_is_told():
    data = b"Subject: x\nFrom: a\nTo: b\nContent-Type: text/plain; charset=x-ours\n\nGr\xfc\xdfe an alle\n"
    document = parse(data, "a.eml")
    assert "Grüße an alle" in document.text
    assert "it declares the unknown charset x-ours" in document.warnings[0]


def test_encoded_and_raw_header_words_are_read():
    data = "Subject: =?utf-8?q?Gr=C3=BC?= =?utf-8?q?=C3=9Fe?=\nFrom: Jürgen\nTo: b\n\nx\n".encode()
    assert parse(data, "a.eml").text.startswith("Subject: Grüße\n\nFrom: Jürgen\n")


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_any_line_end_ends_a_line(line_end):
    data = "Subject: x\nFrom: a\nTo: b\n\none\n\ntwo\n".replace("\n", line_end).encode()
    assert parse(data, "a.eml").text == "Subject: x\n\nFrom: a\nTo: b\n\none\n\ntwo\n"


def test_a_mail_may_be_saved_in_utf_16():
    assert "Hello." in parse(mail().as_string().encode("utf-16"), "a.eml").text


def test_many_parts_are_refused():
    data = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 1001 + b"--b--\n"
    with pytest.raises(InvalidFileError, match=r"'a\.eml' has more than 1,000 parts, the limit for a mail"):
        parse(data, "a.eml")


def test_mails_in_mails_end_at_the_limit():
    message = mail("the innermost")
    for _ in range(6):
        outer = mail("around it")
        outer.add_attachment(message)
        message = outer
    document = parse(bytes(message), "a.eml")
    assert document.text.count("around it") == 5
    assert "nested more than 4 files deep" in document.warnings[0]


def test_an_encrypted_mail_is_called_so():
    data = b"Subject: x\nFrom: a\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA\n"
    with pytest.raises(InvalidFileError, match=r"'a\.eml' is encrypted"):
        parse(data, "a.eml")

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse
from ingestion.parsers import members

DOCUMENTS = Path(__file__).parent / "documents"


def zipped(*files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(*files, kind=tarfile.REGTYPE):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def labels(document):
    return [part[:2] for part in spans(document, "part")]


def test_every_file_is_a_part_under_its_path():
    document = parse((DOCUMENTS / "round.zip").read_bytes(), "round.zip")
    names = ["round/valves.csv", "round/pump.log", "round/station.yaml", "round/Öffnungszeiten.md"]
    assert labels(document) == [(name, number) for number, name in enumerate(names, 1)]
    assert [heading[0] for heading in spans(document, "heading")] == ["Opening hours"]
    assert document.warnings == ("left out: 1 hidden file",)


def test_a_packed_tar_is_read_like_a_zip_and_links_are_not_followed():
    document = parse((DOCUMENTS / "yearbook.tgz").read_bytes(), "yearbook.tgz")
    assert [name for name, _ in labels(document)] == [
        "yearbook/permits.json",
        "yearbook/incidents.jsonl",
        "yearbook/telemetry.toml",
    ]
    assert document.warnings == ("left out: 1 link",)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_is_read_however_it_is_packed(pack):
    document = parse(pack(tarred(("a.txt", b"one"), ("b.txt", b"two"))), "download")
    assert labels(document) == [("a.txt", 1), ("b.txt", 2)]


@pytest.mark.parametrize(
    ("pack", "name"), [(gzip.compress, "a.md.gz"), (bz2.compress, "a.md.bz2"), (lzma.compress, "a.md.xz")]
)
def test_a_packed_file_is_that_file(pack, name):
    document = parse(pack(b"# One\n\ntext\n"), name)
    assert document.media_type == "text/markdown"
    assert document.text == "# One\n\ntext\n"
    assert spans(document, "heading") == [("One", 1, "# One")]


def test_gzip_may_note_the_name():
    file = io.BytesIO()
    with gzip.GzipFile("inner/notes.md", "wb", fileobj=file) as packed:
        packed.write(b"# One\n")
    assert parse(file.getvalue(), "download").media_type == "text/markdown"


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["文章1.txt", "文章2.txt"], "cp932"),
        (["会議の議事録.txt"], "cp932"),
        (["Отчёт за год.txt"], "cp866"),
        (["Übung für Köche.txt"], "cp437"),
        (["보고서 목록.txt"], "cp949"),
        (["Öl.txt"], "utf-8"),
    ],
)
def test_names_are_read_in_the_encoding_of_their_time(names, encoding):
    data = zipped(*((f"{i}" * len(name.encode(encoding)), b"text") for i, name in enumerate(names)))
    for i, name in enumerate(names):
        data = data.replace(b"%d" % i * len(name.encode(encoding)), name.encode(encoding))
    assert labels(parse(data, "a.zip")) == [(name, i) for i, name in enumerate(names, 1)]


def test_a_name_is_only_a_label():
    names = ["../../etc/passwd", "/etc/shadow", "..\\..\\evil.txt", "C:\\evil.txt"]
    assert labels(parse(tarred(*((name, b"text") for name in names)), "a.tar")) == [
        (name, i) for i, name in enumerate(names, 1)
    ]


def test_what_is_no_file_is_skipped_and_counted():
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    files = [
        ("a.txt", "text"),
        ("x/.git/config", "x"),
        ("__MACOSX/a.txt", "x"),
        ("empty.txt", ""),
        (link, "/etc/passwd"),
    ]
    document = parse(zipped(*files), "a.zip")
    assert labels(document) == [("a.txt", 1)]
    assert document.warnings == ("left out: 1 empty file", "left out: 2 hidden files", "left out: 1 link")


def test_devices_are_skipped():
    with pytest.raises(InvalidFileError, match=r"holds no file that could be read \(left out: 1 device\)"):
        parse(tarred(("null", b""), kind=tarfile.CHRTYPE), "a.tar")


def test_a_member_that_cannot_be_read_is_a_warning():
    document = parse(zipped(("a.txt", "text"), ("run", b"\x7fELF\x02\x01"), ("b.pdf", "no pdf")), "a.zip")
    assert labels(document) == [("a.txt", 1)]
    assert document.warnings[0].startswith("left out: 'run' looks like an ELF program")
    assert document.warnings[1].startswith("left out: 'b.pdf' is damaged or misnamed")


def test_an_archive_with_nothing_to_read_is_invalid_with_the_reasons():
    with pytest.raises(InvalidFileError, match=r"'a\.zip' holds no file that could be read \(left out: 'run' looks"):
        parse(zipped(("run", b"\x7fELF\x02\x01")), "a.zip")
    with pytest.raises(InvalidFileError, match=r"'a\.zip' holds no file that could be read \(it is empty\)"):
        parse(zipped(), "a.zip")


def test_encrypted_members_are_skipped():
    data = bytearray(zipped(("a.txt", "text"), ("b.txt", "more")))
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    assert parse(bytes(data), "a.zip").warnings == ("left out: 1 encrypted file",)


def test_a_damaged_member_is_a_warning_and_a_damaged_stream_an_error():
    data = zipped(("a.txt", "text"), ("b.txt", bytes(range(256)) * 40))
    at = data.rindex(b"PK\x03\x04") + 40
    broken = parse(data[:at] + b"\xff" * 20 + data[at + 20 :], "a.zip")
    assert broken.warnings[0].startswith("left out: 'b.txt' is damaged: ")
    with pytest.raises(InvalidFileError, match=r"'a\.tgz' is damaged: "):
        parse(gzip.compress(tarred(("a.txt", b"text" * 1000)))[:-30], "a.tgz")


def test_the_budget_is_one_for_all_levels():
    inner = zipped(*((f"{i}.txt", b"text " * 2_000_000) for i in range(4)))
    with pytest.raises(InvalidFileError, match=r"'a\.zip' unpacks to more than [\d,]+ bytes, the limit for it"):
        parse(zipped(*((f"{i}.zip", inner) for i in range(3))), "a.zip")


def test_too_many_files_are_refused_over_all_levels():
    inner = zipped(*((f"{i}.txt", "x") for i in range(1000)))
    with pytest.raises(InvalidFileError, match=r"'a\.zip' holds more than 2,000 files, the limit"):
        parse(zipped(("1.zip", inner), ("2.zip", inner)), "a.zip")


def test_archives_in_archives_end_at_the_limit():
    data = zipped(("deep.txt", "the innermost"))
    for _ in range(6):
        data = zipped(("a.txt", "text"), ("inner.zip", data))
    document = parse(data, "a.zip")
    assert "innermost" not in document.text
    assert "'inner.zip' is nested more than 4 files deep" in document.warnings[-1]


def test_the_budget_ends_with_its_file():
    parse(zipped(("a.txt", "text")), "a.zip")
    assert members._budget.get() is None


def test_the_failure_of_an_unpacked_file_names_the_one_that_was_given():
    with pytest.raises(InvalidFileError, match=r"'scan\.pdf\.gz': 'scan\.pdf' "):
        parse(gzip.compress(b"%PDF-1.7 and nothing"), "scan.pdf.gz")

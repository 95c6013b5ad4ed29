"""Whatever a caller gives: what is wrong is told by an InvalidRequestError, and what does not exist is not found."""

import inspect
import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest

from vecstore import (
    BatchFile,
    BucketQuery,
    ExpiredError,
    FileBatch,
    FileFailedError,
    InvalidRequestError,
    NotFoundError,
    Source,
)

ODD = [
    None,
    True,
    5,
    -1,
    10**30,
    1.5,
    float("nan"),
    "",
    "a\0b",
    "\ud800",
    "x" * 10_000,
    b"x",
    [],
    [5],
    [[]],
    {5: 6},
    ("a", 5),
    object(),
]
REPORTS = ["stored_bytes", "search_calls", "costs"]


class Given:
    """What a call is given where it is not given something odd."""

    def __init__(self, engine, folder):
        self.engine, self.store = engine, engine.create("s")
        file = self.store.add(("a.txt", b"words of a text"))
        [found] = self.store.search("words")
        upload = engine.create_upload("u", bytes=3)
        self.batch = self.store.batch([file.id])
        self.batch.wait()
        self.values = {
            "name": "n",
            "name_or_id": "s",
            "file": ("b.txt", b"text"),
            "file_id": file.id,
            "filename": "u",
            "bytes": 3,
            "upload_id": upload.id,
            "data": b"abc",
            "part_ids": [],
            "price_per_gb_day": "0.1",
            "batch_id": self.batch.id,
            "result": found,
            "files": [file.id],
            "sources": [],
            "attributes": {},
            "added": self.store.estimate([]),
            "store": self.store,
            "project": "default",
            "dest": folder / "backup",
            "path": folder / "archive.tar",
        }
        self.store.export(self.values["path"])

    def wrong(self, method, param, odd):
        wanted = inspect.signature(method).parameters.values()
        given = {each.name: self.values.get(each.name, "words") for each in wanted if each.default is each.empty}
        if method.__name__ in REPORTS:
            given["query"] = BucketQuery(0)
        if method.__name__ == "set_price":
            given["price_per_gb_day"] = "0.1"
        return {**given, param: odd}


@pytest.fixture
def given(engine, tmp_path):
    return Given(engine, tmp_path)


def told(call):
    """Makes a call, which may be answered, or refused in one of these ways."""
    with suppress(InvalidRequestError, NotFoundError, ExpiredError, FileFailedError):
        answer = call()
        if isinstance(answer, FileBatch):
            answer.cancel()
        elif hasattr(answer, "__next__"):
            list(answer)


PAGES = {"page"}  # of values that are checked where they are made
ENDS = {"close", "delete", "sandbox", "resume", "expire", "check"}


@pytest.mark.parametrize("handle", ["engine", "store", "batch"])
def test_no_argument_of_any_method_ends_in_an_error_that_is_not_ours(given, handle):
    owner = getattr(given, handle)
    for name, method in inspect.getmembers(owner, inspect.ismethod):
        if name.startswith("_") or name in ENDS | PAGES:
            continue
        for param in inspect.signature(method).parameters:
            for odd in ODD if not param.startswith("on_") else ():
                told(lambda m=method, p=param, o=odd: m(**given.wrong(m, p, o)))
    assert given.engine.check() == []


@pytest.mark.parametrize("field", [field.name for field in fields(BucketQuery)])
def test_no_field_of_a_report_ends_in_an_error_that_is_not_ours(engine, store, field):
    for report in REPORTS:
        for odd in ODD:
            told(lambda r=report, o=odd: getattr(engine, r)(BucketQuery(**{"start_time": 0, field: o})))


@pytest.mark.parametrize("field", ["filename", "content", "attributes", "chunking_strategy"])
def test_no_field_of_a_source_ends_in_an_error_that_is_not_ours(store, field):
    for call in (store.add_many, store.batch, store.estimate):
        for odd in [*ODD, Path("a\0b")]:
            source = Source(**{"filename": "a.txt", "content": b"words", field: odd})
            told(lambda c=call, s=source: c([s]))
            told(lambda c=call, o=odd: c([o]))
    for odd in ODD:
        given = {"file_id": "file-x", "attributes": {}, field if field == "attributes" else "file_id": odd}
        told(lambda g=given: store.batch([BatchFile(**g)]))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda engine, _: engine.get(5), "name must be a string of 0 to 256 characters, not 5"),
        (lambda engine, _: engine.file(5), "file_id must be a string, not 5"),
        (lambda engine, _: engine.batch(["x"]), "batch_id must be a string, not ['x']"),
        (lambda engine, _: engine.get_upload(None), "upload_id must be a string, not None"),
        (lambda engine, _: engine.complete_upload(7, []), "upload_id must be a string, not 7"),
        (lambda engine, _: engine.project(5), "project must be a string, not 5"),
        (lambda engine, _: engine.usage(start=10**30), f"whole Unix seconds, not {10**30}"),
        (lambda engine, _: engine.usage(end=-(10**30)), f"whole Unix seconds, not -{10**30}"),
        (lambda engine, _: engine.usage(by=[]), "by must be project, store, day or hour, not []"),
        (lambda engine, _: engine.costs(5), "query must be a BucketQuery, not 5"),
        (lambda engine, _: engine.costs(BucketQuery("0")), "whole Unix seconds, not '0'"),
        (lambda engine, _: engine.costs(BucketQuery(0, limit=True)), "buckets of 1d, not True"),
        (lambda engine, _: engine.costs(BucketQuery(0, page=5)), "page must be a string, not 5"),
        (
            lambda engine, _: engine.costs(BucketQuery(0, group_by="project_id")),
            "group_by must be a list of strings, not 'project_id'",
        ),
        (lambda _, store: store.file(5), "file_id must be a string, not 5"),
        (lambda _, store: store.batch(5), "files must be a list of files, not 5"),
        (lambda _, store: store.batch([5]), "file must be a path or (filename, bytes), not int"),
        (lambda _, store: store.add_many("docs"), "sources must be a list of files, not 'docs'"),
        (lambda _, store: store.add("a\0b"), "has a character that none may have"),
        (
            lambda _, store: store.search(5),
            "query must be a text that is not empty, or a list of 1 to 20 such texts, not 5",
        ),
        (lambda engine, _: engine.backup(5), "dest must be a path, not 5"),
        (lambda engine, _: engine.backup(""), "dest must be a path, not ''"),
        (lambda engine, _: engine.import_store("x" * 10_000), "is none: File name too long"),
        (lambda _, store: store.export(None), "path must be a path, not None"),
        (lambda _, store: store.section(5), "result must be a SearchResult or a FileChunk, not 5"),
    ],
)
def test_the_sentence_has_the_argument_and_the_value(engine, store, call, sentence):
    with pytest.raises(InvalidRequestError, match=re.escape(sentence)):
        call(engine, store)


def test_the_parts_of_an_upload_are_a_list_of_ids(engine):
    upload = engine.create_upload("a.txt", bytes=1)
    for odd, sentence in ((None, "a list of ids, not None"), ("part_x", "not 'part_x'"), ([[]], "a string, not []")):
        with pytest.raises(InvalidRequestError, match=re.escape(sentence)):
            engine.complete_upload(upload.id, odd)
    with pytest.raises(InvalidRequestError, match="md5 must be 32 hexadecimal digits, not True"):
        engine.complete_upload(upload.id, [], md5=True)

"""Uploads as clients send them: in any order, without a length, with odd names; and as they should not."""

import pytest

FILES = "/v1/files"
BOUNDARY = "----a-boundary"


def part(name, value, *, filename=None, content_type=None):
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    value = value if isinstance(value, bytes) else value.encode()
    return b"--" + BOUNDARY.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def send(http, body, path=FILES):
    return http.post(path, content=body, headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"})


def test_the_file_may_come_before_the_purpose_and_say_any_type(http):
    body = form(
        part("file", "abc", filename="a.md", content_type="application/octet-stream"), part("purpose", "assistants")
    )
    made = send(http, body).json()
    assert (made["filename"], made["bytes"], made["purpose"]) == ("a.md", 3, "assistants")
    assert "expires_at" not in made


def test_a_body_without_a_length_is_taken(http):
    body = form(part("file", b"x" * 3_000_000, filename="big.txt"), part("purpose", "assistants"))
    pieces = (body[i : i + 100_000] for i in range(0, len(body), 100_000))
    assert send(http, pieces).json()["bytes"] == 3_000_000


def test_a_file_without_a_name_is_called_upload(http):
    assert send(http, form(part("purpose", "vision"), part("file", b"abc"))).json()["filename"] == "upload"


@pytest.mark.parametrize(
    "name", ["日本語.txt", "../../etc/passwd", "a b.txt", "C:\\x.txt", "é" * 200 + ".md", "%00.txt"]
)
def test_names_are_kept_and_touch_no_path(http, name, data_folder):
    made = send(http, form(part("purpose", "assistants"), part("file", b"abc", filename=name))).json()
    assert made["filename"] == name.replace("C:\\x.txt", made["filename"])
    assert http.get(f"{FILES}/{made['id']}/content").content == b"abc"
    assert {path.name for path in data_folder.iterdir()} <= {
        "blobs", "stores", "catalog.db", "catalog.db-wal", "catalog.db-shm", "lock", "lock.owner", "parsing"
    }  # fmt: skip


def test_expiry_is_read_from_the_form(http, clock):
    fields = part("expires_after[anchor]", "created_at"), part("expires_after[seconds]", "3600")
    made = send(http, form(part("file", b"a", filename="a.txt"), part("purpose", "user_data"), *fields)).json()
    assert made["expires_at"] == clock.seconds + 3600
    batch = send(http, form(part("file", b"a", filename="a.jsonl"), part("purpose", "batch"))).json()
    assert batch["expires_at"] == clock.seconds + 30 * 86_400


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(part("purpose", "assistants")), "file"),
        (form(part("file", b"abc", filename="a.txt")), "purpose"),
        (form(part("file", b"abc", filename="a.txt"), part("purpose", "fun")), "purpose"),
        (form(part("file", b"a", filename="a"), part("purpose", "vision"), part("extra", "1")), "extra"),
        (form(part("file", b"a", filename="a"), part("file", b"b", filename="b"), part("purpose", "vision")), "file"),
        (form(part("file", b"a", filename="a"), part("purpose", b"\xff\xfe")), "purpose"),
        (
            form(part("file", b"a", filename="a"), part("purpose", "vision"), part("expires_after[seconds]", "60")),
            "anchor",
        ),
        (
            form(
                part("file", b"a", filename="a"),
                part("purpose", "vision"),
                part("expires_after[anchor]", "created_at"),
                part("expires_after[seconds]", "60"),
            ),
            "seconds",
        ),
        (b"", None),
        (b"nothing of a form", None),
        (form(part("file", b"abc", filename="a.txt"), part("purpose", "vision"))[:-20], None),
        (form(*[part(f"field{i}", "x") for i in range(40)]), None),
        (form(part("purpose", "x" * 100_000), part("file", b"a", filename="a")), "purpose"),
    ],
)
def test_forms_that_are_wrong_are_refused_and_leave_nothing(http, body, param, data_folder):
    response = send(http, body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param
    assert [path for path in (data_folder / "blobs").rglob("*") if path.is_file()] == []
    assert http.get(FILES).json()["data"] == []


def test_what_is_no_form_is_refused(http):
    assert http.post(FILES, json={"file": "abc"}).status_code == 400
    headers = {"content-type": "multipart/form-data"}
    assert http.post(FILES, content=b"abc", headers=headers).status_code == 400


def test_a_file_over_the_limit_is_refused_before_it_has_come(raw):
    head = f"POST {FILES} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {600 << 20}\r\n"
    answer = raw(f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer


def test_a_file_that_says_no_length_is_refused_once_it_is_too_large(http, monkeypatch):
    monkeypatch.setattr("vecstore.server.route.MAX_FILE_BYTES", 2_000_000)
    body = form(part("purpose", "assistants"), part("file", b"x" * 3_000_000, filename="big.txt"))
    pieces = (body[i : i + 100_000] for i in range(0, len(body), 100_000))
    assert send(http, pieces).status_code == 413
    assert http.get(FILES).json()["data"] == []


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "a%00b", "nothing"])
def test_names_in_a_character_set_that_cannot_be_read_are_refused(http, charset):
    head = f"Content-Disposition: form-data; name=\"file\"; filename*={charset}''%ff%fe"
    body = f"--{BOUNDARY}\r\n{head}\r\n\r\nabc\r\n".encode() + form(part("purpose", "assistants"))
    assert send(http, body).status_code in (200, 400)
    headers = {"content-type": f"multipart/form-data; boundary*={charset}''%ff"}
    assert http.post(FILES, content=body, headers=headers).status_code == 400


def test_a_name_may_have_1024_characters(http):
    named = [part("file", "abc", filename="n" * length) for length in (1024, 1025, 20_000)]
    made, long, header = (send(http, form(each, part("purpose", "vision"))) for each in named)
    assert made.json()["filename"] == "n" * 1024
    assert http.get(f"{FILES}/{made.json()['id']}/content").content == b"abc"
    assert "filename may have 1,024 characters, not 1,025" in long.json()["error"]["message"]
    assert "Maximum header size exceeded" in header.json()["error"]["message"]
    upload = {"filename": "n" * 1025, "bytes": 3, "mime_type": "text/plain", "purpose": "assistants"}
    assert http.post("/v1/uploads", json=upload).json()["error"]["param"] == "filename"


def test_no_file_says_that_it_is_for_evals(http):
    made = send(http, form(part("file", "abc", filename="a.jsonl"), part("purpose", "evals"))).json()
    assert made["purpose"] == "user_data"
    assert [file["id"] for file in http.get(f"{FILES}?purpose=evals").json()["data"]] == [made["id"]]

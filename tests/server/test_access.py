"""Who may what: keys, scopes, projects. Another project's objects look like ones that do not exist."""

import httpx
import openai
import pytest


@pytest.fixture
def as_key(serve):
    """`as_key(secret)`: OpenAI's client with that key."""
    made = []

    def client(secret):
        if not made:
            made.append(serve())
        return openai.OpenAI(base_url=f"{made[0]}/v1", api_key=secret, max_retries=0)

    return client


def test_no_key_is_asked_for_until_there_is_one(serve, secret):
    base = serve()
    assert httpx.get(f"{base}/v1/vector_stores").status_code == 200
    made = secret()
    assert httpx.get(f"{base}/v1/vector_stores").status_code == 401
    assert httpx.get(f"{base}/v1/vector_stores", headers={"authorization": f"Bearer {made}"}).status_code == 200


def test_a_web_page_cannot_use_a_server_without_keys(http):
    assert http.get("/v1/files", headers={"origin": "https://example.org"}).status_code == 403
    assert http.get("/v1/files", headers={"host": "rebound.example.org"}).status_code == 403
    assert http.get("/v1/files", headers={"host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "given",
    [None, "", "Basic abc", "Bearer", "Bearer sk-vs-wrong", "Bearer " + "x" * 10_000, b"Bearer \xff\xfe"],
)
def test_keys_that_are_none_are_401_in_the_envelope(serve, secret, given):
    secret()
    headers = {} if given is None else {"authorization": given}
    response = httpx.get(f"{serve()}/v1/files", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_revoked_or_expired_key_fails_at_once(engine, serve, clock):
    _, secret = engine.keys.create("app", expires_after_s=3600)
    other, kept = engine.keys.create("other")
    headers = {"authorization": f"Bearer {secret}"}
    base = serve()
    assert httpx.get(f"{base}/v1/files", headers=headers).status_code == 200
    clock.move(3600)
    assert httpx.get(f"{base}/v1/files", headers=headers).status_code == 401
    headers = {"authorization": f"Bearer {kept}"}
    assert httpx.get(f"{base}/v1/files", headers=headers).status_code == 200
    engine.keys.revoke(other.id)
    assert httpx.get(f"{base}/v1/files", headers=headers).status_code == 401


def test_a_key_is_looked_at_before_the_body(serve, secret):
    secret()
    base = serve()

    def endless():
        yield b"x" * 1000
        raise AssertionError("the body was asked for")

    with httpx.Client(base_url=base) as client, pytest.raises((httpx.HTTPError, AssertionError)):
        client.post("/v1/files", content=endless(), headers={"content-type": "multipart/form-data; boundary=a"})
    assert httpx.post(f"{base}/v1/vector_stores", content=b"{ broken").status_code == 401


def test_scopes_say_what_a_key_may(as_key, secret):
    reader, writer = as_key(secret("r", scopes=["read"])), as_key(secret("w", scopes=["write"]))
    store = writer.vector_stores.create(name="a")
    assert reader.vector_stores.retrieve(store.id).name == "a"
    assert reader.vector_stores.search(store.id, query="x").data == []
    with pytest.raises(openai.PermissionDeniedError, match="'write'"):
        reader.vector_stores.delete(store.id)
    with pytest.raises(openai.PermissionDeniedError, match="'write'"):
        reader.files.create(file=("a.txt", b"a"), purpose="assistants")
    usage = {"start_time": 1_700_000_000}
    with pytest.raises(openai.PermissionDeniedError, match="'admin'"):
        writer.get("/organization/usage/vector_stores", cast_to=httpx.Response, options={"params": usage})
    admin = as_key(secret("a", scopes=["admin"]))
    page = openai.OpenAI(base_url=admin.base_url, api_key="x", admin_api_key=admin.api_key)
    assert page.admin.organization.usage.vector_stores(**usage).object == "page"


def test_one_project_never_sees_counts_or_changes_anothers(engine, as_key, secret):
    engine.create_project("one")
    engine.create_project("two")
    one, two = as_key(secret("1", project="one")), as_key(secret("2", project="two"))
    file = one.files.create(file=("a.txt", b"The plan of project one."), purpose="assistants")
    store = one.vector_stores.create(name="plans", file_ids=[file.id])
    one.vector_stores.files.poll(file.id, vector_store_id=store.id)
    batch = one.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id])
    upload = one.uploads.create(filename="a.txt", bytes=3, mime_type="text/plain", purpose="assistants")
    own = two.vector_stores.create(name="own")
    assert two.files.list().data == []
    assert [each.id for each in two.vector_stores.list().data] == [own.id]
    foreign = [
        lambda: two.files.retrieve(file.id),
        lambda: two.files.content(file.id),
        lambda: two.files.delete(file.id),
        lambda: two.vector_stores.retrieve(store.id),
        lambda: two.vector_stores.update(store.id, name="mine"),
        lambda: two.vector_stores.delete(store.id),
        lambda: two.vector_stores.search(store.id, query="plan"),
        lambda: two.vector_stores.files.list(store.id),
        lambda: two.vector_stores.files.retrieve(file.id, vector_store_id=store.id),
        lambda: two.vector_stores.files.content(file.id, vector_store_id=store.id),
        lambda: two.vector_stores.files.delete(file.id, vector_store_id=store.id),
        lambda: two.vector_stores.files.create(own.id, file_id=file.id),
        lambda: two.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id),
        lambda: two.vector_stores.file_batches.retrieve(batch.id, vector_store_id=own.id),
        lambda: two.vector_stores.file_batches.cancel(batch.id, vector_store_id=own.id),
        lambda: two.uploads.parts.create(upload.id, data=b"abc"),
        lambda: two.uploads.complete(upload.id, part_ids=["part_a"]),
        lambda: two.uploads.cancel(upload.id),
        lambda: two.post(
            "/search", cast_to=httpx.Response, body={"query": "plan", "vector_store_ids": [own.id, store.id]}
        ),
    ]
    for attempt in foreign:
        with pytest.raises(openai.NotFoundError) as caught:
            attempt()
        assert "project" not in str(caught.value)
    told = two.vector_stores.file_batches.create_and_poll(own.id, file_ids=[file.id])
    assert (told.status, told.file_counts.failed) == ("failed", 1)
    [listed] = two.vector_stores.file_batches.list_files(told.id, vector_store_id=own.id).data
    assert listed.last_error.message == f"No such File object: {file.id}"
    assert listed.filename == ""
    assert one.vector_stores.search(store.id, query="plan").data[0].file_id == file.id
    made_up = two.vector_stores.file_batches.create_and_poll(own.id, file_ids=["file-madeup"])
    progress = [
        httpx.get(f"{two.base_url}vector_stores/{own.id}/file_batches/{each}/progress", headers=two.auth_headers).text
        for each in (told.id, made_up.id)
    ]
    assert progress[0].replace(told.id, made_up.id) == progress[1]
    before = two.vector_stores.retrieve(own.id).file_counts
    one.files.delete(file.id)
    assert two.vector_stores.retrieve(own.id).file_counts == before

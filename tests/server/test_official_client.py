"""What an application written for OpenAI does, with OpenAI's own client, against a real server."""

import io

import openai
import pytest

TEXT = b"# Travel\n\nThe treasurer Odalys Brandt signs for travel over 500 euros.\n\n# Keys\n\nCode QX-4471 opens the archive.\n"


def test_upload_attach_poll_search_delete(client):
    file = client.files.create(file=("handbook.md", TEXT), purpose="assistants")
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(TEXT),
        "handbook.md",
        "assistants",
        "processed",
    )
    store = client.vector_stores.create(name="handbook", metadata={"team": "ops"})
    assert (store.status, store.usage_bytes, store.metadata) == ("completed", 0, {"team": "ops"})
    attached = client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=store.id, attributes={"year": 2026, "draft": False}
    )
    assert (attached.id, attached.status, attached.last_error) == (file.id, "completed", None)
    assert attached.attributes == {"year": 2026, "draft": False}
    assert attached.chunking_strategy.static.max_chunk_size_tokens == 800
    page = client.vector_stores.search(store.id, query="code QX-4471")
    best = page.data[0]
    assert best.file_id == file.id
    assert "QX-4471" in best.content[0].text
    assert 0 < best.score <= 1
    assert best.heading_path == ["Travel"]
    assert best.passage["heading_path"] == ["Keys"]
    store = client.vector_stores.retrieve(store.id)
    assert store.file_counts.completed == store.file_counts.total == 1
    assert store.usage_bytes == attached.usage_bytes > 0
    assert client.vector_stores.files.delete(file.id, vector_store_id=store.id).deleted
    assert client.vector_stores.search(store.id, query="code QX-4471").data == []
    assert client.files.content(file.id).read() == TEXT
    assert client.files.delete(file.id).deleted
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError, match="No vector store found with id"):
        client.vector_stores.retrieve(store.id)


def test_a_batch_is_uploaded_and_polled_to_its_end(client):
    store = client.vector_stores.create()
    assert store.name == ""
    files = [(f"note{i}.txt", io.BytesIO(f"Note {i} speaks of code N-{i}.".encode())) for i in range(7)]
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=files)
    assert batch.status == "completed"
    assert batch.file_counts.completed == batch.file_counts.total == 7
    listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=2)
    assert len(list(listed)) == 7  # page by page
    assert client.vector_stores.search(store.id, query="N-3").data[0].filename == "note3.txt"


def test_files_of_a_batch_have_their_own_attributes_and_strategy(client):
    store = client.vector_stores.create()
    ids = [client.files.create(file=(f"{i}.txt", b"word " * 900), purpose="assistants").id for i in range(3)]
    small = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    batch = client.vector_stores.file_batches.create(
        store.id,
        files=[
            {"file_id": ids[0], "attributes": {"n": 0}},
            {"file_id": ids[1], "attributes": {"n": 1}, "chunking_strategy": small},
            {"file_id": ids[2]},
        ],
    )
    assert batch.file_counts.total == 3
    client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    first, second = (client.vector_stores.files.retrieve(each, vector_store_id=store.id) for each in ids[:2])
    assert (first.attributes, second.attributes) == ({"n": 0}, {"n": 1})
    assert second.chunking_strategy.static.max_chunk_size_tokens == 100
    assert second.chunks > first.chunks
    found = client.vector_stores.search(store.id, query="word", filters={"type": "eq", "key": "n", "value": 1})
    assert {each.file_id for each in found.data} == {ids[1]}


def test_a_file_that_cannot_be_read_fails_with_openais_code_and_a_sentence(client):
    store = client.vector_stores.create()
    bad = client.files.create(file=("broken.pdf", b"%PDF-1.7 nothing"), purpose="assistants")
    attached = client.vector_stores.files.create_and_poll(bad.id, vector_store_id=store.id)
    assert attached.status == "failed"
    assert attached.last_error.code == "invalid_file"
    assert "broken.pdf" in attached.last_error.message
    with pytest.raises(openai.BadRequestError, match=r"broken\.pdf"):
        client.vector_stores.files.content(bad.id, vector_store_id=store.id)


def test_an_unknown_file_at_creation_is_listed_as_failed(client):
    good = client.files.create(file=("a.txt", b"Something."), purpose="assistants")
    store = client.vector_stores.create(file_ids=[good.id, "file-unknown"])
    assert store.file_counts.total == 2
    assert store.file_counts.failed == 1
    client.vector_stores.files.poll(good.id, vector_store_id=store.id)
    [failed] = client.vector_stores.files.list(store.id, filter="failed").data
    assert (failed.id, failed.last_error.code) == ("file-unknown", "invalid_file")
    with pytest.raises(openai.NotFoundError, match="No such File object: file-unknown"):
        client.vector_stores.files.create(store.id, file_id="file-unknown")


def test_a_file_comes_in_parts(client):
    content = b"The lighthouse of Varnoe was lit in 1874. " * 2000
    upload = client.uploads.upload_file_chunked(
        file=content,
        filename="lighthouse.txt",
        bytes=len(content),
        mime_type="text/plain",
        purpose="assistants",
        part_size=40_000,
    )
    assert upload.status == "completed"
    assert client.files.content(upload.file.id).read() == content
    pending = client.uploads.create(filename="a.txt", bytes=3, mime_type="text/plain", purpose="assistants")
    part = client.uploads.parts.create(pending.id, data=b"abc")
    with pytest.raises(openai.BadRequestError, match="900150983cd24fb0d6963f7d28e17f72"):
        client.uploads.complete(pending.id, part_ids=[part.id], md5="0" * 32)
    assert client.uploads.cancel(pending.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        client.uploads.parts.create(pending.id, data=b"abc")


def test_lists_are_paged_both_ways_and_new_items_shift_nothing(client):
    ids = [client.vector_stores.create(name=str(i)).id for i in range(5)]
    newest = client.vector_stores.list(limit=2)
    assert [each.id for each in newest.data] == [ids[4], ids[3]]
    assert newest.has_more
    client.vector_stores.create(name="later")
    assert [each.id for each in client.vector_stores.list(limit=2, after=ids[3]).data] == [ids[2], ids[1]]
    assert [each.id for each in client.vector_stores.list(limit=2, before=ids[1]).data] == [ids[3], ids[2]]
    assert [each.id for each in client.vector_stores.list(order="asc", limit=100).data][:5] == ids
    with pytest.raises(openai.BadRequestError) as caught:
        client.vector_stores.list(after="vs_nobody")
    assert caught.value.param == "after"


def test_everything_can_be_deleted_while_it_is_listed(client):
    for i in range(7):
        client.vector_stores.create(name=str(i))
        client.files.create(file=(f"{i}.txt", b"x"), purpose="assistants")
    for store in client.vector_stores.list(limit=2):
        client.vector_stores.delete(store.id)
    for file in client.files.list(limit=2):
        client.files.delete(file.id)
    assert client.vector_stores.list().data == []
    assert client.files.list().data == []


def test_stores_and_files_expire(client, clock):
    store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    assert store.expires_at == store.last_active_at + 86_400
    file = client.files.create(
        file=("a.txt", b"abc"), purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    clock.move(3600)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    clock.move(86_400)
    assert client.vector_stores.retrieve(store.id).status == "expired"
    with pytest.raises(openai.BadRequestError) as caught:
        client.vector_stores.search(store.id, query="anything")
    assert (caught.value.code, caught.value.type) == ("vector_store_expired", "invalid_request_error")
    assert f"Vector store '{store.id}' has expired." in str(caught.value)


def test_a_policy_is_changed_and_cleared_and_searching_is_activity(client, clock):
    store = client.vector_stores.create(name="a", expires_after={"anchor": "last_active_at", "days": 2})
    clock.move(100)
    client.vector_stores.search(store.id, query="anything")
    assert client.vector_stores.retrieve(store.id).last_active_at == store.last_active_at + 100
    changed = client.vector_stores.update(store.id, name="b", expires_after={"anchor": "last_active_at", "days": 3})
    assert (changed.name, changed.expires_after.days) == ("b", 3)
    cleared = client.vector_stores.update(store.id, expires_after=None)
    assert cleared.expires_after is None
    assert cleared.expires_at is None
    assert cleared.name == "b"


def test_several_queries_are_one_search(client):
    store = client.vector_stores.create()
    for name, text in (("a.txt", b"Apples ripen in autumn."), ("b.txt", b"The harbour freezes in January.")):
        file = client.files.create(file=(name, text), purpose="assistants")
        client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    page = client.vector_stores.search(store.id, query=["apples ripen", "harbour freezes"], rewrite_query=True)
    assert page.search_query == ["apples ripen", "harbour freezes"]
    assert {each.filename for each in page.data[:2]} == {"a.txt", "b.txt"}
    assert [each.score for each in page.data] == sorted((each.score for each in page.data), reverse=True)


def test_a_rewritten_query_is_told(client):
    store = client.vector_stores.create()
    for name, text in (("a.txt", b"The rent is 400 crowns."), ("b.txt", b"The ferry leaves at six.")):
        file = client.files.create(file=(name, text), purpose="assistants")
        client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    asked = "Hi, could you please tell me the rent? And how do I take the ferry? Thanks in advance!"
    page = client.vector_stores.search(store.id, query=asked, rewrite_query=True)
    assert page.search_query == ["rent", "take the ferry"]
    assert {each.filename for each in page.data} == {"a.txt", "b.txt"}
    assert client.vector_stores.search(store.id, query=asked).search_query == [asked]
    same = client.vector_stores.search(store.id, query=["rent", "take the ferry"])
    assert [(each.file_id, each.score) for each in same] == [(each.file_id, each.score) for each in page]
    with pytest.raises(openai.BadRequestError, match="must be a text that is not empty"):
        client.vector_stores.search(store.id, query=" ", rewrite_query=True)


def test_usage_is_reported_in_buckets(client, clock):
    store = client.vector_stores.create()
    file = client.files.create(file=("a.txt", b"Some text to be billed."), purpose="assistants")
    used = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id).usage_bytes
    begin = clock.seconds
    clock.move(86_400)
    client.vector_stores.search(store.id, query="text")
    with_admin = client.with_options(admin_api_key="any")
    page = with_admin.admin.organization.usage.vector_stores(
        start_time=begin, bucket_width="1h", group_by=["project_id"]
    )
    assert page.data[1].results[0].usage_bytes == used
    calls = with_admin.admin.organization.usage.file_search_calls(start_time=begin, bucket_width="1d", limit=2)
    assert sum(each.num_requests for bucket in calls.data for each in bucket.results) == 1


def test_models_are_what_embeds_and_what_ranks(client, engine):
    embeds, ranks = client.models.list()
    assert (embeds.id, embeds.dimensions) == engine.embedder
    assert (ranks.id, ranks.task) == ("hybrid", "ranking")
    assert client.models.retrieve("hybrid").id == "hybrid"
    assert client.models.retrieve(embeds.id) == embeds
    with pytest.raises(openai.NotFoundError, match="gpt-4"):
        client.models.retrieve("gpt-4")

"""Fifty clients at once: each finds what it has put in at once, and never again what it has taken out."""

import threading
from concurrent.futures import ThreadPoolExecutor

import openai

CLIENTS, ROUNDS = 50, 2


def test_fifty_clients_upload_search_and_delete_in_one_vector_store(serve, engine):
    base = serve(max_uploads=50)
    together = threading.Barrier(CLIENTS)
    with openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=120) as client:
        store_id = client.vector_stores.create(name="shared").id

        def names(query):
            return {
                result.filename for result in client.vector_stores.search(store_id, query=query, max_num_results=50)
            }

        def work(number):
            together.wait()
            for i in range(ROUNDS):
                name, code = f"note{number}-{i}.txt", f"Q{number}X{i}Z"
                file = client.files.create(file=(name, f"The code is {code}.".encode()), purpose="assistants")
                attached = client.vector_stores.files.create_and_poll(
                    file.id, vector_store_id=store_id, attributes={"number": number}, poll_interval_ms=50
                )
                assert attached.status == "completed", attached
                assert name in names(code)
                only = client.vector_stores.search(
                    store_id, query="code", filters={"type": "eq", "key": "number", "value": number}
                )
                assert name in {result.filename for result in only.data}
                if number % 2:
                    client.files.delete(file.id)
                else:
                    client.vector_stores.files.delete(file.id, vector_store_id=store_id)
                assert name not in names(code)
                if number % 5 == 0:
                    own = client.vector_stores.create(name=name)
                    assert own.id in {store.id for store in client.vector_stores.list(limit=100)}
                    client.vector_stores.delete(own.id)

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(work, number) for number in range(CLIENTS)]:
                done.result()
        store = client.vector_stores.retrieve(store_id)
        assert (store.usage_bytes, store.file_counts.total) == (0, 0)
        assert len(list(client.files.list())) == CLIENTS // 2 * ROUNDS
        assert [each.id for each in client.vector_stores.list()] == [store_id]
    assert engine.check() == []

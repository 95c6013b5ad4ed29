"""The official asynchronous client over an application in this process: no socket, no server."""

import asyncio

import httpx2
import openai

from vecstore.server import create_app


def test_an_application_is_asked_without_a_socket(engine):
    async def ask():
        transport = httpx2.ASGITransport(app=create_app(engine))
        http = openai.DefaultAsyncHttpxClient(transport=transport)
        async with openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="none", http_client=http) as client:
            file = await client.files.create(file=("codes.txt", b"Code HX-2207 starts the horn."), purpose="assistants")
            store = await client.vector_stores.create(name="codes")
            done = await client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
            assert done.status == "completed"
            page = await client.vector_stores.search(store.id, query="HX-2207")
            assert [result.filename for result in page.data] == ["codes.txt"]
            found = await asyncio.gather(*(client.vector_stores.search(store.id, query="horn") for _ in range(20)))
            assert {results.data[0].file_id for results in found} == {file.id}

    asyncio.run(ask())
    assert engine.check() == []

// What an application written for OpenAI does with the official client, against the server at OPENAI_BASE_URL.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI, { toFile } from "openai";
import { VERSION } from "openai/version.mjs";

const bodies = []; // of every request; fetch sends a stream in chunks, without a Content-Length
const recorded = (url, init) => {
  bodies.push(init.body);
  return fetch(url, init);
};
const client = new OpenAI({ maxRetries: 0, timeout: 60_000, fetch: recorded });
const checks = [];
const check = (fact, run) => checks.push({ fact, run });
const GUIDE = "# Lamps\n\nThe lamp of Varnoe burns 14 litres of paraffin a night.\n\n# Fog\n\nSignal code HX-2207 starts the fog horn.\n";

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

async function newFile(name, text) {
  return client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });
}

check("a file is streamed up without its length, and comes back byte by byte", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "vecstore-node-"));
  try {
    await writeFile(path.join(folder, "guide.md"), GUIDE);
    const file = await client.files.create({ file: createReadStream(path.join(folder, "guide.md")), purpose: "assistants" });
    assert.ok(bodies.at(-1) instanceof ReadableStream);
    assert.equal(file.filename, "guide.md");
    assert.equal(file.bytes, Buffer.byteLength(GUIDE));
    assert.equal(file.status, "processed");
    assert.equal(await (await client.files.content(file.id)).text(), GUIDE);
    assert.deepEqual(await client.files.delete(file.id), { id: file.id, object: "file", deleted: true });
    await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
  } finally {
    await rm(folder, { recursive: true });
  }
});

check("a file is attached, polled, found, read, changed, detached", async () => {
  const store = await client.vectorStores.create({ name: "guide", metadata: { team: "lights" } });
  assert.equal(store.status, "completed");
  const file = await newFile("guide.md", GUIDE);
  const attached = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id, attributes: { year: 2026 } });
  assert.equal(attached.id, file.id);
  assert.equal(attached.status, "completed");
  assert.equal(attached.last_error, null);
  const found = await client.vectorStores.search(store.id, { query: "HX-2207" });
  assert.equal(found.data[0].file_id, file.id);
  assert.match(found.data[0].content[0].text, /HX-2207/);
  assert.ok(found.data[0].score > 0 && found.data[0].score <= 1);
  const parsed = await all(client.vectorStores.files.content(file.id, { vector_store_id: store.id }));
  assert.match(parsed.map(({ text }) => text).join(""), /14 litres of paraffin/);
  const changed = await client.vectorStores.files.update(file.id, { vector_store_id: store.id, attributes: { year: 2027 } });
  assert.deepEqual(changed.attributes, { year: 2027 });
  const gone = await client.vectorStores.files.delete(file.id, { vector_store_id: store.id });
  assert.equal(gone.deleted, true);
  assert.deepEqual((await client.vectorStores.search(store.id, { query: "HX-2207" })).data, []);
  const renamed = await client.vectorStores.update(store.id, { name: "empty" });
  assert.equal(renamed.name, "empty");
  assert.equal(renamed.usage_bytes, 0);
  assert.equal((await client.vectorStores.delete(store.id)).deleted, true);
  await assert.rejects(client.vectorStores.retrieve(store.id), OpenAI.NotFoundError);
});

check("a batch is uploaded and polled to its end, and its files are listed page by page", async () => {
  const store = await client.vectorStores.create({});
  const texts = Array.from({ length: 7 }, (_, i) => toFile(Buffer.from(`Berth ${i} has the code B-${i}${i}.`), `berth${i}.txt`));
  const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files: await Promise.all(texts) });
  assert.equal(batch.status, "completed");
  assert.deepEqual(batch.file_counts, { in_progress: 0, completed: 7, failed: 0, cancelled: 0, total: 7 });
  const listed = await all(client.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id, limit: 3 }));
  assert.equal(new Set(listed.map(({ id }) => id)).size, 7);
  const attached = await all(client.vectorStores.files.list(store.id, { limit: 2, order: "asc" }));
  assert.deepEqual(new Set(attached.map(({ id }) => id)), new Set(listed.map(({ id }) => id)));
  const [best] = (await client.vectorStores.search(store.id, { query: "B-33" })).data;
  assert.equal(best.filename, "berth3.txt");
  await client.vectorStores.delete(store.id);
});

check("a filter decides which files are searched", async () => {
  const store = await client.vectorStores.create({});
  const files = [];
  for (const year of [2023, 2024, 2025]) {
    const { id } = await newFile(`tides-${year}.txt`, `The spring tide of ${year} reached the boathouse.`);
    files.push({ file_id: id, attributes: { year, kind: year === 2024 ? "draft" : "report" } });
  }
  const batch = await client.vectorStores.fileBatches.createAndPoll(store.id, { files });
  assert.equal(batch.status, "completed");
  const found = async (filters) => {
    const results = await all(client.vectorStores.search(store.id, { query: ["spring tide", "boathouse"], filters, max_num_results: 5 }));
    return new Set(results.map(({ attributes }) => attributes.year));
  };
  assert.deepEqual(await found(undefined), new Set([2023, 2024, 2025]));
  assert.deepEqual(await found({ type: "eq", key: "kind", value: "draft" }), new Set([2024]));
  const either = { type: "or", filters: [{ type: "lt", key: "year", value: 2024 }, { type: "eq", key: "kind", value: "draft" }] };
  assert.deepEqual(await found(either), new Set([2023, 2024]));
  assert.deepEqual(await found({ type: "nin", key: "year", value: [2023, 2024] }), new Set([2025]));
  await assert.rejects(found({ type: "like", key: "year", value: 2023 }), OpenAI.BadRequestError);
  await client.vectorStores.delete(store.id);
});

check("a cancelled batch ends, and what was done of it stays", async () => {
  const store = await client.vectorStores.create({});
  const words = (n) => Array.from({ length: 400 }, (_, i) => `word${n}x${i}`).join(" ");
  const files = await Promise.all(Array.from({ length: 12 }, (_, n) => newFile(`long${n}.txt`, words(n))));
  const { id } = await client.vectorStores.fileBatches.create(store.id, { file_ids: files.map((file) => file.id) });
  await client.vectorStores.fileBatches.cancel(id, { vector_store_id: store.id });
  const batch = await client.vectorStores.fileBatches.poll(store.id, id);
  assert.equal(batch.status, "cancelled");
  assert.equal(batch.file_counts.completed + batch.file_counts.cancelled, files.length);
  assert.ok(batch.file_counts.cancelled > 0);
  const done = await all(client.vectorStores.files.list(store.id, { filter: "completed" }));
  assert.equal(done.length, batch.file_counts.completed);
  await client.vectorStores.delete(store.id);
});

check("an upload in parts is completed, another one is cancelled", async () => {
  const halves = ["The lighthouse of Varnoe ", "was lit in 1874."];
  const asked = { filename: "lighthouse.txt", bytes: halves.join("").length, mime_type: "text/plain", purpose: "assistants" };
  const upload = await client.uploads.create(asked);
  const part_ids = [];
  for (const half of halves) {
    const part = await client.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(half), "part") });
    part_ids.push(part.id);
  }
  const { file, status } = await client.uploads.complete(upload.id, { part_ids });
  assert.equal(status, "completed");
  assert.equal(await (await client.files.content(file.id)).text(), halves.join(""));
  const other = await client.uploads.create(asked);
  assert.equal((await client.uploads.cancel(other.id)).status, "cancelled");
  await assert.rejects(client.uploads.complete(other.id, { part_ids: [] }), OpenAI.BadRequestError);
});

check("lists are read to their end while everything on them is deleted", async () => {
  for (let i = 0; i < 5; i++) await client.vectorStores.create({ name: `store ${i}` });
  for await (const store of client.vectorStores.list({ limit: 2 })) await client.vectorStores.delete(store.id);
  for await (const file of client.files.list({ limit: 10 })) await client.files.delete(file.id);
  assert.deepEqual(await all(client.vectorStores.list()), []);
  assert.deepEqual(await all(client.files.list()), []);
});

for (const { fact, run } of checks) {
  try {
    await run();
  } catch (error) {
    console.error(`not so: ${fact}`);
    throw error;
  }
}
console.log(`openai ${VERSION} on Node ${process.version}: ${checks.length} passed`);

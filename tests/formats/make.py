"""Writes a data folder with whatever version of vecstore is imported, and what a search finds in it; see README.md."""

import io
import json
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import vecstore
from vecstore import HashingEmbedder, HybridSearch
from vecstore.catalog import schema

NOW = 1_700_000_000
TEXTS = {
    "ferry.md": "# Timetable\n\nThe ferry leaves the harbour at six.\n\n# Fares\n\nA ticket costs four crowns.\n",
    "menu.txt": "Green pears with cheese.\n\nBlack figs with honey.\n",
    "codes.csv": "code;meaning\nE-2041;CRC mismatch on the probe bus\nE-2042;the probe does not answer\n",
    "long.txt": "\n\n".join(f"Paragraph {i} tells of plum number {i} and of nothing else." for i in range(120)),
}
QUERIES = ("ferry harbour", "black figs", "E-2042", "plum number 77", "a ticket costs", "almanac")


def fill(engine, revision):
    kitchen = engine.create("kitchen", metadata={"floor": "2"})
    for name, text in TEXTS.items():
        kitchen.add((name, text.encode()), attributes={"size": len(text), "kind": name.split(".")[1]})
    gone = kitchen.add(("gone.txt", b"a quince that is taken out again"))
    kitchen.detach(gone.id)
    harbour = engine.create("harbour")
    harbour.attach(kitchen.list()[0].id, attributes={"kind": "shared"})
    harbour.attach(engine.upload(("broken.pdf", b"%PDF-1.7 and nothing more")).id)  # listed as failed
    if revision >= 2:
        harbour.add(
            ("cut.md", b"# Rules\n\nNo dogs on deck.\n\n# Lost things\n\nAsk the crew.\n"),
            chunking_strategy={"type": "structure"},
        )
    if revision >= 3:
        engine.create_project("research", price_per_gb_day="0.05")
        passing = engine.create("passing", project="research", expires_after={"anchor": "last_active_at", "days": 300})
        passing.batch([("one.txt", b"the first of a batch"), ("two.txt", b"the second")]).wait()
        upload = engine.create_upload("parts.txt", bytes=8)
        engine.add_part(upload.id, b"half")
    if revision >= 4:
        engine.keys.create("notebook")
        engine.create("told", description="what it is about")
    if revision >= 5:
        engine._parts.catalog.update_vector_store(kitchen.id, {"embedding_weight": 0.4}, now=NOW)
    if revision >= 7:
        engine._parts.catalog.update_vector_store(harbour.id, {"chunk_size": 300}, now=NOW)
    if revision >= 8:
        harbour.add(("almanac.odt", titled("Sluice almanac", "The gates open at dawn.")))


def titled(title, text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        body = f"<office:body><office:text><text:p>{text}</text:p></office:text></office:body>"
        package.writestr("content.xml", f"<office:document-content>{body}</office:document-content>")
        dc = f"<m xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title>{title}</dc:title></m>"
        package.writestr("meta.xml", dc)
    return file.getvalue()


def found(engine):
    """Of each store and query what each leg finds first: file, place and text."""
    told = []
    for name in ("kitchen", "harbour"):
        for query in QUERIES:
            for leg in ((1, 0), (0, 1)):
                results = engine.get(name).search(query, max_num_results=1, hybrid_search=HybridSearch(*leg))
                said = [[each.filename, each.start, each.end, each.text] for each in results]
                told.append({"store": name, "query": query, "leg": leg, "found": said})
    return told


def main(target):
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "kb"
        with vecstore.open(data, embedder=HashingEmbedder(), now=lambda: NOW) as engine:
            fill(engine, int(schema.HEAD))
            assert engine.check() == []
            expected = {
                "found": found(engine),
                "files": {
                    store.name: sorted(file.filename for file in engine.get(store.id).list()) for store in engine.list()
                },
                "usage_bytes": {store.name: store.usage_bytes for store in engine.list()},
            }
        (Path(folder) / "expected.json").write_text(json.dumps(expected))
        shutil.rmtree(data / "parsing", ignore_errors=True)
        for scratch in data.glob("stores/*/live"):
            shutil.rmtree(scratch)
        with tarfile.open(target, "w:xz") as archive:
            archive.add(folder, arcname=".")


if __name__ == "__main__":
    main(sys.argv[1])

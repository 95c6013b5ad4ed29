"""What is found by the default model and both legs: codes that nearly agree, scripts without spaces, sheets, symbols."""

import io

import openpyxl
import pytest

from vecstore import HybridSearch, Source, StructureStrategy, default_embedder

CODES = ["E-2041", "E-2014", "E-2401", "E-204", "E-20411", "F-2041", "E2041B"]
WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)


@pytest.fixture(scope="module")
def model():
    return default_embedder()


@pytest.fixture
def store(open_engine, model):
    with open_engine(embedder=model) as engine:
        yield engine.create("store")


def add(store, **files):
    added = store.add_many([Source(name.replace("__", "."), content) for name, content in files.items()])
    assert all(each.outcome == "added" for each in added)


def first(store, query, **options):
    return store.search(query, **options)[0]


@pytest.mark.parametrize("code", CODES)
def test_of_codes_that_nearly_agree_the_one_asked_for_comes_first(store, code):
    add(
        store,
        **{
            f"{i}__txt": f"Error {each}: the pump has stopped. Check the valve and restart it.".encode()
            for i, each in enumerate(CODES)
        },
    )
    for query in (code, f"what does error {code} mean", f"error {code.lower()}"):
        assert f"Error {code}:" in first(store, query).text, query


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("การรับประกัน", "สินค้านี้มีการรับประกันสามปี"),  # Thai: guarantee
        ("のりかえ", "つぎのえきでのりかえがひつようです"),  # hiragana: change of trains
        ("エレベーター", "二階へはエレベーターを使ってください"),  # katakana: lift
        ("保修", "本产品保修三年"),
    ],
)
def test_scripts_without_spaces_are_found_by_a_part_of_a_sentence(store, query, wanted):
    texts = ["สวัสดีครับยินดีต้อนรับ", "あしたはあめがふるでしょう", "请在入口处登记", wanted]
    add(store, **{f"{i}__txt": text.encode() for i, text in enumerate(texts)})
    assert first(store, query).text == wanted


def test_the_name_of_a_sheet_and_of_a_symbol_find_what_is_in_them(store):
    book = openpyxl.Workbook()
    for name, rows in (("Budget", [("item", "sum"), ("ropes", 12)]), ("Headcount", [("item", "sum"), ("ropes", 12)])):
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    saved = io.BytesIO()
    book.save(saved)
    code = "def settle(a):\n    return a + 1\n\n\n" + "def postpone(a):\n    return a + 1\n"
    sources = [Source("plan.xlsx", saved.getvalue()), Source("late.py", code.encode())]
    added = list(store.add_many(sources, chunking_strategy=StructureStrategy(100)))
    assert [each.error for each in added] == [None, None]
    found = first(store, "headcount", hybrid_search=WORDS_ONLY)
    assert "Headcount" in found.passage.heading_path
    assert any("postpone" in part for part in first(store, "postpone").passage.heading_path)

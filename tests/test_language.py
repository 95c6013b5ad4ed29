"""Which language a text is in, and stems of it: what is not English is found in all its forms."""

import pytest

from vecstore.index import analyze, language, language_of, language_of_query, languages_of_query, native_terms, shard

SENTENCES = {
    "german": "Die Kündigungsfrist beträgt neunzig Tage zum Ende eines Monats, wenn nichts anderes vereinbart ist.",
    "french": "Le délai de préavis est de quatre-vingt-dix jours avant la fin du mois, sauf accord contraire.",
    "spanish": "El plazo de preaviso es de noventa días antes del final del mes, salvo que se acuerde otra cosa.",
    "italian": "Il termine di preavviso è di novanta giorni prima della fine del mese, salvo diverso accordo.",
    "dutch": "De opzegtermijn bedraagt negentig dagen voor het einde van de maand, tenzij anders overeengekomen.",
    "portuguese": "O prazo de aviso prévio é de noventa dias antes do final do mês, salvo acordo em contrário.",
    "swedish": "Uppsägningstiden är nittio dagar före månadens slut, om inget annat har avtalats mellan parterna.",
    "polish": "Okres wypowiedzenia wynosi dziewięćdziesiąt dni przed końcem miesiąca, chyba że uzgodniono inaczej.",
}


@pytest.mark.parametrize(("name", "text"), SENTENCES.items())
def test_a_sentence_tells_its_language(name, text):
    assert language_of(text) == name
    assert list(languages_of_query(text, ["finnish", name])) == [name]
    assert list(languages_of_query(text, ["finnish"])) == []


@pytest.mark.parametrize(
    "text",
    [
        "The notice period is ninety days before the end of a month, unless something else was agreed.",
        "def read(self, n):\n    return self._buffer[:n]\n",
        "E-2041;E-2042;17.5;19.0;21.5",
        "reset password",
        "解約の通知期間は九十日です。",
        "Срок уведомления составляет девяносто дней до конца месяца.",
        "",
        "12 345",
    ],
)
def test_english_code_and_other_scripts_have_no_stems_of_their_own(text):
    assert language_of(text) is None


def test_plain_english_loads_nothing():
    language._loaded.cache_clear()
    assert language_of("The pump is in the shaft of the well, and it was replaced in May.") is None
    assert languages_of_query("Die Häuser", ()) == ()
    assert language._loaded.cache_info().currsize == 0


def test_native_stems_are_terms_of_their_own_with_their_places():
    assert native_terms("Die Häuser", "german") == ["german~die", "german~haus"]
    assert native_terms("Häuser 東京 FY2018 E-2041", "german")[0] == "german~haus"
    text = "Viele Häuser stehen leer"
    [token] = analyze(text, only={"german~haus"})
    assert text[token.start : token.end] == "Häuser"


def test_another_form_of_a_german_word_is_found(open_engine):
    store = open_engine().create("briefe")
    store.add(("a.txt", SENTENCES["german"].encode()))
    store.add(("b.txt", "Die Häuser an der Straße wurden im Jahr 1950 gebaut und stehen heute leer.".encode()))
    store.add(("c.txt", b"The houses in this street were built in 1950 and are empty."))
    words = {"embedding_weight": 0, "text_weight": 1}
    [found] = store.search("Wann wurde das Haus gebaut, in dem niemand wohnt?", hybrid_search=words, explain=True)[:1]
    assert found.filename == "b.txt"
    assert "Häuser" in [found.text[start:end] for start, end in found.highlights]
    assert "german~haus" in found.explanation.matched_terms
    assert 0 < found.explanation.text.score <= 1
    assert store.check() == []


@pytest.mark.parametrize(("sentence", "loaded"), [("german", True), ("english", False)])
def test_while_a_large_store_is_opened_languages_are_loaded_if_it_has_any(open_engine, monkeypatch, sentence, loaded):
    began = []
    monkeypatch.setattr(shard, "_LARGE_BYTES", 0)
    monkeypatch.setattr(shard, "warm_up", lambda: began.append(True))
    engine = open_engine()
    text = SENTENCES.get(sentence, "The houses in this street were built in 1950 and are empty.")
    engine.create("briefe").add(("a.txt", text.encode()))
    engine.close()
    assert open_engine().get("briefe").search("1950" if not loaded else text)
    assert began == [True] * loaded


def test_languages_are_loaded_once_however_many_ask(monkeypatch):
    language._loaded.cache_clear()
    threads = [language.warm_up() for _ in range(3)]
    assert language_of(SENTENCES["german"]) == "german"
    for thread in threads:
        thread.join()
    assert language._loaded.cache_info().misses == 1


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Was kostet ein Ticket?", "german"),
        ("Gibt es Urlaub in der Probezeit?", "german"),
        ("Wat is de opzegtermijn?", "dutch"),
        ("Chi abita in Italia?", "italian"),
        ("Co to jest faktura?", "polish"),
        ("When did Helmut Kohl meet Gerhard Schröder?", None),
        ("Who manages Rheinland Versicherung?", None),
        ("Angela Merkel Bundestag", None),
        ("the rent of the hall", None),
    ],
)
def test_a_short_question_may_have_words_that_english_has_too(question, name):
    assert language_of_query(question, ["german", "dutch", "italian", "polish", "french"]) == name


def test_a_word_or_two_may_be_of_any_language_that_is_there(open_engine):
    assert languages_of_query("kündigen", ["german", "french"]) == ["german", "french"]
    assert languages_of_query("when is the rent due", ["german"]) == ()
    store = open_engine().create("briefe")
    store.add(
        (
            "a.txt",
            "Die Miete wird am Ersten fällig. Das Mietverhältnis wurde im Mai von den Parteien gekündigt.".encode(),
        )
    )
    store.add(("b.txt", "Milch, Brot und Butter stehen heute auf der Liste für den Einkauf, und auch Eier.".encode()))
    words = {"embedding_weight": 0, "text_weight": 1}
    for query in ("Mieten", "kündigt"):
        assert [each.filename for each in store.search(query, hybrid_search=words)][:1] != ["b.txt"]
    assert store.search("Mieten", hybrid_search=words)[0].filename == "a.txt"


def test_stems_that_nothing_has_lower_no_score(open_engine):
    store = open_engine().create("mixed")
    store.add(("a.txt", b"To reset the password, hold the button for ten seconds."))
    [before] = store.search("reset password", explain=True)
    store.add(("b.txt", SENTENCES["german"].encode()))
    after = store.search("reset password", explain=True)[0]
    assert after.filename == before.filename
    assert after.explanation.text.score >= before.explanation.text.score - 0.05  # one chunk more makes words rarer


def test_languages_go_with_the_last_chunk_that_is_in_them(open_engine):
    engine = open_engine()
    store = engine.create("briefe")
    file = store.add(("a.txt", SENTENCES["german"].encode()))
    store.add(("b.txt", b"The notice period is ninety days."))
    shards = engine._parts.shards
    assert shards.get(store.id).languages() == ["german"]
    store.detach(file.id)
    assert shards.get(store.id).languages() == []

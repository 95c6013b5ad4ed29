import threading
from functools import partial

import pytest
from sqlalchemy import event

from vecstore import ExpiredError, HybridSearch, InvalidRequestError, NotFoundError, StorageError
from vecstore.expiry import DAY_S

WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)
TEXT = ("a.txt", b"the ferry leaves at dawn")
BYTES = len(TEXT[1]) + 4 * 64  # of its one chunk


def days(n):
    return {"anchor": "last_active_at", "days": n}


def seconds(n):
    return {"anchor": "created_at", "seconds": n}


def byte_seconds(engine, clock, start):
    return engine.usage(start, clock.seconds).total.byte_seconds


@pytest.fixture
def store(engine):
    return engine.create("test", expires_after=days(1))


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"anchor": "last_active_at", "days": 0}, "expires_after.days must be a whole number 1 to 365, not 0"),
        ({"anchor": "last_active_at", "days": 366}, "1 to 365, not 366"),
        ({"anchor": "last_active_at", "days": True}, "1 to 365, not True"),
        ({"anchor": "created_at", "days": 1}, "expires_after.anchor must be 'last_active_at', not 'created_at'"),
        ({"days": 1}, "expires_after must have anchor and days, not"),
        ("7 days", "expires_after must have anchor and days, not"),
    ],
)
def test_a_policy_out_of_bounds_is_told(engine, policy, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        engine.create("s", expires_after=policy)
    assert engine.list() == []


@pytest.mark.parametrize("value", [3_599, 2_592_001, 3600.5, None])
def test_a_files_policy_out_of_bounds_is_told(engine, value):
    with pytest.raises(InvalidRequestError, match="must be a whole number 3600 to 2592000"):
        engine.upload(TEXT, expires_after=seconds(value))
    assert engine.files() == []


def test_a_store_expires_to_the_second_and_keeps_its_row(engine, store, clock):
    store.add(TEXT)
    clock.move(DAY_S - 1)
    assert (store.info().status, len(store.list())) == ("completed", 1)
    clock.move(1)
    info = store.info()
    assert (info.status, info.usage_bytes, info.file_counts.total) == ("expired", 0, 0)
    assert info.expires_at == clock.seconds
    assert (store.list(), [each.id for each in engine.list()]) == ([], [store.id])
    assert [file.filename for file in engine.files()] == ["a.txt"]
    assert engine.check() == []


def test_an_expired_store_can_be_looked_at_not_used(engine, store, clock):
    file = store.add(TEXT)
    clock.move(DAY_S)
    sentence = f"Vector store '{store.id}' has expired."
    for use in (
        lambda: store.search("ferry"),
        lambda: store.add(TEXT),
        lambda: store.attach(file.id),
        lambda: store.batch([file.id]),
        lambda: store.estimate([TEXT]),
        lambda: store.set(expires_after=days(300)),
        lambda: store.set(expires_after="never"),
    ):
        with pytest.raises(ExpiredError, match=sentence):
            use()
    with pytest.raises(NotFoundError):
        store.content(file.id)
    assert store.set(name="was").name == "was"
    assert engine.check() == []
    store.delete()
    assert (engine.list(), engine.check()) == ([], [])


def test_a_new_store_may_have_the_name_of_an_expired_one(engine, store, clock):
    clock.move(DAY_S)
    new = engine.create("test", exist_ok=True)
    assert new.id != store.id
    assert engine.create("test", exist_ok=True).id == engine.get("test").id == new.id
    assert engine.get(store.id).info().status == "expired"


def test_billing_stops_at_that_second_however_late_anybody_looks(engine, store, clock):
    start = clock.seconds
    store.add(TEXT)
    clock.move(40 * DAY_S)
    assert byte_seconds(engine, clock, start) == BYTES * DAY_S
    assert engine.check() == []


def test_it_expires_while_nobody_is_there(engine, store, clock, open_engine):
    start = clock.seconds
    store.add(TEXT)
    engine.close()
    clock.move(3 * DAY_S)
    engine = open_engine()
    assert engine.get("test").info().status == "expired"
    assert byte_seconds(engine, clock, start) == BYTES * DAY_S
    assert engine.check() == []


@pytest.mark.parametrize("activity", ["search", "add", "attach", "batch"])
def test_activity_puts_it_off(engine, store, clock, activity):
    file = store.add(TEXT)
    clock.move(DAY_S - 1)
    {
        "search": lambda: store.search("ferry"),
        "add": lambda: store.add(("b.txt", b"more")),
        "attach": lambda: store.attach(file.id),
        "batch": lambda: store.batch([file.id]).wait(),
    }[activity]()
    assert store.info().expires_at == clock.seconds + DAY_S
    clock.move(DAY_S - 1)
    assert store.info().status == "completed"
    clock.move(1)
    assert store.info().status == "expired"
    assert engine.check() == []


def test_a_search_in_the_last_second_counts_though_it_is_written_later(engine, store, clock):
    store.add(TEXT)
    clock.move(DAY_S - 1)
    store.search("ferry")
    clock.move(2)  # within the second in which searches are only noted
    assert engine.expire() == []
    assert store.info().expires_at == clock.seconds - 2 + DAY_S
    assert engine.check() == []


def test_looking_listing_and_taking_out_put_nothing_off(engine, store, clock):
    file, _ = store.add(TEXT), store.add(("b.txt", b"more"))
    before = store.info().expires_at
    clock.move(100)
    store.list(), store.content(file.id), store.detach(file.id), store.check()
    assert store.info().expires_at == before


def test_a_policy_can_be_set_changed_and_cleared(engine, clock):
    store = engine.create("s")
    assert (store.info().expires_at, store.info().expires_after_days) == (None, None)
    store.set(expires_after=days(2))
    assert store.info().expires_at == clock.seconds + 2 * DAY_S
    clock.move(DAY_S)
    assert store.set(expires_after=days(3)).expires_at == clock.seconds + 2 * DAY_S
    assert store.set(expires_after="never").expires_at is None
    clock.move(400 * DAY_S)
    assert store.info().status == "completed"
    assert engine.check() == []


def test_a_policy_expires_nothing_before_it_was_set(engine, clock):
    start = clock.seconds
    store = engine.create("s")
    store.add(TEXT)
    clock.move(10 * DAY_S)
    assert store.set(expires_after=days(1)).expires_at == clock.seconds
    assert store.info().status == "expired"
    clock.move(DAY_S)
    assert byte_seconds(engine, clock, start) == BYTES * 10 * DAY_S
    assert engine.check() == []


def test_a_clock_that_steps_back_brings_nothing_forward(engine, store, clock):
    store.add(TEXT)
    due = store.info().expires_at
    clock.move(-5 * DAY_S)
    store.search("ferry")
    assert store.info().expires_at == due
    clock.move(5 * DAY_S)
    assert store.info().status == "completed"
    clock.move(DAY_S)
    assert store.info().status == "expired"
    clock.move(-DAY_S)
    assert store.info().status == "expired"
    assert engine.check() == []


def test_a_file_expires_out_of_every_store(engine, clock):
    start = clock.seconds
    file = engine.upload(TEXT, expires_after=seconds(3600))
    assert file.expires_at == start + 3600
    stores = [engine.create(name) for name in "ab"]
    for store in stores:
        store.attach(file.id)
        store.add(("stays.txt", b"another text about the ferry"))
    clock.move(3599)
    assert len(stores[0].search("ferry")) == 2
    clock.move(1)
    for store in stores:
        assert [result.filename for result in store.search("ferry", hybrid_search=WORDS_ONLY)] == ["stays.txt"]
    with pytest.raises(NotFoundError):
        engine.file(file.id)
    assert "a.txt" not in {each.filename for each in engine.files()}
    clock.move(1000)
    kept = len("another text about the ferry") + 4 * 64
    assert byte_seconds(engine, clock, start) == 2 * (BYTES * 3600 + kept * 4600)
    assert engine.check() == []


def test_an_expired_file_fails_in_the_batches_that_wanted_it(open_engine, clock):
    engine = open_engine(resume=False)
    engine._runner.stop()
    file = engine.upload(TEXT, expires_after=seconds(3600))
    batch = engine.create("s").batch([file.id])
    clock.move(3600)
    info = batch.info()
    assert (info.status, info.finished_at) == ("failed", clock.seconds)
    assert engine.check() == []


def test_expire_tells_what_is_due_and_what_has_gone(engine, store, clock):
    file = engine.upload(TEXT, expires_after=seconds(3600))
    store.attach(file.id)
    assert engine.expire() == []
    clock.move(DAY_S)
    due = engine.expire(dry_run=True)
    assert [(each.kind, each.id, each.expired_at) for each in due] == [
        ("file", file.id, clock.seconds - DAY_S + 3600),
        ("vector_store", store.id, clock.seconds),
    ]
    assert engine.expire(dry_run=True) == due
    assert [each.id for each in engine.expire()] == [file.id, store.id]
    assert engine.expire() == []
    assert engine.check() == []


def test_nobody_is_shown_what_has_expired_even_on_a_full_disk(engine, store, clock):
    file = engine.upload(TEXT, expires_after=seconds(3600))
    store.attach(file.id)
    pool = engine._parts.catalog.database._engine
    pool.dispose()

    def full(connection, _):
        connection.execute("PRAGMA query_only = ON")

    event.listen(pool, "connect", full)
    assert len(store.search("ferry")) == 1
    clock.move(3600)
    with pytest.raises(StorageError):
        store.search("ferry")
    event.remove(pool, "connect", full)
    pool.dispose()
    assert store.search("ferry") == []
    assert engine.check() == []


def race(*acts):
    """Does them at once; what became of each that uses the store."""
    outcomes, begin = [], threading.Barrier(len(acts))

    def run(act):
        begin.wait()
        try:
            act()
            outcomes.append("used")
        except ExpiredError:
            outcomes.append("expired")

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_activity_racing_the_sweep_ends_one_way_or_the_other(engine, clock):
    for i in range(20):
        store = engine.create(f"s{i}", expires_after=days(1))
        file = store.add(TEXT)
        clock.move(DAY_S - 1)
        race(partial(store.search, "ferry"), partial(store.attach, file.id), partial(clock.move, 1), engine.expire)
        info = store.info()
        assert (info.status == "expired") == (info.file_counts.total == 0)
        assert (info.status == "expired") == (info.expires_at <= clock.seconds)
    assert engine.check() == []


def test_a_search_that_ends_after_the_last_second_does_not_revive_the_store(open_engine, clock):
    moments = []
    engine = open_engine(now=lambda: moments.pop(0) if moments else clock())
    store = engine.create("s", expires_after=days(1))
    store.add(TEXT)
    due = store.info().expires_at
    clock.seconds = due + 50
    moments.append(due - 1)
    store.search("ferry")
    assert (store.info().status, store.info().expires_at) == ("expired", due)
    assert engine.check() == []

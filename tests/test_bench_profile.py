"""`bench profile` tells where a search's CPU goes: a store that is really searched, and stages that leave nothing out."""

import pytest

from bench import profile


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profile, "QUERIES", 20)
        yield profile.run(chunks=200, on_step=lambda _: None)


def test_every_stage_takes_its_part_of_the_search(report):
    assert report["chunks"] >= 200
    *stages, whole = report["cpu_ms"].items()
    assert whole[0] == "search"
    assert [name for name, _ in stages] == [*profile._STAGES, "all else"]
    assert all(0 < ms < whole[1] for _, ms in stages)


def test_what_is_inside_a_stage_counts_once():
    clock = profile._Clock()
    inner = clock.timed("fetching", lambda: sum(range(200_000)))
    clock.timed("citing", inner)()
    assert clock.spent["citing"] < clock.spent["fetching"] / 2


def test_the_table_names_the_stages(report):
    told = profile.table(report)
    assert all(stage in told for stage in profile._STAGES)

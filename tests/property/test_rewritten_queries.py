"""Whatever is asked: never nothing, never more or longer than was asked, and the same again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vecstore.rewriting import MAX_REWRITTEN, rewrite

WORDS = (
    "Hi hello there, please could you tell me what is the rent? and how do I reset it thanks in advance! E-2041 C++ "
    "IT \"what is “x? ” 'a b' who signs does mean stand for explain Was ist die Miete? when they leave, - — … . about "
    "Oslo? the a an if what's \n regards thank very much any help is appreciated can help me 航空母艦 so well this one?"
).split(" ")
TALK = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join).filter(str.strip)
ANY = st.text(min_size=1, max_size=300).filter(str.strip)  # a blank query is refused before


@settings(max_examples=600, deadline=None)
@given(st.one_of(TALK, ANY, st.tuples(TALK, ANY, TALK).map(" ".join)))
def test_queries_are_bounded_and_stay_what_they_are(asked):
    queries = rewrite(asked)
    assert 1 <= len(queries) <= MAX_REWRITTEN
    assert all(each.strip() for each in queries)
    assert len(set(queries)) == len(queries)
    assert all(len(each.encode(errors="replace")) <= len(asked.encode(errors="replace")) for each in queries)
    assert [rewrite(each) for each in queries] == [[each] for each in queries]


@settings(max_examples=300, deadline=None)
@given(TALK)
def test_words_come_out_as_they_went_in(asked):
    given_words = {word.strip("?!.,;:…") for word in asked.split()}
    for each in rewrite(asked):
        assert {word.strip("?!.,;:…") for word in each.split()} <= given_words

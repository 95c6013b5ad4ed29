import re

from vecstore import ids


def test_a_file_id_is_file_and_24_base62_characters():
    assert re.fullmatch(r"file-[0-9a-zA-Z]{24}", ids.new_file_id())


def test_a_vector_store_id_is_vs_and_32_hexadecimal_digits():
    assert re.fullmatch(r"vs_[0-9a-f]{32}", ids.new_vector_store_id())


def test_no_two_ids_are_alike():
    assert len({make() for make in [ids.new_file_id, ids.new_vector_store_id] for _ in range(1000)}) == 2000


def test_a_chunk_id_is_its_number():
    assert ids.chunk_id(17) == "chunk_17"

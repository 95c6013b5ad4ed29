import numpy as np
import pytest

from vecstore.rank import above, fuse


def floats(*values):
    return np.array(values, np.float32)


def test_the_score_is_the_weighted_sum_of_both_legs():
    fused = fuse(floats(0.8), floats(3.0), 6.0, 0.25)
    assert fused.scores[0] == pytest.approx(0.25 * 0.8 + 0.75 * 0.75, abs=1e-6)
    assert fused.embedding[0] == np.float32(0.8)
    assert fused.text[0] == np.float32(0.75)  # half of the highest


def test_the_text_leg_rises_fastest_at_the_beginning_up_to_1():
    text = fuse(floats(0, 0, 0, 0), floats(0, 1, 2, 3), 3.0, 0.0).text
    assert text.tolist() == pytest.approx([0, 0.6, 0.857143, 1], abs=1e-6)


@pytest.mark.parametrize(("weight", "expected"), [(1.0, [0.9, 0.1]), (0.0, [0.5, 0.9])])
def test_a_weight_of_one_or_zero_leaves_one_leg(weight, expected):
    assert fuse(floats(0.9, 0.1), floats(1.0, 3.0), 4.0, weight).scores.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_negative_cosine_counts_as_zero():
    assert fuse(floats(-0.5), floats(0.0), 1.0, 1.0).scores[0] == 0


def test_cosines_count_from_the_floor_up_to_1():
    fused = fuse(floats(0.7, 0.75, 0.8, 0.9, 1), floats(0, 0, 0, 0, 0), 1.0, 1.0, 0.75)
    assert fused.embedding.tolist() == pytest.approx([0, 0, 0.2, 0.6, 1], abs=1e-6)
    assert fused.embedding.dtype == np.float32


def test_a_floor_of_zero_changes_no_bit():
    cosines = np.random.default_rng(3).uniform(-1, 1, 1000).astype(np.float32)
    assert np.array_equal(above(cosines, 0.0), cosines)
    assert above(cosines, 0.0).dtype == np.float32


def test_scores_stay_within_0_and_1():
    scores = fuse(floats(-1, 0, 1, 1.0000001), floats(0, 9, 9.1, 9), 9.0, 0.5).scores
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_without_any_word_the_text_leg_is_zero():
    fused = fuse(floats(0.5, 0.25), floats(0, 0), 0.0, 0.5)
    assert fused.text.tolist() == [0, 0]
    assert fused.scores.tolist() == [0.25, 0.125]


def test_a_chunks_score_does_not_depend_on_the_others():
    alone = fuse(floats(0.3), floats(2.0), 7.0, 0.5).scores[0]
    among = fuse(floats(0.9, 0.3, -1), floats(7.0, 2.0, 0), 7.0, 0.5).scores[1]
    assert alone == among


def test_what_differs_only_beyond_six_decimals_is_a_tie():
    scores = fuse(floats(0.5, 0.5 + 1e-7), floats(0, 0), 1.0, 1.0).scores
    assert scores[0] == scores[1]


def test_no_candidates_give_no_scores():
    assert len(fuse(floats(), floats(), 0.0, 0.5).scores) == 0

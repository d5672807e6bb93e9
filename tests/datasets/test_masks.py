import numpy as np

from keras_liteseg.datasets.masks import count_values


def test_values_of_a_large_map_are_counted_exactly():
    raw = np.zeros((4100, 4100), np.uint8)  # more zeros than float32 can count
    raw[-1, -3:] = 255
    counts = count_values(raw)
    assert counts.shape == (256,) and counts.dtype == np.int64
    assert counts[0] == raw.size - 3 and counts[255] == 3 and counts.sum() == raw.size
    np.testing.assert_array_equal(count_values(raw[:, ::2]), np.bincount(raw[:, ::2].ravel(), minlength=256))

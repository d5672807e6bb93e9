import keras
import numpy as np
import pytest

from keras_liteseg import ExportOptions, export
from keras_liteseg.errors import UserError
from keras_liteseg.graph import at_size
from keras_liteseg.image_format import ImageFormat
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.predictor import Predictor
from keras_liteseg.inference.tiles import TiledPredictor, tiles_along
from keras_liteseg.networks.layers import BilinearResize, conv


@pytest.fixture(scope="module")
def picture():
    """A drawn street, 192x448."""
    from keras_liteseg.datasets import load_dataset

    return load_dataset("street_scenes", split="val", length=1, size=(192, 448)).image(0)


def local_network(size, num_classes):
    """A network of stride 4 that sees 20 pixels far, and no whole picture: it has no pooling, and its resize does not
    align corners, so that where a pixel of the logits lies does not hang on the size of the picture."""
    images = keras.Input((*size, 3))
    x = keras.layers.Activation("tanh")(conv(images, 8, 3, "conv1", strides=2))
    x = keras.layers.Activation("tanh")(conv(x, 16, 3, "conv2", strides=2))
    return keras.Model(images, BilinearResize(4, align_corners=False)(conv(x, num_classes, 3, "score")))


@pytest.mark.parametrize(("length", "tile", "overlap"), [
    (512, 512, 0.25), (513, 512, 0.25), (895, 512, 0.25), (13000, 512, 0.25), (900, 480, 0.5), (1280, 512, 0.5),
    (1000, 512, 0), (97, 24, 0.25), (5, 1, 0.5), (10, 3, 0.5),
])  # fmt: skip
def test_every_pixel_counts_once(length, tile, overlap):
    tiles = tiles_along(length, tile, overlap)
    total, owned = np.zeros(length), np.zeros(length, int)
    for each in tiles:
        assert each.start <= each.first and each.stop <= each.start + tile and 0 <= each.start <= length - tile
        assert each.faded <= each.own  # no pixel lies between three tiles
        weight = np.ones(each.stop - each.first)
        weight[: each.faded] = (np.arange(each.faded) + 0.5) / each.faded if each.faded else []
        if each.stop > each.end:
            weight[each.own :] = weight[each.own :] - (np.arange(each.stop - each.end) + 0.5) / (each.stop - each.end)
        total[each.first : each.stop] += weight
        owned[each.first : each.end] += 1
    np.testing.assert_allclose(total, 1)
    np.testing.assert_array_equal(owned, 1)
    for before, after in zip(tiles, tiles[1:]):
        assert before.start + tile - after.start >= round(overlap * tile) and after.faded == before.stop - before.end


def test_tiles_begin_where_the_strides_of_the_whole_picture_do():
    starts = [tile.start for tile in tiles_along(13000, 512, 0.25)]
    assert starts[:3] == [0, 384, 768] and starts[-1] == 12488 and all(start % 64 == 0 for start in starts[:-1])


def test_labels_are_those_of_the_network_at_the_picture_s_size(metadata, picture):
    keras.utils.set_random_seed(0)
    network = local_network((128, 128), 9)
    whole = keras_predictor(at_size(network, picture.shape[:2]), metadata)
    logits = np.sort(whole.logits(picture), axis=-1)
    clear = logits[..., -1] - logits[..., -2] > 1e-4  # elsewhere rounding decides
    expected = whole.labels(picture)
    assert clear.mean() > 0.99 and len(np.unique(expected)) > 3
    found = TiledPredictor(keras_predictor(network, metadata), overlap=0.5).labels(picture)
    seams = np.zeros(picture.shape[:2], bool)
    for axis, length in enumerate(picture.shape[:2]):
        for tile in tiles_along(length, 128, 0.5):
            seams.swapaxes(0, axis)[tile.first : tile.first + tile.faded] = True
    assert 0.1 < seams.mean() < 1
    np.testing.assert_array_equal(found[clear & ~seams], expected[clear & ~seams])
    assert (found == expected)[seams].mean() > 0.995
    # Without an overlap, what a tile lacks beyond its border shows.
    cut = TiledPredictor(keras_predictor(network, metadata), overlap=0).labels(picture)
    assert (cut != expected).mean() > 3 * (found != expected).mean()


def test_scores_pass_evenly_from_one_tile_to_the_next(metadata):
    # The scores of the left tile say class 0, those of the right one say class 1 twice as loud.
    def run(images):
        right = images[0, 0, 0, 0] > 0
        return np.full((4, 16, 2), (0, 2) if right else (1, 0), np.float32)

    image = np.zeros((4, 24, 3), np.uint8)
    image[:, 8:] = 255  # where the second tile begins
    labels = TiledPredictor(Predictor(metadata, (4, 16), run), overlap=0.5).labels(image)
    # Of the 8 pixels in common, class 1 wins from the third on: 2 * 2.5 / 8 > 5.5 / 8 is false, 2 * 3.5 > 4.5 is true.
    np.testing.assert_array_equal(labels, [[0] * 11 + [1] * 13] * 4)


@pytest.mark.parametrize("size", [(64, 128), (40, 300), (200, 50), (1, 1), (65, 129)])
def test_labels_have_the_size_of_any_picture(metadata, size):
    def run(images):
        return np.stack([-images[0, ..., 0], images[0, ..., 0]], axis=-1)  # class 1 where it is bright

    image = np.random.default_rng(0).choice(np.uint8([0, 255]), (*size, 1)).repeat(3, axis=2)
    labels = TiledPredictor(Predictor(metadata, (64, 128), run)).labels(image)
    np.testing.assert_array_equal(labels, image[..., 0] == 255)
    assert labels.dtype == np.uint8 and labels.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_small_picture_of_any_channels(metadata, channels):
    image_format = ImageFormat(channels=channels, dtype="uint16")
    metadata = metadata.replace(image_format=image_format, mean=(0.5,) * channels, std=(0.5,) * channels)

    def run(images):
        assert images.shape == (1, 64, 128, channels)
        return np.stack([-images[0, ..., -1], images[0, ..., -1]], axis=-1)

    image = np.random.default_rng(0).choice(np.uint16([0, 65535]), (40, 50, channels))
    labels = TiledPredictor(Predictor(metadata, (64, 128), run)).labels(image)
    np.testing.assert_array_equal(labels, image[..., -1] == 65535)


def test_one_tile_is_the_plain_prediction(int8_file, scenes):
    plain = load_predictor(int8_file)
    tiled = TiledPredictor(load_predictor(int8_file))
    assert tiled.size == plain.size == scenes.size and tiled.metadata == plain.metadata
    np.testing.assert_array_equal(tiled.labels(scenes.image(0)), plain.labels(scenes.image(0)))


def test_scores_of_a_smaller_size_are_enlarged_before_they_are_blended(
    picture, network, network_file, metadata, tmp_path
):
    export(network_file, tmp_path / "a.tflite", ExportOptions(upsampling="none"))
    found = TiledPredictor(load_predictor(tmp_path / "a.tflite"))
    expected = TiledPredictor(keras_predictor(network, metadata)).labels(picture[:150])
    assert len(np.unique(expected)) > 3
    assert (found.labels(picture[:150]) == expected).mean() > 0.98
    assert found.network_seconds > 0


def test_int8_file_gives_nearly_the_labels_of_the_keras_network(picture, network, int8_file, metadata):
    expected = TiledPredictor(keras_predictor(network, metadata)).labels(picture)
    assert (TiledPredictor(load_predictor(int8_file)).labels(picture) == expected).mean() > 0.8


@pytest.mark.parametrize("output_type", ["classes", "classes_uint8"])
def test_class_maps_are_refused(output_type, metadata):
    with pytest.raises(UserError, match="gives class maps .* leave out --tiles, .* with --output_type logits"):
        TiledPredictor(Predictor(metadata.replace(output_type=output_type), (4, 4), None))


@pytest.mark.parametrize("overlap", [-0.1, 0.6, float("nan"), "a quarter", True])
def test_overlap_must_be_a_share(overlap, metadata):
    with pytest.raises(UserError, match="it must be a share of the tile from 0 to 0.5"):
        TiledPredictor(Predictor(metadata, (4, 4), None), overlap)


def test_image_of_another_kind_is_refused(metadata):
    with pytest.raises(UserError, match="give uint8"):
        TiledPredictor(Predictor(metadata, (4, 4), None)).labels(np.zeros((8, 8, 3), np.float32))


def test_what_is_no_predictor_is_refused():
    with pytest.raises(UserError, match="The predictor is 'a.tflite'; load one with keras_liteseg.load_predictor"):
        TiledPredictor("a.tflite")

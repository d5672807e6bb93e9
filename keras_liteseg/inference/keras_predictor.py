"""A Keras model as a predictor."""

import numpy as np

from keras_liteseg.inference.predictor import Predictor


def keras_predictor(network, metadata):
    """Return a `Predictor` of a functional Keras model of static size."""

    def run(images):
        return np.asarray(network.predict_on_batch(images)[0], np.float32)

    run(np.zeros((1, *network.input.shape[1:]), np.float32))  # builds the network, which no image is to wait for
    return Predictor(metadata, network.input.shape[1:3], run)

"""The networks of four papers, with random weights. Importing this package registers them."""

from keras_liteseg.networks import liteseg, lps_net, ndnet, pp_liteseg
from keras_liteseg.networks.registry import build_network, list_models, model_spec

__all__ = ["build_network", "list_models", "liteseg", "lps_net", "model_spec", "ndnet", "pp_liteseg"]

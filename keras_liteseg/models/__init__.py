"""The networks. Importing this package registers them."""

from keras_liteseg.models import liteseg as _liteseg
from keras_liteseg.models import ndnet as _ndnet
from keras_liteseg.models import pp_liteseg as _pp_liteseg
from keras_liteseg.models.fold import fold_batch_norm
from keras_liteseg.models.lps_net import lps_net  # hides the module of that name
from keras_liteseg.models.registry import create_model, list_models, model_entry

__all__ = ["create_model", "fold_batch_norm", "list_models", "lps_net", "model_entry"]

"""Quantization-aware training of a trained network, by self-distillation."""

import logging
import pathlib

import keras
import tensorflow as tf
import tf_keras

from keras_liteseg.backend import require_tensorflow
from keras_liteseg.choices import require_path
from keras_liteseg.datasets.augment import pad_value_in, require_colors
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.class_statistics import class_weights, repeat_factors
from keras_liteseg.datasets.samples import CachedDataset
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import measure, require_same_classes, summarize
from keras_liteseg.files import plain_path, suffix_of
from keras_liteseg.graph.precision import dtype_policy
from keras_liteseg.graph.size import at_size
from keras_liteseg.graph.stock import is_stock
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.network import load_network
from keras_liteseg.networks.registry import check_input_shape
from keras_liteseg.quantization.calibration import quantized_layers
from keras_liteseg.quantization.config import QuantizationConfig
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.quantization_aware_model import quantization_aware_twin
from keras_liteseg.quantization.simulate import set_rounded_weights, simulate_int8
from keras_liteseg.training.arguments import require_arguments, require_labels
from keras_liteseg.training.callbacks import fit_verbosity, require_finite
from keras_liteseg.training.devices import log_devices
from keras_liteseg.training.distribute import choose_strategy, hosts, require_fitting
from keras_liteseg.training.losses import CrossEntropy
from keras_liteseg.training.losses.base import mean_where
from keras_liteseg.training.losses.likelihood import divergence
from keras_liteseg.training.pipeline import training_pipeline
from keras_liteseg.training.run_folder import (
    BACKUP_FOLDER,
    LOG_FILE,
    TENSORBOARD_FOLDER,
    begun,
    read_log,
    require_epochs,
    require_same_network,
    require_state,
    trim_log,
)
from keras_liteseg.training.stopping import stop_clearly

_log = logging.getLogger(__name__)

QAT_FILE = "qat.keras"


@dtype_policy("float32")
def train_quantization_aware(config, train_data, val_data, output_dir, init_from, resume=False, averaged=False):
    """Fine-tune a trained network so that its int8 file computes what the float network does.

    Batch normalization is folded, channel ranges are equalized and activation ranges calibrated first, so that the
    training starts where post-training quantization ends.

    Writes into `output_dir` after each epoch: `log.csv` with the accuracy of the simulated int8 network, TensorBoard
    logs, the state to resume from, and, if it is the best so far, `qat.keras`: the folded network with its activation
    ranges, from which `export` makes the int8 file. Best is the network with the largest share of validation
    labels equal to the float network's, with `label_weight` the one with the highest mIoU.

    Args:
        config: a `QuantizationConfig`.
        train_data, val_data: `SegmentationDataset`s with the network's classes; the labels of `train_data` are used
            only with `label_weight` above 0.
        output_dir: folder for all of it.
        init_from: `.keras` file, official checkpoint or published weights, such as 'camvid', of the float network.
        resume: go on from the last finished epoch in `output_dir`.
        averaged: start from the averaged weights (EMA) of `init_from`, see `keras_liteseg.load_checkpoint`.

    Returns:
        Path of `qat.keras`.

    Raises:
        UserError: an argument or an option does not fit, Keras runs on another backend than TensorFlow, or a file
            cannot be read or written.
    """
    require_tensorflow("Quantization-aware training")
    require_arguments(QuantizationConfig, config, train_data, val_data, output_dir, resume, init_from, averaged)
    require_labels(*([train_data] if config.label_weight else []), val_data)
    require_path("trained network (init_from)", init_from)
    check_input_shape(config.model, (*config.crop_size, train_data.image_format.channels))
    require_colors(train_data, config)
    folder = pathlib.Path(output_dir)
    if hosts() > 1:
        raise UserError("Quantization-aware training runs on the GPUs of one host; unset TF_CONFIG.")
    if resume:
        require_same_network(folder / QAT_FILE, config, train_data)
    require_state(folder, resume, folder / BACKUP_FOLDER)
    first_epoch = _finished_epochs(folder) if resume else 0
    if resume:
        require_epochs(folder / QAT_FILE, first_epoch, config)
    keras.utils.set_random_seed(config.seed)
    strategy = choose_strategy()
    require_fitting(config, strategy.num_replicas_in_sync)
    # Outside of the strategy's scope, in which Keras predicts on every device and strings their results together.
    network, metadata = _float_network(config, init_from, train_data, averaged)
    require_same_classes(metadata, train_data)
    reference = keras_predictor(network, metadata)
    calibration = CalibrationOptions(train_data, config.calibration_images, config.calibration_method)
    network, metadata, exact = quantize(network, metadata, calibration)
    labels = config.label_weight, class_weights(config.class_weights, train_data)
    factor, offset = train_data.image_format.scaling(metadata.mean, metadata.std)
    padding = pad_value_in(train_data.image_format, config) * factor + offset
    steps = config.steps_in_epoch(train_data)
    with strategy.scope():
        student, variables = make_student(network, exact, metadata.ranges, config.crop_size, *labels, padding)
        rate = tf_keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
        student.compile(tf_keras.optimizers.Adam(rate))

    samples = CachedDataset(train_data)
    batches = training_pipeline(
        samples,
        config,  # which is the `Augmentation`
        config.batch_size,
        metadata.mean,
        metadata.std,
        seed=config.seed,
        first_step=first_epoch * steps,
        repeats=repeat_factors(samples, config.oversample_threshold),
    )
    aim = "val_miou" if config.label_weight else "val_agreement"
    # A network that is not there any more is no match for the epochs that follow.
    known = read_log(folder) if resume and (folder / QAT_FILE).exists() else []
    best = max((row[aim] for row in known), default=-1.0)
    validation = _Validation(network, variables, metadata, reference, val_data, folder / QAT_FILE, aim, best)
    with begun(folder, config), stop_clearly(folder / BACKUP_FOLDER), plain_path(folder) as plain:
        callbacks = [
            validation,
            tf_keras.callbacks.CSVLogger(f"{plain}/{LOG_FILE}", append=resume),
            tf_keras.callbacks.TensorBoard(f"{plain}/{TENSORBOARD_FOLDER}", write_graph=False),
            # Last, so that an epoch counts as finished only when its network is saved.
            tf_keras.callbacks.BackupAndRestore(f"{plain}/{BACKUP_FOLDER}", delete_checkpoint=False),
        ]
        if resume:
            trim_log(folder, first_epoch)
        log_devices()
        _log.info("Quantization-aware training of %s on %s, into %s", metadata.model, train_data.name, folder)
        student.fit(batches, steps_per_epoch=steps, epochs=config.epochs, verbose=fit_verbosity(), callbacks=callbacks)
    _log.info("Wrote %s", folder / QAT_FILE)
    return folder / QAT_FILE


def _finished_epochs(folder):
    """Return after how many epochs `BackupAndRestore` will go on in a folder."""
    with plain_path(folder) as plain:
        state = tf.train.latest_checkpoint(f"{plain}/{BACKUP_FOLDER}/chief")
        return int(tf.train.load_variable(state, "ckpt_saved_epoch/.ATTRIBUTES/VARIABLE_VALUE")) + 1 if state else 0


class SelfDistillation(tf_keras.Model):
    """Student that follows the float network: in its class probabilities and in every ReLU output on the way.

    The loss is KL(float || student) of the class probabilities, plus the mean over the ReLU outputs of the squared
    difference relative to the float output's variance, plus `label_weight` times the cross-entropy with the labels.
    Ignored pixels count in the first two, where no label is needed, unless they are the augmentation's padding. The
    intermediate terms make the training short: each layer learns from its own error (as in Li et al., "BRECQ: Pushing
    the Limit of Post-Training Quantization by Block Reconstruction" (2021), arXiv 2102.05426).
    """

    def configure(self, teacher, label_weight, class_weights, padding=None):
        """Set the float network, a Keras 3 model with the same outputs as this one: ReLU outputs, then logits; and
        `padding`, see `make_student`."""
        # Behind a function, because tf_keras would track a Keras 3 model as a layer of its own.
        self.teacher_call = lambda images: teacher(images, training=False)
        self.label_weight, self.label_loss = label_weight, CrossEntropy(class_weights)
        self.padding = padding

    def train_step(self, data):
        images, masks = data
        # tf_keras adds up what the devices return, and their gradients; Keras has divided the loss of the labels.
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        *float_features, float_logits = self.teacher_call(images)
        real = None if self.padding is None else real_pixels(images, masks, self.padding)
        with tf.GradientTape() as tape:
            *features, logits = self(images, training=True)
            kl = kl_divergence(float_logits, logits, real) / devices
            errors = [relative_error(theirs, ours, real) for theirs, ours in zip(float_features, features)]
            feature_error = tf.add_n(errors) / (len(errors) * devices)
            loss = kl + feature_error
            if self.label_weight:
                loss += self.label_weight * tf.reduce_sum(self.label_loss(masks, logits))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss, "kl": kl, "feature_error": feature_error}


def real_pixels(images, masks, padding):
    """Return where a batch shows its pictures, bool (N, height, width): padding is ignored and has its one value."""
    padded = tf.reduce_all(tf.abs(images - padding) < 1e-5, axis=-1)
    return ~(padded & (masks == IGNORE_LABEL))


def kl_divergence(target_logits, logits, real=None):
    """Return the mean over pixels, those where the bool `real` is true, of KL(softmax(target_logits) ||
    softmax(logits))."""
    values = divergence(target_logits, logits)
    return tf.reduce_mean(values) if real is None else mean_where(values, real)


def relative_error(target, value, real=None):
    """Return the mean squared difference over the variance of `target`, both where `real`, at the images' size, is."""
    if real is None:
        weight, numbers = 1.0, tf.cast(tf.size(target), target.dtype)
    else:
        weight = tf.image.resize(tf.cast(real[..., None], target.dtype), target.shape[1:3], "nearest")
        numbers = tf.maximum(tf.reduce_sum(weight), 1.0) * target.shape[-1]
    mean = tf.reduce_sum(weight * target) / numbers
    # As norms, which are summed in one pass, where squares would be written first.
    error, deviation = (2 * tf.nn.l2_loss(weight * (target - other)) / numbers for other in (value, mean))
    return error / (deviation + 1e-6)


class _Validation(tf_keras.callbacks.Callback):
    """Copies the trained weights into the Keras 3 network, measures its simulated int8 form, and saves the best."""

    def __init__(self, network, variables, metadata, reference, val_data, path, aim, best):
        super().__init__()
        self.aim, self.best = aim, best
        self.network, self.variables, self.val_data, self.path = network, variables, val_data, path
        self.metadata = metadata
        self.simulated = simulate_int8(network, metadata.ranges)
        self.reference = [reference.labels(val_data.image(index)) for index in range(len(val_data))]

    def on_epoch_end(self, epoch, logs):
        # The losses in the logs are from before the last step.
        require_finite(epoch, logs, [*self.model.variables, *self.model.optimizer.variables], "Lower learning_rate")
        for name, variables in self.variables.items():
            self.network.get_layer(name).set_weights([variable.numpy() for variable in variables])
        set_rounded_weights(self.simulated, self.network)
        results = measure(keras_predictor(self.simulated, self.metadata), self.val_data, self.reference, progress=False)
        result = summarize(results, self.val_data.classes)
        logs.update(val_miou=result.miou, val_agreement=result.agreement)
        _log.info("int8 (simulated): val_miou %.4f, labels equal to float %.2f %%", result.miou, 100 * result.agreement)
        if logs[self.aim] > self.best:
            save_model(self.network, self.path, self.metadata)
            self.best = logs[self.aim]


def _float_network(config, init_from, train_data, averaged=False):
    if suffix_of(init_from) == ".keras":
        network, metadata = load_network(init_from, None, config.eval_size, averaged=averaged)
    else:
        network, metadata = load_network(
            config.model, init_from, config.eval_size, averaged=averaged, dataset=train_data
        )
    if is_stock(network):
        raise UserError(f"{init_from} was exported for Keras alone; start from the .keras file that it was made from.")
    if metadata.ranges:
        raise UserError(f"{init_from} has had quantization-aware training already; start from the float network.")
    if metadata.model != config.model:
        raise UserError(f"{init_from} holds {metadata.model}, the config is for {config.model}; use the same in both.")
    return network, metadata.replace(data=config.data)


def make_student(network, exact, ranges, size, label_weight, class_weights=None, padding=None):
    """Return (`SelfDistillation` of a network prepared for int8, its kernels and biases by layer name).

    Args:
        network: functional Keras 3 model without batch normalization, where the training starts.
        exact: the same one with the weights of the float network, its teacher; see `quantize`.
        ranges: activation ranges of the `quantized_layers` of both.
        size: (height, width) of the training images.
        label_weight: see `SelfDistillation`.
        class_weights: weight of each class among the labels, or None for 1 each.
        padding: value of padding in the normalized images, float (channels,), or None where they have none.
    """
    start, teacher = _with_features(at_size(network, size)), _with_features(at_size(exact, size))
    student, variables = quantization_aware_twin(start, ranges, SelfDistillation)
    student.configure(teacher, label_weight, class_weights, padding)
    return student, variables


def _with_features(network):
    """Return a network with its ReLU outputs before its logits."""
    features = [layer.output for layer in quantized_layers(network) if isinstance(layer, keras.layers.ReLU)]
    return keras.Model(network.input, [*features, network.output])

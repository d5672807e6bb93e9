"""The models of a training with their loss, optimizer and schedule, as a config says.

Every key is named here where it becomes an argument, so that a key that is renamed in one place only is an error.
"""

import keras

from keras_liteseg.checkpoints.backbone import backbone_prefix
from keras_liteseg.datasets.class_statistics import class_weights
from keras_liteseg.errors import UserError
from keras_liteseg.graph.keras_private import build_losses
from keras_liteseg.graph.precision import dtype_policy
from keras_liteseg.models import create_model
from keras_liteseg.training.distillation import Student, Teacher
from keras_liteseg.training.distribute import OverHosts, clip_whole_gradient, on_tensorflow, over_hosts
from keras_liteseg.training.losses import CrossEntropy, SegmentationLoss
from keras_liteseg.training.metrics import MeanIoU
from keras_liteseg.training.optimizers import SGD, AdamW, CosineSchedule, PolySchedule, StepSchedule


class StudentOverHosts(OverHosts, Student):
    """The training model of several hosts."""


class ModelOverHosts(OverHosts, keras.Model):
    """The inference model of several hosts."""


def build(config, train_data, steps_per_epoch, backbone_weights=None, averaged=False):
    """Return (compiled training model with auxiliary heads, compiled inference model on the same variables).

    Both take any legal input size, so that crops and whole frames go through one set of variables.

    Args:
        config: a `TrainingConfig`.
        train_data: `SegmentationDataset` whose classes the network gets.
        steps_per_epoch: batches in an epoch, for the schedule.
        backbone_weights, averaged: see `keras_liteseg.create_model`.

    Raises:
        UserError: an option does not fit the network, the data or the backend.
    """
    num_classes = len(train_data.classes)
    if config.sync_batch_norm and not on_tensorflow():
        raise UserError("sync_batch_norm is for several devices, which KERAS_BACKEND=tensorflow alone trains on.")
    with dtype_policy(config.precision):
        network = create_model(
            config.model,
            (None, None, train_data.image_format.channels),
            num_classes,
            aux_heads=True,
            backbone_weights=backbone_weights,
            averaged=averaged,
            **config.model_options,
        )
        # Inside, because Keras scales the loss for float16 by the policy of the model that it trains.
        student_class = StudentOverHosts if over_hosts() else Student
        model = student_class(network.input, network.output, name=network.name)
    if config.sync_batch_norm:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
    if config.teacher:
        model.teacher = Teacher(config, train_data)
    heads = len(model.outputs)
    model.compile(
        optimizer=optimizer(config, steps_per_epoch, backbone_prefix(model)),
        loss=[loss(config, train_data)] * heads,
        loss_weights=[1.0, *aux_weights(config, heads - 1)],
        jit_compile=jit_compile(config.jit_compile),
    )
    if heads > 1:
        build_losses(model)
    model_class = ModelOverHosts if over_hosts() else keras.Model
    inference = model_class(model.input, model.outputs[0], name=model.name)
    inference.compile(loss=CrossEntropy(), metrics=[MeanIoU(num_classes)], jit_compile=jit_compile(False))
    return model, inference


def loss(config, train_data):
    """Return the loss of a config for one head; its class weights may follow from the training data."""
    return SegmentationLoss(
        loss=config.loss,
        ohem_threshold=config.ohem_threshold,
        ohem_min_kept=config.ohem_min_kept,
        focal_gamma=config.focal_gamma,
        class_weights=class_weights(config.class_weights, train_data),
        label_smoothing=config.label_smoothing,
        dice_weight=config.dice_weight,
        lovasz_weight=config.lovasz_weight,
        boundary_weight=config.boundary_weight,
        boundary_width=config.boundary_width,
    )


def aux_weights(config, heads):
    """Return the loss weight of each of the auxiliary heads, of which there are `heads`."""
    given = config.aux_weights
    if len(given) == 1 or not heads:
        return list(given[:1]) * heads
    if len(given) != heads:
        raise UserError(
            f"aux_weights has {len(given)} numbers and '{config.model}' {heads} auxiliary heads; give one number for "
            "all of them or one each."
        )
    return list(given)


def optimizer(config, steps_per_epoch, backbone=None):
    """Return the optimizer of a config.

    Args:
        config: a `TrainingConfig`.
        steps_per_epoch: batches in an epoch.
        backbone: what the names of the layers of the network's backbone begin with, None where it has none.

    Raises:
        UserError: the backbone is to have a learning rate of its own, and there is none; or the training is over before
            the first update.
    """
    if backbone is None and config.backbone_learning_rate != 1:
        raise UserError(
            f"backbone_learning_rate is {config.backbone_learning_rate}, and '{config.model}' has no backbone that is "
            "trained alone; leave it out."
        )
    accumulated = config.gradient_accumulation_steps
    if accumulated > config.epochs * steps_per_epoch:
        raise UserError(
            f"gradient_accumulation_steps is {accumulated}, and the training has {config.epochs * steps_per_epoch} "
            "steps, so that no weight would change; take fewer, or train longer."
        )
    options = dict(
        decay=config.weight_decay,
        decay_all=config.weight_decay_on == "all",
        slow=backbone or "",
        slow_factor=config.backbone_learning_rate,
        global_clipnorm=config.clip_norm or None,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
        use_ema=config.ema_momentum > 0,
        ema_momentum=config.ema_momentum,
    )
    rate = schedule(config, steps_per_epoch)
    if config.optimizer == "adamw":
        made = AdamW(rate, name="adamw", **options)
    else:
        made = SGD(rate, config.momentum, nesterov=config.nesterov, name="sgd", **options)
    if config.clip_norm and on_tensorflow():
        clip_whole_gradient(made)
    return made


def schedule(config, steps_per_epoch):
    """Return the learning-rate schedule of a config, its epochs turned into steps.

    Raises:
        UserError: the warm-up leaves no step to a schedule that begins after it.
    """
    warmup = dict(warmup_steps=round(config.warmup_epochs * steps_per_epoch), warmup_rate=config.warmup_rate)
    total = config.epochs * steps_per_epoch
    if config.warmup_rate and warmup["warmup_steps"] >= total:
        raise UserError(
            f"warmup_epochs is {config.warmup_epochs} and epochs {config.epochs}; with a warmup_rate the schedule "
            "begins after the warm-up, so make that shorter than the training."
        )
    if config.schedule == "poly":
        return PolySchedule(config.learning_rate, total, config.poly_power, **warmup)
    if config.schedule == "cosine":
        return CosineSchedule(config.learning_rate, total, **warmup)
    boundaries = [round(epoch * steps_per_epoch) for epoch in config.step_epochs]
    return StepSchedule(boundaries, [config.learning_rate, *config.step_rates], **warmup)


def jit_compile(wanted):
    """Return whether to compile a step: as `wanted`, but always on JAX, which else runs it operation by operation.

    Configs leave it off by default: XLA's depthwise convolutions are over twenty times slower than oneDNN's on a CPU.
    """
    return wanted or keras.backend.backend() == "jax"

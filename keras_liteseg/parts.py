"""Parts of the installation, the extras of pyproject.toml, and what to say where one is missing."""

PARTS = {
    "train": {
        "tensorflow": "TensorFlow",
        "keras": "Keras",
        "tf_keras": "tf_keras",
        "tensorflow_model_optimization": "TensorFlow Model Optimization",
        "tensorboard": "TensorBoard",
        "safetensors": "safetensors",
        "h5py": "h5py",
    },
    "onnx": {"onnx": "ONNX", "onnxruntime": "ONNX Runtime", "tf2onnx": "tf2onnx"},
    "parquet": {"pyarrow": "pyarrow"},
    "jax": {"jax": "JAX"},
    "pytorch": {"torch": "PyTorch"},
}
"""{Extra: {what Python imports of it: what people call that}}."""


def missing_part(module: str | None) -> str | None:
    """Return the sentence that says how to install what `module` belongs to, or None where it is no part of ours."""
    package = (module or "").partition(".")[0]
    for part, modules in PARTS.items():
        if package in modules:
            return f"This needs {modules[package]}; install it with: pip install 'keras-liteseg[{part}]'"
    return None

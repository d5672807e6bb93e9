# make demo   train, quantize, export, check and time a network on the built-in data; opens no network after set-up
# make lint   ruff, mypy and the contracts of who may import whom
# make test   the tests that take minutes at most;  make test-all  every test
# make test-backends   networks and training on JAX and PyTorch, in .venv-backends; where pip would bring PyTorch's CUDA
#                      libraries, point PIP_EXTRA_INDEX_URL to PyTorch's index of CPU wheels first
# make test-mediapipe  exported files in MediaPipe's ImageSegmenter, in .venv-mediapipe; on Debian it needs the packages
#                      libegl1 and libgles2
# make test-kotlin   the Kotlin sample, with the compiler of npm's package kotlin-compiler in .kotlin; on Debian it needs
#                 the packages default-jre-headless and npm
# make test-old-runtimes  exported files in the oldest tflite-runtime, LiteRT, TFLite Micro and MediaPipe that load them, in
#                 .old-runtimes; those whose Python (3.7 to 3.11) is not here are named and left out
# make test-edge  measuring on devices: all of tests/edge, in .venv-edge, with LiteRT on emulated aarch64 in .aarch64; on
#                 Debian it needs the packages adb, chromium, npm, openssh-server, qemu-user-static and g++-aarch64-linux-gnu, and skips, with the
#                 reason, what it finds missing; every network on the GPU is left to make test-all
# make docs   the pages as a site, in site/; every warning is an error
# make bench-runtimes   time LiteRT against ONNX Runtime and OpenVINO, in .venv-runtimes; twenty minutes on an idle machine
# make venv   only prepare .venv, with the command .venv/bin/liteseg

PYTHON ?= python3
RUN := .venv/bin/python
# Two test files at a time; TensorFlow alone does not fill two cores.
SPREAD := --numprocesses 2 --dist loadfile

.PHONY: demo docs lint test test-all test-backends test-mediapipe test-kotlin test-old-runtimes test-edge bench-runtimes venv clean

demo: venv
	$(RUN) demo.py --output_dir demo_output

lint: venv
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

# The variable silences an advertisement, which says nothing about this site.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict

test: venv
	$(RUN) -m pytest $(SPREAD) -m "not slow"

test-all: venv
	$(RUN) -m pytest $(SPREAD)

test-backends: .venv-backends/installed
	.venv-backends/bin/python -m pytest -rs tests/networks/test_backends.py tests/training/test_backends.py

test-mediapipe: venv .venv-mediapipe/installed
	.venv-mediapipe/bin/python -m pytest -rs tests/conversion/test_mediapipe.py

test-edge: .venv-edge/installed
	@.venv-edge/bin/python -m tests.edge.aarch64 .aarch64 || true
	.venv-edge/bin/python -m pytest -rs $(SPREAD) tests/edge --deselect tests/edge/test_coverage.py::test_network

test-old-runtimes: venv
	$(RUN) -m tests.tflite.old_runtimes .old-runtimes
	$(RUN) -m pytest -rs tests/tflite/test_oldest_runtimes.py tests/edge/test_same_labels.py

test-kotlin: venv .kotlin/installed
	$(RUN) -m pytest -rs tests/examples -k kotlin

bench-runtimes: .venv-runtimes/installed
	rm -f results/runtimes_512x1024.json
	.venv-runtimes/bin/python -m benchmarks.runtimes --output results/runtimes_512x1024.json

# The stamp is newer than the requirements once they are installed, so nothing is installed twice.
venv: .venv/installed

# From nothing each time: what an interrupted installation leaves behind looks complete to pip.
define install
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet $(foreach file,$^,-r $(file))
endef

.venv-backends/installed: requirements.txt requirements-backends.txt
	$(install)
	@touch $@

.venv-docs/installed: requirements-docs.txt
	$(install)
	@touch $@

.venv-edge/installed: requirements.txt requirements-npu.txt requirements-onnx.txt requirements-openvino.txt
	$(install)
	@touch $@

.venv-mediapipe/installed: requirements-mediapipe.txt
	$(install)
	@touch $@

.kotlin/installed:
	npm install --silent --no-fund --no-audit --prefix $(@D) kotlin-compiler@2.4.20
	@touch $@

.venv-runtimes/installed: requirements.txt requirements-runtimes.txt
	$(install)
	@touch $@

.venv/installed: requirements.txt requirements-lint.txt requirements-notebook.txt requirements-onnx.txt \
		requirements-parquet.txt requirements-tiff.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "error: Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(install)
	@# setuptools warns of every editable installation.
	PYTHONWARNINGS=ignore $(@D)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .venv-backends .venv-docs .venv-edge .venv-mediapipe .venv-runtimes .aarch64 .kotlin .old-runtimes demo_output site

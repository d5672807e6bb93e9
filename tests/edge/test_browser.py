"""LiteRT.js in a real Chromium: browser:wasm, browser:webgpu and the demo page."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from edge import benchmark, demo_page, targets, web_server
from edge.table import table
from edge.targets import MeasurementFailed, Options, browser, chromium
from keras_liteseg.errors import UserError
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.predictor import labels_at

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def litertjs():
    """The folder with LiteRT.js; without it or Chromium the test is skipped."""
    try:
        chromium.find_program()
        return web_server.install()
    except (MeasurementFailed, web_server.NotInstalled) as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def files(folded, calibrated, metadata, int8_file, tmp_path_factory):
    """{name: path} of files of the same network."""
    from keras_liteseg.conversion.convert import convert
    from keras_liteseg.conversion.upsampling import with_upsampling
    from keras_liteseg.graph import native_dilation
    from keras_liteseg.quantization.simulate import simulate_int8

    folder = tmp_path_factory.mktemp('it\'s a "folder" & $(more)')
    floating, simulated = native_dilation(folded), simulate_int8(*calibrated)
    contents = {
        "logits": convert(floating, metadata.replace(quantization="none", output_type="logits")),
        "softmax": convert(floating, metadata.replace(quantization="none", output_type="softmax")),
        "small": convert(
            with_upsampling(floating, "none"), metadata.replace(quantization="none", output_type="logits")
        ),
        "corners": convert(
            with_upsampling(floating, "none"),
            metadata.replace(quantization="none", output_type="classes", align_corners=True),
        ),
        "classes": convert(simulated, metadata.replace(quantization="int8", output_type="classes"), "float32"),
        "bytes": convert(simulated, metadata.replace(quantization="int8", output_type="classes_uint8"), "uint8"),
    }
    paths = {"int8": int8_file}
    for name, content in contents.items():
        paths[name] = folder / f'{name} of "it"; touch oops.tflite'
        paths[name].write_bytes(content)
    return paths


def small_file(folder, name, layer=lambda x: x, int8=False):
    """Write a network of one convolution and `layer`; with `int8` quantized inside, float outside."""

    class Last(keras.layers.Layer):
        def call(self, x):
            return layer(x)

    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), batch_size=1)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, Last()(keras.layers.Conv2D(4, 1)(x))))
    if int8:
        rng = np.random.default_rng(0)
        frames = [rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(8)]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([frame] for frame in frames)
    path = folder / f"{name}.tflite"
    path.write_bytes(converter.convert())
    return path


def measure(models, target, **changes):
    arguments = dict(threads=[1], runs=2, warmup=1, timeout_s=120) | changes
    return benchmark.benchmark(models, target, **arguments)


# ---- The targets


@pytest.mark.slow
def test_wasm(litertjs, files, tmp_path):
    inside = small_file(tmp_path, "inside", int8=True)
    rows = measure([files["logits"], files["classes"], files["bytes"], inside], "browser:wasm", threads=(1, 2))
    assert [row["status"] for row in rows] == ["ok"] * 8, rows
    (host,) = measure([files["logits"]], "host:cpu")
    assert rows[0].keys() == host.keys()
    assert [(row["model"], row["threads"]) for row in rows[:2]] == [(files["logits"].name, count) for count in (1, 2)]
    for key in ("inputs", "outputs", "device", "sha256"):
        assert rows[0][key] == host[key]
    for row in rows:
        assert (row["accelerator"], row["stand_in"]) == ("wasm", None)
        assert row["runtime"]["version"] == "2.5.3" and re.match(r"\w+/\d+\.", row["runtime"]["browser"])
        run, end_to_end = row["latency_ms"]["run"], row["latency_ms"]["end_to_end"]
        assert 0 < run["p50"] < end_to_end["p50"] and row["init_ms"] > row["compile_ms"] > 0 < row["first_run_ms"]
        assert 0 < row["peak_memory_mb"]["model"] < row["peak_memory_mb"]["process"]
    assert all(row["correctness"]["max_difference"] < 1e-4 for row in rows[:2])
    # What is int8 inside is the same to the bit.
    assert all(row["correctness"]["max_difference"] == 0 for row in rows[2:])
    assert rows[0]["delegation"] == host["delegation"] and rows[0]["delegation"]["other_ops"] == []
    assert [(entry["op"], "not which" in entry["reason"]) for entry in rows[2]["delegation"]["other_ops"]] == [
        ("ARG_MAX", True)
    ]
    assert len(table(rows).splitlines()) >= 9 and not pathlib.Path("oops").exists()


@pytest.mark.slow
def test_webgpu(litertjs, files, tmp_path):
    cast = small_file(tmp_path, "cast", lambda x: tf.cast(tf.cast(x, tf.int64) + 1, tf.float32))
    ok, refused = measure([files["logits"], cast], "browser:webgpu", threads=(1, 2))
    if "finds no WebGPU adapter" in ok.get("reason", ""):
        pytest.skip(ok["reason"])
    assert ok["status"] == "ok", ok
    assert ok["correctness"]["equal_labels"] >= 0.999
    assert (ok["accelerator"], ok["delegation"]["other_ops"], ok["peak_memory_mb"]) == ("webgpu", [], {})
    assert set(ok["adapter"]) == {"name", "backend", "type"}
    assert 0 < ok["latency_ms"]["run"]["p50"] < ok["latency_ms"]["end_to_end"]["p50"]
    assert bool(ok["stand_in"]) == ("no device's speed" in table([ok]))
    if "SwiftShader" in ok["adapter"]["name"]:
        assert ok["stand_in"] == "software GPU"
    assert refused["status"] == "failed"
    assert "not all of it runs on the GPU: " in refused["reason"] and "CAST: Tensor type(INT64)" in refused["reason"]


@pytest.mark.slow
def test_int8_input_is_refused_with_the_cure(litertjs, files, tmp_path):
    failed, ok = measure([files["int8"], small_file(tmp_path, "small")], "browser:wasm", profile=True)
    assert failed["reason"] == (
        "LiteRT.js takes and gives float32, int32 and uint8 only, and this file has input int8 and output int8; export "
        "it with --input_type float32 --output_type classes"
    )
    assert ok["status"] == "ok" and ok["profile"] == {"unsupported": "LiteRT.js does not time single ops"}


@pytest.fixture
def device(litertjs):
    device = targets.connect("browser:wasm")
    yield device
    device.close()


def loaded(device, path, timeout_s=60):
    session = device.start(path, 1, timeout_s)
    session.ask("load")
    return session


def page_process(session):
    """Return the process number of a session's page."""
    peaks = session._peak_memory_mb()
    return max(peaks, key=peaks.get)


@pytest.mark.slow
def test_a_crash_or_a_hang_of_one_page_does_not_touch_the_others(device, tmp_path):
    path = small_file(tmp_path, "small")
    crashed, killed, hanging, good = (loaded(device, path) for _ in range(4))
    profiles = [session._chromium._profile.name for session in (crashed, killed, hanging, good)]
    os.kill(page_process(crashed), signal.SIGKILL)
    with pytest.raises(MeasurementFailed, match="^the page crashed$"):
        crashed.ask("run 1")
    os.killpg(killed._chromium._process.pid, signal.SIGKILL)
    with pytest.raises(MeasurementFailed, match="^Chromium ended, killed by SIGKILL"):
        killed.ask("run 1")
    hanging._timeout_s = 2
    os.kill(page_process(hanging), signal.SIGSTOP)
    with pytest.raises(MeasurementFailed, match="^no answer to 'run 1' within 2 s$"):
        hanging.ask("run 1")
    assert len(good.ask("run 3")["end_to_end"]) == 3
    good.close()
    good.close()
    assert not any(map(os.path.exists, profiles))


@pytest.mark.slow
def test_crash_fails_its_row_alone(litertjs, tmp_path, monkeypatch):
    load = browser.BrowserSession._load

    def crash(session):
        answer = load(session)
        if session._model.name == "bad.tflite":
            os.kill(page_process(session), signal.SIGKILL)
        return answer

    monkeypatch.setattr(browser.BrowserSession, "_load", crash)
    bad, good = measure([small_file(tmp_path, "bad"), small_file(tmp_path, "good")], "browser:wasm")
    assert (bad["status"], bad["reason"]) == ("failed", "the page crashed")
    assert good["status"] == "ok"


@pytest.mark.slow
def test_no_adapter(litertjs, tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "_WEBGPU", ("--disable-gpu", "--disable-software-rasterizer"))
    (row,) = measure([small_file(tmp_path, "small")], "browser:webgpu")
    assert "finds no WebGPU adapter here; install a Vulkan driver" in row["reason"]


def test_unknown_accelerator():
    with pytest.raises(UserError, match="there are browser:wasm and browser:webgpu"):
        targets.check("browser:webnn")


def test_missing_chromium(tmp_path, monkeypatch):
    path = small_file(tmp_path, "small")
    monkeypatch.setenv("PATH", str(tmp_path))
    (row,) = measure([path], "browser:wasm")
    assert row["reason"].startswith("there is no Chromium here; install it")
    (row,) = measure([path], "browser:wasm", options=Options(chromium="/no/such chromium"))
    assert row["reason"] == "/no/such chromium is no program; give --chromium the path of Chromium or Chrome"


def test_program_that_is_no_chromium(tmp_path):
    program = tmp_path / "not a browser"
    program.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(MeasurementFailed, match="^Chromium ended, exit status 3; it last wrote: no display$"):
        chromium.Chromium(str(program))


def test_program_that_does_not_start_in_time(tmp_path):
    program = tmp_path / "slow browser"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    with pytest.raises(MeasurementFailed, match="^Chromium did not start within 0.5 s$"):
        chromium.Chromium(str(program), timeout_s=0.5)


def test_missing_npm(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(web_server.NotInstalled, match="installed with npm, which is not here; install Node.js"):
        web_server.install()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")
def test_npm_without_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(
        web_server.NotInstalled, match="cannot install LiteRT.js .*ECONNREFUSED.*connect to the internet"
    ):
        web_server.install()
    assert list((tmp_path / ".cache" / "keras_liteseg").iterdir()) == []


def test_the_lock_file_names_no_server():
    assert "resolved" not in (web_server.PAGES / "package-lock.json").read_text()


# ---- The demo page


class Page:
    """The demo page of a file in a Chromium.

    Attributes:
        browser: the `chromium.Chromium`.
    """

    def __init__(self, browser, server):
        self.browser = browser
        self.browser.open(server.url + "/")
        self.wait("document.body.dataset.frames > 0", "no frame was computed")

    def get(self, expression):
        return self.browser.evaluate(expression, 60)

    def wait(self, expression, otherwise, seconds=60):
        end = time.monotonic() + seconds
        while not self.get(expression):
            assert time.monotonic() < end, f"{otherwise}: {self.get('document.body.innerText')} {self.browser.console}"
            time.sleep(0.1)

    def choose(self, file, kind="image"):
        """Choose a file as a person does."""
        self.browser.call("DOM.enable", 60)
        root = self.browser.call("DOM.getDocument", 60)["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", 60, nodeId=root, selector=f"#{kind}-file")["nodeId"]
        self.browser.call("DOM.setFileInputFiles", 60, nodeId=node, files=[str(file)])

    def wait_for_source(self, kind):
        self.wait(f"document.querySelector('[data-source={kind}]').ariaPressed === 'true'", f"no {kind}")
        self.wait_for_frames()

    def wait_for_frames(self):
        self.wait("document.body.dataset.frames >= 3", "no frames")

    def click(self, selector):
        self.get(f"document.querySelector({json.dumps(selector)}).click()")

    def text(self, name):
        return self.get(f"document.getElementById('{name}').textContent")

    def labels(self, classes):
        """Return the label map that the overlay shows."""
        data = self.get(
            "(async () => { const c = document.getElementById('overlay');"
            "const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "let text = ''; for (const byte of pixels.data) { text += String.fromCharCode(byte); }"
            "return [c.height, c.width, btoa(text)]; })()"
        )
        height, width, packed = data
        colors = np.frombuffer(base64.b64decode(packed), np.uint8).reshape(height, width, 4)
        assert (colors[..., 3] == 255).all()
        labels = np.full((height, width), 255, np.uint8)
        for label, color in enumerate(classes.colors):
            labels[(colors[..., :3] == color).all(-1)] = label
        assert labels.max() < len(classes)
        return labels


FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextlib.contextmanager
def open_demo(litertjs, path, arguments=FAKE_CAMERA):
    """Yield the open `Page` of a file."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.closing(web_server.Server(litertjs)))
        server.answers |= demo_page.pages(path, demo_page.describe(path))
        browser = stack.enter_context(
            contextlib.closing(chromium.Chromium(chromium.find_program(), ("--enable-unsafe-webgpu", *arguments)))
        )
        yield Page(browser, server)


def write_picture(path, rgb):
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logits", "softmax", "small", "corners", "classes", "bytes"])
def test_overlay_is_that_of_the_predictor(litertjs, files, scenes, metadata, tmp_path, name):
    """Whatever the file takes and gives; of a picture of the network's size, so that nothing is resized before."""
    image = scenes.image(1)
    predictor = load_predictor(files[name])
    with open_demo(litertjs, files[name]) as page:
        assert f"{files[name].stat().st_size / 1e6:.2f} MB" in page.text("facts")
        page.choose(write_picture(tmp_path / 'a "picture" #1.png', image))
        page.wait_for_source("image")
        found = page.labels(metadata.classes)
    expected = predictor.labels(image)
    assert len(np.unique(expected)) > 2
    # A float sum in another order may turn a tie.
    assert np.mean(found == expected) >= (1 if name in ("classes", "bytes") else 0.999)


@pytest.fixture(scope="session")
def camvid_file(tmp_path_factory):
    """The published NDNet45, trained on CamVid."""
    from keras_liteseg.conversion.convert import convert
    from keras_liteseg.models.network import load_network

    path = tmp_path_factory.mktemp("camvid") / "camvid.tflite"
    network, metadata = load_network("ndnet45", "camvid")
    path.write_bytes(convert(network, metadata.replace(quantization="none", output_type="logits")))
    return path


@pytest.fixture(scope="session")
def street():
    """A drawn street at twice CamVid's size."""
    from keras_liteseg.datasets import load_dataset

    return load_dataset("street_scenes", split="val", length=3, size=(720, 960)).image(2)


@pytest.mark.slow
def test_resized_picture_video_and_camera(litertjs, camvid_file, street, tmp_path):
    predictor = load_predictor(camvid_file)
    classes = predictor.metadata.classes
    expected = labels_at(predictor.logits(street), predictor.size)
    # What resizing alone changes: between OpenCV's own two ways.
    other = predictor.labels(cv2.resize(street, predictor.size[::-1], interpolation=cv2.INTER_CUBIC))
    explained = np.mean(other != expected)
    with open_demo(litertjs, camvid_file) as page:
        page.choose(write_picture(tmp_path / "street.png", street))
        page.wait_for_source("image")
        found = page.labels(classes)
        print(f"different: {np.mean(found != expected):.4f}, explained by resizing: {explained:.4f}")
        assert 0 < explained < 0.1 and np.mean(found != expected) <= explained

        page.choose(write_video(tmp_path / "street.webm", street), "video")
        page.wait_for_source("video")
        page.wait("document.getElementById('rate').textContent > 0", "no frame rate")
        assert np.mean(page.labels(classes) == expected) > 0.9  # the video is compressed
        times = [page.text(name) for name in ("before", "inference", "after")]
        assert all(re.fullmatch(r"\d+\.\d ms", text) for text in times), times
        assert float(page.text("total")) > 0

        page.click("[data-source=camera]")
        page.wait_for_source("camera")
        page.wait("document.getElementById('rate').textContent > 0", "no frame rate")

        page.click("[data-source=sample]")
        page.wait_for_source("sample")
        assert page.text("rate") == "–"


def write_video(path, rgb):
    height, width = rgb.shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 10, (width, height))
    if not video.isOpened():
        pytest.skip("this OpenCV writes no VP8")
    for _ in range(20):
        video.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    video.release()
    return path


@pytest.mark.slow
def test_page_tells_what_went_wrong_and_goes_on(litertjs, files, tmp_path):
    (tmp_path / "no picture.png").write_text("no picture")
    (tmp_path / "no video.webm").write_text("no video")
    with open_demo(litertjs, files["logits"], arguments=()) as page:
        page.choose(tmp_path / "no picture.png")
        page.wait("notice.textContent.startsWith('no picture.png is no picture that this browser can read')", "no word")
        page.choose(tmp_path / "no video.webm", "video")
        page.wait("notice.textContent.startsWith('no video.webm is no video that this browser can play')", "no word")
        page.click("[data-source=camera]")
        page.wait("notice.textContent === 'No camera was found on this machine.'", "no word")
        page.click("[data-accelerator=webgpu]")
        page.wait("notice.textContent.startsWith('This WebGPU is a program on the processor')", "no word")
        page.wait_for_frames()
        page.get("threads.value = 1")
        page.click("[data-accelerator=wasm]")
        page.wait("notice.hidden", "no word")
        page.wait_for_frames()


@pytest.mark.slow
def test_refused_camera(litertjs, files):
    arguments = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with open_demo(litertjs, files["logits"], arguments) as page:
        page.click("[data-source=camera]")
        page.wait("notice.textContent.startsWith('The browser refused the camera')", "no word")
        assert "only to pages from localhost or over https" in page.text("notice")


@pytest.mark.slow
def test_accuracy_has_its_data_set_and_nothing_sticks_out_on_a_phone(litertjs, files, tmp_path):
    path = tmp_path / "measured.tflite"
    shutil.copy(files["logits"], path)
    accuracy = {"file": {"miou": 0.6123}, "data": "camvid", "split": "val", "images": 101}
    card = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "accuracy": accuracy}
    path.with_suffix(".json").write_text(json.dumps(card))
    with open_demo(litertjs, path) as page:
        assert "mIoU 61.2 % on camvid val, 101 images" in page.text("facts")
        for width in (320, 390, 768, 1280):
            page.browser.call(
                "Emulation.setDeviceMetricsOverride", 60, width=width, height=800, deviceScaleFactor=1, mobile=True
            )
            assert page.get("document.documentElement.scrollWidth") <= width
            assert page.get("innerWidth") == width


@pytest.mark.slow
def test_server_hands_out_nothing_else(litertjs, files):
    with contextlib.closing(web_server.Server(litertjs)) as server:
        (server.url, urllib.request.urlopen(server.url + "/demo.js").read())
        for path in ("/../demo.py", "/%2e%2e/demo.py", "/node_modules/../../../x", "/web", "/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(server.url + path)
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(server.url + "/x", data=b"x")


# ---- Its command


def start_demo(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_liteseg", "demo-page", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_command(litertjs, files):
    process = start_demo("--model", files["logits"], "--port", 0)
    try:
        url = re.fullmatch(r"Open (http://127.0.0.1:\d+) in a browser; Ctrl-C ends this.\n", process.stdout.readline())[
            1
        ]
        facts = json.load(urllib.request.urlopen(url + "/model.json"))
        assert facts["file"] == files["logits"].name and facts["input"]["shape"] == [1, 64, 128, 3]
        taken = start_demo("--model", files["logits"], "--port", url.rsplit(":", 1)[1])
        _, said = taken.communicate(timeout=120)
        assert taken.returncode == 1 and "Traceback" not in said
        assert "is taken; choose another one with --port" in said.splitlines()[-1]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in said
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_files_that_the_demo_cannot_show(files, tmp_path):
    with pytest.raises(UserError, match="has an int8 input and an int8 output, .* export it with --input_type float32"):
        demo_page.describe(files["int8"])
    with pytest.raises(UserError, match="does not say which network and classes it holds"):
        demo_page.describe(small_file(tmp_path, "foreign"))
    with pytest.raises(UserError, match="missing.tflite"):
        demo_page.describe(tmp_path / "missing.tflite")

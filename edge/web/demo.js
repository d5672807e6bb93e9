// The demo page: pictures, videos or the camera through the network, live.

import { adapter, fetchArray, Network, start } from "./network.js";
import { fillInput, toLabels } from "./pixels.js";

const STILL_RUNS = 8; // of a still picture: enough for a steady latency
const WINDOW = 12; // frames over which latencies are averaged
const LARGEST = 1280; // pixels of the shown picture's longer side

const element = (id) => document.getElementById(id);
const picture = element("picture").getContext("2d");
const overlay = element("overlay").getContext("2d");

let facts; // what the server says of the file
let bytes; // the file
let network = null;
let settings = { accelerator: "wasm", threads: 1 };
let computing = null; // promise of the frame in work
let source = null; // {kind, image: what can be drawn, width, height, live, stop}
let framesLeft = 0; // frames still to be computed of a still picture
let times = []; // of the last frames: {before, inference, after} in ms
let ends = []; // when the frames of the last two seconds were done
let input; // canvas at the network's size
let tensor;
let lookup;
let labels;
let palette;

// ---- One frame

// Shows one frame, unless the source or the settings change meanwhile.
async function computeFrame() {
  const [frameNetwork, frameSource] = [network, source];
  const { image, width, height } = frameSource;
  const begin = performance.now();
  const pixels = input.canvas;
  input.drawImage(image, 0, 0, pixels.width, pixels.height);
  fillInput(tensor, input.getImageData(0, 0, pixels.width, pixels.height), lookup);
  const prepared = performance.now();
  // The very frame that is computed will be shown, also when the video has gone on meanwhile.
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const copy = createImageBitmap(image, { resizeWidth: width * scale, resizeHeight: height * scale });
  const [[output]] = await frameNetwork.run([tensor]);
  const computed = performance.now();
  const shown = await copy;
  if (network !== frameNetwork || source !== frameSource) {
    shown.close();
    return;
  }
  toLabels(labels, output, frameNetwork.outputs[0].shape, [pixels.height, pixels.width], facts.align_corners);
  const colors = new ImageData(pixels.width, pixels.height);
  const colored = new Uint32Array(colors.data.buffer);
  for (let index = 0; index < labels.length; index++) {
    colored[index] = palette[labels[index]];
  }
  show(picture, shown.width, shown.height).drawImage(shown, 0, 0);
  shown.close();
  show(overlay, pixels.width, pixels.height).putImageData(colors, 0, 0);
  const end = performance.now();
  times = [...times, { before: prepared - begin, inference: computed - prepared, after: end - computed }].slice(-WINDOW);
  ends = [...ends, end].filter((time) => time > end - 2000);
  framesLeft--;
  showNumbers();
  document.body.dataset.frames = Number(document.body.dataset.frames) + 1;
}

function show(context, width, height) {
  const { canvas } = context;
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  return context;
}

async function loop() {
  for (;;) {
    await new Promise(requestAnimationFrame);
    if (!network || !source || !(source.live || framesLeft > 0)) {
      continue;
    }
    if (source.live && source.image.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
      continue;
    }
    try {
      computing = computeFrame();
      await computing;
    } catch (error) {
      fail(`The network failed: ${error.message}`);
      framesLeft = 0;
      network = null;
    }
  }
}

// ---- Numbers and legend

let shownAt = 0;

function showNumbers() {
  const now = performance.now();
  if (source.live ? now - shownAt < 300 : framesLeft > 0 && now - shownAt < 150) {
    return;
  }
  shownAt = now;
  const mean = (name) => times.reduce((sum, time) => sum + time[name], 0) / times.length;
  const parts = { before: mean("before"), inference: mean("inference"), after: mean("after") };
  for (const [name, value] of Object.entries(parts)) {
    element(name).textContent = `${value.toFixed(1)} ms`;
    element("split").querySelector(`.${name}`).style.flexGrow = value;
  }
  const total = parts.before + parts.inference + parts.after;
  element("total").textContent = total.toFixed(total < 100 ? 1 : 0);
  const seconds = (ends.at(-1) - ends[0]) / 1000;
  const known = source.live && ends.length > 1;
  element("rate").textContent = known ? ((ends.length - 1) / seconds).toFixed(1) : "–";
  showShares();
}

function showShares() {
  const counts = new Uint32Array(256);
  for (const label of labels) {
    counts[label]++;
  }
  [...element("legend").children].forEach((item, label) => {
    const share = (100 * counts[label]) / labels.length;
    item.lastChild.textContent = share === 0 ? "–" : share < 1 ? "< 1 %" : `${share.toFixed(0)} %`;
    item.classList.toggle("absent", share === 0);
  });
}

function clearNumbers() {
  [times, ends, shownAt] = [[], [], 0];
  document.body.dataset.frames = 0; // shown of this source in these settings
  for (const name of ["total", "rate", "before", "inference", "after"]) {
    element(name).textContent = "–";
  }
}

function say(text, error = false) {
  element("notice").hidden = !text;
  element("notice").textContent = text;
  element("notice").classList.toggle("error", error);
}

function fail(text) {
  say(text, true);
}

// ---- Sources

function use(next) {
  source?.stop();
  source = next;
  framesLeft = STILL_RUNS;
  clearNumbers();
  setRatio(next.width / next.height);
  for (const button of document.querySelectorAll("[data-source]")) {
    button.setAttribute("aria-pressed", button.dataset.source === next.kind);
  }
  say("");
}

async function openImage(blob, kind) {
  let image;
  try {
    image = await createImageBitmap(blob);
  } catch {
    fail(`${blob.name} is no picture that this browser can read; choose a JPEG, PNG or WebP file.`);
    return;
  }
  use({ kind, image, width: image.width, height: image.height, live: false, stop: () => image.close() });
}

async function openVideo(file) {
  const url = URL.createObjectURL(file);
  const release = () => URL.revokeObjectURL(url);
  if (!(await play({ src: url, loop: true }, "video", release))) {
    fail(`${file.name} is no video that this browser can play; choose an MP4 (H.264) or WebM file.`);
  }
}

async function openCamera() {
  if (!navigator.mediaDevices) {
    fail(
      "The browser gives the camera only to pages from localhost or over https. Open this page at " +
        `http://localhost:${location.port} on the machine that serves it; on an Android phone, after ` +
        `adb reverse tcp:${location.port} tcp:${location.port}, at the same address.`,
    );
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    fail(
      error.name === "NotFoundError"
        ? "No camera was found on this machine."
        : `The browser refused the camera (${error.message}). Allow it for this page in the address bar; it is given ` +
            "only to pages from localhost or over https.",
    );
    return;
  }
  if (!(await play({ srcObject: stream }, "camera", () => stream.getTracks().forEach((track) => track.stop())))) {
    fail("The camera gives no picture; another program may be using it.");
  }
}

// Returns whether it plays.
async function play(properties, kind, release) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, ...properties });
  try {
    await video.play();
  } catch {
    release();
    return false;
  }
  const stop = () => {
    video.pause();
    release();
  };
  use({ kind, image: video, width: video.videoWidth, height: video.videoHeight, live: true, stop });
  return true;
}

function openFile(file) {
  return file.type.startsWith("video/") ? openVideo(file) : openImage(file, "image");
}

async function openSample() {
  await openImage(await (await fetch("/sample")).blob(), "sample");
}

// ---- Settings

async function load() {
  const old = network;
  network = null;
  await computing?.catch(() => {});
  old?.close();
  clearNumbers();
  const software = settings.accelerator === "webgpu" && (await isSoftware());
  element("busy").hidden = false;
  try {
    const runtime = await start(settings);
    network = await Network.load(runtime, bytes, settings);
  } catch (error) {
    fail(`LiteRT.js cannot run this file so: ${error.message}`);
    return;
  } finally {
    element("busy").hidden = true;
  }
  say("");
  if (software) {
    say("This WebGPU is a program on the processor, not a GPU: its speed says nothing of any GPU.");
  } else if (settings.accelerator === "webgpu" && !network.fullyAccelerated) {
    say("The GPU does not take all of this network; the rest runs on the processor.");
  }
  framesLeft = STILL_RUNS;
}

async function isSoftware() {
  const info = (await adapter())?.info;
  return Boolean(info && (info.isFallbackAdapter || info.architecture === "swiftshader"));
}

// Settings that come while the network is loading take their turn.
let loading = Promise.resolve();

function change(next) {
  settings = { ...settings, ...next };
  showSettings();
  loading = loading.then(load);
  return loading;
}

function showSettings() {
  for (const button of document.querySelectorAll("[data-accelerator]")) {
    button.setAttribute("aria-pressed", button.dataset.accelerator === settings.accelerator);
  }
  element("threads").value = settings.threads;
  element("threads").disabled = settings.accelerator === "webgpu" || !crossOriginIsolated;
}

async function prepareSettings() {
  const most = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
  for (let count = 1; count <= most; count++) {
    element("threads").add(new Option(count, count));
  }
  settings.threads = Math.min(most, 4);
  const gpu = await adapter();
  const hints = [];
  if (!gpu) {
    document.querySelector("[data-accelerator=webgpu]").disabled = true;
    hints.push("This browser gives no WebGPU here.");
  }
  if (!crossOriginIsolated) {
    hints.push("Threads, WebGPU and the camera need a page from localhost or over https.");
  }
  element("runs-on").textContent = hints.join(" ");
  element("runs-on").hidden = !hints.length;
}

// ---- Start

function showFacts() {
  const [, height, width] = facts.input.shape;
  document.title = `${facts.network} in the browser`;
  element("network").textContent = facts.network;
  element("file").textContent = facts.file;
  const chips = [
    facts.data && `trained on ${facts.data}`,
    facts.precision,
    `${width} × ${height}`,
    `${facts.classes.length} classes`,
    `${(facts.bytes / 1e6).toFixed(2)} MB`,
    facts.accuracy && accuracyText(facts.accuracy),
  ];
  for (const text of chips.filter(Boolean)) {
    element("facts").append(Object.assign(document.createElement("li"), { textContent: text }));
  }
  for (const { name, color } of facts.classes) {
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = `rgb(${color})`;
    item.append(swatch, name, document.createElement("b"));
    element("legend").append(item);
  }
  setRatio(width / height);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  input = canvas.getContext("2d", { willReadFrequently: true });
  input.imageSmoothingQuality = "high";
  const Values = facts.input.dtype === "uint8" ? Uint8Array : Float32Array;
  lookup = facts.lookup.map((values) => Values.from(values));
  tensor = new Values(facts.input.shape.reduce((product, length) => product * length));
  labels = new Uint8Array(width * height);
  palette = Uint32Array.from({ length: 256 }, (_, label) => {
    const [red, green, blue] = facts.classes[label]?.color ?? [0, 0, 0];
    return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

function accuracyText({ miou, data, split, images }) {
  return `mIoU ${(100 * miou).toFixed(1)} % on ${data} ${split}, ${images} ${images === 1 ? "image" : "images"}`;
}

function connect() {
  const openers = {
    sample: openSample,
    image: () => element("image-file").click(),
    video: () => element("video-file").click(),
    camera: openCamera,
  };
  for (const button of document.querySelectorAll("[data-source]")) {
    button.addEventListener("click", openers[button.dataset.source]);
  }
  for (const id of ["image-file", "video-file"]) {
    element(id).addEventListener("change", ({ target }) => {
      if (target.files.length) {
        openFile(target.files[0]);
      }
      target.value = ""; // so that the same file can be chosen again
    });
  }
  for (const button of document.querySelectorAll("[data-accelerator]")) {
    button.addEventListener("click", () => change({ accelerator: button.dataset.accelerator }));
  }
  element("threads").addEventListener("change", ({ target }) => change({ threads: Number(target.value) }));
  element("opacity").addEventListener("input", ({ target }) => setOpacity(target.value));
  const stage = element("stage");
  stage.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("drop");
  });
  stage.addEventListener("dragleave", () => stage.classList.remove("drop"));
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("drop");
    if (event.dataTransfer.files.length) {
      openFile(event.dataTransfer.files[0]);
    }
  });
}

function setRatio(ratio) {
  element("box").style.setProperty("--ratio", ratio);
}

function setOpacity(percent) {
  element("overlay").style.opacity = percent / 100;
  element("opacity-value").textContent = `${percent} %`;
}

async function main() {
  setOpacity(element("opacity").value);
  facts = await (await fetch("/model.json")).json();
  showFacts();
  connect();
  await prepareSettings();
  bytes = await fetchArray("/model", "uint8");
  await openSample();
  await change({});
  await loop();
}

main().catch((error) => fail(`The page failed: ${error.message}`));

// What edge/targets/browser.py calls in a page of its own.

import { adapter, fetchArray, Network, start } from "./network.js";

let network;
let inputs;

// Returns the times in ms; see edge/device/runner.py.
async function load(options) {
  const runtime = await start(options);
  const begin = performance.now();
  const bytes = await fetchArray("model", "uint8");
  const fetched = performance.now();
  network = await Network.load(runtime, bytes, options);
  const end = performance.now();
  inputs = await fetchInputs();
  const [, { endToEnd }] = await network.run(inputs);
  return { init_ms: end - begin, compile_ms: end - fetched, first_run_ms: endToEnd };
}

function fetchInputs() {
  return Promise.all(network.inputs.map(({ dtype }, index) => fetchArray(`input/${index}`, dtype)));
}

async function run(count) {
  const times = { run: [], end_to_end: [] };
  for (let number = 0; number < count; number++) {
    const [, { run, endToEnd }] = await network.run(inputs);
    times.run.push(run);
    times.end_to_end.push(endToEnd);
  }
  return times;
}

// Run on the inputs that the server has now, and give it the outputs. Returns what they are.
async function infer() {
  const [outputs] = await network.run(await fetchInputs());
  await Promise.all(outputs.map((body, index) => fetch(`output/${index}`, { method: "POST", body })));
  return network.outputs.map(({ dtype, shape }) => ({ dtype, shape: [...shape] }));
}

async function report() {
  const info = network.device && (await adapter()).info;
  return {
    fully_accelerated: network.fullyAccelerated,
    adapter: info && {
      description: info.description,
      vendor: info.vendor,
      architecture: info.architecture,
      device: info.device,
      backend: info.backend,
      type: info.type,
      fallback: info.isFallbackAdapter,
    },
  };
}

globalThis.benchmark = { load, run, infer, report };

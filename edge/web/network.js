// A .tflite file in LiteRT.js, on the processor (WebAssembly) or the GPU (WebGPU).

import { loadAndCompile, loadLiteRt, Tensor, unloadLiteRt } from "@litertjs/core";

const WASM = "/node_modules/@litertjs/core/wasm/";
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

// Start LiteRT, anew if it was started before; its build for several threads and that for the GPU exclude each other.
export async function start({ accelerator, threads }) {
  if (accelerator === "webgpu" && !(await adapter())) {
    throw new Error("this browser finds no WebGPU adapter");
  }
  if (accelerator === "wasm" && threads > 1 && !crossOriginIsolated) {
    throw new Error("this page may not use several threads here: it must come over https or from localhost");
  }
  try {
    unloadLiteRt();
  } catch {
    // It was loaded only in part.
  }
  // JSPI, where the browser has it, lets ops that the GPU does not take run on the processor.
  const jspi = accelerator === "webgpu" && "Suspending" in WebAssembly;
  return loadLiteRt(WASM, { threads: accelerator === "wasm" && threads > 1, jspi });
}

export function adapter() {
  return navigator.gpu ? navigator.gpu.requestAdapter({ powerPreference: "high-performance" }) : null;
}

export class Network {
  // bytes: of the file, a Uint8Array; after `start` with the same accelerator.
  static async load(runtime, bytes, { accelerator, threads }) {
    const options = accelerator === "webgpu" ? { accelerator } : { accelerator, cpuOptions: { numThreads: threads } };
    return new Network(runtime, await loadAndCompile(bytes, options), accelerator);
  }

  constructor(runtime, model, accelerator) {
    this.model = model;
    this.inputs = model.getInputDetails();
    this.outputs = model.getOutputDetails();
    // LiteRT.js turns to the processor by itself where it cannot share a model between the two.
    this.fullyAccelerated = model.isFullyAccelerated && model.options.accelerator === accelerator;
    this.device = accelerator === "webgpu" ? runtime.getWebGpuDevice() : null;
  }

  // Run on typed arrays, one for each input. Returns [outputs as typed arrays, { run, endToEnd }] in ms.
  async run(arrays) {
    const begin = performance.now();
    const tensors = arrays.map((array, index) => new Tensor(array, this.inputs[index].shape));
    if (this.device) {
      for (const [index, tensor] of tensors.entries()) {
        tensors[index] = await tensor.moveTo("webgpu");
      }
    }
    const written = performance.now();
    const results = await this.model.run(tensors);
    // On the GPU, the promise is kept as soon as the work is queued.
    await this.device?.queue.onSubmittedWorkDone();
    const done = performance.now();
    const outputs = [];
    for (const result of results) {
      outputs.push(await result.data());
    }
    const end = performance.now();
    for (const tensor of [...tensors, ...results]) {
      tensor.delete();
    }
    return [outputs, { run: done - written, endToEnd: end - begin }];
  }

  close() {
    this.model.delete();
  }
}

// The bytes of an answer of the server as an array of a tensor's type.
export async function fetchArray(url, dtype) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url}: ${response.status} ${response.statusText}`);
  }
  return new ARRAYS[dtype](await response.arrayBuffer());
}

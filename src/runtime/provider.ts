/** Execution providers: which are there, and a clear word where one is not. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-node';
import { ConfigError } from '../base/index.ts';

// ONNX Runtime reports its use to Microsoft unless told otherwise when its first session opens. It reads the variable of the process, which only the main
// thread can set (threads have copies), and so before any of them starts.
process.env.ORT_DISABLE_TELEMETRY ||= '1';

export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** Where a graph runs. Threads default to the cores that this process may use. */
export interface Placement {
  readonly device: Device;
  readonly threads: number;
}

export const cpu = (threads = availableParallelism()): Placement => ({ device: 'cpu', threads });

/** A device by its name. */
export function parseDevice(name: string): Device {
  const device = DEVICES.find((known) => known === name);
  if (device === undefined) throw new ConfigError('device', { expected: DEVICES.join(', '), got: name });
  return device;
}

/** The runtime's own binary, loaded on first use: commands that run no model start without it. */
export function loadRuntime(): typeof import('onnxruntime-node') {
  return createRequire(import.meta.url)('onnxruntime-node');
}

/** Session options for a placement. What a provider cannot run falls back to the CPU. */
export function sessionOptions({ device, threads }: Placement): InferenceSession.SessionOptions {
  return {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  };
}

/** What helps where a model takes more memory than there is. */
export const MEMORY_HINT = 'Smaller batches, shorter rows or fewer streams and workers need less memory.';

/** How to get a provider that is missing. */
export const PROVIDER_HINTS: Readonly<Record<Device, string>> = {
  cpu: 'Reinstall onnxruntime-node for this platform.',
  webgpu: 'WebGPU needs a Vulkan driver (see docs/architecture.md, devices); use --device cpu without one.',
  cuda: 'Install the CUDA provider: remove onnxruntime-node-install=skip from .npmrc and reinstall; it needs CUDA 12 and cuDNN 9. Or use --device cpu.',
};

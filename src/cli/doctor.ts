/** `prumux doctor`: what this machine offers, found by trying. */
import { freemem, totalmem } from 'node:os';
import { float32, messageOf } from '../base/index.ts';
import { input, matmul } from '../graph/index.ts';
import { compile, cpu, DEVICES, type Device, loadRuntime, type Placement } from '../runtime/index.ts';
import { command } from './command.ts';
import { oneLine } from './result-lines.ts';

interface DeviceReport {
  readonly device: Device;
  readonly isAvailable: boolean;
  /** Rate of a product of square matrices. */
  readonly gigaflops?: number;
  readonly reason?: string;
}

const SIZE = 768;
const SECONDS = 1;

/** Best rate of [n, n] x [n, n] within a second; the first run warms up. */
async function rateOn(placement: Placement): Promise<number> {
  const shape = [SIZE, SIZE];
  const session = await compile({ outputs: { y: matmul(input('a', shape), input('b', shape)) } }, placement);
  const ones = float32(new Float32Array(SIZE * SIZE).fill(1), shape);
  const feeds = { a: ones, b: ones };
  await session.run(feeds);
  let best = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + 1000 * SECONDS; performance.now() < end; ) {
    const start = performance.now();
    await session.run(feeds);
    best = Math.min(best, performance.now() - start);
  }
  await session.close();
  return (2 * SIZE ** 3) / (best * 1e6);
}

async function tryDevice(device: Device, threads: number): Promise<DeviceReport> {
  try {
    return { device, isAvailable: true, gigaflops: await rateOn({ device, threads }) };
  } catch (error) {
    return { device, isAvailable: false, reason: oneLine(messageOf(error)) };
  }
}

export default command({
  name: 'doctor',
  description: 'Say what this machine offers: devices that really run, threads, rates, memory.',
  example: '--json',
  options: {},
  unheeded: ['seed', 'device', 'progress'], // it tries every device
  async run(_, __, { placement }) {
    const devices: DeviceReport[] = [];
    for (const device of DEVICES) devices.push(await tryDevice(device, placement.threads));
    return {
      node: process.version,
      onnxruntime: loadRuntime().env.versions.node ?? 'unknown',
      cores: cpu().threads,
      threads: placement.threads,
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      devices,
    };
  },
  print({ node, onnxruntime, cores, threads, memoryBytes, freeMemoryBytes, devices }) {
    const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
    const lines = devices.map(({ device, isAvailable, gigaflops = 0, reason = '' }) => {
      const found = isAvailable ? `ok, ${gigaflops.toFixed(0)} GFLOP/s in matrix products` : reason;
      return `${device.padEnd(12)}${found}`;
    });
    return [
      `node        ${node}`,
      `onnxruntime ${onnxruntime}`,
      `threads     ${threads} of ${cores} cores`,
      `memory      ${gibibytes(memoryBytes)}, ${gibibytes(freeMemoryBytes)} free`,
      ...lines,
      '',
    ].join('\n');
  },
});

/** The cases of `backends.kit.ts` on the CPU and, where there is a Vulkan driver for it, on WebGPU. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { cpu } from '../src/runtime/index.ts';
import { backendCases, TOLERANCE } from './backends.kit.ts';

describe('cpu', () => {
  it.each(backendCases().map((each) => [each.title, each] as const))(
    'agrees with the reference: %s',
    async (_, { run }) => {
      expect(await run(cpu(2))).toBeLessThan(TOLERANCE);
    },
  );
});

/** SwiftShader, Vulkan on the CPU, where chromium, Chrome and Edge put it: slow, but a true test of the GPU's path. */
const SWIFTSHADER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/opt/microsoft/msedge/vk_swiftshader_icd.json',
];
const CHILD = fileURLToPath(new URL('webgpu.child.ts', import.meta.url));
const PER_PRIMITIVE = 3;

interface Line {
  readonly refused?: string;
  readonly title?: string;
  readonly difference?: number | null;
  readonly failed?: string;
}

/** What the child says, with that driver and the Vulkan loader beside it. */
async function runOnWebGpu(driver: string): Promise<Line[]> {
  const libraries = [dirname(driver), process.env.LD_LIBRARY_PATH ?? []].flat().join(delimiter);
  const env = { ...process.env, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: libraries };
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', CHILD, String(PER_PRIMITIVE)], {
    env,
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** The reporter counts skips but does not say why. */
function because(reason: string): string {
  process.stderr.write(`webgpu is skipped: ${reason}\n`);
  return reason;
}

it('webgpu agrees with the reference, and trains as the CPU does', async ({ skip }) => {
  const driver = process.env.VK_ICD_FILENAMES ?? SWIFTSHADER.find((path) => existsSync(path));
  if (driver === undefined) return skip(because(`no VK_ICD_FILENAMES, no ${SWIFTSHADER.join(', ')}`));
  const lines = await runOnWebGpu(driver);
  const refused = lines[0]?.refused;
  if (refused !== undefined) return skip(because(refused));
  expect(lines.map(({ title }) => title)).toEqual(backendCases(PER_PRIMITIVE).map(({ title }) => title));
  expect(lines.filter(({ difference }) => typeof difference !== 'number' || difference > TOLERANCE)).toEqual([]);
}, 240_000);

/** The cases of `backends.kit.ts` on the CPU and, where there is a Vulkan driver for it, on WebGPU. */
import { existsSync } from 'node:fs';
import { it } from 'vitest';
import { messageOf } from '../src/base/index.ts';
import { input, neg } from '../src/graph/index.ts';
import { compile, cpu, type Placement } from '../src/runtime/index.ts';
import { testBackend } from './backends.kit.ts';

/** SwiftShader, Vulkan on the CPU, where Debian's and Ubuntu's chromium, Chrome and Edge put it: slow, but a true test of the GPU's path. */
const SWIFTSHADER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/opt/microsoft/msedge/vk_swiftshader_icd.json',
];

const webgpu: Placement = { device: 'webgpu', threads: 1 };

/** Why WebGPU cannot be tested here; undefined where it can. Must come before the first session: the driver is looked for once. */
async function obstacle(): Promise<string | undefined> {
  if (process.env.VK_ICD_FILENAMES === undefined) {
    const driver = SWIFTSHADER.find((path) => existsSync(path));
    if (driver === undefined) return `no Vulkan driver: none in VK_ICD_FILENAMES, no ${SWIFTSHADER.join(', ')}`;
    process.env.VK_ICD_FILENAMES = driver;
  }
  try {
    const session = await compile({ outputs: { y: neg(input('x', [1])) } }, webgpu);
    await session.close();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const reason = await obstacle();

testBackend('cpu', cpu(2));
if (reason === undefined) testBackend('webgpu', webgpu, 1);
else it.skip(`webgpu: ${reason}`, () => undefined);

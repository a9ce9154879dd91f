/** Runs the cases of `backends.kit.ts` on WebGPU and prints a JSON line for each; a process of its own, as the driver is found by its environment. */
import { messageOf } from '../src/base/index.ts';
import { input, neg } from '../src/graph/index.ts';
import { compile, type Placement } from '../src/runtime/index.ts';
import { backendCases } from './backends.kit.ts';

const placement: Placement = { device: 'webgpu', threads: 1 };

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

try {
  const session = await compile({ outputs: { y: neg(input('x', [1])) } }, placement);
  await session.close();
} catch (error) {
  say({ refused: messageOf(error) });
  process.exit();
}

for (const { title, run } of backendCases(Number(process.argv[2]))) {
  try {
    say({ title, difference: await run(placement) });
  } catch (error) {
    say({ title, failed: messageOf(error) });
  }
}

/** The service on a real engine, without HTTP: what it does as workers come and go. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { cpu } from '../runtime/index.ts';
import { Engine } from './engine.ts';
import { Service, type ServiceOptions } from './service.ts';

let folder: string;
const opened: Service[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-service-'));
  await writeModel(folder, randomModel());
});
afterEach(async () => {
  for (const service of opened.splice(0)) await service.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function open(options: Partial<ServiceOptions> = {}): Promise<{ engine: Engine; service: Service }> {
  const engine = await Engine.open({ folders: [folder], placement: cpu(1), workers: 1, kind: 'thread', rows: 8 });
  const defaults = { isolation: 'none', maxWaitMs: 5, capacity: 100, maxQueueMs: 60_000, levelFor: () => 0 } as const;
  const service = new Service(engine, { ...defaults, ...options });
  opened.push(service);
  return { engine, service };
}

const question = { texts: [{ text: 'a film', isCut: true }], tenant: '' };

it('answers what came while no worker was ready, as soon as one is', async () => {
  const { engine, service } = await open();
  engine.killWorker(0);
  await vi.waitFor(() => expect(service.readyWorkers).toBe(0), { timeout: 10_000, interval: 1 });
  expect((await service.ask(question).answer).texts.length).toBe(1);
}, 60_000);

/**
 * The files of deploy/ against the server that they are for: probes ask for routes that are there, flags and variables are those of `prumux serve`,
 * metrics those that it exports; and by their own tools, where those are here.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { Metrics } from '../src/serve/metrics.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { program } from './program.kit.ts';
import { startTestServer } from './server.kit.ts';

const [KUBECTL, NGINX] = ['/usr/bin/kubectl', '/usr/sbin/nginx'];
const path = (file: string): string => fileURLToPath(new URL(`../deploy/${file}`, import.meta.url));

let folder: string;
/** Status by path of the probes of a server that is ready. */
let statusOf: (url: string) => Promise<number>;
let help: string;
let close: () => Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-deploy-'));
  await writeModel(join(folder, 'model'), randomModel());
  const server = await startTestServer([join(folder, 'model')]);
  statusOf = async (url) => (await server.app.inject({ url })).statusCode;
  close = server.close;
  help = (await program(['serve', '--help'])).out;
}, 60_000);
afterAll(async () => {
  await close?.();
  await rm(folder, { recursive: true, force: true });
});

type Json = Readonly<Record<string, unknown>>;

/** The documents of a YAML file, each under its kind. */
async function documents(file: string): Promise<Map<string, Json>> {
  const parsed = parseAllDocuments(await readFile(path(file), 'utf8'), { uniqueKeys: true });
  if ('empty' in parsed) return new Map();
  return new Map(
    parsed.map((document) => {
      expect([...document.errors, ...document.warnings]).toEqual([]);
      const json = document.toJS() as Json;
      return [String(json.kind), json];
    }),
  );
}

/** What stands at a path in a document. */
function at(json: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    json,
  );
}

/** A container, as far as it is compared with the server. */
async function checkContainer(container: unknown): Promise<void> {
  const probes = Object.entries(container as Json).filter(([key]) => key.endsWith('Probe'));
  // Nothing listens before the models are warm.
  expect(probes.map(([name]) => name)).toEqual(
    expect.arrayContaining(['startupProbe', 'readinessProbe', 'livenessProbe']),
  );
  for (const [, probe] of probes) expect(await statusOf(String(at(probe, 'httpGet', 'path')))).toBe(200);
  const variables = (at(container, 'env') as { name: string }[]).map(({ name }) => name);
  expect(variables.filter((name) => !help.includes(name))).toEqual(['ORT_DISABLE_TELEMETRY']);
  const [command, ...args] = at(container, 'args') as string[];
  expect(command).toBe('serve');
  for (const flag of args.filter((arg) => arg.startsWith('--'))) expect(help).toContain(`${flag}=`);
}

describe('kubernetes.yaml', () => {
  it('asks for what the server has, and gives it time to drain', async () => {
    const deployment = (await documents('kubernetes.yaml')).get('Deployment');
    const pod = at(deployment, 'spec', 'template', 'spec');
    const container = at(pod, 'containers', 0);
    await checkContainer(container);
    expect(at(pod, 'enableServiceLinks')).toBe(false);
    const env = at(container, 'env') as { name: string; value?: string }[];
    const drainSeconds = Number(env.find(({ name }) => name === 'PRUMUX_DRAIN_TIMEOUT')?.value) / 1000;
    const pauseSeconds = Number((at(container, 'lifecycle', 'preStop', 'exec', 'command') as string[])[1]);
    expect(at(pod, 'terminationGracePeriodSeconds')).toBeGreaterThan(drainSeconds + pauseSeconds);
  });

  it('selects the pods of the deployment everywhere, and scales it by a metric that there is', async () => {
    const all = await documents('kubernetes.yaml');
    const labels = at(all.get('Deployment'), 'spec', 'template', 'metadata', 'labels');
    expect(at(all.get('Deployment'), 'spec', 'selector', 'matchLabels')).toEqual(labels);
    expect(at(all.get('Service'), 'spec', 'selector')).toEqual(labels);
    expect(at(all.get('PodDisruptionBudget'), 'spec', 'selector', 'matchLabels')).toEqual(labels);
    const scaler = all.get('HorizontalPodAutoscaler');
    expect(at(scaler, 'spec', 'scaleTargetRef', 'name')).toBe(at(all.get('Deployment'), 'metadata', 'name'));
    expect(at(scaler, 'spec', 'metrics', 0, 'pods', 'metric', 'name')).toBe('prumux_queue_seconds');
    expect(exported()).toContain('prumux_queue_seconds');
  });

  it.skipIf(!existsSync(KUBECTL))(`is read by kubectl (skipped where there is no ${KUBECTL})`, async () => {
    await copyFile(path('kubernetes.yaml'), join(folder, 'kubernetes.yaml'));
    await writeFile(join(folder, 'kustomization.yaml'), 'resources: [kubernetes.yaml]\n');
    const built = execFileSync(KUBECTL, ['kustomize', folder], { encoding: 'utf8' });
    expect(built.match(/^kind: \w+/gm)).toHaveLength(4);
  });
});

it('kserve.yaml: the runtime runs the server, and the model is of its format and protocol', async () => {
  const all = await documents('kserve.yaml');
  const [runtime, service] = [all.get('ServingRuntime'), all.get('InferenceService')];
  await checkContainer(at(runtime, 'spec', 'containers', 0));
  const model = at(service, 'spec', 'predictor', 'model');
  expect(at(model, 'runtime')).toBe(at(runtime, 'metadata', 'name'));
  expect(at(model, 'modelFormat', 'name')).toBe(at(runtime, 'spec', 'supportedModelFormats', 0, 'name'));
  expect(at(runtime, 'spec', 'protocolVersions')).toContain(at(model, 'protocolVersion'));
});

it.skipIf(!existsSync(NGINX))(`nginx.conf is valid to nginx (skipped where there is no ${NGINX})`, () => {
  execFileSync(NGINX, ['-t', '-q', '-c', path('nginx.conf'), '-e', 'stderr', '-g', `pid ${folder}/pid;`]);
});

it('nginx.conf: drops the tenant that a client names', async () => {
  expect(await readFile(path('nginx.conf'), 'utf8')).toMatch(/^ +proxy_set_header X-Prumux-Tenant "";$/m);
});

it('Containerfile: copies what is there, and starts the server', async () => {
  const file = await readFile(path('Containerfile'), 'utf8');
  const copied = Array.from(file.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, names = '']) => names.split(' ')).flat();
  for (const name of copied) expect(existsSync(join(path('..'), name)), name).toBe(true);
  expect(file).toMatch(/^ENTRYPOINT \["node", "dist\/cli\/main.js"\]\nCMD \["serve", "\/models\/model"\]$/m);
  expect(await statusOf('/health')).toBe(200);
});

/** The server's own metrics; those of Node come with prom-client. */
function exported(): string[] {
  const { registry } = new Metrics({
    queueDepth: () => 0,
    queueSeconds: () => 0,
    level: () => 0,
    readyWorkers: () => 0,
  });
  return registry.getMetricsAsArray().map(({ name }) => name);
}

describe('grafana-dashboard.json', () => {
  async function shown(): Promise<Set<string>> {
    const { panels } = JSON.parse(await readFile(path('grafana-dashboard.json'), 'utf8')) as {
      panels: { targets: { expr: string }[] }[];
    };
    const names = panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) => expr.match(/\b(prumux|process|nodejs)_\w+/g) ?? []),
    );
    return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  }

  it('shows every metric that the server exports', async () => {
    const own = exported().filter((name) => name.startsWith('prumux_'));
    expect(own.length).toBeGreaterThan(10);
    expect([...(await shown())].filter((name) => name.startsWith('prumux_')).sort()).toEqual(own.sort());
  });

  it('shows none that the server does not export', async () => {
    const known = exported();
    expect([...(await shown())].filter((name) => !known.includes(name))).toEqual([]);
  });
});

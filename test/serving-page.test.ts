/**
 * The server's page in a real browser (Debian's chromium), against answers that are made up: what a person sees of them, on a phone and in the dark;
 * that nothing is asked of anybody else; that text stays text. Then against the server itself. Skipped where there is no chromium.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_STYLE } from '../src/report/index.ts';
import { servingPage } from '../src/serve/index.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { startTestServer } from './server.kit.ts';

const CHROMIUM = '/usr/bin/chromium';
const html = servingPage(PAGE_STYLE);

const EVIL = '<img src=x onerror="document.title=1">';
const LEVELS = [
  { level: 0, name: 'dense', instances: 1, accuracy: 0.91 },
  { level: 1, name: 'fast', instances: 4, accuracy: 0.884 },
];

/** By text: what the server says. Others are refused. */
const ANSWERS: Readonly<Record<string, readonly object[]>> = {
  'a fine film': [
    { label: 'positive', score: 0.973 },
    { label: 'negative', score: 0.027 },
  ],
  [EVIL]: [{ label: EVIL, score: 1 }],
  'Ada met Bob': [
    { label: 'person', text: 'Ada', start: 0, end: 3, score: 0.9 },
    { label: 'person', text: 'Bob', start: 8, end: 11, score: 0.8 },
  ],
};

let rows = 0;
const asked: { readonly url: string; readonly authorization: string | undefined }[] = [];

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

function send(response: ServerResponse, status: number, content: string, type = 'application/json'): void {
  const level = { 'x-prumux-level': '1', 'x-prumux-fill': '0.750' };
  response.writeHead(status, { 'content-type': type, ...level });
  response.end(content);
}

const server = createServer(async (request, response) => {
  const { url = '', headers } = request;
  asked.push({ url, authorization: headers.authorization });
  if (url === '/') return send(response, 200, html, 'text/html; charset=utf-8');
  if (url === '/info') return send(response, 200, JSON.stringify({ model_id: 'film-reviews', levels: LEVELS }));
  if (url === '/metrics') {
    rows += 120;
    const lines = [`prumux_rows_total{level="0"} ${rows / 2}`, `prumux_rows_total{level="1"} ${rows / 2}`];
    return send(
      response,
      200,
      [...lines, `prumux_passes_total{level="0"} ${rows / 4}`, 'prumux_queue_depth 17'].join('\n'),
      'text/plain',
    );
  }
  const answer = ANSWERS[JSON.parse(await bodyOf(request)).inputs];
  if (answer !== undefined) return send(response, 200, JSON.stringify(answer));
  send(response, 429, JSON.stringify({ error: 'the queue is full', error_type: 'overloaded' }));
});

describe.skipIf(!existsSync(CHROMIUM))(`the page at / (skipped where there is no ${CHROMIUM})`, () => {
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  let origin: string;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
    page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => request.url().startsWith(origin) || elsewhere.push(request.url()));
    await page.goto(`${origin}/`);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server.close();
    server.closeAllConnections();
  });

  async function ask(text: string): Promise<void> {
    await page.getByLabel('Text').fill(text);
    await page.getByRole('button', { name: 'Classify' }).click();
  }
  const shown = (id: string) => page.locator(`#${id}`);

  it('shows the model and its levels', async () => {
    await page.getByRole('heading', { name: 'film-reviews' }).waitFor();
    const cells = await page.getByRole('table').locator('tbody td').allTextContents();
    expect(cells).toEqual(['0', 'dense', '1', '91.0 %', '1', 'fast', '4', '88.4 %']);
  });

  it('shows labels and scores, the level and the fill of the group', async () => {
    await ask('a fine film');
    const first = page.getByRole('listitem').first();
    await first.getByText('positive').waitFor();
    expect(await first.getByText('97.3 %').isVisible()).toBe(true);
    expect(await page.getByLabel('score of negative').getAttribute('value')).toBe('0.027');
    expect(await shown('level').textContent()).toBe('1');
    expect(await shown('fill').textContent()).toBe('75.0 %');
    if (process.env.PRUMUX_SCREENSHOTS) await page.screenshot({ path: `${process.env.PRUMUX_SCREENSHOTS}/light.png` });
  });

  it('shows what the server does meanwhile', async () => {
    await page.locator('#depth', { hasText: /^17$/ }).waitFor();
    expect(await shown('shared').textContent()).toBe('4.0');
    expect(Number(await shown('rate').textContent())).toBeGreaterThan(0);
  });

  it('marks entities in the text', async () => {
    await ask('Ada met Bob');
    await page.locator('mark').nth(1).waitFor();
    expect(await page.locator('#entities').textContent()).toMatch(/^Ada person met Bob person$/);
  });

  it('leaves text a text', async () => {
    await ask(EVIL);
    await page.getByRole('listitem').getByText(EVIL).waitFor();
    expect(await page.title()).toBe('PruMUX');
    expect(await page.locator('img').count()).toBe(0);
  });

  it('says why there is no answer', async () => {
    const before = complaints.length;
    await ask('anything else');
    await page.getByRole('alert').getByText('the queue is full').waitFor();
    expect(await shown('answer').isVisible()).toBe(false);
    complaints.splice(before); // the browser remarks on the status
  });

  it('sends the key that was typed, and asks by the keyboard', async () => {
    await page.getByLabel('API key').fill('secret');
    await page.getByLabel('Text').fill('a fine film');
    asked.splice(0);
    await page.keyboard.press('Control+Enter');
    await page.getByLabel('score of positive').waitFor();
    expect(asked.find(({ url }) => url === '/predict')?.authorization).toBe('Bearer secret');
  });

  it('fits a phone, and is dark in the dark', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(13, 17, 23)');
    if (process.env.PRUMUX_SCREENSHOTS) await page.screenshot({ path: `${process.env.PRUMUX_SCREENSHOTS}/dark.png` });
  });

  it('asks nobody else, and breaks none of its own rules', () => {
    expect(elsewhere).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('works with the server itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'prumux-page-'));
    await writeModel(join(folder, 'film-model'), randomModel(['poor', 'fine']));
    const served = await startTestServer([join(folder, 'film-model')], { page: html });
    const own = await browser.newPage();
    await own.goto(served.url);
    await own.getByRole('heading', { name: 'film-model' }).waitFor();
    await own.getByLabel('Text').fill('this film was great');
    await own.getByRole('button', { name: 'Classify' }).click();
    await own.getByLabel('score of fine').waitFor();
    expect(await own.locator('#level').textContent()).toBe('0');
    expect(await own.locator('#fill').textContent()).toBe('100.0 %');
    // Not by `waitForFunction`, which the page's content security policy keeps from evaluating.
    await own.locator('#depth', { hasText: /^0$/ }).waitFor();
    await own.close();
    await served.close();
    await rm(folder, { recursive: true, force: true });
  });
});

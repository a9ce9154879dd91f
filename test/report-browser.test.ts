/**
 * The page of a report in a real browser, Debian's chromium: wide and narrow, light and dark. Records are a small one, and one of a crowd:
 * a whole grid of 4 × 4 points at two precisions, half of it trained.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportPage } from '../src/report/index.ts';
import { crowdedRecord, sampleRecord } from './auto-record.kit.ts';

const EXECUTABLE = '/usr/bin/chromium';
const skipped = existsSync(EXECUTABLE) ? '' : ` (skipped: ${EXECUTABLE} is not there)`;

const RECORDS = { sample: sampleRecord, crowded: crowdedRecord };
const VIEWS = [
  { name: 'wide and light', width: 1100, colorScheme: 'light' },
  { name: 'wide and dark', width: 1100, colorScheme: 'dark' },
  { name: 'on a phone', width: 360, colorScheme: 'light' },
  { name: 'on a phone in the dark', width: 360, colorScheme: 'dark' },
] as const;

let browser: Browser;
let folder: string;
let checks: string;

interface Opened {
  readonly page: Page;
  /** What the browser complained of, and what it asked the network for. */
  readonly complaints: string[];
}

async function open(record: keyof typeof RECORDS, { width, colorScheme }: (typeof VIEWS)[number]): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  const address = `file://${join(folder, `${record}.html`)}`;
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== address && !request.url().startsWith('data:')) complaints.push(request.url());
  });
  await page.goto(address);
  await page.evaluate(checks);
  return { page, complaints };
}

describe.skipIf(skipped !== '')(`a report in chromium${skipped}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prumux-report-'));
    for (const [name, record] of Object.entries(RECORDS)) {
      await writeFile(join(folder, `${name}.html`), reportPage(record));
    }
    checks = await readFile(new URL('report-checks.browser.js', import.meta.url), 'utf8');
    browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] });
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const record of Object.keys(RECORDS) as (keyof typeof RECORDS)[]) {
    for (const view of VIEWS) {
      it(`${record}, ${view.name}: reads well, and asks for nothing`, async () => {
        const { page, complaints } = await open(record, view);
        const width = await page.evaluate('document.documentElement.scrollWidth');
        expect(width).toBe(view.width);
        expect(await page.evaluate('paleTexts()')).toEqual([]);
        expect(await page.evaluate('clashingLabels()')).toEqual([]);
        const seen: number[] = await page.evaluate('marks()');
        expect(seen.length).toBeGreaterThan(RECORDS[record].exploration.decisions.length);
        expect(Math.min(...seen)).toBeGreaterThan(3);
        expect(complaints).toEqual([]);
        await page.close();
      }, 240_000);
    }
  }
});

/** Figures and pages: what they must contain, that they are self-contained, and that nothing shown can become markup. */
import { describe, expect, it } from 'vitest';
import { crowdedRecord, sampleRecord } from '../../test/auto-record.kit.ts';
import type { AutoRecord } from '../auto/index.ts';
import { frontierFigure } from './frontier-figure.ts';
import { html } from './markup.ts';
import { reportPage } from './page.ts';
import { PALETTE } from './palette.ts';
import { duration, percent, titleOf } from './quantities.ts';

const HOSTILE = '</pre><script>alert("1")</script>';

describe('the figure', () => {
  const svg = frontierFigure(sampleRecord.exploration);

  it('shows every model, the allowed drop and the axes', () => {
    for (const text of ['dense', 'N=2, 60 %', 'N=4, 80 %', 'allowed drop: 2 points', 'predicted', 'accuracy, %']) {
      expect(svg).toContain(`>${text}<`);
    }
  });

  it('changes its colours in the dark', () => {
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain(`[fill="${PALETTE.ink.light}"]{fill:${PALETTE.ink.dark}}`);
    expect(svg).toContain(`fill="${PALETTE.chosen.light}"`);
  });

  it('is the same every time', () => {
    expect(frontierFigure(sampleRecord.exploration)).toBe(svg);
  });

  it('can be drawn of the dense model alone', () => {
    const { dense } = sampleRecord.exploration;
    const alone = { ...sampleRecord.exploration, trials: [], frontier: [dense], chosen: dense };
    expect(frontierFigure(alone)).toContain('>dense<');
  });
});

describe('the page', () => {
  const page = reportPage(sampleRecord);

  it('has a row for every model, the structure of each, and the commands', () => {
    for (const model of [sampleRecord.exploration.dense, ...sampleRecord.exploration.trials]) {
      expect(page).toContain(`<td class="words">${titleOf(model)}</td><td class="numbers">${percent(model.accuracy)}`);
    }
    expect(page.match(/class="structure"/g)).toHaveLength(1 + sampleRecord.exploration.trials.length);
    expect(page).toContain('prumux auto models/dense --max-drop 2 -o models/fast');
    expect(page).toContain('60 % pruned: 1.4');
    expect(page).toContain(sampleRecord.data.train);
  });

  it('says what is gained by the dense model in int8, and nothing of itself', () => {
    const { exploration } = sampleRecord;
    const heading = (chosen: typeof exploration.chosen): string =>
      /<h1>(.*)<\/h1>/.exec(reportPage({ ...sampleRecord, exploration: { ...exploration, chosen } }))?.[1] ?? '';
    expect(heading({ ...exploration.dense, precision: 'int8', ratio: 1.5 })).toContain('1.5× the throughput');
    expect(heading(exploration.dense)).not.toContain('throughput');
  });

  it('tells what other allowed drops would buy, how far predictions were off, and where the time went', () => {
    expect(page).toContain(
      '<td class="words">2 points</td><td class="words">N=2, 60 % pruned</td><td class="numbers">4.4×</td>',
    );
    expect(page).toContain('N=8, 80 % pruned: 29× (55 % likely)');
    expect(page).toContain(
      'gaussian process (used), each trial left out in turn</td><td class="numbers">0.42 points</td>',
    );
    expect(page).toContain('<td class="words">train</td><td class="numbers">6 min</td><td class="numbers">87.1 %</td>');
    expect(page).toContain('0.4 to 2.8 with 90 % confidence, on 291 rows');
  });

  it('tells which trials failed, and what they said', () => {
    expect(page).toContain('<li>N=4, 90 % pruned: phase prune, step 3: expected a finite loss, got NaN.</li>');
    const { exploration } = sampleRecord;
    const point = exploration.failures[0]?.point ?? exploration.dense.point;
    const decided = reportPage({ ...sampleRecord, exploration: { ...exploration, decisions: [{ point, gain: 1 }] } });
    expect(decided).toContain('<td class="words">failed</td>');
    expect(reportPage({ ...sampleRecord, exploration: { ...exploration, failures: [] } })).not.toContain('failed');
  });

  it('shows a model in int8 once, with its structure and curves beside those in fp32', () => {
    const trained = new Set(crowdedRecord.exploration.trials.map(({ point }) => JSON.stringify(point)));
    expect(reportPage(crowdedRecord).match(/class="structure"/g)).toHaveLength(1 + trained.size);
  });

  it('needs nothing from outside', () => {
    const addresses = [...page.matchAll(/(?:href|src|url)\s*[=(]\s*["']?([^"')\s>]+)/g)].map(([, address]) => address);
    expect(addresses).toEqual([]);
    expect(page).not.toContain('<script');
  });

  it('escapes everything that it shows', () => {
    const hostile: AutoRecord = {
      ...sampleRecord,
      exploration: { ...sampleRecord.exploration, verdict: HOSTILE },
      commands: [HOSTILE],
      machine: { [HOSTILE]: HOSTILE },
    };
    expect(reportPage(hostile)).not.toContain('<script');
    expect(reportPage(hostile)).toContain('&lt;script&gt;');
  });
});

it('tells durations as people do', () => {
  const told = [0.42, 41.2, 360, 7500, 7200].map(duration);
  expect(told).toEqual(['0.4 s', '41 s', '6 min', '2 h 5 min', '2 h']);
});

it('escapes what a template is given, but no markup of its own', () => {
  expect(html`<b title="${'"'}">${['<', html`<i>${'&'}</i>`]}</b>`.text).toBe('<b title="&quot;">&lt;<i>&amp;</i></b>');
});

/** Figures and pages: what they must contain, that they are self-contained, and that nothing shown can become markup. */
import { describe, expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import type { AutoRecord } from '../auto/index.ts';
import { frontierFigure } from './frontier-figure.ts';
import { html } from './markup.ts';
import { reportPage } from './page.ts';
import { PALETTE } from './palette.ts';

const HOSTILE = '</pre><script>alert("1")</script>';

describe('the figure', () => {
  const svg = frontierFigure(sampleRecord.exploration);

  it('shows every model, the budget and the axes', () => {
    for (const text of [
      'dense',
      'N=2, 60 % pruned',
      'N=4, 80 % pruned',
      '2 points below the dense model',
      'accuracy, %',
    ]) {
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
    expect(page.match(/<tr class=/g)).toHaveLength(1 + sampleRecord.exploration.trials.length);
    expect(page.match(/class="structure"/g)).toHaveLength(1 + sampleRecord.exploration.trials.length);
    expect(page).toContain('prumux auto models/dense --max-drop 2 -o models/fast');
    expect(page).toContain(sampleRecord.data.train);
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

it('escapes what a template is given, but no markup of its own', () => {
  expect(html`<b title="${'"'}">${['<', html`<i>${'&'}</i>`]}</b>`.text).toBe('<b title="&quot;">&lt;<i>&amp;</i></b>');
});

/** What the page at `/` runs in the browser: plain JavaScript, as it is sent. Texts of answers go into the page as text, never as markup. */

/** What it reads from `/metrics`. */
const METRICS = { rows: 'prumux_rows_total', passes: 'prumux_passes_total', queueDepth: 'prumux_queue_depth' };

export const PAGE_SCRIPT = `
'use strict';
const METRICS = ${JSON.stringify(METRICS)};
const POLL_MS = 1000;
const part = (id) => document.getElementById(id);
const element = (name, text = '', attributes = {}) => {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const percent = (share) => (100 * share).toFixed(1) + ' %';

const authorization = () => {
  const key = part('key').value.trim();
  return key === '' ? {} : { authorization: 'Bearer ' + key };
};

async function answerTo(text) {
  const started = performance.now();
  const response = await fetch('predict', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization() },
    body: JSON.stringify({ inputs: text, truncate: true }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  const header = (name) => response.headers.get('x-prumux-' + name);
  return { answer, level: header('level'), fill: header('fill'), milliseconds: performance.now() - started };
}

function scoreLines(scores) {
  return scores.map(({ label, score }) => {
    const line = element('li');
    const bar = element('meter', '', { min: 0, max: 1, value: score, 'aria-label': 'score of ' + label });
    line.append(element('span', label), bar, element('output', percent(score)));
    return line;
  });
}

function markedText(text, entities) {
  const parts = [];
  let at = 0;
  for (const { start, end, label } of entities) {
    const mark = element('mark', text.slice(start, end));
    mark.append(' ', element('sub', label));
    parts.push(text.slice(at, start), mark);
    at = end;
  }
  return [...parts, text.slice(at)];
}

function show(text, { answer, level, fill, milliseconds }) {
  const isOfTokens = answer.some((each) => 'start' in each);
  part('scores').replaceChildren(...(isOfTokens ? [] : scoreLines(answer)));
  part('entities').replaceChildren(...(isOfTokens ? markedText(text, answer) : []));
  part('level').textContent = level ?? '–';
  part('fill').textContent = fill === null ? '–' : percent(Number(fill));
  part('time').textContent = milliseconds.toFixed(0) + ' ms';
  part('answer').hidden = false;
}

async function ask(event) {
  event.preventDefault();
  const text = part('text').value;
  part('ask').disabled = true;
  part('failure').textContent = '';
  try {
    show(text, await answerTo(text));
  } catch (error) {
    part('answer').hidden = true;
    part('failure').textContent = error.message;
  } finally {
    part('ask').disabled = false;
  }
}

/** The sum of a metric over its labels, in Prometheus' text. */
function metricIn(text, name) {
  const lines = text.split('\\n').filter((line) => line.startsWith(name + ' ') || line.startsWith(name + '{'));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

let last;
async function poll() {
  try {
    const response = await fetch('metrics', { headers: authorization() });
    if (!response.ok) throw new Error(response.statusText);
    const text = await response.text();
    const now = { at: performance.now(), rows: metricIn(text, METRICS.rows), passes: metricIn(text, METRICS.passes) };
    if (last !== undefined) showRates(now, last, metricIn(text, METRICS.queueDepth));
    last = now;
  } catch {
    for (const id of ['rate', 'shared', 'depth']) part(id).textContent = '–';
    last = undefined;
  }
}

function showRates(now, before, depth) {
  const rows = now.rows - before.rows;
  const passes = now.passes - before.passes;
  part('rate').textContent = Math.round((1000 * rows) / (now.at - before.at)).toLocaleString('en');
  part('shared').textContent = passes > 0 ? (rows / passes).toFixed(1) : '–';
  part('depth').textContent = String(depth);
}

async function showModel() {
  const response = await fetch('info', { headers: authorization() });
  if (!response.ok) return;
  const { model_id: id, levels = [] } = await response.json();
  if (id !== undefined) part('model').textContent = id;
  part('levels').replaceChildren(...levels.map(levelRow));
  part('levels-table').hidden = levels.length < 2;
}

function levelRow({ level, name, instances, accuracy }) {
  const row = element('tr');
  const cells = [
    ['words', String(level)],
    ['words', name],
    ['numbers', String(instances)],
    ['numbers', accuracy === null ? '–' : percent(accuracy)],
  ];
  for (const [kind, text] of cells) {
    const cell = element('td', text);
    cell.className = kind;
    row.append(cell);
  }
  return row;
}

part('form').addEventListener('submit', ask);
part('key').addEventListener('change', () => { showModel(); poll(); });
part('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) part('form').requestSubmit();
});
showModel().catch(() => {});
poll();
setInterval(() => { if (!document.hidden) poll(); }, POLL_MS);
`;

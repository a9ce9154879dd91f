/**
 * The page at `/`: type a text, see what the model says of it, which level answered, how full its group was, and how busy the server is. One file
 * without outside parts; it talks to the server that it came from, by the same API as everybody.
 */
import { createHash } from 'node:crypto';
import { PAGE_SCRIPT } from './page-script.ts';

/** Colours and type are the house's, handed in by whoever starts the server; here is only what this page has besides. */
const OWN_STYLE = `
form{margin:1.25rem 0}
label{display:block;font-size:.85rem;color:var(--quiet)}
textarea,input{width:100%;padding:.5rem .6rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--trial);border-radius:6px}
textarea{min-height:5.5rem;resize:vertical}
textarea:focus-visible,input:focus-visible,button:focus-visible{outline:2px solid var(--frontier);outline-offset:1px}
.actions{display:flex;flex-wrap:wrap;align-items:end;gap:.75rem 1rem;margin-top:.6rem}
.actions .key{flex:1 1 14rem}
button{padding:.5rem 1.2rem;font:inherit;font-weight:600;color:var(--paper);background:var(--frontier);border:0;border-radius:6px;cursor:pointer}
button[disabled]{opacity:.6;cursor:default}
.scores{list-style:none;margin:.5rem 0;padding:0}
.scores li{display:grid;grid-template-columns:minmax(4rem,28%) 1fr 4.5rem;gap:.75rem;align-items:center;margin:.35rem 0}
.scores li:first-child{font-weight:600}
.scores span{overflow-wrap:anywhere}
.scores output{text-align:right;font-variant-numeric:tabular-nums}
meter{width:100%;height:1rem}
meter::-webkit-meter-optimum-value{background:var(--frontier)}
meter::-moz-meter-bar{background:var(--frontier)}
a{color:var(--frontier)}
.failure{color:var(--chosen)}
.figures b{font-variant-numeric:tabular-nums}
mark{padding:0 .2em;color:inherit;background:color-mix(in srgb,var(--frontier) 22%,transparent);border-radius:3px}
mark sub{color:var(--quiet)}
[hidden]{display:none!important}
`;

const figure = (id: string, what: string): string => `<div><b id="${id}">–</b>${what}</div>`;

const sourceHash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing from elsewhere, no script and no style but these. */
function policyFor(style: string): string {
  const policy = {
    'default-src': "'none'",
    'script-src': sourceHash(PAGE_SCRIPT),
    'style-src': sourceHash(style),
    'connect-src': "'self'",
    'img-src': 'data:',
    'base-uri': "'none'",
    'form-action': "'none'",
  };
  return Object.entries(policy)
    .map(([name, source]) => `${name} ${source}`)
    .join('; ');
}

/** The page; `style` is that of all pages of the house. */
export function servingPage(style: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="${policyFor(`${style}${OWN_STYLE}`)}">
<link rel="icon" href="data:,">
<title>PruMUX</title>
<style>${style}${OWN_STYLE}</style>
</head>
<body>
<main>
<h1 id="model">PruMUX</h1>
<p class="quiet">Texts that come at the same time share a forward pass. <a href="docs">API</a> · <a href="metrics">metrics</a></p>
<form id="form">
<label for="text">Text</label>
<textarea id="text" required autofocus placeholder="Type something to classify"></textarea>
<div class="actions">
<div class="key"><label for="key">API key, if the server asks for one</label><input id="key" type="password" autocomplete="off"></div>
<button id="ask" type="submit">Classify</button>
</div>
</form>
<p class="failure" id="failure" role="alert"></p>
<section id="answer" aria-live="polite" aria-label="Answer" hidden>
<ul class="scores" id="scores"></ul>
<p id="entities"></p>
<div class="figures">
${figure('level', 'level that answered')}
${figure('fill', 'of its pass was texts')}
${figure('time', 'there and back')}
</div>
</section>
<section aria-label="The server now">
<h2>Now</h2>
<div class="figures">
${figure('rate', 'texts per second')}
${figure('shared', 'texts per forward pass')}
${figure('depth', 'texts waiting')}
</div>
</section>
<section id="levels-table" class="wide" aria-label="Levels" hidden>
<h2>Levels</h2>
<table>
<thead><tr><th scope="col" class="words">level</th><th scope="col" class="words">model</th><th scope="col" class="numbers">texts per pass</th><th scope="col" class="numbers">accuracy</th></tr></thead>
<tbody id="levels"></tbody>
</table>
</section>
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

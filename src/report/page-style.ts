/** The style of a report page: follows light and dark, and narrow screens. */
import { PALETTE } from './palette.ts';

type Mode = 'light' | 'dark';

function variables(mode: Mode): string {
  return Object.entries(PALETTE)
    .map(([name, color]) => `--${name}:${color[mode]}`)
    .join(';');
}

export const PAGE_STYLE = `
:root{color-scheme:light dark;${variables('light')}}
@media (prefers-color-scheme: dark){:root{${variables('dark')}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:64rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;margin:0 0 .25rem}
h2{font-size:1.1rem;margin:2.25rem 0 .5rem}
p{margin:.25rem 0}
.quiet{color:var(--quiet);font-size:.9rem}
.figures{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem;margin:1rem 0}
.figures div{max-width:19rem;font-size:.85rem;color:var(--quiet)}
.figures b{display:block;font-size:1.7rem;line-height:1.2;color:var(--ink)}
figure{margin:1rem 0}
figcaption{font-size:.85rem;max-width:45rem}
svg{display:block;max-width:100%;height:auto}
.on-narrow{display:none}
@media (max-width: 44rem){.on-wide{display:none}.on-narrow{display:block}}
.wide{overflow-x:auto}
details{margin:1rem 0}
summary{cursor:pointer}
table{border-collapse:collapse;min-width:min(100%,30rem);font-size:.875rem}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
.words{text-align:left}
.numbers{text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{padding-left:0;position:sticky;left:0;background:var(--paper)}
th{font-weight:600;color:var(--quiet)}
tr.chosen td{font-weight:600}
tr.chosen td:first-child::after{content:" ●";color:var(--chosen)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:1.25rem}
.card h3{font-size:.95rem;margin:0 0 .3rem}
.structure .gone{fill:var(--line)}
.structure .heads,.key .heads{fill:var(--frontier);background:var(--frontier)}
.structure .units,.key .units{fill:var(--allowed);background:var(--allowed)}
.key i{display:inline-block;width:.7em;height:.7em;margin:0 .3em 0 .8em}
pre{padding:.75rem 1rem;overflow-x:auto;background:color-mix(in srgb,var(--line) 45%,transparent);border-radius:6px;font-size:.85rem}
h1,h2{line-height:1.25}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;font-size:.85rem;overflow-wrap:anywhere}
dt{color:var(--quiet)}
dd{margin:0}
@media (max-width: 30rem){dl{grid-template-columns:1fr}dd{margin:0 0 .4rem}th,td{padding:.35rem .45rem}}
`;

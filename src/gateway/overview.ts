/** What `GET /` says, as data and as a page. */

import manifest from '../../package.json' with { type: 'json' };
import type { FunctionInfo } from '../server/types.ts';

export interface Overview {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** A command that calls a function of this server (or deploys one, when there is none). */
  readonly example: string;
  /** Where there is more. */
  readonly links: Readonly<Record<'functions' | 'kv' | 'stats' | 'health' | 'readiness', string>>;
  readonly functions: readonly {
    readonly name: string;
    readonly url: string;
    readonly sizeBytes: number;
    readonly deployedAt: string;
  }[];
}

const LINKS: Overview['links'] = {
  functions: '/functions',
  kv: '/kv',
  stats: '/stats',
  health: '/healthz',
  readiness: '/readyz',
};

const HOST = /^[a-z0-9.-]+(?::\d+)?$|^\[[0-9a-f:.]+\](?::\d+)?$/i;

/** `host` is the name by which the client reached the server. */
export function overview(functions: readonly FunctionInfo[], host: string | undefined): Overview {
  // The example is for copying into a shell, so nothing but a plain host name may get into it.
  const origin = `http://${host !== undefined && HOST.test(host) ? host : '127.0.0.1:8080'}`;
  const sorted = [...functions].sort((a, b) => (a.name < b.name ? -1 : 1));
  const shown = sorted.find(({ name }) => name === 'hello') ?? sorted[0];
  return {
    name: 'jord',
    version: manifest.version,
    description: manifest.description,
    example:
      shown === undefined
        ? `npx jord deploy demo/hello.ts --server ${origin}`
        : `curl --data 'world' ${origin}/fn/${shown.name}`,
    links: LINKS,
    functions: sorted.map(({ name, sizeBytes, deployedAt }) => ({ name, url: `/fn/${name}`, sizeBytes, deployedAt })),
  };
}

/** Whether HTML is asked for more than JSON. `curl` and programs that take anything get JSON. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const ranges = accept.split(',').map(parseRange);
  return quality(ranges, 'text/html') > quality(ranges, 'application/json');
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  const value = weight === undefined ? 1 : Number(weight.slice(2));
  return { type, quality: value >= 0 && value <= 1 ? value : 0 };
}

/** Of the range that fits best (RFC 9110, 12.5.1); 0 when none does. */
function quality(ranges: readonly MediaRange[], type: string): number {
  const group = `${type.slice(0, type.indexOf('/'))}/*`;
  for (const wanted of [type, group, '*/*']) {
    const range = ranges.find((candidate) => candidate.type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

const STYLE = `
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem; }
  h1 { font-size: 1.6rem; margin: 0; }
  h1 small { font-size: 0.9rem; font-weight: normal; opacity: 0.65; }
  h2 { font-size: 1.05rem; margin: 2rem 0 0.5rem; }
  p { margin: 0.5rem 0; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: 0.4rem 0.75rem 0.4rem 0; border-bottom: 1px solid var(--line); }
  th { font-size: 0.85rem; font-weight: 600; opacity: 0.65; }
  .size { text-align: right; font-variant-numeric: tabular-nums; }
  td:last-child, th:last-child { padding-right: 0; }
  pre { border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem 1rem; overflow-x: auto; }
  code, pre { font: 0.9rem/1.5 ui-monospace, monospace; }`;

/**
 * A page of its own: no script, nothing loaded from elsewhere. `linksManagement` says that whoever sees it can follow links to what
 * managers may read, which a browser cannot when that takes a token.
 */
export function overviewPage(description: Overview, linksManagement: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>jord ${escapeHtml(description.version)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>jord <small>${escapeHtml(description.version)}</small></h1>
<p>${escapeHtml(description.description)}</p>
<h2>Try it</h2>
<pre>${escapeHtml(description.example)}</pre>
<h2>Functions</h2>
${functionTable(description.functions, linksManagement)}
<p>${linksManagement ? '<a href="/functions">/functions</a> has all details as JSON, <a href="/kv">/kv</a> the key spaces, <a href="/stats">/stats</a> says what the server does; ' : ''}<a href="/readyz">/readyz</a> says whether it is ready.</p>
</body>
</html>
`;
}

function functionTable(functions: Overview['functions'], linksManagement: boolean): string {
  if (functions.length === 0) return '<p>None is deployed yet.</p>';
  // A name does not link to the function itself: to open a page must not call one.
  const shown = (name: string): string =>
    linksManagement ? `<a href="/functions/${escapeHtml(name)}">${escapeHtml(name)}</a>` : escapeHtml(name);
  const rows = functions.map(
    ({ name, sizeBytes, deployedAt }) =>
      `<tr><td>${shown(name)}</td>` +
      `<td>${escapeHtml(deployedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))}</td>` +
      `<td class="size">${sizeBytes.toLocaleString('en')} B</td></tr>`,
  );
  return `<table>
<thead><tr><th>Name</th><th>Deployed</th><th class="size">Size</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** `jord list`, `jord inspect`, `jord remove`. */

import { formatBytes } from '../bytes.ts';
import type { FunctionInfo } from '../server/types.ts';
import { Client } from './client.ts';
import type { ServerOptions } from './options.ts';
import { printJson, printLine, table } from './output.ts';

export interface JsonOptions extends ServerOptions {
  readonly json?: boolean;
}

export async function list(options: JsonOptions): Promise<void> {
  const functions = await new Client(options).list();
  if (options.json === true) {
    printJson({ functions });
  } else if (functions.length === 0) {
    printLine('No function is deployed. Deploy one with `jord deploy hello.ts`.');
  } else {
    const rows = functions.map((info) => [
      info.name,
      info.version.slice(0, 12),
      formatBytes(info.sizeBytes),
      formatBytes(info.memoryLimitBytes),
      formatTime(info.deployedAt),
    ]);
    printLine(table([['NAME', 'VERSION', 'SIZE', 'MEMORY LIMIT', 'DEPLOYED'], ...rows], [2, 3]));
  }
}

export async function inspect(name: string, options: JsonOptions): Promise<void> {
  const client = new Client(options);
  const info = await client.inspect(name);
  if (options.json === true) printJson(info);
  else printLine(table(describe(info, client.invocationUrl(name))));
}

export async function remove(names: readonly string[], options: ServerOptions): Promise<void> {
  const client = new Client(options);
  for (const name of names) {
    await client.remove(name);
    printLine(`Removed ${name}.`);
  }
}

function describe(info: FunctionInfo, url: string): string[][] {
  return [
    ['name', info.name],
    ['url', url],
    ['version', info.version],
    ['deployed', formatTime(info.deployedAt)],
    ['size', `${formatBytes(info.sizeBytes)}, ${formatBytes(info.guardedSizeBytes)} with guards`],
    ['memory', `${formatBytes(info.memoryInitialBytes)} at first, ${formatBytes(info.memoryLimitBytes)} at most`],
    ['deadline', `${info.deadlineMs} ms`],
    ['concurrency', info.concurrency === null ? 'no limit' : `${info.concurrency} at most`],
    ['fetches from', info.fetchAllow.length === 0 ? 'nowhere' : info.fetchAllow.join(', ')],
    ['key spaces', info.kv.length === 0 ? 'none' : info.kv.join(', ')],
    ['homes', String(info.homes)],
    ['imports', info.imports.length === 0 ? 'none' : info.imports.join(', ')],
    ['deploy time', `${info.deployMs.toFixed(1)} ms`],
  ];
}

/** ISO 8601 to the second, in UTC. */
function formatTime(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z');
}

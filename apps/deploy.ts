/**
 * Deploys applications with their data. As a program, to a server that runs:
 *
 *     npm run apps -- boutique hotel
 *     npm run apps -- boutique --server http://127.0.0.1:8080 --seed 7
 *
 * A server that is managed with a token wants it in JORD_TOKEN.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from '../src/cli/client.ts';
import { KvClient } from '../src/cli/kv-client.ts';
import type { Jord } from '../src/jord.ts';
import type { Application, ApplicationEntry, ApplicationFunction, ApplicationSpace, DataSet } from './application.ts';
import { modulesOf } from './modules.ts';

/** Where an application is deployed to. */
export interface Target {
  createSpace(space: ApplicationSpace): Promise<unknown>;
  deploy(fn: ApplicationFunction, module: Uint8Array): Promise<unknown>;
  /** Puts entries, in any order. */
  load(entries: Iterable<ApplicationEntry>): Promise<unknown>;
}

export const DEFAULT_SEED = 1;

/** What of an import is sent at once, before base64. */
const PART_BYTES = 2 * 1024 * 1024;

/** Creates the spaces, loads the data set and deploys the functions, those that are there already anew. */
export async function deployApplication(
  target: Target,
  application: Application,
  dataSet: DataSet,
  report?: (line: string) => void,
): Promise<void> {
  const modules = await modulesOf(application, report);
  for (const space of application.spaces) await target.createSpace(space);
  await target.load(dataSet.entries());
  for (const fn of application.functions) {
    const module = modules.get(fn.name);
    if (module !== undefined) await target.deploy(fn, module);
  }
}

/** A server in this process. */
export function localTarget(jord: Pick<Jord, 'deploy' | 'kv'>): Target {
  return {
    createSpace: ({ name, options }) => jord.kv.create(name, options),
    deploy: ({ name, kv }, module) => jord.deploy(name, module, { kv }),
    load: async (entries) => {
      for (const { space, key, value } of entries) await jord.kv.put(space, key, value);
    },
  };
}

/** A server that is reached over HTTP. `token` is that of its managers, if it has one. */
export function remoteTarget(server: string, token?: string): Target {
  const client = new Client(token === undefined ? { server } : { server, token });
  const kv = new KvClient(client);
  return {
    createSpace: ({ name, options }) => kv.create(name, options),
    deploy: (fn, module) => client.deploy(fn.name, new Uint8Array(module), { kv: fn.kv }),
    load: async (entries) => {
      const parts = new Map<string, { lines: string[]; bytes: number }>();
      for (const { space, key, value } of entries) {
        const part = parts.get(space) ?? { lines: [], bytes: 0 };
        part.lines.push(JSON.stringify({ keyBase64: toBase64(key), valueBase64: toBase64(value) }));
        part.bytes += key.length + value.length;
        parts.set(space, part);
        if (part.bytes < PART_BYTES) continue;
        await kv.import(space, linesOf(part.lines));
        parts.delete(space);
      }
      for (const [space, { lines }] of parts) await kv.import(space, linesOf(lines));
    },
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function linesOf(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${lines.join('\n')}\n`);
}

/** The names of all applications: the folders here that have one. */
export async function applicationNames(): Promise<readonly string[]> {
  const folders = await readdir(import.meta.dirname, { withFileTypes: true });
  const has = await Promise.all(
    folders.map(async (entry) => {
      if (!entry.isDirectory()) return false;
      return (await readdir(join(entry.parentPath, entry.name))).includes('application.ts');
    }),
  );
  return folders.filter((_, index) => has[index]).map(({ name }) => name);
}

/** Throws RangeError when there is none of this name. */
export async function applicationOf(name: string): Promise<Application> {
  const names = await applicationNames();
  if (!names.includes(name)) throw new RangeError(`There is no application "${name}". There are ${names.join(', ')}.`);
  const { application } = (await import(`./${name}/application.ts`)) as { application: Application };
  return application;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      server: { type: 'string', default: 'http://127.0.0.1:8080' },
      seed: { type: 'string', default: String(DEFAULT_SEED) },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed)) throw new RangeError('--seed must be a whole number.');
  if (positionals.length === 0) throw new RangeError(`Name one or more of ${(await applicationNames()).join(', ')}.`);
  const report = (line: string): void => console.log(line);
  for (const name of positionals) {
    const application = await applicationOf(name);
    const target = remoteTarget(values.server, process.env['JORD_TOKEN']);
    await deployApplication(target, application, application.dataSet(seed), report);
    report(`deployed ${application.functions.map((fn) => fn.name).join(', ')}`);
  }
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}

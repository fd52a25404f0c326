/** `jord deploy`: a module, or a source that is compiled first, to a server. */

import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { formatBytes } from '../bytes.ts';
import { JordError } from '../errors.ts';
import type { Runtime } from '../functions/compile.ts';
import { parseKvRight } from '../functions/kv-rights.ts';
import { checkFunctionName, isFunctionName } from '../functions/name.ts';
import type { FunctionInfo } from '../server/types.ts';
import { Client } from './client.ts';
import { readInput } from './input.ts';
import { KvClient } from './kv-client.ts';
import type { ServerOptions } from './options.ts';
import { printJson, printLine } from './output.ts';

export interface DeployCommandOptions extends ServerOptions {
  readonly name?: string;
  readonly memoryLimit?: number;
  readonly deadlineMs?: number;
  readonly concurrency?: number;
  readonly fetchAllow?: readonly string[];
  readonly kv?: readonly string[];
  readonly runtime?: Runtime;
  readonly json?: boolean;
}

export async function deploy(path: string, options: DeployCommandOptions): Promise<void> {
  const name = options.name ?? nameOf(path);
  checkFunctionName(name);
  const module = await readModule(path, options.runtime);
  const client = new Client(options);
  const before = await find(client, name);
  const newSpaces = await spacesToCreate(client, options.kv ?? []);
  const info = await client.deploy(name, module, {
    memory_limit_bytes: options.memoryLimit,
    deadline_ms: options.deadlineMs,
    concurrency: options.concurrency,
    fetch_allow: options.fetchAllow,
    kv: options.kv,
  });
  if (options.json === true) {
    printJson(info);
    return;
  }
  printLine(
    `${whatWasDone(before, info)}, version ${info.version.slice(0, 12)}: ${formatBytes(info.sizeBytes)}, ready in ${info.deployMs.toFixed(1)} ms.`,
  );
  for (const space of newSpaces) printLine(`The key space ${space} is new: it is empty, and in memory.`);
  printLine(`Try:  curl --data 'world' ${client.invocationUrl(name)}`);
}

async function find(client: Client, name: string): Promise<FunctionInfo | undefined> {
  try {
    return await client.inspect(name);
  } catch (error) {
    if (error instanceof JordError && error.code === 'FUNCTION_UNKNOWN') return undefined;
    throw error;
  }
}

/** A misspelt name makes a space that nobody wants. */
async function spacesToCreate(client: Client, kv: readonly string[]): Promise<readonly string[]> {
  if (kv.length === 0) return [];
  const there = (await new KvClient(client).spaces()).map(({ name }) => name);
  return kv.map((entry) => parseKvRight(entry).space).filter((space) => !there.includes(space));
}

function whatWasDone(before: FunctionInfo | undefined, info: FunctionInfo): string {
  if (before === undefined) return `Deployed ${info.name}`;
  return isDeepStrictEqual(deployedAs(before), deployedAs(info))
    ? `Deployed ${info.name} again, unchanged`
    : `Replaced ${info.name}`;
}

/** What a deploy decides. */
function deployedAs({ version, memoryLimitBytes, deadlineMs, concurrency, fetchAllow, kv }: FunctionInfo): unknown {
  return { version, memoryLimitBytes, deadlineMs, concurrency, fetchAllow, kv };
}

/** The file's name without its extension. */
function nameOf(path: string): string {
  const name = basename(path).replace(/\.(?:wasm|ts)$/, '');
  if (isFunctionName(name)) return name;
  throw new JordError(
    'FUNCTION_NAME_INVALID',
    `${JSON.stringify(name)}, from the name of the file, cannot be the name of a function. Give one with --name.`,
  );
}

async function readModule(path: string, runtime: Runtime | undefined): Promise<Uint8Array<ArrayBuffer>> {
  if (path.endsWith('.ts')) {
    await readInput(path);
    if (process.stderr.isTTY) process.stderr.write(`compiling ${path} …\n`);
    const { compileSource } = await import('../functions/compile.ts');
    return compileSource(path, runtime === undefined ? {} : { runtime });
  }
  if (runtime !== undefined) throw new JordError('BAD_OPTION', '--runtime is for AssemblyScript sources (.ts).');
  if (path.endsWith('.wasm')) return readInput(path);
  if (path.endsWith('.wat')) {
    throw new JordError('BAD_OPTION', `${path} is WebAssembly text. Assemble it first, with wat2wasm.`);
  }
  const message = `${path} is neither a WebAssembly module (.wasm) nor an AssemblyScript source (.ts).`;
  throw new JordError('BAD_OPTION', message);
}

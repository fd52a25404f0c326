/** Runs `jord` commands in processes of their own. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, 'main.ts');

/** So that not each process compiles the same sources again: that is half of what a short command takes. */
const COMPILED = mkdtempSync(join(tmpdir(), 'jord-compiled-'));
process.on('exit', () => rmSync(COMPILED, { recursive: true, force: true }));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Variables of the machine that runs the tests must not change what they see. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => name !== 'PORT' && !name.startsWith('JORD_'));
  return { ...Object.fromEntries(clean), NODE_COMPILE_CACHE: COMPILED, ...more };
}

/** Starts a command. */
export function spawnJord(
  parameters: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [MAIN, ...parameters], { env: environment(env) });
}

/** Runs a command to its end. */
export async function jord(parameters: readonly string[], { stdin = '', env = {} }: RunOptions = {}): Promise<Run> {
  const child = spawnJord(parameters, env);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // A command that does not read its input may be gone before all of it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A `jord serve` on a free port. */
export interface Served {
  readonly url: string;
  /** All that it has printed on standard output so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Sends the signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** Resolves once it says where it listens; rejects with what it says when it ends before. It ends with the test. */
export async function startServe(
  t: TestContext,
  parameters: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const child = spawnJord(['serve', '--port', '0', ...parameters], env);
  // A test that fails must not leave it running.
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const listening = /(http:\/\/\S+) \([^\n]*\n[^\n]+\n/.exec(stdout)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    void closed.then(([code]) => reject(new Error(`serve ended with ${code}: ${stderr}`)));
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return (await closed)[0];
  };
  return { url, stdout: () => stdout, stderr: () => stderr, stop };
}

/** docs/sdk-assemblyscript.md and docs/kv.md: their functions compile, and answer what they say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileSource } from '../../src/functions/compile.ts';
import type { WorkerServer } from '../../src/server/types.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const pages = ['sdk-assemblyscript', 'kv'].map((name) => readFile(join(ROOT, 'docs', `${name}.md`), 'utf8'));
const text = (await Promise.all(pages)).join('\n');
const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
  language,
  code,
}));

/** The commands of the pages, each with what it prints. */
const commands = blocks
  .filter(({ language }) => language === 'console')
  .flatMap(({ code }) => [...code.matchAll(/^\$ (.*)\n((?:[^$].*\n)*)/gm)])
  .map(([, command = '', printed = '']) => ({ words: toWords(command), printed }));

/** Where the examples expect a server. */
const ORIGIN = 'http://127.0.0.1:8080';
/** Where there is one. */
let origin: string;
const http = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
});
let folder: string;
let server: WorkerServer;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jord-docs-'));
  server = await startWorkerServer({ dataFolder: join(folder, 'data') });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
after(async () => {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('the functions compile', async () => {
  const functions: string[] = [];
  for (const { code } of blocks.filter(({ language }) => language === 'ts')) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? assert.fail(`a block does not begin with its name:\n${code}`);
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, code.replaceAll(ORIGIN, origin));
    if (code.includes('export function handle(')) functions.push(file);
  }
  assert.ok(functions.length >= 19);
  for (const { words } of commands) {
    const [command, ...what] = words.slice(1);
    if (command === 'kv' && what[0] === 'create')
      await server.kv.create(what[1] ?? '', { durable: what.includes('--durable') });
  }
  for (const file of functions) {
    const name = basename(file, '.ts');
    const deploy = commands.find(({ words }) => words[1] === 'deploy' && words[2] === `${name}.ts`);
    const allowed = option(deploy?.words ?? [], '--fetch-allow')?.replace(ORIGIN, origin);
    const kv = deploy?.words.filter((_, index, words) => words[index - 1] === '--kv') ?? [];
    const options = allowed === undefined ? { kv } : { kv, fetchAllow: [allowed] };
    await server.deploy(name, await compileSource(file), options);
  }
});

test('they answer as it says', async () => {
  let calls = 0;
  for (const { words, printed } of commands) {
    if (words[0] !== 'curl') continue;
    const body = await invoke(toRequest(words));
    // A line feed at the end, as a terminal shows it.
    assert.equal(`${new TextDecoder().decode(body).replace(/\n$/, '')}\n`, printed, words.join(' '));
    calls++;
  }
  assert.ok(calls >= 30);
});

function toWords(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

function option(words: readonly string[], name: string): string | undefined {
  return words.includes(name) ? words[words.indexOf(name) + 1] : undefined;
}

interface FunctionRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: Uint8Array;
}

function toRequest(words: readonly string[]): FunctionRequest {
  const body = new TextEncoder().encode(option(words, '-d') ?? '');
  return requestOf(new URL(words.at(-1) ?? ''), option(words, '-X') ?? 'POST', body);
}

function requestOf(url: URL, method: string, body: Uint8Array): FunctionRequest {
  const [, name = '', path = ''] = /^\/fn\/([^/]+)(.*)$/.exec(url.pathname) ?? assert.fail(url.href);
  return { name, method, path, query: url.search.slice(1), body };
}

async function invoke(request: FunctionRequest, response?: ServerResponse): Promise<Uint8Array> {
  const { name, method, path, query, body } = request;
  const result = await server.invoke(name, body, { http: { method, path, query, headers: [] } });
  response?.writeHead(result.status ?? 200);
  return result.body;
}

/** What functions that ask this server get. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray());
  const url = new URL(request.url ?? '', origin);
  response.end(await invoke(requestOf(url, request.method ?? '', body), response));
}

test('editors find no errors in the SDK and the demo', () => {
  const compiler = join(ROOT, 'node_modules/typescript/lib/tsc.js');
  for (const project of ['sdk/assemblyscript', 'demo']) {
    const { stdout, error } = spawnSync(process.execPath, [compiler, '--project', project], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(error, undefined);
    assert.match(stdout, /^(?:$|\S+ error TS)/);
    // AssemblyScript's own library has decorators that TypeScript does not know.
    const errors = stdout.split('\n').filter((line) => line.includes('error TS') && !/^\S*\bnode_modules\//.test(line));
    assert.deepEqual(errors, []);
  }
});

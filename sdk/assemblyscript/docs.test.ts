/** docs/sdk-assemblyscript.md: its functions compile, and answer what it says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileSource } from '../../src/functions/compile.ts';
import type { WorkerServer } from '../../src/server/types.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const text = await readFile(join(ROOT, 'docs/sdk-assemblyscript.md'), 'utf8');
const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
  language,
  code,
}));

let folder: string;
let server: WorkerServer;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jord-docs-'));
  server = await startWorkerServer({ executors: 0 });
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('the functions compile', async () => {
  const functions: string[] = [];
  for (const { code } of blocks.filter(({ language }) => language === 'ts')) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? assert.fail(`a block does not begin with its name:\n${code}`);
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, code);
    if (code.includes('export function handle(')) functions.push(file);
  }
  assert.ok(functions.length >= 10);
  for (const file of functions) await server.deploy(basename(file, '.ts'), await compileSource(file));
});

test('they answer as it says', async () => {
  let calls = 0;
  for (const { code } of blocks.filter(({ language }) => language === 'console')) {
    for (const [, command = '', expected] of code.matchAll(/^\$ (.*)\n((?:[^$].*\n)*)/gm)) {
      if (!command.startsWith('curl ')) continue;
      assert.equal(await run(command), expected, command);
      calls++;
    }
  }
  assert.ok(calls >= 12);
});

/** What `curl` of the examples prints, with a line feed at the end as a terminal shows it. */
async function run(command: string): Promise<string> {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const option = (name: string): string | undefined =>
    words.includes(name) ? words[words.indexOf(name) + 1] : undefined;
  const url = new URL(words.at(-1) ?? '');
  const [, name = '', path = ''] = /^\/fn\/([^/]+)(.*)$/.exec(url.pathname) ?? assert.fail(command);
  const http = { method: option('-X') ?? 'POST', path, query: url.search.slice(1), headers: [] };
  const { body } = await server.invoke(name, new TextEncoder().encode(option('-d') ?? ''), { http });
  return `${new TextDecoder().decode(body).replace(/\n$/, '')}\n`;
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
    const errors = stdout.split('\n').filter((line) => line.includes('error TS') && !line.startsWith('node_modules/'));
    assert.deepEqual(errors, []);
  }
});

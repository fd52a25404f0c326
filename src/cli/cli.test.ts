import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JordError } from '../errors.ts';
import { serve } from '../gateway/gateway.fixture.ts';
import { type Behaviour, EMPTY_MODULE, MemoryWorker } from '../gateway/memory-worker.fixture.ts';
import type { FunctionInfo, HttpRequest, ServerStats } from '../server/types.ts';
import { jord, type Run, type RunOptions } from './cli.fixture.ts';
import { run as runInside } from './program.ts';

/** A gateway over these functions, and commands that talk to it. */
async function start(
  t: TestContext,
  behaviours: Readonly<Record<string, Behaviour>> = {},
  token?: string,
): Promise<{
  readonly url: string;
  readonly run: (parameters: readonly string[], options?: RunOptions) => Promise<Run>;
}> {
  const { url } = await serve(t, new MemoryWorker(behaviours), token === undefined ? {} : { token });
  return {
    url,
    run: (parameters, options = {}) => jord(parameters, { ...options, env: { JORD_URL: url, ...options.env } }),
  };
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const echo: Behaviour = (body) => ({ body });

test('help and version', async () => {
  const help = await jord(['--help']);
  assert.equal(help.code, 0);
  for (const command of ['serve', 'deploy', 'invoke', 'list', 'inspect', 'remove', 'stats'])
    assert.ok(help.stdout.includes(`  ${command}`));
  assert.match(help.stdout, /Examples:[\s\S]+Exit codes:/);
  assert.match((await jord(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('wrong usage is told on standard error, with exit code 2', async () => {
  const { code, stdout, stderr } = await jord(['sevre']);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^jord: unknown command 'sevre'\n/);
});

test('variables of the environment are checked like options, and empty ones count as not set', async () => {
  const wrong = await jord(['serve'], { env: { PORT: 'http' } });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^jord: .*'http' from env 'PORT' is invalid/);
  const empty = await jord(['list', '--server', 'http://127.0.0.1:1'], { env: { JORD_TOKEN: '' } });
  assert.equal(empty.code, 6);
});

test('deploy, list, inspect, invoke, remove', async (t) => {
  const { url, run } = await start(t);
  const file = join(temporaryFolder(t), 'my-function.wasm');
  writeFileSync(file, EMPTY_MODULE);
  assert.match((await run(['list'])).stdout, /^No function is deployed/);

  const deployed = await run(['deploy', file, '--memory-limit', '128KiB', '--deadline-ms', '250']);
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.match(deployed.stdout, /^Deployed my-function, version [0-9a-f]{12}: 8 B, ready in [\d.]+ ms\.\n/);
  assert.ok(deployed.stdout.includes(`curl --data 'world' ${url}/fn/my-function\n`));
  const unchanged = await run(['deploy', file, '--memory-limit', '128KiB', '--deadline-ms', '250']);
  assert.match(unchanged.stdout, /^Deployed my-function again, unchanged, version /);
  writeFileSync(file, Buffer.concat([EMPTY_MODULE, Buffer.of(0, 2, 1, 0x78)]));
  const replaced = await run(['deploy', file, '--memory-limit', '128KiB', '--deadline-ms', '250']);
  assert.match(replaced.stdout, /^Replaced my-function, version [0-9a-f]{12}: 12 B/);
  const other = await run(['deploy', file, '--name', 'other', '--json']);
  assert.equal((JSON.parse(other.stdout) as FunctionInfo).name, 'other');

  const { stdout: table } = await run(['list']);
  assert.match(
    table,
    /^NAME +VERSION +SIZE +MEMORY LIMIT +DEPLOYED\nmy-function +[0-9a-f]{12} +12 B +128 KiB +\d{4}-[^\n]+Z\nother /,
  );
  const { functions } = JSON.parse((await run(['ls', '--json'])).stdout) as { functions: readonly FunctionInfo[] };
  assert.deepEqual(
    functions.map(({ name, memoryLimitBytes, deadlineMs }) => [name, memoryLimitBytes, deadlineMs]),
    [
      ['my-function', 131072, 250],
      ['other', 1048576, 10_000],
    ],
  );
  const inspected = await run(['inspect', 'my-function']);
  assert.match(inspected.stdout, /^name +my-function\nurl +http/);
  assert.match(inspected.stdout, /^deadline +250 ms$/m);
  assert.match(inspected.stdout, /^concurrency +no limit$/m);
  assert.match(inspected.stdout, /^fetches from +nowhere$/m);
  assert.deepEqual(JSON.parse((await run(['inspect', 'my-function', '--json'])).stdout), functions[0]);

  assert.equal((await run(['invoke', 'my-function', '--data', 'x'])).stdout, 'x');
  const removed = await run(['remove', 'my-function', 'other']);
  assert.equal(removed.stdout, 'Removed my-function.\nRemoved other.\n');
  for (const command of ['inspect', 'rm', 'invoke']) {
    let stderr = '';
    const code = await runInside(
      [command, 'other', '--server', url, ...(command === 'invoke' ? ['-d', ''] : [])],
      (text) => {
        stderr += text;
      },
    );
    assert.equal(code, 4);
    assert.equal(
      stderr,
      'jord: No function "other" is deployed. GET /functions or `jord list` shows those that are.\n',
    );
  }
});

test('deploy: how many may run at once, and where it may fetch from', async (t) => {
  const { run } = await start(t);
  const file = join(temporaryFolder(t), 'limited.wasm');
  writeFileSync(file, EMPTY_MODULE);
  const origins = ['--fetch-allow', 'https://*.Example.com:8443', '--fetch-allow', 'http://[::1]'];
  assert.match((await run(['deploy', file, '--concurrency', '7', ...origins])).stdout, /^Deployed limited, /);
  const { stdout } = await run(['inspect', 'limited']);
  assert.match(stdout, /^concurrency +7 at most$/m);
  assert.match(stdout, /^fetches from +https:\/\/\*\.example\.com:8443, http:\/\/\[::1\]$/m);
  assert.match((await run(['deploy', file, '--concurrency', '8', ...origins])).stdout, /^Replaced limited, /);
  assert.match((await run(['deploy', file, '--concurrency', '8'])).stdout, /^Replaced limited, /);
  assert.match((await run(['deploy', file, '--concurrency', '8'])).stdout, /^Deployed limited again, unchanged/);
});

test('stats', async (t) => {
  const { run } = await start(t, { echo });
  await run(['invoke', 'echo', '-d', 'x']);
  const { stdout } = await run(['stats']);
  assert.match(stdout, /^FUNCTION .*\necho +1 +0 .* none\n\nEXECUTOR .*\n0 +parked .*\n\nup +[\d.]+ s\n/);
  const { functions } = JSON.parse((await run(['stats', '--json'])).stdout) as ServerStats;
  assert.deepEqual(
    functions.map(({ name, invocations }) => [name, invocations]),
    [['echo', 1]],
  );
});

test('what the server refuses', async (t) => {
  const { run } = await start(t);
  const file = join(temporaryFolder(t), 'text.wasm');
  writeFileSync(file, 'this is not WebAssembly');
  const refused = await run(['deploy', file]);
  assert.equal(refused.code, 3);
  assert.match(
    refused.stderr,
    /^jord: The body does not begin as a WebAssembly module does\. Is it a source\?[^\n]+\n$/,
  );
});

test('invoke: the body from everywhere, the response as it is', async (t) => {
  const { run } = await start(t, { echo });
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  const file = join(temporaryFolder(t), 'body');
  writeFileSync(file, bytes);
  const raw = bytes.toString('latin1');
  const cases = [
    [['--data-file', '-'], bytes, raw],
    [['-f', file], 'not this', raw],
    [['-d', 'ä'], 'not this', Buffer.from('ä').toString('latin1')],
    [['-d', ''], 'not this', ''],
    [[], Buffer.alloc(3_000_000, 'x'), 'x'.repeat(3_000_000)],
  ] as const;
  const check = async ([parameters, stdin, expected]: (typeof cases)[number]): Promise<void> => {
    assert.ok((await run(['invoke', 'echo', ...parameters], { stdin })).stdout === expected, parameters.join(' '));
  };
  await Promise.all(cases.map(check));
});

test('invoke: method, path, query, fields and type', async (t) => {
  const mirror: Behaviour = (_body, { http }) => {
    const { method, path, query, headers } = http as HttpRequest;
    return {
      body: Buffer.from(JSON.stringify({ method, path, query, headers })),
      status: 201,
      headers: [['x-answer', 'yes']],
    };
  };
  const { run } = await start(t, { mirror }, 's3cret');
  const parameters = [
    '-X',
    'patch',
    '--path',
    'a%20b?c=d',
    '-t',
    'text/x',
    '-H',
    'X-One: 1',
    '-H',
    'Authorization: Bearer mine',
  ];
  const { code, stdout } = await run(['invoke', 'mirror', ...parameters, '--include'], {
    env: { JORD_TOKEN: 's3cret' },
  });
  assert.equal(code, 0);
  const [head = '', body = ''] = stdout.split('\n\n');
  assert.match(head, /^201 Created\n/);
  assert.match(head, /^x-answer: yes$/m);
  const seen = JSON.parse(body) as HttpRequest;
  assert.deepEqual([seen.method, seen.path, seen.query], ['PATCH', '/a%20b', 'c=d']);
  const fields = new Map(seen.headers);
  assert.equal(fields.get('content-type'), 'text/x');
  assert.equal(fields.get('x-one'), '1');
  assert.equal(fields.get('authorization'), 'Bearer mine');
  const get = await run(['invoke', 'mirror', '--method', 'GET']);
  assert.equal((JSON.parse(get.stdout) as HttpRequest).method, 'GET');
});

test('invoke: a fault is told on standard error, and nothing on standard output', async (t) => {
  const details = {
    function: 'faulty',
    fault: 'memory-access',
    reason: 'r',
    address: '0x10',
    access: 'write',
    sizeBytes: 8,
    backtrace: ['store', 'handle'],
  };
  const { run } = await start(t, {
    faulty: () => {
      throw new JordError('FUNCTION_FAULT', 'faulty failed: r.', details);
    },
  });
  const head = await run(['invoke', 'faulty', '-X', 'HEAD']);
  assert.deepEqual([head.code, head.stderr], [5, 'jord: The function failed.\n']);
  const { code, stdout, stderr } = await run(['invoke', 'faulty']);
  assert.equal(code, 5);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^jord: faulty failed: r\.\n +fault +memory-access\n +access +write of 8 bytes at 0x10\n +backtrace +store\n +handle\n$/,
  );
});

test('invoke: a deadline, and what comes of it', async (t) => {
  const { run } = await start(t, {
    slow: (_body, { deadlineMs }) => {
      const details = { function: 'slow', fault: 'deadline', reason: `${deadlineMs}`, backtrace: ['spin at 0x10'] };
      throw new JordError('DEADLINE_EXCEEDED', `slow did not end within ${deadlineMs} ms.`, details);
    },
  });
  const { code, stdout, stderr } = await run(['invoke', 'slow', '--deadline-ms', '250']);
  assert.equal(code, 5);
  assert.equal(stdout, '');
  assert.match(stderr, /^jord: slow did not end within 250 ms\.\n +fault +deadline\n +backtrace +spin at 0x10\n$/);
});
const FORGED = '{"type":"urn:jord:error:FUNCTION_FAULT","detail":"\\u001b[2J","code":"FUNCTION_FAULT"}';

test('invoke: an error status of the function is its response, with exit code 5', async (t) => {
  const { run } = await start(t, {
    picky: () => ({ body: Buffer.from('no such item'), status: 404 }),
    problem: () => ({
      body: Buffer.from('{"code":"X"}'),
      status: 400,
      headers: [['content-type', 'application/problem+json']],
    }),
    // As the server writes it, and with what a terminal would obey.
    forged: () => ({
      body: Buffer.from(FORGED),
      status: 502,
      headers: [
        ['content-type', 'application/problem+json'],
        ['jord-error', 'FUNCTION_FAULT'],
        ['x-title', '\x9b2J'],
      ],
    }),
    moved: () => ({ body: Buffer.from('over there'), status: 302, headers: [['location', 'http://127.0.0.1:1/']] }),
  });
  const picky = await run(['invoke', 'picky']);
  assert.deepEqual([picky.code, picky.stdout], [5, 'no such item']);
  assert.equal(picky.stderr, 'jord: The function answered with status 404.\n');
  const problem = await run(['invoke', 'problem']);
  assert.deepEqual([problem.code, problem.stdout], [5, '{"code":"X"}']);
  const forged = await run(['invoke', 'forged', '--include']);
  assert.equal(forged.code, 5);
  assert.ok(forged.stdout.startsWith('502 Bad Gateway\n') && forged.stdout.endsWith(`\n\n${FORGED}`));
  assert.match(forged.stdout, /^x-title: \\u009b2J$/m);
  assert.equal(forged.stderr, 'jord: The function answered with status 502.\n');
  const moved = await run(['invoke', 'moved']);
  assert.deepEqual([moved.code, moved.stdout], [0, 'over there']);
});

test('a token', async (t) => {
  const { run } = await start(t, { echo }, 's3cret');
  const without = await run(['list']);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /is missing\.\n +Give the token of the server with --token or JORD_TOKEN/);
  assert.equal((await run(['list', '--token', 's3cret'], { env: { JORD_TOKEN: 'wrong' } })).code, 0);
  assert.equal((await run(['list'], { env: { JORD_TOKEN: 's3cret' } })).code, 0);
});

test('no server, and a server that is something else', async (t) => {
  const nobody = await jord(['list', '--server', 'http://127.0.0.1:9']);
  assert.equal(nobody.code, 6);
  assert.match(
    nobody.stderr,
    /^jord: No server answers at http:\/\/127\.0\.0\.1:9: .+\n +Start a server with `jord serve`/,
  );
  const other = createServer((_request, response) => response.end('<h1>It works!</h1>')).listen(0, '127.0.0.1');
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const stranger = await jord(['list', '--server', `http://127.0.0.1:${port}`]);
  assert.equal(stranger.code, 6);
  assert.match(stranger.stderr, /is not a Jord server/);
  let stderr = '';
  const code = await runInside(['list', '--server', `https://127.0.0.1:${port}`], (text) => {
    stderr += text;
  });
  assert.equal(code, 6);
  assert.match(stderr, /^jord: No server answers at https:\S+: it does not speak TLS; use an http:\/\/ address\.\n/);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { jord, spawnJord, startServe } from './cli.fixture.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-serve-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Exports `handle`, which returns 0: an empty response. */
const NOTHING = Buffer.from(
  '0061736d01000000010701' +
    '60027f7f017f' +
    '0302' +
    '0100' +
    '070a01' +
    '0668616e646c650000' +
    '0a0601' +
    '0400' +
    '4100' +
    '0b',
  'hex',
);

test('serves until it is told to stop, and has its functions again after a restart', async (t) => {
  const folder = temporaryFolder(t);
  const first = await startServe(t, ['--data', folder]);
  const env = { JORD_URL: first.url };
  assert.match(first.stdout(), /^jord \d+\.\d+\.\d+ serves 0 functions at http:\/\/127\.0\.0\.1:\d+ \(kept in /);
  const file = join(folder, 'nothing.wasm');
  writeFileSync(file, NOTHING);
  const deployed = await jord(['deploy', file], { env });
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.deepEqual(await jord(['invoke', 'nothing', '-d', 'x'], { env }), { code: 0, stdout: '', stderr: '' });
  assert.equal((await fetch(`${first.url}/readyz`)).status, 200);
  assert.equal(await first.stop('SIGTERM'), 0);

  const second = await startServe(t, [], { JORD_DATA: folder });
  assert.match(second.stdout(), /serves 1 function at/);
  assert.ok(second.stdout().includes(`curl --data 'world' ${second.url}/fn/nothing`));
  assert.equal((await fetch(`${second.url}/fn/nothing`, { method: 'POST', body: 'world' })).status, 200);
  assert.equal(await second.stop('SIGINT'), 0);
});

test('what keeps it from starting is told in one line', async (t) => {
  const folder = temporaryFolder(t);
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const busy = await jord(['serve', '--data', folder, '--port', String(port)]);
  assert.equal(busy.code, 6);
  assert.match(
    busy.stderr,
    /^jord: Cannot listen at 127\.0\.0\.1 port \d+: the port is in use\. Choose another one with --port[^\n]*\n$/,
  );

  writeFileSync(join(folder, 'file'), '');
  const unwritable = await jord(['serve', '--port', '0', '--data', join(folder, 'file')]);
  assert.equal(unwritable.code, 3);
  assert.match(unwritable.stderr, /^jord: Cannot make the function store \S+file: [^\n]+\n$/);

  const address = await jord(['serve', '--data', folder, '--port', '0', '--host', '192.0.2.1']);
  assert.equal(address.code, 6);
  assert.match(address.stderr, /^jord: Cannot listen at 192\.0\.2\.1 port 0: [^\n]+\n$/);

  const server = await startServe(t, ['--data', folder]);
  const second = await jord(['serve', '--port', '0', '--data', folder]);
  assert.equal(second.code, 6);
  assert.match(second.stderr, /^jord: Another server \(process \d+\) uses the function store [^\n]+\n$/);
  assert.equal(await server.stop(), 0);
});

test('serves on when nobody reads what it prints and logs any more', async (t) => {
  const port = await freePort();
  const options = ['--data', temporaryFolder(t), '--port', String(port), '--access-log'];
  const child = spawnJord(['serve', ...options]);
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close');
  // Before it has printed anything.
  child.stdout.destroy();
  child.stderr.destroy();
  const answers = async (): Promise<boolean> => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    return response?.status === 200;
  };
  while (child.exitCode === null && !(await answers())) await delay(50);
  for (let request = 0; request < 3; request += 1) assert.ok(await answers());
  child.kill('SIGTERM');
  assert.deepEqual(await closed, [0, null]);
});

test('limits, token and logs are what the options say', async (t) => {
  const options = [
    '--data',
    temporaryFolder(t),
    '--body-limit',
    '1KiB',
    '--token',
    's3cret',
    '--access-log',
    '--log-format',
    'json',
  ];
  const server = await startServe(t, options);
  assert.equal((await fetch(`${server.url}/functions`)).status, 401);
  const headers = { authorization: 'Bearer s3cret' };
  assert.equal((await fetch(`${server.url}/functions/a`, { method: 'PUT', headers, body: NOTHING })).status, 201);
  assert.equal((await fetch(`${server.url}/fn/a`, { method: 'POST', body: 'x'.repeat(1024) })).status, 200);
  assert.equal((await fetch(`${server.url}/fn/a`, { method: 'POST', body: 'x'.repeat(1025) })).status, 413);
  assert.equal(await server.stop(), 0);
  const messages = server
    .stderr()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { message: string }).message.replace(/ in [\d.]+ ms$/, ''));
  assert.deepEqual(messages, [
    'GET /functions 401',
    'PUT /functions/a 201',
    'POST /fn/a 200',
    'POST /fn/a 413',
    'stopping',
    'stopped, every invocation has finished',
  ]);
});

test('a damaged store is reported, and the server serves the rest', async (t) => {
  const folder = temporaryFolder(t);
  const first = await startServe(t, ['--data', folder]);
  for (const name of ['whole', 'broken'])
    await fetch(`${first.url}/functions/${name}`, { method: 'PUT', body: NOTHING });
  await first.stop();
  writeFileSync(join(folder, 'functions', 'broken.json'), '{');
  const second = await startServe(t, ['--data', folder]);
  assert.match(second.stdout(), /serves 1 function at/);
  assert.match(second.stderr(), /"level":"error".*The record of \\"broken\\" is damaged/);
  assert.equal((await fetch(`${second.url}/fn/whole`, { method: 'POST' })).status, 200);
  await second.stop();
});

/** A connection on which a request arrives for ever. */
async function endlessRequest(t: TestContext, url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('PUT /functions/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n');
  await delay(100);
}

test('a request that does not end holds the server for as long as --grace-ms and a second', async (t) => {
  const server = await startServe(t, ['--data', temporaryFolder(t), '--grace-ms', '300', '--log-format', 'text']);
  await endlessRequest(t, server.url);
  const startedAt = performance.now();
  assert.equal(await server.stop(), 0);
  const durationMs = performance.now() - startedAt;
  assert.ok(durationMs >= 1300 && durationMs < 5000, `${durationMs}`);
  assert.match(server.stderr(), /info {2}stopping\n.* stopped, every invocation has finished\n$/);
});

test('a second signal ends it at once', async (t) => {
  const server = await startServe(t, ['--data', temporaryFolder(t)], { JORD_GRACE_MS: '3600000' });
  await endlessRequest(t, server.url);
  const stopped = server.stop('SIGINT');
  await delay(1000);
  void server.stop('SIGTERM');
  assert.equal(await stopped, 130);
});

test('--demo: the command that it prints works, once it prints it', async (t) => {
  const server = await startServe(t, ['--data', temporaryFolder(t), '--demo']);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  assert.match(server.stderr(), /"message":"deployed hello, /);
  const url = /curl --data 'world' (\S+\/fn\/hello)\n/.exec(server.stdout())?.[1];
  assert.ok(url !== undefined, server.stdout());
  const response = await fetch(url, { method: 'POST', body: 'world' });
  assert.equal(response.status, 200);
  assert.match(await response.text(), /world/);
  assert.equal(await server.stop(), 0);
});

test('what is put into a durable space is there again after a kill, and a space in memory is empty', async (t) => {
  const folder = temporaryFolder(t);
  const first = await startServe(t, ['--data', folder]);
  const env = { JORD_URL: first.url };
  const kv = async (...parameters: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await jord(['kv', ...parameters], { env });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await kv('create', 'carts', '--durable', '--keys-max', '10');
  await kv('create', 'pages');
  for (const space of ['carts', 'pages']) await kv('put', space, 'ada', '-d', 'lamp');
  const before = await kv('get', 'carts', 'ada', '--json');
  assert.equal(await first.stop('SIGKILL'), null);

  const second = await startServe(t, ['--data', folder]);
  env.JORD_URL = second.url;
  assert.equal(await kv('get', 'carts', 'ada'), 'lamp');
  assert.equal(await kv('get', 'carts', 'ada', '--json'), before);
  assert.match(await kv('spaces'), /^carts +durable +1 +256 B +10 keys +none\npages +memory +0 /m);
  assert.equal(await second.stop(), 0);
});

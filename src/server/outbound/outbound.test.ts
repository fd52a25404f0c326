import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { BAD_PARAMETER, IO_FAILED, NOT_ALLOWED, TABLE_EXHAUSTED, TOO_LARGE } from '../../../core/status.ts';
import {
  addressSpace,
  begin,
  bodyOf,
  connect,
  deadOrigin,
  isAllowed,
  newExecutor,
  nextAnswer,
  PATIENCE_MS,
  request,
  serve,
  serveRaw,
  withoutDate,
} from './outbound.fixture.ts';
import { Outbound, UNDER_WAY_MAX } from './outbound.ts';
import { OutboundThread } from './outbound-thread.ts';

const BODY_BYTES_MAX = 16 * 2 ** 20;

const thread = new OutboundThread((reason) => assert.fail(`the I/O thread is lost: ${reason}`));
thread.start(addressSpace.memory);
after(() => thread.stop());

test('method, path, fields and body arrive, and status, fields and body come back', async (t) => {
  const origin = await serve(t, async (incoming, response) => {
    const body = Buffer.concat(await incoming.toArray());
    response.writeHead(201, 'Whatever', [
      ['X-Mixed-Case', 'a'],
      ['Set-Cookie', 'b=1'],
      ['Set-Cookie', 'c=2'],
      ['X-Bytes', Buffer.from('ü').toString('latin1')],
    ]);
    const { host, cookie, 'x-one': one, 'content-length': length } = incoming.headers;
    const text = `${incoming.method} ${incoming.url} ${host} ${cookie} ${one} ${length} ${body.toString('latin1')}`;
    response.end(text, 'latin1');
  });
  const outbound = connect(thread);
  const text = `PUT ${origin}/a%20b?c=d#e\nX-One: 1\nx-one: \xfc\ncookie: f\n\n\x00\xffbody`;
  const response = await request(outbound, Buffer.from(text, 'latin1'));
  assert.equal(
    withoutDate(response),
    '201\nset-cookie: b=1\nset-cookie: c=2\nx-bytes: \xc3\xbc\nx-mixed-case: a\n\n' +
      `PUT /a%20b?c=d ${new URL(origin).host} f 1, \xfc 6 \x00\xffbody`,
  );
  const again = await request(outbound, `DELETE ${origin}/\n\n`);
  assert.match(String(again), /\n\nDELETE \/ \S+ undefined undefined (0|undefined) $/);
  assert.match(String(await request(outbound, `HEAD ${origin}/\n\n`)), /^201\n.*\n\n$/s);
});

test('a request in the address space is copied when it begins', async (t) => {
  const origin = await serve(t, (incoming, response) => void incoming.pipe(response));
  const shared = new Uint8Array(addressSpace.memory.buffer, 0x9000_0000, 100);
  const text = Buffer.from(`POST ${origin}/\n\nhello`);
  shared.set(text);
  const outbound = connect(thread);
  assert.equal(typeof outbound.begin(shared.subarray(0, text.length), [origin], PATIENCE_MS), 'number');
  shared.fill(0);
  const { result } = await nextAnswer(outbound);
  assert.equal(bodyOf(result), 'hello');
});

test('statuses of all kinds are responses', async (t) => {
  const origin = await serve(t, (incoming, response) => {
    response.writeHead(Number(incoming.url?.slice(1))).end();
  });
  const outbound = connect(thread);
  for (const status of [204, 205, 300, 304, 400, 401, 404, 421, 429, 500, 503, 599]) {
    const response = await request(outbound, `POST ${origin}/${status}\n\nbody`);
    assert.match(String(response), new RegExp(`^${status}\n(.*\n)?\n$`, 's'));
  }
});

test('a redirect is returned, not followed', async (t) => {
  const paths: unknown[] = [];
  const origin = await serve(t, (incoming, response) => {
    paths.push(incoming.url);
    response.writeHead(Number(incoming.url?.slice(1)), { location: '/elsewhere' }).end('moved');
  });
  const outbound = connect(thread);
  for (const status of [301, 302, 303, 307, 308]) {
    const response = withoutDate(await request(outbound, `GET ${origin}/${status}\n\n`));
    assert.equal(response, `${status}\nlocation: /elsewhere\n\nmoved`);
  }
  assert.deepEqual(paths, ['/301', '/302', '/303', '/307', '/308']);
});

test('cookies that a server sets are not sent back', async (t) => {
  const cookies: unknown[] = [];
  const origin = await serve(t, (incoming, response) => {
    cookies.push(incoming.headers.cookie);
    response.writeHead(200, { 'set-cookie': 'a=b' }).end();
  });
  const outbound = connect(thread);
  for (let i = 0; i < 2; i++) await request(outbound, `GET ${origin}/\n\n`);
  assert.deepEqual(cookies, [undefined, undefined]);
});

test('an encoded body is decoded, with no field that says otherwise; one with an unknown coding is not', async (t) => {
  const plain = 'plain '.repeat(100);
  const bodies: Record<string, Buffer> = {
    gzip: gzipSync(plain),
    br: brotliCompressSync(plain),
    'gzip, br': brotliCompressSync(gzipSync(plain)),
    compress: Buffer.from('?'),
  };
  const origin = await serve(t, (incoming, response) => {
    const coding = decodeURIComponent(incoming.url?.slice(1) ?? '');
    const body = bodies[coding];
    response.writeHead(200, { 'Content-Encoding': coding, 'Content-Length': body?.length }).end(body);
  });
  const outbound = connect(thread);
  for (const coding of ['gzip', 'br', 'gzip, br']) {
    const response = await request(outbound, `GET ${origin}/${encodeURIComponent(coding)}\n\n`);
    assert.equal(withoutDate(response), `200\n\n${plain}`);
  }
  const unknown = await request(outbound, `GET ${origin}/compress\n\n`);
  assert.equal(withoutDate(unknown), '200\ncontent-encoding: compress\n\n?');
});

test('a body of 16 MiB comes, one of a byte more is TOO_LARGE', async (t) => {
  const origin = await serve(t, (incoming, response) => {
    response.end(Buffer.alloc(Number(incoming.url?.slice(1)), 'x'));
  });
  const outbound = connect(thread);
  const body = bodyOf(await request(outbound, `GET ${origin}/${BODY_BYTES_MAX}\n\n`));
  assert.ok(body === 'x'.repeat(BODY_BYTES_MAX));
  assert.equal(await request(outbound, `GET ${origin}/${BODY_BYTES_MAX + 1}\n\n`), TOO_LARGE);
  // The same after decoding, whatever came over the network.
  const bomb = gzipSync(Buffer.alloc(BODY_BYTES_MAX + 1));
  const packed = await serve(t, (_, answer) => void answer.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
  assert.equal(await request(outbound, `GET ${packed}/\n\n`), TOO_LARGE);
});

test('a response without end is TOO_LARGE, and its connection is closed', async (t) => {
  const closed = Promise.withResolvers<void>();
  let sentBytes = 0;
  const origin = await serve(t, (incoming, response) => {
    incoming.socket.on('close', closed.resolve);
    const chunk = Buffer.alloc(65_536);
    const send = (): void => {
      while (!response.destroyed && response.write(chunk)) sentBytes += chunk.length;
    };
    response.on('drain', send);
    send();
  });
  assert.equal(await request(connect(thread), `GET ${origin}/\n\n`), TOO_LARGE);
  await closed.promise;
  assert.ok(sentBytes < 2 * BODY_BYTES_MAX, `${sentBytes} bytes were sent`);
});

test('a body in single bytes comes whole', async (t) => {
  const origin = await serve(t, async (_, response) => {
    response.socket?.setNoDelay();
    for (let i = 0; i < 10_000; i++) {
      response.write(String(i % 10));
      if (i % 500 === 0) await delay(0);
    }
    response.end();
  });
  assert.equal(bodyOf(await request(connect(thread), `GET ${origin}/\n\n`)), '0123456789'.repeat(1000));
});

test('IO_FAILED: a server that never answers, or stops in the middle; its connection is closed', async (t) => {
  const closes: Promise<unknown>[] = [];
  const origin = await serve(t, (incoming, response) => {
    closes.push(once(incoming.socket, 'close'));
    if (incoming.url === '/half') response.writeHead(200).write('half');
  });
  const outbound = connect(thread);
  for (const path of ['/', '/half']) {
    const start = performance.now();
    assert.equal(await request(outbound, `GET ${origin}${path}\n\n`, 150), IO_FAILED);
    const ms = performance.now() - start;
    assert.ok(ms >= 140 && ms < PATIENCE_MS / 2, `after ${ms} ms`);
  }
  assert.equal(await request(outbound, `GET ${origin}/\n\n`, 0), IO_FAILED);
  await Promise.all(closes);
});

test('IO_FAILED: nobody listens, the name does not exist, the answer is not HTTP, or it breaks off', async (t) => {
  const outbound = connect(thread);
  assert.equal(await request(outbound, `GET ${await deadOrigin()}/\n\n`), IO_FAILED);
  assert.equal(await request(outbound, 'GET http://name.invalid/\n\n'), IO_FAILED);
  const folded = 'HTTP/1.1 200 OK\r\nx-a: b\r\n c: d\r\ncontent-length: 2\r\n\r\nok';
  const short = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc';
  for (const answer of ['nonsense\r\n\r\n', '', short, folded]) {
    const origin = await serveRaw(t, answer);
    assert.equal(await request(outbound, `GET ${origin}/\n\n`), IO_FAILED, JSON.stringify(answer));
  }
});

test('IO_FAILED: 407, which only a proxy may send', async (t) => {
  const origin = await serve(t, (_, response) => void response.writeHead(407).end());
  assert.equal(await request(connect(thread), `GET ${origin}/\n\n`), IO_FAILED);
});

test('what is refused at once: malformed, not allowed', async (t) => {
  let hits = 0;
  const origin = await serve(t, (_, response) => {
    hits++;
    response.end();
  });
  const asked: unknown[] = [];
  const outbound = new Outbound(thread.connect(newExecutor()), (list, url) => {
    asked.push([list, url.href]);
    return false;
  });
  assert.deepEqual(outbound.begin(Buffer.from(`GET ${origin}`), [origin], PATIENCE_MS), { status: BAD_PARAMETER });
  assert.deepEqual(asked, []);
  const text = Buffer.from(`GET ${origin.toUpperCase()}/x\n\n`);
  assert.deepEqual(outbound.begin(text, ['list'], PATIENCE_MS), { status: NOT_ALLOWED });
  assert.deepEqual(asked, [[['list'], `${origin}/x`]]);
  await delay(100);
  assert.equal(outbound.poll(), undefined);
  assert.equal(hits, 0);
});

test('a cancelled request is not told of, and its connection is closed', async (t) => {
  const arrived = Promise.withResolvers<Socket>();
  const origin = await serve(t, (incoming, response) => {
    if (incoming.url === '/quick') response.end('quick');
    else arrived.resolve(incoming.socket);
  });
  const outbound = connect(thread);
  const token = begin(outbound, `GET ${origin}/never\n\n`);
  const closed = once(await arrived.promise, 'close');
  const start = performance.now();
  outbound.cancel(token);
  await closed;
  assert.ok(performance.now() - start < PATIENCE_MS / 2);
  outbound.cancel(token);
  assert.equal(bodyOf(await request(outbound, `GET ${origin}/quick\n\n`)), 'quick');
  // One whose answer is there already.
  const late = begin(outbound, `GET ${origin}/quick\n\n`);
  await delay(200);
  outbound.cancel(late);
  assert.equal(outbound.poll(), undefined);
  // One that was told of, and one that never was.
  const told = begin(outbound, `GET ${origin}/quick\n\n`);
  await nextAnswer(outbound);
  outbound.cancel(told);
  outbound.cancel(12_345);
  assert.equal(bodyOf(await request(outbound, `GET ${origin}/quick\n\n`)), 'quick');
});

test('100 at once, each with its own answer; other executors get none of them', async (t) => {
  const origin = await serve(t, async (incoming, response) => {
    await delay(Number(incoming.headers['x-delay']));
    incoming.pipe(response);
  });
  const executors = [connect(thread), connect(thread)];
  const expected = executors.map((outbound, index) => {
    const bodies = new Map<number, string>();
    for (let i = 0; i < 50; i++) {
      const body = `${index} ${i}`;
      bodies.set(begin(outbound, `POST ${origin}/\nx-delay: ${(i * 37) % 100}\n\n${body}`), body);
    }
    return bodies;
  });
  for (const [index, outbound] of executors.entries()) {
    const bodies = expected[index] ?? new Map();
    while (bodies.size > 0) {
      const { token, result } = await nextAnswer(outbound);
      assert.equal(bodyOf(result), bodies.get(token));
      bodies.delete(token);
    }
    assert.equal(outbound.poll(), undefined);
  }
});

test('so many may be under way and no more; those that were cancelled count until they have ended', async () => {
  const origin = await deadOrigin();
  const outbound = connect(thread);
  const text = Buffer.from(`GET ${origin}/\n\n`);
  const tokens = new Set<number>();
  for (let i = 0; i < UNDER_WAY_MAX; i++) tokens.add(begin(outbound, text));
  const [first, second] = tokens;
  assert.ok(first !== undefined && second !== undefined);
  for (const token of [first, second]) {
    outbound.cancel(token);
    tokens.delete(token);
  }
  assert.deepEqual(outbound.begin(text, [origin], PATIENCE_MS), { status: TABLE_EXHAUSTED });
  while (tokens.size > 0) {
    const { token, result } = await nextAnswer(outbound);
    assert.equal(result, IO_FAILED);
    assert.ok(tokens.delete(token));
  }
  assert.equal(await request(outbound, text), IO_FAILED);
  assert.equal(outbound.poll(), undefined);
});

test('a port is used once, and only one from `connect`', () => {
  const port = thread.connect(newExecutor());
  new Outbound(port, isAllowed);
  assert.throws(() => new Outbound(port, isAllowed), TypeError);
});

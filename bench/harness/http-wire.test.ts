import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { buildRequest, HttpConnection, type HttpResponse, ResponseReader } from './http-wire.ts';

function response(status: number, body: string, fields = ''): Buffer {
  return Buffer.from(`HTTP/1.1 ${status} Text\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`, 'latin1');
}

test('a request is what HTTP wants', () => {
  const request = buildRequest('/fn/hello', '127.0.0.1:80', 'text/plain', Buffer.from('world'));
  assert.equal(
    Buffer.from(request).toString(),
    'POST /fn/hello HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nworld',
  );
});

test('responses are read one after the other, wherever their bytes are cut', () => {
  const responses = fc.array(
    fc.record({
      status: fc.integer({ min: 200, max: 599 }),
      body: fc.string({ unit: fc.constantFrom('a', '\r', '\n', ':'), maxLength: 40 }),
      fields: fc.constantFrom('', 'Date: now\r\n', 'X-Content-Length: 7\r\n', 'Connection: keep-alive\r\n'),
    }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(responses, fc.infiniteStream(fc.integer({ min: 1, max: 60 })), (sent, sizes) => {
      const reader = new ResponseReader();
      for (const { status, body, fields } of sent) {
        const bytes = response(status, body, fields);
        let at = 0;
        while (at < bytes.length) {
          // Reused, as the buffer of a socket is.
          const piece = Buffer.from(bytes.subarray(at, at + (sizes.next().value ?? 1)));
          at += piece.length;
          const read = reader.read(piece);
          piece.fill(0);
          const expected: HttpResponse = { status, bodyBytes: body.length, keepsOpen: true };
          assert.deepEqual(read, at < bytes.length ? undefined : expected);
        }
      }
    }),
  );
});

test('a response says whether the connection stays', () => {
  assert.equal(new ResponseReader().read(response(503, '', 'connection:  Close \r\n'))?.keepsOpen, false);
  assert.equal(new ResponseReader().read(response(503, '', 'x-connection: close\r\n'))?.keepsOpen, true);
});

test('what is not understood is an error', () => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', /status line/],
    ['HTTP/1.1 100 Continue\r\n\r\n', /status line/],
    ['nonsense\r\n\r\n', /status line.*nonsense/],
    ['HTTP/1.1 200 OK\r\nDate: now\r\n\r\n', /no valid Content-Length/],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', /no valid Content-Length/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n', /two lengths/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', /Transfer-Encoding: chunked/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab', /behind the end/],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, /16384 bytes of fields/],
  ];
  for (const [text, message] of cases) assert.throws(() => new ResponseReader().read(Buffer.from(text)), { message });
});

/** A server that does this with each connection, and what a connection to it told. */
async function connectTo(t: TestContext, serve: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const responses: HttpResponse[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  const connection = new HttpConnection(
    { host: '127.0.0.1', port, request: Buffer.from('x') },
    { response: (received) => responses.push(received), closed: resolve },
  );
  t.after(() => connection.close());
  return { connection, responses, closed };
}

test('a server that closes an idle connection is no error', async (t) => {
  const { connection, closed } = await connectTo(t, (socket) => socket.end());
  assert.equal(await closed, undefined);
  assert.equal(connection.isOpen, false);
});

test('a server that closes in the middle of a response is one', async (t) => {
  const serve = (socket: Socket): void => void socket.end(response(200, 'abc').subarray(0, -1));
  const { connection, responses, closed } = await connectTo(t, serve);
  connection.send(Buffer.from('x'));
  assert.match(String((await closed)?.message), /before its response was complete/);
  assert.deepEqual(responses, []);
});

test('a response that announces the end of the connection is no error, and ends it', async (t) => {
  const serve = (socket: Socket): void => void socket.write(response(503, 'abc', 'Connection: close\r\n'));
  const { connection, responses, closed } = await connectTo(t, serve);
  connection.send(Buffer.from('x'));
  assert.equal(await closed, undefined);
  assert.deepEqual(responses, [{ status: 503, bodyBytes: 3, keepsOpen: false }]);
  assert.equal(connection.isOpen, false);
});

test('a response that nobody asked for ends the connection', async (t) => {
  const { closed } = await connectTo(t, (socket) => void socket.write(response(200, '')));
  assert.match(String((await closed)?.message), /without a request/);
});

test('a large response comes in pieces', async (t) => {
  const body = 'x'.repeat(100_000);
  const { connection, responses } = await connectTo(t, (socket) => {
    socket.on('data', () => socket.write(response(200, body)));
  });
  for (const count of [1, 2]) {
    connection.send(Buffer.from('x'));
    while (responses.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(responses[1], { status: 200, bodyBytes: body.length, keepsOpen: true });
});

test('a second request must wait for the response to the first', async (t) => {
  const { connection } = await connectTo(t, () => {});
  connection.send(Buffer.from('x'));
  assert.throws(() => connection.send(Buffer.from('x')), /under way/);
});

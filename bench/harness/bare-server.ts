/**
 * The framework of the gateway answering without a function: `bare-server.ts <path> <content type> <body length>`. It takes
 * bodies as the gateway does, and its reply is a buffer of that length.
 */
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { BODY_LIMIT_BYTES_DEFAULT } from '../../src/gateway/server.ts';
import { announce, HOST } from './server-process.ts';

const [path = '/', contentType = '', bodyBytes] = process.argv.slice(2);
const body = Buffer.alloc(Number(bodyBytes), 'x');

const app = Fastify({ bodyLimit: BODY_LIMIT_BYTES_DEFAULT });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, received, done) => done(null, received));
app.post(path, async (_request, reply) => reply.header('content-type', contentType).send(body));
await app.listen({ host: HOST, port: 0 });
const { port } = app.server.address() as AddressInfo;
announce({ port }, async () => {
  app.server.closeAllConnections();
  await app.close();
});

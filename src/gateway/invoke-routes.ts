/** Invocations: any method on /fn/<name> and below. */

import { isAscii } from 'node:buffer';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DEADLINE_FIELD, parseDeadlineMs } from '../functions/deadline.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import type { HttpRequest, InvokeResult, WorkerServer } from '../server/types.ts';
import type { Access } from './access.ts';
import { requestFields, responseFields, responseStatus } from './http-fields.ts';
import type { Invocations } from './invocations.ts';
import { nothingAt } from './problem.ts';

const PREFIX = '/fn/';
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';
const EMPTY = new Uint8Array(0);
const TEXT_BYTES_MAX = 4096;
const asItIs = (text: string): string => text;

/** Which function a URL means, and what it sees of the URL. */
export interface InvocationTarget {
  readonly name: string;
  /** With its leading slash, as sent, not percent-decoded; '' when there is nothing. */
  readonly path: string;
  readonly query: string;
}

/**
 * Takes a URL apart. The name is percent-decoded, and not checked. Throws NOT_FOUND for a URL that only begins with /fn/ once it
 * is decoded, as /%66n/ does: the router takes that for the same.
 */
export function parseTarget(url: string): InvocationTarget {
  if (!url.startsWith(PREFIX)) throw nothingAt(url);
  const queryAt = url.indexOf('?');
  const pathEnd = queryAt === -1 ? url.length : queryAt;
  const slashAt = url.indexOf('/', PREFIX.length);
  const nameEnd = slashAt === -1 || slashAt > pathEnd ? pathEnd : slashAt;
  return {
    name: decodeURIComponent(url.slice(PREFIX.length, nameEnd)),
    path: url.slice(nameEnd, pathEnd),
    query: url.slice(pathEnd + 1),
  };
}

/** The HTTP side of an invocation. The fields are collected when the function asks, since most never do. */
class IncomingRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly #rawHeaders: readonly string[];
  readonly #access: Access;
  #headers: HttpRequest['headers'] | undefined;

  constructor(request: FastifyRequest, target: InvocationTarget, access: Access) {
    this.method = request.method;
    this.path = target.path;
    this.query = target.query;
    this.#rawHeaders = request.raw.rawHeaders;
    this.#access = access;
  }

  /** Without the token of the server, which is none of the function's business. */
  get headers(): HttpRequest['headers'] {
    this.#headers ??= requestFields(
      this.#rawHeaders,
      (name, value) => name === 'authorization' && this.#access.isToken(value),
    );
    return this.#headers;
  }
}

export function invokeRoutes(
  app: FastifyInstance,
  worker: WorkerServer,
  access: Access,
  invocations: Invocations,
): void {
  app.route({
    method: app.supportedMethods,
    url: `${PREFIX}*`,
    // Refused before the body is read.
    onRequest: (request, _reply, done) => {
      const target = parseTarget(request.raw.url ?? '');
      if (!worker.has(target.name)) {
        checkFunctionName(target.name);
        throw functionUnknown(target.name);
      }
      requestDeadlineMs(request);
      request.target = target;
      done();
    },
    // Not async, since that would make more promises: the reply is sent when the result is there.
    handler: (request, reply) => {
      const target = request.target ?? parseTarget(request.raw.url ?? '');
      const body = request.body instanceof Uint8Array ? request.body : EMPTY;
      const http = new IncomingRequest(request, target, access);
      const deadlineMs = requestDeadlineMs(request);
      const cancellation = invocations.begin(target.name, request.raw.socket);
      const options = deadlineMs === undefined ? { http, cancellation } : { http, cancellation, deadlineMs };
      worker
        .invoke(target.name, body, options)
        .then(
          (result) => {
            invocations.end(cancellation);
            sendResult(request, reply, target.name, result);
          },
          (error: unknown) => {
            const failure = invocations.failure(cancellation, error);
            invocations.end(cancellation);
            throw failure;
          },
        )
        .catch((error: unknown) => reply.send(error));
    },
  });
}

/** Throws BAD_OPTION for a value that is none, or for several. */
function requestDeadlineMs(request: FastifyRequest): number | undefined {
  const text = request.headers[DEADLINE_FIELD];
  return text === undefined ? undefined : parseDeadlineMs(DEADLINE_FIELD, String(text));
}

function sendResult(request: FastifyRequest, reply: FastifyReply, name: string, result: InvokeResult): FastifyReply {
  const { body } = result;
  reply.code(responseStatus(name, result.status));
  reply.header('content-type', request.contentType ?? DEFAULT_CONTENT_TYPE).header('x-content-type-options', 'nosniff');
  for (const [field, value] of responseFields(name, result.headers)) reply.header(field, value);
  // Node sees to it that 204 and 304 have no body; 205 must not have one either (RFC 9110, 15.3.6).
  if (reply.statusCode === 205) return reply.removeHeader('content-type').send();
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (buffer.length > TEXT_BYTES_MAX || !isAscii(buffer)) return reply.send(buffer);
  // Node writes a string together with the header, in one piece, which is cheaper than a buffer behind it. With a serializer
  // Fastify leaves its content type alone.
  return reply.serializer(asItIs).send(buffer.toString('latin1'));
}

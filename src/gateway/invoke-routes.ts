/** Invocations: any method on /fn/<name> and below. */

import { isAscii } from 'node:buffer';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DEADLINE_FIELD, parseDeadlineMs } from '../functions/deadline.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import type { HttpRequest, InvokeOptions, InvokeResult, WorkerServer } from '../server/types.ts';
import type { Access } from './access.ts';
import { requestFields, responseFields, responseStatus } from './http-fields.ts';
import type { Invocation, Invocations } from './invocations.ts';
import { nothingAt, sendProblem, sendText } from './problem.ts';

const PREFIX = '/fn/';
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';
const EMPTY = new Uint8Array(0);
const TEXT_BYTES_MAX = 4096;
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+ *(?:;|$)/;

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
    onRequest: (request, reply, done) => {
      const { name } = targetOf(request);
      if (!worker.has(name)) {
        checkFunctionName(name);
        throw functionUnknown(name);
      }
      request.deadlineMs = requestDeadlineMs(request);
      const refusal = worker.refusal();
      // Not thrown: under overload this must cost as little as can be.
      if (refusal === undefined) done();
      else sendProblem(reply, refusal);
    },
    handler: (request, reply) => {
      const { name } = targetOf(request);
      const invocation = invocations.begin(name, request.raw.socket);
      try {
        worker.submit(name, bodyOf(request), optionsOf(request, access, invocation), (error, result) => {
          const failure = error === undefined ? undefined : invocations.failure(invocation, error);
          invocations.end(invocation);
          if (result === undefined) reply.send(failure);
          else answer(request, reply, name, result);
        });
      } catch (error) {
        invocations.end(invocation);
        throw error;
      }
    },
  });
}

/** Taken apart once a request. */
function targetOf(request: FastifyRequest): InvocationTarget {
  request.target ??= parseTarget(request.raw.url ?? '');
  return request.target;
}

function bodyOf({ body }: FastifyRequest): Uint8Array {
  return body instanceof Uint8Array ? body : EMPTY;
}

function optionsOf(request: FastifyRequest, access: Access, cancellation: Invocation): InvokeOptions {
  const http = new IncomingRequest(request, targetOf(request), access);
  const { deadlineMs } = request;
  return deadlineMs === undefined ? { http, cancellation } : { http, cancellation, deadlineMs };
}

/** Throws BAD_OPTION for a value that is none, or for several. */
function requestDeadlineMs(request: FastifyRequest): number | undefined {
  const text = request.headers[DEADLINE_FIELD];
  return text === undefined ? undefined : parseDeadlineMs(DEADLINE_FIELD, String(text));
}

/** Sends the result; the error, where the function answered with what HTTP does not allow. */
function answer(request: FastifyRequest, reply: FastifyReply, name: string, result: InvokeResult): void {
  try {
    sendResult(request, reply, name, result);
  } catch (error) {
    reply.send(error);
  }
}

function sendResult(request: FastifyRequest, reply: FastifyReply, name: string, result: InvokeResult): FastifyReply {
  const { body } = result;
  reply.code(responseStatus(name, result.status));
  reply.header('content-type', request.contentType ?? DEFAULT_CONTENT_TYPE).header('x-content-type-options', 'nosniff');
  let isText = isAsciiField(request.contentType);
  for (const [field, value] of responseFields(name, result.headers)) {
    reply.header(field, value);
    isText &&= typeof value === 'string' ? isAsciiField(value) : value.every(isAsciiField);
  }
  // Node sees to it that 204 and 304 have no body; 205 must not have one either (RFC 9110, 15.3.6).
  if (reply.statusCode === 205) return reply.removeHeader('content-type').send();
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!isText || buffer.length > TEXT_BYTES_MAX || !isAscii(buffer)) return reply.send(buffer);
  // Fastify takes any other type of a text for none.
  if (!MEDIA_TYPE.test(String(reply.getHeader('content-type')))) return reply.send(buffer);
  return sendText(reply, buffer.toString('latin1'));
}

/** Fields go out as Latin-1, but with a text as UTF-8, which is the same for ASCII only. */
function isAsciiField(value = ''): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}

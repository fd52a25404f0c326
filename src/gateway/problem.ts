/** Errors as RFC 9457 problem documents. */

import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { formatBytes } from '../bytes.ts';
import { ERRORS, type ErrorCode, JordError } from '../errors.ts';
import { ERROR_FIELD } from '../server/reserved-fields.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** What makes the server refuse for now does not last: it gets work done in less than this. */
const RETRY_AFTER_SECONDS = 1;

/** `details` of the error are further members beside these. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The request, as the log names it. */
  readonly instance?: string;
  readonly code: ErrorCode;
  /** With status 503: when to try again, as in `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/** What to do about an error, where its message does not say. */
const HINTS: Partial<Readonly<Record<ErrorCode, string>>> = {
  FUNCTION_UNKNOWN: 'GET /functions or `jord list` shows those that are.',
  KV_SPACE_UNKNOWN: 'GET /kv or `jord kv spaces` shows those that are there.',
};

export function problemDocument(error: JordError, requestId?: string): ProblemDocument {
  const { title, status } = error.row;
  const hint = HINTS[error.code];
  const members = {
    type: `urn:jord:error:${error.code}`,
    title,
    status,
    detail: hint === undefined ? error.message : `${error.message} ${hint}`,
    ...(requestId === undefined ? {} : { instance: `urn:jord:request:${requestId}` }),
    code: error.code,
    ...(status === 503 ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}),
  };
  // Twice: before the details to come first, and after them so that no detail replaces one.
  return { ...members, ...error.details, ...members };
}

/** JSON as the gateway sends it: many read it in a terminal. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Answers with the problem document of this error, and with the header fields that belong to its status. */
export function sendProblem(reply: FastifyReply, error: JordError): FastifyReply {
  const { status } = error.row;
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="jord"');
  if (status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  const text = jsonText(problemDocument(error, reply.request.id));
  reply.code(status).header('content-type', PROBLEM_CONTENT_TYPE).header(ERROR_FIELD, error.code);
  return sendText(reply, text);
}

const asItIs = (text: string): string => text;

/**
 * Answers with a text, in UTF-8. Node writes that in one piece with the header, which is cheaper than a buffer behind it. With a
 * serializer Fastify leaves the content type alone.
 */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.serializer(asItIs).send(text);
}

/** The same as a whole HTTP/1.1 response, for a connection on which there is no request that could be answered. */
export function rawProblem(error: JordError): string {
  const { status } = error.row;
  const text = jsonText(problemDocument(error));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    `Content-Type: ${PROBLEM_CONTENT_TYPE}`,
    `${ERROR_FIELD}: ${error.code}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    '',
    text,
  ].join('\r\n');
}

/** What the parser of Node refuses before there is a request. */
export function connectionError(error: Error & { readonly code?: string }): JordError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new JordError(
        'HEADERS_TOO_LARGE',
        'The request line and the header fields together are larger than 16 KiB.',
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new JordError('REQUEST_TIMEOUT', 'The request did not arrive in time. Send it again.');
    default:
      return new JordError('BAD_REQUEST', `This is not a valid HTTP/1.1 request: ${error.message}.`);
  }
}

/** What a body may have at most, and what that is, for the message. */
export interface BodyLimit {
  readonly limitBytes: number;
  readonly reason: string;
}

/** An error from anywhere below a route, as one of the table. Those that are nobody's fault but the server's become INTERNAL. */
export function toJordError(error: unknown, limit: BodyLimit): JordError {
  if (error instanceof JordError) return error;
  const { code, statusCode } = errorFields(error);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge(limit);
  if (error instanceof Error && statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new JordError('BAD_REQUEST', `The request is not understood: ${error.message}`, {}, { cause: error });
  }
  return new JordError('INTERNAL', `${ERRORS.INTERNAL.title}. The log of the server has more.`, {}, { cause: error });
}

export function nothingAt(url: string): JordError {
  return new JordError('NOT_FOUND', `There is nothing at ${url}. GET / lists what there is.`);
}

export function bodyTooLarge({ limitBytes, reason }: BodyLimit): JordError {
  const message = `The body is larger than ${formatBytes(limitBytes)}, ${reason}.`;
  return new JordError('BODY_TOO_LARGE', message, { limitBytes });
}

function errorFields(error: unknown): { readonly code?: unknown; readonly statusCode?: number } {
  if (!(error instanceof Error)) return {};
  const code = 'code' in error ? error.code : undefined;
  const statusCode = 'statusCode' in error ? error.statusCode : undefined;
  return typeof statusCode === 'number' ? { code, statusCode } : { code };
}

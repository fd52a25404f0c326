/** The HTTP gateway: a worker server, reachable over HTTP. docs/http.md describes it from outside. */

import { METHODS } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';
import { LIMITS } from '../guard/errors.ts';
import type { WorkerServer } from '../server/types.ts';
import { Access } from './access.ts';
import { functionsRoutes } from './functions-routes.ts';
import { type CloseReport, Invocations } from './invocations.ts';
import { type InvocationTarget, invokeRoutes } from './invoke-routes.ts';
import { kvRoutes } from './kv-routes.ts';
import { routableUrl } from './kv-text.ts';
import {
  type BodyLimit,
  connectionError,
  jsonText,
  nothingAt,
  rawProblem,
  sendProblem,
  toJordError,
} from './problem.ts';
import { statusRoutes } from './status-routes.ts';

export const BODY_LIMIT_BYTES_DEFAULT = 16 * 1024 * 1024;
/** What the guard takes at most. */
export const MODULE_LIMIT_BYTES_DEFAULT: number = LIMITS.moduleBytes;

export const CLOSE_GRACE_MS_DEFAULT = 10_000;

const REQUEST_TIMEOUT_MS = 300_000;
const CLOSE_IDLE_INTERVAL_MS = 20;
/** How long what was cut off may take to end and to be answered. */
const CUT_OFF_MS = 1000;

export type { CloseReport } from './invocations.ts';

export interface GatewayLogRecord {
  readonly level: 'info' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /**
   * Several gateways, of threads or processes of one user, may listen at the same port, and the system distributes connections
   * among them. Not on all systems: LISTEN_FAILED otherwise. A port that another such server has is not found to be in use.
   */
  readonly reusePort?: boolean;
  /** When given, managing functions needs it; otherwise it is allowed from this machine only. */
  readonly token?: string;
  /** Largest body of an invocation. */
  readonly bodyLimitBytes?: number;
  /** Largest module in a deploy. */
  readonly moduleLimitBytes?: number;
  /** Gets failures of the server itself, and each request with `accessLog`. */
  readonly log?: (record: GatewayLogRecord) => void;
  readonly accessLog?: boolean;
  /** A word of shared memory in which it keeps the number of invocations under way, for other threads to read. */
  readonly counter?: Int32Array;
  /** What `GET /readyz` says while the gateway is open. Default: ready. */
  readonly isReady?: () => boolean;
}

export interface Gateway {
  /** Where it listens, as a URL without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** How many invocations are under way. */
  readonly invocations: number;
  /**
   * Stops accepting and finishes the requests under way. What takes longer than this is cancelled and answered with
   * SERVER_STOPPED; a second later whatever is left is closed. Returns once all connections are. However often it is
   * called, it happens once. Does not stop the worker server.
   */
  close(graceMs?: number): Promise<CloseReport>;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** As sent, whether it is well-formed or not. */
    contentType: string | undefined;
    /** Of an invocation. */
    target: InvocationTarget | undefined;
    deadlineMs: number | undefined;
  }
  interface FastifyContextConfig {
    /** The body has a limit of its own. */
    bodyLimit?: BodyLimit;
  }
}

/** Serves a worker server over HTTP. Throws LISTEN_FAILED when the address cannot be had. */
export async function startGateway(worker: WorkerServer, options: GatewayOptions): Promise<Gateway> {
  const app = createApp(options);
  const access = new Access(options.token);
  const invocations = new Invocations(options.counter);
  statusRoutes(app, worker, access, options.isReady ?? (() => true));
  functionsRoutes(app, worker, access, options.moduleLimitBytes ?? MODULE_LIMIT_BYTES_DEFAULT);
  kvRoutes(app, worker, access);
  invokeRoutes(app, worker, access, invocations);
  try {
    // Fastify hands these on to Node, also what its types do not have yet.
    const address = { host: options.host, port: options.port, reusePort: options.reusePort === true };
    await app.listen(address);
  } catch (error) {
    await app.close();
    throw listenFailed(options, error);
  }
  const { port } = app.server.address() as AddressInfo;
  let closed: Promise<CloseReport> | undefined;
  return {
    url: gatewayUrl(options.host, port),
    port,
    get invocations() {
      return invocations.count;
    },
    close: (graceMs = CLOSE_GRACE_MS_DEFAULT) => {
      closed ??= closeApp(app, invocations, graceMs);
      return closed;
    },
  };
}

function createApp(options: GatewayOptions): FastifyInstance {
  const bodyLimitBytes = options.bodyLimitBytes ?? BODY_LIMIT_BYTES_DEFAULT;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node answers a missing Host without a body; `checkRequest` does it with a problem document.
    http: { requireHostHeader: false },
    // While closing, requests on open connections are still served, each as the last one of its connection.
    return503OnClosing: false,
    // Names have their own check and their own error.
    routerOptions: { maxParamLength: 65536 },
    rewriteUrl: (request) => routableUrl(originForm(request.url ?? '/')),
    frameworkErrors: (error, request, reply) => sendProblem(reply, toJordError(error, limitOf(request))),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      else socket.end(rawProblem(connectionError(error)));
    },
  });
  for (const method of METHODS) {
    if (method !== 'CONNECT') app.addHttpMethod(method, { hasBody: true, overrideExisting: true });
  }
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setReplySerializer((payload) => jsonText(payload));
  app.decorateRequest('contentType', undefined);
  app.decorateRequest('target', undefined);
  app.decorateRequest('deadlineMs', undefined);
  // Hooks that every request goes through make no promise.
  app.addHook('onRequest', (request, _reply, done) => {
    checkRequest(request);
    done();
  });
  continueWhenWanted(app);
  answerErrors(app, options);
  if (options.accessLog === true) logRequests(app, options);
  return app;
}

async function closeApp(app: FastifyInstance, invocations: Invocations, graceMs: number): Promise<CloseReport> {
  // Node closes connections that are idle when closing begins; those that become idle later would stay for a minute.
  const idle = setInterval(() => app.server.closeIdleConnections(), CLOSE_IDLE_INTERVAL_MS);
  try {
    const closed = Promise.all([app.close(), invocations.whenEnded()]);
    if (!(await endsWithin(closed, graceMs))) {
      invocations.cutOff();
      if (!(await endsWithin(closed, CUT_OFF_MS))) {
        invocations.destroyConnections();
        app.server.closeAllConnections();
      }
    }
    await app.close();
    return invocations.report();
  } finally {
    clearInterval(idle);
  }
}

/** Whether it is resolved before as many milliseconds have passed. */
async function endsWithin(operation: Promise<unknown>, durationMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, durationMs, false);
  });
  try {
    return await Promise.race([operation.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A request target may also be a whole URL or, for OPTIONS, a star (RFC 9112, 3.2). */
function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  if (target === '*') return '/';
  return target.replace(/^https?:\/\/[^/?]*/i, '').replace(/^(?!\/)/, '/');
}

function checkRequest(request: FastifyRequest): void {
  const { headers, httpVersion } = request.raw;
  if (httpVersion === '1.1' && headers.host === undefined) {
    throw new JordError('BAD_REQUEST', 'The header field "Host" is missing.');
  }
  if (request.is404) throw nothingAt(request.raw.url ?? '/');
  request.contentType = headers['content-type'];
  // Bodies are bytes to the gateway: whatever their type says, it never refuses one or tries to understand it.
  if (request.contentType !== undefined) headers['content-type'] = 'application/octet-stream';
}

function limitOf({ routeOptions: { bodyLimit, config } }: FastifyRequest): BodyLimit {
  return config.bodyLimit ?? { limitBytes: bodyLimit, reason: 'the limit of this server (--body-limit)' };
}

/** `Expect: 100-continue`: the client is told to send its body once somebody wants to read it, so when nothing stands against it. */
function continueWhenWanted(app: FastifyInstance): void {
  app.server.on('checkContinue', (request, response) => {
    const onListener = (event: string | symbol): void => {
      if (event !== 'data' && event !== 'readable') return;
      request.off('newListener', onListener);
      response.writeContinue();
    };
    request.on('newListener', onListener);
    app.routing(request, response);
  });
  // Other expectations may be ignored (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
}

function answerErrors(app: FastifyInstance, options: GatewayOptions): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = toJordError(thrown, limitOf(request));
    if (error.code === 'INTERNAL') {
      const cause = error.cause ?? error;
      options.log?.({
        level: 'error',
        message: `${request.method} ${request.originalUrl}: ${cause instanceof Error ? cause.message : String(cause)}`,
        fields: { request: request.id, stack: cause instanceof Error ? cause.stack : undefined },
      });
    }
    // Closing now would reset the connection under a client that still sends, and it would never see the answer.
    if (error.code === 'BODY_TOO_LARGE') reply.removeHeader('connection');
    return sendProblem(reply, error);
  });
}

/** Each once its response has been sent, or its client is gone; then it has no status. */
function logRequests(app: FastifyInstance, options: GatewayOptions): void {
  const log = (request: FastifyRequest, reply: FastifyReply, peer: string | undefined, status?: number): void => {
    const { method, originalUrl: url } = request;
    const durationMs = Math.round(reply.elapsedTime * 1000) / 1000;
    options.log?.({
      level: 'info',
      message: `${method} ${url} ${status ?? 'client gone'} in ${durationMs} ms`,
      fields: { request: request.id, method, url, status, durationMs, peer },
    });
  };
  app.addHook('onRequest', async (request, reply) => {
    // A socket that is closed does not say any more whose it was.
    const { remoteAddress } = request.raw.socket;
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) log(request, reply, remoteAddress);
    });
  });
  app.addHook('onResponse', async (request, reply) => {
    log(request, reply, request.raw.socket.remoteAddress, reply.statusCode);
  });
}

function gatewayUrl(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function listenFailed(options: GatewayOptions, error: unknown): JordError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is in use. Choose another one with --port or the variable PORT, or stop what listens there',
    EACCES: 'no permission for this port. Choose one above 1023 with --port or the variable PORT',
    ENOTSUP: 'this system does not let several threads listen at one port',
    EADDRNOTAVAIL: 'this machine does not have that address',
    ENOTFOUND: 'no such host name',
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  const message = `Cannot listen at ${options.host} port ${options.port}: ${reason}.`;
  return new JordError('LISTEN_FAILED', message, { host: options.host, port: options.port }, { cause: error });
}

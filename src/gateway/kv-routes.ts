/** The key-value store: spaces, keys, counters, export and import. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';
import { keyUnknown, VALUE_BYTES_MAX } from '../server/kv/errors.ts';
import type { Kv, KvKey, KvSpaceOptions } from '../server/kv/types.ts';
import type { WorkerServer } from '../server/types.ts';
import type { Access } from './access.ts';
import {
  encodePercent,
  endsWith,
  entityTag,
  expectedVersion,
  keyOf,
  queryBytes,
  requestTtlMs,
  TTL_FIELD,
  textOrBase64,
  wholeNumber,
} from './kv-text.ts';
import { kvTransferRoutes } from './kv-transfer.ts';
import { sendText } from './problem.ts';
import { type Operation, resource } from './routes.ts';

const ADD = '/add';
const EMPTY = new Uint8Array(0);
const LIMIT_DEFAULT = 1000;
const LIMIT_MAX = 10_000;
const JSON_BODY = { limitBytes: 64 * 1024, reason: 'the most that can be told here' };
const VALUE_BODY = { limitBytes: VALUE_BYTES_MAX, reason: 'the most that a value can have' };

export function kvRoutes(app: FastifyInstance, worker: WorkerServer, access: Access): void {
  const { kv } = worker;
  const before = (request: FastifyRequest): void => access.check(request.raw);
  const operation = (handler: Operation['handler'], more: Partial<Operation> = {}): Operation => ({
    before,
    handler,
    ...more,
  });
  resource(app, '/kv', {
    GET: operation(async () => ({ spaces: await kv.spaces() })),
  });
  resource(app, '/kv/:space', {
    GET: operation((request) => kv.space(spaceOf(request))),
    PUT: operation((request, reply) => create(kv, request, reply), { bodyLimit: JSON_BODY }),
    DELETE: operation(async (request, reply) => {
      await kv.drop(spaceOf(request));
      return reply.code(204).send();
    }),
  });
  resource(app, '/kv/:space/keys', {
    GET: operation((request, reply) => reply.header('cache-control', 'no-store').send(list(kv, request))),
  });
  resource(app, '/kv/:space/keys/*', {
    GET: operation((request, reply) => get(kv, request, reply)),
    PUT: operation((request, reply) => put(kv, request, reply), { bodyLimit: VALUE_BODY }),
    DELETE: operation((request, reply) => remove(kv, request, reply)),
    POST: operation((request, reply) => add(kv, request, reply), {
      before: (request, reply) => {
        before(request);
        checkAdds(request, reply);
      },
      bodyLimit: JSON_BODY,
    }),
  });
  kvTransferRoutes(app, kv, before);
}

function spaceOf(request: FastifyRequest): string {
  return (request.params as { readonly space: string }).space;
}

async function create(kv: Kv, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = spaceOf(request);
  const options = spaceOptions(request.body);
  const isNew = !(await kv.spaces()).some((space) => space.name === name);
  const info = await kv.create(name, options);
  if (isNew) reply.code(201).header('location', `/kv/${name}`);
  return reply.send(info);
}

const SPACE_OPTIONS: Readonly<Record<keyof KvSpaceOptions, 'boolean' | 'number'>> = {
  durable: 'boolean',
  cache: 'boolean',
  keysMax: 'number',
  bytesMax: 'number',
};

/** Throws BAD_REQUEST for a body that is none, and BAD_OPTION: a misspelt option must not be taken for the default. */
function spaceOptions(body: unknown): KvSpaceOptions {
  const text = body instanceof Uint8Array ? Buffer.from(body).toString() : '';
  if (text.trim() === '') return {};
  const options = parseObject(text);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(SPACE_OPTIONS, name)) {
      const message = `There is no option ${JSON.stringify(name)} here. There are ${Object.keys(SPACE_OPTIONS).join(', ')}.`;
      throw new JordError('BAD_OPTION', message);
    }
    const type = SPACE_OPTIONS[name as keyof KvSpaceOptions];
    const isPossible = typeof value === type || (value === null && type === 'number');
    const possible = type === 'boolean' ? 'true or false' : 'a whole number, or null for no limit';
    if (!isPossible) throw new JordError('BAD_OPTION', `${name} is ${possible}, not ${JSON.stringify(value)}.`);
  }
  return options;
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new JordError(
    'BAD_REQUEST',
    'The body is a JSON object, such as {"durable": true, "keysMax": 1000}, or empty.',
  );
}

const LIST_PARAMETERS = ['prefix', 'after', 'limit'] as const;

/** A page, and where the next one is. */
function list(kv: Kv, request: FastifyRequest): object {
  const space = spaceOf(request);
  const { prefix = EMPTY, after = EMPTY, limit } = queryBytes(request, LIST_PARAMETERS);
  const limitNumber = limit === undefined ? LIMIT_DEFAULT : pageLimit(limit);
  const { keys, more } = kv.list(space, { prefix, after, limit: limitNumber });
  const last = keys.at(-1);
  const next =
    more && last !== undefined
      ? `/kv/${space}/keys?prefix=${encodePercent(prefix)}&after=${encodePercent(last.key)}&limit=${limitNumber}`
      : null;
  return { keys: keys.map(keyMembers), more, next };
}

function pageLimit(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString();
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new JordError('BAD_OPTION', `limit is a whole number from 1 to ${LIMIT_MAX}.`);
}

/** Versions have more digits than numbers of JSON are read with. */
function keyMembers({ key, version, sizeBytes, ttlMs }: KvKey): object {
  return { ...textOrBase64('key', key), version: String(version), sizeBytes, ttlMs };
}

function get(kv: Kv, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const space = spaceOf(request);
  const entry = kv.get(space, keyOf(request));
  if (entry === undefined) throw keyUnknown(space);
  const { value, version, ttlMs } = entry;
  reply.header('etag', entityTag(version)).header('cache-control', 'no-store');
  if (ttlMs !== null) reply.header(TTL_FIELD, String(ttlMs));
  // Whoever may put is not trusted by whoever opens it in a browser.
  reply.header('content-type', 'application/octet-stream').header('x-content-type-options', 'nosniff');
  return reply.send(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
}

async function put(kv: Kv, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const expected = expectedVersion(request);
  const ttlMs = requestTtlMs(request);
  const value = request.body instanceof Uint8Array ? request.body : EMPTY;
  const version = await kv.put(spaceOf(request), keyOf(request), value, {
    ...(expected === undefined ? {} : { expected }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
  return reply.code(204).header('etag', entityTag(version)).send();
}

async function remove(kv: Kv, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const space = spaceOf(request);
  const expected = expectedVersion(request);
  const wasThere = await kv.delete(space, keyOf(request), expected === undefined ? {} : { expected });
  if (!wasThere) throw keyUnknown(space);
  return reply.code(204).send();
}

async function add(kv: Kv, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sum = await kv.add(spaceOf(request), keyOf(request, ADD), wholeNumber(request.body));
  return sendText(reply.header('content-type', 'text/plain; charset=utf-8'), `${sum}\n`);
}

/** Who posts a value means to put it. */
function checkAdds(request: FastifyRequest, reply: FastifyReply): void {
  if (endsWith(request, ADD)) return;
  const allow = ['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'];
  reply.header('allow', allow.join(', '));
  const message = 'A value is set with PUT. POST is for adding to a counter, at /kv/<space>/keys/<key>/add.';
  throw new JordError('METHOD_NOT_ALLOWED', message, { allow });
}

/**
 * Export and import of a space: a JSON object for each key, a line each (NDJSON). Whatever the size of the space, neither holds more
 * of it than a few lines.
 */

import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';
import type { Kv } from '../server/kv/types.ts';
import { type ImportEntry, importEntry } from './kv-import-line.ts';
import { NDJSON_TYPE, queryBytes, textOrBase64 } from './kv-text.ts';
import { resource } from './routes.ts';

/** How many keys are looked up at a time: what else there is to do waits for them. */
const EXPORT_PAGE_KEYS = 256;
const CHUNK_BYTES = 64 * 1024;
/** A value of 64 MiB in base64 has 86 MiB; as text with many escapes it can have more. */
const LINE_BYTES_MAX = 128 * 1024 * 1024;
/** Puts that wait for the disk at a time, which writes many with one commit. */
const PUTS_MAX = 256;
const PUT_BYTES_MAX = 8 * 1024 * 1024;
const BACKLOG_TRIES_MAX = 200;
const BACKLOG_RETRY_MS = 50;

export function kvTransferRoutes(app: FastifyInstance, kv: Kv, before: (request: FastifyRequest) => void): void {
  resource(app, '/kv/:space/export', {
    GET: { before, handler: (request, reply) => exportSpace(kv, request, reply) },
  });
  // Its body is read as it comes, by the handler.
  void app.register(async (streams) => {
    streams.removeAllContentTypeParsers();
    streams.addContentTypeParser('*', (_request, body, done) => done(null, body));
    resource(streams, '/kv/:space/import', {
      POST: { before, handler: (request) => importSpace(kv, request) },
    });
  });
}

function spaceOf(request: FastifyRequest): string {
  return (request.params as { readonly space: string }).space;
}

async function exportSpace(kv: Kv, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const space = spaceOf(request);
  const { prefix = new Uint8Array(0) } = queryBytes(request, ['prefix']);
  // Afterwards nothing but an end of the connection could say it.
  await kv.space(space);
  reply.header('content-type', NDJSON_TYPE).header('cache-control', 'no-store');
  if (request.method === 'HEAD') return reply.send();
  return reply.send(Readable.from(chunks(kv, space, prefix), { objectMode: false }));
}

/** The lines, several at a time where they are short. */
async function* chunks(kv: Kv, space: string, prefix: Uint8Array): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  let length = 0;
  for await (const line of exportLines(kv, space, prefix)) {
    lines.push(line);
    length += line.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
    length = 0;
  }
  if (length > 0) yield Buffer.from(lines.join(''));
}

async function* exportLines(kv: Kv, space: string, prefix: Uint8Array): AsyncGenerator<string> {
  let after: Uint8Array = new Uint8Array(0);
  for (let more = true; more; ) {
    const page = kv.list(space, { prefix, after, limit: EXPORT_PAGE_KEYS });
    for (const { key } of page.keys) {
      const entry = kv.get(space, key);
      // It was deleted meanwhile.
      if (entry === undefined) continue;
      const { value, ttlMs } = entry;
      const members = { ...textOrBase64('key', key), ...textOrBase64('value', value) };
      yield `${JSON.stringify(ttlMs === null ? members : { ...members, ttlMs })}\n`;
    }
    after = page.keys.at(-1)?.key ?? after;
    more = page.more && page.keys.length > 0;
    await new Promise(setImmediate);
  }
}

/** Puts what the lines say. The first that cannot be put ends it; those before it are there then, and a few behind it can be. */
async function importSpace(kv: Kv, request: FastifyRequest): Promise<{ readonly imported: number }> {
  const space = spaceOf(request);
  await kv.space(space);
  const puts = new Puts(kv, space);
  try {
    let number = 0;
    for await (const line of request.body instanceof Readable ? linesOf(request.body) : []) {
      number += 1;
      if (!isBlank(line)) await puts.add(number, line);
    }
  } catch (error) {
    // The client reads the answer once it has sent the rest.
    if (request.body instanceof Readable) request.body.resume();
    return { imported: await puts.end(error) };
  }
  return { imported: await puts.end() };
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** Lines without their line feeds; the last one need not have one. Throws BODY_TOO_LARGE, and BAD_REQUEST where the body breaks off. */
async function* linesOf(body: Readable): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  for await (const chunk of readable(body)) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      parts.push(chunk.subarray(start, end));
      yield parts.length === 1 ? (parts[0] ?? chunk) : Buffer.concat(parts);
      parts = [];
      length = 0;
      number += 1;
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    length += rest.length;
    if (length > LINE_BYTES_MAX) {
      const message = `Line ${number} is longer than 128 MiB. Large values are shorter as valueBase64.`;
      throw new JordError('BODY_TOO_LARGE', message, { line: number, limitBytes: LINE_BYTES_MAX });
    }
    if (rest.length > 0) parts.push(rest);
  }
  if (length > 0) yield Buffer.concat(parts);
}

async function* readable(body: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  } catch (error) {
    throw new JordError('BAD_REQUEST', 'The body broke off before its end.', {}, { cause: error });
  }
}

/** Puts of one import: some of them wait for the disk while further ones are made. */
class Puts {
  readonly #kv: Kv;
  readonly #space: string;
  /** Those under way, by key: no key is there twice, so the last line of a key wins. */
  readonly #waiting = new Map<string, Promise<void>>();
  #waitingBytes = 0;
  #imported = 0;
  #failure: { readonly line: number; readonly error: unknown } | undefined;

  constructor(kv: Kv, space: string) {
    this.#kv = kv;
    this.#space = space;
  }

  /** Begins one. Throws where the line is no entry, or another one has failed. */
  async add(line: number, bytes: Uint8Array): Promise<void> {
    const entry = importEntry(line, bytes);
    const name = Buffer.from(entry.key).toString('latin1');
    await this.#waiting.get(name);
    while (this.#waiting.size >= PUTS_MAX || this.#waitingBytes >= PUT_BYTES_MAX) {
      await Promise.race(this.#waiting.values());
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#waitingBytes += entry.value.length;
    this.#waiting.set(name, this.#settle(line, name, entry));
  }

  /** Of the lines that fail, the first one counts. */
  async #settle(line: number, name: string, entry: ImportEntry): Promise<void> {
    try {
      await this.#put(entry);
      this.#imported += 1;
    } catch (error) {
      if (this.#failure === undefined || line < this.#failure.line)
        this.#failure = { line, error: atLine(line, error) };
    } finally {
      this.#waiting.delete(name);
      this.#waitingBytes -= entry.value.length;
    }
  }

  /** Where the disk is slower than this, it gets its time. */
  async #put({ key, value, ttlMs }: ImportEntry): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#kv.put(this.#space, key, value, ttlMs === undefined ? {} : { ttlMs });
        return;
      } catch (error) {
        const isBacklog = error instanceof JordError && error.code === 'KV_BACKLOG';
        if (!isBacklog || tries === BACKLOG_TRIES_MAX) throw error;
        await delay(BACKLOG_RETRY_MS);
      }
    }
  }

  /** Waits for those under way. `thrown` is what ended the import, if anything did. Returns how many were put, or throws with it. */
  async end(thrown?: unknown): Promise<number> {
    await Promise.all(this.#waiting.values());
    const error = this.#failure?.error ?? thrown;
    if (error === undefined) return this.#imported;
    if (!(error instanceof JordError)) throw error;
    const { code, message, details, cause } = error;
    throw new JordError(code, message, { ...details, imported: this.#imported }, { cause });
  }
}

function atLine(line: number, error: unknown): unknown {
  if (!(error instanceof JordError)) return error;
  const { code, message, details } = error;
  return new JordError(code, `Line ${line}: ${message}`, { ...details, line }, { cause: error });
}

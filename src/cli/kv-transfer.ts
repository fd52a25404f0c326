/** `jord kv export` and `jord kv import`: a JSON object for each key, a line each. */

import { createReadStream, createWriteStream } from 'node:fs';
import { type Readable, type Writable, Writable as WritableStream } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatBytes } from '../bytes.ts';
import { JordError } from '../errors.ts';
import { Client } from './client.ts';
import { fileError } from './input.ts';
import { KvClient } from './kv-client.ts';
import type { ServerOptions } from './options.ts';
import { printLine } from './output.ts';

export interface ExportOptions extends ServerOptions {
  readonly prefix: string;
}

/** What is sent at once: a part is imported as a whole request, so that one fails soon and the next can say where it begins. */
const PART_BYTES = 4 * 1024 * 1024;
/** What the server takes as a line at most. */
const LINE_BYTES_MAX = 128 * 1024 * 1024;
const LINE_FEED = 0x0a;
const PROGRESS_INTERVAL_MS = 100;

export async function exportSpace(space: string, file: string, options: ExportOptions): Promise<void> {
  const response = await new KvClient(new Client(options)).export(space, options.prefix);
  const progress = new Progress(file !== '-' || !process.stdout.isTTY);
  const lines = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      progress.add(countLines(chunk), chunk.length);
      yield chunk;
    }
  };
  const target = file === '-' ? undefined : createWriteStream(file);
  try {
    await pipeline(received(response, options.server), lines, target ?? standardOutput());
  } catch (error) {
    if (error instanceof JordError || target === undefined) throw error;
    throw fileError('write', file, error);
  } finally {
    progress.end();
  }
  if (target !== undefined) printLine(`Exported ${countText(progress.keys)} to ${file}.`);
}

/** Throws SERVER_UNREACHABLE where the body breaks off: then it is not the whole. */
async function* received(response: Response, server: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    const message = `The export from ${server} broke off, so it is not complete. The log of the server may say why.`;
    throw new JordError('SERVER_UNREACHABLE', message, {}, { cause: error });
  }
}

/** Not closed at the end, as standard output must not be. */
function standardOutput(): Writable {
  return new WritableStream({
    write: (chunk: Uint8Array, _encoding, done) => {
      if (process.stdout.write(chunk)) done();
      else process.stdout.once('drain', done);
    },
  });
}

export async function importSpace(space: string, file: string, options: ServerOptions): Promise<void> {
  if (file === '-' && process.stdin.isTTY) {
    throw new JordError('BAD_OPTION', 'Name a file, or pipe the lines in.');
  }
  const client = new KvClient(new Client(options));
  const progress = new Progress(true);
  let lineBefore = 0;
  try {
    for await (const part of partsOf(file === '-' ? process.stdin : createReadStream(file), file)) {
      progress.add(await importPart(client, space, part, lineBefore, progress.keys), part.length);
      lineBefore += countLines(part);
    }
    // A space that is not there must not pass for one that nothing was imported into.
    if (lineBefore === 0) await client.space(space);
  } finally {
    progress.end();
  }
  printLine(`Imported ${countText(progress.keys)} into ${space}.`);
}

/** Returns how many keys were put. An error names its line as that of the whole input, and says what is done already. */
async function importPart(
  client: KvClient,
  space: string,
  part: Uint8Array<ArrayBuffer>,
  lineBefore: number,
  importedBefore: number,
): Promise<number> {
  try {
    return await client.import(space, part);
  } catch (error) {
    if (!(error instanceof JordError)) throw error;
    const { line, imported } = error.details;
    const place = typeof line === 'number' ? `Line ${lineBefore + line}: ` : '';
    const total = importedBefore + (typeof imported === 'number' ? imported : 0);
    const message = `${place}${error.message.replace(/^Line \d+: /, '')} Imported before that: ${countText(total)}.`;
    throw new JordError(error.code, message, error.details, { cause: error });
  }
}

/** The input in parts that end where a line does. Throws BAD_OPTION where it cannot be read. */
async function* partsOf(input: Readable, name: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunksOf(input, name)) {
    const end = length + chunk.length < PART_BYTES ? -1 : chunk.lastIndexOf(LINE_FEED);
    if (end === -1) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > LINE_BYTES_MAX) throw lineTooLong();
      continue;
    }
    yield new Uint8Array(Buffer.concat([...chunks, chunk.subarray(0, end + 1)]));
    const rest = chunk.subarray(end + 1);
    chunks = [rest];
    length = rest.length;
  }
  if (length > 0) yield new Uint8Array(Buffer.concat(chunks));
}

async function* chunksOf(input: Readable, name: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield chunk as Buffer;
  } catch (error) {
    throw fileError('read', name, error);
  }
}

function lineTooLong(): JordError {
  const message = 'A line is longer than 128 MiB. Each key has a line of its own; is this an export?';
  return new JordError('BODY_TOO_LARGE', message, { limitBytes: LINE_BYTES_MAX });
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) count += 1;
  return count;
}

function countText(keys: number): string {
  return keys === 1 ? '1 key' : `${keys.toLocaleString('en')} keys`;
}

/** A line on a terminal that says how far it is, as long as it takes. */
class Progress {
  keys = 0;
  #bytes = 0;
  #shownAtMs = performance.now();
  readonly #isShown: boolean;
  #isThere = false;

  constructor(isPossible: boolean) {
    this.#isShown = isPossible && process.stderr.isTTY;
  }

  add(keys: number, bytes: number): void {
    this.keys += keys;
    this.#bytes += bytes;
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#shownAtMs < PROGRESS_INTERVAL_MS) return;
    this.#shownAtMs = nowMs;
    this.#isThere = true;
    process.stderr.write(`\r\x1b[K${countText(this.keys)}, ${formatBytes(this.#bytes)}`);
  }

  /** What follows has the line for itself. */
  end(): void {
    if (this.#isThere) process.stderr.write('\r\x1b[K');
  }
}

/** HTTP/1.1 as the load generators speak it: requests built once, responses that say their length, no pipelining. */
import { connect, type Socket } from 'node:net';

export interface HttpTarget {
  /** An address, not a name. */
  readonly host: string;
  readonly port: number;
  /** All bytes of a request, from `buildRequest`. */
  readonly request: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly bodyBytes: number;
  /** Whether the server keeps the connection open. */
  readonly keepsOpen: boolean;
}

/** A POST. `host` and `contentType` go into header fields as they are. */
export function buildRequest(path: string, host: string, contentType: string, body: Uint8Array): Uint8Array {
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${host}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${body.byteLength}`,
    '',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

const HEAD_END = '\r\n\r\n';
const HEAD_BYTES_MAX = 16_384;
const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d) [^\r\n]*\r\n/;
/** The fields that say where a response ends. */
const FRAMING_FIELD = /\r\n(content-length|transfer-encoding|connection):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)/gi;

/** Reads one response after the other, however its bytes are cut. It knows their ends by Content-Length only. */
export class ResponseReader {
  #head: Buffer | undefined;
  #response: HttpResponse | undefined;
  #bodyBytesLeft = 0;

  /**
   * Takes the next bytes, which it does not keep. Returns the response that they complete. Throws an Error for what it
   * does not understand, and for bytes behind the end of a response: nobody asked for them.
   */
  read(bytes: Buffer): HttpResponse | undefined {
    if (this.#response === undefined) return this.#readHead(bytes);
    return this.#readBody(this.#response, bytes.length);
  }

  #readHead(bytes: Buffer): HttpResponse | undefined {
    const all = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END, 0, 'latin1');
    if (end === -1 || end > HEAD_BYTES_MAX) {
      if (all.length > HEAD_BYTES_MAX) throw new Error(`a response has more than ${HEAD_BYTES_MAX} bytes of fields`);
      this.#head = this.#head === undefined ? Buffer.from(all) : all;
      return undefined;
    }
    this.#head = undefined;
    const bodyStart = end + HEAD_END.length;
    this.#response = parseHead(all.toString('latin1', 0, bodyStart));
    this.#bodyBytesLeft = this.#response.bodyBytes;
    return this.#readBody(this.#response, all.length - bodyStart);
  }

  #readBody(response: HttpResponse, byteCount: number): HttpResponse | undefined {
    this.#bodyBytesLeft -= byteCount;
    if (this.#bodyBytesLeft > 0) return undefined;
    if (this.#bodyBytesLeft < 0) throw new Error('bytes came behind the end of a response');
    this.#response = undefined;
    return response;
  }
}

function parseHead(head: string): HttpResponse {
  const status = STATUS_LINE.exec(head)?.[1];
  if (status === undefined) throw new Error(`not the status line of a final HTTP/1.1 response: ${firstLine(head)}`);
  let length: string | undefined;
  let keepsOpen = true;
  for (const [, name = '', value = ''] of head.matchAll(FRAMING_FIELD)) {
    switch (name.toLowerCase()) {
      case 'content-length':
        if (length !== undefined && length !== value) throw new Error('a response has two lengths');
        length = value;
        break;
      case 'connection':
        if (/\bclose\b/i.test(value)) keepsOpen = false;
        break;
      default:
        throw new Error(`a response has Transfer-Encoding: ${value}; only Content-Length is understood`);
    }
  }
  if (length === undefined || !/^\d{1,15}$/.test(length)) {
    throw new Error(`a response with status ${status} has no valid Content-Length`);
  }
  return { status: Number(status), bodyBytes: Number(length), keepsOpen };
}

function firstLine(text: string): string {
  return JSON.stringify(text.slice(0, 80).split('\r\n', 1)[0]);
}

export interface ConnectionEvents {
  /** The response to the request under way is complete, and the next request may be sent. */
  readonly response: (response: HttpResponse) => void;
  /**
   * The connection is gone; comes once. Without an error when either side closed it while no request was under way, or
   * after a response that announced it.
   */
  readonly closed: (error: Error | undefined) => void;
}

/** Responses are small; what is larger comes in pieces. */
const READ_BUFFER_BYTES = 4096;

/** A keep-alive connection with at most one request under way. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader = new ResponseReader();
  #busy = false;
  #closed = false;
  #error: Error | undefined;

  /** Begins to connect. Requests can be sent at once: they wait for the connection. */
  constructor({ host, port }: HttpTarget, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      // One buffer for all reads, rather than a new one for each.
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
        callback: (count, buffer) => this.#onRead(count, buffer),
      },
    });
    this.#socket.on('error', (error) => {
      this.#error ??= error;
    });
    this.#socket.on('end', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#onClose());
  }

  /** Whether there is, or will be, a connection. */
  get isOpen(): boolean {
    return !this.#closed;
  }

  /** Settles when it is connected, or will never be. */
  connected(): Promise<void> {
    if (!this.#socket.connecting) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('close', () => resolve());
    });
  }

  /** The response to the last request must have come. */
  send(request: Uint8Array): void {
    if (this.#busy) throw new Error('a request is under way on this connection');
    this.#busy = true;
    this.#socket.write(request);
  }

  /** Cuts the connection, whatever is under way. */
  close(): void {
    this.#busy = false;
    this.#closed = true;
    this.#socket.destroy();
  }

  /** Gets whatever arrives. Returns whether to go on reading. */
  #onRead(count: number, buffer: Uint8Array): boolean {
    if (this.#closed) return false;
    const response = this.#take(Buffer.from(buffer.buffer, buffer.byteOffset, count));
    if (response !== undefined) {
      this.#busy = false;
      if (!response.keepsOpen) this.close();
      this.#events.response(response);
    }
    return !this.#closed;
  }

  /** What is not understood ends the connection. */
  #take(bytes: Buffer): HttpResponse | undefined {
    try {
      if (!this.#busy) throw new Error('a response came without a request');
      return this.#reader.read(bytes);
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error));
      this.#closed = true;
      this.#socket.destroy();
      return undefined;
    }
  }

  #onClose(): void {
    this.#closed = true;
    if (this.#busy) this.#error ??= new Error('the server closed a connection before its response was complete');
    this.#busy = false;
    this.#events.closed(this.#error);
  }
}

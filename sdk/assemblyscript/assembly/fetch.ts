import { ArgBuf } from './argbuf';
import * as abi from './jord';
import { isStatus, Status, statusName } from './status';
import { utf8Length, writeUtf8 } from './utf8';
import { View } from './view';

const LINE_FEED: u8 = 0x0a;
const COLON: u8 = 0x3a;

/**
 * What to ask another HTTP server for. It can be fetched more than once.
 *
 *     fetch(new FetchRequest('PUT', url).header('content-type', 'application/json').body(json.argbuf()));
 */
export class FetchRequest {
  private head: string;
  private content: View | null = null;
  private isMalformed: bool;

  /** `method` in capital letters; `url` with `http://` or `https://`. */
  constructor(method: string, url: string) {
    this.head = `${method} ${url}\n`;
    this.isMalformed = !isToken(method) || !isLine(url) || url.includes(' ');
  }

  /** Adds a header. */
  header(name: string, value: string): this {
    this.head += `${name}: ${value}\n`;
    if (!isToken(name) || !isLine(value)) this.isMalformed = true;
    return this;
  }

  /** Sets the body. It is copied when the request is fetched. */
  body(bytes: View): this {
    this.content = bytes;
    return this;
  }

  /** For `fetch`: an ArgBuf as `fetch` of the ABI takes it, or a status. */
  encode(): usize {
    // A line feed at the wrong place would be another header for the server.
    if (this.isMalformed) return Status.BAD_PARAMETER;
    const head = this.head;
    const content = this.content;
    const contentLength = content == null ? 0 : content.length;
    const address = abi.argbuf_new(utf8Length(head) + 1 + contentLength);
    if (isStatus(address)) return address;
    const end = writeUtf8(head, address);
    store<u8>(end, LINE_FEED);
    if (content != null) memory.copy(end + 1, content.pointer, contentLength);
    return address;
  }
}

/** What another HTTP server answered, in the ArgBuf in which it came. No answer is a value, too: look at `status`. */
export class FetchResponse {
  /** The HTTP status; 0 when there is no answer. */
  readonly status: i32;
  /** Status.OK, or why there is no answer. */
  readonly error: i32;
  /** The body, in place; empty when there is none. */
  readonly body: View;
  /** The headers, in place: lines `name: value`. */
  readonly fields: View;
  private buffer: ArgBuf;

  /** What `fetch` of the ABI returned. */
  constructor(returned: usize) {
    const failed = isStatus(returned);
    const buffer = failed ? new ArgBuf(0) : ArgBuf.over(returned, abi.argbuf_length(returned));
    const fieldsStart = lineEnd(buffer, 0);
    let fieldsEnd = fieldsStart;
    while (fieldsEnd < buffer.length && buffer[fieldsEnd] != LINE_FEED) fieldsEnd = lineEnd(buffer, fieldsEnd);
    this.buffer = buffer;
    this.error = failed ? <i32>returned : Status.OK;
    this.status = digits(buffer);
    this.fields = buffer.slice(fieldsStart, fieldsEnd);
    this.body = buffer.slice(min(fieldsEnd + 1, buffer.length));
  }

  /** The server answered with success: a status of 200 to 299. */
  get ok(): bool {
    return this.status >= 200 && this.status < 300;
  }

  /** The name of the error, such as "NOT_ALLOWED". */
  get errorName(): string {
    return statusName(this.error);
  }

  /** The body as text. */
  text(): string {
    return this.body.text();
  }

  /** The value of a header, or null. Its name in any case. Several of one name are joined with a comma and a space. */
  header(name: string): string | null {
    const fields = this.fields;
    let found: string | null = null;
    for (let start = 0; start < fields.length; ) {
      const end = lineEnd(fields, start);
      const value = valueOf(fields.slice(start, end), name);
      if (value != null) found = found == null ? value : `${found}, ${value}`;
      start = end;
    }
    return found;
  }

  /** Gives its memory up: `body` and `fields` cannot be used any more. */
  free(): i32 {
    return this.buffer.free();
  }
}

/**
 * Asks another HTTP server, by URL (a GET) or FetchRequest, and waits for its answer; this server does other work
 * meanwhile. Only what the function's deployment allows can be fetched. Redirects are answers like others.
 */
export function fetch<T>(target: T): FetchResponse {
  const address = requestOf(target).encode();
  if (isStatus(address)) return new FetchResponse(address);
  const returned = abi.fetch(address);
  // What the server has not taken is of no use to anybody.
  if (isStatus(returned)) abi.argbuf_free(address);
  return new FetchResponse(returned);
}

function requestOf<T>(target: T): FetchRequest {
  if (isString<T>()) return new FetchRequest('GET', changetype<string>(target));
  if (isReference<T>()) {
    if (target instanceof FetchRequest) return target;
  }
  ERROR('a URL or a FetchRequest is expected');
  return changetype<FetchRequest>(target);
}

/** Where the line that begins at `start` ends, its line feed included. */
function lineEnd(text: View, start: i32): i32 {
  const end = text.indexOf(LINE_FEED, start);
  return end < 0 ? text.length : end + 1;
}

/** The number that text begins with. */
function digits(text: View): i32 {
  let value: i32 = 0;
  for (let i = 0; i < text.length && text[i] >= 0x30 && text[i] <= 0x39; i++) value = value * 10 + text[i] - 0x30;
  return value;
}

/** The value in a line `name: value\n` of this name, or null. */
function valueOf(line: View, name: string): string | null {
  if (line.indexOf(COLON) != name.length) return null;
  for (let i = 0; i < name.length; i++) {
    if (lower(line[i]) != lower(name.charCodeAt(i))) return null;
  }
  return line.slice(name.length + 1).text().trim();
}

function lower(letter: i32): i32 {
  return letter >= 0x41 && letter <= 0x5a ? letter | 0x20 : letter;
}

/** It can be a method or the name of a header, as far as its place in a line goes: visible ASCII without a colon. */
function isToken(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code == COLON) return false;
  }
  return text.length > 0;
}

/** It has no control characters but tabs, so it stays one line. */
function isLine(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code != 0x09) || code == 0x7f) return false;
  }
  return true;
}

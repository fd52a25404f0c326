/**
 * The text of outbound requests and responses, as docs/abi.md ("Fetch") has it. A function writes the requests: nothing in
 * them is trusted, and what HTTP does not allow never gets to the network.
 */
import { CONNECTION_FIELDS } from '../reserved-fields.ts';

/** Name and value. Each character of a value is one byte of the text: UTF-8 stays the bytes that it was. */
export type Field = readonly [name: string, value: string];

export interface OutboundRequest {
  readonly method: string;
  /** http: or https:, without user name and password. */
  readonly url: URL;
  /** As they stand in the text, in order, repeated ones repeated. */
  readonly headers: readonly Field[];
  /** A view of the text, not a copy. */
  readonly body: Uint8Array;
}

/** First line and header fields of a request, with the empty line: no thread is held for long by taking them apart. */
export const HEAD_BYTES_MAX = 65_536;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const DELETE = 0x7f;

// RFC 9110, 5.6.2 and 5.5, with a byte as a character.
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const ABSOLUTE_URL = /^https?:\/\//i;
/** `fetch` refuses them too: the first is for proxies, the others show a client what it must not see. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);
const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD']);
/** They frame the message, or are made from the URL: two of them would let one request look like two. */
const REFUSED_FIELDS: ReadonlySet<string> = new Set([...CONNECTION_FIELDS, 'content-length', 'host']);

/** What `fetch` undoes before anybody sees the body. */
const DECODED_CODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The request in a text; undefined when it is malformed. Never throws. The bytes may be in shared memory: the head is
 * copied first, so that it is the same for every check.
 */
export function parseRequest(bytes: Uint8Array): OutboundRequest | undefined {
  const head = splitHead(Buffer.from(bytes.subarray(0, HEAD_BYTES_MAX)));
  const [firstLine, ...fieldLines] = head?.lines ?? [];
  if (head === undefined || firstLine === undefined) return undefined;

  const space = firstLine.indexOf(SPACE);
  if (space < 0) return undefined;
  const method = firstLine.toString('latin1', 0, space);
  const body = bytes.subarray(head.bodyStart);
  if (!isAcceptedMethod(method, body.length)) return undefined;
  const url = parseUrl(firstLine.subarray(space + 1));
  if (url === undefined) return undefined;

  const headers: Field[] = [];
  for (const line of fieldLines) {
    const field = parseField(line.toString('latin1'));
    if (field === undefined) return undefined;
    headers.push(field);
  }
  return { method, url, headers, body };
}

/** The lines before the empty one, without their ends, and where the body begins. Undefined without an empty line. */
function splitHead(bytes: Buffer): { readonly lines: readonly Buffer[]; readonly bodyStart: number } | undefined {
  const lines: Buffer[] = [];
  for (let start = 0; ; ) {
    const lineFeed = bytes.indexOf(LINE_FEED, start);
    if (lineFeed < 0) return undefined;
    const end = lineFeed > start && bytes[lineFeed - 1] === CARRIAGE_RETURN ? lineFeed - 1 : lineFeed;
    if (end === start) return { lines, bodyStart: lineFeed + 1 };
    lines.push(bytes.subarray(start, end));
    start = lineFeed + 1;
  }
}

function isAcceptedMethod(method: string, bodyLength: number): boolean {
  // In capitals, since `fetch` makes GET of `get`.
  const upperCase = method.toUpperCase();
  if (!TOKEN.test(method) || REFUSED_METHODS.has(upperCase)) return false;
  return bodyLength === 0 || !METHODS_WITHOUT_BODY.has(upperCase);
}

function parseUrl(bytes: Uint8Array): URL | undefined {
  // The parser would leave blanks and control characters out, and see another URL than a reader does.
  if (!bytes.every((byte) => byte > SPACE && byte !== DELETE)) return undefined;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return undefined;
  }
  const url = ABSOLUTE_URL.test(text) ? URL.parse(text) : null;
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  return url;
}

function parseField(line: string): Field | undefined {
  const colon = line.indexOf(':');
  if (colon < 0) return undefined;
  const name = line.slice(0, colon);
  const value = trimBlanks(line.slice(colon + 1));
  if (!TOKEN.test(name) || !FIELD_VALUE.test(value) || REFUSED_FIELDS.has(name.toLowerCase())) return undefined;
  return [name, value];
}

/** Without spaces and tabs at both ends. A regular expression would take the square of the time. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/**
 * The text of a response up to its body: status, header fields, empty line. Fields come from `fetch`, whose body is decoded:
 * fields that speak of the connection, or of the body as it was on its way, are left out.
 */
export function responseHead(status: number, headers: Iterable<Field>): Uint8Array {
  const lines = [String(status)];
  for (const [givenName, value] of headers) {
    const name = givenName.toLowerCase();
    if (CONNECTION_FIELDS.has(name) || name === 'content-length') continue;
    if (name === 'content-encoding' && isDecoded(value)) continue;
    // A line end in here would be a field that the server did not send.
    if (TOKEN.test(name) && FIELD_VALUE.test(value)) lines.push(`${name}: ${value}`);
  }
  return Buffer.from(`${lines.join('\n')}\n\n`, 'latin1');
}

/** `fetch` decodes all codings of a body or, when it does not know one of them, none. */
function isDecoded(contentEncoding: string): boolean {
  return contentEncoding.split(',').every((coding) => DECODED_CODINGS.has(coding.trim().toLowerCase()));
}

import { ArgBuf } from './argbuf';
import { field } from './http';
import * as abi from './jord';
import { View } from './view';

/**
 * What a function was called with: the body, as the ArgBuf it arrived in, and, when an HTTP request is behind the
 * invocation, its parts. A function that was called by another function has no HTTP request; all parts are then
 * empty or null. Each part is fetched from the server when it is asked for, so keep it when it is needed again.
 */
export class Request extends ArgBuf {
  /** What `handle` of the ABI is given. */
  constructor(pointer: usize, length: i32) {
    super(0);
    this.start = pointer;
    this.size = length;
  }

  // As in ArgBuf: the compiler wants its own.
  @operator('[]')
  requestByteAt(index: i32): u8 {
    return this.byteAt(index);
  }

  @operator('{}')
  uncheckedRequestByteAt(index: i32): u8 {
    return this.uncheckedByteAt(index);
  }

  /** An HTTP request is behind this invocation: it was not called by another function. */
  get isHttp(): bool {
    const method = field(':method');
    if (method == null) return false;
    method.free();
    return true;
  }

  /** The HTTP method in capital letters; "" without an HTTP request. */
  get method(): string {
    return fieldText(':method');
  }

  /** The path behind `/fn/<name>`, with its slash, as it was sent: not decoded. "" when there is none. */
  get path(): string {
    return fieldText(':path');
  }

  /** The query without its question mark, as it was sent. */
  get query(): string {
    return fieldText(':query');
  }

  /** The value of a header, or null. Its name in any case. */
  header(name: string): string | null {
    const value = field(name);
    if (value == null) return null;
    const text = value.text();
    value.free();
    return text;
  }

  /**
   * The value of a parameter in the query, or null: the first one of that name. `+` and `%20` become a space; what is
   * not a proper escape stays as it is, and what is not UTF-8 becomes U+FFFD. A parameter without `=` has value "".
   */
  parameter(name: string): string | null {
    const query = field(':query');
    if (query == null) return null;
    const value = findParameter(query, name);
    query.free();
    return value;
  }

  /** All parts of the HTTP request as the server has them, `name: value\n` each; null without one. */
  fields(): ArgBuf | null {
    const address = abi.request_fields();
    return ArgBuf.at(address);
  }
}

function fieldText(name: string): string {
  const value = field(name);
  if (value == null) return '';
  const text = value.text();
  value.free();
  return text;
}

function findParameter(query: View, name: string): string | null {
  let start: i32 = 0;
  while (start <= query.length) {
    const separator = query.indexOf(0x26, start);
    const end = separator < 0 ? query.length : separator;
    const equals = query.indexOf(0x3d, start);
    const keyEnd = equals < 0 || equals > end ? end : equals;
    if (keyEnd > start || end > keyEnd) {
      const key = decode(query.slice(start, keyEnd));
      if (key == name) return keyEnd == end ? '' : decode(query.slice(keyEnd + 1, end));
    }
    start = end + 1;
  }
  return null;
}

/** Undoes the encoding of a query. The result is never longer, so one piece of memory for it is enough. */
function decode(encoded: View): string {
  const length = encoded.length;
  const decoded = heap.alloc(<usize>length + 1);
  let to = decoded;
  for (let i: i32 = 0; i < length; i++) {
    let byte: i32 = unchecked(encoded[i]);
    if (byte == 0x2b) {
      byte = 0x20;
    } else if (byte == 0x25 && i + 2 < length) {
      const high = hexDigit(unchecked(encoded[i + 1]));
      const low = hexDigit(unchecked(encoded[i + 2]));
      if (high >= 0 && low >= 0) {
        byte = (high << 4) | low;
        i += 2;
      }
    }
    store<u8>(to++, <u8>byte);
  }
  const text = new View(decoded, <i32>(to - decoded)).text();
  heap.free(decoded);
  return text;
}

/** The value of a hexadecimal digit, or -1. */
function hexDigit(byte: i32): i32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

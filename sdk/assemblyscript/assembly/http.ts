import { ArgBuf } from './argbuf';
import { refused } from './failure';
import * as abi from './jord';
import * as log from './log';
import { isStatus, Status } from './status';
import { writeUtf8 } from './utf8';

/** A field of the HTTP request, or null when there is no such field or no HTTP request. The name in any case. */
export function field(name: string): ArgBuf | null {
  const text = heap.alloc(<usize>name.length * 3 + 1);
  const length = <i32>(writeUtf8(name, text) - text);
  for (let at = text; at < text + <usize>length; at++) {
    const byte = load<u8>(at);
    if (byte >= 0x41 && byte <= 0x5a) store<u8>(at, byte | 0x20);
  }
  const address = abi.request_field(text, length);
  heap.free(text);
  return isStatus(address) ? null : ArgBuf.at(address);
}

/** Sets a field of the HTTP response. Without an HTTP request there is nothing to set, which is no error. */
export function setField(name: string, value: string): void {
  const text = heap.alloc(<usize>value.length * 3 + 1);
  setFieldUtf8(name, text, <i32>(writeUtf8(value, text) - text));
  heap.free(text);
}

/** The same with a value that is UTF-8 already. */
export function setFieldUtf8(name: string, value: usize, valueLength: i32): void {
  const text = heap.alloc(<usize>name.length * 3 + 1);
  const nameLength = <i32>(writeUtf8(name, text) - text);
  const status = abi.response_field(text, nameLength, value, valueLength);
  heap.free(text);
  if (status != Status.OK && status != Status.NO_HTTP_REQUEST) {
    log.error(name);
    refused('HTTP does not allow this value of the header above', status);
  }
}

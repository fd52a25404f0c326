/**
 * Storages of documents: JSON texts that are kept as they are shown. What is asked for stands at the end of a request, so
 * that what is before it, the document, goes into the store as it is.
 *
 * STORE: `document, u64 id, u32 operation` → `u32 0`
 * READ: `u64 ids, u32 operation` → a JSON object with one member, a list of them in the order of the ids
 */
import { ArgBuf, Request, Response, Space, TextWriter, View } from 'jord';
import { JsonFragment } from './json-fragment';
import { NumberKey } from './keys';
import { done } from './service';

export namespace DocumentOperation {
  export const STORE: u32 = 1;
  export const READ: u32 = 2;
}

/** What stands behind a document that is to be stored. */
export const STORE_LENGTH: i32 = 12;

/** Writes that, and returns the whole request. */
export function storeRequest(document: JsonFragment, id: u64): ArgBuf {
  document.word(<u32>id).word(<u32>(id >> 32)).word(DocumentOperation.STORE);
  return document.argbuf();
}

/** `listBegin` is how the answer begins: `{"posts":[`; `lengthUsual` about what a document takes. */
export function handleDocuments(space: Space, request: Request, listBegin: View, lengthUsual: i32): Response {
  const operation = request.load<u32>(request.length - 4);
  return operation == DocumentOperation.READ ? read(space, request, listBegin, lengthUsual) : keep(space, request);
}

function keep(space: Space, request: Request): Response {
  const id = request.load<u64>(request.length - STORE_LENGTH);
  request.resize(request.length - STORE_LENGTH);
  const put = space.putBytes(new NumberKey().of(id), request);
  if (put < 65536) throw new Error(`the document cannot be kept: status ${put}`);
  return done();
}

function read(space: Space, ids: ArgBuf, listBegin: View, lengthUsual: i32): Response {
  const count = ids.length >> 3;
  const key = new NumberKey();
  const out = new TextWriter(16 + count * lengthUsual);
  out.bytes(listBegin);
  let isFirst = true;
  for (let i = 0; i < count; i++) {
    const document = space.getBytes(key.of(ids.load<u64>(i << 3)));
    if (document == null) continue;
    if (!isFirst) out.byte(0x2c);
    isFirst = false;
    out.bytes(document);
    // An invocation cannot hold any number of values.
    document.release();
  }
  return new Response(out.byte(0x5d).byte(0x7d).argbuf());
}

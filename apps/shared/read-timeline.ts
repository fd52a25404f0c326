/**
 * Services that keep timelines.
 *
 * READ: `u32 operation, u32 owner, i32 start, i32 stop` → the documents from `start` to before `stop`, counted from the
 * newest, as their storage answers
 * WRITE: `u32 operation, u32 owner, u64 id` → `u32 0`
 */
import { ArgBuf, Request, Response, Space } from 'jord';
import { Code } from './codes';
import { DocumentOperation } from './documents';
import { keyOf } from './keys';
import { refuse, Service } from './service';
import { copyPage, pageLength } from './timeline';

export namespace TimelineOperation {
  export const READ: u32 = 1;
  export const WRITE: u32 = 2;
}

const PAGE_LENGTH_MAX: i32 = 100;

export function isRange(start: i32, stop: i32): bool {
  return start >= 0 && stop >= start && stop - start <= PAGE_LENGTH_MAX;
}

/** The answer to READ. */
export function readTimeline(timelines: Space, documents: Service, request: Request): Response {
  const start = request.load<i32>(8);
  const stop = request.load<i32>(12);
  if (!isRange(start, stop)) return refuse(Code.INVALID_RANGE);
  const timeline = timelines.getBytes(keyOf(request.load<u32>(4)));
  const length = timeline == null ? 0 : pageLength(timeline.length >> 3, start, stop);
  const ids = new ArgBuf((length << 3) + 4);
  if (timeline != null) copyPage(timeline, start, length, ids.pointer);
  return readDocuments(documents, ids);
}

/** Asks for documents; the last word of `ids` is free. */
export function readDocuments(documents: Service, ids: ArgBuf): Response {
  ids.store<u32>(ids.length - 4, DocumentOperation.READ);
  const result = documents.call(ids);
  return result.ok ? new Response(result.response) : refuse(Code.SERVICE_FAILED);
}

/**
 * Timelines: values that are lists of ids, eight bytes each, in ascending order. Ids come from a counter, so that is the
 * order in which what they name was made, whichever is added first.
 */
import { ArgBuf, Space, Status, View } from 'jord';

/** The newest ones are kept: with these, a timeline is 1 KiB. */
export const TIMELINE_LENGTH_MAX: i32 = 128;

/** Versions are not below it, statuses are. */
const VERSION_MIN: i64 = 65536;

/** Adds an id to the timeline of a key; nothing happens when it is there already or older than all that are kept. */
export function addToTimeline(space: Space, key: View, id: u64): void {
  while (!tryAdd(space, key, id)) {}
}

/** False when somebody else changed the timeline in between. */
function tryAdd(space: Space, key: View, id: u64): bool {
  const old = space.getBytes(key);
  const from: usize = old == null ? 0 : old.pointer;
  const count = old == null ? 0 : old.length >> 3;
  // Nearly always it is the newest, and belongs to the end.
  let place = count;
  while (place > 0 && load<u64>(from + ((<usize>place - 1) << 3)) > id) place--;
  const isThere = place > 0 && load<u64>(from + ((<usize>place - 1) << 3)) == id;
  const dropped = count < TIMELINE_LENGTH_MAX ? 0 : 1;
  if (isThere || place < dropped) {
    if (old != null) old.release();
    return true;
  }

  const grown = new ArgBuf((count - dropped + 1) << 3);
  const to = grown.pointer;
  const before = (<usize>(place - dropped)) << 3;
  memory.copy(to, from + ((<usize>dropped) << 3), before);
  store<u64>(to + before, id);
  memory.copy(to + before + 8, from + ((<usize>place) << 3), (<usize>(count - place)) << 3);
  const put = space.putBytes(key, grown, old == null ? 0 : old.version);
  if (old != null) old.release();
  if (put >= VERSION_MIN) return true;
  if (put != Status.KV_CONFLICT) throw new Error(`the timeline cannot be written: status ${put}`);
  grown.free();
  return false;
}

/** How many ids of a timeline of `count` are at positions `start` to before `stop`, counted from the newest, which is 0. */
export function pageLength(count: i32, start: i32, stop: i32): i32 {
  return max(min(stop, count) - start, 0);
}

/** Writes the ids of such a page to `to`, newest first. */
export function copyPage(timeline: View, start: i32, length: i32, to: usize): void {
  let from = timeline.pointer + <usize>timeline.length - ((<usize>start) << 3);
  for (let i = 0; i < length; i++) {
    from -= 8;
    store<u64>(to + ((<usize>i) << 3), load<u64>(from));
  }
}

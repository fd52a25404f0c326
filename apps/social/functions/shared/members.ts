/** Sets of user ids in the key-value store: four bytes each, in ascending order. */
import { ArgBuf, Space, Status, Value } from 'jord';
import { keyOf } from '../../../shared/keys';

export enum Change {
  MADE,
  /** It was as it should be. */
  NONE,
  NO_LIST,
  /** Somebody else changed the set in between. */
  CONFLICT,
}

/** Puts an id into the set of `owner`, or takes it out. */
export function change(space: Space, owner: u32, id: u32, isIn: bool): Change {
  while (true) {
    const old = space.getBytes(keyOf(owner));
    if (old == null) return Change.NO_LIST;
    const made = tryChange(space, owner, id, isIn, old);
    old.release();
    if (made != Change.CONFLICT) return made;
  }
}

export function isMember(space: Space, owner: u32, id: u32): bool {
  const list = space.getBytes(keyOf(owner));
  if (list == null) return false;
  const place = placeOf(list, id);
  const found = isAt(list, place, id);
  list.release();
  return found;
}

function tryChange(space: Space, owner: u32, id: u32, isIn: bool, old: Value): Change {
  const place = placeOf(old, id);
  if (isAt(old, place, id) == isIn) return Change.NONE;
  const before = place << 2;
  // Behind the one that comes or goes.
  const rest = isIn ? before : before + 4;
  const changed = new ArgBuf(isIn ? old.length + 4 : old.length - 4);
  memory.copy(changed.pointer, old.pointer, before);
  if (isIn) store<u32>(changed.pointer + <usize>before, id);
  const to = isIn ? before + 4 : before;
  memory.copy(changed.pointer + <usize>to, old.pointer + <usize>rest, old.length - rest);
  const put = space.putBytes(keyOf(owner), changed, old.version);
  if (put >= 65536) return Change.MADE;
  if (put != Status.KV_CONFLICT) throw new Error(`the set cannot be written: status ${put}`);
  changed.free();
  return Change.CONFLICT;
}

/** How many of the set are below `id`. */
function placeOf(list: Value, id: u32): i32 {
  let low = 0;
  let high = list.length >> 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u32>(list.pointer + ((<usize>middle) << 2)) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isAt(list: Value, place: i32, id: u32): bool {
  return place < list.length >> 2 && load<u32>(list.pointer + ((<usize>place) << 2)) == id;
}

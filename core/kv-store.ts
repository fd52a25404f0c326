/**
 * The key-value store: what functions and hosts ask of it about one key. Each operation takes effect at one moment, while it holds
 * the lock of the key's stripe; it may fail, and then nothing has changed.
 *
 * `get` shares a value with the PD that asks, as any VMA is shared: nothing is copied, and the value stays as it is until the PD
 * lets go, whatever becomes of the key. `put` moves an ArgBuf into the store, as into another PD.
 */
import { reserveShortStack, reserveStack } from './address-space';
import { translate } from './arg-buf';
import { spill } from './free-lists';
import { grant, grantSlot } from './grant';
import {
  adopt,
  count,
  dropValue,
  expiryOf,
  findEntry,
  hashOf,
  isExpired,
  isHeld,
  isLive,
  keyOf,
  linkEntry,
  markDirty,
  nextVersion,
  removeKey,
  setExpiry,
  setValue,
  startOf,
  touch,
  ttlOf,
} from './kv-entry';
import { indexHeight, indexInsert } from './kv-index';
import {
  bindingOf,
  charge,
  isCache,
  isHost,
  lives,
  lockIndex,
  lockStripe,
  spaceOf,
  stripeOf,
  takesChanges,
  unlockIndex,
  unlockStripe,
  wakeWriter,
} from './kv-space';
import { evictOne } from './kv-sweep';
import { isLarger, makeTable, replaceTable } from './kv-table';
import {
  CONTROL_KV_BYTES,
  CONTROL_KV_BYTES_MAX,
  ENTRY_EXPIRES_MS,
  ENTRY_HASH,
  ENTRY_HEIGHT,
  ENTRY_KEY_LENGTH,
  ENTRY_TOWER,
  ENTRY_USED,
  ENTRY_VALUE,
  ENTRY_VERSION,
  HOME_EXECUTOR,
  KV_KEY_BYTES_MAX,
  KV_MAY_READ,
  KV_MAY_READ_WRITE,
  KV_VALUE_BYTES_MAX,
  OWNER_STORE,
  PERMISSION_READ,
  SPACE_BYTES,
  SPACE_BYTES_MAX,
  SPACE_EXPIRATIONS,
  SPACE_SEED,
  STRIPE_DELETES,
  STRIPE_GETS,
  STRIPE_HITS,
  STRIPE_PUTS,
  VERSION_NONE,
  VTE_END,
  VTE_OWNER,
  VTE_VERSION,
} from './layout';
import {
  BAD_PARAMETER,
  BAD_POINTER,
  CLASS_EXHAUSTED,
  KV_BAD_KEY,
  KV_CONFLICT,
  KV_FULL,
  KV_NOT_A_COUNTER,
  KV_NO_SUCH_KEY,
  KV_NO_SUCH_SPACE,
  OK,
  SHARED,
  STALE_PD,
  TOO_LARGE,
} from './status';
import { checkDeadline, classShiftOf, failed, isShared, mapVma, mayAsk, ownVte, release, sizeOf, vmaUnmap, vteAtStart, vteOf } from './vma-table';

/** `expected` of a change: the key may have any version, or none. */
const ANY: i64 = -1;
const ABSENT: i64 = 0;
// What `replace` and `insert` return when they have not: no versions, and no statuses.
/** Another try makes sense: the key has got a value meanwhile, or lost it. */
const AGAIN: i64 = -1;
/** Space or store have as much as they may. */
const NO_ROOM: i64 = -2;
/** Others change the same key at the same time, or a cache makes room key by key. */
const TRIES_MAX: u32 = 1 << 20;
const RANDOM_STEP: u32 = 0x9e37_79b9;
/** 285,000 years. */
const TTL_MS_MAX: i64 = 1 << 53;
const COUNTER_BYTES: u32 = 8;

// @ts-ignore: decorator
@inline
function isKey(length: u32): bool {
  return length - 1 < <u32>KV_KEY_BYTES_MAX;
}

/**
 * Shares the value of a key with the asker, for reading, until it lets go (`vmaRelease`) or ends. A PD holds a value once, however
 * often it gets it. Returns the address of the value, or KV_NO_SUCH_KEY, KV_BAD_KEY, BAD_POINTER, NOT_ALLOWED, KV_NO_SUCH_SPACE,
 * GRANT_REFUSED, STALE_PD.
 */
export function kvGet(handle: u32, key: u32, keyLength: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const space = spaceOf(binding);
  const hash = hashOf(at, keyLength, load<u64>(space, SPACE_SEED));
  const stripe = stripeOf(space, hash);
  // `grant` is a call.
  reserveShortStack();
  lockStripe(stripe, load<u32>(asker, HOME_EXECUTOR));
  const result = lives(binding) ? share(space, stripe, findEntry(stripe, hash, at, keyLength), asker) : KV_NO_SUCH_SPACE;
  unlockStripe(stripe);
  return result;
}

// @ts-ignore: decorator
@inline
function share(space: u32, stripe: u32, entry: u32, asker: u32): u32 {
  count(stripe, STRIPE_GETS);
  if (!isLive(entry)) return KV_NO_SUCH_KEY;
  const vte = load<u32>(entry, ENTRY_VALUE);
  if (grantSlot(asker, vte) == 0) {
    const status = grant(vte, asker, PERMISSION_READ);
    if (status != OK) return status;
  }
  count(stripe, STRIPE_HITS);
  touch(space, entry);
  return startOf(vte);
}

/** How many ms a key stays, 0 for ever; -1 where it is not there, or the asker may not ask. */
export function kvTtl(handle: u32, key: u32, keyLength: u32, asker: u32): i64 {
  if (!mayAsk(asker)) return -1;
  const binding = bindingOf(handle, KV_MAY_READ, asker);
  if (failed(binding) || !isKey(keyLength)) return -1;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return -1;
  const space = spaceOf(binding);
  const hash = hashOf(at, keyLength, load<u64>(space, SPACE_SEED));
  const stripe = stripeOf(space, hash);
  lockStripe(stripe, load<u32>(asker, HOME_EXECUTOR));
  const entry = lives(binding) ? findEntry(stripe, hash, at, keyLength) : 0;
  const result = isLive(entry) ? ttlOf(load<u64>(entry, ENTRY_EXPIRES_MS)) : -1;
  unlockStripe(stripe);
  return result;
}

/** Version of a value that the asker holds; 0 of anything else. */
export function kvVersion(address: u32, asker: u32): u64 {
  const vte = vteAtStart(address);
  if (failed(vte) || load<u32>(vte, VTE_OWNER) != OWNER_STORE || grantSlot(asker, vte) == 0) return 0;
  return load<u64>(vte, VTE_VERSION);
}

/**
 * Moves an ArgBuf of the asker (0: an empty one) into the store, as the value of a key. `expected` is the version that the key must
 * have, 0 for none, -1 for any; `ttlMs` how long it stays, 0 for ever. Returns the new version, which is larger than any
 * status; or KV_CONFLICT, KV_FULL, KV_BACKLOG, KV_DISK_FAILED, TOO_LARGE, SHARED, what `ownVte` and `kvGet` say, BAD_PARAMETER,
 * ARGBUFS_EXHAUSTED. The ArgBuf is still the asker's then.
 */
export function kvPut(
  handle: u32,
  key: u32,
  keyLength: u32,
  value: u32,
  expected: i64,
  ttlMs: i64,
  asker: u32,
): i64 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  if (expected < ANY || ttlMs < 0 || ttlMs > TTL_MS_MAX) return BAD_PARAMETER;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const status = takesChanges(spaceOf(binding));
  if (status != OK) return status;
  if (value != 0) return put(binding, at, keyLength, value, expected, expiryOf(ttlMs), 0, asker);
  const empty = mapVma(asker, 0);
  if (failed(empty)) return empty;
  const result = put(binding, at, keyLength, empty, expected, expiryOf(ttlMs), 0, asker);
  if (result <= VERSION_NONE) vmaUnmap(empty, asker);
  return result;
}

/**
 * The same for a host that restores what the disk has, under the version that it had: nothing is to be written. The version must
 * be one that the space has not given yet.
 */
export function kvLoad(
  handle: u32,
  key: u32,
  keyLength: u32,
  value: u32,
  version: i64,
  ttlMs: i64,
  asker: u32,
): u32 {
  if (!isHost(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  if (version <= VERSION_NONE || ttlMs < 0 || ttlMs > TTL_MS_MAX) return BAD_PARAMETER;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const result = put(binding, at, keyLength, value, ABSENT, expiryOf(ttlMs), version, asker);
  return result > VERSION_NONE ? OK : <u32>result;
}

/** `version` is 0 for the next one. Returns as `kvPut`. */
function put(
  binding: u32,
  key: u32,
  keyLength: u32,
  value: u32,
  expected: i64,
  expiresMs: u64,
  version: u64,
  asker: u32,
): i64 {
  const vte = ownVte(asker, value);
  if (failed(vte)) return vte;
  if (isShared(vte)) return SHARED;
  if (load<u32>(vte, VTE_END) - value > <u32>KV_VALUE_BYTES_MAX) return TOO_LARGE;
  const space = spaceOf(binding);
  const hash = hashOf(key, keyLength, load<u64>(space, SPACE_SEED));
  for (let tries: u32 = 0; tries < TRIES_MAX; tries++) {
    let result = replace(binding, hash, key, keyLength, vte, expected, expiresMs, version, asker);
    if (result == AGAIN) result = insert(binding, hash, key, keyLength, vte, expected, expiresMs, version, asker);
    if (result >= 0) return result;
    // Looks elsewhere each time, so that what goes for a large value is of all stripes.
    const random = hash + tries * RANDOM_STEP;
    if (result == NO_ROOM && !makeRoom(binding, random, sizeOf(vte) + entrySize(hash, keyLength), asker)) return KV_FULL;
    // One large value can need the room of very many keys.
    checkDeadline(asker);
  }
  return KV_FULL;
}

/**
 * Takes a key out of a cache, for a key and its value that count so many bytes together. False where the space is no cache, has
 * no key, or would not have the room without any other key either.
 */
function makeRoom(binding: u32, random: u32, bytes: u32, asker: u32): bool {
  const space = spaceOf(binding);
  if (!isCache(space)) return false;
  const bytesMax = load<u32>(space, SPACE_BYTES_MAX);
  if (bytesMax != 0 && bytes > bytesMax) return false;
  // Others change both meanwhile.
  const others = max<i64>(<i64>atomic.load<u32>(CONTROL_KV_BYTES) - <i64>atomic.load<u32>(space, SPACE_BYTES), 0);
  if (others + bytes > <i64>load<u32>(CONTROL_KV_BYTES_MAX)) return false;
  return evictOne(binding, random, load<u32>(asker, HOME_EXECUTOR));
}

/** Where the key has a value. AGAIN where it has none, NO_ROOM. One function, and quick. */
// @ts-ignore: decorator
@inline
function replace(
  binding: u32,
  hash: u32,
  key: u32,
  keyLength: u32,
  vte: u32,
  expected: i64,
  expiresMs: u64,
  version: u64,
  asker: u32,
): i64 {
  const space = spaceOf(binding);
  const stripe = stripeOf(space, hash);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  lockStripe(stripe, executor);
  if (!lives(binding)) {
    unlockStripe(stripe);
    return KV_NO_SUCH_SPACE;
  }
  const entry = findEntry(stripe, hash, key, keyLength);
  const old = entry == 0 ? 0 : load<u32>(entry, ENTRY_VALUE);
  if (old == 0) {
    unlockStripe(stripe);
    return AGAIN;
  }
  const wasExpired = isExpired(entry);
  if (expected != ANY && expected != (wasExpired ? ABSENT : load<i64>(entry, ENTRY_VERSION))) {
    unlockStripe(stripe);
    return KV_CONFLICT;
  }
  const wasHeld = isHeld(old);
  // What is held stays the store's until it is let go.
  const added = sizeOf(vte) - sizeOf(old);
  if (!charge(space, 0, added, wasHeld ? sizeOf(vte) : added)) {
    unlockStripe(stripe);
    return NO_ROOM;
  }
  if (wasExpired) atomic.add<u64>(space, 1, SPACE_EXPIRATIONS);
  const result = accept(space, stripe, entry, vte, expiresMs, version, asker);
  const isFull = wasHeld ? dropValue(old, executor) : release(old, executor);
  unlockStripe(stripe);
  // Before any call: one that finds no stack, or the end of the thread, would leave the writer asleep.
  wakeWriter(space);
  if (isFull) spill(executor);
  return result;
}

/** An ArgBuf of the asker becomes the value of an entry. Returns the version. */
// @ts-ignore: decorator
@inline
function accept(space: u32, stripe: u32, entry: u32, vte: u32, expiresMs: u64, version: u64, asker: u32): i64 {
  adopt(vte, load<u32>(vte, VTE_END), asker);
  const given = version == 0 ? nextVersion(space) : version;
  setValue(entry, vte, given);
  setExpiry(space, entry, expiresMs);
  count(stripe, STRIPE_PUTS);
  touch(space, entry);
  if (version == 0) markDirty(space, stripe, entry);
  return given;
}

/** Where the key has no value. AGAIN where it has got one meanwhile, NO_ROOM. */
function insert(
  binding: u32,
  hash: u32,
  key: u32,
  keyLength: u32,
  vte: u32,
  expected: i64,
  expiresMs: u64,
  version: u64,
  asker: u32,
): i64 {
  if (expected > ABSENT) return KV_CONFLICT;
  reserveStack();
  const space = spaceOf(binding);
  const stripe = stripeOf(space, hash);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const table = makeTable(stripe, asker);
  if (table != 0 && failed(table)) return statusOfMap(table);
  const made = makeEntry(hash, key, keyLength, asker);
  if (failed(made)) {
    if (table != 0) vmaUnmap(table, asker);
    return statusOfMap(made);
  }
  lockStripe(stripe, executor);
  const entry = placeFor(binding, stripe, hash, key, keyLength, made, vte);
  let isFull = false;
  let result: i64 = entry;
  if (!failed(entry)) {
    if (entry == made) isFull = addEntry(stripe, made, table, executor, asker);
    result = accept(space, stripe, entry, vte, expiresMs, version, asker);
    lockIndex(space, 0);
    indexInsert(space, entry);
    unlockIndex(space);
  }
  unlockStripe(stripe);
  wakeWriter(space);
  // What was not needed is still the asker's.
  if (entry != made) vmaUnmap(made, asker);
  if (table != 0 && !failed(ownVte(asker, table))) vmaUnmap(table, asker);
  if (isFull) spill(executor);
  if (result == KV_FULL) return NO_ROOM;
  return result == OK ? AGAIN : result;
}

/** What `mapVma` says, where the VMA is for the store: none of this class is left for it. */
function statusOfMap(status: u32): u32 {
  return status == CLASS_EXHAUSTED ? KV_FULL : status;
}

/**
 * The entry that gets the value, and is counted in: one that was deleted and is not on disk yet, or the one that was made. OK where
 * the key has a value by now; KV_NO_SUCH_SPACE, KV_FULL.
 */
function placeFor(
  binding: u32,
  stripe: u32,
  hash: u32,
  key: u32,
  keyLength: u32,
  made: u32,
  vte: u32,
): u32 {
  if (!lives(binding)) return KV_NO_SUCH_SPACE;
  const found = findEntry(stripe, hash, key, keyLength);
  if (found != 0 && load<u32>(found, ENTRY_VALUE) != 0) return OK;
  const bytes = sizeOf(vte) + (found == 0 ? sizeOf(vteOf(made)) : 0);
  if (!charge(spaceOf(binding), 1, bytes, bytes)) return KV_FULL;
  return found == 0 ? made : found;
}

/** Returns whether `spill` must follow. */
function addEntry(stripe: u32, made: u32, table: u32, executor: u32, asker: u32): bool {
  let isFull = false;
  if (table != 0) {
    const bytes = load<u32>(vteOf(table), VTE_END) - table;
    if (isLarger(stripe, bytes)) isFull = replaceTable(stripe, table, bytes, executor, asker);
  }
  adopt(vteOf(made), 0, asker);
  linkEntry(stripe, made);
  return isFull;
}

// @ts-ignore: decorator
@inline
function entryLength(height: u32, keyLength: u32): u32 {
  return ENTRY_TOWER + (height << 2) + keyLength;
}

/** What the entry of a key counts as. */
function entrySize(hash: u32, keyLength: u32): u32 {
  return 1 << classShiftOf(entryLength(indexHeight(hash), keyLength));
}

/** A new entry, the asker's as yet. Returns its address, or what `mapVma` says. */
function makeEntry(hash: u32, key: u32, keyLength: u32, asker: u32): u32 {
  const height = indexHeight(hash);
  const entry = mapVma(asker, entryLength(height, keyLength));
  if (failed(entry)) return entry;
  memory.fill(entry, 0, ENTRY_TOWER + (height << 2));
  store<u32>(entry, hash, ENTRY_HASH);
  store<u16>(entry, keyLength, ENTRY_KEY_LENGTH);
  store<u8>(entry, height, ENTRY_HEIGHT);
  memory.copy(keyOf(entry), key, keyLength);
  return entry;
}

/**
 * Takes a key out of a space. `expected` as for `kvPut`, but 0 is no version that a key can have. Returns OK, KV_NO_SUCH_KEY,
 * KV_CONFLICT, and what `kvPut` says of key and space.
 */
export function kvDelete(handle: u32, key: u32, keyLength: u32, expected: i64, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  if (expected < ANY || expected == ABSENT) return BAD_PARAMETER;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const space = spaceOf(binding);
  const status = takesChanges(space);
  if (status != OK) return status;
  reserveStack();
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const hash = hashOf(at, keyLength, load<u64>(space, SPACE_SEED));
  const stripe = stripeOf(space, hash);
  lockStripe(stripe, executor);
  let isFull = false;
  let result: u32 = lives(binding) ? OK : KV_NO_SUCH_SPACE;
  if (result == OK) {
    const entry = findEntry(stripe, hash, at, keyLength);
    if (!isLive(entry)) result = KV_NO_SUCH_KEY;
    else if (expected != ANY && load<i64>(entry, ENTRY_VERSION) != expected) result = KV_CONFLICT;
    else {
      isFull = removeKey(space, stripe, entry, executor);
      count(stripe, STRIPE_DELETES);
    }
  }
  unlockStripe(stripe);
  wakeWriter(space);
  if (isFull) spill(executor);
  return result;
}

/**
 * Sets how long a key stays from now on, 0 for ever. Its version stays. Returns OK, KV_NO_SUCH_KEY, and what `kvPut` says of
 * parameters and space.
 */
export function kvExpire(handle: u32, key: u32, keyLength: u32, ttlMs: i64, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  if (ttlMs < 0 || ttlMs > TTL_MS_MAX) return BAD_PARAMETER;
  const at = translate(key, keyLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const space = spaceOf(binding);
  const status = takesChanges(space);
  if (status != OK) return status;
  const hash = hashOf(at, keyLength, load<u64>(space, SPACE_SEED));
  const stripe = stripeOf(space, hash);
  lockStripe(stripe, load<u32>(asker, HOME_EXECUTOR));
  const entry = lives(binding) ? findEntry(stripe, hash, at, keyLength) : 0;
  const result: u32 = !lives(binding) ? KV_NO_SUCH_SPACE : isLive(entry) ? OK : KV_NO_SUCH_KEY;
  if (result == OK) {
    setExpiry(space, entry, expiryOf(ttlMs));
    // It is no new version of the value, but a change that the disk may be waited for.
    nextVersion(space);
    markDirty(space, stripe, entry);
  }
  unlockStripe(stripe);
  wakeWriter(space);
  return result;
}

/**
 * Adds to a value of 8 bytes, a little-endian i64, which wraps; a key that is not there counts as 0. Writes the sum to 8 bytes at
 * `result`. How long the key stays does not change. Returns OK, KV_NOT_A_COUNTER, and what `kvPut` says.
 */
export function kvAdd(handle: u32, key: u32, keyLength: u32, delta: i64, result: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  if (!isKey(keyLength)) return KV_BAD_KEY;
  const at = translate(key, keyLength, false, asker);
  const to = translate(result, COUNTER_BYTES, true, asker);
  if (failed(at) || failed(to)) return BAD_POINTER;
  const space = spaceOf(binding);
  const status = takesChanges(space);
  if (status != OK) return status;
  const hash = hashOf(at, keyLength, load<u64>(space, SPACE_SEED));
  for (let tries: u32 = 0; tries < TRIES_MAX; tries++) {
    const added = addInPlace(binding, hash, at, keyLength, delta, to, asker);
    if (added != KV_CONFLICT && added != KV_NO_SUCH_KEY) return added;
    const moved = addAnew(binding, hash, at, keyLength, delta, to, asker);
    if (moved != KV_CONFLICT) return moved;
  }
  return KV_CONFLICT;
}

/** Where nobody reads the value: nobody can begin to while the lock is held. KV_CONFLICT where somebody does. */
// @ts-ignore: decorator
@inline
function addInPlace(binding: u32, hash: u32, key: u32, keyLength: u32, delta: i64, to: u32, asker: u32): u32 {
  const space = spaceOf(binding);
  const stripe = stripeOf(space, hash);
  lockStripe(stripe, load<u32>(asker, HOME_EXECUTOR));
  const entry = lives(binding) ? findEntry(stripe, hash, key, keyLength) : 0;
  let status: u32 = !lives(binding) ? KV_NO_SUCH_SPACE : isLive(entry) ? OK : KV_NO_SUCH_KEY;
  let sum: i64 = 0;
  if (status == OK) {
    const vte = load<u32>(entry, ENTRY_VALUE);
    if (load<u32>(vte, VTE_END) - startOf(vte) != COUNTER_BYTES) status = KV_NOT_A_COUNTER;
    else if (isHeld(vte)) status = KV_CONFLICT;
    else {
      sum = load<i64>(startOf(vte)) + delta;
      store<i64>(startOf(vte), sum);
      setValue(entry, vte, nextVersion(space));
      count(stripe, STRIPE_PUTS);
      touch(space, entry);
      markDirty(space, stripe, entry);
    }
  }
  unlockStripe(stripe);
  if (status == OK) store<i64>(to, sum);
  wakeWriter(space);
  return status;
}

/** With a value of its own, where the key has none, or somebody reads the one that it has. KV_CONFLICT: that is so no more. */
function addAnew(binding: u32, hash: u32, key: u32, keyLength: u32, delta: i64, to: u32, asker: u32): u32 {
  const value = mapVma(asker, COUNTER_BYTES);
  if (failed(value)) return statusOfMap(value);
  const space = spaceOf(binding);
  const stripe = stripeOf(space, hash);
  lockStripe(stripe, load<u32>(asker, HOME_EXECUTOR));
  const entry = lives(binding) ? findEntry(stripe, hash, key, keyLength) : 0;
  let expected: i64 = ABSENT;
  let expiresMs: u64 = 0;
  let sum = delta;
  if (isLive(entry)) {
    expected = load<i64>(entry, ENTRY_VERSION);
    expiresMs = load<u64>(entry, ENTRY_EXPIRES_MS);
    const vte = load<u32>(entry, ENTRY_VALUE);
    if (load<u32>(vte, VTE_END) - startOf(vte) == COUNTER_BYTES) sum += load<i64>(startOf(vte));
    else expected = ANY;
  }
  unlockStripe(stripe);
  store<i64>(value, sum);
  // A value of another length: the next look says so.
  const version = expected == ANY ? KV_CONFLICT : put(binding, key, keyLength, value, expected, expiresMs, 0, asker);
  if (version > VERSION_NONE) {
    store<i64>(to, sum);
    return OK;
  }
  vmaUnmap(value, asker);
  return <u32>version;
}

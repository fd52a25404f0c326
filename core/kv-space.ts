/**
 * Spaces of the key-value store: what functions may reach, and the locks.
 *
 * A space has STRIPES parts, and a key belongs to the one that its hash names. Each part has a lock, held for the few steps of
 * one operation, which is what makes operations on a key linearizable. The index of keys in order has a lock of its own, taken
 * inside that of a stripe where a key comes or goes, and by itself by who lists keys. No thread is ended while it holds one
 * (`executorDoom` passes through all of them), and none overflows its stack: each operation reserves what it calls first.
 *
 * A space that is made in place of one that was dropped has the same stripes. So who holds a lock looks at the generation: it
 * is the one that his binding means, or the space is gone.
 */
import { lockAt, unlockAt } from './address-space';
import {
  CONTROL_KV_BYTES,
  CONTROL_KV_BYTES_MAX,
  CONTROL_KV_WRITER,
  FUNCTION_SIZE,
  FUNCTION_TABLE,
  GENERATION_FIRST,
  GENERATION_MASK,
  HOME_DEPTH,
  HOME_FUNCTION,
  KV_BINDINGS,
  KV_BINDINGS_MAX,
  KV_BINDINGS_SIZE,
  KV_MAY_READ,
  KV_MAY_READ_WRITE,
  SPACES_MAX,
  SPACE_BYTES,
  SPACE_BYTES_MAX,
  SPACE_DIRTY_BYTES,
  SPACE_DIRTY_BYTES_MAX,
  SPACE_FAILED,
  SPACE_FLAGS,
  SPACE_GENERATION,
  SPACE_HANDLE_FIRST,
  SPACE_INDEX_LOCK,
  SPACE_IS_CACHE,
  SPACE_IS_DURABLE,
  SPACE_KEYS,
  SPACE_KEYS_MAX,
  SPACE_NAME,
  SPACE_NAME_BYTES_MAX,
  SPACE_NAME_LENGTH,
  SPACE_SEED,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACE_VERSION,
  STRIPES,
  STRIPE_LOCK,
  STRIPE_SIZE,
  STRIPE_TABLE,
  VERSION_NONE,
  WRITER_AWAKE,
  WRITER_PARKED,
} from './layout';
import { translate } from './arg-buf';
import { isFunction } from './function';
import { dischargeStore } from './grant';
import {
  BAD_PARAMETER,
  BAD_POINTER,
  KV_BACKLOG,
  KV_DISK_FAILED,
  KV_NO_SUCH_SPACE,
  NOT_ALLOWED,
  OK,
  STALE_PD,
  TABLE_EXHAUSTED,
} from './status';
import { failed, mayAsk } from './vma-table';

/** A durable space takes no more changes while more bytes than this are not on disk. */
const DIRTY_BYTES_MAX: u32 = 64 << 20;

// A binding is a word: which space, the generation that is meant, and the rights. `spaceOf` and `lives` read it.

/** The binding behind a handle of the asker's, if it has these rights; or KV_NO_SUCH_SPACE, NOT_ALLOWED. */
// @ts-ignore: decorator
@inline
export function bindingOf(handle: u32, rights: u32, asker: u32): u32 {
  const slot = handle - SPACE_HANDLE_FIRST;
  const descriptor = load<u32>(asker, HOME_FUNCTION);
  if (descriptor == 0) {
    if (slot >= <u32>SPACES_MAX) return KV_NO_SUCH_SPACE;
    const generation = atomic.load<u32>(SPACE_TABLE + slot * SPACE_SIZE, SPACE_GENERATION);
    return (generation & 1) == 0 ? KV_NO_SUCH_SPACE : makeBinding(slot, generation, KV_MAY_READ_WRITE);
  }
  if (slot >= <u32>KV_BINDINGS_MAX) return NOT_ALLOWED;
  const binding = load<u32>(bindingsOf(descriptor) + (slot << 2));
  return (binding & rights) == rights ? binding : NOT_ALLOWED;
}

// @ts-ignore: decorator
@inline
function makeBinding(index: u32, generation: u32, rights: u32): u32 {
  return (generation << 9) | (index << 2) | rights;
}

// @ts-ignore: decorator
@inline
function bindingsOf(descriptor: u32): u32 {
  return KV_BINDINGS + ((descriptor - FUNCTION_TABLE) / FUNCTION_SIZE) * KV_BINDINGS_SIZE;
}

/** Address of the space that a binding means. */
// @ts-ignore: decorator
@inline
export function spaceOf(binding: u32): u32 {
  return SPACE_TABLE + ((binding >>> 2) & (SPACES_MAX - 1)) * SPACE_SIZE;
}

/** Whether it is still the one: to be asked with one of its locks held. */
// @ts-ignore: decorator
@inline
export function lives(binding: u32): bool {
  return (load<u32>(spaceOf(binding), SPACE_GENERATION) & GENERATION_MASK) == binding >>> 9;
}

/** The stripe of keys with this hash. */
// @ts-ignore: decorator
@inline
export function stripeOf(space: u32, hash: u32): u32 {
  return stripeAt(space, hash & (STRIPES - 1));
}

// @ts-ignore: decorator
@inline
export function stripeAt(space: u32, index: u32): u32 {
  return STRIPE_TABLE + (((space - SPACE_TABLE) / SPACE_SIZE) * STRIPES + index) * STRIPE_SIZE;
}

/** `executor` as for `lock`. */
// @ts-ignore: decorator
@inline
export function lockStripe(stripe: u32, executor: u32): void {
  lockAt(stripe + STRIPE_LOCK, executor);
}

// @ts-ignore: decorator
@inline
export function unlockStripe(stripe: u32): void {
  unlockAt(stripe + STRIPE_LOCK);
}

/** `executor` as for `lock`; 0 where the lock of a stripe is held already, since a trap would leave that taken for ever. */
// @ts-ignore: decorator
@inline
export function lockIndex(space: u32, executor: u32): void {
  lockAt(space + SPACE_INDEX_LOCK, executor);
}

// @ts-ignore: decorator
@inline
export function unlockIndex(space: u32): void {
  unlockAt(space + SPACE_INDEX_LOCK);
}

/**
 * For `executorDoom`: takes and gives back each lock, so that nobody who is doomed holds one. Stripes first: who held one may still
 * have taken the index inside of it.
 */
export function passLocks(): void {
  for (let i: u32 = 0; i < <u32>SPACES_MAX; i++) {
    const space = SPACE_TABLE + i * SPACE_SIZE;
    // A space that was never made has no lock that anybody took.
    if (atomic.load<u32>(space, SPACE_GENERATION) == 0) continue;
    for (let j: u32 = 0; j < <u32>STRIPES; j++) {
      lockStripe(stripeAt(space, j), 0);
      unlockStripe(stripeAt(space, j));
    }
    lockIndex(space, 0);
    unlockIndex(space);
  }
}

// @ts-ignore: decorator
@inline
export function isCache(space: u32): bool {
  return (load<u32>(space, SPACE_FLAGS) & SPACE_IS_CACHE) != 0;
}

// @ts-ignore: decorator
@inline
export function isDurable(space: u32): bool {
  return (load<u32>(space, SPACE_FLAGS) & SPACE_IS_DURABLE) != 0;
}

/** Whether a space takes changes now: OK, or KV_DISK_FAILED, KV_BACKLOG. */
// @ts-ignore: decorator
@inline
export function takesChanges(space: u32): u32 {
  if (!isDurable(space)) return OK;
  if (load<u32>(space, SPACE_FAILED) != 0) return KV_DISK_FAILED;
  return atomic.load<u32>(space, SPACE_DIRTY_BYTES) > load<u32>(space, SPACE_DIRTY_BYTES_MAX) ? KV_BACKLOG : OK;
}

/** Lets the writer know, where it waits for that, that a durable space has changed. */
// @ts-ignore: decorator
@inline
export function wakeWriter(space: u32): void {
  if (!isDurable(space) || atomic.load<u32>(CONTROL_KV_WRITER) != WRITER_PARKED) return;
  if (atomic.cmpxchg<u32>(CONTROL_KV_WRITER, WRITER_PARKED, WRITER_AWAKE) == WRITER_PARKED) {
    atomic.notify(CONTROL_KV_WRITER, 1);
  }
}

/**
 * Counts keys and bytes in; less than 0 where a value gets smaller. `storeBytes` is by how much the store as a whole grows: more than
 * the space, where somebody reads what is replaced. False, having counted nothing, where space or store would grow beyond what it may
 * have.
 */
// @ts-ignore: decorator
@inline
export function charge(space: u32, keys: u32, bytes: i32, storeBytes: i32): bool {
  const keysMax = load<u32>(space, SPACE_KEYS_MAX);
  const bytesMax = load<u32>(space, SPACE_BYTES_MAX);
  if (keys != 0 && atomic.add<u32>(space, keys, SPACE_KEYS) >= keysMax && keysMax != 0) {
    atomic.sub<u32>(space, keys, SPACE_KEYS);
    return false;
  }
  if ((bytes | storeBytes) == 0) return true;
  const own = <i64>atomic.add<u32>(space, bytes, SPACE_BYTES) + bytes;
  const all = <i64>atomic.add<u32>(CONTROL_KV_BYTES, storeBytes) + storeBytes;
  const ownFits = bytes <= 0 || bytesMax == 0 || own <= <i64>bytesMax;
  if (ownFits && (storeBytes <= 0 || all <= <i64>load<u32>(CONTROL_KV_BYTES_MAX))) return true;
  discharge(space, keys, bytes);
  dischargeStore(storeBytes);
  return false;
}

/** Counts keys and bytes of a space out. The store has what was there until it is freed: `dischargeStore`. */
// @ts-ignore: decorator
@inline
export function discharge(space: u32, keys: u32, bytes: u32): void {
  if (keys != 0) atomic.sub<u32>(space, keys, SPACE_KEYS);
  atomic.sub<u32>(space, bytes, SPACE_BYTES);
}

/**
 * The handle of the space with this name: of a function, if its deployment names it, otherwise NOT_ALLOWED; of a host, of any
 * that there is, otherwise KV_NO_SUCH_SPACE.
 */
export function kvOpen(name: u32, nameLength: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const at = translate(name, nameLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  const descriptor = load<u32>(asker, HOME_FUNCTION);
  const slots: u32 = descriptor == 0 ? SPACES_MAX : KV_BINDINGS_MAX;
  for (let slot: u32 = 0; slot < slots; slot++) {
    const binding = bindingOf(SPACE_HANDLE_FIRST + slot, KV_MAY_READ, asker);
    if (!failed(binding) && lives(binding) && isNamed(spaceOf(binding), at, nameLength)) return SPACE_HANDLE_FIRST + slot;
  }
  return descriptor == 0 ? KV_NO_SUCH_SPACE : NOT_ALLOWED;
}

function isNamed(space: u32, name: u32, length: u32): bool {
  if (load<u32>(space, SPACE_NAME_LENGTH) != length) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(space + i, SPACE_NAME) != load<u8>(name + i)) return false;
  }
  return true;
}

/**
 * Makes a space. `flags` are SPACE_IS_…, limits of 0 are none, the seed is at random. For the host of the main thread alone, which
 * sees to it that no two have the same name. Returns its handle, or BAD_PARAMETER, BAD_POINTER, TABLE_EXHAUSTED.
 */
export function kvSpaceCreate(
  name: u32,
  nameLength: u32,
  flags: u32,
  keysMax: u32,
  bytesMax: u32,
  seed: u64,
  asker: u32,
): u32 {
  if (!isHost(asker)) return STALE_PD;
  if (nameLength == 0 || nameLength > <u32>SPACE_NAME_BYTES_MAX) return BAD_PARAMETER;
  if ((flags & ~<u32>(SPACE_IS_DURABLE | SPACE_IS_CACHE)) != 0) return BAD_PARAMETER;
  const at = translate(name, nameLength, false, asker);
  if (failed(at)) return BAD_POINTER;
  for (let i: u32 = 0; i < <u32>SPACES_MAX; i++) {
    const space = SPACE_TABLE + i * SPACE_SIZE;
    const generation = load<u32>(space, SPACE_GENERATION);
    if ((generation & 1) != 0) continue;
    memory.copy(space + SPACE_NAME, at, nameLength);
    store<u32>(space, nameLength, SPACE_NAME_LENGTH);
    store<u32>(space, flags, SPACE_FLAGS);
    store<u32>(space, keysMax, SPACE_KEYS_MAX);
    store<u32>(space, bytesMax, SPACE_BYTES_MAX);
    store<u32>(space, DIRTY_BYTES_MAX, SPACE_DIRTY_BYTES_MAX);
    store<u64>(space, seed, SPACE_SEED);
    store<u64>(space, VERSION_NONE, SPACE_VERSION);
    atomic.store<u32>(space, max<u32>(nextGeneration(generation), GENERATION_FIRST), SPACE_GENERATION);
    return SPACE_HANDLE_FIRST + i;
  }
  return TABLE_EXHAUSTED;
}

/** It comes round after four million spaces in the same place, and passes over those that would look like a status. */
function nextGeneration(generation: u32): u32 {
  const next = (generation + 1) & GENERATION_MASK;
  return next == 0 ? GENERATION_FIRST - 1 : next;
}

/** For `kvSpaceDrop`: from now on no binding means it, and no operation begins. */
export function endGeneration(space: u32): void {
  atomic.store<u32>(space, nextGeneration(load<u32>(space, SPACE_GENERATION)), SPACE_GENERATION);
}

/** Address of the words of a space (SPACE_…) that the asker may read, or a status. */
export function kvSpaceOf(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ, asker);
  if (failed(binding)) return binding;
  return lives(binding) ? spaceOf(binding) : KV_NO_SUCH_SPACE;
}

/** What the stripes of a space have counted together; `counter` is STRIPE_GETS, STRIPE_HITS, STRIPE_PUTS or STRIPE_DELETES. */
export function kvCount(space: u32, counter: u32): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < <u32>STRIPES; i++) sum += atomic.load<u64>(stripeAt(space, i) + counter);
  return sum;
}

/** Sets the limits of a space, 0 for none. What is there already stays. For a host. */
export function kvSpaceConfigure(handle: u32, keysMax: u32, bytesMax: u32, asker: u32): u32 {
  if (!isHost(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  store<u32>(spaceOf(binding), keysMax, SPACE_KEYS_MAX);
  store<u32>(spaceOf(binding), bytesMax, SPACE_BYTES_MAX);
  return OK;
}

/** The counter of versions of a space is at least this from now on. For a host that restores it, before anybody uses it. */
export function kvSetVersion(handle: u32, version: u64, asker: u32): u32 {
  if (!isHost(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  const space = spaceOf(binding);
  if (load<u64>(space, SPACE_VERSION) < version) atomic.store<u64>(space, version, SPACE_VERSION);
  return OK;
}

/** Most bytes of all spaces together. */
export function kvSetLimit(bytesMax: u32): void {
  store<u32>(CONTROL_KV_BYTES_MAX, bytesMax);
}

/** Gives a function, before it has a PD, the space of a handle of the host's; `rights` are KV_MAY_…. */
export function kvBind(descriptor: u32, slot: u32, handle: u32, rights: u32, asker: u32): u32 {
  if (!isHost(asker)) return STALE_PD;
  if (!isFunction(descriptor) || slot >= <u32>KV_BINDINGS_MAX) return BAD_PARAMETER;
  if (rights != KV_MAY_READ && rights != KV_MAY_READ_WRITE) return BAD_PARAMETER;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  store<u32>(bindingsOf(descriptor) + (slot << 2), (binding & ~<u32>KV_MAY_READ_WRITE) | rights);
  return OK;
}

/** Whether the asker is a host, and runs. */
// @ts-ignore: decorator
@inline
export function isHost(asker: u32): bool {
  return mayAsk(asker) && load<u32>(asker, HOME_DEPTH) == 0;
}


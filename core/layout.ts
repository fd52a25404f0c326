/**
 * Where everything is in the address space.
 *
 * This file is compiled twice: by AssemblyScript into PrivLib, and by TypeScript into the guard and the server. So it
 * holds integer constants only, each below 2^31 (AssemblyScript infers i32), and nothing that either language lacks.
 *
 *     0x0000_0000   control block, granule table, executors, function and PD tables
 *     0x0100_0000   invocations, the queues between threads, spaces of the key-value store
 *     0x0200_0000   VMA table entries (VTEs): room for as many as the smallest VMAs would need, touched as used
 *     0x2200_0000   homes
 *     0x8000_0000   VMAs: granules of 16 MiB, each given to one size class, at the start or when it needs it
 *     0xFF00_0000   the last granule is never given out, so an address + 16 MiB of a VMA never wraps
 *
 * All numbers are bytes unless the name says otherwise. All words are 32-bit little-endian unless noted.
 */

// The address space.
export const PAGE_SIZE = 65536;
export const ADDRESS_SPACE_PAGES = 65536;

// Control block: words of the whole worker server.
export const CONTROL_MAGIC = 0x400;
export const MAGIC = 0x4a6f7264; // "Jord"
/** Spin lock over everything that is shared and slow: granules, home memory, the PD table, shared free lists. */
export const CONTROL_LOCK = 0x404;
/** How many invocation records were ever used, the head of those given back, and their number; under the lock. */
export const CONTROL_INVOCATIONS_USED = 0x408;
export const CONTROL_INVOCATIONS_FREE = 0x40c;
export const CONTROL_INVOCATIONS_COUNT = 0x410;
/** Head of the address-ordered list of free ranges of home memory. */
export const CONTROL_HOME_FREE = 0x414;
/** How many PD table slots were ever used, and the head of those given back. */
export const CONTROL_PD_USED = 0x418;
export const CONTROL_PD_FREE = 0x41c;
/** How many executors there are. */
export const CONTROL_EXECUTORS = 0x420;
/** Most nested calls below one root invocation. */
export const CONTROL_CALL_DEPTH_MAX = 0x424;
/**
 * Milliseconds of a monotonic clock, modulo 2^32: every check of the guard reads it, so it has a cache line without words
 * that change more often. Two times are less than 2^31 apart, so the sign of their difference says which is earlier.
 */
export const CONTROL_NOW_MS = 0x440;
/** The same as a u64, which does not wrap: its high word is the one behind. */
export const CONTROL_NOW_MS64 = 0x440;
/** Whether the clock thread ticks, is parked or is to stop: src/server/clock.ts. */
export const CONTROL_CLOCK = 0x450;
/** A bit for each granule that `initialise` gave to a class: it stays there. */
export const CONTROL_RESERVED = 0x460;
// The key-value store, in a line of its own.
/**
 * Bytes of VMAs that the store has, each counted as its class, and the most that it may. Values that were replaced or deleted count
 * as long as somebody reads them. Tables are not counted.
 */
export const CONTROL_KV_BYTES = 0x640;
export const CONTROL_KV_BYTES_MAX = 0x644;
/** WRITER_AWAKE, WRITER_PARKED or WRITER_DOZING; what the writer thread waits on. */
export const CONTROL_KV_WRITER = 0x648;
export const WRITER_AWAKE = 0;
/** Waits for the first change of a durable space. */
export const WRITER_PARKED = 1;
/** Waits for a time, so that more is written at once. Whoever waits for the disk ends that. */
export const WRITER_DOZING = 2;
/** VMAs mapped less VMAs unmapped by threads without a control block; under the lock. Counts with EXECUTOR_VMAS. */
export const CONTROL_VMAS = 0x64c;
/** What the writer has taken last: address of the value (0: deleted), its length; version and expiry, each a u64. */
export const KV_WRITER_RECORD = 0x660;
export const RECORD_VALUE = 0;
export const RECORD_LENGTH = 4;
export const RECORD_VERSION = 8;
export const RECORD_EXPIRES_MS = 16;

/** Shared free lists, one word a class: the head; VTE_NEXT links them. */
export const CONTROL_SHARED_FREE = 0x480;
/** For each class: address of the next VMA of its newest granule that was never mapped, and how many there are. */
export const CONTROL_CARVE = 0x500;

/** Scratch words for `reclaimGranules`, one a granule; under the lock. */
export const CONTROL_COUNTS = 0x1000;

// Granule table: one i64 for each 16 MiB of the address space: (bias << 32) | shift.
// The VTE of address e is ((e >>> shift) << VTE_SHIFT) + bias, modulo 2^32.
export const GRANULE_TABLE = 0x800;
export const GRANULE_SHIFT = 24;
export const GRANULE_COUNT = 256;
export const GRANULE_FIRST = 128;
/** The granule that is never given out. */
export const GRANULE_LAST = 255;
/** Two all-zero VTEs. A granule without VMAs leads here (shift 31), and no check passes on a zero VTE. */
export const NULL_VTE = 0x600;
export const NULL_SHIFT = 31;

// Size classes of VMAs: 2^7 (128 B) to 2^28 (256 MiB).
export const CLASS_SHIFT_MIN = 7;
export const CLASS_SHIFT_MAX = 28;

// VMA table entry (VTE).
export const VTE_SHIFT = 5;
export const VTE_SIZE = 32;
/** Base of the owner's home, which is the identity of a PD; 0 when the VMA is free. */
export const VTE_OWNER = 0;
/** Owner of a VMA whose owner is gone while it is still granted to others. */
export const OWNER_NOBODY = 1;
/** Owner of what the key-value store has: values, entries, tables. No PD has such an address, so no check passes for an owner. */
export const OWNER_STORE = 2;
/** Address behind the last byte that may be read (0: none); what the guard compares with. */
export const VTE_READ_END = 4;
/** The same for writing. Writing implies reading: VTE_WRITE_END is 0 or VTE_READ_END. */
export const VTE_WRITE_END = 8;
/** start + length, the exact bound whatever the permissions. */
export const VTE_END = 12;
/**
 * To how many PDs this VMA is granted beside its owner; with GRANTS_ORPHAN once the owner is gone, and then the last of them
 * frees it.
 */
export const VTE_GRANTS = 16;
export const GRANTS_ORPHAN = 0x4000_0000;
/** Links of the owner's list while mapped; VTE_NEXT links the free list otherwise. */
export const VTE_NEXT = 20;
export const VTE_PREVIOUS = 24;
/** Of a value in the key-value store, in place of the links: its version, a u64. It stays until the last reader is gone. */
export const VTE_VERSION = 20;
/** start | class shift. A start is a multiple of 128, so its low bits are free. */
export const VTE_START = 28;
export const VTE_CLASS_MASK = 31;
/** VTEs of granule g are from VTE_AREA + (g - GRANULE_FIRST) * VTES_SIZE on, as many as VMAs of its class fit. */
export const VTE_AREA = 0x0200_0000;
export const VTES_SIZE = 0x40_0000;

// Permissions.
export const PERMISSION_NONE = 0;
export const PERMISSION_READ = 1;
export const PERMISSION_READ_WRITE = 3;

// Control blocks of executors, and of orchestrators, which are executors that only dispatch: each is one thread's.
export const EXECUTOR_TABLE = 0x1_0000;
export const EXECUTOR_SIZE = 1024;
export const EXECUTORS_MAX = 64;
/** Base of the executor's own PD (the host's), which owns requests before and responses after an invocation. */
export const EXECUTOR_HOST = 0;
export const EXECUTOR_INDEX = 4;
/** Base of the PD that runs; the host's when none does. Only this PD may ask. */
export const EXECUTOR_CURRENT = 8;
/** VMAs mapped less VMAs unmapped here, and the same for PDs. Only the sum over all executors means something. */
export const EXECUTOR_VMAS = 12;
export const EXECUTOR_PDS = 16;
/** 1 once its thread is being ended: it takes no lock any more. */
export const EXECUTOR_DOOMED = 20;
/** Head and number of the free invocation records of this thread. */
export const EXECUTOR_INVOCATIONS_FREE = 24;
export const EXECUTOR_INVOCATIONS_COUNT = 28;
/** Invocation records that this thread has in use, as the one who asks. */
export const EXECUTOR_INVOCATIONS = 32;
/** Control block of the orchestrator that puts into the ring of this executor; 0 for none. */
export const EXECUTOR_ORCHESTRATOR = 36;
/** Free lists: for each class the head and the count. */
export const EXECUTOR_FREE = 64;
/** What a free list of an executor holds at most, in VMAs and in bytes of its class; then half of it goes to the shared list. */
export const FREE_LIST_MAX = 1024;
export const FREE_LIST_BYTES_MAX = 0x10_0000;
// What other threads write or look at often has cache lines of its own.
/**
 * Inbox, the invocations of this thread that have ended elsewhere: a queue that INVOCATION_NEXT links. The tail is where
 * others add, the head where this thread takes; the stub stands for a record where the queue is empty.
 */
export const EXECUTOR_INBOX_TAIL = 256;
export const EXECUTOR_INBOX_STUB = 704;
/** DOORBELL_AWAKE or DOORBELL_PARKED; what the thread waits on. */
export const EXECUTOR_DOORBELL = 320;
export const DOORBELL_AWAKE = 0;
export const DOORBELL_PARKED = 1;
/** 1: an invocation that is suspended here was cancelled. */
export const EXECUTOR_CANCELS = 324;
/** 1: messages wait at the thread's port. */
export const EXECUTOR_MESSAGES = 328;
/** Dispatch ring: entries taken and done with (moved by the executor), entries put in (moved by its orchestrator). */
export const EXECUTOR_RING_HEAD = 384;
/** How long an invocation took here of late, in ns: a moving average, beside what the orchestrator reads anyway. */
export const EXECUTOR_SERVICE_NS = 388;
export const EXECUTOR_RING_TAIL = 448;
/** Offers, the started invocations that any executor may take: taken so far (by anybody), offered so far (by this one). */
export const EXECUTOR_OFFERS_HEAD = 512;
export const EXECUTOR_OFFERS_TAIL = 576;
/** The invocation that runs, 0 when none does. */
export const EXECUTOR_INVOCATION = 640;
/** 1 while the thread has anything to do: then the clock ticks. */
export const EXECUTOR_ACTIVE = 644;
/** How many invocations are suspended, and how many stacks they and the running one have. */
export const EXECUTOR_SUSPENDED = 648;
export const EXECUTOR_STACKS = 652;
/** f64: µs in which invocations ran; how many were begun from a queue. */
export const EXECUTOR_BUSY_US = 656;
export const EXECUTOR_BEGUN = 664;
export const EXECUTOR_INBOX_HEAD = 672;
/** Returns, the root invocations that have ended here: sent back so far, and (by the orchestrator) taken so far. */
export const EXECUTOR_RETURNS_TAIL = 676;
export const EXECUTOR_RETURNS_HEAD = 832;
/** How many invocations wait here until a space of the key-value store is on disk; 1 when the writer has got on since. */
export const EXECUTOR_SYNC_WAITS = 896;
export const EXECUTOR_SYNCED = 900;

// Function descriptors: what PrivLib needs to know of a deployed version.
export const FUNCTION_TABLE = 0x4_0000;
export const FUNCTION_SIZE = 128;
export const FUNCTIONS_MAX = 4096;
export const FUNCTION_STATE = 0;
export const FUNCTION_HEADER_SIZE = 4;
export const FUNCTION_MEMORY_LIMIT = 8;
export const FUNCTION_HOME_SIZE = 12;
export const FUNCTION_CHUNK_SHIFT = 16;
export const FUNCTION_MAP_OFFSET = 20;
export const FUNCTION_MAP_SIZE = 24;
/** Home-relative bytes [0, image end) come from the image, everything behind is zero. */
export const FUNCTION_IMAGE = 28;
export const FUNCTION_IMAGE_END = 32;
/** Image of the header from HOME_GLOBALS on. */
export const FUNCTION_GLOBALS_IMAGE = 36;
export const FUNCTION_GLOBALS_SIZE = 40;
export const FUNCTION_MEMORY_PAGES = 44;
/** Homes that exist, over all executors, and the most there may be. */
export const FUNCTION_HOMES = 48;
export const FUNCTION_HOMES_MAX = 52;
/** How long one invocation may take. */
export const FUNCTION_TIMEOUT_MS = 56;
export const TIMEOUT_MS_MAX = 3_600_000;
/** PDs that live, counted only where there is a limit; and the limit, 0 for none. */
export const FUNCTION_LIVE_PDS = 60;
export const FUNCTION_CONCURRENCY = 64;
/** Most bytes of VMAs that one PD may map (each counts as its class). */
export const FUNCTION_VMA_BYTES_MAX = 68;
/** 1: its call graph was seen to reach a host function that suspends. */
export const FUNCTION_SUSPENDS = 72;
// FUNCTION_STATE
export const FUNCTION_FREE = 0;
export const FUNCTION_LIVE = 1;
/** Replaced or removed: no new PD, homes are given back as their PDs end. */
export const FUNCTION_RETIRED = 2;

// Pools: for each executor and function the head of the pristine homes, and their number; and two u64, how many PDs were
// created and destroyed there.
export const POOL_TABLE = 0x10_0000;
export const POOL_SIZE = 32;
export const POOL_HEAD = 0;
export const POOL_COUNT = 4;
export const POOL_CREATED = 8;
export const POOL_DESTROYED = 16;

// PD table: one word a slot, the base of the home that has it; and the last generation of each slot, which outlives homes.
export const PD_TABLE = 0xa0_0000;
export const PD_GENERATIONS = 0xa4_0000;
export const PDS_MAX = 65536;

// Invocation records: invocations on their way between threads, from the one that asks to the one that runs it and back.
export const INVOCATION_TABLE = 0x0100_0000;
export const INVOCATION_SIZE = 128;
export const INVOCATIONS_MAX = 65536;
/** So many of them only hosts get, so that no function can keep requests out by what it starts. */
export const INVOCATIONS_RESERVED = 8192;
/** generation << 16 | state, so that who takes a record knows that it is still the one that was meant. */
export const INVOCATION_STATE = 0;
/** Id of the function. */
export const INVOCATION_FUNCTION = 4;
/** ArgBuf of the request, which belongs to the record while it is queued; 0 for none. */
export const INVOCATION_REQUEST = 8;
/** Once it has ended: ArgBuf of the response, which belongs to the record; 0; or a status. */
export const INVOCATION_RESPONSE = 12;
/** Trusted VMA: HTTP fields of the request; once it has ended, of the response, or the details of the fault. 0 for none. */
export const INVOCATION_FIELDS = 16;
/** Control block of the thread that asks, and gets it back. */
export const INVOCATION_ASKER = 20;
/** Base of the PD that started it; 0 for a root invocation. */
export const INVOCATION_PARENT = 24;
export const INVOCATION_FLAGS = 28;
/** An HTTP request is behind it. */
export const INVOCATION_IS_HTTP = 1;
/** Who asked is gone: nobody takes the response. Set and read by the thread that asked. */
export const INVOCATION_IS_ORPHAN = 2;
/** Its parent runs it itself, and so it ends with its parent at the latest. Set and read by that thread. */
export const INVOCATION_IS_INSIDE = 4;
/** Control block of the executor that runs it. */
export const INVOCATION_EXECUTOR = 32;
/** Base of its home while it runs: 0 before, HOME_LEFT from when it was left or aborted. */
export const INVOCATION_HOME = 36;
export const HOME_LEFT = 1;
/** Latest end, as CONTROL_NOW_MS. */
export const INVOCATION_DEADLINE_MS = 40;
/** 1: nobody wants it any more. The guard's check ends it. */
export const INVOCATION_CANCELLED = 44;
/** Links an inbox, or a free list. */
export const INVOCATION_NEXT = 48;
/** Nested calls above it, the parent's included. */
export const INVOCATION_DEPTH = 52;
/** f64: when it was asked for, in µs of the monotonic clock. */
export const INVOCATION_QUEUED_US = 56;
// The second cache line has what most invocations on their way from one thread to another do not need.
/** Handle of the parent, and links of the list of its invocations. */
export const INVOCATION_PARENT_PD = 64;
export const INVOCATION_SIBLING_NEXT = 68;
export const INVOCATION_SIBLING_PREVIOUS = 72;
/** HTTP status that the function set; 0 for none. */
export const INVOCATION_HTTP_STATUS = 76;
// INVOCATION_STATE
export const INVOCATION_FREE = 0;
export const INVOCATION_QUEUED = 1;
/** Taken by an executor: it runs or is suspended. */
export const INVOCATION_RUNNING = 2;
/** Ended, and on its way to the inbox of who asked. */
export const INVOCATION_ENDED = 3;
/** Out of the inbox: who asked may take its response. */
export const INVOCATION_ARRIVED = 4;

// Queues of an executor; entries are handles of invocations, generation << 16 | index.
export const OFFERS_TABLE = 0x0180_0000;
export const OFFERS_SIZE = 65536;
/** Entries; a power of two. */
export const OFFERS_MAX = 16384;
export const RING_TABLE = 0x01c0_0000;
export const RING_SIZE = 256;
export const RING_MAX = 64;
export const RETURNS_TABLE = 0x01c1_0000;
export const RETURNS_SIZE = 256;
export const RETURNS_MAX = 64;

// The key-value store: spaces, what functions may do with them, and stripes. Entries and values are VMAs.
export const SPACE_TABLE = 0x01d0_0000;
export const SPACE_SIZE = 512;
export const SPACES_MAX = 128;
/** Handles of spaces start here: of a host it is the space's index behind it, of a function the slot of its binding. */
export const SPACE_HANDLE_FIRST = 65536;
/** Counts up when the space is made and when it is dropped: an odd one lives. */
export const SPACE_GENERATION = 0;
/** The first one: no binding looks like a status. */
export const GENERATION_FIRST = 129;
export const GENERATION_MASK = 0x7f_ffff;
export const SPACE_FLAGS = 4;
export const SPACE_IS_DURABLE = 1;
/** The least recently used keys go where it would be full otherwise. */
export const SPACE_IS_CACHE = 2;
/** Most keys, and most bytes of VMAs; 0 for no limit. */
export const SPACE_KEYS_MAX = 8;
export const SPACE_BYTES_MAX = 12;
/** What is mixed into hashes of keys, a u64, so that nobody outside can choose keys that collide. */
export const SPACE_SEED = 16;
export const SPACE_NAME_LENGTH = 24;
/** Bytes of changes that the disk does not have yet, about, and the most there may be. */
export const SPACE_DIRTY_BYTES = 28;
export const SPACE_DIRTY_BYTES_MAX = 32;
/** 1: the disk refuses. Set and cleared by the writer. */
export const SPACE_FAILED = 36;
/** All changes up to this version are on disk, a u64. The writer's. */
export const SPACE_DURABLE = 40;
export const SPACE_NAME = 64;
export const SPACE_NAME_BYTES_MAX = 64;
// What changes often has lines of its own.
/** The last version that was given, a u64. */
export const SPACE_VERSION = 128;
/** Versions are larger, so that none looks like a status. */
export const VERSION_NONE = 65535;
/** Uses so far, a u64, where it is a cache: the time by which keys are more or less recently used. */
export const SPACE_TICK = 136;
export const SPACE_KEYS = 192;
/** Bytes of VMAs of its keys and values, each counted as its class. */
export const SPACE_BYTES = 196;
/** Keys that expire. */
export const SPACE_EXPIRING = 200;
/** How many keys went since others needed their room, and since their time was over: u64. */
export const SPACE_EVICTIONS = 208;
export const SPACE_EXPIRATIONS = 216;
/** Stripe and bucket where sweeping goes on; the main thread's. */
export const SPACE_SWEEP_STRIPE = 224;
export const SPACE_SWEEP_BUCKET = 228;
/** Spin lock over the index of keys in order, a skip list; counts of changes to it; its height; its first tower; a path in it. */
export const SPACE_INDEX_LOCK = 256;
export const SPACE_INDEX_CHANGES = 260;
export const SPACE_INDEX_HEIGHT = 264;
export const SPACE_INDEX_TOWER = 272;
export const SPACE_INDEX_PATH = 320;
export const INDEX_HEIGHT_MAX = 12;

/** For each function as many words as it has bindings: generation << 9 | index << 2 | rights; 0 for none. */
export const KV_BINDINGS = 0x01d8_0000;
export const KV_BINDINGS_SIZE = 64;
export const KV_BINDINGS_MAX = 16;
export const KV_MAY_READ = 1;
export const KV_MAY_READ_WRITE = 3;

/** Parts of a space, each with a lock of its own: a key is in the one that its hash names. */
export const STRIPE_TABLE = 0x01e0_0000;
export const STRIPE_SIZE = 64;
/** A power of two. */
export const STRIPES = 256;
export const STRIPE_LOCK = 0;
/** VMA with the first entry of each bucket, their number less 1, and the number of entries. 0 while there is none. */
export const STRIPE_BUCKETS = 4;
export const STRIPE_MASK = 8;
export const STRIPE_COUNT = 12;
/** First of the entries that the disk does not have as they are now; and of those that are about to be written. */
export const STRIPE_DIRTY = 16;
export const STRIPE_TAKING = 20;
/** u64 each, under the lock. */
export const STRIPE_GETS = 24;
export const STRIPE_HITS = 32;
export const STRIPE_PUTS = 40;
export const STRIPE_DELETES = 48;

// An entry: a VMA with what is known of a key, and the key.
export const ENTRY_HASH = 0;
/** Next one of the bucket. */
export const ENTRY_NEXT = 4;
/** VTE of the value; 0: it is deleted, and the disk does not know yet. */
export const ENTRY_VALUE = 8;
export const ENTRY_KEY_LENGTH = 12;
/** A byte each. */
export const ENTRY_HEIGHT = 14;
export const ENTRY_FLAGS = 15;
/** In the list of the stripe. */
export const ENTRY_IS_DIRTY = 1;
/** The writer has it. */
export const ENTRY_IS_WRITING = 2;
/** Its space was dropped while the writer had it, who frees it then. */
export const ENTRY_IS_DROPPED = 4;
/** u64: as CONTROL_NOW_MS64, 0 for never; and SPACE_TICK at its last use. */
export const ENTRY_VERSION = 16;
export const ENTRY_EXPIRES_MS = 24;
export const ENTRY_USED = 32;
export const ENTRY_DIRTY_NEXT = 40;
/** Length of the value, for who lists keys without the lock of the stripe. */
export const ENTRY_VALUE_LENGTH = 44;
/** As many words as it is high: next entries of the index; then the key. */
export const ENTRY_TOWER = 48;
export const KV_KEY_BYTES_MAX = 1024;
export const KV_VALUE_BYTES_MAX = 0x400_0000;
/** Most keys of a page of a list, and its bytes. */
export const KV_PAGE_KEYS_MAX = 10_000;
export const KV_PAGE_BYTES_MAX = 65536;
// A page: words of its head, and of each key in it.
export const PAGE_COUNT = 0;
export const PAGE_MORE = 4;
export const PAGE_FIRST = 8;
export const PAGE_KEY_VERSION = 0;
export const PAGE_KEY_TTL_MS = 8;
export const PAGE_KEY_VALUE_LENGTH = 16;
export const PAGE_KEY_LENGTH = 20;
export const PAGE_KEY = 24;

// Homes. `base` is the address of the header; the function's address 0 is at base + header size, so nothing a function
// can compute reaches the header: effective addresses start at base + header size.
export const HOME_AREA = 0x2200_0000;
/** The end of the home area in MiB, since 2 GiB is no i32. */
export const HOME_AREA_END_MIB = 2048;
/** Home sizes are multiples of this. */
export const HOME_ALIGNMENT = 4096;

// Home header.
/** PD handle: generation << 16 | slot of the PD table. 0 while no PD lives here. */
export const HOME_PD = 0;
export const HOME_STATE = 4;
export const HOME_EXECUTOR = 8;
export const HOME_FUNCTION = 12;
/** Head of the list of VMAs that this PD owns. */
export const HOME_OWNED = 16;
/** How many grants this PD holds. */
export const HOME_GRANTS = 20;
/** Base of the caller's home; 0 for an executor's host PD. */
export const HOME_CALLER = 24;
/** 0 for an executor's host PD, 1 for a root invocation, one more for each nested call. */
export const HOME_DEPTH = 28;
export const HOME_REQUEST_LENGTH = 32;
/** Slot of the PD table, kept while the home is in its pool. */
export const HOME_SLOT = 36;
/** Link of the pool. */
export const HOME_NEXT = 44;
/** What the guard leaves when it refuses: kind, address, access. */
export const HOME_FAULT_KIND = 48;
export const HOME_FAULT_ADDRESS = 52;
export const HOME_FAULT_ACCESS = 56;
/** Pages that `memory.size` reports. */
export const HOME_MEMORY_PAGES = 60;
/**
 * When CONTROL_NOW_MS reaches this, the guard's check looks closer. It is HOME_END_MS, or earlier to make it look: another
 * thread does that under the lock (`invocationInterrupt`). When it comes too late for that PD, the next one looks for nothing.
 */
export const HOME_DEADLINE_MS = 64;
/** The deadline: the invocation ends when CONTROL_NOW_MS reaches this. Of a host PD: that of what it enters next. */
export const HOME_END_MS = 68;
/** The invocation record that this PD belongs to; 0 for none, where INVOCATION_CANCELLED reads as 0 too. */
export const HOME_INVOCATION = 72;
/** Bytes of the VMAs that this PD owns, each counted as its class. */
export const HOME_VMA_BYTES = 76;
/** Head of the list of invocations that this PD started and has not collected, and their number. */
export const HOME_CHILDREN = 80;
export const HOME_CHILD_COUNT = 84;
export const CHILDREN_MAX = 16384;
/** Bytes that it has logged. */
export const HOME_LOG_BYTES = 88;
/** A bit for each 64 bytes of the grant tables in which there may be an entry. */
export const HOME_GRANT_GROUPS = 92;
/**
 * The VMA in which the PD was last found to be allowed to read, and to write: where it starts, and its length, 0 for none. The
 * guard's jord:look-up-read and jord:look-up-write write it; PrivLib empties it whenever the PD loses something.
 */
export const HOME_LAST_READ_START = 96;
export const HOME_LAST_WRITE_START = 100;
export const HOME_LAST_READ_LENGTH = 104;
export const HOME_LAST_WRITE_LENGTH = 108;
/** From now to a deadline that nothing reaches. */
export const DEADLINE_FAR_MS = 0x3fff_ffff;
/** How far CONTROL_NOW_MS lies behind while something runs: the clock's interval of 2 ms, and what it rounds down. */
export const CLOCK_LAG_MS = 3;
export const HOME_GRANT_TABLE_A = 128;
export const HOME_GRANT_TABLE_B = 1152;
/** The function's mutable globals (8-byte slots, 16 for v128), then one byte for each data segment: 1 when dropped. */
export const HOME_GLOBALS = 2176;

// Slots of a VTE in a PD's grant tables: an entry is VTE address | permission.
// Byte offset in table A: (vte * GRANT_FACTOR_A >>> GRANT_SHIFT) & GRANT_MASK, in table B with GRANT_FACTOR_B. Products have 32
// bits, and their highest ones depend on all of the VTE: its place among those of its granule, and which granule it is.
export const GRANT_FACTOR_A = 0x3af5_6553;
export const GRANT_FACTOR_B = 0x7e35_b9bf;
export const GRANT_SHIFT = 22;
export const GRANT_MASK = 0x3fc;

// States of a PD.
/** Pristine, in the pool of its executor. */
export const PD_FREE = 0;
export const PD_CREATED = 1;
export const PD_RUNNING = 2;
/** An executor's own PD: always there. */
export const PD_HOST = 3;
/** Running, but not now: it waits for something, and its executor does other work. */
export const PD_SUSPENDED = 4;
/** Not pristine yet, or not any more, and in no pool: about to become a home, or to be given back. */
export const PD_UNMADE = 5;

/** Behind the memory limit of a home: static offsets below this need no check of their own. */
export const RED_ZONE = 4096;
/**
 * A store may begin in a dirty chunk and end up to 15 bytes behind it, so this much is restored behind each. More than
 * needed, so that restoring goes in steps of 64.
 */
export const RESTORED_BEHIND = 64;
/** Most memory of one function: 512 MiB. */
export const MEMORY_LIMIT_MAX = 0x2000_0000;

// Fault kinds in HOME_FAULT_KIND. 0 is: the guard did not refuse, look at the trap.
export const FAULT_NONE = 0;
/** No such memory, no permission, or past the bound. */
export const FAULT_ACCESS = 1;
/** `memory.atomic.wait`, which would block the executor. */
export const FAULT_ATOMIC_WAIT = 2;
/** `memory.init` of a dropped segment. */
export const FAULT_SEGMENT = 3;
/** The deadline has passed. Address and access say nothing. */
export const FAULT_DEADLINE = 4;
/** It was cancelled. Address and access say nothing. */
export const FAULT_CANCELLED = 6;
/** No fault yet: `memory.grow` was refused. When the function traps later, that is probably why. */
export const FAULT_GROW_REFUSED = 5;

// HOME_FAULT_ACCESS: size in bytes in the low byte (0 for a bulk access), and these.
export const ACCESS_WRITE = 0x100;
export const ACCESS_BULK = 0x200;
export const ACCESS_ATOMIC = 0x400;

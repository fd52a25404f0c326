/**
 * An attacker and its victim, for the isolation tests.
 *
 * The victim holds ArgBufs and a home full of canaries and then, in the middle of its own invocation, calls the attacker
 * once for each attack. The attacker prepares memory of its own as the attack says (an ArgBuf that was freed, passed on,
 * protected …) and does one access. After each, while the victim still waits in its call, the test compares the address
 * space with what it was before: PrivLib's tables, the victim's home, its VTEs and ArgBufs, and the attacker's home, which
 * must be as its image has it. At the end the victim itself reads all its canaries.
 */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import type { FaultDetails, LogRecord } from '../src/server/types.ts';
import { type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

/** What the attacker has at the address that the attack counts from. */
export type Preparation = keyof typeof PREPARATIONS;

const PREPARATIONS = {
  /** Nothing: the attack's address counts from 0. */
  nothing: 0,
  /** An ArgBuf of 100 bytes. */
  own: 1,
  freed: 2,
  'protected to none': 3,
  'protected to read': 4,
  /** Was the request of a call that returned. */
  'passed on': 5,
  /** Was the request of a call that faulted. */
  'passed to a callee that faulted': 6,
  /** Made with 100 bytes, has 60. */
  shortened: 7,
  empty: 8,
  /** 128 bytes, all of its size class: the next byte is the next ArgBuf's. */
  full: 9,
  /** Belongs to another PD of the same function, which has called this one. */
  "the caller's": 10,
} as const;

export interface Attack {
  /** Place in the list of accesses that the attacker was made with. */
  readonly access: number;
  readonly preparation: Preparation;
  /** From what was prepared (modulo 2^32) to the pointer of the access. */
  readonly pointer: number;
  /** Second parameter of the access. */
  readonly length?: number;
}

export interface Outcome {
  /** What the victim's call returned; 1 for an ArgBuf. */
  readonly status: number;
  /** Address of what was prepared. */
  readonly prepared: number;
  /** Address of the attacker's request. */
  readonly request: number;
  /** The attacker's fault, if it had one. */
  readonly fault: FaultDetails | undefined;
}

/** Memory of the victim, and of the attacker unless it is made with more. */
export const MEMORY_LIMIT = 131072;
/** Second page of both: what an access may use besides its target. */
export const OWN_DATA = 65536;
/** Homes up to this size are compared after each attack, larger ones only when all is over. */
const COMPARED_MEMORY_BYTES_MAX = 1 << 20;
const CANARIES = 58;
const RECORD_BYTES = 16;

const CONSTANTS = `
  (data (i32.const 16) "attacker") (data (i32.const 32) "sink") (data (i32.const 48) "breaker")
  (data (i32.const 64) "0123456789abcdef")
  (data (i32.const ${OWN_DATA}) "${'\\5a'.repeat(256)}")`;

/** Logs two numbers of eight hexadecimal digits each. */
const ANNOUNCE = `(func $digits (param $to i32) (param $value i32) (local $i i32)
  (loop $next
    (i32.store8 offset=7 (i32.sub (local.get $to) (local.get $i))
      (i32.load8_u offset=64 (i32.and (local.get $value) (i32.const 15))))
    (local.set $value (i32.shr_u (local.get $value) (i32.const 4)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8)))))
(func $announce (param $prepared i32) (param $request i32)
  (call $digits (i32.const 80) (local.get $prepared))
  (call $digits (i32.const 88) (local.get $request))
  (drop (call $log (i32.const 0) (i32.const 80) (i32.const 16))))`;

const PREPARE = `(func $prepare (param $kind i32) (result i32) (local $x i32)
  (if (i32.eqz (local.get $kind)) (then (return (i32.const 0))))
  (local.set $x (call $argbuf_new (i32.const 100)))
  (memory.fill (local.get $x) (i32.const 0x5a) (i32.const 100))
  (block $end (block $full (block $empty (block $short (block $break (block $pass (block $read (block $none (block $free
    (br_table $end $end $free $none $read $pass $break $short $empty $full $end (local.get $kind)))
    (br $end (drop (call $argbuf_free (local.get $x)))))
    (br $end (drop (call $argbuf_protect (local.get $x) (i32.const 0)))))
    (br $end (drop (call $argbuf_protect (local.get $x) (i32.const 1)))))
    (br $end (drop (call $call_name (i32.const 32) (i32.const 4) (local.get $x)))))
    (br $end (drop (call $call_name (i32.const 48) (i32.const 7) (local.get $x)))))
    (br $end (drop (call $argbuf_resize (local.get $x) (i32.const 60)))))
    (br $end (drop (call $argbuf_resize (local.get $x) (i32.const 0)))))
    (drop (call $argbuf_resize (local.get $x) (i32.const 128))))
  (local.get $x))`;

/** The caller's ArgBuf is attacked by a second PD, and looked at afterwards. */
const ATTACK_MINE = `(func $attack_mine (param $request i32) (param $x i32) (local $record i32) (local $i i32)
  (local.set $record (call $argbuf_new (i32.const ${RECORD_BYTES})))
  (memory.copy (local.get $record) (local.get $request) (i32.const ${RECORD_BYTES}))
  (i32.store offset=4 (local.get $record) (i32.const 0))
  (i32.store offset=8 (local.get $record) (i32.add (local.get $x) (i32.load offset=8 (local.get $request))))
  (drop (call $call_name (i32.const 16) (i32.const 8) (local.get $record)))
  (loop $next
    (if (i32.ne (i32.load8_u (i32.add (local.get $x) (local.get $i))) (i32.const 0x5a)) (then unreachable))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))`;

export interface AttackerOptions {
  /** Imports and other fields of the module, in text. */
  readonly imports?: string;
  readonly fields?: string;
  readonly memoryLimit?: number;
}

/** The attacker. Each access is the body of a function with the parameters $p (pointer) and $n. */
function attackerText(accesses: readonly string[], options: AttackerOptions): string {
  const functions = accesses.map(
    (body, i) => `(func $access${i} (type $access) (param $p i32) (param $n i32) ${body})`,
  );
  return `(module $attacker
    ${imports('argbuf_new', 'argbuf_free', 'argbuf_protect', 'argbuf_resize', 'call_name', 'log')} ${options.imports ?? ''}
    (type $access (func (param $p i32) (param $n i32)))
    (memory 2) ${CONSTANTS} ${options.fields ?? ''}
    (table $accesses funcref (elem ${accesses.map((_, i) => `$access${i}`).join(' ')}))
    (func $grows (drop (memory.grow (i32.const 0))))
    ${ANNOUNCE} ${PREPARE} ${ATTACK_MINE} ${functions.join('\n')}
    ${handle(
      `(if (i32.eq (i32.load (local.get $request)) (i32.const -1))
         (then (return (call $prepare (i32.const 1)))))
       (local.set $x (call $prepare (i32.load offset=4 (local.get $request))))
       (call $announce (local.get $x) (local.get $request))
       (if (i32.eq (i32.load offset=4 (local.get $request)) (i32.const ${PREPARATIONS["the caller's"]}))
         (then (call $attack_mine (local.get $request) (local.get $x)) (return (i32.const 0))))
       (call_indirect $accesses (type $access)
         (i32.add (local.get $x) (i32.load offset=8 (local.get $request)))
         (i32.load offset=12 (local.get $request))
         (i32.load (local.get $request)))
       (i32.const 0)`,
      '(local $x i32)',
    )})`;
}

/** Addresses of the victim's ArgBufs are kept from 1024 on, the one that the attacker returned comes first. */
const VICTIM = `(module $victim ${imports('argbuf_new', 'argbuf_free', 'argbuf_protect', 'call_name', 'log')}
  (memory 2 2) ${CONSTANTS} (global $secret (mut i64) (i64.const 0x5a5a5a5a5a5a5a5a))
  (func $call (param $record i32) (result i32) (local $r i32)
    (local.set $r (call $argbuf_new (i32.const ${RECORD_BYTES})))
    (memory.copy (local.get $r) (local.get $record) (i32.const ${RECORD_BYTES}))
    (call $call_name (i32.const 16) (i32.const 8) (local.get $r)))
  (func $length (param $i i32) (result i32)
    (if (i32.lt_u (local.get $i) (i32.const ${CANARIES - 3})) (then (return (i32.const 128))))
    (i32.shl (i32.const 1) (i32.sub (local.get $i) (i32.const ${CANARIES - 14}))))
  (func $check (param $at i32) (param $end i32)
    (loop $next
      (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x5a)) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end)))))
  ${handle(
    `(i32.store (i32.const 112) (i32.const -1))
     (i32.store (i32.const 1024) (call $call (i32.const 112)))
     (local.set $i (i32.const 1))
     (loop $next
       (local.set $x (call $argbuf_new (call $length (local.get $i))))
       (i32.store offset=1024 (i32.shl (local.get $i) (i32.const 2)) (local.get $x))
       (memory.fill (local.get $x) (i32.const 0x5a) (call $length (local.get $i)))
       (if (i32.and (local.get $i) (i32.const 1))
         (then (drop (call $argbuf_protect (local.get $x) (i32.const 1)))))
       (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${CANARIES}))))
     (local.set $out (call $argbuf_new (i32.div_u (local.get $length) (i32.const ${RECORD_BYTES / 4}))))
     (memory.fill (i32.const 4096) (i32.const 0x5a) (i32.const 65536))
     (drop (call $log (i32.const 1) (i32.const 0) (i32.const 0)))
     (local.set $i (i32.const 0))
     (loop $next
       (local.set $x (call $call (i32.add (local.get $request) (i32.shl (local.get $i) (i32.const 4)))))
       (if (i32.gt_u (local.get $x) (i32.const 65535))
         (then (drop (call $argbuf_free (local.get $x))) (local.set $x (i32.const 1))))
       (i32.store (i32.add (local.get $out) (i32.shl (local.get $i) (i32.const 2))) (local.get $x))
       (local.set $i (i32.add (local.get $i) (i32.const 1)))
       (br_if $next (i32.lt_u (local.get $i) (i32.div_u (local.get $length) (i32.const ${RECORD_BYTES})))))
     (local.set $i (i32.const 1))
     (call $check (i32.load (i32.const 1024)) (i32.add (i32.load (i32.const 1024)) (i32.const 100)))
     (loop $next
       (local.set $x (i32.load offset=1024 (i32.shl (local.get $i) (i32.const 2))))
       (call $check (local.get $x) (i32.add (local.get $x) (call $length (local.get $i))))
       (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${CANARIES}))))
     (call $check (i32.const 4096) (i32.const 69632))
     (if (i64.ne (global.get $secret) (i64.const 0x5a5a5a5a5a5a5a5a)) (then unreachable))
     (local.get $out)`,
    '(local $i i32) (local $x i32) (local $out i32)',
  )})`;

/** An ArgBuf that the attacker owns at the time of its attack. */
export interface Vma {
  readonly start: number;
  readonly end: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** The attacker's request, which it may of course use. */
export function requestVma(start: number): Vma {
  return { start, end: start + RECORD_BYTES, read: true, write: true };
}

/** What the attacker has after its preparation, besides its home and its request. */
export function preparedVmas(preparation: Preparation, start: number): readonly Vma[] {
  const vma = (length: number, write = true): Vma[] => [{ start, end: start + length, read: true, write }];
  switch (preparation) {
    case 'own':
      return vma(100);
    case 'shortened':
      return vma(60);
    case 'empty':
      return vma(0);
    case 'full':
      return vma(128);
    case 'protected to read':
      return vma(100, false);
    default:
      return [];
  }
}

/** How a fault may name an address. One of 33 bits may be cut to its low 32 bits, or to the last address there is. */
export function namesOf(address: number): string[] {
  const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
  return address < 2 ** 32 ? [hex(address)] : [hex(address), hex(address - 2 ** 32), '0xffffffff'];
}

/** What the attacks can be aimed at; the same in each run. */
export interface Targets {
  readonly victimBase: number;
  readonly attackerBase: number;
  readonly hostBase: number;
  /** Of the attacker. */
  readonly headerSize: number;
  /** Where the victim's memory begins. */
  readonly victimStart: number;
  /** Start of an ArgBuf that the attacker returned to the victim; it has 100 bytes. */
  readonly returned: number;
  /** Starts of the victim's ArgBufs, which are as long as their size class. */
  readonly canaries: readonly { readonly start: number; readonly length: number }[];
  /** The VTE of the first canary. */
  readonly entry: number;
}

export class AttackRange {
  readonly #observed: ObservedServer;
  readonly #large: boolean;
  #targets: Targets | undefined;
  #snapshot: Snapshot | undefined;
  #outcomes: { prepared: number; request: number; fault: FaultDetails | undefined }[] = [];
  /** Before that, homes and VMAs are made for the first time. */
  #warm = false;

  private constructor(observed: ObservedServer, large: boolean) {
    this.#observed = observed;
    this.#large = large;
    observed.onLog = (record) => this.#onLog(record);
  }

  /** A server with the victim, an attacker with these accesses, and what both need. */
  static async open(accesses: readonly string[], options: AttackerOptions = {}): Promise<AttackRange> {
    const observed = await startObserved();
    const { server } = observed;
    const memoryLimitBytes = options.memoryLimit ?? MEMORY_LIMIT;
    // The victim first: its home has the lowest address then, which a large attacker's own addresses reach.
    await server.deploy('victim', wat(VICTIM));
    await server.deploy('attacker', wat(attackerText(accesses, options)), { memoryLimitBytes });
    await server.deploy('sink', wat(`(module $sink (memory 1) ${handle('(i32.const 0)')})`));
    const broken = '(i32.store (local.get $request) (i32.const 1)) unreachable';
    await server.deploy('breaker', wat(`(module $breaker (memory 1) ${handle(broken)})`));
    const range = new AttackRange(observed, memoryLimitBytes > COMPARED_MEMORY_BYTES_MAX);
    const warmUp = Object.keys(PREPARATIONS) as Preparation[];
    for (let round = 0; round < 2; round++) {
      await range.#invoke(warmUp.map((preparation) => ({ access: 0, preparation, pointer: 0xffff_ffff })));
    }
    range.#warm = true;
    return range;
  }

  get targets(): Targets {
    assert.ok(this.#targets !== undefined);
    return this.#targets;
  }

  /** Runs attacks, one after the other, below one invocation of the victim, and checks what may not have changed. */
  async run(attacks: readonly Attack[]): Promise<Outcome[]> {
    const outcomes = await this.#invoke(attacks);
    this.#observed.memory.assertIdle();
    if (!this.#large) this.#observed.memory.assertPristine();
    return outcomes;
  }

  async close(): Promise<void> {
    this.#observed.memory.assertPristine();
    await this.#observed.server.stop();
  }

  async #invoke(attacks: readonly Attack[]): Promise<Outcome[]> {
    const request = Buffer.alloc(attacks.length * RECORD_BYTES);
    for (const [i, { access, preparation, pointer, length = 0 }] of attacks.entries()) {
      request.writeUInt32LE(access, i * RECORD_BYTES);
      request.writeUInt32LE(PREPARATIONS[preparation], i * RECORD_BYTES + 4);
      request.writeUInt32LE(pointer >>> 0, i * RECORD_BYTES + 8);
      request.writeUInt32LE(length >>> 0, i * RECORD_BYTES + 12);
    }
    this.#outcomes = [];
    this.#observed.records.length = 0;
    const { body } = await this.#observed.server.invoke('victim', request).finally(() => this.#observed.rethrow());
    const statuses = Buffer.from(body);
    assert.equal(statuses.length, attacks.length * 4);
    // A PD that attacks its caller's ArgBuf announces itself too; that of its caller is what counts.
    const announced = this.#outcomes;
    let next = 0;
    return attacks.map(({ preparation }, i) => {
      const outer = announced[next++];
      const inner = preparation === "the caller's" ? announced[next++] : outer;
      assert.ok(outer !== undefined && inner !== undefined, 'each attack announces itself');
      const { prepared } = outer;
      return { status: statuses.readUInt32LE(i * 4), prepared, request: inner.request, fault: inner.fault };
    });
  }

  #onLog(record: LogRecord): void {
    if (record.function === 'victim') this.#begin();
    else if (record.level === 'debug') {
      this.#snapshot?.compare();
      const [prepared, request] = [record.message.slice(0, 8), record.message.slice(8)].map((n) =>
        Number.parseInt(n, 16),
      );
      assert.ok(prepared !== undefined && request !== undefined);
      this.#outcomes.push({ prepared, request, fault: undefined });
    } else if (record.function === 'attacker' && record.fault !== undefined) {
      const outcome = this.#outcomes.at(-1);
      assert.ok(outcome !== undefined && outcome.fault === undefined, 'one fault for each attack');
      outcome.fault = record.fault;
      this.#snapshot?.compare();
    }
  }

  #begin(): void {
    const { memory } = this.#observed;
    const victimBase = memory.running;
    const addresses = memory.homeStart(victimBase) + 1024;
    const canaries = Array.from({ length: CANARIES - 1 }, (_, i) => {
      const start = memory.word(addresses + (i + 1) * 4);
      return { start, length: i + 1 < CANARIES - 3 ? 128 : 2 ** (i + 1 - (CANARIES - 14)) };
    });
    const entry = memory.entryOf(canaries[0]?.start ?? 0);
    const attacker = memory.functions()[1];
    const attackerBase = attacker?.idle[0];
    assert.ok(attacker !== undefined && attackerBase !== undefined && entry !== undefined);
    const { headerSize } = attacker;
    const returned = memory.word(addresses);
    const victimStart = memory.homeStart(victimBase);
    const targets = {
      victimBase,
      victimStart,
      attackerBase,
      hostBase: memory.hostBase,
      headerSize,
      returned,
      canaries,
      entry,
    };
    this.#targets = targets;
    if (!this.#warm) return;
    this.#snapshot = new Snapshot(
      memory.bytes,
      rangesOf(targets, this.#observed),
      victimBase,
      this.#large ? [] : attacker.idle,
    );
  }
}

interface Range {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

/** What no attack may change, as long as the victim waits. */
function rangesOf({ victimBase, returned, canaries }: Targets, { memory }: ObservedServer): Range[] {
  const homeEnd = memory.homeStart(victimBase) + MEMORY_LIMIT + L.RED_ZONE;
  const vmas = [...canaries, { start: returned, length: 128 }];
  return [
    { what: 'control block', start: 0, end: L.CONTROL_NOW_MS },
    // The clock between goes on.
    { what: 'control block and granule table', start: L.CONTROL_NOW_MS + 4, end: L.EXECUTOR_TABLE },
    { what: 'function table', start: L.FUNCTION_TABLE, end: L.FUNCTION_TABLE + 16 * L.FUNCTION_SIZE },
    { what: 'PD table', start: L.PD_TABLE, end: L.PD_TABLE + 64 * 4 },
    { what: "the header of the victim's home", start: victimBase, end: victimBase + L.HOME_LAST_READ_START },
    // Between are the VMAs that it looked up last, until it hands one on; `compare` sees to them.
    { what: "the victim's home", start: victimBase + L.HOME_LAST_WRITE_LENGTH + 4, end: homeEnd },
    ...vmas.flatMap(({ start, length }) => {
      const entry = memory.entryOf(start) ?? 0;
      const at = `0x${start.toString(16)}`;
      return [
        { what: `the VTE of the victim's ArgBuf at ${at}`, start: entry, end: entry + L.VTE_SIZE },
        { what: `the victim's ArgBuf at ${at}`, start, end: start + length },
      ];
    }),
  ];
}

interface LastVma {
  readonly start: number;
  readonly length: number;
}

class Snapshot {
  readonly #bytes: Buffer;
  readonly #kept: readonly (Range & { readonly content: Buffer })[];
  readonly #victimBase: number;
  readonly #lastVmas: readonly LastVma[];
  readonly #attackerHomes: readonly { readonly base: number; readonly content: Buffer }[];

  constructor(bytes: Buffer, ranges: readonly Range[], victimBase: number, attackerHomes: readonly number[]) {
    this.#bytes = bytes;
    this.#victimBase = victimBase;
    this.#lastVmas = this.#readLastVmas();
    this.#kept = ranges.map((range) => ({ ...range, content: Buffer.from(bytes.subarray(range.start, range.end)) }));
    this.#attackerHomes = attackerHomes.map((base) => ({ base, content: Buffer.from(this.#home(base)) }));
  }

  /** An attacker's home behind the words that say what PD lives in it, and until when. */
  #home(base: number): Buffer {
    const size = this.#bytes.readUInt32LE(this.#bytes.readUInt32LE(base + L.HOME_FUNCTION) + L.FUNCTION_HOME_SIZE);
    return this.#bytes.subarray(base + L.HOME_GRANT_TABLE_A, base + size);
  }

  /** What the victim's header says of the VMAs that it looked up last. */
  #readLastVmas(): LastVma[] {
    const word = (place: number): number => this.#bytes.readUInt32LE(this.#victimBase + place);
    return [
      { start: word(L.HOME_LAST_READ_START), length: word(L.HOME_LAST_READ_LENGTH) },
      { start: word(L.HOME_LAST_WRITE_START), length: word(L.HOME_LAST_WRITE_LENGTH) },
    ];
  }

  compare(): void {
    for (const [i, now] of this.#readLastVmas().entries()) {
      // PrivLib empties them when the victim hands an ArgBuf on.
      if (now.length !== 0) assert.deepEqual(now, this.#lastVmas[i], 'an attack changed what the victim may access');
    }
    for (const { what, start, end, content } of this.#kept) {
      if (!this.#bytes.subarray(start, end).equals(content)) assert.fail(`an attack changed ${what}`);
    }
    for (const { base, content } of this.#attackerHomes) {
      // One that waits for the attack on its own ArgBuf is not idle.
      if (this.#bytes.readUInt32LE(base + L.HOME_STATE) !== L.PD_FREE) continue;
      if (!this.#home(base).equals(content)) assert.fail("an attacker's home is not as its image has it");
    }
  }
}

/**
 * Isolation where a check might be saved: a pointer that was fine a moment ago is used again after it changed, after the
 * permission ended, with another offset or size, on another path. Each body must fault at exactly one access. Its control
 * is the same body without the hostile part, which must run through: so the guard may save what it can prove, and no more.
 * What a stretch of code accesses at one pointer is checked together: the fault is then about all of it, from its first byte on.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import { CALLEE_MEMORY_FAULT, OK } from '../core/status.ts';
import { type Attack, AttackRange, MEMORY_LIMIT, namesOf, type Preparation } from './attack.ts';
import { imports } from './wat.ts';

interface Case {
  readonly name: string;
  /** With the new exception instructions, which V8 accepts only in a module that has none of the old ones. */
  readonly tryTable?: true;
  /** $p is the pointer. `HOSTILE` stands for what `hostile` has, and for `harmless` in the control. */
  readonly body: string;
  readonly hostile: string;
  readonly harmless: string;
  readonly preparation: Preparation;
  /** Counts from what was prepared. */
  readonly pointer?: number;
  /** Of the access that must fault; counts from what was prepared unless it is absolute. */
  readonly address: number;
  readonly absolute?: true;
  readonly access: 'read' | 'write';
  readonly sizeBytes: number;
}

const P = '(local.get $p)';
const READ = `(drop (i32.load ${P}))`;
const WRITE = `(i32.store ${P} (i32.const 7))`;
const NOP = '(nop)';
const BAD = L.VTE_AREA;
const TO_BAD = `(local.set $p (i32.const ${BAD}))`;
/** Ways to lose the ArgBuf at $p. */
const LOSING: Readonly<Record<string, string>> = {
  'is freed': `(drop (call $argbuf_free ${P}))`,
  'is protected': `(drop (call $argbuf_protect ${P} (i32.const 0)))`,
  'is shortened': `(drop (call $argbuf_resize ${P} (i32.const 0)))`,
  'is passed on': `(drop (call $call_name (i32.const 32) (i32.const 4) ${P}))`,
  'is passed on by id': `(drop (call $call (call $resolve (i32.const 32) (i32.const 4)) ${P}))`,
  'is freed by a function of the module': `(call $free_it ${P})`,
  'is freed by an indirect call': `(call_indirect $helpers (param i32) ${P} (i32.const 0))`,
  'is freed in a deeper call': `(call $free_deep ${P} (i32.const 5))`,
};
const FIELDS = `(tag $tag)
  (global $sp (mut i32) (i32.const 65536))
  (table $helpers funcref (elem $free_it))
  (func $free_it (param $x i32) (drop (call $argbuf_free (local.get $x))))
  (func $free_deep (param $x i32) (param $depth i32)
    (if (local.get $depth)
      (then (call $free_deep (local.get $x) (i32.sub (local.get $depth) (i32.const 1))))
      (else (call $free_it (local.get $x)))))
  (func $identity (param $x i32) (result i32) (local.get $x))`;

const OWN = { preparation: 'own', address: 0, access: 'read', sizeBytes: 4, harmless: NOP } as const;
const MOVED = {
  ...OWN,
  address: BAD,
  absolute: true,
  hostile: TO_BAD,
} as const;

/** The permission ends between two accesses. */
function lostPermission(): Case[] {
  return Object.entries(LOSING).flatMap(([name, hostile]) => [
    { ...OWN, name: `read, then it ${name}, then read`, body: `${READ} HOSTILE ${READ}`, hostile },
    {
      ...OWN,
      name: `written, then it ${name}, then written`,
      body: `${WRITE} HOSTILE ${WRITE}`,
      hostile,
      access: 'write' as const,
    },
    {
      ...OWN,
      name: `it ${name} in one branch`,
      body: `${READ} (if (i32.eqz (local.get $n)) (then HOSTILE)) ${READ}`,
      hostile,
    },
    {
      ...OWN,
      name: `it ${name} at the end of a loop`,
      body: `(local $i i32) (loop $next ${READ} HOSTILE
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))`,
      hostile,
    },
    {
      ...OWN,
      name: `it ${name} in the value of the store`,
      body: `${WRITE} (i32.store ${P} (block (result i32) HOSTILE (i32.const 1)))`,
      hostile,
      access: 'write' as const,
    },
    {
      ...OWN,
      name: `it ${name} in an operand of an atomic`,
      body: `${READ} (drop (i32.atomic.rmw.cmpxchg ${P} (i32.const 1) (block (result i32) HOSTILE (i32.const 1))))`,
      hostile,
      access: 'write' as const,
    },
    {
      ...OWN,
      name: `it ${name} inside of try`,
      body: `${READ} (try (do HOSTILE (throw $tag)) (catch_all)) ${READ}`,
      hostile,
    },
  ]);
}

const LESS_PERMISSION: readonly Case[] = [
  {
    ...OWN,
    name: 'protected to read after it was written',
    body: `${WRITE} HOSTILE ${WRITE}`,
    hostile: `(drop (call $argbuf_protect ${P} (i32.const 1)))`,
    access: 'write',
  },
  {
    ...OWN,
    name: 'read does not show that it may be written',
    preparation: 'protected to read',
    body: `${READ} HOSTILE`,
    hostile: WRITE,
    access: 'write',
  },
  {
    ...OWN,
    name: 'read by an atomic, then exchanged',
    preparation: 'protected to read',
    body: `(drop (i32.atomic.load ${P})) HOSTILE`,
    hostile: `(drop (i32.atomic.rmw.xchg ${P} (i32.const 1)))`,
    access: 'write',
  },
  {
    ...OWN,
    name: 'shortened to what was not read yet',
    body: `(drop (i32.load offset=96 ${P})) HOSTILE (drop (i32.load offset=96 ${P}))`,
    hostile: `(drop (call $argbuf_resize ${P} (i32.const 99)))`,
    address: 96,
  },
];

/** The pointer changes between two accesses. */
const CHANGED: readonly Case[] = [
  { ...MOVED, name: 'set', body: `${READ} HOSTILE ${READ}` },
  { ...MOVED, name: 'tee', body: `${READ} HOSTILE ${READ}`, hostile: `(drop (local.tee $p (i32.const ${BAD})))` },
  { ...MOVED, name: 'set in one branch', body: `${READ} (if (i32.eqz (local.get $n)) (then HOSTILE)) ${READ}` },
  { ...MOVED, name: 'set in the other branch', body: `${READ} (if (local.get $n) (then) (else HOSTILE)) ${READ}` },
  { ...MOVED, name: 'set, then out of the block', body: `${READ} (block $out HOSTILE (br $out)) ${READ}` },
  {
    ...MOVED,
    name: 'set, then out of two blocks',
    body: `${READ} (block $out (block HOSTILE (br_if $out (i32.const 1)))) ${READ}`,
  },
  {
    ...MOVED,
    name: 'set, then out by a table',
    body: `${READ} (block $out (block $b HOSTILE (br_table $b $out (i32.const 1)))) ${READ}`,
  },
  {
    ...MOVED,
    name: 'read only where it was not set',
    body: `(if (local.get $n) (then ${READ}) (else HOSTILE)) ${READ}`,
  },
  { ...MOVED, name: 'checked in one branch only', body: `HOSTILE (if (local.get $n) (then ${READ})) ${READ}` },
  {
    ...MOVED,
    name: 'checked in a loop that ends before',
    body: `HOSTILE (block $out (loop (br_if $out (i32.const 1)) ${READ})) ${READ}`,
  },
  {
    ...MOVED,
    name: 'set at the end of a loop',
    body: `(local $i i32) (loop $next ${READ} HOSTILE
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2))))`,
  },
  {
    ...MOVED,
    name: 'set in an inner loop of a loop',
    body: `(local $i i32) (loop $next ${READ} (loop $inner HOSTILE)
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2))))`,
  },
  { ...MOVED, name: 'set before a throw', body: `${READ} (try (do HOSTILE (throw $tag)) (catch $tag)) ${READ}` },
  {
    ...MOVED,
    name: 'set before a throw to try_table',
    tryTable: true,
    body: `${READ} (block $b (try_table (catch_all $b) HOSTILE (throw $tag))) ${READ}`,
  },
  {
    ...MOVED,
    name: 'set before a throw that is delegated',
    body: `${READ} (try (do (try (do HOSTILE (throw $tag)) (delegate 0))) (catch_all)) ${READ}`,
  },
  { ...MOVED, name: 'set in a catch', body: `${READ} (try (do (throw $tag)) (catch_all HOSTILE)) ${READ}` },
  {
    ...MOVED,
    name: 'set in the value of a store, which goes to the old address',
    body: `${READ} (i32.store ${P} (block (result i32) HOSTILE (i32.const 1))) ${READ}`,
  },
  {
    ...MOVED,
    name: 'set and used as the pointer in one',
    body: `${READ} (drop (i32.load HOSTILE))`,
    hostile: `(local.tee $p (i32.const ${BAD}))`,
    harmless: P,
  },
  {
    ...MOVED,
    name: 'read through a copy, which stays',
    body: `(local $q i32) (local.set $q ${P}) (drop (i32.load (local.get $q))) HOSTILE (drop (i32.load (local.get $q))) ${READ}`,
  },
  {
    ...MOVED,
    name: 'a copy that is set',
    body: `(local $q i32) (local.set $q ${P}) ${READ} HOSTILE (drop (i32.load (local.get $q)))`,
    hostile: `(local.set $q (i32.const ${BAD}))`,
  },
  {
    ...MOVED,
    name: 'both changed to each other',
    body: `(local $q i32) (local.set $q ${P}) ${READ} HOSTILE (local.set $p (local.get $q)) ${READ}`,
    hostile: `(local.set $q (i32.const ${BAD}))`,
  },
  {
    ...OWN,
    name: 'walks out of its ArgBuf',
    body: `(local $i i32) (loop $next ${READ} (local.set $p (i32.add ${P} (i32.const HOSTILE)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))`,
    hostile: '8',
    harmless: '4',
    address: 104,
  },
  {
    ...OWN,
    name: 'walks out backwards',
    body: `(local $i i32) (loop $next ${READ} (local.set $p (i32.sub ${P} (i32.const HOSTILE)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20))))`,
    hostile: '8',
    harmless: '4',
    pointer: 96,
    address: -8,
  },
];

/** The same pointer, further or wider. */
const FURTHER: readonly Case[] = [
  ...[97, 100, 125, 200, 251].map((offset) => ({
    ...OWN,
    name: `offset ${offset} after offset 0, which are checked together`,
    body: `${READ} HOSTILE`,
    hostile: `(drop (i32.load offset=${offset} ${P}))`,
    address: 0,
    sizeBytes: offset + 4,
  })),
  ...[252, 1000, L.RED_ZONE, MEMORY_LIMIT, 0x7000_0000].map((offset) => ({
    ...OWN,
    name: `offset ${offset} after offset 0`,
    body: `${READ} HOSTILE`,
    hostile: `(drop (i32.load offset=${offset} ${P}))`,
    address: offset,
  })),
  {
    ...OWN,
    name: 'offset 97 after offset 0, behind a branch',
    body: `${READ} (block $b (br_if $b (local.get $n)) HOSTILE)`,
    hostile: `(drop (i32.load offset=97 ${P}))`,
    address: 97,
  },
  {
    ...OWN,
    name: 'offset 97 after offset 0, behind a call',
    body: `${READ} (drop (call $identity (i32.const 0))) HOSTILE`,
    hostile: `(drop (i32.load offset=97 ${P}))`,
    address: 97,
  },
  {
    ...OWN,
    name: 'read, and then written where that is not allowed, which are checked together',
    preparation: 'protected to read',
    body: `(drop (i32.load offset=16 ${P})) HOSTILE`,
    hostile: `(i32.store8 offset=8 ${P} (i32.const 1))`,
    address: 8,
    access: 'write',
    sizeBytes: 12,
  },
  {
    ...OWN,
    name: 'offset 0 after offset 64, where only that is inside',
    body: `(drop (i32.load offset=64 ${P})) HOSTILE`,
    hostile: READ,
    pointer: -64,
    address: -64,
    sizeBytes: 68,
  },
  {
    ...OWN,
    name: 'offset 32 after offset 64 and before it',
    body: `(drop (i32.load offset=64 ${P})) (drop (i32.load offset=128 ${P})) HOSTILE`,
    hostile: `(drop (i32.load offset=32 ${P}))`,
    pointer: -64,
    address: -32,
    sizeBytes: 100,
  },
  {
    ...OWN,
    name: '16 bytes after 1',
    body: `(drop (i32.load8_u ${P})) HOSTILE`,
    hostile: `(drop (v128.load ${P}))`,
    pointer: 99,
    address: 99,
    sizeBytes: 16,
  },
  {
    ...OWN,
    name: '8 bytes after 4, written',
    body: `${WRITE} HOSTILE`,
    hostile: `(i64.store ${P} (i64.const 1))`,
    pointer: 96,
    address: 96,
    access: 'write',
    sizeBytes: 8,
  },
  {
    ...OWN,
    name: 'a large offset after a small one, at the end of the home',
    preparation: 'nothing',
    body: `${READ} HOSTILE`,
    hostile: `(drop (i32.load offset=${L.RED_ZONE + 8} ${P}))`,
    pointer: MEMORY_LIMIT - 4,
    address: MEMORY_LIMIT + L.RED_ZONE + 4,
  },
  {
    ...OWN,
    name: 'a large offset written after a small one was read, in the home',
    preparation: 'nothing',
    body: `${READ} HOSTILE`,
    hostile: `(i64.store offset=${MEMORY_LIMIT} ${P} (i64.const 1))`,
    pointer: 8192,
    address: MEMORY_LIMIT + 8192,
    access: 'write',
    sizeBytes: 8,
  },
];

/** Code as compilers make it, with a stack pointer that the function has bent. */
function frames(): Case[] {
  const frame = (stores: string): string => `(local $f i32) (global.set $sp ${P})
    (global.set $sp (local.tee $f (i32.sub (global.get $sp) (i32.const 64)))) ${stores}
    (global.set $sp (i32.add (local.get $f) (i32.const 64)))`;
  const stores = `(i64.store offset=56 (local.get $f) (i64.const 1)) (i64.store (local.get $f) (i64.const 2))
    (i64.store offset=32 (local.get $f) (i64.const 3))`;
  // The whole frame, from its first byte on. A stack is in the home, and nowhere else.
  const base = { ...OWN, preparation: 'nothing', access: 'write', sizeBytes: 64, hostile: NOP } as const;
  return [
    { ...base, name: 'a stack pointer below 0', body: frame(stores), pointer: 48, address: 2 ** 32 - 16 },
    { ...base, name: 'a stack pointer in the VMA table', body: frame(stores), pointer: BAD + 64, address: BAD },
    {
      ...base,
      name: 'a stack pointer at the end of the address space',
      body: frame(stores),
      pointer: 0,
      address: 2 ** 32 - 64,
    },
    {
      ...base,
      name: 'a frame that begins before an ArgBuf',
      preparation: 'own',
      body: frame(stores),
      pointer: 63,
      address: -1,
    },
    {
      ...base,
      name: 'a frame that ends behind an ArgBuf',
      preparation: 'own',
      body: frame(stores),
      pointer: 101,
      address: 37,
    },
    { ...base, name: 'a frame in an ArgBuf', preparation: 'own', body: frame(stores), pointer: 80, address: 16 },
  ];
}

const CASES: readonly Case[] = [...lostPermission(), ...LESS_PERMISSION, ...CHANGED, ...FURTHER, ...frames()];

let legacy: AttackRange;
let modern: AttackRange;

/** An attacker with the cases of one kind; the others leave their places empty. */
function open(tryTable: boolean): Promise<AttackRange> {
  const bodies = CASES.flatMap((one) => {
    if ((one.tryTable ?? false) !== tryTable) return ['', ''];
    return [one.body.replace('HOSTILE', one.hostile), one.body.replace('HOSTILE', one.harmless)];
  });
  return AttackRange.open(bodies, { imports: imports('call', 'resolve'), fields: FIELDS });
}

before(async () => {
  legacy = await open(false);
  modern = await open(true);
});
after(async () => {
  await legacy?.close();
  await modern?.close();
});

/** One case at a time, so that a failure names it; twice, since V8 may have optimised the code meanwhile. */
for (const [i, one] of CASES.entries()) {
  const { preparation, pointer = 0, address, access, sizeBytes } = one;
  test(one.name, async () => {
    const range = one.tryTable ? modern : legacy;
    const attack: Attack = { access: 2 * i, preparation, pointer };
    for (const outcome of await range.run([attack, attack])) {
      const { fault, prepared, status } = outcome;
      assert.equal(fault?.fault, 'memory-access', JSON.stringify(outcome));
      assert.ok(namesOf((one.absolute ? 0 : prepared) + address).includes(fault.address ?? ''), `${fault.address}`);
      assert.equal(fault.access, access);
      assert.equal(fault.sizeBytes, sizeBytes);
      assert.equal(status, CALLEE_MEMORY_FAULT);
    }
    // Without a hostile part it is the pointer that is wrong, and there is no control.
    if (one.hostile === one.harmless) return;
    for (const { fault, status } of await range.run([{ ...attack, access: 2 * i + 1 }])) {
      assert.equal(fault, undefined, JSON.stringify(fault));
      assert.equal(status, OK);
    }
  });
}

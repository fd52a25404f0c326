/**
 * What functions may not do with values of the key-value store, and what they had before they put it: each try has the fault or
 * the status that it should, and the store has what it had. Each body that must fault has a control, which is the same without the
 * hostile part. All of it also with masked addresses.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as S from '../core/status.ts';
import type { FaultDetails } from '../src/server/types.ts';
import { ECHO, guest, words, wordsOf } from './guests.ts';
import { faultOf, type ObservedServer, startObserved } from './observed-server.ts';

const VALUE = '0123456789abcdef';
const KEY_AT = 256;
const OTHER_AT = 264;
/** A function has `own` for reading and writing, `catalog` for reading. */
const OWN = '(i32.const 65536)';
const CATALOG = '(i32.const 65537)';
const KEY = `(i32.const ${KEY_AT}) (i32.const 1)`;
const OTHER = `(i32.const ${OTHER_AT}) (i32.const 1)`;
const V = '(local.get $v)';
const READ = `(drop (i32.load ${V}))`;
const WRITE = `(i32.store ${V} (i32.const 7))`;
/** What nothing in the store may ever have. */
const WRITE_AGAIN = `(i32.store ${V} (i32.const 9))`;
const put = (value: string, key = OTHER): string =>
  `(call $kv_put ${OWN} ${key} ${value} (i64.const -1) (i64.const 0))`;
const RELEASE = `(drop (call $kv_release ${V}))`;
const PUT = `(drop ${put(V)})`;

/** `$v` is a value that was got; or an ArgBuf of 16 bytes, of the function's own. */
const GOT = `(local.set $v (call $kv_get ${OWN} ${KEY}))`;
const MADE = `(local.set $v (call $argbuf_new (i32.const 16)))`;

const FIELDS = `(data (i32.const ${KEY_AT}) "k") (data (i32.const ${OTHER_AT}) "other")
  (func $let_go (param $x i32) (drop (call $kv_release (local.get $x))))
  (func $give (param $v i32) ${PUT})
  (table $helpers funcref (elem $let_go $give))`;

interface FaultCase {
  readonly name: string;
  readonly prepare: string;
  /** `HOSTILE` stands for what `hostile` has, and for nothing in the control. */
  readonly body: string;
  readonly hostile: string;
  readonly access: 'read' | 'write';
}

/** Instructions that write, and one that only reads in their place. */
const WRITES: Readonly<Record<string, string>> = {
  'a store': WRITE,
  'a store of one byte': `(i32.store8 offset=15 ${V} (i32.const 7))`,
  'a store of a vector': `(v128.store ${V} (v128.const i32x4 1 2 3 4))`,
  'an atomic store': `(i32.atomic.store ${V} (i32.const 7))`,
  'an atomic addition': `(drop (i64.atomic.rmw.add ${V} (i64.const 7)))`,
  'a compare and exchange': `(drop (i32.atomic.rmw.cmpxchg ${V} (i32.const 0x33323130) (i32.const 7)))`,
  'memory.fill': `(memory.fill ${V} (i32.const 7) (i32.const 16))`,
  'memory.copy': `(memory.copy ${V} (i32.const 0) (i32.const 16))`,
  'memory.copy in itself': `(memory.copy ${V} (i32.add ${V} (i32.const 4)) (i32.const 4))`,
  'memory.init': `(memory.init $passive ${V} (i32.const 0) (i32.const 4))`,
};

const writesToGot = Object.entries(WRITES).flatMap(([name, write]): FaultCase[] => [
  { name: `${name} to a value that was got`, prepare: GOT, body: 'HOSTILE', hostile: write, access: 'write' },
  {
    name: `${name} to a value that was got, after it was read`,
    prepare: GOT,
    body: `${READ} HOSTILE ${READ}`,
    hostile: write,
    access: 'write',
  },
]);

/** Ways to lose `$v`. */
const LOSING: Readonly<Record<string, readonly [prepare: string, hostile: string]>> = {
  'it was released': [GOT, RELEASE],
  'it was released by a function of the module': [GOT, `(call $let_go ${V})`],
  'it was released by an indirect call': [GOT, `(call_indirect $helpers (param i32) ${V} (i32.const 0))`],
  'it was put': [MADE, PUT],
  'it was put by a function of the module': [MADE, `(call $give ${V})`],
  'it was put by an indirect call': [MADE, `(call_indirect $helpers (param i32) ${V} (i32.const 1))`],
  'it was put in place of what was there': [MADE, `(drop ${put(V, KEY)})`],
};

const lost = Object.entries(LOSING).flatMap(([name, [prepare, hostile]]): FaultCase[] => {
  const made = prepare === MADE;
  const reads: FaultCase[] = [
    { name: `read after ${name}`, prepare, body: `HOSTILE ${READ}`, hostile, access: 'read' },
    { name: `read before and after ${name}`, prepare, body: `${READ} HOSTILE ${READ}`, hostile, access: 'read' },
    {
      name: `read after ${name} in one branch`,
      prepare,
      body: `${READ} (if (i32.eqz (i32.load8_u (i32.const 0))) (then HOSTILE)) ${READ}`,
      hostile,
      access: 'read',
    },
    {
      name: `read in a loop at the end of which ${name}`,
      prepare,
      body: `(local.set $i (i32.const 0)) (loop $next ${READ} HOSTILE
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))`,
      hostile,
      access: 'read',
    },
    {
      name: `the last byte read after ${name}`,
      prepare,
      body: `(drop (i32.load8_u offset=15 ${V})) HOSTILE (drop (i32.load8_u offset=15 ${V}))`,
      hostile,
      access: 'read',
    },
    {
      name: `copied from after ${name}`,
      prepare,
      body: `${READ} HOSTILE (memory.copy (i32.const 0) ${V} (i32.const 16))`,
      hostile,
      access: 'read',
    },
  ];
  const writes: FaultCase[] = [
    { name: `written after ${name}`, prepare, body: `${WRITE} HOSTILE ${WRITE_AGAIN}`, hostile, access: 'write' },
    {
      name: `written in a loop at the end of which ${name}`,
      prepare,
      body: `(local.set $i (i32.const 0)) (loop $next (i32.store ${V} (i32.add (i32.const 7) (local.get $i))) HOSTILE
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))`,
      hostile,
      access: 'write',
    },
    {
      name: `${name} in the value of a store to it`,
      prepare,
      body: `(i32.store ${V} (block (result i32) HOSTILE (i32.const 9)))`,
      hostile,
      access: 'write',
    },
  ];
  return made ? [...reads, ...writes] : reads;
});

const OTHER_FAULTS: readonly FaultCase[] = [
  {
    name: 'the byte behind a value',
    prepare: GOT,
    body: `(drop (i32.load8_u offset=15 ${V})) HOSTILE`,
    hostile: `(drop (i32.load8_u offset=16 ${V}))`,
    access: 'read',
  },
  {
    name: 'a read that begins in a value and ends behind it',
    prepare: GOT,
    body: `(drop (i64.load offset=8 ${V})) HOSTILE`,
    hostile: `(drop (i64.load offset=9 ${V}))`,
    access: 'read',
  },
  {
    name: 'the byte before a value',
    prepare: GOT,
    body: `${READ} HOSTILE`,
    hostile: `(drop (i32.load8_u (i32.sub ${V} (i32.const 1))))`,
    access: 'read',
  },
  {
    name: 'what was put, got again, is for reading',
    prepare: `${MADE} ${PUT} (local.set $v (call $kv_get ${OWN} ${OTHER}))`,
    body: `${READ} HOSTILE`,
    hostile: WRITE,
    access: 'write',
  },
  {
    name: 'the request, which was put',
    prepare: '(local.set $v (local.get $request))',
    body: `${READ} HOSTILE ${READ}`,
    hostile: PUT,
    access: 'read',
  },
  {
    name: 'a value whose key is deleted and which was let go',
    prepare: GOT,
    body: `(drop (call $kv_delete ${OWN} ${KEY} (i64.const -1))) ${READ} HOSTILE ${READ}`,
    hostile: RELEASE,
    access: 'read',
  },
  {
    name: 'a page of keys, behind its end',
    prepare: `(local.set $v (call $kv_list ${OWN} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10)))`,
    body: `(drop (i32.load8_u (i32.add ${V} (i32.sub (call $argbuf_length ${V}) (i32.const 1))))) HOSTILE`,
    hostile: `(drop (i32.load8_u (i32.add ${V} (call $argbuf_length ${V}))))`,
    access: 'read',
  },
];

const FAULTS: readonly FaultCase[] = [...writesToGot, ...lost, ...OTHER_FAULTS];

/** What a body leaves as a word, which must be this status. Several in a case, one after the other. */
const STATUSES: Readonly<
  Record<string, readonly [prepare: string, ...tries: (readonly [call: string, status: number])[]]>
> = {
  'a value that was got is not the function’s to change or to give away': [
    GOT,
    [`(call $argbuf_free ${V})`, S.NOT_THE_OWNER],
    [`(call $argbuf_resize ${V} (i32.const 4))`, S.NOT_THE_OWNER],
    [`(call $argbuf_protect ${V} (i32.const 3))`, S.NOT_THE_OWNER],
    [`(i32.wrap_i64 ${put(V)})`, S.NOT_THE_OWNER],
    [`(call $call (call $id0) ${V})`, S.NOT_THE_OWNER],
    [`(call $start (call $id0) ${V})`, S.NOT_THE_OWNER],
    [`(call $random ${V} (i32.const 4))`, S.BAD_POINTER],
    [`(call $kv_add ${OWN} ${OTHER} (i64.const 1) ${V})`, S.BAD_POINTER],
    [`(call $argbuf_length ${V})`, VALUE.length],
    [`(call $log (i32.const 0) ${V} (i32.const 16))`, S.OK],
    [`(call $log (i32.const 0) ${V} (i32.const 17))`, S.BAD_POINTER],
    // What it is may be a key.
    [`(call $kv_get ${OWN} ${V} (i32.const 16))`, S.KV_NO_SUCH_KEY],
    [`(call $kv_get ${OWN} ${V} (i32.const 17))`, S.BAD_POINTER],
    [`(call $kv_release (i32.add ${V} (i32.const 1)))`, S.NOT_THE_START],
    [`(call $kv_release ${V})`, S.OK],
    [`(call $kv_release ${V})`, S.NOT_GRANTED],
    [`(call $argbuf_length ${V})`, -1],
    [`(i32.wrap_i64 (call $kv_version ${V}))`, 0],
  ],
  'an ArgBuf is put once': [
    MADE,
    [`(call $kv_release ${V})`, S.NOT_GRANTED],
    [`(i32.wrap_i64 (call $kv_version ${V}))`, 0],
    [`(i32.wrap_i64 ${put(`(i32.add ${V} (i32.const 1))`)})`, S.NOT_THE_START],
    [`(i64.gt_s ${put(V)} (i64.const 65535))`, 1],
    [`(i32.wrap_i64 ${put(V)})`, S.NOT_THE_OWNER],
    [`(call $argbuf_free ${V})`, S.NOT_THE_OWNER],
    [`(call $argbuf_resize ${V} (i32.const 4))`, S.NOT_THE_OWNER],
    [`(call $call (call $id0) ${V})`, S.NOT_THE_OWNER],
    [`(call $kv_release ${V})`, S.NOT_GRANTED],
    [`(call $argbuf_length ${V})`, -1],
    [`(i32.wrap_i64 (call $kv_version ${V}))`, 0],
    [`(i32.eq (call $kv_get ${OWN} ${OTHER}) ${V})`, 1],
    [`(i64.gt_s (call $kv_version ${V}) (i64.const 65535))`, 1],
  ],
  'what is no ArgBuf of the function is not put': [
    `${MADE} (drop (call $argbuf_free ${V}))`,
    [`(i32.wrap_i64 ${put(V)})`, S.NOT_MAPPED],
    [`(i32.wrap_i64 ${put('(i32.const 1024)')})`, S.NOT_A_VMA],
    [`(i32.wrap_i64 ${put('(i32.const -1)')})`, S.NOT_A_VMA],
    [`(i32.wrap_i64 ${put('(i32.const 0x02000000)')})`, S.NOT_A_VMA],
    ['(i32.wrap_i64 (call $kv_version (i32.const -1)))', 0],
    ['(call $kv_release (i32.const 4096))', S.NOT_A_VMA],
  ],
  'a function reaches the spaces of its deployment, with the rights that it has': [
    MADE,
    [`(call $kv_get (i32.const 65538) ${KEY})`, S.NOT_ALLOWED],
    [`(call $kv_get (i32.const 65552) ${KEY})`, S.NOT_ALLOWED],
    [`(call $kv_get (i32.const 0) ${KEY})`, S.NOT_ALLOWED],
    [`(call $kv_get (i32.const -1) ${KEY})`, S.NOT_ALLOWED],
    [
      `(call $kv_list (i32.const 65538) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10))`,
      S.NOT_ALLOWED,
    ],
    [`(call $kv_sync (i32.const 65538))`, S.NOT_ALLOWED],
    [`(i32.ge_u (call $kv_get ${CATALOG} ${KEY}) (i32.const 65536))`, 1],
    [`(i32.wrap_i64 (call $kv_put ${CATALOG} ${KEY} ${V} (i64.const -1) (i64.const 0)))`, S.NOT_ALLOWED],
    [`(call $kv_delete ${CATALOG} ${KEY} (i64.const -1))`, S.NOT_ALLOWED],
    [`(call $kv_add ${CATALOG} ${KEY} (i64.const 1) (i32.const 0))`, S.NOT_ALLOWED],
    [`(call $kv_expire ${CATALOG} ${KEY} (i64.const 1))`, S.NOT_ALLOWED],
    [`(call $argbuf_free ${V})`, S.OK],
  ],
};

for (const maskAddresses of [false, true]) {
  describe(maskAddresses ? 'with masked addresses' : 'without masks', () => {
    let observed: ObservedServer;

    before(async () => {
      observed = await startObserved({ maskAddresses });
      await observed.server.kv.create('secret');
      await observed.server.deploy('echo', ECHO);
    });
    after(() => observed?.server.stop());

    async function fill(): Promise<void> {
      const { kv } = observed.server;
      const key = Buffer.from('k');
      for (const space of ['own', 'catalog', 'secret']) {
        if ((await kv.spaces()).some(({ name }) => name === space)) await kv.put(space, key, Buffer.from(VALUE));
      }
    }

    async function deploy(body: string): Promise<void> {
      const module = guest(body, {
        locals: '(local $v i32) (local $i i32)',
        more: `(data $passive "5678") ${FIELDS}`,
        names: ['echo'],
      });
      await observed.server.deploy('f', module, { kv: ['own:rw', 'catalog:ro'] });
      await fill();
    }

    /** Nothing of an invocation is left but what is in the store, and that is whole. */
    function assertNothingLeft(): void {
      const { memory, server } = observed;
      assert.equal(memory.running, memory.hostBase);
      for (const space of ['own', 'catalog', 'secret']) {
        const value = server.kv.get(space, Buffer.from('k'))?.value;
        if (value !== undefined)
          assert.match(Buffer.from(value).toString('hex'), /^(30313233343536373839616263646566|0[07](00){15})$/);
      }
    }

    async function fault(body: string): Promise<FaultDetails> {
      await deploy(body);
      const details = await faultOf(observed.server.invoke('f', new Uint8Array(16)));
      assertNothingLeft();
      return details;
    }

    for (const { name, prepare, body, hostile, access } of FAULTS) {
      test(`faults: ${name}`, async () => {
        const whole = (part: string): string => `${prepare} ${body.replace('HOSTILE', part)} (i32.const 0)`;
        const details = await fault(whole(hostile));
        assert.equal(details.fault, 'memory-access', JSON.stringify(details));
        assert.equal(details.access, access);
        await deploy(whole('(nop)'));
        assert.equal((await observed.server.invoke('f', new Uint8Array(16))).body.length, 0);
        assertNothingLeft();
      });
    }

    for (const [name, [prepare, ...tries]] of Object.entries(STATUSES)) {
      test(name, async () => {
        const stores = tries.map(([call], i) => `(i32.store offset=${i * 4} (local.get $x) ${call})`);
        await deploy(
          `(local.set $x (call $argbuf_new (i32.const ${tries.length * 4}))) ${prepare} ${stores.join('\n')} (local.get $x)`,
        );
        const results = wordsOf(await observed.server.invoke('f', new Uint8Array(16)));
        for (const [i, [call, expected]] of tries.entries()) assert.equal((results[i] ?? 0) | 0, expected, call);
        assertNothingLeft();
      });
    }

    test('neither a value that was got nor an ArgBuf that was put is a response', async () => {
      assert.equal((await fault(`${GOT} ${V}`)).fault, 'bad-response');
      assert.equal((await fault(`${MADE} ${PUT} ${V}`)).fault, 'bad-response');
      assert.equal(
        (await fault(`${PUT.replace(V, '(local.get $request)')} (local.get $request)`)).fault,
        'bad-response',
      );
    });

    test('an address of a value is nothing to the next invocation, to a callee, and to another function', async () => {
      const { server } = observed;
      const answered = `${GOT} (local.set $x (call $argbuf_new (i32.const 4))) (i32.store (local.get $x) ${V}) (local.get $x)`;
      await deploy(answered);
      const [address = 0] = wordsOf(await server.invoke('f', new Uint8Array(16)));
      assert.ok(address > 0x8000_0000);
      // The next one of the same function, in the same home.
      await server.deploy(
        'f',
        guest(
          `(if (i32.load (local.get $request)) (then (drop (i32.load (i32.load (local.get $request))))))
           (local.set $x (call $argbuf_new (i32.const 4)))
           (i32.store (local.get $x) (call $kv_get ${OWN} ${KEY})) (local.get $x)`,
          { more: FIELDS.replace(`(func $give (param $v i32) ${PUT})`, '(func $give (param $v i32))') },
        ),
        { kv: ['own:rw'] },
      );
      const [again = 0] = wordsOf(await server.invoke('f', words(0)));
      assert.equal(again, address);
      const details = await faultOf(server.invoke('f', words(again)));
      assert.equal(details.fault, 'memory-access');
      // A callee, while the caller holds it; and a function that shares the space, but has not got it.
      await server.deploy('peek', guest('(drop (i32.load (i32.load (local.get $request)))) (local.get $request)'), {
        kv: ['own:ro'],
      });
      const caller = (target: string): string => `${target} ${READ}
        (local.set $y (call $argbuf_new (i32.const 4))) (i32.store (local.get $y) ${V})
        (local.set $x (call $call (call $id0) (local.get $y))) ${READ}
        (local.set $y (call $argbuf_new (i32.const 4))) (i32.store (local.get $y) (local.get $x)) (local.get $y)`;
      const module = guest(caller(GOT), {
        locals: '(local $v i32)',
        more: `(data (i32.const ${KEY_AT}) "k")`,
        names: ['peek'],
      });
      await server.deploy('caller', module, { kv: ['own:rw'] });
      assert.deepEqual(wordsOf(await server.invoke('caller', new Uint8Array(0))), [S.CALLEE_MEMORY_FAULT]);
      assertNothingLeft();
    });

    test('who has put a value cannot change it while others read it, nor see what it becomes', async () => {
      const { server } = observed;
      // Puts an ArgBuf, calls one that gets it and looks, and then writes where it was.
      await server.deploy(
        'reader',
        guest(
          `(local.set $x (call $kv_get (i32.const 65536) (i32.const ${OTHER_AT}) (i32.const 1)))
           (if (i32.ne (i32.load (local.get $x)) (i32.const 77)) (then unreachable)) (local.get $request)`,
          { more: `(data (i32.const ${OTHER_AT}) "o")` },
        ),
        { kv: ['own:ro'] },
      );
      const text = (then: string): Uint8Array =>
        guest(
          `${MADE} (i32.store ${V} (i32.const 77)) ${PUT}
           (if (i32.ne (call $call (call $id0) (local.get $request)) (i32.const 0)) (then
             (drop (call $argbuf_free (call $argbuf_new (i32.const 4)))))) ${then} (i32.const 0)`,
          { locals: '(local $v i32)', more: `(data (i32.const ${OTHER_AT}) "o")`, names: ['reader'] },
        );
      for (const [then, access] of [
        [WRITE, 'write'],
        [READ, 'read'],
      ] as const) {
        await server.deploy('f', text(then), { kv: ['own:rw'] });
        const details = await faultOf(server.invoke('f', new Uint8Array(4)));
        assert.deepEqual([details.function, details.fault, details.access], ['f', 'memory-access', access]);
        assert.equal(Buffer.from(server.kv.get('own', Buffer.from('o'))?.value ?? []).readUInt32LE(0), 77);
      }
      assertNothingLeft();
    });

    test('when all spaces are gone, nothing is left', async () => {
      const { server, memory } = observed;
      for (const name of ['f', 'reader', 'peek', 'caller']) await server.remove(name);
      for (const { name } of await server.kv.spaces()) await server.kv.drop(name);
      memory.assertIdle();
      memory.assertPristine();
    });
  });
}

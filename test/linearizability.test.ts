/** The checker takes what can have happened, and nothing else; and what the store does is what can have happened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkHistories } from './kv-histories.ts';
import { type Content, type Event, isLinearizable, type Operation } from './linearizability.ts';

/** An operation from one time to another. */
function event(invoked: number, responded: number, operation: Operation): Event {
  return { invoked, responded, operation };
}

function put(version: bigint | undefined, content: Content, expected = -1n): Operation {
  return { kind: 'put', content, expected, version };
}

function get(version?: bigint, content: Content = 'n0'): Operation {
  return { kind: 'get', found: version === undefined ? undefined : { version, content } };
}

function add(delta: bigint, sum: bigint | undefined): Operation {
  return { kind: 'add', delta, sum };
}

function remove(result: 'ok' | 'absent' | 'conflict', expected = -1n): Operation {
  return { kind: 'delete', expected, result };
}

/** One after the other. */
function sequence(...operations: readonly Operation[]): Event[] {
  return operations.map((operation, i) => event(2 * i, 2 * i + 1, operation));
}

/** All at once. */
function together(...operations: readonly Operation[]): Event[] {
  return operations.map((operation, i) => event(i, operations.length + i, operation));
}

const RIGHT: Readonly<Record<string, readonly Event[]>> = {
  nothing: [],
  'put, get, delete, get': sequence(get(), put(9n, 't1'), get(9n, 't1'), remove('ok', 9n), remove('absent'), get()),
  'compare and set': sequence(
    put(9n, 't1', 0n),
    put(undefined, 't2', 0n),
    put(undefined, 't2', 7n),
    put(12n, 't2', 9n),
  ),
  'a counter': sequence(add(5n, 5n), add(-7n, -2n), get(70n, 'n-2'), put(71n, 't1'), add(1n, undefined)),
  'a counter that wraps': sequence(put(9n, `n${2n ** 63n - 1n}`), add(1n, -(2n ** 63n))),
  'an addition makes a version': sequence(put(9n, 'n1'), add(1n, 2n), put(undefined, 't1', 9n), put(12n, 't1', 11n)),
  'a read sees the old value or the new one': [
    event(0, 1, put(9n, 't1')),
    event(2, 9, put(10n, 't2')),
    event(3, 4, get(9n, 't1')),
    event(5, 6, get(10n, 't2')),
  ],
  'one of two that expect no such key': together(put(undefined, 't1', 0n), put(9n, 't2', 0n)),
  'the order of answers is not that of effects': together(get(9n, 't1'), remove('ok'), get(), put(9n, 't1')),
  'counters at once': together(add(1n, 3n), add(1n, 1n), add(1n, 2n)),
};

const WRONG: Readonly<Record<string, readonly Event[]>> = {
  'a value that nobody put': sequence(get(9n, 't1')),
  'another content': sequence(put(9n, 't1'), get(9n, 't2')),
  'another version': sequence(put(9n, 't1'), get(8n, 't1')),
  'a stale read': sequence(put(9n, 't1'), put(10n, 't2'), get(9n, 't1')),
  'a stale read of nothing': sequence(put(9n, 't1'), get()),
  'a read after it was deleted': sequence(put(9n, 't1'), remove('ok'), get(9n, 't1')),
  'first the new value, then the old one': [
    event(0, 1, put(9n, 't1')),
    event(2, 9, put(10n, 't2')),
    event(3, 4, get(10n, 't2')),
    event(5, 6, get(9n, 't1')),
  ],
  'a lost update': together(add(1n, 1n), add(1n, 1n)),
  'a lost update of a counter that is there': [
    ...sequence(add(4n, 4n)),
    event(10, 20, add(1n, 5n)),
    event(11, 21, add(2n, 6n)),
  ],
  'both of two that expect no such key': together(put(9n, 't1', 0n), put(10n, 't2', 0n)),
  'both of two that expect the same version': [
    event(0, 1, put(9n, 't1')),
    event(2, 5, put(10n, 't2', 9n)),
    event(3, 6, put(11n, 't3', 9n)),
  ],
  'neither of two that expect no such key': together(put(undefined, 't1', 0n), put(undefined, 't2', 0n)),
  'a conflict with what is there': sequence(put(9n, 't1'), put(undefined, 't2', 9n)),
  'no conflict with what is there': sequence(put(9n, 't1'), remove('ok', 8n)),
  'deleted twice': together(remove('ok'), put(9n, 't1'), remove('ok')),
  'versions that shrink': sequence(put(9n, 't1'), put(8n, 't2')),
  'versions that shrink over a deletion': sequence(put(9n, 't1'), remove('ok'), put(8n, 't2')),
  'an addition that keeps the version': sequence(put(9n, 'n1'), add(1n, 2n), get(9n, 'n2')),
  'an addition to what is no number': sequence(put(9n, 't1'), add(1n, 1n)),
  'no addition to a number': sequence(put(9n, 'n1'), add(1n, undefined)),
  'not there, and then there without a put': [
    event(0, 10, put(9n, 't1')),
    event(1, 2, get(9n, 't1')),
    event(3, 4, get()),
  ],
};

for (const [name, history] of Object.entries(RIGHT)) {
  test(`can be: ${name}`, () => assert.ok(isLinearizable(history)));
}
for (const [name, history] of Object.entries(WRONG)) {
  test(`cannot be: ${name}`, () => assert.ok(!isLinearizable(history)));
}

/** What a map does, operation by operation, with an interval around each moment. */
const history = fc
  .array(fc.tuple(fc.nat(7), fc.nat(30), fc.nat(30), fc.bigInt(-3n, 3n)), { minLength: 1, maxLength: 40 })
  .map((choices) => {
    let value: { content: Content; version: bigint } | undefined;
    let last = 10n;
    return choices.map(([choice, before, after, number], i): Event => {
      const operation = ((): Operation => {
        const expected = choice === 1 ? 0n : choice === 2 ? (value?.version ?? 5n) : -1n;
        if (choice < 3) {
          const fits = expected === -1n || expected === (value?.version ?? 0n);
          const content: Content = number < 0n ? `t${BigInt(i)}` : `n${number}`;
          if (fits) value = { content, version: ++last };
          return put(fits ? last : undefined, content, expected);
        }
        if (choice === 3) {
          const result = value === undefined ? 'absent' : 'ok';
          value = undefined;
          last++;
          return remove(result);
        }
        if (choice === 4) {
          if (value?.content.startsWith('t')) return add(number, undefined);
          const sum = BigInt(value?.content.slice(1) ?? 0) + number;
          value = { content: `n${sum}`, version: ++last };
          return add(number, sum);
        }
        return value === undefined ? get() : get(value.version, value.content);
      })();
      return event(i * 10 - before + i / 1000, i * 10 + after + 0.5 + i / 1000, operation);
    });
  });

test('property: what a map did is taken, however the operations overlap', () => {
  fc.assert(
    fc.property(history, (events) => assert.ok(isLinearizable(events))),
    { numRuns: 300 },
  );
});

test('property: one answer that is another one is found out', () => {
  fc.assert(
    fc.property(history, fc.nat(), (events, choice) => {
      const gets = events.flatMap(({ operation }, i) => (operation.kind === 'get' ? [i] : []));
      const index = gets[choice % Math.max(gets.length, 1)];
      fc.pre(index !== undefined);
      const changed = events.map((one, i) => (i === index ? { ...one, operation: get(99_999n, 't99999') } : one));
      assert.ok(!isLinearizable(changed));
    }),
    { numRuns: 300 },
  );
});

test('what threads see of keys that they change at the same time has an order', { timeout: 120_000 }, async (t) => {
  const seed = Date.now() & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const { histories, operations, overlaps } = await checkHistories({ seed, milliseconds: 2500 });
  t.diagnostic(`${histories} histories, ${operations} operations, ${overlaps} began while another one was under way`);
  assert.ok(histories > 20 && overlaps > 100);
});

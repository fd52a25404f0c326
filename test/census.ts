/**
 * What must be true of a whole worker server, with all its threads, once nothing is outstanding: no PD, VMA, invocation record,
 * queue entry, stack or home is left over. Threads need a moment for what they do behind an answer, so this is asked again
 * until it is true.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import * as L from '../core/layout.ts';
import type { AddressSpaceView, ObservedServer } from './observed-server.ts';

/** How long threads may take to come to rest, on a machine that is busy with something else. */
const PATIENCE_MS = 20_000;
const LOOK_INTERVAL_MS = 10;

/** Returns when nothing is left. Fails with what is left when that takes too long. */
export async function assertQuiet({ server, memory }: ObservedServer): Promise<void> {
  await eventually(() => {
    // Takes in what nobody waits for any more.
    server.poll();
    assertNothingLeft(memory);
  });
}

/** Returns what the condition returns, once it does not throw any more. Throws the last error when that takes too long. */
export async function eventually<T>(condition: () => T | Promise<T>, patienceMs: number = PATIENCE_MS): Promise<T> {
  for (const started = performance.now(); ; ) {
    try {
      return await condition();
    } catch (error) {
      if (performance.now() - started > patienceMs) throw error;
    }
    await delay(LOOK_INTERVAL_MS);
  }
}

function assertNothingLeft(memory: AddressSpaceView): void {
  assert.equal(memory.sum(L.EXECUTOR_INVOCATIONS), 0, 'no invocation record is in use');
  for (const executor of memory.executors) assertQueuesEmpty(memory, executor);
  memory.assertIdle();
  assertRecordsFree(memory);
  assertHomesKnown(memory);
}

function assertQueuesEmpty(memory: AddressSpaceView, executor: number): void {
  const word = (field: number): number => memory.word(executor + field);
  assert.equal(word(L.EXECUTOR_RING_HEAD), word(L.EXECUTOR_RING_TAIL), 'the ring is empty');
  assert.equal(word(L.EXECUTOR_OFFERS_HEAD), word(L.EXECUTOR_OFFERS_TAIL), 'nothing is offered');
  const stub = executor + L.EXECUTOR_INBOX_STUB;
  assert.deepEqual([word(L.EXECUTOR_INBOX_HEAD), word(L.EXECUTOR_INBOX_TAIL)], [stub, stub], 'the inbox is empty');
  assert.equal(word(L.EXECUTOR_INVOCATION), 0, 'no invocation runs');
  assert.equal(word(L.EXECUTOR_SUSPENDED), 0, 'no invocation is suspended');
  assert.equal(word(L.EXECUTOR_STACKS), 0, 'no invocation has a stack');
  assert.equal(word(L.EXECUTOR_DOOMED), 0, 'its thread goes on');
}

/** Each record that was ever used is on one list of free ones. */
function assertRecordsFree(memory: AddressSpaceView): void {
  const used = memory.word(L.CONTROL_INVOCATIONS_USED);
  for (let i = 0; i < used; i++) {
    const state = memory.word(L.INVOCATION_TABLE + i * L.INVOCATION_SIZE + L.INVOCATION_STATE) & 0xffff;
    assert.equal(state, L.INVOCATION_FREE, `invocation record ${i} is free`);
  }
  const free = new Set<number>();
  const walk = (head: number): number => {
    let count = 0;
    for (let record = memory.word(head); record !== 0; record = memory.word(record + L.INVOCATION_NEXT)) {
      assert.ok(!free.has(record), 'a free record is on one list, once');
      free.add(record);
      count++;
    }
    return count;
  };
  walk(L.CONTROL_INVOCATIONS_FREE);
  for (const executor of memory.executors) {
    const count = walk(executor + L.EXECUTOR_INVOCATIONS_FREE);
    assert.equal(memory.word(executor + L.EXECUTOR_INVOCATIONS_COUNT), count, 'a thread counts its free records');
  }
  assert.equal(free.size, used, 'each record is on a list');
}

/** Each slot of the PD table that is taken is that of a host or of an idle home; and nothing counts as running. */
function assertHomesKnown(memory: AddressSpaceView): void {
  const functions = memory.functions();
  const homes = new Set(functions.flatMap(({ idle }) => idle));
  for (const executor of memory.executors) homes.add(memory.word(executor + L.EXECUTOR_HOST));
  let taken = 0;
  for (let slot = 0; slot < memory.word(L.CONTROL_PD_USED); slot++) {
    const base = memory.word(L.PD_TABLE + slot * 4);
    // A free slot holds a small number.
    if (base <= L.PDS_MAX) continue;
    assert.ok(homes.has(base), 'a slot of the PD table belongs to an idle home');
    taken++;
  }
  assert.equal(taken, homes.size, 'each home has one slot');
  for (const { descriptor, homes: count } of functions) {
    assert.equal(memory.word(descriptor + L.FUNCTION_LIVE_PDS), 0, 'no invocation counts against a limit');
    const isRetired = memory.word(descriptor + L.FUNCTION_STATE) === L.FUNCTION_RETIRED;
    assert.ok(!isRetired || count === 0, 'a version that was replaced has no homes');
  }
}

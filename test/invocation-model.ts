/**
 * A simple model of invocations, for core/invocation.test.ts: what PrivLib should answer to whatever it is asked, in whatever
 * order, and who owns what then.
 */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import * as status from '../core/status.ts';
import type { Fixture, TestExecutor } from './privlib-fixture.ts';

/** A PD that lives; an executor's host is one, too. */
export interface ModelPd {
  readonly base: number;
  readonly executor: number;
  readonly caller: ModelPd | undefined;
  readonly depth: number;
  readonly children: Set<ModelInvocation>;
}

export interface ModelInvocation {
  readonly handle: number;
  readonly record: number;
  /** Index of the executor that asked. */
  readonly asker: number;
  readonly depth: number;
  parent: ModelPd | undefined;
  state: 'queued' | 'running' | 'ended' | 'arrived' | 'free';
  /** Index of the executor that has taken it. */
  runner: number;
  /** The PD that it was entered as, until it was left. */
  home: ModelPd | 'left' | undefined;
  isInside: boolean;
  isCancelled: boolean;
  isOrphan: boolean;
  request: number;
  /** What collecting it returns. */
  response: number;
}

export const CALL_DEPTH_MAX = 3;
export const RESPONSE_BYTES_MAX = 100;

const STATE_NUMBERS = {
  queued: L.INVOCATION_QUEUED,
  running: L.INVOCATION_RUNNING,
  ended: L.INVOCATION_ENDED,
  arrived: L.INVOCATION_ARRIVED,
  free: L.INVOCATION_FREE,
};

/** The model, and what it is a model of. */
export class InvocationModel {
  readonly fixture: Fixture;
  readonly descriptor: number;
  readonly executors: readonly TestExecutor[];
  /** Of each executor the PDs that run, one inside the other; the host first. */
  readonly stacks: ModelPd[][];
  /** All that were ever made. */
  readonly invocations: ModelInvocation[] = [];
  /** Of each executor what has ended and was not taken in. */
  readonly inboxes: ModelInvocation[][];
  /** Owners of the VMAs that are mapped: a base, or the address of a record. */
  readonly owners = new Map<number, number>();

  constructor(fixture: Fixture, descriptor: number, executors: readonly TestExecutor[]) {
    this.fixture = fixture;
    this.descriptor = descriptor;
    this.executors = executors;
    this.stacks = executors.map(({ host }, executor) => [
      { base: host, executor, caller: undefined, depth: 0, children: new Set() },
    ]);
    this.inboxes = executors.map(() => []);
  }

  /** The PD that runs on an executor. */
  top(executor: number): ModelPd {
    const pd = this.stacks[executor]?.at(-1);
    assert.ok(pd !== undefined);
    return pd;
  }

  stack(executor: number): ModelPd[] {
    const stack = this.stacks[executor];
    assert.ok(stack !== undefined);
    return stack;
  }

  control(executor: number): number {
    const found = this.executors[executor];
    assert.ok(found !== undefined);
    return found.control;
  }

  /** Whether a PD may ask for an invocation. */
  isOwn(invocation: ModelInvocation, asker: ModelPd): boolean {
    if (invocation.state === 'free' || invocation.asker !== asker.executor) return false;
    return asker.depth === 0 ? invocation.parent === undefined : invocation.parent === asker;
  }

  mapped(address: number, owner: number): void {
    assert.ok(!this.owners.has(address), 'a VMA that is mapped is not mapped again');
    this.owners.set(address, owner);
  }

  created(base: number, caller: ModelPd, depth: number): ModelPd {
    const pd = { base, executor: caller.executor, caller, depth, children: new Set<ModelInvocation>() };
    this.stack(caller.executor).push(pd);
    return pd;
  }

  /** A PD ends, and all that runs above it. */
  destroyed(pd: ModelPd): void {
    const stack = this.stack(pd.executor);
    while (stack.includes(pd)) {
      const last = stack.pop();
      assert.ok(last !== undefined);
      for (const child of last.children) this.abandoned(child);
      this.freeAllOf(last.base);
    }
  }

  abandoned(invocation: ModelInvocation): void {
    const { state, isInside } = invocation;
    if (state === 'arrived' || state === 'queued' || (state === 'running' && isInside)) {
      this.freed(invocation);
      return;
    }
    invocation.parent?.children.delete(invocation);
    invocation.parent = undefined;
    invocation.isOrphan = true;
    invocation.isCancelled = true;
  }

  freed(invocation: ModelInvocation): void {
    invocation.parent?.children.delete(invocation);
    this.freeAllOf(invocation.record);
    invocation.state = 'free';
  }

  freeAllOf(owner: number): void {
    for (const [address, of] of this.owners) if (of === owner) this.owners.delete(address);
  }

  /** Whether the address space is what the model says. */
  check(): void {
    const { fixture } = this;
    for (const [i, { control }] of this.executors.entries()) {
      assert.equal(fixture.word(control + L.EXECUTOR_CURRENT), this.top(i).base, `who runs on executor ${i}`);
      const asked = this.invocations.filter(({ asker, state }) => asker === i && state !== 'free');
      assert.equal(fixture.word(control + L.EXECUTOR_INVOCATIONS), asked.length, `what executor ${i} asked for`);
    }
    for (const invocation of this.invocations) this.#checkInvocation(invocation);
    for (const [address, owner] of this.owners) {
      const vte = fixture.vteOf(address);
      assert.equal(fixture.word(vte + L.VTE_OWNER), owner, `owner of ${address.toString(16)}`);
    }
    const mapped = this.executors.reduce((sum, { control }) => sum + fixture.word(control + L.EXECUTOR_VMAS), 0) | 0;
    assert.equal(mapped, this.owners.size, 'nothing else is mapped');
  }

  #checkInvocation(invocation: ModelInvocation): void {
    const { record, handle, state, isCancelled } = invocation;
    const word = this.fixture.word(record + L.INVOCATION_STATE);
    const isNewer = word >>> 16 !== handle >>> 16;
    assert.ok(!isNewer || state === 'free', 'a record that is in use keeps its generation');
    if (isNewer) return;
    assert.equal(word & 0xffff, STATE_NUMBERS[state], `state of ${handle.toString(16)}`);
    if (state === 'free') return;
    assert.equal(this.fixture.word(record + L.INVOCATION_CANCELLED), isCancelled ? 1 : 0, 'whether it was cancelled');
    if (state === 'arrived') {
      assert.equal(this.fixture.word(record + L.INVOCATION_RESPONSE), invocation.response, 'what came of it');
    }
  }

  /** All that can change, as bytes: what is the same before and after, nothing has touched. */
  snapshot(): Buffer {
    const { fixture } = this;
    const used = fixture.word(L.CONTROL_INVOCATIONS_USED);
    const ranges: [start: number, length: number][] = [
      [L.CONTROL_MAGIC, 0xc00],
      [L.EXECUTOR_TABLE, this.executors.length * L.EXECUTOR_SIZE],
      [this.descriptor, L.FUNCTION_SIZE],
      [L.INVOCATION_TABLE, used * L.INVOCATION_SIZE],
    ];
    for (let slot = 0; slot < fixture.word(L.CONTROL_PD_USED); slot++) {
      const base = fixture.word(L.PD_TABLE + slot * 4);
      if (base > L.PDS_MAX) ranges.push([base, L.HOME_GLOBALS]);
    }
    for (const address of this.owners.keys()) ranges.push([fixture.vteOf(address), L.VTE_SIZE]);
    return Buffer.concat(ranges.map(([start, length]) => fixture.bytes.slice(start, start + length)));
  }

  /** Ends and frees everything, by the rules. */
  finish(): void {
    const { privLib } = this.fixture;
    for (const [i, { host }] of this.executors.entries()) {
      const root = this.stack(i)[1];
      const invocation = this.invocations.find(({ home, state }) => state === 'running' && home === root);
      if (root !== undefined && invocation !== undefined) {
        privLib.invocationAbort(invocation.record, status.CALLEE_TRAP, root.base, host);
      } else if (root !== undefined) privLib.callAbort(root.base, host);
      for (const { record, state, runner } of this.invocations) {
        if (state !== 'running' || runner !== i) continue;
        privLib.invocationAbort(record, status.CALLEE_TRAP, 0, host);
        privLib.invocationEnd(record);
      }
    }
    for (const { control } of this.executors) while (privLib.invocationArrived(control) !== 0);
    for (const { handle, asker } of this.invocations)
      privLib.invocationForget(handle, this.executors[asker]?.host ?? 0);
    for (const [address, owner] of this.owners) {
      if (this.executors.some(({ host }) => host === owner)) privLib.vmaUnmap(address, owner);
    }
    for (const { host } of this.executors)
      assert.equal(this.fixture.word(host + L.HOME_OWNED), 0, 'a host owns nothing');
  }
}

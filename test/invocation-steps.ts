/** The steps of the model-based test of core/invocation.test.ts: what can be asked for, and what the model says to it. */
import assert from 'node:assert/strict';
import type fc from 'fast-check';
import * as status from '../core/status.ts';
import {
  CALL_DEPTH_MAX,
  type InvocationModel,
  type ModelInvocation,
  type ModelPd,
  RESPONSE_BYTES_MAX,
} from './invocation-model.ts';
import type { Fixture } from './privlib-fixture.ts';

const ID = 65536;

/** One thing that somebody asks for; the numbers choose what of that which there is. */
export type Act = (model: InvocationModel, a: number, b: number, c: number) => void;

export class Ask implements fc.Command<InvocationModel, Fixture> {
  readonly #name: string;
  readonly #act: Act;
  readonly #numbers: readonly [number, number, number];

  constructor(name: string, act: Act, numbers: readonly [number, number, number]) {
    this.#name = name;
    this.#act = act;
    this.#numbers = numbers;
  }

  check(): boolean {
    return true;
  }

  run(model: InvocationModel): void {
    this.#act(model, ...this.#numbers);
    model.check();
  }

  toString(): string {
    return `${this.#name}(${this.#numbers.join(', ')})`;
  }
}

/** One of the last invocations that were made, gone ones included; mostly one that fits, if there is any. */
function pick(
  model: InvocationModel,
  number: number,
  fits: (invocation: ModelInvocation) => boolean,
): ModelInvocation | undefined {
  const recent = model.invocations.slice(-12);
  const fitting = number % 8 === 0 ? [] : recent.filter(fits);
  const from = fitting.length > 0 ? fitting : recent;
  return from[(number >>> 3) % Math.max(from.length, 1)];
}

/** The same for what names an invocation by its record: the one that has that record now. */
function pickRecord(
  model: InvocationModel,
  number: number,
  fits: (invocation: ModelInvocation) => boolean,
): ModelInvocation | undefined {
  const picked = pick(model, number, fits);
  return model.invocations.findLast(({ record }) => record === picked?.record);
}

/** Whether an invocation was taken by a host for itself, or by its parent to run it inside, and has not begun. */
function canEnter({ state, runner, home, isInside, parent }: ModelInvocation, asker: ModelPd): boolean {
  if (state !== 'running' || runner !== asker.executor || home !== undefined) return false;
  return asker.depth === 0 ? !isInside : isInside && parent === asker;
}

function pickPd(model: InvocationModel, executor: number, number: number): ModelPd | undefined {
  const pds = model.stack(executor).slice(1);
  return pds[number % Math.max(pds.length, 1)];
}

/** Asks for what is refused: the answer is a status, and nothing has changed. */
function refused(model: InvocationModel, expected: number, ask: () => number, what: string): void {
  const before = model.snapshot();
  assert.equal(ask(), expected, what);
  assert.ok(model.snapshot().equals(before), `${what}: changed something`);
}

export const ACTS: Record<string, Act> = {
  start(model, x, withRequest) {
    const { privLib } = model.fixture;
    const asker = model.top(x);
    let request = 0;
    if (withRequest % 2 === 1) {
      request = privLib.vmaMap(50, asker.base) >>> 0;
      model.mapped(request, asker.base);
    }
    const ask = (): number => privLib.invocationNew(ID, request, 0, 0, 0, asker.base);
    if (asker.depth > CALL_DEPTH_MAX) {
      refused(model, status.CALL_DEPTH_EXCEEDED, ask, 'started too deep');
      return;
    }
    const handle = ask() >>> 0;
    assert.ok(handle > status.STATUS_MAX, `started: ${handle}`);
    const parent = asker.depth === 0 ? undefined : asker;
    const record = privLib.invocationRecord(handle, asker.base);
    const invocation: ModelInvocation = {
      ...{ handle, record, asker: x, depth: asker.depth, parent, state: 'queued', runner: -1, home: undefined },
      ...{ isInside: false, isCancelled: false, isOrphan: false, request, response: 0 },
    };
    assert.ok(!model.invocations.some((other) => other.record === record && other.state !== 'free'));
    model.invocations.push(invocation);
    parent?.children.add(invocation);
    if (request !== 0) model.owners.set(request, record);
  },

  'ask without running'(model, x, i) {
    const { privLib } = model.fixture;
    const below = model.stack(x).at(-2);
    const handle = pick(model, i, ({ state }) => state === 'queued')?.handle ?? ID;
    if (below === undefined) return;
    const { base } = below;
    refused(model, status.STALE_PD, () => privLib.invocationNew(ID, 0, 0, 0, 0, base), 'start');
    refused(model, status.STALE_PD, () => privLib.invocationTakeInside(handle, base), 'take inside');
    refused(model, status.STALE_PD, () => privLib.invocationCollect(handle, base), 'collect');
    refused(model, status.STALE_PD, () => privLib.invocationForget(handle, base), 'forget');
    refused(model, status.STALE_PD, () => privLib.invocationCancel(handle, status.CALLEE_CANCELLED, base), 'cancel');
  },

  'ask for what never was'(model, x, number) {
    const { privLib } = model.fixture;
    const { base } = model.top(x);
    const isKnown = (handle: number): boolean => model.invocations.some((invocation) => invocation.handle === handle);
    for (const handle of [[0, 1, 65535, 0xffffffff][number % 4] ?? 0, Math.imul(number, 2654435761) >>> 0]) {
      if (isKnown(handle)) continue;
      refused(model, 0, () => privLib.invocationTake(handle, model.control(x)), 'take');
      refused(model, status.NO_SUCH_INVOCATION, () => privLib.invocationState(handle, base), 'state');
      refused(model, status.NO_SUCH_INVOCATION, () => privLib.invocationCollect(handle, base), 'collect');
      refused(model, status.NO_SUCH_INVOCATION, () => privLib.invocationForget(handle, base), 'forget');
      refused(model, status.NO_SUCH_INVOCATION, () => privLib.invocationTakeInside(handle, base), 'take inside');
    }
  },

  take(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pick(model, i, ({ state }) => state === 'queued');
    if (invocation === undefined) return;
    const ask = (): number => privLib.invocationTake(invocation.handle, model.control(x));
    if (invocation.state !== 'queued') {
      refused(model, 0, ask, 'taken, though not queued');
      return;
    }
    assert.equal(ask(), invocation.record);
    invocation.state = 'running';
    invocation.runner = x;
  },

  'take inside'(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pick(model, i, (found) => found.state === 'queued' && model.isOwn(found, model.top(x)));
    if (invocation === undefined) return;
    const asker = model.top(x);
    const ask = (): number => privLib.invocationTakeInside(invocation.handle, asker.base);
    if (!model.isOwn(invocation, asker)) refused(model, status.NO_SUCH_INVOCATION, ask, 'taken by a stranger');
    else if (invocation.state !== 'queued' || asker.depth === 0) refused(model, status.WRONG_STATE, ask, 'take inside');
    else {
      assert.equal(ask(), invocation.record);
      Object.assign(invocation, { state: 'running', runner: x, isInside: true });
    }
  },

  enter(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pickRecord(model, i, (found) => canEnter(found, model.top(x)));
    if (invocation === undefined) return;
    const asker = model.top(x);
    const { record, request } = invocation;
    const ask = (): number => privLib.invocationEnter(record, model.descriptor, asker.base) >>> 0;
    if (!canEnter(invocation, asker)) {
      refused(model, status.WRONG_STATE, ask, 'enter');
    } else if (invocation.isCancelled) {
      refused(model, status.CALLEE_CANCELLED, ask, 'enter what was cancelled');
    } else if (asker.depth > CALL_DEPTH_MAX) {
      refused(model, status.CALL_DEPTH_EXCEEDED, ask, 'enter too deep');
    } else {
      const base = ask();
      assert.ok(base > status.STATUS_MAX, `entered: ${base}`);
      invocation.home = model.created(base, asker, invocation.depth + 1);
      if (request !== 0) model.owners.set(request, base);
    }
  },

  leave(model, x, k, kind) {
    const { privLib } = model.fixture;
    const base = pickPd(model, x, k);
    const invocation = model.invocations.find(({ home, state }) => state === 'running' && home === base);
    if (base === undefined || invocation === undefined || base.caller === undefined) return;
    // Only who runs can make an ArgBuf; for one below, there is none.
    const isTop = model.top(x) === base;
    const length = [10, RESPONSE_BYTES_MAX + 1][kind % 4];
    let response = kind % 4 === 2 ? 0x8000_0001 : 0;
    if (length !== undefined && isTop) {
      response = privLib.argBufNew(length, base.base) >>> 0;
      model.mapped(response, base.base);
    }
    const caller = base.caller.base;
    const ask = (record: number, asker: number): number =>
      privLib.invocationLeave(record, response, RESPONSE_BYTES_MAX, base.base, asker) >>> 0;
    const other = pickRecord(model, kind, () => true);
    if (other !== undefined && other !== invocation) {
      refused(model, status.WRONG_STATE, () => ask(other.record, caller), 'left as another one');
    }
    refused(model, status.WRONG_STATE, () => ask(invocation.record, base.base), 'left by itself');
    let expected = response;
    if (response !== 0 && length === undefined) expected = status.CALLEE_BAD_RESPONSE;
    else if (response !== 0 && length === RESPONSE_BYTES_MAX + 1) expected = status.CALLEE_RESPONSE_TOO_LARGE;
    assert.equal(ask(invocation.record, caller), expected);
    if (expected > status.STATUS_MAX) model.owners.set(response, invocation.record);
    invocation.home = 'left';
    invocation.response = expected;
    model.destroyed(base);
  },

  abort(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pickRecord(model, i, ({ state, home }) => state === 'running' && home !== 'left');
    if (invocation === undefined) return;
    const { record, state, runner, home } = invocation;
    const asker = (typeof home === 'object' ? home.caller : undefined) ?? model.top(x);
    const ask = (base: number, by: number): number => privLib.invocationAbort(record, status.CALLEE_TRAP, base, by);
    const isMine = state === 'running' && runner === asker.executor && home !== 'left';
    if (!isMine) {
      refused(model, status.WRONG_STATE, () => ask(0, asker.base), 'aborted, though not taken, or over');
      refused(model, status.WRONG_STATE, () => ask(1, asker.base), 'aborted, with a base that is none');
    } else if (home === undefined) {
      assert.equal(ask(0, asker.base), status.OK);
      invocation.home = 'left';
      if (model.owners.get(invocation.request) === record) model.owners.delete(invocation.request);
      invocation.request = 0;
    } else {
      refused(model, status.WRONG_STATE, () => ask(0, asker.base), 'aborted as if it had not begun');
      refused(model, status.WRONG_STATE, () => ask(home.base, home.base), 'aborted by itself');
      assert.equal(ask(home.base, asker.base), status.OK);
      invocation.home = 'left';
      model.destroyed(home);
    }
    if (isMine) invocation.response = status.CALLEE_TRAP;
  },

  end(model, _, i) {
    const { privLib } = model.fixture;
    const invocation = pickRecord(model, i, ({ state, home }) => state === 'running' && home === 'left');
    if (invocation === undefined) return;
    const ask = (): number => privLib.invocationEnd(invocation.record);
    if (invocation.state !== 'running' || invocation.home !== 'left') {
      refused(model, status.WRONG_STATE, ask, 'ended');
      return;
    }
    assert.equal(ask(), status.OK);
    invocation.state = 'ended';
    model.inboxes[invocation.asker]?.push(invocation);
  },

  arrive(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pickRecord(
      model,
      i,
      ({ runner, home, isInside }) => runner === x && home === 'left' && isInside,
    );
    if (invocation === undefined) return;
    const ask = (): number => privLib.invocationArrive(invocation.record, model.control(x));
    const { state, runner, home, isInside } = invocation;
    if (state !== 'running' || runner !== x || home !== 'left' || !isInside) {
      refused(model, status.WRONG_STATE, ask, 'arrived');
    } else {
      assert.equal(ask(), status.OK);
      invocation.state = 'arrived';
    }
  },

  'take in'(model, x) {
    const { privLib } = model.fixture;
    const inbox = model.inboxes[x] ?? [];
    let expected = 0;
    for (let next = inbox.shift(); next !== undefined && expected === 0; ) {
      if (next.isOrphan) {
        model.freed(next);
        next = inbox.shift();
      } else {
        next.state = 'arrived';
        expected = next.handle;
      }
    }
    assert.equal(privLib.invocationArrived(model.control(x)) >>> 0, expected);
  },

  collect(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pick(model, i, (found) => found.state === 'arrived' && model.isOwn(found, model.top(x)));
    if (invocation === undefined) return;
    const asker = model.top(x);
    const ask = (): number => privLib.invocationCollect(invocation.handle, asker.base) >>> 0;
    if (!model.isOwn(invocation, asker)) refused(model, status.NO_SUCH_INVOCATION, ask, 'collected by a stranger');
    else if (invocation.state !== 'arrived') refused(model, status.WRONG_STATE, ask, 'collected');
    else {
      assert.equal(ask(), invocation.response);
      if (model.owners.get(invocation.response) === invocation.record) {
        model.owners.set(invocation.response, asker.base);
      }
      model.freed(invocation);
    }
  },

  cancel(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pick(model, i, (found) => model.isOwn(found, model.top(x)));
    if (invocation === undefined) return;
    const asker = model.top(x);
    const ask = (): number => privLib.invocationCancel(invocation.handle, status.CALLEE_CANCELLED, asker.base);
    if (!model.isOwn(invocation, asker)) refused(model, status.NO_SUCH_INVOCATION, ask, 'cancelled by a stranger');
    else if (invocation.state === 'arrived') refused(model, status.WRONG_STATE, ask, 'cancelled');
    else {
      assert.equal(ask(), status.OK);
      if (invocation.state === 'queued') {
        invocation.state = 'arrived';
        invocation.response = status.CALLEE_CANCELLED;
        model.owners.delete(invocation.request);
      } else invocation.isCancelled = true;
    }
  },

  forget(model, x, i) {
    const { privLib } = model.fixture;
    const invocation = pick(model, i, (found) => model.isOwn(found, model.top(x)));
    if (invocation === undefined) return;
    const asker = model.top(x);
    const ask = (): number => privLib.invocationForget(invocation.handle, asker.base);
    if (!model.isOwn(invocation, asker)) refused(model, status.NO_SUCH_INVOCATION, ask, 'forgotten by a stranger');
    else {
      assert.equal(ask(), status.OK);
      model.abandoned(invocation);
    }
  },

  call(model, x) {
    const { privLib } = model.fixture;
    const asker = model.top(x);
    const ask = (): number => privLib.callEnter(model.descriptor, 0, asker.base) >>> 0;
    if (asker.depth > CALL_DEPTH_MAX) refused(model, status.CALL_DEPTH_EXCEEDED, ask, 'called too deep');
    else {
      const base = ask();
      assert.ok(base > status.STATUS_MAX, `called: ${base}`);
      model.created(base, asker, asker.depth + 1);
    }
  },

  'leave a call'(model, x, k, kind) {
    const { privLib } = model.fixture;
    const pd = pickPd(model, x, k);
    // One that is an invocation is left as one.
    if (pd?.caller === undefined || model.invocations.some(({ home, state }) => state === 'running' && home === pd))
      return;
    const { base, caller } = pd;
    assert.equal(kind % 2 === 0 ? privLib.callLeave(0, base, caller.base) : privLib.callAbort(base, caller.base), 0);
    model.destroyed(pd);
  },
};

/** What goes on is asked for more often than what is wrong, or ends many things at once. */
export const WEIGHTS: Record<string, number> = {
  ...{ start: 6, take: 4, 'take inside': 4, enter: 8, leave: 4, end: 4, arrive: 3, 'take in': 4, collect: 6 },
};

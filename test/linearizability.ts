/**
 * Whether what several threads saw of one key could have happened one after the other: each operation at one moment between its
 * begin and its end. The search is that of J. M. Wing and C. Gong ("Testing and verifying concurrent objects", 1993), with the
 * memory of what was tried of G. Lowe ("Testing for linearizability", 2017).
 */

/** What a value is: a number that can be added to (8 bytes), or another one. */
export type Content = `n${bigint}` | `t${bigint}`;

/** An operation with what came of it. `expected` is -1n for any, 0n for no such key, else a version. */
export type Operation =
  /** Version and content, or neither where there was no such key. */
  | { readonly kind: 'get'; readonly found: { readonly version: bigint; readonly content: Content } | undefined }
  /** The new version, or undefined for a conflict. */
  | { readonly kind: 'put'; readonly content: Content; readonly expected: bigint; readonly version: bigint | undefined }
  | { readonly kind: 'delete'; readonly expected: bigint; readonly result: 'ok' | 'absent' | 'conflict' }
  /** The sum, or undefined where the value was no number. */
  | { readonly kind: 'add'; readonly delta: bigint; readonly sum: bigint | undefined };

export interface Event {
  /** Times of one clock that all threads share; no two are the same. */
  readonly invoked: number;
  readonly responded: number;
  readonly operation: Operation;
}

/** A key at one moment. Nobody is told what version an addition has made: it is larger than `floor`, which grows. */
interface State {
  readonly content: Content | undefined;
  /** 0n: not known. */
  readonly version: bigint;
  readonly floor: bigint;
}

const NONE: State = { content: undefined, version: 0n, floor: 0n };

/** The key after an operation; undefined where it could not have come out like that. */
function step(state: State, operation: Operation): State | undefined {
  switch (operation.kind) {
    case 'get': {
      const { found } = operation;
      if (found === undefined) return state.content === undefined ? state : undefined;
      if (found.content !== state.content || !mayBe(state, found.version)) return undefined;
      return { ...state, version: found.version, floor: found.version };
    }
    case 'put': {
      const { content, expected, version } = operation;
      if (version === undefined) return mustMatch(state, expected) ? undefined : state;
      if (!mayMatch(state, expected) || version <= state.floor || version <= expected) return undefined;
      return { content, version, floor: version };
    }
    case 'delete': {
      const { expected, result } = operation;
      if (result === 'absent') return state.content === undefined ? state : undefined;
      if (state.content === undefined) return undefined;
      if (result === 'conflict') return mustMatch(state, expected) ? undefined : state;
      if (!mayMatch(state, expected)) return undefined;
      return { content: undefined, version: 0n, floor: expected > state.floor ? expected : state.floor };
    }
    case 'add': {
      const { delta, sum } = operation;
      if (sum === undefined) return state.content?.startsWith('t') ? state : undefined;
      if (state.content?.startsWith('t')) return undefined;
      const before = state.content === undefined ? 0n : BigInt(state.content.slice(1));
      if (BigInt.asIntN(64, before + delta) !== sum) return undefined;
      return { content: `n${sum}`, version: 0n, floor: state.floor };
    }
  }
}

/** Whether a value that is there may have this version. */
function mayBe({ content, version, floor }: State, wanted: bigint): boolean {
  return content !== undefined && (version === 0n ? wanted > floor : wanted === version);
}

function mayMatch(state: State, expected: bigint): boolean {
  if (expected === -1n) return true;
  return expected === 0n ? state.content === undefined : mayBe(state, expected);
}

function mustMatch(state: State, expected: bigint): boolean {
  return mayMatch(state, expected) && (expected <= 0n || state.version !== 0n);
}

/** The begin or the end of an event, in a list of all of them by time. */
class Edge {
  previous: Edge = this;
  next: Edge = this;
  /** Of a begin. */
  end: Edge | undefined;
  readonly index: number;
  readonly event: Event;

  constructor(index: number, event: Event) {
    this.index = index;
    this.event = event;
  }

  insertBefore(other: Edge): void {
    this.previous = other.previous;
    this.next = other;
    other.previous.next = this;
    other.previous = this;
  }

  remove(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
  }

  putBack(): void {
    this.previous.next = this;
    this.next.previous = this;
  }
}

function edgesOf(history: readonly Event[]): Edge {
  const root = new Edge(-1, { invoked: 0, responded: 0, operation: { kind: 'get', found: undefined } });
  const edges = history.flatMap((event, index) => {
    const end = new Edge(index, event);
    const begin = new Edge(index, event);
    begin.end = end;
    return [
      { at: event.invoked, edge: begin },
      { at: event.responded, edge: end },
    ];
  });
  for (const { edge } of edges.sort((a, b) => a.at - b.at)) edge.insertBefore(root);
  return root;
}

/** Whether there is an order of these events on one key, which is not there at first, that explains all of them. */
export function isLinearizable(history: readonly Event[]): boolean {
  const root = edgesOf(history);
  const chosen: { readonly begin: Edge; readonly end: Edge; readonly before: State }[] = [];
  const seen = new Set<string>();
  let state = NONE;
  let done = 0n;
  let edge = root.next;
  while (root.next !== root) {
    const { end } = edge;
    if (edge !== root && end !== undefined) {
      const after = step(state, edge.event.operation);
      const doneAfter = done | (1n << BigInt(edge.index));
      const key =
        after === undefined ? '' : `${doneAfter.toString(36)} ${after.content} ${after.version} ${after.floor}`;
      if (after === undefined || seen.has(key)) {
        edge = edge.next;
        continue;
      }
      seen.add(key);
      chosen.push({ begin: edge, end, before: state });
      state = after;
      done = doneAfter;
      edge.remove();
      end.remove();
      edge = root.next;
      continue;
    }
    // Something ends here that was not chosen: go back on the last choice.
    const last = chosen.pop();
    if (last === undefined) return false;
    last.end.putBack();
    last.begin.putBack();
    state = last.before;
    done &= ~(1n << BigInt(last.begin.index));
    edge = last.begin.next;
  }
  return true;
}

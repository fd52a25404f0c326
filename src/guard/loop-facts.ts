/**
 * What the rewriter finds out about loops that have no loops in them and do not call, while pointers.ts looks at a body:
 *
 *   the counter   a local that each branch to the loop has set to what it was at the header plus a constant, where that is known to be
 *                 small: so the loop ends by itself, soon, and needs no deadline check;
 *   the streams   accesses whose range is known before it, see streams.ts;
 */
import type { Operand, Ranges } from './ranges.ts';
import { Streams } from './streams.ts';

/** Turns by instructions of the module, of all counted loops of a body: the verifier lets them do 16 times as much. */
const WORK_MAX = 8192;

/** Most locals of a loop that are looked at. */
const CANDIDATES_MAX = 8;

/** A counter stays below it, and so does what it is raised by. */
const COUNTED_MAX = 2 ** 30;

export interface LoopFact {
  /** Where it begins and ends. */
  readonly at: number;
  readonly end: number;
  /** What the candidates for its counter were at the header: the number of the value, by local. */
  readonly candidates: Map<number, number>;
  /** How often the loop is gone through at most, by what is known of each candidate. */
  readonly turns: Map<number, number>;
  hasBranches: boolean;
  readonly streams: Streams;
}

export class LoopFacts {
  readonly #facts = new Map<number, LoopFact>();
  /** The counters, by the beginnings of their loops; once somebody has asked. */
  #counters: Map<number, number> | undefined;

  begin(): void {
    this.#facts.clear();
    this.#counters = undefined;
  }

  /** The function calls: then none of its loops counts its turns. */
  forgetCounters(): void {
    this.#counters = new Map();
  }

  /** A loop without loops and calls in it. */
  add(at: number, end: number, isSet: (local: number) => boolean): LoopFact {
    const fact: LoopFact = {
      at,
      end,
      candidates: new Map(),
      turns: new Map(),
      hasBranches: false,
      streams: new Streams(at, end, isSet),
    };
    this.#facts.set(at, fact);
    return fact;
  }

  /** The streams of the loop that begins at an instruction, if it is to be copied for them. */
  streamsOf(loop: number): Streams | undefined {
    const streams = this.#facts.get(loop)?.streams;
    return streams?.isOfUse ? streams : undefined;
  }

  /** Most windows of a loop that is copied. */
  get windowsMax(): number {
    let most = 0;
    for (const { streams } of this.#facts.values()) if (streams.isOfUse) most = Math.max(most, streams.windows.length);
    return most;
  }

  /** Whether any loop counts its turns. Then the function looks at the deadline when it is entered. */
  get hasCounters(): boolean {
    return this.#chosen().size > 0;
  }

  /** The local that counts the turns of the loop that begins at an instruction, or -1: it needs a deadline check. */
  counterOf(loop: number): number {
    return this.#chosen().get(loop) ?? -1;
  }

  /** As many of them as what a body may do without a check allows. */
  #chosen(): Map<number, number> {
    if (this.#counters !== undefined) return this.#counters;
    const counters = new Map<number, number>();
    let left = WORK_MAX;
    for (const fact of this.#facts.values()) {
      const [local, work] = leastWork(fact);
      if (work > left) continue;
      counters.set(fact.at, local);
      left -= work;
    }
    this.#counters = counters;
    return counters;
  }
}

/** The counter of a loop that bounds its turns best, and turns by instructions. */
function leastWork({ at, end, candidates, turns, hasBranches }: LoopFact): [local: number, work: number] {
  let least: [number, number] = [-1, Number.POSITIVE_INFINITY];
  if (!hasBranches) return least;
  for (const [local, count] of turns) {
    if (candidates.has(local) && count * (end - at) < least[1]) least = [local, count * (end - at)];
  }
  return least;
}

/** A local was read that has had a value since the header of the loop. Too late, where a branch has gone back without being looked at. */
export function noteHeader(fact: LoopFact | undefined, local: number, value: number): void {
  if (fact === undefined || fact.hasBranches) return;
  if (fact.candidates.has(local) || fact.candidates.size === CANDIDATES_MAX) return;
  fact.candidates.set(local, value);
}

/** A branch that may go to a loop, of which nothing is known. */
export function noteOtherBranch(fact: LoopFact | undefined): void {
  if (fact === undefined) return;
  fact.hasBranches = true;
  fact.candidates.clear();
}

/** A branch to a loop: `now` says of a local what its value is there, as the value at the header plus a constant. */
export function noteBranch(
  fact: LoopFact,
  ranges: Ranges,
  now: (local: number) => { readonly value: number; readonly root: number; readonly step: number },
): void {
  fact.hasBranches = true;
  const operand: Operand = { value: -1, constant: 0 };
  for (const [local, header] of fact.candidates) {
    const { value, root, step } = now(local);
    operand.value = header;
    const before = ranges.high(operand);
    operand.value = value;
    const last = Math.min(before, ranges.high(operand));
    if (root === header && step > 0 && step < COUNTED_MAX && last < COUNTED_MAX) {
      fact.turns.set(local, (fact.turns.get(local) ?? 0) + Math.floor(last / step) + 2);
    } else fact.candidates.delete(local);
  }
}

/**
 * Counters: locals that a loop begins with a number that is not negative, and sets to nothing but constants that are not and to
 * themselves plus such a constant. So they are not negative, if it is known of each sum that it is not either; that they are counters is
 * taken for granted until it turns out otherwise, and the body is looked at once more without those of which it did.
 */
import type { BodyIndex } from './body-index.ts';
import { WORD_A, WORDS } from './instructions.ts';
import { OP_I32_ADD, OP_I32_CONST, OP_I32_SUB, OP_LOCAL_GET } from './opcodes.ts';

/** So often a body is looked at; the last time without any counters. */
const LOOKS_MAX = 4;
const STEPS_PER_INSTRUCTION = 16;
const STEPS_MIN = 10_000;

export class Counters {
  readonly #body: BodyIndex;
  #words: Int32Array = new Int32Array(0);
  #count = 0;
  #looks = 0;
  /** Instructions that may still be looked at: a body can be made in which it would be many. */
  #steps = 0;
  /** By local: the loops that it counts. */
  readonly #known = new Map<number, number[]>();
  /** Local and loop, as one number, that are none. */
  readonly #failed = new Set<number>();
  hasFailed = false;

  constructor(body: BodyIndex) {
    this.#body = body;
  }

  /** Begins a body, of which `body` knows already. */
  begin(words: Int32Array, count: number): void {
    this.#words = words;
    this.#count = count;
    this.#looks = 0;
    this.#steps = STEPS_MIN + STEPS_PER_INSTRUCTION * count;
    this.#failed.clear();
  }

  beginLook(): void {
    this.#looks += 1;
    this.#known.clear();
    this.hasFailed = false;
  }

  /** Whether there are any, so that what is set to locals is of interest. */
  get isAny(): boolean {
    return this.#known.size > 0;
  }

  #key(local: number, loop: number): number {
    return local * this.#count + loop;
  }

  /** Whether a local, whose number before a loop is not negative, is a counter of it; it is read in there at `at`. */
  mayCount(local: number, loop: number, at: number): boolean {
    if (this.#looks >= LOOKS_MAX) return false;
    const known = this.#openLoops(local, at);
    if (known?.includes(loop)) return true;
    const key = this.#key(local, loop);
    if (this.#failed.has(key)) return false;
    const end = this.#body.ends[loop] as number; // loops have ends
    const counts = this.#body.areAllBetween(local, loop, end, (set) => this.#isStep(local, set));
    if (!counts) this.#failed.add(key);
    else if (known === undefined) this.#known.set(local, [loop]);
    else known.push(loop);
    return counts;
  }

  /** The loops that a local counts and that are not behind us. */
  #openLoops(local: number, at: number): number[] | undefined {
    const loops = this.#known.get(local);
    // Those that have begun last end first.
    while (loops !== undefined && at > (this.#body.ends[loops.at(-1) ?? -1] ?? Infinity)) loops.pop();
    return loops;
  }

  /** Whether an instruction sets a local to a constant or to itself plus one, neither of them negative. */
  #isStep(local: number, at: number): boolean {
    this.#steps -= 1;
    if (at < 3 || this.#steps < 0) return false;
    const words = this.#words;
    const last = words[(at - 1) * WORDS];
    if (last === OP_I32_CONST) return (words[(at - 1) * WORDS + WORD_A] as number) >= 0;
    const constant = words[(at - 2) * WORDS + WORD_A] as number;
    const isSum = (last === OP_I32_ADD && constant >= 0) || (last === OP_I32_SUB && constant <= 0);
    return (
      isSum &&
      words[(at - 2) * WORDS] === OP_I32_CONST &&
      words[(at - 3) * WORDS] === OP_LOCAL_GET &&
      words[(at - 3) * WORDS + WORD_A] === local
    );
  }

  /** An instruction sets a local to what may be negative. */
  setsOther(local: number, at: number): void {
    for (const loop of this.#openLoops(local, at) ?? []) {
      this.#failed.add(this.#key(local, loop));
      this.hasFailed = true;
    }
  }
}

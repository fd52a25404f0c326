/**
 * What loops write to the home at pointers whose range is known, so that it can be marked once, before the outermost loop of which that is
 * known and which does not call: a loop inside may be begun often, and turn seldom.
 *
 * The verifier keeps one range of what is marked by constants. So no such loop may mark other constants; and what is marked because it might be
 * written must be restored, so it is not more than little, or all that can end the loop is its own condition.
 */

/** Bytes that are marked before a loop; and before one that no branch leads out of. */
const BYTES_MAX = 4096;
const SWEPT_BYTES_MAX = 65_536;

interface Loop {
  readonly parent: Loop | undefined;
  /** How many blocks are around it. */
  readonly depth: number;
  readonly calls: boolean;
  /** A branch in it leads to a block inside of so many others. */
  branch: number;
  hasOtherMarks: boolean;
  /** The range of what is written, `high` -1: nothing. */
  low: number;
  high: number;
  /** The outermost loop around it, or itself, before which all is marked that it writes. */
  marked: Loop | undefined;
}

export interface MarkedRange {
  readonly low: number;
  readonly high: number;
}

export class MarkedRanges {
  /** By the instruction that begins it; those that are outside come first. */
  readonly #loops = new Map<number, Loop>();
  #open: Loop | undefined;

  begin(): void {
    this.#loops.clear();
    this.#open = undefined;
  }

  /** A loop begins at an instruction, inside of `depth` blocks. */
  openLoop(at: number, depth: number, calls: boolean): void {
    const [parent, branch] = [this.#open, depth];
    this.#open = { parent, depth, calls, branch, hasOtherMarks: false, low: 0, high: -1, marked: undefined };
    this.#loops.set(at, this.#open);
  }

  /** What it does the one around it does. */
  closeLoop(): void {
    const loop = this.#open;
    this.#open = loop?.parent;
    if (loop === undefined || this.#open === undefined) return;
    this.branch(loop.branch);
    if (loop.hasOtherMarks) this.otherMark();
    if (loop.high >= 0) this.write(loop.low, loop.high);
  }

  /** A branch leads to the block that is inside of `depth` others; -1: out of the function. */
  branch(depth: number): void {
    if (this.#open !== undefined) this.#open.branch = Math.min(this.#open.branch, depth);
  }

  /** Something is written at [low, high) of the home, wherever it is there. */
  write(low: number, high: number): void {
    const loop = this.#open;
    if (loop === undefined) return;
    loop.low = loop.high < 0 ? low : Math.min(loop.low, low);
    loop.high = Math.max(loop.high, high);
  }

  /** Something else is marked, by constants. */
  otherMark(): void {
    if (this.#open !== undefined) this.#open.hasOtherMarks = true;
  }

  /** All of the body has been looked at. */
  finish(): void {
    for (const loop of this.#loops.values()) {
      if (!loop.calls) loop.marked = loop.parent?.marked ?? (canMark(loop) ? loop : undefined);
    }
  }

  /** What is to be marked before the loop that begins at an instruction. */
  markedBefore(at: number): MarkedRange | undefined {
    const loop = this.#loops.get(at);
    return loop?.marked === loop ? loop : undefined;
  }

  /** Whether what is written in the loop that begins at an instruction, at places that are known, has been marked before. */
  isMarkedIn(at: number): boolean {
    return this.#loops.get(at)?.marked !== undefined;
  }
}

function canMark({ low, high, depth, branch, hasOtherMarks }: Loop): boolean {
  return high >= 0 && !hasOtherMarks && high - low <= (branch < depth ? BYTES_MAX : SWEPT_BYTES_MAX);
}

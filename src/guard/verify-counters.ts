/*
 * Loops that end by themselves, soon, and so need no deadline check.
 *
 * Let h be what a local, the counter, is at the header of a loop in some turn. A branch back to the header at which the counter is h + d,
 * d a constant, 0 < d <= 2^30, is COUNTED
 *
 *   A   if h <= K there, K <= 2^30: then h + d <= 2^31 did not wrap;
 *   B   or if h + d modulo 2^32 <= K there, K <= 2^30.
 *
 * Look at a stretch of turns each of which goes back by a counted branch. Behind the first of these branches h is at most
 * 2^31, and no later one can wrap: to do so h would have to be 2^32 - 2^30 or more. So from then on h grows in each turn, by d at least
 * where the turn ends with a branch that raises by d. The branch is taken with h <= K only (in B: h + d <= K), so no more than
 * K / d + 1 times; and once more, where the first one has wrapped. Each branch of the loop has its d and its K: there are no more turns than the sum
 * of K / d + 2 over all of them. ✓
 *
 * The loop has no loops in it and does not call, so a turn takes each of its instructions once at most. (What it calls are functions of
 * the guard, which end soon or look at the deadline themselves; marks of whole ranges are refused.) WORK_MAX bounds turns by instructions of
 * all such loops of a body together, and the body looks at the deadline where it begins, and does not call. So however often it is called
 * and however many such loops it has, what they add to a stretch without a check is WORK_MAX at most, once (deadline.ts): what runs behind it,
 * up to the next check, are frames that have no such loops.
 */
import { KIND_SUM, type Values } from './verify-values.ts';

/** Turns by instructions that the loops of a body may have without a check: 0.1 ms or so. */
export const WORK_MAX = 2 ** 17;

const COUNTED_MAX = 2 ** 30;

/** How often a branch can be taken at which the counter is `now`, and was `header` at the header; 0 when it is not counted. */
export function turnsOf(values: Values, header: number, now: number): number {
  if (values.kinds[now] !== KIND_SUM || values.a[now] !== header) return 0;
  const step = values.b[now] as number; // values are inside the tables
  if (step <= 0 || step > COUNTED_MAX) return 0;
  const last = Math.min(values.high(header), values.high(now));
  return last <= COUNTED_MAX ? Math.floor(last / step) + 2 : 0;
}

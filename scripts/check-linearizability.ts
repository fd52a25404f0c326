/**
 * Whether what threads see of keys that they change at the same time has an order, for longer than the tests do:
 * `node scripts/run.mjs scripts/check-linearizability.ts [--seed n] [--minutes 1]`. Shows the history that has none, and exits with 1.
 */
import { checkHistories } from '../test/kv-histories.ts';
import { timedRun } from './timed-run.ts';

await timedRun('all have an order', checkHistories);

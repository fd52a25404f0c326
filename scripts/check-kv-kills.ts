/**
 * Ends threads in the midst of operations on the key-value store, for longer than the tests do:
 * `node scripts/run.mjs scripts/check-kv-kills.ts [--seed n] [--minutes 1]`. Exit code 1 when a lock stays taken or anything is not
 * where it should be.
 */
import { runKills } from '../test/kv-kills.ts';
import { timedRun } from './timed-run.ts';

await timedRun('nothing is lost', (options) => runKills({ ...options, killsMin: 1 }));

/** What else ran on the machine while something was measured. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Of /proc, in seconds. */
const SECONDS_PER_TICK = 0.01;
/** Fields of the first line of /proc/stat that are no work: idle and waiting for disks. */
const IDLE_FIELDS: ReadonlySet<number> = new Set([3, 4]);
/** Guests are counted in the first fields already. */
const FIELDS = 8;

/** Seconds that all cores together have worked since the machine was started; undefined where the system does not tell. */
function machineSeconds(): number | undefined {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
    const fields = line
      .trim()
      .split(/\s+/)
      .slice(1, 1 + FIELDS)
      .map(Number);
    return fields.reduce((sum, ticks, i) => sum + (IDLE_FIELDS.has(i) ? 0 : ticks), 0) * SECONDS_PER_TICK;
  } catch {
    return undefined;
  }
}

/** Seconds that a process and all that live below it have worked. */
export function treeSeconds(root: number): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name of the program, in parentheses, can hold anything.
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(name), Number(fields[1]));
      ticks.set(Number(name), Number(fields[11]) + Number(fields[12]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 0; at = parents.get(at))
      if (at === root) return true;
    return false;
  };
  let sum = 0;
  for (const [pid, own] of ticks) if (isBelow(pid)) sum += own;
  return sum * SECONDS_PER_TICK;
}

/** Measures from now on how many cores others keep busy than this process and those below it. */
export class OthersLoad {
  readonly #machine = machineSeconds();
  readonly #own = this.#machine === undefined ? 0 : treeSeconds(process.pid);
  readonly #startMs = performance.now();

  /** Cores, on average since it was made; 0 where the system does not tell. */
  cores(): number {
    const now = machineSeconds();
    if (this.#machine === undefined || now === undefined) return 0;
    const seconds = (performance.now() - this.#startMs) / 1000;
    const others = now - this.#machine - (treeSeconds(process.pid) - this.#own);
    // The system counts in hundredths of a second, so short times are told roughly.
    return Math.min(Math.max(0, others / seconds), availableParallelism());
  }
}

/** What others may keep busy during a measurement that counts, in cores. */
export const OTHERS_CORES_MAX = 0.03;

export interface Undisturbed<T> {
  readonly result: T;
  /** What others kept busy meanwhile. */
  readonly othersCores: number;
}

/** Measures, and again while others keep more than OTHERS_CORES_MAX busy, but no more than so many times. */
export async function undisturbed<T>(measure: () => Promise<T>, retakes: number): Promise<Undisturbed<T>> {
  for (let takes = 0; ; takes++) {
    const others = new OthersLoad();
    const result = await measure();
    const othersCores = others.cores();
    if (othersCores <= OTHERS_CORES_MAX || takes >= retakes) return { result, othersCores };
  }
}

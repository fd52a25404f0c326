/**
 * Whether a module does harm, found out by running it: in both versions of the world, with pointers that lead to everything
 * worth attacking. It does harm when it changes what it may not, or leaves no mark; when what it does depends on what it may not
 * see; when it passes something else than base on; or when it goes on after its deadline.
 *
 * It knows nothing of how modules are guarded. That it sees nothing proves nothing; so it is shown to see harm in most of what the
 * verifier refuses, and much harm it must not see in what the verifier accepts.
 */
import { below } from '../../bench/harness/random.ts';
import * as L from '../../core/layout.ts';
import type { HostFunction } from '../../src/guard/testing.ts';
import { type GuardedModule, INIT_EXPORT } from '../../src/guard/types.ts';
import type { World } from './world.ts';

/** A call of an export; `base` is added. */
export interface OracleCall {
  readonly name: string;
  readonly parameters: (world: World) => readonly (readonly unknown[])[];
  /** Most of them that are tried at a time, at random. */
  readonly parametersMax?: number;
  /**
   * Where the function counts what it begins (iterations, entries), in its memory. With the deadline passed it may begin one
   * thing and no more.
   */
  readonly counter?: number;
}

/** What the host functions of a run are told. */
export interface HostLog {
  /** `base` of each call. */
  readonly bases: number[];
  readonly calls: unknown[];
}

export type MakeHost = (log: HostLog) => Readonly<Record<string, HostFunction>>;

/** How long a run may take: mutants can have loops without end, which the deadline check ends. */
const RUN_MS = 50;
/** A call that has taken so long so often is not tried with further parameters. */
const LATE_MAX = 2;

interface Run {
  readonly outcome: string;
  readonly damage: string | undefined;
  /** It was ended at its deadline. */
  readonly isLate: boolean;
}

/** The harm that a module was seen to do, or undefined. */
export function harmOf(
  guarded: GuardedModule,
  world: World,
  calls: readonly OracleCall[],
  makeHost: MakeHost,
  random: () => number,
): string | undefined {
  const log: HostLog = { bases: [], calls: [] };
  let exports: WebAssembly.Exports;
  world.load('A');
  try {
    exports = world.space.link(guarded.bytes, makeHost(log));
  } catch {
    // What cannot be instantiated does nothing, as long as it has done nothing yet.
    return world.damage();
  }
  const early = world.damage();
  if (early !== undefined) return `when it is instantiated, ${early}`;
  const init: OracleCall = { name: INIT_EXPORT, parameters: () => [[]] };
  for (const call of [init, ...calls]) {
    const f = exports[call.name];
    if (typeof f !== 'function') continue;
    let late = 0;
    for (const parameters of sample(call.parameters(world), call.parametersMax, random)) {
      const { harm, isLate } = harmOfCall(f as (...all: unknown[]) => unknown, world, call, parameters, log);
      if (harm !== undefined) return `${call.name}(${parameters.join(', ')}): ${harm}`;
      if (isLate) late += 1;
      if (late > LATE_MAX) break;
    }
  }
  return undefined;
}

function sample<T>(all: readonly T[], most: number | undefined, random: () => number): readonly T[] {
  if (most === undefined || all.length <= most) return all;
  return Array.from({ length: most }, () => all[below(random, all.length)] as T); // an index of the list
}

function harmOfCall(
  f: (...all: unknown[]) => unknown,
  world: World,
  call: OracleCall,
  parameters: readonly unknown[],
  log: HostLog,
): { readonly harm: string | undefined; readonly isLate: boolean } {
  const run = (version: 'A' | 'B', restMs: number): Run => {
    world.load(version);
    const { space, base } = world;
    const deadline = (space.get32(L.CONTROL_NOW_MS) + restMs) | 0;
    for (const place of [L.HOME_DEADLINE_MS, L.HOME_END_MS]) space.set32(base + place, deadline);
    log.bases.length = 0;
    log.calls.length = 0;
    const result = resultOf(f, [...parameters, base]);
    const isLate = space.get32(base + L.HOME_FAULT_KIND) === L.FAULT_DEADLINE;
    if (log.bases.some((asker) => asker !== base)) return { outcome: '', damage: 'another base was passed on', isLate };
    if ((space.get32(base + L.HOME_END_MS) | 0) !== deadline) {
      return { outcome: '', damage: 'the deadline of the header has changed', isLate };
    }
    for (const place of [L.HOME_DEADLINE_MS, L.HOME_END_MS]) space.set32(base + place, L.DEADLINE_FAR_MS);
    return { outcome: `${result}; ${world.visible()}; ${log.calls.join()}`, damage: world.damage(), isLate };
  };
  const a = run('A', RUN_MS);
  const b = run('B', RUN_MS);
  const isLate = a.isLate || b.isLate;
  const damage = a.damage ?? b.damage;
  if (damage !== undefined) return { harm: damage, isLate };
  // How deep the stack is, and so what was done until then, depends on V8.
  const isDeep = [a, b].some(({ outcome }) => outcome.startsWith(STACK_OVERFLOW));
  if (!isLate && !isDeep && a.outcome !== b.outcome)
    return { harm: 'what it does depends on what it may not see', isLate };
  if (call.counter === undefined) return { harm: undefined, isLate };
  const behind = run('A', -1);
  const begun = world.space.get32(world.base + world.layout.headerSize + call.counter);
  const harm = behind.damage ?? (begun > 1 ? `it began ${begun} things after its deadline` : undefined);
  return { harm, isLate };
}

const STACK_OVERFLOW = 'stack overflow';

function resultOf(f: (...all: unknown[]) => unknown, parameters: readonly unknown[]): string {
  try {
    const result = f(...parameters);
    return Array.isArray(result) ? result.map(textOf).join() : textOf(result);
  } catch (error) {
    if (error instanceof RangeError) return STACK_OVERFLOW;
    if (error instanceof WebAssembly.RuntimeError) return `trap: ${error.message}`;
    if (error instanceof WebAssembly.Exception) return 'exception';
    // Refused mutants can have exports of other types, which JavaScript does not convert to.
    if (error instanceof TypeError) return 'not called';
    throw error;
  }
}

/** Numbers with their bits: NaNs may differ in them. */
function textOf(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value;
}

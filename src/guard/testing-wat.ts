/** For tests: assembles the text format. */
import wabt from 'wabt';
import { guardModule } from './guard.ts';
import type { HostFunction, TestInstance, TestSpace } from './testing.ts';
import type { FunctionType, GuardedModule } from './types.ts';
import { verifyModule } from './verify.ts';

const tools = await wabt();

const FEATURES = {
  exceptions: true,
  threads: true,
  tail_call: true,
  extended_const: true,
  multi_memory: true,
  memory64: true,
  relaxed_simd: true,
  function_references: true,
};

/** The binary of a module in the text format, with its names. */
export function assemble(source: string): Uint8Array<ArrayBuffer> {
  const module = tools.parseWat('test.wat', source, FEATURES);
  try {
    return Uint8Array.from(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}

export interface TestHost {
  readonly type: FunctionType;
  readonly call: HostFunction;
}

/** Assembles, guards, verifies and instantiates in a home of its own; initialised unless `init` is false. */
export function guardText(
  space: TestSpace,
  source: string,
  options: { memoryLimitBytes?: number; host?: Readonly<Record<string, TestHost>>; init?: boolean } = {},
): { guarded: GuardedModule; instance: TestInstance } {
  const { memoryLimitBytes, host = {}, init = true } = options;
  const imports = new Map(Object.entries(host).map(([name, { type }]) => [name, type]));
  const limit = memoryLimitBytes === undefined ? {} : { memoryLimitBytes };
  const guarded = guardModule(assemble(source), { imports, ...limit });
  verifyModule(guarded, { imports });
  const functions = Object.fromEntries(Object.entries(host).map(([name, { call }]) => [name, call]));
  const instance = space.instantiate(guarded, space.newHome(guarded.layout), functions);
  if (init) instance.init();
  return { guarded, instance };
}

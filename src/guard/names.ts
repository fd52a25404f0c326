/** The name section: the module's name and the functions' names, so that traps and profiles show them. */
import { JordError } from '../errors.ts';
import { LIMITS } from './errors.ts';
import type { Names } from './module.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

const MODULE_NAME = 0;
const FUNCTION_NAMES = 1;

/** The names in a custom section. A section that is broken is no error in WebAssembly: what came before it counts. */
export function decodeNames(section: Reader): Names {
  const functions = new Map<number, string>();
  let module: string | undefined;
  try {
    while (!section.atEnd) {
      const id = section.byte();
      const part = section.part(section.u32());
      if (id === MODULE_NAME) module = part.name();
      else if (id === FUNCTION_NAMES) readFunctionNames(part, functions);
    }
  } catch (error) {
    if (!(error instanceof JordError)) throw error;
  }
  return { module, functions };
}

function readFunctionNames(part: Reader, functions: Map<number, string>): void {
  for (let rest = part.u32(); rest > 0; rest -= 1) {
    const index = part.u32();
    if (index < LIMITS.functions + LIMITS.imports) functions.set(index, part.name());
    else part.name();
  }
}

/** Writes the content of a name section. */
export function encodeNames(names: Names, functionCount: number, out: Writer, scratch: Writer): void {
  out.name('name');
  if (names.module !== undefined) {
    scratch.clear();
    scratch.name(names.module);
    out.byte(MODULE_NAME);
    out.u32(scratch.length);
    out.bytes(scratch.written);
  }
  const entries = [...names.functions].filter(([index]) => index < functionCount).sort(([a], [b]) => a - b);
  scratch.clear();
  scratch.u32(entries.length);
  for (const [index, name] of entries) {
    scratch.u32(index);
    scratch.name(name);
  }
  out.byte(FUNCTION_NAMES);
  out.u32(scratch.length);
  out.bytes(scratch.written);
}

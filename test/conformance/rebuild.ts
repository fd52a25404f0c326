/** Modules made of others, by the guard's decoder and encoder. */
import { HintWriter } from '../../src/guard/branch-hints.ts';
import { codeWriter, encodeModule, moduleWriter } from '../../src/guard/encode.ts';
import { decodeExpression, InstructionList, WORD_OFFSET, WORDS } from '../../src/guard/instructions.ts';
import type { Body, Module, ModuleParts } from '../../src/guard/module.ts';
import { Reader } from '../../src/guard/reader.ts';
import { Writer } from '../../src/guard/writer.ts';

/** Decodes a body into `list` and returns the offset of its first instruction. */
export function decodeBody(module: Module, { start, end }: Body, list: InstructionList): number {
  const reader = new Reader(module.bytes, start, end);
  for (let rest = reader.u32(); rest > 0; rest -= 1) {
    reader.u32();
    reader.byte();
  }
  const first = reader.position;
  decodeExpression(reader, list, { typeCount: module.types.length, where: () => 'a function' });
  return first;
}

/** Whether an instruction is anywhere in a module that the guard can decode. */
export function uses(module: Module, opcode: number): boolean {
  const list = new InstructionList();
  return module.bodies.some((body) => {
    decodeBody(module, body, list);
    return list.words.some((word, i) => i % WORDS === 0 && i < list.count * WORDS && word === opcode);
  });
}

/** Writes something in place of an instruction, whose immediates are a and b, and returns true; or returns false. */
export type Replacement = (opcode: number, a: number, b: number, out: Writer) => boolean;

/** The module with other parts, and other instructions where `replace` has some. */
export function rebuild(
  module: Module,
  parts: Partial<ModuleParts>,
  replace: Replacement = () => false,
): Uint8Array<ArrayBuffer> {
  const list = new InstructionList();
  const { bodies, gap } = codeWriter(module.bytes.length);
  for (const body of module.bodies) {
    const first = decodeBody(module, body, list);
    const out = new Writer(4096, 1 << 24, () => new RangeError('a body does not fit'));
    out.slice(module.bytes, body.start, first);
    for (let at = 0; at < list.count * WORDS; at += WORDS) {
      const [opcode = 0, , a = 0, b = 0] = list.words.subarray(at, at + WORDS);
      if (replace(opcode, a, b, out)) continue;
      out.slice(module.bytes, list.words[at + WORD_OFFSET] ?? 0, list.words[at + WORDS + WORD_OFFSET] ?? 0);
    }
    bodies.u32(out.length);
    bodies.bytes(out.written);
  }
  const hints = new HintWriter(moduleWriter(64));
  const code = { count: module.bodies.length, bodies, gap, hints, dataCount: module.hasDataCount };
  return encodeModule({ ...module, ...parts }, code);
}

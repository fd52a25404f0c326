/** A module with more memory that does not notice: what it would do if more were there. */
import { HintWriter } from '../../src/guard/branch-hints.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { codeWriter, encodeModule, moduleWriter } from '../../src/guard/encode.ts';
import { decodeExpression, InstructionList, WORD_OFFSET, WORDS } from '../../src/guard/instructions.ts';
import type { Body, Module } from '../../src/guard/module.ts';
import { OP_I32_CONST, OP_MEMORY_SIZE } from '../../src/guard/opcodes.ts';
import { Reader } from '../../src/guard/reader.ts';
import { Writer } from '../../src/guard/writer.ts';

/** Decodes a body into `list` and returns the offset of its first instruction. */
function decodeBody(module: Module, { start, end }: Body, list: InstructionList): number {
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

/** The module with a memory of `pages` pages, in which memory.size still says `size`. */
export function roomier(bytes: Uint8Array, pages: number, size: number): Uint8Array<ArrayBuffer> {
  const module = decodeModule(bytes);
  const list = new InstructionList();
  const { bodies, gap } = codeWriter(bytes.length);
  const full = (): Error => new RangeError('a body does not fit');
  for (const body of module.bodies) {
    const first = decodeBody(module, body, list);
    const out = new Writer(4096, 1 << 20, full);
    out.slice(bytes, body.start, first);
    for (let at = 0; at < list.count * WORDS; at += WORDS) {
      const [start, end] = [list.words[at + WORD_OFFSET] ?? 0, list.words[at + WORDS + WORD_OFFSET] ?? 0];
      if (list.words[at] !== OP_MEMORY_SIZE) out.slice(bytes, start, end);
      else {
        out.byte(OP_I32_CONST);
        out.s32(size);
      }
    }
    bodies.u32(out.length);
    bodies.bytes(out.written);
  }
  const memories = module.memories.map((memory) => ({ ...memory, minimum: pages, maximum: pages }));
  const hints = new HintWriter(moduleWriter(64));
  const code = { count: module.bodies.length, bodies, gap, hints, dataCount: module.hasDataCount };
  return encodeModule({ ...module, memories }, code);
}

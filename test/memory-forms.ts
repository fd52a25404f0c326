/**
 * Every instruction that accesses memory at a pointer, written down from the WebAssembly specification and not from the
 * guard's own table; instruction-coverage.test.ts compares the two, and both with what V8 accepts.
 */
export interface MemoryForm {
  readonly name: string;
  readonly sizeBytes: number;
  /** What the guard must ask for: read-modify-writes are writes. */
  readonly access: 'read' | 'write';
  readonly kind: 'load' | 'store' | 'rmw' | 'notify' | 'wait';
  readonly atomic: boolean;
  /** Types of the operands behind the pointer. */
  readonly operands: readonly Operand[];
  /** Whether it leaves a value. */
  readonly result: boolean;
  /** Whether it has a lane. */
  readonly lane: boolean;
}

export type Operand = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Operands that are stored: no byte of them is zero, and they differ from what the tests keep in memory. */
const VALUES: Readonly<Record<Operand, string>> = {
  i32: '(i32.const 0xe7e7e7e7)',
  i64: '(i64.const 0xe7e7e7e7e7e7e7e7)',
  f32: '(f32.const nan:0x2aaaaa)',
  f64: '(f64.const nan:0x2aaaaaaaaaaaa)',
  v128: '(v128.const i32x4 0xe7e7e7e7 0xe7e7e7e7 0xe7e7e7e7 0xe7e7e7e7)',
};

/** The instruction in text, with what it leaves dropped. `pointer` is an expression. */
export function formText(form: MemoryForm, pointer: string, offset: number): string {
  const operands = form.operands.map((operand) => VALUES[operand]).join(' ');
  const lane = form.lane ? ' 0' : '';
  const text = `(${form.name} offset=${offset}${lane} ${pointer} ${operands})`;
  return form.result ? `(drop ${text})` : text;
}

const list = (text: string): string[] => text.trim().split(/\s+/);

/** `name:size` */
function sized(text: string, rest: Omit<MemoryForm, 'name' | 'sizeBytes'>): MemoryForm[] {
  return list(text).map((word) => {
    const [name = '', size = ''] = word.split(':');
    return { name, sizeBytes: Number(size), ...rest };
  });
}

const LOAD = { access: 'read', kind: 'load', atomic: false, operands: [], result: true, lane: false } as const;

function store(operand: Operand, atomic: boolean): Omit<MemoryForm, 'name' | 'sizeBytes'> {
  return { access: 'write', kind: 'store', atomic, operands: [operand], result: false, lane: false };
}

function plain(): MemoryForm[] {
  const loads = `i32.load:4 i64.load:8 f32.load:4 f64.load:8 i32.load8_s:1 i32.load8_u:1 i32.load16_s:2 i32.load16_u:2
    i64.load8_s:1 i64.load8_u:1 i64.load16_s:2 i64.load16_u:2 i64.load32_s:4 i64.load32_u:4`;
  return [
    ...sized(loads, LOAD),
    ...sized('i32.store:4 i32.store8:1 i32.store16:2', store('i32', false)),
    ...sized('i64.store:8 i64.store8:1 i64.store16:2 i64.store32:4', store('i64', false)),
    ...sized('f32.store:4', store('f32', false)),
    ...sized('f64.store:8', store('f64', false)),
  ];
}

function simd(): MemoryForm[] {
  const loads = `v128.load:16 v128.load8x8_s:8 v128.load8x8_u:8 v128.load16x4_s:8 v128.load16x4_u:8 v128.load32x2_s:8
    v128.load32x2_u:8 v128.load8_splat:1 v128.load16_splat:2 v128.load32_splat:4 v128.load64_splat:8 v128.load32_zero:4
    v128.load64_zero:8`;
  const lanes = 'v128.*8_lane:1 v128.*16_lane:2 v128.*32_lane:4 v128.*64_lane:8';
  return [
    ...sized(loads, LOAD),
    ...sized('v128.store:16', store('v128', false)),
    ...sized(lanes.replaceAll('*', 'load'), { ...LOAD, operands: ['v128'], lane: true }),
    ...sized(lanes.replaceAll('*', 'store'), { ...store('v128', false), lane: true }),
  ];
}

/** The widths of an atomic access: `i32.atomic.<before>8<after>_u` and so on. */
function widths(type: 'i32' | 'i64', before: string, after: string): string {
  const parts = type === 'i32' ? [8, 16] : [8, 16, 32];
  const narrow = parts.map((bits) => `${type}.atomic.${before}${bits}${after}${after === '' ? '' : '_u'}:${bits / 8}`);
  return [`${type}.atomic.${before}${after}:${type === 'i32' ? 4 : 8}`, ...narrow].join(' ');
}

function atomic(): MemoryForm[] {
  const forms: MemoryForm[] = [];
  for (const type of ['i32', 'i64'] as const) {
    const loads = widths(type, 'load', '').replace(/(load\d+)/g, '$1_u');
    forms.push(...sized(loads, { ...LOAD, atomic: true }));
    forms.push(...sized(widths(type, 'store', ''), store(type, true)));
    for (const operation of ['add', 'sub', 'and', 'or', 'xor', 'xchg', 'cmpxchg']) {
      const operands = operation === 'cmpxchg' ? [type, type] : [type];
      const shape = { access: 'write', kind: 'rmw', atomic: true, operands, result: true, lane: false } as const;
      forms.push(...sized(widths(type, 'rmw', `.${operation}`), shape));
    }
  }
  const notify = { ...LOAD, kind: 'notify', atomic: true, operands: ['i32'] } as const;
  const wait = { ...LOAD, kind: 'wait', atomic: true } as const;
  return [
    ...forms,
    ...sized('memory.atomic.notify:4', notify),
    ...sized('memory.atomic.wait32:4', { ...wait, operands: ['i32', 'i64'] }),
    ...sized('memory.atomic.wait64:8', { ...wait, operands: ['i64', 'i64'] }),
  ];
}

export const MEMORY_FORMS: readonly MemoryForm[] = [...plain(), ...simd(), ...atomic()];

/** Instructions that take ranges of memory; they have tests of their own. */
export const BULK_FORMS: readonly string[] = ['memory.copy', 'memory.fill', 'memory.init'];

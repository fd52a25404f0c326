/**
 * For tests: structured functions at random, of which most is about a few pointers: accesses, copies, sums, blocks, loops,
 * branches, calls and exceptions in any mixture. What numbers are drawn decides everything, and 0 is always the simplest choice,
 * so that a function becomes simpler with smaller and fewer numbers.
 */
import { PAGE_SIZE } from '../../core/layout.ts';

export const PROGRAM_PAGES = 2;
const LIMIT = PROGRAM_PAGES * PAGE_SIZE;
/** VMAs that programs may access, all of each. */
export const PROGRAM_VMA_BYTES = 65_536;
export const PROGRAM_VMAS = [0x8000_0000, 0x8000_0000 + PROGRAM_VMA_BYTES] as const;
/** Pointers to begin with: so far from the ends that no program leaves. */
export const PROGRAM_PLACES = [60_000, ...PROGRAM_VMAS.map((start) => start + 30_000)] as const;

const OFFSETS = [0, 4, 8, 12, 60, 64, 100, 200, 251, 252, 300, 1000, 4088, 5000];
const DISTANCES = [4, 8, 16, 60, 1, 200, -4, -16];
const CONSTANTS = [1024, 50_000, 100_000, ...PROGRAM_VMAS.map((start) => start + 1000)];
const BOUNDS = [0, 1, 100, LIMIT, LIMIT - 1, 0x8000_0000, 0xffff_ffff];
/** Where indices are added to: tables in the home. */
const STARTS = [8192, 20_000, LIMIT - 30_000];
const LOADS = ['i32.load', 'i32.load8_u', 'i32.load16_s', 'i64.load', 'i64.load32_u'];
const STORES = ['i32.store', 'i32.store8', 'i32.store16', 'i64.store', 'i64.store8'];

/** What a program can have beside accesses, copies, sums, calls, blocks, branches and loops. */
export type ProgramFeature =
  /** Pointers that are compared with numbers, so that it is known where they are. */
  | 'bounds'
  /** Addresses that are constants: in locals; and at the access itself. */
  | 'constants'
  | 'addresses'
  /** Sums with constants that are not one instruction. */
  | 'sums'
  /** Pointers that are results of blocks, and set in blocks. */
  | 'results'
  | 'tail calls'
  | 'exceptions'
  /** Code that is never reached. */
  | 'dead code'
  /** Pointers that are computed from the stack pointer. */
  | 'stack'
  /** Pointers whose range is known, and loops that count in other ways. */
  | 'ranges';

export const PROGRAM_FEATURES: readonly ProgramFeature[] = [
  'bounds',
  'constants',
  'addresses',
  'sums',
  'results',
  'tail calls',
  'exceptions',
  'dead code',
  'stack',
  'ranges',
];

interface Label {
  readonly name: string;
  /** The local that counts iterations, of a loop. */
  readonly counter: string | undefined;
}

class Program {
  readonly #tape: readonly number[];
  readonly #features: ReadonlySet<ProgramFeature>;
  #at = 0;
  #labels: Label[] = [];
  #labelCount = 0;
  #loops = 0;
  #depth = 0;
  counters = 0;

  constructor(tape: readonly number[], features: ReadonlySet<ProgramFeature>) {
    this.#tape = tape;
    this.#features = features;
  }

  /** A text that needs a feature, or another one. */
  #if(feature: ProgramFeature, text: () => string, otherwise: string): string {
    return this.#features.has(feature) ? text() : otherwise;
  }

  /** A number below `count`; 0 when there are no numbers left. */
  #draw(count: number): number {
    const drawn = this.#tape[this.#at] ?? 0;
    this.#at += 1;
    return drawn % count;
  }

  #of<T>(list: readonly T[]): T {
    return list[this.#draw(list.length)] as T; // inside the list
  }

  #pointerLocal(): string {
    return this.#of(this.#features.has('constants') ? ['$p', '$q', '$r', '$c'] : ['$p', '$q', '$r']);
  }

  #sum(pointer: string): string {
    const distance = this.#of(DISTANCES);
    switch (this.#draw(5)) {
      case 0:
        return `(i32.add ${pointer} (i32.const ${distance}))`;
      case 1:
        return `(i32.sub ${pointer} (i32.const ${distance}))`;
      case 2:
        return `(i32.add (i32.const ${distance}) ${pointer})`;
      case 3:
        return this.#if('sums', () => `(i32.add ${pointer} (local.get $eight))`, pointer);
      default:
        return this.#if(
          'sums',
          () => `(i32.add ${pointer} (i32.add (i32.const 4) (i32.const ${distance})))`,
          `(i32.add ${pointer} (i32.and (i32.const ${distance}) (local.get $n)))`,
        );
    }
  }

  /** An expression that leaves a pointer. */
  #pointer(): string {
    const local = this.#pointerLocal();
    const get = `(local.get ${local})`;
    if (this.#depth > 6) return get;
    this.#depth += 1;
    const text = ((): string => {
      switch (this.#draw(11)) {
        case 7:
          return this.#sum(get);
        case 8:
          return `(local.tee ${local} ${this.#sum(`(local.get ${this.#pointerLocal()})`)})`;
        case 9:
          return this.#if('addresses', () => `(i32.const ${this.#of(CONSTANTS)})`, get);
        case 10:
          return this.#rarePointer(get);
        default:
          return get;
      }
    })();
    this.#depth -= 1;
    return text;
  }

  /** A pointer whose range is known, or nearly so. */
  #index(get: string): string {
    const counters = this.#labels.flatMap(({ counter }) => (counter === undefined ? [] : [counter]));
    const counter = `(local.get ${counters.length > 0 ? this.#of(counters) : '$n'})`;
    const start = this.#of(STARTS);
    const scaled = `(i32.shl ${counter} (i32.const ${this.#of([2, 3, 0, 8])}))`;
    switch (this.#draw(8)) {
      case 0:
        return `(i32.add ${scaled} (i32.const ${start}))`;
      case 1:
        return `(i32.add (i32.and ${get} (i32.const ${this.#of([1020, 0xfffc])})) (i32.const 8192))`;
      case 2:
        return `(i32.add (i32.load8_u offset=${start} ${counter}) (i32.const ${start}))`;
      case 3:
        return `(i32.add (i32.add (i32.and ${get} (i32.const 252)) ${scaled}) (i32.const 8192))`;
      case 4:
        return `(i32.add (i32.shr_u ${get} (i32.const ${this.#of([20, 16])})) (i32.const 8192))`;
      // A pointer that the loop may not change, and what is added to it.
      case 5:
        return `(i32.add ${get} ${scaled})`;
      case 6:
        return `(i32.add (i32.add ${scaled} ${get}) (i32.const ${this.#of([0, 1, 2, 40])}))`;
      default:
        return `(local.tee ${this.#pointerLocal()} (i32.add ${counter} (i32.const ${start})))`;
    }
  }

  #rarePointer(get: string): string {
    switch (this.#draw(8)) {
      case 0:
        return `(select ${get} (local.get ${this.#pointerLocal()}) ${this.#condition()})`;
      case 1:
        return this.#if('results', () => `(block (result i32) ${this.#statements(2)} ${get})`, get);
      case 2:
        return this.#if(
          'results',
          () => `(if (result i32) ${this.#condition()} (then ${get}) (else (local.get ${this.#pointerLocal()})))`,
          get,
        );
      case 3:
        return `(global.get $pointer)`;
      case 6:
      case 7:
        return this.#if('ranges', () => this.#index(get), get);
      case 4:
        return this.#if('stack', () => `(i32.sub (global.get $sp) (i32.const ${this.#of([64, 16, 0])}))`, get);
      default:
        return `(i32.load (i32.const ${this.#of([32, 36, 40])}))`;
    }
  }

  #condition(): string {
    switch (this.#draw(7)) {
      case 0:
        return '(local.get $n)';
      case 1:
        return '(i32.eqz (local.get $n))';
      case 2:
        return `(i32.and ${this.#value()} (i32.const 1))`;
      case 3:
        return this.#if('bounds', () => this.#bound('i32.lt_u'), '(local.get $n)');
      case 4:
        return this.#if('bounds', () => this.#bound('i32.ge_u'), '(local.get $n)');
      case 5:
        return `(i32.eq (local.get ${this.#pointerLocal()}) (local.get ${this.#pointerLocal()}))`;
      default:
        return `(local.get ${this.#pointerLocal()})`;
    }
  }

  #bound(name: string): string {
    return `(${name} (local.get ${this.#pointerLocal()}) (i32.const ${this.#of(BOUNDS)}))`;
  }

  #load(): string {
    const name = this.#of(LOADS);
    const offset = this.#of(OFFSETS);
    const load = `(${name} offset=${offset} align=1 ${this.#pointer()})`;
    return name.startsWith('i64') ? `(i32.wrap_i64 ${load})` : load;
  }

  #value(): string {
    if (this.#depth > 5) return '(local.get $s)';
    this.#depth += 1;
    const text = ((): string => {
      switch (this.#draw(12)) {
        case 0:
          return '(i32.const 7)';
        case 1:
        case 2:
        case 3:
          return this.#load();
        case 4:
          return '(local.get $s)';
        case 5:
          return `(i32.add ${this.#value()} ${this.#value()})`;
        case 6:
          return `(call $host ${this.#value()})`;
        case 7:
          return `(call $own ${this.#value()})`;
        case 8:
          return `(block (result i32) ${this.#statements(3)} ${this.#value()})`;
        case 9:
          return `(if (result i32) ${this.#condition()} (then ${this.#statements(2)} ${this.#value()}) (else ${this.#value()}))`;
        case 10:
          return `(local.get ${this.#pointerLocal()})`;
        default:
          return this.#rareValue();
      }
    })();
    this.#depth -= 1;
    return text;
  }

  #rareValue(): string {
    switch (this.#draw(6)) {
      case 0:
        return `(call_indirect (type $unary) ${this.#value()} (i32.and ${this.#value()} (i32.const 1)))`;
      case 1:
        return `(global.get $g)`;
      case 2:
        return this.#labelled((label) => {
          const condition = this.#condition();
          return `(block ${label} (result i32) (drop (br_if ${label} ${this.#value()} ${condition})) ${this.#value()})`;
        });
      case 3:
        return `(i32.xor (call $pair ${this.#value()}))`;
      case 4:
        return this.#if(
          'exceptions',
          () =>
            `(try (result i32) (do ${this.#statements(2)} ${this.#value()}) (catch $tag ${this.#value()}) (catch_all (i32.const 6)))`,
          '(i32.const 9)',
        );
      default:
        return `(local.tee $s ${this.#value()})`;
    }
  }

  #labelled(make: (label: string) => string, counter?: string): string {
    const name = `$l${this.#labelCount++}`;
    // Labels that take values along are not for branches of statements.
    const outer = this.#labels;
    this.#labels = counter === undefined ? outer : [...outer, { name, counter }];
    const text = make(name);
    this.#labels = outer;
    return text;
  }

  #block(make: (label: string) => string): string {
    const name = `$l${this.#labelCount++}`;
    const outer = this.#labels;
    this.#labels = [...outer, { name, counter: undefined }];
    const text = make(name);
    this.#labels = outer;
    return text;
  }

  #loop(): string {
    if (this.#loops === 2) return this.#store();
    this.#loops += 1;
    const counter = `$i${this.counters++}`;
    const begin = `(local.set ${counter} (i32.const 0))`;
    const form = this.#features.has('ranges') ? this.#draw(4) : 0;
    const text = this.#labelled((label) => {
      if (form > 1) return `${begin} ${this.#testedFirst(label, counter)}`;
      const body = this.#statements(5);
      const compare = form === 0 ? 'i32.lt_u' : this.#of(['i32.lt_s', 'i32.ne', 'i32.le_u', 'i32.le_s']);
      return `${begin} (loop ${label} ${body} (br_if ${label} ${again(counter, compare)}))`;
    }, counter);
    this.#loops -= 1;
    return text;
  }

  /** A loop that asks before each turn. */
  #testedFirst(label: string, counter: string): string {
    const compare = this.#of(['i32.lt_u', 'i32.lt_s', 'i32.le_s', 'i32.ne']);
    const bound = this.#of(['(i32.const 3)', '(i32.const 12)', '(local.get $count)']);
    const condition = `(${compare} (local.get ${counter}) ${bound})`;
    const raised = `(i32.add (local.get ${counter}) (i32.const ${this.#of([1, 3])}))`;
    const body = this.#statements(4);
    // Somebody else may have raised it beyond where it would be equal.
    const end =
      compare === 'i32.ne' ? `(br_if ${label} (i32.lt_u (local.get ${counter}) (i32.const 12)))` : `(br ${label})`;
    return `(loop ${label} (if ${condition} (then ${body} (local.set ${counter} ${raised}) ${end})))`;
  }

  #store(): string {
    const name = this.#of(STORES);
    const offset = this.#of(OFFSETS);
    const pointer = this.#pointer();
    const value = this.#value();
    const stored = name.startsWith('i64') ? `(i64.extend_i32_s ${value})` : value;
    return `(${name} offset=${offset} align=1 ${pointer} ${stored})`;
  }

  statements(): string {
    return this.#statements(12);
  }

  #statements(most: number): string {
    if (this.#depth > 6) return '';
    this.#depth += 1;
    const list: string[] = [];
    while (list.length < most && this.#draw(8) !== 0) list.push(this.#statement());
    this.#depth -= 1;
    return list.join('\n');
  }

  #statement(): string {
    switch (this.#draw(16)) {
      case 0:
      case 1:
      case 2:
        return `(drop ${this.#load()})`;
      case 3:
      case 4:
      case 5:
        return this.#store();
      case 6:
      case 7:
        return `(local.set ${this.#pointerLocal()} ${this.#pointer()})`;
      case 8:
        return `(local.set $s ${this.#value()})`;
      case 9:
        return `(drop (call ${this.#of(['$host', '$own'])} ${this.#value()}))`;
      case 10:
        return this.#block((label) => `(block ${label} ${this.#statements(5)})`);
      case 11: {
        const condition = this.#condition();
        return this.#block(
          (label) => `(if ${label} ${condition} (then ${this.#statements(4)}) (else ${this.#statements(4)}))`,
        );
      }
      case 12:
        return this.#loop();
      case 13:
        return this.#branch();
      case 14:
        return `(global.set ${this.#of(['$g', '$g2'])} ${this.#value()})`;
      default:
        return this.#rareStatement();
    }
  }

  /** Branches to loops count, so that all loops end. */
  #branch(): string {
    const label = this.#of(this.#labels.length > 0 ? this.#labels : [undefined]);
    if (label === undefined) return `(if ${this.#condition()} (then (return (local.get $s))))`;
    if (label.counter !== undefined) return `(br_if ${label.name} ${again(label.counter)})`;
    return `(br_if ${label.name} ${this.#condition()})`;
  }

  #blocks(): string {
    return this.#labels
      .filter(({ counter }) => counter === undefined)
      .map(({ name }) => name)
      .join(' ');
  }

  #try(): string {
    return this.#block((label) => `(try ${label} (do ${this.#statements(4)}) (catch_all ${this.#statements(3)}))`);
  }

  #rareStatement(): string {
    switch (this.#draw(8)) {
      case 0: {
        const labels = this.#blocks();
        return labels === '' ? '(nop)' : `(if (local.get $n) (then (br_table ${labels} ${this.#value()})))`;
      }
      case 1: {
        const labels = this.#blocks();
        return labels === '' ? '(nop)' : this.#if('dead code', () => `(br_table ${labels} ${this.#value()})`, '(nop)');
      }
      case 2:
        return this.#if(
          'tail calls',
          () => `(if ${this.#condition()} (then (return_call $own ${this.#value()})))`,
          '(nop)',
        );
      case 3:
        return this.#if('dead code', () => '(block (return (local.get $s)))', '(nop)');
      case 4:
        return this.#if('exceptions', () => this.#try(), '(nop)');
      case 5:
        return this.#if('exceptions', () => `(if ${this.#condition()} (then (throw $tag)))`, '(nop)');
      case 6:
        return `(global.set $pointer ${this.#pointer()})`;
      default:
        return `(memory.fill ${this.#pointer()} ${this.#value()} (i32.const ${this.#of([4, 0, 100])}))`;
    }
  }
}

/** Whether a loop goes on, which it does a few times. */
function again(counter: string, compare = 'i32.lt_u'): string {
  const raised = `(local.tee ${counter} (i32.add (local.get ${counter}) (i32.const 1)))`;
  // Branches before the end of the loop raise it too.
  return compare === 'i32.ne'
    ? `(i32.and (i32.ne ${raised} (i32.const 3)) (i32.lt_u (local.get ${counter}) (i32.const 9)))`
    : `(${compare} ${raised} (i32.const 3))`;
}

/** A module in the text format whose `run` takes three pointers and a number, and returns one. */
export function programText(tape: readonly number[], features: Iterable<ProgramFeature> = PROGRAM_FEATURES): string {
  const program = new Program(tape, new Set(features));
  const body = program.statements();
  const counters = Array.from({ length: program.counters }, (_, i) => `(local $i${i} i32)`).join(' ');
  return `(module
    (import "env" "memory" (memory ${PROGRAM_PAGES} 65536 shared))
    (import "jord" "host" (func $host (param i32) (result i32)))
    (tag $tag)
    (type $unary (func (param i32) (result i32)))
    (global $sp (mut i32) (i32.const 65536))
    (global $g (mut i32) (i32.const 3)) (global $g2 (mut i32) (i32.const 4))
    (global $pointer (mut i32) (i32.const 70000))
    (table 2 funcref) (elem (i32.const 0) $own $other)
    (func $own (param $x i32) (result i32)
      (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (local.get $x)))
      (i32.load (i32.const 2048)))
    (func $other (param $x i32) (result i32) (i32.mul (local.get $x) (i32.const 3)))
    (func $pair (param $x i32) (result i32 i32) (local.get $x) (i32.const 5))
    (func (export "run") (param $p i32) (param $q i32) (param $r i32) (param $n i32) (result i32)
      (local $s i32) (local $c i32) (local $eight i32) (local $count i32) ${counters}
      (local.set $c (i32.const 3000)) (local.set $eight (i32.const 8))
      (local.set $count (i32.add (i32.shl (local.get $n) (i32.const 1)) (i32.const 2)))
      ${body}
      (local.get $s)))`;
}

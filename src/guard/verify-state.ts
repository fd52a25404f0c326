/** What all parts of the walk through a body have in common: where it is, what is on the stack, and how it ends early. */
import { unprovenBody } from './errors.ts';
import { type ExpressionContext, InstructionList, WORD_A, WORD_OFFSET, WORDS } from './instructions.ts';
import type { HomeLayout } from './types.ts';
import { AccessProof } from './verify-access.ts';
import { Arithmetic, REFUSED } from './verify-arithmetic.ts';
import { type Canonical, standsAt } from './verify-canonical.ts';
import { Flow } from './verify-flow.ts';
import { Translations } from './verify-translations.ts';
import { KIND_NO_WINDOW, KIND_OPAQUE, VALUE_ANY, Values } from './verify-values.ts';
import { Windows } from './verify-windows.ts';

/** What the walk must know of the module. */
export interface FunctionContext {
  readonly bytes: Uint8Array;
  readonly layout: HomeLayout;
  /** By type index: numbers of parameters and results, and whether the last parameter can be `base`. */
  readonly typeParameters: Int32Array;
  readonly typeResults: Int32Array;
  readonly typeTakesBase: Uint8Array;
  /** Type index of every function, imported ones first, and of every tag. */
  readonly functions: readonly number[];
  readonly tags: readonly number[];
  /** The first function that the guard added, and how many of those are for data segments. */
  readonly addedFirst: number;
  readonly segmentCount: number;
  readonly describe: (index: number) => string;
}

export class WalkState {
  readonly context: FunctionContext;
  readonly decoding: ExpressionContext;
  readonly list = new InstructionList();
  readonly values = new Values();
  readonly translations: Translations;
  readonly windows: Windows;
  readonly flow: Flow;
  readonly proof: AccessProof;
  readonly arithmetic: Arithmetic;
  /** The function, how many locals it has, and which one holds `base`. */
  function = 0;
  localCount = 0;
  base = 0;
  /** Words of the list; place of the instruction that is looked at. */
  words: Int32Array = this.list.words;
  at = 0;

  /** `onTooMuch` makes the error for a function that takes too long to prove. */
  constructor(context: FunctionContext, onTooMuch: () => Error) {
    this.context = context;
    this.decoding = {
      typeCount: context.typeParameters.length,
      where: () => context.describe(this.function),
    };
    this.translations = new Translations(this.values, context.layout.addressMask !== 0);
    this.flow = new Flow(this.values, this.translations, onTooMuch);
    this.windows = new Windows(this.values);
    this.proof = new AccessProof(this.values, this.translations, this.windows, context.layout);
    this.arithmetic = new Arithmetic(this.values, this.translations, context.layout.addressMask);
  }

  /** Begins the body in `list`. */
  begin(base: number, localCount: number): void {
    this.words = this.list.words;
    this.at = 0;
    this.base = base;
    this.localCount = localCount;
    this.values.begin(localCount, base);
    this.translations.begin();
    this.windows.begin();
  }

  refuse(reason: string): Error {
    return unprovenBody(reason, this.words[this.at + WORD_OFFSET] ?? 0, this.decoding.where(), this.function);
  }

  /** Whether this instruction stands at word `at`, with this immediate. */
  isAt(at: number, opcode: number, a?: number): boolean {
    if (at >= this.list.count * WORDS) return false;
    return this.words[at] === opcode && (a === undefined || this.words[at + WORD_A] === a);
  }

  /** Whether code that is known word for word stands at word `at`. */
  standsAt(code: Canonical, at: number): boolean {
    return standsAt(code, this.list, at / WORDS, this.base, this.context.addedFirst);
  }

  // Operands.

  pop(): number {
    const flow = this.flow;
    if (flow.top <= flow.floor) throw this.refuse('more operands than there are');
    flow.top -= 1;
    return flow.stack[flow.top] as number;
  }

  /** What the function branches on it learns. */
  popCondition(): number {
    const condition = this.pop();
    // Whether a search has found what it looked for is the function's to know, as whether its own accesses are allowed is.
    if (this.values.isSecret(condition) && this.values.kinds[condition] !== KIND_NO_WINDOW)
      throw this.refuse("a branch on something that is not the function's to know");
    return condition;
  }

  /** Takes `count` values of the function itself from the stack. */
  popOwn(count: number, what: string): void {
    const flow = this.flow;
    this.expectOwn(count, what);
    flow.top -= count;
  }

  /** The uppermost `count` values must be the function's own. */
  expectOwn(count: number, what: string): void {
    const { stack, top, floor } = this.flow;
    if (top - count < floor) throw this.refuse('more operands than there are');
    for (let i = top - count; i < top; i += 1) {
      if (this.values.isSecret(stack[i] as number)) throw this.refuse(`${what} that is not the function's own`);
    }
  }

  allowed(value: number): number {
    if (value === REFUSED) throw this.refuse("a computation with a value that is not the function's own");
    return value;
  }

  // Locals.

  readLocal(local: number): number {
    if (local >= this.localCount) throw this.refuse(`there is no local ${local}`);
    const value = this.values.readLocal(local);
    if (value < 0) throw this.refuse(`local ${local} may hold something that is not the function's own`);
    return value;
  }

  write(local: number, value: number): void {
    if (local >= this.localCount) throw this.refuse(`there is no local ${local}`);
    if (local === this.base) throw this.refuse('a write to the local that holds base');
    this.flow.noteWritten(local);
    if (!this.values.writeLocal(local, value)) {
      throw this.refuse(`local ${local} may have held something that is not the function's own when it was read`);
    }
  }

  tee(local: number): void {
    const popped = this.pop();
    const value = popped === VALUE_ANY ? this.values.make(KIND_OPAQUE, 0, 0) : popped;
    this.write(local, value);
    this.flow.push(value);
  }

  // Deadline checks.

  expectChecked(check: number, what: string): void {
    if ((this.flow.checks & check) === 0) throw this.refuse(`${what} without a deadline check before it`);
  }
}

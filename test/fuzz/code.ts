/**
 * Modules as the fuzzer makes and shrinks them: trees that stay valid when a statement goes or an expression is replaced by
 * another one of its type. Plain data, so that structuredClone copies them. assemble.ts makes bytes of them.
 */
import type { MemoryForm, Operand } from '../memory-forms.ts';

export type Type = Operand;

/** An i32 or a pointer, an i64, the bits of a float, both halves of a v128; or the address of a VMA of the case, and so many bytes more. */
export type Constant = number | bigint | VmaAddress;

export interface VmaAddress {
  readonly vma: number;
  readonly delta: number;
}

export type Expression =
  | { kind: 'const'; type: Type; value: Constant }
  | { kind: 'get'; type: Type; local: number }
  | { kind: 'tee'; type: Type; local: number; value: Expression }
  | { kind: 'global'; type: Type; global: number }
  /** An instruction that touches nothing but its operands. `lane` is there where it has one. */
  | { kind: 'operation'; type: Type; name: string; operands: Expression[]; lane?: number }
  /** An access that leaves a value. */
  | ({ kind: 'access'; type: Type } & Access)
  | { kind: 'call'; type: Type; callee: string; operands: Expression[] }
  | { kind: 'indirect'; type: Type; signature: string; operands: Expression[]; index: Expression }
  | { kind: 'block'; type: Type; label: number; body: Statement[]; result: Expression }
  | {
      kind: 'choice';
      type: Type;
      condition: Expression;
      whenTrue: Statement[];
      trueResult: Expression;
      whenFalse: Statement[];
      falseResult: Expression;
    }
  /** A loop with a parameter: `local` gets what is carried, `next` is carried on while `condition` holds, `times` at most. */
  | {
      kind: 'carried';
      type: 'i32';
      label: number;
      local: number;
      counter: number;
      times: number;
      first: Expression;
      body: Statement[];
      next: Expression;
      condition: Expression;
    }
  | { kind: 'select'; type: Type; first: Expression; second: Expression; condition: Expression }
  /** A br_if with a value, which stays when the branch is not taken. */
  | { kind: 'leave if'; type: Type; label: number; value: Expression; condition: Expression }
  | { kind: 'size'; type: 'i32' }
  | { kind: 'grow'; type: 'i32'; pages: Expression };

/** What an instruction that touches memory at a pointer has. */
export interface Access {
  form: MemoryForm;
  pointer: Expression;
  offset: number;
  /** log2 */
  alignment: number;
  lane: number;
  operands: Expression[];
}

/** How a loop counts: where the test is, and what it compares. */
export type LoopShape =
  /** Test at the end, below a limit. The body can leave the counter larger. */
  | 'until'
  /** Test at the head. */
  | 'while'
  /** Test and step at the head, so the body can go on with a branch to `label`. */
  | 'for'
  /** Down to zero. */
  | 'down'
  /** Until the counter is exactly the limit. */
  | 'equal';

export interface Loop {
  kind: 'loop';
  label: number;
  shape: LoopShape;
  /** The local that counts; a pointer as well as a number. It begins with `from` and takes `times` steps of `step`. */
  counter: number;
  from: Expression;
  step: number;
  times: number;
  /** The local that has the limit; it is a constant when there is none, and then `from` must be 0. */
  limit: number | undefined;
  body: Statement[];
}

export type Statement =
  | { kind: 'nop' }
  | { kind: 'set'; local: number; value: Expression }
  | { kind: 'set global'; global: number; value: Expression }
  /** An access that leaves no value. */
  | ({ kind: 'store' } & Access)
  | { kind: 'drop'; value: Expression }
  /** A function without result. */
  | { kind: 'do'; callee: string; operands: Expression[] }
  /** A function with two results. */
  | { kind: 'set both'; callee: string; operands: Expression[]; locals: [number, number] }
  | { kind: 'group'; label: number; body: Statement[] }
  | { kind: 'if'; condition: Expression; whenTrue: Statement[]; whenFalse: Statement[] }
  | Loop
  | { kind: 'branch'; label: number; condition: Expression | undefined }
  /** A branch out of a `block`. */
  | { kind: 'leave'; label: number; value: Expression }
  | { kind: 'branch table'; labels: number[]; index: Expression }
  /** With as many values as the function has results. */
  | { kind: 'return'; values: Expression[] }
  | { kind: 'tail call'; callee: string; operands: Expression[] }
  | { kind: 'unreachable' }
  | { kind: 'copy' | 'fill'; to: Expression; from: Expression; length: Expression }
  | { kind: 'init'; segment: number; to: Expression; from: Expression; length: Expression }
  | { kind: 'forget segment'; segment: number }
  /** A body whose exceptions of the tag, or of all tags, are caught; a caught payload goes to `payload`. */
  | { kind: 'try'; label: number; tag: number | undefined; payload: number; body: Statement[]; caught: Statement[] }
  | { kind: 'throw'; tag: number; values: Expression[] };

export interface Signature {
  readonly parameters: readonly Type[];
  readonly results: readonly Type[];
}

export interface FunctionCode {
  name: string;
  signature: Signature;
  /** Behind the parameters. */
  locals: Type[];
  body: Statement[];
  results: Expression[];
  /** Ends the call when the fuel is used up, which a call from outside fills again. */
  usesFuel: boolean;
  /** Whether it is called from outside. */
  isEntry: boolean;
}

export interface GlobalCode {
  name: string;
  type: Type;
  mutable: boolean;
  value: Constant;
}

/** Words at a place; passive without one. */
export interface Segment {
  place: number | undefined;
  words: Constant[];
}

export interface ModuleCode {
  pages: number;
  maximumPages: number | undefined;
  /** Host functions of the ABI, by their names there; called as `jord.<name>`. */
  imports: string[];
  globals: GlobalCode[];
  functions: FunctionCode[];
  /** Functions by name. */
  table: string[];
  segments: Segment[];
  tags: Signature[];
  /** Which of the two encodings of exception handling: V8 allows one in a module. */
  legacyExceptions: boolean;
}

/** The first globals of each module. */
export const STACK_POINTER = 0;
export const FUEL = 1;
export const FUEL_PER_CALL = 200;

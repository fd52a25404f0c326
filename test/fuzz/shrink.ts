/** Makes a case that fails smaller: leaves out calls and statements, and puts simple expressions in place of others. */
import type { Expression, FunctionCode, Statement, Type } from './code.ts';
import type { GeneratedCase } from './generate.ts';

type Path = readonly (string | number)[];
type Tree = Record<string | number, unknown>;

const LISTS: ReadonlySet<string> = new Set(['body', 'whenTrue', 'whenFalse', 'caught']);
const TYPES: ReadonlySet<unknown> = new Set<Type>(['i32', 'i64', 'f32', 'f64', 'v128']);

interface Paths {
  /** Of lists of statements. */
  readonly lists: Path[];
  readonly expressions: Path[];
}

/** The smallest case for which `fails` still holds, as far as that is found in this time. */
export function shrink(
  start: GeneratedCase,
  fails: (candidate: GeneratedCase) => boolean,
  millisecondsMax: number,
): GeneratedCase {
  const end = performance.now() + millisecondsMax;
  let best = start;
  const attempt: Attempt = (change) => {
    if (performance.now() > end) return false;
    const copy = structuredClone(best);
    if (change(copy) === false || !fails(copy)) return false;
    best = copy;
    return true;
  };
  shrinkInvocations(() => best, attempt);
  for (let isSmaller = true; isSmaller && performance.now() < end; ) {
    isSmaller = shrinkFunctions(() => best, attempt);
    isSmaller = shrinkLists(() => best, attempt) || isSmaller;
    isSmaller = shrinkExpressions(() => best, attempt) || isSmaller;
    isSmaller = shrinkNumbers(() => best, attempt) || isSmaller;
  }
  return best;
}

type Current = () => GeneratedCase;
/** Says whether the case still fails with a change; where there is nothing to change, `change` returns false. */
type Attempt = (change: (copy: GeneratedCase) => unknown) => boolean;

function shrinkInvocations(current: Current, attempt: Attempt): void {
  const keep = (kept: GeneratedCase['invocations']): boolean => attempt((copy) => setAt(copy, ['invocations'], kept));
  for (const calls of current().invocations) if (keep([calls])) break;
  for (const call of current().invocations.flat()) if (keep([[call]])) break;
}

/** Functions and bodies that nobody needs. */
function shrinkFunctions(current: Current, attempt: Attempt): boolean {
  let isSmaller = false;
  for (const { name, body, usesFuel } of [...current().module.functions]) {
    const find = (copy: GeneratedCase): number => copy.module.functions.findIndex((one) => one.name === name);
    const isRemoved = attempt(({ module }) => {
      module.table = module.table.filter((one) => one !== name);
      return module.functions.splice(find(current()), 1);
    });
    const isEmptied = !isRemoved && body.length > 0 && attempt((copy) => functionAt(copy, find(copy)).body.splice(0));
    const isPlain =
      !isRemoved && usesFuel && attempt((copy) => setAt(functionAt(copy, find(copy)), ['usesFuel'], false));
    isSmaller = isRemoved || isEmptied || isPlain || isSmaller;
  }
  return isSmaller;
}

function functionAt(copy: GeneratedCase, index: number): FunctionCode {
  const f = copy.module.functions[index];
  if (f === undefined) throw new RangeError(`there is no function ${index}`);
  return f;
}

function shrinkLists(current: Current, attempt: Attempt): boolean {
  let isSmaller = false;
  for (let at = 0; ; at++) {
    const path = pathsOf(current()).lists[at];
    if (path === undefined) return isSmaller;
    const length = listAt(current(), path).length;
    for (let size = Math.max(length, 1); size >= 1; size = Math.floor(size / 2)) {
      for (let first = 0; first < listAt(current(), path).length; ) {
        const isShorter = attempt((copy) => listAt(copy, path).splice(first, size));
        isSmaller = isShorter || isSmaller;
        if (!isShorter) first += size;
      }
    }
    for (let i = 0; i < listAt(current(), path).length; i++) isSmaller = unwrap(path, i, attempt) || isSmaller;
  }
}

/** What is inside of a statement instead of it. */
function unwrap(path: Path, i: number, attempt: Attempt): boolean {
  return ['body', 'whenTrue', 'whenFalse', 'caught'].some((key) =>
    attempt((copy) => {
      const list = listAt(copy, path);
      const inner = (list[i] as unknown as Tree | undefined)?.[key];
      if (!Array.isArray(inner)) return false;
      return list.splice(i, 1, ...(inner as Statement[]));
    }),
  );
}

function shrinkExpressions(current: Current, attempt: Attempt): boolean {
  let isSmaller = false;
  for (let at = 0; ; at++) {
    const path = pathsOf(current()).expressions[at];
    if (path === undefined) return isSmaller;
    const expression = nodeAt(current(), path) as Expression | undefined;
    if (expression === undefined || expression.kind === 'const') continue;
    const simpler: Expression[] = [
      { kind: 'const', type: expression.type, value: 0 },
      ...partsOf(expression).filter(({ type }) => type === expression.type),
    ];
    isSmaller = simpler.some((one) => attempt((copy) => setAt(copy, path, structuredClone(one)))) || isSmaller;
  }
}

/** Offsets, lengths and numbers of rounds. */
function shrinkNumbers(current: Current, attempt: Attempt): boolean {
  let isSmaller = false;
  for (const { path, value } of numbersOf(current())) {
    const least = path.at(-1) === 'times' ? 1 : 0;
    if (value <= least) continue;
    isSmaller = attempt((copy) => setAt(copy, path, least)) || isSmaller;
  }
  return isSmaller;
}

function nodeAt(root: unknown, path: Path): unknown {
  let node: unknown = root;
  for (const key of path) node = (node as Tree | undefined)?.[key];
  return node;
}

function listAt(root: GeneratedCase, path: Path): Statement[] {
  const list = nodeAt(root, path);
  return Array.isArray(list) ? (list as Statement[]) : [];
}

function setAt(root: unknown, path: Path, value: unknown): void {
  const parent = nodeAt(root, path.slice(0, -1)) as Tree;
  parent[path.at(-1) ?? ''] = value;
}

function pathsOf(root: GeneratedCase): Paths {
  const paths: Paths = { lists: [], expressions: [] };
  walk(root.module.functions, ['module', 'functions'], (node, path) => {
    if (Array.isArray(node)) {
      if (LISTS.has(String(path.at(-1)))) paths.lists.push(path);
    } else if (typeof node['kind'] === 'string' && TYPES.has(node['type'])) paths.expressions.push(path);
  });
  return paths;
}

function numbersOf(root: GeneratedCase): { readonly path: Path; readonly value: number }[] {
  const found: { path: Path; value: number }[] = [];
  walk(root.module.functions, ['module', 'functions'], (node, path) => {
    if (Array.isArray(node)) return;
    for (const key of ['offset', 'times', 'alignment'])
      if (typeof node[key] === 'number') found.push({ path: [...path, key], value: node[key] });
  });
  return found;
}

/** Visits lists and nodes, the outer ones first. */
function walk(node: unknown, path: Path, visit: (node: Tree | unknown[], path: Path) => void): void {
  if (typeof node !== 'object' || node === null) return;
  visit(node as Tree, path);
  for (const [key, child] of Object.entries(node)) {
    // A form has a kind, too, but is no node.
    if (key !== 'form' && key !== 'signature') walk(child, [...path, Array.isArray(node) ? Number(key) : key], visit);
  }
}

/** The expressions right inside of one. */
function partsOf(expression: Expression): Expression[] {
  const parts: Expression[] = [];
  for (const [key, child] of Object.entries(expression)) {
    if (key === 'form') continue;
    for (const one of Array.isArray(child) ? child : [child]) {
      const part = one as Expression | undefined;
      if (typeof part === 'object' && TYPES.has(part.type)) parts.push(part);
    }
  }
  return parts;
}

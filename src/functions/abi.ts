/** Function ABI v1 as the server checks it at deploy; docs/abi.md says what each function does. */
import { JordError } from '../errors.ts';
import { quoteName } from '../guard/errors.ts';
import type { FunctionType, GuardedModule, ValueType } from '../guard/types.ts';

export const ABI_MODULE = 'jord';

function type(parameterCount: number, ...results: ValueType[]): FunctionType {
  return { parameters: Array.from({ length: parameterCount }, () => 'i32' as const), results };
}

const I64 = ['i64'] as const;
const I64_PAIR = ['i64', 'i64'] as const;

/** As many i32, then others, and what comes back. */
function mixed(i32Count: number, others: readonly ValueType[], ...results: ValueType[]): FunctionType {
  return { parameters: [...type(i32Count).parameters, ...others], results };
}

/** The host functions, with their types as a module sees them. */
export const ABI_FUNCTIONS = {
  argbuf_new: type(1, 'i32'),
  argbuf_free: type(1, 'i32'),
  argbuf_length: type(1, 'i32'),
  argbuf_resize: type(2, 'i32'),
  argbuf_protect: type(2, 'i32'),
  resolve: type(2, 'i32'),
  call: type(2, 'i32'),
  call_name: type(3, 'i32'),
  start: type(2, 'i32'),
  wait: type(1, 'i32'),
  wait_any: type(2, 'i32'),
  wait_all: type(2, 'i32'),
  cancel: type(1, 'i32'),
  sleep: type(1, 'i32'),
  fetch: type(1, 'i32'),
  log: type(3, 'i32'),
  time: type(0, 'f64'),
  random: type(2, 'i32'),
  request_field: type(2, 'i32'),
  request_fields: type(0, 'i32'),
  response_field: type(4, 'i32'),
  kv_open: type(2, 'i32'),
  kv_get: type(3, 'i32'),
  kv_version: type(1, 'i64'),
  kv_put: mixed(4, I64_PAIR, 'i64'),
  kv_delete: mixed(3, I64, 'i32'),
  kv_add: mixed(3, ['i64', 'i32'], 'i32'),
  kv_expire: mixed(3, I64, 'i32'),
  kv_list: type(6, 'i32'),
  kv_release: type(1, 'i32'),
  kv_sync: type(1, 'i32'),
} as const satisfies Record<string, FunctionType>;

export type AbiFunction = keyof typeof ABI_FUNCTIONS;

/** Those that can suspend the invocation. */
export const SUSPENDING_FUNCTIONS: readonly AbiFunction[] = [
  'wait',
  'wait_any',
  'wait_all',
  'sleep',
  'fetch',
  'kv_sync',
];
/** Those that read the HTTP request of the invocation, and those that write its response. */
export const HTTP_REQUEST_FUNCTIONS: readonly AbiFunction[] = ['request_field', 'request_fields'];
export const HTTP_RESPONSE_FUNCTIONS: readonly AbiFunction[] = ['response_field'];

/** The same by `module.name`, as the guard takes it. */
export const ABI_IMPORTS: ReadonlyMap<string, FunctionType> = new Map(
  Object.entries(ABI_FUNCTIONS).map(([name, functionType]) => [`${ABI_MODULE}.${name}`, functionType]),
);

const NAMES_SHOWN_MAX = 10;

export const HANDLE_EXPORT = 'handle';
export const INITIALIZE_EXPORT = '_initialize';

const EXPORTS: ReadonlyMap<string, FunctionType> = new Map([
  [HANDLE_EXPORT, type(2, 'i32')],
  [INITIALIZE_EXPORT, type(0)],
]);

function describe({ parameters, results }: FunctionType): string {
  return `(${parameters.join(', ')}) -> (${results.join(', ')})`;
}

/** Throws MODULE_EXPORT_MISSING unless the module exports `handle`, and that and `_initialize` with their right types. */
export function checkExports(exports: GuardedModule['exports']): void {
  if (!exports.some(({ name }) => name === HANDLE_EXPORT)) {
    const names = exports.slice(0, NAMES_SHOWN_MAX).map(({ name }) => quoteName(name));
    if (exports.length > NAMES_SHOWN_MAX) names.push(`${exports.length - NAMES_SHOWN_MAX} more`);
    throw new JordError(
      'MODULE_EXPORT_MISSING',
      `The module must export the function "${HANDLE_EXPORT}" ${describe(type(2, 'i32'))}; it exports ${names.join(', ') || 'no function'}.`,
    );
  }
  for (const { name, type: found } of exports) {
    const wanted = EXPORTS.get(name);
    if (wanted !== undefined && describe(wanted) !== describe(found)) {
      throw new JordError(
        'MODULE_EXPORT_MISSING',
        `The module exports "${name}" as ${describe(found)}; the ABI asks for ${describe(wanted)}.`,
      );
    }
  }
}

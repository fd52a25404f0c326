/** SQLite as a guest: the Wasm module of `sql.js` without its JavaScript side, with databases in memory only. */
import { functionType, type Guest, type GuestFunction, type MakeImports } from '../harness/guest.ts';
import { readBuild } from './build.ts';
import { EBADF, ENOENT, ENOSYS, emscriptenHost, failingCall, nameImports, readText } from './emscripten.ts';

const MODULE = 'sql.js/dist/sql-wasm.wasm';
const SHA256 = '43bbcdd44287e5a2db3b6b5af34b1a3485a7a441285d247976c1ebe3c61f8dbf';

/** Import names of this build. */
const IMPORTS: Readonly<Record<string, string>> = {
  a: 'assertFail',
  c: 'now',
  d: 'dateNow',
  e: 'fdClose',
  k: 'setTimer',
  l: 'resizeHeap',
  p: 'heapMax',
  q: 'fdWrite',
  u: 'procExit',
  v: 'keepaliveClear',
  w: 'abort',
  A: 'localTimeChecked',
  B: 'timeZone',
  E: 'fdSeek',
  G: 'environ',
  H: 'environSizes',
};

/** What SQLite would do with files: there are none. */
const FILE_IMPORTS: readonly (readonly [name: string, signature: string, error: number])[] = [
  ['b', 'iii:i', -EBADF], // fcntl
  ['g', 'ii:i', -EBADF], // fstat
  ['h', 'iii:i', -EBADF], // fchown
  ['i', 'ii:i', -ENOENT], // chmod
  ['j', 'ii:i', -EBADF], // fchmod
  ['m', 'ii:i', EBADF], // fd_fdstat_get
  ['n', 'iiii:i', -ENOENT], // utimensat
  ['o', 'iii:i', -ENOENT], // unlinkat
  ['r', 'i:i', -ENOENT], // rmdir
  ['s', 'iiii:i', -ENOENT], // readlinkat
  ['t', 'iiii:i', EBADF], // fd_read
  ['x', 'iiii:i', -ENOENT], // openat
  ['y', 'iiiijii:i', -ENOSYS], // mmap
  ['z', 'iiiiij:i', -ENOSYS], // munmap
  ['C', 'iii:i', -ENOENT], // mkdirat
  ['D', 'iiii:i', -ENOENT], // faccessat
  ['F', ':i', 0], // geteuid: root
  ['I', 'ii:i', -ENOSYS], // getcwd
  ['J', 'ij:i', -EBADF], // ftruncate
  ['K', 'i:i', EBADF], // fd_sync
  ['L', 'iiii:i', -ENOENT], // newfstatat
  ['M', 'ii:i', -ENOENT], // lstat
  ['N', 'ii:i', -ENOENT], // stat
];

/** Export names of this build. */
const EXPORTS = {
  initialize: 'P',
  malloc: 'Ia',
  free: 'Ja',
  open: 'Ha',
  exec: 'W',
  prepare: 'T',
  step: 'U',
  reset: 'V',
  finalize: 'X',
  bindInteger: 'ya',
  bindText: 'za',
  columnDouble: 'va',
  columnText: 'Z',
  columnBytes: 'ua',
  errorMessage: '$',
} as const;

type Functions = { readonly [Key in keyof typeof EXPORTS]: GuestFunction };

const MEMORY_EXPORT = 'O';
const SQLITE_OK = 0;
const SQLITE_ROW = 100;
const SQLITE_DONE = 101;
/** The destructor that makes SQLite copy a bound text. */
const SQLITE_TRANSIENT = -1;

export async function sqliteModule(): Promise<Uint8Array> {
  return await readBuild(MODULE, SHA256);
}

export const sqliteImports: MakeImports = (guest) => {
  const functions = nameImports(emscriptenHost(guest), IMPORTS);
  for (const [name, signature, error] of FILE_IMPORTS) functions.set(`a.${name}`, failingCall(signature, error));
  // Called by functions that sql.js adds to SQL, with a warning; nothing here uses them.
  functions.set('a.f', { type: functionType('i:'), call: () => undefined });
  return { functions, memoryExport: MEMORY_EXPORT };
};

/** A prepared statement; reset by every `each`. Lives as long as its database. */
export interface Statement {
  /** Parameters count from 1. Text is copied. */
  readonly bindInteger: (index: number, value: number) => void;
  readonly bindText: (index: number, text: string) => void;
  /** Runs it and calls `row` for each row. Returns the number of rows. */
  readonly each: (row: () => void) => number;
  /** Columns of the current row count from 0. */
  readonly number: (column: number) => number;
  readonly text: (column: number) => string;
  /** Length of a text in UTF-8. */
  readonly bytes: (column: number) => number;
}

export interface Database {
  /** Statements without parameters and without interest in rows. */
  readonly exec: (sql: string) => void;
  readonly prepare: (sql: string) => Statement;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs `use` with the address of `text` in the guest, zero-terminated, and its length. */
function withText<T>(guest: Guest, functions: Functions, text: string, use: (address: number, length: number) => T): T {
  const bytes = encoder.encode(`${text}\0`);
  const address = functions.malloc(bytes.length);
  guest.memory().set(bytes, address);
  try {
    return use(address, bytes.length - 1);
  } finally {
    functions.free(address);
  }
}

function statement(guest: Guest, functions: Functions, handle: number, check: (status: number) => void): Statement {
  const { step, reset, bindInteger, bindText, columnDouble, columnText, columnBytes } = functions;
  return {
    bindInteger: (index, value) => check(bindInteger(handle, index, value)),
    bindText: (index, text) =>
      withText(guest, functions, text, (address, length) =>
        check(bindText(handle, index, address, length, SQLITE_TRANSIENT)),
      ),
    each: (row) => {
      let rows = 0;
      let status = step(handle);
      for (; status === SQLITE_ROW; status = step(handle)) {
        rows++;
        row();
      }
      if (status !== SQLITE_DONE) check(status);
      check(reset(handle));
      return rows;
    },
    number: (column) => columnDouble(handle, column),
    bytes: (column) => columnBytes(handle, column),
    text: (column) => {
      const address = columnText(handle, column);
      return decoder.decode(guest.memory().slice(address, address + columnBytes(handle, column)));
    },
  };
}

/** A new database in the memory of a new guest. Failing calls throw an Error with SQLite's message. */
export function openDatabase(guest: Guest): Database {
  const functions = Object.fromEntries(
    Object.entries(EXPORTS).map(([key, name]) => [key, guest.function(name)]),
  ) as Functions;
  functions.initialize();
  const result = functions.malloc(4);
  const readResult = (): number => {
    const memory = guest.memory();
    return new DataView(memory.buffer, memory.byteOffset).getUint32(result, true);
  };
  const opened = withText(guest, functions, ':memory:', (name) => functions.open(name, result));
  const database = readResult();
  const check = (status: number): void => {
    if (status === SQLITE_OK) return;
    throw new Error(`SQLite: ${status}, ${readText(guest, functions.errorMessage(database))}`);
  };
  check(opened);
  return {
    exec: (sql) => withText(guest, functions, sql, (text) => check(functions.exec(database, text, 0, 0, 0))),
    prepare: (sql) => {
      withText(guest, functions, sql, (text, length) => check(functions.prepare(database, text, length, result, 0)));
      return statement(guest, functions, readResult(), check);
    },
  };
}

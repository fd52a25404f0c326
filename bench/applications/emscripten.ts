/**
 * The host side of a module that Emscripten built: what its C library asks of the embedder. There is no file system,
 * no environment and no time zone but UTC; what the guest writes is shown when it fails.
 *
 * Names are those of Emscripten's C library. The modules import them under short names that differ from build to
 * build, so each application has a table from those to these.
 */
import { functionType, type Guest, type HostFunction } from '../harness/guest.ts';

/** Error numbers of WASI and, negated, of the system calls. */
export const EBADF = 8;
export const ENOENT = 44;
export const ENOSYS = 52;
export const ESPIPE = 70;

const HEAP_MAX = 0x8000_0000;

export type EmscriptenHost = Readonly<Record<string, HostFunction>>;

function hostFunction(signature: string, call: HostFunction['call']): HostFunction {
  return { type: functionType(signature), call };
}

/** Zero-terminated UTF-8. */
export function readText(guest: Guest, address: number): string {
  const memory = guest.memory();
  const end = memory.indexOf(0, address);
  return new TextDecoder().decode(memory.slice(address, end));
}

function words(guest: Guest): DataView {
  const memory = guest.memory();
  return new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
}

function writeUtcTime(guest: Guest, seconds: bigint, address: number): void {
  const time = new Date(Number(seconds) * 1000);
  const newYear = Date.UTC(time.getUTCFullYear(), 0, 1);
  const fields = [
    time.getUTCSeconds(),
    time.getUTCMinutes(),
    time.getUTCHours(),
    time.getUTCDate(),
    time.getUTCMonth(),
    time.getUTCFullYear() - 1900,
    time.getUTCDay(),
    Math.floor((time.getTime() - newYear) / 86_400_000),
    0, // daylight saving time
    0, // offset from UTC
  ];
  const view = words(guest);
  for (const [index, field] of fields.entries()) view.setInt32(address + 4 * index, field, true);
}

/** Both time zone names are "UTC", with no offset and no daylight saving time. */
function writeTimeZone(guest: Guest, offset: number, daylight: number, names: readonly number[]): void {
  const view = words(guest);
  view.setInt32(offset, 0, true);
  view.setInt32(daylight, 0, true);
  for (const name of names) guest.memory().set([0x55, 0x54, 0x43, 0], name);
}

function gather(guest: Guest, vectors: number, count: number): Uint8Array[] {
  const view = words(guest);
  return Array.from({ length: count }, (_, index) => {
    const start = view.getUint32(vectors + 8 * index, true);
    return guest.memory().slice(start, start + view.getUint32(vectors + 8 * index + 4, true));
  });
}

/** Those that both applications have with the same type. */
export function emscriptenHost(guest: () => Guest): EmscriptenHost {
  const written: Uint8Array[] = [];
  const stop = (what: string): never => {
    throw new Error(`the guest ${what}${written.length > 0 ? `: ${Buffer.concat(written).toString()}` : ''}`);
  };
  return {
    assertFail: hostFunction('iiii:', (text: number) => stop(`failed the assertion ${readText(guest(), text)}`)),
    abort: hostFunction(':', () => stop('aborted')),
    procExit: hostFunction('i:', (status: number) => stop(`exited with status ${status}`)),
    keepaliveClear: hostFunction(':', () => undefined),
    setTimer: hostFunction('id:i', () => 0),
    timeZone: hostFunction('iiii:', (offset: number, daylight: number, standard: number, summer: number) => {
      writeTimeZone(guest(), offset, daylight, [standard, summer]);
      return undefined;
    }),
    localTime: hostFunction('ji:', (seconds: bigint, address: number) => {
      writeUtcTime(guest(), seconds, address);
      return undefined;
    }),
    localTimeChecked: hostFunction('ji:i', (seconds: bigint, address: number) => {
      writeUtcTime(guest(), seconds, address);
      return 0;
    }),
    dateNow: hostFunction(':d', () => Date.now()),
    now: hostFunction(':d', () => performance.now()),
    heapMax: hostFunction(':i', () => HEAP_MAX),
    resizeHeap: hostFunction('i:i', (bytes: number) => (guest().growTo(bytes >>> 0) ? 1 : 0)),
    environ: hostFunction('ii:i', () => 0),
    environSizes: hostFunction('ii:i', (count: number, bytes: number) => {
      words(guest()).setUint32(count, 0, true);
      words(guest()).setUint32(bytes, 0, true);
      return 0;
    }),
    fdClose: hostFunction('i:i', () => EBADF),
    fdSeek: hostFunction('ijii:i', () => ESPIPE),
    fdWrite: hostFunction('iiii:i', (_fd: number, vectors: number, count: number, result: number) => {
      const parts = gather(guest(), vectors, count);
      written.push(...parts);
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      words(guest()).setUint32(result, length, true);
      return 0;
    }),
  };
}

/** The host functions under the names of a build: `table` has ours by theirs. */
export function nameImports(host: EmscriptenHost, table: Readonly<Record<string, string>>): Map<string, HostFunction> {
  const functions = new Map<string, HostFunction>();
  for (const [short, name] of Object.entries(table)) {
    const found = host[name];
    if (found === undefined) throw new RangeError(`there is no host function ${name}`);
    functions.set(`a.${short}`, found);
  }
  return functions;
}

/** A call that always fails with `error`, which is negative for a system call and positive for one of WASI. */
export function failingCall(signature: string, error: number): HostFunction {
  return hostFunction(signature, () => error);
}

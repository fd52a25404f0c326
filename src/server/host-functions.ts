/**
 * The host functions of the function ABI (docs/abi.md), as imports of a guarded module: each takes `base` of the PD that
 * asks as its last parameter, which the guard passes and no function can forge.
 *
 * They throw nothing but stack overflows and traps of PrivLib, which V8 lets no WebAssembly handler catch. Anything else the
 * guest could catch.
 */
import { randomFillSync } from 'node:crypto';
import { HOME_FUNCTION, HOME_LOG_BYTES } from '../../core/layout.ts';
import {
  BAD_FIELD,
  BAD_PARAMETER,
  BAD_POINTER,
  LOG_EXHAUSTED,
  NO_HTTP_REQUEST,
  NO_SUCH_FIELD,
  OK,
  UNKNOWN_FUNCTION,
} from '../../core/status.ts';
import { ABI_MODULE, type AbiFunction } from '../functions/abi.ts';
import type { AsyncFunctions } from './async-functions.ts';
import { NameCache } from './name-cache.ts';
import { failed, type PrivLib } from './privlib.ts';
import { RESERVED_FIELDS } from './reserved-fields.ts';
import type { HttpRequest, LogLevel, LogRecord } from './types.ts';

/** The HTTP side of one root invocation: what came, and what the function sets. */
export interface HttpExchange {
  readonly request: HttpRequest;
  status: number | undefined;
  readonly headers: [name: string, value: string][];
}

/** What the host functions need of their executor. */
export interface HostFunctionContext {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  /** The lower half of the address space. */
  readonly words: Uint32Array;
  readonly privLib: PrivLib;
  readonly call: (id: number, request: number, asker: number) => number;
  readonly resolve: (name: string) => number | undefined;
  readonly nameOf: (descriptor: number) => string;
  readonly log: (record: LogRecord, asker: number) => void;
  /** Bytes that one invocation may log. */
  readonly logBytesMax: number;
  /** The HTTP side of the invocation whose PD has this base; undefined where it has none. */
  readonly exchange: (base: number) => HttpExchange | undefined;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Longer messages are cut. */
export const LOG_MESSAGE_BYTES_MAX = 8192;
export const LOG_MESSAGE_OVERHEAD_BYTES = 16;
/** Names of functions and fields are shorter; longer ones exist nowhere. */
const NAME_BYTES_MAX = 256;
/** For one response: HTTP peers refuse more anyway. */
export const RESPONSE_FIELDS_MAX = 100;
export const RESPONSE_FIELD_BYTES_MAX = 8192;
/** Bytes that `random` fills at once: what the system gives without a pause. */
const RANDOM_BYTES_MAX = 65536;

const FIELD_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Visible ASCII, space, tab and obs-text: RFC 9110, section 5.5. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
type HostFunctions = Record<AbiFunction, WebAssembly.ImportValue>;

/** The import object for instances of guarded modules on this executor. */
export function guestImports(context: HostFunctionContext, asyncFunctions: AsyncFunctions): WebAssembly.Imports {
  const { privLib } = context;
  const functions: HostFunctions = {
    // PrivLib's own functions: a call from WebAssembly to WebAssembly.
    argbuf_new: privLib.argBufNew,
    argbuf_free: privLib.vmaUnmap,
    argbuf_length: privLib.vmaLength,
    argbuf_resize: privLib.vmaResize,
    argbuf_protect: privLib.vmaProtect,
    kv_open: privLib.kvOpen,
    kv_get: privLib.kvGet,
    kv_version: privLib.kvVersion,
    kv_put: privLib.kvPut,
    kv_delete: privLib.kvDelete,
    kv_add: privLib.kvAdd,
    kv_expire: privLib.kvExpire,
    kv_list: privLib.kvList,
    kv_release: privLib.vmaRelease,
    kv_sync: (space: number, asker: number) => asyncFunctions.kv_sync(space, asker),
    ...callFunctions(context),
    start: (id: number, request: number, asker: number) => asyncFunctions.start(id, request, asker),
    cancel: (invocation: number, asker: number) => asyncFunctions.cancel(invocation, asker),
    wait: (invocation: number, asker: number) => asyncFunctions.wait(invocation, asker),
    wait_any: (pointer: number, count: number, asker: number) => asyncFunctions.wait_any(pointer, count, asker),
    wait_all: (pointer: number, count: number, asker: number) => asyncFunctions.wait_all(pointer, count, asker),
    sleep: (milliseconds: number, asker: number) => asyncFunctions.sleep(milliseconds, asker),
    fetch: (request: number, asker: number) => asyncFunctions.fetch(request, asker),
    ...systemFunctions(context),
    ...httpFunctions(context),
  };
  return { [ABI_MODULE]: { memory: context.memory, ...functions } };
}

/** Bytes that a guest names, as a Buffer over the address space; undefined when it may not read them. */
function readBytes(context: HostFunctionContext, pointer: number, length: number, asker: number): Buffer | undefined {
  const address = context.privLib.translate(pointer, length, 0, asker);
  if (failed(address)) return undefined;
  return Buffer.from(context.bytes.buffer, address >>> 0, length >>> 0);
}

function callFunctions(context: HostFunctionContext): Pick<HostFunctions, 'resolve' | 'call' | 'call_name'> {
  const names = new NameCache(context.bytes);
  const { call } = context;
  const { translate } = context.privLib;
  const resolve = (name: number, nameLength: number, asker: number): number => {
    const address = translate(name, nameLength, 0, asker);
    if (failed(address)) return BAD_POINTER;
    if (nameLength >>> 0 > NAME_BYTES_MAX) return UNKNOWN_FUNCTION;
    return context.resolve(names.read(address >>> 0, nameLength)) ?? UNKNOWN_FUNCTION;
  };
  return {
    resolve,
    call,
    call_name: (name: number, nameLength: number, request: number, asker: number): number => {
      const id = resolve(name, nameLength, asker);
      return failed(id) ? id : call(id, request, asker);
    },
  };
}

/** What a message counts as, in bytes: an empty one is not for nothing. */
function logCost(message: Uint8Array): number {
  return Math.min(message.length, LOG_MESSAGE_BYTES_MAX) + LOG_MESSAGE_OVERHEAD_BYTES;
}

function systemFunctions(context: HostFunctionContext): Pick<HostFunctions, 'log' | 'time' | 'random'> {
  const { privLib } = context;
  return {
    log: (level: number, text: number, textLength: number, asker: number): number => {
      const name = LEVELS[level];
      if (name === undefined) return BAD_PARAMETER;
      privLib.reserveHostStack();
      const bytes = readBytes(context, text, textLength, asker);
      if (bytes === undefined) return BAD_POINTER;
      const logged = (context.words[(asker + HOME_LOG_BYTES) >>> 2] ?? 0) + logCost(bytes);
      if (logged > context.logBytesMax) return LOG_EXHAUSTED;
      context.words[(asker + HOME_LOG_BYTES) >>> 2] = logged;
      const cut = bytes.length > LOG_MESSAGE_BYTES_MAX;
      const message = bytes.toString('utf8', 0, LOG_MESSAGE_BYTES_MAX) + (cut ? '…' : '');
      const descriptor = context.words[(asker + HOME_FUNCTION) >>> 2] ?? 0;
      context.log({ level: name, function: context.nameOf(descriptor), message }, asker);
      return OK;
    },
    time: (): number => performance.timeOrigin + performance.now(),
    random: (pointer: number, length: number, asker: number): number => {
      if (length >>> 0 > RANDOM_BYTES_MAX) return BAD_PARAMETER;
      const address = privLib.translate(pointer, length, 1, asker);
      if (failed(address)) return BAD_POINTER;
      // The system's generator does not fill shared memory.
      context.bytes.set(randomFillSync(new Uint8Array(length)), address >>> 0);
      return OK;
    },
  };
}

function httpFunctions(
  context: HostFunctionContext,
): Pick<HostFunctions, 'request_field' | 'request_fields' | 'response_field'> {
  const exchangeOf = context.exchange;
  return {
    request_field: (name: number, nameLength: number, asker: number): number => {
      const exchange = exchangeOf(asker);
      if (exchange === undefined) return NO_HTTP_REQUEST;
      const bytes = readBytes(context, name, nameLength, asker);
      if (bytes === undefined) return BAD_POINTER;
      const value =
        bytes.length > NAME_BYTES_MAX ? undefined : requestField(exchange.request, bytes.toString('latin1'));
      return value === undefined ? NO_SUCH_FIELD : textArgBuf(context, value, asker);
    },
    request_fields: (asker: number): number => {
      const exchange = exchangeOf(asker);
      if (exchange === undefined) return NO_HTTP_REQUEST;
      const { method, path, query, headers } = exchange.request;
      const fields = [[':method', method], [':path', path], [':query', query], ...headers];
      return textArgBuf(context, fields.map(([name, value]) => `${name}: ${value}\n`).join(''), asker);
    },
    response_field: (name: number, nameLength: number, value: number, valueLength: number, asker: number): number => {
      const exchange = exchangeOf(asker);
      if (exchange === undefined) return NO_HTTP_REQUEST;
      // Regular expressions that find no stack throw what a function could catch.
      context.privLib.reserveHostStack();
      const nameBytes = readBytes(context, name, nameLength, asker);
      const valueBytes = readBytes(context, value, valueLength, asker);
      if (nameBytes === undefined || valueBytes === undefined) return BAD_POINTER;
      if (nameBytes.length > NAME_BYTES_MAX || valueBytes.length > RESPONSE_FIELD_BYTES_MAX) return BAD_FIELD;
      return setResponseField(exchange, nameBytes.toString('latin1').toLowerCase(), valueBytes.toString('latin1'));
    },
  };
}

/** A new ArgBuf of the asker with this text, or a status. */
function textArgBuf(context: HostFunctionContext, text: string, asker: number): number {
  const bytes = Buffer.from(text, 'utf8');
  const address = context.privLib.vmaMap(bytes.length, asker);
  if (!failed(address)) context.bytes.set(bytes, address >>> 0);
  return address;
}

function requestField(request: HttpRequest, name: string): string | undefined {
  if (name === ':method') return request.method;
  if (name === ':path') return request.path;
  if (name === ':query') return request.query;
  const values = request.headers.filter(([header]) => header === name).map(([, value]) => value);
  // RFC 9110, section 5.2: several lines of one field are a list; cookies have a separator of their own (RFC 6265).
  return values.length === 0 ? undefined : values.join(name === 'cookie' ? '; ' : ', ');
}

function setResponseField(exchange: HttpExchange, name: string, value: string): number {
  if (name === ':status') {
    // Statuses below 200 are interim: they would leave the request without an answer.
    if (!/^[2-5][0-9][0-9]$/.test(value)) return BAD_FIELD;
    exchange.status = Number(value);
    return OK;
  }
  if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value) || RESERVED_FIELDS.has(name)) return BAD_FIELD;
  if (exchange.headers.length >= RESPONSE_FIELDS_MAX) return BAD_FIELD;
  // A field that is set again is replaced, but each cookie is a field of its own.
  const index = name === 'set-cookie' ? -1 : exchange.headers.findIndex(([header]) => header === name);
  if (index >= 0) exchange.headers[index] = [name, value];
  else exchange.headers.push([name, value]);
  return OK;
}

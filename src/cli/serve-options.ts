/** The options of `jord serve`. */

import { type Command, Option } from 'commander';
import { LIMITS } from '../guard/errors.ts';
import { OPTION_BOUNDS, type WorkerServerOptions } from '../server/settings.ts';
import { LOG_FORMATS, LOG_THRESHOLDS, type LogFormat, type LogThreshold } from './log.ts';
import { parseBytesWithin, parseNumberWithin, parsePath, parsePort, parseSwitch, tokenOption } from './options.ts';

export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly token?: string;
  readonly demo?: boolean;
  readonly graceMs: number;
  readonly executors?: number;
  readonly orchestrators: number;
  readonly queueBound?: number;
  readonly spinUs?: number;
  readonly outstandingMax: number;
  readonly queueDelayMs: number;
  readonly stacksMax: number;
  readonly bodyLimit: number;
  readonly moduleLimit: number;
  readonly responseLimit: number;
  readonly logLimit: number;
  readonly argbufLimit: number;
  readonly kvBytes: number;
  readonly maskAddresses?: boolean;
  readonly logLevel: LogThreshold;
  readonly logFormat?: LogFormat;
  readonly accessLog?: boolean;
}

/** Those for the worker server, by the names that it has for them. What is missing is its to choose. */
export type DispatchOptions = Omit<WorkerServerOptions, 'dataFolder' | 'log' | 'callDepthMax' | 'stuckMs'>;

export function dispatchOptions(options: ServeOptions): DispatchOptions {
  const { executors, orchestrators, queueBound, spinUs, outstandingMax, queueDelayMs, stacksMax } = options;
  return {
    ...(executors === undefined ? {} : { executors }),
    orchestrators,
    ...(queueBound === undefined ? {} : { queueBound }),
    ...(spinUs === undefined ? {} : { spinUs }),
    outstandingMax,
    queueDelayMs,
    stacksMax,
    responseBytesMax: options.responseLimit,
    logBytesMax: options.logLimit,
    argBufBytesMax: options.argbufLimit,
    kvBytesMax: options.kvBytes,
    maskAddresses: options.maskAddresses === true,
  };
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** The largest ArgBuf, which is what carries a body and a response. */
const BODY_MAX = 256 * MIB;
const DURATION_MS_MAX = 3_600_000;

export function addServeOptions(command: Command): void {
  addBasicOptions(command);
  addThreadOptions(command.optionsGroup('Threads and queues:'));
  addLimitOptions(command.optionsGroup('Limits:'));
  addLogOptions(command.optionsGroup('Log:'));
}

function addBasicOptions(command: Command): void {
  const port = new Option('-p, --port <port>', 'port to listen on; 0 takes any free one').env('PORT');
  const host = new Option('--host <address>', 'address to listen on; 0.0.0.0 for all').env('JORD_HOST');
  const data = new Option('-d, --data <folder>', 'folder of the function store').env('JORD_DATA');
  const masks = 'also mask the addresses of functions, against processors that guess a check wrong';
  const mask = new Option('--mask-addresses [yes]', masks);
  const grace = new Option('--grace-ms <ms>', 'how long requests under way may take once the server is told to stop');
  command
    .addOption(port.default(8080).argParser(parsePort))
    .addOption(host.default('127.0.0.1'))
    .addOption(data.default('.jord').argParser(parsePath))
    .addOption(tokenOption('who has it may manage functions from anywhere; without one, programs on this machine may'))
    .option('--demo', 'deploy the demo functions')
    .addOption(mask.env('JORD_MASK_ADDRESSES').preset('1').argParser(parseSwitch))
    .addOption(grace.env('JORD_GRACE_MS').default(10_000).argParser(parseNumberWithin(0, DURATION_MS_MAX)));
}

/** A whole number, with the bounds and the default of the worker server; `min` where the command line asks for more. */
function numberOption(
  flags: string,
  description: string,
  env: string,
  name: keyof typeof OPTION_BOUNDS,
  { min = OPTION_BOUNDS[name][0], isOptional = false }: { readonly min?: number; readonly isOptional?: boolean } = {},
): Option {
  const [, max, value] = OPTION_BOUNDS[name];
  const option = new Option(flags, description).env(env).argParser(parseNumberWithin(min, max));
  return isOptional ? option : option.default(value);
}

function addThreadOptions(command: Command): void {
  const executors = 'threads that run functions (default: cores without orchestrators, at least 1)';
  const orchestrators = 'threads that receive requests and dispatch them';
  const queueBound = `most invocations that an executor has at a time, 1 to ${OPTION_BOUNDS.queueBound[1]} (default: 2, and more short ones)`;
  const spinUs = 'how long a thread without work looks for some before it sleeps (default: the server chooses)';
  const outstandingMax = `most invocations accepted and not answered, 1 to ${OPTION_BOUNDS.outstandingMax[1]}`;
  const queueDelayMs = 'refuse more while the oldest of those that wait has waited longer; 0 never does';
  const stacksMax = 'most stacks of invocations that can be suspended; beyond that they queue';
  const isOptional = true;
  command
    .addOption(numberOption('--executors <n>', executors, 'JORD_EXECUTORS', 'executors', { min: 1, isOptional }))
    .addOption(numberOption('--orchestrators <n>', orchestrators, 'JORD_ORCHESTRATORS', 'orchestrators'))
    .addOption(numberOption('--queue-bound <n>', queueBound, 'JORD_QUEUE_BOUND', 'queueBound', { isOptional }))
    .addOption(numberOption('--spin-us <µs>', spinUs, 'JORD_SPIN_US', 'spinUs', { isOptional }))
    .addOption(numberOption('--outstanding-max <n>', outstandingMax, 'JORD_OUTSTANDING_MAX', 'outstandingMax'))
    .addOption(numberOption('--queue-delay-ms <ms>', queueDelayMs, 'JORD_QUEUE_DELAY_MS', 'queueDelayMs'))
    .addOption(numberOption('--stacks-max <n>', stacksMax, 'JORD_STACKS_MAX', 'stacksMax'));
}

function addLimitOptions(command: Command): void {
  const bytes = (flags: string, description: string, env: string): Option => new Option(flags, description).env(env);
  const response = bytes('--response-limit <bytes>', 'largest response of an invocation', 'JORD_RESPONSE_LIMIT');
  const log = bytes('--log-limit <bytes>', 'most that one invocation may log', 'JORD_LOG_LIMIT');
  const argBufs = bytes('--argbuf-limit <bytes>', 'most memory of ArgBufs of one invocation', 'JORD_ARGBUF_LIMIT');
  const kv = bytes('--kv-bytes <bytes>', 'most memory of all key spaces together', 'JORD_KV_BYTES');
  const [kvLeast, kvMost, kvNormal] = OPTION_BOUNDS.kvBytesMax;
  command
    .addOption(
      bytes('--body-limit <bytes>', 'largest body of an invocation', 'JORD_BODY_LIMIT')
        .default(16 * MIB, '16MiB')
        .argParser(parseBytesWithin(1, BODY_MAX)),
    )
    .addOption(
      bytes('--module-limit <bytes>', 'largest module in a deploy, 64MiB at most', 'JORD_MODULE_LIMIT')
        .default(LIMITS.moduleBytes, '64MiB')
        .argParser(parseBytesWithin(8, LIMITS.moduleBytes)),
    )
    .addOption(response.default(BODY_MAX, '256MiB').argParser(parseBytesWithin(1, BODY_MAX)))
    .addOption(log.default(64 * KIB, '64KiB').argParser(parseBytesWithin(0, GIB)))
    .addOption(argBufs.default(GIB, '1GiB').argParser(parseBytesWithin(128, GIB)))
    .addOption(kv.default(kvNormal, '1GiB').argParser(parseBytesWithin(kvLeast, kvMost)));
}

function addLogOptions(command: Command): void {
  const level = new Option('--log-level <level>', 'least level to log').env('JORD_LOG_LEVEL');
  const format = new Option('--log-format <format>', 'default: text on a terminal, json otherwise');
  command
    .addOption(level.default('info').choices(LOG_THRESHOLDS))
    .addOption(format.env('JORD_LOG_FORMAT').choices(LOG_FORMATS))
    .option('--access-log', 'log each request, at level info');
}

/** Managing functions: deploy, list, inspect, remove. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';
import { parseConcurrency } from '../functions/concurrency.ts';
import { parseDeadlineMs } from '../functions/deadline.ts';
import { checkFetchAllow } from '../functions/fetch-allow.ts';
import { checkKvRights } from '../functions/kv-rights.ts';
import { checkFunctionName } from '../functions/name.ts';
import type { DeployOptions, WorkerServer } from '../server/types.ts';
import type { Access } from './access.ts';
import { resource } from './routes.ts';

const MEMORY_LIMIT = 'memory_limit_bytes';
const DEADLINE = 'deadline_ms';
const CONCURRENCY = 'concurrency';
/** Once for each origin. */
const FETCH_ALLOW = 'fetch_allow';
/** Once for each space. */
const KV = 'kv';
const PARAMETERS: readonly string[] = [MEMORY_LIMIT, DEADLINE, CONCURRENCY, FETCH_ALLOW, KV];
const EMPTY = new Uint8Array(0);
const MAGIC: readonly number[] = [0, 0x61, 0x73, 0x6d];

/** One that is given several times is a list. */
type Query = Readonly<Record<string, string | readonly string[]>>;

export function functionsRoutes(
  app: FastifyInstance,
  worker: WorkerServer,
  access: Access,
  moduleLimitBytes: number,
): void {
  const before = (request: FastifyRequest): void => access.check(request.raw);
  resource(app, '/functions', {
    GET: { before, handler: () => ({ functions: worker.list() }) },
  });
  resource(app, '/functions/:name', {
    GET: { before, handler: (request) => worker.inspect(functionName(request)) },
    PUT: {
      before: (request) => {
        before(request);
        functionName(request);
        deployOptions(request);
      },
      bodyLimit: { limitBytes: moduleLimitBytes, reason: 'the limit of this server (--module-limit)' },
      handler: (request, reply) => deploy(worker, request, reply),
    },
    DELETE: {
      before,
      handler: async (request, reply) => {
        await worker.remove(functionName(request));
        return reply.code(204).send();
      },
    },
  });
}

async function deploy(worker: WorkerServer, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = functionName(request);
  const module = request.body instanceof Uint8Array ? request.body : EMPTY;
  checkIsModule(module);
  const isNew = !worker.has(name);
  const info = await worker.deploy(name, module, deployOptions(request));
  if (isNew) reply.code(201).header('location', `/functions/${name}`);
  return reply.send(info);
}

/** Throws MODULE_MALFORMED for what people send by mistake. All else is the guard's to refuse. */
function checkIsModule(body: Uint8Array): void {
  if (body.length === 0) throw new JordError('MODULE_MALFORMED', 'The body is empty. Send a WebAssembly module.');
  if (MAGIC.every((byte, index) => body[index] === byte)) return;
  throw new JordError(
    'MODULE_MALFORMED',
    'The body does not begin as a WebAssembly module does. Is it a source? `jord deploy` compiles AssemblyScript.',
    { offset: 0 },
  );
}

/** Throws FUNCTION_NAME_INVALID. */
function functionName(request: FastifyRequest): string {
  const { name } = request.params as { readonly name: string };
  checkFunctionName(name);
  return name;
}

/** Throws BAD_OPTION: a misspelt option must not be taken for the default. */
function deployOptions(request: FastifyRequest): DeployOptions {
  const query = request.query as Query;
  for (const name of Object.keys(query)) {
    if (!PARAMETERS.includes(name)) {
      const message = `There is no query parameter ${JSON.stringify(name)} here. There are ${PARAMETERS.join(', ')}.`;
      throw new JordError('BAD_OPTION', message);
    }
  }
  const memoryLimit = query[MEMORY_LIMIT];
  const deadline = query[DEADLINE];
  const concurrency = query[CONCURRENCY];
  const fetchAllow = query[FETCH_ALLOW];
  const kv = query[KV];
  return {
    ...(memoryLimit === undefined ? {} : { memoryLimitBytes: parseMemoryLimit(memoryLimit) }),
    ...(deadline === undefined ? {} : { deadlineMs: parseDeadlineMs(DEADLINE, String(deadline)) }),
    ...(concurrency === undefined ? {} : { concurrency: parseConcurrency(CONCURRENCY, String(concurrency)) }),
    ...(fetchAllow === undefined ? {} : { fetchAllow: checkFetchAllow([fetchAllow].flat()) }),
    ...(kv === undefined ? {} : { kv: checkKvRights([kv].flat()) }),
  };
}

function parseMemoryLimit(text: string | readonly string[]): number {
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text);
  throw new JordError('BAD_OPTION', `${MEMORY_LIMIT} is a whole number of bytes, given once.`);
}

/** Routes whose other methods are answered too: OPTIONS with what there is, everything else with a 405 that says so. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';
import type { BodyLimit } from './problem.ts';

export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

export interface Operation {
  readonly handler: Handler;
  /** Runs before the body is read; throws to refuse. */
  readonly before?: (request: FastifyRequest, reply: FastifyReply) => void;
  /** For an operation whose body may have another size than that of an invocation. */
  readonly bodyLimit?: BodyLimit;
}

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** Serves these methods at `url`. GET serves HEAD too. */
export function resource(app: FastifyInstance, url: string, operations: Partial<Record<Method, Operation>>): void {
  const methods = Object.keys(operations);
  for (const [method, { handler, before, bodyLimit }] of Object.entries(operations)) {
    app.route({
      method,
      url,
      handler,
      ...(bodyLimit === undefined ? {} : { bodyLimit: bodyLimit.limitBytes, config: { bodyLimit } }),
      ...(before === undefined
        ? {}
        : { onRequest: async (request: FastifyRequest, reply: FastifyReply) => before(request, reply) }),
    });
  }
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
  const allow = allowed.join(', ');
  app.route({
    method: 'OPTIONS',
    url,
    handler: (_request, reply) => reply.code(204).header('allow', allow).send(),
  });
  const refuse = async (request: FastifyRequest, reply: FastifyReply): Promise<never> => {
    reply.header('allow', allow);
    throw new JordError('METHOD_NOT_ALLOWED', `${request.method} is not possible here. Possible are ${allow}.`, {
      allow: allowed,
    });
  };
  // Refused before the body is read.
  const others = app.supportedMethods.filter((method) => !allowed.includes(method));
  app.route({ method: others, url, onRequest: refuse, handler: refuse });
}

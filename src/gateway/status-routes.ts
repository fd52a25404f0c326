/** What the server is, how it is, and what it does. */

import type { FastifyInstance } from 'fastify';
import { JordError } from '../errors.ts';
import type { WorkerServer } from '../server/types.ts';
import type { Access } from './access.ts';
import { overview, overviewPage, prefersHtml } from './overview.ts';
import { resource } from './routes.ts';

const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function statusRoutes(app: FastifyInstance, worker: WorkerServer, access: Access, isReady: () => boolean): void {
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });

  resource(app, '/', {
    GET: {
      handler: (request, reply) => {
        reply.header('vary', 'accept').header('cache-control', 'no-store');
        const description = overview(worker.list(), request.headers.host);
        if (!prefersHtml(request.headers.accept)) return reply.send(description);
        reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY);
        return reply.send(overviewPage(description, !access.needsToken));
      },
    },
  });
  resource(app, '/stats', {
    GET: {
      before: (request) => access.check(request.raw),
      handler: async (_request, reply) => reply.header('cache-control', 'no-store').send(await worker.stats()),
    },
  });
  resource(app, '/healthz', { GET: { handler: () => ({ status: 'ok' }) } });
  resource(app, '/readyz', {
    GET: {
      handler: () => {
        if (isClosing) throw new JordError('SERVER_STOPPED', 'The server is about to stop.');
        if (!isReady())
          throw new JordError('SERVER_STARTING', 'The server still deploys functions. Ask again in a moment.');
        return { status: 'ready', functions: worker.list().length };
      },
    },
  });
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem-json.ts';

/**
 * What no route takes: 405 with `Allow` where another method would do, `OPTIONS` answered with the same list, else 404.
 * Must be added before the routes, which it takes note of.
 */
export function addNotFound(app: FastifyInstance): void {
  const routes = new Map<string, { path: RegExp; methods: Set<string> }>();

  app.addHook('onRoute', ({ url, method }) => {
    const known = routes.get(url) ?? { path: pathPattern(url), methods: new Set(['OPTIONS']) };
    for (const each of [method].flat()) known.methods.add(each);
    routes.set(url, known);
  });

  const answer = (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = [...routes.values()].find((route) => route.path.test(path))?.methods;
    if (methods === undefined) {
      const detail = 'There is no such route; GET /openapi.json lists them.';
      return sendProblem(reply, { code: 'not_found', detail }, undefined);
    }
    const allowed = [...methods].toSorted().join(', ');
    reply.header('allow', allowed);
    if (request.method === 'OPTIONS') return reply.code(204).send();
    const detail = `This route takes ${allowed}.`;
    return sendProblem(reply, { code: 'method_not_allowed', detail }, undefined);
  };
  app.setNotFoundHandler(answer);
  // A route that isn't there isn't there, whatever the body: answered before it is read.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answer(request, reply);
    else done();
  });
}

/** A route's url as a pattern for paths: `:name` is one segment, `*` is the rest. */
function pathPattern(url: string): RegExp {
  const pattern = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\*/g, '.*');
  return new RegExp(`^${pattern}$`);
}

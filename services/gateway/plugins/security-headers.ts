import type { FastifyInstance } from 'fastify';

/** Below here are pages for people. */
export const pages = '/docs';

/** Nobody frames a page of ours, and nothing is told to where its links lead. */
const pageHeaders = {
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** For every answer: a browser must take it for what it says it is. Beside the pages' Content-Security-Policy. */
export function addSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    if (request.url.startsWith(pages)) reply.headers(pageHeaders);
    done();
  });
}

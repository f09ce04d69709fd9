import type { FastifyReply } from 'fastify';

/**
 * Calls `onGone` when the caller goes before it has its answer. Fastify's `onResponse` does not come then, and its
 * `onRequestAbort` only while the request itself is still arriving.
 */
export function whenCallerGone(reply: FastifyReply, onGone: () => void): void {
  let answered = false;
  reply.raw.once('finish', () => {
    answered = true;
  });
  reply.raw.once('close', () => {
    if (!answered) onGone();
  });
}

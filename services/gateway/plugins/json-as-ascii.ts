import type { FastifyInstance } from 'fastify';

const NOT_ASCII = /[\u0080-\uffff]/g;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/;

/** Has JSON answers escape what is not ASCII, for readers that take it for something else: `é` leaves as `\u00e9`. */
export function answerJsonAsAscii(app: FastifyInstance): void {
  app.addHook('onSend', (_request, reply, payload, done) => {
    const isJson = typeof payload === 'string' && JSON_TYPE.test(String(reply.getHeader('content-type')));
    done(null, isJson ? payload.replace(NOT_ASCII, escapeUnit) : payload);
  });
}

/** A character outside the basic plane is two units, and JSON escapes it as two. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

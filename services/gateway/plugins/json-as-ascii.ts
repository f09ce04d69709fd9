import type { FastifyInstance } from 'fastify';

const notAscii = /[\u0080-\uffff]/g;
const jsonType = /^application\/(?:[\w.-]+\+)?json\b/;

/** Has JSON answers escape what is not ASCII, for readers that take it for something else: `é` leaves as `\u00e9`. */
export function answerJsonAsAscii(app: FastifyInstance): void {
  app.addHook('onSend', (_request, reply, payload, done) => {
    const isJson = typeof payload === 'string' && jsonType.test(String(reply.getHeader('content-type')));
    done(null, isJson ? writeAsAscii(payload) : payload);
  });
}

/** A JSON text in ASCII alone. */
export function writeAsAscii(json: string): string {
  return json.replace(notAscii, escapeUnit);
}

/** A character outside the basic plane is two units, and JSON escapes it as two. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

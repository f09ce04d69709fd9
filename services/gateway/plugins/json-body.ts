import type { FastifyInstance } from 'fastify';
import { findDuplicateKey } from '../../../shared/contracts/duplicate-key.ts';
import { fieldName } from '../../../shared/contracts/field-errors.ts';
import { RequestRefused } from './problem-json.ts';
import { InvalidInput } from './validation.ts';

const charsetPattern = /;\s*charset\s*=\s*"?([^";\s]*)/i;

/** Bodies are plain JSON or nothing, and say one thing: no compression, no key twice, no key that changes prototypes. */
export function addJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain');
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = body.toString();
    void parse(request, text, (error, value) => {
      const twice = error === null ? findDuplicateKey(text, value) : undefined;
      if (twice === undefined) done(error, value);
      else done(new InvalidInput([{ field: fieldName([twice]), message: 'is there twice' }]));
    });
  });
  app.addHook('preParsing', (request, reply, payload, done) => {
    const [, charset = 'utf-8'] = charsetPattern.exec(request.headers['content-type'] ?? '') ?? [];
    if (charset.toLowerCase() !== 'utf-8') {
      done(new RequestRefused({ code: 'unsupported_media_type', detail: 'The body must be in UTF-8.' }));
      return;
    }
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding.toLowerCase() === 'identity') {
      done(null, payload);
      return;
    }
    // RFC 9110 §12.5.3: with a 415 it says what would have been taken.
    reply.header('accept-encoding', 'identity');
    const detail = 'The body must be sent as it is, not compressed.';
    done(new RequestRefused({ code: 'unsupported_media_type', detail }));
  });
}

import { isUtf8 } from 'node:buffer';
import { MIMEType } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { findDuplicateKeys } from '../../../shared/contracts/duplicate-key.ts';
import { duplicateKeyError } from '../../../shared/contracts/field-errors.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import { RequestRefused } from './problem-json.ts';
import { InvalidInput } from './validation.ts';

/** Bodies are plain JSON or nothing, and say one thing: no compression, no key twice, no key that changes prototypes. */
export function addJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain');
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!isSaidToBeUtf8(request.headers['content-type'] ?? '')) {
      done(new RequestRefused({ code: 'unsupported_media_type', detail: 'The body must be in UTF-8.' }));
      return;
    }
    // Read as UTF-8 all the same, they would become other text than was meant, without a word.
    if (!isUtf8(body)) {
      done(new InvalidInput([{ field: 'body', message: 'must be in UTF-8' }]));
      return;
    }
    const text = body.toString();
    void parse(request, text, (error, value) => {
      if (error !== null) {
        done(text === '' ? error : new InvalidInput([{ field: 'body', message: whyNotTaken(text) }]));
        return;
      }
      const [duplicate] = findDuplicateKeys(text, value).values();
      if (duplicate === undefined) done(null, value);
      else done(new InvalidInput([duplicateKeyError(duplicate)]));
    });
  });
  app.addHook('preParsing', (request, reply, payload, done) => {
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

/** The parser says only that it did not take a text, not why. */
function whyNotTaken(text: string): string {
  try {
    JSON.parse(text);
    return 'must have no member named __proto__, nor a constructor with a prototype';
  } catch (error) {
    return `must be valid JSON: ${messageOf(error)}`;
  }
}

/** Names of UTF-8, and of a part of it. */
const utf8Names: ReadonlySet<string> = new Set(['', 'utf-8', 'utf8', 'us-ascii']);

/** As far as it says. */
function isSaidToBeUtf8(contentType: string): boolean {
  if (!contentType.includes(';')) return true;
  const charset = new MIMEType(contentType).params.get('charset') ?? '';
  return utf8Names.has(charset.toLowerCase());
}

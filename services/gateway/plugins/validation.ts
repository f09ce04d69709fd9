import type { FastifyInstance, preValidationHookHandler } from 'fastify';
import type { z } from 'zod';
import { isDecodable } from '../../../shared/config/is-decodable.ts';
import { checkFields, duplicateKeyError, fieldError } from '../../../shared/contracts/field-errors.ts';
import type { FieldError } from '../../../shared/contracts/outcomes.ts';

/** Input that doesn't match its schema: each field, and what it should be. */
export class InvalidInput extends Error {
  readonly fields: readonly FieldError[];

  constructor(fields: readonly FieldError[]) {
    super('the request is not valid');
    this.name = 'InvalidInput';
    this.fields = fields;
  }
}

/** Checks bodies, paths and query strings with the routes' zod schemas, and writes answers. Must be added before the routes. */
export function addValidation(app: FastifyInstance): void {
  app.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => {
    // Header schemas are for the documentation: parsing would take the other headers away.
    if (httpPart === 'headers') return () => true;
    return (data) => {
      const checked = checkFields(schema, data, 'body');
      return 'value' in checked ? checked : { error: new InvalidInput(checked.fields) };
    };
  });
  app.addHook('onRoute', (route) => {
    if (route.schema?.querystring !== undefined) route.preValidation = refuseFaultyQuery;
  });
  // Answers are built field by field, checked by the compiler: checking them once more would cost 2 µs a request.
  app.setSerializerCompiler(() => JSON.stringify);
}

const refuseFaultyQuery: preValidationHookHandler = (request, _reply, done) => {
  const fault = findQueryFault(request.url);
  done(fault === undefined ? undefined : new InvalidInput([fault]));
};

/**
 * What a query string no longer shows once Fastify has read it: that a field is there twice, and what it can't decode, which it
 * leaves as it came. A reference in another encoding would be looked for in vain.
 */
function findQueryFault(url: string): FieldError | undefined {
  const start = url.indexOf('?');
  if (start === -1) return undefined;
  const seen = new Set<string>();
  for (const pair of url.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const [field = ''] = pair.split('=');
    if (seen.has(field)) return duplicateKeyError(field);
    seen.add(field);
    if (!isDecodable(pair)) return fieldError(field, 'must be percent-encoded UTF-8');
  }
  return undefined;
}

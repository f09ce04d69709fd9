import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { FieldError } from '../../../shared/contracts/outcomes.ts';

/** Of what is wrong with a request, at most so much is named: a body can hold thousands of unknown fields. */
const MAX_FIELDS = 20;
const MAX_FIELD_NAME_LENGTH = 64;

/** Input that doesn't match its schema: each field, and what it should be. */
export class InvalidInput extends Error {
  readonly fields: readonly FieldError[];

  constructor(fields: readonly FieldError[]) {
    super('the request is not valid');
    this.name = 'InvalidInput';
    this.fields = fields;
  }
}

/** Checks bodies and path parameters with the routes' zod schemas, and writes answers. */
export function addValidation(app: FastifyInstance): void {
  app.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => {
    // Header schemas are for the documentation: parsing would take the other headers away.
    if (httpPart === 'headers') return () => true;
    return (data) => {
      const parsed = schema.safeParse(data);
      return parsed.success ? { value: parsed.data } : { error: new InvalidInput(fieldErrors(parsed.error)) };
    };
  });
  // Answers are built field by field, checked by the compiler: checking them once more would cost 2 µs a request.
  app.setSerializerCompiler(() => JSON.stringify);
}

function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap(fieldErrorsOf).slice(0, MAX_FIELDS);
}

function fieldErrorsOf(issue: z.core.$ZodIssue): FieldError[] {
  const place = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: fieldName([...place, key]),
      message: 'is not a field of this request',
    }));
  }
  if (place.length === 0) return [{ field: 'body', message: 'must be a JSON object' }];
  return [{ field: fieldName(place), message: issue.message }];
}

/** The name of a field of the caller's, short enough to be shown. */
export function fieldName(place: readonly string[]): string {
  return place.join('.').slice(0, MAX_FIELD_NAME_LENGTH);
}

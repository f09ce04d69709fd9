import { z } from 'zod';
import type { ErrorView, FieldError } from './outcomes.ts';

/** Naming more than this helps nobody, and an attacker should not choose the size of an answer. */
const maxFieldErrors = 20;

/** Names are the sender's, too: a message may hold one of half a million characters. */
const maxNameLength = 100;

/**
 * Checks a value that a caller sent.
 *
 * @param whole what the value is called where no field of it is wrong but all of it, such as `body`.
 * @returns the value as its schema reads it, or each wrong field with what it should be.
 */
export function checkFields<T>(
  schema: z.ZodType<T>,
  value: unknown,
  whole: string,
): { readonly value: T } | { readonly fields: FieldError[] } {
  // Asked for words from the start, zod takes three times as long for every value that is right.
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data };
  const { error = parsed.error } = schema.safeParse(value, { error: wordsForIssue });
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return {
    fields: error.issues.flatMap((issue) => fieldErrorsOf(issue, whole, known)).slice(0, maxFieldErrors),
  };
}

/** Bad input: the fields, and the same as one sentence. */
export function invalidRequest(fields: readonly FieldError[]): ErrorView {
  const named = fields.map(({ field, message }) => `${field} ${message}`).join('; ');
  return { code: 'invalid_request', detail: `Not valid: ${named}.`, fields: [...fields] };
}

/** What is wrong with an object that has this key twice. */
export function duplicateKeyError(key: string): FieldError {
  return fieldError(key, 'is there twice');
}

/** What is wrong with the field of this name, which may be the sender's. */
export function fieldError(key: string, message: string): FieldError {
  return { field: fieldName([key]), message };
}

/** A field's name, short enough to be shown. */
function fieldName(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').slice(0, maxNameLength);
}

function fieldErrorsOf(issue: z.core.$ZodIssue, whole: string, known: readonly string[]): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const meant = known.find((each) => each.toLowerCase() === key.toLowerCase());
      return {
        field: fieldName([...issue.path, key]),
        message: `is not known here; ${meant === undefined ? 'leave it out' : `did you mean ${meant}?`}`,
      };
    });
  }
  return [{ field: fieldName(issue.path) || whole, message: issue.message }];
}

const nouns: Readonly<Record<string, string>> = {
  array: 'an array',
  int: 'a whole number',
  number: 'a number',
  object: 'a JSON object',
  record: 'an object',
  string: 'a string',
};

/** What a field should be, where its schema has no words of its own for it: zod's tell of zod's own workings. */
const wordsForIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return nouns[issue.expected] === undefined ? undefined : `must be ${nouns[issue.expected]}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `must ${sizeOf(issue.origin)} at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `must ${sizeOf(issue.origin)} at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_key':
      return 'has a name that is not valid';
    case 'invalid_format':
    case 'invalid_element':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'custom':
      return undefined;
  }
};

function sizeOf(origin: string): string {
  return unitOf(origin) === '' ? 'be' : 'have';
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' elements' : '';
}

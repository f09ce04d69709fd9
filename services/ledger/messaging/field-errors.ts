import type { z } from 'zod';
import type { FieldError } from '../../../shared/contracts/outcomes.ts';

/** Naming more than this helps nobody, and an attacker should not choose the size of an answer. */
const maxFieldErrors = 10;

/** Names are the sender's, too: a message may hold one of half a million characters. */
const maxNameLength = 100;

/** Each wrong field with what it should be. */
export function fieldErrorsOf(error: z.ZodError): FieldError[] {
  return error.issues.flatMap(fieldErrorsOfIssue).slice(0, maxFieldErrors);
}

function fieldErrorsOfIssue(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: nameOf([...issue.path, key]),
      message: 'is not known here; leave it out',
    }));
  }
  return [{ field: nameOf(issue.path) || 'payload', message: issue.message }];
}

function nameOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').slice(0, maxNameLength);
}

const NOUNS: Readonly<Record<string, string>> = {
  array: 'an array',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a string',
};

/** What a field should be, where its schema has no words of its own for it: zod's tell of zod's own workings. */
export const wordsForIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return NOUNS[issue.expected] === undefined ? undefined : `must be ${NOUNS[issue.expected]}`;
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

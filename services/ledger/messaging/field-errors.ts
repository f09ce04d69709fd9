import type { z } from 'zod';
import type { FieldError } from '../../../shared/contracts/outcomes.ts';

/** Naming more than this helps nobody, and an attacker should not choose the size of an answer. */
const maxFieldErrors = 10;

/** Each wrong field with what it should be. */
export function fieldErrorsOf(error: z.ZodError): FieldError[] {
  return error.issues.flatMap(fieldErrorsOfIssue).slice(0, maxFieldErrors);
}

function fieldErrorsOfIssue(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join('.').slice(0, 100),
      message: 'is not known here; leave it out',
    }));
  }
  return [{ field: issue.path.join('.') || 'payload', message: issue.message }];
}

import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import { findDuplicateKeys } from '../../../shared/contracts/duplicate-key.ts';
import { checkFields, duplicateKeyError, invalidRequest } from '../../../shared/contracts/field-errors.ts';
import { maxCommandsPerMessage, maxMessageBytes } from '../../../shared/contracts/limits.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';

/** An element as it arrived, not yet looked at. */
export interface PayloadElement {
  readonly value: unknown;
  /** A key that it has twice: then it says two things. */
  readonly duplicateKey?: string | undefined;
}

/** A payload as it arrived: one element or several. */
export interface Payload {
  readonly elements: readonly PayloadElement[];
  /** The reply has the shape of the request. */
  readonly shape: 'single' | 'array';
}

/** Reads the JSON of a message: one element, or an array of them; or says what is wrong with it as a whole. */
export function readPayload(data: Uint8Array): Payload | { readonly error: ErrorView } {
  if (data.length > maxMessageBytes) {
    return invalid(
      `The payload has ${data.length} bytes; at most ${maxMessageBytes} are taken. Send smaller arrays.`,
    );
  }
  if (!isUtf8(data)) return invalid('The payload must be JSON in UTF-8.');
  const json = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return invalid('The payload must be JSON: one object, or an array of objects.');
  }
  const duplicateKeys = findDuplicateKeys(json, value);
  if (!Array.isArray(value))
    return { elements: [{ value, duplicateKey: duplicateKeys.get(0) }], shape: 'single' };
  if (value.length === 0) return invalid('The array is empty: send at least one element.');
  if (value.length > maxCommandsPerMessage) {
    return invalid(`The array has ${value.length} elements; at most ${maxCommandsPerMessage} are taken.`);
  }
  const elements = value.map((each: unknown, index) => ({
    value: each,
    duplicateKey: duplicateKeys.get(index),
  }));
  return { elements, shape: 'array' };
}

/** One element, checked against its schema; or what is wrong with it, field by field. */
export function readElement<T>(
  schema: z.ZodType<T>,
  { value, duplicateKey }: PayloadElement,
): { value: T } | { error: ErrorView } {
  if (duplicateKey !== undefined) return { error: invalidRequest([duplicateKeyError(duplicateKey)]) };
  const checked = checkFields(schema, value, 'payload');
  return 'value' in checked ? checked : { error: invalidRequest(checked.fields) };
}

/** Why a caller that is narrowed to some accounts may not touch what it names; undefined when it may. */
export function forbiddenFor(asked: {
  readonly accountId: AccountId;
  /** Of a transfer. */
  readonly toAccountId?: AccountId;
  readonly allowedAccounts?: readonly AccountId[] | undefined;
}): ErrorView | undefined {
  const { accountId, toAccountId = accountId, allowedAccounts } = asked;
  if (allowedAccounts === undefined) return undefined;
  const foreign = [accountId, toAccountId].find((id) => !allowedAccounts.includes(id));
  if (foreign === undefined) return undefined;
  return { code: 'forbidden', detail: `The caller may not touch account ${foreign}.` };
}

function invalid(detail: string): { readonly error: ErrorView } {
  return { error: { code: 'invalid_request', detail } };
}

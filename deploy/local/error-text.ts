import { isNativeError } from 'node:util/types';

// Not `instanceof`: under jest, the errors of Node's own modules are of another world than the tests'.

/** What an error says; of a wrapped one whose own words say nothing, like `fetch failed`, use its cause. */
export function messageOf(error: unknown): string {
  return isNativeError(error) ? error.message : String(error);
}

/** As `messageOf`; a host name with two addresses that both refuse gives an error without words of its own. */
export function reasonOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(reasonOf).join(', ') : messageOf(error);
}

/** Whether it is the system's, or Postgres's, error of that code. */
export function hasCode(error: unknown, code: string): boolean {
  return isNativeError(error) && 'code' in error && error.code === code;
}

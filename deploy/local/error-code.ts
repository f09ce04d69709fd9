import { isNativeError } from 'node:util/types';

/** Whether it is the system's, or Postgres's, error of that code. */
export function hasCode(error: unknown, code: string): boolean {
  return isNativeError(error) && 'code' in error && error.code === code;
}

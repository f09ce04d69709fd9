import { isNativeError } from 'node:util/types';

// `isNativeError`, not `instanceof`: under jest, the errors of Node's own modules are of another world than the tests'.

/**
 * Fields that say where a fault is without carrying data; all others of an error stay unlogged. Postgres, for one, puts
 * whole rows into `detail`, and connection errors of many libraries carry their configuration with the password.
 */
const safeFields = ['code', 'severity', 'table', 'constraint', 'syscall', 'address', 'port'] as const;

/** Causes are followed no deeper than this: enough to see the origin, and an end for circular ones. */
const maxDepth = 4;

/** An error as it may be logged: type, message, stack, safe fields and causes, without passwords in URLs. */
export function describeError(error: unknown): unknown {
  return describe(error, 0);
}

function describe(error: unknown, depth: number): unknown {
  if (!isNativeError(error)) return typeof error === 'string' ? withoutSecrets(error) : String(error);
  const described: Record<string, unknown> = {
    type: error.name,
    message: withoutSecrets(error.message),
    stack: withoutSecrets(error.stack ?? ''),
  };
  const fields = error as unknown as Record<string, unknown>;
  for (const name of safeFields) {
    const value = fields[name];
    if (typeof value === 'string' || typeof value === 'number') described[name] = value;
  }
  if (depth < maxDepth) {
    if (error.cause !== undefined) described['cause'] = describe(error.cause, depth + 1);
    // An AggregateError, such as of a host name with two addresses that both refuse.
    if (Array.isArray(fields['errors'])) {
      described['errors'] = fields['errors'].map((each: unknown) => describe(each, depth + 1));
    }
  }
  return described;
}

/**
 * What an error says, in one line, without the credentials of URLs. A host name with two addresses that both refuse gives an
 * error without words of its own.
 */
export function messageOf(error: unknown): string {
  if (!isNativeError(error)) return withoutSecrets(String(error));
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map((each) => messageOf(each)).join(', ');
  return withoutSecrets(error.message);
}

/** Whether it is the system's, or Postgres's, error of that code. */
export function hasCode(error: unknown, code: string): boolean {
  return isNativeError(error) && 'code' in error && error.code === code;
}

/** A text without the credentials of URLs in it. Unlike in a setting, what follows `//` may be a path. */
export function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^\s/]*@/g, '//***@');
}

import { randomUUID } from 'node:crypto';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One call of the HTTP API; an answer of any status is an answer. Rejects when none has come within `patienceMs`. */
export async function call(
  url: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
  patienceMs?: number,
): Promise<Answer> {
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(patienceMs !== undefined && { signal: AbortSignal.timeout(patienceMs) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

/** Runs `each` for 0, 1, … `total` − 1, at most `atOnce` of them at the same time. */
export async function spread<T>(
  total: number,
  atOnce: number,
  each: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) {
      const index = next;
      next += 1;
      results[index] = await each(index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

export function newKey(): string {
  return `test-${randomUUID()}`;
}

import { z } from 'zod';
import { errorCatalogue, type ErrorCode } from '../../shared/contracts/error-codes.ts';
import { exampleHold, exampleIdentity } from './http-schemas.ts';
import { problemSchema, problemType } from './problem-schema.ts';

/* How the routes' answers stand in the OpenAPI document: their headers, and every error with an example. */

interface HeaderDescription {
  readonly type: 'string' | 'integer';
  readonly description: string;
}

const everyAnswersHeaders: Readonly<Record<string, HeaderDescription>> = {
  'X-Request-Id': { type: 'string', description: 'The id that came with the request, or a new one.' },
  'Trace-Id': { type: 'string', description: 'The trace of the request, when it is sampled.' },
};

const idempotencyKey: Readonly<Record<string, HeaderDescription>> = {
  'Idempotency-Key': { type: 'string', description: 'The key that was sent, or one made up.' },
};
const idempotencyReplayed: Readonly<Record<string, HeaderDescription>> = {
  'Idempotency-Replayed': {
    type: 'string',
    description: '`true` when this answers a request that had its outcome before.',
  },
};

const authenticate: Readonly<Record<string, HeaderDescription>> = {
  'WWW-Authenticate': { type: 'string', description: 'What is wrong with the token (RFC 6750).' },
};
const retryAfter: Readonly<Record<string, HeaderDescription>> = {
  'Retry-After': { type: 'integer', description: 'In so many seconds.' },
};

const rateLimit: Readonly<Record<string, HeaderDescription>> = {
  'RateLimit-Limit': { type: 'integer', description: 'How many requests a caller may make in a window.' },
  'RateLimit-Remaining': { type: 'integer', description: 'How many of them are left.' },
  'RateLimit-Reset': { type: 'integer', description: 'In so many seconds all of them are there again.' },
};

/** Of outcomes that are kept with the key, and repeated. */
const keptStatuses: ReadonlySet<string> = new Set(['200', '400', '404', '409', '422']);
/** To these statuses the key was looked at; another may come before it was. */
const statusesWithKey: ReadonlySet<string> = new Set([...keptStatuses, '413', '415', '500', '504']);

/** The OpenAPI headers of a route's answer with this status. */
export function answerHeaders(
  status: string,
  { isCommand, isProblem }: { isCommand: boolean; isProblem: boolean },
): Record<string, HeaderDescription> {
  return {
    ...everyAnswersHeaders,
    ...(isCommand && statusesWithKey.has(status) && idempotencyKey),
    ...(isCommand && keptStatuses.has(status) && idempotencyReplayed),
    ...((status === '401' || status === '403') && authenticate),
    ...(status === '429' && rateLimit),
    ...(isProblem && (status === '429' || status === '503') && retryAfter),
  };
}

/** The OpenAPI response of an answer. */
export function jsonResponse(description: string, schema: z.ZodType) {
  return { description, content: { 'application/json': { schema } } };
}

/** The OpenAPI response of a stream of facts. */
export const eventStreamResponse = {
  description:
    'Events `entry` and `refusal` as they happen, each with an `id` to resume behind and a fact as `data`. ' +
    'First comes `ready`, with the `id` to resume at before there was a fact; `gap` says that facts are missing.',
  content: {
    'text/event-stream': {
      schema: z.string().meta({
        examples: [
          'event: entry\nid: 1234-1-mifq1c2d\n' +
            'data: {"type":"entry","accountId":"26c940a1-7228-4ea2-a3bc-e6460b172040","seq":4,"kind":"add","amount":"33.48"}\n\n',
        ],
      }),
    },
  },
};

/** The OpenAPI responses for the errors that a route can answer: one per status, with an example of each code. */
export function problemResponses(codes: readonly ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${errorCatalogue[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: problemSchema,
            examples: Object.fromEntries(group.map((code) => [code, { value: exampleProblem(code) }])),
          },
        },
      },
    ]),
  );
}

function exampleProblem(code: ErrorCode) {
  const { status, title } = errorCatalogue[code];
  const problem = { type: problemType(code), title, status, detail: title, code };
  if (code === 'invalid_request') {
    return { ...problem, fields: [{ field: 'amount', message: 'must be a decimal string above zero' }] };
  }
  if (code === 'insufficient_funds') {
    return { ...problem, available: '20.00', requested: '33.48', ...exampleIdentity };
  }
  if (code === 'hold_not_pending') {
    const detail = `Hold ${exampleHold.id} is released already.`;
    return { ...problem, detail, hold: { ...exampleHold, status: 'released' }, ...exampleIdentity };
  }
  return problem;
}

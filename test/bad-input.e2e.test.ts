import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { commandSchemas } from '../shared/contracts/commands.ts';
import { errorCatalogue, type ErrorCode } from '../shared/contracts/error-codes.ts';
import { eventSchema, type Fact } from '../shared/contracts/events.ts';
import { earliestDeadlineMs, maxCommandsPerMessage, maxMessageBytes } from '../shared/contracts/limits.ts';
import { accountIdSchema, commandIdSchema } from '../shared/contracts/primitives.ts';
import { querySchemas } from '../shared/contracts/queries.ts';
import {
  accountCommandKinds,
  asyncCommandSubject,
  commandKinds,
  commandsStream,
  commandSubject,
  eventSubject,
  queryKinds,
  querySubject,
} from '../shared/contracts/subjects.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { readBooks } from './bad-input/books.ts';
import { accountId, cursor } from './bad-input/field-sorts.ts';
import {
  attemptsOn,
  bodyValues,
  junk,
  objectWith,
  otherValues,
  valueOf,
  type Attempt,
} from './bad-input/messages.ts';
import { readRoutes } from './bad-input/routes.ts';
import { commandFields, idempotencyKeys, queryFields, routeFields } from './bad-input/tables.ts';
import { asText, type Sort } from './bad-input/sort.ts';
import { eventually } from './support/eventually.ts';
import { spread } from './support/http.ts';
import { Stack } from './support/stack.ts';

/*
 * Everything that can be wrong with a request, on every door. Each attempt is answered with its code, names what is wrong,
 * and changes nothing: the books are the same afterwards. Right values beside the wrong ones show that the form is what
 * was refused: they get as far as an account that is closed, and no further.
 */

const atOnce = 32;

interface Subject {
  readonly subject: string;
  readonly schema: z.ZodObject;
  readonly fields: Readonly<Record<string, Sort>>;
}

const subjects: readonly Subject[] = [
  ...commandKinds.map((kind) => ({
    subject: commandSubject(kind) as string,
    schema: commandSchemas[kind] as z.ZodObject,
    fields: commandFields[kind],
  })),
  ...queryKinds.map((kind) => ({
    subject: querySubject(kind) as string,
    schema: querySchemas[kind] as z.ZodObject,
    fields: queryFields[kind],
  })),
];

const requiredOf = ({ shape }: z.ZodObject): string[] =>
  Object.entries(shape).flatMap(([field, schema]) =>
    (schema as z.ZodType).safeParse(undefined).success ? [] : field,
  );

/** What may be answered to a right form here. */
const notAboutForm: ReadonlySet<ErrorCode | undefined> = new Set([
  'account_exists',
  'account_not_found',
  'account_closed',
  'hold_not_found',
  'forbidden',
  'idempotency_conflict',
]);

interface Reply {
  readonly ok: boolean;
  readonly error?: {
    readonly code: ErrorCode;
    readonly detail: string;
    readonly fields?: { field: string }[];
  };
}

/** What is not as it must be about the answer to an attempt; undefined when all is. */
function faultOf({ what, text, field }: Attempt, { ok, error }: Reply): string | undefined {
  const told = `${what}: ${JSON.stringify({ ok, error }).slice(0, 300)}`;
  if (field === undefined) {
    // The earliest deadline is right, and over.
    const isOver = error?.code === 'unavailable' && text.includes(`"deadline":${earliestDeadlineMs}}`);
    return ok || isOver || notAboutForm.has(error?.code) ? undefined : told;
  }
  if (ok || error?.code !== 'invalid_request') return told;
  const namesIt = error.fields?.some((each) => each.field.startsWith(field.slice(0, 60)));
  return namesIt === true && JSON.stringify(error).length < 4_000 ? undefined : told;
}

let stack: Stack;
let client: LedgerClient;
let nats: NatsConnection;
let before: object;
const facts: Fact[] = [];

beforeAll(async () => {
  stack = await Stack.start({ gateways: 0 });
  // So that it has the route; the ledger has no clock that could be moved.
  await stack.add('gateway', { TEST_CLOCK: 'on' });
  const connected = await stack.ledgerClient();
  client = connected.client;
  nats = connected.link.connection;
  nats.subscribe(eventSubject, {
    callback: (_, message) => {
      facts.push(...eventSchema.parse(message.json()));
    },
  });
  const opened = await client.send('open', { id: randomUUID(), accountId, name: 'Test account' });
  const closed = await client.send('close', { id: randomUUID(), accountId });
  if (!opened.ok || !closed.ok) throw new Error('the account was not opened and closed');
  before = await readBooks(stack.database);
}, 60_000);

afterAll(() => stack.stop());

describe('the tables know every field of', () => {
  test.each(subjects)('$subject', ({ schema, fields }) => {
    expect(Object.keys(fields).toSorted()).toEqual(Object.keys(schema.shape).toSorted());
  });

  test('every route', async () => {
    const described = await readRoutes(stack.url());
    const known = Object.entries(routeFields).map(
      ([route, { path = {}, query = {}, header = [], body = {} }]) => [
        route,
        {
          path: Object.keys(path),
          query: Object.keys(query),
          header: [...header],
          body: Object.keys(body),
        },
      ],
    );
    const withoutRequired = [...described].map(([route, { body, ...more }]) => [
      route,
      { ...more, body: body.fields },
    ]);
    expect(Object.fromEntries(withoutRequired)).toEqual(Object.fromEntries(known));
  });
});

describe('over NATS', () => {
  test.each(subjects)('$subject, one at a time and many', async ({ subject, schema, fields }) => {
    const attempts = attemptsOn(fields, requiredOf(schema));
    const replies = await spread(attempts.length, atOnce, (index) =>
      request(subject, attempts[index]?.text ?? ''),
    );
    const many = await Promise.all(
      inMessages(attempts).map((some) => request(subject, `[${some.map(({ text }) => text).join(',')}]`)),
    );
    expect(many.flat()).toHaveLength(attempts.length);
    const faults = [replies, many].flatMap((each) =>
      each.flat().flatMap((reply, index) => {
        const attempt = attempts[index];
        return attempt === undefined ? 'an answer too many' : (faultOf(attempt, reply) ?? []);
      }),
    );
    expect(faults).toEqual([]);
  });

  test.each(subjects)('$subject, what is no object', async ({ subject }) => {
    const tooMany = `[${Array.from({ length: maxCommandsPerMessage + 1 }, () => '{}').join(',')}]`;
    const whole = { ...junk, 'too many': tooMany, 'too long': ' '.repeat(maxMessageBytes - 1) + '{}' };
    for (const [what, payload] of [...Object.entries(whole), ...Object.entries(otherValues)]) {
      const reply = await request(subject, payload);
      const outcomes = [reply].flat();
      expect([what, outcomes]).toMatchObject([what, outcomes.map(() => ({ ok: false, error: invalid }))]);
    }
  });

  test('an array full of what is wrong is refused element by element, with whatever room there is to say why', async () => {
    const wrong = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`field ${index}`, index]));
    for (const kind of commandKinds) {
      const full = JSON.stringify(Array.from({ length: maxCommandsPerMessage }, () => wrong));
      const replies = await request(commandSubject(kind), full);
      expect(replies).toHaveLength(maxCommandsPerMessage);
      expect(replies).toMatchObject(Array.from([replies].flat(), () => ({ ok: false, error: invalid })));
    }
  });

  test.each(accountCommandKinds)('balance.async.%s', async (kind) => {
    const js = jetstream(nats);
    const attempts = attemptsOn(commandFields[kind], requiredOf(commandSchemas[kind]));
    const subject = asyncCommandSubject(kind);
    for (const payload of Object.values(junk)) await js.publish(subject, payload);
    for (const some of inMessages(attempts)) {
      await js.publish(subject, `[${some.map(({ text }) => text).join(',')}]`);
    }
    const manager = await jetstreamManager(nats);
    await eventually(async () => {
      const { state } = await manager.streams.info(commandsStream);
      return state.messages === 0 ? true : undefined;
    });
    // Facts come after their command was taken off the stream, or before: those of readable commands all come.
    const faults = await Promise.all(
      attempts.map(async (attempt) => {
        const { id, accountId: account } = JSON.parse(attempt.text) as { id: unknown; accountId: unknown };
        const command = commandIdSchema.safeParse(id);
        if (!command.success || !accountIdSchema.safeParse(account).success) return [];
        const fact = await eventually(async () => facts.find(({ commandId }) => commandId === command.data));
        const { field } = attempt;
        if (fact.type !== 'refusal') return `${attempt.what}: is in the books`;
        if (field === undefined) return fact.code === 'invalid_request' ? attempt.what : [];
        return fact.code === 'invalid_request' && fact.detail.includes(field.slice(0, 60))
          ? []
          : attempt.what;
      }),
    );
    expect(faults.flat()).toEqual([]);
  });
});

describe('over HTTP', () => {
  test('bodies', async () => {
    for (const [route, { body }] of await readRoutes(stack.url())) {
      const fields = routeFields[route]?.body;
      if (fields === undefined) continue;
      const attempts = attemptsOn(fields, body.required, bodyValues).map(asBody);
      const replies = await spread(attempts.length, atOnce, (index) =>
        post(route, attempts[index]?.text ?? ''),
      );
      const faults = attempts.flatMap((each, index) => faultOf(each, replies[index] ?? { ok: true }) ?? []);
      expect([route, faults]).toEqual([route, []]);
    }
  });

  test('bodies that are no object', async () => {
    const bodyIsNamed = { ok: false, error: { ...invalid, fields: [{ field: 'body' }] } };
    for (const route of routesWith('body')) {
      for (const [what, text] of Object.entries({ ...junk, ...otherValues })) {
        expect([what, await post(route, text)]).toMatchObject([what, bodyIsNamed]);
      }
      expect(await post(route, `${' '.repeat(64 * 1024 - 1)}{}`)).toMatchObject({
        error: { code: 'payload_too_large' },
      });
    }
  });

  test('paths', async () => {
    for (const route of routesWith('path')) {
      const [method = '', template = ''] = route.split(' ');
      for (const [field, { right, wrong }] of Object.entries(routeFields[route]?.path ?? {})) {
        const ask = async (text: string): Promise<Reply> => {
          const path = inAddress(template.replace(`{${field}}`, () => encoded(String(JSON.parse(text)))));
          return replyOf(await fetch(stack.url() + path, { method: method.toUpperCase() }));
        };
        for (const [what, text] of Object.entries(right)) {
          const { ok, error } = await ask(text);
          expect([what, ok || notAboutForm.has(error?.code)]).toEqual([what, true]);
        }
        for (const [what, text] of Object.entries(wrong).filter(([, each]) => each.startsWith('"'))) {
          expect([what, await ask(text)]).toMatchObject([what, { ok: false, error: invalid }]);
        }
      }
    }
  });

  test('query strings', async () => {
    for (const route of routesWith('query')) {
      const path = inAddress(route.slice('get '.length));
      const ask = async (field: string, value: string): Promise<Reply> =>
        replyOf(await fetch(`${stack.url()}${path}?${field}=${encoded(value.slice(0, 1_000))}`));
      for (const [field, { right, wrong }] of Object.entries(routeFields[route]?.query ?? {})) {
        for (const [what, text] of Object.entries(right))
          expect([what, await ask(field, asText(text))]).toMatchObject([what, { ok: true }]);
        // There is no other way to say a number.
        const stillWrong = Object.entries(wrong).filter(([what]) => what !== 'as text');
        const named = { ok: false, error: { ...invalid, fields: [{ field }] } };
        for (const [what, text] of stillWrong)
          expect([what, await ask(field, asText(text))]).toMatchObject([what, named]);
      }
      expect(await ask('unknown', '1')).toMatchObject({
        error: { ...invalid, fields: [{ field: 'unknown' }] },
      });
      expect(await ask('limit', '1&limit=1')).toMatchObject({
        error: { ...invalid, fields: [{ field: 'limit' }] },
      });
    }
  });

  test('keys', async () => {
    const described = await readRoutes(stack.url());
    for (const route of routesWith('header', 'Idempotency-Key')) {
      const body = objectWith(described.get(route)?.body.required ?? [], bodyValues);
      for (const [what, key] of Object.entries(idempotencyKeys.right)) {
        const reply = await post(route, body, key);
        expect([what, notAboutForm.has(reply.error?.code)]).toEqual([what, true]);
      }
      for (const [what, key] of Object.entries(idempotencyKeys.wrong)) {
        const named = { error: { ...invalid, fields: [{ field: 'Idempotency-Key' }] } };
        expect([what, await post(route, body, key)]).toMatchObject([what, named]);
      }
    }
  });

  test('where a stream of facts goes on', async () => {
    for (const route of routesWith('header', 'Last-Event-ID')) {
      const ask = async (text: string): Promise<Reply> =>
        replyOf(
          await fetch(stack.url() + route.slice('get '.length), {
            headers: { 'last-event-id': text.slice(0, 1_000) },
          }),
        );
      for (const [what, text] of Object.entries(cursor.right))
        expect([what, await ask(asText(text))]).toMatchObject([what, { ok: true }]);
      const named = { error: { ...invalid, fields: [{ field: 'Last-Event-ID' }] } };
      // What a client library lets through.
      const sendable = Object.entries(cursor.wrong).filter(([, text]) => /^[\x20-\x7e]*$/.test(asText(text)));
      for (const [what, text] of sendable)
        expect([what, await ask(asText(text))]).toMatchObject([what, named]);
    }
  });
});

test('after all of it the books are as they were, and in order', async () => {
  expect(before).toMatchObject({ accounts: 1, entries: 2, findings: [] });
  expect(await readBooks(stack.database)).toEqual(before);
});

const invalid = { code: 'invalid_request' };

async function request(subject: string, payload: string | Uint8Array): Promise<Reply | Reply[]> {
  return (await nats.request(subject, payload, { timeout: 20_000 })).json();
}

/** Arrays within the limits of a message. */
function inMessages(attempts: readonly Attempt[]): Attempt[][] {
  const messages: Attempt[][] = [];
  let bytes = Infinity;
  for (const attempt of attempts) {
    const size = Buffer.byteLength(attempt.text) + 1;
    if (bytes + size > maxMessageBytes - 2) {
      messages.push([]);
      bytes = 0;
    }
    messages.at(-1)?.push(attempt);
    bytes += size;
  }
  return messages;
}

/** A member of that name makes the whole body suspect: nothing of it is read. */
function asBody(attempt: Attempt): Attempt {
  const isSuspect = /"(?:_|\\u005f)_proto__":/.test(attempt.text);
  return isSuspect ? { ...attempt, field: 'body' } : attempt;
}

/** A value as it stands in an address. */
function encoded(value: string): string {
  // A lone surrogate has no UTF-8: its bytes as a careless client would send them.
  const text = value.replaceAll('\ud800', '%ED%A0%80').slice(0, 10_000);
  return text.includes('%') || text.includes('&') ? text : encodeURIComponent(text);
}

/** A route's path with values that are right wherever it says nothing else. */
function inAddress(template: string): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, field: string) => String(valueOf(bodyValues, field)));
}

function routesWith(part: 'path' | 'query' | 'header' | 'body', header?: string): string[] {
  return Object.keys(routeFields).filter((route) => {
    const fields = routeFields[route]?.[part];
    return fields !== undefined && (header === undefined || Object.values(fields).includes(header));
  });
}

async function post(route: string, body: string | Uint8Array, key: string = randomUUID()): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  const path = route.slice(route.indexOf(' ') + 1);
  return replyOf(await fetch(stack.url() + path, { method: 'POST', headers, body }));
}

async function replyOf(response: Response): Promise<Reply> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    // It would go on for as long as we listen.
    await response.body?.cancel();
    return { ok: true };
  }
  const body = (await response.json()) as NonNullable<Reply['error']>;
  if (response.ok) return { ok: true };
  expect([body.code, response.status]).toEqual([body.code, errorCatalogue[body.code].status]);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return { ok: false, error: body };
}

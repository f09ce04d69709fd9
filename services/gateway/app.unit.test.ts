import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { eventually } from '../../test/support/eventually.ts';
import { errorCatalogue, errorCodes, type ErrorCode } from '../../shared/contracts/error-codes.ts';
import type { AppliedOutcome, ErrorView, HoldStatus } from '../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../shared/contracts/primitives.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { buildApp } from './app.ts';
import { problemSchema } from './problem-schema.ts';
import { commandIdOf } from '../../shared/messaging/command-id.ts';
import type { Ledger } from './ledger-when-connected.ts';

const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';

const account = {
  id: accountId as AccountId,
  name: 'Everyday wallet',
  status: 'open',
  currency: 'XXX',
  decimals: 2,
  balance: '1700.00',
  held: '333.48',
  available: '1366.52',
  overdraftLimit: '0.00',
  version: 4,
  metadata: { secret: 'of the caller’s own' },
} as const;

const changedAccount = {
  id: accountId,
  name: 'Everyday wallet',
  status: 'open',
  balance: '1700.00',
  held: '333.48',
  available: '1366.52',
  version: 4,
};

const entry = {
  id: `${accountId}:4`,
  seq: 4,
  kind: 'subtract',
  amount: '33.48',
  at: '2026-01-31T12:00:00.000Z',
} as const;

const hold = {
  id: '019a9c3e-5b1a-7c3e-8f00-2d9a6f1b7c44' as HoldId,
  amount: '33.48',
  status: 'pending',
  dueAt: '2026-01-31T12:10:00.000Z',
  onDue: 'settle',
} as const;

const holdStatusAfter: Readonly<Record<string, HoldStatus>> = { settle: 'settled', release: 'released' };

/** A ledger as a value: it notes what it was sent, and answers what the test says. */
class GivenLedger {
  readonly sent: { kind: string; command: object }[] = [];
  missing: string[] = [];
  refusal: ErrorView | undefined;
  replayed = false;
  /** What it tells the entry and the hold are for. */
  reference: string | undefined;
  entries: object[] = [];
  holds: object[] = [];
  /** Answers wait for it. */
  gate = () => Promise.resolve();

  asLedger(): Ledger {
    const take = async (kind: string, command: object): Promise<ErrorView | undefined> => {
      this.sent.push({ kind, command });
      await this.gate();
      return this.refusal;
    };
    return {
      send: (async (kind: string, command: { id: CommandId }) => {
        const error = await take(kind, command);
        const known = { commandId: command.id, replayed: this.replayed };
        if (error !== undefined) return { ok: false, ...known, error };
        const given = this.#given();
        const withHold =
          kind === 'add' ? {} : { hold: { ...hold, status: holdStatusAfter[kind] ?? 'pending', ...given } };
        const told = { account, entry: { ...entry, ...given }, ...withHold };
        return { ok: true, ...known, ...told } satisfies AppliedOutcome;
      }) as unknown as Ledger['send'],
      ask: (async (kind: string, query: object) => {
        const error = await take(kind, query);
        const { entries, holds } = this;
        const told = {
          account,
          accounts: [account],
          hold: { ...hold, ...this.#given() },
          entries,
          holds,
        };
        return error === undefined ? { ok: true, ...told } : { ok: false, error };
      }) as unknown as Ledger['ask'],
      missing: () => this.missing,
    };
  }

  #given(): { reference?: string } {
    return this.reference === undefined ? {} : { reference: this.reference };
  }
}

async function listen(app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
}

/** The lines about requests, among those about the server. */
function requestLinesOf(lines: readonly string[]): string[] {
  return lines.filter((line) => line.includes('"msg":"request"'));
}

describe('the HTTP API', () => {
  let ledger: GivenLedger;
  let app: FastifyInstance;
  let logLines: string[];
  beforeEach(async () => {
    ledger = new GivenLedger();
    logLines = [];
    const logger = createLogger('gateway', 'info', { write: (line) => logLines.push(line) });
    app = await buildApp({ ledger: ledger.asLedger(), logger, metrics: createMetrics() });
  });
  afterEach(() => app.close());

  const post = (payload: unknown, more: InjectOptions = {}) =>
    app.inject({ method: 'POST', url: '/api/add', payload: payload as object, ...more });
  const json = { 'content-type': 'application/json' };

  describe('answers', () => {
    test('ping', async () => {
      const answer = await app.inject('/api/ping');
      expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }]);
    });

    test('status, asked in any letter case, with exactly the promised fields', async () => {
      const answer = await app.inject(`/api/status/${accountId.toUpperCase()}`);
      const { metadata: _, ...shown } = account;
      expect([answer.statusCode, answer.json()]).toEqual([200, shown]);
      expect(ledger.sent).toEqual([{ kind: 'account', command: { accountId } }]);
    });

    test('HEAD as GET, without a body', async () => {
      const answer = await app.inject({ method: 'HEAD', url: `/api/status/${accountId}` });
      expect([answer.statusCode, answer.body]).toEqual([200, '']);
    });

    test('add, with the entry, the command id and the key', async () => {
      const answer = await post(
        { id: accountId.toUpperCase(), amount: '33.48' },
        { headers: { 'idempotency-key': 'order-4711' } },
      );
      const commandId = commandIdOf('anonymous', 'order-4711');
      expect(answer.json()).toEqual({
        ...changedAccount,
        entry,
        commandId,
        idempotencyKey: 'order-4711',
      });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['idempotency-key']).toBe('order-4711');
      expect(answer.headers).not.toHaveProperty('idempotency-replayed');
      expect(ledger.sent).toEqual([{ kind: 'add', command: { id: commandId, accountId, amount: '33.48' } }]);
    });

    test.each(['/api/substract', '/api/subtract'])('%s, with the hold too', async (url) => {
      const answer = await post({ id: accountId, amount: '33.48' }, { url });
      expect(answer.json()).toMatchObject({ ...changedAccount, entry, hold });
      expect(ledger.sent).toMatchObject([{ kind: 'subtract' }]);
    });

    test('what opens an account, what closes it, and all accounts', async () => {
      const commandId = commandIdOf('anonymous', 'k');
      const headers = { 'idempotency-key': 'k' };
      const name = account.name;
      const given = { currency: 'EUR', decimals: 0, overdraftLimit: '5', metadata: { a: 'b' } };
      for (const [more, sent] of [
        [{}, { currency: 'XXX', decimals: 2, overdraftLimit: '0' }],
        [given, given],
      ]) {
        const opened = await post({ id: accountId, name, ...more }, { url: '/api/open', headers });
        expect([opened.statusCode, opened.json()]).toMatchObject([
          200,
          { ...changedAccount, entry, commandId },
        ]);
        expect(ledger.sent.at(-1)).toEqual({
          kind: 'open',
          command: { id: commandId, accountId, name, ...sent },
        });
      }
      for (const more of [{}, { expectedVersion: 4 }]) {
        const closed = await post({ id: accountId, ...more }, { url: '/api/close', headers });
        expect([closed.statusCode, closed.json()]).toMatchObject([
          200,
          { ...changedAccount, entry, commandId },
        ]);
        expect(ledger.sent.at(-1)).toEqual({ kind: 'close', command: { id: commandId, accountId, ...more } });
      }
      const listed = await app.inject(`/api/accounts?after=${accountId}&status=open&limit=7`);
      expect([listed.statusCode, listed.json()]).toEqual([200, { accounts: [account] }]);
      const asked = { after: accountId, status: 'open', limit: 7 };
      expect(ledger.sent.at(-1)).toEqual({ kind: 'accounts', command: asked });
    });

    test('a transfer, with the account that was paid', async () => {
      const to = '7a0f7a61-5d0b-4d55-8c2e-3f6c8f1b9e10';
      const body = { id: accountId, to: to.toUpperCase(), amount: '1.00', reference: 'rent' };
      const answer = await post(body, { url: '/api/transfer' });
      expect([answer.statusCode, answer.json()]).toMatchObject([200, changedAccount]);
      const { to: _, id: __, ...same } = body;
      expect(ledger.sent).toMatchObject([
        { kind: 'transfer', command: { accountId, toAccountId: to, ...same } },
      ]);
      const wrong = { fields: [{ field: 'to', message: 'must be another account than the one that pays' }] };
      const refused = await post({ ...body, to: accountId.toUpperCase() }, { url: '/api/transfer' });
      expect([refused.statusCode, refused.json()]).toMatchObject([400, wrong]);
      ledger.refusal = {
        code: 'invalid_request',
        detail: 'no',
        fields: [{ field: 'toAccountId', message: 'no' }],
      };
      const late = await post(body, { url: '/api/transfer' });
      expect(late.json()).toMatchObject({ fields: [{ field: 'to', message: 'no' }] });
    });

    test('a hold, and how one ended that is to be ended again', async () => {
      const answer = await app.inject(`/api/status/${accountId}/holds/${hold.id.toUpperCase()}`);
      expect([answer.statusCode, answer.json()]).toEqual([200, hold]);
      expect(ledger.sent).toEqual([{ kind: 'hold', command: { accountId, holdId: hold.id } }]);
      const released = { ...hold, status: 'released' as const };
      ledger.refusal = { code: 'hold_not_pending', detail: 'released already', hold: released };
      const refused = await post({ id: accountId, holdId: hold.id }, { url: '/api/settle' });
      expect([refused.statusCode, refused.json()]).toMatchObject([409, { hold: released }]);
      ledger.refusal = { code: 'hold_not_found', detail: 'no such hold' };
      expect((await app.inject(`/api/status/${accountId}/holds/${hold.id}`)).statusCode).toBe(404);
    });

    test('the journal and the holds of an account, a page at a time', async () => {
      const { balance, held, available } = account;
      const line = {
        ...entry,
        dueAt: hold.dueAt,
        onDue: hold.onDue,
        commandId: commandIdOf('anonymous', 'order-4711'),
        holdId: hold.id,
        balance,
        held,
        available,
      };
      ledger.entries = [{ ...line, accountId, overdraftLimit: '0.00', details: { dueAt: 1 }, hash: '00' }];
      ledger.holds = [{ ...hold, accountId, remaining: '33.48', commandId: line.commandId, version: 1 }];
      const entries = await app.inject(
        `/api/status/${accountId}/entries?afterSeq=3&limit=20&order=newest&holdId=${hold.id}`,
      );
      expect([entries.statusCode, entries.json()]).toEqual([200, { entries: [line] }]);
      const holds = await app.inject(
        `/api/status/${accountId}/holds?status=pending&after=${hold.id}&reference=order%204711`,
      );
      expect([holds.statusCode, holds.json()]).toEqual([200, { holds: [hold] }]);
      expect(ledger.sent).toEqual([
        { kind: 'entries', command: { accountId, afterSeq: 3, limit: 20, order: 'newest', holdId: hold.id } },
        { kind: 'holds', command: { accountId, status: 'pending', after: hold.id, reference: 'order 4711' } },
      ]);
      for (const wrong of [
        'entries?afterSeq=-1',
        'entries?limit=0',
        'holds?limit=501',
        'holds?status=lost',
        'entries?order=Newest',
        'entries?holdId=1',
        'holds?reference=',
        'holds?reference=caf%E9',
        'holds?limit=5&limit=5',
      ]) {
        const answer = await app.inject(`/api/status/${accountId}/${wrong}`);
        const [, field] = /\?(\w+)=/.exec(wrong) ?? [];
        expect([wrong, answer.json()]).toMatchObject([wrong, { status: 400, fields: [{ field }] }]);
      }
    });

    test('substract, with when its hold is due and what becomes of it', async () => {
      const options = { reference: 'order 4711', dueInSeconds: 1_800, onDue: 'release' };
      await post({ id: accountId, amount: '33.48', ...options }, { url: '/api/substract' });
      expect(ledger.sent).toMatchObject([{ kind: 'subtract', command: { amount: '33.48', ...options } }]);
      for (const wrong of [
        { dueInSeconds: 0 },
        { dueInSeconds: 1.5 },
        { onDue: 'vanish' },
        { reference: '' },
        { reference: 'x'.repeat(101) },
        { reference: 'two\nlines' },
      ]) {
        const answer = await post({ id: accountId, amount: '1', ...wrong }, { url: '/api/substract' });
        expect(answer.json()).toMatchObject({ status: 400, fields: [{ field: Object.keys(wrong)[0] }] });
      }
    });

    test('what it is for, of an add, a substract and a hold', async () => {
      const reference = 'order 4711';
      ledger.reference = reference;
      const body = { id: accountId, amount: '33.48', reference };
      const added = await post(body, { url: '/api/add' });
      expect(added.json()).toMatchObject({ entry: { reference } });
      const held = await post(body, { url: '/api/substract' });
      expect(held.json()).toMatchObject({ entry: { reference }, hold: { reference } });
      const asked = await app.inject(`/api/status/${accountId}/holds/${hold.id}`);
      expect(asked.json()).toEqual({ ...hold, reference });
      expect(ledger.sent).toMatchObject([{ command: { reference } }, { command: { reference } }, {}]);
    });

    test.each([
      ['settle', 'settled', { amount: '20.00' }],
      ['settle', 'settled', {}],
      ['release', 'released', {}],
    ])('%s, with the hold, which is %s then: %j', async (kind, status, fields) => {
      const answer = await post(
        { id: accountId, holdId: hold.id.toUpperCase(), ...fields },
        { url: `/api/${kind}`, headers: { 'idempotency-key': 'order-4711' } },
      );
      expect([answer.statusCode, answer.json()]).toMatchObject([
        200,
        { ...changedAccount, entry, hold: { ...hold, status } },
      ]);
      const command = { id: commandIdOf('anonymous', 'order-4711'), accountId, holdId: hold.id, ...fields };
      expect(ledger.sent).toEqual([{ kind, command }]);
    });

    test('a made-up key, with which the command can be sent again', async () => {
      const first = await post({ id: accountId, amount: '1' });
      const { idempotencyKey, commandId } = first.json<{ idempotencyKey: string; commandId: string }>();
      expect(first.headers['idempotency-key']).toBe(idempotencyKey);
      const again = await post(
        { id: accountId, amount: '1' },
        { headers: { 'idempotency-key': idempotencyKey } },
      );
      expect(again.json()).toMatchObject({ commandId });
    });

    test('a repetition says so, a refused one too', async () => {
      ledger.replayed = true;
      const applied = await post({ id: accountId, amount: '1' });
      expect(applied.headers['idempotency-replayed']).toBe('true');
      ledger.refusal = { code: 'account_closed', detail: 'closed' };
      const refused = await post({ id: accountId, amount: '1' });
      expect([refused.statusCode, refused.headers['idempotency-replayed']]).toEqual([409, 'true']);
    });

    test.each(['1', '1.5', '0.01', '999999999999999.99', '0.00000001'])('the amount %s', async (amount) => {
      expect((await post({ id: accountId, amount })).statusCode).toBe(200);
    });
  });

  describe('refuses, naming the field,', () => {
    const id = accountId;
    test.each([
      ['a number', { id, amount: 33.48 }, 'amount'],
      ['zero', { id, amount: '0' }, 'amount'],
      ['zero with decimals', { id, amount: '0.00' }, 'amount'],
      ['a negative amount', { id, amount: '-1' }, 'amount'],
      ['a plus sign', { id, amount: '+1' }, 'amount'],
      ['an exponent', { id, amount: '1e2' }, 'amount'],
      ['a blank before', { id, amount: ' 1' }, 'amount'],
      ['a line end after', { id, amount: '1\n' }, 'amount'],
      ['no digits before the point', { id, amount: '.5' }, 'amount'],
      ['no digits after the point', { id, amount: '5.' }, 'amount'],
      ['two points', { id, amount: '1.2.3' }, 'amount'],
      ['a comma', { id, amount: '1,5' }, 'amount'],
      ['hexadecimal', { id, amount: '0x10' }, 'amount'],
      ['a leading zero', { id, amount: '01' }, 'amount'],
      ['other digits', { id, amount: '١' }, 'amount'],
      ['16 digits', { id, amount: '1000000000000000' }, 'amount'],
      ['9 decimals', { id, amount: '0.000000001' }, 'amount'],
      ['NaN', { id, amount: 'NaN' }, 'amount'],
      ['an empty amount', { id, amount: '' }, 'amount'],
      ['null', { id, amount: null }, 'amount'],
      ['an object', { id, amount: { a: 1 } }, 'amount'],
      ['no amount', { id }, 'amount'],
      ['no id', { amount: '1' }, 'id'],
      ['an id that is no uuid', { id: 'x', amount: '1' }, 'id'],
      ['an id in braces', { id: `{${id}}`, amount: '1' }, 'id'],
      ['an unknown field', { id, amount: '1', currency: 'EUR' }, 'currency'],
      ['a field in another letter case', { id, amount: '1', ID: id }, 'ID'],
      ['the command’s own words', { id, accountId: id, amount: '1' }, 'accountId'],
    ])('%s', async (_, body, field) => {
      const answer = await post(body);
      expect(answer.statusCode).toBe(400);
      const problem = problemSchema.parse(answer.json());
      expect(problem).toMatchObject({ code: 'invalid_request', idempotencyKey: expect.any(String) });
      expect(problem.fields?.map((each) => each.field)).toEqual([field]);
      expect(problem.detail).toContain(field);
      expect(ledger.sent).toEqual([]);
    });

    test('all that is wrong at once', async () => {
      const { fields } = problemSchema.parse((await post({ id: 1, amount: 1, x: 1, y: 1 })).json());
      expect(fields?.map(({ field }) => field)).toEqual(['id', 'amount', 'x', 'y']);
    });

    test('thousands of unknown fields, not all of them named', async () => {
      const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`f${index}`, 1]));
      const { fields } = problemSchema.parse((await post(body)).json());
      expect(fields).toHaveLength(20);
    });

    test.each([
      ['junk', '{"id":', /^must be valid JSON: Unexpected end/u],
      ['a comma too many', `{"id":"${accountId}",}`, /^must be valid JSON: .+ position \d+/u],
      ['an empty body', '', /^must be a JSON object$/u],
      ['an array', '[]', /^must be a JSON object$/u],
      ['a text', '"x"', /^must be a JSON object$/u],
      ['null', 'null', /^must be a JSON object$/u],
      [
        'a __proto__ member',
        `{"id":"${accountId}","amount":"1","__proto__":{"x":1}}`,
        /^must have no member/u,
      ],
      [
        'a poisoned constructor',
        `{"id":"${accountId}","amount":"1","constructor":{"prototype":{}}}`,
        /constructor with a prototype$/u,
      ],
    ])('%s', async (_, payload, message) => {
      const answer = await post(payload, { headers: json });
      expect(answer.statusCode).toBe(400);
      expect(problemSchema.parse(answer.json()).fields).toEqual([
        { field: 'body', message: expect.stringMatching(message) },
      ]);
    });

    test('a path that is no account id, however long', async () => {
      for (const wrong of ['x', 'x'.repeat(5_000), '%20']) {
        const answer = await app.inject(`/api/status/${wrong}`);
        expect(answer.statusCode).toBe(400);
        expect(problemSchema.parse(answer.json()).fields).toMatchObject([{ field: 'id' }]);
      }
    });

    test.each(['', 'a b', 'x'.repeat(256), ['a', 'a']])('the Idempotency-Key %j', async (key) => {
      const answer = await post({ id: accountId, amount: '1' }, { headers: { 'idempotency-key': key } });
      expect(answer.statusCode).toBe(400);
      const problem = problemSchema.parse(answer.json());
      expect(problem.fields).toMatchObject([{ field: 'Idempotency-Key' }]);
      expect(problem).not.toHaveProperty('commandId');
    });

    test('too many decimals, as the ledger says, in the words of this API', async () => {
      const fields = [
        { field: 'amount', message: 'must have at most 2 decimals' },
        { field: 'accountId', message: 'must be something else' },
      ];
      ledger.refusal = { code: 'invalid_request', detail: 'no', fields };
      const answer = await post({ id: accountId, amount: '1.234' });
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ fields: [{ field: 'amount' }, { field: 'id' }] });
    });
  });

  describe('errors, all in one form:', () => {
    // The ledger's are about command ids.
    const ownWords: Partial<Record<ErrorCode, string>> = {
      idempotency_conflict:
        'This Idempotency-Key came with another request about this account before, which may well be applied. Look at the account’s entries before you send this one under a new key.',
    };

    test.each(errorCodes)('%s', async (code) => {
      ledger.refusal = { code, detail: 'in words' };
      const { status, title } = errorCatalogue[code];
      const answer = await post({ id: accountId, amount: '1' }, { headers: { 'idempotency-key': 'k' } });
      expect(answer.statusCode).toBe(status);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
      expect(answer.json()).toEqual({
        type: `urn:holdfast:error:${code}`,
        title,
        status,
        detail: ownWords[code] ?? 'in words',
        code,
        commandId: commandIdOf('anonymous', 'k'),
        idempotencyKey: 'k',
      });
    });

    test('insufficient funds, with what there was and what was asked', async () => {
      ledger.refusal = { code: 'insufficient_funds', detail: 'no', available: '1.00', requested: '2.00' };
      const answer = await post({ id: accountId, amount: '2' });
      expect(answer.json()).toMatchObject({ available: '1.00', requested: '2.00' });
    });

    test.each([
      [404, 'not_found', { method: 'GET', url: '/nope' }],
      [404, 'not_found', { method: 'POST', url: '/nope', payload: 'x'.repeat(100_000) }],
      [404, 'not_found', { method: 'GET', url: '/api/ping/' }],
      [405, 'method_not_allowed', { method: 'GET', url: '/api/add?x=1' }],
      [405, 'method_not_allowed', { method: 'PUT', url: '/api/add', payload: 'junk', headers: json }],
      [405, 'method_not_allowed', { method: 'DELETE', url: `/api/status/${accountId}` }],
      [415, 'unsupported_media_type', { method: 'POST', url: '/api/add', payload: 'id=1' }],
      [
        415,
        'unsupported_media_type',
        { method: 'POST', url: '/api/add', payload: '{}', headers: { 'content-type': 'text/plain' } },
      ],
      [413, 'payload_too_large', { method: 'POST', url: '/api/add', payload: { id: 'x'.repeat(64 * 1024) } }],
      [400, 'invalid_request', { method: 'GET', url: '/api/status/%zz' }],
    ] satisfies [number, string, InjectOptions][])('%i %s', async (status, code, request) => {
      const answer = await app.inject(request);
      expect(answer.statusCode).toBe(status);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.headers).toHaveProperty('x-request-id');
      expect(problemSchema.parse(answer.json())).toMatchObject({ status, code });
    });

    test('a wrong method is told the right ones; OPTIONS is answered with them', async () => {
      const wrong = await app.inject({ method: 'DELETE', url: `/api/status/${accountId}` });
      expect(wrong.headers['allow']).toBe('GET, HEAD, OPTIONS');
      const asked = await app.inject({ method: 'OPTIONS', url: '/api/substract' });
      expect([asked.statusCode, asked.headers['allow']]).toEqual([204, 'OPTIONS, POST']);
    });

    test('a fault of ours tells nothing but the request id, and is logged', async () => {
      ledger.gate = () => Promise.reject(new Error('the inner workings'));
      const answer = await post({ id: accountId, amount: '1' }, { headers: { 'x-request-id': 'r-1' } });
      expect(answer.statusCode).toBe(500);
      expect(problemSchema.parse(answer.json()).code).toBe('internal');
      expect(answer.body).not.toContain('inner workings');
      const line = logLines.find((each) => each.includes('inner workings'));
      expect(line).toContain('"requestId":"r-1"');
    });
  });

  describe('health', () => {
    test('alive, ready or not', async () => {
      ledger.missing = ['nats: not connected'];
      const answer = await app.inject('/healthz');
      expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }]);
    });

    test('ready when nothing is missing', async () => {
      const answer = await app.inject('/readyz');
      expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ready' }]);
    });

    test('not ready, and why', async () => {
      ledger.missing = ['nats: not connected'];
      const answer = await app.inject('/readyz');
      expect([answer.statusCode, answer.json()]).toEqual([
        503,
        { status: 'not ready', missing: ['nats: not connected'] },
      ]);
    });
  });

  describe('request ids', () => {
    test('a sane one is taken over', async () => {
      const answer = await app.inject({ url: '/api/ping', headers: { 'x-request-id': 'a-1_b.c:D' } });
      expect(answer.headers['x-request-id']).toBe('a-1_b.c:D');
    });

    test.each(['', 'a b', '<script>', 'x'.repeat(129), 'a\tb'])('%j is replaced', async (sent) => {
      const answer = await app.inject({ url: '/nope', headers: { 'x-request-id': sent } });
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    });
  });

  test('one log line per request, without what is in it', async () => {
    await post({ id: accountId, amount: '33.48' }, { headers: { 'x-request-id': 'r-2' } });
    await app.inject(`/api/status/${accountId}`);
    await app.inject('/readyz');
    const lines = logLines.map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(2);
    expect(lines).toMatchObject([
      {
        level: 'info',
        method: 'POST',
        route: '/api/add',
        status: 200,
        ms: expect.any(Number),
        requestId: 'r-2',
        commandId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
      { level: 'info', method: 'GET', route: '/api/status/:id', status: 200 },
    ]);
    expect(logLines.join('')).not.toMatch(/33\.48|Everyday|26c940a1/);
  });

  describe('on a real connection', () => {
    test.each([
      ['what is not HTTP', 'HELLO\r\n\r\n'],
      ['headers that are too large', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
      ['two lengths', 'POST /api/add HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ])('%s is answered in the one form too', async (_, bytes) => {
      const socket = connect(await listen(app), '127.0.0.1');
      socket.end(bytes);
      let received = '';
      socket.setEncoding('utf8').on('data', (text: string) => (received += text));
      await once(socket, 'close');
      expect(received).toMatch(/^HTTP\/1\.1 400 /);
      expect(received).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/i);
      const body = received.slice(received.indexOf('\r\n\r\n'));
      expect(problemSchema.parse(JSON.parse(body))).toMatchObject({ code: 'invalid_request' });
    });

    test('a caller that goes before it is answered is logged as such, once', async () => {
      const gate = new AbortController();
      ledger.gate = () => once(gate.signal, 'abort').then(() => undefined);
      const caller = new AbortController();
      const origin = `http://127.0.0.1:${await listen(app)}`;
      const asking = fetch(`${origin}/api/status/${accountId}`, { signal: caller.signal });
      await eventually(async () => ledger.sent[0]);
      caller.abort();
      await expect(asking).rejects.toThrow('aborted');
      await eventually(async () => requestLinesOf(logLines)[0]);
      gate.abort();
      await app.close();
      expect(requestLinesOf(logLines)).toHaveLength(1);
      const line = JSON.parse(requestLinesOf(logLines).join('')) as object;
      expect(line).toMatchObject({ level: 'info', route: '/api/status/:id', callerGone: true });
      expect(line).not.toHaveProperty('status');
    });

    test('stopping finishes what is in flight, and ends its connection', async () => {
      const gate = new AbortController();
      ledger.gate = () => once(gate.signal, 'abort').then(() => undefined);
      const origin = `http://127.0.0.1:${await listen(app)}`;
      const answering = fetch(`${origin}/api/add`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ id: accountId, amount: '1' }),
      });
      while (ledger.sent.length === 0) await new Promise(setImmediate);
      const closing = app.close();
      await expect(fetch(`${origin}/api/ping`)).rejects.toThrow('fetch failed');
      gate.abort();
      const answer = await answering;
      expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
      await closing;
    });
  });
});

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Msg } from '@nats-io/nats-core';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { tracing } from '@opentelemetry/sdk-node';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../../test/support/eventually.ts';
import { TcpLine } from '../../../test/support/tcp-line.ts';
import type { AppliedOutcome, FailedOutcome } from '../../contracts/outcomes.ts';
import { commandSubject, ledgerQueueGroup, querySubject } from '../../contracts/subjects.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { setTracing, startRootSpan, type Span } from '../../telemetry/tracing.ts';
import { connectNats, type NatsLink } from '../connect.ts';
import { createLedgerClient, type LedgerClient } from './index.ts';

const natsUrl = process.env['TEST_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';

interface Sent {
  id: string;
  amount: string;
  deadline: number;
  traceparent?: string;
}

/** A ledger by hand: it answers as the test says, over the real broker. */
class HandLedger {
  readonly #link: NatsLink;
  /** Parsed payloads on `balance.command.add`, as they came. */
  readonly payloads: (Sent | Sent[])[] = [];
  readonly pings: unknown[] = [];
  /** How it answers commands; by default every command is applied. */
  answer: (message: Msg, payload: Sent | Sent[]) => void = applyAll;
  clockAheadMs = 0;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  listen(): void {
    this.listenForPings();
    this.listenForCommands();
  }

  listenForPings(): void {
    this.#link.connection.subscribe(querySubject('ping'), {
      queue: ledgerQueueGroup,
      callback: (_, message) => {
        const payload = message.json();
        this.pings.push(payload);
        const answer = { ok: true, now: Date.now() + this.clockAheadMs };
        message.respond(JSON.stringify(Array.isArray(payload) ? payload.map(() => answer) : answer));
      },
    });
  }

  listenForCommands(): void {
    this.#link.connection.subscribe(commandSubject('add'), {
      queue: ledgerQueueGroup,
      callback: (_, message) => {
        const payload = message.json<Sent | Sent[]>();
        this.payloads.push(payload);
        this.answer(message, payload);
      },
    });
  }

  /** How many commands came, in whatever messages. */
  get commands(): Sent[] {
    return this.payloads.flat();
  }
}

function applied(command: Sent): AppliedOutcome {
  return {
    ok: true,
    commandId: command.id,
    replayed: false,
    account: {
      id: accountId,
      name: 'Everyday wallet',
      status: 'open',
      currency: 'XXX',
      decimals: 2,
      balance: command.amount,
      held: '0.00',
      available: command.amount,
      overdraftLimit: '0.00',
      version: 2,
    },
    entry: {
      id: `${accountId}:2`,
      seq: 2,
      kind: 'add',
      amount: command.amount,
      at: '2026-01-31T12:00:00.000Z',
    },
  } as AppliedOutcome;
}

function refused(code: FailedOutcome['error']['code']): FailedOutcome {
  return { ok: false, error: { code, detail: `by hand: ${code}` } };
}

/** Answers in the form of the payload. */
function reply(message: Msg, payload: Sent | Sent[], outcomeOf: (command: Sent) => unknown): void {
  message.respond(JSON.stringify(Array.isArray(payload) ? payload.map(outcomeOf) : outcomeOf(payload)));
}

function applyAll(message: Msg, payload: Sent | Sent[]): void {
  reply(message, payload, applied);
}

const add = (amount = '1.00') => ({ id: randomUUID(), accountId, amount });

describe('the ledger client', () => {
  let logLines: string[];
  let line: TcpLine;
  let links: NatsLink[];
  let ledger: HandLedger;
  let client: LedgerClient;
  const logger = createLogger('test', 'info', { write: (text) => logLines.push(text) });
  const link = async (url: string) => {
    const made = await connectNats({ urls: [url], name: 'test', logger });
    links.push(made);
    return made;
  };

  beforeEach(async () => {
    logLines = [];
    links = [];
    line = new TcpLine(natsUrl);
    await line.open();
    const ledgerLink = await link(natsUrl);
    ledger = new HandLedger(ledgerLink);
    client = createLedgerClient({
      link: await link(`nats://127.0.0.1:${line.port}`),
      logger,
      metrics: createMetrics(),
    });
  });
  afterEach(async () => {
    await client.close();
    await Promise.all(links.map((each) => each.drain()));
    await line.cut();
  });

  const ready = async () => {
    ledger.listen();
    await until(() => client.missing().length === 0);
  };

  describe('one message per turn and subject', () => {
    beforeEach(ready);

    test('a lone command goes as an object', async () => {
      const command = add('33.48');
      await expect(client.send('add', command)).resolves.toMatchObject({
        ok: true,
        commandId: command.id,
        replayed: false,
        account: { balance: '33.48' },
      });
      expect(ledger.payloads).toEqual([{ ...command, deadline: expect.any(Number) }]);
    });

    test('commands of one turn go as one array, and each caller gets its own outcome', async () => {
      const commands = Array.from({ length: 50 }, (_, index) => add(`${index + 1}.00`));
      ledger.answer = (message, payload) =>
        reply(message, payload, (command) =>
          command.amount === '7.00' ? refused('insufficient_funds') : applied(command),
        );
      const outcomes = await Promise.all(commands.map((command) => client.send('add', command)));
      expect(ledger.payloads).toHaveLength(1);
      expect(outcomes.map((outcome) => outcome.commandId)).toEqual(commands.map(({ id }) => id));
      expect(outcomes.map((outcome) => (outcome.ok ? outcome.account.balance : outcome.error.code))).toEqual(
        commands.map(({ amount }) => (amount === '7.00' ? 'insufficient_funds' : amount)),
      );
    });

    test('more than 512 are split', async () => {
      const outcomes = await Promise.all(Array.from({ length: 1_030 }, () => client.send('add', add())));
      expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
      const sizes = ledger.payloads.map((payload) => [payload].flat().length);
      // On a slow machine the turn takes so long that what was gathered leaves before its end.
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1_030);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(512);
      expect(sizes.length).toBeLessThan(100);
    });

    test('more than 512 KiB are split', async () => {
      const allowedAccounts = Array.from({ length: 100 }, () => randomUUID());
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, () => client.send('add', { ...add(), allowedAccounts })),
      );
      expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
      expect(ledger.payloads).toHaveLength(2);
    });

    test('one that is too large by itself is refused here, and harms no other', async () => {
      const allowedAccounts = Array.from({ length: 20_000 }, () => randomUUID());
      const [large, small] = await Promise.all([
        client.send('add', { ...add(), allowedAccounts }),
        client.send('add', add()),
      ]);
      expect(large).toMatchObject({ ok: false, error: { code: 'payload_too_large' } });
      expect(small.ok).toBe(true);
    });

    test('questions are asked the same way', async () => {
      const pingsBefore = ledger.pings.length;
      const answers = await Promise.all([client.ask('ping', {}), client.ask('ping', {})]);
      expect(answers.map((answer) => answer.ok)).toEqual([true, true]);
      expect(ledger.pings.slice(pingsBefore)).toContainEqual([{}, {}]);
    });
  });

  describe('tries again with the same id', () => {
    beforeEach(ready);

    test('when a reply is lost', async () => {
      ledger.answer = (message, payload) => {
        if (ledger.payloads.length > 1) applyAll(message, payload);
      };
      const command = add();
      await expect(client.send('add', command)).resolves.toMatchObject({ ok: true });
      expect(ledger.commands.map(({ id }) => id)).toEqual([command.id, command.id]);
    });

    test('when the answer is unavailable', async () => {
      ledger.answer = (message, payload) =>
        reply(message, payload, ledger.payloads.length < 4 ? () => refused('unavailable') : applied);
      const command = add();
      await expect(client.send('add', command)).resolves.toMatchObject({ ok: true });
      expect(ledger.commands.map(({ id }) => id)).toEqual(Array(4).fill(command.id));
    });

    test('when a whole array is answered with one failure', async () => {
      ledger.answer = (message, payload) => {
        if (ledger.payloads.length === 1) message.respond(JSON.stringify(refused('unavailable')));
        else applyAll(message, payload);
      };
      const outcomes = await Promise.all([client.send('add', add()), client.send('add', add())]);
      expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true]);
      expect(logLines.join('')).not.toContain('known form');
    });

    test.each([
      ['is not JSON', () => 'junk'],
      ['has another form', (sent: Sent) => JSON.stringify([applied(sent)])],
      ['is of no known shape', () => '{"ok":true}'],
      ['is about another command', (sent: Sent) => JSON.stringify(applied({ ...sent, id: randomUUID() }))],
    ])('when the reply %s, which is logged', async (_, junk) => {
      ledger.answer = (message, payload) => {
        if (ledger.payloads.length > 1) applyAll(message, payload);
        else message.respond(junk(payload as Sent));
      };
      await expect(client.send('add', add())).resolves.toMatchObject({ ok: true });
      expect(logLines.join('')).toContain('a reply is not of the known form');
      expect(ledger.payloads).toHaveLength(2);
    });

    test('when the line is cut while it waits', async () => {
      ledger.answer = (message, payload) => {
        if (ledger.payloads.length > 1) applyAll(message, payload);
      };
      const command = add();
      const outcome = client.send('add', command);
      await until(() => ledger.payloads.length === 1);
      await line.cut();
      await line.open();
      await expect(outcome).resolves.toMatchObject({ ok: true });
      expect(ledger.commands.map(({ id }) => id)).toEqual([command.id, command.id]);
    });

    test('and takes a late answer to an earlier attempt', async () => {
      const late: (() => void)[] = [];
      ledger.answer = (message, payload) => late.push(() => applyAll(message, payload));
      const outcome = client.send('add', add());
      await until(() => late.length === 2);
      late[0]?.();
      await expect(outcome).resolves.toMatchObject({ ok: true });
    });
  });

  describe('without an outcome at the deadline', () => {
    beforeEach(ready);

    test('says unknown when an attempt was not answered', async () => {
      ledger.answer = () => {};
      await expect(client.send('add', add(), { deadlineMs: 300 })).resolves.toMatchObject({
        ok: false,
        error: { code: 'outcome_unknown' },
      });
    });

    test('stays unknown when a later attempt was answered without an outcome', async () => {
      ledger.answer = (message, payload) => {
        if (ledger.payloads.length > 1) reply(message, payload, () => refused('overloaded'));
      };
      await expect(client.send('add', add(), { deadlineMs: 4_000 })).resolves.toMatchObject({
        error: { code: 'outcome_unknown' },
      });
      expect(ledger.payloads.length).toBeGreaterThan(1);
    });

    test('says unavailable when every answer was that', async () => {
      ledger.answer = (message, payload) => reply(message, payload, () => refused('unavailable'));
      await expect(client.send('add', add(), { deadlineMs: 300 })).resolves.toMatchObject({
        error: { code: 'unavailable' },
      });
    });
  });

  test('a ledger that has too much to do is not asked again', async () => {
    await ready();
    ledger.answer = (message, payload) => reply(message, payload, () => refused('overloaded'));
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code: 'overloaded' } });
    expect(ledger.payloads).toHaveLength(1);
  });

  test('a ledger that says that what is in the way lasts is not asked again', async () => {
    await ready();
    const outcome = { ...refused('unavailable'), error: { ...refused('unavailable').error, lasts: true } };
    ledger.answer = (message, payload) => reply(message, payload, () => outcome);
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code: 'unavailable' } });
    expect(ledger.payloads).toHaveLength(1);
  });

  test('what was gathered leaves also while the event loop stays with one turn’s input', async () => {
    await ready();
    const sent = [client.send('add', add())];
    const busyUntilMs = performance.now() + 50;
    while (performance.now() < busyUntilMs);
    sent.push(client.send('add', add()), client.send('add', add()));
    await Promise.all(sent);
    expect(ledger.payloads.map((payload) => [payload].flat().length)).toEqual([2, 1]);
  });

  test('a decision is final at once', async () => {
    await ready();
    const refusal = { ...refused('idempotency_conflict'), replayed: false };
    ledger.answer = (message, payload) => reply(message, payload, () => refusal);
    const command = add();
    await expect(client.send('add', command)).resolves.toEqual({ ...refusal, commandId: command.id });
    expect(ledger.payloads).toHaveLength(1);
  });

  test.each(['internal', 'invalid_request'] as const)('so is %s', async (code) => {
    await ready();
    ledger.answer = (message, payload) => reply(message, payload, () => refused(code));
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code } });
    expect(ledger.payloads).toHaveLength(1);
  });

  test.each([
    ['refused at the door of another ledger', refused('invalid_request'), 'outcome_unknown'],
    ['refused by the books', { ...refused('insufficient_funds'), replayed: false }, 'insufficient_funds'],
  ])('an attempt without an answer, and then one that is %s', async (_, answer, code) => {
    await ready();
    ledger.answer = (message, payload) => {
      if (ledger.payloads.length > 1) reply(message, payload, () => answer);
    };
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code } });
  });

  test('nobody listening: waits for one to come', async () => {
    ledger.listenForPings();
    await until(() => client.missing().length === 0);
    const outcome = client.send('add', add());
    await delay(200);
    ledger.listenForCommands();
    await expect(outcome).resolves.toMatchObject({ ok: true });
  });

  test('nobody listening until the deadline: certainly not applied', async () => {
    ledger.listenForPings();
    await until(() => client.missing().length === 0);
    await expect(client.send('add', add(), { deadlineMs: 400 })).resolves.toMatchObject({
      error: { code: 'unavailable', detail: 'No ledger is listening.' },
    });
  });

  test('a line that is down: nothing is published, not even later', async () => {
    await ready();
    await line.cut();
    await until(() => client.missing().includes('nats: not connected'));
    await expect(client.send('add', add(), { deadlineMs: 300 })).resolves.toMatchObject({
      error: { code: 'unavailable', detail: 'Not connected to NATS.' },
    });
    await line.open();
    await until(() => client.missing().length === 0);
    const marker = add();
    await client.send('add', marker);
    expect(ledger.commands.map(({ id }) => id)).toEqual([marker.id]);
  });

  test('a line that comes back in time: applied', async () => {
    await ready();
    await line.cut();
    const outcome = client.send('add', add());
    await line.open();
    await expect(outcome).resolves.toMatchObject({ ok: true });
  });

  test('what waited for the line leaves in the order in which it came, also after many others', async () => {
    await ready();
    ledger.answer = () => undefined;
    const unanswered = client.send('add', add());
    await until(() => ledger.commands.length === 1);
    ledger.answer = applyAll;
    await Promise.all(Array.from({ length: 20 }, () => client.send('add', add())));
    await line.cut();
    await until(() => client.missing().includes('nats: not connected'));
    const commands = Array.from({ length: 20 }, () => add());
    const outcomes = Promise.all(commands.map((command) => client.send('add', command)));
    await line.open();
    await Promise.all([outcomes, unanswered]);
    const wanted: string[] = commands.map(({ id }) => id);
    expect(ledger.commands.flatMap(({ id }) => (wanted.includes(id) ? [id] : []))).toEqual(wanted);
  });

  test('deadlines are in the ledger’s time, also when its clock is far from ours', async () => {
    ledger.clockAheadMs = 600_000;
    await ready();
    const beforeMs = Date.now();
    await client.send('add', add(), { deadlineMs: 2_000 });
    const [sent] = ledger.commands;
    const early = (sent?.deadline ?? NaN) - (beforeMs + ledger.clockAheadMs + 2_000);
    expect(Math.abs(early)).toBeLessThan(500);
  });

  test('before the ledger has told its time, commands wait', async () => {
    expect(client.missing()).toEqual(['ledger: no good answer on balance.query.ping: No answer yet.']);
    ledger.listenForCommands();
    const outcome = client.send('add', add());
    await expect(client.send('add', add(), { deadlineMs: 200 })).resolves.toMatchObject({
      error: { code: 'unavailable', detail: 'The ledger does not answer on balance.query.ping.' },
    });
    expect(ledger.payloads).toEqual([]);
    ledger.listenForPings();
    await expect(outcome).resolves.toMatchObject({ ok: true });
  });

  test('past 16,384 waiting requests it is overloaded at once', async () => {
    await ready();
    ledger.answer = () => {};
    const waiting = Array.from({ length: 16_384 }, () => client.send('add', add(), { deadlineMs: 800 }));
    const startMs = performance.now();
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code: 'overloaded' } });
    await expect(client.ask('ping', {})).resolves.toMatchObject({ error: { code: 'overloaded' } });
    expect(performance.now() - startMs).toBeLessThan(500);
    const outcomes = await Promise.all(waiting);
    expect(new Set(outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code)))).toEqual(
      new Set(['outcome_unknown']),
    );
  });

  test('close waits for what was sent, and takes nothing new', async () => {
    await ready();
    const held: (() => void)[] = [];
    ledger.answer = (message, payload) => held.push(() => applyAll(message, payload));
    const outcome = client.send('add', add());
    await until(() => held.length === 1);
    const closing = client.close();
    await expect(client.send('add', add())).resolves.toMatchObject({ error: { code: 'unavailable' } });
    held[0]?.();
    await closing;
    await expect(outcome).resolves.toMatchObject({ ok: true });
  });

  describe('below a sampled span', () => {
    const exporter = new tracing.InMemorySpanExporter();
    let parentSpan: Span | undefined;
    beforeEach(() => {
      exporter.reset();
      trace.setGlobalTracerProvider(
        new tracing.BasicTracerProvider({ spanProcessors: [new tracing.SimpleSpanProcessor(exporter)] }),
      );
      setTracing(true);
      parentSpan = startRootSpan('parent');
    });
    afterEach(() => {
      setTracing(false);
      trace.disable();
    });

    test('a command has a span, and carries its traceparent; elsewhere it has not', async () => {
      await ready();
      await client.send('add', add(), { parentSpan });
      const [span] = exporter.getFinishedSpans();
      expect(span?.name).toBe('send balance.command.add');
      expect(span?.parentSpanContext?.spanId).toBe(parentSpan?.spanContext().spanId);
      expect(span?.attributes).toMatchObject({ 'holdfast.outcome': 'applied' });
      expect(ledger.commands[0]?.traceparent).toBe(
        `00-${span?.spanContext().traceId}-${span?.spanContext().spanId}-01`,
      );
      await client.send('add', add());
      expect(exporter.getFinishedSpans()).toHaveLength(1);
      expect(ledger.commands[1]).not.toHaveProperty('traceparent');
    });

    test.each([
      ['insufficient_funds', SpanStatusCode.UNSET, { 'holdfast.refusal.code': 'insufficient_funds' }],
      ['internal', SpanStatusCode.ERROR, { 'error.type': 'internal' }],
    ] as const)('%s leaves the status %d', async (code, status, attributes) => {
      await ready();
      ledger.answer = (message, payload) => reply(message, payload, () => refused(code));
      await client.send('add', add(), { parentSpan });
      const [span] = exporter.getFinishedSpans();
      expect(span).toMatchObject({ status: { code: status }, attributes });
      expect(Object.keys(span?.attributes ?? {})).toEqual(
        expect.not.arrayContaining(
          ['holdfast.refusal.code', 'error.type'].filter((name) => !(name in attributes)),
        ),
      );
    });

    test('a query has a span, and fails with it', async () => {
      await client.ask('account', { accountId }, { parentSpan, deadlineMs: 50 });
      expect(exporter.getFinishedSpans()).toMatchObject([
        { name: 'send balance.query.account', attributes: { 'error.type': 'unavailable' } },
      ]);
    });
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import type { Fact } from '../shared/contracts/events.ts';
import { inboxPrefixOf, type NatsUserName } from '../shared/contracts/nats-users.ts';
import { connectNats, type NatsLink } from '../shared/messaging/connect.ts';
import { createLedgerClient, type LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { manageStreams } from '../shared/messaging/streams.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { createMetrics } from '../shared/telemetry/metrics.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { untilOutboxIsEmpty } from './support/outbox.ts';
import { Stack } from './support/stack.ts';

const streams = ['BALANCE_HOLDS', 'BALANCE_EVENTS', 'BALANCE_COMMANDS'];

/** Everybody is one of the users, as in production; nobody has more than the table of users gives. */
describe('under the NATS users', () => {
  let stack: Stack;
  let link: NatsLink;
  let tools: LedgerClient;
  let books: Client;
  const connections: NatsConnection[] = [];

  const credentialsOf = (name: NatsUserName) => ({ name, password: stack.nats.passwords[name] });

  async function connectAs(user: NatsUserName): Promise<NatsConnection> {
    const connection = await connect({
      servers: stack.nats.url,
      user,
      pass: stack.nats.passwords[user],
      inboxPrefix: inboxPrefixOf(user),
    });
    connections.push(connection);
    return connection;
  }

  beforeAll(async () => {
    stack = await Stack.start({ openNats: false, holdPeriodMinutes: 0.01, env: { LOG_LEVEL: 'info' } });
    books = await stack.books();
    link = await connectNats({
      urls: [stack.nats.url],
      user: credentialsOf('tools'),
      inboxPrefix: inboxPrefixOf('tools'),
      name: 'test',
      logger: createLogger('test', 'silent'),
    });
    tools = createLedgerClient({ link, logger: createLogger('test', 'silent'), metrics: createMetrics() });
  }, 60_000);
  afterAll(async () => {
    await books.end();
    await tools.close();
    await link.drain();
    await Promise.all(connections.map((connection) => connection.close()));
    await stack.stop();
  });

  const balanceOf = async (accountId: string) => {
    const answer = await tools.ask('account', { accountId });
    return answer.ok ? answer.account : answer.error;
  };

  const noHold = { code: 'hold_not_found' };

  test('an account is opened, paid into, held from, settled and closed, and all of it told', async () => {
    const id = await openAccount(tools, '10.00');
    expect((await call(stack.url(), '/api/add', { id, amount: '5.00' })).status).toBe(200);
    expect((await call(stack.url(), '/api/substract', { id, amount: '4.00' })).status).toBe(200);
    await link.connection
      .request('balance.command.add', JSON.stringify({ id: randomUUID(), accountId: id, amount: '1.00' }), {
        timeout: 10_000,
      })
      .then((reply) => expect(reply.json()).toMatchObject({ ok: true }));
    // Without waiting.
    await jetstream(link.connection).publish(
      'balance.async.add',
      JSON.stringify({ id: randomUUID(), accountId: id, amount: '0.50' }),
    );
    const settled = async () => {
      const account = await balanceOf(id);
      return 'held' in account && account.held === '0.00' && account.balance === '12.50' ? true : undefined;
    };
    await eventually(settled);
    // That one may, not that there is something to end: holds fall due within a second here.
    for (const kind of ['settle', 'release'] as const) {
      const end = { id: randomUUID(), holdId: randomUUID() };
      expect((await call(stack.url(), `/api/${kind}`, { id, holdId: end.holdId })).body).toMatchObject(
        noHold,
      );
      expect(await tools.send(kind, { ...end, accountId: id })).toMatchObject({ error: noHold });
      const unattended = JSON.stringify({ ...end, id: randomUUID(), accountId: id });
      expect(await jetstream(link.connection).publish(`balance.async.${kind}`, unattended)).toBeDefined();
    }
    await tools.send('close', { id: randomUUID(), accountId: id });

    const reports = await connectAs('reports');
    const manager = await jetstreamManager(reports);
    await manager.consumers.add('BALANCE_EVENTS', { durable_name: 'reports', ack_policy: 'explicit' });
    const consumer = await jetstream(reports).consumers.get('BALANCE_EVENTS', 'reports');
    const kinds: string[] = [];
    await eventually(async () => {
      for await (const message of await consumer.fetch({ max_messages: 100, expires: 1_000 })) {
        for (const fact of message.json<Fact[]>()) {
          if (fact.type === 'entry' && fact.accountId === id) kinds.push(fact.kind);
        }
        message.ack();
      }
      return kinds.includes('close') ? true : undefined;
    }, 30_000);
    expect(kinds.toSorted()).toEqual(['add', 'add', 'add', 'add', 'close', 'open', 'settle', 'subtract']);
  }, 60_000);

  test('a shop that may only pay in pays in, and does nothing else', async () => {
    const accountId = await openAccount(tools, '10.00');
    const shop = await connectAs('shop-add');
    const ask = (subject: string, amount: string | undefined) =>
      shop.request(subject, JSON.stringify({ id: randomUUID(), accountId, amount }), { timeout: 5_000 });
    expect((await ask('balance.command.add', '2.00')).json()).toMatchObject({ ok: true });
    await expect(ask('balance.command.subtract', '2.00')).rejects.toThrow(
      'Permissions Violation for Publish to "balance.command.subtract"',
    );
    await expect(ask('balance.command.close', undefined)).rejects.toThrow('Permissions Violation');
    await expect(ask('balance.query.account', undefined)).rejects.toThrow('Permissions Violation');
    await expect(
      jetstream(shop).publish(
        'balance.async.add',
        JSON.stringify({ id: randomUUID(), accountId, amount: '1.00' }),
      ),
    ).rejects.toThrow('Permissions Violation');
    expect(await balanceOf(accountId)).toMatchObject({ balance: '12.00', held: '0.00', status: 'open' });
  });

  test('the ledger publishes nothing for a caller that names another subject than an inbox for its answer', async () => {
    const accountId = await openAccount(tools, '10.00');
    const shop = await connectAs('shop-add');
    const ledger = await connectAs('ledger');
    const manager = await manageStreams(ledger);
    const states = () =>
      Promise.all(streams.map(async (stream) => (await manager.streams.info(stream)).state));
    // The relay and the settler have done what there was to do.
    await eventually(async () => {
      const [holds, , commands] = await states();
      return holds?.messages === 0 && commands?.messages === 0 ? true : undefined;
    });
    await untilOutboxIsEmpty(books);
    const before = await states();
    expect(before[1]?.messages).toBeGreaterThan(0);
    const replies = [
      ...streams.flatMap((stream) => [
        `$JS.API.STREAM.PURGE.${stream}`,
        `$JS.API.STREAM.DELETE.${stream}`,
        `$JS.API.STREAM.UPDATE.${stream}`,
      ]),
      'balance.event',
      'balance.hold.due',
      'balance.async.add',
      'balance.command.add',
      'someone.elses.subject',
    ];
    for (const reply of replies) {
      const command = { id: randomUUID(), accountId, amount: '1.00' };
      shop.publish('balance.command.add', JSON.stringify(command), { reply });
    }
    await shop.flush();
    // One more that is answered: those before it were looked at.
    await shop.request('balance.command.add', '{}', { timeout: 5_000 });
    const [log] = stack.ledgers.map(({ lines }) => lines.join('\n'));
    for (const reply of replies) expect(log).toContain(`"reply":"${reply}"`);
    expect(await states()).toEqual(before);
    expect(await balanceOf(accountId)).toMatchObject({ balance: '10.00', version: 2 });
  });

  test('the broker’s acknowledgement of a command deletes nothing, wherever its sender has it sent', async () => {
    const accountId = await openAccount(tools, '10.00');
    const ledger = await connectAs('ledger');
    const manager = await manageStreams(ledger);
    const eventsKept = async () => {
      const { messages, first_seq: first } = (await manager.streams.info('BALANCE_EVENTS')).state;
      return { messages, first };
    };
    await untilOutboxIsEmpty(books);
    const before = await eventsKept();
    expect(before.messages).toBeGreaterThan(0);
    const orders = ['PURGE', 'MSG.DELETE', 'DELETE', 'UPDATE'];
    const replies = orders.flatMap((order) => streams.map((stream) => `$JS.API.STREAM.${order}.${stream}`));
    for (const reply of replies) {
      const command = { id: randomUUID(), accountId, amount: '1.00' };
      link.connection.publish('balance.async.add', JSON.stringify(command), { reply });
    }
    await eventually(async () => {
      const account = await balanceOf(accountId);
      return 'balance' in account && account.balance === `${10 + replies.length}.00` ? true : undefined;
    });
    await untilOutboxIsEmpty(books);
    const after = await eventsKept();
    expect(after.first).toBe(before.first);
    expect(after.messages).toBeGreaterThan(before.messages);
  });

  test('no service wanted to do what it may not', () => {
    const lines = stack.services.flatMap((service) => service.lines);
    expect(lines.filter((line) => /may not|ermissions|refuses/.test(line))).toEqual([]);
  });
});

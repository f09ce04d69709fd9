import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AckPolicy } from '@nats-io/jetstream';
import { connect, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provideNatsServer } from '../deploy/local/nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from '../deploy/local/nats-server.ts';
import { inboxPrefixOf, natsUserNames, type NatsUserName } from '../shared/contracts/nats-users.ts';
import {
  accountCommandKinds,
  asyncCommandSubject,
  commandKinds,
  commandSubject,
  queryKinds,
  querySubject,
} from '../shared/contracts/subjects.ts';
import { ensureStreams, manageStreams } from '../shared/messaging/streams.ts';
import { eventually } from './support/eventually.ts';

/*
 * Every user tries every subject on a real server that has nothing but our streams. Whoever stands outside all limits
 * listens to everything, and sees what came through.
 */

const streams = ['BALANCE_HOLDS', 'BALANCE_EVENTS', 'BALANCE_COMMANDS'];
const consumers = ['settler', 'ledger', 'reports', 'stranger'];

/** What there is to publish to, and what only an administrator should. */
const subjects = [
  ...commandKinds.map(commandSubject),
  ...queryKinds.map(querySubject),
  ...accountCommandKinds.map(asyncCommandSubject),
  'balance.event',
  'balance.hold.due',
  'balance.anything.else',
  ...['INFO', 'STREAM.NAMES', 'STREAM.LIST'].map((call) => `$JS.API.${call}`),
  ...streams.flatMap((stream) => [
    ...['INFO', 'CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.GET', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE'].map(
      (call) => `$JS.API.STREAM.${call}.${stream}`,
    ),
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.CONSUMER.NAMES.${stream}`,
    `$JS.API.CONSUMER.LIST.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.FC.${stream}.anyone.1`,
    ...consumers.flatMap((consumer) => [
      ...['CREATE', 'DURABLE.CREATE', 'INFO', 'DELETE', 'PAUSE', 'MSG.NEXT'].map(
        (call) => `$JS.API.CONSUMER.${call}.${stream}.${consumer}`,
      ),
      `$JS.ACK.${stream}.${consumer}.1.1.1.1700000000000000000.0`,
    ]),
  ]),
  '$SYS.REQ.SERVER.PING',
  '_INBOX.anyone.1',
  ...natsUserNames.map((user) => `${inboxPrefixOf(user)}.1`),
];

const consuming = (stream: string, consumer: string): string =>
  String.raw`\$JS\.(API\.CONSUMER\.(CREATE|INFO|MSG\.NEXT)|ACK)\.${stream}\.${consumer}(\.|$)`;

/** What each may publish to; said here once more, so that a line too many in the table does not go unnoticed. */
const mayPublish: Readonly<Record<NatsUserName, RegExp>> = {
  gateway: new RegExp(
    [
      String.raw`^balance\.(?:command\.(?:open|set-limit|close|add|subtract|settle|release|extend|transfer|advance-clock)|query\.\w+)$`,
      String.raw`^\$JS\.API\.(?:STREAM\.INFO|STREAM\.MSG\.GET|CONSUMER\.CREATE)\.BALANCE_EVENTS$`,
      String.raw`^\$JS\.FC\.BALANCE_EVENTS\.`,
    ].join('|'),
  ),
  ledger: new RegExp(
    String.raw`^(balance\.(event|hold\.due)$|\$JS\.API\.STREAM\.(INFO|CREATE)\.|${consuming('BALANCE_COMMANDS', 'ledger')})`,
  ),
  settler: new RegExp(
    String.raw`^(balance\.(command\.settle-due|query\.ping)$|\$JS\.API\.STREAM\.(INFO|CREATE)\.BALANCE_HOLDS$|${consuming('BALANCE_HOLDS', 'settler')})`,
  ),
  tools:
    /^balance\.(?:command\.(?:open|set-limit|close|add|subtract|settle|release|extend|transfer|advance-clock)|query\.\w+|async\.[\w-]+)$/,
  'shop-add': /^balance\.command\.add$/,
  reports: new RegExp(String.raw`^(\$JS\.API\.INFO$|${consuming('BALANCE_EVENTS', 'reports')})`),
};

/** What there is to listen to: all of that, and wildcards over it. */
const listened = [
  ...subjects.map((subject) => [subject, undefined] as const),
  ...[
    '>',
    '*.>',
    'balance.>',
    'balance.command.*',
    'balance.query.*',
    'balance.*',
    '$JS.>',
    '$JS.API.>',
    '$SYS.>',
  ].map((subject) => [subject, undefined] as const),
  ...['_INBOX.>', ...natsUserNames.map((user) => `${inboxPrefixOf(user)}.>`)].map(
    (subject) => [subject, undefined] as const,
  ),
  ...['balance.command.*', 'balance.query.*', 'balance.async.*', 'balance.event', '>'].map(
    (subject) => [subject, 'ledger'] as const,
  ),
  ['balance.command.*', 'others'] as const,
];

function mayListen(user: NatsUserName, subject: string, queue: string | undefined): boolean {
  if (subject.startsWith(`${inboxPrefixOf(user)}.`)) return true;
  if (user === 'reports' && subject === 'balance.event') return true;
  // One of the kinds is less than all of them.
  return user === 'ledger' && queue === 'ledger' && /^balance\.(?:command|query)\.\*$/.test(subject);
}

let dataDir: string;
let server: NatsServer;
let observer: NatsConnection;
const seen = new Set<string>();
const open: NatsConnection[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast permissions '));
  const { path: binary } = await provideNatsServer(dataDir, process.env);
  server = await startNatsServer({ dataDir, binary, open: true });
  observer = await connect({ servers: server.url });
  await ensureStreams(observer, 1);
  observer.subscribe('>', { callback: (_, { subject }) => void seen.add(subject) });
  await observer.flush();
}, 120_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});
afterAll(async () => {
  await observer.close();
  await server.process.stop(10_000);
  await rm(dataDir, { recursive: true });
});

/** A connection as that user, and what was refused on it: `publish subject`, `subscription subject group`. */
async function connectAs(user: NatsUserName) {
  const connection = await connect({
    servers: server.url,
    user,
    pass: server.passwords[user],
    inboxPrefix: inboxPrefixOf(user),
  });
  open.push(connection);
  const refused = new Set<string>();
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      const { operation, subject, queue } = status.error;
      refused.add([operation, subject, ...(queue === undefined ? [] : [queue])].join(' '));
    }
  })();
  /** All that was sent before has been judged. */
  const settled = async (): Promise<void> => {
    connection.publish('forbidden.to.all');
    await eventually(() => Promise.resolve(refused.has('publish forbidden.to.all') ? true : undefined));
    await observer.flush();
  };
  return { connection, refused, settled };
}

/** Everything that the streams are and hold. */
async function streamsNow(): Promise<unknown> {
  const manager = await manageStreams(observer);
  return Promise.all(
    streams.map(async (stream) => {
      const { config, state } = await manager.streams.info(stream);
      return { config, state };
    }),
  );
}

describe.each(natsUserNames)('the NATS user %s', (user) => {
  test('publishes to what it needs, and to nothing else', async () => {
    const before = await streamsNow();
    const forbidden = subjects.filter((subject) => !mayPublish[user].test(subject));
    const { connection, refused, settled } = await connectAs(user);
    seen.clear();
    for (const subject of forbidden)
      connection.publish(subject, '{}', { reply: `${inboxPrefixOf(user)}.reply` });
    await settled();
    expect(forbidden.filter((subject) => !refused.has(`publish ${subject}`))).toEqual([]);
    expect(forbidden.filter((subject) => seen.has(subject))).toEqual([]);
    expect(await streamsNow()).toEqual(before);

    refused.clear();
    const allowed = subjects.filter((subject) => mayPublish[user].test(subject));
    expect(allowed.length).toBeGreaterThan(0);
    for (const subject of allowed) connection.publish(subject, '{}');
    await settled();
    expect([...refused]).toEqual(['publish forbidden.to.all']);
    // What goes to JetStream's own interface is not for others' ears.
    const shown = allowed.filter((subject) => !subject.startsWith('$JS.API.'));
    expect(shown.filter((subject) => !seen.has(subject))).toEqual([]);
  });

  test('listens to what it needs, and to nothing else', async () => {
    const { connection, refused, settled } = await connectAs(user);
    for (const [subject, queue] of listened) {
      const subscription = connection.subscribe(subject, {
        callback: () => undefined,
        ...(queue !== undefined && { queue }),
      });
      void subscription.closed.catch(() => undefined);
    }
    await settled();
    const judged = listened.map(([subject, queue]) => ({
      line: ['subscription', subject, ...(queue === undefined ? [] : [queue])].join(' '),
      isAllowed: mayListen(user, subject, queue),
    }));
    const wrong = judged.filter(({ line, isAllowed }) => refused.has(line) === isAllowed);
    expect(wrong).toEqual([]);
    expect(judged.some(({ isAllowed }) => isAllowed)).toBe(true);
  });
});

test('who may make nameless consumers makes no durable one, and none by which others read tells it anything', async () => {
  const manager = await manageStreams(observer);
  const reports = { durable_name: 'reports', ack_policy: AckPolicy.Explicit };
  await manager.consumers.add('BALANCE_EVENTS', reports);
  const { connection } = await connectAs('gateway');
  const pull = { ack_policy: 'explicit' };
  const push = { ack_policy: 'none', deliver_subject: `${inboxPrefixOf('gateway')}.1` };
  const configs = [
    ...['reports', 'stranger'].flatMap((name) => [
      { durable_name: name, ...pull },
      { durable_name: name, ...push },
      { name, durable_name: name, ...pull },
      { name, durable_name: name, ...push },
    ]),
    { name: 'reports', ...push },
  ];
  for (const config of configs) {
    for (const action of ['create', 'update', '']) {
      const payload = JSON.stringify({ stream_name: 'BALANCE_EVENTS', config, action });
      const answer = await connection.request('$JS.API.CONSUMER.CREATE.BALANCE_EVENTS', payload);
      const refused = { error: { err_code: expect.any(Number) } };
      expect([config, action, answer.json()]).toMatchObject([config, action, refused]);
    }
  }
  const left = await manager.consumers.list('BALANCE_EVENTS').next();
  expect(left.map(({ name, config }) => [name, config.deliver_subject])).toEqual([['reports', undefined]]);
  await manager.consumers.delete('BALANCE_EVENTS', 'reports');
});

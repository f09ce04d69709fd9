import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { eventually } from '../../test/support/eventually.ts';
import { inboxPrefixOf, natsUserNames, type NatsUserName } from '../../shared/contracts/nats-users.ts';
import { startChild, type ChildHandle } from '../local/child-process.ts';
import { freePort } from '../local/free-port.ts';
import { provideNatsServer } from '../local/nats-binary/find-nats-server.ts';

/* The files of this folder, with an address of this machine put in, read by a real nats-server with what Compose gives it. */

/** Passwords that the broker's configuration would take for numbers, variables or its own words, were they not quoted. */
const passwords: Readonly<Record<NatsUserName, string>> = {
  gateway: '1234567890123',
  ledger: '12e5678901234',
  settler: '-9k0123456789',
  tools: 'true/+=.~true',
  'shop-add': '0x12345678901',
  reports: '2026-01-31T12',
};

let folder: string;
let server: ChildHandle;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast deployed nats '));
  await cp(import.meta.dirname, folder, { recursive: true });
  const file = join(folder, 'nats-server.conf');
  const [port, http] = [await freePort(), await freePort()];
  const text = await readFile(file, 'utf8');
  const here = text
    .replace('0.0.0.0:4222', `127.0.0.1:${port}`)
    .replace('127.0.0.1:8222', `127.0.0.1:${http}`)
    .replace('"/data"', JSON.stringify(join(folder, 'data')));
  await writeFile(file, here);
  const { path } = await provideNatsServer(folder, process.env);
  const lines: string[] = [];
  server = await startChild({
    name: 'nats-server',
    command: path,
    args: ['--config', file],
    env: await composeEnvironment(),
    onLine: (line) => lines.push(line),
  });
  url = `nats://127.0.0.1:${port}`;
  await eventually(
    () => Promise.resolve(lines.some((line) => line.includes('Server is ready')) ? true : undefined),
    60_000,
  );
}, 120_000);
afterAll(async () => {
  await server.stop(10_000);
  await rm(folder, { recursive: true });
});

/** Of the service `nats` in docker-compose.yml, with our passwords in the place of its variables. */
async function composeEnvironment(): Promise<Record<string, string>> {
  const text = await readFile(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8');
  const { services } = parse(text, { merge: true }) as {
    services: Record<string, { environment: Record<string, string> }>;
  };
  const given = Object.entries(services['nats']?.environment ?? {});
  return Object.fromEntries(
    given.map(([name, value]) => [
      name,
      value.replace(
        /\$\{\w+:\?the password of the NATS user ([\w-]+)\}/,
        (_, user: NatsUserName) => passwords[user],
      ),
    ]),
  );
}

test('each user comes in with its own password, and nobody else', async () => {
  for (const user of natsUserNames) {
    const inboxPrefix = inboxPrefixOf(user);
    const connection = await connect({ servers: url, user, pass: passwords[user], inboxPrefix });
    await connection.close();
    const another = Object.values(passwords).find((each) => each !== passwords[user]) ?? '';
    await expect(connect({ servers: url, user, pass: another })).rejects.toThrow('Authorization Violation');
  }
  await expect(connect({ servers: url })).rejects.toThrow('Authorization Violation');
});

test('what one may not do is refused there as well', async () => {
  const user = 'shop-add';
  const patient = { timeout: 10_000 };
  const connection = await connect({
    servers: url,
    user,
    pass: passwords[user],
    inboxPrefix: inboxPrefixOf(user),
  });
  try {
    await expect(connection.request('balance.command.close', '{}', patient)).rejects.toThrow(
      'Permissions Violation',
    );
    // Allowed, and nobody is there.
    await expect(connection.request('balance.command.add', '{}', patient)).rejects.toThrow('no responders');
  } finally {
    await connection.close();
  }
});

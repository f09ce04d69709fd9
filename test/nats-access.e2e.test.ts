import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { freePort } from '../deploy/local/free-port.ts';
import { provideNatsServer } from '../deploy/local/nats-binary/find-nats-server.ts';
import { makeAuthority, type Authority } from './support/certificates.ts';
import { eventually } from './support/eventually.ts';
import { makeOperator } from './support/nats-operator.ts';

/* A nats-server of one's own, with users, certificates or both: a real settler has to find its way in by its settings. */

const root = join(import.meta.dirname, '..');
const limitMs = 30_000;

let folder: string;
let binary: string;
const children: ChildHandle[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast access '));
  const found = await provideNatsServer(folder, process.env);
  binary = found.path;
}, 120_000);
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop(10_000)));
});
afterAll(() => rm(folder, { recursive: true }));

/** Answers the file. */
async function writeConfig(port: number, config: string): Promise<string> {
  const file = join(folder, `${port}.conf`);
  await writeFile(file, `listen: "127.0.0.1:${port}"\n${config}`);
  return file;
}

/** A nats-server with that configuration; resolves with its port when it listens. */
async function serve(config: string, wantedPort?: number): Promise<number> {
  const port = wantedPort ?? (await freePort());
  const file = await writeConfig(port, config);
  const lines: string[] = [];
  const server = await startChild({
    name: 'nats-server',
    command: binary,
    args: ['--config', file],
    onLine: (line) => lines.push(line),
  });
  children.push(server);
  await eventually(
    async () => (lines.some((line) => line.includes('Server is ready')) ? true : undefined),
    limitMs,
  );
  return port;
}

/** A settler with these settings alone, and the lines that it wrote. */
async function runSettler(env: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  const settler = await startChild({
    name: 'settler',
    command: process.execPath,
    args: [join(root, 'dist/services/settler/main.js')],
    cwd: folder,
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'info', ...env },
    onLine: (line) => lines.push(line),
  });
  children.push(settler);
  return { settler, lines };
}

/** How the first connection went. */
const connectedOrNot = /connected to NATS|reach NATS|refuses the credentials|wants credentials|can't run/;

/** A settler with these settings alone. Answers its first line that tells what is asked about. */
async function connectWith(
  env: Readonly<Record<string, string>>,
  told: RegExp = connectedOrNot,
): Promise<string> {
  const { settler, lines } = await runSettler(env);
  const line = await eventually(async () => lines.find((each) => told.test(each)), limitMs);
  await settler.stop(10_000);
  for (const secret of secrets) expect(lines.join('\n')).not.toContain(secret);
  return line;
}

const password = 'correct-horse-battery';
const secrets = [password, 'hunter2'];
const users = `authorization { users: [ { user: "me", password: "${password}" } ] }\n`;

describe('credentials', () => {
  test('NATS_USER and NATS_PASSWORD, or those in NATS_URL, open the door; others do not', async () => {
    const address = `127.0.0.1:${await serve(users)}`;
    const url = `nats://${address}`;
    expect(await connectWith({ NATS_URL: url, NATS_USER: 'me', NATS_PASSWORD: password })).toContain(
      'connected to NATS',
    );
    expect(await connectWith({ NATS_URL: `nats://me:${password}@${address}` })).toContain(
      'connected to NATS',
    );
    expect(await connectWith({ NATS_URL: url, NATS_USER: 'me', NATS_PASSWORD: 'hunter2' })).toContain(
      `NATS at ${address} refuses the credentials in NATS_USER and NATS_PASSWORD`,
    );
    expect(await connectWith({ NATS_URL: `nats://me:hunter2@${address}` })).toContain(
      `NATS at ${address} refuses the credentials in NATS_URL`,
    );
    expect(await connectWith({ NATS_URL: url })).toContain(
      `NATS at ${address} wants credentials: set NATS_USER and NATS_PASSWORD, or NATS_CREDS`,
    );
  }, 90_000);

  describe('that were changed at the broker: a service says so, and goes on when they are right again', () => {
    const others = users.replace(password, 'another-password');

    /** A settler that is connected, its broker, and what waits until it has said something. */
    async function connected() {
      const port = await serve(users);
      const broker = children.at(-1);
      const login = { NATS_URL: `nats://127.0.0.1:${port}`, NATS_USER: 'me', NATS_PASSWORD: password };
      const { lines } = await runSettler(login);
      const said = (words: string) =>
        eventually(async () => (lines.some((line) => line.includes(words)) ? true : undefined), limitMs);
      await said('"connected to NATS"');
      return { port, broker, lines, said };
    }

    // Some waits, of which each has its own bound and says what was not said.
    const allWaitsMs = 130_000;

    test(
      'while it runs',
      async () => {
        const { port, broker, lines, said } = await connected();
        const change = async (config: string) => {
          await writeConfig(port, config);
          process.kill(broker?.pid ?? 0, 'SIGHUP');
        };
        await change(others);
        await said('refuses the credentials in NATS_USER and NATS_PASSWORD');
        await change(users);
        await said('connected to NATS again');
        expect(lines.join('\n')).not.toContain(password);
      },
      allWaitsMs,
    );

    test(
      'while it was away',
      async () => {
        const { port, broker, lines, said } = await connected();
        await broker?.stop(10_000);
        await said("can't reach NATS");
        await serve(others, port);
        await said('refuses the credentials in NATS_USER and NATS_PASSWORD');
        await children.at(-1)?.stop(10_000);
        await serve(users, port);
        await said('connected to NATS again');
        expect(lines.join('\n')).not.toContain(password);
      },
      allWaitsMs,
    );
  });

  test('NATS_CREDS does so where users are known by their JWTs', async () => {
    const { config, credentials, strangersCredentials } = makeOperator();
    const url = `nats://127.0.0.1:${await serve(config)}`;
    const [mine, strangers] = [join(folder, 'mine.creds'), join(folder, 'strangers.creds')];
    await Promise.all([writeFile(mine, credentials), writeFile(strangers, strangersCredentials)]);
    expect(await connectWith({ NATS_URL: url, NATS_CREDS: mine })).toContain('connected to NATS');
    expect(await connectWith({ NATS_URL: url, NATS_CREDS: strangers })).toContain(
      'refuses the credentials in NATS_CREDS',
    );
  });
});

describe('a user who may not do what the settler does', () => {
  test.each([
    ['"nothing.of.ours"', '"_INBOX_settler.>"', 'publish to balance.query.ping'],
    ['"balance.query.ping"', '"_INBOX_settler.>"', String.raw`publish to \$JS.API.STREAM.INFO.BALANCE_HOLDS`],
    ['">"', '"_INBOX.>"', 'subscribe to _INBOX_settler.>'],
  ])('publishing to [%s], listening to [%s]: it says what to allow', async (publish, subscribe, words) => {
    const permissions = `permissions { publish: [${publish}], subscribe: [${subscribe}] }`;
    const user = `{ user: "me", password: "${password}", ${permissions} }`;
    const url = `nats://127.0.0.1:${await serve(`authorization { users: [ ${user} ] }`)}`;
    const login = { NATS_URL: url, NATS_USER: 'me', NATS_PASSWORD: password };
    const line = await connectWith(login, new RegExp(`may not ${words.replaceAll('.', String.raw`\.`)}`));
    expect(line).toContain('allow it there, or log in as another');
  });
});

describe('TLS', () => {
  let ours: Authority;
  let theirs: Authority;
  beforeAll(async () => {
    ours = await makeAuthority(folder, 'ours');
    theirs = await makeAuthority(folder, 'theirs');
  }, limitMs);

  /** A server with a certificate for that name, which asks for one of ours when `mutual`. */
  async function serveTls(name: string, mutual = false): Promise<number> {
    const { certFile, keyFile } = await ours.issue(name);
    const files = `cert_file: "${certFile}", key_file: "${keyFile}"`;
    return serve(`tls { ${files}${mutual ? `, ca_file: "${ours.caFile}", verify: true` : ''} }\n${users}`);
  }
  const login = { NATS_USER: 'me', NATS_PASSWORD: password };

  test(
    `NATS_TLS_CA: a server is trusted whose certificate has its name and leads there`,
    async () => {
      const port = await serveTls('IP:127.0.0.1');
      for (const scheme of ['nats', 'tls']) {
        const url = `${scheme}://127.0.0.1:${port}`;
        const trusting = await connectWith({ ...login, NATS_URL: url, NATS_TLS_CA: ours.caFile });
        expect(trusting).toContain('connected to NATS');
        for (const settings of [{ NATS_TLS_CA: theirs.caFile }, {}]) {
          const line = await connectWith({ ...login, NATS_URL: url, ...settings });
          expect(line).toContain("can't reach NATS at 127.0.0.1");
          expect(line).toContain('Set NATS_TLS_CA to a file with the certificate of whoever issued its own');
        }
      }
    },
    2 * limitMs,
  );

  test(
    `a server with another name than its certificate's is refused`,
    async () => {
      const port = await serveTls('nats.example.com');
      const line = await connectWith({
        ...login,
        NATS_URL: `tls://127.0.0.1:${port}`,
        NATS_TLS_CA: ours.caFile,
      });
      expect(line).toContain('does not match certificate');
      expect(line).toContain('have NATS_URL name it as its certificate does');
    },
    limitMs,
  );

  test(
    `NATS_TLS_CERT and NATS_TLS_KEY are shown to a server that asks for them`,
    async () => {
      const port = await serveTls('IP:127.0.0.1', true);
      const line = { ...login, NATS_URL: `tls://127.0.0.1:${port}`, NATS_TLS_CA: ours.caFile };
      const mine = await ours.issue('settler');
      const foreign = await theirs.issue('settler');
      const showing = ({ certFile, keyFile }: typeof mine) =>
        connectWith({ ...line, NATS_TLS_CERT: certFile, NATS_TLS_KEY: keyFile });
      expect(await showing(mine)).toContain('connected to NATS');
      for (const refused of [await showing(foreign), await connectWith(line)]) {
        expect(refused).toContain(
          'if it asks for a certificate, set NATS_TLS_CERT and NATS_TLS_KEY to one that it trusts',
        );
      }
    },
    2 * limitMs,
  );

  test(
    `a server in the clear is refused when TLS is asked for, before it hears a password`,
    async () => {
      const port = await serve(users);
      const trust = { NATS_TLS_CA: ours.caFile };
      for (const settings of [
        { NATS_URL: `tls://127.0.0.1:${port}` },
        { NATS_URL: `nats://127.0.0.1:${port}`, ...trust },
      ]) {
        const line = await connectWith({ ...login, ...settings });
        expect(line).toContain("server does not support 'tls'");
        expect(line).toContain('Switch TLS on there');
      }
    },
    limitMs,
  );
});

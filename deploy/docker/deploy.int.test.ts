import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { runCommand } from '../local/run-command.ts';
import { deploy as main } from './main.ts';
import { natsPasswordVariables } from './nats-passwords.ts';
import { updateOrder } from './stack.ts';

/* ./deploy.sh with a stand-in for docker, which records what it is told and answers what a test wants. */

const root = join(import.meta.dirname, '../..');
const secrets = {
  DB_PASSWORD: 'correct horse battery',
  APP_SECRET_KEY: 'k'.repeat(40),
  // Given, so that none is made and kept in this clone.
  ...Object.fromEntries(natsPasswordVariables.map((name) => [name, `secret-of-${name}`])),
};
const limitMs = 60_000;

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stand-in docker '));
  await writeFile(
    join(folder, 'docker'),
    `#!/bin/sh
cd "$(dirname "$0")"
echo "$@" >> calls
case "$*" in
  *"ps --format"*) cat running ;;
  *"ps --all"*) echo "NAME STATUS" ;;
esac
if grep -qxF "$*" failing; then echo "container holdfast-ledger-1 is unhealthy" >&2; exit 1; fi
`,
  );
  await chmod(join(folder, 'docker'), 0o755);
});

beforeEach(async () => {
  await Promise.all(['calls', 'running', 'failing'].map((name) => writeFile(join(folder, name), '')));
});

afterAll(() => rm(folder, { recursive: true }));

async function deploy(env: Readonly<Record<string, string>>, ...args: string[]) {
  const { code, lines } = await runCommand('sh', [join(root, 'deploy.sh'), ...args], {
    timeoutMs: limitMs,
    env: { PATH: [folder, process.env['PATH'] ?? ''].join(delimiter), HOME: process.env['HOME'], ...env },
  });
  const calls = (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
  return {
    code,
    output: lines.join('\n'),
    calls: calls.filter((call) => !call.startsWith('compose version')),
  };
}

/** The step that updates a service: with all those before it. */
const update = (service: (typeof updateOrder)[number], ...scale: string[]): string =>
  [
    'compose up --wait --wait-timeout 180',
    ...scale,
    '-d',
    ...updateOrder.slice(0, updateOrder.indexOf(service) + 1),
  ].join(' ');

describe('deploy.sh', () => {
  test(
    'builds, starts, waits for health and says where it is',
    async () => {
      const { code, output, calls } = await deploy({ ...secrets, PORT: '8099' });
      expect({ code, output }).toMatchObject({ code: 0 });
      expect(calls).toEqual([
        'compose build',
        'compose ps --format {{.Service}}',
        'compose up --remove-orphans --wait --wait-timeout 180 -d',
      ]);
      expect(output).toContain('Holdfast is on http://127.0.0.1:8099, and healthy.');
      expect(output).toContain('token     APP_SECRET_KEY=... npm run -s token -- --scope balance:write');
      for (const secret of Object.values(secrets)) expect(output).not.toContain(secret);
    },
    limitMs,
  );

  test(
    'updates what runs one service after the other, as many of each as there are',
    async () => {
      await writeFile(join(folder, 'running'), 'nginx\ngateway\ngateway\nledger\nledger\nledger\nsettler\n');
      const { code, calls } = await deploy(secrets);
      expect(code).toBe(0);
      expect(calls.slice(2)).toEqual([
        update('jaeger'),
        update('prometheus'),
        'compose kill --signal SIGHUP prometheus',
        update('grafana'),
        update('postgres'),
        update('nats'),
        'compose kill --signal SIGHUP nats',
        update('ledger', '--scale ledger=3'),
        update('settler', '--scale ledger=3'),
        update('gateway', '--scale ledger=3 --scale gateway=2'),
        update('nginx', '--scale ledger=3 --scale gateway=2'),
        'compose exec -T nginx nginx -c /etc/holdfast/nginx.conf -s reload',
        'compose up --remove-orphans --wait --wait-timeout 180 --scale gateway=2 --scale ledger=3 -d',
      ]);
    },
    limitMs,
  );

  test(
    'stops at the first service that does not become healthy, in the words of Compose',
    async () => {
      await Promise.all([
        writeFile(join(folder, 'running'), 'ledger\n'),
        writeFile(join(folder, 'failing'), update('ledger')),
      ]);
      const { code, output, calls } = await deploy(secrets);
      expect(code).toBe(1);
      expect(calls.at(-1)).toBe(update('ledger'));
      expect(output).toContain('deploy.sh: container holdfast-ledger-1 is unhealthy');
      expect(output).not.toContain('healthy.');
    },
    limitMs,
  );

  test('goes by the file .env, as Compose does, and says what that gives', async () => {
    const clone = await mkdtemp(join(tmpdir(), 'clone with .env '));
    const before = { ...process.env };
    const written: string[] = [];
    const writing = (['stdout', 'stderr'] as const).map((name) =>
      jest.spyOn(process[name], 'write').mockImplementation((text) => written.push(String(text)) > 0),
    );
    try {
      await writeFile(join(clone, '.env'), `AUTH=none\nPORT=9090\nDB_PASSWORD=${secrets.DB_PASSWORD}\n`);
      const { DB_PASSWORD: _, ...others } = secrets;
      process.env = { ...others, HOME: before['HOME'], PATH: [folder, before['PATH']].join(delimiter) };
      expect(await main(clone, [])).toBe(0);
    } finally {
      for (const each of writing) each.mockRestore();
      process.env = before;
      await rm(clone, { recursive: true });
    }
    const output = written.join('');
    expect(output).toContain('the file .env gives AUTH, DB_PASSWORD, PORT\n');
    expect(output).toContain('Holdfast is on http://127.0.0.1:9090, and healthy.');
    expect(output).toContain('EVERYONE who reaches it may use the API');
    expect(output).not.toContain(secrets.DB_PASSWORD);
  });

  test('starts nothing without its secrets', async () => {
    const { code, output, calls } = await deploy({ DB_PASSWORD: 'correct horse battery' });
    expect(code).toBe(1);
    expect(output).toContain('APP_SECRET_KEY is not set');
    expect(calls).toEqual(['']);
  });

  test('shows, follows and stops without any secret', async () => {
    expect(await deploy({}, '--status')).toMatchObject({
      code: 0,
      output: expect.stringContaining('NAME STATUS'),
    });
    await deploy({}, '--logs');
    const { calls } = await deploy({}, '--down');
    expect(calls).toEqual([
      'compose ps --all',
      'compose logs --tail 200 --follow',
      'compose down --remove-orphans',
    ]);
    expect((await deploy({}, '--dwon')).output).toContain('./deploy.sh --down');
  });

  test('says what is missing where there is no Docker', async () => {
    const { code, output } = await deploy({
      ...secrets,
      PATH: join(process.execPath, '..') + delimiter + '/bin',
    });
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('Install Docker') });
  });
});

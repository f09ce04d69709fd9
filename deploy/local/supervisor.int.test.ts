import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { whilePortTaken } from '../../test/support/taken-port.ts';
import { readRunning } from './data-folder.ts';
import { freePort } from './free-port.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import { splitLines } from './split-lines.ts';

const root = resolve(import.meta.dirname, '../..');
const account = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const limitMs = 30_000;
const pollMs = 50;

/** Waits until `condition` gives something, and fails with `what` when that takes too long. */
async function eventually<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(pollMs);
  }
}

/** `npm start` with these settings. Whatever it leaves in words is in `words`, its log in `log`. */
function start(settings: Readonly<Record<string, string>>) {
  const { PATH, HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
  const child = spawn(process.execPath, ['deploy/local/start.mjs'], {
    cwd: root,
    env: { PATH, HOME, TMPDIR, XDG_CACHE_HOME, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  const words: string[] = [];
  splitLines(child.stdout, (line) => log.push(line));
  splitLines(child.stderr, (line) => words.push(line));
  const exited = new Promise<number | null>((done) => child.once('close', done));
  const ready = () =>
    eventually(`ready\n${[...log, ...words].join('\n')}`, () => {
      if (child.exitCode !== null) throw new Error(`it ended:\n${[...log, ...words].join('\n')}`);
      return words.find((line) => line.includes('is ready on'));
    });
  return { child, log, words, exited, ready };
}

/** `npm run trace` with these words. */
async function trace(dataDir: string, ...args: string[]) {
  const command = ['dist/deploy/local/traces/main.js', ...args];
  const options = { cwd: root, env: { PATH: process.env['PATH'], DATA_DIR: dataDir } };
  const child = await promisify(execFile)(process.execPath, command, options).catch(
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );
  return { code: 'code' in child ? child.code : 0, text: child.stdout, words: child.stderr };
}

describe('npm start', () => {
  let folder: string;
  let dataDir: string;
  let port: number;
  let settings: Record<string, string>;
  let run: ReturnType<typeof start>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast start '));
    dataDir = join(folder, 'data');
    port = await freePort();
    // Three seconds.
    settings = { DATA_DIR: dataDir, PORT: String(port), SUBSTRACT_HOLD_PERIOD: '0.05' };
    run = start(settings);
    await run.ready();
  }, limitMs);

  afterAll(async () => {
    run.child.kill('SIGTERM');
    await run.exited;
    await rm(folder, { recursive: true });
  });

  const status = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/status/${account}`);
    return (await answer.json()) as Record<string, string>;
  };

  /** The processes that run, as the log names them; a later line is of a later start. */
  const programs = () => {
    const found = new Map<string, ProcessIdentity>();
    for (const line of run.log) {
      const [, name, pid] = /"([\w-]+) runs, pid (\d+)"/u.exec(line) ?? [];
      const identity = identifyProcess(Number(pid));
      if (name !== undefined && identity !== undefined) found.set(name, identity);
    }
    return found;
  };

  const pidOf = (name: string) => {
    const identity = programs().get(name);
    if (identity === undefined) throw new Error(`${name} does not run`);
    return identity.pid;
  };

  test('names each process with its pid, and the services have titles', async () => {
    const names = ['gateway', 'ledger', 'nats-server', 'postgres', 'settler'];
    expect([...programs().keys()].toSorted()).toEqual(names);
    for (const name of ['gateway', 'ledger', 'settler']) {
      const { lines } = await runCommand('ps', ['-o', 'args=', '-p', String(pidOf(name))], {
        timeoutMs: 5_000,
      });
      expect(lines[0]?.trim()).toBe(`holdfast-${name}`);
    }
  });

  test('writes nothing but JSON lines to its output when that is no terminal', () => {
    for (const line of run.log) {
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), service: expect.any(String) });
    }
  });

  test('prints three curl lines that work as they are', async () => {
    const lines = run.words.filter((line) => line.startsWith('curl '));
    const answers = [];
    for (const line of lines) {
      const { lines: answer } = await runCommand('sh', ['-c', line], { timeoutMs: 10_000 });
      answers.push(JSON.parse(answer.join('\n')) as unknown);
    }
    expect(answers).toMatchObject([
      { id: account, available: '1400.00' },
      { available: '1433.48', entry: { kind: 'add' } },
      { available: '1400.00', hold: { status: 'pending' } },
    ]);
  });

  test(
    'tells a hold’s whole life with npm run trace, by any id of it',
    async () => {
      const body = JSON.stringify({ id: account, amount: '0.01' });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`http://127.0.0.1:${port}/api/substract`, { method: 'POST', headers, body });
      const { commandId, hold } = (await answer.json()) as { commandId: string; hold: { id: string } };
      const text = await eventually('it is settled and told', async () => {
        const told = await trace(dataDir, hold.id);
        // The fact of the settling comes last; it may be told of later than the rest.
        return /settle hold[^]*send balance\.event/u.test(told.text) ? told.text : undefined;
      });
      expect(text).toMatch(/gateway POST \/api\/substract {2}200\n.*send balance\.command\.subtract/u);
      expect(text).toMatch(/⋯ .* later\n.*settle hold/u);
      for (const id of [commandId, answer.headers.get('trace-id') ?? '']) {
        expect((await trace(dataDir, id)).text).toBe(text);
      }
      expect((await trace(dataDir)).text).toContain(answer.headers.get('trace-id'));
      expect(JSON.parse((await trace(dataDir, hold.id, '--json')).text)).toMatchObject([
        { spans: [{ span: { name: 'POST /api/substract' }, offsetMs: 0, shared: false }] },
      ]);
      expect(await trace(dataDir, 'hold')).toMatchObject({
        code: 1,
        words: expect.stringContaining('neither a trace id'),
      });
      expect(await trace(dataDir, '0'.repeat(32))).toMatchObject({
        code: 1,
        words: expect.stringContaining('no trace is kept that is about'),
      });
    },
    limitMs,
  );

  test('is found by install-fixture, for which there is nothing left to do', async () => {
    const command = ['dist/deploy/fixtures/install.js', 'subscribers'];
    const env = { PATH: process.env['PATH'], DATA_DIR: dataDir };
    const { code, lines } = await runCommand(process.execPath, command, {
      cwd: root,
      env,
      timeoutMs: 20_000,
    });
    expect(code).toBe(0);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^[0-9a-f-]{36}: already there$/u);
  });

  test('a second one on the same folder says so and how to mend it', async () => {
    const second = start(settings);
    expect(await second.exited).toBe(1);
    expect(second.words.join('\n')).toContain(`it is process ${run.child.pid} and answers on`);
    expect(second.words.join('\n')).toContain('DATA_DIR=');
  });

  test('a second one on the same port says so and how to mend it', async () => {
    const second = start({ ...settings, DATA_DIR: join(folder, 'other') });
    expect(await second.exited).toBe(78);
    expect(second.words.join('\n')).toContain(`PORT is ${port}, but another process already listens there`);
  });

  test('says all that is wrong with the settings at once', async () => {
    const wrong = start({ DATA_DIR: dataDir, PORT: 'x', SETTLER_WORKERS: '0', SUBSTRACT_HOLD_PERIOD: '-1' });
    expect(await wrong.exited).toBe(78);
    for (const name of ['PORT is "x"', 'SETTLER_WORKERS is "0"', 'SUBSTRACT_HOLD_PERIOD is "-1"']) {
      expect(wrong.words.join('\n')).toContain(name);
    }
  });

  test.each(['ledger', 'settler', 'gateway', 'nats-server', 'postgres'])(
    'a killed %s runs again',
    async (name) => {
      const before = pidOf(name);
      const { natsUrl, postgres } = readRunning(dataDir) ?? {};
      process.kill(before, 'SIGKILL');
      await eventually(`${name} runs again`, () => (programs().get(name)?.pid !== before ? true : undefined));
      await eventually('the API answers', async () =>
        (await status().catch(() => undefined))?.['id'] === account ? true : undefined,
      );
      expect(readRunning(dataDir)).toMatchObject({ natsUrl, postgres });
    },
    limitMs,
  );

  test(
    'killed with everything, the next start recovers, and a hold made before is settled',
    async () => {
      const body = JSON.stringify({ id: account, amount: '0.01' });
      const headers = { 'content-type': 'application/json' };
      const url = `http://127.0.0.1:${port}/api/substract`;
      const { balance = '' } = await status();
      expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
      const killed = programs();
      run.child.kill('SIGKILL');
      for (const { pid } of killed.values()) process.kill(pid, 'SIGKILL');
      await run.exited;

      run = start(settings);
      await run.ready();
      const settled = await eventually('settled', async () => {
        const now = await status();
        return now['held'] === '0.00' ? now : undefined;
      });
      expect(Number(settled['balance']?.replace('.', ''))).toBeLessThan(Number(balance.replace('.', '')));
      // Not a fresh folder any more.
      expect(run.words.filter((line) => line.startsWith('curl '))).toEqual([]);
    },
    2 * limitMs,
  );

  test('asked to stop, it leaves no process within 10 s, also when a service is frozen', async () => {
    const running = [...programs().values()];
    expect(running).toHaveLength(5);
    process.kill(pidOf('gateway'), 'SIGSTOP');
    const askedAtMs = performance.now();
    run.child.kill('SIGTERM');
    expect(await run.exited).toBe(0);
    expect(performance.now() - askedAtMs).toBeLessThan(10_000);
    expect(running.filter(isRunning)).toEqual([]);
    expect(existsSync(join(dataDir, 'running.json'))).toBe(false);
  });

  test(
    'asked a second time, it stops at once',
    async () => {
      run = start(settings);
      await run.ready();
      const running = [...programs().values()];
      process.kill(pidOf('gateway'), 'SIGSTOP');
      run.child.kill('SIGINT');
      await eventually('stopping', () => run.words.find((line) => line.startsWith('Stopping')));
      // Two within half a second are one Ctrl-C, which npm passes on.
      await delay(600);
      const askedAtMs = performance.now();
      run.child.kill('SIGINT');
      expect(await run.exited).toBe(130);
      expect(performance.now() - askedAtMs).toBeLessThan(5_000);
      expect(running.filter(isRunning)).toEqual([]);
    },
    limitMs,
  );

  test(
    'comes to a clear end when a service can not run',
    async () => {
      await whilePortTaken(async (opsPort) => {
        run = start({ ...settings, SETTLER_OPS_PORT: String(opsPort) });
        expect(await run.exited).toBe(1);
        expect(run.log.join('\n')).toContain(`SETTLER_OPS_PORT is ${opsPort}`);
      });
      expect(run.words.join('\n')).toContain('settler ended with exit code 78');
      expect([...programs().values()]).toEqual([]);
    },
    limitMs,
  );

  test('a PostgreSQL of your own that does not answer is waited for, in plain words', async () => {
    run = start({ ...settings, DB_HOST: '127.0.0.1', DB_PORT: String(await freePort()) });
    await eventually('it says so', () => run.log.find((line) => line.includes("can't use the database")));
    run.child.kill('SIGTERM');
    expect(await run.exited).toBe(0);
  });
});

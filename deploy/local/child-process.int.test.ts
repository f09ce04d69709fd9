import { describe, expect, test } from '@jest/globals';
import { startChild } from './child-process.ts';
import { runCommand } from './run-command.ts';

describe('a child process', () => {
  test('hands on its lines and its exit code', async () => {
    const lines: string[] = [];
    const script = 'echo one; echo two >&2; printf three; exit 3';
    const child = await startChild({
      name: 'talker',
      command: 'sh',
      args: ['-c', script],
      onLine: (line, stream) => lines.push(`${stream}: ${line}`),
    });
    await expect(child.exited).resolves.toEqual({ code: 3, signal: null });
    expect(lines.toSorted()).toEqual(['stderr: two', 'stdout: one', 'stdout: three']);
  });

  test('is stopped by its stop signal', async () => {
    const child = await startChild({ name: 'sleeper', command: 'sleep', args: ['60'], stopSignal: 'SIGINT' });
    await child.stop(5_000);
    await expect(child.exited).resolves.toEqual({ code: null, signal: 'SIGINT' });
    await child.stop(5_000);
  });

  test('is killed with its own children when it does not stop in time', async () => {
    let ready: ((pid: number) => void) | undefined;
    const grandchild = new Promise<number>((resolve) => {
      ready = resolve;
    });
    const child = await startChild({
      name: 'stubborn',
      command: 'sh',
      args: ['-c', "trap '' TERM; sleep 60 & echo $!; wait"],
      onLine: (line) => ready?.(Number(line)),
    });
    const pid = await grandchild;
    await child.stop(100);
    await expect(child.exited).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    await expect(runs(pid)).resolves.toBe(false);
  });

  test('ends with 127 when its command does not exist', async () => {
    const child = await startChild({ name: 'nothing', command: '/no/such/command', args: [] });
    await expect(child.exited).resolves.toEqual({ code: 127, signal: null });
  });

  test('gets what is on its command line as it is', async () => {
    const { lines } = await runCommand('printf', ['%s\n', 'a b', '$HOME', '"', "'"], { timeoutMs: 5_000 });
    expect(lines).toEqual(['a b', '$HOME', '"', "'"]);
  });
});

describe('a command', () => {
  test('that takes too long is killed', async () => {
    await expect(runCommand('sleep', ['60'], { timeoutMs: 100 })).resolves.toMatchObject({
      code: undefined,
      timedOut: true,
    });
  });
});

/** A zombie that nobody reaps does not run. */
async function runs(pid: number): Promise<boolean> {
  const { lines } = await runCommand('ps', ['-o', 'stat=', '-p', String(pid)], { timeoutMs: 5_000 });
  return lines.some((state) => !state.startsWith('Z'));
}

import { afterEach, expect, test } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { startChild, type ChildHandle } from './child-process.ts';
import { KeptProgram } from './kept-program.ts';
import { restartPolicy } from './restart-policy.ts';

const quick = { ...restartPolicy, firstDelayMs: 1, longestDelayMs: 5, tries: 3 };

let program: KeptProgram | undefined;
afterEach(() => program?.kill());

/** Keeps `sh -c script` running; `children` are all that were started, `end` is why it was given up. */
function keep(script: string) {
  const events = new EventEmitter();
  const children: ChildHandle[] = [];
  const kept = new KeptProgram({
    name: 'it',
    start: async () => {
      const child = await startChild({ name: 'it', command: 'sh', args: ['-c', script] });
      children.push(child);
      events.emit('start');
      return child;
    },
    logger: createLogger('test', 'silent'),
    onGivenUp: (reason) => events.emit('end', reason),
    policy: quick,
  });
  program = kept;
  const started = async (count: number) => {
    while (children.length < count) await once(events, 'start');
    return children[count - 1];
  };
  return { kept, children, started, end: once(events, 'end') };
}

test('a program that dies at once every time comes to a clear end', async () => {
  const { kept, children, end } = keep('exit 3');
  await kept.start();
  expect(await end).toEqual(['it ended with exit code 3, and starting it again does not help']);
  expect(children).toHaveLength(quick.tries);
});

test('a program that was killed runs again', async () => {
  const { kept, started } = keep('exec sleep 600');
  await kept.start();
  for (const count of [1, 2, 3, 4, 5]) (await started(count))?.kill();
  const last = await started(6);
  await kept.stop(5_000);
  expect(await last?.exited).toEqual({ code: null, signal: 'SIGTERM' });
});

test('a program that does not want to stop is killed after its time', async () => {
  const { kept, started } = keep("trap '' TERM; echo ready; while :; do sleep 1; done");
  await kept.start();
  await kept.stop(300);
  expect(await (await started(1))?.exited).toMatchObject({
    signal: expect.stringMatching(/^SIG(KILL|TERM)$/u),
  });
});

test('a program that ends because it was stopped is not started again', async () => {
  const { kept, children } = keep('exec sleep 600');
  await kept.start();
  await kept.stop(5_000);
  expect(children).toHaveLength(1);
});

test('a start that fails is told to whoever asked for it', async () => {
  program = new KeptProgram({
    name: 'it',
    start: () => Promise.reject(new Error('no such program')),
    logger: createLogger('test', 'silent'),
    onGivenUp: () => undefined,
  });
  await expect(program.start()).rejects.toThrow('no such program');
});

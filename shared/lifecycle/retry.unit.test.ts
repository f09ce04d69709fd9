import { expect, test } from '@jest/globals';
import { retryUntilDone } from './retry.ts';

const failing = () => Promise.reject(new Error('not yet'));
const giveUp = (error: unknown): never => {
  throw error;
};
const mustNotBeTold = () => {
  throw new Error('nobody wants to know any more');
};

test('is done again until it succeeds', async () => {
  const errors: unknown[] = [];
  const work = () => (errors.length < 3 ? failing() : Promise.resolve('done'));
  const onError = (error: unknown) => void errors.push(error);
  expect(await retryUntilDone(work, { delayMs: 0, onError })).toBe('done');
  expect(errors.map(String)).toEqual(['Error: not yet', 'Error: not yet', 'Error: not yet']);
});

test('is given up when whoever is told of the failure throws', async () => {
  await expect(retryUntilDone(failing, { delayMs: 0, onError: giveUp })).rejects.toThrow('not yet');
});

test('is given up when the service is asked to stop, be it in the work or in the pause', async () => {
  const inWork = new AbortController();
  const stopInWork = () => {
    inWork.abort(new Error('stopping'));
    return failing();
  };
  const work = retryUntilDone(stopInWork, { delayMs: 0, stopping: inWork.signal, onError: mustNotBeTold });
  await expect(work).rejects.toThrow('stopping');

  const inPause = new AbortController();
  const stopInPause = () => inPause.abort();
  const pause = retryUntilDone(failing, {
    delayMs: 60_000,
    stopping: inPause.signal,
    onError: stopInPause,
  });
  await expect(pause).rejects.toThrow('aborted');
});

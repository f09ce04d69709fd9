import { expect, test } from '@jest/globals';
import { SettlePace } from './settle-pace.ts';

const quiet = 1_024;

function paceBeside() {
  const commands = { taken: 0, depth: 0 };
  return { commands, pace: new SettlePace(commands) };
}

test.each([
  [1, 128],
  [100, 200],
  [1_000, 512],
])('after %i commands a turn takes %i holds', (taken, holds) => {
  const { commands, pace } = paceBeside();
  commands.taken = taken;
  expect(pace.next()).toMatchObject({ maxHolds: holds, isQuiet: false });
});

test('without commands a turn is long, and ends early for the first one', () => {
  const { commands, pace } = paceBeside();
  const turn = pace.next();
  expect(turn).toMatchObject({ maxHolds: quiet, isQuiet: true });
  expect(turn.mayGoOn()).toBe(true);
  commands.depth = 1;
  expect(turn.mayGoOn()).toBe(false);
});

test('turns stay short until sixteen have passed without a command', () => {
  const { commands, pace } = paceBeside();
  commands.taken = 1;
  pace.next().done();
  const sizes = Array.from({ length: 17 }, () => {
    const turn = pace.next();
    turn.done();
    return turn.maxHolds;
  });
  expect(sizes).toEqual([...Array<number>(16).fill(128), quiet]);
});

test('a turn that settled nothing changes nothing', () => {
  const { commands, pace } = paceBeside();
  commands.taken = 100;
  expect([pace.next().maxHolds, pace.next().maxHolds]).toEqual([200, 200]);
});

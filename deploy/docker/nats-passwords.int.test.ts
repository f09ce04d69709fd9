import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsPasswordVariables, provideNatsPasswords } from './nats-passwords.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast deploy '));
});
afterEach(() => rm(root, { recursive: true }));

test('passwords are made once, for the eyes of their owner', async () => {
  const made = await provideNatsPasswords(root, {});
  expect(Object.keys(made)).toEqual([...natsPasswordVariables]);
  expect(new Set(Object.values(made)).size).toBe(natsPasswordVariables.length);
  for (const password of Object.values(made)) expect(password).toMatch(/^[\w-]{32}$/);
  expect((await stat(join(root, '.nats-passwords.env'))).mode & 0o777).toBe(0o600);
  expect(await provideNatsPasswords(root, {})).toEqual(made);
});

test('those of the environment win, and none is made where all are there', async () => {
  const given = Object.fromEntries(natsPasswordVariables.map((name) => [name, `${name} of mine`]));
  expect(await provideNatsPasswords(root, given)).toEqual(given);
  expect(await readdir(root)).toEqual([]);
  const made = await provideNatsPasswords(root, {});
  const one = { NATS_TOOLS_PASSWORD: 'correct-horse-battery' };
  expect(await provideNatsPasswords(root, one)).toEqual({ ...made, ...one });
  expect(await provideNatsPasswords(root, {})).toEqual(made);
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { chooseServerPort } from './server-ports.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast ports '));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

test('a server gets the port that it had', async () => {
  const postgres = await chooseServerPort(dataDir, 'postgres');
  const nats = await chooseServerPort(dataDir, 'nats');
  expect(nats).not.toBe(postgres);
  await expect(chooseServerPort(dataDir, 'postgres')).resolves.toBe(postgres);
  await expect(chooseServerPort(dataDir, 'nats')).resolves.toBe(nats);
});

test('a port that someone else has taken is replaced', async () => {
  const port = await chooseServerPort(dataDir, 'nats');
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(port, '127.0.0.1', resolve);
  });
  try {
    const next = await chooseServerPort(dataDir, 'nats');
    expect(next).not.toBe(port);
    await expect(chooseServerPort(dataDir, 'nats')).resolves.toBe(next);
  } finally {
    other.close();
  }
});

test.each(['', '{', '7', '{"nats":"x"}', '{"nats":-1}', '{"nats":70000}'])(
  'a file with %j costs a new port',
  async (text) => {
    await writeFile(join(dataDir, 'server-ports.json'), text);
    await expect(chooseServerPort(dataDir, 'nats')).resolves.toBeGreaterThan(0);
  },
);

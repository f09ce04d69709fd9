import { afterAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalHoldfast } from './docs/local-holdfast.ts';
import { isStart, PageRun } from './docs/page-run.ts';
import { makeReaderClone, type ReaderClone } from './docs/reader-clone.ts';
import { findHiddenExamples, readShellBlocks } from './docs/shell-blocks.ts';
import {
  nothing,
  oldDatabase,
  ownAccounts,
  ownKey,
  ownServers,
  type Surroundings,
} from './docs/surroundings.ts';

/*
 * Every shell example of README.md and docs/ is run, in the order of its page, and must answer what the page shows. One
 * that can't be run has `<!-- not run: why -->` before it.
 */

const root = join(import.meta.dirname, '..');
const pageMs = 180_000;

/** Pages that need more than Holdfast and its accounts to try with. */
const special: Readonly<Record<string, () => Promise<Surroundings>>> = {
  'docs/moving-from-flask.md': async () => oldDatabase(await shared()),
  'docs/own-servers.md': ownServers,
  'docs/tokens.md': ownKey,
};

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, blocks: readShellBlocks(path, text) };
});
const runnable = pages
  .map(({ path, blocks }) => ({ path, blocks: blocks.filter(({ notRun }) => notRun === undefined) }))
  .filter(({ blocks }) => blocks.length > 0);

let sharedClone: ReaderClone | undefined;
let sharedHoldfast: Promise<LocalHoldfast> | undefined;

/** For the pages that expect Holdfast to run: one for all of them. */
function shared(): Promise<LocalHoldfast> {
  sharedHoldfast ??= makeReaderClone().then((clone) => {
    sharedClone = clone;
    return LocalHoldfast.start(clone.path, clone.env);
  });
  return sharedHoldfast;
}

afterAll(async () => {
  await (await sharedHoldfast)?.stop();
  await sharedClone?.remove();
});

test('no example is hidden from this test', () => {
  expect(pages.flatMap(({ path, text }) => findHiddenExamples(path, text))).toEqual([]);
});

test('there are examples to run', () => {
  expect(runnable.map(({ path }) => path)).toEqual(expect.arrayContaining(['README.md', 'docs/start.md']));
});

describe('the examples of', () => {
  test.each(runnable)(
    '$path',
    async ({ path, blocks }) => {
      const startsItself = blocks.some(({ steps }) => steps.some(({ command }) => isStart(command)));
      const surroundings = await (special[path]?.() ??
        (startsItself ? nothing() : ownAccounts(await shared())));
      const run = await PageRun.open(surroundings.setting);
      const problems: string[] = [];
      try {
        for (const { place, steps } of blocks) {
          for (const step of steps) {
            const problem = await run.follow(step);
            if (problem !== undefined) problems.push(`${place}: ${problem}`);
          }
        }
      } finally {
        await run.close();
        await surroundings.end();
      }
      expect(problems.join('\n\n')).toBe('');
    },
    pageMs,
  );
});

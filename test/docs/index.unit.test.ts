import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../../docs');
const index = readFileSync(join(docs, 'README.md'), 'utf8');

test('the index of docs/ has five groups', () => {
  const groups = [...index.matchAll(/^## (.+)$/gm)].map(([, group]) => group);
  expect(groups).toEqual(['Start', 'Concepts', 'How-to', 'Reference', 'Operating']);
});

test('and every page in one of them', () => {
  const listed = [...index.matchAll(/^\| \[([\w-]+\.md)\]\(\1\) +\|/gm)].map(([, page]) => String(page));
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md') && name !== 'README.md');
  expect(listed.toSorted()).toEqual(pages.toSorted());
});

import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { natsCacheDirs } from './cache.ts';

test('the personal cache comes before the data folder', () => {
  expect(natsCacheDirs('/data', {})).toEqual([join(homedir(), '.cache/holdfast'), '/data/bin']);
  expect(natsCacheDirs('/data', { XDG_CACHE_HOME: '/caches' })).toEqual(['/caches/holdfast', '/data/bin']);
});

test('a relative XDG_CACHE_HOME does not count, as its specification says', () => {
  expect(natsCacheDirs('/data', { XDG_CACHE_HOME: 'caches' })[0]).toBe(join(homedir(), '.cache/holdfast'));
});

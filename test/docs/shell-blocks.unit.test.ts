import { describe, expect, test } from '@jest/globals';
import { findHiddenExamples, readShellBlocks } from './shell-blocks.ts';

const fence = (language: string, ...lines: readonly string[]) =>
  ['```' + language, ...lines, '```'].join('\n');
const read = (...parts: readonly string[]) => readShellBlocks('a.md', parts.join('\n\n'));
const answers = (...parts: readonly string[]) =>
  read(...parts).map(({ steps }) => steps.map(({ answer }) => answer));
const find = (...parts: readonly string[]) => findHiddenExamples('a.md', parts.join('\n\n'));

describe('the shell examples of a page', () => {
  test('of sh and bash are one script each', () => {
    expect(read('# Page', fence('sh', 'one', 'two'), fence('bash', 'three'))).toEqual([
      { place: 'a.md:3', steps: [{ command: 'one\ntwo', answer: undefined }], notRun: undefined },
      { place: 'a.md:8', steps: [{ command: 'three', answer: undefined }], notRun: undefined },
    ]);
  });

  test('of console are commands with their answers', () => {
    const [block] = read(
      fence('console', '$ curl \\', '    -d x', '{"a":', ' 1}', '$ two', '$ three', '', 'done'),
    );
    expect(block?.steps).toEqual([
      { command: 'curl \\\n    -d x', answer: '{"a":\n 1}' },
      { command: 'two', answer: undefined },
      { command: 'three', answer: 'done' },
    ]);
  });

  test('go on where a line or a quotation is not at its end', () => {
    const [block] = read(fence('console', "$ one 'a", "  b' \\", '  c', 'done'));
    expect(block?.steps).toEqual([{ command: "one 'a\n  b' \\\n  c", answer: 'done' }]);
  });

  test('have the answer of the block that follows at once, and of no other', () => {
    expect(answers(fence('console', '$ one', '$ two'), fence('json', '{}'))).toEqual([[undefined, '{}']]);
    expect(answers(fence('sh', 'one'), fence('text', 'done'))).toEqual([['done']]);
    expect(answers(fence('sh', 'one'), 'Words.', fence('json', '{}'))).toEqual([[undefined]]);
    expect(answers(fence('sh', 'one'), fence('ts', 'code'))).toEqual([[undefined]]);
  });

  test('may be part of a list', () => {
    const [block] = read('1. First:', fence('sh', 'one', '  two').replaceAll(/^/gm, '   '));
    expect(block?.steps).toEqual([{ command: 'one\n  two', answer: undefined }]);
  });

  test('are those alone', () => {
    expect(read(fence('ts', 'code'), fence('', 'picture'), 'npm start', '    npm start')).toEqual([]);
  });

  test('may say why they are not run', () => {
    const blocks = read('<!-- not run: needs Docker -->', fence('sh', 'docker'), fence('sh', 'npm start'));
    expect(blocks.map(({ notRun }) => notRun)).toEqual(['needs Docker', undefined]);
  });
});

describe('hidden examples', () => {
  test('are commands in a block that is not marked as console', () => {
    expect(find(fence('', '$ one'))).toEqual([expect.stringContaining('a.md:1: has commands')]);
  });

  test('are consoles without a command', () => {
    expect(find('Words.', fence('console', 'one'))).toEqual([expect.stringContaining('a.md:3: is marked')]);
  });

  test('are marks that belong to no example', () => {
    expect(find('<!-- not run: why -->', 'Words.', fence('sh', 'one'))).toHaveLength(1);
    expect(find('<!-- not run: why -->', fence('ts', 'one'))).toHaveLength(1);
  });

  test('are none on a page as it should be', () => {
    expect(
      find('<!-- not run: why -->', fence('sh', 'one'), fence('', 'picture'), fence('console', '$ two')),
    ).toEqual([]);
  });
});

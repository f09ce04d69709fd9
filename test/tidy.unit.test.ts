import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkConsole,
  checkConstants,
  checkEnvironment,
  checkErrorCodes,
  checkExports,
  checkNames,
  checkSleeps,
  checkTestName,
  checkTypes,
} from './tidy/code-rules.ts';
import { checkImports } from './tidy/import-rules.ts';
import type { SourceFile } from './tidy/source-file.ts';
import { checkLinks, checkNamedFiles, checkReadmes, checkWords } from './tidy/text-rules.ts';

/* The house rules, held by reading the sources. A failure lists `path:line: what is wrong`. */

const root = join(__dirname, '..');

/** Made by tools, or by running. */
const skipped = /^(?:node_modules|dist\b.*|coverage|results|package-lock\.json|\.(?!ci$|env\.example$).*)$/;
const isText = /\.(?:ts|mjs|json|md|yml|yaml|conf|sh|sql|html)$|^(?:\.ci\/run|\.env\.example|LICENSE)$/;

/** Sleeps that are the point of their test: how many, and why no condition could be awaited instead. */
const allowedSleeps: readonly { path: string; count: number; reason: string }[] = [
  {
    path: 'shared/messaging/ledger-client/ledger-client.int.test.ts',
    count: 1,
    reason:
      'The broker tells nobody but the client that nobody listens, so no test can see that it was told.',
  },
  {
    path: 'deploy/local/supervisor.int.test.ts',
    count: 1,
    reason: 'Two signals are two wishes only when some time lies between them: time itself is the condition.',
  },
];

function readProject(): Map<string, SourceFile> {
  const files = new Map<string, SourceFile>();
  const read = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (skipped.test(entry.name)) continue;
      if (entry.isDirectory()) read(path);
      else if (isText.test(path)) files.set(path, { path, text: readFileSync(join(root, path), 'utf8') });
    }
  };
  read('');
  return files;
}

const project = readProject();
const files = [...project.values()];
const code = files.filter(({ path }) => /\.(?:ts|mjs)$/.test(path));
const inFolders = code.filter(({ path }) => path.includes('/'));
const pages = files.filter(({ path }) => path.endsWith('.md'));

test('the project was found', () => {
  expect(inFolders.length).toBeGreaterThan(100);
  expect(pages.length).toBeGreaterThan(5);
});

describe('imports', () => {
  test('go from services to shared and, inside the ledger, from messaging to the domain', () => {
    expect(inFolders.flatMap(checkImports)).toEqual([]);
  });
});

describe('names', () => {
  test('of subjects and streams are spelled in the contracts alone', () => {
    expect(code.flatMap(checkNames)).toEqual([]);
  });

  test('of errors are those of the catalogue', () => {
    expect(code.flatMap(checkErrorCodes)).toEqual([]);
  });
});

describe('code', () => {
  test('has no any and no non-null assertion', () => {
    expect(code.flatMap(checkTypes)).toEqual([]);
  });

  test('names constants in camel case', () => {
    expect(code.flatMap(checkConstants)).toEqual([]);
  });

  test('does not write to the console', () => {
    expect(code.flatMap(checkConsole)).toEqual([]);
  });

  test('reads the environment where a process begins, and nowhere else', () => {
    expect(code.flatMap(checkEnvironment)).toEqual([]);
  });

  test('has no default exports', () => {
    expect(code.flatMap(checkExports)).toEqual([]);
  });
});

describe('tests', () => {
  test('say by their names what they need', () => {
    expect(code.flatMap(checkTestName)).toEqual([]);
  });

  test('do not sleep', () => {
    const sleeps = code.flatMap(checkSleeps);
    const isAllowed = (path: string): boolean =>
      allowedSleeps.some((allowed) => allowed.path === path && countIn(path, sleeps) <= allowed.count);
    expect(sleeps.filter((sleep) => !isAllowed(pathOf(sleep)))).toEqual([]);
  });

  test('that may sleep still do, and as often', () => {
    const sleeps = code.flatMap(checkSleeps);
    expect(allowedSleeps.map(({ path }) => [path, countIn(path, sleeps)])).toEqual(
      allowedSleeps.map(({ path, count }) => [path, count]),
    );
  });
});

describe('papers', () => {
  test('link to what is there', () => {
    expect(pages.flatMap((page) => checkLinks(page, project))).toEqual([]);
  });

  test('name files that are there', () => {
    expect(pages.flatMap((page) => checkNamedFiles(page, project))).toEqual([]);
  });

  test('say in each folder what lives there', () => {
    const folders = new Set(
      files.flatMap(({ path }) => {
        const [top = '', second = '', ...deeper] = path.split('/');
        if (second === '' || top.startsWith('.')) return [];
        const isGroup = top === 'services' || top === 'deploy';
        return isGroup && deeper.length > 0 ? [top, `${top}/${second}`] : [top];
      }),
    );
    expect(checkReadmes([...folders], project)).toEqual([]);
  });

  test('and code speak of the project alone', () => {
    expect(files.flatMap(checkWords)).toEqual([]);
  });
});

function pathOf(violation: string): string {
  return violation.slice(0, violation.indexOf(':'));
}

function countIn(path: string, violations: readonly string[]): number {
  return violations.filter((violation) => pathOf(violation) === path).length;
}

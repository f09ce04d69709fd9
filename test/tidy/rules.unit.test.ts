import { describe, expect, test } from '@jest/globals';
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
} from './code-rules.ts';
import { checkImports } from './import-rules.ts';
import type { SourceFile } from './source-file.ts';
import { checkLinks, checkNamedFiles, checkReadmes, checkWords, rot13 } from './text-rules.ts';

/* Each rule on small examples: what it must find, and what it must leave alone. */

const service = 'services/gateway/x.ts';
const aTest = 'shared/x.unit.test.ts';

type Rule = (file: SourceFile) => string[];
type Example = readonly [path: string, text: string];

function page(text: string): SourceFile {
  return { path: 'docs/b.md', text };
}

/** What is found in an example, without the words: `path:line`. */
function places(rule: Rule, [path, text]: Example): string[] {
  return rule({ path, text }).map((violation) => /^[^:]+:\d+/.exec(violation)?.[0] ?? violation);
}

const rules: readonly { name: string; rule: Rule; bad: readonly Example[]; good: readonly Example[] }[] = [
  {
    name: 'checkImports',
    rule: checkImports,
    bad: [
      ['services/gateway/app.ts', "import { x } from '../ledger/app.ts';"],
      ['services/gateway/routes/x.ts', "export { x } from '../../settler/x.ts';"],
      ['services/gateway/x.ts', "import { Pool } from 'pg';"],
      ['services/settler/x.ts', "export * from '../ledger/x.ts';"],
      ['services/settler/x.ts', "import knex from 'knex';"],
      ['services/ledger/domain/x.ts', "import { x } from '../store/x.ts';"],
      ['services/ledger/domain/x.ts', "import type { Logger } from 'pino';"],
      ['services/ledger/domain/x.ts', "import { x } from 'node:fs';"],
      ['services/ledger/domain/x.ts', "import { x } from '../../../shared/messaging/x.ts';"],
      ['services/ledger/store/x.ts', "import { x } from '../messaging/x.ts';"],
      ['services/ledger/batching/x.ts', "type X = import('../messaging/x.ts').X;"],
      ['services/ledger/process-batch.ts', "import { x } from './app.ts';"],
      ['services/ledger/outbox/x.ts', "import { connect } from '@nats-io/transport-node';"],
      ['services/ledger/messaging/x.ts', "const x = await import('../app.ts');"],
      ['services/ledger/app.ts', "import { fastify } from 'fastify';"],
      ['shared/messaging/x.ts', "import { x } from '../../services/ledger/x.ts';"],
      ['shared/config/x.ts', "import { Client } from 'pg';"],
      ['shared/contracts/x.ts', "import { x } from '../messaging/x.ts';"],
      ['shared/money/x.ts', "import { z } from 'zod';"],
      ['shared/hashing/x.ts', "import { x } from '../money/money.ts';"],
      ['services/ledger/domain/x.ts', "import { hash } from 'node:crypto';"],
      ['deploy/local/x.ts', "import { x } from '../../test/x.ts';"],
      ['somewhere/x.ts', 'const x = 1;'],
    ],
    good: [
      ['services/gateway/app.ts', "import { x } from '../../shared/money/money.ts';"],
      [
        'services/ledger/domain/x.ts',
        "import { sha256 } from '../../../shared/hashing/sha256.ts';\nimport { y } from './y.ts';",
      ],
      ['services/ledger/outbox/x.ts', "import type { JetStreamClient } from '@nats-io/jetstream';"],
      ['services/ledger/messaging/x.ts', "import type { X } from '../run-batch.ts';"],
      ['services/ledger/app.ts', "import { x } from './messaging/x.ts';"],
      ['services/ledger/x.int.test.ts', "import { x } from '../gateway/x.ts';"],
      ['deploy/local/x.ts', "import { x } from '../../services/ledger/config.ts';"],
    ],
  },
  {
    name: 'checkNames',
    rule: checkNames,
    bad: [
      [service, "const subject = 'balance.command.add';"],
      [service, 'const subject = `balance.query.${kind}`;'],
      [service, "const stream = 'BALANCE_HOLDS';"],
    ],
    good: [
      ['shared/contracts/subjects.ts', "export const x = 'balance.event';"],
      [aTest, "request('balance.command.add');"],
      [service, "// On `balance.event`.\nconst balance = 'balance';"],
    ],
  },
  {
    name: 'checkErrorCodes',
    rule: checkErrorCodes,
    bad: [
      [aTest, "expect(x).toMatchObject({ code: 'insufficient_fund' });"],
      [service, "if (error.code === 'no_money') stop();"],
    ],
    good: [
      [service, "const x = { code: 'insufficient_funds' };"],
      [service, "if (error.code === 'ENOENT' || error.code === '57014') stop();"],
      [service, "if (issue.code === 'unrecognized_keys') stop();"],
    ],
  },
  {
    name: 'checkTypes',
    rule: checkTypes,
    bad: [
      [service, 'const x: any = 1;'],
      [service, 'const x = y as any[];'],
      [service, 'const x = y!.z;'],
    ],
    good: [[service, "const any = !x; // any\nconst y: unknown = 'any!';"]],
  },
  {
    name: 'checkConstants',
    rule: checkConstants,
    bad: [
      [service, 'const RETRY_MS = 250;'],
      [aTest, "export const URL = 'nats://localhost';"],
    ],
    good: [[service, "const retryMs = 250; const { DB_HOST: host } = env; const env = { DB_HOST: 'x' };"]],
  },
  {
    name: 'checkConsole',
    rule: checkConsole,
    bad: [
      [service, "console.log('x');"],
      [aTest, "console['error']('x');"],
    ],
    good: [[service, "process.stdout.write('console.log'); // console.log"]],
  },
  {
    name: 'checkEnvironment',
    rule: checkEnvironment,
    bad: [
      [service, "const port = process.env['PORT'];"],
      [service, 'read(process.env);'],
    ],
    good: [
      ['services/gateway/main.ts', 'read(process.env);'],
      [aTest, "process.env['TEST_NATS_URL'];"],
      [service, "spawn('ps', { env: { ...process.env, LC_ALL: 'C' } });"],
    ],
  },
  {
    name: 'checkExports',
    rule: checkExports,
    bad: [
      [service, 'export default 1;'],
      [service, 'export default function x() {}'],
    ],
    good: [
      ['jest.config.mjs', 'export default {};'],
      [service, 'export const x = 1;'],
    ],
  },
  {
    name: 'checkTestName',
    rule: checkTestName,
    bad: [['shared/x.test.ts', '']],
    good: [
      ['shared/x.unit.test.ts', ''],
      ['test/x.e2e.test.ts', ''],
      ['shared/x.ts', ''],
    ],
  },
  {
    name: 'checkSleeps',
    rule: checkSleeps,
    bad: [
      [aTest, "import { setTimeout as delay } from 'node:timers/promises'; await delay(200);"],
      [aTest, "import { setTimeout } from 'node:timers/promises'; await setTimeout(200);"],
      [aTest, 'await new Promise((done) => setTimeout(done, 200));'],
      [aTest, 'const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });'],
      ['test/support/x.ts', 'await new Promise((done) => setTimeout(done, 200));'],
    ],
    good: [
      [aTest, "import { setTimeout as delay } from 'node:timers/promises'; while (!is()) await delay(20);"],
      [
        aTest,
        "import { setTimeout as delay } from 'node:timers/promises'; await Promise.race([x, delay(5000)]);",
      ],
      [aTest, 'await new Promise((done) => server.listen(0, done));'],
      [service, 'await new Promise((done) => setTimeout(done, 200));'],
    ],
  },
  {
    name: 'checkWords',
    rule: checkWords,
    bad: [
      ['README.md', `Written by ${rot13('pynhqr')}.`],
      ['README.md', rot13('pbqvat frffvba').toUpperCase()],
      ['docs/x.md', `See ${['', 'tmp', 'brief.md'].join('/')}.`],
      ['docs/x.md', `cd ${['', 'work', 'main'].join('/')}`],
    ],
    good: [['docs/x.md', 'The session with the database; ./tmp/x, ~/work/x, node_modules/tmp/; a cursor.']],
  },
];

describe.each(rules)('$name', ({ rule, bad, good }) => {
  test.each(bad)('finds what is wrong in %s: %s', (path, text) => {
    expect(places(rule, [path, text])).toEqual([`${path}:1`]);
  });

  test.each(good)('leaves %s alone: %s', (path, text) => {
    expect(places(rule, [path, text])).toEqual([]);
  });
});

test('a violation names file, line and rule, also below text that is not ASCII', () => {
  const file = { path: service, text: '// “€” äöü\n\nconst x = 1;\nconst y = x!;\n' };
  expect(checkTypes(file)).toEqual(['services/gateway/x.ts:4: asserts non-null by !']);
});

describe('pages', () => {
  const project = new Map(
    [
      ['docs/a.md', '# First page\n\n## What is promised, when\n'],
      ['shared/money/money.ts', ''],
      ['shared/README.md', ''],
    ].map(([path = '', text = '']) => [path, { path, text }]),
  );

  test.each([
    ['a file', '[x](c.md)'],
    ['a folder', '[x](../services)'],
    ['a heading', '[x](a.md#second-page)'],
    ['a heading of its own', '[x](#nowhere)'],
  ])('a link to %s that is not there', (_, text) => {
    expect(checkLinks(page(`\n${text}`), project)).toEqual([
      expect.stringMatching(/^docs\/b\.md:2: links to/),
    ]);
  });

  test('links to what is there, and elsewhere', () => {
    const text =
      '[x](a.md) [x](a.md#what-is-promised-when) [x](../shared/money) [x](https://example.org/x.md)';
    expect(checkLinks(page(text), project)).toEqual([]);
  });

  test('names of files', () => {
    expect(checkNamedFiles(page('`shared/money/money.ts` `shared/money/`'), project)).toEqual([]);
    expect(checkNamedFiles(page('`shared/cash.ts`'), project)).toEqual([
      'docs/b.md:1: names shared/cash.ts, which is not there',
    ]);
  });

  test('a folder without a README', () => {
    expect(checkReadmes(['shared', 'docs'], project)).toEqual([
      expect.stringMatching(/^docs\/README\.md:1: is not there/),
    ]);
  });
});

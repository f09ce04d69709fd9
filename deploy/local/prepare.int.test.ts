import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child-process.ts';
import { identifyProcess, isRunning } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import { eventually } from '../../test/support/eventually.ts';

/**
 * In place of the compiler: writes down that it ran, takes its time, and copies the one source there is. As with the
 * real one, another process does the work.
 */
const compilerSource = `
const { spawn } = require('node:child_process');
const { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
appendFileSync('compiled.log', 'x');
const outDir = process.argv[process.argv.indexOf('--outDir') + 1];
const source = readFileSync('shared/a.ts', 'utf8');
if (source.includes('error')) { console.log('shared/a.ts(1,1): error'); process.exit(2); }
setTimeout(() => {
  mkdirSync(outDir);
  copyFileSync('shared/a.ts', outDir + '/a.js');
  if (!source.includes('endless')) return;
  const { pid } = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
  writeFileSync('worker.pid', String(pid));
}, 300);
`;

describe('making a clone ready', () => {
  let clone: string;
  beforeEach(async () => {
    clone = await mkdtemp(join(tmpdir(), 'holdfast clone '));
    const at = (path: string) => join(clone, path);
    for (const folder of ['deploy/local', 'shared', 'node_modules/typescript/bin']) {
      await mkdir(at(folder), { recursive: true });
    }
    for (const file of ['prepare.mjs', 'show-step.mjs']) {
      await copyFile(join(import.meta.dirname, file), at(join('deploy/local', file)));
    }
    const json: [string, unknown][] = [
      ['package.json', { engines: { node: '>=20.19' } }],
      ['package-lock.json', { packages: { '': {}, 'node_modules/typescript': { version: '1.0.0' } } }],
      ['node_modules/.package-lock.json', { packages: { 'node_modules/typescript': { version: '1.0.0' } } }],
      ['node_modules/typescript/package.json', {}],
      ['tsconfig.json', {}],
      ['tsconfig.build.json', { include: ['shared', 'bench'] }],
    ];
    for (const [file, value] of json) await writeFile(at(file), JSON.stringify(value));
    await writeFile(at('node_modules/typescript/bin/tsc'), compilerSource);
    await writeFile(at('shared/a.ts'), 'first');
    await writeFile(
      at('prepare.mjs'),
      "import { prepare, runCommandLine } from './deploy/local/prepare.mjs'; await runCommandLine(prepare);",
    );
  });
  afterEach(() => rm(clone, { recursive: true }));

  const prepare = () => runCommand(process.execPath, ['prepare.mjs'], { cwd: clone, timeoutMs: 20_000 });
  const startPreparing = (onLine: (line: string) => void = () => undefined) =>
    startChild({ name: 'prepare', command: process.execPath, args: ['prepare.mjs'], cwd: clone, onLine });
  const read = (path: string) => readFile(join(clone, path), 'utf8');
  const workerStarted = () =>
    eventually(async () => {
      const pid = await read('worker.pid').catch(() => undefined);
      return pid === undefined ? undefined : identifyProcess(Number(pid));
    });

  test('builds once, and again when a source is another one', async () => {
    await prepare();
    await prepare();
    expect(await read('compiled.log')).toBe('x');
    await writeFile(join(clone, 'shared/a.ts'), 'second');
    await prepare();
    expect(await read('compiled.log')).toBe('xx');
    expect(await read('dist/a.js')).toBe('second');
  });

  test('two at once do it once', async () => {
    const both = await Promise.all([prepare(), prepare()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(await read('compiled.log')).toBe('x');
    expect(existsSync(join(clone, '.preparing'))).toBe(false);
  });

  test('an earlier start that had the pid of one that lives now is no reason to wait', async () => {
    await writeFile(join(clone, '.preparing'), `${process.pid} another-boot 1\n`);
    expect((await prepare()).code).toBe(0);
    expect(existsSync(join(clone, '.preparing'))).toBe(false);
  });

  test('a build that fails says why and leaves what was there', async () => {
    await prepare();
    await writeFile(join(clone, 'shared/a.ts'), 'error');
    const { code, lines } = await prepare();
    expect(code).toBe(1);
    expect(lines.join('\n')).toContain('shared/a.ts(1,1): error');
    expect(await read('dist/a.js')).toBe('first');
  });

  test('a build that was killed does not look complete, and does not stand in the way', async () => {
    await writeFile(join(clone, 'shared/a.ts'), 'endless');
    const start = await startPreparing();
    await workerStarted();
    const [, compiler] = (await read('.preparing')).split('\n').map(Number.parseFloat);
    start.kill();
    process.kill(-Number(compiler), 'SIGKILL');
    expect(existsSync(join(clone, 'dist'))).toBe(false);
    await writeFile(join(clone, 'shared/a.ts'), 'better');
    expect((await prepare()).code).toBe(0);
    expect(await read('dist/a.js')).toBe('better');
    expect((await readdir(clone)).filter((name) => /^(dist\.|\.preparing)/u.test(name))).toEqual([]);
  });

  test('a build that is asked to stop ends at once, with all that it started', async () => {
    await writeFile(join(clone, 'shared/a.ts'), 'endless');
    const lines: string[] = [];
    const start = await startPreparing((line) => lines.push(line));
    const worker = await workerStarted();
    await start.stop(20_000);
    expect(await start.exited).toEqual({ code: 1, signal: null });
    expect(lines.join('\n')).toContain('stopped before it was ready');
    await eventually(async () => (isRunning(worker) ? undefined : 'gone'));
  });

  test('an older Node is told so in plain words', async () => {
    await writeFile(join(clone, 'package.json'), JSON.stringify({ engines: { node: '>=99.5' } }));
    const { code, lines } = await prepare();
    expect([code, lines.join('')]).toEqual([1, expect.stringContaining('Node.js 99.5 or newer is needed')]);
  });
});

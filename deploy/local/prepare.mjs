/*
 * Makes a clone ready to run: the right Node, the packages of package-lock.json, a build of the sources as they are.
 * Plain JavaScript with nothing but Node's own modules, since nothing else may be there yet.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { step } from './show-step.mjs';

/** The clone's folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/u, '');

/** A problem that a person can mend; the message says how, and a stack would only hide it. */
export class PrepareError extends Error {}

const lock = join(root, '.preparing');
const lockPollMs = 200;
const keptLines = 30;
const keptCharacters = 20_000;
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Everything from a fresh clone on, as far as it is not done; a line per step. Rejects with a `PrepareError`. */
export async function prepare() {
  checkNode();
  if (findMissingPackages().length === 0 && isBuilt()) {
    await step('dependencies and build are up to date', async () => undefined);
    return;
  }
  await alone(async (onCommand) => {
    // Whoever held the lock before us may have done it.
    if (findMissingPackages().length > 0) await install(onCommand);
    if (!isBuilt()) await compile(onCommand);
  });
}

/** Builds the sources into `dist`, up to date or not. */
export async function build() {
  checkNode();
  await alone(compile);
}

/** Runs `main` for a command-line entry point: a `PrepareError` is shown in words and ends the process with code 1. */
export async function runCommandLine(main) {
  try {
    process.chdir(root);
    await main();
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    process.stderr.write(`\nholdfast: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function checkNode() {
  const { engines } = readJson(join(root, 'package.json'));
  const wanted = engines.node.replace('>=', '').split('.').map(Number);
  const found = process.versions.node.split('.').map(Number);
  const isOlder = found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1]);
  if (!isOlder) return;
  throw new PrepareError(
    `Node.js ${wanted.join('.')} or newer is needed, and this is ${process.versions.node}. Get one from https://nodejs.org`,
  );
}

/** The folders under `node_modules` whose package is not there, or is not the version that package-lock.json names. */
function findMissingPackages() {
  const installed = readJson(join(root, 'node_modules/.package-lock.json'))?.packages ?? {};
  return listWantedPackages().filter(([path, wanted]) => {
    const found = installed[path];
    const isSame = found?.version === wanted.version && found?.integrity === wanted.integrity;
    return !isSame || !existsSync(join(root, path, 'package.json'));
  });
}

function listWantedPackages() {
  const { packages } = readJson(join(root, 'package-lock.json'));
  return Object.entries(packages).filter(([path, wanted]) => path !== '' && !mayBeMissing(wanted));
}

/** Optional packages are for one platform each; only npm knows which libc this one has. */
function mayBeMissing({ optional, os, cpu, libc }) {
  if (optional !== true) return false;
  return !os?.includes(process.platform) || !cpu?.includes(process.arch) || libc !== undefined;
}

async function install(onCommand) {
  const wanted = listWantedPackages();
  const countPresent = () => wanted.filter(([path]) => existsSync(join(root, path, 'package.json'))).length;
  // What is in NODE_ENV or ~/.npmrc must not leave out the compiler or Postgres.
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress'];
  await step(
    'installing the dependencies (npm ci)',
    async () => {
      const { code, lines } = await run([...npmCommand(), ...args], onCommand);
      if (code === 0) return;
      throw new PrepareError(
        `npm ci failed, so there is nothing to run with yet. It said:\n${indent(lines)}\n` +
          'It needs the npm registry and room on the disk; start again when that is mended.',
      );
    },
    () => `${countPresent()} of ${wanted.length} packages`,
  );
}

/** The npm that started us, when one did; it is not on every PATH. */
function npmCommand() {
  const path = process.env.npm_execpath;
  return path !== undefined && /npm-cli\.c?js$/u.test(path) ? [process.execPath, path] : ['npm'];
}

function isBuilt() {
  try {
    return readFileSync(join(root, 'dist/.sources'), 'utf8') === fingerprintSources();
  } catch {
    return false;
  }
}

/** Compiles into a folder beside `dist` and swaps them: a build that is killed leaves the old one, or none. */
async function compile(onCommand) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(compiler)) {
    throw new PrepareError(
      'there is no compiler yet: run `npm ci` first (`npm start` and `npm test` do that themselves).',
    );
  }
  await step('building', async () => {
    const fresh = join(root, 'dist.new');
    const old = join(root, 'dist.old');
    const sources = fingerprintSources();
    rmSync(fresh, { recursive: true, force: true });
    const args = ['--project', 'tsconfig.build.json', '--outDir', fresh];
    const { code, lines } = await run([process.execPath, compiler, ...args], onCommand);
    if (code !== 0) throw new PrepareError(`the build failed:\n${indent(lines)}`);
    writeFileSync(join(fresh, '.sources'), sources);
    rmSync(old, { recursive: true, force: true });
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
    renameSync(fresh, join(root, 'dist'));
    rmSync(old, { recursive: true, force: true });
  });
}

/** A hash over all that the build is made from, by content: times are worth nothing after a checkout. */
function fingerprintSources() {
  const hash = createHash('sha256');
  const files = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const folder of readJson(join(root, 'tsconfig.build.json')).include) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      if (name.endsWith('.ts') && !name.endsWith('.test.ts')) files.push(join(folder, name));
    }
  }
  for (const file of files.toSorted()) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\n${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/**
 * Runs `work` while no other process prepares this folder. The lock is a file with the ids of its owner and of the
 * command that the owner runs, which may outlive an owner that is killed; it is free when none of them is alive.
 */
async function alone(work) {
  try {
    if (!tryLock()) {
      const untilLocked = async () => {
        while (!tryLock()) await delay(lockPollMs);
      };
      await step(
        'waiting for another start that installs or builds here',
        untilLocked,
        () => `lock: ${lock}`,
      );
    }
    try {
      await work(nameCommand);
    } finally {
      rmSync(lock, { force: true });
    }
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(error.code)) throw error;
    throw new PrepareError(
      `${error.message}. Installing and building need a folder that this user can write to, with room on its disk.`,
    );
  }
}

/** The lock is also of the command that we run now. */
function nameCommand(pid) {
  writeFileSync(lock, `${nameOf(process.pid)}\n${nameOf(pid)}\n`);
}

/** A process for ever: a pid alone is given to another one, after a restart of a container often the same. */
function nameOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the command, which may hold anything, field 22: when it was started, counted from the boot of the machine.
    const startTime = stat.slice(stat.lastIndexOf(')')).split(' ')[20];
    return `${pid} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${startTime}`;
  } catch {
    // Not Linux, or it has ended.
    return String(pid);
  }
}

function tryLock() {
  try {
    writeFileSync(lock, `${nameOf(process.pid)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (isFree(lock)) {
    // Between looking and taking, someone else may have put a fresh one there: that goes back.
    const taken = `${lock}.${process.pid}`;
    try {
      renameSync(lock, taken);
    } catch (error) {
      // Someone else was faster.
      if (error.code === 'ENOENT') return false;
      throw error;
    }
    if (isFree(taken)) rmSync(taken);
    else renameSync(taken, lock);
  }
  return false;
}

function isFree(file) {
  try {
    const owners = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    if (owners.length > 0) return !owners.some(isAlive);
    // Its owner has not written it yet, or was killed before it could.
    return Date.now() - statSync(file).mtimeMs > 5_000;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function isAlive(name) {
  const pid = Number.parseInt(name, 10);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return nameOf(pid) === name;
}

/**
 * Runs a command to its end and keeps its last lines. A signal that should end us kills it: npm would go on for a
 * while, and what a killed npm or compiler leaves is recognised as unfinished. It is in a process group of its own, to
 * be killed with what it started: the compiler's command only waits for the real one, which on its own would go on and
 * keep our end of its output open.
 */
async function run([command, ...args], onCommand) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    killGroup(child.pid);
  };
  for (const signal of endingSignals) process.on(signal, interrupt);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => (text = (text + chunk).slice(-keptCharacters)));
  }
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', (error) => {
        reject(new PrepareError(`${command} can't be started: ${error.message}`));
      });
      child.once('spawn', () => onCommand(child.pid));
      child.once('close', resolve);
    });
    if (interrupted) throw new PrepareError('stopped before it was ready; the next start goes on from here.');
    return { code, lines: text.trimEnd().split('\n').slice(-keptLines) };
  } finally {
    for (const signal of endingSignals) process.off(signal, interrupt);
  }
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just ended by itself.
    if (error.code !== 'ESRCH') throw error;
  }
}

function indent(lines) {
  return lines.map((line) => `  ${line}`).join('\n');
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw new PrepareError(`${path} can't be read: ${error.message}`);
  }
}

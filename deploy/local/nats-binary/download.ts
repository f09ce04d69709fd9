import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { isNativeError } from 'node:util/types';
import { SourceUnavailable } from './source.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';

export interface DownloadLimits {
  /** A server that says nothing for so long is given up. */
  readonly silenceMs: number;
  readonly totalMs: number;
  readonly maxBytes: number;
}

/** A file from the web. */
export interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads a small text file from the web, following redirects. */
export async function downloadText(url: string, limits: DownloadLimits): Promise<string> {
  const chunks: Uint8Array[] = [];
  await download(url, limits, (chunk) => {
    chunks.push(chunk);
  });
  return Buffer.concat(chunks).toString('utf8');
}

/** Writes a file from the web to `path`, following redirects; `onBytes` hears how much there is of how much. */
export async function downloadFile(
  url: string,
  path: string,
  limits: DownloadLimits,
  onBytes: (received: number, total: number | undefined) => void,
): Promise<Downloaded> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'w');
  try {
    await download(url, limits, async (chunk, total) => {
      hash.update(chunk);
      await file.writeFile(chunk);
      bytes += chunk.length;
      onBytes(bytes, total);
    });
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function download(
  url: string,
  limits: DownloadLimits,
  onChunk: (chunk: Uint8Array, total: number | undefined) => Promise<void> | void,
): Promise<void> {
  const giveUp = new AbortController();
  const stop = (reason: string) => giveUp.abort(new Error(reason));
  const total = setTimeout(() => stop(`not done after ${limits.totalMs / 1000} s`), limits.totalMs);
  const silence = setTimeout(() => stop(`no answer for ${limits.silenceMs / 1000} s`), limits.silenceMs);
  try {
    const response = await fetch(url, { signal: giveUp.signal });
    if (!response.ok || !response.body) throw new Error(`it answered ${response.status}`);
    const length = Number(response.headers.get('content-length')) || undefined;
    let received = 0;
    for await (const chunk of response.body) {
      silence.refresh();
      received += chunk.length;
      if (received > limits.maxBytes) throw new Error(`more than ${limits.maxBytes} bytes`);
      await onChunk(chunk, length);
    }
  } catch (error) {
    throw new SourceUnavailable(`${url}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(total);
    clearTimeout(silence);
    // Of a body that is not read to its end, nothing more is wanted.
    giveUp.abort();
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  return messageOf(isNativeError(error) && error.cause !== undefined ? error.cause : error);
}

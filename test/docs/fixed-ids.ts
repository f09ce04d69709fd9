import { readShellBlocks } from './shell-blocks.ts';

/** A key or a command id that a page has written out: whoever follows the page sends just this one. */
export interface FixedId {
  readonly id: string;
  readonly page: string;
  /** What is sent under it; undefined where the page only shows it. */
  readonly request: string | undefined;
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

/** `-H 'idempotency-key: KEY'`, in a call of curl. */
const sentKey = /idempotency-key: ([!-~]+?)['"]/giu;
/** `send('ROUTE', 'KEY', BODY)`, as the pages' programs call it. */
const keyOfProgram = /send\('\w+', '([^']+)', (\{[^}]*\})/gu;
/** A command's payload, in JSON or JavaScript: an HTTP body has an `id` too, which is the account's. */
const sentId = new RegExp(`\\{\\s*"?id"?:\\s*["'](${uuid})["'],\\s*"?accountId"?:[^}]*\\}`, 'gu');
const shown = new RegExp(`"idempotencyKey":\\s*"([!-~]+?)"|"commandId":\\s*"(${uuid})"`, 'gu');

/** Every key and command id that a page sends or shows. */
export function findFixedIds(page: string, text: string): FixedId[] {
  const commands = readShellBlocks(page, text).flatMap(({ steps }) => steps.map(({ command }) => command));
  const sent = commands.flatMap((command) => [
    ...[...command.matchAll(sentKey)].map(([, id = '']) => ({ id, page, request: requestOfCurl(command) })),
    ...[...command.matchAll(keyOfProgram)].map(([request, id = '']) => ({ id, page, request })),
    ...[...command.matchAll(sentId)].map(([request, id = '']) => ({
      id,
      page,
      request: request.replaceAll(/\s+/gu, ' '),
    })),
  ]);
  const seen = [...text.matchAll(shown)].map(([, key, id]) => ({
    id: key ?? id ?? '',
    page,
    request: undefined,
  }));
  return [...sent, ...seen];
}

/** Ids with more than one meaning: those of two pages, and those that a page sends two requests under. */
export function findReusedIds(ids: readonly FixedId[]): string[] {
  return [...new Set(ids.map(({ id }) => id))].flatMap((id) => {
    const uses = ids.filter((each) => each.id === id);
    const pages = new Set(uses.map(({ page }) => page));
    const requests = new Set(uses.flatMap(({ request }) => request ?? []));
    if (pages.size > 1) return [`${id} is on ${[...pages].join(' and ')}`];
    return requests.size > 1 ? [`${id} is sent with ${[...requests].join(' and ')}`] : [];
  });
}

function requestOfCurl(command: string): string {
  const [, route = ''] = /\/api\/(\w+)/u.exec(command) ?? [];
  const [, body = ''] = /-d '([^']*)'/u.exec(command) ?? [];
  return `${route} ${body}`;
}

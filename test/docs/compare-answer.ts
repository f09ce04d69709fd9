/** Ids that a page shows, and those that stand for them in this run. */
export type Ids = Map<string, string>;

const uuidSource = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const time = String.raw`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z`;
const trace = '(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])';
const hash = '(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])';
const variablePart = new RegExp(`${uuidSource}|${time}|${trace}|${hash}|…`, 'gu');
const isId = new RegExp(`^${uuidSource}$`, 'u');

/**
 * Compares what a page shows with what was answered, and says where they differ; undefined when they do not. JSON is
 * compared by value, everything else by the letter but for empty lines. Times (Unix seconds too), traces and hashes may differ, and `…` stands for
 * anything. An id may be another one, of the same uuid version, and from then on stands for that one: `ids` keeps it.
 */
export function findDifference(shown: string, answered: string, ids: Ids): string | undefined {
  const json = parseJson(shown);
  if (json === undefined) return differ('the answer', textIn(shown), textIn(answered), ids);
  const value = parseJson(answered);
  return value === undefined ? 'the answer is no JSON' : differ('the answer', json, value, ids);
}

/** Without empty lines: what a command writes is read without them. */
function textIn(text: string): string {
  return text.replaceAll(/\n{2,}/g, '\n').trim();
}

function differ(where: string, shown: unknown, answered: unknown, ids: Ids): string | undefined {
  if (typeof shown === 'string' && typeof answered === 'string') {
    return isSameText(shown, answered, ids) ? undefined : `${where} should be ${shown}, and is ${answered}`;
  }
  if (isTree(shown) && isTree(answered) && Array.isArray(shown) === Array.isArray(answered)) {
    const names = [...new Set([...Object.keys(shown), ...Object.keys(answered)])];
    return names.map((name) => differ(`${where}.${name}`, shown[name], answered[name], ids)).find(Boolean);
  }
  return shown === answered || (isUnixTime(shown) && isUnixTime(answered))
    ? undefined
    : `${where} should be ${JSON.stringify(shown)}, and is ${JSON.stringify(answered)}`;
}

function isSameText(shown: string, answered: string, ids: Ids): boolean {
  const shownIds: string[] = [];
  let pattern = '';
  let end = 0;
  for (const { 0: variable, index } of shown.matchAll(variablePart)) {
    pattern += literally(shown.slice(end, index)) + patternOf(variable);
    if (isId.test(variable)) shownIds.push(variable);
    end = index + variable.length;
  }
  const found = new RegExp(`^${pattern}${literally(shown.slice(end))}$`, 'u').exec(answered);
  return found !== null && shownIds.every((id, index) => isSameId(id, found[index + 1] ?? '', ids));
}

function patternOf(variable: string): string {
  if (variable === '…') return '[^]*?';
  if (isId.test(variable)) return `(${uuidSource})`;
  if (variable.endsWith('Z')) return time;
  return variable.length === 64 ? hash : trace;
}

function isSameId(shown: string, answered: string, ids: Ids): boolean {
  const known = ids.get(shown);
  if (known !== undefined) return known === answered;
  ids.set(shown, answered);
  return versionOf(shown) === versionOf(answered);
}

/** The digit of a uuid that says how it was made. */
function versionOf(id: string): string | undefined {
  return id[14];
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/gu, String.raw`\$&`);
}

/** In seconds, of this century: no page has another number that large. */
function isUnixTime(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) > 1e9 && Number(value) < 4e9;
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

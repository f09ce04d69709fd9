/** What matters in valid JSON: where objects, arrays and elements end, and texts, with the colon that makes one a key. */
const tokens = /[{}[\],]|"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g;

const none: ReadonlyMap<number, string> = new Map();

/**
 * The keys that one object of this JSON has twice. `JSON.parse` takes the last of them, other readers on the way the
 * first: so what one of them has checked is not what is done (RFC 8259 §4). The text must be valid JSON.
 *
 * @param value what it was parsed to.
 * @returns the first such key by the number of the element that it is in; of what is no array, that is 0.
 */
export function findDuplicateKeys(json: string, value: unknown): ReadonlyMap<number, string> {
  if (hasNoMoreColonsThanKeys(json, value)) return none;
  const found = new Map<number, string>();
  /** The keys so far of each object, or array, that is open. */
  const open: (Set<string> | undefined)[] = [];
  const elementDepth = Array.isArray(value) ? 1 : Infinity;
  let element = 0;
  for (const [token, colon] of json.matchAll(tokens)) {
    if (token === '{' || token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',') element += open.length === elementDepth ? 1 : 0;
    else if (colon !== undefined) {
      // Escapes are other spellings of the same key.
      const key = JSON.parse(token.slice(0, -colon.length)) as string;
      const keys = (open[open.length - 1] ??= new Set());
      if (keys.has(key) && !found.has(element)) found.set(element, key);
      keys.add(key);
    }
  }
  return found;
}

/**
 * Every key brings a colon: when the JSON has no more colons than the object (or the objects of the array) has keys, no key
 * was there twice. So it is with nearly every payload, at a tenth of the cost.
 */
function hasNoMoreColonsThanKeys(json: string, value: unknown): boolean {
  let left = 0;
  for (const each of Array.isArray(value) ? value : [value])
    if (typeof each === 'object' && each !== null && !Array.isArray(each)) left += Object.keys(each).length;
  for (let at = json.indexOf(':'); at !== -1; at = json.indexOf(':', at + 1)) {
    if (left === 0) return false;
    left -= 1;
  }
  return true;
}

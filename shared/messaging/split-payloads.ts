/** Bounds of one message: elements, and bytes of the whole payload. */
export interface MessageBounds {
  maxElements: number;
  maxBytes: number;
}

/** Elements that leave together, as one payload. */
export interface Parcel<T> {
  elements: T[];
  payload: string;
  /** An array payload is answered with an array. */
  isArray: boolean;
}

/** The bytes that brackets and one comma per element add to the elements' own. */
const bracketBytes = 2;
const commaBytes = 1;

/** Whether an element can travel at all. */
export function fits(json: string, bounds: MessageBounds): boolean {
  return Buffer.byteLength(json) + bracketBytes <= bounds.maxBytes;
}

/**
 * Cuts elements into payloads within the bounds, in order: a lone element as it is, several as an array. Each element
 * must fit by itself.
 */
export function splitPayloads<T>(
  elements: readonly { of: T; json: string }[],
  bounds: MessageBounds,
): Parcel<T>[] {
  const parcels: Parcel<T>[] = [];
  let taken: { of: T; json: string }[] = [];
  let bytes = bracketBytes;
  for (const element of elements) {
    const more = Buffer.byteLength(element.json) + commaBytes;
    if (taken.length > 0 && (taken.length === bounds.maxElements || bytes + more > bounds.maxBytes)) {
      parcels.push(pack(taken));
      taken = [];
      bytes = bracketBytes;
    }
    taken.push(element);
    bytes += more;
  }
  if (taken.length > 0) parcels.push(pack(taken));
  return parcels;
}

function pack<T>(taken: readonly { of: T; json: string }[]): Parcel<T> {
  const isArray = taken.length > 1;
  const joined = taken.map((element) => element.json).join(',');
  return { elements: taken.map((element) => element.of), payload: isArray ? `[${joined}]` : joined, isArray };
}

/** JSON texts by what they are: texts, because the worst ones can't be made from values. */
export type Texts = Readonly<Record<string, string>>;

/** A sort of field: what it takes, its bounds included, and what it must refuse. */
export interface Sort {
  readonly right: Texts;
  readonly wrong: Texts;
}

const deep = 5_000;

/** Far past every limit of a field, and under those of a message and a body. */
const veryLong = 50_000;

const otherTypes: Texts = {
  null: 'null',
  'a boolean': 'true',
  'a number': '1',
  'a negative number': '-1',
  'a fraction': '1.5',
  'a number beyond doubles': '1e400',
  'a number of 400 digits': '9'.repeat(400),
  'an array': '[]',
  'a deep array': `${'['.repeat(deep)}${']'.repeat(deep)}`,
  'an object': '{}',
  'an object with a value': '{"key":1}',
  'a prototype': '{"__proto__":{"amount":"1"}}',
  'a deep object': `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`,
};

const hostileTexts: Texts = {
  'an empty text': '""',
  'a blank': '" "',
  NUL: String.raw`"\u0000"`,
  'a lone surrogate': String.raw`"\ud800"`,
  'a line end': String.raw`"1\n"`,
  'right to left': String.raw`"\u202e1.0"`,
  'a zero width space': String.raw`"1\u200b"`,
  'other digits': '"١"',
  SQL: `"1'; DROP TABLE entries; --"`,
  'a name of prototypes': '"__proto__"',
  'a path': '"../../etc/passwd"',
  'a template': '"${7*7}"',
  'a very long text': `"${'9'.repeat(veryLong)}"`,
};

/** Everything is wrong for a sort that it does not say to take. */
export function sort(given: { takes?: readonly string[]; right: Texts; wrong?: Texts }): Sort {
  const { takes = [], right, wrong = {} } = given;
  const common = Object.entries({ ...otherTypes, ...hostileTexts });
  const isTaken = ([what]: [string, string]): boolean => takes.includes(what);
  return {
    right: { ...Object.fromEntries(common.filter(isTaken)), ...right },
    wrong: { ...Object.fromEntries(common.filter((each) => !isTaken(each))), ...wrong },
  };
}

/** What a JSON text says, as an address can say it. */
export function asText(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

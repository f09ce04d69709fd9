import { z } from 'zod';

/** The environment as a process has it: every setting is a text, or not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a person must know about one setting. */
export interface SettingFacts {
  /** One sentence: what it does. */
  description: string;
  /** What a value must look like; completes the sentence "it should be …". */
  expected: string;
  /** The default as one would write it in `.env`; none means the setting may stay unset. */
  default?: string;
  /** The setting that counts instead while this one is not set. */
  fallback?: string;
  /** Its value must never be shown. */
  secret?: boolean;
  /** What it was called before; still read when the new name is not set. */
  formerName?: string;
}

/**
 * The facts of every field that `fields.ts` makes: error messages, `.env.example` and the configuration page all take
 * them from here, so that they can't drift apart.
 */
export const settingFacts = z.registry<SettingFacts>();

/** Thrown when the settings can't be used. The message is for people: one invalid setting per line. */
export class SettingsError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsError';
  }
}

/**
 * Reads the settings that `schema` names from `env`. An empty text counts as not set.
 * Throws a `SettingsError` that lists all invalid settings at once.
 */
export function parseSettings<Schema extends z.ZodObject>(
  schema: Schema,
  env: Environment,
): z.output<Schema> {
  const given = new Map(
    listSettings(schema).flatMap((setting) => {
      const found = findGiven(setting, env);
      return found === undefined ? [] : [[setting.name, found]];
    }),
  );
  const texts = Object.fromEntries([...given].map(([name, { text }]) => [name, text]));
  const parsed = schema.safeParse(texts);
  if (parsed.success) return parsed.data;
  throw new SettingsError(parsed.error.issues.map((issue) => explain(schema, issue, given)));
}

/** A setting as it was given: its text, and under which of its names. */
export interface GivenSetting {
  readonly givenAs: string;
  readonly text: string;
}

/** What `env` says about a setting, by its name or else by its former one; undefined when it is not set. */
export function findGiven(
  { name, formerName }: { readonly name: string; readonly formerName?: string },
  env: Environment,
): GivenSetting | undefined {
  for (const givenAs of [name, formerName ?? name]) {
    const text = env[givenAs];
    if (isSet(text)) return { givenAs, text };
  }
  return undefined;
}

/** An empty text counts as not set. */
export function isSet(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}

/** The facts of every setting in `schema`, in its order. */
export function listSettings(schema: z.ZodObject): (SettingFacts & { name: string })[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const facts = settingFacts.get(field);
    if (facts === undefined) throw new Error(`${name} is not made by shared/config/fields.ts`);
    return { name, ...facts };
  });
}

function explain(
  schema: z.ZodObject,
  issue: z.core.$ZodIssue,
  given: ReadonlyMap<string, GivenSetting>,
): string {
  const name = String(issue.path[0] ?? '');
  const field = schema.shape[name];
  if (field === undefined) return issue.message;
  const { givenAs = name, text } = given.get(name) ?? {};
  return `${givenAs} ${shownValue(text, settingFacts.get(field)?.secret ?? false)}, but it should be ${issue.message}`;
}

function shownValue(text: string | undefined, secret: boolean): string {
  if (text === undefined) return 'is not set';
  if (secret) return 'has a value that is not shown here';
  // A wrong setting may be a whole file.
  const safe = hidePasswords(text);
  return `is ${JSON.stringify(safe.length > 100 ? `${safe.slice(0, 100)}…` : safe)}`;
}

/** A URL may carry a password, in one that was mistyped with a slash in it. */
export function hidePasswords(text: string): string {
  return text.replace(/\/\/[^@]*@/g, '//***@');
}

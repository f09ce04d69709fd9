import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { findDifference, type Ids } from './compare-answer.ts';
import { LocalHoldfast } from './local-holdfast.ts';
import { makeReaderClone, type ReaderClone } from './reader-clone.ts';
import { runShell } from './run-shell.ts';
import type { ShellStep } from './shell-blocks.ts';

/** What `npm start` looks like on a page: settings before it, a comment behind it. */
const start = /^((?:\w+=\S+ )*)npm start(?:\s+#.*)?$/;

export function isStart(command: string): boolean {
  return start.test(command);
}

/** An answer that says that something went wrong, in the form of HTTP or of NATS. */
const failure = /"urn:holdfast:error:|"ok":false/;

/** What stands in this run for what is on the page. */
export interface PageSetting {
  /** Where Holdfast runs already; else the page must start it. */
  readonly holdfast?: LocalHoldfast;
  readonly ids?: ReadonlyMap<string, string>;
  /** Hosts of the page that are not there. */
  readonly texts?: ReadonlyMap<string, string>;
  /** Of the environment; wins over what the page says. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A page that is followed from top to bottom, by someone in a clone of their own. */
export class PageRun {
  readonly #clone: ReaderClone;
  readonly #setting: PageSetting;
  /** Those that the page has shown so far. */
  readonly #ids: Ids;
  #own: LocalHoldfast | undefined;

  private constructor(clone: ReaderClone, setting: PageSetting) {
    this.#clone = clone;
    this.#setting = setting;
    this.#ids = new Map(setting.ids);
  }

  static async open(setting: PageSetting): Promise<PageRun> {
    const clone = await makeReaderClone();
    // Where a reader who has started it finds its data.
    if (setting.holdfast !== undefined) await symlink(setting.holdfast.dataDir, join(clone.path, '.data'));
    return new PageRun(clone, setting);
  }

  /** Does what the page says. Answers what is not as the page has it, undefined when all is. */
  async follow({ command, answer }: ShellStep): Promise<string | undefined> {
    const [, settings] = start.exec(command) ?? [];
    if (settings !== undefined) {
      await this.#start(settings);
      return undefined;
    }
    const typed = this.#inThisRun(command);
    const { code, stdout, stderr } = await runShell(typed, { cwd: this.#clone.path, env: this.#env() });
    const problem = code === 0 ? this.#judge(answer, stdout) : `it ended with ${code}`;
    return problem && `${problem}\n$ ${typed}\n${stdout}\n${stderr}`;
  }

  async close(): Promise<void> {
    await this.#own?.stop();
    await this.#clone.remove();
  }

  /** Started again, it goes on with the same data. */
  async #start(words: string): Promise<void> {
    await this.#own?.stop();
    const settings = Object.fromEntries(
      [...words.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    const { path, env } = this.#clone;
    // A folder that the page names would lie beside the files which the clone links to.
    const { DATA_DIR: _, ...others } = settings;
    this.#own = await LocalHoldfast.start(path, { ...env, ...others, ...this.#setting.env });
  }

  #judge(shown: string | undefined, answered: string): string | undefined {
    if (shown !== undefined) return findDifference(this.#withAddresses(shown), answered, this.#ids);
    return failure.test(answered) ? 'it was refused' : undefined;
  }

  get #holdfast(): LocalHoldfast | undefined {
    return this.#own ?? this.#setting.holdfast;
  }

  #env(): NodeJS.ProcessEnv {
    const dataDir = this.#holdfast?.dataDir;
    return { ...this.#clone.env, ...(dataDir !== undefined && { DATA_DIR: dataDir }), ...this.#setting.env };
  }

  #inThisRun(command: string): string {
    return replaceAll(this.#withAddresses(command), this.#ids);
  }

  #withAddresses(text: string): string {
    const { httpUrl, natsUrl } = this.#holdfast?.addresses ?? {};
    const addresses = new Map(this.#setting.texts);
    if (httpUrl !== undefined) addresses.set('http://127.0.0.1:8080', httpUrl);
    if (natsUrl !== undefined) addresses.set('nats://127.0.0.1:4222', natsUrl);
    return replaceAll(text, addresses);
  }
}

function replaceAll(text: string, replacements: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [old, current] of replacements) replaced = replaced.replaceAll(old, current);
  return replaced;
}

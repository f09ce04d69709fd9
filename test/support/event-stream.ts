import type { Fact } from '../../shared/contracts/events.ts';

/** An event as it came. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** A stream of server-sent events, read as a client does. */
export class EventStream {
  readonly status: number;
  readonly headers: Headers;
  readonly events: ReceivedEvent[] = [];
  /** Comments, which are signs of life. */
  comments = 0;
  /** Of the latest event, or of a line of its own. */
  lastId = '';
  /** Resolves when it is over, to how. */
  readonly ended: Promise<'ended' | 'cut'>;
  readonly #caller: AbortController;

  private constructor(response: Response, caller: AbortController) {
    this.status = response.status;
    this.headers = response.headers;
    this.#caller = caller;
    this.ended = this.#read(response).then(
      () => 'ended',
      () => 'cut',
    );
  }

  /** Resolves once it is open; rejects with the answer when it is not opened. */
  static async open(
    url: string,
    query = '',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<EventStream> {
    const caller = new AbortController();
    const response = await fetch(`${url}/api/events${query}`, { headers, signal: caller.signal });
    if (!response.ok) throw new Error(await response.text());
    return new EventStream(response, caller);
  }

  /** The facts among the events. */
  get facts(): Fact[] {
    return this.events
      .filter(({ event }) => event === 'entry' || event === 'refusal')
      .map(({ data }) => data as Fact);
  }

  /** `account seq` of each entry, in the order in which they came. */
  get entries(): string[] {
    return this.facts.flatMap((fact) => (fact.type === 'entry' ? `${fact.accountId} ${fact.seq}` : []));
  }

  named(event: string): ReceivedEvent[] {
    return this.events.filter((each) => each.event === event);
  }

  /** As a caller goes. */
  async close(): Promise<void> {
    this.#caller.abort();
    await this.ended;
  }

  async #read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) this.#take(frame);
    }
  }

  #take(frame: string): void {
    const fields = new Map<string, string>();
    for (const line of frame.split('\n')) {
      const [, name = '', value = ''] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
      if (name === '') this.comments += 1;
      else fields.set(name, value);
    }
    const id = fields.get('id');
    if (id !== undefined) this.lastId = id;
    const data = fields.get('data');
    if (data === undefined) return;
    this.events.push({ event: fields.get('event') ?? 'message', id: this.lastId, data: JSON.parse(data) });
  }
}

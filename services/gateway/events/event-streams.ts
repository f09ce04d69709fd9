import type { ServerResponse } from 'node:http';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import { CallerStream, type Subscription } from './caller-stream.ts';
import { FactHub } from './fact-hub.ts';
import { emptyMessage, readFactMessage, type FactMessage } from './fact-message.ts';
import { eventLimits, type EventLimits } from './limits.ts';
import { PastFacts } from './past-facts.ts';
import { RecentMessages } from './recent-messages.ts';

const notConnected: ErrorView = { code: 'unavailable', detail: 'Not connected to NATS.' };
const noStream: ErrorView = { code: 'unavailable', detail: 'The stream of facts can’t be read just now.' };
const stopping: ErrorView = { code: 'unavailable', detail: 'This gateway stops. Connect again.' };

/** All streams of facts of a gateway. */
export class EventStreams {
  readonly #logger: Logger;
  readonly #metrics: Pick<Metrics, 'eventStreams'>;
  readonly #limits: EventLimits;
  readonly #writeJson: (json: string) => string;
  readonly #open = new Set<CallerStream>();
  readonly #recent = new RecentMessages();
  readonly #hub: FactHub;
  readonly #past: PastFacts;
  #link: NatsLink | undefined;
  #isStopping = false;

  constructor(options: {
    /** Rejected only when the service is asked to stop. */
    connecting: Promise<NatsLink>;
    logger: Logger;
    metrics: Pick<Metrics, 'eventStreams'>;
    /** How JSON is written. */
    writeJson: (json: string) => string;
    limits?: Partial<EventLimits> | undefined;
  }) {
    this.#logger = options.logger;
    this.#metrics = options.metrics;
    this.#limits = { ...eventLimits, ...options.limits };
    this.#writeJson = options.writeJson;
    const decode = (sequence: number, since: number, text: string) => this.#decode(sequence, since, text);
    this.#hub = new FactHub(decode, options.logger);
    this.#past = new PastFacts(this.#recent, decode);
    this.#measure();
    options.connecting.then(
      (link) => (this.#link = link),
      () => undefined,
    );
  }

  /**
   * Opens a caller's stream.
   *
   * @param beginAnswer sends the headers. Called when nothing can go wrong any more.
   * @returns why it can't be opened; undefined when it was, or its caller has gone meanwhile.
   */
  async open(
    response: ServerResponse,
    subscription: Subscription,
    beginAnswer: () => void,
  ): Promise<ErrorView | undefined> {
    const link = this.#link;
    if (this.#isStopping) return stopping;
    if (link?.isConnected() !== true) return notConnected;
    if (this.#open.size >= this.#limits.maxStreams) return this.#overloaded();
    const stream = new CallerStream(response, subscription, this.#limits);
    this.#enter(link, stream);
    response.once('close', () => this.#leave(stream));
    try {
      await this.#hub.opened(this.#limits.openMs);
    } catch {
      this.#leave(stream);
      return noStream;
    }
    if (response.destroyed) return undefined;
    if (this.#isStopping) {
      this.#leave(stream);
      return stopping;
    }
    beginAnswer();
    stream.start(this.#hub, (after) => this.#past.read(link, after));
    return undefined;
  }

  /** Ends all streams: their callers connect again, to another gateway or the next one. */
  stop(): void {
    this.#isStopping = true;
    for (const stream of this.#open) stream.end('stopping');
  }

  #enter(link: NatsLink, stream: CallerStream): void {
    this.#open.add(stream);
    this.#hub.add(link, stream);
    this.#measure();
  }

  #leave(stream: CallerStream): void {
    if (!this.#open.delete(stream)) return;
    this.#hub.remove(stream);
    this.#measure();
    if (stream.endReason === 'too slow')
      this.#logger.info('a reader of facts was cut off: it reads too slowly, and may resume');
  }

  #measure(): void {
    this.#metrics.eventStreams.record(this.#open.size);
  }

  #overloaded(): ErrorView {
    const detail = `This gateway has ${this.#limits.maxStreams} streams open, and takes no more.`;
    return { code: 'overloaded', detail };
  }

  #decode(sequence: number, since: number, text: string): FactMessage {
    const message = this.#read(sequence, since, text);
    this.#recent.keep(since, message);
    return message;
  }

  #read(sequence: number, since: number, text: string): FactMessage {
    try {
      return readFactMessage({ sequence, since, text }, this.#writeJson);
    } catch (error) {
      this.#logger.warn(
        { reason: messageOf(error), sequence },
        'a message in the stream of facts holds none, and is left out: who but a ledger may publish there?',
      );
      return emptyMessage({ sequence, since });
    }
  }
}

import { randomUUID } from 'node:crypto';
import type { Hold } from '../domain/hold.ts';
import { formatSecond, microsOfSeconds, type Micros } from '../domain/time.ts';
import { dueMessage, type SendableMessage } from './messages.ts';

/**
 * How far ahead a batch announces its due seconds. Later ones wait for the once-a-minute turn, which announces up to
 * one minute less: so a hold that is committed while that turn runs is announced by one of the two.
 */
const horizonMicros = microsOfSeconds(62 * 60);

/**
 * A second this close may have come before the batch is committed, since a commit may take up to the session's query
 * time-out (8 s). Its message gets an id of its own: a second `due:<T>` within the broker's duplicate window would be
 * swallowed, although the first one was delivered before the hold was there to be seen.
 */
const nearMicros = microsOfSeconds(10);

/** Far more seconds than are ever announced ahead. */
const maxRemembered = 8_192;

/**
 * Which due seconds a batch must announce. Thousands of holds a second share one due second; once the broker has
 * acknowledged its message, nobody needs to send it again.
 */
export class DueSeconds {
  readonly #announced = new Set<string>();

  /** The messages for the holds that a batch makes or extends. */
  messagesFor(holds: readonly Hold[], now: Micros): SendableMessage[] {
    // Those that come first first.
    const seconds = [...new Set(holds.map((hold) => hold.dueAt))].toSorted((left, right) => left - right);
    const messages: SendableMessage[] = [];
    for (const second of seconds) {
      const ahead = second - now;
      const messageId = messageIdOf(second);
      if (ahead <= nearMicros) messages.push(dueMessage(`${messageId}:${randomUUID()}`, second));
      else if (ahead <= horizonMicros && !this.#announced.has(messageId))
        messages.push(dueMessage(messageId, second));
    }
    return messages;
  }

  /** The broker has this message, whose id may have more behind that of its second. */
  acknowledged(messageId: string): void {
    this.#announced.add(messageId.slice(0, secondIdLength));
    if (this.#announced.size <= maxRemembered) return;
    // A set keeps the order of insertion: the first is the oldest.
    for (const oldest of this.#announced) {
      this.#announced.delete(oldest);
      break;
    }
  }

  /** The broker may have lost what it had. */
  forget(): void {
    this.#announced.clear();
  }
}

function messageIdOf(second: Micros): string {
  return `due:${formatSecond(second)}`;
}

const secondIdLength = messageIdOf(microsOfSeconds(0)).length;

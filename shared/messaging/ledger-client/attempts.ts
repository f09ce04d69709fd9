import type { ErrorView } from '../../contracts/outcomes.ts';

/**
 * What is known about the attempts of one request, and therefore what may be said when its time is up.
 *
 * Only an attempt that was published can have changed anything, and only until it is answered: an answer says what it
 * did. So a request without an outcome is *certainly not applied* when every published attempt was answered with
 * "changed nothing", and *unknown* as soon as one was not.
 */
export class Attempts {
  #unanswered = 0;
  #lastWord: ErrorView;

  constructor(beforeTheFirst: ErrorView) {
    this.#lastWord = beforeTheFirst;
  }

  /** Nothing was published, and why. */
  heldBack(reason: ErrorView): void {
    this.#lastWord = reason;
  }

  published(): void {
    this.#unanswered += 1;
  }

  /** A published attempt was answered, and changed nothing. */
  changedNothing(answer: ErrorView): void {
    this.#unanswered -= 1;
    this.#lastWord = answer;
  }

  /** A published attempt is not answered yet, so nothing is certain. */
  get mayHaveChangedSomething(): boolean {
    return this.#unanswered > 0;
  }

  /** A published attempt ended before the books were asked. With another attempt still open, all is open. */
  failed(answer: ErrorView): ErrorView {
    this.#unanswered -= 1;
    return this.#unanswered > 0 ? outcomeUnknown : answer;
  }

  /** The error to answer when the deadline has come without an outcome. */
  atDeadline(): ErrorView {
    return this.#unanswered > 0 ? outcomeUnknown : this.#lastWord;
  }
}

const outcomeUnknown: ErrorView = {
  code: 'outcome_unknown',
  detail:
    'No answer came in time: it may have happened, or may still. Send it again with the same id or key to learn its fate.',
};

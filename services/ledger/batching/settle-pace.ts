/**
 * Holds in one turn while no commands come in. The first command to arrive ends the turn early, so that it waits for two
 * parts at most, of each share.
 */
export const maxHoldsPerTurn = 1_024;

/** Holds in one turn while commands come in: as many as there are commands in a batch, to take no longer than one. */
const maxHoldsBesideCommands = 512;

/**
 * While commands come in a turn takes twice as many holds as there were commands since the last one, so that settling gets
 * ahead of what is placed; but at least so many, since a turn costs something by itself.
 */
const minHoldsBesideCommands = 128;

/** After so many turns without a command (a quarter of a second to half of one, of small turns) none are expected. */
const turnsUntilQuiet = 16;

/** The commands on the same lane. */
export interface CommandFlow {
  /** How many have had their turns. */
  readonly taken: number;
  /** How many wait. */
  readonly depth: number;
}

/** What one settle turn may take on. */
export interface TurnPace {
  readonly maxHolds: number;
  /** No commands come in. */
  readonly isQuiet: boolean;
  /** Whether the turn may go on: not while a command waits that came into the quiet. */
  readonly mayGoOn: () => boolean;
  /** To be called when the turn has settled what it took on. */
  readonly done: () => void;
}

/** How much each settle turn takes on, so that settling keeps up with commands and commands hardly wait for it. */
export class SettlePace {
  readonly #commands: CommandFlow;
  /** Commands taken before the last turn that settled. */
  #takenBefore = 0;
  #turnsWithoutCommands = turnsUntilQuiet;

  constructor(commands: CommandFlow) {
    this.#commands = commands;
  }

  /** For a turn that begins now. */
  next(): TurnPace {
    const { taken } = this.#commands;
    const commandsBetween = taken - this.#takenBefore;
    const isQuiet = commandsBetween === 0 && this.#turnsWithoutCommands >= turnsUntilQuiet;
    return {
      maxHolds: isQuiet ? maxHoldsPerTurn : maxHoldsBeside(commandsBetween),
      isQuiet,
      mayGoOn: () => !isQuiet || this.#commands.depth === 0,
      done: () => {
        this.#turnsWithoutCommands = commandsBetween > 0 ? 0 : this.#turnsWithoutCommands + 1;
        this.#takenBefore = taken;
      },
    };
  }
}

/** The most holds of a turn that so many commands came before. */
function maxHoldsBeside(commands: number): number {
  return Math.min(maxHoldsBesideCommands, Math.max(minHoldsBesideCommands, 2 * commands));
}

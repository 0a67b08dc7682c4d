/** What the agent remembers over a restart, in a directory of its own. */

import { NOTHING_PUBLISHED, parsePublished, type Published } from "../mesh/publish.ts";
import { ifThere, replaceFileSync } from "../files/replace.ts";
import { describeError } from "../net/text.ts";
import { type Chosen, formatChosen, parseChosen } from "./chosen.ts";
import type { Log } from "./log.ts";

/** Where the original keeps its key, too. */
export const STATE_DIRECTORY = "/var/lib/kilo";

export class State {
  /** File of the private key. */
  readonly keyPath: string;
  readonly #published: StateFile<Published>;
  readonly #chosen: StateFile<Chosen>;

  private constructor(directory: string, log: Log) {
    this.keyPath = `${directory}/key`;
    this.#published = new StateFile(`${directory}/published.json`, log, {
      none: NOTHING_PUBLISHED,
      parse: parsePublished,
      format: JSON.stringify,
      otherwise: "what the own Node says now will stick",
    });
    this.#chosen = new StateFile(`${directory}/addresses.json`, log, {
      none: {},
      parse: parseChosen,
      format: formatChosen,
      otherwise: "the addresses of this node are chosen again",
    });
  }

  /** Makes the directory (0700) if it is missing, and reads what is there. */
  static async open(log: Log, directory: string = STATE_DIRECTORY): Promise<State> {
    const state = new State(directory, log);
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    await state.#published.load();
    await state.#chosen.load();
    return state;
  }

  /** What this agent published itself; setting it writes the file, before it returns. */
  get published(): Published {
    return this.#published.value;
  }

  set published(published: Published) {
    this.#published.value = published;
  }

  /** Which of the host's addresses were chosen; setting it writes the file, before it returns. */
  get chosen(): Chosen {
    return this.#chosen.value;
  }

  set chosen(chosen: Chosen) {
    this.#chosen.value = chosen;
  }
}

interface Format<T> {
  /** What is remembered as long as nothing was. */
  readonly none: T;
  /** Undefined: the text is something else. */
  readonly parse: (text: string) => T | undefined;
  readonly format: (value: T) => string;
  /** What follows from a file that cannot be read, for people. */
  readonly otherwise: string;
}

/** One value in a file; what cannot be written is remembered as long as the process lives. */
class StateFile<T> {
  readonly #path: string;
  readonly #log: Log;
  readonly #format: Format<T>;
  #value: T;
  /** Why the last write failed, if it did. */
  #failure: string | undefined;

  constructor(path: string, log: Log, format: Format<T>) {
    this.#path = path;
    this.#log = log;
    this.#format = format;
    this.#value = format.none;
  }

  async load(): Promise<void> {
    const text = await ifThere(() => Deno.readTextFile(this.#path));
    const value = text === undefined ? this.#format.none : this.#format.parse(text);
    if (value !== undefined) this.#value = value;
    else this.#log.warn(`${this.#path} is unreadable: ${this.#format.otherwise}`);
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    const text = this.#format.format(value);
    if (text === this.#format.format(this.#value)) return;
    this.#value = value;
    try {
      replaceFileSync(this.#path, text + "\n", { mode: 0o600 });
      this.#failure = undefined;
    } catch (error) {
      const failure = describeError(error);
      if (failure !== this.#failure) this.#log.warn(`${this.#path} cannot be written: ${failure}`);
      this.#failure = failure;
    }
  }
}

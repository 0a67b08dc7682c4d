/** What the agent remembers over a restart, in a directory of its own. */

import { NOTHING_PUBLISHED, parsePublished, type Published } from "../mesh/publish.ts";
import { ifThere } from "../files/replace.ts";
import { describeError } from "../net/text.ts";
import type { Log } from "./log.ts";

/** Where the original keeps its key, too. */
export const STATE_DIRECTORY = "/var/lib/kilo";

export class State {
  /** File of the private key. */
  readonly keyPath: string;
  readonly #path: string;
  readonly #log: Log;
  #published: Published = NOTHING_PUBLISHED;
  /** Why the last write failed, if it did. */
  #failure: string | undefined;

  private constructor(directory: string, log: Log) {
    this.keyPath = `${directory}/key`;
    this.#path = `${directory}/published.json`;
    this.#log = log;
  }

  /** Makes the directory (0700) if it is missing, and reads what is there. */
  static async open(log: Log, directory: string = STATE_DIRECTORY): Promise<State> {
    const state = new State(directory, log);
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    await state.#load();
    return state;
  }

  async #load(): Promise<void> {
    const text = await ifThere(() => Deno.readTextFile(this.#path));
    const published = text === undefined ? NOTHING_PUBLISHED : parsePublished(text);
    if (published) this.#published = published;
    else this.#log.warn(`${this.#path} is unreadable: what the own Node says now will stick`);
  }

  /** What this agent published itself; setting it writes the file, before it returns. */
  get published(): Published {
    return this.#published;
  }

  set published(published: Published) {
    const text = JSON.stringify(published);
    if (text === JSON.stringify(this.#published)) return;
    this.#published = published;
    try {
      const temporary = `${this.#path}.new`;
      Deno.writeTextFileSync(temporary, text + "\n", { mode: 0o600 });
      Deno.renameSync(temporary, this.#path);
      this.#failure = undefined;
    } catch (error) {
      const failure = describeError(error);
      if (failure !== this.#failure) this.#log.warn(`${this.#path} cannot be written: ${failure}`);
      this.#failure = failure;
    }
  }
}

/** What this agent last wrote as CNI configuration, in the state directory: so that half of it is known as ours. */

import { ifThere, replaceFile } from "../files/replace.ts";
import { STATE_DIRECTORY } from "./state.ts";

export class ConflistMemory {
  readonly #written: string;
  readonly #broken: string;

  constructor(directory: string = STATE_DIRECTORY) {
    this.#written = `${directory}/cni-written.conflist`;
    this.#broken = `${directory}/cni-broken.conflist`;
  }

  /** Undefined: nothing was written yet, or it cannot be read. */
  async last(): Promise<string | undefined> {
    return await ifThere(() => Deno.readTextFile(this.#written)).catch(() => undefined);
  }

  /** This is, or is about to be, what was written last. */
  async remember(text: string): Promise<void> {
    await keep(this.#written, text);
  }

  /** Keeps what is about to be overwritten, for people; the one before is gone then. */
  async keepBroken(text: string): Promise<void> {
    await keep(this.#broken, text);
  }
}

/** Ignores errors: pods wait for the list itself, and state.ts reports what is wrong with the directory. */
async function keep(path: string, text: string): Promise<void> {
  await replaceFile(path, text, { mode: 0o600 }).catch(() => {});
}

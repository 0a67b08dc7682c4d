/** One agent an interface: an abstract unix socket, one a network namespace, gone with the process. */

/** Another agent runs on this interface. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

/**
 * Holds the interface until disposed or the process ends; throws {@link LockedError}. To be called
 * while all permissions are still there: Deno lets nobody else bind abstract names.
 */
export function lockInterface(name: string): Disposable {
  try {
    return Deno.listen({ transport: "unix", path: `\0kilo/${name}` });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new LockedError(`another agent already runs on interface ${name} of this machine`);
  }
}

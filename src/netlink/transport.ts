/** What a connection needs of a netlink socket. In tests a function plays the kernel behind it. */

export interface Transport extends Disposable {
  /** The address of this socket: `nlmsg_pid` of what it writes and of the events that follow. */
  readonly portId: number;
  /** Hands messages to the kernel, which has answered when this returns. A NetlinkError if it takes none. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /**
   * The next datagram from the kernel, the caller's to keep; undefined: nothing (more) there. A
   * NetlinkError of `ENOBUFS`: answers were lost, those after them can still be received. One that is
   * `shared` may be overwritten when anything else is received, on this socket or another.
   */
  receive(options?: { readonly shared?: boolean }): Uint8Array<ArrayBuffer> | undefined;
}

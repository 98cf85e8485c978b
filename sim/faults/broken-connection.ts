/** How a connection breaks, as errors like those of undici: the transport of `sim` and the servers of `wire` tell them apart. */

/** A connection that was never made. In `sim` only: no server can do that to its client. */
export class ConnectFault extends TypeError {
  /** The step that failed; the steps before it took their time. */
  readonly phase: 'dns' | 'connect' | 'tls';
  constructor(phase: ConnectFault['phase'], code: string, message: string) {
    super('fetch failed', { cause: Object.assign(new Error(message), { code }) });
    this.name = 'TypeError';
    this.phase = phase;
  }
}

/** A connection that breaks under an exchange: in `wire` the server destroys its socket. */
export class ResetFault extends TypeError {
  constructor() {
    super('terminated', { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) });
    this.name = 'TypeError';
  }
}

/** Errors of broken connections, as undici throws them. The transport of `sim` and the servers of `wire` act on the class. */

/** The connection was never made. Only `sim` can do that to a client. */
export class ConnectFault extends TypeError {
  /** The step that failed. Earlier steps took their time. */
  readonly phase: 'dns' | 'connect' | 'tls';
  constructor(phase: ConnectFault['phase'], code: string, message: string) {
    super('fetch failed', { cause: Object.assign(new Error(message), { code }) });
    this.name = 'TypeError';
    this.phase = phase;
  }
}

/** The connection breaks under an exchange. In `wire` the server destroys the socket. */
export class ResetFault extends TypeError {
  constructor() {
    super('terminated', { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) });
    this.name = 'TypeError';
  }
}

/** The server sends bytes that are no HTTP in the middle of an answer. */
export class GarbageFault extends ResetFault {}

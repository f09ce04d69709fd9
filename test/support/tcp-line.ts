import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP line to a server that a test can cut, mend, or let fall silent. */
export class TcpLine {
  readonly #server: Server;
  readonly #ends = new Set<Socket>();
  port = 0;
  /** What arrives at either end stays there. */
  silent = false;

  constructor(serverUrl: string) {
    const { hostname, port } = new URL(serverUrl);
    this.#server = createServer((near) => this.#join(near, connect(Number(port), hostname)));
  }

  /** Listens, after a cut on the same port as before. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const end of this.#ends) end.destroy();
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: Socket, to: Socket): void {
    this.#ends.add(from);
    from.on('error', () => {});
    from.on('close', () => {
      this.#ends.delete(from);
      to.destroy();
    });
    from.on('data', (bytes) => {
      if (this.silent) from.pause();
      else to.write(bytes);
    });
  }
}

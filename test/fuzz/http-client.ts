import { Agent, request } from 'node:http';
import type { Shot } from './shots.ts';

export interface HttpReply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Sends what no well-behaved client would let through, on connections that are kept. */
export class HttpClient {
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, connections: number) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send({ method, path, headers, payload }: Extract<Shot, { door: 'http' }>): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.#url);
      // Node frames no body of a GET by itself.
      const length = payload === undefined ? {} : { 'content-length': payload.length };
      const options = {
        agent: this.#agent,
        hostname,
        port,
        method,
        path,
        headers: { ...headers, ...length },
      };
      const sent = request(options, (response) => {
        let text = '';
        if (response.headers['content-type']?.startsWith('text/event-stream') === true) {
          // It would go on for as long as we listen.
          resolve({ status: response.statusCode ?? 0, type: 'text/event-stream', text });
          response.destroy();
          return;
        }
        response.setEncoding('utf8');
        response.on('data', (part: string) => (text += part));
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text });
        });
      });
      sent.on('error', reject);
      sent.end(payload);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

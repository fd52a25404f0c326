/** An HTTP request as a service sends it to another. */
import http from 'node:http';

export type HttpAnswer = (error: Error | undefined, status: number, body: Uint8Array) => void;

const EMPTY = new Uint8Array(0);

/** Calls back once. */
export function post(agent: http.Agent, host: string, port: number, body: Uint8Array, answer: HttpAnswer): void {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length };
  const request = http.request({ agent, host, port, method: 'POST', path: '/', headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const [first] = chunks;
      answer(
        undefined,
        response.statusCode ?? 0,
        chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks),
      );
    });
    response.on('error', (error) => answer(error, 0, EMPTY));
  });
  request.on('error', (error) => answer(error, 0, EMPTY));
  request.end(body);
}

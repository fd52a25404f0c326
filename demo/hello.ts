/** The smallest function: says hello to whoever is named in the request. */
import { Request, Response } from 'jord';

export function handle(request: Request): Response {
  const name = request.isEmpty ? 'world' : request.text().trim();
  return Response.text('Hello, ' + name + '!\n');
}

import { Request, Response } from 'jord';

export function handle(request: Request): Response {
  return new Response(request);
}

// The front that an agency's own people use, on loopback: JSON in, JSON out. It is not reached over the exchange, and
// stands in the demo for the screens and sign-in that a real agency has.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import { ServiceRefusal } from '@onceway/sdk/provider';

/** A text that fits the pattern, or an integer from and to. */
export type DeskField = RegExp | readonly [min: number, max: number];

export interface DeskRoute {
  /** Exactly these fields; left out for GET. */
  readonly body?: Readonly<Record<string, DeskField>>;
  readonly handle: (body: unknown, params: Readonly<Record<string, string>>) => Promise<unknown>;
}
/** By method and path: `POST /dossiers/:caseId/submission`. */
export type DeskRoutes = Readonly<Record<string, DeskRoute>>;

export interface Desk {
  readonly url: string;
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024;

function problem(error: unknown, _request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  const status = error instanceof ServiceRefusal ? error.status : statusOf(error);
  if (status === 500) process.stderr.write(`${String(error)}\n`);
  response
    .status(status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: 'about:blank',
        status,
        title: error instanceof ServiceRefusal ? error.message : 'Not done',
        ...(error instanceof ServiceRefusal ? { reason: error.reason } : {}),
      }),
    );
}

/** body-parser's own errors are the sender's. */
function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

function mistakesOf(body: unknown, fields: Readonly<Record<string, DeskField>>): string[] {
  const given = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  const fits = (value: unknown, field: DeskField): boolean =>
    field instanceof RegExp
      ? typeof value === 'string' && field.test(value)
      : Number.isInteger(value) && Number(value) >= field[0] && Number(value) <= field[1];
  return [
    ...Object.entries(fields).flatMap(([name, field]) => (fits(given[name], field) ? [] : [name])),
    ...Object.keys(given).filter((name) => !Object.hasOwn(fields, name)),
  ];
}

export async function openDesk(address: string, routes: DeskRoutes): Promise<Desk> {
  const app = express();
  app.disable('x-powered-by');
  for (const [name, route] of Object.entries(routes)) {
    const [method, path = '/'] = name.split(' ');
    app[method === 'GET' ? 'get' : 'post'](
      path,
      express.json({ limit: BODY_BYTES_MAX }),
      async (request: Request, response: Response) => {
        const mistakes = route.body === undefined ? [] : mistakesOf(request.body, route.body);
        if (mistakes.length > 0)
          throw new ServiceRefusal(
            400,
            'request_invalid',
            `Missing, wrong or unknown: ${mistakes.join(', ')}`,
          );
        response.json(await route.handle(request.body, request.params as Record<string, string>));
      },
    );
  }
  app.use(() => {
    throw new ServiceRefusal(404, 'not_found', 'There is no such thing here');
  });
  app.use(problem);

  const { hostname, port } = new URL(address);
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), hostname, resolve);
  });
  const own = server.address() as AddressInfo;
  return {
    url: `http://${own.address}:${own.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

// Puts services behind one's own security server: wraps Express applications or handlers, on loopback, and publishes
// their descriptions. Who may call is decided by the security server, before a request gets here.
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { codeOf } from '../protocol/errors.js';
import { parseServiceId, serviceParts } from '../protocol/identifiers.js';
import { BODY_IN_MEMORY_BYTES_MAX } from '../protocol/limits.js';
import { caller } from './caller.js';
import type { OpenApiDescription } from './description.js';
import { endpointApplication, problems } from './endpoints.js';
import type { Endpoints } from './endpoints.js';
import { publishServices } from './publication.js';
import type { ManagementAccess, ProvidedService } from './publication.js';
import { ServiceRefusal } from './service-refusal.js';

interface Described {
  /** `INSTANCE/CLASS/CODE/SUBSYSTEM/SERVICE`. */
  readonly service: string;
  /** Shown in the catalogue. */
  readonly names: { readonly en: string; readonly vi: string };
  readonly openapi: OpenApiDescription;
}

/** A service: its description, and either one handler for each operation (requests are then checked against the
 *  description), or an Express application or any request listener of your own. */
export type ServiceDefinition =
  (Described & { readonly endpoints: Endpoints }) | (Described & { readonly app: RequestListener });

export interface ProvideOptions {
  readonly services: readonly ServiceDefinition[];
  /** Loopback unless given: whoever reaches this address can name itself anybody. */
  readonly host?: string;
  /** A free one unless given. */
  readonly port?: number;
  /** Largest JSON body for `endpoints`, octets; 256 KiB unless given. */
  readonly bodyBytesMax?: number;
  /** Told of every error that is a bug; writes to stderr unless given. */
  readonly onError?: (error: unknown) => void;
}

export interface Provider {
  readonly url: string;
  readonly services: readonly ProvidedService[];
  /** Registers each service with its base URL and OpenAPI description at your own security server, which signs it
   *  and sends it to the catalogue. Repeating it changes nothing.
   *  @throws {PublicationError} what the server refused, or that it could not be reached */
  publish(access: ManagementAccess): Promise<void>;
  /** Lets requests under way end, then stops listening. */
  close(): Promise<void>;
}

/** Starts the services.
 *
 *  @example
 *  ```ts
 *  const provider = await provide({
 *    services: [
 *      {
 *        service: 'VN/GOV/NSO/CODE-LISTS/communes',
 *        names: { en: 'Communes', vi: 'Xã, phường' },
 *        openapi: {
 *          openapi: '3.1.0',
 *          info: { title: 'Communes', version: '1.0.0' },
 *          paths: {
 *            '/records/{code}': {
 *              get: {
 *                parameters: [
 *                  {
 *                    name: 'code',
 *                    in: 'path',
 *                    required: true,
 *                    schema: { type: 'string', pattern: '^[0-9]{5}$' },
 *                  },
 *                ],
 *                responses: { '200': { description: 'One commune' } },
 *              },
 *            },
 *          },
 *        },
 *        endpoints: {
 *          'GET /records/{code}': ({ caller, params }) => {
 *            if (params['code'] !== '00004') throw new ServiceRefusal(404, 'no_such_commune', 'No such commune');
 *            return { json: { code: '00004', name: 'Phường Ba Đình', askedBy: caller.client } };
 *          },
 *        },
 *      },
 *    ],
 *  });
 *  await provider.publish({ management: 'http://127.0.0.1:4000', apiKey: 'the administrator gave it' });
 *  ```
 *  @throws {OncewayError} `identifier_invalid`
 *  @throws {TypeError} descriptions and handlers that do not fit */
export async function provide(options: ProvideOptions): Promise<Provider> {
  const { onError = (error) => process.stderr.write(`${String(error)}\n`), host = '127.0.0.1' } = options;
  const bodyBytesMax = options.bodyBytesMax ?? BODY_IN_MEMORY_BYTES_MAX;
  const root = express();
  root.disable('x-powered-by');
  root.use((request, response, next) => {
    // The one header for browsers that matters to who passes a JSON answer on to one. All that is sent here is signed
    // and kept by two logs: the others speak of pages, frames and origins, which a service has none of.
    response.setHeader('X-Content-Type-Options', 'nosniff');
    try {
      caller(request);
      next();
    } catch (error) {
      next(new ServiceRefusal(400, codeOf(error), 'The request did not come over the exchange'));
    }
  });
  const mounted = options.services.map((definition) => {
    const service = parseServiceId(definition.service);
    const path = `/${encodeURIComponent(serviceParts(service).serviceCode)}`;
    const app =
      'app' in definition
        ? definition.app
        : endpointApplication(definition.openapi, definition.endpoints, { bodyBytesMax });
    root.use(path, (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
      // An Express application takes a third argument for what it leaves over; a plain listener ignores it.
      (app as (...step: [IncomingMessage, ServerResponse, typeof next]) => void)(request, response, next);
    });
    return { service, path, names: definition.names, openapi: definition.openapi };
  });
  if (new Set(mounted.map(({ path }) => path)).size < mounted.length)
    throw new TypeError('two services of one provider share a service code');
  root.use(problems(onError));

  const server = createServer(root);
  await listen(server, options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const services = mounted.map(({ path, ...service }) => ({ ...service, url: `${url}${path}` }));
  return {
    url,
    services,
    publish: (access) => publishServices(services, access),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

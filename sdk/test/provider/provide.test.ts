import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import { request } from 'undici';
import { OncewayError } from '../../src/protocol/index.js';
import { caller, provide, PublicationError, ServiceRefusal } from '../../src/provider/index.js';
import type { Endpoints, OpenApiDescription, Provider } from '../../src/provider/index.js';
import { example } from './example.js';
import { exampleOf } from '../documented.js';

const SERVICE = 'VN/GOV/MOH/BIRTH-NOTIFICATIONS/notifications';
const NAMES = { en: 'Notifications', vi: 'Giấy chứng sinh' };
/** What a security server delivers with each request. */
const EXCHANGE = { 'x-road-client': 'VN/GOV/MOJ/COMMUNE', 'x-road-id': 'VN-1', 'x-road-request-id': 'r-1' };

const openapi: OpenApiDescription = {
  openapi: '3.1.0',
  info: { title: 'Notifications', version: '1.0.0' },
  components: {
    schemas: {
      Sex: { enum: ['female', 'male'] },
      Birth: {
        type: 'object',
        additionalProperties: false,
        required: ['bornOn', 'sex'],
        properties: { bornOn: { type: 'string', format: 'date' }, sex: { $ref: '#/components/schemas/Sex' } },
      },
    },
  },
  paths: {
    '/births': {
      get: {
        parameters: [
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 350, default: 10 } },
          {
            name: 'Data-Subject',
            in: 'header',
            required: true,
            schema: { type: 'string', pattern: '^person:' },
          },
        ],
        responses: { '200': { description: 'Births' } },
      },
      post: {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Birth' } } },
        },
        responses: { '201': { description: 'Taken' } },
      },
    },
    '/births/{number}': {
      get: {
        parameters: [{ name: 'number', in: 'path', required: true, schema: { type: 'integer' } }],
        responses: { '200': { description: 'One birth' } },
      },
    },
  },
};
const endpoints: Endpoints = {
  'GET /births': ({ caller: by, query }) => ({ json: { by, query } }),
  'POST /births': ({ body }) => ({ status: 201, headers: { location: '/births/1' }, json: body }),
  'GET /births/{number}': async ({ params }) => {
    if (params['number'] === 404) throw new ServiceRefusal(404, 'no_such_birth', 'No such birth');
    if (params['number'] === 500) throw new Error('secret of the house');
    if (params['number'] === 403) throw new OncewayError('access_denied', 'what another service said to us');
    return { json: params };
  },
};

const started: Provider[] = [];
const errors: unknown[] = [];
async function start(definition: { endpoints: Endpoints } | { app: express.Express }): Promise<string> {
  const provider = await provide({
    services: [{ service: SERVICE, names: NAMES, openapi, ...definition }],
    onError: (error) => errors.push(error),
  });
  started.push(provider);
  return provider.services[0]?.url ?? '';
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((provider) => provider.close()));
  errors.length = 0;
});

async function ask(
  url: string,
  options: {
    method?: 'GET' | 'POST' | 'PUT';
    headers?: Record<string, string>;
    json?: unknown;
    text?: string;
  } = {},
): Promise<{ status: number; headers: Record<string, unknown>; json: Record<string, unknown> }> {
  const body = options.json === undefined ? options.text : JSON.stringify(options.json);
  const answer = await request(url, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...EXCHANGE, 'content-type': 'application/json', connection: 'close', ...options.headers },
    body: body ?? null,
  });
  const text = await answer.body.text();
  const json = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: answer.statusCode, headers: answer.headers, json };
}

describe('what is signed and kept beside each answer', () => {
  const NAMES_SENT = ['connection', 'content-length', 'content-type', 'date', 'x-content-type-options'];

  test.each([
    ['an answer', '/births/7', 200],
    ['a refusal of a handler', '/births/404', 404],
    ['a bug', '/births/500', 500],
    ['what does not fit the description', '/births?limit=many', 400],
  ])('%s: no header that speaks to browsers of pages', async (_what, path, status) => {
    const answer = await ask(`${await start({ endpoints })}${path}`);
    expect([answer.status, Object.keys(answer.headers).sort()]).toEqual([status, NAMES_SENT]);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test('an application of your own sends those that it sets', async () => {
    const app = express();
    app.get('/births', (_request, response) => {
      response.set('Cache-Control', 'no-store').json({});
    });
    const answer = await ask(`${await start({ app })}/births`);
    expect(Object.keys(answer.headers)).toEqual(
      expect.arrayContaining(['cache-control', 'x-content-type-options']),
    );
    expect(answer.headers).not.toHaveProperty('content-security-policy');
  });

  test('nor has a stranger’s refusal, who comes by another way than the exchange', async () => {
    const answer = await request(`${await start({ endpoints })}/births`, {
      headers: { connection: 'close' },
    });
    await answer.body.dump();
    expect([answer.statusCode, answer.headers['x-content-type-options']]).toEqual([400, 'nosniff']);
    expect(answer.headers).not.toHaveProperty('strict-transport-security');
  });
});

describe('a service of handlers', () => {
  test('learns who is calling, about whom and for what', async () => {
    const url = await start({ endpoints });
    const answer = await ask(`${url}/births?limit=3`, {
      headers: {
        'Data-Subject': 'person:900126000001',
        'Data-Purpose': 'birth-registration',
        'X-Road-UserId': 'officer:7',
        'X-Road-Issue': 'HN-1',
      },
    });
    expect(answer.json).toEqual({
      by: {
        client: 'VN/GOV/MOJ/COMMUNE',
        xRoadId: 'VN-1',
        requestId: 'r-1',
        userId: 'officer:7',
        issue: 'HN-1',
        subject: 'person:900126000001',
        purpose: 'birth-registration',
      },
      query: { limit: 3 },
    });
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['x-powered-by']).toBeUndefined();
  });
  test('listens on loopback, under the service code', async () => {
    const url = await start({ endpoints });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/notifications$/);
  });
  test('takes what is described, with defaults and integers from text', async () => {
    const url = await start({ endpoints });
    const birth = { bornOn: '2026-11-20', sex: 'female' };
    expect(await ask(`${url}/births`, { json: birth })).toMatchObject({
      status: 201,
      json: birth,
      headers: { location: '/births/1' },
    });
    expect((await ask(`${url}/births/7`)).json).toEqual({ number: 7 });
    expect((await ask(`${url}/births`, { headers: { 'data-subject': 'person:1' } })).json).toMatchObject({
      query: { limit: 10 },
    });
  });
  test.each([
    [
      'an unknown name',
      { bornOn: '2026-11-20', sex: 'female', weight: 3200 },
      '/body',
      /unknown name: weight/,
    ],
    ['a missing one', { bornOn: '2026-11-20' }, '/body', /sex/],
    ['a wrong value', { bornOn: '2026-11-20', sex: 'x' }, '/body/sex', /allowed values/],
    ['a date that is none', { bornOn: '2026-02-30', sex: 'male' }, '/body/bornOn', /date/],
    ['another type', ['a'], '/body', /object/],
    ['text where a body takes no coercion', { bornOn: 20261120, sex: 'male' }, '/body/bornOn', /string/],
  ])('refuses a body with %s, and says where', async (_title, json, at, what) => {
    const url = await start({ endpoints });
    expect(await ask(`${url}/births`, { json })).toMatchObject({
      status: 400,
      headers: { 'content-type': expect.stringMatching(/^application\/problem\+json/) },
      json: { reason: 'request_invalid', mistakes: [{ at, what: expect.stringMatching(what) }] },
    });
  });
  test('refuses parameters that are not as described', async () => {
    const url = await start({ endpoints });
    const headers = { 'data-subject': 'person:1' };
    for (const query of ['limit=351', 'limit=0', 'limit=x', 'limit=1&limit=2', 'other=1'])
      expect(await ask(`${url}/births?${query}`, { headers })).toMatchObject({ status: 400 });
    expect(await ask(`${url}/births`)).toMatchObject({
      status: 400,
      json: { mistakes: [{ at: '/header' }] },
    });
    expect(await ask(`${url}/births`, { headers: { 'data-subject': 'dog:1' } })).toMatchObject({
      status: 400,
    });
    expect(await ask(`${url}/births/x`)).toMatchObject({
      status: 400,
      json: { mistakes: [{ at: '/path/number' }] },
    });
  });
  test('refuses bodies that are no JSON, too large, or missing', async () => {
    const url = await start({ endpoints });
    expect(await ask(`${url}/births`, { text: '{' })).toMatchObject({ status: 400 });
    expect(await ask(`${url}/births`, { text: `"${'x'.repeat(300_000)}"` })).toMatchObject({ status: 413 });
    expect(await ask(`${url}/births`, { method: 'POST' })).toMatchObject({ status: 400 });
    const text = { 'content-type': 'text/plain' };
    expect(await ask(`${url}/births`, { text: 'x', headers: text })).toMatchObject({ status: 400 });
  });
  test("a handler's refusal is an answer with its reason; a bug says nothing of itself", async () => {
    const url = await start({ endpoints });
    expect(await ask(`${url}/births/404`)).toMatchObject({ status: 404, json: { reason: 'no_such_birth' } });
    const broken = await ask(`${url}/births/500`);
    expect(broken.status).toBe(500);
    expect(JSON.stringify(broken.json)).not.toContain('secret');
    expect(errors).toEqual([expect.objectContaining({ message: 'secret of the house' })]);
    expect(await ask(`${url}/births/403`)).toMatchObject({ status: 500 });
  });
  test('what is not described is not there', async () => {
    const url = await start({ endpoints });
    expect(await ask(`${url}/others`)).toMatchObject({ status: 404, json: { reason: 'not_found' } });
    expect(await ask(`${url}/births`, { method: 'PUT', json: {} })).toMatchObject({ status: 404 });
  });
  test('a request that did not come over the exchange is refused', async () => {
    const url = await start({ endpoints });
    for (const [name, reason] of [
      ['x-road-client', 'client_missing'],
      ['x-road-id', 'client_missing'],
      ['x-road-request-id', 'client_missing'],
    ] as const)
      expect(await ask(`${url}/births/1`, { headers: { [name]: '' } })).toMatchObject({
        status: 400,
        json: { reason },
      });
    expect(await ask(`${url}/births/1`, { headers: { 'x-road-client': 'a/b' } })).toMatchObject({
      json: { reason: 'identifier_invalid' },
    });
  });
  test('a description and handlers that do not fit do not start', async () => {
    const { 'GET /births': one, ...rest } = endpoints;
    await expect(start({ endpoints: rest })).rejects.toThrow(TypeError);
    await expect(start({ endpoints: { ...endpoints, 'GET /x': one! } })).rejects.toThrow(TypeError);
    const twice = { service: SERVICE, names: NAMES, openapi, endpoints };
    await expect(provide({ services: [twice, twice] })).rejects.toThrow(TypeError);
    const strange = { ...openapi, paths: { '/a*b': openapi.paths['/births']! } };
    await expect(provide({ services: [{ ...twice, openapi: strange }] })).rejects.toThrow(TypeError);
    expect(() => new ServiceRefusal(200, 'fine', 'Fine')).toThrow(TypeError);
  });
});

test('an Express application keeps its own routes, and learns the caller by caller(req)', async () => {
  const app = express();
  app.get('/who', (req, res) => {
    res.json({ client: caller(req).client, path: req.path });
  });
  const url = await start({ app });
  expect((await ask(`${url}/who`)).json).toEqual({ client: 'VN/GOV/MOJ/COMMUNE', path: '/who' });
});

describe('publishing', () => {
  async function management(
    status: number,
    body: string,
  ): Promise<{ url: string; seen: string[]; end: () => void }> {
    const seen: string[] = [];
    const server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        seen.push(
          `${req.method} ${req.url} ${req.headers.authorization} ${Buffer.concat(chunks).toString()}`,
        );
        res.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}`, seen, end: () => server.close() };
  }

  test('gives base URL, names and description to the security server', async () => {
    const { url, seen, end } = await management(200, '{}');
    await start({ endpoints });
    await started[0]?.publish({ management: url, apiKey: 'k1' });
    end();
    expect(seen).toHaveLength(1);
    expect(seen[0]).toContain(`PUT /services/${encodeURIComponent(SERVICE)} Bearer k1 {`);
    expect(JSON.parse(seen[0]!.slice(seen[0]!.indexOf('{')))).toEqual({
      baseUrl: started[0]?.services[0]?.url,
      names: NAMES,
      description: openapi,
    });
  });
  test('tells what the server refused, or that it is not there', async () => {
    await start({ endpoints });
    const refused = await management(403, '{"code":"forbidden","title":"The role does not allow it"}');
    const publish = (url: string): Promise<void> => started[0]!.publish({ management: url, apiKey: 'k' });
    await expect(publish(refused.url)).rejects.toMatchObject({
      status: 403,
      code: 'forbidden',
      service: SERVICE,
    });
    refused.end();
    const strange = await management(500, '<html>');
    await expect(publish(strange.url)).rejects.toMatchObject({ status: 500, code: undefined });
    strange.end();
    await expect(publish('http://127.0.0.1:1')).rejects.toThrow(PublicationError);
  });
});

test('the example of the documentation is the one that is compiled, and it runs', async () => {
  const { documented, compiled } = exampleOf('src/provider/provide.ts', 'test/provider/example.ts');
  expect(documented).toBeDefined();
  expect(documented).toBe(compiled);

  const published: unknown[] = [];
  started.push(await example((access) => published.push(access)));
  const url = started[0]?.services[0]?.url ?? '';
  expect((await ask(`${url}/records/00004`)).json).toEqual({
    code: '00004',
    name: 'Phường Ba Đình',
    askedBy: 'VN/GOV/MOJ/COMMUNE',
  });
  expect(await ask(`${url}/records/00005`)).toMatchObject({
    status: 404,
    json: { reason: 'no_such_commune' },
  });
  expect(await ask(`${url}/records/5`)).toMatchObject({ status: 400 });
  expect(published).toHaveLength(1);
});

import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient, ExchangeError } from '../../src/client/index.js';
import type { Client } from '../../src/client/index.js';
import { example } from './example.js';
import { answerLines, mid, startRoad } from './road.js';
import type { Road } from './road.js';
import { exampleOf } from '../documented.js';

const SERVICE = 'VN/GOV/NSO/CODE-LISTS/communes';
const CLIENT = 'VN/GOV/MOH/HOSPITALS';
let road: Road;
let client: Client;

beforeEach(async () => {
  road = await startRoad();
  client = createClient({ server: road.server, client: CLIENT, clock: () => 1_790_000_000_000 });
});
afterEach(async () => {
  await client.close();
  await road.close();
});

const failure = async (promise: Promise<unknown>): Promise<ExchangeError> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ExchangeError) return error;
    throw error;
  }
  throw new Error('the call was answered');
};

describe('a call', () => {
  test('sends X-Road lines in order and case, and the raw path and query', async () => {
    await client.call(SERVICE, {
      path: '/records/a%2Fb;c',
      query: { after: 3, name: 'Bà Rịa', none: undefined },
      headers: { 'X-Own': 'as Given' },
      userId: 'person:900126000001',
      issue: 'HN-1',
      subject: 'person:900126000002',
      purpose: 'birth-registration',
    });
    const [one] = road.seen;
    expect(one?.method).toBe('GET');
    expect(one?.url).toBe(`/r1/${SERVICE}/records/a%2Fb;c?after=3&name=B%C3%A0+R%E1%BB%8Ba`);
    const lines = one?.rawHeaders ?? [];
    const sent = lines.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${lines[index + 1]}`] : []));
    expect(sent.filter((line) => !/^(?:host|connection)/i.test(line))).toEqual([
      `X-Road-Client: ${CLIENT}`,
      expect.stringMatching(/^X-Road-Id: VN-[0-9a-f-]{36}$/),
      'X-Road-UserId: person:900126000001',
      'X-Road-Issue: HN-1',
      'Data-Subject: person:900126000002',
      'Data-Purpose: birth-registration',
      'Accept: application/problem+json',
      'X-Own: as Given',
    ]);
  });

  test('gives the answer and the handles of its proof', async () => {
    const ids = { exchange: mid(), answer: mid() };
    road.script = (one, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json', ...answerLines(one, ids) })
        .end('{"n":1}');
    const answer = await client.call<{ n: number }>(SERVICE);
    expect(answer.json().n).toBe(1);
    expect(answer.proof).toMatchObject({
      messageId: ids.exchange,
      answerId: ids.answer,
      service: SERVICE,
      signer: 'VN/GOV/NSO',
      xRoadId: road.seen[0]?.headers['x-road-id'],
      requestHash: expect.stringMatching(/^[A-Za-z0-9+/]{86}==$/),
      at: 1_790_000_000_000,
    });
  });

  test('a body makes it a POST; JSON, text, octets and streams arrive as they are', async () => {
    await client.call(SERVICE, { json: { tên: 'Bình' } });
    await client.call(SERVICE, { body: 'a,b', headers: { 'content-type': 'text/csv' } });
    await client.call(SERVICE, { method: 'PUT', body: Buffer.from('octets') });
    await client.call(SERVICE, { body: Readable.from(['in ', 'parts']) });
    expect(road.seen.map(({ method, body }) => [method, body])).toEqual([
      ['POST', '{"tên":"Bình"}'],
      ['POST', 'a,b'],
      ['PUT', 'octets'],
      ['POST', 'in parts'],
    ]);
    expect(road.seen[0]?.headers['content-type']).toBe('application/json');
    expect(road.seen[1]?.headers['content-type']).toBe('text/csv');
  });

  test("a service's own 404 and 500 are answers, even when they look like problems", async () => {
    for (const status of [404, 500]) {
      road.script = (one, response) =>
        response
          .writeHead(status, { 'content-type': 'application/problem+json', ...answerLines(one) })
          .end('{"code":"access_denied"}');
      const answer = await client.call(SERVICE);
      expect(answer.status).toBe(status);
      expect(answer.ok).toBe(false);
    }
  });

  test('keeps its connections', async () => {
    // The pool may open a second one while the first is being given back.
    for (let n = 0; n < 9; n += 1) await client.call(SERVICE);
    expect(road.connections()).toBeLessThanOrEqual(2);
  });

  test('an answer that is not JSON says so when JSON is asked for', async () => {
    road.script = (one, response) => response.writeHead(200, answerLines(one)).end('<html>');
    const answer = await client.call(SERVICE);
    expect(answer.text()).toBe('<html>');
    expect(() => answer.json()).toThrow(expect.objectContaining({ code: 'json_invalid' }));
  });

  test('refuses the answer of another call', async () => {
    const changes: Record<string, string>[] = [
      { 'x-road-id': 'VN-other' },
      { 'x-road-client': 'VN/GOV/MOJ/COMMUNE' },
      { 'x-road-service': 'VN/GOV/NSO/CODE-LISTS/provinces' },
    ];
    for (const change of changes) {
      road.script = (one, response) => response.writeHead(200, { ...answerLines(one), ...change }).end();
      expect(await failure(client.call(SERVICE))).toMatchObject({
        code: 'answer_inconsistent',
        outcome: 'unknown',
      });
    }
  });
});

describe('what is refused before anything is sent', () => {
  test('paths with dot segments, blanks, queries or without a slash', async () => {
    for (const path of ['/../x', '/%2e%2E/x', '/a b', '/a?b', '/a#b', 'a', '/%zz', '/é'])
      expect(await failure(client.call(SERVICE, { path }))).toMatchObject({
        code: 'request_target_invalid',
        outcome: 'not_sent',
      });
  });
  test('header values that are not visible ASCII', async () => {
    for (const userId of ['a\r\nX-Evil: 1', 'Nguyễn', '', ' a'])
      expect(await failure(client.call(SERVICE, { userId }))).toMatchObject({ code: 'head_invalid' });
  });
  test('a head beyond the limit', async () => {
    const big = 'a'.repeat(7000);
    const headers = { a: big, b: big, c: big };
    expect(await failure(client.call(SERVICE, { headers }))).toMatchObject({ code: 'head_too_large' });
  });
  test('a service identifier that is not one', async () => {
    for (const service of ['VN/GOV/NSO/CODE-LISTS', `${SERVICE}/more`, 'VN/GOV//a/b', ''])
      await expect(client.call(service)).rejects.toMatchObject({ code: 'identifier_invalid' });
  });
  test('options that contradict each other are mistakes of the program', async () => {
    await expect(client.call(SERVICE, { json: 1, body: 'x' })).rejects.toThrow(TypeError);
    await expect(client.call(SERVICE, { method: 'GET', json: 1 })).rejects.toThrow(TypeError);
    await expect(client.call(SERVICE, { method: 'CONNECT' })).rejects.toThrow(TypeError);
    for (const name of ['x-road-client', 'X-Road-Id', 'Host', 'Content-Length', 'Exchange-Id'])
      await expect(client.call(SERVICE, { headers: { [name]: 'x' } })).rejects.toThrow(TypeError);
    expect(() => createClient({ server: 'http://127.0.0.1:1/r1', client: CLIENT })).toThrow(TypeError);
    expect(() => createClient({ server: road.server, client: 'VN/GOV' })).toThrow(
      expect.objectContaining({ code: 'identifier_invalid' }),
    );
    expect(road.seen).toHaveLength(0);
  });
  test('a call given up before it began', async () => {
    const reason = new Error('closed the window');
    const error = await failure(client.call(SERVICE, { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ code: 'call_cancelled', outcome: 'not_sent', cause: reason });
  });
  test('no security server at that address', async () => {
    const nobody = createClient({ server: 'http://127.0.0.1:1', client: CLIENT });
    expect(await failure(nobody.call(SERVICE))).toMatchObject({
      code: 'server_unreachable',
      outcome: 'not_sent',
      hop: 'client',
    });
    await nobody.close();
  });
});

describe('nothing is sent twice', () => {
  test('a connection that breaks after the request leaves the outcome unknown', async () => {
    await client.call(SERVICE); // the connection is a kept one, the case in which others send again
    road.script = (_one, _response, request) => request.socket.destroy();
    expect(await failure(client.call(SERVICE, { json: {} }))).toMatchObject({
      code: 'outcome_unknown',
      outcome: 'unknown',
      xRoadId: road.seen[1]?.headers['x-road-id'],
    });
    expect(await failure(client.call(SERVICE))).toMatchObject({ code: 'outcome_unknown' });
    expect(road.seen).toHaveLength(3);
  });
  test('a timeout leaves the outcome unknown', async () => {
    road.script = () => undefined;
    const error = await failure(client.call(SERVICE, { timeoutMs: 500 }));
    expect(error).toMatchObject({ code: 'outcome_unknown', outcome: 'unknown', hop: 'client' });
    expect(road.seen).toHaveLength(1);
  });
  test('giving up while it runs leaves the outcome unknown', async () => {
    const abort = new AbortController();
    road.script = () => abort.abort('enough');
    const error = await failure(client.call(SERVICE, { signal: abort.signal }));
    expect(error).toMatchObject({ code: 'call_cancelled', outcome: 'unknown', cause: 'enough' });
  });
  test('an answer that breaks off is on record all the same', async () => {
    const ids = { exchange: mid(), answer: mid() };
    road.script = (one, response, request) => {
      response.writeHead(200, { 'content-length': '100', ...answerLines(one, ids) });
      response.write('part', () => request.socket.destroy());
    };
    expect(await failure(client.call(SERVICE))).toMatchObject({
      code: 'answer_incomplete',
      outcome: 'answered',
      messageId: ids.exchange,
    });
  });
  test('an answer beyond the bound is cut off, and on record', async () => {
    const small = createClient({ server: road.server, client: CLIENT, answerBytesMax: 1000 });
    road.script = (one, response) =>
      response.writeHead(200, answerLines(one, { exchange: mid(), answer: mid() })).end('x'.repeat(1001));
    expect(await failure(small.call(SERVICE))).toMatchObject({ code: 'body_too_large', outcome: 'answered' });
    await small.close();
  });
});

describe('asking for an outcome', () => {
  const id = mid();
  const problem = (code: string, hop: string, status: number): Road['script'] => {
    return (_one, response) =>
      response
        .writeHead(status, { 'content-type': 'application/problem+json', 'exchange-id': id })
        .end(JSON.stringify({ code, hop, title: code }));
  };

  test('gives the recorded answer', async () => {
    road.script = (one, response) =>
      response
        .writeHead(201, {
          ...answerLines(one),
          'x-road-id': 'VN-1',
          'x-road-service': SERVICE,
          'exchange-id': id,
        })
        .end('{"n":2}');
    const outcome = await client.outcome<{ n: number }>(id);
    expect(road.seen[0]).toMatchObject({
      url: `/exchange/${id}`,
      headers: { 'x-road-client': CLIENT, accept: 'application/problem+json' },
    });
    expect(outcome).toMatchObject({
      state: 'answered',
      answer: { status: 201, proof: { messageId: id, service: SERVICE } },
    });
  });
  test('tells running, not recorded, unknown and refused apart', async () => {
    road.script = (_one, response) => response.writeHead(202).end();
    expect(await client.outcome(id)).toEqual({ state: 'running' });
    road.script = problem('not_recorded', 'provider-server', 409);
    expect(await client.outcome(id)).toMatchObject({ state: 'not_recorded', error: { outcome: 'not_sent' } });
    road.script = problem('outcome_unknown', 'provider-server', 504);
    expect(await client.outcome(id)).toMatchObject({ state: 'unknown', error: { outcome: 'unknown' } });
    road.script = problem('access_denied', 'provider-server', 403);
    expect(await client.outcome(id)).toMatchObject({ state: 'refused', error: { messageId: id } });
  });
  test('an id this server does not hold, or that is none, is an error', async () => {
    road.script = problem('not_found', 'consumer-server', 404);
    await expect(client.outcome(id)).rejects.toMatchObject({ code: 'not_found', outcome: 'unknown' });
    await expect(client.outcome('../metrics')).rejects.toMatchObject({ code: 'base64url_invalid' });
  });
});

test('the example of the documentation is the one that is compiled, and it runs', async () => {
  const { documented, compiled } = exampleOf('src/client/client.ts', 'test/client/example.ts');
  expect(documented).toBeDefined();
  expect(documented).toBe(compiled);

  const said: unknown[][] = [];
  road.script = (one, response) =>
    response.writeHead(200, answerLines(one, { exchange: 'm' })).end('{"name":"Phường Ba Đình"}');
  const options = { server: road.server, client: CLIENT };
  await example({ log: (...words) => said.push(words) }, options);
  road.script = (one, response) => response.writeHead(404, answerLines(one)).end();
  await example({ log: (...words) => said.push(words) }, options);
  road.script = (_one, response) =>
    response
      .writeHead(403, { 'content-type': 'application/problem+json' })
      .end('{"code":"access_denied","hop":"provider-server","rule":"r1","hint":"Ask."}');
  await example({ log: (...words) => said.push(words) }, options);
  expect(said).toEqual([
    ['Phường Ba Đình', 'signed by', 'VN/GOV/NSO', 'm'],
    ['the service says', 404],
    ['provider-server', 'refused:', 'access_denied', 'r1', 'Ask.'],
  ]);
});

// The bounds of both listeners for information systems: what is slow, broken or too much ends in its time, over TLS as
// over plain TCP, and a connection that nobody closes does not stay.
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createClientInterface,
  createClientTlsInterface,
} from '@onceway/security-server/http/client-interface';
import { CLIENT_HEAD_BYTES_MAX, type ErrorCode } from '@onceway/sdk/protocol';
import { answered } from './client-wire.js';
import { openRoad, until, type Road } from './fault-road.js';
import { Federation } from './federation.js';
import { stranger } from './hostile-peer.js';
import { listenOn, type Listening } from './listener.js';

let road: Road;
const identity = stranger();
const failed: ErrorCode[] = [];
const open: Listening[] = [];

beforeAll(async () => {
  road = await openRoad(await Federation.start());
  road.consumer.running.connections.setType(road.client, 'http');
}, 30_000);
afterAll(() => road.federation.stop());
afterEach(async () => {
  failed.length = 0;
  for (const listening of open.splice(0)) await listening.stop();
});

interface Way {
  readonly make: (options: Parameters<typeof createClientInterface>[0]) => Server;
  /** Half-open: what the server ends, it does not end as well. */
  readonly dial: (port: number) => Promise<Socket>;
}

const dialled = async (port: number): Promise<Socket> => {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

const WAYS: Readonly<Record<string, Way>> = {
  plain: { make: createClientInterface, dial: dialled },
  TLS: {
    make: (options) => createClientTlsInterface(options, identity),
    dial: async (port) => {
      const socket = connectTls({
        socket: await dialled(port),
        allowHalfOpen: true,
        rejectUnauthorized: false,
      } as never);
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      return socket;
    },
  },
};

async function listener(
  way: Way,
  bounds: { concurrentMax?: number; requestTimeoutMs?: number },
): Promise<Listening> {
  const server = way.make({
    exchange: road.consumer.running.exchange,
    concurrentMax: 10,
    uuid: () => 'for the test',
    failed: ({ code }) => failed.push(code),
    ...bounds,
  });
  const listening = await listenOn(server);
  open.push(listening);
  return listening;
}

/** What came back until the server was done. */
function read(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  return new Promise((resolve) => socket.once('end', () => resolve(text)).once('close', () => resolve(text)));
}

const noneLeft = (listening: Listening) =>
  until('no connection is left', async () => (await listening.connections()) === 0);

describe.each(Object.entries(WAYS))('over %s', (_name, way) => {
  const head = (more = ''): string =>
    `GET /r1/${road.service.id} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${road.client}\r\n${more}`;

  test('what is whole and in time is served', async () => {
    const socket = await way.dial((await listener(way, {})).port);
    socket.write(`${head('Connection: close\r\n')}\r\n`);
    expect(answered(await read(socket)).status).toBe(200);
    socket.destroy();
  });

  test('a head that does not come in time, and its sender never closes', async () => {
    const listening = await listener(way, { requestTimeoutMs: 100 });
    const socket = await way.dial(listening.port);
    socket.write(head());
    const answer = answered(await read(socket));
    expect(answer).toMatchObject({ status: 500, headers: { 'x-road-error': 'Server.ClientProxy.IOError' } });
    await noneLeft(listening);
    expect(failed).toEqual(['request_timeout']);
  });

  test('nothing at all', async () => {
    const listening = await listener(way, { requestTimeoutMs: 100 });
    const socket = await way.dial(listening.port);
    await read(socket);
    await noneLeft(listening);
  });

  test('a head that is too large', async () => {
    const listening = await listener(way, { requestTimeoutMs: 300 });
    const socket = await way.dial(listening.port);
    socket.write(head(`X-Long: ${'a'.repeat(CLIENT_HEAD_BYTES_MAX)}\r\n\r\n`));
    expect(answered(await read(socket)).status).toBe(500);
    await noneLeft(listening);
    expect(failed).toEqual(['head_too_large']);
  });

  test('what still comes, drop by drop, of a long body that was refused', async () => {
    const listening = await listener(way, { requestTimeoutMs: 300 });
    const socket = await way.dial(listening.port);
    socket.write(
      `POST /r1/${road.service.id} HTTP/1.1\r\nHost: x\r\nX-Road-Client: ${road.client}-none\r\nContent-Length: 900000\r\n\r\n`,
    );
    const drip = setInterval(() => socket.write('x'), 10);
    try {
      expect(answered(await read(socket)).status).toBe(500);
      await noneLeft(listening);
    } finally {
      clearInterval(drip);
    }
    expect(failed).toEqual(['client_unknown']);
  });

  test('what is not HTTP', async () => {
    const listening = await listener(way, { requestTimeoutMs: 300 });
    const socket = await way.dial(listening.port);
    socket.write('\u0016\u0003 is a handshake, or none\r\n\r\n');
    expect(answered(await read(socket)).status).toBe(500);
    await noneLeft(listening);
    expect(failed).toEqual(['head_invalid']);
  });

  test('more at once than there are places', async () => {
    const listening = await listener(way, { concurrentMax: 0 });
    const socket = await way.dial(listening.port);
    socket.write(`${head('Accept: application/problem+json\r\nConnection: close\r\n')}\r\n`);
    expect(JSON.parse(answered(await read(socket)).body)).toMatchObject({ code: 'busy' });
    await noneLeft(listening);
  });
});

describe('a handshake', () => {
  const tls = WAYS['TLS'] as Way;

  test('that does not go on ends in its time, and says nothing', async () => {
    const listening = await listener(tls, { requestTimeoutMs: 100 });
    const socket = await dialled(listening.port);
    // The beginning of a record.
    socket.write(Buffer.from([0x16, 0x03, 0x01]));
    expect(await read(socket)).toBe('');
    await noneLeft(listening);
    expect(failed).toEqual([]);
  });

  test('that is none gets no HTTP for an answer', async () => {
    const listening = await listener(tls, {});
    const socket = await dialled(listening.port);
    socket.write(`GET /listClients HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(await read(socket)).not.toContain('HTTP/1.1');
    await noneLeft(listening);
    expect(failed).toEqual([]);
  });
});

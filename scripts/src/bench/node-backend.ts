// The service behind the chains where nginx is missing: reads the body to its end and answers a fixed one.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BODIES } from './chain.js';

const answers = new Map(
  Object.entries(BODIES).map(([name, bytes]) => [`/${name}`, Buffer.alloc(bytes, 'x')]),
);

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    const body = answers.get(request.url ?? '');
    if (body === undefined) response.writeHead(404).end();
    else
      response
        .writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length })
        .end(body);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: (server.address() as AddressInfo).port }));
});

// The nginx chain (mutual TLS 1.3 between two instances, connections kept alive) and the backend behind all chains.
// One process each, without a master: what the bench started it can count and end by one pid.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.js';
import { BODIES, type Chain, stopAll } from './chain.js';
import { freePort } from '../free-port.js';
import { type Running, startListening } from './process.js';

async function startNginx(folder: string, name: string, port: number, http: string): Promise<Running> {
  const file = join(folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, `${name}-${kind}`)};`)
    .join('\n');
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1;
pid ${join(folder, `${name}.pid`)};
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary}
  keepalive_timeout 60s; keepalive_requests 100000000;
  client_body_buffer_size 256k; client_max_body_size 1m;
  ${http}
}
`,
  );
  return startListening('nginx', ['-p', folder, '-e', 'stderr', '-c', file], port);
}

export interface Backend extends Running {
  readonly url: string;
}

/** Answers a POST to /1k or /100k with a body of that size. */
export async function startNginxBackend(folder: string): Promise<Backend> {
  for (const [name, bytes] of Object.entries(BODIES)) writeFileSync(join(folder, name), 'x'.repeat(bytes));
  const port = await freePort();
  // nginx serves files for GET only; a POST is read to its end and then answered like the GET.
  const running = await startNginx(
    folder,
    'backend',
    port,
    `open_file_cache max=10 inactive=1h; open_file_cache_valid 1h; sendfile on; tcp_nopush on;
  server { listen 127.0.0.1:${port}; root ${folder}; error_page 405 =200 $uri; }`,
  );
  return { ...running, url: `http://127.0.0.1:${port}` };
}

const UPSTREAM = (next: string): string =>
  `upstream next { server ${next}; keepalive 64; keepalive_requests 100000000; keepalive_timeout 60s; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 32k; proxy_buffer_size 32k;`;

export async function startNginxChain(
  backend: string,
  files: CertificateFiles,
  folder: string,
): Promise<Chain> {
  const [consumerPort, providerPort] = [await freePort(), await freePort()];
  const provider = await startNginx(
    folder,
    'provider',
    providerPort,
    `${UPSTREAM(new URL(backend).host)}
  server {
    listen 127.0.0.1:${providerPort} ssl; ssl_protocols TLSv1.3;
    ssl_certificate ${files.provider.certificate}; ssl_certificate_key ${files.provider.key};
    ssl_client_certificate ${files.authority}; ssl_verify_client on;
    location / { proxy_pass http://next; }
  }`,
  );
  const consumer = await startNginx(
    folder,
    'consumer',
    consumerPort,
    `${UPSTREAM(`127.0.0.1:${providerPort}`)}
  server {
    listen 127.0.0.1:${consumerPort};
    location / {
      proxy_pass https://next; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;
      proxy_ssl_certificate ${files.consumer.certificate}; proxy_ssl_certificate_key ${files.consumer.key};
      proxy_ssl_trusted_certificate ${files.authority}; proxy_ssl_verify on; proxy_ssl_name localhost;
    }
  }`,
  );
  return {
    name: 'nginx',
    url: `http://127.0.0.1:${consumerPort}`,
    headers: {},
    pids: [consumer.pid, provider.pid],
    stop: () => stopAll([consumer.stop, provider.stop]),
  };
}

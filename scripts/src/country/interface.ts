// Calls the management interfaces of registry and servers with an API key, and says what was refused.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

class ManagementRefusal extends Error {
  readonly status: number;

  constructor(what: string, status: number, text: string) {
    super(`${what}: ${status} ${text}`);
    this.name = 'ManagementRefusal';
    this.status = status;
  }
}

export type Call = <T>(role: string, method: string, path: string, body?: object) => Promise<T>;

/** @param keys folder with api-key-ROLE.txt */
export function managementOf(url: string, keys: string): Call {
  return async <T>(role: string, method: string, path: string, body?: object): Promise<T> => {
    const key = readFileSync(join(keys, `api-key-${role}.txt`), 'utf8').trim();
    const answer = await fetch(new URL(path, url), {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new ManagementRefusal(`${method} ${path} at ${url}`, answer.status, text);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
}

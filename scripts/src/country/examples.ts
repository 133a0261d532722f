// First calls to try on a running country: ready to send to a client listener, with the status that must come back.
import { SERVICES, SUBSYSTEMS } from './agencies/directory.js';
import type { CountryFile } from './country-file.js';

/** @param clientListener of the server on which a member is registered */
export function examplesOf(clientListener: (member: string) => string): CountryFile['examples'] {
  const get = (
    title: string,
    client: string,
    path: string,
    status: number,
  ): CountryFile['examples'][number] => ({
    title,
    method: 'GET',
    url: `${clientListener(client.split('/').slice(0, 3).join('/'))}${path}`,
    headers: { 'X-Road-Client': client, Accept: 'application/problem+json' },
    expect: { status },
  });
  return [
    get(
      'The Portal reads the first provinces from Statistics',
      SUBSYSTEMS.lifeEvents,
      `/r1/${SERVICES.provinces.id}/records?limit=3`,
      200,
    ),
    get(
      'The Portal asks which services Public Security offers',
      SUBSYSTEMS.lifeEvents,
      `/r1/${SUBSYSTEMS.population}/listMethods`,
      200,
    ),
    get(
      'Health has no right to read persons: refused, with the rule',
      SUBSYSTEMS.birthNotifications,
      `/r1/${SERVICES.persons.id}/persons/987654321098`,
      403,
    ),
    get(
      'Nobody offers this service',
      SUBSYSTEMS.lifeEvents,
      '/r1/VN/GOV/MPS/POPULATION/no-such-service',
      404,
    ),
  ];
}

/** As a command for a shell. */
export function curlOf({ method, url, headers }: CountryFile['examples'][number]): string {
  const lines = Object.entries(headers).map(([name, value]) => ` -H '${name}: ${value}'`);
  return `curl -i${method === 'GET' ? '' : ` -X ${method}`}${lines.join('')} '${url}'`;
}

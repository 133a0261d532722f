// The example in provide's documentation, compiled; provide.test.ts compares the two texts and runs this one.
import { provide as start, ServiceRefusal } from '../../src/provider/index.js';
import type { ManagementAccess, Provider, ProvideOptions } from '../../src/provider/index.js';

export async function example(publish: (access: ManagementAccess) => void): Promise<Provider> {
  const provide = async (options: ProvideOptions): Promise<Provider> => {
    const started = await start(options);
    return { ...started, publish: async (access) => publish(access) };
  };
  // begin
  const provider = await provide({
    services: [
      {
        service: 'VN/GOV/NSO/CODE-LISTS/communes',
        names: { en: 'Communes', vi: 'Xã, phường' },
        openapi: {
          openapi: '3.1.0',
          info: { title: 'Communes', version: '1.0.0' },
          paths: {
            '/records/{code}': {
              get: {
                parameters: [
                  {
                    name: 'code',
                    in: 'path',
                    required: true,
                    schema: { type: 'string', pattern: '^[0-9]{5}$' },
                  },
                ],
                responses: { '200': { description: 'One commune' } },
              },
            },
          },
        },
        endpoints: {
          'GET /records/{code}': ({ caller, params }) => {
            if (params['code'] !== '00004')
              throw new ServiceRefusal(404, 'no_such_commune', 'No such commune');
            return { json: { code: '00004', name: 'Phường Ba Đình', askedBy: caller.client } };
          },
        },
      },
    ],
  });
  await provider.publish({ management: 'http://127.0.0.1:4000', apiKey: 'the administrator gave it' });
  // end
  return provider;
}

// `GET /listClients`: all members and subsystems of the instance, in the shape that X-Road's clients know.
import { memberParts, subsystemParts } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';

export function listClients(trust: TrustView): string {
  const member = trust.members.flatMap(({ id, name, subsystems }) => {
    const { instance, memberClass, memberCode } = memberParts(id);
    const common = { member_class: memberClass, member_code: memberCode };
    return [
      { id: { ...common, object_type: 'MEMBER', xroad_instance: instance }, name: name.en },
      ...subsystems.map((subsystem) => ({
        id: {
          ...common,
          object_type: 'SUBSYSTEM',
          subsystem_code: subsystemParts(subsystem.id).subsystemCode,
          xroad_instance: instance,
        },
        name: name.en,
        ...(subsystem.name === undefined ? {} : { subsystem_name: subsystem.name.en }),
      })),
    ];
  });
  return JSON.stringify({ member });
}

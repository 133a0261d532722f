// The demo country as data: members, which of four security servers hosts whom, which agency runs which services,
// and who may call them. No exchange of the life event stays within one server, so that each lies in two logs.
import { SERVICES, SUBSYSTEMS } from './agencies/directory.js';
import type { Names, Subsystem } from './agencies/directory.js';

export const INSTANCE = 'VN';

export interface CountryMember {
  readonly id: string;
  readonly names: Names;
  readonly subsystems: readonly Subsystem[];
}

const S = SUBSYSTEMS;

export const MEMBERS: readonly CountryMember[] = [
  {
    id: 'VN/GOV/MOH',
    names: { en: 'Ministry of Health', vi: 'Bộ Y tế' },
    subsystems: [S.birthNotifications],
  },
  {
    id: 'VN/GOV/MOJ',
    names: { en: 'Ministry of Justice', vi: 'Bộ Tư pháp' },
    subsystems: [S.civilStatus, S.commune],
  },
  {
    id: 'VN/GOV/MPS',
    names: { en: 'Ministry of Public Security', vi: 'Bộ Công an' },
    subsystems: [S.population, S.residence],
  },
  {
    id: 'VN/GOV/VSS',
    names: { en: 'Viet Nam Social Security', vi: 'Bảo hiểm xã hội Việt Nam' },
    subsystems: [S.healthInsurance],
  },
  {
    id: 'VN/GOV/NSO',
    names: { en: 'National Statistics Office', vi: 'Cục Thống kê' },
    subsystems: [S.codeLists, S.vitalStatistics],
  },
  {
    id: 'VN/GOV/PSP',
    names: { en: 'National Public Service Portal', vi: 'Cổng Dịch vụ công quốc gia' },
    subsystems: [S.lifeEvents],
  },
  {
    id: 'VN/GOV/SAV',
    names: { en: 'State Audit Office', vi: 'Kiểm toán nhà nước' },
    subsystems: [S.audit],
  },
];

export interface CountryServer {
  /** `INSTANCE/CLASS/CODE/SERVERCODE`, of its owner. */
  readonly id: string;
  readonly owner: string;
  /** Members whose subsystems it carries, its owner first. */
  readonly hosts: readonly string[];
}

export const SERVERS: readonly CountryServer[] = [
  { id: 'VN/GOV/MOH/SS-HEALTH', owner: 'VN/GOV/MOH', hosts: ['VN/GOV/MOH', 'VN/GOV/VSS', 'VN/GOV/NSO'] },
  { id: 'VN/GOV/MOJ/SS-JUSTICE', owner: 'VN/GOV/MOJ', hosts: ['VN/GOV/MOJ', 'VN/GOV/SAV'] },
  { id: 'VN/GOV/MPS/SS-SECURITY', owner: 'VN/GOV/MPS', hosts: ['VN/GOV/MPS'] },
  { id: 'VN/GOV/PSP/SS-PORTAL', owner: 'VN/GOV/PSP', hosts: ['VN/GOV/PSP'] },
];

export interface CountryAgency {
  /** Program: `scripts/dist/src/country/agencies/<name>.js`. */
  readonly name: string;
  readonly member: string;
}

export const AGENCIES: readonly CountryAgency[] = [
  { name: 'health', member: 'VN/GOV/MOH' },
  { name: 'justice', member: 'VN/GOV/MOJ' },
  { name: 'public-security', member: 'VN/GOV/MPS' },
  { name: 'social-security', member: 'VN/GOV/VSS' },
  { name: 'statistics', member: 'VN/GOV/NSO' },
  { name: 'portal', member: 'VN/GOV/PSP' },
];

export interface CountryRight {
  readonly service: string;
  readonly clients: readonly Subsystem[];
  /** Endpoints, as `METHOD /path`; left out: all of the service. */
  readonly endpoints?: readonly string[];
}

/** Everybody else is refused. Who needs one endpoint has one. */
export const RIGHTS: readonly CountryRight[] = [
  { service: SERVICES.notifications.id, clients: [S.lifeEvents, S.civilStatus] },
  { service: SERVICES.notices.id, clients: [S.birthNotifications] },
  { service: SERVICES.births.id, clients: [S.lifeEvents], endpoints: ['POST /births'] },
  {
    service: SERVICES.births.id,
    clients: [S.residence, S.healthInsurance],
    endpoints: ['GET /births/*'],
  },
  { service: SERVICES.marriages.id, clients: [S.lifeEvents] },
  { service: SERVICES.persons.id, clients: [S.lifeEvents] },
  { service: SERVICES.personalNumbers.id, clients: [S.commune] },
  { service: SERVICES.populationCorrections.id, clients: [S.civilStatus] },
  { service: SERVICES.households.id, clients: [S.lifeEvents, S.healthInsurance] },
  { service: SERVICES.residenceRegistrations.id, clients: [S.lifeEvents] },
  { service: SERVICES.clinics.id, clients: [S.lifeEvents] },
  { service: SERVICES.cards.id, clients: [S.lifeEvents] },
  { service: SERVICES.cardCorrections.id, clients: [S.civilStatus] },
  { service: SERVICES.provinces.id, clients: [S.lifeEvents] },
  { service: SERVICES.communes.id, clients: [S.lifeEvents, S.civilStatus] },
  { service: SERVICES.communeMappings.id, clients: [S.lifeEvents] },
  { service: SERVICES.birthRecords.id, clients: [S.civilStatus], endpoints: ['POST /records'] },
];

// Who offers what in the demo country: subsystems and services by name, as the catalogue shows them. Where they run
// and who may call them stands in ../members.ts.

export interface Names {
  readonly en: string;
  readonly vi: string;
}

export const SUBSYSTEMS = {
  birthNotifications: 'VN/GOV/MOH/BIRTH-NOTIFICATIONS',
  civilStatus: 'VN/GOV/MOJ/CIVIL-STATUS',
  commune: 'VN/GOV/MOJ/COMMUNE',
  population: 'VN/GOV/MPS/POPULATION',
  residence: 'VN/GOV/MPS/RESIDENCE',
  healthInsurance: 'VN/GOV/VSS/HEALTH-INSURANCE',
  codeLists: 'VN/GOV/NSO/CODE-LISTS',
  vitalStatistics: 'VN/GOV/NSO/VITAL-STATISTICS',
  lifeEvents: 'VN/GOV/PSP/LIFE-EVENTS',
  audit: 'VN/GOV/SAV/AUDIT',
} as const;

export type Subsystem = (typeof SUBSYSTEMS)[keyof typeof SUBSYSTEMS];

const S = SUBSYSTEMS;

/** Service code → identifier and names. */
export const SERVICES = {
  notifications: {
    id: `${S.birthNotifications}/notifications`,
    names: { en: 'Birth notifications', vi: 'Giấy chứng sinh' },
  },
  notices: {
    id: `${S.lifeEvents}/notices`,
    names: { en: 'Notices of births to parents', vi: 'Thông báo trẻ mới sinh cho cha mẹ' },
  },
  births: {
    id: `${S.civilStatus}/births`,
    names: { en: 'Birth registration', vi: 'Đăng ký khai sinh' },
  },
  marriages: {
    id: `${S.civilStatus}/marriages`,
    names: { en: 'Marriage records', vi: 'Đăng ký kết hôn' },
  },
  persons: {
    id: `${S.population}/persons`,
    names: { en: 'National population database', vi: 'Cơ sở dữ liệu quốc gia về dân cư' },
  },
  personalNumbers: {
    id: `${S.population}/personal-numbers`,
    names: { en: 'Personal identification numbers', vi: 'Cấp số định danh cá nhân' },
  },
  populationCorrections: {
    id: `${S.population}/corrections`,
    names: { en: 'Corrections to persons', vi: 'Cải chính thông tin công dân' },
  },
  households: {
    id: `${S.residence}/households`,
    names: { en: 'Households', vi: 'Hộ gia đình' },
  },
  residenceRegistrations: {
    id: `${S.residence}/registrations`,
    names: { en: 'Registration of residence', vi: 'Đăng ký thường trú' },
  },
  clinics: {
    id: `${S.healthInsurance}/clinics`,
    names: { en: 'First-contact clinics', vi: 'Nơi đăng ký khám chữa bệnh ban đầu' },
  },
  cards: {
    id: `${S.healthInsurance}/cards`,
    names: { en: 'Health insurance cards', vi: 'Thẻ bảo hiểm y tế' },
  },
  cardCorrections: {
    id: `${S.healthInsurance}/corrections`,
    names: { en: 'Corrections to the insured', vi: 'Cải chính thông tin người tham gia' },
  },
  provinces: {
    id: `${S.codeLists}/provinces`,
    names: { en: 'Provinces since 1 July 2025', vi: 'Danh mục tỉnh, thành phố từ 1-7-2025' },
  },
  communes: {
    id: `${S.codeLists}/communes`,
    names: { en: 'Communes since 1 July 2025', vi: 'Danh mục xã, phường từ 1-7-2025' },
  },
  communeMappings: {
    id: `${S.codeLists}/commune-mappings`,
    names: { en: 'Old commune codes and their successors', vi: 'Bảng chuyển đổi mã xã, phường' },
  },
  birthRecords: {
    id: `${S.vitalStatistics}/births`,
    names: { en: 'Birth statistics, without persons', vi: 'Thống kê khai sinh, không có thông tin cá nhân' },
  },
} as const;

/** What a call is made for, as `Data-Purpose` says it. */
export const PURPOSE = 'birth-registration';

// The people and places of the demo. All are fictitious: the names say so, and no province has a code from 90 up.
import type { Household, Person } from './records.js';

/** A real commune, so that the code lists are used: Phường Ba Đình, Hà Nội. */
const COMMUNE_CODE = '00004';

export const MOTHER: Person = {
  personalNumber: '901195000001',
  name: 'Trần Thị Thí Dụ',
  bornOn: '1995-04-12',
  sex: 'female',
  ethnicity: 'Kinh',
  nationality: 'Việt Nam',
  nativePlace: COMMUNE_CODE,
};
export const FATHER: Person = {
  personalNumber: '901093000002',
  name: 'Nguyễn Văn Thí Dụ',
  bornOn: '1993-09-30',
  sex: 'male',
  ethnicity: 'Kinh',
  nationality: 'Việt Nam',
  nativePlace: COMMUNE_CODE,
};
export const HOUSEHOLD: Household & { readonly members: readonly string[] } = {
  householdCode: 'HGD-000001',
  headName: FATHER.name,
  headNumber: FATHER.personalNumber,
  communeCode: COMMUNE_CODE,
  address: 'Số 0, phố Thí Dụ',
  members: [FATHER.personalNumber, MOTHER.personalNumber],
};
export const MARRIAGE = {
  certificateNumber: 'KH-2020-000001',
  wifeNumber: MOTHER.personalNumber,
  husbandNumber: FATHER.personalNumber,
};
export const FACILITIES = [
  { code: 'BV-001', name: 'Bệnh viện Thí Dụ', communeCode: COMMUNE_CODE },
  { code: 'BV-002', name: 'Nhà hộ sinh Thí Dụ', communeCode: COMMUNE_CODE },
] as const;
export const CLINICS = [
  { code: 'TYT-001', name: 'Trạm y tế Thí Dụ', communeCode: COMMUNE_CODE },
  { code: 'TYT-002', name: 'Phòng khám nhi Thí Dụ', communeCode: COMMUNE_CODE },
] as const;
